"""Money between two books: it is in both journals or in neither, whoever dies at which step."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from pathlib import Path
from uuid import UUID

import pytest

from crossing_crash import CURRENCY, CUSTOMERS, side_of
from ringfence.database.connection import connect
from ringfence.database.server import open_server, prepare
from ringfence.ledger import crossing, reading
from ringfence.ledger.crossing import NEXT, Crossing, CrossingIsBroken, Leg, Side, State, Step, next_step
from ringfence.ledger.crossing.clearing import clearing_differences
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.ledger.standing import ClosedPeriod
from ringfence.refusal import Refused

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DEPOSITED = 10_000_00
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass
class World:
    """The books `east` and `west`, with three customers each who have money and one who takes no more."""

    east: Side
    west: Side
    conninfos: dict[str, str]
    clock: list[datetime]

    def pass_time(self, **time: float) -> None:
        self.clock[0] += timedelta(**time)

    def balance(self, side: Side, name: str) -> tuple[int, int, int]:
        with side.connection() as connection:
            found = reading.balance(connection, side.book.book_id, name, fresh=True)
        return found.balance, found.held, found.expected

    def customers(self, side: Side) -> int:
        return sum(self.balance(side, name)[0] for name in CUSTOMERS)

    def asked(self, number: int = 1, **changes) -> Crossing:
        found = Crossing(
            UUID(int=number),
            "east",
            "customer:a",
            "west",
            "customer:b",
            100_00,
            CURRENCY,
            NOON.date(),
            self.clock[0] + timedelta(hours=1),
        )
        return replace(found, **changes)

    def clearing(self) -> list[tuple[str, int, int, bool]]:
        found = clearing_differences([self.east, self.west])
        return [(each.source, each.due, each.claimed, each.holds) for each in found]


@contextmanager
def open_sides(conninfos: dict[str, str], clock) -> Iterator[list[Side]]:
    """Two new books with their customers and clearing accounts."""
    with ExitStack() as opened:
        sides = []
        for name, conninfo in conninfos.items():
            with connect(conninfo) as connection:
                reading.open_book(connection, name, clock())
            sides.append(opened.enter_context(side_of(conninfo, name, clock)))
        open_accounts(sides)
        yield sides


def open_accounts(sides: list[Side]) -> None:
    for side, other in (sides, sides[::-1]):
        accounts = [Account(0, "bank:main", CURRENCY, "debit", None, None, "bank:main", "client")]
        for name in CUSTOMERS:
            maximum = 0 if name == "customer:full" else None
            accounts.append(Account(0, name, CURRENCY, "credit", 0, maximum, name, "client"))
        accounts.append(Account(0, "platform:own", CURRENCY, "credit", None, None, "platform", "own"))
        for number, account in enumerate(accounts, 1):
            line = Line(Kind.ACCOUNT_OPENED, UUID(int=2**100 + number), payload=account.payload())
            assert side.submit(Unit([line]))[0].result == 0
        crossing.open_clearing(side, other.book.name, CURRENCY)
        crossing.open_clearing(side, other.book.name, CURRENCY)  # once more changes nothing
        for number in range(3):
            deposit = Line(Kind.TRANSFER, UUID(int=2**101 + number), 1, 2 + number, DEPOSITED, value_date=NOON.date())
            assert side.submit(Unit([deposit]))[0].result == 0


@contextmanager
def second_server():
    with (
        tempfile.TemporaryDirectory(prefix="ringfence-west-") as home,
        open_server(Path(home), settings=QUICK) as found,
    ):
        prepare(found)
        yield found.conninfo("core")


@pytest.fixture(params=["one database", "two servers"])
def conninfos(request, database):
    if request.param == "one database":
        yield {"east": database.conninfo("core"), "west": database.conninfo("core")}
    else:
        with second_server() as west:
            yield {"east": database.conninfo("core"), "west": west}


@pytest.fixture
def world(conninfos):
    clock = [NOON]
    with open_sides(conninfos, lambda: clock[0]) as (east, west):
        yield World(east, west, conninfos, clock)


@pytest.fixture
def close_by(database):
    """Both books in one database."""
    clock = [NOON]
    conninfos = {"east": database.conninfo("core"), "west": database.conninfo("core")}
    with open_sides(conninfos, lambda: clock[0]) as (east, west):
        yield World(east, west, conninfos, clock)


def test_money_crosses_and_the_clearing_accounts_mirror_each_other(world):
    """
    east  customer:a   10000.00 ->  9900.00     clearing:to:west    0 -> 100.00
    west  customer:b   10000.00 -> 10100.00     clearing:from:east  0 -> 100.00
    """
    state = crossing.cross(world.east, world.west, world.asked())
    assert state == State(Leg.POSTED, Leg.POSTED, ended=True)
    assert world.balance(world.east, "customer:a") == (DEPOSITED - 100_00, 0, 0)
    assert world.balance(world.west, "customer:b") == (DEPOSITED + 100_00, 0, 0)
    assert world.clearing() == [("east", 100_00, 100_00, True), ("west", 0, 0, True)]
    back = world.asked(2, source="west", target="east", amount=30_00)
    crossing.cross(world.west, world.east, back)
    assert world.clearing() == [("east", 100_00, 100_00, True), ("west", 30_00, 30_00, True)]


def test_the_same_crossing_again_is_the_same_crossing(close_by):
    first = crossing.cross(close_by.east, close_by.west, close_by.asked())
    assert crossing.cross(close_by.east, close_by.west, close_by.asked()) == first
    assert close_by.balance(close_by.east, "customer:a")[0] == DEPOSITED - 100_00
    with pytest.raises(Refused) as refused:
        crossing.cross(close_by.east, close_by.west, close_by.asked(amount=1))
    assert refused.value.name == "id_already_has_other_content"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"amount": DEPOSITED + 1}, "balance_must_not_fall_below_its_minimum"),
        ({"payer": "customer:nobody"}, "debit_account_must_exist"),
        ({"payer": "platform:own"}, "crossing_stays_in_the_pool"),
        ({"target": "south"}, "clearing_account_must_exist"),
        ({"currency": "USD"}, "clearing_account_must_exist"),
        ({"target": "east"}, "crossing_needs_two_books"),
        ({"expires_at": NOON}, "expiry_must_be_in_the_future"),
        ({"amount": 0}, "amount_must_be_positive"),
    ],
)
def test_what_the_source_refuses_does_not_begin(close_by, changes, name):
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            crossing.cross(close_by.east, close_by.west, close_by.asked(**changes))
        assert refused.value.name == name
    assert crossing.open_crossings(close_by.east) == []
    assert close_by.balance(close_by.east, "customer:a") == (DEPOSITED, 0, 0)


@pytest.mark.parametrize(
    ("payee", "reason"),
    [
        ("customer:full", "balance_must_not_exceed_its_maximum"),
        ("customer:nobody", "credit_account_must_exist"),
        ("platform:own", "crossing_stays_in_the_pool"),
    ],
)
def test_what_the_target_refuses_goes_back(close_by, payee, reason):
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            crossing.cross(close_by.east, close_by.west, close_by.asked(payee=payee))
        assert (refused.value.name, refused.value.facts) == ("crossing_was_voided", {"reason": reason})
    assert close_by.balance(close_by.east, "customer:a") == (DEPOSITED, 0, 0)
    assert close_by.clearing() == [("east", 0, 0, True), ("west", 0, 0, True)]


class Killed(Exception):  # noqa: N818 - what happens to it
    """The program died here."""


def dying(side: Side, deaths: list[int], *, before: bool) -> Side:
    """A side whose append number deaths[0], counted over both books, is the last thing its program does."""

    def submit(unit: Unit):
        deaths[0] -= 1
        if deaths[0] < 0 and before:
            raise Killed
        answers = side.submit(unit)
        if deaths[0] < 0:
            raise Killed
        return answers

    return replace(side, submit=submit)


@pytest.mark.parametrize("late", [False, True], ids=["in time", "when it has expired"])
@pytest.mark.parametrize("persisted", [False, True], ids=["did not persist", "persisted"])
@pytest.mark.parametrize("step", range(5))
def test_a_death_at_any_step_leaves_both_or_neither(close_by, step, persisted, late):
    """Appends of a crossing: begun + hold, hold of the target, post, post of the target, ended."""
    deaths = [step]
    east, west = (dying(side, deaths, before=not persisted) for side in (close_by.east, close_by.west))
    with pytest.raises(Killed):
        crossing.cross(east, west, close_by.asked())
    assert all(holds for *_, holds in close_by.clearing()), "what is in flight explains every difference"
    if late:
        close_by.pass_time(hours=2)
    done = list(crossing.finish_all(close_by.east, {"west": close_by.west}))
    begun = step > 0 or persisted
    posted = begun and (not late or step > 2 or (step == 2 and persisted))
    already_over = step == 4 and persisted
    assert [state.outcome for _, state in done] == (
        [] if already_over or not begun else ["posted" if posted else "voided"]
    )
    crossed = 100_00 if posted else 0
    assert close_by.balance(close_by.east, "customer:a") == (DEPOSITED - crossed, 0, 0)
    assert close_by.balance(close_by.west, "customer:b") == (DEPOSITED + crossed, 0, 0)
    assert close_by.clearing() == [("east", crossed, crossed, True), ("west", 0, 0, True)]
    assert crossing.open_crossings(close_by.east) == []


def test_who_slept_before_the_target_held_finds_it_barred(close_by):
    """One begins and sleeps; another gives up; the first wakes, and nothing is held anywhere."""
    asked = close_by.asked()
    crossing.begin(close_by.east, asked)
    state = crossing.give_up(close_by.east, close_by.west, asked)
    assert (state.source, state.target, state.ended) == (Leg.VOIDED, Leg.BARRED, True)
    crossing._take(Step.HOLD, close_by.east, close_by.west, asked, state)  # what the sleeper was about to do
    crossing._take(Step.POST_SOURCE, close_by.east, close_by.west, asked, state)
    assert crossing.state_of(close_by.east, close_by.west, asked) == state
    assert close_by.balance(close_by.west, "customer:b") == (DEPOSITED, 0, 0)
    assert close_by.clearing() == [("east", 0, 0, True), ("west", 0, 0, True)]


def test_giving_up_after_the_source_has_posted_carries_on(close_by):
    deaths = [2]
    east, west = (dying(side, deaths, before=False) for side in (close_by.east, close_by.west))
    with pytest.raises(Killed):
        crossing.cross(east, west, close_by.asked())
    assert crossing.give_up(close_by.east, close_by.west, close_by.asked()).outcome == "posted"
    assert close_by.balance(close_by.west, "customer:b")[0] == DEPOSITED + 100_00


def test_a_period_closed_meanwhile_moves_the_value_date_and_not_the_money(close_by):
    """The source has posted; then the target closes the period of the value date."""
    deaths = [2]
    east, west = (dying(side, deaths, before=False) for side in (close_by.east, close_by.west))
    with pytest.raises(Killed):
        crossing.cross(east, west, close_by.asked())
    close_by.pass_time(days=1)
    closed = ClosedPeriod(NOON.date(), UUID(int=1)).line(UUID(int=2))
    assert [each.result for each in close_by.west.submit(Unit([closed]))] == [0]
    [(_, state)] = crossing.finish_all(close_by.east, {"west": close_by.west})
    assert (state.source, state.target) == (Leg.POSTED, Leg.POSTED)
    assert close_by.balance(close_by.west, "customer:b") == (DEPOSITED + 100_00, 0, 0)


def test_an_expiry_that_the_rounds_wrote_counts_as_given_up(close_by):
    asked = close_by.asked()
    crossing.begin(close_by.east, asked)
    close_by.pass_time(hours=2)
    hold = derived(asked.crossing_id, "crossing source hold")
    debit, credit = 2, 7
    line = Line(Kind.EXPIRE, UUID(int=9), debit, credit, refers_to=hold, value_date=NOON.date())
    assert [each.result for each in close_by.east.submit(Unit([line]))] == [0]
    [(_, state)] = crossing.finish_all(close_by.east, {"west": close_by.west})
    assert (state.source, state.target) == (Leg.VOIDED, Leg.BARRED)


def test_every_pair_of_legs_has_its_step_or_breaks_the_rule(close_by):
    asked = close_by.asked()
    for source in Leg:
        for target in Leg:
            if (source, target) in NEXT:
                assert next_step(State(source, target), asked, NOON) is NEXT[source, target]
            else:
                with pytest.raises(CrossingIsBroken):
                    next_step(State(source, target), asked, NOON)
    assert next_step(State(Leg.HELD, Leg.HELD), asked, asked.expires_at) is Step.VOID_SOURCE
    assert next_step(State(Leg.POSTED, Leg.HELD), asked, asked.expires_at) is Step.POST_TARGET


def test_the_check_finds_what_nothing_explains(close_by):
    """Somebody posts to a clearing account by hand."""
    crossing.cross(close_by.east, close_by.west, close_by.asked())
    due = 7
    forged = Line(Kind.TRANSFER, UUID(int=8), 2, due, 5, value_date=NOON.date())
    assert close_by.east.submit(Unit([forged]))[0].result == 0
    found = clearing_differences([close_by.east, close_by.west])
    assert [(each.source, each.difference, each.holds) for each in found] == [("east", 5, False), ("west", 0, True)]


def killed_children(conninfos: dict[str, str], folder: Path, go_on, seed: int) -> set[str]:
    """Two programs cross at once, and are killed after a random while, over and over; what they answered."""
    books, answered = folder / "books.json", folder / "answered"
    books.write_text(json.dumps(conninfos))
    answered.touch()
    chance = random.Random(seed)
    for each in takewhile(go_on, count()):
        children = [
            subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("crossing_crash.py")),
                    books,
                    str(seed + 1000 * each + k),
                    answered,
                ]
            )
            for k in range(2)
        ]
        before = answered.stat().st_size
        deadline = time.monotonic() + 60
        while answered.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.4)
        for child in children:
            os.kill(child.pid, signal.SIGKILL)
        for child in children:
            assert child.wait() == -signal.SIGKILL
    return set(answered.read_text().split())


def test_programs_killed_at_random_leave_every_crossing_on_both_sides_or_on_neither(conninfos, tmp_path):
    require_both_or_neither(conninfos, tmp_path, lambda deaths: deaths < 4, seed=1)


@pytest.mark.soak
def test_programs_killed_at_random_for_long(conninfos, tmp_path):
    """The same with other lots, until half of RINGFENCE_SOAK_MINUTES has passed."""
    until = time.monotonic() + 30 * float(os.environ.get("RINGFENCE_SOAK_MINUTES", "10"))
    require_both_or_neither(conninfos, tmp_path, lambda _: time.monotonic() < until, seed=random.randrange(2**32))


def require_both_or_neither(conninfos, folder: Path, go_on, seed: int) -> None:
    def now():
        return datetime.now(UTC)

    with open_sides(conninfos, now) as sides:
        answered = killed_children(conninfos, folder, go_on, seed)
        outcomes = finish_and_look(sides)
        assert answered
        assert all(outcomes[each] == "posted" for each in answered), "what was answered is there"
        assert "voided" in outcomes.values()
        world = World(*sides, conninfos, [])
        assert sum(world.customers(side) for side in sides) == 6 * DEPOSITED


def finish_and_look(sides: list[Side]) -> dict[str, str]:
    """Finish what is open; the outcome of every crossing that ever began, each on both sides or on neither."""
    for found in clearing_differences(sides):
        assert found.holds, found
    outcomes = {}
    for source, target in (sides, sides[::-1]):
        assert all(state.ended for _, state in crossing.finish_all(source, {target.book.name: target}))
        assert crossing.open_crossings(source) == []
        for begun in crossing.open_crossings(source, ended_before=0):  # all that ever were
            state = crossing.state_of(source, target, begun.crossing)
            both = (state.source, state.target) == (Leg.POSTED, Leg.POSTED)
            neither = state.source is Leg.VOIDED and state.target in (Leg.VOIDED, Leg.BARRED)
            assert both or neither, (begun, state)
            outcomes[str(begun.crossing.crossing_id)] = state.outcome
    assert all(each.holds and not each.in_flight and not each.held for each in clearing_differences(sides))
    return outcomes
