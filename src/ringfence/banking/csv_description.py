"""How a bank's CSV is to be read: a description in TOML, checked when it is loaded and never completed by guesses.

A worked example, for a custodian's daily movement file::

    name = "daily movement file"
    encoding = "gb18030"
    delimiter = "|"
    date_format = "%Y%m%d"
    currency = "CNY"
    header = { mark = "H", date = 2, count = 3, credits = 4, debits = 5 }

    [columns]                       # by the names of the first row, or by number from 1 if named_columns = false
    account = "account"
    booking_date = "posting date"
    balance = "balance"             # after the row; held against the one before, row by row
    bank_reference = "serial"
    trace = ["posting date", "trace"]
    counterparty_account = "counter-account"
    remittance = ["type", "description"]

    [amount]
    rule = "flag"                   # or "signed", or "debit_and_credit"
    column = "amount"
    flag = "sign"
    credit = ["+", "C"]
    debit = ["-", "D"]

    [reversed]
    column = "reversed"
    values = ["1"]

The opening and closing balance come from the running balance or from the header and trailer; a description that gives
neither is wrong, because nothing could then be proven.
"""

import codecs
import re
import tomllib
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ringfence.banking.statement import STATEMENT_FIELD_IS_MALFORMED
from ringfence.refusal import Fault, refusal

CSV_DESCRIPTION_IS_WRONG = refusal(
    "csv_description_is_wrong",
    Fault.INPUT,
    en="The description of the CSV is wrong at {field}: {problem}.",
    zh="CSV 格式描述在 {field} 处有误：{problem}。",
)

Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1)]
Position = Annotated[int, Field(ge=1)]
Values = Annotated[tuple[str, ...], Field(min_length=1)]

_DATE_PARTS = {"%Y": "(?P<Y>[0-9]{4})", "%m": "(?P<m>[0-9]{1,2})", "%d": "(?P<d>[0-9]{1,2})"}
_CURRENCY_OR_ACCOUNT = ("account", "currency")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Columns(_Part):
    """Where each thing of a row stands; of several columns the texts are joined by a space."""

    booking_date: Column
    account: Column | None = None
    currency: Column | None = None
    value_date: Column | None = None
    balance: Column | None = None
    trace: tuple[Column, ...] = ()
    bank_reference: Column | None = None
    entry_reference: Column | None = None
    original_reference: Column | None = None
    end_to_end_id: Column | None = None
    instruction_id: Column | None = None
    counterparty_name: Column | None = None
    counterparty_account: Column | None = None
    counterparty_bank: Column | None = None
    remittance: tuple[Column, ...] = ()
    transaction_code: Column | None = None


class Signed(_Part):
    """One column; a debit has a minus before it, after it, or stands in parentheses."""

    rule: Literal["signed"]
    column: Column
    negative: Literal["leading", "trailing", "parentheses"] = "leading"


class DebitAndCredit(_Part):
    """Two columns of which one holds the amount, without a sign, and the other nothing or zero."""

    rule: Literal["debit_and_credit"]
    debit: Column
    credit: Column


class Flagged(_Part):
    """An amount without a sign, and a column that says which way it went."""

    rule: Literal["flag"]
    column: Column
    flag: Column
    credit: Values
    debit: Values


class Mark(_Part):
    """A column that marks a row with one of these values. `counts` is false where a marked row moved no money."""

    column: Column
    values: Values
    counts: bool = True


class Summary(_Part):
    """A line before or after the rows: its first field is `mark`, and its other fields stand at these positions."""

    mark: str | None = None
    count: Position | None = None
    credits_count: Position | None = None
    credits: Position | None = None
    debits_count: Position | None = None
    debits: Position | None = None
    opening: Position | None = None
    closing: Position | None = None
    date: Position | None = None
    account: Position | None = None
    currency: Position | None = None
    statement_id: Position | None = None
    sequence: Position | None = None


class Description(_Part):
    """A bank's CSV. Amounts are in the major unit with a decimal separator, or whole minor units."""

    name: str = Field(min_length=1)
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    trailing_delimiter: bool = False
    quote: str = Field(default='"', max_length=1)
    decimal_separator: Literal[".", ","] = "."
    thousands_separator: Literal["", ",", ".", " ", "'", "\u00a0", "\u202f"] = ""
    amounts_in: Literal["major", "minor"] = "major"
    date_format: str = "%Y-%m-%d"
    order: Literal["oldest_first", "newest_first"] = "oldest_first"
    statement_per: Literal["file", "day"] = "file"
    named_columns: bool = True
    skip_lines: int = Field(default=0, ge=0)
    account: str | None = None
    currency: str | None = None
    columns: Columns
    amount: Annotated[Signed | DebitAndCredit | Flagged, Field(discriminator="rule")]
    reversed: Mark | None = None
    adjusted: Mark | None = None
    header: Summary | None = None
    trailer: Summary | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        _require(_is_text_encoding(self.encoding), f"{self.encoding!r} is not an encoding of text")
        _require(self.decimal_separator != self.thousands_separator, "one separator cannot mean two things")
        _require(self.delimiter not in ("\r", "\n", self.quote), "the delimiter is a line's end or the quote")
        _require(
            sorted(re.findall("%.", self.date_format)) == ["%Y", "%d", "%m"],
            "date_format needs %Y, %m and %d, once each",
        )
        wanted: type = str if self.named_columns else int
        for column in self.used_columns:
            _require(isinstance(column, wanted), f"column {column!r} is not a {'name' if wanted is str else 'number'}")
        summaries = [summary for summary in (self.header, self.trailer) if summary]
        for name in _CURRENCY_OR_ACCOUNT:
            places = [getattr(self, name), getattr(self.columns, name), *(getattr(s, name) for s in summaries)]
            _require(any(place is not None for place in places), f"nothing says where the {name} stands")
        ends = all(any(getattr(summary, end) for summary in summaries) for end in ("opening", "closing"))
        _require(ends or self.columns.balance is not None, "neither a running balance nor an opening and a closing one")
        _require(self.statement_per == "file" or self.columns.balance is not None, "days need a running balance")
        if isinstance(self.amount, Flagged):
            both = set(self.amount.credit) & set(self.amount.debit)
            _require(not both, f"{sorted(both)} cannot mean both credit and debit")
        return self

    @property
    def used_columns(self) -> list[str | int]:
        """Every column that the description speaks of."""
        rule = self.amount
        if isinstance(rule, DebitAndCredit):
            used: list[str | int | None] = [rule.debit, rule.credit]
        else:
            used = [rule.column, rule.flag if isinstance(rule, Flagged) else None]
        used += [mark.column for mark in (self.reversed, self.adjusted) if mark]
        for name in Columns.model_fields:
            of_name = getattr(self.columns, name)
            used += of_name if isinstance(of_name, tuple) else (of_name,)
        return [column for column in used if column is not None]


def description_of(text: str) -> Description:
    """The description that a TOML text gives; refused at the first field that is wrong."""
    try:
        return Description.model_validate(_with_tuples(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise CSV_DESCRIPTION_IS_WRONG(field="TOML", problem=str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CSV_DESCRIPTION_IS_WRONG(field=where, problem=first["msg"].removeprefix("Value error, ")) from None


def day_of(text: str, description: Description, column: str) -> date:
    """A date by the description's format; parts that run into each other have their full width."""
    pattern = re.escape(description.date_format)
    for part, expression in _DATE_PARTS.items():
        pattern = pattern.replace(part, expression)
    if re.search("%.%.", description.date_format):
        pattern = pattern.replace("{1,2}", "{2}")
    match = re.fullmatch(pattern, text, re.ASCII)
    try:
        if match:
            return date(int(match["Y"]), int(match["m"]), int(match["d"]))
    except ValueError:
        pass
    raise STATEMENT_FIELD_IS_MALFORMED(element=column, text=text[:64], expected=f"a date ({description.date_format})")


def _is_text_encoding(name: str) -> bool:
    try:
        return bool(codecs.lookup(name)) and "".encode(name) is not None
    except LookupError:
        return False


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _with_tuples(value: Any) -> Any:
    """TOML's arrays as tuples, which frozen values hold."""
    if isinstance(value, dict):
        return {name: _with_tuples(one) for name, one in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
