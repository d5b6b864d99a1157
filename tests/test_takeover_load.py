"""A source becomes a book, once, whatever happens on the way, and the book's own statements prove it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from ringfence.ledger import reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.storage import head_of
from ringfence.refusal import Refused
from ringfence.takeover import berka, load
from ringfence.takeover.berka import Source, SourceAccount, SourceMovement
from ringfence.takeover.proof import plan, prove

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class World:
    """An empty book, and a clock that tests own."""

    connection: psycopg.Connection
    journal: Journal
    now: datetime = NOON

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def load(self, source: Source, progress: load.Progress = lambda *_: None) -> int:
        lines = plan(source, prove(source))
        return load.load(source, lines, self.journal, self.connection, self.clock, progress, batch_rows=3)

    def head(self) -> int:
        return head_of(self.connection, self.journal.book)

    def balance(self, name: str) -> int:
        return reading.balance(self.connection, self.journal.book, name, fresh=True).balance

    def post(self, *, debit: str, credit: str, amount: int) -> None:
        numbers = self.journal.balances().numbers
        line = Line(Kind.TRANSFER, UUID(int=1), numbers[debit], numbers[credit], amount)
        self.journal.submit([Unit([line])], self.clock())


@pytest.fixture
def world(database) -> Iterator[World]:
    connection = database.connect("core")
    book = load.book_for(connection, "berka", NOON)
    journal = Journal(lambda: database.connect("core"), book.book_id)
    yield World(connection, journal)
    journal.close()


def row(number: int, account: int, day: int, amount: int, balance: int, symbol: str = "") -> SourceMovement:
    return SourceMovement(number, account, date(1993, 1, day), amount, balance, "", symbol, "", "")


SOURCE = Source(
    clients=(1, 2, 3),
    accounts=(
        SourceAccount(7, date(1993, 1, 1), 1, ()),
        SourceAccount(8, date(1993, 1, 2), 2, (3,)),
        SourceAccount(9, date(1993, 1, 2), 3, ()),
    ),
    movements=(
        row(11, 7, 1, 70000, 70000),
        row(12, 7, 31, -1460, 68760),
        row(13, 7, 31, 210, 70220, "UROK"),  # before row 12, and 0.10 short of 702.10
        row(14, 7, 31, 0, 68760),
        row(21, 8, 2, 9000, 9000),
        row(22, 8, 3, -10000, -1000),  # overdrawn
        row(23, 8, 5, -1000, 3000),  # 50.00 that nothing explains
    ),
    sha256="5a" * 32,
)


def test_a_source_becomes_a_book_whose_statements_are_the_sources(world: World) -> None:
    assert world.load(SOURCE) == 7
    # 3 counterparts, their guard, 3 customers, 3 accounts, 6 movements of an amount, a rounding and a difference.
    assert world.head() == 18
    assert [world.balance(f"berka:account:{number}") for number in (7, 8, 9)] == [68760, 3000, 0]
    assert [world.balance(f"berka:{name}") for name in ("counterpart", "roundings", "unexplained")] == [
        *(66750, 10, 5000)
    ]
    lines = reading.statement(world.connection, world.journal.book, "berka:account:7")
    assert [(line.value_date.day, line.change, line.balance) for line in reversed(lines)] == [
        (1, 70000, 70000),
        (31, 10, 70010),
        (31, 210, 70220),
        (31, -1460, 68760),
    ]


def test_customers_are_registered_with_their_accounts(world: World) -> None:
    """On the other book's word, and to be verified anew within a year of its last movement."""
    world.load(SOURCE)
    events = list(reading.events(world.connection, world.journal.book, 1090))
    registered = {"event": "customer_registered", "tier": "taken_over", "review_due": "1994-01-31"}
    assert [event.said for event in events] == [
        registered | {"customer": "customer:berka-1", "accounts": {"berka:account:7": "owner"}},
        registered | {"customer": "customer:berka-2", "accounts": {"berka:account:8": "owner"}},
        registered
        | {
            "customer": "customer:berka-3",
            "accounts": {"berka:account:8": "disponent", "berka:account:9": "owner"},
        },
    ]


def test_the_same_source_again_changes_nothing(world: World) -> None:
    world.load(SOURCE)
    head = world.head()
    assert world.load(SOURCE) == 7
    assert world.head() == head


class Killed(Exception):  # noqa: N818 - what happened
    pass


def stop_after_accounts(done: int, total: int) -> None:  # noqa: ARG001
    if done == 10:
        raise Killed


@pytest.mark.parametrize("steps", range(1, 10))
def test_an_import_that_was_killed_goes_on_where_it_stopped(world: World, steps: int) -> None:
    """It dies after any of its steps; another one begins from the folder again and leaves the same book."""
    left = steps

    def progress(done: int, total: int) -> None:  # noqa: ARG001 - only the number of calls counts
        nonlocal left
        left -= 1
        if not left:
            raise Killed

    with pytest.raises(Killed):
        world.load(SOURCE, progress)
    world.journal.forget()
    assert world.load(SOURCE) == 7
    assert world.head() == 18
    assert world.balance("berka:account:7") == 68760


def test_progress_ends_at_its_total(world: World) -> None:
    seen: list[tuple[int, int]] = []
    world.load(SOURCE, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {25}
    assert seen[-1] == (25, 25)


def test_another_source_is_refused_before_anything_is_written(world: World) -> None:
    world.load(SOURCE)
    head = world.head()
    with pytest.raises(Refused) as caught:
        world.load(replace(SOURCE, sha256="5b" * 32))
    assert caught.value.name == "book_holds_another_source"
    assert world.head() == head


def test_a_stranger_between_two_movements_is_seen(world: World) -> None:
    """The import stops after the accounts are opened; somebody pays 1.00 into one; the import goes on."""
    with pytest.raises(Killed):
        world.load(SOURCE, stop_after_accounts)
    world.post(debit="berka:account:9", credit="berka:account:8", amount=100)
    with pytest.raises(Refused) as caught:
        world.load(SOURCE)
    assert caught.value.as_json() == {
        "refused": "book_differs_from_source",
        "sentence": "After movement 21, the book's balance of berka:account:8 is 91.00; the source says 90.00.",
        "facts": {"movement": 21, "account": "berka:account:8", "found": "91.00", "expected": "90.00"},
    }


def test_a_stranger_on_a_counterpart_is_seen(world: World) -> None:
    world.load(SOURCE)
    world.post(debit="berka:roundings", credit="berka:unexplained", amount=10)
    with pytest.raises(Refused) as caught:
        world.load(SOURCE)
    assert caught.value.name == "book_differs_from_source"
    assert caught.value.facts["account"] == "berka:roundings"


def test_business_after_the_takeover_does_not_disturb_its_proof(world: World) -> None:
    world.load(SOURCE)
    world.post(debit="berka:account:7", credit="berka:account:9", amount=100)
    assert world.load(SOURCE) == 7


def test_an_empty_source_is_an_empty_book(world: World) -> None:
    assert world.load(replace(SOURCE, movements=())) == 0
    assert world.head() == 10


@pytest.mark.real_files
def test_the_real_bank_becomes_a_book(world: World, real_files: Path) -> None:
    """Every one of 49,102 balances is the book's own; a second import finds everything there."""
    folder = real_files / "berka"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    said = load.take_over(folder, world.journal, world.connection, world.clock)
    assert {name: said[name] for name in ("customers", "accounts", "transactions", "balances_checked")} == {
        "customers": 5369,
        "accounts": 4500,
        "transactions": 49102,
        "balances_checked": 49102,
    }
    assert said["roundings"] == 2325
    assert len(said["unexplained"]) == 28
    head = world.head()
    assert head == 3 + 1 + 5369 + 4500 + 49102 + 2325 + 28
    chains = prove(berka.read(folder)).chains.values()
    sums = [world.balance(f"berka:{name}") for name in ("counterpart", "roundings", "unexplained")]
    assert sum(sums) == sum(found.movements[-1].balance for found in chains)
    assert load.take_over(folder, world.journal, world.connection, world.clock)["balances_checked"] == 49102
    assert world.head() == head
