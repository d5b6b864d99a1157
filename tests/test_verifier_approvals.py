"""The stranger's look at signed approvals: true ones hold from the journal alone; with one thing changed they do not.

The rows are a real book's, by people with devices; what is changed is changed in the rows, as whoever could write the
journal would change it.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from authority_world import enrolled, money_moves, world_of
from ringfence.authority import people, proposals
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import approval_challenge
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import Kind
from test_authority_passkeys import payout, signing_policy
from verifier_world import imported, rows_of

APPROVALS = imported("approvals")
Said = dict[str, Any]


@pytest.fixture
def rows(database) -> list[tuple[Any, Said]]:
    """Two people with passkeys sign a payout; one approves a small one without signing; then both keys end."""
    with world_of(database, policy=signing_policy()) as world:
        money_moves(world)
        devices = {person: enrolled(world, person) for person in ("abel", "anna")}
        world.later(hours=25)
        world.signed_in.clear()
        made = payout(world)
        for person, device in devices.items():
            signed = device.assertion(approval_challenge(made.payload))
            proposals.approve(
                world.core, world.session(person), made.proposal_id, made.payload_sha256, assertion=signed
            )
        small = payout(world, amount=2_000_000)
        proposals.approve(world.core, world.session("anna"), small.proposal_id, small.payload_sha256)
        keys.revoke(world.core, world.session("abel"), devices["abel"].credential_id)
        people.deactivate(world.core, world.session("sara"), "anna")
        return journal_of(world)


def journal_of(world: Any) -> list[tuple[Any, Said]]:
    """The rows as the verifier reads them from their leaves, and what they say."""
    with world.core.connection() as connection:
        return rows_of(connection, world.book)


def verdict(rows: list[tuple[Any, Said]]) -> Any:
    """The name of what is wrong, or how many approvals, signatures and passkeys there are."""
    found = APPROVALS.Approvals()
    try:
        for row, said in rows:
            found.add(row, json.dumps(said).encode())
    except APPROVALS.Wrong as wrong:
        return wrong.name
    return found.approvals, found.signed, len(found.passkeys)


def changed(rows: list[tuple[Any, Said]], code: EventName, change: Callable[[Said], Said], which: int = 0) -> list:
    """The rows with what one event of a kind says changed."""
    places = [place for place, (row, _) in enumerate(rows) if row.kind == Kind.EVENT and row.code == code]
    place = places[which]
    return [*rows[:place], (rows[place][0], change(dict(rows[place][1]))), *rows[place + 1 :]]


def signed_approval(rows: list) -> int:
    """Which of the approvals is the first signed one."""
    approvals = [said for row, said in rows if row.code == EventName.PROPOSAL_APPROVED]
    return next(number for number, said in enumerate(approvals) if "signature" in said)


def flipped(name: str, place: int) -> Callable[[Said], Said]:
    def change(said: Said) -> Said:
        raw = bytearray.fromhex(said[name])
        raw[place] ^= 1
        return said | {name: raw.hex()}

    return change


def test_signed_approvals_hold_from_the_journal_alone(rows):
    """Two enrolments and the small payout are approved by passwords, the large payout by two signatures."""
    assert verdict(rows) == (5, 2, 2)


def test_an_approval_with_one_thing_changed_does_not_hold(rows):
    first = signed_approval(rows)
    unsigned = ("signature", "client_data", "authenticator_data", "credential", "challenge")
    changes = {
        "no signature": (
            lambda said: {k: v for k, v in said.items() if k not in unsigned},
            "approval_lacks_its_signature",
        ),
        "another person": (lambda said: said | {"person": "theo"}, "approval_is_by_another_passkey"),
        "another passkey": (flipped("credential", 3), "approval_is_by_another_passkey"),
        "another challenge": (flipped("challenge", 0), "approval_is_signed_for_something_else"),
        "another host": (flipped("authenticator_data", 0), "approval_is_signed_for_something_else"),
        "nobody verified": (
            lambda said: said | {"authenticator_data": said["authenticator_data"][:64] + "01" + "00000001"},
            "approval_is_signed_for_something_else",
        ),
        "another counter": (flipped("authenticator_data", 36), "approval_is_forged"),
        "another signature": (flipped("signature", -1), "approval_is_forged"),
        "nonsense": (lambda said: said | {"signature": 7}, "approval_is_malformed"),
    }
    for name, (change, expected) in changes.items():
        assert verdict(changed(rows, EventName.PROPOSAL_APPROVED, change, first)) == expected, name


def test_client_data_of_another_page_does_not_hold(rows):
    first = signed_approval(rows)

    def saying(**client: Any) -> Callable[[Said], Said]:
        def change(said: Said) -> Said:
            told = json.loads(bytes.fromhex(said["client_data"])) | client
            return said | {"client_data": json.dumps(told).encode().hex()}

        return change

    for client in (
        {"origin": "https://evil.example"},
        {"origin": "http://localhost.evil.example"},
        {"crossOrigin": True},
        {"topOrigin": "https://evil.example"},
        {"type": "webauthn.create"},
    ):
        rows_then = changed(rows, EventName.PROPOSAL_APPROVED, saying(**client), first)
        assert verdict(rows_then) == "approval_is_signed_for_something_else", client
    told_again = changed(rows, EventName.PROPOSAL_APPROVED, saying(origin="http://localhost:1"), first)
    assert verdict(told_again) == "approval_is_forged"


def test_a_passkey_is_its_owners_by_a_proposal_that_somebody_else_approved(rows):
    changes = {
        "of somebody else": lambda said: said | {"person": "theo"},
        "of no proposal": lambda said: said | {"proposal": "x"},
    }
    for name, change in changes.items():
        assert verdict(changed(rows, EventName.PASSKEY_ENROLLED, change)) == "passkey_is_not_its_owners", name
    place = next(place for place, (row, _) in enumerate(rows) if row.code == EventName.PASSKEY_ENROLLED)
    unapproved = [each for each in rows[:place] if each[0].code != EventName.PROPOSAL_APPROVED]
    assert verdict([*unapproved, *rows[place:]]) == "passkey_is_not_its_owners"
    assert verdict([*rows[: place + 1], *rows[place:]]) == "passkey_is_not_its_owners"
    sooner = changed(rows, EventName.PASSKEY_ENROLLED, lambda said: said | {"wait_hours": 23})
    assert verdict(sooner) == "passkey_waits_too_briefly"
    founding = [each for each in sooner if each[0].kind != Kind.TRANSFER]
    assert verdict(founding) == (5, 2, 2)
    other = changed(rows, EventName.PASSKEY_ENROLLED, lambda said: said | {"wait_hours": 26})
    assert verdict(other) == "approval_is_by_another_passkey"
    off_the_curve = changed(rows, EventName.PASSKEY_ENROLLED, flipped("public_key", 20))
    assert verdict(off_the_curve) == "approval_is_malformed"


def test_a_passkey_that_has_ended_signs_nothing_more(rows):
    """The signed approvals told once more, after the revocation and after a person has left."""
    signed = [each for each in rows if "signature" in each[1]]
    later = [(row._replace(sequence=len(rows)), said) for row, said in signed]
    for again in later:
        assert verdict([*rows, again]) == "approval_is_by_another_passkey"


def test_no_bit_of_a_signed_approval_can_be_changed(rows):
    first, dice = signed_approval(rows), random.Random(11)
    whole = next(said for row, said in rows if "signature" in said)
    for name in ("client_data", "authenticator_data", "signature", "challenge"):
        size = len(whole[name]) // 2
        for place in sorted(dice.sample(range(size), min(24, size))):
            told = verdict(changed(rows, EventName.PROPOSAL_APPROVED, flipped(name, place), first))
            assert isinstance(told, str), (name, place)
