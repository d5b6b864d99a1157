"""Diligence's part of the console: files by state and by what is due, a file with everybody and everything in it, and
what people may do with it. The timeline of a file is read from the journal.
"""

from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import Response

from ringfence.authority.routes import session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.diligence import deciding, evidence, proof
from ringfence.diligence.advancing import WARNING_DAYS
from ringfence.diligence.files import CUSTOMER, Desk, Whole, counted, due, files, potential_matches, whole_file
from ringfence.diligence.lifecycle import EVENTS, STATES
from ringfence.diligence.profiles import RISK_CLASSES
from ringfence.diligence.provider import Answer
from ringfence.diligence.routes import (
    MAY_COLLECT,
    NewDocument,
    NewOwner,
    amounts,
    collector,
    own,
    percent,
    router,
    take,
)
from ringfence.vault.fields import DOCUMENT_NUMBER, IDENTITY_NUMBER, MAY_SEE, OWNER_NUMBER
from ringfence.vault.keeping import masks
from ringfence.web.fields import PAGE_ROWS, Blank, Text
from ringfence.web.shell import Entry, Module, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

TONES: Final = {
    "applied": "quiet",
    "documents": "waiting",
    "screened": "waiting",
    "verified": "good",
    "restricted": "bad",
    "closed": "quiet",
    "match": "good",
    "no_match": "bad",
    "later": "waiting",
    "unavailable": "watch",
    "clear": "good",
    "cleared": "good",
    "potential": "watch",
    "listed": "bad",
}
LACKING: Final = ("documents", "valid documents", "owners", "identity", "screening")
RESTRICTIONS: Final = ("review_lapsed", "document_expired", "listed", "person")

CustomerId = Annotated[str, Path(max_length=40)]
Reason = Annotated[str, Form(max_length=REASON_CHARACTERS_MAX)]
OptionalDay = Annotated[date | None, Blank, Form()]
OptionalText = Annotated[str | None, Blank, Form(max_length=140)]

pages = APIRouter()


@pages.get("/diligence")
def list_files(
    visit: Signed,
    state: Text = None,
    due_within_days: Annotated[int | None, Blank, Query(ge=0, le=3_660)] = None,
    after: Text = None,
) -> Response:
    profile = visit.desk(Desk).profile
    due_by = None if due_within_days is None else visit.now.date() + timedelta(days=due_within_days)
    with visit.core.connection() as connection:
        found = files(connection, visit.book, state=state, due_by=due_by, after=after or "", limit=PAGE_ROWS)
        numbers = counted(connection, visit.book)
        soon = due(connection, visit.book, visit.now.date() + timedelta(days=WARNING_DAYS))
        potential = potential_matches(connection, visit.book)
    kept = {"state": state, "due_within_days": due_within_days}
    asked = {name: value for name, value in kept.items() if value is not None}
    return visit.page(
        "diligence/files.html",
        files=found,
        asked=kept,
        states=STATES,
        counted=numbers,
        soon=soon,
        warning_days=WARNING_DAYS,
        potential=potential,
        profile=profile,
        tiers=[(each, amounts(each.limits.said())) for each in profile.tiers.values()],
        owner_share=percent(profile.owner_share_bp),
        tones=TONES,
        older=f"/diligence?{urlencode(asked | {'after': found[-1].customer_id})}" if len(found) == PAGE_ROWS else None,
        newest=f"/diligence?{urlencode(asked)}" if after else None,
    )


@pages.get("/diligence/{customer_id}")
def one_file(visit: Signed, customer_id: CustomerId) -> Response:
    """A file with its parties, documents and timeline, and with what this person may do about it."""
    desk = visit.desk(Desk)
    with visit.core.connection() as connection:
        whole = whole_file(connection, visit.book, customer_id)
        steps = proof.steps(connection, visit.book, customer_id)
        rows = [f"{customer_id}:{each.step}" for each in whole.documents]
        numbers = {
            DOCUMENT_NUMBER: masks(connection, visit.book, [DOCUMENT_NUMBER], rows),
            OWNER_NUMBER: masks(
                connection, visit.book, [OWNER_NUMBER], [f"{customer_id}:{each.party}" for each in whole.parties]
            ),
            IDENTITY_NUMBER: masks(connection, visit.book, [IDENTITY_NUMBER], [customer_id]),
        }
    found, person = whole.file, visit.person
    collects = found.state != "closed" and person.has_role(*MAY_COLLECT)
    return visit.page(
        "diligence/file.html",
        file=found,
        whole=whole,
        limits=amounts(found.limited.said()),
        restricted_from=found.restricted_from(desk.profile),
        missing=deciding.missing(whole, desk.profile, visit.now.date()) if found.state != "closed" else [],
        people=deciding.needs_people(whole, desk.profile) if found.state != "closed" else False,
        steps=steps[::-1],
        matched={each.party: _matched(desk, whole, each.party) for each in whole.parties},
        percent=percent,
        customer_party=CUSTOMER,
        kinds=evidence.KINDS,
        controls=evidence.CONTROLS,
        tiers=desk.profile.names(found.nature),
        risk_classes=RISK_CLASSES,
        numbers={
            **{f"document {row}": each.get("number") for row, each in numbers[DOCUMENT_NUMBER].items()},
            **{f"party {row}": each.get("identity_number") for row, each in numbers[OWNER_NUMBER].items()},
            f"party {customer_id}:{CUSTOMER}": numbers[IDENTITY_NUMBER][customer_id].get("identity_number"),
        },
        may_see=person.has_role(*MAY_SEE),
        may_collect=collects,
        may_judge=found.state != "closed" and person.has_role(*deciding.MAY_JUDGE),
        may_restrict=found.state not in ("applied", "closed") and person.has_role(*deciding.MAY_RESTRICT),
        may_close=collects,
        reason_max=REASON_CHARACTERS_MAX,
        tones=TONES,
    )


@pages.post("/diligence/{customer_id}/documents")
def bring_document(
    visit: Signed,
    customer_id: CustomerId,
    party: Annotated[str, Form(max_length=20)],
    kind: Annotated[str, Form(max_length=40)],
    country: Annotated[str, Form(max_length=2)],
    sha256: Annotated[str, Form(max_length=64)],
    expires: OptionalDay = None,
    number: OptionalText = None,
) -> Response:
    paper = NewDocument(
        kind=kind,
        country=country.upper(),
        sha256=sha256.lower(),
        expires=expires,
        number=number[:40] if number else None,
        party=party,
    )
    take(visit, customer_id, paper)
    return visit.go(f"/diligence/{customer_id}", said="document_taken")


@pages.post("/diligence/{customer_id}/owners")
def name_owner(
    visit: Signed,
    customer_id: CustomerId,
    party: Annotated[str, Form(max_length=20)],
    name: Annotated[str, Form(min_length=1, max_length=140)],
    nature: Annotated[str, Form(pattern="^(person|firm)$")],
    identity_number: Annotated[str, Form(max_length=40)],
    parent: Annotated[str, Form(max_length=20)],
    share_percent: Annotated[str | None, Blank, Form(pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$")] = None,
    control: OptionalText = None,
) -> Response:
    owner = NewOwner(
        party=party,
        name=name.strip(),
        nature="firm" if nature == "firm" else "person",
        identity_number=identity_number,
        share_percent=share_percent,
        control=control[:40] if control else None,
        parent=parent,
    )
    own(visit, customer_id, owner)
    return visit.go(f"/diligence/{customer_id}", said="owner_named")


@pages.post("/diligence/{customer_id}/owners/{party}/withdrawal")
def withdraw_owner(visit: Signed, customer_id: CustomerId, party: Annotated[str, Path(max_length=20)]) -> Response:
    evidence.withdraw_owner(visit.desk(Desk), customer_id, party, by=collector(visit))
    return visit.go(f"/diligence/{customer_id}", said="owner_withdrawn")


@pages.post("/diligence/{customer_id}/tier")
def ask_tier(
    visit: Signed,
    customer_id: CustomerId,
    tier: Annotated[str, Form(max_length=40)],
    risk_class: Annotated[str, Form(max_length=20)],
) -> Response:
    evidence.ask_tier(visit.desk(Desk), customer_id, tier, by=collector(visit), risk_class=risk_class)
    return visit.go(f"/diligence/{customer_id}", said="tier_asked")


@pages.post("/diligence/{customer_id}/matches/{party}")
def judge(
    visit: Signed,
    customer_id: CustomerId,
    party: Annotated[str, Path(max_length=20)],
    judged: Annotated[str, Form(max_length=40)],
    reason: Reason = "",
) -> Response:
    deciding.judge_match(visit.desk(Desk), session_of(visit), customer_id, party, judged, reason)
    return visit.go(f"/diligence/{customer_id}", said="match_judged")


@pages.post("/diligence/{customer_id}/restriction")
def restrict(
    visit: Signed, customer_id: CustomerId, direction: Annotated[str, Form(max_length=10)], reason: Reason = ""
) -> Response:
    deciding.restrict_customer(visit.desk(Desk), session_of(visit), customer_id, direction, reason)
    return visit.go(f"/diligence/{customer_id}", said="customer_restricted")


@pages.post("/diligence/{customer_id}/closing")
def close(visit: Signed, customer_id: CustomerId) -> Response:
    deciding.close_customer(visit.desk(Desk), session_of(visit), customer_id)
    return visit.go(f"/diligence/{customer_id}", said="customer_closed")


def _matched(desk: Desk, whole: Whole, party: str) -> list[dict[str, Any]]:
    """The entries that a party's name is like, with the names that the list gives them."""
    told = []
    for each in whole.party(party).matches or ():
        entry = desk.screen.entry(each["list"], each["entry"])
        names = [name.text for name in entry.names] if entry else []
        told.append({"list": each["list"], "entry": each["entry"], "score": each["score"], "names": names})
    return told


def _potential(visit: Visit) -> int:
    with visit.core.connection() as connection:
        return potential_matches(connection, visit.book)


def _carry_out(visit: Visit, proposal_id: UUID) -> None:
    deciding.carry_out(visit.desk(Desk), proposal_id)


MODULE: Final = Module(
    package="diligence",
    router=router,
    pages=pages,
    entries=[Entry("/diligence", msg("Due diligence"), Part.MONEY, 12, _potential)],
    carries_out={deciding.ACT: _carry_out},
    words={
        "file state": STATES,
        "file step": list(EVENTS),
        "identity answer": [each.value for each in Answer],
        "screening": ["clear", "potential", "cleared", "listed"],
        "document kind": evidence.KINDS,
        "control": evidence.CONTROLS,
        "risk class": RISK_CLASSES,
        "restriction": RESTRICTIONS,
        "lacking": LACKING,
        "limit": ["balance", "payment", "month", "year", "lifetime"],
        "fact": ["nature", "role", "tier", "risk_class", "step", "documents", "owners", "cleared_matches"],
        "notice": [
            "document_taken",
            "owner_named",
            "owner_withdrawn",
            "tier_asked",
            "match_judged",
            "customer_restricted",
            "customer_closed",
        ],
    },
)
