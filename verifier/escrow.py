"""Money in escrow: was the condition of each release true by the rows before it?

Written from docs/reference/escrow.md. ESCROW_PROPOSED has the whole document of an agreement; from it follow the holds
and the conditions. Each milestone that was approved and each claim is a row. A release, a return and a calling off
announce what the rows of their chain must do with the holds; a hold of an agreement that moves otherwise was forged.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from approvals import Approvals
from book import CORRECTION, EVENT, EXPIRE, LINKED, PENDING, POST, VOID, Row
from conditions import (
    Claim,
    Facts,
    Unfit,
    check,
    condition_hash,
    evaluate,
    last_settled,
    moment,
    trace_hash,
    word,
    words,
)
from folder import canonical, parse_json
from words import Wrong

PROPOSED, AGREED, MILESTONE, OPENED, SETTLED, RELEASED, RETURNED, CALLED_OFF = range(1170, 1178)
PERSON_CHANGED: Final = 1030
WORD_TAG: Final = b"ringfence escrow word v1\0"
FORM: Final = "ringfence escrow agreement v1"
DOCUMENT_BYTES_MAX, PARTIES_MAX, TRANCHES_MAX, PAYEES_MAX, HOLDS_MAX = 16_384, 16, 20, 20, 60
_FIELDS: Final = {
    "agreement", "amount_minor", "book", "claims", "currency", "expires_at", "form", "parties", "payer", "tranches",
}  # fmt: skip
_MINOR: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_AMOUNT: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_IDENTITY: Final = re.compile(r"(customer|person|client):[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass
class Agreement:
    """A document, and what the rows so far have said about it."""

    said: dict[str, Any]
    digest: str
    last: int
    in_force: bool = False
    approvals: dict[str, dict[str, int]] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)  # claim: the last word of each arbiter
    ended: set[str] = field(default_factory=set)

    def tranche(self, name: str) -> dict[str, Any]:
        [found] = [each for each in self.said["tranches"] if each["name"] == name]
        return dict(found)

    def facts(self, tranche: str, now: int) -> Facts:
        return Facts(now, self.approvals, [each for each in self.claims.values() if each.tranche == tranche])

    def release(self, tranche: dict[str, Any]) -> dict[str, Any]:
        """What must be true for a release: the parties' condition and, where there may be claims, theirs."""
        if self.said["claims"] is None:
            return dict(tranche["release"])
        for_payer = {"call": "claim_settled@1", "for": "payer"}
        return {"all": [tranche["release"], {"call": "no_open_claim@1"}, {"not": for_payer}]}

    def give_back(self, tranche: dict[str, Any]) -> dict[str, Any]:
        """What must be true for a return."""
        claims = self.said["claims"] is not None
        reasons = [{"at": self.said["expires_at"], "call": "date_reached@1"}]
        reasons += [] if tranche["return"] is None else [tranche["return"]]
        reasons += [{"call": "claim_settled@1", "for": "payer"}] if claims else []
        quiet = [{"call": "no_open_claim@1"}] if claims else []
        return {"all": [{"any": reasons}, *quiet, {"not": self.release(tranche)}]}


@dataclass
class Escrow:
    """What the rows so far say about agreements; `add` raises `Wrong` at the row that does not hold. `approvals` are
    those of the rows so far: whoever adds rows here has added them there.
    """

    approvals: Approvals
    agreements: dict[str, Agreement] = field(default_factory=dict)
    holds: dict[bytes, str] = field(default_factory=dict)  # of agreements that were proposed: whose they are
    announced: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # in this chain: kind and amount
    about: str = ""
    logins: dict[str, str] = field(default_factory=dict)  # person: customer
    spent: set[str] = field(default_factory=set)  # proposals that put an agreement in force, or released a tranche
    released: int = 0
    returned: int = 0

    def add(self, row: Row, payload: bytes) -> None:
        try:
            if row.kind == EVENT and row.code in _READERS:
                said = parse_json(payload)
                self._read(row, said)
            elif row.kind == EVENT and row.code == PERSON_CHANGED:
                said = parse_json(payload)
                if said.get("customer"):
                    self.logins.setdefault(said["person"], said["customer"])
            elif row.kind in (PENDING, POST, VOID, EXPIRE, CORRECTION):
                self._money(row)
        except (Unfit, ValueError, TypeError, KeyError, AttributeError):
            raise Wrong("escrow_row_does_not_keep_its_agreement", sequence=row.sequence, agreement=self.about) from None
        if not row.flags & LINKED:
            if self.announced:
                raise Wrong("escrow_money_did_not_move", sequence=row.sequence, agreement=self.about)
            self.about = ""

    def _read(self, row: Row, said: dict[str, Any]) -> None:
        self.about = str(said["agreement"])
        if row.order_id != UUID(self.about).bytes:
            raise Unfit
        _READERS[row.code](self, row, said)

    def _money(self, row: Row) -> None:
        hold = row.id if row.kind == PENDING else row.refers_to
        wanted = self.announced.pop(hold, None)
        if row.kind == POST and hold in self.holds:
            self.holds[row.id] = self.holds[hold]  # what was released is not taken back either
        if wanted is None and hold in self.holds:
            raise Wrong("escrow_money_moves_by_itself", sequence=row.sequence, agreement=self.holds[hold])
        if wanted is not None and (row.kind, 0 if row.kind == VOID else row.amount) != wanted:
            raise Unfit

    def _proposed(self, row: Row, said: dict[str, Any]) -> None:
        document = said["document"]
        digest = hashlib.sha256(canonical(document)).hexdigest()
        check_document(document)
        holds = holds_of(document)
        if (said["sha256"], document["agreement"], document["book"]) != (digest, self.about, row.book):
            raise Unfit
        if self.about in self.agreements or said["holds"] != ([] if said["state"] == "refused" else holds):
            raise Unfit
        self.agreements[self.about] = Agreement(document, digest, row.sequence)
        for each in said["holds"]:
            hold = UUID(each["hold"]).bytes
            self.holds[hold] = self.about
            self.announced[hold] = PENDING, int(each["amount_minor"])

    def _agreed(self, _: Row, said: dict[str, Any]) -> None:
        found = self.agreements[self.about]
        if found.in_force or found.ended or said["sha256"] != found.digest:
            raise Unfit
        self._require_people(said["proposal"], "escrow_agreement")
        found.in_force = True

    def _milestone(self, row: Row, said: dict[str, Any]) -> None:
        found, party = self._speaker(row, said)
        if party not in milestones(found.said)[said["milestone"]]:
            raise Unfit
        found.approvals.setdefault(said["milestone"], {}).setdefault(party, row.sequence)
        found.last = row.sequence

    def _opened(self, row: Row, said: dict[str, Any]) -> None:
        found, party = self._speaker(row, said)
        found.tranche(said["tranche"])
        if party not in found.said["claims"]["by"] or said["claim"] in found.claims or said["tranche"] in found.ended:
            raise Unfit
        found.claims[said["claim"]] = Claim(said["tranche"], row.sequence)
        found.last = row.sequence

    def _settled(self, row: Row, said: dict[str, Any]) -> None:
        found, party = self._speaker(row, said)
        claim, rule = found.claims[said["claim"]], found.said["claims"]
        whole = sum(int(each["amount_minor"]) for each in found.tranche(claim.tranche)["payees"])
        get = said["payees_get"]
        if party not in rule["arbiters"] or claim.settled is not None or not _AMOUNT.fullmatch(get) or int(get) > whole:
            raise Unfit
        words_said = found.verdicts.setdefault(said["claim"], {})
        words_said[party] = get
        if list(words_said.values()).count(get) >= rule["needed"]:
            claim.settled, claim.payees_get = row.sequence, int(get)
        found.last = row.sequence

    def _signer(self, row: Row, said: dict[str, Any]) -> str:
        """The customer whose login signed exactly what the row says, by a passkey of its own."""
        document = said["document"]
        word = parse_json(document)
        found, about = self.agreements[self.about], ("agreement", "agreement_sha256", "customer", "person", "event")
        meant = (self.about, found.digest, self.logins.get(said["person"]), said["person"], row.code)
        fits = tuple(word[name] for name in about) == meant and said["by"] == f"customer:{said['person']}"
        challenge = hashlib.sha256(WORD_TAG + document.encode()).hexdigest()
        if not fits or challenge != said["challenge"] or not word["says"].items() <= said.items():
            raise Unfit
        self.approvals.require_signature(row, said)
        return str(word["customer"])

    def _speaker(self, row: Row, said: dict[str, Any]) -> tuple[Agreement, str]:
        """The agreement in force that somebody speaks about, and the party for which he may."""
        found = self.agreements[self.about]
        identity, by = found.said["parties"][said["party"]], said["by"]
        own = identity in (by, f"person:{by}")
        if by.startswith("customer:"):
            own = identity == f"customer:{self._signer(row, said)}"
        if not found.in_force or not (own or (identity.startswith("customer:") and by.startswith("client:"))):
            raise Unfit
        return found, said["party"]

    def _released(self, row: Row, said: dict[str, Any]) -> None:
        found, tranche, facts = self._ending(row, said)
        self._require_true(row, said, found.release(tranche), facts)
        whole = sum(int(each["amount_minor"]) for each in tranche["payees"])
        settled = last_settled(facts)
        amount = whole if settled is None else settled.payees_get
        if said["amount_minor"] != str(amount):
            raise Unfit
        self._require_people(said["proposal"], "escrow_release")
        self._announce(tranche, divide(tranche, amount))
        self.released += 1

    def _returned(self, row: Row, said: dict[str, Any]) -> None:
        found, tranche, facts = self._ending(row, said)
        self._require_true(row, said, found.give_back(tranche), facts)
        if said["amount_minor"] != str(sum(int(each["amount_minor"]) for each in tranche["payees"])):
            raise Unfit
        self._announce(tranche, divide(tranche, 0))
        self.returned += 1

    def _called_off(self, _: Row, __: dict[str, Any]) -> None:
        found = self.agreements[self.about]
        if found.in_force or found.ended:
            raise Unfit
        for tranche in found.said["tranches"]:
            found.ended.add(tranche["name"])
            self._announce(tranche, divide(tranche, 0))

    def _ending(self, row: Row, said: dict[str, Any]) -> tuple[Agreement, dict[str, Any], Facts]:
        found, name = self.agreements[self.about], said["tranche"]
        if not found.in_force or name in found.ended or said["facts"] != found.last:
            raise Unfit
        found.ended.add(name)
        return found, found.tranche(name), found.facts(name, row.posted_at)

    def _require_true(self, row: Row, said: dict[str, Any], condition: dict[str, Any], facts: Facts) -> None:
        trace = evaluate(condition, facts)
        if not trace["is"]:
            raise Wrong("escrow_condition_was_not_true", sequence=row.sequence, agreement=self.about)
        if (said["condition_sha256"], said["trace_sha256"]) != (condition_hash(condition), trace_hash(trace)):
            raise Unfit

    def _require_people(self, proposal: str | None, act: str) -> None:
        """A proposal that a row names is one of this act, was approved by enough others, and is named once."""
        if proposal is None:
            return
        asked = self.approvals.proposals[proposal]
        if asked.act != act or proposal in self.spent or len(asked.others) < asked.people:
            raise Unfit
        self.spent.add(proposal)

    def _announce(self, tranche: dict[str, Any], shares: dict[str, int]) -> None:
        for customer, amount in shares.items():
            hold = derived(order_of(self.about, tranche["name"], customer), "hold")
            self.announced[hold.bytes] = (POST, amount) if amount else (VOID, 0)


_READERS: Final = {
    PROPOSED: Escrow._proposed,  # noqa: SLF001 - the class's own
    AGREED: Escrow._agreed,  # noqa: SLF001
    MILESTONE: Escrow._milestone,  # noqa: SLF001
    OPENED: Escrow._opened,  # noqa: SLF001
    SETTLED: Escrow._settled,  # noqa: SLF001
    RELEASED: Escrow._released,  # noqa: SLF001
    RETURNED: Escrow._returned,  # noqa: SLF001
    CALLED_OFF: Escrow._called_off,  # noqa: SLF001
}


def divide(tranche: dict[str, Any], amount: int) -> dict[str, int]:
    """An amount among the payees in proportion, rounded down; the first get a minor unit more while some is left."""
    shares = {each["customer"]: int(each["amount_minor"]) for each in tranche["payees"]}
    whole = sum(shares.values())
    found = {customer: share * amount // whole for customer, share in shares.items()}
    for customer in list(shares)[: amount - sum(found.values())]:
        found[customer] += 1
    return found


def derived(origin: UUID, name: str) -> UUID:
    """The id that follows from another: SHA-256 of both, marked as version 8; if the origin carries its time (version
    7), with the same time and mark, and odd.
    """
    digest = bytearray(hashlib.sha256(b"ringfence/derived/v1\0" + origin.bytes + name.encode()).digest()[:16])
    timed = origin.version == 7
    if timed:
        digest[:6] = origin.bytes[:6]
        digest[15] |= 1
    digest[6] = (digest[6] & 0x0F) | (0x70 if timed else 0x80)
    digest[8] = (digest[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(digest))


def order_of(agreement: str, tranche: str, customer: str) -> UUID:
    return derived(UUID(agreement), f"escrow {tranche} {customer}")


def holds_of(document: dict[str, Any]) -> list[dict[str, str]]:
    """The holds that follow from a document, in its order."""
    found = []
    for tranche in document["tranches"]:
        for payee in tranche["payees"]:
            order = order_of(document["agreement"], tranche["name"], payee["customer"])
            held = {"order": str(order), "hold": str(derived(order, "hold")), "tranche": tranche["name"]}
            found.append(held | {"customer": payee["customer"], "amount_minor": payee["amount_minor"]})
    return found


def milestones(document: dict[str, Any]) -> dict[str, set[str]]:
    """Every milestone that a condition of the document asks for, with the parties who may approve it."""
    found: dict[str, set[str]] = {}
    waiting = [each[name] for each in document["tranches"] for name in ("release", "return")]
    while waiting:
        said = waiting.pop()
        if said is None:
            continue
        waiting += said.get("all", []) + said.get("any", []) + [said.get("not")]
        if said.get("call") == "milestone_approved@1":
            found.setdefault(said["milestone"], set()).update(said["parties"])
    return found


def check_document(said: dict[str, Any]) -> None:
    """Is this a document of an agreement, in its one spelling? Raises `Unfit`, or what reading it raises."""
    parties, claims, tranches = said["parties"], said["claims"], said["tranches"]
    fits = said.keys() == _FIELDS and said["form"] == FORM and len(canonical(said)) <= DOCUMENT_BYTES_MAX
    fits = fits and len(parties) <= PARTIES_MAX and len(set(parties.values())) == len(parties)
    fits = fits and all(_IDENTITY.fullmatch(each) for each in parties.values()) and 0 < len(tranches) <= TRANCHES_MAX
    if not fits or str(UUID(said["agreement"])) != said["agreement"]:
        raise Unfit
    for name in parties:
        word(name)
    moment(said["expires_at"])
    if claims is not None:
        by, arbiters = set(words(claims["by"])), set(words(claims["arbiters"]))
        if claims.keys() != {"arbiters", "by", "needed"} or by & arbiters or not by | arbiters <= parties.keys():
            raise Unfit
        if type(claims["needed"]) is not int or not 0 < claims["needed"] <= len(arbiters):
            raise Unfit
    for tranche in tranches:
        _check_tranche(tranche, said)
    names = [each["name"] for each in tranches]
    holds = holds_of(said)
    whole = sum(int(each["amount_minor"]) for each in holds)
    if len(set(names)) != len(names) or len(holds) > HOLDS_MAX or said["amount_minor"] != str(whole):
        raise Unfit


def _check_tranche(tranche: dict[str, Any], said: dict[str, Any]) -> None:
    payees = tranche["payees"]
    customers = {each["customer"] for each in payees}
    fits = tranche.keys() == {"name", "payees", "release", "return"} and 0 < len(payees) <= PAYEES_MAX
    fits = fits and len(customers) == len(payees) and said["payer"] not in customers
    fits = fits and all(each.keys() == {"amount_minor", "customer"} for each in payees)
    if not fits or not all(_MINOR.fullmatch(each["amount_minor"]) for each in payees):
        raise Unfit
    word(tranche["name"])
    check(tranche["release"], set(said["parties"]), claims=said["claims"] is not None)
    if tranche["return"] is not None:
        check(tranche["return"], set(said["parties"]), claims=said["claims"] is not None)
