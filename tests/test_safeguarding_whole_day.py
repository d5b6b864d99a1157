"""A day of the whole platform, with the gateway, the notary and a simulated bank: what custody books, reconciliation
finds again in the bank's own statement.
"""

from datetime import timedelta

import pytest

from custody_world import DAY, PAYEE, custody_world
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.custody import placing
from ringfence.reconciliation import discrepancies, runs
from ringfence.refusal import Refused
from ringfence.safeguarding import day, position

CLIENT = "bank:alpha:client"


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        yield found


def withdraw(world, amount, customer="c1"):
    return placing.place_withdrawal(
        world.desk,
        world.new_id(),
        customer,
        amount,
        payee_account=PAYEE,
        by=world.sessions["tina"],
        reference="payout",
    )


def end_of_day(world, **switches):
    """The bank closes its day at midnight and sends the statement; everybody takes what has come."""
    world.bank.set_switches(Switches(**switches))
    world.wait(hours=16)
    world.bank.close_day(DAY, world.now)
    world.bank.set_switches(Switches())
    world.turn()


def ask(world, question, *given):
    with world.core.connection() as connection:
        return question(connection, world.core.book.book_id, *given)


def test_what_custody_booked_is_what_the_bank_says(world):
    """Receipts, an unclaimed one, two payouts of which one comes back: five movements, five entries, nothing left."""
    world.pay_in("c1", 500_00)
    world.pay_in("c2", 300_00)
    world.pay_in("", 40_00, "thank you")
    withdraw(world, 120_00)
    world.turn()
    world.bank.set_switches(Switches(return_after_days=0))
    withdraw(world, 20_00, "c2")
    world.turn(5)
    live = ask(world, position.live_position).currencies[0]
    assert (live.requirement, live.resource, live.shortfall) == (720_00, 720_00, 0)

    end_of_day(world)
    assert ask(world, day.missing_statements, DAY) == []
    closed = day.close_day(world.core, DAY)
    found = closed.of("EUR")
    [account] = found.accounts
    assert (account.matched, account.discrepancies) == (6, 0)
    assert (found.requirement, found.resource, found.shortfall, found.excess) == (720_00, 720_00, 0, 0)
    assert closed == day.close_day(world.core, DAY)


def test_a_payout_that_is_on_its_way_is_still_owed(world):
    """The bank is silent: the money is held, the bank has paid it. What it says at the day's end is a discrepancy."""
    world.pay_in("c1", 500_00)
    world.bank.set_switches(Switches(silence=True))
    withdraw(world, 120_00)
    world.turn()
    end_of_day(world)
    found = day.close_day(world.core, DAY).of("EUR")
    assert (found.requirement, found.resource, found.shortfall) == (500_00, 380_00, 120_00)
    [one] = ask(world, discrepancies.discrepancies)
    assert (one.kind, one.difference) == ("missing_in_books", -120_00)


@pytest.mark.parametrize(
    "fault",
    [
        {"missing_entry": True},
        {"closing_off_by_minor": 1},
        {"truncated_statement": True},
        {"changed_amount_by_minor": 5},
    ],
)
def test_a_statement_that_fails_its_gates_is_none_and_the_day_stays_open(world, fault):
    world.pay_in("c1", 500_00)
    world.pay_in("c2", 300_00)
    end_of_day(world, **fault)
    with pytest.raises(Refused, match="statements_are_missing"):
        day.close_day(world.core, DAY)
    world.bank.resend_day(DAY, world.now + timedelta(minutes=1))
    world.turn()
    assert day.close_day(world.core, DAY).of("EUR").shortfall == 0


def test_what_arrives_from_nobody_at_the_end_of_the_day_is_unclaimed(world):
    """77 arrive without a name or a reference: owed to somebody, and in the statement as in the books."""
    world.pay_in("c1", 500_00)
    end_of_day(world, unknown_receipt_minor=77)
    run = runs.reconcile(world.core, CLIENT, DAY)
    assert (run.matched, run.discrepancies, run.bank_closing) == (2, 0, 500_77)
    assert world.balance("unallocated:alpha:client") == (77, 0)
