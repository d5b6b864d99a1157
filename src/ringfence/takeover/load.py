"""Posting a source into a book of ours, and proving the book by its own statements.

`take_over` reads a folder, proves it, posts it and proves the book; each half can be called alone. Rows are posted
through the journal like any other, in this order::

    account_opened  berka:counterpart   what stands against every movement (the source tells one side only)
    account_opened  berka:roundings     what stands against every rounding
    account_opened  berka:unexplained   what stands against every unexplained difference
    pool_guarded    client              the pool must stay covered from here on, but for what the source itself lacks
    event           customer registered, for each client, with the accounts he owns or may dispose of, verified by the
                    other book (tier taken_over) and to be verified anew within a year of its last movement
    account_opened  berka:account:576   for each account, opening at zero; it may be overdrawn, as it was
    transfer        each line of the plan, value-dated as in the source; an amount of zero moves nothing and has no row

Every row has an id that follows from what it says of which number of the source, and the source's digest as its order.
So the same folder again is answered from the journal and changes nothing; an import that was killed goes on where it
stopped; and the first row refuses another source before anything of it is written.

Then the book's own statements (`ledger.reading`, which knows nothing of a source) are read back: after every movement
the balance of its account is the one that the file says, and the three accounts above hold what the plan adds up to.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ringfence.custody.guarding import MAY_LEAVE_IT_UNCOVERED, POOL
from ringfence.database.connection import Connection
from ringfence.database.refusals import refusing
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.journal import Journal
from ringfence.ledger.model import EPOCH_DAY, ROW, Account, Batch, Kind, Line, Result, batch
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.ledger.standing import Guard
from ringfence.money import format_minor
from ringfence.refusal import Fault, Refused, refusal
from ringfence.takeover import berka
from ringfence.takeover.berka import CURRENCY, Source
from ringfence.takeover.proof import Plan, Posting, plan, prove, summary

BATCH_ROWS: Final = 8_000
TAKEN_OVER: Final = "taken_over"
"""The tier of customers whom another book has verified: its word is taken, until they are verified here."""
REVIEW_WITHIN: Final = timedelta(days=365)
COUNTERPARTS: Final = {
    Posting.MOVEMENT: ("berka:counterpart", Purpose.TAKEOVER),
    Posting.ROUNDING: ("berka:roundings", Purpose.ROUNDING),
    Posting.UNEXPLAINED: ("berka:unexplained", Purpose.UNEXPLAINED),
}

BOOK_HOLDS_ANOTHER_SOURCE = refusal(
    "book_holds_another_source",
    Fault.STATE,
    en="Book {book} took over other files before; these files need a book of their own. Nothing was written.",
    zh="账簿 {book} 此前已接收另一批文件；本批文件须另开账簿。本次未写入任何内容。",
)
BOOK_DIFFERS_FROM_SOURCE = refusal(
    "book_differs_from_source",
    Fault.STATE,
    en="After movement {movement}, the book's balance of {account} is {found}; the source says {expected}.",
    zh="第 {movement} 笔之后，账簿中 {account} 的余额为 {found}；来源文件为 {expected}。",
)

Progress = Callable[[int, int], None]
Clock = Callable[[], datetime]


def take_over(
    folder: Path,
    journal: Journal,
    connection: Connection,
    clock: Clock,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Read, prove, post, and prove the book: the object that `ringfence import berka DIR --json` prints. `connection`
    reads the book of `journal` back, in role core.
    """
    began = clock()
    source = berka.read(folder)
    proof = prove(source)
    with refusing():
        load(source, plan(source, proof), journal, connection, clock, progress)
    return summary(source, proof, seconds=(clock() - began).total_seconds())


def book_for(connection: Connection, name: str, at: datetime) -> reading.Book:
    """The book of that name, opened if there is none."""
    with connection.transaction():
        if any(book.name == name for book in reading.books(connection)):
            return reading.book_named(connection, name)
        return reading.open_book(connection, name, at)


def load(
    source: Source,
    lines: Plan,
    journal: Journal,
    connection: Connection,
    clock: Clock,
    progress: Progress,
    *,
    batch_rows: int = BATCH_ROWS,
) -> int:
    """Post all of a source, then prove the book. Returns how many balances were compared with the source's."""
    order = order_of(source)
    opening = [_opening(order, kind, name) for kind, (name, _) in COUNTERPARTS.items()]
    parties = _customers(source, order) + _accounts(source, order)
    moving = np.flatnonzero(lines.amount)
    total = len(opening) + 1 + len(parties) + len(moving) + len(source.movements)
    done = _Done(progress, total)

    _append(journal, batch([opening[:1]]), clock(), done, first=True)
    _append(journal, batch([[line] for line in opening[1:]]), clock(), done)
    guard = Guard(POOL, tuple(sorted(MAY_LEAVE_IT_UNCOVERED)))
    _append(journal, batch([[guard.line(_id(_GUARD, 0), EPOCH_DAY)]]), clock(), done)
    for piece in _pieces(len(parties), batch_rows):
        _append(journal, batch([line] for line in parties[piece]), clock(), done)
    numbers = journal.balances().numbers
    for piece in _pieces(len(moving), batch_rows):
        _append(journal, _transfers(lines, moving[piece], numbers, order), clock(), done)
        _follow(connection, journal.book)  # batch by batch, so that whoever watches sees it move
    return prove_book(lines, connection, journal.book, done)


@dataclass
class _Done:
    """Counts for whoever watches."""

    progress: Progress
    total: int
    done: int = 0

    def __call__(self, more: int) -> None:
        self.done += more
        self.progress(self.done, self.total)


def _append(journal: Journal, rows: Batch, at: datetime, done: _Done, *, first: bool = False) -> None:
    answers = journal.append(rows, at)
    for index in np.flatnonzero(answers.results):
        result = Result(int(answers.results[index]))
        if first and result == Result.ID_ALREADY_HAS_OTHER_CONTENT:
            raise BOOK_HOLDS_ANOTHER_SOURCE(book=journal.book)
        raise _refused(result, rows, int(index), int(answers.sequences[index]))
    done(len(rows))


def _follow(connection: Connection, book: int) -> None:
    """Bring the book's statements up to its head."""
    with connection.transaction():
        reading.project(connection, book)


def _refused(result: Result, rows: Batch, index: int, sequence: int) -> Refused:
    return RESULT_REFUSALS[result](id=UUID(bytes=rows.rows["id"][index].tobytes()), sequence=sequence)


def _pieces(size: int, most: int) -> list[slice]:
    return [slice(first, first + most) for first in range(0, size, most)]


# -- the rows ----------------------------------------------------------------------------------------------------------

_COUNTERPART, _CUSTOMER, _ACCOUNT, _GUARD = 16, 17, 18, 19  # what an id stands for, beside the three kinds of posting
_FIRST_DAY: Final = (date(1970, 1, 1) - date(1900, 1, 1)).days


def order_of(source: Source) -> UUID:
    """The source's digest as the order that all its rows belong to (a UUID of version 8)."""
    value = int(source.sha256[:32], 16)
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)


def ids(stands_for: npt.ArrayLike, number: npt.ArrayLike, day: npt.ArrayLike) -> npt.NDArray[np.void]:
    """Ids of version 8: days since 1900 first, so that the journal's index of ids grows at one end; then what the row
    is; then its number in the source.
    """
    high, low = np.broadcast_arrays(
        (np.asarray(day, np.uint64) + np.uint64(_FIRST_DAY)) << np.uint64(16)
        | np.uint64(0x8000)
        | np.asarray(stands_for, np.uint64),
        np.asarray(number, np.uint64) | np.uint64(1 << 63),
    )
    halves = np.stack([high, low], axis=-1).astype(">u8")
    return np.ascontiguousarray(halves).view("V16").reshape(high.shape)


def _id(stands_for: int, number: int) -> UUID:
    return UUID(bytes=ids(stands_for, number, 0)[()].tobytes())


def _opening(order: UUID, posting: Posting, name: str) -> Line:
    account = Account(0, name, CURRENCY.code, "debit", None, None, "bank:berka", POOL)
    return Line(Kind.ACCOUNT_OPENED, _id(_COUNTERPART, posting), order_id=order, payload=account.payload())


def account_name(number: int) -> str:
    return f"berka:account:{number}"


def _owner(number: int) -> str:
    return f"customer:berka-{number}"


def _customers(source: Source, order: UUID) -> list[Line]:
    roles: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for account in source.accounts:
        for client in account.disponents:
            roles[client][account_name(account.number)] = "disponent"
        roles[account.owner][account_name(account.number)] = "owner"
    due = max((each.date for each in source.movements), default=EPOCH_DAY) + REVIEW_WITHIN
    return [
        Line(
            Kind.EVENT,
            _id(_CUSTOMER, client),
            order_id=order,
            code=EventName.CUSTOMER_REGISTERED,
            payload={
                "event": "customer_registered",
                "customer": _owner(client),
                "accounts": roles[client],
                "tier": TAKEN_OVER,
                "review_due": due.isoformat(),
            },
        )
        for client in source.clients
    ]


def _accounts(source: Source, order: UUID) -> list[Line]:
    return [
        Line(
            Kind.ACCOUNT_OPENED,
            _id(_ACCOUNT, each.number),
            order_id=order,
            value_date=each.opened,
            payload=Account(
                0, account_name(each.number), CURRENCY.code, "credit", None, None, _owner(each.owner), POOL
            ).payload(),
        )
        for each in source.accounts
    ]


def _transfers(lines: Plan, chosen: npt.NDArray[np.intp], numbers: dict[str, int], order: UUID) -> Batch:
    """A positive amount debits the counterpart and credits the account; a negative one the other way round."""
    amount = lines.amount[chosen]
    known = {int(account): numbers[account_name(int(account))] for account in np.unique(lines.account[chosen])}
    account = np.array([known[int(each)] for each in lines.account[chosen]], np.int64)
    posting = lines.posting[chosen]
    counterpart = np.array([numbers[name] for name, _ in COUNTERPARTS.values()], np.int64)[posting]
    rows = np.zeros(len(chosen), ROW)
    rows["kind"] = Kind.TRANSFER
    rows["id"] = ids(posting, lines.number[chosen], lines.day[chosen])
    rows["debit_account"] = np.where(amount > 0, counterpart, account)
    rows["credit_account"] = np.where(amount > 0, account, counterpart)
    rows["amount"] = np.abs(amount)
    rows["order_id"] = np.void(order.bytes)
    rows["code"] = np.array([code for _, code in COUNTERPARTS.values()], np.int32)[posting]
    rows["value_date"] = lines.day[chosen]
    return Batch(rows)


# -- the proof ---------------------------------------------------------------------------------------------------------


def prove_book(
    lines: Plan,
    connection: Connection,
    book: int,
    done: Callable[[int], None] = lambda _: None,
) -> int:
    """Compare the book's statements with the plan, line by line; `book_differs_from_source` at the first difference.
    Returns the number of movements whose balance was compared.
    """
    _follow(connection, book)
    identities = [UUID(bytes=each.tobytes()) for each in ids(lines.posting, lines.number, lines.day)]
    by_account: defaultdict[int, list[int]] = defaultdict(list)
    for index, account in enumerate(lines.account.tolist()):
        by_account[account].append(index)
    checked = 0
    with connection.transaction():
        for indexes in by_account.values():
            _prove_account(lines, indexes, identities, connection, book)
            movements = int(np.count_nonzero(lines.posting[indexes] == Posting.MOVEMENT))
            checked += movements
            done(movements)
        for posting, (name, _) in COUNTERPARTS.items():
            expected = int(lines.amount[lines.posting == posting].sum())
            found = reading.balance(connection, book, name).balance
            if found != expected:
                raise _differs(name, "the last", found, expected)
    return checked


def _prove_account(
    lines: Plan, indexes: Sequence[int], identities: Sequence[UUID], connection: Connection, book: int
) -> None:
    """One account's statement against its lines; an amount of zero leaves the balance as it was."""
    name = account_name(int(lines.account[indexes[0]]))
    after = {line.id: line.balance for line in reading.statement(connection, book, name)}
    balance: int | None = 0
    for index in indexes:
        if lines.amount[index]:
            balance = after.get(identities[index])
        if balance != lines.balance[index]:
            raise _differs(name, int(lines.number[index]), balance, int(lines.balance[index]))


def _differs(account: str, movement: int | str, found: int | None, expected: int) -> Refused:
    return BOOK_DIFFERS_FROM_SOURCE(
        movement=movement,
        account=account,
        found="absent" if found is None else format_minor(found, CURRENCY),
        expected=format_minor(expected, CURRENCY),
    )
