"""The watch: compare the indicators with what they were, journal each turn, and pull the brake on a turn to red.

It acts on turns, not on states: two people who released the brake knowingly are not overruled by the next look, but by
the next turn. What turned and the pull are one append. Several watches may run: one of them writes.
"""

from dataclasses import dataclass

from ringfence.core import Core
from ringfence.incident.brake import BY_INDICATOR, pull_line
from ringfence.incident.indicators import Figures, Indicator, Turn, evaluate, turns_of
from ringfence.incident.queries import QUERIES
from ringfence.incident.refusals import INDICATOR_TURNED_MEANWHILE
from ringfence.incident.thresholds import Level, Thresholds
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused


@dataclass(frozen=True)
class Watched:
    """What a look found: every indicator, those that turned now, and those that pulled the brake now."""

    indicators: tuple[Indicator, ...]
    turned: tuple[Indicator, ...] = ()
    pulled_by: tuple[Indicator, ...] = ()


def watch(core: Core, figures: Figures, thresholds: Thresholds) -> Watched:
    """Look once. Returns what turned; if another watch wrote the same turn at this moment, it was that one's."""
    with core.connection() as connection:
        turns = turns_of(connection, core.book.book_id)
    indicators = evaluate(figures, thresholds, turns)
    turned = tuple(each for each in indicators if each.level != _level_of(turns.get(each.name)))
    pulling = tuple(each for each in turned if each.level is Level.RED and each.pulls)
    if not turned:
        return Watched(indicators)
    lines, also = [], []
    for each in turned:
        line, statement = _turn(core, each, _level_of(turns.get(each.name)))
        lines.append(line)
        also.append(statement)
    lines += [pull_line(core.new_id(), BY_INDICATOR, _reason(each), each.name) for each in pulling]
    try:
        core.post(Unit(lines, also))
    except Refused as refused:
        if refused.name != INDICATOR_TURNED_MEANWHILE.name:
            raise
        return Watched(indicators)
    return Watched(indicators, turned, pulling)


def _level_of(turn: Turn | None) -> Level:
    return Level.GREEN if turn is None else Level(turn.level)


def _turn(core: Core, indicator: Indicator, was: Level) -> tuple[Line, Statement]:
    event = core.new_id()
    said = {
        "alarm": "indicator",
        "indicator": indicator.name,
        "was": was.value,
        "level": indicator.level.value,
        "value": None if indicator.value is None else str(indicator.value),
        "unit": indicator.unit,
    }
    row = {
        "book": core.book.book_id,
        "event": event,
        "indicator": indicator.name,
        "was": was.value,
        "level": indicator.level.value,
    }
    return Line(Kind.EVENT, event, code=EventName.ALARM_RAISED, payload=said), (QUERIES.turn_indicator, row)


def _reason(indicator: Indicator) -> str:
    return f"{indicator.title()}: {indicator.shown()} / {indicator.title('zh')}：{indicator.shown('zh')}"
