"""The desk on a real journal: a decision stands beside its order, and the features are what the journal says."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from time import perf_counter
from uuid import UUID

import pytest

from ringfence.core import Core, uuid7_source
from ringfence.database.connection import pool
from ringfence.database.refusals import DATABASE_IS_LOST
from ringfence.ledger import reading as ledger_reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line, canonical
from ringfence.ledger.writer import Writer
from ringfence.money import currency, format_minor
from ringfence.refusal import Refused
from ringfence.risk import desk as desk_module
from ringfence.risk import features as features_module
from ringfence.risk import reading
from ringfence.risk.decision import OrderFacts, Outcome
from ringfence.risk.desk import Desk, Ruling, open_desk
from ringfence.risk.features import FeatureStore
from ringfence.risk.lists import load_sample
from ringfence.risk.queries import QUERIES
from ringfence.risk.rules import load
from ringfence.risk.screening import Screen

DAY = date(2026, 3, 2)
BANK, ALICE = 1, 2


@dataclass
class World:
    """A book with a bank account, a customer with 1,000.00, a desk, and a clock that tests own."""

    core: Core
    desk: Desk
    clock: list[datetime]

    def asked(self, number: int, euros: int = 10, **more: object) -> OrderFacts:
        order = derived(UUID(int=number), "order")
        facts = OrderFacts(
            order, "withdrawal", "alice", euros * 100, "EUR", "payee-1", "Ann Example", self.core.clock(), DAY
        )
        return replace(facts, **more)

    def state(self, facts: OrderFacts, state: str) -> Line:
        said = {
            "order": str(facts.order_id),
            "kind": facts.kind,
            "state": state,
            "customer": facts.customer,
            "amount": format_minor(facts.amount, currency(facts.currency)),
            "currency": facts.currency,
            "payee": None,
            "day": facts.day.isoformat(),
        }
        identity = derived(facts.order_id, f"state {state}")
        return Line(Kind.EVENT, identity, order_id=facts.order_id, code=EventName.ORDER_STATE, payload=said)

    def place(self, facts: OrderFacts) -> Ruling:
        """As custody does it: the order, the decision and the money in one append."""
        with self.desk.ruling(facts) as ruling:
            chain = [self.state(facts, "placed"), ruling.line]
            if ruling.decision.outcome is Outcome.ALLOW:
                hold = derived(facts.order_id, "hold")
                chain.append(Line(Kind.PENDING, hold, ALICE, BANK, facts.amount, order_id=facts.order_id))
            self.core.post(Unit(chain))
        return ruling

    def count(self, window: str = "10m") -> int:
        return self.desk.features.features(self.asked(99_999)).counts[window]

    def reopened(self) -> Desk:
        """The desk of a core that starts now."""
        with self.core.connection() as connection:
            book = self.core.book.book_id
            return open_desk(connection, book, self.desk.rules, self.desk.screen, self.core.clock())


@pytest.fixture
def world(database) -> Iterator[World]:
    clock = [datetime(2026, 3, 2, 9, tzinfo=UTC)]

    def now() -> datetime:
        return clock[0]

    with database.connect("core") as connection:
        book = ledger_reading.open_book(connection, "demo", now())
    writer = Writer(Journal(lambda: database.server.connect("core", database.name), book.book_id), now)
    with pool(database.conninfo("core"), largest=4) as connections:
        core = Core(book, writer, connections, now, uuid7_source())
        for number, (name, side, minimum) in enumerate([("bank", "debit", None), ("alice", "credit", 0)], start=1):
            account = Account(0, name, "EUR", side, minimum, None, name, "client")
            core.post(Unit([Line(Kind.ACCOUNT_OPENED, UUID(int=number), payload=account.payload())]))
        core.post(Unit([Line(Kind.TRANSFER, UUID(int=3), BANK, ALICE, 100_000)]))
        with core.connection() as connection:
            screen = Screen(load_sample())
            found = open_desk(connection, book.book_id, load("eu-psd2"), screen, now())
        yield World(core, found, clock)
        writer.close()


def test_the_decision_stands_beside_its_order_and_says_by_which_rules_and_lists(world):
    facts = world.asked(1, 6_000)
    world.place(facts)
    with world.core.connection() as connection:
        lines = ledger_reading.rows_of_order(connection, world.core.book.book_id, facts.order_id)
        found = reading.decision_of(connection, world.core.book.book_id, facts.order_id)
    assert [line.code for line in lines] == [EventName.ORDER_STATE, EventName.RISK_DECISION]
    assert found is not None
    assert (found.outcome, found.score) == (Outcome.HOLD, 40)
    assert found.said["rules"] == {"profile": "eu-psd2", "sha256": world.desk.rules.sha256}
    [sample] = world.desk.screen.lists
    assert found.said["lists"] == [{"date": "2026-01-05", "list": "invented", "sha256": sample.sha256}]
    assert found.said["screened"] is True
    [reason] = found.reasons
    assert reason.facts == {"amount": "6000.00", "currency": "EUR", "hours": 24, "limit": "5000.00"}
    assert reason.sentence(world.desk.rules).startswith("6000.00 EUR to a payee")
    assert "新收款人" in reason.sentence(world.desk.rules, "zh")


def test_neither_name_nor_listed_name_enters_the_journal(world):
    """The payee is called as a listed person is: refused, with the entry's list and id, and without the name."""
    facts = world.asked(1, payee_name="Orsolan Veskarimov")
    ruling = world.place(facts)
    assert ruling.decision.outcome is Outcome.REFUSE
    assert ruling.matches[0].name == "Orsolan Veskarimov"
    written = canonical(ruling.line.payload or {}).decode().casefold()
    assert '"entry":"rf-001"' in written
    assert "orsolan" not in written
    assert "veskarimov" not in written


def test_a_decision_whose_rule_is_no_more_is_told_by_its_facts(world):
    gone = reading.RecordedReason("phase_of_the_moon", Outcome.HOLD, 1, {"moon": "full", "limit": 3})
    assert gone.sentence(world.desk.rules) == "phase_of_the_moon: limit 3, moon full"
    renamed = reading.RecordedReason("payee_is_new", Outcome.HOLD, 1, {"sum": "1.00"})
    assert renamed.sentence(world.desk.rules, "zh") == "payee_is_new: sum 1.00"


def test_decisions_are_listed_by_outcome_and_customer_the_latest_first(world, database):
    for number, (euros, customer) in enumerate([(10, "alice"), (6_000, "alice"), (7_000, "bob"), (20, "bob")], start=1):
        world.place(world.asked(number, euros, customer=customer, payee=f"payee-{number}"))
    book, reader = world.core.book.book_id, database.connect("reader")
    held = reading.decisions(reader, book, outcome=Outcome.HOLD)
    assert [each.said["amount"] for each in held] == ["7000.00", "6000.00"]
    assert [each.said["amount"] for each in reading.decisions(reader, book, customer="bob")] == ["20.00", "7000.00"]
    assert reading.decisions(reader, book, outcome=Outcome.HOLD, before=held[0].sequence, limit=1) == [held[1]]
    assert reading.decision_of(reader, book, UUID(int=77)) is None


def test_a_core_that_starts_anew_remembers_what_the_old_one_did(world):
    """Orders are placed, one is paid, one fails, the book refuses one; whoever reads the journal knows the same."""
    for number in range(1, 5):
        world.place(world.asked(number, 100 * number, payee=f"payee-{number}"))
        world.clock[0] += timedelta(minutes=1)
    world.core.post(Unit([world.state(world.asked(1, 100), "settled")]))
    world.core.post(Unit([world.state(world.asked(2, 200), "failed")]))
    world.core.post(Unit([world.state(world.asked(3, 300), "sent")]))
    with pytest.raises(Refused, match="balance_must_not_fall_below_its_minimum"):
        world.place(world.asked(5, 1))
    assert desk_module.follow(world.desk, world.core) == world.desk.features.head
    paged = FeatureStore(world.desk.rules)
    with world.core.connection() as connection:
        features_module.follow(paged, connection, world.core.book.book_id, world.core.clock(), page_rows=3)
    for number in range(1, 5):
        question = world.asked(99, payee=f"payee-{number}")
        known = world.desk.features.features(question)
        assert (known.counts["10m"], known.sums["10m"]) == (4, 100_000)
        assert (known.payee_paid_at is not None) is (number == 1)
        assert known == world.reopened().features.features(question) == paged.features(question)


def test_the_query_lets_every_ended_order_through():
    for state in features_module.ENDED:
        assert f'"state":"{state}"'.encode() in QUERIES.order_rows


def test_what_the_book_refuses_gives_its_place_back(world):
    """Risk lets 2,000.00 pass, and the customer has 1,000.00."""
    world.place(world.asked(1, 400))
    with pytest.raises(Refused, match="balance_must_not_fall_below_its_minimum"):
        world.place(world.asked(2, 2_000))
    assert world.count() == 1
    desk_module.follow(world.desk, world.core)
    assert world.count() == 1


def test_what_may_be_in_the_journal_keeps_its_place_until_that_is_known(world):
    """The connection is lost while order 1 is appended, and it is there; it is lost before order 2, and it is not."""

    def lost(facts: OrderFacts, *, appended: bool) -> None:
        with world.desk.ruling(facts) as ruling:
            if appended:
                world.core.post(Unit([world.state(facts, "placed"), ruling.line]))
            raise DATABASE_IS_LOST()

    one, two = world.asked(1), world.asked(2)
    for facts, appended in ((one, True), (two, False)):
        with pytest.raises(Refused, match="database_is_lost"):
            lost(facts, appended=appended)
    assert world.count() == 2
    again = world.place(two)
    assert again.decision == world.desk.features.reserve(two, lambda _: pytest.fail("it is judged already"))[1]
    desk_module.follow(world.desk, world.core)
    assert world.count() == 2
    assert world.reopened().features.features(world.asked(9)).counts["10m"] == 2


def test_a_repeat_that_the_book_refuses_does_not_free_the_place_of_the_order(world):
    """The same order twice at once: both are judged, one is appended, then the book refuses the other."""
    facts = world.asked(1)

    def repeated() -> None:
        with world.desk.ruling(facts) as ruling:
            world.place(facts)
            world.core.post(Unit([world.state(facts, "placed"), ruling.line, world.state(facts, "again")]))

    with pytest.raises(Refused, match="linked_row_failed"):
        repeated()
    assert world.count() == 1


def test_a_place_for_an_order_that_never_came_is_given_back_in_time(world):
    lost = world.asked(1)
    with pytest.raises(OSError, match="gone"), world.desk.ruling(lost):
        raise OSError("gone")
    world.clock[0] += timedelta(minutes=9)
    desk_module.follow(world.desk, world.core)
    assert world.count("1h") == 1
    world.clock[0] += timedelta(minutes=2)
    desk_module.follow(world.desk, world.core)
    assert world.count("1h") == 0


def test_an_order_repeated_by_two_threads_is_judged_once_and_appended_once(world):
    facts = world.asked(1)
    lines: list[Line] = []
    ready = threading.Barrier(4)

    def place() -> None:
        ready.wait()
        lines.append(world.place(facts).line)

    threads = [threading.Thread(target=place) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines == [lines[0]] * 4
    with world.core.connection() as connection:
        assert len(reading.decisions(connection, world.core.book.book_id)) == 1
    assert world.count() == 1


def test_of_many_orders_at_once_the_journal_holds_no_more_than_the_limit_allows(world):
    """Twelve threads, two orders each, a follower that reads meanwhile: five orders within ten minutes are usual."""
    placing = threading.Event()
    placing.set()

    def place(thread: int) -> None:
        for number in (2 * thread, 2 * thread + 1):
            world.place(world.asked(number + 1, 10))

    def read() -> None:
        while placing.is_set():
            desk_module.follow(world.desk, world.core)

    threads = [threading.Thread(target=place, args=(number,)) for number in range(12)]
    follower = threading.Thread(target=read)
    for thread in [*threads, follower]:
        thread.start()
    for thread in threads:
        thread.join()
    placing.clear()
    follower.join()
    with world.core.connection() as connection:
        found = reading.decisions(connection, world.core.book.book_id, limit=100)
    assert Counter(each.outcome.word for each in found) == {"allow": 5, "hold": 19}
    desk_module.follow(world.desk, world.core)
    assert world.count() == 24 == world.reopened().features.features(world.asked(99)).counts["10m"]


def test_an_order_without_a_name_says_that_nobody_was_looked_up(world):
    for number, name in enumerate([None, "", " ... "], start=1):
        said = world.place(world.asked(number, payee_name=name)).line.payload
        assert said is not None
        assert said["screened"] is False


def test_a_decision_is_a_json_object_and_small(world):
    said = canonical(world.place(world.asked(1, 6_000)).line.payload or {})
    assert len(said) < 1_000
    assert json.loads(said)["at"] == "2026-03-02T09:00:00.000000+00:00"


def test_a_decision_takes_microseconds():
    """Measured on a shared machine: 45 µs with its line for the journal, of which 21 µs judge and reserve; the bound
    leaves room for a busy one. The customer has a month of orders behind him.
    """
    rules = load("eu-psd2")
    desk = Desk(rules, Screen(load_sample()), FeatureStore(rules))
    seconds, at = [], datetime(2026, 3, 2, tzinfo=UTC)
    for number in range(1, 1_001):
        at += timedelta(minutes=40)
        facts = OrderFacts(UUID(int=number), "withdrawal", "alice", 100, "EUR", "payee", None, at, at.date())
        start = perf_counter()
        ruling = desk_module.decide(desk, facts)
        seconds.append(perf_counter() - start)
        row = features_module.OrderRow(number, EventName.RISK_DECISION, at, canonical(ruling.line.payload or {}))
        desk.features.read([row], number)
    assert median(seconds) < 0.001
