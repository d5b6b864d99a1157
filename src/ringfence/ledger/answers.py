"""What is answered to a row, and what the journal keeps of it.

An id is answered once and for good. Nobody looks ids up beforehand: only when PostgreSQL reports one that is there
already is a batch taken apart by what the journal knows (`known_in`), and only a batch that has an id twice is looked
through for twins.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
from psycopg.rows import dict_row

from ringfence.database.connection import Connection
from ringfence.ledger import encoding
from ringfence.ledger.balances import Bools, Int64
from ringfence.ledger.ids import derived
from ringfence.ledger.model import (
    FIRST_DAY,
    LAST_DAY,
    LINKED,
    NO_ID,
    NOT_RECORDED,
    ROW,
    Account,
    Batch,
    Kind,
    Line,
    Result,
    Rows,
    batch,
    canonical,
)
from ringfence.ledger.monitors import Turned
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.standing import Turn

Int16 = npt.NDArray[np.int16]
Known = dict[bytes, tuple[int, int, bytes]]
"""By id: the row's sequence, its result, and the digest of the request."""

UNDECIDED: Final = -2
TWIN: Final = -3
NO_ROW: Final = -1
_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)


class Answer(NamedTuple):
    """The answer to one row."""

    result: Result
    sequence: int  # -1: it has no row
    replayed: bool


@dataclass(frozen=True)
class Answers:
    """One element a row: the result, its sequence in the journal (-1: it has no row), and whether it is a replay."""

    results: Int16
    sequences: Int64
    replayed: Bools

    def __len__(self) -> int:
        return len(self.results)

    def result(self, index: int) -> Result:
        return _RESULTS[int(self.results[index])]

    def answer(self, index: int) -> Answer:
        return Answer(_RESULTS[int(self.results[index])], int(self.sequences[index]), bool(self.replayed[index]))

    def answers(self, places: Sequence[int]) -> list[Answer]:
        """Those at some places."""
        columns = (each[places].tolist() for each in (self.results, self.sequences, self.replayed))
        return [Answer(_RESULTS[result], *rest) for result, *rest in zip(*columns, strict=True)]

    def part(self, first: int, last: int) -> "Answers":
        """Rows `first` to `last` (exclusive)."""
        return Answers(self.results[first:last], self.sequences[first:last], self.replayed[first:last])


_RESULTS: Final[tuple[Result, ...]] = tuple(Result)


def known_in(connection: Connection, book: int, given: Batch) -> Known:
    """What the journal knows of a batch's ids."""
    ids = [UUID(bytes=identity) for identity in given.rows["id"].tolist()]
    known: Known = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(QUERIES.rows_by_id, {"book": book, "ids": ids}):
            payload = bytes(row["payload"] or b"")
            if row["kind"] == Kind.REFUSAL:
                said = json.loads(payload)
                result, digest = Result[said["reason"].upper()], bytes.fromhex(said["request"])
            else:
                result, digest = Result.POSTED, encoding.request_digest(_row_of(row), 0, payload)
            known[row["id"].bytes] = (row["sequence"], int(result), digest)
    return known


def _row_of(stored: Mapping[str, Any]) -> Rows:
    line = Line(
        **{name: stored[name] for name in ("id", "debit_account", "credit_account", "amount", "refers_to", "order_id")},
        kind=Kind(stored["kind"]),
        code=stored["code"],
        value_date=stored["value_date"],
        expires_at=stored["expires_at"],
    )
    rows = batch([[line]]).rows.copy()
    rows["flags"] = stored["flags"]
    return rows


def answer_known(given: Batch, known: Known) -> Answers:
    """Answer rows whose id is in the journal, mark those whose id came earlier in the batch, and refuse the rest of
    their chains: a chain that cannot happen whole does not happen.
    """
    size = len(given)
    answers = Answers(np.zeros(size, np.int16), np.full(size, UNDECIDED, np.int64), np.zeros(size, bool))
    if not known and not _may_have_twins(given.rows):
        return answers
    ids, seen = given.rows["id"].tolist(), set()
    for index, identity in enumerate(ids):
        if identity in known:
            _answer_from(given, answers, index, known[identity])
        elif identity in seen and identity != NO_ID:
            answers.sequences[index] = TWIN
        seen.add(identity)
    start = 0
    for end in np.flatnonzero((given.rows["flags"] & LINKED) == 0).tolist():
        chain = slice(start, end + 1)
        undecided = answers.sequences[chain] == UNDECIDED
        if not undecided.all():
            answers.results[chain][undecided] = Result.LINKED_ROW_FAILED
        start = end + 1
    return answers


def _may_have_twins(rows: Rows) -> bool:
    """Whether two ids may be the same: what they mix to is. Others that mix to the same are rare, and do no harm."""
    halves = np.ascontiguousarray(rows["id"]).view(np.uint64).reshape(-1, 2)
    mixed = np.sort(halves[:, 0] * _MIXER ^ halves[:, 1])
    return bool(np.any(mixed[1:] == mixed[:-1]))


def _answer_from(given: Batch, answers: Answers, index: int, row: tuple[int, int, bytes]) -> None:
    sequence, result, digest = row
    same = digest == encoding.request_digest(given.rows, index, given.payloads.get(index, b""))
    answers.results[index] = result if same else Result.ID_ALREADY_HAS_OTHER_CONTENT
    answers.sequences[index] = sequence if same else NO_ROW
    answers.replayed[index] = same


def answer_twins(given: Batch, answers: Answers, known: Known) -> Answers:
    for index in np.flatnonzero(answers.sequences == TWIN):
        _answer_from(given, answers, int(index), known[given.rows["id"][index].tobytes()])
    return answers


def part_of(given: Batch, chosen: npt.NDArray[np.intp]) -> Batch:
    if len(chosen) == len(given):
        return given
    place = {int(row): index for index, row in enumerate(chosen)} if given.payloads else {}
    return Batch(
        given.rows[chosen],
        {place[index]: payload for index, payload in given.payloads.items() if index in place},
    )


def rows_to_append(
    part: Batch, results: Int16, opened: Mapping[int, Account], turns: Sequence[Turned], again: int = 0
) -> tuple[Batch, Int64]:
    """The rows as the journal keeps them, and the place of each among them (-1: it leaves no row). A refused row
    becomes a REFUSAL that names the reason and the digest of what was asked; an opened account has its number now; the
    turns of monitors stand behind the rows that caused them. `again`: how often the ids that turns had were taken.
    """
    refused = np.flatnonzero(results)
    if not len(refused) and not opened and not turns:
        return part, np.arange(len(part), dtype=np.int64)
    rows, payloads = part.rows.copy(), dict(part.payloads)
    for index in refused.tolist():
        payloads[index] = _refuse(rows, index, part.payloads.get(index, b""), Result(int(results[index])))
    for index, account in opened.items():
        if not results[index]:
            rows[index]["debit_account"] = account.account
            payloads[index] = canonical(account.payload())
    nameless = rows["id"] == np.void(NO_ID)
    kept = np.flatnonzero(~(np.isin(results, NOT_RECORDED) | nameless))
    places = np.full(len(part), NO_ROW, np.int64)
    places[kept] = np.arange(len(kept))
    recorded = part_of(Batch(rows, payloads), kept)
    return _with_turns(recorded, places, turns, again) if turns else (recorded, places)


def _refuse(rows: Rows, index: int, payload: bytes, reason: Result) -> bytes:
    """Make a row a refusal; returns its payload."""
    digest = encoding.request_digest(rows, index, payload)
    asked = rows[index].copy()
    rows[index] = np.zeros((), ROW)
    rows[index]["kind"] = Kind.REFUSAL
    for name in ("id", "order_id", "code"):
        rows[index][name] = asked[name]
    if FIRST_DAY <= asked["value_date"] <= LAST_DAY:
        rows[index]["value_date"] = asked["value_date"]
    return canonical({"reason": reason.word, "request": digest.hex()})


def _word_of(turn: Turn, again: int) -> str:
    return f"turn of {turn.monitor}" + (f", {again}" if again else "")


def _with_turns(recorded: Batch, places: Int64, turns: Sequence[Turned], again: int) -> tuple[Batch, Int64]:
    before = np.zeros(len(recorded) + 1, np.int64)  # how many turns stand before each of the rows
    for turned in turns:
        before[int(places[turned.after]) + 1] += 1
    moved = np.arange(len(recorded)) + np.cumsum(before)[:-1]
    rows = np.zeros(len(recorded) + len(turns), ROW)
    rows[moved] = recorded.rows
    payloads = {int(moved[index]): payload for index, payload in recorded.payloads.items()}
    free = np.setdiff1d(np.arange(len(rows)), moved).tolist()
    for place, (after, turn) in zip(free, turns, strict=True):
        cause = recorded.rows[places[after]]
        rows[place]["kind"] = Kind.MONITOR_TURNED
        rows[place]["id"] = derived(UUID(bytes=cause["id"].tobytes()), _word_of(turn, again)).bytes
        rows[place]["value_date"] = cause["value_date"]
        payloads[place] = canonical(turn.payload())
    shifted = np.where(places == NO_ROW, NO_ROW, moved[np.maximum(places, 0)] if len(moved) else NO_ROW)
    return Batch(rows, payloads), shifted
