"""Evidence: documents, owners, what the provider says, what the lists say. Each is one step of the file.

Whoever brings evidence is remembered with it and does not decide on the file (segregation of duties). Documents are
known to us by the digest of their scan; the scan itself stays where the platform keeps it.

A firm's owners are named as a chain: each is a party with a parent, from the customer down to natural persons (FATF
Recommendation 24; Regulation (EU) 2024/1624, Articles 51 to 55; 受益所有人信息管理办法).
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from ringfence.authority.actors import Actor, maker_of
from ringfence.diligence.files import CUSTOMER, Desk, Party, Whole, file_id, post_step, step_line, taken, whole_file
from ringfence.diligence.profiles import RISK_CLASSES
from ringfence.diligence.provider import Answer, Inquiry
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import (
    DOCUMENT_COUNTRY_IS_A_CODE,
    DOCUMENT_DIGEST_IS_MALFORMED,
    DOCUMENT_HAS_EXPIRED,
    DOCUMENT_KIND_IS_UNKNOWN,
    DOCUMENT_NUMBER_IS_MALFORMED,
    IDENTITY_PROVIDER_IS_DOWN,
    ONLY_A_FIRM_HAS_OWNERS,
    OWNER_OWNS_OR_CONTROLS,
    PARTY_IS_A_WORD,
    PARTY_IS_NAMED_ALREADY,
    RISK_CLASS_IS_UNKNOWN,
    SHARES_MUST_NOT_EXCEED_THE_WHOLE,
)
from ringfence.ledger.ids import derived
from ringfence.refusal import Refused
from ringfence.risk.decision import Match
from ringfence.vault.fields import DOCUMENT_NUMBER, IDENTITY_NUMBER, OWNER_NUMBER, Shape, normalised
from ringfence.vault.keeping import owner as owner_of_fields

KINDS: Final = (
    "identity_card",
    "passport",
    "residence_permit",
    "address_proof",
    "licence",
    "articles",
    "owner_register",
    "income_proof",
)
CONTROLS: Final = ("votes", "appoints", "agreement", "senior_manager")
"""Control by other means than shares; the senior manager only where nobody else is found."""
WHOLE_BP: Final = 10_000
SCREENED_AT_A_TIME: Final = 50
MATCHES_TOLD: Final = 5
"""Of a name that is like many, the likest."""
ASK_AGAIN_SECONDS: Final = 2
ASK_AGAIN_SECONDS_MAX: Final = 3_600
_WORD: Final = re.compile(r"[a-z][a-z0-9-]{0,19}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_NUMBER: Final = re.compile(r"[A-Z0-9]{3,30}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
NO_COUNTRY: Final = "ZZ"


def take_document(
    desk: Desk,
    customer_id: str,
    *,
    kind: str,
    country: str,
    sha256: str,
    by: Actor,
    expires: date | None = None,
    number: str | None = None,
    party: str = CUSTOMER,
) -> Whole:
    """Take a document of somebody of the file; the provider and the lists are asked (again) for that party.
    `document_kind_is_unknown`, `document_country_is_a_code`, `document_digest_is_malformed`,
    `document_number_is_malformed`, `document_has_expired`, `party_of_the_file_must_be_named`,
    `file_may_not_do_that_now`. The same document again changes nothing.
    """
    core = desk.core
    if kind not in KINDS:
        raise DOCUMENT_KIND_IS_UNKNOWN(kind=kind[:40], known=", ".join(KINDS))
    if not _COUNTRY.fullmatch(country):
        raise DOCUMENT_COUNTRY_IS_A_CODE()
    if not _DIGEST.fullmatch(sha256):
        raise DOCUMENT_DIGEST_IS_MALFORMED()
    if number is not None and not _NUMBER.fullmatch(normalised(Shape.IDENTITY, number)):
        raise DOCUMENT_NUMBER_IS_MALFORMED()
    if expires is not None and expires < core.clock().date():
        raise DOCUMENT_HAS_EXPIRED(expires=expires)
    whole = _whole(desk, customer_id)
    whole.party(party)
    told = (party, kind, country, expires, bytes.fromhex(sha256))
    if any(told == (each.party, each.kind, each.country, each.expires, each.sha256) for each in whole.documents):
        return whole
    by_word = maker_of(by)
    said = {"party": party, "kind": kind, "expires": expires.isoformat() if expires else None, "sha256": sha256}
    line = step_line(core, whole.file, "document taken", _after_evidence(whole), said | {"by": by_word})
    more = {"party": party, "kind": kind, "country": country, "expires": expires, "sha256": told[-1]}
    also = [taken(core, QUERIES.take_document, line, **more, taken_by=by_word)]
    if number is not None:
        row = f"{customer_id}:{whole.file.step + 1}"
        also.append(desk.vault.keep(owner_of_fields(customer_id), DOCUMENT_NUMBER, row, number))
    post_step(core, line, also)
    return _whole(desk, customer_id)


def name_owner(
    desk: Desk,
    customer_id: str,
    party: str,
    *,
    name: str,
    nature: str,
    identity_number: str,
    by: Actor,
    share_bp: int | None = None,
    control: str | None = None,
    parent: str = CUSTOMER,
) -> Whole:
    """Name somebody who owns or controls a firm of the file. `party_is_a_word`, `party_of_the_file_must_be_named`,
    `only_a_firm_has_owners`, `owner_owns_or_controls`, `document_number_is_malformed`, `party_is_named_already`,
    `shares_must_not_exceed_the_whole`, `file_may_not_do_that_now`. The same again changes nothing.
    """
    core, whole = desk.core, _whole(desk, customer_id)
    if not _WORD.fullmatch(party) or party == CUSTOMER:
        raise PARTY_IS_A_WORD(party=party[:40])
    if whole.party(parent).nature != "firm":
        raise ONLY_A_FIRM_HAS_OWNERS(party=parent)
    if (share_bp is None and control is None) or (share_bp is not None and not 0 < share_bp <= WHOLE_BP):
        raise OWNER_OWNS_OR_CONTROLS(known=", ".join(CONTROLS))
    if control is not None and control not in CONTROLS:
        raise OWNER_OWNS_OR_CONTROLS(known=", ".join(CONTROLS))
    if not _NUMBER.fullmatch(normalised(Shape.IDENTITY, identity_number)):
        raise DOCUMENT_NUMBER_IS_MALFORMED()
    for each in whole.parties:
        if each.party == party:
            if (each.name, each.nature, each.parent, each.share_bp, each.control) == (
                name,
                nature,
                parent,
                share_bp,
                control,
            ):
                return whole
            raise PARTY_IS_NAMED_ALREADY()
    together = (share_bp or 0) + sum(each.share_bp or 0 for each in whole.parties if each.parent == parent)
    if together > WHOLE_BP:
        raise SHARES_MUST_NOT_EXCEED_THE_WHOLE(parent=parent, percent=f"{together // 100}.{together % 100:02d}")
    said = {"party": party, "nature": nature, "parent": parent, "share_bp": share_bp, "control": control}
    line = step_line(core, whole.file, "owner named", _after_evidence(whole, applied=True), said | {"by": maker_of(by)})
    kept = desk.vault.keep(owner_of_fields(customer_id), OWNER_NUMBER, f"{customer_id}:{party}", identity_number)
    post_step(core, line, [taken(core, QUERIES.name_owner, line, party=party, name=name), kept])
    return _whole(desk, customer_id)


def withdraw_owner(desk: Desk, customer_id: str, party: str, *, by: Actor) -> Whole:
    """Take an owner out of the file, with everybody who was named through him; `owner_must_be_named`."""
    core, whole = desk.core, _whole(desk, customer_id)
    whole.party(party)
    said = {"party": party, "by": maker_of(by)}
    line = step_line(core, whole.file, "owner withdrawn", _after_evidence(whole, applied=True), said)
    post_step(core, line, [taken(core, QUERIES.withdraw_owner, line, party=party)])
    return _whole(desk, customer_id)


def ask_tier(desk: Desk, customer_id: str, tier: str, *, by: Actor, risk_class: str | None = None) -> Whole:
    """Ask for another tier, or put the customer into another risk class; evidence and people decide. `tier_is_unknown`,
    `risk_class_is_unknown`. What stands already changes nothing.
    """
    core, whole = desk.core, _whole(desk, customer_id)
    found = whole.file
    if risk_class is not None and risk_class not in RISK_CLASSES:
        raise RISK_CLASS_IS_UNKNOWN(risk_class=risk_class[:40])
    said = {"tier": desk.profile.tier(tier, found.nature).name, "risk_class": risk_class or found.risk_class}
    if (said["tier"], said["risk_class"]) == (found.asks, found.risk_class):
        return whole
    line = step_line(core, found, "tier asked", found.state, said | {"by": maker_of(by)})
    post_step(core, line, [taken(core, QUERIES.ask_tier, line)])
    return _whole(desk, customer_id)


# -- what the core asks for by itself --------------------------------------------------------------------------------


def ask_provider(desk: Desk, whole: Whole, party: Party) -> Answer:
    """Ask the provider for one party, and take the answer. When it is down, that is the answer, and it is asked again:
    after some seconds at first, and no later than every hour.
    """
    core, customer_id = desk.core, whole.file.customer_id
    papers = [each for each in whole.documents if each.party == party.party]
    since = papers[-1].step if papers else party.named
    inquiry = Inquiry(
        identity=derived(file_id(core.book.book_id, customer_id), f"inquiry {party.party} {since}"),
        attempt=party.attempts + 1,
        nature=party.nature,
        country=(papers or whole.documents)[-1].country if whole.documents else NO_COUNTRY,
        name=party.name,
        number=_number_of(desk, customer_id, party),
    )
    try:
        answer = desk.provider.ask(inquiry)
    except Refused as refused:
        if refused.refusal is not IDENTITY_PROVIDER_IS_DOWN:
            raise
        answer = Answer.UNAVAILABLE
    again = answer in (Answer.LATER, Answer.UNAVAILABLE)
    wait = min(ASK_AGAIN_SECONDS * 4 ** min(party.attempts, 10), ASK_AGAIN_SECONDS_MAX)
    said = {"party": party.party, "provider": desk.provider.name, "inquiry": str(inquiry.identity)}
    said |= {"attempt": str(inquiry.attempt), "answer": answer.value}
    line = step_line(core, whole.file, "identity answered", whole.file.state, said)
    more = {"party": party.party, "ask_after": core.clock() + timedelta(seconds=wait) if again else None}
    post_step(core, line, [taken(core, QUERIES.take_answer, line, **more)])
    return answer


def screen_parties(desk: Desk, whole: Whole, parties: list[Party]) -> None:
    """Look the names of some parties up on the lists. A likeness that a person judged to be somebody else is cleared
    again while the lists show the same entries. So many parties are one step as one row has room for; the rest is the
    next.
    """
    core, found = desk.core, {}
    for each in parties[:SCREENED_AT_A_TIME]:
        matches = desk.screen.matches(each.name, desk.profile.score_least)[:MATCHES_TOLD]
        found[each.party] = {"outcome": _outcome(each, matches), "matches": [_told(match) for match in matches]}
    rest = [each for each in whole.parties if each.party not in found]
    clear = all(each["outcome"] in ("clear", "cleared") for each in found.values())
    done = clear and all(each.is_clear for each in rest) and all(each.is_found for each in whole.parties)
    becomes = whole.file.state
    if becomes in ("documents", "screened"):
        becomes = "screened" if done else "documents"
    said = {"parties": found, "lists": lists_digest(desk)}
    line = step_line(core, whole.file, "names screened", becomes, said)
    post_step(core, line, [taken(core, QUERIES.take_screening, line)])


def lists_digest(desk: Desk) -> str:
    """One digest for the lists that are loaded."""
    return hashlib.sha256("".join(sorted(each.sha256 for each in desk.screen.lists)).encode()).hexdigest()


def _outcome(party: Party, matches: list[Match]) -> str:
    if not matches:
        return "clear"
    judged = {(each["list"], each["entry"]) for each in party.matches or ()}
    if party.screening == "cleared" and {(each.list, each.entry) for each in matches} <= judged:
        return "cleared"
    return "potential"


def _told(match: Match) -> dict[str, Any]:
    """A match as the journal says it: the entry of the list, and no name."""
    return {"list": match.list, "entry": match.entry, "score": match.score}


def _number_of(desk: Desk, customer_id: str, party: Party) -> str:
    if party.party == CUSTOMER:
        return desk.vault.open(IDENTITY_NUMBER, customer_id)
    return desk.vault.open(OWNER_NUMBER, f"{customer_id}:{party.party}")


def _after_evidence(whole: Whole, *, applied: bool = False) -> str:
    """Where new evidence takes a file: back to its documents, unless it was verified once."""
    state = whole.file.state
    if state == "screened" or (state == "applied" and not applied):
        return "documents"
    return state


def _whole(desk: Desk, customer_id: str) -> Whole:
    with desk.core.connection() as connection:
        return whole_file(connection, desk.core.book.book_id, customer_id)


def said_of(whole: Whole) -> Mapping[str, str]:
    """A file in a few words, for whoever decides on it."""
    found = whole.file
    return {
        "customer": found.customer_id,
        "nature": found.nature,
        "role": found.role,
        "tier": found.asks,
        "risk_class": found.risk_class,
        "step": str(found.step),
        "documents": ", ".join(dict.fromkeys(each.kind for each in whole.documents)),
        "owners": str(len(whole.parties) - 1),
        "cleared_matches": str(sum(each.screening == "cleared" for each in whole.parties)),
    }
