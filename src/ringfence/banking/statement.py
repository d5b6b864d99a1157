"""A bank's statement as a value, and the gates that it passes before any of it is believed.

A statement belongs to one account in one currency. Amounts are integers of the currency's minor unit, positive for a
credit (the bank owes us more), negative for a debit. Its gates, in this order, each a refusal:

1. The account, an opening and a closing booked balance are there, and are not contradicted by a second one.
2. Everything is in the currency of the account.
3. Opening + the booked entries = closing. Entries that are pending, in the future or for information do not count.
4. Counts and sums that the bank gives along with the entries are those of the entries.

Only booked balances make a statement: an available balance may hold a credit line or leave out what is not cleared,
and so does not say what the bank owes. A statement with no entries passes exactly when opening = closing; it is then
`verified_empty`, which is not the same as a file in which nothing was found.

>>> from datetime import date
>>> from ringfence.money import currency
>>> heading = StatementHeading(
...     message="camt.053.001.08", statement_id="S1", account=Account("IBAN", "LT601010012345678901"),
...     currency=currency("EUR"), opening=Balance("OPBD", 10000, date(2026, 3, 2)),
...     closing=Balance("CLBD", 9950, date(2026, 3, 2)))
>>> gate = Gate(heading)
>>> gate.enter(Entry(key="k", amount=-40, currency=currency("EUR"), status="BOOK", booking_date=date(2026, 3, 2)))
>>> gate.close()
Traceback (most recent call last):
    ...
ringfence.refusal.Refused: statement_does_not_add_up: Opening 100.00 and entries of -0.40 do not make closing 99.50 EUR.

What a bank left out and a rule of ours supplied is named in `assumed`, so that nobody mistakes it for the bank's word:
`balance_is_credit` (no indicator on a balance; the amount stands as written and the gates have to confirm it),
`booked` (an entry of a statement without a status), `booking_date` (taken from the closing balance).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Self

from ringfence.money import AMOUNT_OVERFLOWS, INT64_MAX, Currency, format_minor
from ringfence.refusal import Fault, refusal

STATEMENT_HAS_NO_ACCOUNT = refusal(
    "statement_has_no_account",
    Fault.INPUT,
    en="Statement {statement} does not say which account it is of.",
    zh="对账单 {statement} 未注明账户。",
)
STATEMENT_FIELD_IS_MISSING = refusal(
    "statement_field_is_missing",
    Fault.INPUT,
    en="{element} is missing in {place}.",
    zh="{place} 缺少 {element}。",
)
STATEMENT_FIELD_IS_REPEATED = refusal(
    "statement_field_is_repeated",
    Fault.INPUT,
    en="{element} stands more than once in {place}.",
    zh="{place} 中 {element} 重复出现。",
)
STATEMENT_FIELD_IS_MALFORMED = refusal(
    "statement_field_is_malformed",
    Fault.INPUT,
    en="{element} holds {text!r}, which is not {expected}.",
    zh="{element} 的内容 {text!r} 不是 {expected}。",
)
STATEMENT_AMOUNT_CARRIES_A_SIGN = refusal(
    "statement_amount_carries_a_sign",
    Fault.INPUT,
    en="{element} holds {text!r}: an amount has no sign of its own, the credit or debit indicator gives it.",
    zh="{element} 的内容 {text!r} 带符号：金额不带符号，方向由借贷标志给出。",
)
STATEMENT_CURRENCIES_DIFFER = refusal(
    "statement_currencies_differ",
    Fault.INPUT,
    en="{element} is in {found}, but the account is in {expected}.",
    zh="{element} 的币种为 {found}，而账户币种为 {expected}。",
)
STATEMENT_HAS_NO_OPENING_BALANCE = refusal(
    "statement_has_no_opening_balance",
    Fault.INPUT,
    en="Statement {statement} gives no opening booked balance (found: {found}).",
    zh="对账单 {statement} 没有期初账面余额（现有：{found}）。",
)
STATEMENT_HAS_NO_CLOSING_BALANCE = refusal(
    "statement_has_no_closing_balance",
    Fault.INPUT,
    en="Statement {statement} gives no closing booked balance (found: {found}).",
    zh="对账单 {statement} 没有期末账面余额（现有：{found}）。",
)
STATEMENT_BALANCE_IS_AMBIGUOUS = refusal(
    "statement_balance_is_ambiguous",
    Fault.INPUT,
    en="Statement {statement} gives two different balances for one: {first} and {second}.",
    zh="对账单 {statement} 对同一余额给出两个不同的值：{first} 与 {second}。",
)
STATEMENT_BALANCE_INCLUDES_CREDIT_LINE = refusal(
    "statement_balance_includes_credit_line",
    Fault.INPUT,
    en="Balance {kind} of statement {statement} includes a credit line, which is not money that the bank owes.",
    zh="对账单 {statement} 的余额 {kind} 含授信额度，授信额度不是银行所欠资金。",
)
STATEMENT_DATES_ARE_REVERSED = refusal(
    "statement_dates_are_reversed",
    Fault.INPUT,
    en="Statement {statement} opens on {opening}, after it closes on {closing}.",
    zh="对账单 {statement} 的期初日 {opening} 晚于期末日 {closing}。",
)
STATEMENT_ENTRY_STATUS_IS_UNKNOWN = refusal(
    "statement_entry_status_is_unknown",
    Fault.INPUT,
    en="An entry has the status {status!r}; known are {known}.",
    zh="记账条目状态 {status!r} 未知；已知状态为 {known}。",
)
STATEMENT_DOES_NOT_ADD_UP = refusal(
    "statement_does_not_add_up",
    Fault.INPUT,
    en="Opening {opening} and entries of {entries} do not make closing {closing} {currency}.",
    zh="期初 {opening} 加发生额 {entries} 不等于期末 {closing} {currency}。",
)
STATEMENT_TOTALS_DIFFER = refusal(
    "statement_totals_differ",
    Fault.INPUT,
    en="The bank gives {given} as the {total} of statement {statement}, its entries make {found}.",
    zh="银行给出对账单 {statement} 的 {total} 为 {given}，而条目合计为 {found}。",
)
STATEMENT_IS_ONE_PAGE_OF_SEVERAL = refusal(
    "statement_is_one_page_of_several",
    Fault.INPUT,
    en="Statement {statement} is page {page} of several and does not add up without the other pages.",
    zh="对账单 {statement} 为多页中的第 {page} 页，缺少其他页无法勾稽。",
)
STATEMENT_IS_GIVEN_TWICE = refusal(
    "statement_is_given_twice",
    Fault.INPUT,
    en="Statement {statement} of account {account} stands twice in one file.",
    zh="账户 {account} 的对账单 {statement} 在同一文件中出现两次。",
)

BOOKED = "BOOK"
STATUSES = (BOOKED, "PDNG", "INFO", "FUTR")  # ISO 20022, ExternalEntryStatus1Code
NO_REFERENCE = frozenset({"NOTPROVIDED", "NONREF", "NOREF"})  # the words with which banks say that there is none


@dataclass(frozen=True, slots=True)
class Account:
    """`scheme` is IBAN, a code or a bank's own word for its way to number accounts, or empty where it names none."""

    scheme: str
    identification: str

    def __str__(self) -> str:
        return self.identification


@dataclass(frozen=True, slots=True)
class Balance:
    """A booked balance in minor units, negative when overdrawn. `kind` is ISO's: OPBD, PRCD, CLBD, ITBD."""

    kind: str
    amount: int
    on: date


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts, and sums in minor units, that the bank gives along with the entries; None where it gives none."""

    entries: int | None = None
    gross: int | None = None  # banks mean credits plus debits, or the net: both are taken
    net: int | None = None
    credits_count: int | None = None
    credits: int | None = None
    debits_count: int | None = None
    debits: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    last: bool

    @property
    def whole(self) -> bool:
        return self.number == 1 and self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One transaction inside an entry. `amount` is None where the bank gives none in the account's currency."""

    amount: int | None = None
    bank_reference: str | None = None
    end_to_end_id: str | None = None
    instruction_id: str | None = None
    message_id: str | None = None
    payment_information_id: str | None = None
    transaction_id: str | None = None
    original_reference: str | None = None  # of the transaction that this one takes back or continues
    counterparty_name: str | None = None
    counterparty_account: str | None = None
    counterparty_bank: str | None = None
    creditor_reference: str | None = None
    remittance: str | None = None
    return_reason: str | None = None
    transaction_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the account. `amount` already has the direction in it, also for a reversal: `reversal` only tells
    that the line takes back an earlier one (ISO 20022, RvslInd).
    """

    key: str
    amount: int
    currency: Currency
    status: str
    booking_date: date
    value_date: date | None = None
    reversal: bool = False
    adjustment: bool = False
    bank_reference: str | None = None
    entry_reference: str | None = None
    batch_message_id: str | None = None
    batch_payment_information_id: str | None = None
    batch_count: int | None = None
    transaction_code: str | None = None
    additional: str | None = None
    details: tuple[Detail, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def booked(self) -> bool:
        return self.status == BOOKED

    @property
    def sole(self) -> Detail:
        """The transaction of an entry that is one; an empty one where the entry holds many or says nothing."""
        return self.details[0] if len(self.details) == 1 else _NOTHING_SAID

    @property
    def end_to_end_id(self) -> str | None:
        return self.sole.end_to_end_id

    @property
    def instruction_id(self) -> str | None:
        return self.sole.instruction_id

    @property
    def message_id(self) -> str | None:
        return self.sole.message_id or self.batch_message_id

    @property
    def payment_information_id(self) -> str | None:
        return self.sole.payment_information_id or self.batch_payment_information_id

    @property
    def counterparty_name(self) -> str | None:
        return self.sole.counterparty_name

    @property
    def counterparty_account(self) -> str | None:
        return self.sole.counterparty_account

    @property
    def remittance(self) -> str | None:
        return self.sole.remittance or self.additional

    @property
    def itemised(self) -> bool:
        """Whether the details account for the whole amount, so that each may be matched by itself."""
        amounts = [detail.amount for detail in self.details]
        return bool(amounts) and None not in amounts and sum(a for a in amounts if a is not None) == self.amount


_NOTHING_SAID = Detail()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a statement or notification says before its entries."""

    message: str
    statement_id: str
    account: Account
    currency: Currency
    message_id: str | None = None
    electronic_sequence: int | None = None
    legal_sequence: int | None = None
    created_at: datetime | None = None
    first_day: date | None = None
    last_day: date | None = None
    page: Page | None = None
    copy: str | None = None  # CODU, COPY, DUPL
    totals: Totals | None = None
    assumed: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str, int | None, int | None, int | None]:
        """What a bank may give to one content only: account, currency, number and page."""
        page = self.page.number if self.page else None
        number = (self.electronic_sequence, self.legal_sequence, page)
        return (self.account.identification, self.currency.code, self.statement_id, *number)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHeading(Heading):
    opening: Balance
    closing: Balance

    @classmethod
    def of(cls, heading: Heading, *, opening: Balance, closing: Balance, assumed: tuple[str, ...]) -> Self:
        shared = _fields(heading) | {"assumed": (*heading.assumed, *assumed)}
        return cls(**shared, opening=opening, closing=closing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(StatementHeading):
    """A statement that passed every gate; there is no other kind."""

    entries: tuple[Entry, ...]
    fingerprint: str

    @classmethod
    def of_entries(cls, close: "Close", entries: Sequence[Entry]) -> Self:
        return cls(**_closed_fields(close), entries=tuple(entries))

    @property
    def booked(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.booked)

    @property
    def verified_empty(self) -> bool:
        """Nothing happened, and the balances say so."""
        return not self.booked and self.opening.amount == self.closing.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(Heading):
    """What the bank tells in the course of the day. No balance proves it whole."""

    entries: tuple[Entry, ...]
    fingerprint: str

    @classmethod
    def of_entries(cls, close: "Close", entries: Sequence[Entry]) -> Self:
        return cls(**_closed_fields(close), entries=tuple(entries))


@dataclass(slots=True)
class Tally:
    """Counts and sums of entries; `debits` is positive."""

    credits_count: int = 0
    credits: int = 0
    debits_count: int = 0
    debits: int = 0

    def add(self, amount: int) -> None:
        if amount < 0:
            self.debits_count += 1
            self.debits -= amount
        else:
            self.credits_count += 1
            self.credits += amount

    @property
    def count(self) -> int:
        return self.credits_count + self.debits_count

    @property
    def net(self) -> int:
        return self.credits - self.debits


@dataclass(frozen=True, slots=True)
class Close:
    """The end of a statement or notification that passed its gates."""

    heading: Heading
    booked: Tally
    listed: Tally  # with the entries that are not booked
    fingerprint: str  # the same for the same content, whatever file it came in
    assumed: tuple[str, ...]


@dataclass
class Gate:
    """Weighs the entries of one heading as they pass, keeping none of them, and opens or refuses at the end."""

    heading: Heading
    booked: Tally = field(default_factory=Tally)
    listed: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._assumed = dict.fromkeys(self.heading.assumed)
        self._digest = hashlib.sha256(_canonical(*_content_of(self.heading)))

    def enter(self, entry: Entry) -> None:
        if entry.currency != self.heading.currency:
            raise STATEMENT_CURRENCIES_DIFFER(
                element="Ntry/Amt", found=entry.currency.code, expected=self.heading.currency.code
            )
        self.listed.add(entry.amount)
        if entry.booked:
            self.booked.add(entry.amount)
        self._assumed.update(dict.fromkeys(entry.assumed))
        self._digest.update(_canonical(entry.key, entry.status, str(entry.amount)))

    def close(self) -> Close:
        heading, listed = self.heading, self.listed
        ends = (heading.opening.amount, heading.closing.amount) if isinstance(heading, StatementHeading) else ()
        if (largest := max(listed.credits, listed.debits, *map(abs, ends))) > INT64_MAX:
            raise AMOUNT_OVERFLOWS(text=format_minor(largest, heading.currency))
        if isinstance(heading, StatementHeading):
            _refuse_unless_it_adds_up(heading, self.booked)
        _refuse_other_totals(heading, self.booked, listed)
        return Close(heading, self.booked, listed, self._digest.hexdigest(), tuple(self._assumed))


def _refuse_unless_it_adds_up(heading: StatementHeading, booked: Tally) -> None:
    if heading.opening.amount + booked.net == heading.closing.amount:
        return
    if heading.page and not heading.page.whole:
        raise STATEMENT_IS_ONE_PAGE_OF_SEVERAL(statement=heading.statement_id, page=heading.page.number)
    raise STATEMENT_DOES_NOT_ADD_UP(
        opening=format_minor(heading.opening.amount, heading.currency),
        entries=format_minor(booked.net, heading.currency),
        closing=format_minor(heading.closing.amount, heading.currency),
        currency=heading.currency.code,
    )


def _refuse_other_totals(heading: Heading, booked: Tally, listed: Tally) -> None:
    """ISO 20022 does not say whether the totals count entries that are not booked: those of either reading hold."""
    if heading.totals is None:
        return
    of_booked, of_listed = _difference(heading.totals, booked), _difference(heading.totals, listed)
    if of_booked is None or of_listed is None:
        return
    if heading.page and not heading.page.whole:
        raise STATEMENT_IS_ONE_PAGE_OF_SEVERAL(statement=heading.statement_id, page=heading.page.number)
    total, given, found, is_money = of_listed if heading.totals.entries == listed.count else of_booked
    raise STATEMENT_TOTALS_DIFFER(
        statement=heading.statement_id,
        total=total,
        given=format_minor(given, heading.currency) if is_money else given,
        found=format_minor(found, heading.currency) if is_money else found,
    )


def _difference(totals: Totals, tally: Tally) -> tuple[str, int, int, bool] | None:
    if totals.gross is not None and abs(totals.gross) == abs(tally.net):
        gross = totals.gross
    else:
        gross = tally.credits + tally.debits
    for name, given, found, is_money in (
        ("number of entries", totals.entries, tally.count, False),
        ("number of credits", totals.credits_count, tally.credits_count, False),
        ("number of debits", totals.debits_count, tally.debits_count, False),
        ("sum of credits", totals.credits, tally.credits, True),
        ("sum of debits", totals.debits, tally.debits, True),
        ("sum of entries", totals.gross, gross, True),
        ("net of entries", totals.net, tally.net, True),
    ):
        if given is not None and given != found:
            return name, given, found, is_money
    return None


@dataclass(frozen=True, slots=True)
class EntryKeys:
    """Gives each entry of one statement its key, the same at every reading.

    A bank's own reference identifies an entry on its account, together with day, amount and reversal, because banks
    give one reference to a payment and its fee, or begin again every day. Without a reference the entry is a line of
    this one statement. What is alike within the statement is numbered.
    """

    heading: Heading
    closing: date | None
    _seen: set[bytes] = field(default_factory=set)
    _repeats: Counter[bytes] = field(default_factory=Counter)

    def key(
        self,
        *,
        amount: int,
        booking_date: date,
        value_date: date | None,
        reversal: bool,
        bank_reference: str | None,
        entry_reference: str | None,
        end_to_end_id: str | None,
    ) -> str:
        line = (booking_date.isoformat(), str(amount), "reversal" if reversal else "")
        if bank_reference:
            facts: tuple[str | None, ...] = ("reference", bank_reference, *line)
        else:
            statement = map(_text, (*self.heading.identity[2:], self.closing))
            facts = ("line", *statement, *line, _text(value_date), entry_reference, end_to_end_id)
        account = (self.heading.account.identification, self.heading.currency.code)
        return self._numbered(hashlib.sha256(_canonical("entry v1", *account, *facts)))

    def _numbered(self, line: "hashlib._Hash") -> str:
        """The key of a line, or of its next repetition. Eight bytes of each line are remembered, for memory's sake; two
        lines that share them get keys that are as unique and as stable, only numbered.
        """
        mark = line.digest()[:8]
        if mark not in self._seen:
            self._seen.add(mark)
            return line.hexdigest()
        self._repeats[mark] += 1
        line.update(_canonical(str(self._repeats[mark])))
        return line.hexdigest()


def refuse_twins(closes: Sequence[Close]) -> None:
    """No statement stands twice in one file: posted twice, its money would be there twice."""
    fingerprints = set()
    for close in closes:
        if close.fingerprint in fingerprints:
            raise STATEMENT_IS_GIVEN_TWICE(statement=close.heading.statement_id, account=close.heading.account)
        fingerprints.add(close.fingerprint)


def _fields(heading: Heading) -> dict[str, Any]:
    return {one.name: getattr(heading, one.name) for one in fields(heading)}


def _closed_fields(close: Close) -> dict[str, Any]:
    return _fields(close.heading) | {"assumed": close.assumed, "fingerprint": close.fingerprint}


def _content_of(heading: Heading) -> tuple[str | None, ...]:
    content = tuple(map(_text, heading.identity))
    if isinstance(heading, StatementHeading):
        return (*content, *(_text(v) for b in (heading.opening, heading.closing) for v in (b.kind, b.amount, b.on)))
    return content


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _canonical(*facts: str | None) -> bytes:
    """Each fact after its length, so that no two lists of facts have the same bytes."""
    return "".join(["-," if fact is None else f"{len(fact)}:{fact}," for fact in facts]).encode()
