"""Crossings: money from an account of one book to an account of another, on the same PostgreSQL or on two.

Each book keeps two clearing accounts for each other book and currency, in the pool `client`:

  clearing:to:<book>:<currency>     credit side   what we owe to that book's customers
  clearing:from:<book>:<currency>   debit side    what that book owes to ours

What `clearing:to:` says in the one is what `clearing:from:` says in the other, as soon as nothing is in flight. They go
back to zero when the books settle at their banks.

A crossing is two holds and their two posts. There is no transaction over both books; each step is one append to one
journal, under ids that follow from the crossing's (`ids.derived`), so that it can be repeated by anybody at any time,
and by two at once. The journals alone tell how far it is:

  in the source   begun + hold (one chain: the event says everything, the hold is payer → clearing:to)
                  then exactly one of post, void, expiry of that hold:  THE DECISION, which is the source's alone
                  then ended (an event), when there is nothing left to do
  in the target   hold (clearing:from → payee, without an expiry: only the source's decision releases it),
                  or the bar: an event, or a refusal, under the id of that hold, so that it can never be held any more
                  then exactly one of post, void of that hold

  source   target   next
  held     absent   the target holds; refused there: it is barred            [HOLD]
  held     held     the source posts: from here on the money has crossed     [POST_SOURCE]
  held     barred   the source voids                                         [VOID_SOURCE]
  held     any      the source's hold has expired: the source voids          [VOID_SOURCE]
  posted   held     the target posts                                         [POST_TARGET]
  posted   posted   ended                                                    [END]
  voided   absent   the target bars                                          [BAR]
  voided   held     the target voids                                         [VOID_TARGET]
  voided   voided   ended                                                    [END]
  voided   barred   ended                                                    [END]

Anything else breaks the rule and raises `CrossingIsBroken`. So:

  - The target posts only what the source has posted, and voids only what the source has released.
  - The source posts only when the target holds; a hold without an expiry, in an account that therefore cannot close,
    can always be posted: neither limits nor guards stand against the post of a hold. If its value date has been closed
    meanwhile, it is posted with the next open one.
  - Who may give up: before the source posts, anybody may void it. Who goes on by himself (`carry_on`) does so only
    when the expiry of the source's hold has passed by the source's clock; the ledger's own rule refuses a post from
    then on. The two clocks are never compared.
  - Somebody who slept between two steps finds his next one refused: the source's hold is resolved, or the target's is
    barred.

The journal of each book is signed by its own notary, as ever; the event in the source names both ends.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final
from uuid import UUID

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger import reading
from ringfence.ledger.answers import Answer
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.crossing import refusals
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind, Line, Result, microseconds, moment
from ringfence.ledger.reading import LATEST, Book
from ringfence.ledger.refusals import RESULT_REFUSALS

POOL: Final = "client"
GIVEN_UP: Final = "voided"  # why a target was barred that never held
STEPS_MAX: Final = 20  # of one crossing: it has six, and a few more when others are at it too
SNAPSHOTS_MAX: Final = 10


class _Queries(NamedQueries):
    rows_of_crossing: Query
    open_crossings: Query
    crossing_begun: Query
    clearing_accounts: Query
    account_of_name: Query


QUERIES = load(_Queries, "ringfence.ledger", "sql/crossing.sql")


@dataclass(frozen=True)
class Side:
    """A book to cross from or to. `submit` appends a unit (`Writer.submit`, or a journal's), `connection` is in role
    core for one transaction, `clock` the clock of its appends.
    """

    book: Book
    submit: Callable[[Unit], Sequence[Answer]]
    connection: Callable[[], AbstractContextManager[Connection]]
    clock: Callable[[], datetime]
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Crossing:
    """What is to cross. The same id with the same content is the same crossing; amount in minor units. `expires_at` is
    the time, by the source's clock, from which it is given up if it has not been posted.
    """

    crossing_id: UUID
    source: str  # the name of a book
    payer: str  # the name of an account in it
    target: str
    payee: str
    amount: int
    currency: str
    value_date: date
    expires_at: datetime

    def payload(self) -> dict[str, Any]:
        """What CROSSING_BEGUN says of it."""
        return {
            "amount": str(self.amount),
            "crossing": str(self.crossing_id),
            "currency": self.currency,
            "expires_at": microseconds(self.expires_at),
            "payee": self.payee,
            "payer": self.payer,
            "source": self.source,
            "target": self.target,
            "value_date": self.value_date.isoformat(),
        }

    def id_of(self, word: str) -> UUID:
        return derived(self.crossing_id, f"crossing {word}")


def crossing_of(payload: bytes) -> Crossing:
    """The crossing that a CROSSING_BEGUN tells of."""
    said = json.loads(payload)
    return Crossing(
        UUID(said["crossing"]),
        said["source"],
        said["payer"],
        said["target"],
        said["payee"],
        int(said["amount"]),
        said["currency"],
        date.fromisoformat(said["value_date"]),
        moment(said["expires_at"]),
    )


class Leg(Enum):
    """How far one book is."""

    ABSENT = "absent"
    HELD = "held"
    POSTED = "posted"
    VOIDED = "voided"
    BARRED = "barred"


class Step(Enum):
    """What is to be done next."""

    HOLD = "the target holds"
    POST_SOURCE = "the source posts"
    POST_TARGET = "the target posts"
    VOID_SOURCE = "the source voids"
    VOID_TARGET = "the target voids"
    BAR = "the target bars"
    END = "it is said to have ended"


NEXT: Final[Mapping[tuple[Leg, Leg], Step]] = {
    (Leg.HELD, Leg.ABSENT): Step.HOLD,
    (Leg.HELD, Leg.HELD): Step.POST_SOURCE,
    (Leg.HELD, Leg.BARRED): Step.VOID_SOURCE,
    (Leg.POSTED, Leg.HELD): Step.POST_TARGET,
    (Leg.POSTED, Leg.POSTED): Step.END,
    (Leg.VOIDED, Leg.ABSENT): Step.BAR,
    (Leg.VOIDED, Leg.HELD): Step.VOID_TARGET,
    (Leg.VOIDED, Leg.VOIDED): Step.END,
    (Leg.VOIDED, Leg.BARRED): Step.END,
}


@dataclass(frozen=True)
class State:
    """How far a crossing is: both legs, whether it is said to have ended, and why the target did not take it."""

    source: Leg
    target: Leg
    ended: bool = False
    reason: str | None = None

    @property
    def outcome(self) -> str:
        """`posted` or `voided` once that is decided, else `open`."""
        return self.source.value if self.source in (Leg.POSTED, Leg.VOIDED) else "open"


class CrossingIsBroken(Exception):  # noqa: N818 - named as the finding
    """The two books contradict each other about a crossing: one of them was tampered with, or there is a defect."""

    def __init__(self, crossing_id: UUID, source: Leg, target: Leg) -> None:
        super().__init__(f"crossing {crossing_id}: {source.value} in the source, {target.value} in the target")
        self.crossing_id = crossing_id


# -- clearing accounts ---------------------------------------------------------------------------------------------


def to_account(other: str, currency: str) -> str:
    return f"clearing:to:{other}:{currency}"


def from_account(other: str, currency: str) -> str:
    return f"clearing:from:{other}:{currency}"


def open_clearing(side: Side, other: str, currency: str) -> None:
    """Open the two clearing accounts of a book for another one, if they are not there."""
    for name, normal in ((to_account(other, currency), "credit"), (from_account(other, currency), "debit")):
        account = Account(0, name, currency, normal, 0, None, f"book:{other}", POOL)
        identity = derived(UUID(int=side.book.book_id), f"account {name}")
        [answer] = side.submit(Unit([Line(Kind.ACCOUNT_OPENED, identity, payload=account.payload())]))
        if answer.result:
            raise RESULT_REFUSALS[answer.result](id=identity, sequence=answer.sequence)


# -- one crossing --------------------------------------------------------------------------------------------------


def cross(source: Side, target: Side, crossing: Crossing) -> State:
    """Begin a crossing and carry it to its end; the same again goes on where it was. Raises the refusal of the source
    if it cannot begin there, and `crossing_was_refused` if the target does not take it (nothing has moved then).
    """
    state = carry_on(source, target, crossing, begin(source, crossing))
    if state.outcome == "voided":
        raise refusals.CROSSING_WAS_VOIDED(reason=state.reason or "expired")
    return state


def begin(source: Side, crossing: Crossing) -> State | None:
    """The first step: say what is to cross, and hold it. Raises the refusal of the row that cannot be. Gives the state
    of a crossing that began now, None of one that had begun before.
    """
    if crossing.source != source.book.name or crossing.source == crossing.target:
        raise refusals.CROSSING_NEEDS_TWO_BOOKS()
    with source.connection() as connection:
        payer = account_named(connection, source, crossing.payer)
        clearing = account_named(connection, source, to_account(crossing.target, crossing.currency))
    if payer is None:
        raise RESULT_REFUSALS[Result.DEBIT_ACCOUNT_MUST_EXIST]()
    if clearing is None:
        raise refusals.CLEARING_ACCOUNT_MUST_EXIST(book=crossing.source, other=crossing.target)
    if payer.pool != POOL:
        raise refusals.CROSSING_STAYS_IN_THE_POOL(account=crossing.payer)
    said = Line(
        Kind.EVENT,
        crossing.id_of("begun"),
        order_id=crossing.crossing_id,
        code=EventName.CROSSING_BEGUN,
        value_date=crossing.value_date,
        payload=crossing.payload(),
    )
    hold = _hold(crossing, crossing.id_of("source hold"), payer.account, clearing.account)
    lines = [said, replace(hold, expires_at=crossing.expires_at)]
    answers = source.submit(Unit(lines))
    failed = [(answer, line) for answer, line in zip(answers, lines, strict=True) if answer.result]
    for answer, line in sorted(failed, key=lambda each: each[0].result == Result.LINKED_ROW_FAILED):
        raise RESULT_REFUSALS[answer.result](id=line.id, sequence=answer.sequence)
    return None if answers[-1].replayed else State(Leg.HELD, Leg.ABSENT)


def carry_on(source: Side, target: Side, crossing: Crossing, known: State | None = None) -> State:
    """Carry a crossing that was begun to its end, from wherever it is (as far as is known)."""
    state = known or state_of(source, target, crossing)
    for _ in range(STEPS_MAX):
        if state.ended:
            return state
        step = next_step(state, crossing, source.clock())
        answer = _take(step, source, target, crossing, state)
        posted = answer.result == Result.POSTED and not answer.replayed
        # A row that was posted now is what the journal says; whatever else was answered, the journals are asked.
        state = _after(step, state) if posted else state_of(source, target, crossing)
    raise CrossingIsBroken(crossing.crossing_id, state.source, state.target)


def give_up(source: Side, target: Side, crossing: Crossing) -> State:
    """Void a crossing if the source has not posted it, and carry it to its end either way."""
    state = state_of(source, target, crossing)
    if state.source is Leg.HELD:
        _take(Step.VOID_SOURCE, source, target, crossing, state)
    return carry_on(source, target, crossing)


def next_step(state: State, crossing: Crossing, source_now: datetime) -> Step:
    """The table of this module; `CrossingIsBroken`."""
    step = NEXT.get((state.source, state.target))
    if step is None:
        raise CrossingIsBroken(crossing.crossing_id, state.source, state.target)
    if state.source is Leg.HELD and source_now >= crossing.expires_at:
        return Step.VOID_SOURCE
    return step


def state_of(
    source: Side, target: Side, crossing: Crossing, source_before: int = LATEST, target_before: int = LATEST
) -> State:
    """How far a crossing is, as the journals say. The source is read before and after the target: while it says the
    same, what the target said between belongs to it. With both ends given it is what stood there.
    """
    source_leg, _, ended = _leg(source, crossing, "source hold", source_before)
    for _ in range(SNAPSHOTS_MAX):
        target_leg, reason, _ = _leg(target, crossing, "target hold", target_before)
        again, _, ended = _leg(source, crossing, "source hold", source_before)
        if again is source_leg:
            return State(source_leg, target_leg, ended, reason)
        source_leg = again
    raise CrossingIsBroken(crossing.crossing_id, source_leg, target_leg)


def _leg(side: Side, crossing: Crossing, word: str, before: int) -> tuple[Leg, str | None, bool]:
    hold, end = crossing.id_of(word), crossing.id_of("ended")
    asked = {"book": side.book.book_id, "before": before, "ids": [hold, end], "hold": hold}
    with side.connection() as connection:
        rows = connection.execute(QUERIES.rows_of_crossing, asked).fetchall()
    leg, reason, ended = Leg.ABSENT, None, False
    for identity, kind, refers_to, _, payload in rows:
        if refers_to == hold:
            leg = Leg.POSTED if kind == Kind.POST else Leg.VOIDED
        elif identity == end:
            ended = kind == Kind.EVENT
        elif kind == Kind.PENDING and leg is Leg.ABSENT:
            leg = Leg.HELD
        elif kind in (Kind.EVENT, Kind.REFUSAL):
            leg, reason = Leg.BARRED, str(json.loads(bytes(payload)).get("reason", "barred"))
    return leg, reason, ended


def _take(step: Step, source: Side, target: Side, crossing: Crossing, state: State) -> Answer:
    """One append, and what it was answered."""
    if step is Step.HOLD:
        return _hold_target(target, crossing)
    if step is Step.BAR:
        return _bar(target, crossing, GIVEN_UP)
    if step is Step.END:
        said = {"crossing": str(crossing.crossing_id), "outcome": state.outcome}
        return _say(source, crossing, "ended", EventName.CROSSING_ENDED, said)
    kind = Kind.POST if step in (Step.POST_SOURCE, Step.POST_TARGET) else Kind.VOID
    ours = step in (Step.POST_SOURCE, Step.VOID_SOURCE)
    return _resolve(source if ours else target, crossing, "source" if ours else "target", kind)


def _after(step: Step, state: State) -> State:
    """The state after a step whose row was posted. A target that could not hold is asked, not guessed."""
    if step in (Step.POST_SOURCE, Step.VOID_SOURCE):
        return replace(state, source=Leg.POSTED if step is Step.POST_SOURCE else Leg.VOIDED)
    if step is Step.END:
        return replace(state, ended=True)
    if step is Step.BAR:
        return replace(state, target=Leg.BARRED, reason=GIVEN_UP)
    becomes = {Step.HOLD: Leg.HELD, Step.POST_TARGET: Leg.POSTED, Step.VOID_TARGET: Leg.VOIDED}
    return replace(state, target=becomes[step])


def _hold_target(target: Side, crossing: Crossing) -> Answer:
    with target.connection() as connection:
        clearing = account_named(connection, target, from_account(crossing.source, crossing.currency))
        payee = account_named(connection, target, crossing.payee)
    if clearing is not None and payee is not None and payee.pool == POOL:
        [answer] = target.submit(
            Unit([_hold(crossing, crossing.id_of("target hold"), clearing.account, payee.account)])
        )
        return answer
    if clearing is None:
        reason = refusals.CLEARING_ACCOUNT_MUST_EXIST.name
    elif payee is None:
        reason = Result.CREDIT_ACCOUNT_MUST_EXIST.word
    else:
        reason = refusals.CROSSING_STAYS_IN_THE_POOL.name
    return _bar(target, crossing, reason)._replace(replayed=True)  # not what the step was for: look again


def _bar(target: Side, crossing: Crossing, reason: str) -> Answer:
    said = {"crossing": str(crossing.crossing_id), "reason": reason, "source": crossing.source}
    return _say(target, crossing, "target hold", EventName.CROSSING_BARRED, said)


def _say(side: Side, crossing: Crossing, word: str, name: EventName, said: Mapping[str, Any]) -> Answer:
    line = Line(Kind.EVENT, crossing.id_of(word), order_id=crossing.crossing_id, code=name, payload=said)
    [answer] = side.submit(Unit([line]))
    return answer


def _resolve(side: Side, crossing: Crossing, whose: str, kind: Kind) -> Answer:
    """Post or void a hold with its own value date, or the first later one whose period is open. A refusal is final for
    its id, so the day is part of it; the hold is resolved once, whatever the id.
    """
    hold = crossing.id_of(f"{whose} hold")
    with side.connection() as connection:
        debit, credit = _accounts_of_hold(connection, side, crossing, whose)
    today = side.clock().date()
    for day in dict.fromkeys((crossing.value_date, today, today + timedelta(days=1))):
        line = _hold(crossing, crossing.id_of(f"{whose} {kind.name.lower()} {day}"), debit, credit)
        [answer] = side.submit(Unit([replace(line, kind=kind, refers_to=hold, value_date=day)]))
        if answer.result != Result.VALUE_DATE_MUST_BE_IN_AN_OPEN_PERIOD:
            break
    return answer


def _accounts_of_hold(connection: Connection, side: Side, crossing: Crossing, whose: str) -> tuple[int, int]:
    if whose == "source":
        names = (crossing.payer, to_account(crossing.target, crossing.currency))
    else:
        names = (from_account(crossing.source, crossing.currency), crossing.payee)
    debit, credit = (reading.account(connection, side.book.book_id, name).account for name in names)
    return debit, credit


def _hold(crossing: Crossing, identity: UUID, debit: int, credit: int) -> Line:
    line = Line(Kind.PENDING, identity, debit, credit, crossing.amount, order_id=crossing.crossing_id)
    return replace(line, code=Purpose.CROSSING, value_date=crossing.value_date)


def account_named(connection: Connection, side: Side, name: str) -> Account | None:
    row = connection.execute(QUERIES.account_of_name, {"book": side.book.book_id, "name": name}).fetchone()
    return None if row is None else Account(row[0], row[1], row[2], row[3], None, None, row[4], row[5])


# -- recovery ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begun:
    """A crossing that a book began, and the row that says so."""

    sequence: int
    at: datetime
    crossing: Crossing


def open_crossings(side: Side, first: int = 0, before: int = LATEST, ended_before: int = LATEST) -> list[Begun]:
    """Crossings that this book began (from row `first` on) and that have not ended, the oldest first."""
    asked = {
        "book": side.book.book_id,
        "begun": EventName.CROSSING_BEGUN,
        "ended": EventName.CROSSING_ENDED,
        "first": first,
        "before": before,
        "ended_before": ended_before,
    }
    with side.connection() as connection:
        rows = connection.execute(QUERIES.open_crossings, asked).fetchall()
    return [Begun(sequence, at, crossing_of(bytes(payload))) for sequence, at, payload in rows]


def find_crossing(side: Side, crossing_id: UUID) -> Crossing:
    """A crossing that this book began; `crossing_must_exist`."""
    identity = derived(crossing_id, "crossing begun")
    with side.connection() as connection:
        row = connection.execute(QUERIES.crossing_begun, {"book": side.book.book_id, "id": identity}).fetchone()
    if row is None:
        raise refusals.CROSSING_MUST_EXIST(crossing=crossing_id)
    return crossing_of(bytes(row[1]))


def finish_all(source: Side, targets: Mapping[str, Side]) -> Iterator[tuple[Crossing, State]]:
    """Carry every open crossing of a book to its end; those to books that are not among `targets` stay open. This is
    all that there is to do after a crash, and it may be done at any time.
    """
    for begun in open_crossings(source):
        target = targets.get(begun.crossing.target)
        if target is not None:
            yield begun.crossing, carry_on(source, target, begun.crossing)
