"""Escrow's pages: agreements, and one agreement with its conditions as sentences and what is true now."""

from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import Response

from ringfence.authority import proposals
from ringfence.authority.passkeys.assertions import from_text, relying_party
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.custody import own
from ringfence.custody.orders import Desk
from ringfence.custody.own.pages import FromForm, to_sign
from ringfence.custody.own.routes import DOCUMENT_CHARACTERS_MAX
from ringfence.custody.routes import maker, place_of
from ringfence.escrow import agreements, releasing, saying
from ringfence.escrow.agreements import REFERENCE_CHARACTERS_MAX
from ringfence.escrow.document import BYTES_MAX, read_json
from ringfence.escrow.facts import Heard
from ringfence.escrow.reading import (
    Look,
    Standing,
    StandingTranche,
    agreement,
    agreements_of_party,
    counted,
    heard,
    look,
    waiting,
    words,
)
from ringfence.escrow.reading import agreements as standing_agreements
from ringfence.escrow.refusals import AGREEMENT_IS_NOT_VALID
from ringfence.escrow.routes import after, router, settled_amount
from ringfence.escrow.telling import Sentence, sentence
from ringfence.escrow.word import challenge_of
from ringfence.escrow.word import read as read_word
from ringfence.ledger import reading
from ringfence.ledger.routes import code_word
from ringfence.vault.keeping import Vault
from ringfence.web.fields import PAGE_ROWS, Text
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

pages = APIRouter()

STATES: Final = ("refused", "awaiting_approval", "in_force", "called_off", "ended")
TONES: Final = {
    "in_force": "waiting",
    "awaiting_approval": "waiting",
    "ended": "good",
    "refused": "bad",
    "called_off": "quiet",
    "held": "waiting",
    "released": "good",
    "returned": "quiet",
}
EXAMPLE: Final = """{
  "payer": "c0001",
  "currency": "EUR",
  "parties": {"buyer": "customer:c0001", "courier": "person:bella", "judge": "person:rita"},
  "claims": {"by": ["buyer"], "arbiters": ["judge"], "needed": 1},
  "tranches": [
    {"name": "goods",
     "payees": [{"customer": "c0002", "amount": "25.00"}],
     "release": {"call": "milestone_approved@1",
                 "milestone": "delivered", "needed": 1, "parties": ["buyer", "courier"]},
     "return": null}
  ],
  "expires_at": "2030-01-01T00:00:00Z"
}"""
Word = Annotated[str, Form(max_length=40)]
Name = Annotated[str, Path(max_length=40)]


@dataclass(frozen=True)
class ShownTranche:
    """A tranche with its conditions in words; `seen` only while it is held."""

    part: StandingTranche
    payees: tuple[tuple[str, int], ...]
    seen: Look
    release: Sentence
    give_back: Sentence


@pages.get("/escrow")
def list_agreements(
    visit: Signed,
    state: Text = None,
    customer: Text = None,
    before: Annotated[str | None, Query(max_length=80)] = None,
) -> Response:
    with visit.core.connection() as connection:
        found = standing_agreements(
            connection, visit.book, state=state, customer=customer, before=place_of(before), limit=PAGE_ROWS
        )
    asked = {"state": state, "customer": customer}
    kept = {name: value for name, value in asked.items() if value is not None}
    older = urlencode({**kept, "before": after(found[-1])}) if len(found) == PAGE_ROWS else None
    return visit.page(
        "escrow/agreements.html",
        agreements=found,
        asked=asked,
        states=STATES,
        tones=TONES,
        older=f"/escrow?{older}" if older else None,
        newest=f"/escrow?{urlencode(kept)}" if before else None,
        may_propose=visit.person.has_role(Role.TREASURER),
        identity=visit.core.new_id(),
        example=EXAMPLE,
        reference_max=REFERENCE_CHARACTERS_MAX,
        document_max=BYTES_MAX,
    )


@pages.post("/escrow")
def propose(
    visit: Signed,
    identity: Annotated[UUID, Form()],
    document: Annotated[str, Form(max_length=BYTES_MAX)],
    reference: Annotated[str, Form(max_length=REFERENCE_CHARACTERS_MAX)] = "",
) -> Response:
    by = maker(visit)
    said = read_json(document.encode(errors="surrogatepass"))
    if not isinstance(said, dict):
        raise AGREEMENT_IS_NOT_VALID(place="document", detail="it is an object")
    given = {"agreement": str(identity)} | said
    made = agreements.propose(visit.desk(Desk), given, by=by, reference=reference.strip())
    return visit.go(f"/escrow/{made.agreement_id}", said="agreement_proposed")


@pages.get("/escrow/{agreement_id}")
def one_agreement(visit: Signed, agreement_id: UUID) -> Response:
    """An agreement: who is who, each tranche with its conditions and what is true now, what was said, what may be
    done.
    """
    with visit.core.connection() as connection:
        found = agreement(connection, visit.book, agreement_id)
        said = heard(connection, found)
        told = words(connection, visit.book, agreement_id)
        rows = reading.rows_of_order(connection, visit.book, agreement_id)
        asked = agreements.proposals_about(connection, found) + [
            each
            for each in proposals.proposals_of_order(connection, visit.book, agreement_id)
            if each.act == releasing.ACT
        ]
    own = [name for name, identity in found.terms.parties.items() if identity == f"person:{visit.person.maker}"]
    claims = found.terms.claims
    return visit.page(
        "escrow/agreement.html",
        agreement=found,
        unit=found.terms.unit.code,
        tranches=[_shown(visit, found, said, each) for each in found.tranches],
        claims=[(each, _settles(found, own) and each.claim.settled is None) for each in said.claims.values()],
        spoken={each.sequence: each for each in told},
        rows=rows,
        proposals=asked,
        tones=TONES,
        code_word=code_word,
        own=own,
        may_approve=_may_approve(found, said, own),
        may_claim=[each for each in own if claims and each in claims.by],
        judges=[each for each in own if claims and each in claims.arbiters],
        may_act=visit.person.has_role(Role.TREASURER),
        identity=visit.core.new_id(),
        reason_max=saying.REASON_CHARACTERS_MAX,
    )


@pages.post("/escrow/{agreement_id}/milestones")
def approve_milestone(visit: Signed, agreement_id: UUID, milestone: Word, party: Word) -> Response:
    saying.approve_milestone(visit.core, agreement_id, milestone, party, by=session_of(visit))
    return visit.go(f"/escrow/{agreement_id}", said="milestone_approved")


@pages.post("/escrow/{agreement_id}/claims")
def open_claim(
    visit: Signed,
    agreement_id: UUID,
    identity: Annotated[UUID, Form()],
    tranche: Word,
    party: Word,
    reason: Annotated[str, Form(max_length=saying.REASON_CHARACTERS_MAX)] = "",
) -> Response:
    saying.open_claim(
        visit.core, visit.desk(Vault), agreement_id, identity, tranche, party, reason, by=session_of(visit)
    )
    return visit.go(f"/escrow/{agreement_id}", said="claim_opened")


@pages.post("/escrow/{agreement_id}/settlements")
def settle_claim(
    visit: Signed, agreement_id: UUID, claim: Annotated[UUID, Form()], party: Word, payees_get: Word
) -> Response:
    amount = settled_amount(visit, agreement_id, payees_get)
    saying.settle_claim(visit.core, agreement_id, claim, party, amount, by=session_of(visit))
    return visit.go(f"/escrow/{agreement_id}", said="claim_settled")


@pages.post("/escrow/{agreement_id}/tranches/{name}/release")
def release(visit: Signed, agreement_id: UUID, name: Name) -> Response:
    done = releasing.release(visit.core, agreement_id, name, by=maker(visit))
    if done.proposal is not None:
        return visit.go(f"/approvals/{done.proposal}", said="release_asked")
    return visit.go(f"/escrow/{agreement_id}", said="tranche_released")


@pages.post("/escrow/{agreement_id}/tranches/{name}/return")
def give_back(visit: Signed, agreement_id: UUID, name: Name) -> Response:
    maker(visit)
    releasing.give_back(visit.core, agreement_id, name)
    return visit.go(f"/escrow/{agreement_id}", said="tranche_returned")


@pages.post("/escrow/{agreement_id}/withdrawal")
def withdraw(visit: Signed, agreement_id: UUID) -> Response:
    maker(visit)
    agreements.withdraw(visit.core, agreement_id)
    return visit.go(f"/escrow/{agreement_id}", said="agreement_withdrawn")


def _shown(visit: Visit, found: Standing, said: Heard, part: StandingTranche) -> ShownTranche:
    seen = look(found, said, part.name, visit.now)
    payees = tuple((each.customer, each.amount) for each in seen.tranche.payees)
    release_, give_back_ = (sentence(each, seen.facts, visit.language) for each in (seen.release, seen.give_back))
    return ShownTranche(part, payees, seen, release_, give_back_)


def _may_approve(found: Standing, said: Heard, own: list[str]) -> list[tuple[str, str]]:
    """Milestones that the reader may approve and has not: (milestone, party)."""
    return [
        (milestone, party)
        for milestone, parties in sorted(found.terms.milestones.items())
        for party in own
        if party in parties and party not in said.approvals.get(milestone, {})
    ]


@pages.get("/my/escrow")
def own_agreements(visit: Signed) -> Response:
    """The agreements in which the customer is a party, with what the customer may still approve."""
    who = own.whose(visit.core, session_of(visit)).customer_id
    with visit.core.connection() as connection:
        found = agreements_of_party(connection, visit.book, who)
        said = {each.agreement_id: heard(connection, each) for each in found}
    parties = {
        each.agreement_id: [name for name, identity in each.terms.parties.items() if identity == f"customer:{who}"]
        for each in found
    }
    return visit.page(
        "escrow/my_escrow.html",
        agreements=found,
        parties=parties,
        milestones={
            each.agreement_id: _may_approve(each, said[each.agreement_id], parties[each.agreement_id])
            if each.state == "in_force"
            else []
            for each in found
        },
        tones=TONES,
    )


@pages.post("/my/escrow/{agreement_id}/words/documents")
def draw_up_words(visit: Signed, agreement_id: UUID, milestone: Word, party: Word) -> Response:
    """The words as they are to be signed; nothing is kept of them yet."""
    document = saying.draft_milestone(visit.core, session_of(visit), agreement_id, milestone, party)
    with visit.core.connection() as connection:
        found = agreement(connection, visit.book, agreement_id)
    return visit.page(
        "escrow/my_word_sign.html",
        words=read_word(document),
        agreement=found,
        **to_sign(visit, document, challenge_of(document)),
    )


@pages.post("/my/escrow/words")
def say_signed(
    visit: Signed,
    document: Annotated[str, Form(max_length=DOCUMENT_CHARACTERS_MAX)],
    used: FromForm,
) -> Response:
    signed = from_text("document", document)
    saying.speak(visit.core, session_of(visit), signed, used, relying_party(visit.origin))
    return visit.go("/my/escrow", said="milestone_approved")


def _settles(found: Standing, own: list[str]) -> bool:
    return found.terms.claims is not None and not set(own).isdisjoint(found.terms.claims.arbiters)


def _panel(visit: Visit) -> dict[str, Any]:
    with visit.core.connection() as connection:
        return {"counted": counted(connection, visit.book), "tones": TONES}


def _waiting(visit: Visit) -> int:
    with visit.core.connection() as connection:
        return waiting(connection, visit.book)


def _carry_out(visit: Visit, proposal_id: UUID) -> None:
    releasing.carry_out(visit.core, proposal_id)


MODULE: Final = Module(
    package="escrow",
    router=router,
    pages=pages,
    panels=[Panel("escrow", msg("Escrow"), 65, "escrow/panel.html", _panel)],
    entries=[
        Entry("/escrow", msg("Escrow"), Part.MONEY, 21, _waiting),
        Entry("/my/escrow", msg("My agreements"), Part.OWN, 5),
    ],
    carries_out=dict.fromkeys((agreements.ACT, releasing.ACT), _carry_out),
    words={
        "agreement state": list(STATES),
        "because": ["rejected", "not_decided_in_time", "withdrawn"],
        "tranche state": ["held", "released", "returned"],
        "fact": [
            "agreement", "agreement_sha256", "conditions_sha256", "condition_sha256", "trace_sha256", "payees",
            "parties", "release", "return", "tranche", "condition", "trace", "expires_at", "reference", "payer",
        ],
        "notice": [
            "agreement_proposed", "milestone_approved", "claim_opened", "claim_settled", "release_asked",
            "tranche_released", "tranche_returned", "agreement_withdrawn",
        ],
    },
)  # fmt: skip
