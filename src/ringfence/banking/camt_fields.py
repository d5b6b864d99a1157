"""The texts and small structures of camt messages as values: XML Schema's types, parties, references, codes.

Each function takes an element and says where it looked when it refuses. Text is what stands between the tags, without
the white space around it; a text with elements inside is refused, because its first piece is not the whole.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

from ringfence.banking.message_stream import Element
from ringfence.banking.statement import (
    NO_REFERENCE,
    STATEMENT_AMOUNT_CARRIES_A_SIGN,
    STATEMENT_FIELD_IS_MALFORMED,
    STATEMENT_FIELD_IS_MISSING,
    STATEMENT_FIELD_IS_REPEATED,
    Account,
    Detail,
)
from ringfence.money import Currency, currency, parse_minor
from ringfence.refusal import Refused

_WHITE = " \t\r\n"  # XML's, and no other
_DECIMAL = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?", re.ASCII)
_DATE = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>\.[0-9]+)?)?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
_SIGNS = {"CRDT": 1, "DBIT": -1}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def child(element: Element | None, *path: str) -> Element | None:
    """The first descendant along the names, all in the namespace of the element."""
    for name in path:
        if element is None:
            return None
        element = next(element.iterchildren(_prefix(element) + name), None)
    return element


def children(element: Element, name: str) -> Iterator[Element]:
    return element.iterchildren(_prefix(element) + name)


def singles(element: Element, names: frozenset[str]) -> dict[str, Element]:
    """The children of these names, each of which may stand once only."""
    prefix = _prefix(element)
    found: dict[str, Element] = {}
    for one in element:
        tag = str(one.tag)
        if tag.startswith(prefix) and (name := tag[len(prefix) :]) in names:
            if name in found:
                raise STATEMENT_FIELD_IS_REPEATED(element=name, place=local_name(element))
            found[name] = one
    return found


def text(element: Element | None) -> str | None:
    if element is None:
        return None
    if len(element):
        raise STATEMENT_FIELD_IS_MALFORMED(
            element=local_name(element), text=f"<{local_name(element[0])}>", expected="a text"
        )
    return (element.text or "").strip(_WHITE) or None


def required_text(element: Element | None, name: str, place: str) -> str:
    found = text(element)
    if found is None:
        raise STATEMENT_FIELD_IS_MISSING(element=name, place=place)
    return found


def sign(element: Element | None) -> int | None:
    """1 for a credit, -1 for a debit, None where there is no indicator."""
    found = text(element)
    if found is None:
        return None
    if found not in _SIGNS:
        raise STATEMENT_FIELD_IS_MALFORMED(element="CdtDbtInd", text=found[:64], expected="CRDT or DBIT")
    return _SIGNS[found]


def truth(element: Element | None) -> bool | None:
    found = text(element)
    if found is None or element is None:
        return None
    if found not in _TRUTHS:
        raise STATEMENT_FIELD_IS_MALFORMED(element=local_name(element), text=found[:64], expected="true or false")
    return _TRUTHS[found]


def number(element: Element | None) -> int | None:
    """A whole number of at most 18 digits."""
    found = text(element)
    if found is None or element is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", found, re.ASCII):
        raise STATEMENT_FIELD_IS_MALFORMED(element=local_name(element), text=found[:64], expected="a whole number")
    return int(found)


def money(element: Element) -> tuple[int, Currency]:
    """Minor units and currency of an amount, which has no sign of its own (ISO 20022, minInclusive 0)."""
    code = element.get("Ccy")
    if code is None:
        raise STATEMENT_FIELD_IS_MISSING(element="Ccy", place=local_name(element))
    unit = currency(code)
    return minor_units(element, unit, signed=False), unit


def minor_units(element: Element, unit: Currency, *, signed: bool) -> int:
    """XML Schema's decimal allows a plus, and nothing on one side of the point; it has no exponent and no NaN."""
    found = required_text(element, "a number", local_name(element))
    match = _DECIMAL.fullmatch(found)
    if match is None or not (match["whole"] or match["fraction"]):
        return parse_minor(found, unit)  # refuses it in its own words
    if match["sign"] == "-" and not signed:
        raise STATEMENT_AMOUNT_CARRIES_A_SIGN(element=local_name(element), text=found[:64])
    minor = parse_minor(f"{match['whole'] or '0'}.{match['fraction'] or '0'}", unit)
    return -minor if match["sign"] == "-" else minor


def day(element: Element | None) -> date | None:
    """The date as it is written, of a date, a date and time, or a choice of both (`Dt`, `DtTm`)."""
    if element is None:
        return None
    if len(element):
        return day(choice(element, ("Dt", "DtTm")))
    found = text(element)
    if found is None:
        return None
    match = _DATE.fullmatch(found)
    if match is None:
        raise _no_date(element, found)
    try:
        return date.fromisoformat(match["date"])
    except ValueError:
        raise _no_date(element, found) from None


def instant(element: Element | None, zone: tzinfo) -> datetime | None:
    """The instant of a date and time, to the microsecond; one that names no offset is in the bank's zone."""
    found = text(element)
    if found is None or element is None:
        return None
    match = _DATE.fullmatch(found)
    if match is None:
        raise _no_date(element, found)
    time, fraction, offset = match["time"] or "00:00:00", (match["fraction"] or "")[:7], match["offset"] or ""
    midnight = time == "24:00:00"
    try:
        at = datetime.fromisoformat(f"{match['date']}T{'00:00:00' if midnight else time}{fraction}{offset}")
        at = at + timedelta(days=1) if midnight else at
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_date(element, found) from None


def choice(element: Element, names: tuple[str, ...]) -> Element | None:
    """The one of several elements that is there."""
    return next((found for name in names if (found := child(element, name)) is not None), None)


def code(element: Element | None) -> str | None:
    """Of a choice between a code of ISO's and one of the bank's own."""
    return None if element is None else text(choice(element, ("Cd", "Prtry")))


def account(element: Element | None) -> Account | None:
    """The identification of a cash account, in the ways of all versions since 001.01."""
    identification = child(element, "Id")
    if identification is None:
        return None
    for name in ("IBAN", "BBAN", "UPIC"):
        if found := text(child(identification, name)):
            return Account(name, found.replace(" ", ""))
    other = choice(identification, ("Othr", "PrtryAcct"))
    found = text(child(other, "Id"))
    return Account(code(child(other, "SchmeNm")) or "", found) if found else None


def transaction_code(element: Element | None) -> str | None:
    """ISO's domain/family/subfamily, or the bank's own code after `bank:`."""
    if element is None:
        return None
    domain = child(element, "Domn")
    family = child(domain, "Fmly")
    parts = [text(child(domain, "Cd")), text(child(family, "Cd")), text(child(family, "SubFmlyCd"))]
    if any(parts):
        return "/".join(part or "" for part in parts)
    own = text(child(element, "Prtry", "Cd"))
    return f"bank:{own}" if own else None


def reference(element: Element | None) -> str | None:
    found = text(element)
    return None if found in NO_REFERENCE else found


def detail(element: Element, *, direction: int, reversal: bool, unit: Currency, own_account: str) -> Detail:
    """A transaction inside an entry (`TxDtls`). `direction` is the entry's, for a transaction that gives none."""
    part = singles(element, _DETAIL_NAMES)
    references, parties, remittance = part.get("Refs"), part.get("RltdPties"), part.get("RmtInf")
    towards = _other_side(parties, direction=-direction if reversal else direction, own_account=own_account)
    structured = [] if remittance is None else list(children(remittance, "Strd"))
    free = [] if remittance is None else list(children(remittance, "Ustrd"))
    more = [line for one in structured for line in children(one, "AddtlRmtInf")]
    return Detail(
        amount=_detail_amount(element, unit, sign(part.get("CdtDbtInd")) or direction),
        bank_reference=reference(child(references, "AcctSvcrRef")),
        end_to_end_id=reference(child(references, "EndToEndId")),
        instruction_id=reference(child(references, "InstrId")),
        message_id=text(child(references, "MsgId")),
        payment_information_id=text(child(references, "PmtInfId")),
        transaction_id=reference(child(references, "TxId")),
        counterparty_name=_party_name(child(parties, towards)),
        counterparty_account=_identification(child(parties, towards + "Acct")),
        counterparty_bank=_bank(child(part.get("RltdAgts"), towards + "Agt", "FinInstnId")),
        creditor_reference=next(filter(None, map(_creditor_reference, structured)), None),
        remittance="\n".join(filter(None, map(text, [*free, *more]))) or text(part.get("AddtlTxInf")),
        return_reason=code(child(part.get("RtrInf"), "Rsn")),
        transaction_code=transaction_code(part.get("BkTxCd")),
    )


_DETAIL_NAMES = frozenset(
    ("Refs", "Amt", "CdtDbtInd", "AmtDtls", "BkTxCd", "RltdPties", "RltdAgts", "RmtInf", "RtrInf", "AddtlTxInf")
)


def _prefix(element: Element) -> str:
    tag = str(element.tag)
    return tag[: tag.rfind("}") + 1]


def _no_date(element: Element, found: str) -> Refused:
    return STATEMENT_FIELD_IS_MALFORMED(element=local_name(element), text=found[:64], expected="a date (ISO 8601)")


def _detail_amount(element: Element, unit: Currency, direction: int) -> int | None:
    """Versions up to 03 keep it in AmtDtls/TxAmt, later ones in Amt; only one in the account's currency counts."""
    for amount in (child(element, "Amt"), child(element, "AmtDtls", "TxAmt", "Amt")):
        if amount is not None and amount.get("Ccy") == unit.code:
            return direction * minor_units(amount, unit, signed=False)
    return None


def _other_side(parties: Element | None, *, direction: int, own_account: str) -> str:
    """Debtor or creditor: the side whose account is not ours; where that does not tell, the side that the money came
    from or went to. A reversal names the parties of what it takes back.
    """
    if _identification(child(parties, "CdtrAcct")) == own_account:
        return "Dbtr"
    if _identification(child(parties, "DbtrAcct")) == own_account:
        return "Cdtr"
    return "Dbtr" if direction > 0 else "Cdtr"


def _identification(element: Element | None) -> str | None:
    found = account(element)
    return found.identification if found else None


def _party_name(element: Element | None) -> str | None:
    """Since version 08 the party is a choice of a party and a financial institution."""
    for path in (("Nm",), ("Pty", "Nm"), ("Agt", "FinInstnId", "Nm")):
        if found := text(child(element, *path)):
            return found
    return None


def _bank(element: Element | None) -> str | None:
    for path in (("BICFI",), ("BIC",), ("ClrSysMmbId", "MmbId"), ("Nm",)):
        if found := text(child(element, *path)):
            return found
    return None


def _creditor_reference(structured: Element) -> str | None:
    information = child(structured, "CdtrRefInf")
    return text(child(information, "Ref")) or text(child(information, "CdtrRef"))
