"""The arithmetic of each regime, in minor units, pure. Nothing here rounds in the platform's favour.

The total test and the D+1 test are those of UK CASS 15.8. A difference is resource less requirement: negative is a
shortfall.

>>> total_test(840, bank=700, in_transit=100)
Outcome(requirement=840, resource=800)
>>> d_plus_one_test(840, insured=0, within_limit=90, bank=700).difference
-50
>>> external_test(cashbook=700, bank=720)
20
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ringfence.safeguarding.refusals import FIGURE_MUST_NOT_BE_NEGATIVE, FRAUD_RATE_NEEDS_A_VOLUME

PER_MILLION: Final = 1_000_000
PER_TEN_THOUSAND: Final = 10_000


@dataclass(frozen=True)
class Requirement:
    """What must be there. `owed` counts what customers are owed, each at least zero; `negative` is what customers owe,
    shown apart because it pays nobody. `unrecorded` is the part of `unallocated` that the bank has and our books have
    not: it is owed to somebody as well, so that it covers nobody else.
    """

    owed: int
    unallocated: int
    negative: int
    customers: int
    negative_customers: int
    unrecorded: int = 0

    @property
    def total(self) -> int:
        return self.owed + self.unallocated

    def with_unrecorded(self, amount: int) -> "Requirement":
        """The same with receipts that the bank has and our books do not."""
        return replace(self, unallocated=self.unallocated + amount, unrecorded=self.unrecorded + amount)


@dataclass(frozen=True)
class Outcome:
    """Requirement against resource."""

    requirement: int
    resource: int

    @property
    def difference(self) -> int:
        return self.resource - self.requirement

    @property
    def shortfall(self) -> int:
        return max(-self.difference, 0)

    @property
    def excess(self) -> int:
        return max(self.difference, 0)


@dataclass(frozen=True)
class Share:
    """What lies at one bank, in minor units and in millionths of the whole."""

    bank: str
    amount: int
    per_million: int


def requirement(balances: Iterable[int], *, unallocated: int) -> Requirement:
    """The requirement of individual balances, each customer's available and frozen money together."""
    each = list(balances)
    below = [balance for balance in each if balance < 0]
    owed = sum(balance for balance in each if balance > 0)
    return Requirement(owed, _figure("unallocated", unallocated), sum(below), len(each), len(below))


def total_test(required: int, *, bank: int, in_transit: int = 0, assets: int = 0, insured: int = 0) -> Outcome:
    """Resource = relevant-funds accounts + segregated and not yet placed + relevant assets + insurance or guarantee.
    An account that is overdrawn counts as it is.
    """
    return Outcome(required, bank + in_transit + _figure("assets", assets) + _figure("insured", insured))


def d_plus_one_test(required: int, *, insured: int, within_limit: int, bank: int) -> Outcome:
    """What should lie in the accounts themselves: the requirement less what is insured and less receipts that are still
    inside the limit of the next business day. The resource is what does lie there.
    """
    due = required - _figure("insured", insured) - _figure("within_limit", within_limit)
    return Outcome(max(due, 0), bank)


def external_test(*, cashbook: int, bank: int) -> int:
    """What the bank has more than our cashbook, per account."""
    return bank - cashbook


def concentration(by_bank: Mapping[str, int]) -> tuple[Share, ...]:
    """The share of each bank in what lies at banks, the largest first. A bank where the account is overdrawn has none,
    and makes no other share larger.
    """
    whole = sum(max(amount, 0) for amount in by_bank.values())
    shares = [
        Share(bank, amount, max(amount, 0) * PER_MILLION // whole if whole else 0) for bank, amount in by_bank.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.amount, share.bank)))


# -- 备付金: the reserve of a payment institution --------------------------------------------------------------------


@dataclass(frozen=True)
class Reserve:
    """The reserve of a day three ways: rolled forward by the institution, owed to customers, held by the bank or the
    clearing house.
    """

    rolled: int
    owed: int
    held: int

    @property
    def differences(self) -> tuple[int, int]:
        """Rolled less owed, and held less rolled; both are zero on a good day."""
        return self.rolled - self.owed, self.held - self.rolled


def reserve(
    opening: int,
    *,
    came_in: int,
    went_out: int,
    fees: int,
    payment_accounts: int,
    prepaid_and_payables: int,
    in_transit: int = 0,
    held: int,
) -> Reserve:
    """Opening + in - out - fees = closing = payment accounts + (prepaid + merchants' payables) ± in transit = held."""
    rolled = opening + _figure("came_in", came_in) - _figure("went_out", went_out) - _figure("fees", fees)
    return Reserve(rolled, payment_accounts + prepaid_and_payables + in_transit, held)


# -- 网络借贷: the master account of a marketplace -------------------------------------------------------------------


@dataclass(frozen=True)
class Marketplace:
    """Whose money lies in the master account (存管专用账户)."""

    lenders_available: int
    frozen: int
    borrowers: int
    guarantor: int
    platform_fees: int
    marketing: int

    @property
    def sub_accounts(self) -> int:
        parts = (self.lenders_available, self.frozen, self.borrowers)
        return sum(parts) + self.guarantor + self.platform_fees + self.marketing

    def difference(self, master: int) -> int:
        return master - self.sub_accounts


def loan_out_difference(frozen_bids: Sequence[int], *, to_borrower: int, fees: int) -> int:
    """Σ frozen bids less what the borrower gets and the disclosed fees: zero, or the loan is not paid out (放款)."""
    return sum(frozen_bids) - _figure("to_borrower", to_borrower) - _figure("fees", fees)


# -- United States, rule 15c3-3 --------------------------------------------------------------------------------------


def reserve_15c3_3(credits_: int, debits: int, *, reduction_per_ten_thousand: int) -> int:
    """Credits less debits, the debits reduced by 3 % (300), or by 2 % (200) where it is computed daily; never below
    zero. The reduced debits are rounded down, so the deposit is never too small.
    """
    kept = PER_TEN_THOUSAND - _figure("reduction_per_ten_thousand", reduction_per_ten_thousand)
    reduced = _figure("debits", debits) * kept // PER_TEN_THOUSAND
    return max(_figure("credits", credits_) - reduced, 0)


# -- PSD2: exemption from strong authentication by fraud rate --------------------------------------------------------


@dataclass(frozen=True)
class ExemptionBand:
    """Up to `amount` minor units, while the fraud rate is at most `rate_per_million`."""

    amount: int
    rate_per_million: int


def fraud_rate_per_million(fraud: int, volume: int) -> int:
    """Value of fraud in millionths of the value of all payments of the type, rounded up."""
    if _figure("volume", volume) == 0:
        raise FRAUD_RATE_NEEDS_A_VOLUME()
    return -(-_figure("fraud", fraud) * PER_MILLION // volume)


def exempt_up_to(fraud: int, volume: int, bands: Iterable[ExemptionBand]) -> int:
    """The largest amount that may go without strong authentication at this fraud rate; 0: none."""
    rate = fraud_rate_per_million(fraud, volume)
    return max((band.amount for band in bands if rate <= band.rate_per_million), default=0)


def _figure(name: str, value: int) -> int:
    if value < 0:
        raise FIGURE_MUST_NOT_BE_NEGATIVE(name=name, value=value)
    return value
