"""Who may pay and receive now, and how much: what custody asks before it places an order.

Limits are those that the last verification said. What has left is told by whoever asks, who knows its orders; months
and years are those of the calendar, by business day.
"""

from collections.abc import Callable
from datetime import date
from typing import Final, Literal

from ringfence.database.connection import Connection
from ringfence.diligence.files import File, find_file
from ringfence.diligence.profiles import PERIODS
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import (
    BALANCE_WOULD_BE_ABOVE_THE_TIER,
    CUSTOMER_IS_RESTRICTED,
    CUSTOMER_MUST_BE_VERIFIED,
    PAYMENT_IS_ABOVE_THE_TIER,
)
from ringfence.ledger.journal import Statement
from ringfence.money import currency, format_minor

Deed = Literal["pay", "receive", "keep"]
_PERIOD: Final = {"payment": "a payment", "month": "a month", "year": "a year", "lifetime": "in all"}
FIRST_DAY: Final = date(1970, 1, 1)


def require(connection: Connection, book: int, customer_id: str, deed: Deed) -> File:
    """The file, if the customer may do this now: `pay`, `receive`, or `keep` (move what he has between his own
    accounts, which a restriction does not forbid). `customer_must_be_verified`, `customer_is_restricted`.
    """
    found = find_file(connection, book, customer_id)
    if found is None or not found.was_verified or found.state not in ("verified", "restricted"):
        raise CUSTOMER_MUST_BE_VERIFIED()
    if found.state == "restricted" and deed != "keep" and (deed == "pay" or found.direction == "none"):
        raise CUSTOMER_IS_RESTRICTED()
    return found


def may(connection: Connection, book: int, customer_id: str, deed: Deed) -> File | None:
    """The same, None if not."""
    found = find_file(connection, book, customer_id)
    if found is None or not found.was_verified or found.state not in ("verified", "restricted"):
        return None
    if found.state == "restricted" and deed != "keep" and (deed == "pay" or found.direction == "none"):
        return None
    return found


def shut_so_far(connection: Connection, book: int) -> int:
    """A number that grows whenever somebody who was open to all may do less from then on."""
    row = connection.execute(QUERIES.shut_so_far, {"book": book}).fetchone()
    return int(row[0]) if row else 0


def required(book: int, customer_id: str, deed: Deed) -> Statement:
    """The same question, asked by the database in the append of the order: nobody is restricted in between."""
    return QUERIES.require_standing, {"book": book, "customer": customer_id, "deed": deed}


def require_payment(found: File, amount: int, day: date, paid_since: Callable[[date], int]) -> None:
    """`payment_is_above_the_tier` if this payment, or all with it of the month, the year or ever, is more than the tier
    allows. `paid_since` tells what has left, or is on its way, since a day.
    """
    limits = found.limited
    if limits.none:
        return
    begins = {"month": day.replace(day=1), "year": day.replace(month=1, day=1), "lifetime": FIRST_DAY}
    for period in PERIODS:
        limit: int | None = getattr(limits, period)
        if limit is None:
            continue
        together = amount + (paid_since(begins[period]) if period in begins else 0)
        if together > limit:
            unit = currency(limits.currency)
            raise PAYMENT_IS_ABOVE_THE_TIER(
                limit=format_minor(limit, unit),
                amount=format_minor(together, unit),
                currency=unit.code,
                period=_PERIOD[period],
            )


def require_room(found: File, balance: int) -> None:
    """`balance_would_be_above_the_tier` if the wallet may not hold so much."""
    limits = found.limited
    if limits.balance is not None and balance > limits.balance:
        unit = currency(limits.currency)
        raise BALANCE_WOULD_BE_ABOVE_THE_TIER(
            limit=format_minor(limits.balance, unit), amount=format_minor(balance, unit), currency=unit.code
        )
