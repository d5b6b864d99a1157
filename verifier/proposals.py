"""Proposals, who approved them, and from when on what they changed is in force, from the rows alone.

PROPOSAL_MADE says the act, who made it, and how many others the policy wants to approve it; PROPOSAL_APPROVED says one
who did. Who made it is not counted, and without at least one other nothing is approved.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from book import Row

PROPOSAL_MADE, PROPOSAL_APPROVED, POLICY_SET = 1020, 1021, 1023
HOUR_MICROSECONDS: Final = 3_600_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Proposal:
    act: str
    order: bytes
    maker: str
    people: int
    signed: bool  # must the approvals be?
    policy: int | None  # version
    approved_by: set[str] = field(default_factory=set)

    @property
    def others(self) -> set[str]:
        """Who approved it beside its maker."""
        return self.approved_by - {self.maker}

    def approved_by_enough(self, people: int) -> bool:
        return len(self.others) >= max(1, people)

    @property
    def approved(self) -> bool:
        """By as many as it asks for."""
        return self.approved_by_enough(self.people)


class Proposals(dict[str, Proposal]):
    """The proposals of the rows so far, by their ids."""

    def made(self, row: Row, said: dict[str, Any]) -> Proposal:
        signed, policy = said.get("signed", False) is True, said.get("policy_version")
        made = Proposal(said["act"], row.order_id, said["maker"], said["people"], signed, policy)
        self[said["proposal"]] = made
        return made

    def approved(self, said: dict[str, Any]) -> None:
        if said["proposal"] in self:
            self[said["proposal"]].approved_by.add(said["person"])

    def agreed(self, proposal: str | None, act: str) -> bool:
        """Is this a proposal of the act that enough others approved?"""
        asked = self.get(proposal or "")
        return asked is not None and asked.act == act and asked.approved


def in_force_from(row: Row, said: dict[str, Any]) -> int:
    """From when on what a row puts in force is; never before the row."""
    later = said.get("effective_from")
    return max(row.posted_at, microseconds(later)) if later else row.posted_at


def microseconds(text: str) -> int:
    """Since 1970, of a time with its zone."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
