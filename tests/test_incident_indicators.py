"""Indicators: a pure function of figures, thresholds as data, and a watch that acts on turns."""

import doctest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authority_world import World, world_of
from ringfence.authority import proposals
from ringfence.incident import brake, indicators, thresholds
from ringfence.incident.brake import brake_state
from ringfence.incident.indicators import (
    DueFile,
    Figures,
    Indicator,
    MonitorOn,
    Position,
    due_files,
    evaluate,
    turns_of,
)
from ringfence.incident.thresholds import INDICATORS, Level, Thresholds, default_toml, read_thresholds
from ringfence.incident.watch import Watched, watch
from ringfence.ledger.codes import EventName
from ringfence.ledger.storage import head_of
from ringfence.refusal import Refused

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
THRESHOLDS = read_thresholds(default_toml())
GOOD = Figures(
    at=NOON,
    positions=(Position("EUR", 84_000, 84_000), Position("CZK", 0, 0)),
    discrepancies=0,
    files=(),
    rows=100,
    rows_notarised=100,
    notary_alarms=0,
    payouts_unanswered=0,
    clock_skew_ms=0,
    days_unproven=0,
    monitors_on=(),
)


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def indicator(name: str, **changes: Any) -> Indicator:
    found = evaluate(replace(GOOD, **changes), THRESHOLDS, {})
    assert [each.name for each in found] == list(INDICATORS)
    return next(each for each in found if each.name == name)


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


UNCOVERED = MonitorOn("client money uncovered EUR", "EUR", -1_234_50, ago(minutes=5))
LATE = DueFile("bank:north:1", "camt.053", date(2026, 2, 27), ago(minutes=5))


@pytest.mark.parametrize(
    ("name", "changes", "value", "level"),
    [
        ("resource_to_requirement", {}, 10_000, "green"),
        ("resource_to_requirement", {"positions": (Position("EUR", 84_000, 85_000),)}, 10_119, "green"),
        ("resource_to_requirement", {"positions": (Position("EUR", 84_000, 80_000),)}, 9_523, "red"),
        ("resource_to_requirement", {"positions": (Position("EUR", 10**12, 10**12 - 1),)}, 9_999, "red"),
        ("resource_to_requirement", {"positions": (Position("EUR", 1, 2), Position("CZK", 2, 1))}, 5_000, "red"),
        ("resource_to_requirement", {"positions": (Position("EUR", 0, -1),)}, 0, "red"),
        ("resource_to_requirement", {"positions": (Position("EUR", 5, -1),)}, 0, "red"),
        ("resource_to_requirement", {"positions": None}, None, "amber"),
        ("resource_to_requirement", {"positions": ()}, None, "amber"),
        ("oldest_discrepancy", {}, 0, "green"),
        ("oldest_discrepancy", {"discrepancies": 1, "oldest_discrepancy": ago(hours=23.9)}, 23, "green"),
        ("oldest_discrepancy", {"discrepancies": 1, "oldest_discrepancy": ago(hours=24)}, 24, "amber"),
        ("oldest_discrepancy", {"discrepancies": 9, "oldest_discrepancy": ago(days=3)}, 72, "red"),
        ("oldest_discrepancy", {"discrepancies": 1, "oldest_discrepancy": None}, None, "amber"),
        ("oldest_discrepancy", {"discrepancies": None}, None, "amber"),
        ("late_bank_files", {}, 0, "green"),
        ("late_bank_files", {"files": (LATE,)}, 5, "amber"),
        ("late_bank_files", {"files": (replace(LATE, due_at=ago(seconds=1)),)}, 1, "amber"),
        ("late_bank_files", {"files": (replace(LATE, due_at=ago(hours=4)), LATE)}, 240, "red"),
        ("late_bank_files", {"files": (replace(LATE, arrived_at=NOON),)}, 0, "green"),
        ("late_bank_files", {"files": (replace(LATE, due_at=NOON),)}, 0, "green"),
        ("late_bank_files", {"files": None}, None, "amber"),
        ("checkpoint_lag_rows", {"rows": 10_100}, 10_000, "amber"),
        ("checkpoint_lag_rows", {"rows": 100_100}, 100_000, "red"),
        ("checkpoint_lag_rows", {"rows": 99}, 0, "green"),
        ("checkpoint_lag_rows", {"rows_notarised": None}, None, "amber"),
        ("checkpoint_lag", {"rows": 101, "oldest_unnotarised": ago(seconds=59)}, 59, "green"),
        ("checkpoint_lag", {"rows": 101, "oldest_unnotarised": ago(seconds=60)}, 60, "amber"),
        ("checkpoint_lag", {"rows": 101, "oldest_unnotarised": ago(minutes=15)}, 900, "red"),
        ("checkpoint_lag", {"rows": 101, "oldest_unnotarised": None}, None, "amber"),
        ("notary_alarms", {"notary_alarms": 1}, 1, "red"),
        ("notary_alarms", {"notary_alarms": None}, None, "amber"),
        ("payouts_stuck", {"payouts_unanswered": 2, "oldest_unanswered": ago(minutes=15)}, 900, "amber"),
        ("payouts_stuck", {"payouts_unanswered": 2, "oldest_unanswered": ago(hours=2)}, 7_200, "red"),
        ("payouts_stuck", {"payouts_unanswered": 2, "oldest_unanswered": NOON + timedelta(1)}, 0, "green"),
        ("monitors_on", {"monitors_on": (UNCOVERED,)}, 1, "amber"),
        ("monitors_on", {"monitors_on": (UNCOVERED,) * 10}, 10, "red"),
        ("monitors_on", {"monitors_on": None}, None, "amber"),
        ("days_unproven", {"days_unproven": 1}, 1, "red"),
        ("days_unproven", {"days_unproven": None}, None, "green"),
        ("clock_skew", {"clock_skew_ms": -5_000}, 5_000, "red"),
        ("clock_skew", {"clock_skew_ms": 500}, 500, "amber"),
        ("clock_skew", {"clock_skew_ms": None}, None, "green"),
    ],
)
def test_a_figure_has_the_level_of_its_thresholds(name, changes, value, level):
    found = indicator(name, **changes)
    assert (found.value, found.level) == (value, level)


def test_the_examples_of_the_docstrings_hold():
    for module in (indicators, thresholds):
        result = doctest.testmod(module)
        assert result.attempted
        assert result.failed == 0


@given(st.integers(1, 2**62), st.integers(0, 2**63 - 1))
def test_any_shortfall_however_small_is_red_and_nothing_else_is(requirement, resource):
    level = indicator("resource_to_requirement", positions=(Position("EUR", requirement, resource),)).level
    assert (level is Level.RED) == (resource < requirement)


def test_each_indicator_says_where_it_turns_in_both_languages():
    for each in evaluate(GOOD, THRESHOLDS, {}):
        for language in ("en", "zh"):
            amber, red = each.sentences(language)
            assert amber
            assert red
            assert each.title(language)
            assert each.threshold.sentence(Level.GREEN, language) == ""
    assert indicator("payouts_stuck").sentences()[1] == "Red when the bank is silent for 2 h."
    assert indicator("payouts_stuck").sentences("zh")[1] == "银行 2 小时未答复为红。"


def test_what_is_watched_and_holds_is_named_with_its_value_in_both_languages():
    [detail] = indicator("monitors_on", monitors_on=(UNCOVERED,)).details
    assert detail.en == "client money uncovered EUR: -1,234.50 EUR at 2026-03-02 11:55 UTC."
    assert detail.zh == "client money uncovered EUR：-1,234.50 EUR，2026-03-02 11:55（UTC）。"


def test_a_late_file_is_named_with_its_account_day_and_time():
    [detail] = indicator("late_bank_files", files=(LATE, replace(LATE, arrived_at=NOON))).details
    assert detail.en == "camt.053 of bank:north:1 for 2026-02-27 was due at 2026-03-02 11:55 UTC."
    assert "bank:north:1" in detail.zh


def test_files_are_due_so_many_business_days_later():
    """A Friday's statement is due on Monday; Monday's is not due while nobody knows the day after."""
    friday, monday = date(2026, 2, 27), date(2026, 3, 2)
    rules = {"camt.053": THRESHOLDS.files["camt.053"]}
    came = datetime(2026, 3, 2, 7, tzinfo=UTC)
    found = due_files(rules, ["a", "b"], [friday, monday], {("a", "camt.053", friday): came})
    due = datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert found == (DueFile("a", "camt.053", friday, due, came), DueFile("b", "camt.053", friday, due))
    assert len(due_files(THRESHOLDS.files, ["a"], [friday, monday], {})) == 3


def broken(old: str, new: str) -> str:
    text = default_toml()
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "indicators = [",
        "indicators = 1\nfiles = 2",
        broken("[indicators.clock_skew]", "[indicators.mood]"),
        broken("red = 9999", "red = '9999'"),
        broken("red = 9999", "red = true"),
        broken("pulls = true", "pulls = 1"),
        broken('unit = "hours"', 'unit = "moons"'),
        broken('bad = "high"', 'bad = "purple"'),
        broken('unknown = "amber"', 'unknown = "blue"'),
        broken("amber = 24", "amber = 100"),
        broken("{amber}.", "{secret}."),
        broken("{amber}.", "{0}."),
        broken('title = { en = "Clocks apart", zh = "时钟偏差" }', 'title = "Clocks apart"'),
        broken("due = 08:00:00", "due = 8"),
        broken("business_days_later = 1\n", ""),
    ],
)
def test_thresholds_that_say_nonsense_are_refused(text):
    with pytest.raises(Refused, match="thresholds_are_not_valid"):
        read_thresholds(text)


def look(world: World, rules: Thresholds = THRESHOLDS, **changes: Any) -> Watched:
    return watch(world.core, replace(GOOD, at=world.clock(), **changes), rules)


def names(found: tuple[Indicator, ...]) -> list[str]:
    return [each.name for each in found]


SHORT = {"positions": (Position("EUR", 84_000, 80_000),)}


def test_a_shortfall_pulls_the_brake_once(world):
    first = look(world, **SHORT)
    assert (names(first.turned), names(first.pulled_by)) == (["resource_to_requirement"], ["resource_to_requirement"])
    state = brake_state(world.connect("gateway"), world.book)
    assert (state.pulled, state.by, state.indicator) == (True, "indicator", "resource_to_requirement")
    assert state.reason.startswith("Resource to requirement: 95.23 %")
    head = head_of(world.connect("core"), world.book)
    for _ in range(3):
        assert look(world, **SHORT).turned == ()
    assert head_of(world.connect("core"), world.book) == head


def test_an_indicator_keeps_its_time_until_it_turns_again(world):
    since = next(iter(look(world, **SHORT).indicators)).since
    world.later(hours=1)
    assert next(iter(look(world, **SHORT).indicators)).since - since < timedelta(seconds=1)
    world.later(hours=1)
    healed = look(world)
    assert names(healed.turned) == ["resource_to_requirement"]
    assert next(iter(healed.indicators)).since - since > timedelta(hours=1)
    told = [(said["indicator"], said["was"], said["level"]) for said in world.events(EventName.ALARM_RAISED)]
    assert told == [("resource_to_requirement", "green", "red"), ("resource_to_requirement", "red", "green")]


def test_two_people_who_release_the_brake_knowingly_are_not_overruled_until_the_next_turn(world):
    look(world, **SHORT)
    made = brake.propose_release(world.core, world.session("tess"), "top-up is on its way")
    facts = proposals.proposal_of(world.connect("core"), world.book, made.proposal_id).terms.facts
    assert facts["red"] == "resource_to_requirement"
    for person in ("abel", "rita"):
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
    assert not brake.release(world.core, made.proposal_id).pulled
    look(world, **SHORT)
    assert not brake_state(world.connect("gateway"), world.book).pulled
    look(world)
    assert names(look(world, **SHORT).pulled_by) == ["resource_to_requirement"]
    assert brake_state(world.connect("gateway"), world.book).pulled


def test_an_indicator_that_does_not_pull_only_says_so(world):
    found = look(world, payouts_unanswered=1, oldest_unanswered=ago(days=1))
    assert (names(found.turned), found.pulled_by) == (["payouts_stuck"], ())
    assert not brake_state(world.connect("gateway"), world.book).pulled


def test_which_indicator_pulls_is_configuration(world):
    without = read_thresholds(default_toml().replace("pulls = true", "pulls = false"))
    assert names(look(world, without, **SHORT).turned) == ["resource_to_requirement"]
    assert not brake_state(world.connect("gateway"), world.book).pulled


def test_a_second_cause_is_a_reason_more_for_the_same_brake(world):
    look(world, **SHORT)
    look(world, **SHORT, notary_alarms=1)
    state = brake_state(world.connect("gateway"), world.book)
    assert (state.indicator, [each.indicator for each in state.again]) == ("resource_to_requirement", ["notary_alarms"])


def test_watches_at_the_same_moment_write_a_turn_once(world):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: look(world, **SHORT), range(4)))
    assert sum(len(each.turned) for each in found) == 1
    assert len(world.events(EventName.BRAKE_PULLED)) == 1
    assert turns_of(world.connect("core"), world.book)["resource_to_requirement"].level == "red"
