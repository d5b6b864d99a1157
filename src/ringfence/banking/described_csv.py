"""A bank's own CSV, read by its description into the same statements behind the same gates.

What is checked, in this order; the first that fails refuses the file:

1. The text is in the encoding that the description names, and every row has every column.
2. Each row is an entry: a date, an amount with a direction, an account, a currency.
3. Counts and sums of the header and trailer are those of the rows, as they were sent.
4. A row whose trace number came before on its account is the same row again, and is dropped; another row with the same
   trace number is refused.
5. The running balance follows from row to row.
6. Opening + entries = closing (`statement`). Without a header's or trailer's balances, the first and the last running
   balance give them.

There is one statement for each account and currency, of the whole file or of each day. A file of no rows is a statement
only if its header or trailer gives account, date and both balances; it is then verified empty.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import TextIOWrapper
from typing import BinaryIO

from ringfence.banking.csv_description import (
    CSV_DESCRIPTION_IS_WRONG,
    Description,
    Flagged,
    Mark,
    Signed,
    Summary,
    day_of,
    description_of,
)
from ringfence.banking.message_stream import BANK_FILE_ENCODING_IS_WRONG
from ringfence.banking.statement import (
    BOOKED,
    NO_REFERENCE,
    STATEMENT_AMOUNT_CARRIES_A_SIGN,
    STATEMENT_CURRENCIES_DIFFER,
    STATEMENT_FIELD_IS_MALFORMED,
    STATEMENT_FIELD_IS_MISSING,
    STATEMENT_TOTALS_DIFFER,
    Account,
    Balance,
    Close,
    Detail,
    Entry,
    EntryKeys,
    Gate,
    Heading,
    StatementHeading,
    Tally,
)
from ringfence.money import Currency, currency, format_minor, parse_minor
from ringfence.refusal import Fault, refusal

__all__ = ["CSV_DESCRIPTION_IS_WRONG", "Description", "description_of", "walk_csv"]

NOT_BOOKED = "INFO"
REPEATED_LINES_DROPPED = "repeated_lines_dropped"

CSV_IS_MALFORMED = refusal(
    "csv_is_malformed",
    Fault.INPUT,
    en="Line {line} is not as the description says: {problem}.",
    zh="第 {line} 行与格式描述不符：{problem}。",
)
CSV_COLUMN_IS_MISSING = refusal(
    "csv_column_is_missing",
    Fault.INPUT,
    en="The file has no column {column!r}, or has it twice.",
    zh="文件没有列 {column!r}，或该列重复。",
)
CSV_HOLDS_NO_STATEMENT = refusal(
    "csv_holds_no_statement",
    Fault.INPUT,
    en="{name} has no rows and does not give account, date and both balances: it may be empty or cut.",
    zh="{name} 没有数据行，也未给出账户、日期及期初期末余额：可能无发生额，也可能被截断。",
)
CSV_BALANCE_DOES_NOT_FOLLOW = refusal(
    "csv_balance_does_not_follow",
    Fault.INPUT,
    en="Line {line}: the balance {before} and the amount {amount} do not make {after} {currency}.",
    zh="第 {line} 行：余额 {before} 加发生额 {amount} 不等于 {after} {currency}。",
)
CSV_TRACE_NUMBER_CONFLICTS = refusal(
    "csv_trace_number_conflicts",
    Fault.INPUT,
    en="Line {line} has the trace number {trace} of another row, but not its content.",
    zh="第 {line} 行的流水号 {trace} 与另一行相同，但内容不同。",
)
CSV_BALANCE_IS_OF_ONE_STATEMENT = refusal(
    "csv_balance_is_of_one_statement",
    Fault.INPUT,
    en="The header or trailer of {name} gives one {field} balance, but its rows make {statements} statements.",
    zh="{name} 的文件头或文件尾只给出一个 {field} 余额，而数据行构成 {statements} 份对账单。",
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row with its texts by column, as sent."""

    line: int
    texts: dict[str | int, str]


@dataclass(frozen=True, slots=True)
class _Line:
    """One row as an entry."""

    row: _Row
    account: str
    currency: Currency
    booking_date: date
    amount: int
    moved: int  # the amount, or 0 where the row is marked as not counting
    balance: int | None
    reversal: bool
    adjustment: bool
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the header and trailer say, by name."""

    texts: dict[str, str]

    def get(self, name: str) -> str | None:
        return self.texts.get(name)


def walk_csv(name: str, stream: BinaryIO, description: Description) -> Iterator[Heading | Entry | Close]:
    """Heading, entries and close of each statement. Provisional until it has ended, like every walk."""
    rows, ends = _rows(stream, description)
    lines = [_line(row, ends, description) for row in rows]
    _refuse_other_totals(name, lines, ends, description)
    kept = _without_repeats(lines)
    if description.order == "newest_first":
        kept.reverse()
    groups = _groups(kept, description) or [_empty_group(name, ends, description)]
    for field in ("opening", "closing"):
        if len(groups) > 1 and ends.get(field):
            raise CSV_BALANCE_IS_OF_ONE_STATEMENT(name=name, field=field, statements=len(groups))
    assumed = (REPEATED_LINES_DROPPED,) if len(kept) < len(lines) else ()
    for account, unit, group in groups:
        heading = _heading(account, unit, group, ends, assumed, description)
        _refuse_unless_balances_follow(heading, group)
        gate, keys = Gate(heading), EntryKeys(heading, heading.closing.on)
        yield heading
        for line in group:
            entry = _entry(line, keys, description)
            gate.enter(entry)
            yield entry
        yield gate.close()


def _rows(stream: BinaryIO, description: Description) -> tuple[list[_Row], _Ends]:
    records = _records(stream, description)
    ends: dict[str, str] = {}
    if description.header is not None:
        ends |= _end(records.pop(0) if records else (0, []), description.header, "header")
    if description.trailer is not None:
        ends |= _end(records.pop() if records else (0, []), description.trailer, "trailer")
    names: list[str | int] = []
    if description.named_columns:
        if not records:
            raise CSV_IS_MALFORMED(line=1, problem="the row of column names is missing")
        names = [name.strip() for name in records.pop(0)[1]]
    elif records:
        names = list(range(1, len(records[0][1]) + 1))
    rows = []
    for line, fields in records:
        if len(fields) != len(names):
            raise CSV_IS_MALFORMED(line=line, problem=f"{len(fields)} fields instead of {len(names)}")
        rows.append(_Row(line, {name: text.strip() for name, text in zip(names, fields, strict=True)}))
    _refuse_missing_columns(names, description)
    return rows, _Ends(ends)


def _records(stream: BinaryIO, description: Description) -> list[tuple[int, list[str]]]:
    """The records that are not blank, each with the number of its line."""
    records = []
    with _decoded(stream, description) as text:
        for _ in range(description.skip_lines):
            text.readline()
        reader = csv.reader(
            text,
            delimiter=description.delimiter,
            quotechar=description.quote or None,
            quoting=csv.QUOTE_MINIMAL if description.quote else csv.QUOTE_NONE,
            strict=True,
        )
        try:
            for fields in reader:
                line = reader.line_num + description.skip_lines
                if any("\0" in one for one in fields):
                    raise CSV_IS_MALFORMED(line=line, problem="it holds a zero byte")
                if description.trailing_delimiter and fields and not fields[-1]:
                    fields.pop()
                if any(map(str.strip, fields)):
                    records.append((line, fields))
        except csv.Error as error:
            raise CSV_IS_MALFORMED(line=reader.line_num + description.skip_lines, problem=str(error)) from None
    return records


@contextmanager
def _decoded(stream: BinaryIO, description: Description) -> Iterator[TextIOWrapper]:
    """The stream as text, and still the caller's to close."""
    encoding = "utf-8-sig" if description.encoding.lower() in ("utf-8", "utf8") else description.encoding
    text = TextIOWrapper(stream, encoding=encoding, errors="strict", newline="")
    try:
        yield text
    except UnicodeError as error:
        raise BANK_FILE_ENCODING_IS_WRONG(problem=f"not {description.encoding}: {error}"[:160]) from None
    finally:
        text.detach()


def _end(record: tuple[int, list[str]], summary: Summary, place: str) -> dict[str, str]:
    line, fields = record
    if summary.mark is not None and (not fields or fields[0].strip() != summary.mark):
        raise CSV_IS_MALFORMED(line=line, problem=f"the {place} does not begin with {summary.mark!r}")
    found = {}
    for name in Summary.model_fields:
        position = getattr(summary, name)
        if name == "mark" or position is None:
            continue
        text = fields[position - 1].strip() if position <= len(fields) else ""
        if not text:
            raise CSV_IS_MALFORMED(line=line, problem=f"the {place} gives no {name}")
        found[name] = text
    return found


def _refuse_missing_columns(names: list[str | int], description: Description) -> None:
    for column in description.used_columns:
        if names.count(column) != 1 and (names or description.named_columns):
            raise CSV_COLUMN_IS_MISSING(column=column)


def _line(row: _Row, ends: _Ends, description: Description) -> _Line:
    columns = description.columns
    account = _of_row(row, columns.account) or ends.get("account") or description.account
    code = _of_row(row, columns.currency) or ends.get("currency") or description.currency
    if account is None or code is None:
        missing = "account" if account is None else "currency"
        raise STATEMENT_FIELD_IS_MISSING(element=missing, place=f"line {row.line}")
    unit = currency(code)
    booked_on = _of_row(row, columns.booking_date)
    if booked_on is None:
        raise STATEMENT_FIELD_IS_MISSING(element=columns.booking_date, place=f"line {row.line}")
    amount = _amount(row, unit, description)
    reversal, reversal_counts = _marked(row, description.reversed)
    adjustment, adjustment_counts = _marked(row, description.adjusted)
    balance = None
    if columns.balance is not None:
        balance = _minor(_required(row, columns.balance), columns.balance, unit, description, _sign_rule(description))
    return _Line(
        row=row,
        account=account,
        currency=unit,
        booking_date=day_of(booked_on, description, str(columns.booking_date)),
        amount=amount,
        moved=amount if reversal_counts and adjustment_counts else 0,
        balance=balance,
        reversal=reversal,
        adjustment=adjustment,
        trace=tuple(_required(row, column) for column in columns.trace),
    )


def _amount(row: _Row, unit: Currency, description: Description) -> int:
    rule = description.amount
    if isinstance(rule, Signed):
        return _minor(_required(row, rule.column), rule.column, unit, description, rule.negative)
    if isinstance(rule, Flagged):
        flag = _required(row, rule.flag)
        if flag not in rule.credit + rule.debit:
            raise STATEMENT_FIELD_IS_MALFORMED(
                element=rule.flag, text=flag[:64], expected=", ".join(rule.credit + rule.debit)
            )
        amount = _minor(_required(row, rule.column), rule.column, unit, description, None)
        return amount if flag in rule.credit else -amount
    credited, debited = (
        _minor(text, column, unit, description, None) if (text := _of_row(row, column)) else None
        for column in (rule.credit, rule.debit)
    )
    if (credited is None and debited is None) or (credited and debited):
        raise CSV_IS_MALFORMED(
            line=row.line, problem=f"one of {rule.debit!r} and {rule.credit!r} has to hold an amount"
        )
    return (credited or 0) - (debited or 0)


def _minor(text: str, column: str | int, unit: Currency, description: Description, negative: str | None) -> int:
    """Minor units of an amount in the bank's notation. With no `negative` it must not have a sign."""
    bare, minus = _without_sign(text, negative)
    thousands = re.escape(description.thousands_separator)
    whole = rf"[0-9]+|[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+" if thousands else "[0-9]+"
    fraction = rf"(?:{re.escape(description.decimal_separator)}(?P<fraction>[0-9]+))?"
    if description.amounts_in == "minor":
        fraction = "(?P<fraction>(?!))?"
    match = re.fullmatch(rf"(?P<whole>{whole}){fraction}", bare, re.ASCII)
    if match is None:
        if negative is None and bare[:1] in ("-", "+"):
            raise STATEMENT_AMOUNT_CARRIES_A_SIGN(element=column, text=text[:64])
        raise STATEMENT_FIELD_IS_MALFORMED(element=column, text=text[:64], expected="an amount as described")
    digits = match["whole"].replace(description.thousands_separator, "")
    if description.amounts_in == "minor":
        padded = digits.rjust(unit.exponent + 1, "0")
        digits = f"{padded[: -unit.exponent]}.{padded[-unit.exponent :]}" if unit.exponent else padded
    elif match["fraction"]:
        digits = f"{digits}.{match['fraction']}"
    minor = parse_minor(digits, unit)
    return -minor if minus else minor


def _without_sign(text: str, negative: str | None) -> tuple[str, bool]:
    if negative == "leading" and text[:1] in ("-", "+"):
        return text[1:].strip(), text[0] == "-"
    if negative == "trailing" and text[-1:] in ("-", "+"):
        return text[:-1].strip(), text[-1] == "-"
    if negative == "parentheses" and text[:1] == "(" and text[-1:] == ")":
        return text[1:-1].strip(), True
    return text, False


def _sign_rule(description: Description) -> str:
    """A balance may be negative whatever the rule of the amounts; it is written as signed amounts are, or plainly."""
    return description.amount.negative if isinstance(description.amount, Signed) else "leading"


def _marked(row: _Row, mark: Mark | None) -> tuple[bool, bool]:
    """Whether the row is marked, and whether it moved money."""
    if mark is None:
        return False, True
    marked = row.texts[mark.column] in mark.values
    return marked, mark.counts or not marked


def _of_row(row: _Row, column: str | int | None) -> str | None:
    return None if column is None else row.texts[column] or None


def _required(row: _Row, column: str | int) -> str:
    text = _of_row(row, column)
    if text is None:
        raise STATEMENT_FIELD_IS_MISSING(element=column, place=f"line {row.line}")
    return text


def _refuse_other_totals(name: str, lines: list[_Line], ends: _Ends, description: Description) -> None:
    """Header and trailer count the rows as they were sent, repeated ones too."""
    tally = Tally()
    for line in lines:
        tally.add(line.amount)
    for field, count in (
        ("count", tally.count),
        ("credits_count", tally.credits_count),
        ("debits_count", tally.debits_count),
    ):
        given = ends.get(field)
        if given is not None and (not re.fullmatch("[0-9]{1,18}", given, re.ASCII) or int(given) != count):
            raise STATEMENT_TOTALS_DIFFER(statement=name, total=field, given=given[:64], found=count)
    for field, total in (("credits", tally.credits), ("debits", tally.debits)):
        given = ends.get(field)
        if given is None:
            continue
        units = {line.currency for line in lines} or {_currency(ends, description)}
        if len(units) > 1:
            raise STATEMENT_CURRENCIES_DIFFER(element=field, found=", ".join(map(str, units)), expected="one currency")
        unit = next(iter(units))
        if abs(_minor(given, field, unit, description, "leading")) != total:
            raise STATEMENT_TOTALS_DIFFER(
                statement=name, total=field, given=given[:64], found=format_minor(total, unit)
            )


def _currency(ends: _Ends, description: Description) -> Currency:
    code = ends.get("currency") or description.currency
    if code is None:
        raise STATEMENT_FIELD_IS_MISSING(element="currency", place="header")
    return currency(code)


def _without_repeats(lines: list[_Line]) -> list[_Line]:
    firsts: dict[tuple[str, ...], _Line] = {}
    kept = []
    for line in lines:
        key = (line.account, line.currency.code, *line.trace)
        first = firsts.setdefault(key, line) if line.trace else line
        if first is line:
            kept.append(line)
        elif first.row.texts != line.row.texts:
            raise CSV_TRACE_NUMBER_CONFLICTS(line=line.row.line, trace=" ".join(line.trace))
    return kept


def _groups(lines: list[_Line], description: Description) -> list[tuple[str, Currency, list[_Line]]]:
    groups: dict[tuple[str, Currency, date | None], list[_Line]] = {}
    for line in lines:
        on = line.booking_date if description.statement_per == "day" else None
        groups.setdefault((line.account, line.currency, on), []).append(line)
    return [(account, unit, group) for (account, unit, _), group in groups.items()]


def _empty_group(name: str, ends: _Ends, description: Description) -> tuple[str, Currency, list[_Line]]:
    account = ends.get("account") or description.account
    if account is None or not all(map(ends.get, ("date", "opening", "closing"))):
        raise CSV_HOLDS_NO_STATEMENT(name=name)
    return account, _currency(ends, description), []


def _heading(
    account: str,
    unit: Currency,
    lines: list[_Line],
    ends: _Ends,
    assumed: tuple[str, ...],
    description: Description,
) -> StatementHeading:
    dates = [line.booking_date for line in lines]
    if (given := ends.get("date")) and (description.statement_per == "file" or not lines):
        dates.append(day_of(given, description, "date"))
    first, last = min(dates), max(dates)
    opening, closing = (
        _minor(text, name, unit, description, _sign_rule(description)) if (text := ends.get(name)) else None
        for name in ("opening", "closing")
    )
    if opening is None and lines and lines[0].balance is not None:
        opening = lines[0].balance - lines[0].moved
    if closing is None and lines and lines[-1].balance is not None:
        closing = lines[-1].balance
    if opening is None or closing is None:
        raise STATEMENT_FIELD_IS_MISSING(element="balance", place=f"account {account}")
    sequence = ends.get("sequence")
    if sequence is not None and not re.fullmatch("[0-9]{1,18}", sequence, re.ASCII):
        raise STATEMENT_FIELD_IS_MALFORMED(element="sequence", text=sequence[:64], expected="a whole number")
    return StatementHeading(
        message=description.name,
        statement_id=ends.get("statement_id") or f"{first}/{last}",
        account=Account("", account),
        currency=unit,
        electronic_sequence=None if sequence is None else int(sequence),
        first_day=first,
        last_day=last,
        opening=Balance("OPBD", opening, first),
        closing=Balance("CLBD", closing, last),
        assumed=assumed,
    )


def _refuse_unless_balances_follow(heading: StatementHeading, lines: list[_Line]) -> None:
    """The post-transaction balance of each row is the one before plus what the row moved."""
    balance = heading.opening.amount
    for line in lines:
        before, balance = balance, balance + line.moved
        if line.balance is not None and line.balance != balance:
            raise CSV_BALANCE_DOES_NOT_FOLLOW(
                line=line.row.line,
                before=format_minor(before, line.currency),
                amount=format_minor(line.moved, line.currency),
                after=format_minor(line.balance, line.currency),
                currency=line.currency.code,
            )


def _entry(line: _Line, keys: EntryKeys, description: Description) -> Entry:
    columns, row = description.columns, line.row
    end_to_end_id = _reference(row, columns.end_to_end_id)
    bank_reference, entry_reference = (_reference(row, c) for c in (columns.bank_reference, columns.entry_reference))
    value_date = _of_row(row, columns.value_date)
    valued_on = day_of(value_date, description, str(columns.value_date)) if value_date else None
    remittance = " ".join(text for column in columns.remittance if (text := _of_row(row, column)))
    return Entry(
        key=keys.key(
            amount=line.amount,
            booking_date=line.booking_date,
            value_date=valued_on,
            reversal=line.reversal,
            bank_reference=bank_reference,
            entry_reference=entry_reference or _digest(line.trace),
            end_to_end_id=end_to_end_id,
        ),
        amount=line.amount,
        currency=line.currency,
        status=BOOKED if line.moved == line.amount else NOT_BOOKED,
        booking_date=line.booking_date,
        value_date=valued_on,
        reversal=line.reversal,
        adjustment=line.adjustment,
        bank_reference=bank_reference,
        entry_reference=entry_reference,
        transaction_code=_of_row(row, columns.transaction_code),
        details=(
            Detail(
                amount=line.amount,
                bank_reference=bank_reference,
                end_to_end_id=end_to_end_id,
                instruction_id=_reference(row, columns.instruction_id),
                original_reference=_reference(row, columns.original_reference),
                counterparty_name=_of_row(row, columns.counterparty_name),
                counterparty_account=_of_row(row, columns.counterparty_account),
                counterparty_bank=_of_row(row, columns.counterparty_bank),
                remittance=remittance or None,
            ),
        ),
    )


def _reference(row: _Row, column: str | int | None) -> str | None:
    text = _of_row(row, column)
    return None if text in NO_REFERENCE else text


def _digest(trace: tuple[str, ...]) -> str | None:
    return hashlib.sha256(json.dumps(trace).encode()).hexdigest() if trace else None
