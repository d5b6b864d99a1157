"""Agreements from their proposal to their end: money that waits, what is said, what is released and returned."""

import pytest

from escrow_world import CANCELLED, DELIVERED, NO_CLAIM, date_reached, escrow_world
from ringfence.refusal import Refused


@pytest.fixture
def escrow(database, tmp_path):
    with escrow_world(database, tmp_path) as found:
        yield found


def refused(call, *arguments, **options):
    with pytest.raises(Refused) as found:
        call(*arguments, **options)
    return found.value.name


def test_money_is_held_until_the_condition_is_true_and_then_it_is_the_sellers(escrow):
    """The buyer's 100.00 wait, still his; the courier says delivered; the seller has them."""
    found = escrow.propose()
    assert found.state == "in_force"
    assert (escrow.balance("c1"), escrow.balance("c2")) == ((1_000_00, 100_00), (0, 0))
    assert refused(escrow.release, found) == "release_is_not_allowed"
    escrow.approve(found)
    assert escrow.release(found).standing.state == "ended"
    assert (escrow.balance("c1"), escrow.balance("c2")) == ((900_00, 0), (100_00, 0))
    assert refused(escrow.release, found) == "tranche_has_ended"
    assert refused(escrow.give_back, found) == "tranche_has_ended"
    escrow.world.notary.step(escrow.world.now)
