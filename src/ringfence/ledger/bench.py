"""`ringfence bench journal`: the journal beside its references, measured in the same run.

Rates are medians over interleaved rounds (ours, reference, ours, ...), because machines drift. Everything is durable:
fsync and synchronous_commit as the server has them, and their state is printed.

  batches           `Journal.append` with all rules, beside a raw binary COPY of the same rows into a table with the
                    same columns, constraints and indexes (the faster of one write and 32 kB chunks): the table's limit
  single requests   `Writer.submit` from 64 threads, beside one SQL transaction a transfer with row locks and a gap-free
                    number, over 1, 8 and 64 connections (the best of them): what most ledgers do
"""

import platform
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
import psycopg

from ringfence.database import migrate, roles
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.database.server import Server
from ringfence.ledger import encoding
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import EPOCH_DAY, ROW, Account, Batch, Kind, Line, batch, microseconds
from ringfence.ledger.reading import open_book
from ringfence.ledger.writer import Writer

DATABASE: Final = "ringfence_bench"
BATCH_ROWS: Final = 8_000
ROUNDS: Final = 15
ACCOUNTS: Final = 10_000
CLIENTS: Final = 64
SINGLES: Final = 12_000
CHUNK: Final = 32 * 1024


class _Queries(NamedQueries):
    make_references: Query
    naive_transfer: Query
    raw_copy: Query


_QUERIES = load(_Queries, "ringfence.ledger", "sql/bench.sql")


@dataclass(frozen=True)
class Row:
    """One figure beside its reference. `goal` is the least ratio that holds; None: reported only."""

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    goal: float | None

    def as_json(self) -> dict[str, Any]:
        ratio = self.value / self.reference_value
        return {
            "name": self.name,
            "value": round(self.value),
            "unit": self.unit,
            "reference": self.reference,
            "reference_value": round(self.reference_value),
            "ratio": round(ratio, 3),
            "goal": self.goal,
            "holds": None if self.goal is None else ratio >= self.goal,
        }


@contextmanager
def scratch(server: Server) -> Iterator[str]:
    """A database of its own for the time of a measurement."""
    _drop(server)
    roles.create_database(server, DATABASE)
    try:
        with server.connect("owner", DATABASE) as owner:
            migrate.build_destination(owner)
            owner.execute(_QUERIES.make_references)
            owner.commit()
        yield DATABASE
    finally:
        _drop(server)


def machine(server: Server) -> dict[str, str]:
    """What the figures were measured on."""
    with server.connect_as_administrator() as connection:
        names = ("server_version", "fsync", "synchronous_commit")
        settings = {name: str(_one(connection, b"SELECT current_setting(%s)", (name,))) for name in names}
    return {"cpu": platform.processor() or platform.machine(), "python": platform.python_version(), **settings}


def journal(server: Server, advance: Callable[[str], None]) -> list[Row]:
    """Every row of the benchmark; `advance` hears what is measured next."""
    rows = []
    with scratch(server) as database:
        for name, pick in (("uniform", _uniform), ("zipf", _zipf), ("one hot account", _hot)):
            advance(f"batches of {BATCH_ROWS}, {name}")
            rows.append(_batches(server, database, name, pick))
        advance(f"single requests, {CLIENTS} clients")
        rows.append(_singles(server, database))
    return rows


_Pick = Callable[[np.random.Generator, int], tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def _uniform(random_: np.random.Generator, rows: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    debit = random_.integers(2, ACCOUNTS, rows)
    return debit, (debit + random_.integers(1, ACCOUNTS - 2, rows) - 2) % (ACCOUNTS - 2) + 2


def _zipf(random_: np.random.Generator, rows: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    debit = np.minimum(random_.zipf(1.3, rows) + 1, ACCOUNTS - 1)
    return debit, (debit + random_.integers(1, ACCOUNTS - 2, rows) - 2) % (ACCOUNTS - 2) + 2


def _hot(random_: np.random.Generator, rows: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.full(rows, 1), random_.integers(2, ACCOUNTS, rows)


def _batches(server: Server, database: str, name: str, pick: _Pick) -> Row:
    random_ = np.random.default_rng(7)
    writer = _book(server, database, f"batches-{name.replace(' ', '-')}")
    raw = server.connect("core", database)
    raw.autocommit = True
    ours, theirs = [], []
    for number in range(ROUNDS):
        given = _transfers(random_, pick, number)
        at = datetime.now(UTC)
        ours.append(_seconds(lambda given=given, at=at: writer.append(given, at)))  # type: ignore[misc]
        stream = b"".join([encoding.COPY_HEADER, *encoding.copy_rows(1, number * BATCH_ROWS, microseconds(at), given)])
        stream += encoding.COPY_TRAILER
        chunk = len(stream) if number % 2 else CHUNK
        theirs.append((chunk, _seconds(lambda stream=stream, chunk=chunk: _raw_copy(raw, stream, chunk))))  # type: ignore[misc]
    writer.close()
    raw.execute(b"DELETE FROM bench.journal")
    raw.close()
    fastest = min(
        statistics.median(seconds for size, seconds in theirs if (size == CHUNK) is chunked)
        for chunked in (True, False)
    )
    return Row(
        f"batches of {BATCH_ROWS}, {name}",
        BATCH_ROWS / statistics.median(ours),
        "transfers/s",
        "raw binary COPY, same rows and indexes",
        BATCH_ROWS / fastest,
        0.8,
    )


def _transfers(random_: np.random.Generator, pick: _Pick, number: int) -> Batch:
    rows = np.zeros(BATCH_ROWS, ROW)
    debit, credit = pick(random_, BATCH_ROWS)
    ids = np.zeros(BATCH_ROWS, np.dtype([("time", ">u8"), ("tail", ">u8")]))
    ids["time"] = (time.time_ns() << 8) & 0x7FFFFFFFFFFFFFFF  # ordered by time, as version 7 of RFC 9562
    ids["tail"] = np.arange(BATCH_ROWS) + number * BATCH_ROWS
    rows["id"] = np.frombuffer(ids.tobytes(), "V16")
    rows["kind"], rows["debit_account"], rows["credit_account"] = Kind.TRANSFER, debit, credit
    rows["amount"] = random_.integers(1, 10_000, BATCH_ROWS)
    rows["value_date"] = (date(2026, 3, 2) - EPOCH_DAY).days
    return Batch(rows)


def _raw_copy(connection: Connection, stream: bytes, chunk: int) -> None:
    with connection.cursor().copy(_QUERIES.raw_copy) as copy:
        for start in range(0, len(stream), chunk):
            copy.write(stream[start : start + chunk])


def _singles(server: Server, database: str) -> Row:
    book = _book(server, database, "singles")
    writer = Writer(book, lambda: datetime.now(UTC))
    picks = random.Random(7)  # noqa: S311 - a load, not a secret
    work = [(picks.randrange(2, ACCOUNTS), picks.randrange(2, ACCOUNTS)) for _ in range(SINGLES)]

    def one(number: int) -> None:
        debit, credit = work[number]
        line = Line(Kind.TRANSFER, UUID(int=(1 << 100) + number), debit, credit if credit != debit else 1, 1)
        writer.submit(Unit([line]))

    ours = SINGLES / _spread(CLIENTS, SINGLES, lambda _: one)
    writer.close()
    best = 0.0
    for clients in (1, 8, 64):
        count = min(SINGLES, 400 * clients)

        def connected(_: int) -> Callable[[int], None]:
            connection = server.connect("core", database)
            connection.autocommit = True

            def naive(number: int) -> None:
                debit, credit = work[number]
                connection.execute(_QUERIES.naive_transfer, (debit, credit if credit != debit else 1, 1))

            return naive

        best = max(best, count / _spread(clients, count, connected))
    name = f"single requests, {CLIENTS} clients"
    return Row(name, ours, "transfers/s", "one SQL transaction each, row locks, gap-free", best, None)


def _spread(clients: int, count: int, make: Callable[[int], Callable[[int], None]]) -> float:
    """Seconds for `count` calls by `clients` threads, each with its own callable."""
    calls = [make(client) for client in range(clients)]
    ready = threading.Barrier(clients + 1)

    def work(client: int) -> None:
        ready.wait()
        for number in range(client, count, clients):
            calls[client](number)

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _book(server: Server, database: str, name: str) -> Journal:
    with server.connect("core", database) as connection:
        book = open_book(connection, name, datetime.now(UTC))
        connection.commit()
    found = Journal(lambda: server.connect("core", database), book.book_id)
    accounts = [
        Account(0, f"a{number}", "EUR", "credit", -(10**15), None, "bench", "client") for number in range(1, ACCOUNTS)
    ]
    lines = [
        Line(Kind.ACCOUNT_OPENED, UUID(int=(1 << 90) + number), payload=account.payload())
        for number, account in enumerate(accounts)
    ]
    found.append(batch([line] for line in lines), datetime.now(UTC))
    return found


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _drop(server: Server) -> None:
    with server.connect_as_administrator() as administrator:
        administrator.execute(
            psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(psycopg.sql.Identifier(DATABASE))
        )


def _one(connection: Connection, query: bytes, parameters: tuple[Any, ...]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None
