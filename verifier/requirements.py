"""Who had to approve, and whom money went to, from the rows alone.

A book that has no policy (POLICY_SET) says nothing here. The policy's document stands there with its SHA-256, so what
an act asks for can be found again: by amount and currency (ORDER_STATE), by the time of the row that proposes it, by
the highest score that risk gave its order (RISK_DECISION; an order without one counts as the worst), and by who made
it.

  proposals   PROPOSAL_MADE asks for exactly these people of these roles, signed or not
  payments    PAYMENT_ORDERED: as many others approved as the policy asked for when risk decided; what risk held was
              released by as many; a customer is paid at a payee of that customer, which stands
  movements   a correction names as its order a proposal of the act `correction` that was approved, one for each; the
              platform's own money for a shortfall was approved as `funding` where the policy asks somebody
  rules       every RISK_DECISION is by the rules that RULE_PACK_SET put in force, with every list that they want; each
              pack but the first was approved (act `rule_pack`)
  payees      PAYEE_ADDED: the first of a customer, or one that others approved (act new_payee). Above the sum that the
              policy lets go to a new one, it was added long enough before
"""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from book import CORRECTION, EVENT, PENDING, TRANSFER, Row
from folder import parse_json
from proposals import (
    EPOCH,
    HOUR_MICROSECONDS,
    POLICY_SET,
    PROPOSAL_APPROVED,
    PROPOSAL_MADE,
    Proposal,
    Proposals,
    in_force_from,
)
from words import Wrong

ORDER_STATE, RISK_DECISION, PAYMENT_ORDERED, PAYEE_ADDED, PAYEE_REMOVED = 1000, 1010, 1040, 1160, 1161
RULE_PACK_SET, FUNDING = 1195, 106
ACTS: Final = {"withdrawal": "payout", "fee_sweep": "fee_sweep"}
WORST: Final = 100


@dataclass(frozen=True)
class Needed:
    people: int
    roles: tuple[str, ...]
    signed: bool


@dataclass(frozen=True)
class Order:
    """What ORDER_STATE says of an order when it is placed; the amount in minor units, the payee by its fingerprint."""

    kind: str
    customer: str | None
    amount: int
    currency: str
    payee: str | None
    maker: str


@dataclass
class Payee:
    customer: str
    account: str  # fingerprint
    added_at: int  # microseconds since 1970
    registered: bool
    let_go: int = 0
    removed: bool = False


@dataclass
class Requirements:
    """What the rows so far say; `add` raises `Wrong` at the row that does not hold."""

    policies: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)  # version: from when on, document
    orders: dict[bytes, Order] = field(default_factory=dict)
    decisions: dict[bytes, tuple[int, str, float]] = field(default_factory=dict)  # when first, outcome, highest score
    proposals: Proposals = field(default_factory=Proposals)
    about: dict[tuple[str, bytes], list[Proposal]] = field(default_factory=dict)  # by act and order
    payees: dict[str, Payee] = field(default_factory=dict)
    of_customers: dict[str, list[Payee]] = field(default_factory=dict)
    packs: dict[int, tuple[int, str, list[str]]] = field(default_factory=dict)  # version: from when on, SHA-256, lists
    spent: set[str] = field(default_factory=set)  # proposals of corrections that were made
    payments: int = 0
    waited: int = 0

    def add(self, row: Row, payload: bytes) -> None:
        if self.policies and (row.kind == CORRECTION or (row.kind in (TRANSFER, PENDING) and row.code == FUNDING)):
            self._moved(row)
        if row.kind != EVENT or row.code not in _READERS or not (self.policies or row.code == POLICY_SET):
            return
        try:
            _READERS[row.code](self, row, parse_json(payload))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, ZoneInfoNotFoundError):
            raise Wrong("requirement_is_malformed", sequence=row.sequence) from None

    def _policy(self, row: Row, said: dict[str, Any]) -> None:
        text = said["document"].encode()
        if hashlib.sha256(text).hexdigest() != said["sha256"]:
            raise Wrong("policy_is_another", sequence=row.sequence)
        self.policies[said["version"]] = (in_force_from(row, said), parse_json(text))

    def _state(self, row: Row, said: dict[str, Any]) -> None:
        amount = int(said["amount"].replace(".", ""))
        placed = Order(said["kind"], said["customer"], amount, said["currency"], said["payee"], said["maker"])
        self.orders.setdefault(row.order_id, placed)

    def _moved(self, row: Row) -> None:
        """A correction, or the platform's own money, stands on its approvals."""
        if row.kind == CORRECTION:
            name = str(UUID(bytes=row.order_id))
            if not self.proposals.agreed(name, "correction") or name in self.spent:
                raise Wrong("correction_lacks_its_approvals", sequence=row.sequence)
            self.spent.add(name)
            return
        order, document = self.orders.get(row.order_id), self._in_force(row.posted_at)
        about = self.about.get(("funding", row.order_id), [])
        if any(each.approved for each in about):
            return
        maker = order.maker if order else "system"
        if order is None or document is None or needed(document, "funding", order, row.posted_at, WORST, maker).people:
            raise Wrong("funding_lacks_its_approvals", sequence=row.sequence)

    def _pack(self, row: Row, said: dict[str, Any]) -> None:
        agreed = self.proposals.agreed(said.get("proposal"), "rule_pack")
        if said["version"] != len(self.packs) + 1 or (self.packs and not agreed):
            raise Wrong("rule_pack_lacks_its_approvals", sequence=row.sequence)
        self.packs[said["version"]] = (in_force_from(row, said), said["sha256"], said["lists"])

    def _judged(self, row: Row, said: dict[str, Any]) -> None:
        standing = [version for version, (begins, *_) in self.packs.items() if begins <= row.posted_at]
        if not standing:
            return
        _, sha256, lists = self.packs[max(standing)]
        if said["rules"]["sha256"] != sha256 or not set(lists) <= {each["list"] for each in said["lists"]}:
            raise Wrong("decision_is_by_other_rules", sequence=row.sequence)

    def _decision(self, row: Row, said: dict[str, Any]) -> None:
        self._judged(row, said)
        at, outcome, score = self.decisions.get(row.order_id, (row.posted_at, said["outcome"], 0))
        given = said.get("score")
        self.decisions[row.order_id] = (at, outcome, max(score, given if isinstance(given, int | float) else WORST))

    def _made(self, row: Row, said: dict[str, Any]) -> None:
        begins, document = self.policies[said["policy_version"]]
        order, score = self.orders.get(row.order_id), self._score(row)
        made = self.proposals.made(row, said)
        self.about.setdefault((made.act, made.order), []).append(made)
        apart = any(row.order_id) or said["act"] == "correction"
        if order is None and apart and "bands" in document["acts"][said["act"]]:
            return  # of an agreement or a correction, whose amount is no order's; `escrow` looks at agreements
        asked = needed(document, said["act"], order, row.posted_at, score, said["maker"])
        told = Needed(made.people, tuple(said["roles"]), made.signed)
        if begins > row.posted_at or told != asked:
            raise Wrong("proposal_asks_for_others", sequence=row.sequence, act=said["act"])

    def _approved(self, _: Row, said: dict[str, Any]) -> None:
        self.proposals.approved(said)

    def _added(self, row: Row, said: dict[str, Any]) -> None:
        first = said["proposal"] is None and said["customer"] not in self.of_customers
        if not (first or self.proposals.agreed(said["proposal"], "new_payee")) or said["payee"] in self.payees:
            raise Wrong("payee_lacks_approval", sequence=row.sequence)
        added = Payee(said["customer"], said["account"], row.posted_at, first)
        self.payees[said["payee"]] = added
        self.of_customers.setdefault(added.customer, []).append(added)

    def _removed(self, _: Row, said: dict[str, Any]) -> None:
        self.payees[said["payee"]].removed = True

    def _ordered(self, row: Row, _: dict[str, Any]) -> None:
        order = self.orders.get(row.order_id)
        at, outcome, score = self.decisions.get(row.order_id, (row.posted_at, "", WORST))
        document = self._in_force(at)
        if order is None or order.kind not in ACTS or document is None:
            raise Wrong("payment_lacks_its_approvals", sequence=row.sequence)
        act = ACTS[order.kind]
        wanted = {act: needed(document, act, order, at, score, order.maker).people}
        if outcome == "hold":
            wanted["hold_release"] = max(1, needed(document, "hold_release", order, at, score, order.maker).people)
        for name, people in wanted.items():
            about = self.about.get((name, row.order_id), [])
            if people and not any(each.approved_by_enough(people) for each in about):
                raise Wrong("payment_lacks_its_approvals", sequence=row.sequence)
        if order.kind == "withdrawal":
            self._paid(row, order)
        self.payments += 1

    def _paid(self, row: Row, order: Order) -> None:
        """A payment goes to a payee that stands, and to a new one no more than the policy lets."""
        theirs = self.of_customers.get(order.customer or "", [])
        found = [each for each in theirs if each.account == order.payee and not each.removed]
        if not found:
            raise Wrong("payment_lacks_its_payee", sequence=row.sequence)
        payee = found[0]
        payee.let_go += order.amount
        said = (self._in_force(row.posted_at) or {}).get("cooling_off")
        if payee.registered or said is None:
            return
        rule = said.get("currencies", {}).get(order.currency, said["otherwise"])
        if payee.let_go <= int(rule["above_minor"]):
            return
        if row.posted_at < payee.added_at + rule["wait_hours"] * HOUR_MICROSECONDS:
            raise Wrong("payee_was_too_new", sequence=row.sequence)
        self.waited += 1

    def _in_force(self, at: int) -> dict[str, Any] | None:
        begun = [version for version, (begins, _) in self.policies.items() if begins <= at]
        return self.policies[max(begun)][1] if begun else None

    def _score(self, row: Row) -> float:
        return self.decisions.get(row.order_id, (0, "", WORST))[2]


def needed(document: dict[str, Any], act: str, order: Order | None, at: int, score: float, maker: str) -> Needed:
    """What a policy asks of an act: the first band that the amount reaches, and whatever holds of `when` on top."""
    rule = document["acts"][act]
    asked = rule["otherwise"]
    if order is not None:
        somebody = "asked_by" in rule and maker != "system" and ":" not in maker
        bands = rule.get("bands", {}).get(order.currency, [])
        reach = [each for each in bands if order.amount <= int(each["up_to_minor"])]
        asked = next((each for each in reach if each["people"] or not somebody), asked)
    more = [each for each in rule.get("when", []) if _holds(each, at, score)]
    people = asked["people"] + sum(each["more_people"] for each in more)
    roles = dict.fromkeys([*asked["roles"], *(role for each in more for role in each["roles"])])
    signed = asked.get("signed", False) or any(each["signed"] for each in more)
    return Needed(people, tuple(roles), signed and people > 0)


def _holds(each: dict[str, Any], at: int, score: float) -> bool:
    if score < each.get("score_from", 0):
        return False
    if "zone" not in each:
        return True
    clock = (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(each["zone"])).strftime("%H:%M")
    begins, ends = str(each["from"]), str(each["until"])
    return begins <= clock < ends if begins < ends else clock >= begins or clock < ends


_READERS: Final = {
    POLICY_SET: Requirements._policy,  # noqa: SLF001 - the class's own
    RULE_PACK_SET: Requirements._pack,  # noqa: SLF001
    ORDER_STATE: Requirements._state,  # noqa: SLF001
    RISK_DECISION: Requirements._decision,  # noqa: SLF001
    PROPOSAL_MADE: Requirements._made,  # noqa: SLF001
    PROPOSAL_APPROVED: Requirements._approved,  # noqa: SLF001
    PAYEE_ADDED: Requirements._added,  # noqa: SLF001
    PAYEE_REMOVED: Requirements._removed,  # noqa: SLF001
    PAYMENT_ORDERED: Requirements._ordered,  # noqa: SLF001
}
