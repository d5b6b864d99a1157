"""The demo's platform and what its customers do in one day: a pure function of a seed.

Every act has an id that follows from the seed, the day and its place, so that a day that was broken off anywhere can be
played again: what was done is answered as it was, the rest is done. Names, accounts and amounts are invented.
"""

import hashlib
import random
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from ringfence.banking.account_number import AccountNumber, Scheme, iban_check_digits

BOOK: Final = "demo"
CURRENCY: Final = "EUR"
PLATFORM: Final = "Larkspur Wallet / 云雀钱包"
LISTED_NAME: Final = "Orsolan Veskarimov"

_GIVEN: Final = (
    "Ada", "Bo", "Carla", "Dario", "Elin", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaisa",
    "Luca", "Maja", "Nils", "Oona", "Pavel", "Rosa", "Sami", "Tilda", "Yusuf", "Zora",
)  # fmt: skip
_FAMILY: Final = (
    "Abel", "Brandt", "Costa", "Dvorak", "Eklund", "Ferrari", "Gruber", "Horvat", "Ivanova", "Jansen", "Kowalski",
    "Lindqvist", "Moreau", "Nowak", "Okafor", "Petit", "Rossi", "Sato", "Toth", "Urban", "Varga", "Weber",
)  # fmt: skip
_CHINESE: Final = ("王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴")
_CHINESE_GIVEN: Final = ("晓明", "丽华", "建国", "思远", "雨桐", "子涵", "文静", "志强", "海燕", "嘉怡")
_FIRMS: Final = ("Ltd", "GmbH", "s.r.o.", "Oy", "BV")


@dataclass(frozen=True)
class Bank:
    """A custodian bank of the demo and the account that it keeps for the platform's customers."""

    name: str
    title: str
    code: str
    account: AccountNumber

    @property
    def custodian_account(self) -> str:
        return f"bank:{self.name}:client"


@dataclass(frozen=True)
class Customer:
    customer_id: str
    name: str
    nature: str
    payee_account: str
    bank: Bank

    @property
    def reference(self) -> str:
        """What a payer writes so that the money finds this customer."""
        return f"RF-{self.customer_id}"

    @property
    def identity_number(self) -> str:
        """Invented, and each customer's own."""
        return f"X99{self.customer_id[1:]:0>8}"

    @property
    def passport(self) -> str:
        """The digest of a scan that nobody made."""
        return hashlib.sha256(f"passport of {self.identity_number}".encode()).hexdigest()

    @property
    def phone(self) -> str:
        """Invented."""
        return f"+99960{self.customer_id[1:]:0>6}"


@dataclass(frozen=True)
class Receipt:
    """Money that a payer sends; `text` is what the payer wrote."""

    receipt_id: str
    bank: Bank
    amount: int
    payer_name: str
    payer_account: str
    text: str


@dataclass(frozen=True)
class Act:
    """An order that the platform places. `other` is the receiver of a transfer, or the payee's account."""

    order_id: UUID
    kind: str
    customer_id: str
    amount: int
    reference: str
    other: str = ""


@dataclass(frozen=True)
class Scenario:
    """One day: who is there, what arrives in the morning, what is ordered, and what arrives unannounced."""

    day: date
    banks: tuple[Bank, ...]
    customers: tuple[Customer, ...]
    receipts: tuple[Receipt, ...]
    acts: tuple[Act, ...]


def scenario(seed: int, day: date, customers: int) -> Scenario:
    """The day of a seed, with that many customers."""
    people = random.Random(f"people {seed}")  # noqa: S311 - an invented world, no secret
    banks = (
        Bank("alpha", "Alpha Custody Bank", "ALPHALT2", account_of("LT", f"{people.randrange(10**16):016d}")),
        Bank("beta", "Beta Trust Bank", "BETADEFF", account_of("DE", f"{people.randrange(10**18):018d}")),
    )
    known = tuple(_customer(people, number, banks) for number in range(1, customers + 1))
    picks = random.Random(f"day {seed} {day.isoformat()}")  # noqa: S311
    receipts, credit = _receipts(picks, day, known)
    acts = _acts(picks, seed, day, known, credit)
    return Scenario(day, banks, known, receipts, acts)


def account_of(country: str, number: str) -> AccountNumber:
    """An invented IBAN with right check digits."""
    return AccountNumber(Scheme.IBAN, f"{country}{iban_check_digits(country, number)}{number}")


def _customer(people: random.Random, number: int, banks: tuple[Bank, ...]) -> Customer:
    nature = "firm" if number % 9 == 0 else "person"
    if number % 4 == 0:
        name = people.choice(_CHINESE) + people.choice(_CHINESE_GIVEN)
    else:
        name = f"{people.choice(_GIVEN)} {people.choice(_FAMILY)}"
    if nature == "firm":
        name = f"{people.choice(_FAMILY)} & {people.choice(_FAMILY)} {people.choice(_FIRMS)}"
    if number == 13:
        name = LISTED_NAME
    account = account_of("NL", f"EXAM{people.randrange(10**10):010d}").text
    return Customer(f"c{number:04d}", name, nature, account, banks[people.randrange(3) // 2])


def _receipts(
    picks: random.Random, day: date, customers: tuple[Customer, ...]
) -> tuple[tuple[Receipt, ...], dict[str, int]]:
    receipts, credit = [], {}
    for number, customer in enumerate(customers):
        amount = _amount(picks, 50_00, 3_000_00)
        if number % 23 == 7:
            amount = _amount(picks, 20_000_00, 60_000_00)
        text = customer.reference
        if number % 50 == 31:
            text = ("thank you", f"{customer.reference} RF-c0001", "RF-c9999")[number // 50 % 3]
        else:
            credit[customer.customer_id] = amount
        if customer.name == LISTED_NAME:
            credit.pop(customer.customer_id, None)  # risk holds it, so it stays unallocated
        identity = f"{day.isoformat()}-{number:05d}"
        receipts.append(Receipt(identity, customer.bank, amount, customer.name, customer.payee_account, text))
    return tuple(receipts), credit


def _acts(
    picks: random.Random, seed: int, day: date, customers: tuple[Customer, ...], credit: dict[str, int]
) -> tuple[Act, ...]:
    """Orders in the order in which they come. Most are within the customer's money; a few are not, and are refused."""
    left = dict(credit)
    acts: list[Act] = []

    def order(kind: str, customer: Customer, amount: int, reference: str, other: str = "") -> None:
        name = f"{seed} {day.isoformat()} {len(acts)} {kind}"
        identity = UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4)
        acts.append(Act(identity, kind, customer.customer_id, amount, reference, other))

    for number, customer in enumerate(customers):
        money = left.get(customer.customer_id, 0)
        if money < 20_00:
            continue
        if number % 3 == 0:
            order("fee", customer, 1_50, "tariff 1: monthly service")
            money -= 1_50
        if number % 2 == 0:
            bid = money * picks.randrange(10, 40) // 100
            order("freeze", customer, bid, f"bid {number:04d}")
            money -= bid
            if number % 6 == 0:
                order("release", customer, bid // 2, f"bid {number:04d} cut")
                money += bid // 2
        if number % 5 == 1:
            other = _somebody_else(picks, customers, customer, left)
            if other is not None:
                amount = money // 10
                order("transfer", customer, amount, "shared dinner", other.customer_id)
                money -= amount
        if number % 4 != 3:
            amount = money if number % 23 == 7 else money * picks.randrange(10, 60) // 100
            order("withdrawal", customer, amount, "payout", customer.payee_account)
            money -= amount
        if number % 61 == 9:
            for _ in range(4):  # just under a threshold, again and again
                order("withdrawal", customer, money // 6, "payout", customer.payee_account)
            money -= 4 * (money // 6)
        if number % 40 == 11:
            order("withdrawal", customer, money + 1, "more than there is", customer.payee_account)
        left[customer.customer_id] = money
    return tuple(acts)


def _somebody_else(
    picks: random.Random, customers: tuple[Customer, ...], one: Customer, left: dict[str, int]
) -> Customer | None:
    near = [each for each in customers if each.bank == one.bank and each != one and each.customer_id in left]
    return picks.choice(near) if near else None


def _amount(picks: random.Random, least: int, most: int) -> int:
    return picks.randrange(least, most)
