"""The stranger's look at who asked for each payment: true origins hold from the journal alone; changed ones do not."""

import json
from typing import Any
from uuid import UUID

import pytest

from custody_world import PAYEE, custody_world
from origin_world import Person, Shop
from policies import unsigned_toml
from ringfence.authority import signing
from ringfence.authority.policy import read_toml
from ringfence.custody import own, placing
from ringfence.ledger.codes import EventName
from test_verifier_approvals import changed, flipped
from verifier_world import imported, rows_of

ORIGINS = imported("origins")
BY_PROGRAM, BY_STAFF, UNDER_MANDATE = (UUID(int=0xABE1 + each, version=4) for each in range(3))


@pytest.fixture
def rows(database, tmp_path) -> list[tuple[Any, dict[str, Any]]]:
    """A program withdraws a little; a treasurer, whose order somebody approves; a customer; then the key ends."""
    with custody_world(database, tmp_path, policy=read_toml(unsigned_toml())) as world:
        world.pay_in("c1", 10_000_00)
        shop = Shop(world).add()
        assert shop.withdraws(BY_PROGRAM).state == "released"
        tina = world.sessions["tina"]
        placing.place_withdrawal(world.desk, BY_STAFF, "c1", 5_00, payee_account=PAYEE, by=tina)
        world.approve(BY_STAFF, "adam")
        ann = Person(world).add().enrol()
        assert ann.withdraws(7_00).state == "released"
        given = ann.gives(shop)
        assert shop.withdraws(UNDER_MANDATE, "90.00", mandate=given).state == "released"
        own.revoke_mandate(world.core, ann.session, given)
        world.turn()
        signing.revoke_key(world.core, world.sessions["sara"], "shop", shop.fingerprint)
        with world.core.connection() as connection:
            return rows_of(connection)


def verdict(rows) -> Any:
    """The name of what is wrong, or how many payments there are, how many had to be asked for, and keys."""
    found = ORIGINS.Origins()
    try:
        for row, said in rows:
            found.add(row, json.dumps(said).encode())
    except ORIGINS.Wrong as wrong:
        return wrong.name
    return found.payments, found.asked, len(found.keys)


def without(rows, code, **said):
    """The rows but those of an event that say this."""
    return [
        (row, told)
        for row, told in rows
        if row.code != code or any(told.get(name) != value for name, value in said.items())
    ]


def test_a_payment_whose_origin_is_missing_is_named(rows):
    assert verdict(rows) == (4, 4, 1)
    assert verdict(without(rows, EventName.ORIGIN_STATED)) == "payment_lacks_its_origin"
    assert verdict(without(rows, EventName.PROPOSAL_APPROVED, person="adam")) == "payment_lacks_its_origin"
    assert verdict(without(rows, EventName.PROPOSAL_MADE, act="payout")) == "payment_lacks_its_origin"
    by_system = [(row, said | {"maker": "system"} if said.get("act") == "payout" else said) for row, said in rows]
    assert verdict(by_system) == "payment_lacks_its_origin"


def test_an_origin_with_one_thing_changed_does_not_hold(rows):
    def base(old, new):
        return lambda said: said | {"base": said["base"].replace(old, new)}

    changes = {
        "another signature": (flipped("signature", 0), "origin_is_forged"),
        "another amount's digest": (base("sha-256=:", "sha-256=:A"), "origin_is_forged"),
        "another address": (base("withdrawals", "freezes"), "origin_is_forged"),
        "another key": (lambda said: said | {"key": "demo/shop/0"}, "origin_is_by_another_key"),
        "another program": (lambda said: said | {"client": "other"}, "origin_is_by_another_key"),
        "another order": (lambda said: said | {"order": str(BY_STAFF)}, "origin_is_malformed"),
        "nonsense": (lambda said: said | {"base": 7}, "origin_is_malformed"),
    }
    for name, (change, expected) in changes.items():
        assert verdict(changed(rows, EventName.ORIGIN_STATED, change)) == expected, name
    alone = without(rows, EventName.PROPOSAL_APPROVED, person="rita")
    assert verdict(alone) == "program_key_is_not_admitted"
    of_a_customer = {
        "another signature": (flipped("signature", -1), "approval_is_forged"),
        "another challenge": (flipped("challenge", 0), "approval_is_signed_for_something_else"),
        "another login": (lambda said: said | {"person": "adam"}, "origin_is_by_another_login"),
        "another customer": (lambda said: said | {"customer": "c2"}, "origin_is_by_another_login"),
    }
    for name, (change, expected) in of_a_customer.items():
        assert verdict(changed(rows, EventName.ORIGIN_STATED, change, which=1)) == expected, name
    of_a_mandate = {
        "a smaller cap": (lambda said: said | {"cap_minor": "8999"}, "payment_lacks_its_origin"),
        "a smaller cap of the period": (lambda said: said | {"period_cap_minor": "8999"}, "payment_lacks_its_origin"),
        "another purpose": (lambda said: said | {"purposes": ["freeze"]}, "payment_lacks_its_origin"),
        "another program": (lambda said: said | {"client": "other"}, "origin_is_under_no_mandate"),
        "another end": (lambda said: said | {"expires_at": "2026-03-03T10:00:00+00:00"}, "origin_is_under_no_mandate"),
        "another customer": (lambda said: said | {"customer": "c2"}, "origin_is_by_another_login"),
        "another signature": (flipped("signature", -1), "approval_is_forged"),
    }
    for name, (change, expected) in of_a_mandate.items():
        assert verdict(changed(rows, EventName.MANDATE_GIVEN, change)) == expected, name
    assert verdict(without(rows, EventName.MANDATE_GIVEN)) == "origin_is_under_no_mandate"
    bound_elsewhere = [(row, told | {"customer": "c2"} if told.get("customer") == "c1" else told) for row, told in rows]
    assert verdict(bound_elsewhere) == "payment_lacks_its_origin"
    ended = changed(
        rows, EventName.PROGRAM_KEY_ADMITTED, lambda said: said | {"expires_at": "2026-03-02T09:00:00+00:00"}
    )
    assert verdict(ended) == "origin_is_by_another_key"


def test_a_revoked_key_asks_for_nothing_more_and_where_nobody_has_to_ask_nobody_does(rows):
    """The origin told after the key was revoked; at another time than that of its signature; and under a lax policy."""
    stated = next(each for each in rows if each[0].code == EventName.ORIGIN_STATED)
    place = rows.index(stated)
    under = next(each for each in rows if each[1].get("asked_by") == "mandate")
    withdrawn = next(each for each in rows if each[0].code == EventName.MANDATE_REVOKED)
    at = rows.index(under)
    assert verdict([*rows[:at], withdrawn, *rows[at:]]) == "origin_is_under_no_mandate"
    revoked = next(each for each in rows if each[1].get("change") == "client key revoked")
    assert verdict([*rows[:place], revoked, *rows[place:]]) == "origin_is_by_another_key"
    later = (stated[0]._replace(posted_at=stated[0].posted_at + 3_600_000_000), stated[1])
    assert verdict([*rows[:place], later, *rows[place + 1 :]]) == "origin_is_for_something_else"
    lax = changed(rows, EventName.POLICY_SET, lambda said: said | {"asked_by": {}})
    assert verdict(without(lax, EventName.ORIGIN_STATED)) == (4, 0, 1)
