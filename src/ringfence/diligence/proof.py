"""Whether a customer is verified, found in the journal alone.

The steps of a file are events whose ids follow from book, customer and number; so they are looked up one after the
other until one is missing, and the last that says so tells the state. No table of diligence is read: whoever changed
one there has changed nothing here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ringfence.database.connection import Connection
from ringfence.diligence.files import step_id
from ringfence.diligence.lifecycle import EVENTS
from ringfence.diligence.profiles import limits_of
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import CUSTOMER_IS_RESTRICTED, CUSTOMER_WAS_NOT_VERIFIED, PAYMENT_IS_ABOVE_THE_TIER
from ringfence.money import currency, format_minor

AT_A_TIME: Final = 32
ACTS: Final = {number.value: act for act, number in EVENTS.items()}


@dataclass(frozen=True)
class Step:
    """One step of a file as the journal has it."""

    step: int
    act: str
    said: Mapping[str, Any]
    sequence: int
    posted_at: datetime


def steps(connection: Connection, book: int, customer_id: str) -> list[Step]:
    """Every step of a customer's file, in order, up to the first that is missing."""
    found: list[Step] = []
    while True:
        first = len(found) + 1
        ids = {step_id(book, customer_id, number): number for number in range(first, first + AT_A_TIME)}
        rows = connection.execute(QUERIES.steps_in_the_journal, {"book": book, "ids": list(ids)}).fetchall()
        known = {ids[row[0]]: row for row in rows if row[1] in ACTS}
        for number in range(first, first + AT_A_TIME):
            if number not in known:
                return found
            _, code, payload, sequence, posted_at = known[number]
            found.append(Step(number, ACTS[code], json.loads(payload), sequence, posted_at))


def require_verified(connection: Connection, book: int, customer_id: str, amount: int) -> None:
    """A payment of this customer may leave: the last step that says so left the file verified, and one payment of the
    tier may be so much. `customer_was_not_verified`, `customer_is_restricted`, `payment_is_above_the_tier`.
    """
    taken = steps(connection, book, customer_id)
    if not taken:
        raise CUSTOMER_WAS_NOT_VERIFIED(detail="there is no file")
    state = taken[-1].said.get("state")
    if state == "restricted":
        raise CUSTOMER_IS_RESTRICTED()
    last = next((each for each in reversed(taken) if each.act == "verified"), None)
    if state != "verified" or last is None:
        raise CUSTOMER_WAS_NOT_VERIFIED(detail=f"the file is {state}")
    limits = limits_of(last.said.get("limits"))
    if limits.payment is not None and amount > limits.payment:
        unit = currency(limits.currency)
        raise PAYMENT_IS_ABOVE_THE_TIER(
            limit=format_minor(limits.payment, unit),
            amount=format_minor(amount, unit),
            currency=unit.code,
            period="a payment",
        )
