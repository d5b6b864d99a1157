"""Which rows say something over the book that only people may say, and whom the notary asks before it signs one.

The ledger's rules know what such a row does, not whether anybody allowed it. Another limit and a closed period always
need a proposal that people approved; a guard and a monitor need one when they replace what stands. A correction needs
one, and so does the platform's own money that covers a shortfall, as the policy says. And some events say that people
did something (proposed, approved, set a policy, enrolled a key, completed a course), or that a payment is ordered: the
core can append any event, so what they say must stand behind them. Who approved what is kept where the core cannot
write it; evidence does not know that place and is given a way to ask.
"""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np

from ringfence.database.connection import Connection
from ringfence.ledger.balances import Balances
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.model import Kind, moment
from ringfence.ledger.storage import Block
from ringfence.refusal import Fault, refusal

SAID: Final = (
    EventName.PROPOSAL_MADE,
    EventName.PROPOSAL_APPROVED,
    EventName.PROPOSAL_REJECTED,
    EventName.POLICY_SET,
    EventName.PASSKEY_ENROLLED,
    EventName.COURSE_COMPLETED,
    EventName.PAYMENT_ORDERED,
    EventName.ORIGIN_STATED,
    EventName.PROGRAM_KEY_ADMITTED,
    EventName.PAYEE_ADDED,
    EventName.MANDATE_GIVEN,
    EventName.MANDATE_REVOKED,
    EventName.RULE_PACK_SET,
)
"""Events of which the notary asks whether it was so."""

_STANDING: Final = (Kind.ACCOUNT_LIMITED, Kind.PERIOD_CLOSED, Kind.POOL_GUARDED, Kind.MONITOR_SET)

ROW_LACKS_AUTHORISATION = refusal(
    "row_lacks_authorisation",
    Fault.STATE,
    en="Row {sequence} of the journal changes what stands over the book, and the proposal it names ({proposal}) does"
    " not allow that. It is not signed.",
    zh="日志第 {sequence} 行更改账簿的约束，而其所载提案（{proposal}）并未准许。不予签名。",
)
MOVEMENT_LACKS_APPROVAL = refusal(
    "movement_lacks_approval",
    Fault.STATE,
    en="Row {sequence} of the journal moves money as {what}, and people did not approve it: {because}. It is not"
    " signed.",
    zh="日志第 {sequence} 行以{what}移动资金，而未经人员批准：{because}。不予签名。",
)
ROW_SAYS_WHAT_NOBODY_DID = refusal(
    "row_says_what_nobody_did",
    Fault.STATE,
    en="Row {sequence} of the journal says {event}, and that is not so: {because}. It is not signed.",
    zh="日志第 {sequence} 行称 {event}，而事实并非如此：{because}。不予签名。",
)


@dataclass(frozen=True)
class StandingRow:
    """A new row of kind 9 to 12 that needs an approved proposal. It keeps the ledger's rules; `payload` is the row's
    canonical JSON, `proposal` the one it names there, `posted_at` the time of its append.
    """

    book: int
    sequence: int
    kind: Kind
    id: UUID
    proposal: UUID
    posted_at: datetime
    payload: bytes


@dataclass(frozen=True)
class SaidRow:
    """A new event of SAID, and the time of its append."""

    book: int
    sequence: int
    event: EventName
    id: UUID
    posted_at: datetime
    payload: bytes


@dataclass(frozen=True)
class MovedRow:
    """A new row that moves money and that people approve: a correction, or a transfer, also a pending one, of purpose
    FUNDING. It keeps the ledger's rules; amount in minor units, `refers_to` of a correction.
    """

    book: int
    sequence: int
    kind: Kind
    id: UUID
    order_id: UUID
    refers_to: UUID
    debit_account: int
    credit_account: int
    amount: int
    posted_at: datetime


ToAuthorise = StandingRow | SaidRow | MovedRow

Authorised = Callable[[Connection, ToAuthorise], None]
"""Returns if people allowed exactly this row, or did what it says; else raises a `Refused`, which becomes the alarm.
The connection is in role notary, in the read-only snapshot in which the row was read: rows, proposals and decisions
belong together.
"""


Audit = Callable[[Connection, int, Block, Balances], None]
"""A further question about the new rows of a book, of a package that the notary does not know: returns if they keep
that package's rules, else raises the `Refused` that becomes the alarm. In the same snapshot as above. The balances are
the notary's own, after the rows.
"""


def nobody(_: Connection, row: ToAuthorise) -> None:
    """What a notary that was given nobody to ask believes: nothing."""
    if isinstance(row, MovedRow):
        raise MOVEMENT_LACKS_APPROVAL(sequence=row.sequence, what=row.kind.name.lower(), because="nobody knows")
    if isinstance(row, SaidRow):
        raise ROW_SAYS_WHAT_NOBODY_DID(sequence=row.sequence, event=row.event.name, because="nobody knows")
    raise ROW_LACKS_AUTHORISATION(sequence=row.sequence, proposal=row.proposal)


def rows_to_authorise(
    block: Block, book: int, guarded: Collection[str], monitored: Collection[str]
) -> Iterator[ToAuthorise]:
    """The rows of a block that keeps the rules, whose authorisation is asked for, in their order: those that need a
    proposal, those that claim one, those that move money as people approve it, and those that say what people did.
    `guarded` and `monitored` are the pools and names before the block.
    """
    known = {Kind.POOL_GUARDED: set(guarded), Kind.MONITOR_SET: set(monitored)}
    rows = block.batch.rows
    said_of = (rows["kind"] == Kind.EVENT) & np.isin(rows["code"], SAID)
    own_money = np.isin(rows["kind"], (Kind.TRANSFER, Kind.PENDING)) & (rows["code"] == Purpose.FUNDING)
    moved = (rows["kind"] == Kind.CORRECTION) | own_money
    for index in np.flatnonzero(np.isin(rows["kind"], _STANDING) | said_of | moved).tolist():
        kind = Kind(int(rows["kind"][index]))
        identity, at = UUID(bytes=rows["id"][index].tobytes()), moment(int(block.posted_at[index]))
        if moved[index]:
            yield _moved(book, block, index, kind, at)
            continue
        payload = block.batch.payloads[index]
        if kind == Kind.EVENT:
            yield SaidRow(book, block.first + index, EventName(int(rows["code"][index])), identity, at, payload)
            continue
        said = json.loads(payload)
        needed = True
        if kind in known:
            name = said["pool" if kind == Kind.POOL_GUARDED else "monitor"]
            needed = name in known[kind]
            known[kind].add(name)
        if said["proposal"] is not None:
            yield StandingRow(book, block.first + index, kind, identity, UUID(said["proposal"]), at, payload)
        elif needed:
            raise ROW_LACKS_AUTHORISATION(sequence=block.first + index, proposal=None)


def _moved(book: int, block: Block, index: int, kind: Kind, at: datetime) -> MovedRow:
    row = block.batch.rows[index]
    identity, order, refers = (UUID(bytes=row[name].tobytes()) for name in ("id", "order_id", "refers_to"))
    debit, credit, amount = (int(row[name]) for name in ("debit_account", "credit_account", "amount"))
    return MovedRow(book, block.first + index, kind, identity, order, refers, debit, credit, amount, at)
