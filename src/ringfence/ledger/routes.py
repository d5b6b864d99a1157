"""The ledger over HTTP: the journal, the accounts, balances and statements at any row or day."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import Field

from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.crossing.routes import router as crossing_router
from ringfence.ledger.model import Kind, Result
from ringfence.ledger.refusals import ENTRIES_MUST_HAVE_THE_ROW, RESULT_REFUSALS, ROW_MUST_EXIST
from ringfence.web import formats
from ringfence.web.answers import Answer, Money, csv_answer, money, refuses
from ringfence.web.fields import PAGE_ROWS, Day, Limit, Sequence, Text, containing, end_of
from ringfence.web.visit import Client, Visit, scoped

STATEMENT_ROWS_MAX = 100_000

router = APIRouter()
router.routes += crossing_router.routes
JOURNAL = [scoped("journal:read")]
STATEMENTS = [scoped("statements:read")]
WithRow = Annotated[
    Annotated[int, Field(ge=0, le=2**62)] | None,
    Query(description="A row that must be in the answer: it waits for up to two seconds until it is."),
]
AccountName = Annotated[str, Path(max_length=200, examples=["customer:c0001:available"])]


class JournalRow(Answer):
    """A row of the journal. `code` is the purpose of a movement or the name of an event."""

    sequence: int
    kind: str
    linked: bool = Field(description="It happens together with the next row or not at all.")
    id: UUID
    debit: str | None = Field(description="Account that is debited.")
    credit: str | None = Field(description="Account that is credited.")
    amount: Money | None
    refers_to: UUID | None
    order_id: UUID | None
    code: str | None
    value_date: date
    posted_at: datetime
    expires_at: datetime | None
    said: dict[str, Any] = Field(description="What an event, an opened account or a refusal says.")


class JournalPage(Answer):
    """Rows, the latest first; `older` is the `before` of the next page, if there is one."""

    rows: list[JournalRow]
    older: int | None


class AccountBalance(Answer):
    """Amounts on the account's normal side. `held` is pending to leave, `expected` pending to arrive."""

    name: str
    number: int = Field(description="What packed rows call it.")
    side: str
    owner: str
    pool: str
    balance: Money
    held: Money
    expected: Money
    available: Money


class AccountPage(Answer):
    as_of: int = Field(description="Rows of the journal before this one are in the answer.")
    accounts: list[AccountBalance]
    next: int | None = Field(description="The `after` of the next page, if there is one.")


class BalanceAt(Answer):
    """An account before row `as_of`, and what it had by the end of a value date, as known then."""

    as_of: int = Field(description="Rows of the journal before this one are in the answer.")
    account: AccountBalance
    value_date: date | None
    balance_by_value_date: Money | None


class GroupTotal(Answer):
    """What the accounts of one owner class, pool, currency and normal side have together, on that side."""

    owner_class: str
    pool: str
    side: str
    balance: Money
    held: Money
    expected: Money


class PoolCover(Answer):
    """What a pool holds (debit side) less what it owes (credit side)."""

    pool: str
    holds: Money
    owes: Money
    cover: Money


class Totals(Answer):
    as_of: int = Field(description="Rows of the journal before this one are in the answer.")
    totals: list[GroupTotal]
    covers: list[PoolCover]


class EntriesLag(Answer):
    """How far the entries are behind the journal."""

    as_of: int = Field(description="Rows of the journal before this one have their entries.")
    rows: int = Field(description="Rows that are missing.")
    seconds: float = Field(description="For how long the first of them has waited.")


class StatementRow(Answer):
    """One movement on one account, and the balance after it."""

    sequence: int
    kind: str
    purpose: str | None
    change: Money
    balance: Money
    held: Money
    counter_account: str
    id: UUID
    order_id: UUID | None
    value_date: date
    posted_at: datetime


class AccountStatement(Answer):
    as_of: int = Field(description="Rows of the journal before this one are in the answer.")
    account: AccountBalance
    rows: list[StatementRow]
    older: int | None


@router.get("/journal", dependencies=JOURNAL, summary="The journal, the latest row first", responses=refuses())
def journal(visit: Client, before: Sequence = None, limit: Limit = PAGE_ROWS) -> JournalPage:
    with visit.core.connection() as connection:
        rows = reading.journal_page(connection, visit.book, before=until(before), limit=limit)
    return JournalPage(
        rows=[row_answer(row) for row in rows],
        older=rows[-1].sequence if len(rows) == limit and rows[-1].sequence else None,
    )


@router.get(
    "/journal/{sequence}", dependencies=JOURNAL, summary="One row of the journal", responses=refuses(ROW_MUST_EXIST)
)
def journal_row(visit: Client, sequence: Annotated[int, Path(ge=0, le=2**62)]) -> JournalRow:
    with visit.core.connection() as connection:
        return row_answer(row_of(connection, visit.book, sequence))


@router.get("/accounts", dependencies=STATEMENTS, summary="Accounts and their balances", responses=refuses())
def accounts(
    visit: Client,
    name: Text = None,
    after: Sequence = None,
    before: Sequence = None,
    day: Day = None,
    limit: Limit = PAGE_ROWS,
) -> AccountPage:
    with visit.core.connection() as connection:
        last = as_of(connection, visit, before, day)
        found = reading.balances_page(
            connection, visit.book, containing(name), after=after or 0, before=last, limit=limit
        )
    return AccountPage(
        as_of=last,
        accounts=[balance_answer(each) for each in found],
        next=found[-1].account if len(found) == limit else None,
    )


@router.get(
    "/accounts/{name}/balance",
    dependencies=STATEMENTS,
    summary="One account's balance by either time: when it was posted, and its value date",
    responses=refuses(RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST], ENTRIES_MUST_HAVE_THE_ROW),
)
def account_balance(
    visit: Client,
    name: AccountName,
    before: Sequence = None,
    day: Day = None,
    value_date: Day = None,
    with_row: WithRow = None,
) -> BalanceAt:
    with visit.core.connection() as connection:
        last = as_of(connection, visit, before, day, with_row)
        standing = reading.balance(connection, visit.book, name, before=last)
        valued = None
        if value_date:
            valued = reading.balance_by_value_date(connection, visit.book, name, value_date, before=last).balance
    return BalanceAt(
        as_of=last,
        account=balance_answer(standing),
        value_date=value_date,
        balance_by_value_date=None if valued is None else money(valued, standing.currency),
    )


@router.get(
    "/totals",
    dependencies=STATEMENTS,
    summary="What owner classes have together in each pool, and the cover of each pool, as far as the entries are",
    responses=refuses(ENTRIES_MUST_HAVE_THE_ROW),
)
def totals(visit: Client, with_row: WithRow = None) -> Totals:
    with visit.core.connection() as connection:
        found = reading.totals(connection, visit.book, after=with_row)
    return Totals(
        as_of=found.as_of,
        totals=[
            GroupTotal(
                owner_class=each.group.owner_class,
                pool=each.group.pool,
                side=each.group.side,
                balance=money(each.balance, each.group.currency),
                held=money(each.held, each.group.currency),
                expected=money(each.expected, each.group.currency),
            )
            for each in found.groups
        ],
        covers=[
            PoolCover(
                pool=each.pool,
                holds=money(each.holds, each.currency),
                owes=money(each.owes, each.currency),
                cover=money(each.cover, each.currency),
            )
            for each in found.covers()
        ],
    )


@router.get(
    "/entries/lag", dependencies=JOURNAL, summary="How far balances are behind the journal", responses=refuses()
)
def entries_lag(visit: Client) -> EntriesLag:
    with visit.core.connection() as connection:
        found = reading.lag(connection, visit.book)
    return EntriesLag(as_of=found.reached, rows=found.rows, seconds=round(found.seconds, 6))


@router.get(
    "/accounts/{name}/statement",
    dependencies=STATEMENTS,
    summary="Movements on an account with the balance after each, the latest first",
    responses=refuses(RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST], ENTRIES_MUST_HAVE_THE_ROW),
)
def account_statement(
    visit: Client,
    name: AccountName,
    before: Sequence = None,
    day: Day = None,
    with_row: WithRow = None,
    limit: Limit = PAGE_ROWS,
) -> AccountStatement:
    with visit.core.connection() as connection:
        last = as_of(connection, visit, before, day, with_row)
        standing = reading.balance(connection, visit.book, name, before=last)
        lines = reading.statement(connection, visit.book, name, last=last, limit=limit)
        names = reading.account_names(connection, visit.book, [line.counter_account for line in lines])
    return AccountStatement(
        as_of=last,
        account=balance_answer(standing),
        rows=[statement_answer(line, standing.currency, names) for line in lines],
        older=lines[-1].sequence if len(lines) == limit else None,
    )


@router.get(
    "/accounts/{name}/statement.csv",
    dependencies=STATEMENTS,
    summary="The same movements as a table to keep, the earliest first",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **refuses(RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST])},
)
def account_statement_table(visit: Client, name: AccountName, before: Sequence = None, day: Day = None) -> Response:
    with visit.core.connection() as connection:
        last = as_of(connection, visit, before, day)
        standing = reading.balance(connection, visit.book, name, before=last)
        lines = reading.statement(connection, visit.book, name, last=last, limit=STATEMENT_ROWS_MAX)
        names = reading.account_names(connection, visit.book, [line.counter_account for line in lines])
    header = [
        "sequence",
        "posted_at",
        "value_date",
        "kind",
        "purpose",
        "change",
        "balance",
        "held",
        "currency",
        "counter_account",
        "id",
        "order_id",
    ]
    return csv_answer(
        f"{name.replace(':', '-')}.csv",
        header,
        (
            (
                line.sequence,
                formats.machine_moment(line.posted_at),
                line.value_date.isoformat(),
                line.kind_word,
                code_word(line.kind, line.code) or "",
                formats.decimal_text(line.change, standing.currency),
                formats.decimal_text(line.balance, standing.currency),
                formats.decimal_text(line.held, standing.currency),
                standing.currency,
                names[line.counter_account],
                str(line.id),
                str(line.order_id or ""),
            )
            for line in reversed(lines)
        ),
    )


def until(before: int | None) -> int:
    return reading.LATEST if before is None else before


def point(connection: Connection, visit: Visit, before: int | None, day: date | None) -> int:
    """The row before which to look: a number, the end of a day, or the head."""
    if before is not None:
        return before
    return reading.head_at(connection, visit.book, end_of(day)) if day else reading.LATEST


def as_of(
    connection: Connection, visit: Visit, before: int | None, day: date | None, with_row: int | None = None
) -> int:
    """The row before which an answer holds. Who asks for now, and names no row that must be in it, gets all there is;
    first thing on a connection, so that nobody waits for longer than that takes.
    """
    if before is None and day is None and with_row is None:
        return visit.core.entries.follow(connection)
    return reading.as_of(connection, visit.book, before=point(connection, visit, before, day), after=with_row)


def row_of(connection: Connection, book: int, sequence: int) -> reading.JournalLine:
    found = reading.journal_page(connection, book, before=sequence + 1, limit=1)
    if not found or found[0].sequence != sequence:
        raise ROW_MUST_EXIST(sequence=sequence)
    return found[0]


def code_word(kind: int, code: int) -> str | None:
    """The name of a row's code, by the list that its kind belongs to; a number that no list has stays a number."""
    if not code:
        return None
    names: type[Purpose | EventName] = EventName if kind == Kind.EVENT else Purpose
    return names(code).name.lower() if code in {each.value for each in names} else str(code)


def row_answer(row: reading.JournalLine) -> JournalRow:
    return JournalRow(
        sequence=row.sequence,
        kind=row.kind_word,
        linked=bool(row.flags & 1),
        id=row.id,
        debit=row.debit_name,
        credit=row.credit_name,
        amount=money(row.amount, row.currency) if row.currency and row.kind <= Kind.CORRECTION else None,
        refers_to=row.refers_to,
        order_id=row.order_id,
        code=code_word(row.kind, row.code),
        value_date=row.value_date,
        posted_at=row.posted_at,
        expires_at=row.expires_at,
        said=row.said,
    )


def balance_answer(found: reading.Balance) -> AccountBalance:
    return AccountBalance(
        name=found.name,
        number=found.account,
        side=found.side,
        owner=found.owner,
        pool=found.pool,
        balance=money(found.balance, found.currency),
        held=money(found.held, found.currency),
        expected=money(found.expected, found.currency),
        available=money(found.available, found.currency),
    )


def statement_answer(line: reading.StatementLine, currency: str, names: dict[int, str]) -> StatementRow:
    return StatementRow(
        sequence=line.sequence,
        kind=line.kind_word,
        purpose=code_word(line.kind, line.code),
        change=money(line.change, currency),
        balance=money(line.balance, currency),
        held=money(line.held, currency),
        counter_account=names[line.counter_account],
        id=line.id,
        order_id=line.order_id,
        value_date=line.value_date,
        posted_at=line.posted_at,
    )
