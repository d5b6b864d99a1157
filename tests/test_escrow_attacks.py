"""A taken core against escrow: it can append what it likes, and the notary and a stranger name the first such row.

The core's process has every right of its role: it appends rows to the journal without calling any function of escrow.
It has nobody's token.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from escrow_world import DELIVERED, Escrow, date_reached, escrow_world
from evidence_world import verdict_of
from ringfence.authority import proposals
from ringfence.custody.orders import hold_of
from ringfence.escrow import document as documents
from ringfence.escrow.conditions import sha256_of
from ringfence.escrow.document import order_of, release_of, return_of
from ringfence.escrow.queries import QUERIES
from ringfence.escrow.reading import Standing, heard, look
from ringfence.escrow.verification import audit
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.ledger.codes import EventName
from ringfence.ledger.encoding import leaves
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.storage import head_of, read_block
from ringfence.refusal import Refused
from verifier_world import BOOK, imported

ESCROW = imported("escrow")


@pytest.fixture
def escrow(database, tmp_path):
    with escrow_world(database, tmp_path) as found:
        yield found


@dataclass
class Taken:
    """The core in somebody else's hands, and the two who look."""

    escrow: Escrow
    database: Any
    clean: list[Any] = field(default_factory=list)  # rows that were appended in earnest, as the verifier reads them
    read: int = 0

    def rows(self) -> list[Any]:
        """The rows since the last look, as the verifier reads them."""
        with self.database.connect("notary") as connection:
            block = read_block(connection, self.escrow.book, self.read, head_of(connection, self.escrow.book))
        found = [
            BOOK.decode(leaf, self.read + at)
            for at, leaf in enumerate(leaves(self.escrow.book, self.read, block.posted_at, block.batch))
        ]
        self.block, self.read = block, self.read + len(found)
        return found

    def in_earnest(self) -> None:
        """What was appended since the last look was no attack: both look at it and find nothing."""
        self.clean += self.rows()
        with self.database.connect("notary") as connection:
            audit(connection, self.escrow.book, self.block)
        assert self.stranger() is None

    def stranger(self, *more: Any) -> tuple[int, str] | None:
        found = ESCROW.Escrow(ESCROW.Approvals())
        try:
            for row, payload in [*self.clean, *more]:
                found.approvals.add(row, payload)
                found.add(row, payload)
        except ESCROW.Wrong as wrong:
            return wrong.facts["sequence"], wrong.name
        return None

    def append(self, *chain: Line) -> tuple[int, str, str | None]:
        """Append a chain; which of its rows the notary names and why, and what the stranger says, if of the same
        row.
        """
        answers = self.escrow.core.writer.submit(Unit(chain))
        assert not any(answer.result for answer in answers), answers
        rows = self.rows()
        with self.database.connect("notary") as connection, pytest.raises(Refused) as refused:
            audit(connection, self.escrow.book, self.block)
        assert refused.value.name == "row_contradicts_its_agreement"
        place = refused.value.facts["sequence"] - answers[0].sequence
        seen = self.stranger(*rows)
        named = seen[1] if seen and seen[0] == answers[0].sequence + place else None
        return place, str(refused.value.facts["because"]), named

    def event(self, about: Standing, code: EventName, said: dict[str, Any], **columns: Any) -> Line:
        payload = {"agreement": str(about.agreement_id)} | said
        line = Line(Kind.EVENT, self.escrow.core.new_id(), order_id=about.agreement_id, code=code, payload=payload)
        return replace(line, **columns)

    def money(self, about: Standing, kind: Kind, amount: int, tranche: str = "all", customer: str = "c2") -> Line:
        with self.escrow.core.connection() as connection:
            hold = hold_of(connection, self.escrow.book, order_of(about.agreement_id, tranche, customer))
        return replace(hold, kind=kind, id=self.escrow.core.new_id(), refers_to=hold.id, amount=amount)

    def taken_back(self, about: Standing) -> Line:
        """A correction of what was released."""
        post = derived(order_of(about.agreement_id, "all", "c2"), "post")
        held = self.money(about, Kind.CORRECTION, about.terms.amount)
        return replace(held, refers_to=post, debit_account=held.credit_account, credit_account=held.debit_account)

    def ending(self, about: Standing, code: EventName, **other: Any) -> Line:
        """What an honest core would say if the condition were true."""
        with self.escrow.core.connection() as connection:
            said = heard(connection, self.escrow.standing(about))
        seen = look(about, said, "all", self.escrow.world.now)
        trace = seen.release if code == EventName.ESCROW_RELEASED else seen.give_back
        amount = seen.due if code == EventName.ESCROW_RELEASED else seen.tranche.amount
        more = {"proposal": None} if code == EventName.ESCROW_RELEASED else {}
        words = {"tranche": "all", "amount_minor": str(amount), "facts": said.last, "trace_sha256": trace.sha256()}
        return self.event(about, code, words | {"condition_sha256": sha256_of(trace.condition)} | more | other)


def test_every_forged_row_is_named_by_the_notary_and_by_a_stranger(escrow, database):
    """
    money moves by itself · a release whose condition is not true · a return before its time · a milestone that nobody
    approved, one of a party that is not named · a claim settled by nobody · less than is due · another trace, another
    document, an agreement that nobody approved · a release taken back · a fact filed under another
    order · an agreement in force called off
    """
    taken = Taken(escrow, database)
    escrow.world.pay_in("c1", 40_000_00)
    one, other, third = escrow.propose(), escrow.propose(claims=None), escrow.propose(claims=None)
    large = {"name": "all", "payees": [{"customer": "c2", "amount": "12000.00"}], "release": DELIVERED}
    unapproved = escrow.propose(large)
    escrow.world.wait(minutes=11)  # or risk holds the next
    delivered = [escrow.propose() for _ in range(2)]
    claim = escrow.claim(one)
    paid = escrow.propose()
    for each in (*delivered, paid):
        escrow.approve(each)
    escrow.release(paid)
    taken.in_earnest()
    with escrow.core.connection() as connection:
        [asked] = proposals.proposals_of_order(connection, escrow.book, unapproved.agreement_id)

    released, returned = EventName.ESCROW_RELEASED, EventName.ESCROW_RETURNED
    approved = {"milestone": "delivered", "party": "courier", "by": "bella"}
    settled = {"claim": str(claim), "party": "judge", "by": "rita", "payees_get": "10000"}
    opened = {"claim": str(claim), "tranche": "all", "party": "buyer", "by": "client:shop"}
    exchanged = documents.said_of(unapproved.terms) | {"claims": None}
    itself, untrue, mismatch = (
        "escrow_money_moves_by_itself", "escrow_condition_was_not_true", "escrow_row_does_not_keep_its_agreement",
    )  # fmt: skip
    attacks: list[tuple[Callable[[], list[Line]], int, str, str | None]] = [
        (lambda: [taken.event(one, EventName.MILESTONE_APPROVED, approved)], 0, "there is no speaker", None),
        (lambda: [taken.event(one, EventName.CLAIM_SETTLED, settled)], 0, "there is no speaker", None),
        (
            lambda: [taken.event(one, EventName.MILESTONE_APPROVED, approved | {"party": "seller"})],
            0, "there is no speaker", mismatch,
        ),
        (
            lambda: [taken.event(other, EventName.CLAIM_OPENED, opened)],
            0, "there is no speaker", mismatch,
        ),
        (
            lambda: [taken.event(one, EventName.MILESTONE_APPROVED, approved, order_id=other.agreement_id)],
            0, "filed under another order", mismatch,
        ),
        (lambda: [taken.ending(other, returned), taken.money(other, Kind.VOID, 0)], 0, "was not true", untrue),
        (lambda: [taken.ending(third, released), taken.money(third, Kind.POST, 100_00)], 0, "was not true", untrue),
        (
            lambda: [
                taken.ending(delivered[0], released, trace_sha256="0" * 64),
                taken.money(delivered[0], Kind.POST, 100_00),
            ],
            0, "another trace", mismatch,
        ),
        (
            lambda: [taken.ending(delivered[1], released), taken.money(delivered[1], Kind.POST, 99_99)],
            1, "another amount moves", mismatch,
        ),
        (
            lambda: [taken.event(unapproved, EventName.ESCROW_AGREED, {"sha256": unapproved.sha256, "proposal": None})],
            0, "does not have it as agreed", None,
        ),
        (
            lambda: [taken.event(unapproved, EventName.ESCROW_AGREED, {
                "sha256": unapproved.sha256, "proposal": str(asked.proposal_id),
            })],
            0, "does not have it as agreed", mismatch,
        ),
        (lambda: [taken.taken_back(paid)], 0, "no event of its chain says why", itself),
        (
            lambda: [taken.event(unapproved, EventName.ESCROW_PROPOSED, {
                "sha256": documents.sha256_of(documents.write(documents.read_said(exchanged))), "document": exchanged,
                "maker": "tina", "state": "awaiting_approval", "holds": [],
            })],
            0, "does not have this document", mismatch,
        ),
        (
            lambda: [taken.event(other, EventName.ESCROW_CALLED_OFF, {"because": "withdrawn"})],
            0, "is in force", mismatch,
        ),
        (lambda: [taken.money(unapproved, Kind.POST, 12_000_00)], 0, "no event of its chain says why", itself),
    ]  # fmt: skip
    for forge, place, because, named in attacks:
        found = taken.append(*forge())
        assert (found[0], because in found[1], found[2]) == (place, True, named), found


def test_what_was_forged_is_not_signed_and_what_is_true_is_proven_to_a_stranger(escrow, tmp_path):
    """The whole way: released, returned, signed, exported, verified. Then a core that lets the money go by itself: the
    notary signs up to that row, raises the alarm with its number, and signs nothing after it.
    """
    world = escrow.world
    found, back, kept = escrow.propose(), escrow.propose(expires_at="2026-03-02T09:05:00Z"), escrow.propose()
    escrow.approve(found)
    world.turn()
    world.wait(minutes=6)
    world.turn()
    assert [escrow.standing(each).tranches[0].state for each in (found, back, kept)] == ["released", "returned", "held"]
    world.notary.step(world.now)
    log = world.gateway.evidence
    done = export(tmp_path / "export", log, read_verifier(log), [])
    verdict = verdict_of(tmp_path / "export", read_verifier(log))
    detail = {each["name"]: each["detail"] for each in verdict["checks"]}["escrow"]
    assert verdict["valid"] is True
    assert detail == "3 escrow agreements; 1 tranches released and 1 returned, each while it might be."

    taken = Taken(escrow, None)
    [answer] = escrow.core.writer.submit(Unit([taken.money(kept, Kind.POST, 100_00)]))
    with pytest.raises(Refused) as refused:
        world.notary.step(world.now)
    facts = refused.value.facts
    assert (refused.value.name, facts["sequence"]) == ("row_contradicts_its_agreement", answer.sequence)
    assert facts["agreement"] == str(kept.agreement_id)
    assert world.notary.checkpoint.size == done.checkpoint.size


def test_the_cores_role_writes_no_table_of_escrow_and_no_more_leaves_a_tranche_than_it_has(escrow, database):
    """Raw SQL as the core, and as the owner; a post above the hold; a hold resolved twice; a document exchanged."""
    found = escrow.propose()
    statements = [
        b"UPDATE escrow.agreement SET state = 'ended'",
        b"UPDATE escrow.tranche SET state = 'released', paid = amount, ended = 1",
        b"DELETE FROM escrow.fact",
        b"INSERT INTO escrow.fact SELECT 1, 1, agreement_id, 1172, 'courier', 'bella' FROM escrow.agreement",
        b"UPDATE escrow.holding SET customer_id = 'c3'",
        b"SELECT escrow.standing(1, agreement_id, 'in_force') FROM escrow.agreement",
        b"SELECT escrow.require_leave(1, NULL, 1, now(), NULL, 'escrow_release', a, 1, '{}') FROM escrow.agreement a",
    ]
    for statement in statements:
        with database.connect("core") as core, pytest.raises(psycopg.errors.InsufficientPrivilege):
            core.execute(statement)
    for statement in (b"UPDATE escrow.agreement SET document = '{}', sha256 = sha256('{}')", *statements[2:5:2]):
        with database.connect("owner") as owner, pytest.raises(psycopg.Error) as no:
            owner.execute(statement)
        assert no.value.sqlstate == "RF003", statement

    taken = Taken(escrow, database)
    names = []
    for kind, amount in ((Kind.POST, 100_01), (Kind.VOID, 0), (Kind.POST, 100_00)):
        [answer] = escrow.core.writer.submit(Unit([taken.money(found, kind, amount)]))
        names.append(answer.result.word)
    assert names == ["amount_must_not_exceed_pending_amount", "posted", "pending_transfer_already_voided"]
    escrow.approve(found)
    with pytest.raises(Refused) as refused:
        escrow.release(found)
    assert refused.value.name == "tranche_has_ended"


def test_what_people_approved_is_this_agreement_and_no_other(escrow, database):
    """A core that has people's approval of one agreement tries to put another in force with it."""
    escrow.world.pay_in("c1", 40_000_00)
    large = {"name": "all", "payees": [{"customer": "c2", "amount": "12000.00"}], "release": DELIVERED}
    loose = {"release": date_reached("2026-03-01T00:00:00Z")}
    shown, swapped = escrow.propose(large), escrow.propose(large | loose)
    with escrow.core.connection() as connection:
        [asked] = proposals.proposals_of_order(connection, escrow.book, shown.agreement_id)
    proposals.approve(escrow.core, escrow.person("adam"), asked.proposal_id, asked.payload_sha256)
    assert release_of(shown.terms, shown.terms.tranches[0]) != release_of(swapped.terms, swapped.terms.tranches[0])
    assert return_of(shown.terms, shown.terms.tranches[0]) != return_of(swapped.terms, swapped.terms.tranches[0])
    taken = Taken(escrow, database)
    for proposal, name in ((asked.proposal_id, "proposal_is_about_something_else"), (None, "amount_needs_approval")):
        said = {"sha256": swapped.sha256, "proposal": str(proposal) if proposal else None}
        event = taken.event(swapped, EventName.ESCROW_AGREED, said)
        row = {"book": escrow.book, "event": event.id, "agreement": swapped.agreement_id, "proposal": proposal}
        with pytest.raises(Refused) as refused:
            escrow.core.post(Unit([event], [(QUERIES.agree, row)]))
        assert refused.value.name == name
    assert derived(swapped.agreement_id, "agreed") != derived(shown.agreement_id, "agreed")
    assert json.loads(asked.payload)["facts"]["agreement_sha256"] == shown.sha256
    assert UUID(json.loads(asked.payload)["order"]) == shown.agreement_id
