"""The brake: while it is pulled, no payout leaves the gateway.

BRAKE_PULLED says who pulled it (a person, or "indicator" and which one) and why. BRAKE_RELEASED names the proposal
`brake_release` whose approvals allow it. The state follows from these events in their order and from nothing else:

  pulled     by the first BRAKE_PULLED; further ones are reasons more, and outlive a release proposed before them
  released   by a BRAKE_RELEASED whose proposal verifies at its time, names that pull, and was made after every pull

A BRAKE_RELEASED that does not meet this is listed as `ignored`, and the brake stays pulled.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
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
    ignored: tuple[int, ...] = ()  # releases that do not hold, by their sequence

    @property
    def last_pull(self) -> int:
        """The sequence that a release has to come after."""
        return self.again[-1].sequence if self.again else self.sequence


@dataclass(frozen=True)
class BrakeEvent:
    """One line of the brake's history."""

    sequence: int
    at: datetime
    pulled: bool
    by: str
    reason: str
    indicator: str | None
    proposal_id: UUID | None
    counts: bool  # a release that does not hold does not count


NEVER_PULLED: Final = Brake(pulled=False, since=None, reason="", by="", sequence=-1)


def brake_state(connection: Connection, book: int) -> Brake:
    """The brake as the journal tells it. Role core or gateway."""
    return _told(connection, book)[0]


def brake_history(connection: Connection, book: int) -> list[BrakeEvent]:
    """Every pull and release, the latest first."""
    return _told(connection, book)[1][::-1]


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
    facts = {"pulled": str(brake.sequence), "pulled_because": brake.reason, "reason": reason, "red": " ".join(red)}
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


def _told(connection: Connection, book: int) -> tuple[Brake, list[BrakeEvent]]:
    brake, history = NEVER_PULLED, list[BrakeEvent]()
    for sequence, code, at, payload in connection.execute(QUERIES.brake_events, {"book": book}).fetchall():
        said = json.loads(bytes(payload))
        if code == EventName.BRAKE_PULLED:
            pulled = Pull(sequence, at, said.get("by", ""), said.get("reason", ""), said.get("indicator"))
            brake = _pulled(brake, pulled)
            history.append(BrakeEvent(sequence, at, True, pulled.by, pulled.reason, pulled.indicator, None, True))
        else:
            holds, approvers = _holds(connection, book, brake, said, at)
            proposal_id = UUID(said["proposal"]) if holds else None
            history.append(BrakeEvent(sequence, at, False, approvers, "", None, proposal_id, holds))
            if holds:
                brake = Brake(False, at, "", approvers, sequence, ignored=brake.ignored)
            else:
                brake = replace(brake, ignored=(*brake.ignored, sequence))
    return brake, history


def _pulled(brake: Brake, pulled: Pull) -> Brake:
    if brake.pulled:
        return replace(brake, again=(*brake.again, pulled))
    return Brake(True, pulled.at, pulled.reason, pulled.by, pulled.sequence, pulled.indicator, ignored=brake.ignored)


def _holds(connection: Connection, book: int, brake: Brake, said: Any, at: datetime) -> tuple[bool, str]:
    """Whether a BRAKE_RELEASED holds, and by whose approval."""
    try:
        record = verification.record_of(connection, book, UUID(said["proposal"]))
        terms = verification.verified_terms(record, at)
    except (Refused, ValueError, KeyError, TypeError):
        return False, ""
    names_the_pull = terms.act == ACT and terms.facts.get("pulled") == str(brake.sequence)
    after_every_pull = brake.pulled and record.proposal.made > brake.last_pull
    return names_the_pull and after_every_pull, ", ".join(record.proposal.approved_by)


def _release_is_proposed(connection: Connection, book: int, brake: Brake, at: datetime) -> bool:
    standing: Sequence[proposals.Proposal] = [
        *proposals.pending(connection, book, at, ACT),
        *proposals.complete(connection, book, at, ACT),
    ]
    return any(each.made > brake.last_pull for each in standing)
