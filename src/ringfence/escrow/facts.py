"""Facts: what the journal has about an agreement before a row. A pure fold over its events, in their order.

    MILESTONE_APPROVED   the first approval of a party counts, whatever it says later
    CLAIM_OPENED         the first of an id
    CLAIM_SETTLED        the last word of each arbiter counts; the claim is settled by the row that makes as many of
                         them as are needed say the same, and stays settled as that row left it

What a row says for a party that is not named for it, or of another agreement, does not count. Time is that of the row
for which facts are asked.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ringfence.database.connection import Connection
from ringfence.escrow.conditions import Claim, Facts
from ringfence.escrow.document import Agreement
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import Kind

SPOKEN: Final = (EventName.MILESTONE_APPROVED, EventName.CLAIM_OPENED, EventName.CLAIM_SETTLED)
_MINOR: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Said:
    """A row of the journal in which a party said something."""

    sequence: int
    code: int
    says: Mapping[str, Any]


@dataclass(frozen=True)
class OpenedClaim:
    """A claim with the tranche that it is about, and the last words of its arbiters in minor units for the payees."""

    tranche: str
    claim: Claim
    party: str
    words: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True)
class Heard:
    """Everything that was said: approvals by milestone and party with their rows, and claims by their id. `last` is the
    last row that says something, or the row of the proposal.
    """

    approvals: Mapping[str, Mapping[str, int]] = field(hash=False)
    claims: Mapping[str, OpenedClaim] = field(hash=False)
    last: int

    def of(self, tranche: str, now: datetime) -> Facts:
        """What a condition of a tranche is evaluated by, at a time."""
        claims = tuple(each.claim for each in self.claims.values() if each.tranche == tranche)
        return Facts(now, self.approvals, claims)


def hear(agreement: Agreement, rows: Iterable[Said], proposed: int) -> Heard:
    """Fold the rows, which are in order, into what was said."""
    approvals: dict[str, dict[str, int]] = {}
    claims: dict[str, OpenedClaim] = {}
    last = proposed
    for row in rows:
        party, says = str(row.says.get("party")), row.says
        if says.get("agreement") != str(agreement.agreement_id):
            continue
        if row.code == EventName.MILESTONE_APPROVED:
            milestone = str(says.get("milestone"))
            if party in agreement.milestones.get(milestone, frozenset()):
                approvals.setdefault(milestone, {}).setdefault(party, row.sequence)
                last = row.sequence
        elif row.code == EventName.CLAIM_OPENED:
            name, tranche = str(says.get("claim")), agreement.tranche(str(says.get("tranche")))
            if agreement.claims and party in agreement.claims.by and tranche is not None and name not in claims:
                claims[name] = OpenedClaim(tranche.name, Claim(name, row.sequence, None, None), party, {})
                last = row.sequence
        elif row.code == EventName.CLAIM_SETTLED:
            found = claims.get(str(says.get("claim")))
            get = str(says.get("payees_get"))
            named = agreement.claims is not None and party in agreement.claims.arbiters
            if found is not None and named and _MINOR.fullmatch(get):
                claims[found.claim.claim] = _settle(agreement, found, party, int(get), row.sequence)
                last = row.sequence
    return Heard(approvals, claims, last)


def _settle(agreement: Agreement, found: OpenedClaim, party: str, payees_get: int, sequence: int) -> OpenedClaim:
    if found.claim.settled is not None or agreement.claims is None:
        return found
    words = dict(found.words) | {party: payees_get}
    claim = found.claim
    if list(words.values()).count(payees_get) >= agreement.claims.needed:
        claim = Claim(claim.claim, claim.opened, sequence, payees_get)
    return OpenedClaim(found.tranche, claim, found.party, words)


def heard_of(connection: Connection, agreement: Agreement, proposed: int, before: int = reading.LATEST) -> Heard:
    """What was said about an agreement before a row of the journal."""
    rows = reading.rows_of_order(connection, agreement.book, agreement.agreement_id)
    return hear(agreement, spoken(rows, before), proposed)


def spoken(rows: Iterable[reading.JournalLine], before: int = reading.LATEST) -> list[Said]:
    """Of the rows of an agreement those in which a party said something."""
    return [
        Said(row.sequence, row.code, row.said)
        for row in rows
        if row.kind == Kind.EVENT and row.code in SPOKEN and row.sequence < before
    ]
