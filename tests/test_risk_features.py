"""What the journal remembers: windows, days and payees, read again the same, shared by threads without a lost count."""

import threading
from collections import deque
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.ledger.codes import EventName
from ringfence.ledger.model import canonical
from ringfence.money import currency, format_minor
from ringfence.refusal import Refused
from ringfence.risk.decision import Decision, Features, OrderFacts, Outcome, judge
from ringfence.risk.features import PAYEES_MAX, FeatureStore, OrderRow
from ringfence.risk.rules import WINDOWS, load
from ringfence.risk.windows import Window, shows

RULES = load("eu-psd2")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALLOWED, REFUSED = Decision(Outcome.ALLOW, (), 0), Decision(Outcome.REFUSE, (), 100)


def asked(number: int, euros: int = 10, at: datetime = NOON, **more) -> OrderFacts:
    facts = OrderFacts(UUID(int=number), "withdrawal", "alice", euros * 100, "EUR", "payee-1", None, at, at.date())
    return replace(facts, **more)


def judged(facts: OrderFacts, outcome: str = "allow") -> dict[str, object]:
    return told(facts) | {"outcome": outcome, "at": facts.at.isoformat(), "payee": facts.payee}


def told(facts: OrderFacts) -> dict[str, object]:
    return {
        "order": str(facts.order_id),
        "kind": facts.kind,
        "customer": facts.customer,
        "amount": format_minor(facts.amount, currency(facts.currency)),
        "currency": facts.currency,
        "day": facts.day.isoformat(),
    }


class Book:
    """Rows as the journal would have them, and a store that reads them when it is told to."""

    def __init__(self) -> None:
        self.rows: list[OrderRow] = []
        self.store = FeatureStore(RULES)

    def decided(self, facts: OrderFacts, outcome: str = "allow") -> None:
        self._append(EventName.RISK_DECISION, facts.at, judged(facts, outcome))

    def stands(self, facts: OrderFacts, state: str, at: datetime) -> None:
        self._append(EventName.ORDER_STATE, at, told(facts) | {"state": state, "payee": None})

    def read(self) -> FeatureStore:
        self.store.read(self.rows, len(self.rows))
        return self.store

    def _append(self, code: int, at: datetime, said: dict[str, object]) -> None:
        self.rows.append(OrderRow(len(self.rows), code, at, canonical(said)))


@pytest.fixture
def book() -> Book:
    return Book()


# -- windows ----------------------------------------------------------------------------------------------------------


@given(
    events=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 10_000)), max_size=40),
    later=st.integers(0, 8_000),
    shape=st.sampled_from(list(WINDOWS.values())),
)
def test_a_window_shows_no_less_than_happened_in_it_and_no_more_than_a_bucket_beside(events, later, shape):
    length, bucket = shape
    start = 1_700_000_000
    window = Window(length, bucket)
    for at, amount in sorted(events):
        window.add(start + at, amount)
    now = start + max([at for at, _ in events], default=0) + later
    least = [amount for at, amount in events if start + at > now - length]
    most = [amount for at, amount in events if start + at > now - length - bucket]
    count, total = window.at(now)
    assert len(least) <= count <= len(most)
    assert sum(least) <= total <= sum(most)
    assert count == sum(shows(start + at, now, length, bucket) for at, _ in events)


def test_a_window_takes_no_more_memory_however_long_it_runs():
    window = Window(3_600, 300)
    for second in range(0, 30 * 86_400, 97):
        window.add(second, 1)
    assert len(window.buckets) <= 3_600 // 300 + 2


# -- the fold ---------------------------------------------------------------------------------------------------------


def test_an_order_out_counts_from_its_decision_on_and_a_refused_one_does_not(book):
    book.decided(asked(1, 100))
    book.decided(asked(2, 50), "hold")
    book.decided(asked(3, 9_999), "refuse")
    found = book.read().features(asked(4, at=NOON + timedelta(minutes=5)))
    assert set(found.counts.values()) == {2}
    assert set(found.sums.values()) == {15_000}
    tomorrow = book.store.features(asked(4, at=NOON + timedelta(days=2)))
    assert tomorrow.counts == {"10m": 0, "1h": 0, "1d": 0, "30d": 2}


def test_an_order_in_counts_when_it_is_settled_and_apart_from_those_out(book):
    deposit = asked(1, 700, kind="deposit")
    book.decided(deposit)
    assert book.read().features(replace(deposit, order_id=UUID(int=9))).counts["1h"] == 0
    book.stands(deposit, "settled", NOON)
    assert book.read().features(replace(deposit, order_id=UUID(int=9))).sums["1h"] == 70_000
    assert book.store.features(asked(2)).sums["1h"] == 0


def test_a_payee_is_known_once_money_has_reached_it(book):
    """The order's own later rows do not name the payee again; its decision did."""
    order = asked(1, payee="bob")
    book.decided(order)
    assert book.read().features(asked(2, payee="bob")).payee_paid_at is None
    book.stands(order, "settled", NOON + timedelta(hours=3))
    assert book.read().features(asked(2, payee="bob")).payee_paid_at == NOON + timedelta(hours=3)
    assert book.store.features(asked(2, payee="carol")).payee_paid_at is None
    assert book.store.features(asked(2, payee="bob", customer="dave")).payee_paid_at is None


@pytest.mark.parametrize("state", ["failed", "rejected", "cancelled"])
def test_a_payee_whom_no_money_reached_stays_new(book, state):
    order = asked(1, payee="bob")
    book.decided(order)
    book.stands(order, state, NOON)
    book.stands(order, "settled", NOON)  # nothing may follow, and nothing comes of it
    assert book.read().features(asked(2, payee="bob")).payee_paid_at is None


def test_the_amounts_just_under_a_threshold_are_those_of_the_same_day_currency_and_direction(book):
    book.decided(asked(1, 9_000))
    book.decided(asked(2, 7_999))
    book.decided(asked(3, 10_000))
    book.decided(asked(4, 9_100, kind="transfer"))
    book.decided(asked(5, 9_200, currency="USD"))
    book.decided(asked(6, 9_300, day=date(2026, 3, 3)))
    assert dict(book.read().features(asked(7)).near) == {"occasional_transaction": (2, 1_810_000)}
    assert dict(book.store.features(asked(7, day=date(2026, 3, 3))).near) == {"occasional_transaction": (1, 930_000)}
    assert dict(book.store.features(asked(7, currency="USD")).near) == {"house_threshold": (1, 920_000)}
    assert dict(book.store.features(asked(7, kind="deposit")).near) == {}


def test_sums_are_by_currency_and_counts_are_not(book):
    book.decided(asked(1, 100))
    book.decided(asked(2, 100, currency="USD"))
    found = book.read().features(asked(3))
    assert (found.counts["1d"], found.sums["1d"]) == (2, 10_000)


def test_of_the_days_the_last_three_are_kept(book):
    for number in range(1, 6):
        book.decided(asked(number, 9_000, day=date(2026, 3, number)))
    near = [bool(book.read().features(asked(9, day=date(2026, 3, day))).near) for day in range(1, 6)]
    assert near == [False, False, True, True, True]


def test_the_store_is_bounded_by_customers_and_by_their_latest_payees(book):
    for number in range(1, PAYEES_MAX + 20):
        order = asked(number, payee=f"payee-{number}", at=NOON + timedelta(minutes=number))
        book.decided(order)
        book.stands(order, "settled", order.at)
    store = book.read()
    known = [store.features(asked(9_999, payee=f"payee-{each}")).payee_paid_at for each in range(1, PAYEES_MAX + 20)]
    assert [each is not None for each in known] == [False] * 19 + [True] * PAYEES_MAX
    assert store.customers() == 1


@pytest.mark.parametrize(
    "said",
    [
        {"order": str(UUID(int=1))},
        judged(asked(1)) | {"amount": "ten"},
        judged(asked(1)) | {"kind": "gift"},
        judged(asked(1)) | {"outcome": "perhaps"},
        judged(asked(1)) | {"at": None},
    ],
)
def test_a_row_that_is_not_written_as_ours_are_is_refused_with_its_number(book, said):
    book.decided(asked(7))
    book.rows.append(OrderRow(1, EventName.RISK_DECISION, NOON, canonical(said)))
    with pytest.raises(Refused, match="journal_row_is_no_order_to_risk") as refused:
        book.read()
    assert refused.value.facts["sequence"] == 1
    assert book.store.head == 1


# -- read again, the same ---------------------------------------------------------------------------------------------

ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["alice", "bob"]),
        st.sampled_from(["withdrawal", "transfer", "deposit"]),
        st.sampled_from(["EUR", "USD"]),
        st.integers(1, 12_000),
        st.sampled_from(["payee-1", "payee-2", None]),
        st.integers(0, 50_000),  # seconds after the order before
        st.sampled_from(["allow", "hold", "refuse"]),
        st.sampled_from([None, "settled", "failed", "rejected", "cancelled"]),
    ),
    max_size=25,
)


def everything(store: FeatureStore, at: datetime) -> list[Features]:
    return [
        store.features(asked(0, at=at, customer=customer, kind=kind, currency=code, payee=payee))
        for customer in ("alice", "bob")
        for kind in ("withdrawal", "deposit")
        for code in ("EUR", "USD")
        for payee in ("payee-1", "payee-2")
    ]


@settings(deadline=None)
@given(orders=ORDERS, cuts=st.lists(st.integers(0, 60), max_size=4), restart=st.integers(0, 60))
def test_a_restart_gives_the_same_features_as_an_uninterrupted_run(orders, cuts, restart):
    """One store lives through the orders: it reserves each, reads the journal in pieces, and once a page twice. Another
    starts in the middle, a third at the end. In the end all three say the same of everybody.
    """
    book, at = Book(), NOON
    second = FeatureStore(RULES)
    for number, (customer, kind, code, euros, payee, seconds, outcome, end) in enumerate(orders, start=1):
        at += timedelta(seconds=seconds)
        facts = asked(number, euros, at, customer=customer, kind=kind, currency=code, payee=payee)
        decision = Decision(Outcome[outcome.upper()], (), 0)
        book.store.reserve(facts, lambda _, decision=decision: decision)
        book.decided(facts, outcome)
        if end:
            book.stands(facts, end, at)
        if number in cuts:
            book.read()
            book.store.read(book.rows[-3:], len(book.rows))
        if number == restart:
            second.read(book.rows, len(book.rows))
    last = FeatureStore(RULES)
    for store in (book.store, second, last):
        store.read(book.rows, len(book.rows))
        store.drop_reservations(at + timedelta(days=1))
    assert everything(book.store, at) == everything(second, at) == everything(last, at)


@settings(deadline=None)
@given(orders=ORDERS, at_most=st.integers(0, 40_000))
def test_a_reservation_counts_just_as_its_row_will(orders, at_most):
    """Money out: before its row is read and after it, an order counts alike."""
    reserved, read, at = FeatureStore(RULES), Book(), NOON
    for number, (customer, kind, code, euros, payee, seconds, outcome, _) in enumerate(orders, start=1):
        if kind == "deposit":
            continue
        at += timedelta(seconds=seconds % (at_most + 1))
        facts = asked(number, euros, at, customer=customer, kind=kind, currency=code, payee=payee)
        reserved.reserve(facts, lambda _, outcome=outcome: Decision(Outcome[outcome.upper()], (), 0))
        read.decided(facts, outcome)
    assert everything(reserved, at) == everything(read.read(), at)


# -- reservations -----------------------------------------------------------------------------------------------------


def test_of_many_orders_at_once_no_more_pass_than_the_limit_leaves_room_for():
    """Thirty threads, each with two orders of 1,000.00 within ten minutes: five are usual, all others are held."""
    store = FeatureStore(RULES)
    outcomes: deque[str] = deque()
    ready = threading.Barrier(30)

    def place(thread: int) -> None:
        ready.wait()
        for number in (thread * 2 + 1, thread * 2 + 2):
            facts = asked(number, 1_000)
            _, decision = store.reserve(facts, lambda seen, facts=facts: judge(RULES, facts, seen, []))
            outcomes.append(decision.outcome.word)

    threads = [threading.Thread(target=place, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["allow"] * 5 + ["hold"] * 55
    assert store.features(asked(99)).counts["10m"] == 60


def test_what_the_book_refused_leaves_its_place_to_the_next(book):
    for number in range(1, 6):
        book.store.reserve(asked(number), lambda _: ALLOWED)
    assert book.store.features(asked(9)).counts["10m"] == 5
    book.store.forget(UUID(int=3))
    assert book.store.features(asked(9)).counts["10m"] == 4


def test_a_refused_order_takes_no_place(book):
    book.store.reserve(asked(1, 9_000), lambda _: REFUSED)
    assert book.store.features(asked(9)).counts["10m"] == 0


def test_the_same_order_again_is_answered_as_the_first_time_and_counts_once(book):
    first = book.store.reserve(asked(1), lambda _: ALLOWED)
    again = book.store.reserve(asked(1, at=NOON + timedelta(seconds=1)), lambda _: REFUSED)
    assert first == again == (asked(1), ALLOWED)
    assert book.store.features(asked(9)).counts["10m"] == 1
    with pytest.raises(Refused, match="order_is_decided_on_other_facts"):
        book.store.reserve(asked(1, 11), lambda _: ALLOWED)


def test_an_order_sent_twice_does_not_lose_its_place_when_the_second_is_refused(book):
    """Three requests for one order: one goes through, the others are refused by the book as repeats. Had it refused all
    three, the place would be free.
    """
    for _ in range(3):
        book.store.reserve(asked(1), lambda _: ALLOWED)
    book.store.forget(UUID(int=1))
    book.store.forget(UUID(int=1))
    assert book.store.features(asked(9)).counts["10m"] == 1
    book.store.forget(UUID(int=1))
    assert book.store.features(asked(9)).counts["10m"] == 0


def test_a_reservation_whose_answer_was_lost_counts_until_the_journal_is_read_without_it(book):
    book.store.reserve(asked(1), lambda _: ALLOWED)
    book.store.drop_reservations(NOON)
    assert book.store.features(asked(9)).counts["10m"] == 1
    book.store.drop_reservations(NOON + timedelta(seconds=1))
    assert book.store.features(asked(9)).counts["10m"] == 0


def test_reading_goes_on_while_orders_are_placed(book):
    """One thread reads pages, four place orders; in the end every order counts once."""
    facts = [asked(number, 1, customer=f"customer-{number % 7}") for number in range(1, 401)]
    append = threading.Lock()

    def place(mine: list[OrderFacts]) -> None:
        for each in mine:
            book.store.reserve(each, lambda _: ALLOWED)
            with append:
                book.decided(each)

    def read() -> None:
        while book.store.head < len(facts):
            rows = list(book.rows)
            book.store.read(rows[book.store.head :], len(rows))

    threads = [threading.Thread(target=place, args=(facts[each::4],)) for each in range(4)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    again = FeatureStore(RULES)
    again.read(book.rows, len(book.rows))
    for number in range(7):
        question = asked(999, customer=f"customer-{number}")
        assert book.store.features(question) == again.features(question)
    assert sum(again.features(asked(999, customer=f"customer-{each}")).counts["1d"] for each in range(7)) == 400
