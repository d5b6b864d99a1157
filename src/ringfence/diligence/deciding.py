"""Deciding: what is missing, verification, restriction, closing, and what people say of a match.

Complete evidence verifies by itself in the tiers that say so. People decide (act `customer_verification`) where the
tier says so, of customers of high risk, and when a list or a person restricted the file; the database refuses an
approval by somebody who took a document of it. What they approve is the file at one step: new evidence, and they are
asked again.
"""

import calendar
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Session, maker_of
from ringfence.authority.policy import policy_in_force
from ringfence.authority.proposals import Drafted
from ringfence.authority.roles import Role
from ringfence.authority.standing.acts import require_reason
from ringfence.diligence.evidence import WHOLE_BP, said_of
from ringfence.diligence.files import (
    CUSTOMER,
    Desk,
    Document,
    Party,
    Whole,
    post_step,
    post_steps,
    step_line,
    taken,
    whole_file,
)
from ringfence.diligence.profiles import Profile
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import (
    BENEFICIAL_OWNERS_MUST_BE_NAMED,
    EVIDENCE_MUST_BE_COMPLETE,
    FILE_MAY_NOT_DO_THAT_NOW,
    MATCH_IS_NOT_OPEN,
    RESTRICTION_HAS_A_DIRECTION,
    TIER_HAS_LIMITS_IN_ANOTHER_CURRENCY,
    VERDICT_IS_UNKNOWN,
)
from ringfence.ledger.journal import Unit

ACT: Final = "customer_verification"
MAY_JUDGE: Final = (Role.APPROVER, Role.RISK_OFFICER)
MAY_RESTRICT: Final = (Role.TREASURER, Role.RISK_OFFICER)
THE_SAME: Final = "the same"
SOMEBODY_ELSE: Final = "somebody else"
DIRECTIONS: Final = ("in", "none")


# -- what there is ---------------------------------------------------------------------------------------------------


def missing(whole: Whole, profile: Profile, today: date) -> list[str]:
    """What a file still lacks for the tier that is asked for, by word; nothing: the evidence is complete."""
    found = whole.file
    tier = profile.tier(found.asks, found.nature)
    lacking = []
    good = {each.kind for each in papers(whole) if each.party == CUSTOMER and not _is_over(each, today)}
    if len(good) < tier.documents:
        lacking.append("documents")
    if any(_is_over(each, today) for each in papers(whole)):
        lacking.append("valid documents")
    if not all(_owners_are_known(whole, each, profile) for each in whole.parties if each.nature == "firm"):
        lacking.append("owners")
    if not all(each.is_found for each in whole.parties):
        lacking.append("identity")
    if not all(each.is_clear for each in whole.parties):
        lacking.append("screening")
    return lacking


def papers(whole: Whole) -> Sequence[Document]:
    """The documents that count: of each party and kind the latest."""
    return tuple({(each.party, each.kind): each for each in whole.documents}.values())


def needs_people(whole: Whole, profile: Profile) -> bool:
    """Whether people decide on the file."""
    found = whole.file
    if found.restriction in ("listed", "person") or found.risk_class == "high":
        return True
    return profile.tier(found.asks, found.nature).people


def _is_over(paper: Document, today: date) -> bool:
    return paper.expires is not None and paper.expires < today


def _owners_are_known(whole: Whole, firm: Party, profile: Profile) -> bool:
    """Whether a firm's owners are named: somebody owns enough of it or controls it, and what nobody is named for is
    less than what would make a beneficial owner, unless somebody controls by other means.
    """
    named = [each for each in whole.parties if each.parent == firm.party]
    counts = [each for each in named if each.control or (each.share_bp or 0) >= profile.owner_share_bp]
    unnamed = WHOLE_BP - sum(each.share_bp or 0 for each in named)
    return bool(counts) and (unnamed < profile.owner_share_bp or any(each.control for each in named))


# -- verification ----------------------------------------------------------------------------------------------------


def propose_verification(desk: Desk, whole: Whole, by: Session | None = None) -> Drafted:
    """Put a file with complete evidence before people, as it is at this step; `evidence_must_be_complete`."""
    core = desk.core
    _require_complete(desk, whole)
    with core.connection() as connection:
        policy = policy_in_force(connection, core.book.book_id, core.clock())
    facts = {name: text for name, text in said_of(whole).items() if text}
    drafted = proposals.draft(core, policy, core.new_id(), ACT, by=by, facts=facts)
    core.post(Unit([drafted.line], drafted.also))
    return drafted


def verify(desk: Desk, whole: Whole, proposal_id: UUID | None = None) -> None:
    """The customer is verified in the tier that is asked for; the wallet is opened in the same append, if there is
    none. `evidence_must_be_complete`, `tier_has_limits_in_another_currency`, `people_must_lift_this`,
    `collector_may_not_decide`, `proposal_is_not_complete`, `file_moved_meanwhile`.
    """
    core, found, profile = desk.core, whole.file, desk.profile
    _require_complete(desk, whole)
    if proposal_id is None and needs_people(whole, profile):
        raise EVIDENCE_MUST_BE_COMPLETE()
    tier = profile.tier(found.asks, found.nature)
    unit = desk.wallets.unit(found.customer_id)
    if not tier.limits.none and tier.limits.currency != unit:
        raise TIER_HAS_LIMITS_IN_ANOTHER_CURRENCY(currency=tier.limits.currency, wallet=unit)
    today = core.clock().date()
    review_due = months_later(today, profile.review_months[found.risk_class])
    ends = [each.expires for each in papers(whole) if each.expires is not None]
    said = {
        "tier": tier.name,
        "profile": profile.name,
        "limits": tier.limits.said(),
        "risk_class": found.risk_class,
        "review_due": review_due.isoformat(),
        "lapses_on": (min([review_due, *ends]) + timedelta(days=1)).isoformat(),
        "proposal": str(proposal_id) if proposal_id else None,
    }
    line = step_line(core, found, "verified", "verified", said)
    wallet = desk.wallets.opening(found.customer_id, line.id)
    post_step(core, line, [taken(core, QUERIES.verify, line, proposal=proposal_id)], wallet)


def months_later(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month.

    >>> months_later(date(2026, 1, 31), 1)
    datetime.date(2026, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _require_complete(desk: Desk, whole: Whole) -> None:
    lacking = missing(whole, desk.profile, desk.core.clock().date())
    if lacking == ["owners"]:
        raise BENEFICIAL_OWNERS_MUST_BE_NAMED()
    if lacking:
        raise EVIDENCE_MUST_BE_COMPLETE()
    if whole.file.state not in ("screened", "verified", "restricted"):
        raise FILE_MAY_NOT_DO_THAT_NOW(state=whole.file.state, act="verified")


# -- what people say -------------------------------------------------------------------------------------------------


def judge_match(desk: Desk, by: Session, customer_id: str, party: str, verdict: str, reason: str) -> Whole:
    """A person says whether a potential match is the one on the list: "the same" restricts in the same append; or
    "somebody else". `verdict_is_unknown`, `match_is_not_open`, `person_lacks_the_role`, `collector_may_not_decide`.
    """
    core, whole = desk.core, _whole(desk, customer_id)
    if verdict not in (THE_SAME, SOMEBODY_ELSE):
        raise VERDICT_IS_UNKNOWN()
    by.require_role(*MAY_JUDGE)
    require_reason(reason)
    if whole.party(party).screening != "potential":
        raise MATCH_IS_NOT_OPEN()
    rest = [each for each in whole.parties if each.party != party]
    done = verdict == SOMEBODY_ELSE and whole.party(party).is_found and all(e.is_found and e.is_clear for e in rest)
    becomes = "screened" if done and whole.file.state == "documents" else whole.file.state
    said = {"party": party, "person": by.person_id, "judged": verdict, "reason": reason.strip()}
    line = step_line(core, whole.file, "match judged", becomes, said)
    chain = [line]
    also = [taken(core, QUERIES.decide_match, line, party=party, token_sha256=by.token_sha256)]
    if verdict == THE_SAME:
        told = {"reason": "listed", "direction": desk.profile.restricted["listed"], "by": maker_of(by)}
        judged = replace(whole.file, step=whole.file.step + 1, state=becomes)
        chain.append(step_line(core, judged, "restricted", "restricted", told))
        also.append(taken(core, QUERIES.restrict, chain[-1]))
    post_steps(core, chain, also)
    return _whole(desk, customer_id)


def restrict_customer(desk: Desk, by: Session, customer_id: str, direction: str | None, reason: str) -> Whole:
    """A person restricts a customer; people lift it. `restriction_has_a_direction`, `person_lacks_the_role`."""
    by.require_role(*MAY_RESTRICT)
    require_reason(reason)
    if direction is not None and direction not in DIRECTIONS:
        raise RESTRICTION_HAS_A_DIRECTION()
    return restrict(desk, _whole(desk, customer_id), "person", by=by, direction=direction, why=reason.strip())


def restrict(
    desk: Desk, whole: Whole, reason: str, *, by: Session | None = None, direction: str | None = None, why: str = ""
) -> Whole:
    """Restrict a customer: nothing leaves, and whether money may come is the profile's word, or `direction`."""
    core, found = desk.core, whole.file
    said = {"reason": reason, "direction": direction or desk.profile.restricted[reason], "by": maker_of(by)}
    line = step_line(core, found, "restricted", "restricted", said | ({"why": why} if why else {}))
    post_step(core, line, [taken(core, QUERIES.restrict, line)])
    return _whole(desk, found.customer_id)


def close_customer(desk: Desk, by: Session, customer_id: str) -> Whole:
    """Close a customer's file for good, and the wallet with it; it has to be empty. `customer_must_have_no_money`,
    `person_lacks_the_role`, `file_may_not_do_that_now`.
    """
    by.require_role(*MAY_RESTRICT)
    core, whole = desk.core, _whole(desk, customer_id)
    line = step_line(core, whole.file, "closed", "closed", {"by": maker_of(by)})
    desk.wallets.close(customer_id)
    post_step(core, line, [taken(core, QUERIES.close_file, line)])
    return _whole(desk, customer_id)


def carry_out(desk: Desk, proposal_id: UUID) -> bool:
    """Verify the customer of a complete proposal; False if there is nothing (more) to do, because the file has moved on
    since, or because somebody approved who took a document of it: then others are asked.
    """
    core = desk.core
    with core.connection() as connection:
        about = proposals.proposal_of(connection, core.book.book_id, proposal_id)
    if about.act != ACT or about.state != "complete":
        return False
    whole = _whole(desk, about.terms.facts["customer"])
    if about.terms.facts["step"] != str(whole.file.step):
        return False
    if {each.taken_by for each in whole.documents} & set(about.approved_by):
        return False
    verify(desk, whole, proposal_id)
    return True


def _whole(desk: Desk, customer_id: str) -> Whole:
    with desk.core.connection() as connection:
        return whole_file(connection, desk.core.book.book_id, customer_id)
