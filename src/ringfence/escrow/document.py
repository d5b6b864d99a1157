"""The agreement as a document: canonical bytes, read strictly, and the conditions that follow from it.

    form         "ringfence escrow agreement v1"
    book, agreement                            the book's number, the agreement's id
    payer, currency, amount_minor              the customer who pays; the sum of all payees' amounts, in minor units
    parties      {"buyer": "customer:c0001", "inspector": "person:adam", "shop": "client:shop"}
    claims       {"by": ["buyer"], "arbiters": ["inspector"], "needed": 1}, or null: no claims
    tranches     [{"name", "payees": [{"customer", "amount_minor"}], "release": condition, "return": condition or null}]
    expires_at   what is still there then goes back

What is evaluated is more than what the parties wrote (`release_of`, `return_of`):

    release   the tranche's release, and where claims are possible, none is open and the last was not settled for the
              payer
    return    the tranche's return, or the agreement's time is over, or a claim was settled for the payer; and no claim
              is open, and it may not be released: who has earned money is not raced for it

If a claim was settled, the payees get what its settlement says, each in proportion to his amount, and the payer the
rest.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from ringfence.escrow import conditions
from ringfence.escrow.conditions import (
    WORD,
    AllOf,
    AnyOf,
    ClaimSettled,
    Condition,
    DateReached,
    Facts,
    MilestoneApproved,
    NoOpenClaim,
    NotSo,
    leaves,
)
from ringfence.escrow.refusals import AGREEMENT_IS_NOT_VALID, DOCUMENT_IS_NOT_JSON
from ringfence.ledger.ids import derived
from ringfence.ledger.model import canonical
from ringfence.money import INT64_MAX, Currency, currency
from ringfence.refusal import Refused

FORM: Final = "ringfence escrow agreement v1"
CONDITIONS_TAG: Final = b"ringfence escrow conditions v1\0"
BYTES_MAX: Final = 16_384
PARTIES_MAX: Final = 16
TRANCHES_MAX: Final = 20
PAYEES_MAX: Final = 20
HOLDINGS_MAX: Final = 60
_FIELDS: Final = {
    "form", "book", "agreement", "payer", "currency", "amount_minor", "parties", "claims", "tranches", "expires_at",
}  # fmt: skip
_IDENTITY: Final = re.compile(r"(customer|person|client):[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_CUSTOMER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_MINOR: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Share:
    """What a payee gets of a tranche, in minor units."""

    customer: str
    amount: int


@dataclass(frozen=True)
class Tranche:
    name: str
    payees: tuple[Share, ...]
    release: Condition
    give_back: Condition | None

    @property
    def amount(self) -> int:
        return sum(each.amount for each in self.payees)

    @property
    def milestones(self) -> dict[str, frozenset[str]]:
        """The milestones that its conditions ask for, each with the parties who may approve it."""
        found: dict[str, frozenset[str]] = {}
        for condition in (self.release, self.give_back):
            for leaf in leaves(condition) if condition is not None else ():
                if isinstance(leaf, MilestoneApproved):
                    found[leaf.milestone] = found.get(leaf.milestone, frozenset()) | set(leaf.parties)
        return found


@dataclass(frozen=True)
class Claims:
    """Who may open a claim, and how many arbiters of which settle it by the same words."""

    by: tuple[str, ...]
    arbiters: tuple[str, ...]
    needed: int


@dataclass(frozen=True)
class Agreement:
    """What the document says."""

    book: int
    agreement_id: UUID
    payer: str
    unit: Currency
    parties: Mapping[str, str]
    claims: Claims | None
    tranches: tuple[Tranche, ...]
    expires_at: datetime

    @property
    def amount(self) -> int:
        return sum(each.amount for each in self.tranches)

    @property
    def milestones(self) -> dict[str, frozenset[str]]:
        """Every milestone with the parties who may approve it somewhere in the agreement."""
        found: dict[str, frozenset[str]] = {}
        for tranche in self.tranches:
            for name, parties in tranche.milestones.items():
                found[name] = found.get(name, frozenset()) | parties
        return found

    def tranche(self, name: str) -> Tranche | None:
        return next((each for each in self.tranches if each.name == name), None)


def order_of(agreement_id: UUID, tranche: str, customer: str) -> UUID:
    """The id of the order that holds a payee's money of a tranche."""
    return derived(agreement_id, f"escrow {tranche} {customer}")


def release_of(agreement: Agreement, tranche: Tranche) -> Condition:
    """What must be true for the payees to get the tranche."""
    if agreement.claims is None:
        return tranche.release
    return AllOf((tranche.release, NoOpenClaim(), NotSo(ClaimSettled("payer"))))


def return_of(agreement: Agreement, tranche: Tranche) -> Condition:
    """What must be true for the payer to get the tranche back."""
    reasons: list[Condition] = [DateReached(agreement.expires_at)]
    reasons += [] if tranche.give_back is None else [tranche.give_back]
    reasons += [] if agreement.claims is None else [ClaimSettled("payer")]
    disputes: list[Condition] = [] if agreement.claims is None else [NoOpenClaim()]
    return AllOf((AnyOf(tuple(reasons)), *disputes, NotSo(release_of(agreement, tranche))))


def conditions_sha256(agreement: Agreement) -> str:
    """One hash of every condition that is evaluated, for those who sign."""
    said = {
        each.name: {
            "release": conditions.write(release_of(agreement, each)),
            "return": conditions.write(return_of(agreement, each)),
        }
        for each in agreement.tranches
    }
    return sha256(CONDITIONS_TAG + canonical(said)).hexdigest()


def due(tranche: Tranche, facts: Facts) -> int:
    """What the payees get of a tranche if it is released, in minor units."""
    settled = facts.settled
    return tranche.amount if settled is None else min(settled.payees_get or 0, tranche.amount)


def parts(tranche: Tranche, amount: int) -> dict[str, int]:
    """`amount` among the payees in proportion to theirs, rounded down; what rounding leaves goes to the first payees, a
    minor unit each, in the document's order.

    >>> parts(Tranche("t", (Share("b", 100), Share("a", 200)), NoOpenClaim(), None), 100)
    {'b': 34, 'a': 66}
    """
    found = {each.customer: each.amount * amount // tranche.amount for each in tranche.payees}
    for each in tranche.payees[: amount - sum(found.values())]:
        found[each.customer] += 1
    return found


# -- bytes -----------------------------------------------------------------------------------------------------------


def said_of(agreement: Agreement) -> dict[str, Any]:
    """The document as JSON."""
    claims = agreement.claims
    return {
        "form": FORM,
        "book": agreement.book,
        "agreement": str(agreement.agreement_id),
        "payer": agreement.payer,
        "currency": agreement.unit.code,
        "amount_minor": str(agreement.amount),
        "parties": dict(agreement.parties),
        "claims": None
        if claims is None
        else {"by": list(claims.by), "arbiters": list(claims.arbiters), "needed": claims.needed},
        "tranches": [
            {
                "name": each.name,
                "payees": [{"customer": one.customer, "amount_minor": str(one.amount)} for one in each.payees],
                "release": conditions.write(each.release),
                "return": None if each.give_back is None else conditions.write(each.give_back),
            }
            for each in agreement.tranches
        ],
        "expires_at": conditions.write_time(agreement.expires_at),
    }


def write(agreement: Agreement) -> bytes:
    """The canonical bytes."""
    return canonical(said_of(agreement))


def sha256_of(document: bytes) -> str:
    return sha256(document).hexdigest()


def read(document: bytes) -> Agreement:
    """The agreement of exactly these bytes; `document_is_not_json`, `agreement_is_not_valid`,
    `condition_is_not_valid`.
    """
    agreement = read_said(read_json(document))
    if write(agreement) != document:
        raise AGREEMENT_IS_NOT_VALID(place="document", detail="the bytes are not canonical")
    return agreement


def read_json(text: bytes) -> Any:
    """JSON that says one thing only: no name twice, no floats, no NaN, nothing too deep or too long."""
    if len(text) > BYTES_MAX:
        raise DOCUMENT_IS_NOT_JSON(detail=f"it has more than {BYTES_MAX} bytes")

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice in one object")
        return found

    def refuse(number: str) -> Any:
        raise ValueError(f"{number[:40]} is not an integer")

    try:
        found = json.loads(text, object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
        canonical({"whole": found})
    except (ValueError, RecursionError) as error:
        detail = "it is too deep" if isinstance(error, RecursionError) else str(error)
        raise DOCUMENT_IS_NOT_JSON(detail=detail[:200]) from error
    return found


def read_said(said: Any) -> Agreement:
    """The agreement that this JSON value is."""
    _require(isinstance(said, dict) and said.keys() == _FIELDS, "document", "it has " + ", ".join(sorted(_FIELDS)))
    _require(said["form"] == FORM, "form", f"it is {FORM!r}")
    _require(type(said["book"]) is int and said["book"] > 0, "book", "it is a number")
    _require(isinstance(said["payer"], str) and bool(_CUSTOMER.fullmatch(said["payer"])), "payer", "it is a customer")
    parties = _parties(said["parties"])
    claims = _claims(said["claims"], parties)
    given = said["tranches"]
    _require(isinstance(given, list) and 0 < len(given) <= TRANCHES_MAX, "tranches", f"there are 1 to {TRANCHES_MAX}")
    tranches = tuple(_tranche(each, f"tranches[{at}]", said["payer"]) for at, each in enumerate(given))
    names = [each.name for each in tranches]
    _require(len(set(names)) == len(names), "tranches", "each has a name of its own")
    _require(sum(len(each.payees) for each in tranches) <= HOLDINGS_MAX, "tranches", f"at most {HOLDINGS_MAX} payees")
    agreement = Agreement(
        book=said["book"],
        agreement_id=_uuid(said["agreement"]),
        payer=said["payer"],
        unit=_unit(said["currency"]),
        parties=parties,
        claims=claims,
        tranches=tranches,
        expires_at=_time(said["expires_at"]),
    )
    _require(said["amount_minor"] == str(agreement.amount), "amount_minor", "it is the sum of all payees' amounts")
    _require(agreement.amount <= INT64_MAX, "amount_minor", "it is too large")
    _check_leaves(agreement)
    return agreement


def _check_leaves(agreement: Agreement) -> None:
    """Conditions name parties of the agreement, and ask for claims only where there can be some."""
    for at, tranche in enumerate(agreement.tranches):
        for word, condition in (("release", tranche.release), ("return", tranche.give_back)):
            place = f"tranches[{at}].{word}"
            for leaf in leaves(condition) if condition is not None else ():
                if isinstance(leaf, MilestoneApproved):
                    strangers = [each for each in leaf.parties if each not in agreement.parties]
                    _require(not strangers, place, f"{', '.join(strangers)} is no party")
                elif isinstance(leaf, ClaimSettled | NoOpenClaim):
                    _require(agreement.claims is not None, place, "it asks for claims, and claims is null")


def _parties(said: Any) -> dict[str, str]:
    _require(isinstance(said, dict) and len(said) <= PARTIES_MAX, "parties", f"an object of at most {PARTIES_MAX}")
    for name, identity in said.items():
        _require(bool(WORD.fullmatch(name)), "parties", f"{name[:40]!r} is not a word")
        known = isinstance(identity, str) and bool(_IDENTITY.fullmatch(identity))
        _require(known, f"parties.{name}", "it is customer:…, person:… or client:…")
    _require(len(set(said.values())) == len(said), "parties", "nobody is there under two names")
    return dict(sorted(said.items()))


def _claims(said: Any, parties: Mapping[str, str]) -> Claims | None:
    if said is None:
        return None
    fields = {"by", "arbiters", "needed"}
    _require(isinstance(said, dict) and said.keys() == fields, "claims", "it has by, arbiters and needed, or is null")
    for word in ("by", "arbiters"):
        given = said[word]
        listed = isinstance(given, list) and bool(given) and all(isinstance(each, str) for each in given)
        _require(listed and len(set(given)) == len(given), f"claims.{word}", "parties, each named once")
        _require(all(each in parties for each in given), f"claims.{word}", "they are parties of the agreement")
    _require(set(said["by"]).isdisjoint(said["arbiters"]), "claims", "who may claim is no arbiter")
    needed = said["needed"]
    enough = type(needed) is int and 0 < needed <= len(said["arbiters"])
    _require(enough, "claims.needed", "it is a number up to that of the arbiters")
    return Claims(tuple(sorted(said["by"])), tuple(sorted(said["arbiters"])), needed)


def _tranche(said: Any, place: str, payer: str) -> Tranche:
    fields = {"name", "payees", "release", "return"}
    _require(isinstance(said, dict) and said.keys() == fields, place, "it has name, payees, release and return")
    name, given = said["name"], said["payees"]
    _require(isinstance(name, str) and bool(WORD.fullmatch(name)), f"{place}.name", "it is a word")
    _require(isinstance(given, list) and 0 < len(given) <= PAYEES_MAX, f"{place}.payees", f"1 to {PAYEES_MAX}")
    shares = tuple(_share(each, f"{place}.payees[{at}]") for at, each in enumerate(given))
    names = [each.customer for each in shares]
    _require(len(set(names)) == len(names), f"{place}.payees", "each is named once")
    _require(payer not in names, f"{place}.payees", "the payer is no payee")
    release = _condition(said["release"], f"{place}.release")
    give_back = None if said["return"] is None else _condition(said["return"], f"{place}.return")
    return Tranche(name, shares, release, give_back)


def _share(said: Any, place: str) -> Share:
    _require(isinstance(said, dict) and said.keys() == {"customer", "amount_minor"}, place, "customer and amount_minor")
    customer, amount = said["customer"], said["amount_minor"]
    _require(isinstance(customer, str) and bool(_CUSTOMER.fullmatch(customer)), place, "customer is a customer's id")
    whole = isinstance(amount, str) and bool(_MINOR.fullmatch(amount)) and int(amount) <= INT64_MAX
    _require(whole, place, "amount_minor is a decimal string of minor units above 0")
    return Share(customer, int(amount))


def _condition(said: Any, place: str) -> Condition:
    try:
        return conditions.read(said)
    except Refused as refused:
        facts = dict(refused.facts) | {"place": f"{place}: {refused.facts['place']}"[:200]}
        raise Refused(refused.refusal, facts) from refused


def _uuid(said: Any) -> UUID:
    try:
        found = UUID(said)
    except (ValueError, TypeError, AttributeError):
        found = UUID(int=0)
    _require(str(found) == said and found.int > 0, "agreement", "it is a UUID in small letters")
    return found


def _unit(said: Any) -> Currency:
    _require(isinstance(said, str), "currency", "it is an ISO 4217 code")
    return currency(said[:10])


def _time(said: Any) -> datetime:
    try:
        return conditions.read_time(said)
    except ValueError as error:
        raise AGREEMENT_IS_NOT_VALID(place="expires_at", detail=str(error)) from error


def _require(true: bool, place: str, detail: str) -> None:
    if not true:
        raise AGREEMENT_IS_NOT_VALID(place=place[:200], detail=detail)
