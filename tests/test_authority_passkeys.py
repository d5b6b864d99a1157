"""Passkeys on a real PostgreSQL: enrolled by two people, good for what was signed and for nothing else."""

import dataclasses
import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from authority_world import LOCALHOST, Device, World, device_of, enrolled, money_moves, world_of
from policies import unsigned_toml
from ringfence.authority import people, policies, proposals, sessions, verification
from ringfence.authority.passkeys import assertions, keys, signing
from ringfence.authority.passkeys.assertions import Assertion
from ringfence.authority.policy import Policy, read_toml
from ringfence.authority.proposals import Decided, Drafted
from ringfence.ledger.codes import EventName
from ringfence.money import currency
from ringfence.refusal import Refused

EUR = currency("EUR")
FACTS = {"creditor_name": "Erika Beispiel", "creditor_account": "DE89370400440532013000"}
BIG = 9_000_000  # minor units: above every band, where the policy of these tests wants two signatures
SIGNED = unsigned_toml().replace(
    'otherwise = { people = 2, roles = ["approver"] }',
    'otherwise = { people = 2, roles = ["approver"], signed = true }',
    1,
)


def signing_policy() -> Policy:
    """Payouts above every band are signed by passkeys; a new key waits for a day."""
    return read_toml(SIGNED)


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database, policy=signing_policy()) as found:
        money_moves(found)
        yield found


def payout(world: World, amount: int = BIG, by: str = "tess") -> Drafted:
    return proposals.propose(
        world.core, world.session(by), world.new_id(), "payout", order=UUID(int=9), amount=amount, unit=EUR, facts=FACTS
    )


def approve(world: World, person: str, made: Drafted, assertion: Assertion | None) -> Decided:
    return proposals.approve(
        world.core, world.session(person), made.proposal_id, made.payload_sha256, assertion=assertion
    )


def refusal_of(act, *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def signature(device: Device, made: Drafted, **client: Any) -> Assertion:
    return device.assertion(assertions.approval_challenge(made.payload), **client)


def verdict(world: World, made: Drafted, change=lambda found: found) -> str:
    found = change(verification.record_of(world.connect("gateway"), world.book, made.proposal_id))
    refused = verification.verify(found, world.clock())
    return "holds" if refused is None else refused.name


# -- enrolment -------------------------------------------------------------------------------------------------------


def test_a_key_is_enrolled_by_its_owner_and_somebody_else_and_the_journal_says_its_public_half(world):
    device = enrolled(world, "abel")
    [kept] = keys.passkeys(world.connect("core"), world.book, "abel")
    assert (kept.credential_id, kept.public_key, kept.rp_id) == (device.credential_id, device.public_key, "localhost")
    [said] = world.events(EventName.PASSKEY_ENROLLED)
    assert said == {
        "person": "abel",
        "credential": device.credential_id.hex(),
        "public_key": device.public_key.hex(),
        "aaguid": str(kept.aaguid),
        "rp_id": "localhost",
        "wait_hours": 24,
        "proposal": str(kept.proposal_id),
    }
    raw = world.connect("core").execute(b"SELECT client_data, attestation_object FROM authority.passkey").fetchone()
    assert all(len(bytes(each)) > 60 for each in raw)


def test_nobody_enrols_a_key_alone(world):
    """Not the owner, not an approver, not the security administrator for herself."""
    made = device_of(world).proposed(world, "abel")
    assert refusal_of(approve, world, "abel", made, None) == "maker_may_not_check"
    assert refusal_of(approve, world, "anna", made, None) == "person_lacks_the_role"
    assert refusal_of(keys.enrol, world.core, made.proposal_id) == "proposal_is_not_complete"
    own = device_of(world).proposed(world, "sara")
    assert refusal_of(approve, world, "sara", own, None) == "maker_may_not_check"
    assert approve(world, "sven", own, None).complete


def test_a_registration_that_does_not_hold_is_refused_by_name(world):
    device, session = device_of(world), world.session("abel")

    def proposed(challenge=None, label="mine", registration=None, **changes):
        asked = challenge or keys.new_challenge(world.core)
        found = registration or dataclasses.replace(device, **changes).registration(asked)
        return refusal_of(keys.propose_key, world.core, session, label, found, asked, LOCALHOST)

    assert proposed(challenge=bytes(40)) == "challenge_is_not_ours"
    assert proposed(registration=device.registration(keys.new_challenge(world.core))) == "challenge_does_not_fit"
    assert proposed(origin="http://localhost:9") == "origin_is_not_ours"
    assert proposed(origin="https://localhost.evil.example") == "origin_is_not_ours"
    assert proposed(rp_id="evil.example") == "registration_is_not_valid"
    assert proposed(flags=0x01) == "user_was_not_verified"
    assert proposed(label=" ") == "passkey_has_a_short_label"
    challenge = keys.new_challenge(world.core)
    good = device.registration(challenge)
    for broken in (
        b"",
        b"\xff",
        good.attestation_object[:-9],
        good.attestation_object.replace(b"\x20\x01\x21", b"\x20\x02\x21"),
    ):
        wrong = dataclasses.replace(good, attestation_object=broken)
        assert proposed(challenge=challenge, registration=wrong) in {
            "registration_is_not_valid",
            "passkey_must_be_es256",
        }
    world.later(minutes=6)
    assert proposed(challenge=challenge, registration=good) == "challenge_is_too_old"
    assert world.events(EventName.PASSKEY_ENROLLED) == []


def test_a_key_is_enrolled_once(world):
    device = enrolled(world, "abel")
    assert refusal_of(device.proposed, world, "anna") == "passkey_is_enrolled_already"


def test_a_key_is_revoked_by_its_owner_or_a_security_administrator_and_by_nobody_else(world):
    first, second = enrolled(world, "abel"), enrolled(world, "anna")
    revoke = keys.revoke
    assert refusal_of(revoke, world.core, world.session("anna"), first.credential_id) == "person_lacks_the_role"
    revoke(world.core, world.session("abel"), first.credential_id)
    revoke(world.core, world.session("sara"), second.credential_id)
    assert refusal_of(revoke, world.core, world.session("sara"), second.credential_id) == "passkey_must_exist"
    assert [(each["person"], each["by"]) for each in world.events(EventName.PASSKEY_REVOKED)] == [
        ("abel", "abel"),
        ("anna", "sara"),
    ]
    assert refusal_of(first.sign_in, world) == "passkey_is_not_known"


def test_who_leaves_leaves_the_keys_behind(world):
    device = enrolled(world, "abel")
    people.deactivate(world.core, world.session("sara"), "abel")
    assert refusal_of(device.sign_in, world) == "passkey_is_not_known"
    assert keys.in_use(world.connect("core"), world.book, "abel") == []


# -- signing in ------------------------------------------------------------------------------------------------------


def test_a_person_signs_in_with_a_key_and_without_typing_a_login(world):
    device = enrolled(world, "abel")
    opened = device.sign_in(world)
    assert (opened.session.person_id, opened.session.opened_by) == ("abel", "passkey")
    assert sessions.session_of(world.core, opened.token).person_id == "abel"
    said = world.events(EventName.SIGNED_IN)[-1]
    assert (said["person"], said["by"], said["credential"]) == ("abel", "passkey", device.credential_id.hex())


def test_a_sign_in_is_for_this_place_this_time_and_a_verified_user(world):
    device = enrolled(world, "abel")
    fresh = lambda **client: device.assertion(keys.new_challenge(world.core), **client)  # noqa: E731 - a short word

    def refused(found: Assertion) -> str:
        return refusal_of(signing.sign_in, world.core, found, LOCALHOST)

    assert refused(fresh(origin="https://evil.example")) == "origin_is_not_ours"
    assert refused(fresh(crossOrigin=True)) == "page_was_embedded"
    assert refused(fresh(topOrigin="https://evil.example")) == "page_was_embedded"
    assert refused(fresh(type="webauthn.create")) == "assertion_is_not_valid"
    assert refused(device.assertion(bytes(40))) == "challenge_is_not_ours"
    assert refused(dataclasses.replace(fresh(), signature=fresh().signature)) == "passkey_signature_does_not_verify"
    assert refused(dataclasses.replace(fresh(), client_data=b"{")) == "assertion_is_not_valid"
    assert refused(dataclasses.replace(fresh(), credential_id=bytes(16))) == "passkey_is_not_known"
    device.flags = 0x01
    assert refused(fresh()) == "user_was_not_verified"
    device.flags = 0x05
    old = fresh()
    world.later(minutes=6)
    assert refused(old) == "challenge_is_too_old"
    assert refused(dataclasses.replace(fresh(), authenticator_data=b"")) == "assertion_is_not_valid"


def test_an_answer_signs_in_once(world):
    """Of a device that counts, the second use fails by the counter; of one that does not, by the challenge."""
    device = enrolled(world, "abel")
    found = device.assertion(keys.new_challenge(world.core))
    signing.sign_in(world.core, found, LOCALHOST)
    assert refusal_of(signing.sign_in, world.core, found, LOCALHOST) == "passkey_counter_went_back"
    other = enrolled(world, "anna", counts=False)
    found = other.assertion(keys.new_challenge(world.core))
    signing.sign_in(world.core, found, LOCALHOST)
    assert refusal_of(signing.sign_in, world.core, found, LOCALHOST) == "challenge_was_used"


def test_a_counter_that_goes_back_is_refused_and_raises_an_alarm(world):
    """The key was copied: both copies count from the same place, and the second to come says less."""
    device = enrolled(world, "abel")
    copy = dataclasses.replace(device)
    copy.key, copy.credential_id = device.key, device.credential_id
    device.sign_in(world)
    device.sign_in(world)
    assert refusal_of(copy.sign_in, world) == "passkey_counter_went_back"
    assert [each["alarm"] for each in world.events(EventName.ALARM_RAISED)] == ["passkey counter went back"]


def test_the_database_opens_no_session_for_a_core_that_says_whose_it_is(world):
    """With the core's own hand: no device, a signature of another key, an event that names somebody else."""
    device, thief = enrolled(world, "abel"), enrolled(world, "rita")
    challenge = keys.new_challenge(world.core)
    as_abel = dataclasses.replace(thief.assertion(challenge), credential_id=device.credential_id)
    assert refusal_of(signing.sign_in, world.core, as_abel, LOCALHOST) == "passkey_signature_does_not_verify"


# -- approving -------------------------------------------------------------------------------------------------------


@pytest.fixture
def signers(world) -> dict[str, Device]:
    """Two approvers whose keys have waited as long as the policy says."""
    found = {person: enrolled(world, person) for person in ("abel", "anna")}
    world.later(hours=25)
    world.signed_in.clear()
    return found


def test_a_payout_that_the_policy_wants_signed_moves_by_two_signatures_over_its_bytes(world, signers):
    made = payout(world)
    for person, device in signers.items():
        decided = approve(world, person, made, signature(device, made))
    assert decided.complete
    assert verdict(world, made) == "holds"
    said = world.events(EventName.PROPOSAL_APPROVED)[-1]
    assert said["challenge"] == assertions.approval_challenge(made.payload).hex()
    assert said["credential"] == signers["anna"].credential_id.hex()
    [first, _] = proposals.proposal_of(world.connect("gateway"), world.book, made.proposal_id).decisions
    assert first.assertion
    assert first.assertion.credential_id == signers["abel"].credential_id


@pytest.mark.usefixtures("signers")
def test_a_password_does_not_approve_what_the_policy_wants_signed(world):
    made = payout(world)
    assert refusal_of(approve, world, "abel", made, None) == "approval_must_be_signed"
    small = payout(world, amount=2_000_000)
    assert approve(world, "abel", small, None).complete
    assert proposals.reject(world.core, world.session("abel"), made.proposal_id, made.payload_sha256)


def test_a_signature_is_for_this_amount_and_this_payee(world, signers):
    """PSD2 dynamic linking: the signature of one proposal is worth nothing on another, whatever differs."""
    made, other = payout(world), payout(world, amount=BIG + 1)
    assert refusal_of(approve, world, "abel", other, signature(signers["abel"], made)) == "challenge_does_not_fit"
    challenges = {assertions.approval_challenge(each.payload) for each in (made, other)}
    assert len(challenges) == 2
    bare = signers["abel"].assertion(made.payload_sha256)
    assert refusal_of(approve, world, "abel", made, bare) == "challenge_does_not_fit"
    assert refusal_of(approve, world, "abel", made, signers["abel"].assertion(keys.new_challenge(world.core))) == (
        "challenge_does_not_fit"
    )


def test_a_signature_is_of_the_person_who_is_signed_in(world, signers):
    made = payout(world)
    assert refusal_of(approve, world, "abel", made, signature(signers["anna"], made)) == "passkey_is_somebody_elses"


def test_a_new_key_approves_nothing_before_its_time(world):
    device = enrolled(world, "abel")
    made = payout(world)
    assert refusal_of(approve, world, "abel", made, signature(device, made)) == "passkey_must_wait"
    world.later(hours=25)
    world.signed_in.clear()
    assert approve(world, "abel", made, signature(device, made)).count == 1


def test_how_long_a_key_waits_is_said_by_the_policy(world):
    at_once = read_toml(SIGNED.replace("wait_hours = 24", "wait_hours = 0"))
    change = policies.propose_policy(world.core, world.session("rita"), at_once, world.clock())
    for person in ("abel", "sven"):
        proposals.approve(world.core, world.session(person), change.proposal_id, change.payload_sha256)
    policies.change_policy(world.core, change.proposal_id)
    device, made = enrolled(world, "abel"), payout(world)
    assert approve(world, "abel", made, signature(device, made)).count == 1


def test_a_signed_approval_stands_although_the_key_is_revoked_later(world, signers):
    made = payout(world)
    for person, device in signers.items():
        approve(world, person, made, signature(device, made))
    keys.revoke(world.core, world.session("sara"), signers["abel"].credential_id)
    assert verdict(world, made) == "holds"


# -- what the gateway sees -------------------------------------------------------------------------------------------


def first_assertion(**changes: bytes):
    def change(record):
        [first, *rest] = record.proposal.decisions
        moved = dataclasses.replace(first, assertion=dataclasses.replace(first.assertion, **changes))
        decided = dataclasses.replace(record.proposal, decisions=(moved, *rest))
        return dataclasses.replace(record, proposal=decided)

    return change


def without_signatures(record):
    unsigned = tuple(dataclasses.replace(each, assertion=None) for each in record.proposal.decisions)
    return dataclasses.replace(record, proposal=dataclasses.replace(record.proposal, decisions=unsigned))


def forged_in_journal_too(record):
    """Somebody who writes the table and the journal alike, but has no key."""
    changed = first_assertion(signature=record.proposal.decisions[1].assertion.signature)(record)
    sequence = record.proposal.decisions[0].sequence
    event = record.events[sequence]
    said = {**event.says, "signature": record.proposal.decisions[1].assertion.signature.hex()}
    return dataclasses.replace(changed, events={**record.events, sequence: dataclasses.replace(event, says=said)})


def keys_with(**changes: Any):
    return lambda record: dataclasses.replace(
        record, keys=tuple(dataclasses.replace(each, **changes) for each in record.keys)
    )


def events_with(**changes: Any):
    return lambda record: dataclasses.replace(
        record,
        key_events=tuple(dataclasses.replace(each, says={**each.says, **changes}) for each in record.key_events),
    )


def revoked_in_the_journal(record):
    """An event that the core forges takes power away; it never gives any."""
    last = max(record.key_events, key=lambda each: each.sequence)
    said = dataclasses.replace(last, sequence=last.sequence + 1, code=EventName.PASSKEY_REVOKED)
    return dataclasses.replace(record, key_events=(*record.key_events, said))


SEEN = {
    "no signature": (without_signatures, "approval_must_be_signed"),
    "another signature in the table": (first_assertion(signature=b"\x30\x00"), "signature_of_an_approval_fails"),
    "other client data in the table": (first_assertion(client_data=b"{}"), "signature_of_an_approval_fails"),
    "another signature in both": (forged_in_journal_too, "signature_of_an_approval_fails"),
    "no key in the table": (lambda record: dataclasses.replace(record, keys=()), "signature_of_an_approval_fails"),
    "no key in the journal": (
        lambda record: dataclasses.replace(record, key_events=()),
        "signature_of_an_approval_fails",
    ),
    "a key of somebody else in the table": (keys_with(person_id="otto"), "signature_of_an_approval_fails"),
    "another key in the table": (keys_with(public_key=bytes(77)), "signature_of_an_approval_fails"),
    "another key in the journal": (events_with(public_key="00"), "signature_of_an_approval_fails"),
    "a key that should have waited": (events_with(wait_hours=9_999), "signature_of_an_approval_fails"),
    "a key revoked in the table": (keys_with(revoked=1), "signature_of_an_approval_fails"),
    "a key revoked in the journal": (revoked_in_the_journal, "signature_of_an_approval_fails"),
}


def test_a_record_with_one_thing_changed_is_not_a_signed_approval(world, signers):
    made = payout(world)
    for person, device in signers.items():
        approve(world, person, made, signature(device, made))
    assert verdict(world, made) == "holds"
    for name, (change, expected) in SEEN.items():
        assert verdict(world, made, change) == expected, name


def test_not_even_the_owner_moves_a_key_to_other_bytes_by_mistake(world):
    enrolled(world, "abel")
    owner = world.connect("owner")
    for statement in (
        "UPDATE authority.passkey SET public_key = 'x'",
        "UPDATE authority.passkey SET approves_from = enrolled_at",
        "UPDATE authority.passkey SET counter = -1",
        "DELETE FROM authority.passkey",
    ):
        with pytest.raises(psycopg.Error) as refused, owner.transaction():
            owner.execute(statement.encode())
        assert refused.value.sqlstate == "RF003", statement


# -- the database's own arithmetic -----------------------------------------------------------------------------------

ORDER = 115792089210356248762697446949407573529996955224135760342422259061068512044369
VERIFIES = b"SELECT authority.es256_verifies(%s, %s, %s)"


def es256(owner: Any, key: ec.EllipticCurvePrivateKey, message: bytes, der: bytes) -> bool:
    numbers = key.public_key().public_numbers()
    point = numbers.x.to_bytes(32) + numbers.y.to_bytes(32)
    return owner.execute(VERIFIES, (point, message, der)).fetchone()[0]


SPECIAL = [2, 3, 4, 5, 7, ORDER - 2, ORDER - 3, ORDER // 2, (ORDER + 1) // 2, 2**255 % ORDER]


def test_the_database_verifies_signatures_of_keys_with_special_points(database):
    """Multiples of the generator make the sums meet one another: doubling for adding, and the point at infinity."""
    owner = database.connect("owner")
    for scalar in SPECIAL:
        key = ec.derive_private_key(scalar, ec.SECP256R1())
        for number in range(6):
            message = b"%d" % number
            der = key.sign(message, ec.ECDSA(hashes.SHA256()))
            assert es256(owner, key, message, der), scalar
            assert not es256(owner, key, message + b"!", der), scalar


def test_the_database_and_the_library_agree_on_random_and_broken_signatures(database):
    owner, dice = database.connect("owner"), random.Random(4)
    for number in range(40):
        key = ec.derive_private_key(dice.randrange(1, ORDER), ec.SECP256R1())
        message = dice.randbytes(number)
        der = key.sign(message, ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        assert es256(owner, key, message, der)
        assert es256(owner, key, message, utils.encode_dss_signature(r, ORDER - s))  # the other half of a signature
        for wrong in ((r, s + 1), (r + 1, s), (s, r), (0, s), (r, 0), (r, ORDER), (ORDER, s)):
            assert not es256(owner, key, message, utils.encode_dss_signature(*wrong)), wrong


def test_the_database_reads_der_strictly(database):
    owner, key = database.connect("owner"), ec.derive_private_key(77, ec.SECP256R1())
    good = key.sign(b"m", ec.ECDSA(hashes.SHA256()))
    size = good[3]
    padded = bytes([0x30, good[1] + 1, 2, size + 1, 0]) + good[4:]
    broken = [b"", b"\x30", good[:-1], good + b"\0", b"\x31" + good[1:], padded, good[:2] + b"\x03" + good[3:]]
    broken += [bytes([0x30, good[1] - 1]) + good[2:], b"\x30\x06\x02\x01\x80\x02\x01\x80", b"\x30\x04\x02\x00\x02\x00"]
    assert es256(owner, key, b"m", good)
    for der in broken:
        assert not es256(owner, key, b"m", der), der.hex()
    assert not owner.execute(VERIFIES, (bytes(64), b"m", good)).fetchone()[0]
    assert not owner.execute(VERIFIES, (bytes(63), b"m", good)).fetchone()[0]


ORIGINS = [
    ("https://pay.example", "pay.example", True),
    ("https://pay.example:8443", "pay.example", True),
    ("https://desk.pay.example", "pay.example", True),
    ("http://localhost:8400", "localhost", True),
    ("http://pay.example", "pay.example", False),
    ("https://evilpay.example", "pay.example", False),
    ("https://pay.example.evil", "pay.example", False),
    ("https://pay.example@evil.net", "pay.example", False),
    ("https://PAY.example", "pay.example", False),
    ("null", "pay.example", False),
    (None, "pay.example", False),
]


def test_python_and_the_database_hold_one_rule_of_origins(database):
    owner = database.connect("owner")
    for origin, rp_id, fits in ORIGINS:
        asked = owner.execute(b"SELECT authority.origin_fits(%s, %s)", (origin, rp_id))
        assert (asked.fetchone()[0], assertions.origin_fits(origin, rp_id)) == (fits, fits), origin


def test_a_relying_party_is_a_host_name():
    assert assertions.relying_party("http://localhost:8400").rp_id == "localhost"
    assert assertions.relying_party("https://Custody.Example").origin == "https://custody.example"
    for origin in ("http://127.0.0.1:8400", "http://[::1]:8400", "http://"):
        assert refusal_of(assertions.relying_party, origin) == "passkeys_need_a_host_name"
