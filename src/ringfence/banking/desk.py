"""What the gateway holds while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg.rows import class_row

from ringfence.banking.queries import QUERIES
from ringfence.database.connection import Connection, Pool
from ringfence.database.refusals import refusing
from ringfence.evidence.note import Verifier
from ringfence.evidence.witnessing import Witnessing
from ringfence.ledger.reading import Book
from ringfence.vault.keeping import Vault


@dataclass(frozen=True)
class CustodianAccount:
    """Our cashbook of a bank account, and the bank's number for it."""

    name: str
    bank: str
    scheme: str
    identification: str
    holder: str
    bank_code: str
    currency: str
    pool: str
    ledger_account: int

    @property
    def unallocated(self) -> str:
        """The ledger's account of money that arrived here without an owner."""
        return "unallocated:" + self.name.removeprefix("bank:")


@dataclass(frozen=True)
class GatewayDesk:
    """One book, connections in role gateway, the banks' exchange folders, the notary's public key, and the vault as far
    as the gateway sees it: the payments, and what it keeps itself.
    """

    book: Book
    pool: Pool
    banks: Path
    evidence: Path
    notary: Callable[[], Verifier | None]
    clock: Callable[[], datetime]
    vault: Vault
    witnessing: Witnessing | None = None  # whose cosignatures large payouts wait for

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for one transaction; database errors come out as refusals."""
        with refusing(), self.pool.connection() as connection:
            yield connection

    def folder(self, bank: str, name: str) -> Path:
        """`to_bank`, `from_bank` or `archive` of a bank."""
        return self.banks / bank / name


def sheet(account_name: str, key: str) -> str:
    """The row under which the vault keeps what is sensitive on a line of the bank's paper."""
    return f"{account_name} {key}"


def custodian_accounts(connection: Connection, book: int) -> list[CustodianAccount]:
    with connection.cursor(row_factory=class_row(CustodianAccount)) as cursor:
        return cursor.execute(QUERIES.accounts, {"book": book}).fetchall()
