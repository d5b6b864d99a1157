"""The lifecycle of a customer's file: one table, which the database has too (`diligence.moves`).

A step is (from, what happens, to); `None` is the state before the file exists. What is not in the table is refused.
Steps that leave the state as it is stand here as well, because each is an event of its own.

>>> moves("screened", "verified")
('verified',)
>>> is_final("closed"), is_final("restricted")
(True, False)
"""

from typing import Final

from ringfence.diligence.refusals import FILE_MAY_NOT_DO_THAT_NOW
from ringfence.ledger.codes import EventName

_EVIDENCE: Final = (
    ("applied", "applied"),
    ("documents", "documents"),
    ("screened", "documents"),
    ("verified", "verified"),
    ("restricted", "restricted"),
)
_IN_HAND: Final = ("documents", "verified", "restricted")

LIFECYCLE: Final[tuple[tuple[str | None, str, str], ...]] = (
    (None, "applied", "applied"),
    ("applied", "document taken", "documents"),
    *((before, "document taken", after) for before, after in _EVIDENCE[1:]),
    *((before, "owner named", after) for before, after in _EVIDENCE),
    *((before, "owner withdrawn", after) for before, after in _EVIDENCE),
    *((state, "identity answered", state) for state in _IN_HAND),
    ("documents", "names screened", "documents"),
    ("documents", "names screened", "screened"),
    ("screened", "names screened", "documents"),
    ("screened", "names screened", "screened"),
    ("verified", "names screened", "verified"),
    ("restricted", "names screened", "restricted"),
    ("screened", "verified", "verified"),
    ("verified", "verified", "verified"),
    ("restricted", "verified", "verified"),
    *((state, "restricted", "restricted") for state in ("documents", "screened", "verified", "restricted")),
    *((state, "closed", "closed") for state in ("applied", "documents", "screened", "verified", "restricted")),
    ("documents", "match judged", "documents"),
    ("documents", "match judged", "screened"),
    ("verified", "match judged", "verified"),
    ("restricted", "match judged", "restricted"),
    *((state, "tier asked", state) for state in ("applied", "documents", "screened", "verified", "restricted")),
)
"""Six states: 已申请, 收集资料, 已筛查, 已核实, 受限, 已销户."""

EVENTS: Final = {
    "applied": EventName.FILE_OPENED,
    "document taken": EventName.DOCUMENT_TAKEN,
    "owner named": EventName.OWNER_NAMED,
    "owner withdrawn": EventName.OWNER_WITHDRAWN,
    "identity answered": EventName.IDENTITY_ANSWERED,
    "names screened": EventName.NAMES_SCREENED,
    "verified": EventName.CUSTOMER_VERIFIED,
    "restricted": EventName.CUSTOMER_RESTRICTED,
    "closed": EventName.CUSTOMER_CLOSED,
    "match judged": EventName.MATCH_JUDGED,
    "tier asked": EventName.TIER_ASKED,
}
STATES: Final = ("applied", "documents", "screened", "verified", "restricted", "closed")


def moves(state: str | None, act: str) -> tuple[str, ...]:
    """The states to which `act` may take a file, or `file_may_not_do_that_now`."""
    found = tuple(after for before, what, after in LIFECYCLE if (before, what) == (state, act))
    if not found:
        raise FILE_MAY_NOT_DO_THAT_NOW(state=state or "new", act=act)
    return found


def is_final(state: str) -> bool:
    return all(before != state for before, _, _ in LIFECYCLE)
