"""Customers with a login of their own: they see their own money, and what they sign is what the gateway pays."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from custody_world import CHEAP, DAY, PAYEE, authorised_standing_alone, custody_world
from origin_world import Person
from policies import unsigned_toml
from ringfence.authority import people, proposals
from ringfence.authority.origin.stating import WORD
from ringfence.authority.passkeys import keys
from ringfence.authority.policy import read_toml
from ringfence.banking import gateway
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.custody import own, placing
from ringfence.custody.payees import register
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.reading import rows_of_order
from test_banking_clearance import THIEF, instruction
from test_banking_origin import forge, refusal_of, verdicts
from test_custody_payees import OTHER, added, withdraw

ORDER = UUID(int=0xCAFE, version=4)


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, policy=read_toml(unsigned_toml()), asks=authorised_standing_alone) as found:
        found.pay_in("c1", 60_000_00)
        yield found


def state_of(world, order_id):
    with world.core.connection() as connection:
        return placing.order(connection, world.core.book.book_id, order_id).state


def origin_of(world, order_id):
    """What ORIGIN_STATED says of an order."""
    with world.core.connection() as connection:
        row = connection.execute(
            BANKING.journal_row, {"book": world.core.book.book_id, "id": derived(order_id, WORD)}
        ).fetchone()
    return json.loads(row[5])


def test_a_customer_withdraws_by_a_passkey_and_the_gateway_pays_exactly_that(world):
    ann = Person(world).add().enrol()
    placed = ann.withdraws(100_00)
    assert (placed.state, placed.maker, placed.customer_id) == ("released", "customer:ann", "c1")
    said = origin_of(world, placed.order_id)
    assert (said["asked_by"], said["customer"], said["person"]) == ("customer", "c1", "ann")
    assert PAYEE not in json.dumps(said)
    world.turn()
    assert state_of(world, placed.order_id) == "settled"
    large = ann.withdraws(12_000_00)
    assert large.state in ("held", "awaiting_approval")
    world.approve(large.order_id, "adam", "bella")
    world.turn()
    assert state_of(world, large.order_id) == "settled"


def test_a_login_is_one_customers_and_of_nobody_of_the_staff(world):
    ann = Person(world).add()
    core, sara = world.core, world.sessions["sara"]
    assert own.whose(core, ann.session).customer_id == "c1"
    assert refusal_of(own.whose, core, world.sessions["tina"]) == "person_lacks_the_role"
    assert refusal_of(own.propose, core, world.sessions["tina"], "c1", "bob", "Bob") == "person_lacks_the_role"
    assert refusal_of(own.propose, core, sara, "nobody", "bob", "Bob") == "customer_must_exist"
    for customer, login in (("c2", "ann"), ("c1", "tina")):
        made = own.propose(core, sara, customer, login, "Somebody", cost=CHEAP).drafted
        proposals.approve(core, world.sessions["rita"], made.proposal_id, made.payload_sha256)
        assert refusal_of(people.change_person, core, made.proposal_id) == "customer_login_is_one_customers"
    for roles in (["customer"], ["approver", "customer"]):
        refused = refusal_of(people.propose_person, core, sara, "zoe", "Zoe", roles, new_password=False)
        assert refused == "role_is_unknown"
    made = people.propose_person(core, sara, "ann", "Ann", ["approver"], new_password=False).drafted
    proposals.approve(core, world.sessions["rita"], made.proposal_id, made.payload_sha256)
    assert refusal_of(people.change_person, core, made.proposal_id) == "customer_login_is_one_customers"
    with core.connection() as connection:
        assert "ann" not in {each.person_id for each in people.people(connection, core.book.book_id)}
        assert [each.person_id for each in people.logins_of(connection, core.book.book_id, "c1")] == ["ann"]


def test_what_a_customer_signs_is_good_for_nothing_else(world):
    """Another amount, payee, customer or day, another's key, a new key, and the same twice."""
    ann = Person(world).add().enrol(waited=False)
    bob = Person(world, login="bob", customer="c2").add()
    assert refusal_of(ann.withdraws, 100_00) == "passkey_must_wait"
    bob.enrol()
    ann.sign_in()
    found = own.draft(world.desk, ann.session, 100_00)
    document, signed = found.canonical(), ann.signed(found.canonical())
    place = (own.place, world.desk, ann.session)
    for change, no in (
        ({"amount": 100_01}, "challenge_does_not_fit"),
        ({"nonce": "f" * 32}, "challenge_does_not_fit"),
        ({"creditor_account": THIEF}, "something_else_was_asked_for"),
        ({"creditor_name": "A Thief"}, "challenge_does_not_fit"),
        ({"customer": "c2"}, "something_else_was_asked_for"),
        ({"person": "bob"}, "something_else_was_asked_for"),
        ({"book": "other"}, "something_else_was_asked_for"),
        ({"on": DAY.replace(day=1)}, "order_is_of_another_day"),
    ):
        assert refusal_of(*place, replace(found, **change).canonical(), signed, ann.rp) == no, change
    assert refusal_of(*place, document + b" ", signed, ann.rp) == "signed_order_is_no_origin"
    renamed = replace(found, creditor_name="A Thief").canonical()
    assert refusal_of(*place, renamed, ann.signed(renamed), ann.rp) == "something_else_was_asked_for"
    theirs = replace(signed, credential_id=bob.signed(document).credential_id)
    assert refusal_of(*place, document, theirs, ann.rp) == "passkey_signature_does_not_verify"
    assert refusal_of(*place, document, bob.signed(document), ann.rp) == "passkey_is_somebody_elses"
    assert own.place(world.desk, ann.session, document, signed, ann.rp).state == "released"
    again = own.place(world.desk, ann.session, document, signed, ann.rp)
    assert again.order_id == found.order_id
    by_staff = (placing.place_withdrawal, world.desk, world.new_id(), "c1", 5_00)
    assert refusal_of(*by_staff, payee_account=PAYEE, by=ann.session) == "order_must_say_who_asked"


def test_a_core_that_was_taken_pays_nothing_in_a_customers_name(world):
    """It has a true signature over 5.00 to the customer, the session, and every row that it can write."""
    ann = Person(world).add().enrol()
    found = replace(own.draft(world.desk, ann.session, 5_00), order_id=ORDER)
    document, signed = found.canonical(), ann.signed(found.canonical())
    expected = {}

    def stated(number, document, *, change=None, **said):
        order = UUID(int=0xCAFE00 + number, version=4)
        payment = instruction("5.00", order=order, creditor_name=found.creditor_name, creditor_account=PAYEE)
        payment = replace(payment, **change or {})
        told = {
            "order": str(order),
            "asked_by": "customer",
            "customer": "c1",
            "person": "ann",
            "challenge": own.challenge_of(document).hex(),
            "credential": signed.credential_id.hex(),
            "client_data": signed.client_data.hex(),
            "authenticator_data": signed.authenticator_data.hex(),
            "signature": signed.signature.hex(),
        }
        event = derived(order, WORD)
        line = Line(Kind.EVENT, event, order_id=order, code=EventName.ORIGIN_STATED, payload=told | said)
        forge(world, payment, line, content=document.decode())
        return order

    def other(number, **change):
        return replace(found, order_id=UUID(int=0xCAFE00 + number, version=4), **change).canonical()

    expected[stated(1, document)] = "something_else_was_asked_for"
    expected[stated(2, other(2))] = "payment_lacks_its_origin"
    expected[stated(3, other(3, amount=500_00), change={"amount": "500.00"})] = "payment_lacks_its_origin"
    thief = {"creditor_account": THIEF, "creditor_name": "A Thief"}
    expected[stated(4, other(4, **thief), change=thief)] = "payment_lacks_its_origin"
    expected[stated(5, other(5), person="tina")] = "payment_lacks_its_origin"
    expected[stated(6, other(6, customer="c2"), change={"customer": "c2"}, customer="c2")] = "payment_lacks_its_origin"
    expected[stated(7, other(7), signature="00")] = "payment_lacks_its_origin"
    expected[stated(8, other(8), signature=7)] = "payment_lacks_its_origin"
    assert verdicts(world) == expected

    world.wait(seconds=1)
    true = own.place(world.desk, ann.session, document, signed, ann.rp)
    keys.revoke(world.core, ann.session, signed.credential_id)
    world.notary.step(world.now)
    assert gateway.turn(world.gateway).sent == 1  # it was signed before the passkey was given up
    assert state_of(world, true.order_id) == "released"
    assert refusal_of(ann.withdraws, 5_00) == "passkey_is_not_known"


# -- own payees, and what a customer stops -----------------------------------------------------------------------------


def signs(ann, amount, payee_id):
    document = own.draft(ann.world.desk, ann.session, amount, payee_id).canonical()
    return own.place(ann.world.desk, ann.session, document, ann.signed(document), ann.rp)


def test_a_customer_is_paid_at_any_own_payee_and_stops_what_waits_for_a_new_one(world):
    """
    sign   900.00 to a new payee   -> leaves at once, and is not called back
    sign   1,500.00 to it          -> foretold: waits; cancelled by the customer; the money is free
    sign   1,600.00 to it; remove  -> cancelled with the payee, and nobody draws up anything more to it
    """
    ann, found = Person(world).add().enrol(), added(world)
    small = signs(ann, 900_00, found.payee_id)
    assert small.state == "released"
    assert refusal_of(own.cancel_order, world.desk, ann.session, small.order_id) == "order_may_not_do_that_now"
    world.turn()
    assert state_of(world, small.order_id) == "settled"

    drafted = own.draft(world.desk, ann.session, 1_500_00, found.payee_id)
    assert drafted.creditor_account == OTHER
    assert "cancel it now" in own.foreseen(world.desk, drafted).warning()
    assert own.foreseen(world.desk, own.draft(world.desk, ann.session, 1_500_00)) is None
    large = signs(ann, 1_500_00, found.payee_id)
    held = world.balance("customer:c1:available")[1]
    assert (large.state, own.cancel_order(world.desk, ann.session, large.order_id).state) == (
        "cooling_off",
        "cancelled",
    )
    assert world.balance("customer:c1:available")[1] == held - 1_500_00
    with world.core.connection() as connection:
        said = rows_of_order(connection, 1, large.order_id)[-2].said
    assert (said["state"], said["by"]) == ("cancelled", "customer:ann")

    other = signs(ann, 1_600_00, found.payee_id)
    assert own.remove_payee(world.desk, ann.session, found.payee_id).removed_by == "customer:ann"
    world.turn(1)
    assert state_of(world, other.order_id) == "cancelled"
    assert refusal_of(own.draft, world.desk, ann.session, 1_00, found.payee_id) == "payee_must_exist"


def test_a_customer_stops_nothing_of_another_and_nothing_but_withdrawals(world):
    """Also not in the database, with the session of somebody else's login."""
    ann, bob = Person(world).add(), Person(world, login="bob", customer="c2").add()
    theirs = added(world)
    waits = withdraw(world, 2_000_00)
    assert waits.state == "awaiting_approval"
    for stop in (
        lambda: own.cancel_order(world.desk, bob.session, waits.order_id),
        lambda: own.own_order(world.core, bob.session, waits.order_id),
    ):
        assert refusal_of(stop) == "order_must_exist"
    assert refusal_of(own.remove_payee, world.desk, bob.session, theirs.payee_id) == "payee_must_exist"
    assert refusal_of(own.draft, world.desk, bob.session, 1_00, theirs.payee_id) == "payee_must_exist"
    assert refusal_of(register.remove, world.core, theirs.payee_id, by=bob.session) == "payee_must_exist"
    by = world.sessions["tina"]
    frozen = placing.place_freeze(world.desk, world.new_id(), "c1", 5_00, by=by, reference="court")
    assert refusal_of(own.cancel_order, world.desk, ann.session, frozen.order_id) == "order_may_not_do_that_now"
    assert own.cancel_order(world.desk, ann.session, waits.order_id).state == "cancelled"
