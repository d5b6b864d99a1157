"""What the simulated bank remembers: accounts, entries, orders, statements, and the files that it still has to send.

Everything is in one SQLite database. `whole` makes the changes of one step durable together or not at all; a balance
moves by `book` only. A file to be sent is queued, with its exact bytes, in the transaction that books what it tells;
its number is its place in the order of sending, and part of its name and message identifier.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from ringfence.banking.account_number import AccountNumber, Scheme
from ringfence.banking.iso20022 import instant
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.banking.statement_writer import AccountHeld, BookedEntry, DayStatement, EntryKind
from ringfence.database.queries import split
from ringfence.money import currency
from ringfence.refusal import Fault, refusal

SIMULATED_BANK_STATE_FAILS = refusal(
    "simulated_bank_state_fails",
    Fault.MACHINE,
    en="The simulated bank cannot keep its state in {folder}: {reason}.",
    zh="模拟银行无法在 {folder} 中保存状态：{reason}。",
)
SIMULATED_BANK_IS_ANOTHER = refusal(
    "simulated_bank_is_another",
    Fault.STATE,
    en="{folder} belongs to another simulated bank: {found}, not {expected}.",
    zh="{folder} 属于另一模拟银行：{found}，而非 {expected}。",
)
SIMULATED_ACCOUNT_IS_UNKNOWN = refusal(
    "simulated_account_is_unknown",
    Fault.UNKNOWN,
    en="The simulated bank has no account {account}.",
    zh="模拟银行没有账户 {account}。",
)
SIMULATED_AMOUNT_IS_OUT_OF_RANGE = refusal(
    "simulated_amount_is_out_of_range",
    Fault.INPUT,
    en="The simulated bank does not book {amount_minor} minor units: nothing, or a balance below zero or of 19 digits.",
    zh="模拟银行不能入账 {amount_minor}（最小货币单位）：金额为零，或余额将为负或达 19 位。",
)

MINOR_MAX = 10**18 - 1  # ISO 20022: 18 digits
_SQL = split(resources.files("ringfence.banking").joinpath("simulated_bank.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands; `balance_minor` is booked money."""

    held: AccountHeld
    opened_on: date
    opening_minor: int
    balance_minor: int

    @property
    def number(self) -> AccountNumber:
        return self.held.number


@dataclass(frozen=True, slots=True)
class Payment:
    """An order that was taken, under the identifiers that the customer gave it."""

    payment_id: int
    number: AccountNumber  # the debtor's
    message_id: str
    payment_information_id: str
    instruction_id: str
    end_to_end_id: str
    amount_minor: int
    creditor_name: str
    creditor_account: AccountNumber
    remittance_text: str
    silent: bool
    return_reason: str


class Books:
    """The memory of one bank, in `folder`/simulated.sqlite; `at_step` hears of each durable step, before and after."""

    def __init__(self, folder: Path, code: str, at_step: Callable[[str], None]) -> None:
        self._folder, self._code, self.at_step = folder, code, at_step
        with self._refused_by_name():
            self._state = sqlite3.connect(folder / "simulated.sqlite", timeout=30, isolation_level=None)
            self._state.row_factory = sqlite3.Row
            try:
                self._state.execute("pragma journal_mode = wal")
                self._state.execute("pragma synchronous = full")
                self._state.execute("pragma foreign_keys = on")
                self._state.executescript(_SQL["schema"])
            except sqlite3.DatabaseError:
                self._state.close()
                raise

    def close(self) -> None:
        self._state.close()

    def found(self, *, name: str, seed: int, utc_offset_minutes: int) -> None:
        """Write down whose books these are, or check that they are this bank's."""
        expected = {"name": name, "code": self._code, "seed": seed, "utc_offset_minutes": utc_offset_minutes}
        with self.whole("found"):
            self._do("found_bank", **expected, switches=Switches().as_json())
            row = dict(self._one("bank"))
        found = {each: row[each] for each in expected}
        if found != expected:
            raise SIMULATED_BANK_IS_ANOTHER(folder=self._folder, found=found, expected=expected)

    @contextmanager
    def whole(self, step: str) -> Iterator[None]:
        """One transaction: durable when the block has ended, undone if it raises or the process dies within."""
        with self._refused_by_name():
            self._state.execute("begin immediate")
            try:
                yield
                self.at_step(f"{step}: before commit")
                self._state.execute("commit")
            finally:
                if self._state.in_transaction:
                    self._state.execute("rollback")
        self.at_step(f"{step}: committed")

    # Switches and accounts

    @property
    def switches(self) -> Switches:
        return Switches.from_json(self._one("bank")["switches"])

    def set_switches(self, switches: Switches) -> None:
        self._do("set_switches", switches=switches.as_json())

    def open_account(self, account: Account) -> None:
        self._do(
            "open_account",
            number=account.number.text,
            scheme=account.number.scheme.value,
            owner_name=account.held.owner_name,
            currency=account.held.currency.code,
            opened_on=account.opened_on.isoformat(),
            opening_minor=account.opening_minor,
        )

    def accounts(self) -> list[Account]:
        return list(map(_account, self._rows("accounts")))

    def find_account(self, scheme: Scheme, number: str) -> Account | None:
        row = self._find("account", number=number)
        return _account(row) if row is not None and row["scheme"] == scheme.value else None

    def account(self, number: AccountNumber) -> Account:
        account = self.find_account(number.scheme, number.text)
        if account is None:
            raise SIMULATED_ACCOUNT_IS_UNKNOWN(account=number)
        return account

    # Entries

    def book(
        self,
        number: AccountNumber,
        kind: EntryKind,
        signed_minor: int,
        day: date,
        *,
        payment: Payment | None = None,
        end_to_end_id: str = "",
        receipt_id: str | None = None,
        counterparty_name: str = "",
        counterparty_account: AccountNumber | None = None,
        remittance_text: str = "",
    ) -> BookedEntry:
        """Book one line, and move the balance with it. What a payment is known by, its entries are known by."""
        in_direction = signed_minor < 0 if kind is EntryKind.PAYMENT else signed_minor > 0
        if not in_direction or not 0 <= self.account(number).balance_minor + signed_minor <= MINOR_MAX:
            raise SIMULATED_AMOUNT_IS_OUT_OF_RANGE(amount_minor=signed_minor)
        account = payment.creditor_account if payment else counterparty_account
        entry_id = self._do(
            "book_entry",
            number=number.text,
            kind=kind.name,
            signed_minor=signed_minor,
            booked_on=day.isoformat(),
            receipt_id=receipt_id,
            message_id=payment.message_id if payment else "",
            payment_information_id=payment.payment_information_id if payment else "",
            instruction_id=payment.instruction_id if payment else "",
            end_to_end_id=payment.end_to_end_id if payment else end_to_end_id,
            counterparty_name=payment.creditor_name if payment else counterparty_name,
            counterparty_scheme=account.scheme.value if account else None,
            counterparty_number=account.text if account else None,
            remittance_text=payment.remittance_text if payment else remittance_text,
            return_reason=payment.return_reason if payment and kind is EntryKind.RETURN else "",
        )
        self._do("move_balance", number=number.text, signed_minor=signed_minor)
        return self._entry(self._one("entry", entry_id=entry_id))

    def entries(self, number: AccountNumber) -> tuple[BookedEntry, ...]:
        return tuple(map(self._entry, self._rows("entries", number=number.text)))

    def receipt(self, number: AccountNumber, receipt_id: str) -> BookedEntry | None:
        row = self._find("entry_of_receipt", number=number.text, receipt_id=receipt_id)
        return self._entry(row) if row is not None else None

    def _entry(self, row: sqlite3.Row) -> BookedEntry:
        day = date.fromisoformat(row["booked_on"])
        account = row["counterparty_number"]
        return BookedEntry(
            reference=f"{self._code}{day:%Y%m%d}{row['entry_id']:010d}",
            kind=EntryKind[row["kind"]],
            signed_minor=row["signed_minor"],
            booked_on=day,
            value_on=day,
            message_id=row["message_id"],
            payment_information_id=row["payment_information_id"],
            instruction_id=row["instruction_id"],
            end_to_end_id=row["end_to_end_id"],
            counterparty_name=row["counterparty_name"],
            counterparty_account=AccountNumber(Scheme(row["counterparty_scheme"]), account) if account else None,
            remittance_text=row["remittance_text"],
            return_reason=row["return_reason"],
        )

    # Order files and payments

    def begin_taking(self, name: str, sha256: str) -> tuple[int, bool]:
        """The number of a file from to_bank/, and whether it is new: a known one was booked before a crash."""
        row = self._find("file_being_taken", name=name, sha256=sha256)
        if row is not None:
            return int(row["file_id"]), False
        return self._do("begin_taking", name=name, sha256=sha256), True

    def files_being_taken(self) -> list[tuple[int, str]]:
        return [(row["file_id"], row["name"]) for row in self._rows("files_being_taken")]

    def end_taking(self, file_id: int) -> None:
        self._do("end_taking", file_id=file_id)

    def has_message(self, message_id: str) -> bool:
        return self._find("has_message", message_id=message_id) is not None

    def remember_message(self, message_id: str) -> None:
        self._do("remember_message", message_id=message_id)

    def has_end_to_end_id(self, number: AccountNumber, end_to_end_id: str) -> bool:
        return self._find("has_end_to_end_id", number=number.text, end_to_end_id=end_to_end_id) is not None

    def take_payment(self, payment: Payment, execute_on: date) -> Payment:
        """Note an order that waits to be paid; `payment_id` is given here."""
        payment_id = self._do(
            "take_payment",
            number=payment.number.text,
            scheme=payment.number.scheme.value,
            message_id=payment.message_id,
            payment_information_id=payment.payment_information_id,
            instruction_id=payment.instruction_id,
            end_to_end_id=payment.end_to_end_id,
            amount_minor=payment.amount_minor,
            creditor_name=payment.creditor_name,
            creditor_scheme=payment.creditor_account.scheme.value,
            creditor_number=payment.creditor_account.text,
            remittance_text=payment.remittance_text,
            execute_on=execute_on.isoformat(),
            silent=payment.silent,
        )
        return _payment(self._one("payment", payment_id=payment_id))

    def payments_due(self, day: date) -> list[Payment]:
        return list(map(_payment, self._rows("payments_due", day=day.isoformat())))

    def reject_payment(self, payment: Payment) -> None:
        self._do("reject_payment", payment_id=payment.payment_id)

    def pay(self, payment: Payment, return_on: date | None, return_reason: str) -> None:
        on = return_on.isoformat() if return_on else None
        self._do("pay", payment_id=payment.payment_id, return_on=on, return_reason=return_reason)

    def returns_due(self, number: AccountNumber, day: date) -> list[Payment]:
        return list(map(_payment, self._rows("returns_due", number=number.text, day=day.isoformat())))

    def return_payment(self, payment: Payment) -> None:
        self._do("return_payment", payment_id=payment.payment_id)

    # Statements

    def last_day(self, number: AccountNumber) -> date | None:
        """The last day that is closed."""
        row = self._find("last_statement", number=number.text)
        return date.fromisoformat(row["last_day"]) if row is not None else None

    def close_statement(self, account: Account, day: date) -> DayStatement:
        """Close an account up to the end of `day`: from the previous closing balance, by what was booked since."""
        number, last = account.number.text, self._find("last_statement", number=account.number.text)
        amounts = [
            row["signed_minor"] for row in self._rows("entries_to_state", number=number, last_day=day.isoformat())
        ]
        opening_minor = account.opening_minor if last is None else int(last["closing_minor"])
        first_day = account.opened_on if last is None else date.fromisoformat(last["last_day"]) + timedelta(days=1)
        self._do(
            "close_statement",
            number=number,
            last_day=day.isoformat(),
            first_day=first_day.isoformat(),
            sequence_number=1 if last is None else last["sequence_number"] + 1,
            opening_minor=opening_minor,
            closing_minor=opening_minor + sum(amounts),
        )
        self._do("state_entries", number=number, last_day=day.isoformat())
        statement = self.statement(account, day)
        if statement is None:
            raise AssertionError("a statement just closed is there")
        return statement

    def statement(self, account: Account, day: date) -> DayStatement | None:
        """The true statement of a closed day."""
        row = self._find("statement", number=account.number.text, last_day=day.isoformat())
        if row is None:
            return None
        entries = self._rows("entries_stated", number=account.number.text, last_day=day.isoformat())
        return DayStatement(
            identifier=f"{self._code}-{day:%Y%m%d}-{row['sequence_number']:08d}",
            sequence_number=row["sequence_number"],
            account=account.held,
            first_day=date.fromisoformat(row["first_day"]),
            last_day=day,
            opening_minor=row["opening_minor"],
            closing_minor=row["closing_minor"],
            entries=tuple(map(self._entry, entries)),
        )

    # Files to be sent

    def next_file_id(self) -> int:
        return int(self._one("next_file_id")[0])

    def queue_file(self, name: str, content: bytes, due_at: datetime) -> None:
        self._do("queue_file", name=name, content=content, due_at=instant(due_at))

    def files_due(self, now: datetime) -> list[tuple[int, str, bytes]]:
        return [(row["file_id"], row["name"], row["content"]) for row in self._rows("files_due", now=instant(now))]

    def file_written(self, file_id: int) -> None:
        self._do("file_written", file_id=file_id)

    # SQL

    def _do(self, name: str, /, **values: Any) -> int:
        """Run a statement that changes something; the number of the row it inserted."""
        with self._refused_by_name():
            return int(self._state.execute(_SQL[name], values).lastrowid or 0)

    def _rows(self, name: str, /, **values: Any) -> list[sqlite3.Row]:
        with self._refused_by_name():
            return self._state.execute(_SQL[name], values).fetchall()

    def _find(self, name: str, /, **values: Any) -> sqlite3.Row | None:
        rows = self._rows(name, **values)
        return rows[0] if rows else None

    def _one(self, name: str, /, **values: Any) -> sqlite3.Row:
        return self._rows(name, **values)[0]

    @contextmanager
    def _refused_by_name(self) -> Iterator[None]:
        """A full disk, a lock that is not given back, a file that is no database: the machine's fault, said plainly. A
        broken constraint is a defect and stays one.
        """
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise SIMULATED_BANK_STATE_FAILS(folder=self._folder, reason=str(error)) from error


def _account(row: sqlite3.Row) -> Account:
    number = AccountNumber(Scheme(row["scheme"]), row["number"])
    held = AccountHeld(number, row["owner_name"], currency(row["currency"]))
    return Account(held, date.fromisoformat(row["opened_on"]), row["opening_minor"], row["balance_minor"])


def _payment(row: sqlite3.Row) -> Payment:
    return Payment(
        payment_id=row["payment_id"],
        number=AccountNumber(Scheme(row["scheme"]), row["number"]),
        message_id=row["message_id"],
        payment_information_id=row["payment_information_id"],
        instruction_id=row["instruction_id"],
        end_to_end_id=row["end_to_end_id"],
        amount_minor=row["amount_minor"],
        creditor_name=row["creditor_name"],
        creditor_account=AccountNumber(Scheme(row["creditor_scheme"]), row["creditor_number"]),
        remittance_text=row["remittance_text"],
        silent=bool(row["silent"]),
        return_reason=row["return_reason"] or "",
    )
