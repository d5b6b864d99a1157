"""What the journal remembers of each customer: a reader of the journal with a cache.

The cache is a fold over two kinds of row, in the order of the journal:

  RISK_DECISION   an order out that was not refused counts, at the time of its decision, whatever becomes of it later
  ORDER_STATE     an order in counts when it is settled, at the time of its row; an order out that is settled makes its
                  payee one who was paid

Read again from row 0, the cache is the same. It takes memory by customer and by open order: windows are buckets (see
`windows`), the last three business days are kept, of a customer's payees the `PAYEES_MAX` who were paid last, and the
payee of an order out until it has ended.

An order that is being placed has no row yet. So the moment it is judged, and under the same lock, it is *reserved*: it
counts for whoever is judged next, and N orders at once cannot all pass a limit that leaves room for one. What happens
then to a reservation:

  its row is read            the fold counts it from here on, the reservation goes
  the book refused the row   `forget`, unless another request for the same order is under way or went through
  the process ends           reservations end with it; what was appended is in the journal
  the answer was lost        it stays, and counts, until its row is read, or RESERVED_FOR has passed and the whole
                             journal has been read without it
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import EPOCH
from ringfence.ledger.storage import head_of
from ringfence.money import currency, parse_minor
from ringfence.refusal import Refused
from ringfence.risk.decision import NO_FEATURES, Decision, Features, OrderFacts, Outcome
from ringfence.risk.queries import QUERIES
from ringfence.risk.refusals import JOURNAL_ROW_IS_NO_ORDER_TO_RISK, ORDER_IS_DECIDED_ON_OTHER_FACTS
from ringfence.risk.rules import WINDOWS, Direction, RuleBook
from ringfence.risk.windows import Window, shows

PAYEES_MAX: Final = 512  # of one customer; one who is forgotten is new again, which errs on the safe side
DAYS_KEPT: Final = 3
PAGE_ROWS: Final = 5_000  # journal rows that one page covers; decisions wait while a page is counted
RESERVED_FOR: Final = timedelta(minutes=10)
SETTLED: Final = "settled"  # the state of an order whose money has moved
ENDED: Final = (SETTLED, "failed", "rejected", "cancelled")  # the query `order_rows` looks for the same


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A row of the journal about an order, as it was read."""

    sequence: int
    code: int
    posted_at: datetime
    payload: bytes


@dataclass(slots=True)
class _Flow:
    """Money of one customer in one direction and currency. `near`: by day, then by threshold, count and sum."""

    windows: dict[str, Window] = field(
        default_factory=lambda: {name: Window(length, bucket) for name, (length, bucket) in WINDOWS.items()}
    )
    near: dict[date, dict[str, tuple[int, int]]] = field(default_factory=dict)


@dataclass(slots=True)
class _Customer:
    flows: dict[tuple[Direction, str], _Flow] = field(default_factory=dict)
    payees: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # first paid, last paid
    last_order_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Counted:
    """An order as it counts."""

    customer: str
    direction: Direction
    currency: str
    amount: int
    at: datetime
    day: date


@dataclass(slots=True)
class _Reservation:
    """`requests` for the order are under way or went through; the book has not refused them."""

    facts: OrderFacts
    decision: Decision
    counted: _Counted | None
    requests: int = 1


class FeatureStore:
    """The features of one book, for all threads of the core. `head` is the first row of the journal not yet read."""

    def __init__(self, rules: RuleBook) -> None:
        self.head = 0
        self._rules = rules
        self._customers: dict[str, _Customer] = {}
        self._open: dict[UUID, tuple[str, str]] = {}  # order: customer and payee, until it has ended
        self._reserved: dict[UUID, _Reservation] = {}
        self._reserved_by: dict[str, dict[UUID, _Counted]] = {}
        self._lock = threading.Lock()

    def reserve(self, facts: OrderFacts, judged_by: Callable[[Features], Decision]) -> tuple[OrderFacts, Decision]:
        """Judge an order and keep its place, as one step. An order that is reserved already is answered with the facts
        and the decision of the first time; `order_is_decided_on_other_facts` if it asks for something else.
        """
        direction = self._rules.direction(facts.kind)
        with self._lock:
            known = self._reserved.get(facts.order_id)
            if known is not None:
                if replace(facts, at=known.facts.at) != known.facts:
                    raise ORDER_IS_DECIDED_ON_OTHER_FACTS(order=facts.order_id)
                known.requests += 1
                return known.facts, known.decision
            decision = judged_by(self._features(facts, direction))
            counted = _as_counted(facts, direction) if decision.outcome != Outcome.REFUSE else None
            self._reserved[facts.order_id] = _Reservation(facts, decision, counted)
            if counted is not None:
                self._reserved_by.setdefault(counted.customer, {})[facts.order_id] = counted
            return facts, decision

    def forget(self, order_id: UUID) -> None:
        """The book refused a request for the order. If it refused all of them, the reservation is given back."""
        with self._lock:
            known = self._reserved.get(order_id)
            if known is not None:
                known.requests -= 1
                if known.requests == 0:
                    self._release(order_id)

    def features(self, facts: OrderFacts) -> Features:
        """What a rule would see of an order now."""
        direction = self._rules.direction(facts.kind)
        with self._lock:
            return self._features(facts, direction)

    def customers(self) -> int:
        """How many customers the store remembers."""
        return len(self._customers)

    def read(self, rows: Iterable[OrderRow], head: int) -> None:
        """Count rows of the journal that follow what was read before; `head` is one past the last row they cover."""
        with self._lock:
            for row in rows:
                if row.sequence < self.head:
                    continue
                self._count_row(row)
                self.head = row.sequence + 1
            self.head = max(self.head, head)

    def drop_reservations(self, before: datetime) -> None:
        """Give back what was reserved before a time: the journal has been read, and the orders are not in it."""
        with self._lock:
            for order_id in [each for each, kept in self._reserved.items() if kept.facts.at < before]:
                self._release(order_id)

    # -- under the lock ------------------------------------------------------------------------------------------

    def _features(self, facts: OrderFacts, direction: Direction | None) -> Features:
        if facts.customer is None or direction is None:
            return NO_FEATURES
        at = _seconds(facts.at)
        counts = dict.fromkeys(WINDOWS, 0)
        sums = dict.fromkeys(WINDOWS, 0)
        near: dict[str, tuple[int, int]] = {}
        last_order_at = payee_paid_at = None
        known = self._customers.get(facts.customer)
        if known is not None:
            for (way, code), flow in known.flows.items():
                if way == direction:
                    for name, window in flow.windows.items():
                        count, total = window.at(at)
                        counts[name] += count
                        sums[name] += total if code == facts.currency else 0
            flow_here = known.flows.get((direction, facts.currency))
            near = dict(flow_here.near.get(facts.day, {})) if flow_here else {}
            last_order_at = known.last_order_at
            payee_paid_at = known.payees[facts.payee][0] if facts.payee in known.payees else None
        for each in self._reserved_by.get(facts.customer, {}).values():
            last_order_at = each.at if last_order_at is None else max(last_order_at, each.at)
            if each.direction == direction:
                self._add_reserved(each, facts, at, (counts, sums, near))
        return Features(counts, sums, near, payee_paid_at, last_order_at)

    def _add_reserved(
        self,
        each: _Counted,
        facts: OrderFacts,
        at: int,
        into: tuple[dict[str, int], dict[str, int], dict[str, tuple[int, int]]],
    ) -> None:
        counts, sums, near = into
        happened = _seconds(each.at)
        for name, (length, bucket) in WINDOWS.items():
            if shows(happened, at, length, bucket):
                counts[name] += 1
                sums[name] += each.amount if each.currency == facts.currency else 0
        if each.currency == facts.currency and each.day == facts.day:
            self._add_near(near, each)

    def _add_near(self, near: dict[str, tuple[int, int]], each: _Counted) -> None:
        for band in self._rules.bands(each.currency):
            if band.holds(each.amount):
                count, total = near.get(band.name, (0, 0))
                near[band.name] = count + 1, total + each.amount

    def _release(self, order_id: UUID) -> None:
        kept = self._reserved.pop(order_id, None)
        if kept is None or kept.counted is None:
            return
        of_customer = self._reserved_by[kept.counted.customer]
        del of_customer[order_id]
        if not of_customer:
            del self._reserved_by[kept.counted.customer]

    def _count_row(self, row: OrderRow) -> None:
        try:
            said = json.loads(row.payload)
            order_id = UUID(said["order"])
            if row.code == EventName.RISK_DECISION:
                self._count_decision(order_id, said)
                self._release(order_id)
            elif said["state"] in ENDED:
                self._count_end(order_id, said, row.posted_at)
        except (ValueError, KeyError, TypeError, AttributeError, Refused) as error:
            raise JOURNAL_ROW_IS_NO_ORDER_TO_RISK(sequence=row.sequence, problem=repr(error)) from error

    def _count_decision(self, order_id: UUID, said: Mapping[str, Any]) -> None:
        direction = self._rules.direction(said["kind"])
        if direction != "out" or said["customer"] is None or Outcome[said["outcome"].upper()] == Outcome.REFUSE:
            return
        self._count(said, direction, datetime.fromisoformat(said["at"]))
        if said["payee"] is not None:
            self._open[order_id] = said["customer"], said["payee"]

    def _count_end(self, order_id: UUID, said: Mapping[str, Any], posted_at: datetime) -> None:
        paid = self._open.pop(order_id, None)
        if said["state"] != SETTLED:
            return
        if paid is not None:
            self._remember_payee(*paid, posted_at)
        direction = self._rules.direction(said["kind"])
        if direction == "in" and said["customer"] is not None:
            self._count(said, direction, posted_at)

    def _count(self, said: Mapping[str, Any], direction: Direction, at: datetime) -> None:
        unit = currency(said["currency"])
        amount, day = parse_minor(said["amount"], unit), date.fromisoformat(said["day"])
        counted = _Counted(said["customer"], direction, unit.code, amount, at, day)
        known = self._customers.setdefault(counted.customer, _Customer())
        known.last_order_at = at if known.last_order_at is None else max(known.last_order_at, at)
        flow = known.flows.setdefault((direction, unit.code), _Flow())
        seconds = _seconds(at)
        for window in flow.windows.values():
            window.add(seconds, amount)
        self._add_near(flow.near.setdefault(day, {}), counted)
        while len(flow.near) > DAYS_KEPT:
            del flow.near[min(flow.near)]

    def _remember_payee(self, customer: str, payee: str, at: datetime) -> None:
        payees = self._customers.setdefault(customer, _Customer()).payees
        first, last = payees.get(payee, (at, at))
        payees[payee] = min(first, at), max(last, at)
        if len(payees) > PAYEES_MAX:
            del payees[min(payees, key=lambda each: (payees[each][1], each))]


def follow(store: FeatureStore, connection: Connection, book: int, at: datetime, page_rows: int = PAGE_ROWS) -> int:
    """Read the journal up to its head; returns the head. One caller at a time makes sense, several do no harm."""
    head = head_of(connection, book)
    while store.head < head:
        first, last = store.head, min(head, store.head + page_rows)
        page = connection.execute(QUERIES.order_rows, {"book": book, "first": first, "last": last}).fetchall()
        store.read([OrderRow(*row) for row in page], last)
    store.drop_reservations(at - RESERVED_FOR)
    return head


def _as_counted(facts: OrderFacts, direction: Direction | None) -> _Counted | None:
    if facts.customer is None or direction is None:
        return None
    return _Counted(facts.customer, direction, facts.currency, facts.amount, facts.at, facts.day)


def _seconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(seconds=1)
