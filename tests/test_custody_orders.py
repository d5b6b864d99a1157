"""Orders from placement to the bank's last word, with a real gateway, notary and simulated bank."""

import pytest

from custody_world import PAYEE, custody_world
from ringfence.custody import deciding, placing
from ringfence.custody.orders import order
from ringfence.refusal import Refused


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        yield found


def withdraw(world, amount, customer="c1", order_id=None, by="tina"):
    identity = order_id or world.new_id()
    return placing.place_withdrawal(
        world.desk, identity, customer, amount, payee_account=PAYEE, by=world.sessions[by], reference="payout"
    )


def state(world, order_id):
    with world.core.connection() as connection:
        return order(connection, world.core.book.book_id, order_id).state


def test_a_deposit_is_credited_on_the_banks_word_and_a_small_payout_goes_out(world):
    """500.00 arrive, 120.00 leave: held first, sent, posted when the bank says that it paid."""
    world.pay_in("c1", 500_00)
    assert world.balance("customer:c1:available") == (500_00, 0)
    assert world.balance("bank:alpha:client") == (500_00, 0)
    placed = withdraw(world, 120_00)
    assert placed.state == "released"
    assert world.balance("customer:c1:available") == (500_00, 120_00)
    world.turn()
    assert state(world, placed.order_id) == "settled"
    assert world.balance("customer:c1:available") == (380_00, 0)
    assert world.balance("bank:alpha:client") == (380_00, 0)
    assert list(world.bank.balances().values()) == [380_00]


def test_money_without_an_owner_is_owed_to_somebody(world):
    for text in ("thank you", "RF-c1 RF-c2", "RF-nobody", ""):
        world.pay_in("", 10_00, text)
    assert world.balance("unallocated:alpha:client") == (40_00, 0)
    assert world.balance("customer:c1:available") == (0, 0)


def test_the_owner_of_a_receipt_is_agreed_by_two(world):
    world.pay_in("", 10_00, "thank you")
    with world.core.connection() as connection:
        from ringfence.custody.orders import unallocated

        [receipt] = unallocated(connection, world.core.book.book_id)
    identity = world.new_id()
    placing.propose_allocation(world.desk, identity, receipt.order_id, "c2", by=world.sessions["tina"])
    world.approve(identity, "adam")
    assert deciding.decide_order(world.desk, identity).state == "settled"
    assert world.balance("customer:c2:available") == (10_00, 0)
    assert world.balance("unallocated:alpha:client") == (0, 0)


def test_a_customer_cannot_withdraw_what_is_not_there(world):
    world.pay_in("c1", 100_00)
    with pytest.raises(Refused, match="balance_must_not_fall_below_its_minimum"):
        withdraw(world, 100_01)
    assert world.balance("customer:c1:available") == (100_00, 0)


def test_the_same_order_again_is_answered_alike_and_another_under_its_id_is_refused(world):
    world.pay_in("c1", 500_00)
    first = withdraw(world, 120_00)
    again = withdraw(world, 120_00, order_id=first.order_id)
    assert again == first
    assert world.balance("customer:c1:available") == (500_00, 120_00)
    with pytest.raises(Refused, match="order_id_already_has_other_content"):
        withdraw(world, 121_00, order_id=first.order_id)


def test_a_large_payout_to_a_new_payee_waits_for_two_and_then_for_its_checkers(world):
    """20,000.00: risk holds it (new payee), and the policy wants an approver; nothing leaves before both agreed."""
    world.pay_in("c1", 30_000_00)
    placed = withdraw(world, 20_000_00)
    assert placed.state == "held"
    world.turn()
    assert state(world, placed.order_id) == "held"
    world.approve(placed.order_id, "adam", "rita")
    world.turn()
    assert state(world, placed.order_id) == "settled"
    assert list(world.bank.balances().values()) == [10_000_00]


def test_a_rejected_order_gives_the_money_back(world):
    from ringfence.authority import proposals

    world.pay_in("c1", 30_000_00)
    placed = withdraw(world, 20_000_00)
    with world.core.connection() as connection:
        [first, *_] = proposals.proposals_of_order(connection, world.core.book.book_id, placed.order_id)
    proposals.reject(world.core, world.sessions["adam"], first.proposal_id, first.payload_sha256, "not today")
    assert deciding.decide_order(world.desk, placed.order_id).state == "rejected"
    assert world.balance("customer:c1:available") == (30_000_00, 0)


def test_what_nobody_decides_in_time_gives_the_money_back(world):
    """The policy lets a proposal stand for 72 hours."""
    world.pay_in("c1", 30_000_00)
    placed = withdraw(world, 20_000_00)
    world.wait(hours=73)
    world.turn()
    assert state(world, placed.order_id) == "cancelled"
    assert world.balance("customer:c1:available") == (30_000_00, 0)


def test_a_payment_that_the_bank_rejects_gives_the_money_back(world):
    from ringfence.banking.simulated_bank_faults import Switches

    world.pay_in("c1", 500_00)
    world.bank.set_switches(Switches(reject_reason="AC04"))
    placed = withdraw(world, 120_00)
    world.turn()
    assert state(world, placed.order_id) == "failed"
    assert world.balance("customer:c1:available") == (500_00, 0)


def test_silence_is_not_a_failure(world):
    from ringfence.banking.simulated_bank_faults import Switches

    world.pay_in("c1", 500_00)
    world.bank.set_switches(Switches(silence=True))
    placed = withdraw(world, 120_00)
    world.turn()
    world.wait(hours=30)
    world.turn()
    assert state(world, placed.order_id) == "sent"
    assert world.balance("customer:c1:available") == (500_00, 120_00)


def test_a_payment_that_comes_back_is_credited_again(world):
    from ringfence.banking.simulated_bank_faults import Switches

    world.pay_in("c1", 500_00)
    world.bank.set_switches(Switches(return_after_days=0))
    placed = withdraw(world, 120_00)
    world.turn(5)
    assert state(world, placed.order_id) == "returned"
    assert world.balance("customer:c1:available") == (500_00, 0)
    assert world.balance("bank:alpha:client") == (500_00, 0)


def test_the_brake_stops_every_payout_at_the_gateway(world):
    from ringfence.incident import brake

    world.pay_in("c1", 500_00)
    brake.pull(world.core, world.sessions["rita"], "drill")
    placed = withdraw(world, 120_00)
    world.turn()
    assert state(world, placed.order_id) == "released"
    assert list(world.bank.balances().values()) == [500_00]
    drafted = brake.propose_release(world.core, world.sessions["tina"], "drill over")
    from ringfence.authority import proposals

    for who in ("adam", "bella"):
        proposals.approve(world.core, world.sessions[who], drafted.proposal_id, drafted.payload_sha256)
    brake.release(world.core, drafted.proposal_id)
    world.turn()
    assert state(world, placed.order_id) == "settled"


def test_freeze_release_transfer_and_fee_move_at_once(world):
    world.pay_in("c1", 500_00)
    by = world.sessions["tina"]
    assert placing.place_freeze(world.desk, world.new_id(), "c1", 200_00, by=by, reference="bid 1").state == "settled"
    assert placing.place_release(world.desk, world.new_id(), "c1", 50_00, by=by, reference="bid 1").state == "settled"
    assert placing.place_transfer(world.desk, world.new_id(), "c1", "c2", 30_00, by=by).state == "settled"
    assert placing.place_fee(world.desk, world.new_id(), "c1", 1_50, by=by, reference="tariff 1").state == "settled"
    assert world.balance("customer:c1:available") == (318_50, 0)
    assert world.balance("customer:c1:frozen") == (150_00, 0)
    assert world.balance("customer:c2:available") == (30_00, 0)
    assert world.balance("fees:due:EUR") == (1_50, 0)
    with pytest.raises(Refused, match="balance_must_not_fall_below_its_minimum"):
        placing.place_fee(world.desk, world.new_id(), "c1", 400_00, by=by, reference="tariff 1")


def test_fees_leave_the_pool_by_a_sweep_that_somebody_else_approves(world):
    world.pay_in("c1", 500_00)
    by = world.sessions["tina"]
    placing.place_fee(world.desk, world.new_id(), "c1", 20_00, by=by, reference="tariff 1")
    placed = placing.place_fee_sweep(
        world.desk, world.new_id(), "bank:alpha:client", 20_00, payee_name="The Platform", payee_account=PAYEE, by=by
    )
    assert placed.state == "awaiting_approval"
    world.approve(placed.order_id, "adam")
    world.turn()
    assert state(world, placed.order_id) == "settled"
    assert world.balance("fees:due:EUR") == (0, 0)


def test_a_duplicated_advice_credits_once(world):
    from ringfence.banking.simulated_bank_faults import Switches

    world.bank.set_switches(Switches(delivered_twice=True))
    world.pay_in("c1", 500_00)
    world.turn()
    assert world.balance("customer:c1:available") == (500_00, 0)
