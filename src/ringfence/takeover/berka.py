"""The Czech bank of PKDD'99: a folder of its tables, read strictly.

Four tables are read, each from the file of its name; the movements may lie in several parts, `trans*.asc`, together:

    client.asc   "client_id";"birth_number";"district_id"
    account.asc  "account_id";"district_id";"frequency";"date"
    disp.asc     "disp_id";"client_id";"account_id";"type"
    trans*.asc   "trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"

Fields are separated by semicolons, text may be quoted, the first line is the header above, the text is ASCII, lines end
in LF or CRLF. Dates are YYMMDD of the twentieth century. Amounts are Czech crowns, never negative; what a movement does
is its type: PRIJEM is a credit of the account, VYDAJ and VYBER (a withdrawal in cash) are debits. The balance is the
one after the movement, and may be negative.

Checks, in order, file by file (clients, accounts, dispositions, movements): the file is there; it is ASCII; its
header; then line by line the quotes, the number of fields, and the fields from left to right; then that its number is
new; last, that the client or account it names exists. An account belongs to exactly one owner. What is not understood
is refused by name with its file and line, and nothing is read.

A birth number names a person's birthday and sex. Nothing here needs it, so it is not read into memory.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from ringfence.money import currency, parse_minor
from ringfence.refusal import Fault, refusal

CURRENCY: Final = currency("CZK")
ROUNDING_UNIT: Final = 10  # minor units: every amount and balance of the bank is shown to 0.10
DERIVED: Final = frozenset({"UROK", "SANKC. UROK", "UVER"})  # interest, penalty interest, instalment of a loan

TAKEOVER_FILE_IS_MISSING = refusal(
    "takeover_file_is_missing",
    Fault.INPUT,
    en="{folder} has no readable file {file}.",
    zh="{folder} 中没有可读取的文件 {file}。",
)
TAKEOVER_TEXT_IS_NOT_ASCII = refusal(
    "takeover_text_is_not_ascii",
    Fault.INPUT,
    en="{file}, line {line}: byte {byte} is not ASCII text.",
    zh="{file} 第 {line} 行：字节 {byte} 不是 ASCII 文本。",
)
TAKEOVER_HEADER_IS_WRONG = refusal(
    "takeover_header_is_wrong",
    Fault.INPUT,
    en="{file} begins with {found!r}; the columns should be {expected}.",
    zh="{file} 的首行为 {found!r}；列应为 {expected}。",
)
TAKEOVER_LINE_IS_MALFORMED = refusal(
    "takeover_line_is_malformed",
    Fault.INPUT,
    en="{file}, line {line}: the quotes do not match.",
    zh="{file} 第 {line} 行：引号不配对。",
)
TAKEOVER_FIELD_COUNT_IS_WRONG = refusal(
    "takeover_field_count_is_wrong",
    Fault.INPUT,
    en="{file}, line {line} has {found} fields; there should be {expected}.",
    zh="{file} 第 {line} 行有 {found} 个字段，应为 {expected} 个。",
)
TAKEOVER_NUMBER_IS_WRONG = refusal(
    "takeover_number_is_wrong",
    Fault.INPUT,
    en="{file}, line {line}: {column} {text!r} is not a number from 1 to 999999999999.",
    zh="{file} 第 {line} 行：{column} {text!r} 不是 1 至 999999999999 的编号。",
)
TAKEOVER_DATE_IS_WRONG = refusal(
    "takeover_date_is_wrong",
    Fault.INPUT,
    en="{file}, line {line}: {text!r} is not a date YYMMDD.",
    zh="{file} 第 {line} 行：{text!r} 不是 YYMMDD 日期。",
)
TAKEOVER_TYPE_IS_UNKNOWN = refusal(
    "takeover_type_is_unknown",
    Fault.INPUT,
    en="{file}, line {line}: type {text!r} is none of {expected}.",
    zh="{file} 第 {line} 行：类型 {text!r} 不属于 {expected}。",
)
TAKEOVER_AMOUNT_IS_WRONG = refusal(
    "takeover_amount_is_wrong",
    Fault.INPUT,
    en="{file}, line {line}: {column} {text!r} is not an amount of crowns with at most two decimals{sign}.",
    zh="{file} 第 {line} 行：{column} {text!r} 不是最多两位小数的克朗金额。",
)
TAKEOVER_NUMBER_IS_REPEATED = refusal(
    "takeover_number_is_repeated",
    Fault.INPUT,
    en="{file}, line {line}: {column} {number} was read before.",
    zh="{file} 第 {line} 行：{column} {number} 重复出现。",
)
TAKEOVER_CLIENT_IS_UNKNOWN = refusal(
    "takeover_client_is_unknown",
    Fault.INPUT,
    en="{file}, line {line} names client {number}, who is not in client.asc.",
    zh="{file} 第 {line} 行提到客户 {number}，但 client.asc 中没有该客户。",
)
TAKEOVER_ACCOUNT_IS_UNKNOWN = refusal(
    "takeover_account_is_unknown",
    Fault.INPUT,
    en="{file}, line {line} names account {number}, which is not in account.asc.",
    zh="{file} 第 {line} 行提到账户 {number}，但 account.asc 中没有该账户。",
)
TAKEOVER_ACCOUNT_NEEDS_ONE_OWNER = refusal(
    "takeover_account_needs_one_owner",
    Fault.INPUT,
    en="Account {number} has {owners} owners in disp.asc; it should have one.",
    zh="账户 {number} 在 disp.asc 中有 {owners} 个所有人，应恰有一个。",
)

_CLIENT: Final = ("client_id", "birth_number", "district_id")
_ACCOUNT: Final = ("account_id", "district_id", "frequency", "date")
_DISPOSITION: Final = ("disp_id", "client_id", "account_id", "type")
_MOVEMENT: Final = (
    *("trans_id", "account_id", "date", "type", "operation"),
    *("amount", "balance", "k_symbol", "bank", "account"),
)
_SIGNS: Final = {"PRIJEM": 1, "VYDAJ": -1, "VYBER": -1}
_OWNER, _DISPONENT = "OWNER", "DISPONENT"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{6}", re.ASCII)
# Thirteen digits keep a million movements, and every difference of two balances, within 64 bits.
_AMOUNT: Final = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SourceAccount:
    """An account of the bank, with its owner and whoever else may dispose of it (numbers of clients)."""

    number: int
    opened: date
    owner: int
    disponents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SourceMovement:
    """A row of trans.asc. `amount` is in minor units and signed from the account's view: credits are positive."""

    number: int
    account: int
    date: date
    amount: int
    balance: int
    operation: str
    symbol: str
    partner_bank: str
    partner_account: str

    @property
    def derived(self) -> bool:
        """Whether the amount was computed by the bank, so that what is shown of it may be rounded."""
        return self.symbol in DERIVED


@dataclass(frozen=True)
class Source:
    """All that was read. Clients and accounts in the order of their numbers, movements in the order of the files."""

    clients: tuple[int, ...]
    accounts: tuple[SourceAccount, ...]
    movements: tuple[SourceMovement, ...]
    sha256: str  # of the files' digests in the order they were read: the same folder, the same figure


@dataclass(frozen=True, slots=True)
class _Row:
    """Fields of one line, and where it stands."""

    file: str
    line: int
    fields: Sequence[str]
    columns: Sequence[str]

    def number(self, index: int) -> int:
        text = self.fields[index]
        if not _NUMBER.fullmatch(text):
            raise TAKEOVER_NUMBER_IS_WRONG(file=self.file, line=self.line, column=self.columns[index], text=text[:64])
        return int(text)

    def date(self, index: int) -> date:
        text = self.fields[index]
        try:
            if _DATE.fullmatch(text):
                return date(1900 + int(text[:2]), int(text[2:4]), int(text[4:]))
        except ValueError:
            pass
        raise TAKEOVER_DATE_IS_WRONG(file=self.file, line=self.line, text=text[:64])

    def one_of(self, index: int, known: Sequence[str]) -> str:
        text = self.fields[index]
        if text not in known:
            raise TAKEOVER_TYPE_IS_UNKNOWN(file=self.file, line=self.line, text=text[:64], expected=", ".join(known))
        return text

    def amount(self, index: int, *, signed: bool) -> int:
        text = self.fields[index]
        if not _AMOUNT.fullmatch(text.removeprefix("-") if signed else text):
            raise TAKEOVER_AMOUNT_IS_WRONG(
                file=self.file,
                line=self.line,
                column=self.columns[index],
                text=text[:64],
                sign="" if signed else ", without a sign",
            )
        return parse_minor(text, CURRENCY)


def read(folder: Path) -> Source:
    """Read the bank's tables from a folder, or refuse them."""
    parts = sorted(path for path in folder.glob("trans*.asc") if path.is_file())
    if not parts:
        raise TAKEOVER_FILE_IS_MISSING(folder=folder, file="trans*.asc")
    digest = hashlib.sha256()
    clients = _clients(_rows(folder / "client.asc", _CLIENT, digest))
    opened = _opened(_rows(folder / "account.asc", _ACCOUNT, digest))
    accounts = _accounts(_rows(folder / "disp.asc", _DISPOSITION, digest), clients, opened)
    movements: dict[int, SourceMovement] = {}
    for path in parts:
        _add_movements(movements, _rows(path, _MOVEMENT, digest), opened)
    return Source(tuple(sorted(clients)), tuple(accounts), tuple(movements.values()), digest.hexdigest())


def _clients(rows: Iterator[_Row]) -> set[int]:
    clients: set[int] = set()
    for row in rows:
        number = row.number(0)
        _must_be_new(row, number, clients)
        clients.add(number)
    return clients


def _opened(rows: Iterator[_Row]) -> dict[int, date]:
    opened: dict[int, date] = {}
    for row in rows:
        number, day = row.number(0), row.date(3)
        _must_be_new(row, number, opened)
        opened[number] = day
    return opened


def _accounts(rows: Iterator[_Row], clients: set[int], opened: dict[int, date]) -> Iterator[SourceAccount]:
    seen: set[int] = set()
    owners: dict[int, list[int]] = {number: [] for number in opened}
    disponents: dict[int, list[int]] = {number: [] for number in opened}
    for row in rows:
        number, client, account = row.number(0), row.number(1), row.number(2)
        role = row.one_of(3, (_OWNER, _DISPONENT))
        _must_be_new(row, number, seen)
        seen.add(number)
        if client not in clients:
            raise TAKEOVER_CLIENT_IS_UNKNOWN(file=row.file, line=row.line, number=client)
        if account not in opened:
            raise TAKEOVER_ACCOUNT_IS_UNKNOWN(file=row.file, line=row.line, number=account)
        (owners if role == _OWNER else disponents)[account].append(client)
    for account in sorted(opened):
        if len(owners[account]) != 1:
            raise TAKEOVER_ACCOUNT_NEEDS_ONE_OWNER(number=account, owners=len(owners[account]))
        yield SourceAccount(account, opened[account], owners[account][0], tuple(sorted(disponents[account])))


def _add_movements(movements: dict[int, SourceMovement], rows: Iterator[_Row], accounts: dict[int, date]) -> None:
    for row in rows:
        number, account, day = row.number(0), row.number(1), row.date(2)
        sign = _SIGNS[row.one_of(3, tuple(_SIGNS))]
        amount, balance = row.amount(5, signed=False), row.amount(6, signed=True)
        _must_be_new(row, number, movements)
        if account not in accounts:
            raise TAKEOVER_ACCOUNT_IS_UNKNOWN(file=row.file, line=row.line, number=account)
        operation, symbol, partner_bank, partner_account = (row.fields[index] for index in (4, 7, 8, 9))
        movements[number] = SourceMovement(
            number, account, day, sign * amount, balance, operation, symbol, partner_bank, partner_account
        )


def _must_be_new(row: _Row, number: int, known: set[int] | dict[int, date] | dict[int, SourceMovement]) -> None:
    if number in known:
        raise TAKEOVER_NUMBER_IS_REPEATED(file=row.file, line=row.line, column=row.columns[0], number=number)


def _rows(path: Path, columns: Sequence[str], digest: "hashlib._Hash") -> Iterator[_Row]:
    """The lines of a table after its header."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TAKEOVER_FILE_IS_MISSING(folder=path.parent, file=path.name) from error
    digest.update(hashlib.sha256(content).digest())
    reader = csv.reader(io.StringIO(_ascii(path.name, content), newline=""), delimiter=";", strict=True)
    line = 0
    while True:
        line += 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise TAKEOVER_LINE_IS_MALFORMED(file=path.name, line=line) from error
        if reader.line_num > line:  # a quoted field went on over the end of its line
            raise TAKEOVER_LINE_IS_MALFORMED(file=path.name, line=line)
        if line == 1 and tuple(fields or ()) != tuple(columns):
            raise TAKEOVER_HEADER_IS_WRONG(
                file=path.name, found=";".join(fields or ())[:120], expected=";".join(columns)
            )
        if fields is None:
            return
        if len(fields) != len(columns):
            raise TAKEOVER_FIELD_COUNT_IS_WRONG(file=path.name, line=line, found=len(fields), expected=len(columns))
        if line > 1:
            yield _Row(path.name, line, fields, columns)


def _ascii(file: str, content: bytes) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TAKEOVER_TEXT_IS_NOT_ASCII(file=file, line=line, byte=f"0x{content[error.start]:02x}") from error
