"""The desk: rules, lists and features together, and the one way to have an order judged.

Custody places an order like this::

    with desk.ruling(facts) as ruling:                 # judged, and its place kept
        if ruling.decision.outcome is Outcome.ALLOW:
            core.post(Unit([accepted, ruling.line, money]))
        ...                                            # hold and refuse are appended with ruling.line as well

When the block ends well, the reservation waits for its row to be read (`follow`). When the book says no (`Refused`), it
is given back at once. When the answer was lost (a refusal of the machine, any other error), it stays: the row may be in
the journal, and the same order may be placed again. An order that is in the journal already is not judged again: ask
`reading.decision_of` first; the id of the line follows from the order's, so a second decision is refused by the book.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ringfence.authority.rule_packs import pack_in_force
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Fault, Refused
from ringfence.risk import features
from ringfence.risk.decision import Decision, Match, OrderFacts, judge
from ringfence.risk.features import FeatureStore
from ringfence.risk.names import words
from ringfence.risk.packs import NAME
from ringfence.risk.refusals import LIST_OF_THE_RULES_IS_MISSING
from ringfence.risk.rules import RuleBook, read
from ringfence.risk.screening import Screen


@dataclass(frozen=True)
class Ruling:
    """A decision, and its line for the journal. `matches` are for the people who look at a hold; they go nowhere."""

    facts: OrderFacts
    decision: Decision
    line: Line
    matches: tuple[Match, ...]


@dataclass
class Desk:
    """What risk holds while the core runs. `renew` exchanges rules and features for those of the pack in force."""

    rules: RuleBook
    screen: Screen
    features: FeatureStore
    version: int = 0  # of the pack that the rules are of
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def now(self) -> "Desk":
        """The desk as it is now, whatever `renew` does meanwhile."""
        with self._lock:
            return Desk(self.rules, self.screen, self.features, self.version)

    def put(self, rules: RuleBook, features: FeatureStore, version: int) -> None:
        with self._lock:
            self.rules, self.features, self.version = rules, features, version

    @contextmanager
    def ruling(self, facts: OrderFacts) -> Iterator[Ruling]:
        """Judge an order and keep its place while the block appends it."""
        desk = self.now()
        found = decide(desk, facts)
        try:
            yield found
        except Refused as refused:
            if refused.refusal.fault is not Fault.MACHINE:
                desk.features.forget(facts.order_id)
            raise


def open_desk(connection: Connection, book: int, rules: RuleBook, screen: Screen, at: datetime) -> Desk:
    """A desk whose features are read from the journal up to its head."""
    store = FeatureStore(rules)
    features.follow(store, connection, book, at)
    return Desk(rules, screen, store)


def renew(desk: Desk, core: Core) -> bool:
    """Judge by the pack in force from now on. Other rules mean features read anew from the journal. False: it was so.
    `list_of_the_rules_is_missing`.
    """
    with core.connection() as connection:
        pack = pack_in_force(connection, core.book.book_id, core.clock())
        if pack.version == desk.version:
            return False
        held = {each.name for each in desk.screen.lists}
        for name in pack.lists:
            if name not in held:
                raise LIST_OF_THE_RULES_IS_MISSING(list=name)
        rules = read(pack.document, desk.rules.profile, NAME)
        store = desk.features
        if rules.sha256 != desk.rules.sha256:
            store = FeatureStore(rules)
            features.follow(store, connection, core.book.book_id, core.clock())
    desk.put(rules, store, pack.version)
    return True


def follow(desk: Desk, core: Core) -> int:
    """Bring the features up to the journal's head; to be called now and then, and again after any error."""
    with core.connection() as connection:
        return features.follow(desk.features, connection, core.book.book_id, core.clock())


def decide(desk: Desk, facts: OrderFacts) -> Ruling:
    """Judge an order. The name is looked up first, then features are read, rules are asked and the order's place is
    kept, as one step for all threads.
    """
    matches = tuple(desk.screen.matches(facts.payee_name, desk.rules.score_least)) if facts.payee_name else ()
    kept, decision = desk.features.reserve(facts, lambda seen: judge(desk.rules, facts, seen, matches))
    line = Line(
        Kind.EVENT,
        derived(kept.order_id, "risk decision"),
        order_id=kept.order_id,
        code=EventName.RISK_DECISION,
        value_date=kept.day,
        payload=payload(desk, kept, decision),
    )
    return Ruling(kept, decision, line, matches)


def payload(desk: Desk, facts: OrderFacts, decision: Decision) -> dict[str, Any]:
    """What the journal says of a decision: what was asked, what was found, by which rules and lists. No name."""
    return {
        "amount": facts.amount_text,
        "at": facts.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "currency": facts.currency,
        "customer": facts.customer,
        "day": facts.day.isoformat(),
        "kind": facts.kind,
        "lists": [
            {"date": each.date.isoformat(), "list": each.name, "sha256": each.sha256} for each in desk.screen.lists
        ],
        "order": str(facts.order_id),
        "outcome": decision.outcome.word,
        "payee": facts.payee,
        "reasons": [
            {"facts": dict(reason.facts), "outcome": reason.outcome.word, "rule": reason.rule, "score": reason.score}
            for reason in decision.reasons
        ],
        "rules": {"profile": desk.rules.profile, "sha256": desk.rules.sha256},
        "score": decision.score,
        "screened": bool(facts.payee_name and words(facts.payee_name)),
    }
