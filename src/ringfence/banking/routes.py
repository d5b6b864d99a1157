"""The bank's paper over HTTP: custodian accounts, statements with their entries, files read or quarantined."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from psycopg.rows import dict_row
from pydantic import Field

from ringfence.banking.desk import CustodianAccount, custodian_accounts, sheet
from ringfence.banking.queries import QUERIES
from ringfence.database.connection import Connection
from ringfence.database.queries import Query as Named
from ringfence.ledger import reading
from ringfence.vault.fields import ENTRY_ACCOUNT
from ringfence.vault.keeping import masks
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Limit
from ringfence.web.refusals import ADDRESS_LEADS_NOWHERE
from ringfence.web.visit import Client, Visit, scoped

router = APIRouter()
READ = [scoped("statements:read")]


class BankAccountAnswer(Answer):
    """A custodian account: our cashbook beside what the bank last said."""

    name: str
    bank: str
    number: str
    holder: str
    cashbook: Money
    bank_balance: Money | None = Field(description="Closing balance of the last statement; absent before the first.")
    bank_day: date | None
    difference: Money | None = Field(description="Bank less cashbook; what is under way makes one in the day.")


class BankAccountList(Answer):
    accounts: list[BankAccountAnswer]


class StatementAnswer(Answer):
    account: str
    id: str
    day: date
    opening: Money
    closing: Money
    entries: int
    file_sha256: str


class StatementList(Answer):
    statements: list[StatementAnswer]


class EntryAnswer(Answer):
    key: str
    amount: Money = Field(description="Positive: it arrived.")
    booking_date: date
    value_date: date | None
    reversal: bool
    bank_reference: str | None
    end_to_end_id: str | None
    counterparty_name: str | None
    remittance: str | None


class StatementWithEntries(Answer):
    statement: StatementAnswer
    entries: list[EntryAnswer]


class FileAnswer(Answer):
    """A file as it came. A quarantined one was refused whole: nothing of it was read."""

    sha256: str
    bank: str
    name: str
    message: str
    bytes: int
    outcome: str
    reason: str | None
    sentence: str | None
    received_at: datetime


class FileList(Answer):
    files: list[FileAnswer]


@router.get("/bank-accounts", dependencies=READ, summary="Custodian accounts: cashbook and bank", responses=refuses())
def bank_accounts(visit: Client) -> BankAccountList:
    answers = []
    for account, cashbook, last in positions(visit):
        bank = money(last["closing"], account.currency) if last else None
        answers.append(
            BankAccountAnswer(
                name=account.name,
                bank=account.bank,
                number=account.identification,
                holder=account.holder,
                cashbook=money(cashbook.balance, account.currency),
                bank_balance=bank,
                bank_day=last["day"] if last else None,
                difference=money(last["closing"] - cashbook.balance, account.currency) if last else None,
            )
        )
    return BankAccountList(accounts=answers)


@router.get("/statements", dependencies=READ, summary="Statements, the last taken first", responses=refuses())
def statements(visit: Client, limit: Limit = PAGE_ROWS) -> StatementList:
    with visit.core.connection() as connection:
        units = currencies(connection, visit.book)
        rows = shelf(connection, QUERIES.statements, book=visit.book, limit=limit)
    return StatementList(statements=[_statement(row, units) for row in rows])


@router.get(
    "/statements/{account}/{id}",
    dependencies=READ,
    summary="One statement with its entries",
    responses=refuses(ADDRESS_LEADS_NOWHERE),
)
def statement(
    visit: Client,
    account: Annotated[str, Path(max_length=200)],
    id: Annotated[str, Path(max_length=200)],  # noqa: A002
) -> StatementWithEntries:
    row, entries, unit = statement_of(visit, account, id)
    return StatementWithEntries(
        statement=_statement(row, {account: unit}),
        entries=[
            EntryAnswer(**{**_without(each, "amount", "masked_account"), "amount": money(each["amount"], unit)})
            for each in entries
        ],
    )


@router.get("/bank-files", dependencies=READ, summary="Files of the banks, the latest first", responses=refuses())
def files(
    visit: Client,
    outcome: Annotated[Literal["read", "quarantined"] | None, Query()] = None,
    limit: Limit = PAGE_ROWS,
) -> FileList:
    with visit.core.connection() as connection:
        found = shelf(connection, QUERIES.files, book=visit.book, outcome=outcome, limit=limit)
    return FileList(files=[FileAnswer(**row) for row in found])


def positions(visit: Visit) -> list[tuple[CustodianAccount, reading.Balance, dict[str, Any] | None]]:
    """Each custodian account with its cashbook now and the bank's last statement (None before the first)."""
    with visit.core.connection() as connection:
        reading.project(connection, visit.book)
        last = {row["account_name"]: row for row in shelf(connection, QUERIES.latest_statements, book=visit.book)}
        return [
            (each, reading.balance(connection, visit.book, each.name), last.get(each.name))
            for each in custodian_accounts(connection, visit.book)
        ]


def statement_of(visit: Visit, account: str, statement_id: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """A statement's row, its entries and its currency."""
    with visit.core.connection() as connection:
        units = currencies(connection, visit.book)
        found = [
            row
            for row in shelf(connection, QUERIES.statements, book=visit.book, limit=None)
            if (row["account_name"], row["statement_id"]) == (account, statement_id)
        ]
        if not found:
            raise ADDRESS_LEADS_NOWHERE(path=f"/statements/{account}/{statement_id}"[:200])
        question = {"book": visit.book, "account_name": account, "statement_id": statement_id}
        entries = shelf(connection, QUERIES.entries_of_statement, **question)
        shown = masks(connection, visit.book, [ENTRY_ACCOUNT], [sheet(account, each["key"]) for each in entries])
    for each in entries:
        each["masked_account"] = shown[sheet(account, each["key"])].get(ENTRY_ACCOUNT.name)
    return found[0], entries, units[account]


def currencies(connection: Connection, book: int) -> dict[str, str]:
    """The currency of each custodian account."""
    return {each.name: each.currency for each in custodian_accounts(connection, book)}


def shelf(connection: Connection, query: Named, **question: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, question).fetchall()


def _statement(row: dict[str, Any], units: dict[str, str]) -> StatementAnswer:
    unit = units[row["account_name"]]
    return StatementAnswer(
        account=row["account_name"],
        id=row["statement_id"],
        day=row["day"],
        opening=money(row["opening"], unit),
        closing=money(row["closing"], unit),
        entries=row["entries"],
        file_sha256=row["file_sha256"],
    )


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
