"""The inbox: a bank's file is read whole or quarantined whole, once, and kept by its SHA-256.

For each file, in this order:
  1  its SHA-256 is new (the same bytes again are put aside without a word)
  2  it is a message that we read: camt.053 (statement), camt.054 or 052 (advice), pain.002 (status), or a bank's CSV if
     `banks/<bank>/description.toml` describes it
  3  every gate of its kind holds: the account is ours, opening + entries = closing, closing = next opening, no
     statement twice (the last three are the database's as well)
  4  its sheets go on the shelf, in one transaction with the file's own row; or, if a gate failed, only that row does,
     with the reason
  5  the file moves to the archive

A crash between 4 and 5 shows the file again, and step 1 knows it. Faults of the machine are not the file's fault: they
quarantine nothing and the file stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringfence.banking import exchange
from ringfence.banking.csv_description import Description, description_of
from ringfence.banking.desk import CustodianAccount, GatewayDesk, custodian_accounts, sheet
from ringfence.banking.exchange import Arrival
from ringfence.banking.instruction import end_to_end_id
from ringfence.banking.payment_status import StatusReport, read_status_report, status_of
from ringfence.banking.queries import QUERIES
from ringfence.banking.reading import read_notifications, read_statement_file
from ringfence.banking.statement import Entry, Heading, Notification, Statement
from ringfence.database.connection import Connection
from ringfence.database.refusals import register
from ringfence.refusal import Fault, Refused, refusal
from ringfence.vault.fields import ADVICE_ACCOUNT, ENTRY_ACCOUNT, Field
from ringfence.vault.keeping import BOOK
from ringfence.vault.queries import QUERIES as VAULT

STATEMENT_IS_OF_A_STRANGE_ACCOUNT = refusal(
    "statement_is_of_a_strange_account",
    Fault.INPUT,
    en="Account {account} ({currency}) is none of this book's custodian accounts at {bank}.",
    zh="账户 {account}（{currency}）不是本账簿在 {bank} 的存管账户。",
)
STATEMENT_DOES_NOT_CONTINUE = refusal(
    "statement_does_not_continue",
    Fault.INPUT,
    en="The statement does not open with what the last one closed with: {detail}",
    zh="对账单期初与上期期末不符：{detail}",
)
STATEMENT_IS_OLDER_THAN_THE_LAST = refusal(
    "statement_is_older_than_the_last",
    Fault.INPUT,
    en="A later statement of this account was taken already.",
    zh="该账户较晚的对账单已导入。",
)
STATEMENT_WAS_TAKEN_BEFORE = refusal(
    "statement_was_taken_before",
    Fault.INPUT,
    en="A statement of this number was taken before, or one of its entries was.",
    zh="此编号的对账单或其条目已导入过。",
)
MESSAGE_IS_NOT_FOR_THE_INBOX = refusal(
    "message_is_not_for_the_inbox",
    Fault.INPUT,
    en="{name} is none of camt.053, camt.054, camt.052 and pain.002.",
    zh="{name} 不是 camt.053、camt.054、camt.052 或 pain.002。",
)
STATUS_IS_OF_A_STRANGE_MESSAGE = refusal(
    "status_is_of_a_strange_message",
    Fault.INPUT,
    en="The bank answers message {message}, which was never sent from here.",
    zh="银行答复的报文 {message} 并非由此发出。",
)

register(
    {
        "statement_continues_the_last": STATEMENT_DOES_NOT_CONTINUE,
        "statement_is_not_older_than_the_last": STATEMENT_IS_OLDER_THAN_THE_LAST,
        "statement_is_unique": STATEMENT_WAS_TAKEN_BEFORE,
        "entry_is_unique": STATEMENT_WAS_TAKEN_BEFORE,
    }
)

STATEMENT: Final = "camt.053"
DESCRIBED_CSV: Final = "described csv"
UNKNOWN: Final = "unknown"
_LOOK_BYTES: Final = 4096


@dataclass(frozen=True)
class Taken:
    """How many files were read, and how many quarantined."""

    read: int
    quarantined: int


def take_files(desk: GatewayDesk) -> Taken:
    """Take every complete file that the banks have sent."""
    with desk.connection() as connection:
        accounts = custodian_accounts(connection, desk.book.book_id)
    outcomes = []
    for bank in sorted({account.bank for account in accounts}):
        ours = [account for account in accounts if account.bank == bank]
        described = _description(desk, bank)
        for arrival in exchange.arrivals(desk.folder(bank, "from_bank")):
            outcome = _take(desk, bank, ours, arrival, described)
            exchange.archive(arrival, desk.folder(bank, "archive"))
            outcomes.append(outcome)
    return Taken(outcomes.count("read"), outcomes.count("quarantined"))


def _description(desk: GatewayDesk, bank: str) -> Description | None:
    """How this bank's CSV is to be read, if it sends any."""
    path = desk.folder(bank, "description.toml")
    with exchange.refused_by_name(path.parent):
        return description_of(path.read_text(encoding="utf-8")) if path.exists() else None


def _take(
    desk: GatewayDesk,
    bank: str,
    accounts: Sequence[CustodianAccount],
    arrival: Arrival,
    described: Description | None,
) -> str:
    book = desk.book.book_id
    with desk.connection() as connection:
        if connection.execute(QUERIES.file_is_known, {"book": book, "sha256": arrival.sha256}).fetchone():
            return "known"
    content = exchange.read(arrival)
    message = message_of(content)
    if message == UNKNOWN and described is not None and not content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        message = DESCRIBED_CSV
    row: dict[str, Any] = {"book": book, "sha256": arrival.sha256, "bank": bank, "name": arrival.name}
    row |= {"message": message, "bytes": arrival.size, "at": desk.clock(), "reason": None, "sentence": None}
    try:
        with desk.connection() as connection:
            connection.execute(QUERIES.insert_file, row | {"outcome": "read"})
            _shelve(connection, desk, bank, accounts, arrival, message, content, described)
    except Refused as refused:
        if refused.refusal.fault is Fault.MACHINE:
            raise
        why = {"outcome": "quarantined", "reason": refused.name, "sentence": refused.sentence()}
        with desk.connection() as connection:
            connection.execute(QUERIES.insert_file, row | why)
        return "quarantined"
    return "read"


def message_of(content: bytes) -> str:
    """camt.053, camt.054, camt.052 or pain.002 by the first of these names that the beginning holds; else UNKNOWN."""
    beginning = content[:_LOOK_BYTES].replace(b"\0", b"")
    places = {name: beginning.find(name.encode()) for name in ("camt.053", "camt.054", "camt.052", "pain.002")}
    found = [name for name, place in sorted(places.items(), key=lambda each: each[1]) if place >= 0]
    return found[0] if found else UNKNOWN


def _shelve(
    connection: Connection,
    desk: GatewayDesk,
    bank: str,
    accounts: Sequence[CustodianAccount],
    arrival: Arrival,
    message: str,
    content: bytes,
    described: Description | None,
) -> None:
    if message == "pain.002":
        _shelve_status(connection, desk, arrival, read_status_report(content))
    elif message in ("camt.054", "camt.052"):
        for notification in read_notifications(arrival.name, content):
            _shelve_advices(connection, desk, _ours(accounts, notification, bank), arrival, notification)
    elif message in (STATEMENT, DESCRIBED_CSV):
        for statement in read_statement_file(arrival.name, content, description=described):
            _shelve_statement(connection, desk, _ours(accounts, statement, bank), arrival, statement)
    else:
        raise MESSAGE_IS_NOT_FOR_THE_INBOX(name=arrival.name)


def _ours(accounts: Sequence[CustodianAccount], heading: Heading, bank: str) -> CustodianAccount:
    for account in accounts:
        if (account.identification, account.currency) == (heading.account.identification, heading.currency.code):
            return account
    raise STATEMENT_IS_OF_A_STRANGE_ACCOUNT(account=heading.account, currency=heading.currency, bank=bank)


def _shelve_statement(
    connection: Connection, desk: GatewayDesk, account: CustodianAccount, arrival: Arrival, statement: Statement
) -> None:
    booked = [entry for entry in statement.entries if entry.booked]
    row: dict[str, Any] = {"book": desk.book.book_id, "account_name": account.name, "sha256": arrival.sha256}
    row |= {"statement_id": statement.statement_id, "day": statement.closing.on, "fingerprint": statement.fingerprint}
    row |= {"opening": statement.opening.amount, "closing": statement.closing.amount, "entries": len(booked)}
    connection.execute(QUERIES.insert_statement, row)
    connection.cursor().executemany(QUERIES.insert_entry, [row | _columns(entry) for entry in booked])
    _keep_accounts(connection, desk, account, ENTRY_ACCOUNT, booked)


def _shelve_advices(
    connection: Connection, desk: GatewayDesk, account: CustodianAccount, arrival: Arrival, notification: Notification
) -> None:
    row = {"book": desk.book.book_id, "account_name": account.name, "sha256": arrival.sha256}
    booked = [entry for entry in notification.entries if entry.booked]
    connection.cursor().executemany(QUERIES.insert_advice, [row | _columns(entry) for entry in booked])
    _keep_accounts(connection, desk, account, ADVICE_ACCOUNT, booked)


def _keep_accounts(
    connection: Connection, desk: GatewayDesk, account: CustodianAccount, what: Field, entries: Sequence[Entry]
) -> None:
    """The counterparties' accounts go into the vault, under the book's own key: nobody knows yet whose they are."""
    known = [(sheet(account.name, each.key), each.counterparty_account) for each in entries]
    if any(number for _, number in known):
        key = desk.vault.field_key(BOOK)
        rows = [desk.vault.keep_under(key, what, row, number)[1] for row, number in known if number]
        connection.cursor().executemany(VAULT.keep, rows)


def _shelve_status(connection: Connection, desk: GatewayDesk, arrival: Arrival, report: StatusReport) -> None:
    asked = {"book": desk.book.book_id, "message_id": report.original_message_id}
    row = connection.execute(QUERIES.order_of_message, asked).fetchone()
    if row is None:
        raise STATUS_IS_OF_A_STRANGE_MESSAGE(message=report.original_message_id)
    [order_id] = row
    status = status_of(report, report.original_message_id, end_to_end_id(order_id))
    if status is None or status.is_about_a_duplicate:
        return
    reasons = "; ".join(" ".join((reason.code, *reason.texts)) for reason in status.reasons)
    said = {"book": desk.book.book_id, "order_id": order_id, "code": status.code.value, "reasons": reasons}
    said |= {"outcome": status.outcome.value, "sha256": arrival.sha256, "at": desk.clock()}
    connection.execute(QUERIES.insert_status, said)


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "amount": entry.amount,
        "booking_date": entry.booking_date,
        "value_date": entry.value_date,
        "reversal": entry.reversal,
        "bank_reference": entry.bank_reference,
        "end_to_end_id": entry.end_to_end_id,
        "original_reference": entry.sole.original_reference,
        "counterparty_name": entry.counterparty_name,
        "remittance": entry.remittance,
    }
