"""Corrections: a transfer that should not have been is taken back, whole, by a row that people agreed on.

Nothing in the journal is changed. A treasurer names the row and says why; others approve exactly these accounts and
this amount (act `correction`); then a row of kind 6 with debit and credit exchanged refers to the transfer and, as its
order, to the proposal. The notary signs no correction without it. A transfer is taken back once, and the ledger's rules
decide last: money that has gone on is not there to be taken back.

What a bank has paid out comes back by the bank's word only (`settlement`); money in escrow and on its way to another
book has ways of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.backing import CORRECTION as ACT
from ringfence.authority.backing import correction_facts, correction_id
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES as AUTHORITY
from ringfence.authority.standing.acts import require_reason
from ringfence.core import Core
from ringfence.custody.days import current_day
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import TRANSFER_CANNOT_BE_CORRECTED
from ringfence.database.connection import Connection
from ringfence.ledger.codes import Purpose
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.ledger.reading import JournalLine
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.money import currency
from ringfence.refusal import Fault

OTHER_WAYS: Final = (Purpose.WITHDRAWAL, Purpose.FEE_SWEEP, Purpose.ESCROW, Purpose.CROSSING)
"""Purposes of transfers that are not taken back here."""


@dataclass(frozen=True)
class Posted:
    """A transfer, or the post of a held one, as the journal has it, and whether it was taken back."""

    sequence: int
    id: UUID
    kind: int
    debit_account: int
    debit_name: str
    credit_account: int
    credit_name: str
    currency: str
    amount: int
    code: int
    value_date: date
    corrected: bool


def posted(connection: Connection, book: int, transfer: UUID) -> Posted:
    """The transfer with this id, or `corrected_transfer_must_exist`."""
    with connection.cursor(row_factory=class_row(Posted)) as cursor:
        found = cursor.execute(QUERIES.posted_transfer, {"book": book, "id": transfer}).fetchone()
    if found is None:
        raise RESULT_REFUSALS[Result.CORRECTED_TRANSFER_MUST_EXIST]()
    return found


def propose(core: Core, by: Session, transfer: UUID, reason: str) -> Drafted:
    """Propose to take a transfer back. `corrected_transfer_must_exist`, `transfer_already_corrected`,
    `transfer_cannot_be_corrected`, `change_must_have_a_reason`, and what `proposals.draft` refuses.
    """
    with core.connection() as connection:
        found = posted(connection, core.book.book_id, transfer)
    if found.corrected:
        raise RESULT_REFUSALS[Result.TRANSFER_ALREADY_CORRECTED]()
    if found.code in OTHER_WAYS or not found.amount:
        raise TRANSFER_CANNOT_BE_CORRECTED(code=found.code)
    proposal = core.new_id()
    facts = correction_facts(transfer, found.credit_account, found.debit_account)
    facts |= {
        "debit": found.credit_name,
        "credit": found.debit_name,
        "journal_row": str(found.sequence),
        "purpose": str(found.code),
        "reason": require_reason(reason),
    }
    return proposals.propose(core, by, proposal, ACT, amount=found.amount, unit=currency(found.currency), facts=facts)


def carry_out(core: Core, proposal_id: UUID) -> None:
    """Write the row that a complete proposal allows; `proposal_is_not_complete`, or the ledger's own refusal, which is
    final for the proposal. Doing it again changes nothing.
    """
    book = core.book.book_id
    with core.connection() as connection:
        about = proposals.proposal_of(connection, book, proposal_id)
        if about.state == "carried_out":
            return
        day = current_day(connection, book)
        found = posted(connection, book, UUID(about.terms.facts["transfer"]))
    line = Line(
        Kind.CORRECTION,
        correction_id(proposal_id),
        found.credit_account,
        found.debit_account,
        found.amount,
        refers_to=found.id,
        order_id=proposal_id,
        code=found.code,
        value_date=day,
    )
    spent = (AUTHORITY.carry_out_correction, {"book": book, "correction": line.id, "proposal": proposal_id})
    core.post(Unit([line], also=[spent]))


def carry_out_all(core: Core) -> int:
    """`carry_out` for every complete proposal; for the core's rounds. One that the ledger refused is left alone: its
    refusal stands in the journal. Returns how many were carried out.
    """
    book = core.book.book_id
    with core.connection() as connection:
        complete = proposals.complete(connection, book, core.clock(), ACT)
        waiting = [each for each in complete if not _is_answered(connection, book, each.proposal_id)]
    left = (Fault.STATE, Fault.INPUT, Fault.UNKNOWN)
    return proposals.carry_out_each(waiting, lambda each: carry_out(core, each.proposal_id), leaving=left)


def latest(connection: Connection, book: int, limit: int = 100) -> list[proposals.Proposal]:
    """Proposals of the act, the latest first."""
    return [each for each in proposals.latest(connection, book, limit) if each.act == ACT]


def correctable(connection: Connection, book: int, rows: Sequence[JournalLine]) -> list[Posted]:
    """Those of these rows that a correction may take back, or has taken back."""
    moved = [row for row in rows if row.kind in (Kind.TRANSFER, Kind.POST) and row.code not in OTHER_WAYS]
    return [posted(connection, book, row.id) for row in moved]


def _is_answered(connection: Connection, book: int, proposal_id: UUID) -> bool:
    asked: dict[str, Any] = {"book": book, "id": correction_id(proposal_id)}
    return connection.execute(AUTHORITY.kind_of_id, asked).fetchone() is not None
