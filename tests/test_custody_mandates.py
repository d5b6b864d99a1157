"""Mandates: what a customer lets a program ask for, enforced when it asks and again by the gateway."""

from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from custody_world import PAYEE, authorised_standing_alone, custody_world
from origin_world import Person, Shop, withdrawal
from policies import unsigned_toml
from ringfence.authority.origin import mandates
from ringfence.authority.policy import read_toml
from ringfence.banking.payee import registered_payee
from ringfence.custody import own, placing
from ringfence.vault.fields import MANDATE
from test_banking_clearance import THIEF, instruction
from test_banking_origin import forge, origin_line, refusal_of, verdicts

WITHDRAWALS = "/api/v1/withdrawals"


def number(each):
    return UUID(int=0xDA7E00 + each, version=4)


@pytest.fixture
def world(database, tmp_path):
    """Programs may ask under a mandate only."""
    strict = unsigned_toml().replace('["program", "customer", "mandate", "staff"]', '["customer", "mandate", "staff"]')
    with custody_world(database, tmp_path, policy=read_toml(strict), asks=authorised_standing_alone) as found:
        found.pay_in("c1", 60_000_00)
        found.pay_in("c2", 60_000_00)
        yield found


@pytest.fixture
def shop(world):
    return Shop(world).add(days=300)


@pytest.fixture
def ann(world):
    return Person(world).add().enrol()


def state_of(world, order_id):
    with world.core.connection() as connection:
        return placing.order(connection, world.core.book.book_id, order_id).state


def test_a_program_withdraws_within_a_mandate_and_the_gateway_pays(world, shop, ann):
    given = ann.gives(shop)
    assert shop.withdraws(number(1), "100.00", mandate=given).state == "released"
    world.turn()
    assert state_of(world, number(1)) == "settled"
    assert refusal_of(shop.withdraws, number(2), "100.00") == "origin_is_not_accepted"


def test_each_term_of_a_mandate_is_kept_when_a_program_asks(world, shop, ann):
    """
    cap     100.01                      -> mandate_cap_is_exceeded
    payee   somebody else's account     -> mandate_does_not_name_the_payee
    period  100 + 100 + 50, then 0.01   -> mandate_period_cap_is_exceeded, until the period is over
    """
    given = ann.gives(shop)
    no = refusal_of
    assert no(shop.withdraws, number(1), "100.01", mandate=given) == "mandate_cap_is_exceeded"
    elsewhere = ann.gives(shop, payees=(THIEF,))
    assert no(shop.withdraws, number(2), "9.00", mandate=elsewhere) == "mandate_does_not_name_the_payee"
    assert no(shop.withdraws, number(3), "9.00", "c2", mandate=given) == "mandate_must_exist"
    assert no(shop.withdraws, number(4), "9.00", mandate=number(99)) == "mandate_must_exist"
    assert no(shop.freezes, number(5), "9.00", given) == "mandate_is_not_for_this"
    other = Shop(world, name="other").add()
    assert no(other.withdraws, number(6), "9.00", mandate=given) == "mandate_is_another_programs"
    unnamed = shop.actor(WITHDRAWALS, withdrawal(number(7), "9.00"))
    placed = (placing.place_withdrawal, world.desk, number(7), "c1", 9_00)
    assert no(*placed, payee_account=PAYEE, by=unnamed, mandate=given) == "something_else_was_asked_for"
    assert no(*placed, payee_account=PAYEE, by=world.sessions["tina"], mandate=given) == "origin_is_not_accepted"
    for each, amount in ((10, "100.00"), (11, "100.00"), (12, "50.00")):
        assert shop.withdraws(number(each), amount, mandate=given).state in ("released", "held")
    assert no(shop.withdraws, number(13), "0.01", mandate=given) == "mandate_period_cap_is_exceeded"
    world.wait(days=30, seconds=1)
    world.sign_in_again()
    ann.sign_in()
    assert shop.withdraws(number(14), "0.01", mandate=given).state in ("released", "held")
    own.revoke_mandate(world.core, ann.session, given)
    assert no(shop.withdraws, number(15), "0.01", mandate=given) == "mandate_was_revoked"
    assert no(own.revoke_mandate, world.core, ann.session, given) == "mandate_must_exist"
    again = ann.gives(shop)
    world.wait(days=61)
    world.sign_in_again()
    assert no(shop.withdraws, number(16), "0.01", mandate=again) == "mandate_has_expired"


def test_bids_and_repayments_run_under_a_mandate_too(world, shop, ann):
    bids, repays = ann.gives(shop, "freeze"), ann.gives(shop, "transfer withdrawal")
    assert shop.freezes(number(1), "80.00", bids).state == "settled"
    assert refusal_of(shop.transfers, number(2), "c2", "5.00", bids) == "mandate_does_not_name_the_payee"
    assert shop.transfers(number(3), "c2", "20.00", repays).state == "settled"
    assert refusal_of(shop.transfers, number(4), "c3", "5.00", repays) == "mandate_does_not_name_the_payee"
    assert shop.withdraws(number(5), "100.00", mandate=repays).state == "released"
    assert refusal_of(shop.freezes, number(6), "100.01", bids) == "mandate_cap_is_exceeded"
    with world.core.connection() as connection:
        found = mandates.mandates(connection, world.core.book.book_id, "c1")
    assert [(each.purposes, each.state_at(world.now)) for each in found] == [
        (["transfer", "withdrawal"], "active"), (["freeze"], "active"),
    ]  # fmt: skip


def test_a_mandate_is_signed_by_its_customer_and_says_what_it_may(world, shop, ann):
    bob = Person(world, login="bob", customer="c2").add().enrol()
    ann.sign_in()
    wish = own.Wish(shop.name, ("withdrawal",), 5_00, 9_00, 7, (PAYEE,), world.now.replace(year=2027))
    terms = own.draft_mandate(world.core, ann.session, wish)
    document = terms.canonical()
    signed = ann.device.assertion(mandates.challenge_of(document))
    give = (own.give_mandate, world.desk, ann.session)
    for change, no in (
        ({"cap": 5_01}, "challenge_does_not_fit"),
        ({"payees": (PAYEE, THIEF)}, "challenge_does_not_fit"),
        ({"customer": "c2"}, "something_else_was_asked_for"),
        ({"period_cap": 4_00}, "mandate_is_not_valid"),
        ({"purposes": ("gift",)}, "mandate_is_not_valid"),
        ({"payees": ()}, "mandate_is_not_valid"),
        ({"period_days": 0}, "mandate_is_not_valid"),
    ):
        assert refusal_of(*give, replace(terms, **change).canonical(), signed, ann.rp) == no, change
    theirs = bob.device.assertion(mandates.challenge_of(document))
    assert refusal_of(*give, document, theirs, ann.rp) == "passkey_is_somebody_elses"
    assert refusal_of(own.draft_mandate, world.core, ann.session, replace(wish, client="nobody")) == "client_must_exist"
    for year, expected in ((2025, "mandate_expires_within_five_years"), (2040, "mandate_expires_within_five_years")):
        late = replace(terms, expires_at=terms.expires_at.replace(year=year), mandate_id=number(year)).canonical()
        used = ann.device.assertion(mandates.challenge_of(late))
        assert refusal_of(*give, late, used, ann.rp) == expected
    given = own.give_mandate(
        world.desk, ann.session, document, ann.device.assertion(mandates.challenge_of(document)), ann.rp
    )
    assert refusal_of(own.revoke_mandate, world.core, bob.session, given) == "mandate_must_exist"
    for statement in ("UPDATE authority.mandate SET cap = 1", "DELETE FROM authority.mandate"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
            connection.execute(statement)


def test_a_core_that_was_taken_stretches_no_mandate(world, shop, ann):
    """The program's signatures are true, so a rogue program and the core work together; the customer's terms hold."""
    given, revoked = ann.gives(shop), ann.gives(shop)
    own.revoke_mandate(world.core, ann.session, revoked)
    other = Shop(world, name="other").add()
    expected = {}

    def asked(each, amount="90.00", *, by=shop, mandate=given, account=PAYEE, customer="c1", **said):
        order = number(each)
        request = withdrawal(order, amount, customer) | {"mandate": str(mandate), "payee_account": account}
        signed = by.signed(WITHDRAWALS, request)
        payment = instruction(amount, order=order, creditor_name="Ann Number 1", creditor_account=account)
        payee = registered_payee(world.core.book.book_id, "c1")
        payment = replace(payment, customer=customer, payee=payee, payee_salt=world.desk.vault.payee_salt(payee))
        under = {"asked_by": "mandate", "mandate": str(mandate)} | said
        forge(world, payment, origin_line(payment, signed, by.name, **under), content=signed.content.decode())
        return order

    expected[asked(1)] = "sent"
    expected[asked(2, "100.01")] = "mandate_cap_is_exceeded"
    elsewhere = ann.gives(shop, payees=(THIEF,))
    expected[asked(3, mandate=elsewhere)] = "mandate_does_not_name_the_payee"
    expected[asked(4, by=other)] = "payment_lacks_its_origin"
    expected[asked(5, mandate=revoked)] = "mandate_was_revoked"
    expected[asked(6, mandate=number(77))] = "payment_lacks_its_origin"
    expected[asked(7, customer="c2")] = "payment_lacks_its_origin"
    expected[asked(8, asked_by="program")] = "origin_is_not_accepted"
    assert verdicts(world) == expected
    with (
        world.core.connection() as connection
    ):  # 90.00 is paid; all that was asked under it counts, whatever became of it
        assert mandates.mandate_of(connection, world.core.book.book_id, given).period_cap == 250_00
    fresh = ann.gives(shop)
    for each in (20, 21):
        expected[asked(each, "100.00", mandate=fresh)] = "sent"
    expected[asked(22, "50.01", mandate=fresh)] = "mandate_period_cap_is_exceeded"
    assert verdicts(world) == expected


def test_the_document_of_a_mandate_names_payees_and_so_is_in_the_vault(world, shop, ann):
    given = ann.gives(shop)
    assert PAYEE in world.desk.vault.open(MANDATE, str(given))
    assert PAYEE in world.gateway.vault.open(MANDATE, str(given))
    with world.core.connection() as connection:
        rows = connection.execute(b"SELECT payload FROM ledger.journal WHERE payload IS NOT NULL").fetchall()
    assert not [row for row in rows if PAYEE.encode() in bytes(row[0])]
