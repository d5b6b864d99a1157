"""The book: what a row says (leaf version 1), and a replay of all rows by the written rules.

This is written from docs/reference/evidence-format.md, not from the program that keeps the book.

A row moves money only if its kind says so. On the normal side of an account

    balance  = posted on its side - posted on the other
    held     = pending on the other side, which may leave
    expected = pending on its side, which may arrive

and a row that makes it worse must leave  balance - held >= minimum  and  balance + expected <= maximum.
"""

import re
import struct
from array import array
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from folder import canonical_object
from words import Wrong

TRANSFER, PENDING, POST, VOID, EXPIRE, CORRECTION, ACCOUNT_OPENED, ACCOUNT_CLOSED = range(1, 9)
EVENT, REFUSAL = 16, 17
MOVEMENTS: Final = range(TRANSFER, CORRECTION + 1)
LINKED: Final = 1
INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)
NO_ID: Final = bytes(16)

_HEAD: Final = struct.Struct(">BBHIQ16sQQQ16s16sIiqqI")
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_ACCOUNT_FIELDS: Final = {"account", "currency", "maximum", "minimum", "name", "owner", "pool", "side"}


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


@dataclass(slots=True)
class Account:
    name: str
    currency: str
    credit_side: bool
    minimum: int
    maximum: int
    closed: bool = False
    debits: int = 0
    credits: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    @property
    def balance(self) -> int:
        return self.credits - self.debits if self.credit_side else self.debits - self.credits

    @property
    def held(self) -> int:
        return self.debits_pending if self.credit_side else self.credits_pending

    @property
    def expected(self) -> int:
        return self.credits_pending if self.credit_side else self.debits_pending


class Held(NamedTuple):
    debit_account: int
    credit_account: int
    amount: int
    expires_at: int


@dataclass
class Book:
    """The state of a book while its rows are replayed. `apply` raises `Wrong` with the rule that a row breaks."""

    accounts: list[Account] = field(default_factory=list)  # number 1 first
    names: set[str] = field(default_factory=set)
    pending: dict[bytes, Held] = field(default_factory=dict)
    resolved: dict[bytes, int] = field(default_factory=dict)  # pending id: the row that resolved it
    corrected: dict[bytes, int] = field(default_factory=dict)  # transfer id: the row that corrected it
    posted: dict[bytes, int] = field(default_factory=dict)  # id of a transfer or post: its place in the columns below
    debit_of: "array[int]" = field(default_factory=lambda: array("Q"))
    credit_of: "array[int]" = field(default_factory=lambda: array("Q"))
    amount_of: "array[int]" = field(default_factory=lambda: array("Q"))
    number: int | None = None  # as the first row says
    rows: int = 0
    movements: int = 0
    refusals: int = 0

    def apply(self, row: Row, payload: bytes) -> None:
        if self.number is None:
            self.number = row.book
        if row.book != self.number:
            raise Wrong("row_is_of_another_book", sequence=row.sequence, found=row.book, wanted=self.number)
        try:
            self._apply(row, payload)
        except Wrong as rule:
            raise Wrong("row_breaks_a_rule", sequence=row.sequence, rule=rule) from None
        self.rows += 1
        self.movements += row.kind in MOVEMENTS
        self.refusals += row.kind == REFUSAL

    def close(self) -> None:
        """Over all accounts of a currency debits equal credits, posted and pending."""
        for currency in self.currencies():
            accounts = [account for account in self.accounts if account.currency == currency]
            for debits, credits_ in (
                (sum(each.debits for each in accounts), sum(each.credits for each in accounts)),
                (sum(each.debits_pending for each in accounts), sum(each.credits_pending for each in accounts)),
            ):
                if debits != credits_:
                    raise Wrong("debits_must_equal_credits", currency=currency, debits=debits, credits=credits_)

    def currencies(self) -> list[str]:
        return sorted({account.currency for account in self.accounts})

    def _apply(self, row: Row, payload: bytes) -> None:
        said = self._payload(row, payload)
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
        elif row.kind == REFUSAL:
            if row.debit_account or row.credit_account or row.amount:
                raise Wrong("refusal_must_move_nothing")
            if said.keys() != {"reason", "request"}:
                raise Wrong("payload_must_be_valid")
        elif row.kind != EVENT:
            raise Wrong("kind_must_be_known", kind=row.kind)

    @staticmethod
    def _payload(row: Row, payload: bytes) -> dict[str, Any]:
        if not payload and row.kind not in (ACCOUNT_OPENED, EVENT, REFUSAL):
            return {}
        try:
            return canonical_object(payload, "")
        except Wrong:
            raise Wrong("payload_must_be_valid") from None

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
        for number, account, side_sum, leaves in (
            (row.debit_account, debit, debit.debits + debit.debits_pending, debit.credit_side),
            (row.credit_account, credit, credit.credits + credit.credits_pending, not credit.credit_side),
        ):
            if side_sum + row.amount > INT64_MAX:
                raise Wrong("sum_must_fit_64_bits", account=number)
            available, reach = account.balance - account.held, account.balance + account.expected
            if leaves and available - row.amount < account.minimum:
                raise Wrong(
                    "balance_must_not_fall_below_its_minimum",
                    account=number,
                    available=available,
                    minimum=account.minimum,
                    amount=row.amount,
                )
            if not leaves and reach + row.amount > account.maximum:
                raise Wrong(
                    "balance_must_not_exceed_its_maximum",
                    account=number,
                    reach=reach,
                    maximum=account.maximum,
                    amount=row.amount,
                )

    def _transfer(self, row: Row) -> None:
        if row.amount == 0:
            raise Wrong("amount_must_be_positive")
        debit, credit = self._both(row)
        if row.expires_at and (row.kind != PENDING or row.expires_at <= row.posted_at):
            raise Wrong("expiry_must_be_in_the_future")
        self._check_limits(row, debit, credit)
        if row.kind == TRANSFER:
            self._move(row, debit, credit)
        else:
            debit.debits_pending += row.amount
            credit.credits_pending += row.amount
            self.pending[row.id] = Held(row.debit_account, row.credit_account, row.amount, row.expires_at)

    def _move(self, row: Row, debit: Account, credit: Account) -> None:
        debit.debits += row.amount
        credit.credits += row.amount
        if row.kind in (TRANSFER, POST):
            self.posted[row.id] = len(self.amount_of)
            self.debit_of.append(row.debit_account)
            self.credit_of.append(row.credit_account)
            self.amount_of.append(row.amount)

    def _resolve(self, row: Row) -> None:
        held = self.pending.get(row.refers_to)
        if row.refers_to in self.resolved:
            raise Wrong("pending_must_be_open", id=UUID(bytes=row.refers_to), earlier=self.resolved[row.refers_to])
        if held is None:
            raise Wrong("pending_must_exist", id=UUID(bytes=row.refers_to))
        if (row.debit_account, row.credit_account) != (held.debit_account, held.credit_account):
            raise Wrong("pending_must_have_the_same_accounts")
        if row.kind == POST and row.amount == 0:
            raise Wrong("amount_must_be_positive")
        if row.amount > held.amount:
            raise Wrong("amount_must_not_exceed_pending", amount=row.amount, held=held.amount)
        passed = 0 < held.expires_at <= row.posted_at
        if row.kind == POST and passed:
            raise Wrong("pending_has_passed_its_expiry")
        if row.kind == EXPIRE and not passed:
            raise Wrong("pending_has_not_expired")
        debit, credit = self._account(row.debit_account), self._account(row.credit_account)
        debit.debits_pending -= held.amount
        credit.credits_pending -= held.amount
        del self.pending[row.refers_to]
        self.resolved[row.refers_to] = row.sequence
        if row.kind == POST:
            self._move(row, debit, credit)

    def _correct(self, row: Row) -> None:
        place = self.posted.get(row.refers_to)
        if place is None:
            raise Wrong("corrected_transfer_must_exist", id=UUID(bytes=row.refers_to))
        if row.refers_to in self.corrected:
            raise Wrong(
                "transfer_must_be_corrected_once",
                id=UUID(bytes=row.refers_to),
                earlier=self.corrected[row.refers_to],
            )
        mirrored = (self.credit_of[place], self.debit_of[place], self.amount_of[place])
        if (row.debit_account, row.credit_account, row.amount) != mirrored:
            raise Wrong("correction_must_mirror")
        debit, credit = self._both(row)
        self._check_limits(row, debit, credit)
        self._move(row, debit, credit)
        self.corrected[row.refers_to] = row.sequence

    def _open(self, row: Row, said: dict[str, Any]) -> None:
        if said.keys() != _ACCOUNT_FIELDS or said["side"] not in ("debit", "credit"):
            raise Wrong("payload_must_be_valid")
        texts = [said[name] for name in ("name", "currency", "owner", "pool")]
        if not all(isinstance(text, str) and text for text in texts):
            raise Wrong("payload_must_be_valid")
        minimum, maximum = _limit(said["minimum"], INT64_MIN), _limit(said["maximum"], INT64_MAX)
        if minimum > maximum:
            raise Wrong("payload_must_be_valid")
        if type(said["account"]) is not int or not row.debit_account == said["account"] == len(self.accounts) + 1:
            raise Wrong("account_number_must_be_next", account=row.debit_account)
        if said["name"] in self.names:
            raise Wrong("account_name_must_be_new", account=said["name"])
        self.names.add(said["name"])
        self.accounts.append(Account(said["name"], said["currency"], said["side"] == "credit", minimum, maximum))

    def _close(self, row: Row) -> None:
        account = self._account(row.debit_account)
        if account.closed:
            raise Wrong("account_must_be_open", account=row.debit_account)
        if account.balance or account.held or account.expected:
            raise Wrong("account_must_be_empty", account=row.debit_account)
        account.closed = True


def _limit(text: Any, otherwise: int) -> int:
    """A limit in minor units, a decimal string, or none."""
    if text is None:
        return otherwise
    if not isinstance(text, str) or not _WHOLE_NUMBER.fullmatch(text) or not INT64_MIN <= int(text) <= INT64_MAX:
        raise Wrong("payload_must_be_valid")
    return int(text)
