"""What stands over the demo's book, as its staff changes it through the day: a monitor, a limit, a closed period.

Each step looks first at what is there, so that a day that was broken off goes on where it was.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from ringfence.authority.standing import reading as stands
from ringfence.core import Core
from ringfence.demo.platform import Platform
from ringfence.demo.scenario import CURRENCY, Bank
from ringfence.ledger import reading

LITTLE: Final = "customers hold little"  # holds in the morning of the first day, and no longer once money has come
LITTLE_BELOW: Final = "1000.00"


def watch_customers(tina: Platform) -> None:
    """A treasurer wants to hear when the customers' money together is less than a thousand."""
    total = {"owner_class": "customer", "pool": "client", "currency": CURRENCY, "side": "credit"}
    said = {"measure": "balance", "below": LITTLE_BELOW, "reason": "is anybody still with us?"}
    tina.ask("POST", f"/api/v1/monitors/{LITTLE}", said | total)


def forbid_overdraft(core: Core, tina: Platform, approvers: tuple[Platform, ...], bank: Bank) -> bool:
    """Two people agree that a bank's cashbook is never overdrawn. True once that stands."""
    with core.connection() as connection:
        found = reading.account(connection, core.book.book_id, bank.custodian_account)
    if found.minimum == 0:
        return True
    path = f"/api/v1/accounts/{bank.custodian_account}/limits"
    said = {"minimum": "0", "maximum": None, "reason": "no bank lends us clients' money"}
    _agree(tina, approvers, "limit_change", {"account": bank.custodian_account}, path, said)
    return False


def close_the_past(core: Core, tina: Platform, approvers: tuple[Platform, ...], day: date) -> bool:
    """Everything before the day is closed for good. True once that stands."""
    through = day - timedelta(days=1)
    with core.connection() as connection:
        closed = stands.closed_through(connection, core.book.book_id)
    if closed is not None and closed >= through:
        return True
    said = {"through": through.isoformat(), "reason": "reconciled and signed"}
    _agree(tina, approvers, "period_close", {"through": said["through"]}, "/api/v1/periods/closings", said)
    return False


def told(core: Core, book: int) -> dict[str, Any]:
    """What the day leaves standing, for its figures."""
    with core.connection() as connection:
        closed = stands.closed_through(connection, book)
        turns = stands.turns(connection, book, limit=1_000)
        guards = stands.guards(connection, book)
    return {
        "closed_through": None if closed is None else closed.isoformat(),
        "guarded_pools": sorted(guards),
        "monitor_turns": len(turns),
    }


def _agree(
    tina: Platform,
    approvers: tuple[Platform, ...],
    act: str,
    about: Mapping[str, str],
    path: str,
    said: Mapping[str, Any],
) -> None:
    """Propose it unless that was done, and have everybody approve; who has done so already is told so, and goes on."""
    waiting = _waiting(tina, act, about)
    if not waiting:
        tina.ask("POST", path, said)
        waiting = _waiting(tina, act, about)
    for proposal in waiting[:1]:
        for person in approvers[: proposal["people"]]:
            person.decide(proposal, "approve")


def _waiting(tina: Platform, act: str, about: Mapping[str, str]) -> list[dict[str, Any]]:
    return [each for each in tina.proposals() if each["act"] == act and about.items() <= each["facts"].items()]
