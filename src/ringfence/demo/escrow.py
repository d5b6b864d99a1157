"""Money that waits, in the demo: one agreement is released when the buyer has the goods, one goes back because the
seller cancels, and one waits for somebody to look at it on the page *Escrow*.

Ids follow from the day's first order, so that a day that is played again asks for the same.
"""

from typing import Any, Final
from uuid import UUID

from ringfence.demo.platform import Platform
from ringfence.demo.scenario import CURRENCY, Customer, Scenario
from ringfence.ledger.ids import derived

EXPIRES: Final = "2099-12-31T00:00:00Z"
ENDS: Final = {"bicycle": "released", "piano": "returned", "roof": "held"}
"""What is bought, and how the day leaves its tranche."""
_AMOUNTS: Final = {"bicycle": "18.00", "piano": "12.00", "roof": "15.00"}


def propose_all(platform: Platform, scenario: Scenario) -> dict[str, UUID]:
    """Propose the three agreements, each for the first customer who can pay and whom nothing holds; their ids."""
    found: dict[str, UUID] = {}
    candidates = iter(scenario.customers)
    for what in ENDS:
        for payer in candidates:
            payee = _neighbour(scenario, payer)
            identity = derived(scenario.acts[0].order_id, f"{what} for {payer.customer_id}")
            said = _agreement(what, identity, payer, payee)
            if platform.ask("POST", "/api/v1/escrow/agreements", said, refusals=True).get("state") in (
                "in_force",
                "ended",
            ):
                found[what] = identity
                break
    return found


def speak(platform: Platform, found: dict[str, UUID]) -> None:
    """The buyer of the bicycle has it; the seller of the piano cancels. The program brings both words."""
    for what, milestone, party in (("bicycle", "delivered", "buyer"), ("piano", "cancelled", "seller")):
        if what in found:
            path = f"/api/v1/escrow/agreements/{found[what]}/milestones"
            platform.ask("POST", path, {"milestone": milestone, "party": party}, refusals=True)


def have_ended(platform: Platform, found: dict[str, UUID]) -> bool:
    """Whether each has come to where the day leaves it; the core's rounds do that by themselves."""
    return all(_state(platform, identity) == ENDS[what] for what, identity in found.items())


def _state(platform: Platform, identity: UUID) -> str:
    said: dict[str, Any] = platform.ask("GET", f"/api/v1/escrow/agreements/{identity}")
    return str(said["tranches"][0]["state"])


def _neighbour(scenario: Scenario, payer: Customer) -> Customer:
    """Somebody else whose money is at the same bank."""
    return next(each for each in scenario.customers if each.bank == payer.bank and each != payer)


def _agreement(what: str, identity: UUID, payer: Customer, payee: Customer) -> dict[str, Any]:
    delivered = {
        "call": "milestone_approved@1", "milestone": "delivered", "needed": 1, "parties": ["buyer", "inspector"],
    }  # fmt: skip
    cancelled = {"call": "milestone_approved@1", "milestone": "cancelled", "needed": 1, "parties": ["seller"]}
    return {
        "agreement": str(identity),
        "payer": payer.customer_id,
        "currency": CURRENCY,
        "parties": {
            "buyer": f"customer:{payer.customer_id}",
            "seller": f"customer:{payee.customer_id}",
            "inspector": "person:adam",
            "judge": "person:rita",
        },
        "claims": {"by": ["buyer"], "arbiters": ["judge"], "needed": 1},
        "tranches": [
            {
                "name": what,
                "payees": [{"customer": payee.customer_id, "amount": _AMOUNTS[what]}],
                "release": delivered,
                "return": cancelled,
            }
        ],
        "expires_at": EXPIRES,
        "reference": f"one {what}",
    }
