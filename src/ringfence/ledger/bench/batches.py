"""Batches of 8,000 beside a raw binary COPY of the same rows into a table with the same columns and indexes.

Every round posts one batch of each load, and right beside it the reference, once as one write and once in chunks of
32 kB; in odd rounds the reference goes first. The faster way of the reference counts, by the clock and by CPU.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from psycopg import sql

from ringfence.database.connection import Connection
from ringfence.ledger import encoding
from ringfence.ledger.bench import loads
from ringfence.ledger.bench.figures import BACKEND_IS_UNREADABLE, CPU_RATE, RATE, Row, Tally
from ringfence.ledger.bench.ground import (
    QUERIES,
    Book,
    Ground,
    cost,
    make_book,
    must_be_posted,
    on_cores_of_their_own,
    one,
    set_monitors,
    settle,
)
from ringfence.ledger.model import Batch, Kind, microseconds

BATCH_ROWS: Final = 8_000
CHUNK: Final = 32 * 1024
WARMING: Final = 5  # rounds that do not count: a new backend maps its memory and meets pages that others left
GOAL: Final = 0.8
GOAL_HOT: Final = 0.9
GOAL_PENDING: Final = 0.7
TABLE: Final = "batches"
RAW: Final = "raw binary COPY of the same rows"
_RAW_WAYS: Final = ("one write", "chunks")
_SPREAD: Final = (("uniform", loads.uniform), ("zipf", loads.zipf))


def rows(ground: Ground, accounts: int, rounds: int) -> list[Row]:
    """Every row about batches over one number of accounts: with all rules, then with monitors over them as well."""
    book = make_book(ground, f"batches-{accounts}", accounts)
    raw = Raw(ground, book)
    settle(ground)
    try:
        with on_cores_of_their_own([book.backend, raw.backend]):
            without, tally = _measured(ground, book, raw, rounds)
    finally:
        book.journal.close()
        raw.close()
    said = f"{accounts:,} accounts"
    found = [row for name, _ in _SPREAD for row in _beside_raw(without, name, f"{said}, {name}, no monitors")]
    found += [row for name, _ in _SPREAD for row in _beside_raw(tally, name, f"{said}, {name}")]
    found += _beside_ours(tally, ("hot",), f"{said}, one hot account", GOAL_HOT)
    found += _beside_ours(tally, ("pending", "post"), f"{said}, pending then post, journal rows", GOAL_PENDING)
    return found


def _measured(ground: Ground, book: Book, raw: "Raw", rounds: int) -> tuple[Tally, Tally]:
    """Without monitors and with them."""
    supply, without, tally = loads.Supply(book.accounts), Tally(), Tally()
    for number in range(WARMING):
        given, again = (supply.transfers(loads.uniform, BATCH_ROWS) for _ in _RAW_WAYS)
        _beside(Tally(), "warming", book, raw, given, again, number)
    for number in range(rounds):
        ground.advance(f"batches over {book.accounts:,} accounts, no monitors: round {number + 1} of {rounds}")
        for name, pick in _SPREAD:
            given, again = (supply.transfers(pick, BATCH_ROWS) for _ in _RAW_WAYS)
            _beside(without, name, book, raw, given, again, number)
    set_monitors(book)
    for number in range(rounds):
        ground.advance(f"batches over {book.accounts:,} accounts: round {number + 1} of {rounds}")
        for name, pick in _SPREAD:
            given, again = (supply.transfers(pick, BATCH_ROWS) for _ in _RAW_WAYS)
            _beside(tally, name, book, raw, given, again, number)
        _post(tally, "hot", book, supply.transfers(loads.hot, BATCH_ROWS))
        held = supply.transfers(loads.uniform, BATCH_ROWS, Kind.PENDING)
        _post(tally, "pending", book, held)
        _post(tally, "post", book, supply.posts(held.rows))
    return without, tally


class Raw:
    """The reference: a table like the journal's, with the rows that the book has had so far."""

    def __init__(self, ground: Ground, book: Book) -> None:
        with ground.server.connect("owner", ground.database) as owner:
            owner.execute(sql.SQL(QUERIES.make_raw.decode()).format(book=sql.Literal(book.number)))
            self._next: int = one(owner, QUERIES.raw_head, {"book": book.number})
            owner.commit()
        self._book = book.number
        self._connection: Connection = ground.connect()

    @property
    def backend(self) -> int:
        return self._connection.info.backend_pid

    def stream(self, given: Batch) -> bytes:
        """The rows as COPY takes them, all of them ready before the clock starts."""
        pieces = encoding.copy_stream(self._book, self._next, microseconds(datetime.now(UTC)), [given])
        self._next += len(given)
        return b"".join(pieces)

    def copy(self, stream: bytes, size: int) -> None:
        with self._connection.cursor().copy(QUERIES.raw_copy) as copy:
            for start in range(0, len(stream), size):
                copy.write(stream[start : start + size])

    def close(self) -> None:
        self._connection.close()


def _beside(tally: Tally, name: str, book: Book, raw: Raw, given: Batch, again: Batch, number: int) -> None:
    """Ours, and the reference both ways: first the same rows, then as many of the same kind, whose ids are new."""

    def theirs() -> None:
        for way, taken in zip(_RAW_WAYS, (given, again), strict=True):
            stream = raw.stream(taken)
            size = len(stream) if way == "one write" else CHUNK
            tally.add(f"{name} raw {way}", cost(len(given), raw.backend, lambda s=stream, z=size: raw.copy(s, z)))  # type: ignore[misc]

    steps: list[Callable[[], None]] = [lambda: _post(tally, name, book, given), theirs]
    for step in steps if number % 2 == 0 else reversed(steps):
        step()


def _post(tally: Tally, name: str, book: Book, given: Batch) -> None:
    at = datetime.now(UTC)
    answers = []
    tally.add(name, cost(len(given), book.backend, lambda: answers.append(book.journal.append(given, at))))
    must_be_posted(answers[0].results)


def _beside_raw(tally: Tally, name: str, said: str) -> list[Row]:
    ways = [f"{name} raw {way}" for way in _RAW_WAYS]
    more = {
        "client_us": tally.client(name),
        "backend_us": _microseconds(tally.cpu_rate(name)),
        "reference_one_write": tally.rate(ways[0]),
        "reference_chunks": tally.rate(ways[1]),
    }
    by_clock = Row(TABLE, said, tally.rate(name), RATE, RAW, max(map(tally.rate, ways)), GOAL, more=more)
    theirs = [rate for rate in map(tally.cpu_rate, ways) if rate is not None]
    by_cpu = _by_cpu(said, tally.cpu_rate(name), RAW, max(theirs, default=None), GOAL)
    return [by_clock, by_cpu]


def _beside_ours(tally: Tally, names: tuple[str, ...], said: str, goal: float) -> list[Row]:
    more = {"client_us": tally.client(*names), "backend_us": _microseconds(tally.cpu_rate(*names))}
    ours = "the uniform figure above"
    by_clock = Row(TABLE, said, tally.rate(*names), RATE, ours, tally.rate("uniform"), goal, more=more)
    return [by_clock, _by_cpu(said, tally.cpu_rate(*names), ours, tally.cpu_rate("uniform"), goal)]


def _by_cpu(said: str, value: float | None, reference: str, reference_value: float | None, goal: float) -> Row:
    note = "" if value is not None and reference_value is not None else BACKEND_IS_UNREADABLE
    return Row(TABLE, f"{said}, by backend CPU", value, CPU_RATE, reference, reference_value, goal, note=note)


def _microseconds(rate: float | None) -> float | None:
    return None if rate is None else 1e6 / rate
