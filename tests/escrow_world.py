"""A small platform with a buyer, a seller, a courier and a shop's program, for the tests of escrow."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from custody_world import World, custody_world
from ringfence.authority import clients
from ringfence.authority.actors import Client
from ringfence.authority.policy import Policy
from ringfence.escrow import agreements, releasing, saying
from ringfence.escrow.reading import Standing, agreement

DELIVERED = {"call": "milestone_approved@1", "milestone": "delivered", "needed": 1, "parties": ["buyer", "courier"]}
CANCELLED = {"call": "milestone_approved@1", "milestone": "cancelled", "needed": 1, "parties": ["seller"]}
NO_CLAIM = {"call": "no_open_claim@1"}
EXPIRES = "2026-03-20T12:00:00Z"
PARTIES = {
    "buyer": "customer:c1",
    "seller": "customer:c2",
    "courier": "person:bella",
    "judge": "person:rita",
    "second-judge": "person:adam",
}
CLAIMS = {"by": ["buyer"], "arbiters": ["judge"], "needed": 1}


def date_reached(at: str) -> dict[str, Any]:
    return {"call": "date_reached@1", "at": at}


@dataclass
class Escrow:
    """The platform, with the program of its shop."""

    world: World
    shop: Client
    made: int = 0
    parties: dict[str, str] = field(default_factory=lambda: dict(PARTIES))

    @property
    def core(self):
        return self.world.core

    @property
    def book(self) -> int:
        return self.core.book.book_id

    def person(self, login: str):
        return self.world.sessions[login]

    def given(self, *tranches: dict[str, Any], **other: Any) -> dict[str, Any]:
        """An agreement as somebody describes it: c1 pays c2 100.00 when it is delivered."""
        self.made += 1
        one = {"name": "all", "payees": [{"customer": "c2", "amount": "100.00"}], "release": DELIVERED}
        return {
            "agreement": str(UUID(int=(0xE5C << 96) + self.made, version=4)),
            "payer": "c1",
            "currency": "EUR",
            "parties": self.parties,
            "claims": CLAIMS,
            "tranches": [*tranches] or [one | {"return": CANCELLED}],
            "expires_at": EXPIRES,
        } | other

    def propose(self, *tranches: dict[str, Any], by: Any = None, **other: Any) -> Standing:
        given = self.given(*tranches, **other)
        return agreements.propose(self.world.desk, given, by=by or self.person("tina"))

    def standing(self, found: Standing) -> Standing:
        with self.core.connection() as connection:
            return agreement(connection, self.book, found.agreement_id)

    def approve(
        self, found: Standing, milestone: str = "delivered", party: str = "courier", by: Any = None
    ) -> Standing:
        return saying.approve_milestone(self.core, found.agreement_id, milestone, party, by=by or self.person("bella"))

    def claim(self, found: Standing, tranche: str = "all") -> UUID:
        claim = self.core.new_id()
        vault = self.world.desk.vault
        saying.open_claim(self.core, vault, found.agreement_id, claim, tranche, "buyer", "it is broken", by=self.shop)
        return claim

    def settle(self, found: Standing, claim: UUID, payees_get: int, party: str = "judge", by: str = "rita") -> Standing:
        return saying.settle_claim(self.core, found.agreement_id, claim, party, payees_get, by=self.person(by))

    def release(self, found: Standing, tranche: str = "all", by: Any = None) -> releasing.Asked:
        return releasing.release(self.core, found.agreement_id, tranche, by=by or self.person("tina"))

    def give_back(self, found: Standing, tranche: str = "all") -> Standing:
        return releasing.give_back(self.core, found.agreement_id, tranche)

    def balance(self, customer: str) -> tuple[int, int]:
        return self.world.balance(f"customer:{customer}:available")


@contextmanager
def escrow_world(database: Any, home: Path, policy: Policy | None = None) -> Iterator[Escrow]:
    with custody_world(database, home, policy=policy) as world:
        new = clients.add_client(world.core, world.sessions["sara"], "shop", ["orders:read", "orders:write"])
        world.pay_in("c1", 1_000_00)
        yield Escrow(world, new.client)
