"""The brake: while it is pulled, no payout leaves the gateway.

BRAKE_PULLED says who pulled it (a person, or "indicator" and which one) and why. BRAKE_RELEASED names the proposal
`brake_release` whose approvals allow it. The state follows from these events in their order and from nothing else:

  - A release holds if its proposal verifies at that time, names the last pull before it, and was made after that pull.
  - The brake is pulled if there is a pull with no release after it that holds. It counts from the first pull after the
    last release that holds; later ones are reasons more.

So a pull after a release was proposed takes that release back, and an event that only claims a release changes nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from ringfence.authority import proposals, verification
from ringfence.authority.actors import Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.roles import Role
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.incident.indicators import turns_of
from ringfence.incident.queries import QUERIES
from ringfence.incident.refusals import BRAKE_IS_NOT_PULLED, BRAKE_IS_PULLED, BRAKE_WAS_PULLED_AGAIN, REASON_IS_MISSING
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused

ACT: Final = "brake_release"
BY_INDICATOR: Final = "indicator"
MAY_PULL: Final = (Role.TREASURER, Role.APPROVER, Role.RISK_OFFICER, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN)
REASON_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True)
class Pull:
    """Somebody pulled."""

    sequence: int
    at: datetime
    by: str
    reason: str
    indicator: str | None


@dataclass(frozen=True)
class Brake:
    """The brake as it stands. While it is pulled, `sequence`, `since`, `by` and `reason` are those of the pull, and
    `again` holds later ones; once it is released, `sequence` and `since` are those of the release.
    """

    pulled: bool
    since: datetime | None
    reason: str
    by: str
    sequence: int  # -1: it was never pulled
    indicator: str | None = None
    again: tuple[Pull, ...] = ()
    ignored: tuple[int, ...] = ()  # what claims to be a release since then and does not hold, by sequence

    @property
    def last_pull(self) -> int:
        """The pull that a release has to name."""
        return self.again[-1].sequence if self.again else self.sequence


@dataclass(frozen=True)
class Release:
    """Somebody said that the brake is released; it is, if this holds. `by` are those who approved."""

    sequence: int
    at: datetime
    by: str
    proposal_id: UUID | None
    holds: bool


NEVER_PULLED: Final = Brake(pulled=False, since=None, reason="", by="", sequence=-1)


def brake_state(connection: Connection, book: int) -> Brake:
    """The brake as the journal tells it. Role core or gateway. Read backwards, to the last release that holds."""
    pulls: list[Pull] = []
    ignored: list[int] = []
    released: Release | None = None
    for event in _last_first(connection, book):
        if isinstance(event, Pull):
            pulls.insert(0, event)
        elif event.holds:
            released = event
            break
        else:
            ignored.insert(0, event.sequence)
    if pulls:
        first = pulls[0]
        return Brake(
            True,
            first.at,
            first.reason,
            first.by,
            first.sequence,
            first.indicator,
            tuple(pulls[1:]),
            tuple(ignored),
        )
    if released:
        return Brake(False, released.at, "", released.by, released.sequence, ignored=tuple(ignored))
    return replace(NEVER_PULLED, ignored=tuple(ignored))


def brake_history(connection: Connection, book: int, limit: int = 50) -> list[Pull | Release]:
    """Pulls and releases, the latest first."""
    return list(islice(_last_first(connection, book), limit))


def require_released(connection: Connection, book: int) -> None:
    """`brake_is_pulled` while it is."""
    brake = brake_state(connection, book)
    if brake.pulled:
        raise BRAKE_IS_PULLED(since=brake.since, reason=brake.reason)


def pull_line(event: UUID, by: str, reason: str, indicator: str | None = None) -> Line:
    """The event of a pull, for somebody's unit."""
    said = {"by": by, "reason": reason, "indicator": indicator}
    return Line(Kind.EVENT, event, code=EventName.BRAKE_PULLED, payload=said)


def pull(core: Core, by: Session, reason: str, *, event: UUID | None = None) -> Brake:
    """Stop every payout, at once and alone. Pulling a pulled brake is one brake: nothing is written, unless a release
    has been proposed meanwhile, which the new pull takes back. `reason_is_missing`; `person_lacks_the_role`.
    """
    by.require_role(*MAY_PULL)
    reason = require_reason(reason)
    with core.connection() as connection:
        brake = brake_state(connection, core.book.book_id)
        if brake.pulled and not _release_is_proposed(connection, core.book.book_id, brake, core.clock()):
            return brake
    core.post(Unit([pull_line(event or core.new_id(), by.person_id, reason)]))
    with core.connection() as connection:
        return brake_state(connection, core.book.book_id)


def propose_release(core: Core, by: Session, reason: str) -> Drafted:
    """Propose to release the brake; `brake_is_not_pulled`. Two others approve, then `release` does it. The proposal
    says which indicators are red, so that nobody approves without having been told.
    """
    reason = require_reason(reason)
    with core.connection() as connection:
        brake = brake_state(connection, core.book.book_id)
        red = sorted(turn.name for turn in turns_of(connection, core.book.book_id).values() if turn.level == "red")
    if not brake.pulled:
        raise BRAKE_IS_NOT_PULLED()
    because = " / ".join([brake.reason, *(each.reason for each in brake.again)])
    facts = {"pulled": str(brake.last_pull), "pulled_because": because, "reason": reason, "red": " ".join(red)}
    return proposals.propose(core, by, core.new_id(), ACT, facts=facts)


def release(core: Core, proposal_id: UUID) -> Brake:
    """Release the brake by a complete proposal; `proposal_is_not_complete`, `brake_was_pulled_again`. Doing it again
    changes nothing.
    """
    book = core.book.book_id
    with core.connection() as connection:
        proposal = proposals.proposal_of(connection, book, proposal_id)
        brake = brake_state(connection, book)
        if brake.pulled and brake.last_pull > proposal.made:
            raise BRAKE_WAS_PULLED_AGAIN()
    event = derived(proposal_id, "carried out")
    said = {"proposal": str(proposal_id), "pulled": proposal.terms.facts.get("pulled", "")}
    line = Line(Kind.EVENT, event, code=EventName.BRAKE_RELEASED, payload=said)
    row = {"book": book, "event": event, "proposal": proposal_id}
    core.post(Unit([line], also=[(QUERIES.release_brake, row)]))
    with core.connection() as connection:
        return brake_state(connection, book)


def require_reason(reason: str) -> str:
    """A reason of a few words; `reason_is_missing`."""
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX:
        raise REASON_IS_MISSING(characters=REASON_CHARACTERS_MAX)
    return reason.strip()


def _last_first(connection: Connection, book: int) -> Iterator[Pull | Release]:
    events = connection.execute(QUERIES.brake_events, {"book": book}).fetchall()
    for index in range(len(events) - 1, -1, -1):
        sequence, code, at, payload = events[index]
        said = json.loads(bytes(payload))
        if code == EventName.BRAKE_PULLED:
            indicator = said.get("indicator")
            yield Pull(sequence, at, str(said.get("by", "")), str(said.get("reason", "")), indicator and str(indicator))
        else:
            pull = max((each[0] for each in events[:index] if each[1] == EventName.BRAKE_PULLED), default=-1)
            yield _release_of(connection, book, said, sequence, at, pull)


def _release_of(
    connection: Connection, book: int, said: Mapping[str, Any], sequence: int, at: datetime, pull: int
) -> Release:
    """A BRAKE_RELEASED, judged by the record of the proposal that it names."""
    try:
        proposal_id = UUID(str(said.get("proposal")))
        record = verification.record_of(connection, book, proposal_id)
        terms = verification.verified_terms(record, at)
    except (Refused, ValueError):
        return Release(sequence, at, "", None, holds=False)
    names_the_pull = terms.act == ACT and terms.facts.get("pulled") == str(pull)
    approvers = ", ".join(record.proposal.approved_by)
    return Release(sequence, at, approvers, proposal_id, holds=names_the_pull and record.proposal.made > pull)


def _release_is_proposed(connection: Connection, book: int, brake: Brake, at: datetime) -> bool:
    standing: Sequence[proposals.Proposal] = [
        *proposals.pending(connection, book, at, ACT),
        *proposals.complete(connection, book, at, ACT),
    ]
    return any(each.made > brake.last_pull for each in standing)
