"""Codes of a device beside the password: RFC 6238, each step once, and good for nothing but stepping up."""

import base64
import doctest
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from authority_world import QUICK, World, password_of, world_of
from ringfence.authority import codes, people, proposals, sessions
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused

SECRET = b"12345678901234567890"
STEP = timedelta(seconds=30)


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def code_at(at: datetime, secret: bytes = SECRET) -> str:
    """What a device shows: RFC 4226 and RFC 6238, written from them."""
    mac = hmac.new(secret, (int(at.timestamp()) // 30).to_bytes(8), hashlib.sha1).digest()
    number = int.from_bytes(mac[mac[19] & 15 :][:4]) & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def shown(world: World, *, steps: int = 0, secret: bytes = SECRET) -> str:
    return code_at(world.clock.now + steps * STEP, secret)


def set_up(world: World, person: str, secret: bytes = SECRET) -> None:
    codes.set_device(world.core, world.session(person), password_of(person), secret, shown(world, secret=secret))
    world.later(seconds=60)


def refusal_of(act, *given: object, **named: object) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def sign_in(world: World, person: str, code: str = "") -> sessions.SignedIn:
    return sessions.sign_in(world.core, person, password_of(person), code)


def test_the_database_computes_codes_as_the_rfc_does(database):
    """Appendix B of RFC 6238 (SHA-1, its last six digits), then codes and hashes beside Python's own."""
    owner = database.connect("owner")
    told = {
        59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037",
        20000000000: "353130",
    }  # fmt: skip
    for at, code in told.items():
        moment = datetime.fromtimestamp(at, UTC)
        asked = owner.execute(b"SELECT authority.code_at(%s, authority.step_of(%s))", (SECRET, moment))
        assert asked.fetchone() == (code,)
        assert code_at(moment) == code
    for size in range(130):
        message = hashlib.sha256(b"%d" % size).digest() * 5
        asked = owner.execute(b"SELECT authority.sha1(%s)", (message[:size],)).fetchone()
        assert bytes(asked[0]) == hashlib.sha1(message[:size]).digest(), size


def test_who_has_a_device_signs_in_with_password_and_code_and_with_nothing_less(world):
    set_up(world, "abel")
    assert refusal_of(sign_in, world, "abel") == "sign_in_refused"
    assert refusal_of(sign_in, world, "abel", "000000") == "sign_in_refused"
    opened = sign_in(world, "abel", shown(world))
    assert opened.session.opened_by == "code"
    assert world.events(EventName.SIGNED_IN)[-1]["by"] == "code"
    assert sign_in(world, "anna").session.opened_by == "password"
    wrong = refusal_of(sessions.sign_in, world.core, "abel", "correct horse, but wrong", shown(world, steps=1))
    assert wrong == "sign_in_refused"


def test_a_step_is_burned_once_its_code_was_used(world):
    """Neither the same code again nor an earlier one; the next one fits."""
    set_up(world, "abel")
    before, now = shown(world, steps=-1), shown(world)
    sign_in(world, "abel", now)
    assert refusal_of(sign_in, world, "abel", now) == "sign_in_refused"
    assert refusal_of(sign_in, world, "abel", before) == "sign_in_refused"
    assert sign_in(world, "abel", shown(world, steps=1))


def test_a_clock_may_be_half_a_minute_off_and_not_more(world):
    set_up(world, "abel")
    world.later(minutes=10)
    assert refusal_of(sign_in, world, "abel", shown(world, steps=-2)) == "sign_in_refused"
    assert refusal_of(sign_in, world, "abel", shown(world, steps=2)) == "sign_in_refused"
    assert sign_in(world, "abel", shown(world, steps=-1))
    assert sign_in(world, "abel", shown(world, steps=1))


def test_codes_that_are_guessed_lock_the_login(world):
    set_up(world, "abel")
    for _ in range(4):
        assert refusal_of(sign_in, world, "abel", "123456") == "sign_in_refused"
    assert refusal_of(sign_in, world, "abel", shown(world)) == "sign_in_must_wait"


def test_the_core_opens_no_session_without_the_code(world):
    """With the core's own hand, past its Python: the right password, no code that fits."""
    set_up(world, "abel")
    attempt = sessions.try_password(world.core, "abel", password_of("abel"))
    assert (attempt.fits, attempt.has_device) == (True, True)
    session, event = world.new_id(), world.new_id()
    said = {"person": "abel", "session": str(session), "by": "password"}
    row = {
        "book": world.book,
        "event": event,
        "login": "abel",
        "stretched": attempt.stretched,
        "code": "",
        "session": session,
        "token_sha256": bytes(32),
    }
    line = sessions.Line(sessions.Kind.EVENT, event, code=EventName.SIGNED_IN, payload=said)
    unit = sessions.Unit([line], also=[(sessions.QUERIES.open_session, row)])
    assert refusal_of(world.core.post, unit) == "code_does_not_fit"


def test_a_device_is_set_up_with_the_password_and_its_own_code(world):
    session, code = world.session("abel"), shown(world)
    wrong = refusal_of(codes.set_device, world.core, session, "not the password, no", SECRET, code)
    assert wrong == "sign_in_refused"
    assert refusal_of(codes.set_device, world.core, session, password_of("abel"), SECRET, "1") == "code_does_not_fit"
    assert refusal_of(codes.set_device, world.core, session, password_of("abel"), b"short", code) == (
        "code_secret_must_have_20_bytes"
    )
    set_up(world, "abel")
    assert {"person": "abel", "change": "code device"} in world.events(EventName.PERSON_CHANGED)
    assert sign_in(world, "anna").session.opened_by == "password"


def test_another_device_needs_a_code_of_the_present_one(world):
    """A session that a password opened before there was a device, or that somebody stole, is not enough."""
    set_up(world, "abel")
    other = bytes(range(20))
    code = shown(world, secret=other)
    refused = refusal_of(codes.set_device, world.core, world.session("abel"), password_of("abel"), other, code)
    assert refused == "code_is_needed_first"
    stepped_up = sign_in(world, "abel", shown(world)).session
    codes.set_device(world.core, stepped_up, password_of("abel"), other, code)
    world.later(seconds=60)
    assert refusal_of(sign_in, world, "abel", shown(world)) == "sign_in_refused"
    assert sign_in(world, "abel", shown(world, secret=other))


def test_who_has_lost_the_device_comes_back_by_two_other_people(world):
    set_up(world, "abel")
    made = people.propose_person(
        world.core, world.session("sara"), "abel", "Abel", {"approver"}, new_password=True, cost=QUICK
    )
    drafted = made.drafted
    proposals.approve(world.core, world.session("rita"), drafted.proposal_id, drafted.payload_sha256)
    people.change_person(world.core, drafted.proposal_id)
    assert made.one_time_password
    opened = sessions.sign_in(world.core, "abel", made.one_time_password)
    assert opened.session.must_change_password


def test_a_secret_is_read_as_devices_write_it():
    text = codes.text_of(SECRET)
    assert base64.b32decode(text) == SECRET
    assert codes.secret_of(text.lower()[:4] + " " + text.lower()[4:]) == SECRET
    for wrong in ("", "A", "1" * 32, text[:-8]):
        assert refusal_of(codes.secret_of, wrong) == "code_secret_must_have_20_bytes", wrong
    assert doctest.testmod(codes).failed == 0
