"""The core is lost: somebody holds its role, its process and its pen. What leaves the gateway is still nothing.

Each drill forges one more thing than the last, with the real role, the real journal and a notary that signs whatever
keeps the ledger's rules (the real one names what nobody did: test_drill_core); in the end the bank has paid nothing,
and the gateway names what is missing.
"""

from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from custody_world import DAY, PAYEE, authorised_standing_alone, by_the_pack, custody_world, policy_of_any_origin
from ringfence.banking import gateway
from ringfence.banking.instruction import Instruction
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.custody import placing
from ringfence.custody.orders import hold_of, payment_event
from ringfence.custody.queries import QUERIES
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.reading import account
from ringfence.vault.ciphers import Spot
from ringfence.vault.fields import PAYMENT
from ringfence.vault.keeping import owner
from ringfence.vault.queries import QUERIES as VAULT

THIEF = "NL91ABNA0417164300"
ORDER = UUID(int=0xBAD, version=4)


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, asks=authorised_standing_alone) as found:
        found.pay_in("c1", 60_000_00)
        yield found


def instruction(amount: str = "500.00", order: UUID = ORDER, **other) -> Instruction:
    said = Instruction("demo", order, "c1", "bank:alpha:client", "A Thief", THIEF, "EUR", amount, DAY, 1, "00" * 16)
    return replace(said, **other)


def order_payment(world, said: Instruction) -> None:
    """What the core may write: a row of the outbox, and its bytes in the vault."""
    row = {"book": world.core.book.book_id, "order_id": said.order_id, "account_name": "bank:alpha:client"}
    bytes_of_it = world.desk.vault.keep(owner("c1"), PAYMENT, str(said.order_id), said.canonical().decode())
    with world.core.connection() as connection:
        connection.execute(QUERIES.insert_payment_order, row | {"at": world.now})
        connection.execute(*bytes_of_it)


def exchange_bytes(world, said: Instruction) -> None:
    """What a core that was taken can do to a payment: seal other bytes under the right key, in the right place."""
    vault, row = world.desk.vault, str(said.order_id)
    key = vault.field_key(owner("c1"))
    sealed = vault.sealed(key, Spot(vault.book, PAYMENT.place, row), said.canonical())
    told = {"book": vault.book, "place": PAYMENT.place, "row": row, "key": key.key_id, "sealed": sealed}
    with world.core.connection() as connection:
        [(was,)] = connection.execute(
            b"SELECT sealed FROM vault.field WHERE row_key = %s AND place = %s", (row, PAYMENT.place)
        )
        assert connection.execute(VAULT.reseal, told | {"was": was}).fetchone() == (True,)


def post(world, *lines: Line) -> None:
    world.wait(seconds=1)
    world.core.post(Unit(list(lines)))


def forged_hold(world, said: Instruction) -> Line:
    with world.core.connection() as connection:
        book = world.core.book.book_id
        debit = account(connection, book, "customer:c1:available").account
        credit = account(connection, book, "bank:alpha:client").account
    return Line(Kind.PENDING, derived(said.order_id, "hold"), debit, credit, said.minor, code=Purpose.WITHDRAWAL)


def forged_decision(said: Instruction, outcome: str = "allow") -> Line:
    what = {"order": str(said.order_id), "outcome": outcome} | by_the_pack()
    return Line(Kind.EVENT, derived(said.order_id, "risk decision"), code=EventName.RISK_DECISION, payload=what)


def reasons(world) -> set[str]:
    """Why the gateway would not pay, after everybody has done what is to be done. The bank has paid nothing."""
    before = list(world.bank.balances().values())
    for _ in range(2):
        world.wait(seconds=1)
        world.notary.step(world.now)
        gateway.turn(world.gateway)
        world.bank.serve_once(world.now)
    assert list(world.bank.balances().values()) == before
    with world.core.connection() as connection:
        question = {"book": world.core.book.book_id, "limit": 100}
        return {row[1] for row in connection.execute(BANKING.withheld, question)}


def test_a_forged_payment_order_alone_is_not_in_the_journal(world):
    order_payment(world, instruction())
    assert reasons(world) == {"payment_is_not_in_the_journal"}


def test_with_a_forged_event_the_money_is_not_held(world):
    said = instruction()
    order_payment(world, said)
    post(world, payment_event(said.order_id, said.canonical(), DAY))
    assert reasons(world) == {"payment_holds_no_money"}


def test_with_a_hold_of_another_amount_neither(world):
    said = instruction()
    order_payment(world, said)
    post(world, payment_event(said.order_id, said.canonical(), DAY), replace(forged_hold(world, said), amount=1))
    assert reasons(world) == {"payment_holds_no_money"}


def test_with_a_forged_hold_risk_has_not_decided(world):
    said = instruction()
    order_payment(world, said)
    post(world, payment_event(said.order_id, said.canonical(), DAY), forged_hold(world, said))
    assert reasons(world) == {"payment_was_not_allowed_by_risk"}


def test_a_refusal_of_risk_stands(world):
    said = instruction()
    order_payment(world, said)
    post(world, payment_event(said.order_id, said.canonical(), DAY), forged_hold(world, said))
    post(world, forged_decision(said, "refuse"))
    assert reasons(world) == {"payment_was_not_allowed_by_risk"}


def test_above_the_limit_nobody_has_approved(world):
    """Everything that the core can write is forged: order, event, hold, decision. What it cannot write is missing."""
    said = instruction("20000.00")
    order_payment(world, said)
    post(world, payment_event(said.order_id, said.canonical(), DAY), forged_hold(world, said))
    post(world, forged_decision(said))
    made = {"proposal": str(derived(said.order_id, "proposal payout")), "act": "payout"}
    post(world, Line(Kind.EVENT, UUID(int=77), code=EventName.PROPOSAL_MADE, payload=made))
    post(world, Line(Kind.EVENT, UUID(int=78), code=EventName.PROPOSAL_APPROVED, payload=made | {"person": "adam"}))
    assert reasons(world) == {"proposal_must_exist"}


def test_what_was_approved_for_one_payee_does_not_pay_another(world):
    """A real order of 20,000.00, approved by those who may; then its bytes are exchanged in the outbox."""
    placed = placing.place_withdrawal(
        world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"], reference="payout"
    )
    assert placed.state == "held"
    world.approve(ORDER, "adam", "rita")
    changed = instruction("20000.00")
    exchange_bytes(world, changed)
    with world.core.connection() as connection:  # before the core's own, which the row's key then keeps out
        row = {"book": world.core.book.book_id, "order_id": ORDER, "account_name": "bank:alpha:client"}
        connection.execute(QUERIES.insert_payment_order, row | {"at": world.now})
    post(world, payment_event(ORDER, changed.canonical(), DAY))
    assert reasons(world) == {"approved_something_else"}


def test_nothing_leaves_before_the_notary_has_signed(world):
    placed = placing.place_withdrawal(
        world.desk, ORDER, "c1", 100_00, payee_account=PAYEE, by=world.sessions["tina"], reference="payout"
    )
    assert placed.state == "released"
    for _ in range(3):
        assert gateway.turn(world.gateway).sent == 0
        assert not list(world.gateway.folder("alpha", "to_bank").iterdir())
    world.notary.step(world.now)
    assert gateway.turn(world.gateway).sent == 1


def test_a_row_edited_after_it_was_signed_stops_its_payment(world, database):
    """Somebody with the owner's key turns the trigger off and edits the row that orders the payment."""
    placing.place_withdrawal(
        world.desk, ORDER, "c1", 100_00, payee_account=PAYEE, by=world.sessions["tina"], reference="payout"
    )
    world.notary.step(world.now)
    with database.connect("owner") as owner:
        owner.execute("ALTER TABLE ledger.journal DISABLE TRIGGER journal_is_append_only")
        owner.execute(
            "UPDATE ledger.journal SET order_id = gen_random_uuid() WHERE id = %s", (derived(ORDER, "payment"),)
        )
    gateway.turn(world.gateway)
    with world.core.connection() as connection:
        question = {"book": world.core.book.book_id, "limit": 100}
        assert {row[1] for row in connection.execute(BANKING.withheld, question)} == {"notary_signed_something_else"}


def test_a_hold_that_was_released_pays_nothing(world):
    said = instruction()
    order_payment(world, said)
    post(world, payment_event(said.order_id, said.canonical(), DAY), forged_hold(world, said))
    post(world, forged_decision(said))
    with world.core.connection() as connection:
        hold = hold_of(connection, world.core.book.book_id, ORDER)
    post(world, replace(hold, kind=Kind.VOID, id=UUID(int=99), amount=0, refers_to=hold.id))
    assert reasons(world) == {"payment_holds_no_money"}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO banking.submission VALUES (1, gen_random_uuid(), 'x', 'x', 'x', now())",
        "UPDATE banking.payment_order SET ordered_at = now()",
        "UPDATE vault.field SET sealed = ''",
        "DELETE FROM banking.withheld",
        "INSERT INTO banking.statement VALUES (1, 'bank:alpha:client', 's', now(), 0, 0, 0, '', '')",
        "INSERT INTO banking.payment_status VALUES (1, gen_random_uuid(), 'ACSC', 'settled', '', '', now())",
    ],
)
def test_the_core_cannot_write_what_the_bank_says_or_the_gateway_did(world, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ledger.advance(1, 0, 1, now())",
        "INSERT INTO banking.payment_order VALUES (1, gen_random_uuid(), 'bank:alpha:client', now())",
        "SELECT sealed FROM vault.field",
        "SELECT vault.reseal(1, 'a', 'b', '', gen_random_uuid(), '')",
        "UPDATE banking.payment_status SET outcome = 'settled'",
        "DELETE FROM banking.file",
        "SELECT custody.move_order(1, gen_random_uuid(), 'a', 'b', now())",
    ],
)
def test_the_gateway_cannot_write_money_or_orders(world, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.gateway.pool.connection() as connection:
        connection.execute(statement)


# -- the hour and the score --------------------------------------------------------------------------------------------

NIGHT = """
[[acts.payout.when]]
zone = "Asia/Shanghai"
from = "17:10"
until = "08:00"
more_people = 1
roles = ["approver"]
signed = false

[[acts.payout.when]]
score_from = 60
more_people = 1
roles = ["risk_officer"]
signed = false
"""


@pytest.fixture
def nightly(database, tmp_path):
    """It is 17:00 in Shanghai, and from 17:10 on whatever is paid out needs somebody's approval."""
    with custody_world(database, tmp_path, policy=policy_of_any_origin(NIGHT), asks=authorised_standing_alone) as found:
        found.pay_in("c1", 60_000_00)
        yield found


def place(world, order=ORDER):
    by = world.sessions["tina"]
    return placing.place_withdrawal(world.desk, order, "c1", 100_00, payee_account=PAYEE, by=by, reference="payout")


def test_what_goes_by_day_at_once_waits_for_somebody_by_night(nightly):
    day = place(nightly)
    nightly.turn()
    nightly.wait(minutes=15)
    night = place(nightly, UUID(int=0xDAD, version=4))
    assert (day.state, night.state) == ("released", "awaiting_approval")
    nightly.turn()
    assert sum(nightly.bank.balances().values()) == 60_000_00 - 100_00
    nightly.approve(night.order_id, "adam")
    nightly.turn()
    assert sum(nightly.bank.balances().values()) == 60_000_00 - 200_00


def test_a_payment_forged_by_night_lacks_its_approval_and_an_uneasy_one_too(nightly):
    """Everything that the core can write: also a decision of risk with whatever score, or with none."""
    said = instruction(creditor_name="Ann Number 1", creditor_account=PAYEE)
    order_payment(nightly, said)
    post(nightly, payment_event(said.order_id, said.canonical(), DAY), forged_hold(nightly, said))
    post(nightly, forged_decision(said))
    assert reasons(nightly) == {"proposal_must_exist"}
    nightly.wait(minutes=15)
    other = instruction(order=UUID(int=0xBEE, version=4), creditor_name="Ann Number 1", creditor_account=PAYEE)
    order_payment(nightly, other)
    post(nightly, payment_event(other.order_id, other.canonical(), DAY), forged_hold(nightly, other))
    calm = forged_decision(other)
    post(nightly, replace(calm, order_id=other.order_id, payload={**calm.payload, "score": 0}))
    assert reasons(nightly) == {"proposal_must_exist"}


def test_by_day_and_with_a_low_score_the_same_payment_lacks_only_its_payee(nightly):
    """The counterpart of the drill above: nobody is asked, and what is left is that the account is no payee."""
    said = instruction()
    order_payment(nightly, said)
    post(nightly, payment_event(said.order_id, said.canonical(), DAY), forged_hold(nightly, said))
    calm = forged_decision(said)
    post(nightly, replace(calm, order_id=said.order_id, payload={**calm.payload, "score": 0}))
    assert reasons(nightly) == {"payee_is_not_the_customers"}
