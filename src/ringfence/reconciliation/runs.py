"""Reconciling one account for one day: one straight path, and the runs it leaves.

1  the cut-off: rows of the journal before the day's end (or before now, while the day is open)
2  the bank's statement of that day is there, else `statement_of_the_day_is_missing`
3  if the last run read the same movements and the same statements, it is the answer and nothing changes
4  matches go in, in a transaction of their own (a crash after it leaves matches that the next attempt counts as its
   own)
5  the rest is classified, and proven against both balances
6  one append: what opened, what closed, and RECONCILIATION_CLOSED with the counts, sums and the statement's fingerprint
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from ringfence.banking.desk import CustodianAccount
from ringfence.core import Core
from ringfence.custody.customers import custodian_account
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import AMOUNT_OVERFLOWS, INT64_MAX, Currency, currency, format_minor
from ringfence.reconciliation.matching import KINDS, Contra, Entry, Finding, Movement, Rest, classify, unexplained
from ringfence.reconciliation.queries import QUERIES
from ringfence.reconciliation.refusals import (
    LATER_DAY_IS_RECONCILED,
    RECONCILIATION_MUST_EXIST,
    STATEMENT_OF_THE_DAY_IS_MISSING,
)


@dataclass(frozen=True)
class Run:
    """One reconciliation. Amounts are minor units; a `..._difference` is what the bank's balance has more than ours
    because of the discrepancies of that kind, and `accepted` counts those of them that a person accepted. `cut` is the
    first row of the journal that did not count.
    """

    run_id: UUID
    account_name: str
    number: int
    day: date
    currency: str
    cut: int
    books_last: int
    books_until: int
    bank_until: int
    statement_id: str
    fingerprint: str
    verified_empty: bool
    matched: int
    matched_in: int
    matched_out: int
    contra: int
    opened: int
    closed: int
    accepted: int
    missing_at_bank: int
    missing_in_books: int
    amount_differs: int
    duplicate_at_bank: int
    balance_differs: int
    missing_at_bank_difference: int
    missing_in_books_difference: int
    amount_differs_difference: int
    duplicate_at_bank_difference: int
    balance_differs_difference: int
    cashbook_closing: int
    bank_closing: int
    reconciled_at: datetime

    @property
    def discrepancies(self) -> int:
        """All that are left, those that a person accepted included."""
        return sum(int(getattr(self, kind)) for kind in KINDS)

    @property
    def difference(self) -> int:
        """What the bank has more than our cashbook says: the external test of the account."""
        return self.bank_closing - self.cashbook_closing

    def said(self) -> dict[str, Any]:
        """What RECONCILIATION_CLOSED says; amounts are decimal strings."""
        unit = currency(self.currency)
        return {
            "account": self.account_name,
            "accepted": self.accepted,
            "bank": format_minor(self.bank_closing, unit),
            "cashbook": format_minor(self.cashbook_closing, unit),
            "closed": self.closed,
            "contra": self.contra,
            "currency": self.currency,
            "cut": self.cut,
            "day": self.day.isoformat(),
            "discrepancies": {
                kind: {
                    "count": getattr(self, kind),
                    "difference": format_minor(getattr(self, f"{kind}_difference"), unit),
                }
                for kind in KINDS
            },
            "fingerprint": self.fingerprint,
            "matched": {
                "count": self.matched,
                "in": format_minor(self.matched_in, unit),
                "out": format_minor(self.matched_out, unit),
            },
            "opened": self.opened,
            "run": self.number,
            "statement": self.statement_id,
            "verified_empty": self.verified_empty,
        }


@dataclass(frozen=True)
class MissingStatement:
    """An account whose statement of the day has not come; `last_day` is that of the last one that has."""

    account_name: str
    last_day: date | None


@dataclass(frozen=True)
class _Inputs:
    """What a run reads: our side up to `cut`, the bank's up to `bank_until`."""

    account: CustodianAccount
    day: date
    cut: int
    books_last: int
    books_until: int
    cashbook_closing: int
    bank_until: int
    bank_closing: int
    statement_id: str
    fingerprint: str
    verified_empty: bool


@dataclass(frozen=True)
class _Unclosed:
    """A discrepancy as the run before left it."""

    discrepancy_id: UUID
    subject: UUID
    kind: str
    since: date
    sequence: int | None
    entry_key: str | None
    accepted: bool


@dataclass(frozen=True)
class _Items:
    """What passes 1 and 2 left, and what they matched: items, minor units in, minor units out."""

    run: int
    matched: tuple[int, int, int]
    movements: Sequence[Movement]
    entries: Sequence[Entry]
    unclosed: Sequence[_Unclosed]
    matched_items: frozenset[int | str]


def reconcile(core: Core, account_name: str, day: date, *, cut: int | None = None) -> Run:
    """Reconcile an account for a day, up to row `cut` of the journal (default: the day's end, or now; never before the
    last run's). The same inputs again return the run that there is.
    """
    book = core.book.book_id
    with core.connection() as connection:
        reading.project(connection, book)
        account = custodian_account(connection, book, account_name)
        last = last_run(connection, book, account_name)
        if last is not None and last.day > day:
            earlier = last_run(connection, book, account_name, day)
            if earlier is None:
                raise LATER_DAY_IS_RECONCILED(account=account_name, last=last.day, day=day)
            return earlier
        ends = cut_off(connection, book, day) if cut is None else cut
        given = _inputs(connection, book, account, day, max(ends, last.cut if last else 0), last)
    if last is not None and (last.day, last.books_last, last.bank_until) == (day, given.books_last, given.bank_until):
        return last

    with core.connection() as connection:
        items = _match(connection, book, given)
    rest = classify(items.movements, items.entries)
    findings = list(rest.findings)
    if left := unexplained(given.cashbook_closing, given.bank_closing, findings):
        findings.append(left)

    core.post(_unit(core, given, items, rest, findings))
    with core.connection() as connection:
        return run_of(connection, book, account_name, day)


def cut_off(connection: Connection, book: int, day: date) -> int:
    """The first row of the journal after a day: that of its closing, or the head while the day is not closed."""
    question = {"book": book, "day": day, "day_closed": EventName.DAY_CLOSED}
    row = connection.execute(QUERIES.cut_off, question).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def missing_statements(connection: Connection, book: int, day: date) -> list[MissingStatement]:
    """The custodian accounts whose statement of the day has not come."""
    with connection.cursor(row_factory=class_row(MissingStatement)) as cursor:
        return cursor.execute(QUERIES.missing_statements, {"book": book, "day": day}).fetchall()


def runs(
    connection: Connection, book: int, *, account_name: str | None = None, day: date | None = None, limit: int = 100
) -> list[Run]:
    """Runs, the latest day first, within a day by account and the latest first."""
    question = {"book": book, "account_name": account_name, "day": day, "limit": limit}
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(QUERIES.runs, question).fetchall()


def last_run(connection: Connection, book: int, account_name: str, day: date | None = None) -> Run | None:
    """The last run of an account, or its last run for a day."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        question = {"book": book, "account_name": account_name, "day": day}
        return cursor.execute(QUERIES.last_run, question).fetchone()


def run_of(connection: Connection, book: int, account_name: str, day: date) -> Run:
    """The last run of an account for a day, or `reconciliation_must_exist`."""
    found = last_run(connection, book, account_name, day)
    if found is None:
        raise RECONCILIATION_MUST_EXIST(account=account_name, day=day)
    return found


# -- the steps ---------------------------------------------------------------------------------------------------------


def _inputs(
    connection: Connection, book: int, account: CustodianAccount, day: date, cut: int, last: Run | None
) -> _Inputs:
    question = {"book": book, "account": account.ledger_account, "account_name": account.name, "day": day, "cut": cut}
    with connection.cursor(row_factory=dict_row) as cursor:
        bank = cursor.execute(QUERIES.bank_read, question).fetchone()
        if bank is None or bank["day"] != day:
            raise STATEMENT_OF_THE_DAY_IS_MISSING(account=account.name, day=day, last=bank["day"] if bank else "—")
        books = cursor.execute(QUERIES.books_read, question | {"first": last.books_until if last else 0}).fetchone()
    if books is None:
        raise RuntimeError("books_read gives one row")
    return _Inputs(
        account=account,
        day=day,
        cut=cut,
        books_last=books["books_last"],
        books_until=books["books_until"],
        cashbook_closing=books["closing"],
        bank_until=bank["taken"],
        bank_closing=bank["closing"],
        statement_id=bank["statement_id"],
        fingerprint=bank["fingerprint"],
        verified_empty=bank["verified_empty"],
    )


def _match(connection: Connection, book: int, given: _Inputs) -> _Items:
    account = given.account
    question = {"book": book, "account": account.ledger_account, "account_name": account.name, "day": given.day}
    question |= {"cut": given.cut, "taken": given.bank_until}
    connection.execute(QUERIES.be_patient)
    run, movements, entries = connection.execute(QUERIES.match_items, question).fetchone() or (0, [], [])
    matched = connection.execute(QUERIES.matched, question | {"run": run}).fetchone() or (0, 0, 0)
    with connection.cursor(row_factory=class_row(_Unclosed)) as cursor:
        unclosed = cursor.execute(QUERIES.unclosed, question).fetchall()
    sequences = [each.sequence for each in unclosed if each.sequence is not None]
    keys = [each.entry_key for each in unclosed if each.entry_key is not None]
    settled = connection.execute(QUERIES.matched_items, question | {"sequences": sequences, "keys": keys}).fetchall()
    items = frozenset(item for pair in settled for item in pair)
    return _Items(
        run=run,
        matched=(matched[0], matched[1], matched[2]),
        movements=[_movement(each) for each in movements],
        entries=[Entry(**each | {"day": date.fromisoformat(each["day"])}) for each in entries],
        unclosed=unclosed,
        matched_items=items,
    )


def _movement(row: dict[str, Any]) -> Movement:
    refers_to = UUID(row["refers_to"]) if row["refers_to"] else None
    texts = {"journal_id": UUID(row["journal_id"]), "refers_to": refers_to, "day": date.fromisoformat(row["day"])}
    return Movement(**row | texts)


def _unit(core: Core, given: _Inputs, items: _Items, rest: Rest, findings: Sequence[Finding]) -> Unit:
    book, account, at = core.book.book_id, given.account, core.clock()
    found = {subject_of(book, account.name, each): each for each in findings}
    known = {each.subject: each for each in items.unclosed}
    gone = [each for each in items.unclosed if each.subject not in found]
    fresh = {subject: each for subject, each in found.items() if subject not in known}

    rows = _new_rows(core, given, fresh, items.unclosed)
    closings = [
        {"discrepancy_id": str(each.discrepancy_id), "because": _because(each, items.matched_items, rest, findings)}
        for each in gone
    ]
    kept_accepted = sum(each.accepted for each in items.unclosed if each.subject in found)
    run = _run(core, given, items, rest, findings, opened=len(rows), closed=len(gone), accepted=kept_accepted, at=at)

    also: list[Statement] = []
    written = {"book": book, "account_name": account.name, "run": items.run, "day": given.day, "at": at}
    if rows:
        also.append((QUERIES.open_discrepancies, written | {"currency": account.currency, "found": Jsonb(rows)}))
    if closings:
        also.append((QUERIES.close_discrepancies, written | {"gone": Jsonb(closings)}))
    if rest.contra:
        also.append((QUERIES.insert_contra, written | {"pairs": Jsonb(_contra_rows(rest.contra))}))
    also.append((QUERIES.close_run, {"row": Jsonb(_row(book, run))}))

    opened_events = [_opened_event(run, row) for row in rows]
    closed_events = [_closed_event(run, row) for row in closings]
    last = Line(Kind.EVENT, run.run_id, code=EventName.RECONCILIATION_CLOSED, value_date=run.day, payload=run.said())
    return Unit([*opened_events, *closed_events, last], also)


def _new_rows(
    core: Core, given: _Inputs, fresh: Mapping[UUID, Finding], unclosed: Iterable[_Unclosed]
) -> list[dict[str, Any]]:
    """The discrepancies that were not there before. What is found again under another name keeps its first day."""
    with core.connection() as connection:
        question = {"book": core.book.book_id, "subjects": list(fresh)}
        before = dict(connection.execute(QUERIES.occurrences, question).fetchall())
    first_days = {item: each.since for each in unclosed for item in (each.sequence, each.entry_key) if item is not None}
    rows = []
    for subject, finding in fresh.items():
        movement, entry, occurrence = finding.movement, finding.entry, int(before.get(subject, 0)) + 1
        items = [each for each in (movement and movement.sequence, entry and entry.key) if each is not None]
        since = min([given.day, *(first_days[item] for item in items if item in first_days)])
        rows.append(
            {
                "discrepancy_id": str(derived(subject, f"occurrence {occurrence}")),
                "subject": str(subject),
                "occurrence": occurrence,
                "kind": finding.kind,
                "since": since.isoformat(),
                "sequence": movement.sequence if movement else None,
                "books_amount": movement.amount if movement else None,
                "books_day": movement.day.isoformat() if movement else None,
                "entry_key": entry.key if entry else None,
                "bank_amount": entry.amount if entry else None,
                "bank_day": entry.day.isoformat() if entry else None,
                "reversal": entry.reversal if entry else None,
                "bank_reference": entry.bank_reference if entry else None,
                "end_to_end_id": entry.end_to_end_id if entry else None,
                "difference": finding.difference,
            }
        )
    return rows


def subject_of(book: int, account_name: str, finding: Finding) -> UUID:
    """What a discrepancy is about, as an id: its kind, account, movement and entry, or the unexplained amount."""
    movement = finding.movement.journal_id if finding.movement else "-"
    entry = finding.entry.key if finding.entry else "-"
    amount = finding.difference if finding.kind == "balance_differs" else "-"
    return derived(UUID(int=book), f"discrepancy {finding.kind} {account_name} {movement} {entry} {amount}")


def _because(gone: _Unclosed, matched: frozenset[int | str], rest: Rest, findings: Iterable[Finding]) -> str:
    """Why a discrepancy is not found any more: `matched`, `undone`, `became_<kind>`, or `balance_agrees`."""
    items = {item for item in (gone.sequence, gone.entry_key) if item is not None}
    if not items:
        return "balance_agrees"
    if items & matched:
        return "matched"
    for each in findings:
        if (each.movement and each.movement.sequence in items) or (each.entry and each.entry.key in items):
            return f"became_{each.kind}"
    undone = {item for pair in rest.contra for item in (pair.item, pair.counter_item)}
    if {str(item) for item in items} & undone:
        return "undone"
    raise RuntimeError(f"discrepancy {gone.discrepancy_id} is neither found nor settled")


def _run(
    core: Core,
    given: _Inputs,
    items: _Items,
    rest: Rest,
    findings: Sequence[Finding],
    *,
    opened: int,
    closed: int,
    accepted: int,
    at: datetime,
) -> Run:
    unit = currency(given.account.currency)
    identity = f"reconciliation {given.account.name} {items.run}"
    counted: dict[str, int] = {}
    for kind in KINDS:
        of_kind = [each.difference for each in findings if each.kind == kind]
        counted |= {kind: len(of_kind), f"{kind}_difference": _fits(sum(of_kind), unit)}
    count, came_in, went_out = items.matched
    return Run(
        run_id=derived(UUID(int=core.book.book_id), identity),
        account_name=given.account.name,
        number=items.run,
        day=given.day,
        currency=unit.code,
        cut=given.cut,
        books_last=given.books_last,
        books_until=given.books_until,
        bank_until=given.bank_until,
        statement_id=given.statement_id,
        fingerprint=given.fingerprint,
        verified_empty=given.verified_empty,
        matched=count,
        matched_in=came_in,
        matched_out=went_out,
        contra=len(rest.contra),
        opened=opened,
        closed=closed,
        accepted=accepted,
        cashbook_closing=given.cashbook_closing,
        bank_closing=given.bank_closing,
        reconciled_at=at,
        **counted,
    )


def _fits(amount: int, unit: Currency) -> int:
    if abs(amount) > INT64_MAX:
        raise AMOUNT_OVERFLOWS(text=format_minor(amount, unit))
    return amount


def _row(book: int, run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(run, name) for name in Run.__dataclass_fields__}
    texts = {"run_id": str(run.run_id), "day": run.day.isoformat(), "reconciled_at": run.reconciled_at.isoformat()}
    return row | texts | {"book_id": book}


def _contra_rows(contra: Iterable[Contra]) -> list[dict[str, Any]]:
    rows = []
    for pair in contra:
        name = "sequence" if pair.side == "books" else "entry_key"
        counter = "counter_sequence" if pair.side == "books" else "counter_key"
        rows += [{name: pair.item, counter: pair.counter_item}, {name: pair.counter_item, counter: pair.item}]
    return rows


def _opened_event(run: Run, row: Mapping[str, Any]) -> Line:
    unit = currency(run.currency)
    said = {name: row[name] for name in ("kind", "occurrence", "since", "sequence", "entry_key")}
    for name in ("books_amount", "bank_amount", "difference"):
        said[name] = None if row[name] is None else format_minor(row[name], unit)
    said |= {"discrepancy": row["discrepancy_id"], "account": run.account_name, "day": run.day.isoformat()}
    identity = derived(run.run_id, f"opened {row['discrepancy_id']}")
    said["currency"] = run.currency
    return Line(Kind.EVENT, identity, code=EventName.DISCREPANCY_OPENED, value_date=run.day, payload=said)


def _closed_event(run: Run, row: Mapping[str, str]) -> Line:
    said = {"discrepancy": row["discrepancy_id"], "because": row["because"], "account": run.account_name}
    said |= {"day": run.day.isoformat()}
    identity = derived(run.run_id, f"closed {row['discrepancy_id']}")
    return Line(Kind.EVENT, identity, code=EventName.DISCREPANCY_CLOSED, value_date=run.day, payload=said)
