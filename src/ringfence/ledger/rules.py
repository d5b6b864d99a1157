"""The rules of the ledger: one pure function from balances and a batch to balances and a result per row.

The writer, the notary's replay, a restore and a simulation all call `apply`. What the rules are stands in
docs/reference/ledger-rules.md; here is how they are decided quickly and exactly as if row by row.

Rows that say something about accounts or the book cut a batch into stretches. A stretch of movements is decided in
columns: for each account, would it pass with all that leaves it and nothing that arrives (and the other way round for a
maximum)? Then it passes in every order, the given one too, whatever the answers to other rows. Only rows that touch an
account in doubt are walked one after the other, and so are chains, corrections, and rows that refer to rows of the same
batch. While they are walked the other rows have not taken effect yet; an account that is not in doubt passes without
them as well, because the worst case counted them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from ringfence.ledger.balances import (
    CREDITS,
    CREDITS_PENDING,
    DEBITS,
    DEBITS_PENDING,
    GROUP,
    MAXIMUM,
    MINIMUM,
    OPEN,
    Balances,
    Bools,
    Cover,
    Int64,
    exact_sum,
)
from ringfence.ledger.model import (
    LAST_DAY,
    LAST_MOMENT,
    LINKED,
    MOVEMENTS,
    NO_ID,
    Account,
    Batch,
    Kind,
    Result,
    Rows,
    canonical,
)
from ringfence.ledger.monitors import Movements, Turned, turns
from ringfence.ledger.standing import Turn
from ringfence.ledger.walk import Reference, Row, Walk

_SAFE: Final = 2**62
_COLUMNS_FROM: Final = 12  # fewer rows are walked: laying out columns costs as much
_ZERO: Final = np.void(NO_ID)
# Plain numbers: looking up the member of an enumeration takes longer than comparing a column with it.
_TRANSFER, _PENDING, _POST, _VOID, _EXPIRE, _CORRECTION = (int(kind) for kind in MOVEMENTS)
_ACCOUNT_OPENED, _MONITOR_SET, _MONITOR_TURNED = (
    int(kind) for kind in (Kind.ACCOUNT_OPENED, Kind.MONITOR_SET, Kind.MONITOR_TURNED)
)


@dataclass(frozen=True)
class Applied:
    """Results per row, the turns that the journal must write, the accounts that rows opened, and the way back for a
    writer whose append does not commit.
    """

    results: npt.NDArray[np.int16]
    undo: Callable[[], None]
    opened: Mapping[int, Account] = field(default_factory=dict)
    turns: tuple[Turned, ...] = ()


def apply(
    balances: Balances, batch: Batch, at: Int64, references: Mapping[bytes, Reference], *, recorded: bool = False
) -> Applied:
    """Apply `batch` to `balances`; row i happens at `at[i]` (microseconds since 1970). `references` holds every row
    that the batch refers to and that is in the journal, other than open pending transfers. `recorded`: the rows come
    from a journal, so the turns of monitors must stand among them.
    """
    walk = Walk(balances, batch, at, references, recorded)
    work = _Work(balances, walk)
    work.run()
    return Applied(work.results, lambda: walk.undo(0), walk.opened, tuple(work.turned))


class _Chains:
    """Where chains begin and end in a batch, and in which stretches it is decided."""

    def __init__(self, rows: Rows) -> None:
        goes_on = (rows["flags"] & LINKED) != 0
        self.end = ~goes_on
        ends = np.flatnonzero(self.end)
        self.open_from = int(ends[-1]) + 1 if len(ends) else 0  # a chain that the batch does not end
        self.linked = goes_on
        if goes_on.any():
            self.linked = goes_on | np.concatenate([[False], goes_on[:-1]])

    def stretches(self, standing: Bools) -> list[tuple[int, int, bool]]:
        """First row, last (exclusive), and whether its chains say something about accounts or the book."""
        if not standing.any():
            return [(0, self.open_from, False)] if self.open_from else []
        chain = np.cumsum(self.end) - self.end
        marked = np.zeros(len(standing) + 1, bool)
        marked[chain[standing]] = True
        kinds = marked[chain[: self.open_from]]
        cuts = [0, *(np.flatnonzero(kinds[1:] != kinds[:-1]) + 1).tolist(), self.open_from]
        return [(first, last, bool(kinds[first])) for first, last in pairwise(cuts) if first < last]

    def among(self, rows: Int64, first: int, last: int) -> list[tuple[int, int]]:
        """First and last row of the chains, between two borders, of which one of `rows` is a link."""
        if not self.linked[first:last].any():
            return [(row, row) for row in rows.tolist()]
        ends = np.flatnonzero(self.end[first:last]) + first
        starts = np.concatenate([[first], ends[:-1] + 1])
        chosen = np.unique(np.searchsorted(ends, rows))
        return list(zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True))


@dataclass(frozen=True)
class _Stretch:
    """A stretch of a batch, laid out: `touched` accounts with their lines of the state, and of each row its debit and
    credit account and their places among them. Rows with an account that does not exist have nobody's.
    """

    rows: Rows
    inside: Bools
    debit: Int64
    credit: Int64
    touched: Int64
    lines: Int64
    out: Int64
    into: Int64
    slots: Int64  # of the hold that a row resolves, -1 for none


class _Work:
    """One batch under the rules."""

    def __init__(self, balances: Balances, walk: Walk) -> None:
        self.balances = balances
        self.walk = walk
        self.recorded = walk.recorded
        self.rows = walk.batch.rows
        self.kind = self.rows["kind"]
        self.chains = _Chains(self.rows)
        self.results = np.zeros(len(self.rows), np.int16)
        self.released = np.zeros(len(self.rows), np.int64)  # what rows released, for monitors
        self.turned: list[Turned] = []
        self.lines: list[Row] = []

    def run(self) -> None:
        chains, books = self.chains, self.balances
        self.results[chains.open_from :] = Result.LINKED_CHAIN_MUST_BE_CLOSED
        slots, alone = self._references()
        alone[list(self.walk.batch.payloads)] = False
        for first, last, standing in chains.stretches((self.kind >= _ACCOUNT_OPENED) & (self.kind <= _MONITOR_SET)):
            if standing:
                for start, end in chains.among(np.arange(first, last), first, last):
                    self._walk(start, end)
                    self._watch(start, end + 1)
                continue
            if last - first < _COLUMNS_FROM or books.size == 1:
                self._walk_all(first, last, np.ones(last - first, bool))
            else:
                self._columns(first, last, slots[first:last], alone[first:last] & ~chains.linked[first:last])
            self._watch(first, last)
        if self.recorded:
            self._match()

    def _references(self) -> tuple[Int64, Bools]:
        """The holds that rows resolve, and which rows neither refer to, nor are referred to by, rows of this batch."""
        slots, alone = np.full(len(self.rows), -1, np.int64), np.ones(len(self.rows), bool)
        refers = np.flatnonzero((self.kind >= _POST) & (self.kind <= _CORRECTION))
        if len(refers):
            wanted = self.rows["refers_to"][refers].tolist()
            found = self.balances.holds.find(wanted)
            slots[refers] = found
            if len(set(wanted)) < len(wanted):
                times = Counter(wanted)
                alone[refers] = [times[each] == 1 for each in wanted]
            missing = {each for each, slot in zip(wanted, found.tolist(), strict=True) if slot < 0}
            if missing:
                alone &= np.fromiter((each not in missing for each in self.rows["id"].tolist()), bool, len(alone))
        return slots, alone

    # -- row by row ------------------------------------------------------------------------------------------------

    def _walk_all(self, first: int, last: int, chosen: Bools) -> None:
        for start, end in self.chains.among(np.flatnonzero(chosen) + first, first, last):
            self._walk(start, end)

    def _walk(self, first: int, end: int) -> None:
        """One chain, whole or not at all."""
        self.lines = self.lines or self.rows.tolist()
        mark = len(self.walk.log)
        for each in range(first, end + 1):
            row = self.lines[each]
            if self.recorded and row[0] == _MONITOR_TURNED:
                continue
            if result := self.walk.row(each, row):
                self.walk.undo(mark)
                self.results[first : end + 1] = Result.LINKED_ROW_FAILED
                self.results[each] = result
                return

    # -- in columns ------------------------------------------------------------------------------------------------

    def _columns(self, first: int, last: int, slots: Int64, alone: Bools) -> None:
        books, kind, amount = self.balances, self.kind[first:last], self.rows["amount"][first:last]
        stretch = _lay_out(books, self.rows[first:last], slots)
        moving = alone & _is_sound(books, stretch, self.walk.at[first:last])
        flows = ((kind == _TRANSFER) | (kind == _PENDING) | (kind == _CORRECTION)) & stretch.inside
        flow = np.where(flows, np.maximum(amount, 0), 0)
        left, arrived = _summed(stretch, stretch.out, flow), _summed(stretch, stretch.into, flow)
        walked = ~moving
        if self.recorded:
            walked &= kind != _MONITOR_TURNED
        doubtful = _in_doubt(books, stretch.lines, left, arrived, exact_sum(flow))
        if doubtful.any():
            walked |= moving & (doubtful[stretch.out] | doubtful[stretch.into])
        crossings = _crossings(books, stretch)
        for rises, falls, cover in crossings:
            if exact_sum(flow[falls]) > cover.posted - cover.reserved:
                walked |= moving & (rises | falls)
        if walked.any():
            self._walk_all(first, last, walked)
            moving &= ~walked
            stretch = replace(stretch, lines=books.state.take(stretch.touched, axis=0))
        if moving.any():
            self._move(first, last, stretch, moving, crossings)

    def _move(
        self, first: int, last: int, stretch: _Stretch, moving: Bools, crossings: list[tuple[Bools, Bools, Cover]]
    ) -> None:
        """Let rows take effect together."""
        books, log = self.balances, self.walk.log
        kind, amount = stretch.rows["kind"], stretch.rows["amount"]
        held, resolved = moving & (kind == _PENDING), moving & (kind >= _POST)
        posted = np.where(moving & ~held & (kind <= _POST), amount, 0)
        log.append(lambda: books.state.__setitem__(stretch.touched, stretch.lines))
        np.add.at(books.state[:, DEBITS], stretch.debit, posted)
        np.add.at(books.state[:, CREDITS], stretch.credit, posted)
        pending = None
        if held.any() or resolved.any():
            released = np.where(resolved, books.holds.columns[2, stretch.slots], 0)
            pending = np.where(held, amount, 0) - released
            np.add.at(books.state[:, DEBITS_PENDING], stretch.debit, pending)
            np.add.at(books.state[:, CREDITS_PENDING], stretch.credit, pending)
            self.released[first:last] += released
        for rises, falls, cover in crossings:
            self.walk.change(
                cover,
                exact_sum(posted[rises]) - exact_sum(posted[falls]),
                0 if pending is None else exact_sum(pending[falls]),
            )
        if held.any():
            columns = [stretch.rows[name][held] for name in ("debit_account", "credit_account", "amount", "expires_at")]
            log.append(books.holds.put(stretch.rows["id"][held].tolist(), np.array(columns)))
        if resolved.any():
            log.append(books.holds.release(stretch.rows["refers_to"][resolved].tolist()))

    # -- monitors --------------------------------------------------------------------------------------------------

    def _watch(self, first: int, last: int) -> None:
        """Look at every monitor after each chain of a stretch."""
        if not self.balances.monitors:
            return
        rows, kind = self.rows[first:last], self.kind[first:last]
        for index, released in self.walk.released.items():
            self.released[index] = released
        done = (self.results[first:last] == 0) & (kind <= _CORRECTION)
        posted = done & ((kind == _TRANSFER) | (kind == _POST) | (kind == _CORRECTION))
        moved = Movements(
            debit=np.where(done, rows["debit_account"], 0),
            credit=np.where(done, rows["credit_account"], 0),
            posted=np.where(posted, rows["amount"], 0),
            pending=np.where(done & (kind == _PENDING), rows["amount"], 0)
            - np.where(done & (kind >= _POST), self.released[first:last], 0),
            ends=np.flatnonzero(self.chains.end[first:last]),
        )
        found = turns(self.balances, moved, self.walk.log)
        self.turned += [Turned(first + each.after, each.turn) for each in found]

    def _match(self) -> None:
        """The turns that a journal tells, against those that happened. What is still due behind the last row must be
        the first that comes next.
        """
        told = np.flatnonzero(self.kind == _MONITOR_TURNED)
        due, due_date = self.balances.due, self.balances.due_date
        if not (len(told) or due or self.turned):
            return
        expected = [Turned(-1, turn) for turn in due] + self.turned
        others = np.flatnonzero(self.kind != _MONITOR_TURNED)
        anchors = np.concatenate([[-1], others])[np.searchsorted(others, told)].tolist()
        last = int(others[-1]) if len(others) else -1
        right = 0
        for index, anchor, turned in zip(told.tolist(), anchors, expected, strict=False):
            if turned.after != anchor or not self._tells(index, anchor, turned.turn):
                break
            right += 1
        missing = right < len(expected) and expected[right].after < last
        wrong = [int(others[np.searchsorted(others, expected[right].after, "right")])] if missing else []
        wrong += told[right:].tolist()
        if wrong:
            self.results[min(wrong)] = Result.MONITOR_TURN_MUST_BE_JOURNALED
        self.balances.due = [each.turn for each in expected[right:]]
        self.balances.due_date = self._dated(last) if self.balances.due else 0
        self.walk.log.append(lambda: setattr(self.balances, "due", due))
        self.walk.log.append(lambda: setattr(self.balances, "due_date", due_date))

    def _dated(self, anchor: int) -> int:
        """The value date of the row behind which turns stand; -1: it came before these rows."""
        return self.balances.due_date if anchor < 0 else int(self.rows["value_date"][anchor])

    def _tells(self, index: int, anchor: int, turn: Turn) -> bool:
        """Does this row say that turn, and nothing else?"""
        row = self.rows[index : index + 1].copy()
        named_and_dated = row["id"][0] != _ZERO and row["value_date"][0] == self._dated(anchor)
        for name in ("kind", "id", "value_date"):
            row[name] = np.zeros((), row[name].dtype)
        payload = self.walk.batch.payloads.get(index, b"")
        return bool(named_and_dated and not any(row.tobytes()) and payload == canonical(turn.payload()))


def _lay_out(books: Balances, rows: Rows, slots: Int64) -> _Stretch:
    debit, credit = rows["debit_account"], rows["credit_account"]
    inside = (debit > 0) & (debit < books.size) & (credit > 0) & (credit < books.size)
    if not inside.all():
        debit, credit = np.where(inside, debit, 0), np.where(inside, credit, 0)
    accounts = np.concatenate([debit, credit])
    # Distinct accounts without sorting: each writes its place into the scratch, and the last one stands for all.
    places, scratch = np.arange(len(accounts)), books.scratch
    scratch[accounts] = places
    touched = accounts[scratch[accounts] == places]
    scratch[touched] = places[: len(touched)]
    where, lines = scratch[accounts], books.state.take(touched, axis=0)
    (debit, credit), (out, into) = accounts.reshape(2, -1), where.reshape(2, -1)
    return _Stretch(rows, inside, debit, credit, touched, lines, out, into, slots)


def _summed(stretch: _Stretch, where: Int64, amounts: Int64) -> Int64:
    """Sums of amounts by touched account."""
    sums = np.zeros(len(stretch.touched), np.int64)
    np.add.at(sums, where, amounts)
    return sums


def _is_sound(books: Balances, stretch: _Stretch, at: Int64) -> Bools:
    """Which movements break no requirement, apart from those about sums."""
    rows, kind, amount = stretch.rows, stretch.rows["kind"], stretch.rows["amount"]
    expires, out, into = rows["expires_at"], stretch.out, stretch.into
    money = books.group_currency[stretch.lines[:, GROUP]]
    is_open = stretch.lines[:, OPEN] != 0
    pending = kind == _PENDING
    fresh = (kind == _TRANSFER) | pending
    every = bool(fresh.all())
    fresh &= stretch.inside & (amount > 0) & (out != into) & (money[out] == money[into]) & is_open[out] & is_open[into]
    fresh &= (expires == 0) | (pending & (expires > at))
    if not every:
        fresh |= _resolves_soundly(books, stretch, at)
    sound: Bools = fresh & (rows["id"] != _ZERO) & (rows["flags"] == 0) & (rows["value_date"] > books.closed_through)
    sound &= (rows["value_date"] <= LAST_DAY) & (expires >= 0) & (expires <= LAST_MOMENT)
    return sound


def _resolves_soundly(books: Balances, stretch: _Stretch, at: Int64) -> Bools:
    rows, kind, amount = stretch.rows, stretch.rows["kind"], stretch.rows["amount"]
    debit, credit, most, until = books.holds.columns[:, stretch.slots]
    passed = (until > 0) & (until <= at)
    sound = (kind >= _POST) & (kind <= _EXPIRE) & (stretch.slots >= 0)
    sound &= (rows["debit_account"] == debit) & (rows["credit_account"] == credit)
    sound &= (amount >= (kind == _POST)) & (amount <= most)
    sound &= (kind == _VOID) | (passed == (kind == _EXPIRE))
    return sound


def _in_doubt(books: Balances, lines: Int64, left: Int64, arrived: Int64, total: int) -> Bools:
    """Which touched accounts might not pass if all that leaves them left first, or all that arrives arrived first."""
    if int(lines[:, : CREDITS_PENDING + 1].max()) * 2 + total > _SAFE:
        return np.ones(len(lines), bool)
    credit_side = books.group_credit[lines[:, GROUP]]
    balance = lines[:, CREDITS] - lines[:, DEBITS]
    balance = np.where(credit_side, balance, -balance)
    held = np.where(credit_side, lines[:, DEBITS_PENDING], lines[:, CREDITS_PENDING])
    expected = np.where(credit_side, lines[:, CREDITS_PENDING], lines[:, DEBITS_PENDING])
    lowered, raised = np.where(credit_side, left, arrived), np.where(credit_side, arrived, left)
    doubt: Bools = (lowered > 0) & (balance - held - lowered < lines[:, MINIMUM])
    doubt |= (raised > 0) & (balance + expected + raised > lines[:, MAXIMUM])
    return doubt


def _crossings(books: Balances, stretch: _Stretch) -> list[tuple[Bools, Bools, Cover]]:
    """For each cover of a guarded pool that rows of a stretch touch from outside: the rows that raise it and those that
    lower it.
    """
    if not books.guards:
        return []
    group = stretch.lines[:, GROUP]
    pool, money = books.group_pool[group], books.group_currency[group]
    crosses = stretch.inside & (pool[stretch.out] != pool[stretch.into])
    if not crosses.any():
        return []
    found = []
    for (guarded, currency), cover in books.covers.items():
        mine = (pool == guarded) & (money == currency)
        rises, falls = crosses & mine[stretch.out], crosses & mine[stretch.into]
        if rises.any() or falls.any():
            found.append((rises, falls, cover))
    return found
