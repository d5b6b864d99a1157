"""The ledger over HTTP: the journal, the accounts, balances and statements at any row or day."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import Field

from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.model import Kind, Result
from ringfence.ledger.refusals import RESULT_REFUSALS, ROW_MUST_EXIST
from ringfence.web import formats
from ringfence.web.answers import Answer, Money, csv_answer, money, refuses
from ringfence.web.fields import PAGE_ROWS, Day, Limit, Sequence, Text, containing, end_of
from ringfence.web.visit import Client, Visit, scoped

STATEMENT_ROWS_MAX = 100_000

router = APIRouter()
JOURNAL = [scoped("journal:read")]
STATEMENTS = [scoped("statements:read")]
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
    side: str
    owner: str
    pool: str
    balance: Money
    held: Money
    expected: Money
    available: Money


class AccountPage(Answer):
    accounts: list[AccountBalance]
    next: int | None = Field(description="The `after` of the next page, if there is one.")


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
        found = reading.balances_page(
            connection,
            visit.book,
            containing(name),
            after=after or 0,
            before=point(connection, visit, before, day),
            limit=limit,
        )
    return AccountPage(
        accounts=[balance_answer(each) for each in found], next=found[-1].account if len(found) == limit else None
    )


@router.get(
    "/accounts/{name}/statement",
    dependencies=STATEMENTS,
    summary="Movements on an account with the balance after each, the latest first",
    responses=refuses(RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST]),
)
def account_statement(
    visit: Client, name: AccountName, before: Sequence = None, day: Day = None, limit: Limit = PAGE_ROWS
) -> AccountStatement:
    with visit.core.connection() as connection:
        last = point(connection, visit, before, day)
        standing = reading.balance(connection, visit.book, name, before=last, fresh=last == reading.LATEST)
        lines = reading.statement(connection, visit.book, name, last=last, limit=limit)
        names = reading.account_names(connection, visit.book, [line.counter_account for line in lines])
    return AccountStatement(
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
        last = point(connection, visit, before, day)
        standing = reading.balance(connection, visit.book, name, before=last, fresh=last == reading.LATEST)
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
