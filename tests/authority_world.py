"""A book with a staff, for the tests of authority and incident."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from policies import unsigned_policy
from ringfence.authority import people, proposals, sessions
from ringfence.authority.actors import Session
from ringfence.authority.passkeys import keys, signing
from ringfence.authority.passkeys.assertions import Assertion, Registration, RelyingParty, relying_party, to_text
from ringfence.authority.passwords import Cost
from ringfence.authority.people import Founder
from ringfence.authority.policy import Policy
from ringfence.authority.proposals import Drafted
from ringfence.core import Core, uuid7_source
from ringfence.database.connection import pool
from ringfence.demo.authenticator import Authenticator, bytes_of
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.ledger.writer import Writer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOCALHOST = RelyingParty("localhost", "http://localhost:8400")
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
    randomness: Callable[[int], bytes] = field(default_factory=lambda: random.Random(7).randbytes)

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


class Device(Authenticator):
    """A device of somebody, as the operations take what it says."""

    def registration(self, challenge: bytes) -> Registration:
        said = self.register(to_text(challenge))
        return Registration(bytes_of(said["client_data"]), bytes_of(said["attestation_object"]))

    def assertion(self, challenge: bytes, **client: Any) -> Assertion:
        said = self.sign(to_text(challenge), **client)
        raw = ("credential", "client_data", "authenticator_data", "signature")
        return Assertion(*(bytes_of(said[name]) for name in raw))

    def proposed(self, world: World, person: str) -> Drafted:
        challenge = keys.new_challenge(world.core)
        found = self.registration(challenge)
        return keys.propose_key(world.core, world.session(person), "a device", found, challenge, LOCALHOST)

    def sign_in(self, world: World) -> sessions.SignedIn:
        return signing.sign_in(world.core, self.assertion(keys.new_challenge(world.core)), LOCALHOST)


def device_of(world: World, *, counts: bool = True) -> Device:
    return Device(LOCALHOST.rp_id, LOCALHOST.origin, world.randomness, counts=counts)


def device_at(origin: str, randomness: Callable[[int], bytes]) -> Device:
    """A device in a browser at an address like http://localhost:8400."""
    return Device(relying_party(origin).rp_id, origin, randomness)


def enrolled(world: World, person: str, *, counts: bool = True) -> Device:
    """A new device of a person, its key proposed, approved by an administrator and enrolled."""
    device = device_of(world, counts=counts)
    made = device.proposed(world, person)
    checker = world.session("sven" if person == "sara" else "sara")
    proposals.approve(world.core, checker, made.proposal_id, made.payload_sha256)
    keys.enrol(world.core, made.proposal_id)
    return device


def money_moves(world: World) -> None:
    """The founding is over: a first transfer, between accounts of a pool of its own."""
    for name, side in (("bank:first", "debit"), ("customer:first", "credit")):
        account = Account(0, name, "EUR", side, None, None, name, "first")
        world.core.post(Unit([Line(Kind.ACCOUNT_OPENED, world.new_id(), payload=account.payload())]))
    with world.core.connection() as connection:
        debit, credit = (
            reading.account(connection, world.book, name).account for name in ("bank:first", "customer:first")
        )
    line = Line(Kind.TRANSFER, world.new_id(), debit, credit, 1, value_date=world.clock().date())
    world.core.post(Unit([line]))


@contextmanager
def world_of(database: Any, *, founded: bool = True, policy: Policy | None = None) -> Iterator[World]:
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
            people.found(world.core, founders, policy or unsigned_policy(), cost=QUICK)
        yield world
        writer.close()
