"""The arithmetic of each regime, with the worked figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.refusal import Refused
from ringfence.safeguarding.formulas import (
    ExemptionBand,
    Marketplace,
    concentration,
    d_plus_one_test,
    exempt_up_to,
    external_test,
    fraud_rate_per_million,
    loan_out_difference,
    requirement,
    reserve,
    reserve_15c3_3,
    total_test,
)
from ringfence.safeguarding.profiles import debit_reduction, sca_exemption


def test_a_negative_balance_pays_nobody():
    """A 500, B 300, C -20, unallocated 40: 840; netting would give 820. Bank 700 + in transit 100: 40 are missing."""
    needed = requirement([500, 300, -20], unallocated=40)
    assert (needed.total, needed.owed, needed.negative, needed.negative_customers) == (840, 800, -20, 1)
    assert 500 + 300 - 20 + 40 == 820
    outcome = total_test(needed.total, bank=700, in_transit=100)
    assert (outcome.resource, outcome.difference, outcome.shortfall, outcome.excess) == (800, -40, 40, 0)


def test_d_plus_one_asks_for_what_must_lie_in_the_accounts():
    """840 - 0 - 90 = 750 against 700: 50 short. Move 50 in transit, then 40 own money: 790 + 50 = 840."""
    outcome = d_plus_one_test(840, insured=0, within_limit=90, bank=700)
    assert (outcome.requirement, outcome.difference) == (750, -50)
    assert d_plus_one_test(840, insured=0, within_limit=90, bank=750).difference == 0
    assert total_test(840, bank=790, in_transit=50).difference == 0


def test_the_external_test_leaves_the_shortfall_as_it_is():
    """700 in the cashbook, 720 at the bank: both sides grow by the 20 that is nobody's yet."""
    assert external_test(cashbook=700, bank=720) == 20
    before = total_test(840, bank=700, in_transit=100)
    after = total_test(840 + 20, bank=720, in_transit=100)
    assert before.difference == after.difference == -40


def test_the_reserve_agrees_three_ways():
    """1,000,000 + 250,000 - 180,000 - 1,200 = 1,068,800 = 900,000 + 168,800."""
    day = reserve(
        1_000_000,
        came_in=250_000,
        went_out=180_000,
        fees=1_200,
        payment_accounts=900_000,
        prepaid_and_payables=168_800,
        held=1_068_800,
    )
    assert (day.rolled, day.owed, day.held, day.differences) == (1_068_800, 1_068_800, 1_068_800, (0, 0))


def test_the_master_of_a_marketplace_is_the_sum_of_its_parts():
    parts = Marketplace(60_000, 40_000, 15_000, 5_000, 1_500, 500)
    assert parts.sub_accounts == 122_000
    assert parts.difference(122_000) == 0
    assert parts.difference(121_999) == -1


def test_a_loan_is_paid_out_to_the_last_cent():
    """40,000 frozen = 39,200 to the borrower + 800 disclosed fees."""
    assert loan_out_difference([25_000, 15_000], to_borrower=39_200, fees=800) == 0
    assert loan_out_difference([25_000, 15_000], to_borrower=39_200, fees=801) == -1


def test_the_reserve_of_15c3_3_reduces_debits():
    """100m credits, 60m debits: 100m - 60m x 0.97 = 41.8m; computed daily, 41.2m."""
    reduction = debit_reduction("us-15c3-3")
    yearly = reserve_15c3_3(100_000_000, 60_000_000, reduction_per_ten_thousand=reduction.reduction_per_ten_thousand)
    daily = reserve_15c3_3(
        100_000_000, 60_000_000, reduction_per_ten_thousand=reduction.daily_reduction_per_ten_thousand
    )
    assert (yearly, daily) == (41_800_000, 41_200_000)
    assert reserve_15c3_3(1, 3, reduction_per_ten_thousand=300) == 0
    assert reserve_15c3_3(10, 1, reduction_per_ten_thousand=300) == 10


def test_a_fraud_rate_of_0_052_percent_exempts_cards_up_to_250():
    bands = sca_exemption("eu-psd2")
    assert bands.unverified
    assert fraud_rate_per_million(52_000_00, 100_000_000_00) == 520
    assert exempt_up_to(52_000_00, 100_000_000_00, bands.cards) == 250_00
    assert exempt_up_to(52_000_00, 100_000_000_00, bands.transfers) == 0
    assert exempt_up_to(0, 1, bands.transfers) == 500_00


def test_a_rate_a_hair_above_a_band_is_above_it():
    band = [ExemptionBand(100_00, 1_300)]
    assert exempt_up_to(1_300, 1_000_000, band) == 100_00
    assert exempt_up_to(1_301, 1_000_000, band) == 0
    assert exempt_up_to(1_300_000_001, 1_000_000_000_000, band) == 0


def test_nonsense_is_refused_by_name():
    for wrong in (
        lambda: requirement([], unallocated=-1),
        lambda: total_test(1, bank=1, insured=-1),
        lambda: d_plus_one_test(1, insured=0, within_limit=-1, bank=0),
        lambda: fraud_rate_per_million(-1, 5),
    ):
        with pytest.raises(Refused, match="figure_must_not_be_negative"):
            wrong()
    with pytest.raises(Refused, match="fraud_rate_needs_a_volume"):
        fraud_rate_per_million(0, 0)
    with pytest.raises(Refused, match="profile_is_unknown"):
        sca_exemption("atlantis")


def test_shares_are_of_what_lies_at_banks_and_an_overdraft_makes_none_larger():
    shares = concentration({"alpha": 750, "beta": 250, "gamma": -100})
    assert [(each.bank, each.per_million) for each in shares] == [("alpha", 750_000), ("beta", 250_000), ("gamma", 0)]
    assert concentration({"alpha": 0})[0].per_million == 0


@given(st.lists(st.integers(-1000, 1000)), st.integers(0, 1000))
def test_no_customer_makes_the_requirement_smaller(balances, unallocated):
    """Law: the requirement is never below what netting gives, and one more customer never lowers it."""
    needed = requirement(balances, unallocated=unallocated)
    assert needed.total + needed.negative == sum(balances) + unallocated
    assert requirement([*balances, -500], unallocated=unallocated).total == needed.total
    assert needed.total >= max(sum(balances), 0) + unallocated
