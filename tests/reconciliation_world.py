"""A book with custodian accounts and customers, and the bank's side of it written by hand, as the gateway would."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import psycopg

from custody_world import diligence_of, vault_of, verified
from ringfence.core import Core, uuid7_source
from ringfence.custody import customers, days
from ringfence.custody.queries import QUERIES as CUSTODY
from ringfence.database.connection import pool
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.writer import Writer
from ringfence.vault.keeping import Vault

MONDAY = date(2026, 3, 2)
TUESDAY = date(2026, 3, 3)
WEDNESDAY = date(2026, 3, 4)
CLIENT = "bank:alpha:client"

_FILE = (
    "INSERT INTO banking.file (book_id, sha256, bank, name, message, bytes, outcome, received_at)"
    " VALUES (%s, %s, %s, %s, 'camt.053', 1, 'read', %s)"
)
_STATEMENT = (
    "INSERT INTO banking.statement (book_id, account_name, statement_id, day, opening, closing, entries, fingerprint,"
    " file_sha256) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_ENTRY = (
    "INSERT INTO banking.entry (book_id, account_name, key, statement_id, amount, booking_date, reversal,"
    " bank_reference, end_to_end_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_ADVICE = (
    "INSERT INTO banking.advice (book_id, account_name, key, amount, booking_date, reversal, bank_reference,"
    " file_sha256) VALUES (%s, %s, %s, %s, %s, false, %s, %s)"
)


@dataclass(frozen=True)
class Told:
    """A line of a statement as the bank tells it."""

    amount: int
    reference: str | None = None
    end_to_end: str | None = None
    reversal: bool = False
    day: date | None = None


@dataclass
class World:
    """The book. Every second something happens."""

    core: Core
    gateway: psycopg.Connection
    clock: list[datetime]
    vault: Vault
    numbers: dict[str, int] = field(default_factory=dict)
    closings: dict[str, int] = field(default_factory=dict)
    count: int = 0

    @property
    def book(self) -> int:
        return self.core.book.book_id

    def number(self, name: str) -> int:
        if name not in self.numbers:
            with self.core.connection() as connection:
                self.numbers[name] = reading.account(connection, self.book, name).account
        return self.numbers[name]

    def new_id(self) -> UUID:
        self.count += 1
        return UUID(int=(7 << 100) + self.count)

    def move(
        self,
        day: date,
        debit: str,
        credit: str,
        amount: int,
        *,
        key: tuple[str, str] | None = None,
        kind: Kind = Kind.TRANSFER,
        refers_to: UUID | None = None,
        code: int = 0,
    ) -> UUID:
        """One row of the journal, with the bank's key for it if the cashbook moves."""
        accounts = self.number(debit), self.number(credit)
        line = Line(kind, self.new_id(), *accounts, amount, refers_to, code=code, value_date=day)
        also = []
        if key is not None:
            account = debit if debit.startswith("bank:") else credit
            row = {"book": self.book, "account_name": account, "journal_id": line.id}
            also.append((CUSTODY.insert_cash_movement, row | {"key_kind": key[0], "key": key[1]}))
        self.core.post(Unit([line], also))
        return line.id

    def receive(self, day: date, amount: int, reference: str | None, customer: str = "c1", bank: str = CLIENT) -> UUID:
        """Money that the bank told us of is credited to a customer."""
        key = ("bank_reference", reference) if reference else None
        return self.move(day, bank, f"customer:{customer}:available", amount, key=key)

    def pay(self, day: date, amount: int, end_to_end: str, customer: str = "c1", bank: str = CLIENT) -> UUID:
        """A payout that the bank has confirmed."""
        return self.move(day, f"customer:{customer}:available", bank, amount, key=("end_to_end_id", end_to_end))

    def statement(self, day: date, told: Sequence[Told], account: str = CLIENT, *, opening: int | None = None) -> str:
        """A statement goes on the shelf; it opens with what the last one closed with."""
        self.count += 1
        name = f"S{self.count}"
        sha256 = hashlib.sha256(f"{account} {name}".encode()).hexdigest()
        begins = self.closings.get(account, 0) if opening is None else opening
        self.closings[account] = begins + sum(each.amount for each in told)
        row = (self.book, account, name, day, begins, self.closings[account], len(told), sha256, sha256)
        with self.gateway.transaction():
            self.gateway.execute(_FILE, (self.book, sha256, account.split(":")[1], name, self.clock[0]))
            self.gateway.execute(_STATEMENT, row)
            rows = [
                (
                    self.book,
                    account,
                    hashlib.sha256(f"{account} {name} {place}".encode()).hexdigest(),
                    name,
                    each.amount,
                    each.day or day,
                    each.reversal,
                    each.reference,
                    each.end_to_end,
                )
                for place, each in enumerate(told)
            ]
            self.gateway.cursor().executemany(_ENTRY, rows)
        return name

    def advise(self, day: date, amount: int, reference: str, account: str = CLIENT) -> None:
        """The bank tells in the course of the day that money arrived."""
        self.count += 1
        sha256 = hashlib.sha256(f"advice {self.count}".encode()).hexdigest()
        with self.gateway.transaction():
            self.gateway.execute(_FILE, (self.book, sha256, account.split(":")[1], sha256[:8], self.clock[0]))
            self.gateway.execute(_ADVICE, (self.book, account, sha256, amount, day, reference, sha256))

    def head(self) -> int:
        with self.core.connection() as connection:
            return reading.book_named(connection, self.core.book.name).head

    def wait(self, **time: float) -> None:
        self.clock[0] += timedelta(**time)


@contextmanager
def small_world(database, banks: Sequence[str] = (CLIENT,)) -> Iterator[World]:
    clock = [datetime(2026, 3, 2, 9, tzinfo=UTC)]

    def now() -> datetime:
        return clock[0]

    with database.connect("core") as connection:
        book = reading.open_book(connection, "demo", now())
        connection.commit()
    writer = Writer(Journal(lambda: database.server.connect("core", database.name), book.book_id), now)
    with pool(database.conninfo("core"), largest=4) as core_pool, TemporaryDirectory() as home:
        core = Core(book, writer, core_pool, now, uuid7_source())
        vault = vault_of(core, Path(home))
        diligence = diligence_of(core, vault)
        for place, name in enumerate(banks):
            _, bank, account = name.split(":")
            customers.open_custodian_account(
                core,
                bank,
                account,
                scheme="IBAN",
                identification=f"LT{place:018d}",
                holder="Platform clients",
                bank_code="ALPHALT2",
                unit="EUR",
            )
        days.open_day(core, MONDAY)
        for each in ("c1", "c2", "c3") if banks else ():
            verified(diligence, each, name=f"Ann {each}", bank=banks[0], payee_account="NL00X")
        yield World(core, database.connect("gateway"), clock, vault)
        writer.close()
