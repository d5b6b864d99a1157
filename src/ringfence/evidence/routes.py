"""Evidence over HTTP: the last checkpoint, a receipt for a row, what the notary found.

A receipt is what a customer keeps: the row, the checkpoint that covers it, and the proof between them. It is checked by
a program of its own that imports nothing of ours.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as Folder
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from ringfence.evidence import reading
from ringfence.evidence.export import LOG_HAS_NO_CHECKPOINT, last_checkpoint, receipt
from ringfence.evidence.keys import read_verifier
from ringfence.evidence.tiles import Tiles, directory_reader
from ringfence.evidence.tree import record_hash
from ringfence.refusal import Fault, refusal
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, Visit, scoped

ROW_IS_NOT_NOTARISED_YET = refusal(
    "row_is_not_notarised_yet",
    Fault.STATE,
    en="Row {sequence} is not under a checkpoint yet; the last one covers {size} rows.",
    zh="第 {sequence} 行尚未纳入检查点；最近的检查点覆盖 {size} 行。",
)

router = APIRouter()
READ = [scoped("evidence:read")]


@dataclass(frozen=True)
class Log:
    """Where the notary's log of this book is read: a folder of tiles and checkpoints."""

    folder: Folder


class AlarmAnswer(Answer):
    name: str
    facts: dict[str, Any]
    signed_size: int
    raised_at: datetime


class AlarmList(Answer):
    alarms: list[AlarmAnswer]


@router.get(
    "/checkpoint",
    dependencies=READ,
    summary="The last signed checkpoint (C2SP tlog-checkpoint)",
    response_class=PlainTextResponse,
    responses=refuses(LOG_HAS_NO_CHECKPOINT),
)
def checkpoint(visit: Client) -> Response:
    folder = visit.desk(Log).folder
    note, _ = last_checkpoint(folder, read_verifier(folder))
    return PlainTextResponse(note)


@router.get(
    "/receipts/{sequence}",
    dependencies=READ,
    summary="A receipt for a row: the row, the checkpoint, the proof",
    responses=refuses(LOG_HAS_NO_CHECKPOINT, ROW_IS_NOT_NOTARISED_YET),
)
def row_receipt(visit: Client, sequence: Annotated[int, Path(ge=0, le=2**62)]) -> Response:
    made, _ = receipt_of(visit, sequence)
    return JSONResponse(
        made, headers={"Content-Disposition": f'attachment; filename="receipt-{visit.core.book.name}-{sequence}.json"'}
    )


@router.get("/notary-alarms", dependencies=READ, summary="What the notary found wrong", responses=refuses())
def notary_alarms(visit: Client) -> AlarmList:
    with visit.core.connection() as connection:
        found = reading.alarms(connection, visit.book)
    return AlarmList(
        alarms=[
            AlarmAnswer(name=each.name, facts=each.facts, signed_size=each.signed_size, raised_at=each.raised_at)
            for each in found
        ]
    )


def receipt_of(visit: Visit, sequence: int) -> tuple[dict[str, Any], bytes]:
    """The receipt of a row, and its leaf's hash; every byte that goes in was checked against the checkpoint."""
    folder = visit.desk(Log).folder
    note, signed = last_checkpoint(folder, read_verifier(folder))
    if sequence >= signed.size:
        raise ROW_IS_NOT_NOTARISED_YET(sequence=sequence, size=signed.size)
    tiles = Tiles(signed.size, signed.root, directory_reader(folder))
    [leaf] = tiles.records(sequence, sequence + 1)
    made = receipt(tiles, note, sequence, leaf)
    return made, record_hash(leaf)
