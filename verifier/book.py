"""The book: what a row says (leaf version 1), and a replay of all rows by the written rules.

This is written from docs/reference/evidence-format.md and docs/reference/ledger-rules.md, not from the program that
keeps the book. Accounts and their sums are in `accounts`, what a payload says in `payloads`.

A row moves money only if its kind says so. One that makes an account's balance worse must leave, on the account's
normal side,  balance - held >= minimum  and  balance + expected <= maximum.
"""

import struct
from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

import payloads
from accounts import INT64_MAX, INT64_MIN, Account, Accounts, Monitor
from folder import canonical, canonical_object
from words import Wrong

TRANSFER, PENDING, POST, VOID, EXPIRE, CORRECTION, ACCOUNT_OPENED, ACCOUNT_CLOSED = range(1, 9)
ACCOUNT_LIMITED, PERIOD_CLOSED, POOL_GUARDED, MONITOR_SET, MONITOR_TURNED = range(9, 14)
EVENT, REFUSAL = 16, 17
MOVEMENTS: Final = range(TRANSFER, CORRECTION + 1)
LINKED: Final = 1
NO_ID: Final = bytes(16)
PAYLOAD_BYTES_MAX: Final = 60_000
DAY_MICROSECONDS: Final = 86_400_000_000
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999
LAST_EXPIRY: Final = (LAST_DAY + 1) * DAY_MICROSECONDS - 1

_HEAD: Final = struct.Struct(">BBHIQ16sQQQ16s16sIiqqI")
_KINDS: Final = frozenset([*range(TRANSFER, MONITOR_TURNED + 1), EVENT, REFUSAL])
_SPEAKING: Final = _KINDS - frozenset(range(TRANSFER, ACCOUNT_CLOSED + 1)) | {ACCOUNT_OPENED}
_MONEY_COLUMNS: Final = ("credit_account", "amount", "refers_to", "expires_at")
# What stands in no column of these rows: they say all in their payload.
_EMPTY_COLUMNS: Final = {
    ACCOUNT_LIMITED: _MONEY_COLUMNS,
    PERIOD_CLOSED: ("debit_account", *_MONEY_COLUMNS),
    POOL_GUARDED: ("debit_account", *_MONEY_COLUMNS),
    MONITOR_SET: ("debit_account", *_MONEY_COLUMNS),
    MONITOR_TURNED: ("flags", "debit_account", *_MONEY_COLUMNS, "order_id", "code"),
    REFUSAL: ("debit_account", "credit_account", "amount"),
}


class Row(NamedTuple):
    version: int
    kind: int
    flags: int
    book: int
    sequence: int
    id: bytes
    debit_account: int
    credit_account: int
    amount: int
    refers_to: bytes
    order_id: bytes
    code: int
    value_date: int
    posted_at: int
    expires_at: int
    payload_length: int


def decode(leaf: bytes, sequence: int) -> tuple[Row, bytes]:
    """The row and the payload of a leaf, which must fill it exactly."""
    if len(leaf) < _HEAD.size:
        raise Wrong("row_is_malformed", sequence=sequence, field="length")
    row = Row._make(_HEAD.unpack_from(leaf))
    payload = leaf[_HEAD.size :]
    if row.version != 1:
        raise Wrong("row_is_malformed", sequence=sequence, field="version")
    if row.flags & ~LINKED:
        raise Wrong("row_is_malformed", sequence=sequence, field="flags")
    if row.payload_length != len(payload):
        raise Wrong("row_is_malformed", sequence=sequence, field="payload length")
    for name in ("debit_account", "credit_account", "amount"):
        if getattr(row, name) > INT64_MAX:
            raise Wrong("row_is_malformed", sequence=sequence, field=name)
    return row, payload


class Journal:
    """The order of rows: numbered without a gap, each id once, time never going back, chains closed."""

    def __init__(self) -> None:
        self.rows = 0
        self.ids: dict[bytes, int] = {}
        self._posted_at = INT64_MIN
        self._linked = False

    def add(self, row: Row) -> None:
        place = self.rows
        if row.sequence != place:
            raise Wrong("row_has_another_sequence", sequence=place, found=row.sequence)
        if row.id == NO_ID:
            raise Wrong("row_is_malformed", sequence=place, field="id")
        if row.id in self.ids:
            raise Wrong("row_repeats_an_id", sequence=place, id=UUID(bytes=row.id), earlier=self.ids[row.id])
        if row.posted_at < self._posted_at:
            raise Wrong("row_goes_back_in_time", sequence=place)
        self.ids[row.id] = place
        self._posted_at = row.posted_at
        self._linked = bool(row.flags & LINKED)
        self.rows += 1

    def close(self) -> None:
        if self._linked:
            raise Wrong("chain_is_open", sequence=self.rows - 1)


class Held(NamedTuple):
    """An open pending transfer."""

    debit_account: int
    credit_account: int
    amount: int
    expires_at: int


class Turn(NamedTuple):
    """What the next row must be: the turn of a monitor. The row's payload and value date."""

    payload: bytes
    value_date: int


@dataclass
class Book:
    """The state of a book while its rows are replayed. `apply` raises `Wrong` with the rule that a row breaks."""

    accounts: Accounts = field(default_factory=Accounts)
    pending: dict[bytes, Held] = field(default_factory=dict)
    resolved: dict[bytes, int] = field(default_factory=dict)  # pending id: the row that resolved it
    corrected: dict[bytes, int] = field(default_factory=dict)  # transfer id: the row that corrected it
    posted: dict[bytes, int] = field(default_factory=dict)  # id of a transfer or post: its place in the columns below
    debit_of: "array[int]" = field(default_factory=lambda: array("Q"))
    credit_of: "array[int]" = field(default_factory=lambda: array("Q"))
    amount_of: "array[int]" = field(default_factory=lambda: array("Q"))
    closed_through: int = INT64_MIN  # the last closed value date, in days since 1970
    guards: dict[str, frozenset[int]] = field(default_factory=dict)  # pool: the codes that may leave it uncovered
    reserved: dict[tuple[str, str], int] = field(default_factory=dict)  # of guarded pools, by pool and currency
    monitors: dict[str, Monitor] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)  # monitors whose measure this chain may have changed
    due: deque[Turn] = field(default_factory=deque)
    number: int | None = None  # as the first row says
    rows: int = 0
    movements: int = 0
    refusals: int = 0
    turns: int = 0

    def apply(self, row: Row, payload: bytes) -> None:
        if self.number is None:
            self.number = row.book
        if row.book != self.number:
            raise Wrong("row_is_of_another_book", sequence=row.sequence, found=row.book, wanted=self.number)
        try:
            if self.due or row.kind == MONITOR_TURNED:
                self._turn(row, payload)
            else:
                self._apply(row, payload)
                if self.touched and not row.flags & LINKED:
                    self._look(row.value_date)
        except Wrong as rule:
            raise Wrong("row_breaks_a_rule", sequence=row.sequence, rule=rule) from None
        self.rows += 1
        self.movements += row.kind in MOVEMENTS
        self.refusals += row.kind == REFUSAL

    def close(self) -> None:
        """No turn is owed, and over all accounts of a currency debits equal credits, posted and pending."""
        if self.due:
            rule = Wrong("monitor_turn_must_be_journaled", wanted=_said(self.due[0]), found=Wrong("the_end"))
            raise Wrong("row_breaks_a_rule", sequence=self.rows, rule=rule)
        for currency in self.accounts.currencies():
            accounts = [account for account in self.accounts if account.currency == currency]
            for debits, credits_ in (
                (sum(each.debits for each in accounts), sum(each.credits for each in accounts)),
                (sum(each.debits_pending for each in accounts), sum(each.credits_pending for each in accounts)),
            ):
                if debits != credits_:
                    raise Wrong("debits_must_equal_credits", currency=currency, debits=debits, credits=credits_)

    def _apply(self, row: Row, payload: bytes) -> None:
        if row.kind not in _KINDS:
            raise Wrong("kind_must_be_known", kind=row.kind)
        if not FIRST_DAY <= row.value_date <= LAST_DAY:
            raise Wrong("column_must_be_in_range", column="value_date", found=row.value_date)
        if row.expires_at and not 0 < row.expires_at <= LAST_EXPIRY:
            raise Wrong("column_must_be_in_range", column="expires_at", found=row.expires_at)
        said = _object(row, payload)
        if row.kind in (TRANSFER, PENDING):
            self._transfer(row)
        elif row.kind in (POST, VOID, EXPIRE):
            self._resolve(row)
        elif row.kind == CORRECTION:
            self._correct(row)
        elif row.kind == ACCOUNT_OPENED:
            self._open(row, said)
        elif row.kind == ACCOUNT_CLOSED:
            self._close(row)
        elif row.kind == ACCOUNT_LIMITED:
            self._limit(row, said)
        elif row.kind == PERIOD_CLOSED:
            self._close_period(row, said)
        elif row.kind == POOL_GUARDED:
            self._guard(*payloads.guarded(said))
        elif row.kind == MONITOR_SET:
            self._watch(*payloads.monitored(said))
        elif row.kind == REFUSAL:
            payloads.refused(said)

    # -- movements ------------------------------------------------------------------------------------------------

    def _transfer(self, row: Row) -> None:
        if row.amount == 0:
            raise Wrong("amount_must_be_positive")
        if row.value_date <= self.closed_through:
            raise self._too_late(row)
        debit, credit = self._both(row)
        if row.expires_at and (row.kind != PENDING or row.expires_at <= row.posted_at):
            raise Wrong("expiry_must_be_in_the_future")
        self._check_limits(row, debit, credit)
        if self.guards:
            self._check_cover(row, debit, credit)
        if row.kind == TRANSFER:
            self._move(row, debit, credit)
        else:
            self._hold(debit, credit, row.amount)
            self.pending[row.id] = Held(row.debit_account, row.credit_account, row.amount, row.expires_at)

    def _resolve(self, row: Row) -> None:
        if row.kind == POST and row.amount == 0:
            raise Wrong("amount_must_be_positive")
        if row.value_date <= self.closed_through:
            raise self._too_late(row)
        held = self.pending.get(row.refers_to)
        if row.refers_to in self.resolved:
            raise Wrong("pending_must_be_open", id=UUID(bytes=row.refers_to), earlier=self.resolved[row.refers_to])
        if held is None:
            raise Wrong("pending_must_exist", id=UUID(bytes=row.refers_to))
        if (row.debit_account, row.credit_account) != (held.debit_account, held.credit_account):
            raise Wrong("pending_must_have_the_same_accounts")
        if row.amount > held.amount:
            raise Wrong("amount_must_not_exceed_pending", amount=row.amount, held=held.amount)
        passed = 0 < held.expires_at <= row.posted_at
        if row.kind == POST and passed:
            raise Wrong("pending_has_passed_its_expiry")
        if row.kind == EXPIRE and not passed:
            raise Wrong("pending_has_not_expired")
        debit, credit = self._account(row.debit_account), self._account(row.credit_account)
        self._hold(debit, credit, -held.amount)
        del self.pending[row.refers_to]
        self.resolved[row.refers_to] = row.sequence
        if row.kind == POST:
            self._move(row, debit, credit)

    def _correct(self, row: Row) -> None:
        if row.value_date <= self.closed_through:
            raise self._too_late(row)
        place = self.posted.get(row.refers_to)
        if place is None:
            raise Wrong("corrected_transfer_must_exist", id=UUID(bytes=row.refers_to))
        mirrored = (self.credit_of[place], self.debit_of[place], self.amount_of[place])
        if (row.debit_account, row.credit_account, row.amount) != mirrored:
            raise Wrong("correction_must_mirror")
        if row.refers_to in self.corrected:
            raise Wrong(
                "transfer_must_be_corrected_once",
                id=UUID(bytes=row.refers_to),
                earlier=self.corrected[row.refers_to],
            )
        debit, credit = self._both(row)
        self._check_limits(row, debit, credit)
        if self.guards:
            self._check_cover(row, debit, credit)
        self._move(row, debit, credit)
        self.corrected[row.refers_to] = row.sequence

    def _move(self, row: Row, debit: Account, credit: Account) -> None:
        amount = row.amount
        debit.debits += amount
        credit.credits += amount
        for total in debit.totals:
            total.debits += amount
        for total in credit.totals:
            total.credits += amount
        if self.monitors:
            self._touch(debit, credit)
        if row.kind in (TRANSFER, POST):
            self.posted[row.id] = len(self.amount_of)
            self.debit_of.append(row.debit_account)
            self.credit_of.append(row.credit_account)
            self.amount_of.append(amount)

    def _hold(self, debit: Account, credit: Account, amount: int) -> None:
        """Hold an amount between two accounts, or release it (negative)."""
        debit.debits_pending += amount
        credit.credits_pending += amount
        for total in debit.totals:
            total.debits_pending += amount
        for total in credit.totals:
            total.credits_pending += amount
        if self.monitors:
            self._touch(debit, credit)
        if credit.pool in self.guards and debit.pool != credit.pool:
            place = credit.pool, credit.currency
            self.reserved[place] = self.reserved.get(place, 0) + amount

    def _touch(self, *accounts: Account) -> None:
        for account in accounts:
            self.touched |= account.monitors
            for total in account.totals:
                self.touched |= total.monitors

    # -- what a movement must keep --------------------------------------------------------------------------------

    def _too_late(self, row: Row) -> Wrong:
        return Wrong(
            "value_date_must_be_in_an_open_period",
            day=payloads.spell_day(row.value_date),
            through=payloads.spell_day(self.closed_through),
        )

    def _account(self, number: int) -> Account:
        if not 0 < number <= len(self.accounts):
            raise Wrong("account_must_exist", account=number)
        return self.accounts[number - 1]

    def _both(self, row: Row) -> tuple[Account, Account]:
        debit, credit = self._account(row.debit_account), self._account(row.credit_account)
        if debit is credit:
            raise Wrong("accounts_must_be_different")
        if debit.currency != credit.currency:
            raise Wrong("accounts_must_have_the_same_currency")
        for number, account in ((row.debit_account, debit), (row.credit_account, credit)):
            if account.closed:
                raise Wrong("account_must_be_open", account=number)
        return debit, credit

    @staticmethod
    def _check_limits(row: Row, debit: Account, credit: Account) -> None:
        """May `row.amount` leave the one and arrive at the other, at once or later?"""
        amount = row.amount
        for number, sum_ in (
            (row.debit_account, debit.debits + debit.debits_pending),
            (row.credit_account, credit.credits + credit.credits_pending),
        ):
            if sum_ + amount > INT64_MAX:
                raise Wrong("sum_must_fit_64_bits", account=number)
        if debit.credit_side:
            _keep_minimum(row.debit_account, debit, amount)
        if not credit.credit_side:
            _keep_minimum(row.credit_account, credit, amount)
        if not debit.credit_side:
            _keep_maximum(row.debit_account, debit, amount)
        if credit.credit_side:
            _keep_maximum(row.credit_account, credit, amount)

    def _check_cover(self, row: Row, debit: Account, credit: Account) -> None:
        """A guarded pool that is credited from outside holds, afterwards and whatever becomes of what is reserved, no
        less than it owes.
        """
        if credit.pool not in self.guards or debit.pool == credit.pool or row.code in self.guards[credit.pool]:
            return
        cover = self.accounts.total((credit.pool, credit.currency)).cover
        reserved = self.reserved.get((credit.pool, credit.currency), 0)
        if cover - reserved - row.amount < 0:
            raise Wrong(
                "pool_must_stay_covered",
                pool=credit.pool,
                currency=credit.currency,
                cover=cover,
                reserved=reserved,
                amount=row.amount,
            )

    # -- accounts, and what stands over the book ------------------------------------------------------------------

    def _open(self, row: Row, said: dict[str, Any]) -> None:
        number, account = payloads.opened(said)
        if type(number) is not int or not row.debit_account == number == len(self.accounts) + 1:
            raise Wrong("account_number_must_be_next", account=row.debit_account)
        if account.name in self.accounts.names:
            raise Wrong("account_name_must_be_new", account=account.name)
        self.accounts.open(account)

    def _close(self, row: Row) -> None:
        account = self._account(row.debit_account)
        if account.closed:
            raise Wrong("account_must_be_open", account=row.debit_account)
        if account.balance or account.held or account.expected:
            raise Wrong("account_must_be_empty", account=row.debit_account)
        account.closed = True

    def _limit(self, row: Row, said: dict[str, Any]) -> None:
        number, minimum, maximum = payloads.limited(said)
        if number != row.debit_account:
            raise Wrong("payload_must_be_valid")
        account = self._account(number)
        if account.closed:
            raise Wrong("account_must_be_open", account=number)
        account.minimum, account.maximum = minimum, maximum

    def _close_period(self, row: Row, said: dict[str, Any]) -> None:
        through = payloads.closed_through(said)
        if through != row.value_date:
            raise Wrong("payload_must_be_valid")
        if through > row.posted_at // DAY_MICROSECONDS:
            raise Wrong("period_must_have_ended", day=payloads.spell_day(through))
        if through <= self.closed_through:
            last = payloads.spell_day(self.closed_through)
            raise Wrong("period_must_be_later_than_the_last_closed", day=payloads.spell_day(through), through=last)
        self.closed_through = through

    def _guard(self, pool: str, codes: frozenset[int]) -> None:
        """From here on what is reserved in the pool is kept; what is reserved already is counted once."""
        if pool not in self.guards:
            for held in self.pending.values():
                debit, credit = self._account(held.debit_account), self._account(held.credit_account)
                if credit.pool == pool != debit.pool:
                    place = pool, credit.currency
                    self.reserved[place] = self.reserved.get(place, 0) + held.amount
        self.guards[pool] = codes

    def _watch(
        self, name: str, watched: int | tuple[str, ...], measure: str, below: int | None, above: int | None
    ) -> None:
        sums = self._account(watched) if isinstance(watched, int) else self.accounts.total(watched)
        if name in self.monitors:
            self.monitors[name].watched.monitors.discard(name)
        self.monitors[name] = Monitor(sums, measure, below, above)
        sums.monitors.add(name)
        self.touched.add(name)

    # -- monitors -------------------------------------------------------------------------------------------------

    def _look(self, value_date: int) -> None:
        """After a chain: which monitors turned? The next rows must say so."""
        for name in sorted(self.touched):
            monitor = self.monitors[name]
            if monitor.holds() != monitor.on:
                monitor.on = not monitor.on
                payload = canonical({"monitor": name, "on": monitor.on, "value": str(monitor.value)})
                self.due.append(Turn(payload, value_date))
        self.touched.clear()

    def _turn(self, row: Row, payload: bytes) -> None:
        found = Turn(payload, row.value_date)
        if row.kind != MONITOR_TURNED or not self.due or found != self.due[0]:
            wanted = _said(self.due[0]) if self.due else Wrong("no_turn")
            stands = _said(found) if row.kind == MONITOR_TURNED else Wrong("a_row", kind=row.kind)
            raise Wrong("monitor_turn_must_be_journaled", wanted=wanted, found=stands)
        _object(row, payload)
        self.due.popleft()
        self.turns += 1


def _keep_minimum(number: int, account: Account, amount: int) -> None:
    if account.minimum > INT64_MIN and account.available - amount < account.minimum:
        raise Wrong(
            "balance_must_not_fall_below_its_minimum",
            account=number,
            available=account.available,
            minimum=account.minimum,
            amount=amount,
        )


def _keep_maximum(number: int, account: Account, amount: int) -> None:
    if account.maximum < INT64_MAX and account.balance + account.expected + amount > account.maximum:
        raise Wrong(
            "balance_must_not_exceed_its_maximum",
            account=number,
            reach=account.balance + account.expected,
            maximum=account.maximum,
            amount=amount,
        )


def _said(turn: Turn) -> Wrong:
    """A turn, as the sentence names it."""
    return Wrong("a_turn", said=turn.payload.decode("utf-8", "replace"), day=payloads.spell_day(turn.value_date))


def _object(row: Row, payload: bytes) -> dict[str, Any]:
    """What the row says in its payload, if it may say anything and its kind leaves the other columns empty."""
    if not payload and row.kind not in _SPEAKING:
        return {}
    for name in _EMPTY_COLUMNS.get(row.kind, ()):
        if getattr(row, name) not in (0, NO_ID):
            raise Wrong("refusal_must_move_nothing" if row.kind == REFUSAL else "column_must_be_empty", column=name)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Wrong("payload_must_be_valid")
    try:
        return canonical_object(payload, "")
    except Wrong:
        raise Wrong("payload_must_be_valid") from None
