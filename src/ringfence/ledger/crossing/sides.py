"""Books to cross between: this program's own, by its writer, and its neighbours', by a journal each.

A neighbour is another book of the same database, or of another PostgreSQL that `neighbours.toml` names. This program
is a second writer of a neighbour's book, as compare-and-append allows; it keeps that book's balances in memory from the
first crossing on.
"""

import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import ProgrammingError
from psycopg import conninfo as _conninfo

from ringfence.database.connection import Connection, connect, conninfo_of
from ringfence.database.network import require_tls
from ringfence.database.queries import Query
from ringfence.database.refusals import DATABASE_URL_IS_WRONG, refusing
from ringfence.ledger import crossing, posting, reading
from ringfence.ledger.crossing import Crossing, Side, State, refusals
from ringfence.ledger.crossing.clearing import Clearing, clearing_differences
from ringfence.ledger.journal import Journal
from ringfence.ledger.model import Result
from ringfence.ledger.posting.refusals import ACCOUNT_MUST_BE_OPEN_TO_POSTING
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.refusal import Refused

SCOPE: Final = "crossings:write"
ALONE_FOR: Final = timedelta(seconds=5)
"""So long a crossing is left to whoever began it; then the rounds carry it on."""

Connect = Callable[[], Connection]


def side_of(connect: Connect, name: str, clock: Callable[[], datetime]) -> Side:
    """A book as a second writer sees it; `book_must_exist`. Its journal connects when it is first used."""
    with refusing(), connect() as connection:
        book = reading.book_named(connection, name)
    journal = Journal(connect, book.book_id)

    @contextmanager
    def connected() -> Iterator[Connection]:
        with refusing(), connect() as connection:
            yield connection

    return Side(book, lambda unit: journal.submit([unit], clock())[0], connected, clock, journal.close)


def neighbours_file(home: Path) -> dict[str, Connect]:
    """How the books of `home`/neighbours.toml are reached: a table for each, with the `url` of role core there, and
    perhaps `without_tls`, why a server across a network is not verified; `database_needs_tls`.
    """
    file = home / "neighbours.toml"
    if not file.exists():
        return {}
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: _connecting(str(entry.get("url", "")), entry.get("without_tls")) for name, entry in said.items()}


def _connecting(url: str, without_tls: str | None) -> Connect:
    try:
        found = dict(_conninfo.conninfo_to_dict(url))
    except ProgrammingError as error:
        raise DATABASE_URL_IS_WRONG(detail=str(error).strip()) from error
    require_tls(found, without_tls)
    conninfo = conninfo_of(found, "core")
    return lambda: connect(conninfo)


@dataclass
class Sides:
    """Books by name, opened when they are first asked for: those of one database, and those of other servers."""

    here: Connect
    elsewhere: Mapping[str, Connect]
    clock: Callable[[], datetime]
    _opened: dict[str, Side] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def side(self, name: str) -> Side:
        """The side of a book; `neighbour_is_not_known`."""
        with self._lock:
            if name not in self._opened:
                if name not in self.names():
                    raise refusals.NEIGHBOUR_IS_NOT_KNOWN(book=name[:63])
                self._opened[name] = side_of(self.elsewhere.get(name, self.here), name, self.clock)
            return self._opened[name]

    def names(self) -> list[str]:
        with refusing(), self.here() as connection:
            return sorted({*self.elsewhere, *(book.name for book in reading.books(connection))})

    def close(self) -> None:
        for side in self._opened.values():
            side.close()


@dataclass
class Neighbourhood:
    """What the core holds for crossings: its own side, and its neighbours."""

    own: Side
    sides: Sides
    stopped: Callable[[Connection], None]
    open_to_posting: Query = posting.QUERIES.open_to_posting
    _first: int = 0  # nothing that was begun before this row is open

    def side(self, name: str) -> Side:
        return self.own if name == self.own.book.name else self.sides.side(name)

    def cross(self, asked: Crossing) -> State:
        """What a program asks for: money of a customer here to a customer there. The brake stops it."""
        with self.own.connection() as connection:
            self.stopped(connection)
        target = self.side(asked.target)
        self._require_open(self.own, asked.payer, Result.DEBIT_ACCOUNT_MUST_EXIST)
        self._require_open(target, asked.payee, Result.CREDIT_ACCOUNT_MUST_EXIST)
        return crossing.cross(self.own, target, asked)

    def carry_on(self) -> int:
        """Carry on what nobody carries on any more; returns how many crossings ended. A neighbour who cannot be reached
        keeps nobody else waiting: what he said is raised at the end.
        """
        with self.own.connection() as connection:
            head = reading.book_named(connection, self.own.book.name).head
        begun = crossing.open_crossings(self.own, self._first)
        self._first = min([head, *(each.sequence for each in begun)])
        until, ended, refused = self.own.clock() - ALONE_FOR, 0, None
        for each in begun:
            if each.at <= until:
                try:
                    ended += crossing.carry_on(self.own, self.side(each.crossing.target), each.crossing).ended
                except Refused as no:
                    refused = no
        if refused is not None:
            raise refused
        return ended

    def differences(self) -> list[Clearing]:
        """The clearing accounts of our book and each neighbour's, both ways."""
        others = [name for name in self.sides.names() if name != self.own.book.name]
        return [each for name in others for each in clearing_differences([self.own, self.side(name)])]

    def _require_open(self, side: Side, name: str, missing: Result) -> None:
        with side.connection() as connection:
            found = crossing.account_named(connection, side, name)
            if found is None:
                raise RESULT_REFUSALS[missing]()
            asked = {"book": side.book.book_id, "accounts": [found.account]}
            if not connection.execute(self.open_to_posting, asked).fetchall():
                raise ACCOUNT_MUST_BE_OPEN_TO_POSTING(row=0)
