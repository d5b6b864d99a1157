"""The rules of the ledger: one pure function from balances and a batch to balances and a result per row.

The writer, the notary's replay, a restore and a simulation all call `apply`. Rows take effect as if one after the
other; the first requirement that a row breaks, in the order of `Result`, is its answer, and a refused row changes
nothing. A linked chain happens whole or not at all.

Balances are kept as four sums an account (debits and credits, posted and pending). On the normal side of an account

    balance   = posted on its side - posted on the other
    held      = pending on the other side          (may leave)
    expected  = pending on its side                (may arrive)

and the limits are  balance - held >= minimum  and  balance + expected <= maximum, tested when a row makes it worse.

A batch of plain and pending transfers is decided at once when every account would pass with all that leaves it and
nothing that arrives (and the other way round for maxima): then every order passes, the given one too. Otherwise the
batch is walked row by row.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ringfence.ledger.model import LINKED, NO_ID, PAYLOAD_BYTES_MAX, Account, Batch, Kind, Result, canonical

INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)
_SAFE: Final = float(2**62)

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pending:
    """Money that is held: until when (microseconds since 1970; 0: for ever) and between whom."""

    debit_account: int
    credit_account: int
    amount: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Reference:
    """What the journal knows of a row that a batch refers to and that is no open pending transfer."""

    kind: Kind
    debit_account: int
    credit_account: int
    amount: int
    referred_by: Kind | None  # POST, VOID, EXPIRE or CORRECTION, if there is one


@dataclass
class Balances:
    """The state of a book: one element an account (element 0 is nobody's), and the open pending transfers."""

    debits: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    credits: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    debits_pending: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    credits_pending: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    minimum: Int64 = field(default_factory=lambda: np.full(1, INT64_MIN))
    maximum: Int64 = field(default_factory=lambda: np.full(1, INT64_MAX))
    credit_side: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    currency: npt.NDArray[np.int16] = field(default_factory=lambda: np.zeros(1, np.int16))
    open: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    size: int = 1  # accounts and the nobody
    currencies: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)  # by name
    pending: dict[bytes, Pending] = field(default_factory=dict)

    def balance(self, account: int) -> int:
        """Posted balance on the account's normal side, in minor units."""
        difference = int(self.credits[account]) - int(self.debits[account])
        return difference if self.credit_side[account] else -difference

    def held(self, account: int) -> int:
        return int((self.debits_pending if self.credit_side[account] else self.credits_pending)[account])

    def expected(self, account: int) -> int:
        return int((self.credits_pending if self.credit_side[account] else self.debits_pending)[account])

    def available(self, account: int) -> int:
        return self.balance(account) - self.held(account)


@dataclass(frozen=True)
class Applied:
    """Results per row, the accounts that rows opened, and the way back for a writer whose append does not commit."""

    results: npt.NDArray[np.int16]
    undo: Callable[[], None]
    opened: Mapping[int, Account] = field(default_factory=dict)


def apply(balances: Balances, batch: Batch, at: Int64, references: Mapping[bytes, Reference]) -> Applied:
    """Apply `batch` to `balances`; row i happens at `at[i]` (microseconds since 1970). `references` holds every row
    that the batch refers to and that is in the journal, other than open pending transfers.
    """
    return _all_at_once(balances, batch, at) or _one_by_one(balances, batch, at, references)


def _all_at_once(balances: Balances, batch: Batch, at: Int64) -> Applied | None:
    rows = batch.rows
    kind, debit, credit, amount = rows["kind"], rows["debit_account"], rows["credit_account"], rows["amount"]
    expires = rows["expires_at"]
    plain = (
        len(rows) > 0
        and not batch.payloads
        and bool(np.all((kind == Kind.TRANSFER) | (kind == Kind.PENDING)))
        and not rows["flags"].any()
        and bool(np.all(rows["id"] != np.void(NO_ID)))
        and bool(np.all(amount > 0))
        and bool(np.all((debit > 0) & (debit < balances.size) & (credit > 0) & (credit < balances.size)))
        and bool(np.all(debit != credit))
        and bool(np.all(balances.currency[debit] == balances.currency[credit]))
        and bool(balances.open[debit].all() and balances.open[credit].all())
        and bool(np.all((expires == 0) | ((expires > at) & (kind == Kind.PENDING))))
    )
    if not plain:
        return None

    touched, where = np.unique(np.concatenate([debit, credit]), return_inverse=True)
    total = float(amount.astype(np.float64).sum())
    sums = (balances.debits, balances.credits, balances.debits_pending, balances.credits_pending)
    if any(float(column[touched].max()) + total > _SAFE / 2 for column in sums):
        return None

    posted = kind == Kind.TRANSFER
    out, into = where[: len(rows)], where[len(rows) :]
    changes = [np.zeros(len(touched), np.int64) for _ in sums]
    for change, side, chosen in zip(changes, (out, into, out, into), (posted, posted, ~posted, ~posted), strict=True):
        np.add.at(change, side[chosen], amount[chosen])

    after = [column[touched] + change for column, change in zip(sums, changes, strict=True)]
    debits, credits_, debits_pending, credits_pending = after
    liability = balances.credit_side[touched]
    lowest = np.where(
        liability,
        balances.credits[touched] - debits - debits_pending,
        balances.debits[touched] - credits_ - credits_pending,
    )
    highest = np.where(
        liability,
        credits_ + credits_pending - balances.debits[touched],
        debits + debits_pending - balances.credits[touched],
    )
    falls = np.where(liability, changes[0] + changes[2], changes[1] + changes[3]) > 0
    rises = np.where(liability, changes[1] + changes[3], changes[0] + changes[2]) > 0
    if np.any(falls & (lowest < balances.minimum[touched])) or np.any(rises & (highest > balances.maximum[touched])):
        return None

    before = [column[touched] for column in sums]
    for column, new in zip(sums, after, strict=True):
        column[touched] = new
    held = [rows["id"][index].tobytes() for index in np.flatnonzero(~posted)]
    for identity, index in zip(held, np.flatnonzero(~posted), strict=True):
        balances.pending[identity] = Pending(
            int(debit[index]), int(credit[index]), int(amount[index]), int(expires[index])
        )

    def undo() -> None:
        for column, old in zip(sums, before, strict=True):
            column[touched] = old
        for identity in held:
            del balances.pending[identity]

    return Applied(np.zeros(len(rows), np.int16), undo)


_Row = tuple[int, int, bytes, int, int, int, bytes, bytes, int, int, int]


class _Walk:
    """The sequential path: every change goes through `_set`, which remembers what was there."""

    def __init__(self, balances: Balances, batch: Batch, at: Int64, references: Mapping[bytes, Reference]) -> None:
        self.balances = balances
        self.batch = batch
        self.at = at
        self.references = references
        self.referred: dict[bytes, Kind] = {}  # by rows of this batch
        self.moved: dict[bytes, Reference] = {}  # movements of this batch, to which a later row may refer
        self.opened: dict[int, Account] = {}
        self.log: list[Callable[[], None]] = []

    def undo(self, mark: int = 0) -> None:
        while len(self.log) > mark:
            self.log.pop()()

    def _add(self, sums: str, account: int, amount: int) -> None:
        column: Int64 = getattr(self.balances, sums)  # by name: an account opened later moves the arrays
        old = column[account]
        column[account] = int(old) + amount
        self.log.append(lambda: getattr(self.balances, sums).__setitem__(account, old))

    def _put(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        missing = key not in mapping
        old = mapping.get(key)
        mapping[key] = value
        self.log.append(lambda: mapping.__delitem__(key) if missing else mapping.__setitem__(key, old))

    def _take(self, mapping: dict[Any, Any], key: Any) -> None:
        old = mapping.pop(key)
        self.log.append(lambda: mapping.__setitem__(key, old))

    def row(self, index: int, row: _Row) -> Result:
        kind = row[0]
        if row[2] == NO_ID:
            return Result.ID_MUST_NOT_BE_ZERO
        if row[1] not in (0, LINKED):
            return Result.FLAGS_MUST_BE_KNOWN
        if kind in (Kind.TRANSFER, Kind.PENDING):
            return self._transfer(index, row)
        if kind in (Kind.POST, Kind.VOID, Kind.EXPIRE):
            return self._resolve(index, row)
        if kind == Kind.CORRECTION:
            return self._correct(row)
        if kind == Kind.ACCOUNT_OPENED:
            return self._open(index, row)
        if kind == Kind.ACCOUNT_CLOSED:
            return self._close(row)
        if kind in (Kind.EVENT, Kind.REFUSAL):
            return Result.POSTED if is_canonical(self.batch.payloads.get(index, b"")) else Result.PAYLOAD_MUST_BE_VALID
        return Result.KIND_MUST_BE_KNOWN

    def _accounts(self, debit: int, credit: int) -> Result:
        books = self.balances
        if not 0 < debit < books.size:
            return Result.DEBIT_ACCOUNT_MUST_EXIST
        if not 0 < credit < books.size:
            return Result.CREDIT_ACCOUNT_MUST_EXIST
        if debit == credit:
            return Result.ACCOUNTS_MUST_BE_DIFFERENT
        if books.currency[debit] != books.currency[credit]:
            return Result.ACCOUNTS_MUST_HAVE_THE_SAME_CURRENCY
        if not (books.open[debit] and books.open[credit]):
            return Result.ACCOUNT_MUST_BE_OPEN
        return Result.POSTED

    def _limits(self, debit: int, credit: int, amount: int) -> Result:
        """Would `amount` more on both sides, posted or pending, keep every sum and every limit?"""
        books = self.balances
        minimum_kept = maximum_kept = True
        for account, debited in ((debit, True), (credit, False)):
            posted, pending = (
                (books.debits, books.debits_pending) if debited else (books.credits, books.credits_pending)
            )
            if int(posted[account]) + int(pending[account]) + amount > INT64_MAX:
                return Result.BALANCE_MUST_FIT_64_BITS
            if debited == bool(books.credit_side[account]):
                minimum_kept &= books.available(account) - amount >= books.minimum[account]
            else:
                maximum_kept &= books.balance(account) + books.expected(account) + amount <= books.maximum[account]
        if not minimum_kept:
            return Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM
        return Result.POSTED if maximum_kept else Result.BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM

    def _transfer(self, index: int, row: _Row) -> Result:
        kind, _, identity, debit, credit, amount, _, _, _, _, expires_at = row
        if amount <= 0:
            return Result.AMOUNT_MUST_BE_POSITIVE
        if result := self._accounts(debit, credit):
            return result
        if expires_at and (kind != Kind.PENDING or expires_at <= self.at[index]):
            return Result.EXPIRY_MUST_BE_IN_THE_FUTURE
        if result := self._limits(debit, credit, amount):
            return result
        held = Pending(debit, credit, amount, expires_at)
        if kind == Kind.PENDING:
            self._add("debits_pending", debit, amount)
            self._add("credits_pending", credit, amount)
            self._put(self.balances.pending, identity, held)
        else:
            self._move(debit, credit, amount)
        self._remember(kind, identity, debit, credit, amount)
        return Result.POSTED

    def _remember(self, kind: int, identity: bytes, debit: int, credit: int, amount: int) -> None:
        self._put(self.moved, identity, Reference(Kind(kind), debit, credit, amount, None))

    def _move(self, debit: int, credit: int, amount: int) -> None:
        self._add("debits", debit, amount)
        self._add("credits", credit, amount)

    def _resolve(self, index: int, row: _Row) -> Result:
        kind, _, identity, debit, credit, amount, refers_to, _, _, _, _ = row
        if kind == Kind.POST and amount <= 0:
            return Result.AMOUNT_MUST_BE_POSITIVE
        pending = self.balances.pending.get(refers_to)
        if pending is None:
            return self._why_not_pending(refers_to)
        if (debit, credit) != (pending.debit_account, pending.credit_account):
            return Result.PENDING_TRANSFER_MUST_HAVE_THE_SAME_ACCOUNTS
        if amount > pending.amount or amount < 0:
            return Result.AMOUNT_MUST_NOT_EXCEED_PENDING_AMOUNT
        passed = 0 < pending.expires_at <= self.at[index]
        if kind == Kind.POST and passed:
            return Result.PENDING_TRANSFER_HAS_PASSED_ITS_EXPIRY
        if kind == Kind.EXPIRE and not passed:
            return Result.PENDING_TRANSFER_HAS_NOT_EXPIRED
        self._add("debits_pending", debit, -pending.amount)
        self._add("credits_pending", credit, -pending.amount)
        self._take(self.balances.pending, refers_to)
        self._put(self.referred, refers_to, Kind(kind))
        if kind == Kind.POST:
            self._move(debit, credit, amount)
        self._remember(kind, identity, debit, credit, amount)
        return Result.POSTED

    def _why_not_pending(self, refers_to: bytes) -> Result:
        known = self.references.get(refers_to)
        by = self.referred.get(refers_to) or (known.referred_by if known and known.kind == Kind.PENDING else None)
        if by == Kind.POST:
            return Result.PENDING_TRANSFER_ALREADY_POSTED
        if by == Kind.VOID:
            return Result.PENDING_TRANSFER_ALREADY_VOIDED
        if by == Kind.EXPIRE:
            return Result.PENDING_TRANSFER_ALREADY_EXPIRED
        return Result.PENDING_TRANSFER_MUST_EXIST

    def _correct(self, row: _Row) -> Result:
        _, _, identity, debit, credit, amount, refers_to, _, _, _, _ = row
        target = self.moved.get(refers_to) or self.references.get(refers_to)
        if target is None:
            return Result.CORRECTED_TRANSFER_MUST_EXIST
        if target.kind not in (Kind.TRANSFER, Kind.POST):
            return Result.CORRECTED_TRANSFER_MUST_BE_POSTED
        if (debit, credit, amount) != (target.credit_account, target.debit_account, target.amount):
            return Result.CORRECTION_MUST_MIRROR_THE_TRANSFER
        if refers_to in self.referred or target.referred_by is not None:
            return Result.TRANSFER_ALREADY_CORRECTED
        if result := self._accounts(debit, credit):
            return result
        if result := self._limits(debit, credit, amount):
            return result
        self._move(debit, credit, amount)
        self._put(self.referred, refers_to, Kind.CORRECTION)
        self._remember(Kind.CORRECTION, identity, debit, credit, amount)
        return Result.POSTED

    def _open(self, index: int, row: _Row) -> Result:
        account = account_of(self.batch.payloads.get(index, b""))
        if account is None:
            return Result.PAYLOAD_MUST_BE_VALID
        if account.account == 0:  # a request; in the journal it has its number
            account = replace(account, account=self.balances.size)
        if account.account != self.balances.size or row[3] not in (0, account.account):
            return Result.ACCOUNT_NUMBER_MUST_BE_NEXT
        if account.name in self.balances.numbers:
            return Result.ACCOUNT_NAME_MUST_BE_NEW
        add_account(self.balances, account)
        self.log.append(lambda: remove_last_account(self.balances, account.name))
        self._put(self.opened, index, account)
        return Result.POSTED

    def _close(self, row: _Row) -> Result:
        account = row[3]
        books = self.balances
        if not 0 < account < books.size:
            return Result.ACCOUNT_MUST_EXIST
        if not books.open[account]:
            return Result.ACCOUNT_MUST_BE_OPEN
        if books.balance(account) or books.held(account) or books.expected(account):
            return Result.ACCOUNT_MUST_BE_EMPTY
        books.open[account] = False
        self.log.append(lambda: books.open.__setitem__(account, True))
        return Result.POSTED


def _one_by_one(balances: Balances, batch: Batch, at: Int64, references: Mapping[bytes, Reference]) -> Applied:
    walk = _Walk(balances, batch, at, references)
    results = np.zeros(len(batch), np.int16)
    lines: list[_Row] = batch.rows.tolist()
    index = 0
    while index < len(lines):
        end = index
        while end < len(lines) and lines[end][1] & LINKED:
            end += 1
        if end == len(lines):
            results[index:] = Result.LINKED_CHAIN_MUST_BE_CLOSED
            break
        mark = len(walk.log)
        for each in range(index, end + 1):
            if result := walk.row(each, lines[each]):
                walk.undo(mark)
                results[index : end + 1] = Result.LINKED_ROW_FAILED
                results[each] = result
                break
        index = end + 1
    return Applied(results, walk.undo, walk.opened)


def is_canonical(payload: bytes) -> bool:
    """Whether these bytes are the RFC 8785 form of a JSON object that an entry of a tile can hold."""
    try:
        said = json.loads(payload)
        return len(payload) <= PAYLOAD_BYTES_MAX and isinstance(said, dict) and canonical(said) == payload
    except (ValueError, RecursionError):
        return False


def account_of(payload: bytes) -> Account | None:
    """The account that an ACCOUNT_OPENED payload describes, or None if it does not describe one."""
    try:
        said = json.loads(payload)
        account = Account(
            account=said["account"],
            name=said["name"],
            currency=said["currency"],
            side=said["side"],
            minimum=None if said["minimum"] is None else int(said["minimum"]),
            maximum=None if said["maximum"] is None else int(said["maximum"]),
            owner=said["owner"],
            pool=said["pool"],
        )
    except (ValueError, KeyError, TypeError):
        return None
    texts = (account.name, account.currency, account.owner, account.pool)
    limits = [limit for limit in (account.minimum, account.maximum) if limit is not None]
    sound = (
        isinstance(account.account, int)
        and all(isinstance(text, str) and text for text in texts)
        and account.side in ("debit", "credit")
        and all(INT64_MIN <= limit <= INT64_MAX for limit in limits)
        and limits == sorted(limits)
    )
    return account if sound else None


def add_account(balances: Balances, account: Account) -> None:
    """Append an account; its number must be `balances.size`. Arrays grow by doubling."""
    if balances.size == len(balances.debits):
        for name in (
            "debits",
            "credits",
            "debits_pending",
            "credits_pending",
            "minimum",
            "maximum",
            "credit_side",
            "currency",
            "open",
        ):
            column = getattr(balances, name)
            setattr(balances, name, np.concatenate([column, np.zeros(max(1024, len(column)), column.dtype)]))
    number = account.account
    balances.minimum[number] = INT64_MIN if account.minimum is None else account.minimum
    balances.maximum[number] = INT64_MAX if account.maximum is None else account.maximum
    balances.credit_side[number] = account.side == "credit"
    balances.currency[number] = balances.currencies.setdefault(account.currency, len(balances.currencies) + 1)
    balances.open[number] = True
    balances.numbers[account.name] = number
    balances.size += 1


def remove_last_account(balances: Balances, name: str) -> None:
    """Take back `add_account`, for an append that did not commit."""
    balances.size -= 1
    del balances.numbers[name]
