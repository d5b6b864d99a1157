"""Decisions as the journal has them: for the pages, the API and whoever places an order again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ringfence.database.connection import Connection
from ringfence.ledger.reading import LATEST
from ringfence.risk.decision import CURRENCY_HAS_NO_LIMITS, NO_LIMITS, Outcome, tell
from ringfence.risk.queries import QUERIES
from ringfence.risk.rules import RuleBook

PAGE: Final = 50


@dataclass(frozen=True)
class RecordedReason:
    """What one rule found, as it stands in the journal."""

    rule: str
    outcome: Outcome
    score: int
    facts: Mapping[str, str | int]

    def sentence(self, rules: RuleBook, language: str = "en") -> str:
        """What the rule says of it today; a rule that is no more is told by its name and facts."""
        sentences = NO_LIMITS if self.rule == CURRENCY_HAS_NO_LIMITS else rules.sentences(self.rule)
        if sentences is not None:
            try:
                return tell(sentences, self.facts, language)
            except KeyError:  # the rule finds other facts now
                pass
        return f"{self.rule}: " + ", ".join(f"{name} {value}" for name, value in sorted(self.facts.items()))


@dataclass(frozen=True)
class RecordedDecision:
    """A RISK_DECISION row. `said` is all that it says: facts of the order, lists and rules with their SHA-256."""

    sequence: int
    order_id: UUID
    posted_at: datetime
    outcome: Outcome
    score: int
    reasons: tuple[RecordedReason, ...]
    said: Mapping[str, Any]


def decision_of(connection: Connection, book: int, order_id: UUID) -> RecordedDecision | None:
    """How an order was judged; None: it was not."""
    row = connection.execute(QUERIES.decision_of_order, {"book": book, "order_id": order_id}).fetchone()
    return None if row is None else _recorded(*row)


def decisions(
    connection: Connection,
    book: int,
    *,
    outcome: Outcome | None = None,
    customer: str | None = None,
    before: int = LATEST,
    limit: int = PAGE,
) -> list[RecordedDecision]:
    """Decisions, the latest first; of one outcome or one customer if asked."""
    question = {"book": book, "before": before, "limit": limit, "customer": customer}
    question["outcome"] = None if outcome is None else outcome.word
    return [_recorded(*row) for row in connection.execute(QUERIES.decisions, question)]


def _recorded(sequence: int, order_id: UUID, posted_at: datetime, payload: bytes) -> RecordedDecision:
    said = json.loads(payload)
    reasons = tuple(
        RecordedReason(each["rule"], Outcome[each["outcome"].upper()], each["score"], each["facts"])
        for each in said["reasons"]
    )
    outcome = Outcome[said["outcome"].upper()]
    return RecordedDecision(sequence, order_id, posted_at, outcome, said["score"], reasons, said)
