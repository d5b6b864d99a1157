"""Changing the policy: proposed by one, approved as the present policy says, in force from a time on."""

from datetime import UTC, datetime
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.policy import Policy, policies, read_document
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.core import Core
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line


def propose_policy(core: Core, session: Session, policy: Policy, effective_from: datetime) -> Drafted:
    """Propose the next version. Act `policy_change`; after the approvals, `change_policy` puts it in force."""
    with core.connection() as connection:
        last = policies(connection, core.book.book_id)[0].version
    facts = {
        "version": str(last + 1),
        "effective_from": effective_from.astimezone(UTC).isoformat(),
        "document": policy.document.decode(),
        "sha256": policy.sha256.hex(),
    }
    return proposals.propose(core, session, core.new_id(), "policy_change", facts=facts)


def change_policy(core: Core, proposal_id: UUID) -> None:
    """Put a complete proposal's policy in force, at its time or now if that has passed; `proposal_is_not_complete`,
    `policy_version_must_be_next`. Doing it again changes nothing.
    """
    with core.connection() as connection:
        facts = proposals.proposal_of(connection, core.book.book_id, proposal_id).terms.facts
    policy = read_document(facts.get("document", "").encode())
    event = derived(proposal_id, "carried out")
    said = {
        "version": int(facts.get("version", "0")),
        "sha256": policy.sha256.hex(),
        "asked_by": policy.asked_by,
        "effective_from": facts.get("effective_from", ""),
        "proposal": str(proposal_id),
    }
    line = Line(Kind.EVENT, event, code=EventName.POLICY_SET, payload=said)
    row = {"book": core.book.book_id, "event": event, "proposal": proposal_id}
    core.post(Unit([line], also=[(QUERIES.change_policy, row)]))
