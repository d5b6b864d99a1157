"""Rule packs: the risk rules of a book as data, version by version, as people approved them.

A pack is the file of rules, byte for byte, and the names of the sanctions lists that have to be screened. The first is
founded with the book; every further one is the act `rule_pack`, and holds from its time on. What rules mean is risk's;
here is which of them hold. Database, gateway and notary compare every decision on a payment with the pack that was in
force at the time of its row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import RULE_PACK_MUST_EXIST, RULE_PACK_VERSION_MUST_BE_NEXT
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Fault, Refused

ACT: Final = "rule_pack"


@dataclass(frozen=True)
class RulePack:
    """One version: its file, the lists it wants screened, from when on it holds, and the row that said so."""

    version: int
    effective_from: datetime
    document: bytes = field(repr=False)
    sha256: str
    lists: tuple[str, ...]
    sequence: int


def packs(connection: Connection, book: int) -> list[RulePack]:
    """Every version, the latest first."""
    return [_pack_of(row) for row in connection.execute(QUERIES.rule_packs, {"book": book})]


def pack_in_force(connection: Connection, book: int, at: datetime, before: int | None = None) -> RulePack:
    """The version in force at a time, of a row of the journal by what stands `before` it; `rule_pack_must_exist`."""
    row = connection.execute(QUERIES.rule_pack_at, {"book": book, "at": at, "before": before}).fetchone()
    if row is None:
        raise RULE_PACK_MUST_EXIST()
    return _pack_of(row)


def found(core: Core, document: bytes, sha256: str, lists: Sequence[str]) -> RulePack:
    """The first pack of a book, if it has none; the one in force."""
    book = core.book.book_id
    with core.connection() as connection:
        known = packs(connection, book)
    if not known:
        event = derived(UUID(int=book), "rule pack 1")
        said = {"version": 1, "sha256": sha256, "lists": list(lists)}
        line = Line(Kind.EVENT, event, code=EventName.RULE_PACK_SET, payload=said)
        row = {"book": book, "event": event, "document": document, "lists": list(lists)}
        try:
            core.post(Unit([line], [(QUERIES.found_rule_pack, row)]))
        except Refused as refused:  # another core was faster
            if refused.refusal.fault is not Fault.STATE:
                raise
    with core.connection() as connection:
        return pack_in_force(connection, book, core.clock())


def propose(
    core: Core, by: Session, document: str, sha256: str, lists: Sequence[str], effective_from: datetime
) -> Drafted:
    """Propose the next pack. `change` puts it in force once others have approved it."""
    with core.connection() as connection:
        known = packs(connection, core.book.book_id)
    if not known:
        raise RULE_PACK_MUST_EXIST()
    facts = {
        "version": str(known[0].version + 1),
        "effective_from": effective_from.astimezone(UTC).isoformat(),
        "document": document,
        "sha256": sha256,
        "lists": " ".join(lists),
    }
    return proposals.propose(core, by, core.new_id(), ACT, facts=facts)


def change(core: Core, proposal_id: UUID) -> None:
    """Put a complete proposal's pack in force, at its time or now if that has passed; `proposal_is_not_complete`,
    `rule_pack_version_must_be_next`. Doing it again changes nothing.
    """
    book = core.book.book_id
    with core.connection() as connection:
        facts = proposals.proposal_of(connection, book, proposal_id).terms.facts
    event = derived(proposal_id, "carried out")
    said = {
        "version": int(facts.get("version", "0")),
        "sha256": facts.get("sha256", ""),
        "lists": facts.get("lists", "").split(),
        "effective_from": facts.get("effective_from", ""),
        "proposal": str(proposal_id),
    }
    line = Line(Kind.EVENT, event, code=EventName.RULE_PACK_SET, payload=said)
    core.post(Unit([line], [(QUERIES.change_rule_pack, {"book": book, "event": event, "proposal": proposal_id})]))


def change_all(core: Core) -> int:
    """`change` for every complete proposal; for the core's rounds. One that another was faster than is left alone."""
    with core.connection() as connection:
        complete = proposals.complete(connection, core.book.book_id, core.clock(), ACT)
    left = [RULE_PACK_VERSION_MUST_BE_NEXT]
    return proposals.carry_out_each(complete, lambda each: change(core, each.proposal_id), leaving=left)


def judged(core: Core, decision: Line) -> Statement:
    """Beside risk's decision: the database finds that it is by the pack in force, or `rules_changed_meanwhile`."""
    return QUERIES.require_rule_pack, {"book": core.book.book_id, "event": decision.id}


def objection(connection: Connection, book: int, said: Mapping[str, Any], at: datetime, sequence: int) -> str:
    """Why what RISK_DECISION says in a row is not by the pack that was in force there; nothing if it is."""
    pack = pack_in_force(connection, book, at, sequence)
    if said.get("rules", {}).get("sha256") != pack.sha256:
        return "by other rules than those in force"
    screened = {each.get("list") for each in said.get("lists", ())}
    missing = [name for name in pack.lists if name not in screened]
    return f"without the list {missing[0]}" if missing else ""


def _pack_of(row: tuple[Any, ...]) -> RulePack:
    return RulePack(row[0], row[1], bytes(row[2]), bytes(row[3]).hex(), tuple(row[4]), row[5])
