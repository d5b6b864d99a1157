"""A book with its core and a place for its notary, and somebody with every right in its database."""

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import sql

from ringfence.database.connection import connect, conninfo_of
from ringfence.evidence.authorisation import MovedRow, nobody
from ringfence.evidence.keys import load_key, log_folder, signer_for
from ringfence.evidence.notary import Notary
from ringfence.evidence.reading import alarms, last_signed
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.ledger.reading import book_named, open_book
from ringfence.refusal import Refused

MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
BANK, ALICE, BOB = 1, 2, 3
VERIFIER = Path(__file__).parents[1] / "verifier" / "verify.py"


def at(minute):
    return MORNING + timedelta(minutes=minute)


def opened(number, name, side, minimum=None):
    account = Account(0, name, "EUR", side, minimum, None, "owner", "client")
    return Line(Kind.ACCOUNT_OPENED, UUID(int=number), payload=account.payload())


def moved(number, debit, credit, amount, kind=Kind.TRANSFER, refers_to=None):
    return Line(
        kind,
        UUID(int=number),
        debit_account=debit,
        credit_account=credit,
        amount=amount,
        refers_to=None if refers_to is None else UUID(int=refers_to),
    )


def movements(connection, row):
    """People approved every movement of money that they are asked about, and nothing else."""
    if not isinstance(row, MovedRow):
        nobody(connection, row)


@contextmanager
def superuser_of(database):
    """Somebody with every right, who has switched off the triggers."""
    named = {**database.server.parameters, **database.server.administrator, "dbname": database.name}
    with connect(conninfo_of(named, None), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


class World:
    """A book, its core and a place for its notary."""

    def __init__(self, database, home, *, new=True):
        self.database = database
        self.home = home
        connection = database.connect("core")
        connection.autocommit = True
        self.book = open_book(connection, "demo", MORNING) if new else book_named(connection, "demo")
        self.journal = Journal(lambda: database.server.connect("core", database.name), self.book.book_id)
        self.notaries = []

    @property
    def log(self):
        return log_folder(self.home, "demo")

    @property
    def signer(self):
        return signer_for(load_key(self.home), "demo")

    def notary(self, **options):
        options.setdefault("authorised", movements)
        as_notary = lambda: self.database.server.connect("notary", self.database.name)  # noqa: E731
        self.notaries.append(Notary(as_notary, self.log, self.signer, self.book.book_id, **options))
        return self.notaries[-1]

    def append(self, minute, *chains):
        """Append at a time; every row must be posted."""
        answers = self.journal.submit([Unit(list(chain)) for chain in chains], at(minute))
        assert [answer.result.word for unit in answers for answer in unit] == ["posted"] * sum(map(len, chains))

    def open_accounts(self):
        self.append(0, [opened(1, "bank:main", "debit")], [opened(2, "client:alice", "credit", 0)],
                    [opened(3, "client:bob", "credit", 0)])  # fmt: skip

    def deposits(self, minute, first, count):
        self.append(minute, *([moved(first + index, BANK, ALICE, 100)] for index in range(count)))

    def superuser(self):
        return superuser_of(self.database)

    def tamper(self, statement, *parameters):
        with self.superuser() as connection:
            connection.execute(statement, parameters)

    def cut(self, head):
        """What restoring yesterday's dump does."""
        self.tamper("DELETE FROM ledger.journal WHERE sequence >= %s", head)
        self.tamper("UPDATE ledger.head SET head = %s, append_from = %s", head, head)
        self.journal.forget()

    def alarms(self):
        connection = self.database.connect("reader")
        return [(alarm.name, alarm.facts) for alarm in alarms(connection, self.book.book_id)]

    def signed(self):
        return last_signed(self.database.connect("reader"), self.book.book_id)

    def close(self):
        for notary in self.notaries:
            self.leave(notary)
        self.journal.close()

    def leave(self, notary):
        """Stop a notary as a kill does: nothing of it is finished."""
        if notary in self.notaries:
            self.notaries.remove(notary)
            notary.close()


def insert(world, *rows):
    """Rows behind the ledger's back, with the head moved on as it should be."""
    with world.superuser() as connection:
        head = connection.execute("SELECT head FROM ledger.head").fetchone()[0]
        for row in rows:
            columns = {
                "book_id": 1,
                "sequence": head,
                "kind": 1,
                "flags": 0,
                "id": UUID(int=900 + head),
                "debit_account": BANK,
                "credit_account": ALICE,
                "amount": 5,
                "code": 0,
                "value_date": "2026-01-05",
                "posted_at": at(30),
                **row,
            }
            statement = sql.SQL("INSERT INTO ledger.journal ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
            )
            connection.execute(statement, list(columns.values()))
            head += 1
        connection.execute("UPDATE ledger.head SET head = %s", [head])


def refusal_of(call, *arguments):
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value


def verdict_of(folder, key):
    ended = subprocess.run(
        [sys.executable, str(VERIFIER), str(folder), "--json", "--key", str(key)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in (0, 1), ended.stderr
    return json.loads(ended.stdout)
