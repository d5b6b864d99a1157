"""The decision on one order: allow, hold or refuse, with every reason. A pure function of four values.

    judge(rules, facts, features, matches) -> Decision

`facts` say what is asked, `features` what the journal remembers of the customer, `matches` which listed names the
counterparty's name is like. Each rule that finds something gives a reason of its own, so two rules that hit are two
reasons; the outcome is the worst of them, and without any the order is allowed. Equal arguments, equal decision.

An order in a currency for which the rules set no limits is held: a limit that nobody set is not a limit of infinity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from ringfence.money import currency, format_minor
from ringfence.risk.rules import (
    Band,
    Dormant,
    Listed,
    NewPayee,
    OrderCounts,
    OrderSums,
    Rule,
    RuleBook,
    Sentences,
    Structuring,
)

CURRENCY_HAS_NO_LIMITS: Final = "currency_has_no_limits"
SCORE_MAX: Final = 100
NO_LIMITS: Final = Sentences(
    en="The rules set no limits in {currency}.",
    zh="规则未设 {currency} 限额。",
)
_ENGLISH: Final = {"10m": "10 minutes", "1h": "an hour", "1d": "a day", "30d": "30 days"}
_CHINESE: Final = {
    "10m": "10 分钟",
    "1h": "1 小时",
    "1d": "1 天",
    "30d": "30 天",
    "the same words": "字词相同",
    "the same words, common ones": "字词相同但常见",
    "the same words in another order": "字词相同、次序不同",
    "the same letters, parted otherwise": "字母相同、分隔不同",
    "like words": "字词相近",
    "like words, and others": "部分字词相近",
    "some like words": "个别字词相近",
    "a weak alias": "弱别名",
}


class Outcome(IntEnum):
    """What becomes of the order; the worse has the greater number."""

    ALLOW = 0
    HOLD = 1  # money is set aside, people decide
    REFUSE = 2

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What is asked. `payee` is the counterparty's fingerprint (for a deposit, the payer's) and goes into the journal;
    `payee_name` is looked up on the lists and goes nowhere. `amount` is in minor units, `day` the business day.
    """

    order_id: UUID
    kind: str
    customer: str | None
    amount: int
    currency: str
    payee: str | None
    payee_name: str | None
    at: datetime
    day: date

    @property
    def amount_text(self) -> str:
        return format_minor(self.amount, currency(self.currency))


@dataclass(frozen=True, slots=True)
class Features:
    """What the journal remembers of one customer in the order's direction and currency, without the order itself.

    Windows are by name ("10m", "1h", "1d", "30d"); `near` holds, for each threshold of the rule book in this currency,
    the number and sum of the day's amounts just under it.
    """

    counts: Mapping[str, int]
    sums: Mapping[str, int]
    near: Mapping[str, tuple[int, int]]
    payee_paid_at: datetime | None
    last_order_at: datetime | None


NO_FEATURES: Final = Features(MappingProxyType({}), MappingProxyType({}), MappingProxyType({}), None, None)


@dataclass(frozen=True, slots=True)
class Match:
    """A name on a list that a name is like: `score` of 100, and why."""

    list: str
    entry: str
    name: str
    score: int
    why: str


@dataclass(frozen=True)
class Reason:
    """What one rule found. `facts` are words and numbers fit for the journal: no name, no account number."""

    rule: str
    outcome: Outcome
    score: int
    facts: Mapping[str, str | int]
    sentences: Sentences

    def sentence(self, language: str = "en") -> str:
        return tell(self.sentences, self.facts, language)


@dataclass(frozen=True)
class Decision:
    """The outcome, its reasons in the order of the rules, and a score of at most 100 to sort a queue by."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    score: int


_Found = dict[str, str | int]


def judge(rules: RuleBook, facts: OrderFacts, features: Features, matches: Sequence[Match]) -> Decision:
    """Hold every rule for the order's kind against it."""
    reasons = []
    moves = rules.direction(facts.kind) is not None
    if moves and facts.currency not in rules.currencies:
        found: _Found = {"currency": facts.currency}
        reasons.append(Reason(CURRENCY_HAS_NO_LIMITS, Outcome.HOLD, SCORE_MAX, found, NO_LIMITS))
    for rule in rules.of_kind(facts.kind):
        for finding in _findings(rule, rules, facts, features, matches):
            head = rule.head
            reasons.append(Reason(head.name, Outcome[head.outcome.upper()], head.score, finding, head.sentences))
    worst = max((reason.outcome for reason in reasons), default=Outcome.ALLOW)
    return Decision(worst, tuple(reasons), min(SCORE_MAX, sum(reason.score for reason in reasons)))


def tell(sentences: Sentences, facts: Mapping[str, str | int], language: str) -> str:
    """A sentence over its facts, told in the language; KeyError if it asks for a fact that is not there."""
    words = _CHINESE if language == "zh" else _ENGLISH
    said = {name: words.get(value, value) if isinstance(value, str) else value for name, value in facts.items()}
    return (sentences.zh if language == "zh" else sentences.en).format_map(said)


# -- one function a test: what it found, as facts; nothing if nothing -------------------------------------------------


def _findings(
    rule: Rule, rules: RuleBook, facts: OrderFacts, features: Features, matches: Sequence[Match]
) -> list[_Found]:
    match rule:
        case NewPayee():
            return _payee_is_new(rule, facts, features)
        case OrderCounts():
            return _too_many_orders(rule, features)
        case OrderSums():
            return _too_much_money(rule, facts, features)
        case Structuring():
            return _structuring(rule, rules.bands(facts.currency), facts, features)
        case Dormant():
            return _dormant(rule, facts, features)
        case Listed():
            return _listed(rule, matches)


def _payee_is_new(rule: NewPayee, facts: OrderFacts, features: Features) -> list[_Found]:
    limit, paid_at = rule.limits.get(facts.currency), features.payee_paid_at
    if limit is None or facts.amount < limit:
        return []
    if paid_at is not None and facts.at - paid_at >= timedelta(hours=rule.hours):
        return []
    return [_money(facts, limit) | {"hours": rule.hours}]


def _too_many_orders(rule: OrderCounts, features: Features) -> list[_Found]:
    """Of several windows that are exceeded, the shortest is told: it says most about how fast it went."""
    for window, limit in rule.limits.items():
        count = features.counts.get(window, 0) + 1
        if count > limit:
            return [{"window": window, "count": count, "limit": limit}]
    return []


def _too_much_money(rule: OrderSums, facts: OrderFacts, features: Features) -> list[_Found]:
    """The shortest window that is exceeded."""
    for window, limit in rule.limits.get(facts.currency, {}).items():
        total = features.sums.get(window, 0) + facts.amount
        if total > limit:
            return [_money(facts, limit) | {"window": window, "sum": _text(total, facts)}]
    return []


def _structuring(rule: Structuring, bands: Sequence[Band], facts: OrderFacts, features: Features) -> list[_Found]:
    """Several amounts of the day just under a threshold whose sum reaches it, this order being one of them; a finding
    for each threshold.
    """
    findings = []
    for band in bands:
        count, total = features.near.get(band.name, (0, 0))
        count, total = count + 1, total + facts.amount
        if band.holds(facts.amount) and count >= rule.count and total >= band.threshold:
            found: _Found = {"threshold": band.name, "count": count, "sum": _text(total, facts)}
            findings.append(_money(facts, band.amount) | found)
    return findings


def _dormant(rule: Dormant, facts: OrderFacts, features: Features) -> list[_Found]:
    limit, last = rule.limits.get(facts.currency), features.last_order_at
    if limit is None or facts.amount < limit or last is None:
        return []
    days = (facts.at - last) // timedelta(days=1)
    return [_money(facts, limit) | {"days": days}] if days >= rule.days else []


def _listed(rule: Listed, matches: Sequence[Match]) -> list[_Found]:
    """The best match of each list within the rule's scores; the names themselves stay out of the journal."""
    best: dict[str, Match] = {}
    for match in matches:
        known = best.get(match.list)
        if rule.score_from <= match.score <= rule.score_to and (known is None or match.score > known.score):
            best[match.list] = match
    return [{"list": each.list, "entry": each.entry, "score": each.score, "why": each.why} for each in best.values()]


def _money(facts: OrderFacts, limit: int) -> _Found:
    return {"amount": facts.amount_text, "limit": _text(limit, facts), "currency": facts.currency}


def _text(minor: int, facts: OrderFacts) -> str:
    return format_minor(minor, currency(facts.currency))
