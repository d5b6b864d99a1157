"""Payment orders out: ISO 20022 pain.001.001.09, the file that asks a custodian bank to pay.

One file carries orders of one currency. They are grouped into payment instructions (`PmtInf`) by debtor account and
execution date, in the order of first appearance; each order is one `CdtTrfTxInf` and is to be booked singly
(`BtchBookg` false), because reconciliation is item by item. The number of orders and the control sum stand in the
group header and in every instruction. The bytes are a pure function of the arguments.

Nothing is ever shortened, replaced or left out to make an order fit. What a bank would refuse is refused here, by name,
before anything is sent:

- Identifiers (`MsgId`, `InstrId`, `EndToEndId`) are 1 to 35 characters of the EPC's Latin set, with no slash at either
  end and no two slashes in a row (EPC217-08). A message identifier leaves 5 characters for the instruction's number.
- Names are 1 to 140 characters and remittance texts up to 140, counted in characters and not in bytes: Chinese is
  welcome. No control, format, surrogate or private-use character, no noncharacter, no space at either end.
- Amounts are positive and fit ISO 20022's 18 digits.
- A `Dialect` narrows this for a bank that takes less: `EPC` is SEPA credit transfer (euro, IBANs, Latin, names of 70).

>>> from datetime import UTC, date, datetime
>>> from ringfence.banking.account_number import other_number
>>> from ringfence.money import currency
>>> pool = DebtorAccount("示例平台客户资金存管专户", other_number("110914001"), "SMPLCNBJ")
>>> order = PaymentOrder("I-1", "E-1", pool, "张三", other_number("6222020200112233445"), 12_50, currency("CNY"),
...                      date(2026, 3, 2), "提现", "CASH", "102100099996")
>>> content = payment_file([order], message_id="M-1", created_at=datetime(2026, 3, 2, 1, tzinfo=UTC),
...                        initiating_party="示例平台")
>>> '<InstdAmt Ccy="CNY">12.50</InstdAmt>' in content.decode()
True
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from lxml import etree

from ringfence.banking.account_number import AccountNumber, Scheme
from ringfence.banking.iso20022 import add, add_path, document, instant, serialised
from ringfence.money import INT64_MAX, Currency, format_minor
from ringfence.refusal import Fault, refusal

MESSAGE = "pain.001.001.09"
MESSAGE_ID_CHARACTERS_MAX = 30

PAYMENT_FILE_HAS_NO_ORDERS = refusal(
    "payment_file_has_no_orders",
    Fault.INPUT,
    en="Payment file {message_id!r} has no orders; it needs at least one.",
    zh="付款文件 {message_id!r} 没有指令；至少须有一笔。",
)
PAYMENT_FILE_MIXES_CURRENCIES = refusal(
    "payment_file_mixes_currencies",
    Fault.INPUT,
    en="One payment file carries one currency, not {currencies}.",
    zh="一个付款文件只能有一种货币，不能同时有 {currencies}。",
)
PAYMENT_FILE_REPEATS_AN_IDENTIFIER = refusal(
    "payment_file_repeats_an_identifier",
    Fault.INPUT,
    en="Two orders of one payment file carry the same {field} {text!r}.",
    zh="同一付款文件中有两笔指令的 {field} 同为 {text!r}。",
)
PAYMENT_FILE_SUM_IS_TOO_LARGE = refusal(
    "payment_file_sum_is_too_large",
    Fault.INPUT,
    en="The orders sum to {amount} {currency}; a control sum has at most 18 digits.",
    zh="指令合计 {amount} {currency}；控制总额最多 18 位数字。",
)
PAYMENT_IDENTIFIER_IS_MALFORMED = refusal(
    "payment_identifier_is_malformed",
    Fault.INPUT,
    en="{field} {text!r} is not 1 to {limit} of A-Z a-z 0-9 / - ? : ( ) . , ' + (no slash at an end, no two in a row).",
    zh="{field} {text!r} 须为 1 至 {limit} 个 A-Z a-z 0-9 / - ? : ( ) . , ' + 字符，首尾及相连处无斜杠。",
)
PAYMENT_TEXT_IS_MISSING = refusal(
    "payment_text_is_missing",
    Fault.INPUT,
    en="{field} is empty.",
    zh="{field} 为空。",
)
PAYMENT_TEXT_IS_TOO_LONG = refusal(
    "payment_text_is_too_long",
    Fault.INPUT,
    en="{field} has {length} characters; the bank takes {limit}. It is not shortened for you.",
    zh="{field} 有 {length} 个字符，银行最多接受 {limit} 个；系统不会代为截断。",
)
PAYMENT_TEXT_HAS_A_FORBIDDEN_CHARACTER = refusal(
    "payment_text_has_a_forbidden_character",
    Fault.INPUT,
    en="{field} has the character {character} at position {position}, which the bank refuses.",
    zh="{field} 第 {position} 位的字符 {character} 银行不接受。",
)
PAYMENT_AMOUNT_MUST_BE_POSITIVE = refusal(
    "payment_amount_must_be_positive",
    Fault.INPUT,
    en="An order pays more than nothing; this one says {amount} {currency}.",
    zh="付款金额必须大于零，该指令为 {amount} {currency}。",
)
PAYMENT_AMOUNT_IS_TOO_LARGE = refusal(
    "payment_amount_is_too_large",
    Fault.INPUT,
    en="{amount} {currency} is more than the {limit} that one order may carry.",
    zh="{amount} {currency} 超过单笔指令上限 {limit}。",
)
PAYMENT_CURRENCY_IS_NOT_TAKEN = refusal(
    "payment_currency_is_not_taken",
    Fault.INPUT,
    en="{dialect} does not take {currency}.",
    zh="{dialect} 不接受货币 {currency}。",
)
PAYMENT_ACCOUNT_MUST_BE_AN_IBAN = refusal(
    "payment_account_must_be_an_iban",
    Fault.INPUT,
    en="{dialect} takes IBANs only; {field} is {text!r}.",
    zh="{dialect} 只接受 IBAN；{field} 为 {text!r}。",
)
PAYMENT_PURPOSE_IS_MALFORMED = refusal(
    "payment_purpose_is_malformed",
    Fault.INPUT,
    en="{text!r} is not a purpose code of ISO 20022: four capital letters.",
    zh="{text!r} 不是 ISO 20022 用途代码：应为四位大写字母。",
)
PAYMENT_BANK_IS_MALFORMED = refusal(
    "payment_bank_is_malformed",
    Fault.INPUT,
    en="{text!r} is neither a BIC (ISO 9362) nor a 12-digit CNAPS number.",
    zh="{text!r} 既不是 BIC（ISO 9362），也不是 12 位联行号。",
)

_LATIN = "A-Za-z0-9/?:().,'+-"
_IDENTIFIER = re.compile(f"[{_LATIN}]+", re.ASCII)
_LATIN_TEXT = re.compile(f"[ {_LATIN}]", re.ASCII)
_PURPOSE = re.compile(r"[A-Z]{4}", re.ASCII)
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)
_CNAPS = re.compile(r"[0-9]{12}", re.ASCII)
_FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one bank takes of the standard; `currencies` and `name_characters_max` are its limits."""

    name: str
    name_characters_max: int
    remittance_characters_max: int
    amount_minor_max: int
    currencies: frozenset[str] | None  # None: any
    latin_only: bool
    iban_only: bool
    service_level: str | None  # SvcLvl/Cd
    charge_bearer: str | None  # ChrgBr


ISO_20022 = Dialect("ISO 20022", 140, 140, 10**18 - 1, None, False, False, None, None)
EPC = Dialect("SEPA", 70, 140, 999_999_999_99, frozenset({"EUR"}), True, True, "SEPA", "SLEV")


@dataclass(frozen=True, slots=True)
class DebtorAccount:
    """The account that pays: its owner's name as the bank knows it, its number, and the bank (BIC or CNAPS number, or
    empty when the bank is the one that the file goes to).
    """

    owner_name: str
    number: AccountNumber
    bank: str = ""


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """One credit transfer to be made. `amount_minor` is in minor units of `currency`; `remittance_text`, `purpose`
    (ISO 20022 external purpose code) and `creditor_bank` (BIC or CNAPS number) may be empty.
    """

    instruction_id: str
    end_to_end_id: str
    debtor: DebtorAccount
    creditor_name: str
    creditor_account: AccountNumber
    amount_minor: int
    currency: Currency
    requested_execution_date: date
    remittance_text: str = ""
    purpose: str = ""
    creditor_bank: str = ""


def payment_file(
    orders: Sequence[PaymentOrder],
    *,
    message_id: str,
    created_at: datetime,
    initiating_party: str,
    dialect: Dialect = ISO_20022,
) -> bytes:
    """The bytes of one pain.001.001.09; refused by the first requirement that the file or an order breaks."""
    if not orders:
        raise PAYMENT_FILE_HAS_NO_ORDERS(message_id=message_id)
    _check_identifier("MsgId", message_id, MESSAGE_ID_CHARACTERS_MAX)
    check_text("InitgPty/Nm", initiating_party, dialect.name_characters_max, dialect)
    for order in orders:
        check_order(order, dialect)
    _check_together(orders)

    whole, initiation = document(MESSAGE, "CstmrCdtTrfInitn")
    header = add(initiation, "GrpHdr")
    add(header, "MsgId", message_id)
    add(header, "CreDtTm", instant(created_at))
    _add_totals(header, orders)
    add_path(header, "InitgPty/Nm", initiating_party)
    for number, instruction in enumerate(_grouped(orders), start=1):
        _add_instruction(initiation, f"{message_id}-{number}", instruction, dialect)
    return serialised(whole)


def check_order(order: PaymentOrder, dialect: Dialect = ISO_20022) -> None:
    """Refuse an order that the bank would refuse, by the first requirement it breaks in the order written here."""
    _check_identifier("InstrId", order.instruction_id, 35)
    _check_identifier("EndToEndId", order.end_to_end_id, 35)
    check_text("Dbtr/Nm", order.debtor.owner_name, dialect.name_characters_max, dialect)
    check_text("Cdtr/Nm", order.creditor_name, dialect.name_characters_max, dialect)
    if order.remittance_text:
        check_text("RmtInf/Ustrd", order.remittance_text, dialect.remittance_characters_max, dialect)
    _check_amount(order, dialect)
    for field, account in (("DbtrAcct", order.debtor.number), ("CdtrAcct", order.creditor_account)):
        if dialect.iban_only and account.scheme is not Scheme.IBAN:
            raise PAYMENT_ACCOUNT_MUST_BE_AN_IBAN(dialect=dialect.name, field=field, text=account.text)
    if order.purpose and not _PURPOSE.fullmatch(order.purpose):
        raise PAYMENT_PURPOSE_IS_MALFORMED(text=order.purpose[:64])
    for bank in (order.debtor.bank, order.creditor_bank):
        if bank and not (_BIC.fullmatch(bank) or _CNAPS.fullmatch(bank)):
            raise PAYMENT_BANK_IS_MALFORMED(text=bank[:64])


def _check_identifier(field: str, text: str, limit: int) -> None:
    fits = 1 <= len(text) <= limit and _IDENTIFIER.fullmatch(text)
    if not fits or text.startswith("/") or text.endswith("/") or "//" in text:
        raise PAYMENT_IDENTIFIER_IS_MALFORMED(field=field, text=text[:64], limit=limit)


def check_text(field: str, text: str, limit: int, dialect: Dialect) -> None:
    """Refuse a text that a bank would refuse: empty, too long, or with a character that it does not take."""
    if not text.strip():
        raise PAYMENT_TEXT_IS_MISSING(field=field)
    if len(text) > limit:
        raise PAYMENT_TEXT_IS_TOO_LONG(field=field, length=len(text), limit=limit)
    for position, character in enumerate(text, start=1):
        at_an_end = position in {1, len(text)}
        if _is_forbidden(character, dialect) or (at_an_end and character.isspace()):
            code = f"U+{ord(character):04X}"
            raise PAYMENT_TEXT_HAS_A_FORBIDDEN_CHARACTER(field=field, character=code, position=position)


def _is_forbidden(character: str, dialect: Dialect) -> bool:
    if dialect.latin_only:
        return not _LATIN_TEXT.fullmatch(character)
    noncharacter = ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    return noncharacter or unicodedata.category(character) in _FORBIDDEN_CATEGORIES


def _check_amount(order: PaymentOrder, dialect: Dialect) -> None:
    amount, currency = order.amount_minor, order.currency
    if amount <= 0:
        raise PAYMENT_AMOUNT_MUST_BE_POSITIVE(amount=format_minor(amount, currency), currency=currency.code)
    if amount > min(dialect.amount_minor_max, INT64_MAX):
        limit = format_minor(dialect.amount_minor_max, currency)
        amount_text = format_minor(amount, currency)
        raise PAYMENT_AMOUNT_IS_TOO_LARGE(amount=amount_text, currency=currency.code, limit=limit)
    if dialect.currencies is not None and currency.code not in dialect.currencies:
        raise PAYMENT_CURRENCY_IS_NOT_TAKEN(dialect=dialect.name, currency=currency.code)


def _check_together(orders: Sequence[PaymentOrder]) -> None:
    currencies = sorted({order.currency.code for order in orders})
    if len(currencies) > 1:
        raise PAYMENT_FILE_MIXES_CURRENCIES(currencies=", ".join(currencies))
    for field, identifiers in (
        ("InstrId", [order.instruction_id for order in orders]),
        ("EndToEndId", [order.end_to_end_id for order in orders]),
    ):
        seen: set[str] = set()
        for identifier in identifiers:
            if identifier in seen:
                raise PAYMENT_FILE_REPEATS_AN_IDENTIFIER(field=field, text=identifier)
            seen.add(identifier)
    total, currency = sum(order.amount_minor for order in orders), orders[0].currency
    if total >= 10**18:
        raise PAYMENT_FILE_SUM_IS_TOO_LARGE(amount=format_minor(total, currency), currency=currency.code)


def _grouped(orders: Sequence[PaymentOrder]) -> list[list[PaymentOrder]]:
    groups: dict[tuple[DebtorAccount, date], list[PaymentOrder]] = {}
    for order in orders:
        groups.setdefault((order.debtor, order.requested_execution_date), []).append(order)
    return list(groups.values())


def _add_totals(parent: etree._Element, orders: Sequence[PaymentOrder]) -> None:
    add(parent, "NbOfTxs", str(len(orders)))
    add(parent, "CtrlSum", format_minor(sum(order.amount_minor for order in orders), orders[0].currency))


def _add_instruction(parent: etree._Element, identifier: str, orders: Sequence[PaymentOrder], dialect: Dialect) -> None:
    first = orders[0]
    instruction = add(parent, "PmtInf")
    add(instruction, "PmtInfId", identifier)
    add(instruction, "PmtMtd", "TRF")
    add(instruction, "BtchBookg", "false")
    _add_totals(instruction, orders)
    if dialect.service_level:
        add_path(instruction, "PmtTpInf/SvcLvl/Cd", dialect.service_level)
    add_path(instruction, "ReqdExctnDt/Dt", first.requested_execution_date.isoformat())
    add_path(instruction, "Dbtr/Nm", first.debtor.owner_name)
    account = add(instruction, "DbtrAcct")
    _add_account(account, first.debtor.number)
    add(account, "Ccy", first.currency.code)
    _add_bank(add(instruction, "DbtrAgt"), first.debtor.bank)
    if dialect.charge_bearer:
        add(instruction, "ChrgBr", dialect.charge_bearer)
    for order in orders:
        _add_transfer(instruction, order)


def _add_transfer(parent: etree._Element, order: PaymentOrder) -> None:
    transfer = add(parent, "CdtTrfTxInf")
    identifiers = add(transfer, "PmtId")
    add(identifiers, "InstrId", order.instruction_id)
    add(identifiers, "EndToEndId", order.end_to_end_id)
    amount = add(transfer, "Amt")
    add(amount, "InstdAmt", format_minor(order.amount_minor, order.currency), Ccy=order.currency.code)
    if order.creditor_bank:
        _add_bank(add(transfer, "CdtrAgt"), order.creditor_bank)
    add_path(transfer, "Cdtr/Nm", order.creditor_name)
    _add_account(add(transfer, "CdtrAcct"), order.creditor_account)
    if order.purpose:
        add_path(transfer, "Purp/Cd", order.purpose)
    if order.remittance_text:
        add_path(transfer, "RmtInf/Ustrd", order.remittance_text)


def _add_account(parent: etree._Element, number: AccountNumber) -> None:
    add_path(parent, "Id/IBAN" if number.scheme is Scheme.IBAN else "Id/Othr/Id", number.text)


def _add_bank(parent: etree._Element, bank: str) -> None:
    """DbtrAgt is required by the schema; where no bank is named, the EPC's word for it is NOTPROVIDED."""
    institution = add(parent, "FinInstnId")
    if _CNAPS.fullmatch(bank):
        member = add(institution, "ClrSysMmbId")
        add_path(member, "ClrSysId/Cd", "CNAPS")
        add(member, "MmbId", bank)
    elif bank:
        add(institution, "BICFI", bank)
    else:
        add_path(institution, "Othr/Id", "NOTPROVIDED")
