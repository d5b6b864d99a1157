"""Proposals and approvals on a real PostgreSQL: nobody moves money alone, tried from Python and in SQL."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from authority_world import World, world_of
from ringfence.authority import proposals, verification
from ringfence.authority.proposals import Drafted
from ringfence.money import currency
from ringfence.refusal import Refused

EUR = currency("EUR")


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def payout(world: World, by: str = "tess", amount: int = 2_000_000) -> Drafted:
    facts = {"creditor_name": "Erika Beispiel", "creditor_account": "DE89370400440532013000"}
    return proposals.propose(
        world.core,
        world.session(by),
        world.new_id(),
        "payout",
        order=world.new_id(),
        amount=amount,
        unit=EUR,
        facts=facts,
    )


def refused(world: World, person: str, made: Drafted, digest: bytes | None = None) -> str:
    with pytest.raises(Refused) as no:
        proposals.approve(world.core, world.session(person), made.proposal_id, digest or made.payload_sha256)
    return no.value.name


def verdict(world: World, proposal_id: UUID) -> str | None:
    record = verification.record_of(world.connect("gateway"), world.book, proposal_id)
    found = verification.verify(record, world.clock())
    return found and found.name


def test_a_payout_above_the_limit_is_approved_by_somebody_else(world):
    """20,000.00 EUR: one approver, and not the treasurer who made it."""
    made = payout(world)
    assert verdict(world, made.proposal_id) == "approvals_do_not_suffice"
    decided = proposals.approve(world.core, world.session("abel"), made.proposal_id, made.payload_sha256, "checked")
    assert (decided.count, decided.complete) == (1, True)
    assert verdict(world, made.proposal_id) is None
