"""What a bank tells its customer of an account: camt.053.001.08 at the end of a day, camt.054.001.08 during it.

These are written by the simulated bank; the files of real banks are only read. The writer writes what it is told, also
what does not add up (a bank's mistake must be makeable), except that the totals of a statement are those of the entries
it lists. A statement lists its opening balance (OPBD), its closing balance (CLBD), its entries in booking order, and a
sequence number that grows by one with each statement of the account. The bytes are a pure function of the values.

An entry's amount is positive and its direction said apart, as ISO 20022 has it; a balance may be negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from lxml import etree

from ringfence.banking.account_number import AccountNumber, Scheme
from ringfence.banking.iso20022 import add, add_path, document, instant, serialised
from ringfence.money import Currency, format_minor

STATEMENT_MESSAGE = "camt.053.001.08"
ADVICE_MESSAGE = "camt.054.001.08"


class EntryKind(Enum):
    """What happened, as family and sub-family of the ISO 20022 bank transaction code in the domain PMNT."""

    RECEIPT = ("RCDT", "DMCT")  # a credit transfer received
    PAYMENT = ("ICDT", "DMCT")  # a credit transfer that the owner ordered
    RETURN = ("ICDT", "RRTN")  # such a payment came back (退汇)


@dataclass(frozen=True, slots=True)
class AccountHeld:
    """An account at the bank, with the owner's name and its one currency."""

    number: AccountNumber
    owner_name: str
    currency: Currency


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """One booked line. `signed_minor` is positive for a credit; `reference` is the bank's own and unique at the bank.
    An empty text is left out of the file, as real banks leave out what they do not know.
    """

    reference: str
    kind: EntryKind
    signed_minor: int
    booked_on: date
    value_on: date
    message_id: str = ""
    payment_information_id: str = ""
    instruction_id: str = ""
    end_to_end_id: str = ""
    counterparty_name: str = ""
    counterparty_account: AccountNumber | None = None
    remittance_text: str = ""
    return_reason: str = ""


@dataclass(frozen=True, slots=True)
class DayStatement:
    """A statement from `first_day` to `last_day`, both included; usually the same day, after a holiday more."""

    identifier: str
    sequence_number: int
    account: AccountHeld
    first_day: date
    last_day: date
    opening_minor: int
    closing_minor: int
    entries: tuple[BookedEntry, ...]


def statement_file(statements: Sequence[DayStatement], *, message_id: str, created_at: datetime) -> bytes:
    """The bytes of one camt.053.001.08."""
    whole, root = document(STATEMENT_MESSAGE, "BkToCstmrStmt")
    _add_header(root, message_id, created_at)
    for each in statements:
        statement = add(root, "Stmt")
        add(statement, "Id", each.identifier)
        add(statement, "ElctrncSeqNb", str(each.sequence_number))
        add(statement, "CreDtTm", instant(created_at))
        period = add(statement, "FrToDt")
        add(period, "FrDtTm", f"{each.first_day.isoformat()}T00:00:00")
        add(period, "ToDtTm", f"{each.last_day.isoformat()}T23:59:59")
        _add_account(add(statement, "Acct"), each.account)
        _add_balance(statement, "OPBD", each.opening_minor, each.first_day, each.account.currency)
        _add_balance(statement, "CLBD", each.closing_minor, each.last_day, each.account.currency)
        _add_totals(statement, each.entries, each.account.currency)
        for entry in each.entries:
            _add_entry(statement, entry, each.account.currency)
    return serialised(whole)


def advice_file(
    account: AccountHeld, entries: Sequence[BookedEntry], *, message_id: str, identifier: str, created_at: datetime
) -> bytes:
    """The bytes of one camt.054.001.08: these entries of the account have been booked."""
    whole, root = document(ADVICE_MESSAGE, "BkToCstmrDbtCdtNtfctn")
    _add_header(root, message_id, created_at)
    notification = add(root, "Ntfctn")
    add(notification, "Id", identifier)
    add(notification, "CreDtTm", instant(created_at))
    _add_account(add(notification, "Acct"), account)
    _add_totals(notification, entries, account.currency)
    for entry in entries:
        _add_entry(notification, entry, account.currency)
    return serialised(whole)


def _add_header(root: etree._Element, message_id: str, created_at: datetime) -> None:
    header = add(root, "GrpHdr")
    add(header, "MsgId", message_id)
    add(header, "CreDtTm", instant(created_at))


def _add_account(parent: etree._Element, account: AccountHeld) -> None:
    _add_number(parent, account.number)
    add(parent, "Ccy", account.currency.code)
    add_path(parent, "Ownr/Nm", account.owner_name)


def _add_number(parent: etree._Element, number: AccountNumber) -> None:
    add_path(parent, "Id/IBAN" if number.scheme is Scheme.IBAN else "Id/Othr/Id", number.text)


def _add_signed(parent: etree._Element, signed_minor: int, currency: Currency) -> None:
    add(parent, "Amt", format_minor(abs(signed_minor), currency), Ccy=currency.code)
    add(parent, "CdtDbtInd", "DBIT" if signed_minor < 0 else "CRDT")


def _add_balance(parent: etree._Element, code: str, signed_minor: int, day: date, currency: Currency) -> None:
    balance = add(parent, "Bal")
    add_path(balance, "Tp/CdOrPrtry/Cd", code)
    _add_signed(balance, signed_minor, currency)
    add_path(balance, "Dt/Dt", day.isoformat())


def _add_totals(parent: etree._Element, entries: Sequence[BookedEntry], currency: Currency) -> None:
    amounts = [entry.signed_minor for entry in entries]
    credits_minor, debits_minor = [each for each in amounts if each > 0], [-each for each in amounts if each < 0]
    totals = add(parent, "TxsSummry")
    both = add(totals, "TtlNtries")
    _add_count(both, [*credits_minor, *debits_minor], currency)
    net = add(both, "TtlNetNtry")
    add(net, "Amt", format_minor(abs(sum(amounts)), currency))
    add(net, "CdtDbtInd", "DBIT" if sum(amounts) < 0 else "CRDT")
    _add_count(add(totals, "TtlCdtNtries"), credits_minor, currency)
    _add_count(add(totals, "TtlDbtNtries"), debits_minor, currency)


def _add_count(parent: etree._Element, amounts_minor: Sequence[int], currency: Currency) -> None:
    add(parent, "NbOfNtries", str(len(amounts_minor)))
    add(parent, "Sum", format_minor(sum(amounts_minor), currency))


def _add_entry(parent: etree._Element, entry: BookedEntry, currency: Currency) -> None:
    line = add(parent, "Ntry")
    add(line, "NtryRef", entry.reference)
    _add_signed(line, entry.signed_minor, currency)
    add_path(line, "Sts/Cd", "BOOK")
    add_path(line, "BookgDt/Dt", entry.booked_on.isoformat())
    add_path(line, "ValDt/Dt", entry.value_on.isoformat())
    add(line, "AcctSvcrRef", entry.reference)
    domain = add_path(line, "BkTxCd/Domn")
    add(domain, "Cd", "PMNT")
    family = add(domain, "Fmly")
    add(family, "Cd", entry.kind.value[0])
    add(family, "SubFmlyCd", entry.kind.value[1])
    _add_details(add_path(line, "NtryDtls/TxDtls"), entry, currency)


def _add_details(details: etree._Element, entry: BookedEntry, currency: Currency) -> None:
    references = add(details, "Refs")
    for name, text in (
        ("MsgId", entry.message_id),
        ("AcctSvcrRef", entry.reference),
        ("PmtInfId", entry.payment_information_id),
        ("InstrId", entry.instruction_id),
        ("EndToEndId", entry.end_to_end_id),
    ):
        if text:
            add(references, name, text)
    _add_signed(details, entry.signed_minor, currency)
    if entry.counterparty_name or entry.counterparty_account:
        # The other side of a receipt is its debtor. A payment's is its creditor, and stays that when it comes back.
        role = "Dbtr" if entry.kind is EntryKind.RECEIPT else "Cdtr"
        parties = add(details, "RltdPties")
        if entry.counterparty_name:
            add_path(parties, f"{role}/Pty/Nm", entry.counterparty_name)
        if entry.counterparty_account:
            _add_number(add(parties, f"{role}Acct"), entry.counterparty_account)
    if entry.remittance_text:
        add_path(details, "RmtInf/Ustrd", entry.remittance_text)
    if entry.return_reason:
        add_path(details, "RtrInf/Rsn/Cd", entry.return_reason)
