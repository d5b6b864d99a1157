"""A book with a staff, for the tests of authority and incident."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ringfence.authority import people, sessions
from ringfence.authority.actors import Session
from ringfence.authority.passwords import Cost
from ringfence.authority.people import Founder
from ringfence.core import Core, uuid7_source
from ringfence.database.connection import pool
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal
from ringfence.ledger.writer import Writer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUICK = Cost(memory_kib=64, passes=1, lanes=1)

STAFF = {
    "tess": {"treasurer"},
    "theo": {"treasurer"},
    "abel": {"approver"},
    "anna": {"approver"},
    "rita": {"risk_officer"},
    "otto": {"auditor"},
    "sven": {"system_admin"},
    "sara": {"security_admin"},
}


def password_of(person: str) -> str:
    return f"correct horse {person.encode().hex()}"


@dataclass
class Clock:
    """A clock that tests own; it moves a millisecond whenever it is read, so that no two appends are at one time."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class World:
    """The core of a book, its clock, and everybody who is signed in."""

    core: Core
    clock: Clock
    connect: Callable[[str], Any]
    signed_in: dict[str, Session] = field(default_factory=dict)

    @property
    def book(self) -> int:
        return self.core.book.book_id

    def session(self, person: str) -> Session:
        if person not in self.signed_in:
            self.signed_in[person] = sessions.sign_in(self.core, person, password_of(person)).session
        return self.signed_in[person]

    def later(self, **span: float) -> None:
        self.clock.now += timedelta(**span)

    def new_id(self) -> UUID:
        return self.core.new_id()

    def events(self, code: int) -> list[dict[str, Any]]:
        return [event.said for event in reading.events(self.connect("core"), self.book, code)]


@contextmanager
def world_of(database: Any, *, founded: bool = True) -> Iterator[World]:
    clock = Clock()
    owner = database.connect("core")
    book = reading.open_book(owner, "demo", clock())
    owner.commit()
    journal = Journal(lambda: database.connect("core"), book.book_id)
    writer = Writer(journal, clock)
    with pool(database.conninfo("core"), largest=8) as connections:
        world = World(Core(book, writer, connections, clock, uuid7_source()), clock, database.connect)
        if founded:
            founders = [Founder(person, person.title(), roles, password_of(person)) for person, roles in STAFF.items()]
            people.found(world.core, founders, cost=QUICK)
        yield world
        writer.close()
