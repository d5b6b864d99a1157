"""New payees: agreed on by others, and large payments to them wait, with a real gateway, notary and bank.

The policy of the world: above 1,000.00 EUR in all, payments to a payee that is younger than 24 hours wait.
"""

import doctest
import json
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
import rfc8785

from custody_world import DAY, PASSWORD, PAYEE, authorised_standing_alone, custody_world, number, policy_of_any_origin
from evidence_world import superuser_of
from ringfence.authority import policies, proposals, sessions
from ringfence.authority.actors import Client
from ringfence.authority.policy import read_document
from ringfence.banking import gateway, payee
from ringfence.banking.instruction import parse_instruction
from ringfence.banking.payee import added_event, payee_proposal, payee_sha256, registered_payee
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.custody import deciding, placing
from ringfence.custody.orders import order, payment_event
from ringfence.custody.payees import register
from ringfence.custody.payees.waiting import wait_of
from ringfence.custody.queries import QUERIES
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.reading import events, rows_of_order
from ringfence.refusal import Refused
from ringfence.vault.ciphers import Spot
from ringfence.vault.fields import PAYMENT
from ringfence.vault.keeping import owner

OTHER = number("NL", "EXAM0000000042").text
THIEF = "NL91ABNA0417164300"


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        found.pay_in("c1", 30_000_00)
        yield found


@pytest.fixture
def lost(database, tmp_path):
    """The same with a notary that does not ask whether people did what events say: the gateway is on its own."""
    with custody_world(database, tmp_path, asks=authorised_standing_alone) as found:
        found.pay_in("c1", 30_000_00)
        yield found


def propose(world, account=OTHER, customer="c1", by="tina", payee_id=None):
    return register.propose(
        world.core, world.desk.vault, payee_id or world.new_id(), customer, account, by=world.sessions[by]
    )


def agree(world, found, who="adam"):
    with world.core.connection() as connection:
        about = proposals.proposal_of(connection, world.core.book.book_id, payee_proposal(found.payee_id))
    proposals.approve(world.core, world.sessions[who], about.proposal_id, about.payload_sha256)


def added(world, account=OTHER, customer="c1"):
    """A payee that others agreed on, its row signed by the notary."""
    found = propose(world, account, customer)
    agree(world, found)
    world.turn(1)
    with world.core.connection() as connection:
        return register.payee(connection, world.core.book.book_id, found.payee_id)


def withdraw(world, amount, account=OTHER, customer="c1", order_id=None, by="tina"):
    identity = order_id or world.new_id()
    return placing.place_withdrawal(
        world.desk, identity, customer, amount, payee_account=account, by=world.sessions[by], reference="payout"
    )


def state(world, order_id):
    with world.core.connection() as connection:
        return order(connection, world.core.book.book_id, order_id).state


def wait(world, order_id):
    with world.core.connection() as connection:
        found = order(connection, world.core.book.book_id, order_id)
        return wait_of(connection, world.core.book.book_id, found, world.now)


def later(world, **time):
    """Time passes; everybody signs in anew."""
    world.wait(**time)
    for who in world.sessions:
        world.sessions[who] = sessions.session_of(world.core, sessions.sign_in(world.core, who, PASSWORD).token)


def paid(world):
    """What has left the bank's account."""
    return 30_000_00 - sum(world.bank.balances().values())


def withheld(world):
    with world.core.connection() as connection:
        question = {"book": world.core.book.book_id, "limit": 100}
        return {row[1] for row in connection.execute(BANKING.withheld, question)}


def refusal_of(act, *given, **named):
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def test_the_example_of_the_docstring_holds():
    assert doctest.testmod(payee) == (0, 1)


def test_the_account_of_the_registration_is_a_payee_and_no_other_account_is(world):
    assert refusal_of(withdraw, world, 10_00) == "payee_must_be_the_customers"
    placed = withdraw(world, 3_000_00, PAYEE)
    otherwise = withdraw(world, 10_00, f" {PAYEE[:4].lower()} {PAYEE[4:10]}-{PAYEE[10:]}")
    world.turn()
    assert [state(world, each.order_id) for each in (placed, otherwise)] == ["settled", "settled"]


def test_a_new_payee_is_agreed_on_by_somebody_else(world):
    found = propose(world)
    assert found.state == "proposed"
    world.turn(1)
    assert refusal_of(withdraw, world, 10_00) == "payee_must_be_the_customers"
    with pytest.raises(Refused, match="maker_may_not_check"):
        agree(world, found, "tina")
    agree(world, found)
    assert register.add_all(world.core, world.desk.vault) == 1
    assert register.add_all(world.core, world.desk.vault) == 0
    assert register.add(world.core, world.desk.vault, found.payee_id).state == "active"
    with world.core.connection() as connection:
        told = [each.said for each in events(connection, world.core.book.book_id, EventName.PAYEE_ADDED)]
    assert refusal_of(withdraw, world, 10_00, customer="c2") == "payee_must_be_the_customers"
    [said] = [each for each in told if each["payee"] == str(found.payee_id)]
    assert (said["customer"], said["maker"], said["sha256"]) == ("c1", "tina", found.sha256)
    assert said["account"] == world.desk.fingerprint(OTHER)
    assert OTHER not in str(told)


def test_the_same_proposal_again_is_answered_alike_and_one_account_is_added_once(world):
    first = propose(world)
    assert propose(world, payee_id=first.payee_id) == first
    assert refusal_of(propose, world, THIEF, payee_id=first.payee_id) == "payee_id_already_has_other_content"
    assert refusal_of(propose, world, PAYEE) == "payee_is_known_already"
    assert refusal_of(propose, world, "not an account!") == "account_number_is_malformed"
    assert refusal_of(propose, world, customer="nobody") == "customer_must_exist"
    second = propose(world)  # of the same account: it would have a limit of its own
    agree(world, first)
    agree(world, second)
    assert register.add_all(world.core, world.desk.vault) == 1
    assert refusal_of(register.add, world.core, world.desk.vault, second.payee_id) == "payee_is_known_already"


def test_above_the_limit_it_waits_with_the_money_held_and_goes_when_the_payee_is_old_enough(world):
    found = added(world)
    placed = withdraw(world, 1_000_01)
    assert placed.state == "cooling_off"
    assert world.balance("customer:c1:available") == (30_000_00, 1_000_01)
    assert withdraw(world, 1_000_01, order_id=placed.order_id) == placed
    assert refusal_of(withdraw, world, 1_000_02, order_id=placed.order_id) == "order_id_already_has_other_content"
    told = wait(world, placed.order_id)
    assert (told.until - found.signed_at).total_seconds() == 24 * 3600
    assert "1000.00 EUR" in told.warning("en")
    assert "24 小时" in told.warning("zh")
    world.wait(hours=23, minutes=50)
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("cooling_off", 0)
    world.wait(minutes=10)
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("settled", 1_000_01)
    assert withheld(world) == set()


def test_a_small_payment_does_not_make_a_payee_old_and_many_small_ones_add_up(world):
    """Up to the limit in all they go at once."""
    added(world)
    first = withdraw(world, 600_00)
    world.turn()
    assert withheld(world) == set()
    assert state(world, first.order_id) == "settled"
    world.wait(hours=2)
    assert withdraw(world, 600_00).state == "cooling_off"
    assert withdraw(world, 400_00).state == "released"
    assert withdraw(world, 1).state == "cooling_off"


def test_two_orders_at_once_do_not_both_take_the_last_of_it(world):
    """The second was judged before the first was in the journal: the database counts again."""
    found = added(world)
    book = world.core.book.book_id
    stale = placing.prospect
    seen = []

    def late(connection, *rest):
        ahead = stale(connection, *rest)
        if not seen:
            seen.append(ahead)
            other = withdraw(world, 700_00)
            assert other.state == "released"
        return ahead

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "prospect", late)
        placed = withdraw(world, 800_00)
    assert seen[0].wait is None
    assert placed.state == "cooling_off"
    with world.core.connection() as connection:
        assert stale(connection, book, found, "EUR", 0, world.now).let_go == 700_00


def test_a_held_order_waits_after_it_was_released_by_people(world):
    """6,000.00 to a new payee: risk holds it, two people release it, and then it waits all the same."""
    added(world)
    placed = withdraw(world, 6_000_00)
    assert placed.state == "held"
    world.approve(placed.order_id, "adam", "rita")
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("cooling_off", 0)
    world.wait(hours=24)
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("settled", 6_000_00)


def test_a_large_order_waits_for_its_approvers_and_for_its_payee(world):
    """An old payee does not wait after the approval: only newness is cooled."""
    added(world)
    later(world, hours=30)
    world.turn(1)
    placed = withdraw(world, 12_000_00)
    assert placed.state == "held"
    world.approve(placed.order_id, "adam", "rita")
    world.turn()
    assert state(world, placed.order_id) == "settled"


def test_a_waiting_order_is_cancelled_by_one_person_and_the_journal_says_by_whom(world):
    added(world)
    placed = withdraw(world, 2_000_00)
    stranger = Client("other-shop", frozenset({"orders:write"}), b"")
    assert refusal_of(deciding.cancel, world.desk, placed.order_id, by=stranger) == "order_is_somebody_elses"
    assert deciding.cancel(world.desk, placed.order_id, by=world.sessions["rita"]).state == "cancelled"
    assert world.balance("customer:c1:available") == (30_000_00, 0)
    with world.core.connection() as connection:
        rows = rows_of_order(connection, world.core.book.book_id, placed.order_id)
    [by] = [row.said["by"] for row in rows if row.kind == Kind.EVENT and row.said.get("state") == "cancelled"]
    assert by == "rita"
    world.wait(hours=25)
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("cancelled", 0)


def test_it_is_too_late_to_cancel_what_was_let_go(world):
    added(world)
    placed = withdraw(world, 2_000_00)
    world.wait(hours=25)
    assert deciding.cool_all(world.desk) == 1
    assert refusal_of(deciding.cancel, world.desk, placed.order_id) == "order_may_not_do_that_now"
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("settled", 2_000_00)


def test_a_removed_payee_is_paid_no_more_and_what_waits_for_it_is_cancelled(world):
    found = added(world)
    waiting, asked = withdraw(world, 2_000_00), withdraw(world, 6_000_00)
    assert (waiting.state, asked.state) == ("cooling_off", "held")
    removed = register.remove(world.core, found.payee_id, by=world.sessions["rita"])
    assert (removed.state, removed.removed_by) == ("removed", "rita")
    assert register.remove(world.core, found.payee_id, by=world.sessions["adam"]) == removed
    world.approve(asked.order_id, "adam", "rita")
    world.turn()
    assert [state(world, each.order_id) for each in (waiting, asked)] == ["cancelled", "cancelled"]
    assert world.balance("customer:c1:available") == (30_000_00, 0)
    assert refusal_of(withdraw, world, 10_00) == "payee_must_be_the_customers"


def test_a_payee_that_comes_back_is_new_again(world):
    found = added(world)
    later(world, hours=30)
    assert withdraw(world, 2_000_00).state == "released"
    world.turn()
    register.remove(world.core, found.payee_id, by=world.sessions["adam"])
    added(world)
    assert withdraw(world, 2_000_00).state == "cooling_off"


def test_a_payee_that_is_being_paid_is_not_removed(world):
    found = added(world)
    withdraw(world, 100_00)
    act = register.remove
    assert refusal_of(act, world.core, found.payee_id, by=world.sessions["rita"]) == "payee_is_being_paid"
    world.turn()
    assert act(world.core, found.payee_id, by=world.sessions["rita"]).state == "removed"
    assert refusal_of(act, world.core, UUID(int=1), by=world.sessions["rita"]) == "payee_must_exist"


# -- the core is lost ------------------------------------------------------------------------------------------------


def forge(world, placed, account, payee_id, salt="00" * 16):
    """Everything that a taken core can do to let a placed order go at once, to whichever account: other bytes under the
    right key, PAYMENT_ORDERED, and a row of the outbox.
    """
    vault, row = world.desk.vault, str(placed.order_id)
    real = parse_instruction(vault.open(PAYMENT, row).encode())
    said = replace(real, creditor_account=account, payee=payee_id, payee_salt=salt)
    key = vault.field_key(owner("c1"))
    sealed = vault.sealed(key, Spot(vault.book, PAYMENT.place, row), said.canonical())
    with world.core.connection() as connection:
        [(was,)] = connection.execute(
            b"SELECT sealed FROM vault.field WHERE row_key = %s AND place = %s", (row, PAYMENT.place)
        )
        connection.execute(
            b"SELECT vault.reseal(%s, %s, %s, %s, %s, %s)", (vault.book, PAYMENT.place, row, was, key.key_id, sealed)
        )
        outbox = {"book": vault.book, "order_id": placed.order_id, "account_name": "bank:alpha:client"}
        connection.execute(QUERIES.insert_payment_order, outbox | {"at": world.now})
    world.wait(seconds=1)
    world.core.post(Unit([payment_event(placed.order_id, said.canonical(), DAY)]))
    return said


def gateway_says(world):
    for _ in range(2):
        world.wait(seconds=1)
        world.notary.step(world.now)
        gateway.turn(world.gateway)
        world.bank.serve_once(world.now)
    assert paid(world) == 0
    return withheld(world)


def forged_payee(world, payee_id, account, name="Ann Number 1", **other):
    """PAYEE_ADDED as the core may append it, with whatever it says."""
    sha256 = payee_sha256("demo", payee_id, "c1", name, account, "00" * 16)
    said = {
        "payee": str(payee_id),
        "customer": "c1",
        "account": "f",
        "sha256": sha256,
        "proposal": None,
        "maker": "tina",
    }
    world.core.post(Unit([Line(Kind.EVENT, added_event(payee_id), code=EventName.PAYEE_ADDED, payload=said | other)]))


def test_a_waiting_payment_that_the_core_lets_go_early_is_withheld(world):
    """The payee is real and agreed on; only the wait is skipped. When the time has come, the same payment leaves."""
    found = added(world)
    placed = withdraw(world, 2_000_00)
    real = parse_instruction(world.desk.vault.open(PAYMENT, str(placed.order_id)).encode())
    forge(world, placed, OTHER, found.payee_id, real.payee_salt)
    assert gateway_says(world) == {"payee_is_too_new"}
    world.wait(hours=24)
    world.notary.step(world.now)
    gateway.turn(world.gateway)
    world.bank.serve_once(world.now)
    assert paid(world) == 2_000_00


def test_a_checkpoint_that_says_in_the_database_that_it_is_older_ages_no_payee(world, database):
    """Somebody with every right dates the notary's word back, then puts another note in its place."""
    found = added(world)
    placed = withdraw(world, 2_000_00)
    real = parse_instruction(world.desk.vault.open(PAYMENT, str(placed.order_id)).encode())
    forge(world, placed, OTHER, found.payee_id, real.payee_salt)
    with superuser_of(database) as connection:
        connection.execute("UPDATE evidence.checkpoint SET signed_at = signed_at - interval '3 days'")
    assert gateway_says(world) == {"payee_is_too_new"}
    with superuser_of(database) as connection:
        connection.execute(
            "UPDATE evidence.checkpoint c SET note = (SELECT note FROM evidence.checkpoint ORDER BY size LIMIT 1)"
        )
    gateway.turn(world.gateway)
    assert "notary_signed_something_else" in withheld(world)
    assert paid(world) == 0


def test_many_small_payments_that_the_core_lets_go_add_up_at_the_gateway(world):
    """The gateway counts what it sent itself; what the core's tables say of it is not asked."""
    found = added(world)
    first, second = withdraw(world, 900_00), withdraw(world, 900_00)
    world.turn()
    assert (state(world, first.order_id), state(world, second.order_id)) == ("settled", "cooling_off")
    real = parse_instruction(world.desk.vault.open(PAYMENT, str(second.order_id)).encode())
    forge(world, second, OTHER, found.payee_id, real.payee_salt)
    world.notary.step(world.now)
    gateway.turn(world.gateway)
    assert withheld(world) == {"payee_is_too_new"}
    assert paid(world) == 900_00


def test_the_notary_names_the_row_of_a_payee_that_nobody_agreed_on(world):
    """One that is made up, and one under the approval of another account."""
    forged_payee(world, UUID(int=0xBAD, version=4), THIEF)
    with pytest.raises(Refused, match="row_says_what_nobody_did") as no:
        world.notary.step(world.now)
    assert no.value.facts["event"] == "PAYEE_ADDED"


def test_what_waits_while_the_policy_becomes_stricter_is_cancelled(world):
    """Nobody was asked when it was placed; now somebody would be, and neither gateway nor notary would let it go."""
    added(world)
    placed = withdraw(world, 2_000_00)
    stricter = policy_of_any_origin()
    said = json.loads(stricter.document)
    said["acts"]["payout"]["bands"]["EUR"] = said["acts"]["payout"]["bands"]["EUR"][1:]
    made = policies.propose_policy(world.core, world.sessions["rita"], read_document(rfc8785.dumps(said)), world.now)
    for who in ("adam", "bella"):
        proposals.approve(world.core, world.sessions[who], made.proposal_id, made.payload_sha256)
    policies.change_policy(world.core, made.proposal_id)
    world.wait(hours=25)
    world.turn()
    assert (state(world, placed.order_id), paid(world)) == ("cancelled", 0)
    assert world.balance("customer:c1:available") == (30_000_00, 0)


def test_whatever_payee_the_core_makes_up_nothing_leaves(lost):
    """Each order is real and waits for its payee; then its payment is ordered, to the thief or too early."""
    world = lost
    book, vault = world.core.book.book_id, world.desk.vault
    honest = added(world)
    others = added(world, number("NL", "EXAM0000000077").text, customer="c2")
    orders = []
    for each in range(6):
        world.wait(minutes=3)  # risk looks at those who hurry
        orders.append(withdraw(world, 1_000_01 + each))
    assert refusal_of(forged_payee, world, registered_payee(book, "c1"), THIEF) == "id_already_has_other_content"
    expected = {}

    def forged(reason, account, payee_id, salt="00" * 16):
        placed = orders.pop(0)
        assert placed.state == "cooling_off"
        forge(world, placed, account, payee_id, salt)
        expected[placed.order_id] = reason

    forged("payee_is_not_the_customers", THIEF, registered_payee(book, "c1"))
    forged("payee_is_not_the_customers", THIEF, None)
    forged(
        "payee_is_not_the_customers",
        number("NL", "EXAM0000000077").text,
        others.payee_id,
        vault.payee_salt(others.payee_id),
    )
    nobodys = UUID(int=0xBAD, version=4)
    forged_payee(world, nobodys, THIEF, added_at="2020-01-01T00:00:00Z")
    forged("proposal_must_exist", THIEF, nobodys)
    approved = propose(world, number("NL", "EXAM0000000055").text)
    agree(world, approved)
    forged_payee(world, approved.payee_id, THIEF)  # under the approval of another account
    forged("payee_is_not_the_customers", THIEF, approved.payee_id)
    register.remove(world.core, honest.payee_id, by=world.sessions["rita"])
    forged("payee_is_not_the_customers", OTHER, honest.payee_id, vault.payee_salt(honest.payee_id))
    world.wait(days=3)
    assert gateway_says(world) == set(expected.values())
    with world.core.connection() as connection:
        found = connection.execute(BANKING.withheld, {"book": book, "limit": 100}).fetchall()
    assert {row[0]: row[1] for row in found} == expected


def test_a_payee_is_as_old_as_the_notarys_first_signature_over_it(world):
    """A core that appends with an old time (the book stood still for days) gains nothing: the notary's clock counts."""
    found = propose(world)
    agree(world, found)
    world.wait(seconds=1)
    register.add_all(world.core, world.desk.vault)
    world.wait(days=3)  # nobody signed meanwhile
    world.notary.step(world.now)
    placed = withdraw(world, 2_000_00)
    assert placed.state == "cooling_off"
    real = parse_instruction(world.desk.vault.open(PAYMENT, str(placed.order_id)).encode())
    forge(world, placed, OTHER, found.payee_id, real.payee_salt)
    assert gateway_says(world) == {"payee_is_too_new"}


def test_the_core_cannot_make_a_payee_by_hand_nor_by_a_function_without_its_event(world):
    for statement in (
        "INSERT INTO custody.payee VALUES (1, gen_random_uuid(), 'c1', repeat('0', 64), 'x', now())",
        "UPDATE custody.payee SET added_at = now() - interval '9 days'",
        "DELETE FROM custody.payee",
        "UPDATE custody.order_payee SET payee_id = gen_random_uuid()",
        "UPDATE banking.submission SET amount = 1",
        "UPDATE evidence.checkpoint SET signed_at = now() - interval '9 days'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
            connection.execute(statement.encode())

    given = {
        "found_payee": "1, gen_random_uuid(), gen_random_uuid(), 'c1', '', 'x'",
        "propose_payee": "1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid()",
        "add_payee": "1, gen_random_uuid(), gen_random_uuid()",
        "remove_payee": "1, gen_random_uuid(), NULL, gen_random_uuid()",
        "let_go": "1, gen_random_uuid(), gen_random_uuid(), 0",
    }
    for function, facts in given.items():
        with pytest.raises(Refused, match="event_must_say_what_happens"), world.core.connection() as connection:
            connection.execute(f"SELECT custody.{function}({facts})".encode())
