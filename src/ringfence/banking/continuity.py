"""Continuity: over many statements of an account, each closing balance is the next opening balance.

A statement proves itself (`statement`); continuity proves that none is missing, doubled or altered between two that are
there. Statements of one account and currency are laid in the order of their closing dates, and within a date in the
order of their numbers or, without numbers, in the order in which their balances meet. Then each is held against the
one before:

    ======================  ===========================================================================================
    the next opening is      finding
    ======================  ===========================================================================================
    equal                   joined, also across days without a statement: a bank need not send one when nothing
                            happened. Weekdays that were crossed so are listed as a `Gap`, since balances cannot tell
                            them from days whose movements cancelled out.
    another, days between   break `day_is_missing`
    another, dates overlap  break `periods_overlap`
    another otherwise       break `balance_differs`
    ======================  ===========================================================================================

Before that, a statement that came twice with one content is the break `statement_is_repeated` and counts once; one
identity with two contents is the break `statement_conflicts`, and neither of the two proves anything.

A **day is proven** when a statement that closes on it is joined to another one, before or after it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise

from ringfence.banking.statement import Balance, Close, Statement, StatementHeading
from ringfence.money import Currency, format_minor
from ringfence.refusal import Fault, refusal

BALANCE_DIFFERS = "balance_differs"
DAY_IS_MISSING = "day_is_missing"
PERIODS_OVERLAP = "periods_overlap"
STATEMENT_IS_REPEATED = "statement_is_repeated"
STATEMENT_CONFLICTS = "statement_conflicts"

STATEMENT_DOES_NOT_FOLLOW = refusal(
    "statement_does_not_follow",
    Fault.STATE,
    en="Statement {statement} of account {account} opens with {opening}, but {before} closed with {closing} ({kind}).",
    zh="账户 {account} 的对账单 {statement} 期初为 {opening}，而前一份 {before} 期末为 {closing}（{kind}）。",
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What continuity needs of one statement. `source` is where it came from, for people."""

    source: str
    account: str
    currency: Currency
    statement_id: str
    identity: tuple[object, ...]
    fingerprint: str
    opening: Balance
    closing: Balance
    number: tuple[int, int] | None  # the bank's, with the page

    @classmethod
    def of(cls, heading: StatementHeading, fingerprint: str, source: str) -> "Sheet":
        sequence = heading.electronic_sequence if heading.electronic_sequence is not None else heading.legal_sequence
        page = heading.page.number if heading.page else 1
        return cls(
            source=source,
            account=heading.account.identification,
            currency=heading.currency,
            statement_id=heading.statement_id,
            identity=heading.identity,
            fingerprint=fingerprint,
            opening=heading.opening,
            closing=heading.closing,
            number=None if sequence is None else (sequence, page),
        )

    @classmethod
    def of_close(cls, close: Close, source: str) -> "Sheet | None":
        """None for a notification, which has no balances to join."""
        return cls.of(close.heading, close.fingerprint, source) if isinstance(close.heading, StatementHeading) else None

    @classmethod
    def of_statement(cls, statement: Statement, source: str) -> "Sheet":
        return cls.of(statement, statement.fingerprint, source)


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain of an account is broken. `weekdays` are those between the two statements."""

    kind: str
    before: Sheet
    after: Sheet
    weekdays: int = 0

    def as_json(self) -> dict[str, object]:
        before, after = self.before, self.after
        return {
            "kind": self.kind,
            "account": after.account,
            "currency": after.currency.code,
            "before": {"file": before.source, "statement": before.statement_id, "date": before.closing.on.isoformat()},
            "after": {"file": after.source, "statement": after.statement_id, "date": after.closing.on.isoformat()},
            "closing": format_minor(before.closing.amount, before.currency),
            "opening": format_minor(after.opening.amount, after.currency),
            "weekdays": self.weekdays,
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """Weekdays without a statement over which the balance stood still."""

    account: str
    currency: Currency
    after: date
    before: date
    weekdays: int

    def as_json(self) -> dict[str, object]:
        return {
            "account": self.account,
            "currency": self.currency.code,
            "after": self.after.isoformat(),
            "before": self.before.isoformat(),
            "weekdays": self.weekdays,
        }


@dataclass(frozen=True, slots=True)
class Chain:
    """One account's statements: how many, and the days that they prove."""

    account: str
    currency: Currency
    statements: int
    first: date
    last: date
    days: frozenset[date]

    def as_json(self) -> dict[str, object]:
        return {
            "account": self.account,
            "currency": self.currency.code,
            "statements": self.statements,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "days": len(self.days),
        }


@dataclass(frozen=True, slots=True)
class Continuity:
    chains: tuple[Chain, ...]
    breaks: tuple[Break, ...]
    gaps: tuple[Gap, ...]

    @property
    def days(self) -> int:
        """Days proven on at least one account and put in doubt on none."""
        doubted = {broken.after.closing.on for broken in self.breaks if broken.kind != STATEMENT_IS_REPEATED}
        return len({day for chain in self.chains for day in chain.days} - doubted)


def continuity(sheets: Iterable[Sheet]) -> Continuity:
    """The findings over all statements, account by account; within one date the given order decides last."""
    accounts: dict[tuple[str, str], list[Sheet]] = defaultdict(list)
    for sheet in sheets:
        accounts[sheet.account, sheet.currency.code].append(sheet)
    chains: list[Chain] = []
    breaks: list[Break] = []
    gaps: list[Gap] = []
    for _, found in sorted(accounts.items()):
        usable, doubled = _without_doubles(found)
        ordered = in_order(usable)
        breaks += doubled
        joined: set[date] = set()
        for before, after in pairwise(ordered):
            broken = follows(before, after)
            if broken:
                breaks.append(broken)
                continue
            joined |= {before.closing.on, after.closing.on}
            if crossed := weekdays_between(before.closing.on, after.opening.on):
                gaps.append(Gap(after.account, after.currency, before.closing.on, after.opening.on, crossed))
        dates = [sheet.closing.on for sheet in found]
        chains.append(Chain(found[0].account, found[0].currency, len(found), min(dates), max(dates), frozenset(joined)))
    return Continuity(tuple(chains), tuple(breaks), tuple(gaps))


def follows(before: Sheet, after: Sheet) -> Break | None:
    """Whether `after` takes up the balance where `before` left it, of the same account."""
    crossed = weekdays_between(before.closing.on, after.opening.on)
    if after.opening.amount == before.closing.amount:
        return None
    if crossed:
        return Break(DAY_IS_MISSING, before, after, crossed)
    overlap = after.opening.on < before.closing.on
    return Break(PERIODS_OVERLAP if overlap else BALANCE_DIFFERS, before, after)


def refuse_unless_it_follows(before: Sheet, after: Sheet) -> None:
    """The gate of an import: a statement that does not take up the last balance posts nothing."""
    if broken := follows(before, after):
        raise STATEMENT_DOES_NOT_FOLLOW(
            statement=after.statement_id,
            account=after.account,
            opening=format_minor(after.opening.amount, after.currency),
            before=before.statement_id,
            closing=format_minor(before.closing.amount, before.currency),
            kind=broken.kind,
        )


def in_order(sheets: Sequence[Sheet]) -> list[Sheet]:
    """One account's statements as they happened."""
    by_date = sorted(sheets, key=lambda sheet: sheet.closing.on)
    ordered: list[Sheet] = []
    for _, group in groupby(by_date, key=lambda sheet: sheet.closing.on):
        ordered += _within_a_day(list(group), ordered[-1] if ordered else None)
    return ordered


def weekdays_between(last: date, following: date) -> int:
    """Mondays to Fridays strictly between two dates; holidays are weekdays, for no calendar is known here."""
    days = max((following - last).days - 1, 0)
    weeks, rest = divmod(days, 7)
    return weeks * 5 + sum((last + timedelta(days=1 + extra)).weekday() < 5 for extra in range(rest))


def _within_a_day(sheets: list[Sheet], before: Sheet | None) -> list[Sheet]:
    if len(sheets) == 1:
        return sheets
    numbers = [sheet.number for sheet in sheets if sheet.number is not None]
    if len(set(numbers)) == len(sheets):
        return sorted(sheets, key=lambda sheet: sheet.number or (0, 0))
    return _in_order_of_balances(sheets, before)


def _in_order_of_balances(sheets: list[Sheet], before: Sheet | None) -> list[Sheet]:
    """Each takes up the balance of the one before. The first is the one that takes up yesterday's or, with no
    yesterday, the one that nothing of the day leads to; where balances do not decide, the given order does.
    """
    rest, ordered = list(sheets), list[Sheet]()
    if before is None:
        closings = [sheet.closing.amount for sheet in rest]
        before = next((sheet for sheet in rest if sheet.opening.amount not in closings), rest[0])
        rest.remove(before)
        ordered.append(before)
    while rest:
        following = next((sheet for sheet in rest if follows(before, sheet) is None), rest[0])
        rest.remove(following)
        ordered.append(following)
        before = following
    return ordered


def _without_doubles(sheets: Sequence[Sheet]) -> tuple[list[Sheet], list[Break]]:
    """The statements that count, and the breaks of those that do not."""
    firsts: dict[tuple[object, ...], Sheet] = {}
    breaks: list[Break] = []
    doubtful: set[tuple[object, ...]] = set()
    for sheet in sheets:
        first = firsts.setdefault(sheet.identity, sheet)
        if first is sheet:
            continue
        same = first.fingerprint == sheet.fingerprint
        breaks.append(Break(STATEMENT_IS_REPEATED if same else STATEMENT_CONFLICTS, first, sheet))
        if not same:
            doubtful.add(sheet.identity)
    return [sheet for identity, sheet in firsts.items() if identity not in doubtful], breaks
