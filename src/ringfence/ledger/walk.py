"""The rules, row by row: for rows whose answer depends on what stands before them in the batch.

The order of the checks is that of docs/reference/ledger-rules.md. Every change leaves its undoing in `log`, so that a
chain whose last row is refused has changed nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from ringfence.ledger.balances import (
    CREDITS,
    CREDITS_PENDING,
    DEBITS,
    DEBITS_PENDING,
    INT64_MAX,
    INT64_MIN,
    MAXIMUM,
    MINIMUM,
    OPEN,
    Balances,
    Cover,
    Hold,
    Int64,
    Undo,
    Watch,
    add_account,
)
from ringfence.ledger.model import (
    FIRST_DAY,
    LAST_DAY,
    LAST_MOMENT,
    LINKED,
    MOVEMENTS,
    NO_ID,
    PAYLOAD_BYTES_MAX,
    Account,
    Batch,
    Kind,
    Result,
    canonical,
)
from ringfence.ledger.standing import Guard, account_of, closed_period_of, guard_of, limits_of, monitor_of

_DAY_MICROSECONDS: Final = 86_400_000_000

# Plain numbers: looking up the member of an enumeration takes longer than the rest of a comparison.
_TRANSFER, _PENDING, _POST, _VOID, _EXPIRE, _CORRECTION = (int(kind) for kind in MOVEMENTS)
_REFUSAL: Final = int(Kind.REFUSAL)
_POSTED: Final = Result.POSTED

Row = tuple[int, int, bytes, int, int, int, bytes, bytes, int, int, int]
"""kind, flags, id, debit account, credit account, amount, refers to, order, code, value date, expiry."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the journal knows of a row that a batch refers to and that is no open pending transfer."""

    kind: int
    debit_account: int
    credit_account: int
    amount: int
    referred_by: int | None  # POST, VOID, EXPIRE or CORRECTION, if there is one


@dataclass
class Walk:
    """A walk through a batch. What rows of the batch did to one another is remembered here, the rest in `balances`."""

    balances: Balances
    batch: Batch
    at: Int64
    references: Mapping[bytes, Reference]
    recorded: bool = False
    log: Undo = field(default_factory=list)
    moved: dict[bytes, Reference] = field(default_factory=dict)  # movements of this batch that were walked
    referred: dict[bytes, int] = field(default_factory=dict)  # what resolved or corrected a row, in this batch
    released: dict[int, int] = field(default_factory=dict)  # how much a row released
    opened: dict[int, Account] = field(default_factory=dict)

    def undo(self, mark: int) -> None:
        while len(self.log) > mark:
            self.log.pop()()

    def row(self, index: int, row: Row) -> Result:
        """The answer to one row; it has taken effect if that is POSTED."""
        kind, flags, identity = row[:3]
        if identity == NO_ID:
            return Result.ID_MUST_NOT_BE_ZERO
        if flags not in (0, LINKED):
            return Result.FLAGS_MUST_BE_KNOWN
        if not (kind in _MOVES or (kind in _SPEAKS and (self.recorded or kind != _REFUSAL))):
            return Result.KIND_MUST_BE_KNOWN
        if not _fits(row):
            return Result.COLUMN_MUST_BE_IN_RANGE
        payload = self.batch.payloads.get(index, b"")
        if not is_canonical(payload) if payload else kind in _SPEAKS:
            return Result.PAYLOAD_MUST_BE_VALID
        if kind in _MOVES:
            return _MOVES[kind](self, index, row)
        return _SPEAKS[kind](self, index, row, payload)

    # -- movements -------------------------------------------------------------------------------------------------

    def transfer(self, index: int, row: Row) -> Result:
        kind, _, identity, debit, credit, amount, _, _, code, value_date, expires_at = row
        if amount <= 0:
            return Result.AMOUNT_MUST_BE_POSITIVE
        if value_date <= self.balances.closed_through:
            return Result.VALUE_DATE_MUST_BE_IN_AN_OPEN_PERIOD
        if result := self._accounts(debit, credit):
            return result
        if expires_at and (kind != _PENDING or expires_at <= self.at[index]):
            return Result.EXPIRY_MUST_BE_IN_THE_FUTURE
        if result := self._limits(debit, credit, amount) or self._covered(debit, credit, amount, code):
            return result
        if kind == _PENDING:
            self._add(debit, DEBITS_PENDING, amount)
            self._add(credit, CREDITS_PENDING, amount)
            held = np.array([[debit], [credit], [amount], [expires_at]])
            self.log.append(self.balances.holds.put([identity], held))
            self._move_cover(debit, credit, 0, amount)
        else:
            self._move(debit, credit, amount)
        self._remember(kind, identity, debit, credit, amount)
        return _POSTED

    def resolve(self, index: int, row: Row) -> Result:
        kind, _, identity, debit, credit, amount, refers_to, _, _, value_date, _ = row
        if kind == _POST and amount <= 0:
            return Result.AMOUNT_MUST_BE_POSITIVE
        if value_date <= self.balances.closed_through:
            return Result.VALUE_DATE_MUST_BE_IN_AN_OPEN_PERIOD
        hold = self.balances.holds.get(refers_to)
        if hold is None:
            return self._why_not_held(refers_to)
        if (debit, credit) != (hold.debit_account, hold.credit_account):
            return Result.PENDING_TRANSFER_MUST_HAVE_THE_SAME_ACCOUNTS
        if amount > hold.amount or amount < 0:
            return Result.AMOUNT_MUST_NOT_EXCEED_PENDING_AMOUNT
        passed = 0 < hold.expires_at <= self.at[index]
        if kind == _POST and passed:
            return Result.PENDING_TRANSFER_HAS_PASSED_ITS_EXPIRY
        if kind == _EXPIRE and not passed:
            return Result.PENDING_TRANSFER_HAS_NOT_EXPIRED
        self._release(index, refers_to, hold)
        self._put(self.referred, refers_to, kind)
        if kind == _POST:
            self._move(debit, credit, amount)
        self._remember(kind, identity, debit, credit, amount)
        return _POSTED

    def correct(self, __: int, row: Row) -> Result:
        _, _, identity, debit, credit, amount, refers_to, _, code, value_date, _ = row
        if value_date <= self.balances.closed_through:
            return Result.VALUE_DATE_MUST_BE_IN_AN_OPEN_PERIOD
        target = self.moved.get(refers_to) or self.references.get(refers_to)
        if target is None:
            held = refers_to in self.balances.holds or refers_to in self.referred
            return Result.CORRECTED_TRANSFER_MUST_BE_POSTED if held else Result.CORRECTED_TRANSFER_MUST_EXIST
        if target.kind not in (_TRANSFER, _POST):
            return Result.CORRECTED_TRANSFER_MUST_BE_POSTED
        if (debit, credit, amount) != (target.credit_account, target.debit_account, target.amount):
            return Result.CORRECTION_MUST_MIRROR_THE_TRANSFER
        if refers_to in self.referred or target.referred_by is not None:
            return Result.TRANSFER_ALREADY_CORRECTED
        if result := self._accounts(debit, credit):
            return result
        if result := self._limits(debit, credit, amount) or self._covered(debit, credit, amount, code):
            return result
        self._move(debit, credit, amount)
        self._put(self.referred, refers_to, _CORRECTION)
        self._remember(_CORRECTION, identity, debit, credit, amount)
        return _POSTED

    def _accounts(self, debit: int, credit: int) -> Result:
        books = self.balances
        if not 0 < debit < books.size:
            return Result.DEBIT_ACCOUNT_MUST_EXIST
        if not 0 < credit < books.size:
            return Result.CREDIT_ACCOUNT_MUST_EXIST
        if debit == credit:
            return Result.ACCOUNTS_MUST_BE_DIFFERENT
        if books.pool_and_currency(debit)[1] != books.pool_and_currency(credit)[1]:
            return Result.ACCOUNTS_MUST_HAVE_THE_SAME_CURRENCY
        return _POSTED if books.is_open(debit) and books.is_open(credit) else Result.ACCOUNT_MUST_BE_OPEN

    def _limits(self, debit: int, credit: int, amount: int) -> Result:
        """Would `amount` more on both sides, posted or pending, keep every sum and every limit?"""
        books = self.balances
        minimum_kept = maximum_kept = True
        for account, debited, sums in (
            (debit, True, (DEBITS, DEBITS_PENDING)),
            (credit, False, (CREDITS, CREDITS_PENDING)),
        ):
            line = books.state[account].tolist()
            if line[sums[0]] + line[sums[1]] + amount > INT64_MAX:
                return Result.BALANCE_MUST_FIT_64_BITS
            if debited == books.is_credit(account):
                minimum_kept &= books.available(account) - amount >= line[MINIMUM]
            else:
                maximum_kept &= books.balance(account) + books.expected(account) + amount <= line[MAXIMUM]
        if not minimum_kept:
            return Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM
        return _POSTED if maximum_kept else Result.BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM

    def _covered(self, debit: int, credit: int, amount: int, code: int) -> Result:
        """Would the pool of the credited account stay covered, if it is guarded and loses to another?"""
        _, lowered, guard = self._crossed(debit, credit)
        if lowered is None or guard is None or code in guard.codes:
            return _POSTED
        kept = lowered.posted - lowered.reserved - amount >= 0
        return _POSTED if kept else Result.POOL_MUST_STAY_COVERED

    def _crossed(self, debit: int, credit: int) -> tuple[Cover | None, Cover | None, Guard | None]:
        """The cover that a row raises and the one that it lowers, with its guard: if it goes from pool to pool."""
        books = self.balances
        if not books.guards:
            return None, None, None
        one, other = books.pool_and_currency(debit), books.pool_and_currency(credit)
        if one[0] == other[0]:
            return None, None, None
        return books.covers.get(one), books.covers.get(other), books.guards.get(other[0])

    # -- what stands over the book ---------------------------------------------------------------------------------

    def open_account(self, index: int, row: Row, payload: bytes) -> Result:
        account = account_of(payload)
        if account is None:
            return Result.PAYLOAD_MUST_BE_VALID
        if account.account == 0:  # a request; in the journal it has its number
            account = replace(account, account=self.balances.size)
        if account.account != self.balances.size or row[3] not in (0, account.account):
            return Result.ACCOUNT_NUMBER_MUST_BE_NEXT
        if account.name in self.balances.numbers:
            return Result.ACCOUNT_NAME_MUST_BE_NEW
        self.log.append(add_account(self.balances, account))
        self._put(self.opened, index, account)
        return _POSTED

    def close_account(self, _: int, row: Row) -> Result:
        account, books = row[3], self.balances
        if not 0 < account < books.size:
            return Result.ACCOUNT_MUST_EXIST
        if not books.is_open(account):
            return Result.ACCOUNT_MUST_BE_OPEN
        if books.balance(account) or books.held(account) or books.expected(account):
            return Result.ACCOUNT_MUST_BE_EMPTY
        self._set(account, OPEN, 0)
        return _POSTED

    def limit_account(self, _: int, row: Row, payload: bytes) -> Result:
        limits, books = limits_of(payload), self.balances
        if limits is None or limits.account != row[3]:
            return Result.PAYLOAD_MUST_BE_VALID
        if not limits.account < books.size:
            return Result.ACCOUNT_MUST_EXIST
        if not books.is_open(limits.account):
            return Result.ACCOUNT_MUST_BE_OPEN
        self._set(limits.account, MINIMUM, INT64_MIN if limits.minimum is None else limits.minimum)
        self._set(limits.account, MAXIMUM, INT64_MAX if limits.maximum is None else limits.maximum)
        return _POSTED

    def close_period(self, index: int, row: Row, payload: bytes) -> Result:
        period, books = closed_period_of(payload), self.balances
        if period is None or period.day != row[9]:
            return Result.PAYLOAD_MUST_BE_VALID
        if row[9] > int(self.at[index]) // _DAY_MICROSECONDS:
            return Result.PERIOD_MUST_HAVE_ENDED
        if row[9] <= books.closed_through:
            return Result.PERIOD_MUST_BE_LATER_THAN_THE_LAST_CLOSED
        self._assign("closed_through", row[9])
        return _POSTED

    def guard_pool(self, _: int, __: Row, payload: bytes) -> Result:
        guard, books = guard_of(payload), self.balances
        if guard is None:
            return Result.PAYLOAD_MUST_BE_VALID
        if guard.pool not in books.pools:
            self._put(books.pools, guard.pool, len(books.pools))
        pool = books.pools[guard.pool]
        if pool not in books.guards:
            for currency, number in books.currencies.items():
                self._put(books.covers, (pool, number), books.cover(guard.pool, currency))
        self._put(books.guards, pool, guard)
        return _POSTED

    def set_monitor(self, _: int, __: Row, payload: bytes) -> Result:
        monitor, books = monitor_of(payload), self.balances
        if monitor is None:
            return Result.PAYLOAD_MUST_BE_VALID
        if not monitor.watched.account < books.size:
            return Result.ACCOUNT_MUST_EXIST
        self._put(books.monitors, monitor.name, Watch(monitor))
        return _POSTED

    def speak(self, _: int, __: Row, ___: bytes) -> Result:
        """Events and refusals move nothing."""
        return _POSTED

    # -- changes, each with its undoing ----------------------------------------------------------------------------

    def _add(self, account: int, column: int, amount: int) -> None:
        self._set(account, column, int(self.balances.state[account, column]) + amount)

    def _set(self, account: int, column: int, value: int) -> None:
        books = self.balances  # asked each time: an account that is opened may move the array
        old = books.state[account, column]
        books.state[account, column] = value
        self.log.append(lambda: books.state.__setitem__((account, column), old))

    def _put(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        missing = key not in mapping
        old = mapping.get(key)
        mapping[key] = value
        self.log.append(lambda: mapping.__delitem__(key) if missing else mapping.__setitem__(key, old))

    def _assign(self, name: str, value: Any) -> None:
        old = getattr(self.balances, name)
        setattr(self.balances, name, value)
        self.log.append(lambda: setattr(self.balances, name, old))

    def _move(self, debit: int, credit: int, amount: int) -> None:
        self._add(debit, DEBITS, amount)
        self._add(credit, CREDITS, amount)
        self._move_cover(debit, credit, amount, 0)

    def _release(self, index: int, identity: bytes, hold: Hold) -> None:
        self._add(hold.debit_account, DEBITS_PENDING, -hold.amount)
        self._add(hold.credit_account, CREDITS_PENDING, -hold.amount)
        self._move_cover(hold.debit_account, hold.credit_account, 0, -hold.amount)
        self.log.append(self.balances.holds.release([identity]))
        self._put(self.released, index, hold.amount)

    def _move_cover(self, debit: int, credit: int, posted: int, reserved: int) -> None:
        raised, lowered, _ = self._crossed(debit, credit)
        for cover, gained, kept in ((raised, posted, 0), (lowered, -posted, reserved)):
            if cover is not None:
                self.change(cover, gained, kept)

    def change(self, cover: Cover, posted: int, reserved: int) -> None:
        cover.posted += posted
        cover.reserved += reserved

        def undo() -> None:
            cover.posted -= posted
            cover.reserved -= reserved

        self.log.append(undo)

    def _remember(self, kind: int, identity: bytes, debit: int, credit: int, amount: int) -> None:
        self._put(self.moved, identity, Reference(kind, debit, credit, amount, None))

    def _why_not_held(self, refers_to: bytes) -> Result:
        known = self.references.get(refers_to)
        by = self.referred.get(refers_to) or (known.referred_by if known and known.kind == _PENDING else None)
        if by == _POST:
            return Result.PENDING_TRANSFER_ALREADY_POSTED
        if by == _VOID:
            return Result.PENDING_TRANSFER_ALREADY_VOIDED
        if by == _EXPIRE:
            return Result.PENDING_TRANSFER_ALREADY_EXPIRED
        return Result.PENDING_TRANSFER_MUST_EXIST


_MOVES: Final[dict[int, Callable[[Walk, int, Row], Result]]] = {
    Kind.TRANSFER: Walk.transfer,
    Kind.PENDING: Walk.transfer,
    Kind.POST: Walk.resolve,
    Kind.VOID: Walk.resolve,
    Kind.EXPIRE: Walk.resolve,
    Kind.CORRECTION: Walk.correct,
    Kind.ACCOUNT_CLOSED: Walk.close_account,
}
_SPEAKS: Final[dict[int, Callable[[Walk, int, Row, bytes], Result]]] = {
    Kind.ACCOUNT_OPENED: Walk.open_account,
    Kind.ACCOUNT_LIMITED: Walk.limit_account,
    Kind.PERIOD_CLOSED: Walk.close_period,
    Kind.POOL_GUARDED: Walk.guard_pool,
    Kind.MONITOR_SET: Walk.set_monitor,
    Kind.EVENT: Walk.speak,
    Kind.REFUSAL: Walk.speak,
}


def _fits(row: Row) -> bool:
    """Can the journal keep the columns that no rule of the row's kind looks at?"""
    kind, _, _, debit, credit, amount, refers_to, _, _, value_date, expires_at = row
    if not (FIRST_DAY <= value_date <= LAST_DAY and 0 <= expires_at <= LAST_MOMENT):
        return False
    if Kind.ACCOUNT_LIMITED <= kind <= Kind.MONITOR_SET:  # the payload says it all, apart from the account
        moved = debit if kind > Kind.ACCOUNT_LIMITED else min(debit, 0)
        return not (moved or credit or amount or expires_at) and refers_to == NO_ID
    return kind <= _CORRECTION or min(debit, credit, amount) >= 0


def is_canonical(payload: bytes) -> bool:
    """Whether these bytes are the RFC 8785 form of a JSON object that an entry of a tile can hold."""
    try:
        said = json.loads(payload)
        return len(payload) <= PAYLOAD_BYTES_MAX and isinstance(said, dict) and canonical(said) == payload
    except (ValueError, RecursionError):
        return False
