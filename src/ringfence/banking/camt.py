"""Statements and notifications of ISO 20022: camt.053, camt.052 and camt.054, in every version.

The versions differ in where things stand, not in what they mean, so one reader serves all: the namespace says which
message it is, and each thing is looked for in all of its places. The reader does not validate against a schema. Real
banks leave out what the schema demands and are right all the same; what protects the books is that a statement is
believed only when it adds up (`statement`), and that whatever is needed is refused by name where it is missing,
doubled or malformed.

`walk` gives, for each statement, its heading, its entries one by one, and its close, and keeps none of them: memory
stays flat however long the file is. **Everything it gives is provisional until it has ended**: a refusal may come with
the last byte, and then nothing in the file counts.

Which balances count, for a statement (external code set of ISO 20022):

- Opening: OPBD (opening booked) or PRCD (the previous closing booked). Both may stand; they must be equal.
- Closing: CLBD (closing booked).
- A page in the middle of a longer statement may open and close with ITBD (interim booked).
- Available, expected, forward and informational balances do not count: they hold what is not booked, or credit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from ringfence.banking.camt_fields import (
    Part,
    account,
    child,
    children,
    choice,
    code,
    day,
    detail,
    instant,
    minor_units,
    money,
    names_in,
    number,
    part_of,
    reference,
    refuse_repeated,
    required_text,
    sign,
    text,
    transaction_code,
    truth,
)
from ringfence.banking.message_stream import (
    MESSAGE_CONTRADICTS_ITS_NAMESPACE,
    Element,
    Message,
    cleared,
    local_name,
)
from ringfence.banking.statement import (
    BOOKED,
    STATEMENT_BALANCE_INCLUDES_CREDIT_LINE,
    STATEMENT_BALANCE_IS_AMBIGUOUS,
    STATEMENT_CURRENCIES_DIFFER,
    STATEMENT_DATES_ARE_REVERSED,
    STATEMENT_ENTRY_STATUS_IS_UNKNOWN,
    STATEMENT_FIELD_IS_MALFORMED,
    STATEMENT_FIELD_IS_MISSING,
    STATEMENT_HAS_NO_ACCOUNT,
    STATEMENT_HAS_NO_CLOSING_BALANCE,
    STATEMENT_HAS_NO_OPENING_BALANCE,
    STATEMENT_IS_ONE_PAGE_OF_SEVERAL,
    STATUSES,
    Balance,
    Close,
    Detail,
    Entry,
    EntryKeys,
    Gate,
    Heading,
    Page,
    StatementHeading,
    Totals,
    refuse_twins,
)
from ringfence.money import Currency, currency, format_minor
from ringfence.refusal import Fault, refusal

STATEMENT = "camt.053"
REPORT = "camt.052"
NOTIFICATION = "camt.054"

MESSAGE_HOLDS_NO_STATEMENT = refusal(
    "message_holds_no_statement",
    Fault.INPUT,
    en="{message} holds no {element}: whether nothing happened, it does not say.",
    zh="{message} 不含 {element}：无从得知当日是否无发生额。",
)
STATEMENT_ELEMENT_IS_MISPLACED = refusal(
    "statement_element_is_misplaced",
    Fault.INPUT,
    en="{element} stands in {place}, where no version of {message} has it.",
    zh="{element} 出现在 {place} 中，{message} 的任何版本均无此结构。",
)

_ROOTS = {STATEMENT: "BkToCstmrStmt", REPORT: "BkToCstmrAcctRpt", NOTIFICATION: "BkToCstmrDbtCdtNtfctn"}
_UNITS = {STATEMENT: "Stmt", REPORT: "Rpt", NOTIFICATION: "Ntfctn"}
_PAGINATIONS = ("StmtPgntn", "RptPgntn", "NtfctnPgntn")
_UNIT_NAMES = frozenset(
    (*_PAGINATIONS, "Id", "ElctrncSeqNb", "LglSeqNb", "CreDtTm", "FrToDt", "CpyDplctInd", "Acct", "TxsSummry")
)
_BEFORE_DETAILS = ("Amt", "CdtDbtInd", "RvslInd")
_ENTRY_NAMES = frozenset(
    (*_BEFORE_DETAILS, "Sts", "NtryRef", "BookgDt", "ValDt", "AcctSvcrRef", "BkTxCd", "Btch", "AddtlNtryInf")
)
_BOOKED_BALANCES = ("OPBD", "PRCD", "ITBD", "CLBD")


@dataclass(frozen=True, slots=True)
class _Group:
    """The group header of a message."""

    message_id: str | None = None
    created_on: date | None = None
    created_at: datetime | None = None
    page: Page | None = None


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A statement that is being read: its heading is known and its entries come."""

    heading: Heading
    gate: Gate
    keys: EntryKeys
    booked_on: date | None  # for an entry that does not say


def walk(message: Message, zone: tzinfo = UTC) -> Iterator[Heading | Entry | Close]:
    """Each heading, its entries, its close; times that name no offset are in the bank's `zone`."""
    unit = _UNITS[message.kind]
    _refuse_another_root(message)
    names, of_entry = names_in(message.namespace), names_in(message.namespace, _BEFORE_DETAILS)
    group, details = _Group(), list[Detail]()
    sheet: _Sheet | None = None
    beginning: Part | None = None  # of the entry that is being read
    closes: list[Close] = []
    for element in message.parts(("GrpHdr", unit, "Ntry", "TxDtls")):
        name = local_name(element)
        if name == "GrpHdr":
            group = _group(part_of(element, names), zone)
        elif name == unit:
            _refuse_misplaced(element, message.root or "", message)
            if sheet is None:
                sheet = _sheet(message, group, part_of(element, names), None, zone)
                yield sheet.heading
            _refuse_late_heading(element, message)
            closes.append(sheet.gate.close())
            yield closes[-1]
            sheet = None
        else:
            if beginning is None or sheet is None:
                entry = element if name == "Ntry" else _entry_around(element, message)
                around = _refuse_misplaced(entry, unit, message)
                beginning = part_of(entry, of_entry)
            if sheet is None:
                sheet = _sheet(message, group, part_of(around, names), beginning, zone)
                yield sheet.heading
            if name == "TxDtls":
                details.append(_detail(part_of(element, names), beginning, sheet.heading))
            else:
                made = _entry(part_of(element, names), sheet, tuple(details), message)
                details.clear()
                beginning = None
                sheet.gate.enter(made)
                yield made
        cleared(element)
    if not closes:
        raise MESSAGE_HOLDS_NO_STATEMENT(message=message.name, element=unit)
    refuse_twins(closes)


def _sheet(message: Message, group: _Group, unit: Part, entry: Part | None, zone: tzinfo) -> _Sheet:
    heading = _heading(message, group, unit, entry, zone)
    closing = heading.closing.on if isinstance(heading, StatementHeading) else None
    booked_on = closing or day(child(unit, "CreDtTm")) or group.created_on
    return _Sheet(heading, Gate(heading), EntryKeys(heading, closing), booked_on)


def _heading(message: Message, group: _Group, unit: Part, entry: Part | None, zone: tzinfo) -> Heading:
    refuse_repeated(unit, _UNIT_NAMES)
    statement_id = required_text(child(unit, "Id"), "Id", unit.name or message.name)
    owner = account(child(unit, "Acct"))
    if owner is None:
        raise STATEMENT_HAS_NO_ACCOUNT(statement=statement_id)
    balances = children(unit, "Bal") if message.kind == STATEMENT else []
    money_unit = _currency(child(unit, "Acct"), balances, entry, statement_id)
    page = _page(choice(unit, _PAGINATIONS)) or group.page
    period = child(unit, "FrToDt")
    heading = Heading(
        message=message.name,
        message_id=group.message_id,
        statement_id=statement_id,
        account=owner,
        currency=money_unit,
        electronic_sequence=number(child(unit, "ElctrncSeqNb")),
        legal_sequence=number(child(unit, "LglSeqNb")),
        created_at=instant(child(unit, "CreDtTm"), zone) or group.created_at,
        first_day=day(choice(period, ("FrDtTm", "FrDt"))),
        last_day=day(choice(period, ("ToDtTm", "ToDt"))),
        page=page,
        copy=text(child(unit, "CpyDplctInd")),
        totals=_totals(child(unit, "TxsSummry"), money_unit),
    )
    if message.kind != STATEMENT:
        return heading
    opening, closing, assumed = _balances(balances, money_unit, statement_id, page)
    return StatementHeading.of(heading, opening=opening, closing=closing, assumed=assumed)


def _currency(owner: Part | None, balances: list[Part], entry: Part | None, statement_id: str) -> Currency:
    """The account's, or where the bank does not say, that of its booked balances, or else of its first entry."""
    if given := text(child(owner, "Ccy")):
        return currency(given)
    booked = (balance for balance in balances if _balance_kind(balance) in _BOOKED_BALANCES)
    for place in (*booked, entry):
        if (amount := child(place, "Amt")) is not None and (found := amount.currency):
            return currency(found)
    if balances:  # none of them booked
        raise STATEMENT_HAS_NO_CLOSING_BALANCE(statement=statement_id, found=_kinds(balances))
    raise STATEMENT_FIELD_IS_MISSING(element="Ccy", place="Acct")


def _balances(
    elements: list[Part], unit: Currency, statement_id: str, page: Page | None
) -> tuple[Balance, Balance, tuple[str, ...]]:
    """Opening and closing, and what of them had to be assumed."""
    found: dict[str, list[Balance]] = {kind: [] for kind in _BOOKED_BALANCES}
    unsigned: list[Balance] = []
    credit_lines: list[Balance] = []
    for element in elements:
        if (kind := _balance_kind(element)) in found:
            balance = _balance(element, kind, unit)
            found[kind].append(balance)
            if child(element, "CdtDbtInd") is None:
                unsigned.append(balance)
            if _includes_credit_line(element):
                credit_lines.append(balance)
    part_of_more = page is not None and not page.whole
    interim = found["ITBD"] if part_of_more else []
    opening = _one_of(found["OPBD"] + found["PRCD"], statement_id, unit) or next(iter(interim), None)
    closing = _one_of(found["CLBD"], statement_id, unit) or next((b for b in interim[::-1] if b is not opening), None)
    if part_of_more and page is not None and (opening is None or closing is None):
        raise STATEMENT_IS_ONE_PAGE_OF_SEVERAL(statement=statement_id, page=page.number)
    if closing is None:
        raise STATEMENT_HAS_NO_CLOSING_BALANCE(statement=statement_id, found=_kinds(elements))
    if opening is None:
        raise STATEMENT_HAS_NO_OPENING_BALANCE(statement=statement_id, found=_kinds(elements))
    for balance in (opening, closing):
        if balance in credit_lines:
            raise STATEMENT_BALANCE_INCLUDES_CREDIT_LINE(statement=statement_id, kind=balance.kind)
    if opening.on > closing.on:
        raise STATEMENT_DATES_ARE_REVERSED(statement=statement_id, opening=opening.on, closing=closing.on)
    return opening, closing, ("balance_is_credit",) if opening in unsigned or closing in unsigned else ()


def _balance(part: Part, kind: str, unit: Currency) -> Balance:
    refuse_repeated(part, frozenset(("Amt", "CdtDbtInd", "Dt")))
    if (stated := child(part, "Amt")) is None:
        raise STATEMENT_FIELD_IS_MISSING(element="Amt", place=f"Bal {kind}")
    amount, found = money(stated)
    if found != unit:
        raise STATEMENT_CURRENCIES_DIFFER(element=f"Bal {kind}", found=found.code, expected=unit.code)
    on = day(child(part, "Dt"))
    if on is None:
        raise STATEMENT_FIELD_IS_MISSING(element="Dt", place=f"Bal {kind}")
    return Balance(kind, amount * (sign(child(part, "CdtDbtInd")) or 1), on)


def _one_of(balances: list[Balance], statement_id: str, unit: Currency) -> Balance | None:
    """The balance that all of these are: PRCD and OPBD, or one that is repeated."""
    for balance in balances:
        if balance.amount != balances[0].amount or (balance.kind == balances[0].kind and balance.on != balances[0].on):
            first, second = (f"{b.kind} {format_minor(b.amount, unit)} of {b.on}" for b in (balances[0], balance))
            raise STATEMENT_BALANCE_IS_AMBIGUOUS(statement=statement_id, first=first, second=second)
    return balances[0] if balances else None


def _includes_credit_line(balance: Part) -> bool:
    """A line of nothing changes nothing."""
    for line in children(balance, "CdtLine"):
        amount = child(line, "Amt")
        if truth(child(line, "Incl")) and (amount is None or money(amount)[0]):
            return True
    return False


def _balance_kind(balance: Part) -> str:
    kind = child(balance, "Tp")
    return code(child(kind, "CdOrPrtry")) or code(kind) or ""


def _kinds(balances: list[Part]) -> str:
    return ", ".join(dict.fromkeys(map(_balance_kind, balances))) or "none"


def _totals(summary: Part | None, unit: Currency) -> Totals | None:
    if summary is None:
        return None
    every, credited, debited = (child(summary, name) for name in ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries"))
    net = child(every, "TtlNetNtry")
    net_amount, direction = child(net, "Amt"), sign(child(net, "CdtDbtInd"))
    if net is None:  # up to version 03
        net_amount, direction = child(every, "TtlNetNtryAmt"), sign(child(every, "CdtDbtInd"))
    return Totals(
        entries=number(child(every, "NbOfNtries")),
        gross=_sum(every, unit),
        net=direction * minor_units(net_amount, unit, signed=True) if net_amount is not None and direction else None,
        credits_count=number(child(credited, "NbOfNtries")),
        credits=_sum(credited, unit),
        debits_count=number(child(debited, "NbOfNtries")),
        debits=_sum(debited, unit),
    )


def _sum(total: Part | None, unit: Currency) -> int | None:
    """Some banks write the sum of debits with a minus; its direction is in its name."""
    found = child(total, "Sum")
    return None if found is None else abs(minor_units(found, unit, signed=True))


def _entry(part: Part, sheet: _Sheet, details: tuple[Detail, ...], message: Message) -> Entry:
    refuse_repeated(part, _ENTRY_NAMES)
    get = part.parts.get
    stated, direction = get("Amt"), sign(get("CdtDbtInd"))
    if stated is None or direction is None:
        raise STATEMENT_FIELD_IS_MISSING(element="Amt" if stated is None else "CdtDbtInd", place="Ntry")
    amount, unit = money(stated)
    status, booked_on = _status(get("Sts"), message), day(get("BookgDt"))
    assumed = (() if status else ("booked",)) + (() if booked_on else ("booking_date",))
    booked_on = booked_on or sheet.booked_on
    if booked_on is None:
        raise STATEMENT_FIELD_IS_MISSING(element="BookgDt", place="Ntry")
    value_date, reversal = day(get("ValDt")), truth(get("RvslInd")) or False
    sole = details[0] if len(details) == 1 else Detail()
    bank_reference = reference(get("AcctSvcrRef")) or sole.bank_reference
    entry_reference = text(get("NtryRef"))
    batch = get("Btch") or child(part, "NtryDtls", "Btch")
    return Entry(
        key=sheet.keys.key(
            amount=direction * amount,
            booking_date=booked_on,
            value_date=value_date,
            reversal=reversal,
            bank_reference=bank_reference,
            entry_reference=entry_reference,
            end_to_end_id=sole.end_to_end_id,
        ),
        amount=direction * amount,
        currency=unit,
        status=status or BOOKED,
        booking_date=booked_on,
        value_date=value_date,
        reversal=reversal,
        bank_reference=bank_reference,
        entry_reference=entry_reference,
        batch_message_id=text(child(batch, "MsgId")),
        batch_payment_information_id=text(child(batch, "PmtInfId")),
        batch_count=number(child(batch, "NbOfTxs")),
        transaction_code=transaction_code(get("BkTxCd")),
        additional=text(get("AddtlNtryInf")),
        details=details,
        assumed=assumed,
    )


def _status(part: Part | None, message: Message) -> str | None:
    """A text up to version 05, a choice of codes later. A statement is of booked entries, so there the gates may bear
    out that an entry without a status is booked; elsewhere nothing could.
    """
    found = None
    if part is not None:
        found = text(part) if part.is_text else code(part)
        if found not in STATUSES:
            raise STATEMENT_ENTRY_STATUS_IS_UNKNOWN(status=(found or "")[:64], known=", ".join(STATUSES))
    elif message.kind != STATEMENT:
        raise STATEMENT_FIELD_IS_MISSING(element="Sts", place="Ntry")
    return found


def _detail(part: Part, entry: Part, heading: Heading) -> Detail:
    direction = sign(child(entry, "CdtDbtInd"))
    if direction is None:
        raise STATEMENT_FIELD_IS_MISSING(element="CdtDbtInd", place="Ntry")
    reversal = truth(child(entry, "RvslInd")) or False
    own = heading.account.identification
    return detail(part, direction=direction, reversal=reversal, unit=heading.currency, own_account=own)


def _group(part: Part, zone: tzinfo) -> _Group:
    created = child(part, "CreDtTm")
    page = _page(child(part, "MsgPgntn"))
    return _Group(text(child(part, "MsgId")), day(created), instant(created, zone), page)


def _page(part: Part | None) -> Page | None:
    if part is None:
        return None
    page, last = number(child(part, "PgNb")), truth(child(part, "LastPgInd"))
    if page is None or last is None:
        raise STATEMENT_FIELD_IS_MISSING(element="PgNb, LastPgInd", place=part.name)
    if page < 1:
        raise STATEMENT_FIELD_IS_MALFORMED(element="PgNb", text=str(page), expected="a page, from 1")
    return Page(page, last)


def _refuse_another_root(message: Message) -> None:
    root = _ROOTS[message.kind]
    if message.root is None:
        raise MESSAGE_HOLDS_NO_STATEMENT(message=message.name, element=root)
    if not re.fullmatch(root + "(V[0-9]{2})?", message.root, re.ASCII):  # version 01 has its number in the name
        raise MESSAGE_CONTRADICTS_ITS_NAMESPACE(message=message.kind, found=message.root[:64])


def _refuse_misplaced(element: Element, place: str, message: Message) -> Element:
    """What the element stands in, which is the place where it belongs."""
    around = element.getparent()
    if around is None or local_name(around) != place:
        found = "" if around is None else local_name(around)
        raise STATEMENT_ELEMENT_IS_MISPLACED(element=local_name(element), place=found, message=message.name)
    return around


def _entry_around(transaction: Element, message: Message) -> Element:
    """Version 01 has the transactions in the entry itself, later ones in its details."""
    around = transaction.getparent()
    if around is not None and local_name(around) == "NtryDtls":
        around = around.getparent()
    if around is None or local_name(around) != "Ntry":
        place = "" if around is None else local_name(around)
        raise STATEMENT_ELEMENT_IS_MISPLACED(element="TxDtls", place=place, message=message.name)
    return around


def _refuse_late_heading(unit: Element, message: Message) -> None:
    """What belongs before the entries must not come after them, where it would have been read too late."""
    after = False
    for element in unit:
        name = local_name(element)
        if after and (name in _UNIT_NAMES or name == "Bal"):
            place = f"{local_name(unit)} after Ntry"
            raise STATEMENT_ELEMENT_IS_MISPLACED(element=name, place=place, message=message.name)
        after = after or name == "Ntry"
