"""What stands over a book now: closed periods, guarded pools, monitors with their last turns.

Read from the journal's rows of kinds 10 to 13, which have an index of their own; limits of an account are in
`ledger.account`, written in the append that changes them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Generic, TypeVar

from ringfence.authority.queries import QUERIES
from ringfence.database.connection import Connection
from ringfence.ledger.model import Account, Kind
from ringfence.ledger.standing import (
    ClosedPeriod,
    Guard,
    Monitor,
    Turn,
    closed_period_of,
    guard_of,
    monitor_of,
    turn_of,
)

LATEST: Final = 2**63 - 1
_Said = TypeVar("_Said")


@dataclass(frozen=True)
class Standing(Generic[_Said]):
    """Something that stands, and the row of the journal that says so."""

    said: _Said
    sequence: int
    at: datetime


@dataclass(frozen=True)
class OpenedAccount:
    """An account as it was opened and is limited now; `closed` is the row that closed it."""

    account: Account
    opened: int
    closed: int | None


@dataclass(frozen=True)
class Watching:
    """A monitor, what it watches in words, its currency, and its last turn since it was set (None: it never turned)."""

    monitor: Monitor
    sequence: int
    set_at: datetime
    account: str | None
    currency: str
    turn: Standing[Turn] | None

    @property
    def is_off(self) -> bool:
        """Switched off: it has no condition."""
        return self.monitor.below is None and self.monitor.above is None

    @property
    def on(self) -> bool:
        """Whether its condition holds."""
        return self.turn is not None and self.turn.said.on


def closings(connection: Connection, book: int) -> list[Standing[ClosedPeriod]]:
    """The periods that were closed, the first first."""
    return _rows(connection, book, Kind.PERIOD_CLOSED, closed_period_of)


def closed_through(connection: Connection, book: int) -> date | None:
    """The last day into which nothing enters any more; None while every period is open."""
    found = closings(connection, book)
    return found[-1].said.through if found else None


def guards(connection: Connection, book: int) -> dict[str, Standing[Guard]]:
    """The guard of each guarded pool."""
    return {each.said.pool: each for each in _rows(connection, book, Kind.POOL_GUARDED, guard_of)}


def monitor_named(connection: Connection, book: int, name: str) -> Standing[Monitor] | None:
    """What was last said of a monitor."""
    return _monitors(connection, book).get(name)


def monitors(connection: Connection, book: int) -> list[Watching]:
    """Every monitor, by name, also those that are switched off."""
    found = _monitors(connection, book)
    asked = {"book": book, "monitors": list(found)}
    turned = {
        turn.said.monitor: turn
        for turn in (_turn(row) for row in connection.execute(QUERIES.last_turns, asked))
        if turn.sequence > found[turn.said.monitor].sequence
    }
    return [_watching(connection, book, found[name], turned.get(name)) for name in sorted(found)]


def turns(connection: Connection, book: int, *, before: int = LATEST, limit: int = 50) -> list[Standing[Turn]]:
    """Turns of monitors before a row, the latest first."""
    asked = {"book": book, "before": before, "limit": limit}
    return [_turn(row) for row in connection.execute(QUERIES.latest_turns, asked)]


def opened_account(connection: Connection, book: int, number: int) -> OpenedAccount | None:
    """An account by its number."""
    row = connection.execute(QUERIES.account_facts, {"book": book, "account": number}).fetchone()
    return None if row is None else OpenedAccount(Account(*row[:8]), row[8], row[9])


def _monitors(connection: Connection, book: int) -> dict[str, Standing[Monitor]]:
    return {each.said.name: each for each in _rows(connection, book, Kind.MONITOR_SET, monitor_of)}


def _watching(connection: Connection, book: int, said: Standing[Monitor], turn: Standing[Turn] | None) -> Watching:
    watched = said.said.watched
    found = opened_account(connection, book, watched.account) if watched.account else None
    name, unit = (found.account.name, found.account.currency) if found else (None, watched.currency)
    return Watching(said.said, said.sequence, said.at, name, unit, turn)


def _rows(
    connection: Connection, book: int, kind: Kind, read: Callable[[bytes], _Said | None]
) -> list[Standing[_Said]]:
    asked = {"book": book, "kind": int(kind), "before": LATEST}
    found = [(read(bytes(row[3])), row) for row in connection.execute(QUERIES.standing_rows, asked)]
    return [Standing(said, row[0], row[2]) for said, row in found if said is not None]


def _turn(row: tuple[Any, ...]) -> Standing[Turn]:
    said = turn_of(bytes(row[2]))
    if said is None:
        raise RuntimeError(f"row {row[0]} of the journal is no turn of a monitor")
    return Standing(said, row[0], row[1])
