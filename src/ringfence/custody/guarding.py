"""What stands over a book from the day on which its first custodian account is opened.

The pool of client money is guarded: in each currency what it holds at banks is never less than what it owes, whatever
is booked. Three purposes may leave it uncovered, because what they record has happened elsewhere already, and a book
that refused to say so would only be wrong (docs/reference/accounts.md says more of each).

And three conditions are watched in each currency, which a treasurer wants to hear of the moment they come.
"""

from typing import Final

from ringfence.authority.standing import acts
from ringfence.core import Core
from ringfence.ledger.codes import Purpose
from ringfence.ledger.standing import COVER, Monitor, Watched

POOL: Final = "client"
MAY_LEAVE_IT_UNCOVERED: Final = (Purpose.TAKEOVER, Purpose.ROUNDING, Purpose.UNEXPLAINED)


def found_rules(core: Core, unit: str, cashbook: str, number: int) -> None:
    """Guard the pool and set the monitors of a currency and of a cashbook. What stands already is left as it stands."""
    acts.guard_first(core, POOL, MAY_LEAVE_IT_UNCOVERED)
    for monitor in founding_monitors(unit, cashbook, number):
        acts.watch_first(core, monitor)


def founding_monitors(unit: str, cashbook: str, number: int) -> tuple[Monitor, ...]:
    """Clients are owed more than is held; money without an owner is there; a cashbook has less than is to leave it."""
    return (
        Monitor(f"client money uncovered {unit}", Watched(pool=POOL, currency=unit), COVER, 0, None),
        Monitor(f"unallocated receipts {unit}", Watched(0, "unallocated", POOL, unit, "credit"), "balance", None, 0),
        Monitor(f"overdrawn {cashbook}", Watched(account=number), "available", 0, None),
    )
