"""The door: how long sessions last, and that an address that guesses has to wait, whoever it says it is."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from authority_world import STAFF, World, password_of, world_of
from ringfence.authority import clients, door, passwords, sessions, signing
from ringfence.authority.door import Limits, hash_of_address
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def refusal_of(act, *given, **named) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def guess(world, login="tess", address="203.0.113.9", password="wrong") -> str:
    return refusal_of(door.sign_in, world.core, login, password, address)


def enter(world, login="tess", address="203.0.113.9"):
    return door.sign_in(world.core, login, password_of(login), address)


def test_an_address_that_guesses_at_many_logins_is_locked_longer_and_longer(world):
    """Each login is tried once or twice, so that none of them is locked; the 20th failure locks the address."""
    for number in range(20):
        assert guess(world, f"login{number}") == "sign_in_refused"
    waits = []
    for number in range(11):
        with pytest.raises(Refused) as no:
            enter(world)  # the right password is not looked at
        assert no.value.name == "sign_in_must_wait"
        waits.append(no.value.facts["seconds"])
        world.later(seconds=no.value.facts["seconds"])
        assert guess(world, f"other{number}") == "sign_in_refused"
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert enter(world, address="203.0.113.10").session.person_id == "tess"
    world.later(hours=2)
    assert enter(world).session.person_id == "tess"


def test_who_has_a_password_does_not_buy_guesses_with_it(world):
    """A success takes back its own attempt and no failure; without it, the same address would never be locked."""
    for number in range(19):
        assert guess(world, f"login{number}") == "sign_in_refused"
        assert enter(world).session.person_id == "tess"
    assert guess(world, "login19") == "sign_in_refused"
    assert guess(world, "login20") == "sign_in_must_wait"


def test_many_people_behind_one_address_come_in_as_often_as_they_like(world):
    for number in range(40):
        assert enter(world, sorted(STAFF)[number % 8]).token


def test_attempts_at_the_same_moment_are_all_counted(world):
    """Thirty guesses from one address at once, each at another login: only twenty are looked at."""
    answers: list[str] = []
    barrier = threading.Barrier(30)

    def one(number: int) -> None:
        barrier.wait()
        answers.append(guess(world, f"login{number}"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("sign_in_refused") == 20
    assert answers.count("sign_in_must_wait") == 10


def test_an_attempt_that_could_not_be_looked_at_is_no_failure(world, monkeypatch):
    """Too many people sign in at one moment; their office is not locked for it."""
    monkeypatch.setattr(passwords, "WAIT_SECONDS_MAX", 0.001)
    with passwords._turn, passwords._turn:
        assert [guess(world, f"login{number}") for number in range(25)] == ["sign_in_is_busy"] * 25
    assert enter(world).session.person_id == "tess"


def test_while_an_address_is_locked_no_password_is_stretched(world, monkeypatch):
    for number in range(20):
        guess(world, f"login{number}")
    monkeypatch.setattr(passwords, "stretch", lambda *_: pytest.fail("it was looked at"))
    assert guess(world) == "sign_in_must_wait"


def test_an_address_of_ipv6_is_its_network_and_a_mapped_one_is_that_of_ipv4():
    assert hash_of_address("2001:db8:1:2::1") == hash_of_address("2001:db8:1:2:ffff::7")
    assert hash_of_address("2001:db8:1:2::1") != hash_of_address("2001:db8:1:3::1")
    assert hash_of_address("::ffff:203.0.113.9") == hash_of_address("203.0.113.9")
    assert hash_of_address("203.0.113.9") != hash_of_address("203.0.113.8")
    assert hash_of_address("testclient") != hash_of_address("elsewhere")


def test_nobody_reads_who_knocked(world):
    for role in ("core", "gateway", "notary", "reader", "auditor"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.connect(role).execute(b"SELECT address_sha256 FROM authority.knock")
    for role in ("gateway", "notary", "reader", "auditor"):
        with pytest.raises(psycopg.Error) as refused:
            world.connect(role).execute(b"SELECT authority.knock_at(1, '', now())")
        assert refused.value.sqlstate in {"42501", "25006"}


def test_the_limits_are_set_by_a_security_administrator_within_bounds_and_hold_at_once(world):
    """Also for sessions that are open: tess was idle for 6 minutes when the limit became 5."""
    tess = sessions.sign_in(world.core, "tess", password_of("tess"))
    with world.core.connection() as connection:
        assert door.limits(connection, world.book) == Limits(1800, 43_200, 300)
    world.later(minutes=6)
    sara = world.session("sara")
    assert refusal_of(door.set_limits, world.core, world.session("abel"), Limits(600, 3600, 60)) == (
        "person_lacks_the_role"
    )
    for wrong in (Limits(299, 3600, 60), Limits(1801, 3600, 60), Limits(600, 43_201, 60), Limits(600, 3600, 901)):
        assert refusal_of(door.set_limits, world.core, sara, wrong) == "door_limits_are_within_bounds", wrong
    door.set_limits(world.core, sara, Limits(300, 3600, 60))
    assert refusal_of(sessions.session_of, world.core, tess.token) == "session_is_not_valid"
    [said] = world.events(EventName.DOOR_LIMITS_SET)
    assert said == {"idle_seconds": 300, "session_seconds": 3600, "signature_seconds": 60, "by": "sara"}
    busy = sessions.sign_in(world.core, "tess", password_of("tess"))
    for _ in range(14):
        world.later(minutes=4)
        sessions.session_of(world.core, busy.token)
    world.later(minutes=5)
    assert refusal_of(sessions.session_of, world.core, busy.token) == "session_is_not_valid"


def test_the_limit_of_signed_requests_is_the_books(world):
    sara = world.session("sara")
    clients.add_client(world.core, sara, "shop", ["orders:read"])
    key = signing.add_key(world.core, sara, "shop", bytes(32), ["orders:read"], world.clock() + timedelta(days=1))

    def answer(nonce, ago):
        created = int(world.clock().timestamp()) - ago
        [found] = signing.callers(world.core, [signing.SignedRequest(key, nonce, created, None, lambda _: True)])
        return found.name if isinstance(found, Refused) else found.maker

    assert answer("n1", 200) == "client:shop"
    door.set_limits(world.core, sara, Limits(1800, 43_200, 60))
    assert answer("n2", 200) == "signature_is_stale"
    assert answer("n3", 50) == "client:shop"


def test_open_sessions_are_listed_for_one_or_for_all(world):
    first, second = (sessions.sign_in(world.core, "tess", password_of("tess")) for _ in range(2))
    sara, auditor = world.session("sara"), world.connect("auditor")
    assert len(door.open_sessions(auditor, world.book, world.clock())) == 3
    own = door.open_sessions(auditor, world.book, world.clock(), "tess")
    assert [each.session_id for each in own] == [second.session.session_id, first.session.session_id]
    sessions.revoke(world.core, sara, first.session.session_id)
    [left] = door.open_sessions(auditor, world.book, world.clock(), "tess")
    assert left.session_id == second.session.session_id
    world.later(minutes=31)
    assert door.open_sessions(auditor, world.book, world.clock()) == []
