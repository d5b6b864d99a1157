"""The texts and small structures of camt messages as values: XML Schema's types, parties, references, codes.

An element is walked over once, into a `Part` that holds what is read of it. Text is what stands between the tags,
without the white space around it; a text with elements inside is refused, because its first piece is not the whole.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType

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


@dataclass(slots=True)
class Part:
    """An element with what is read of it. `parts` holds the first of each name, `more` those that come again."""

    name: str
    text: str | None
    currency: str | None  # of an amount
    is_text: bool  # no element stands inside
    parts: "Mapping[str, Part]"
    more: "Sequence[Part]"


_NOTHING: Mapping[str, Part] = MappingProxyType({})
_NAMES = """
Acct AcctSvcrRef AddtlNtryInf AddtlRmtInf AddtlTxInf Agt Amt AmtDtls BBAN BIC BICFI Bal BkTxCd BookgDt Btch Ccy Cd
CdOrPrtry CdtDbtInd CdtLine Cdtr CdtrAcct CdtrAgt CdtrRef CdtrRefInf ClrSysMmbId CpyDplctInd CreDtTm Dbtr DbtrAcct
DbtrAgt Domn Dt DtTm ElctrncSeqNb EndToEndId FinInstnId Fmly FrDt FrDtTm FrToDt IBAN Id Incl InstrId LastPgInd
LglSeqNb MmbId MsgId MsgPgntn NbOfNtries NbOfTxs Nm NtfctnPgntn NtryDtls NtryRef Othr PgNb PmtInfId Prtry PrtryAcct
Pty Ref Refs RltdAgts RltdPties RmtInf RptPgntn Rsn RtrInf RvslInd SchmeNm StmtPgntn Strd Sts SubFmlyCd Sum ToDt
ToDtTm Tp TtlCdtNtries TtlDbtNtries TtlNetNtry TtlNetNtryAmt TtlNtries TxAmt TxId TxsSummry UPIC Ustrd ValDt
"""


def names_in(namespace: str, names: Iterable[str] = _NAMES.split()) -> dict[str, str]:
    """The tags that are read, each with its local name."""
    return {f"{{{namespace}}}{name}": name for name in names}


def part_of(element: Element, names: Mapping[str, str]) -> Part:
    """One walk over an element; what is not read is passed over with all that stands in it."""
    parts: dict[str, Part] = {}
    more: list[Part] = []
    for inner in element:
        name = names.get(inner.tag)
        if name is None:
            continue
        part = part_of(inner, names) if len(inner) else _leaf(inner, name)
        if name in parts:
            more.append(part)
        else:
            parts[name] = part
    name = names.get(element.tag, "")
    return Part(name, None, element.get("Ccy") if name == "Amt" else None, False, parts, more)


def _leaf(element: Element, name: str) -> Part:
    text = element.text
    stripped = text.strip(_WHITE) if text else None
    return Part(name, stripped or None, element.get("Ccy") if name == "Amt" else None, True, _NOTHING, ())


def child(part: Part | None, *path: str) -> Part | None:
    """The first along the names."""
    for name in path:
        if part is None:
            return None
        part = part.parts.get(name)
    return part


def children(part: Part | None, name: str) -> list[Part]:
    if part is None or name not in part.parts:
        return []
    return [part.parts[name], *(again for again in part.more if again.name == name)]


def refuse_repeated(part: Part, names: frozenset[str]) -> None:
    """What is read once may stand once only."""
    for again in part.more:
        if again.name in names:
            raise STATEMENT_FIELD_IS_REPEATED(element=again.name, place=part.name)


def text(part: Part | None) -> str | None:
    if part is None:
        return None
    if not part.is_text:
        raise STATEMENT_FIELD_IS_MALFORMED(element=part.name, text="<...>", expected="a text")
    return part.text


def required_text(part: Part | None, name: str, place: str) -> str:
    found = text(part)
    if found is None:
        raise STATEMENT_FIELD_IS_MISSING(element=name, place=place)
    return found


def sign(part: Part | None) -> int | None:
    """1 for a credit, -1 for a debit, None where there is no indicator."""
    found = text(part)
    if found is None:
        return None
    if found not in _SIGNS:
        raise STATEMENT_FIELD_IS_MALFORMED(element="CdtDbtInd", text=found[:64], expected="CRDT or DBIT")
    return _SIGNS[found]


def truth(part: Part | None) -> bool | None:
    found = text(part)
    if found is None or part is None:
        return None
    if found not in _TRUTHS:
        raise STATEMENT_FIELD_IS_MALFORMED(element=part.name, text=found[:64], expected="true or false")
    return _TRUTHS[found]


def number(part: Part | None) -> int | None:
    """A whole number of at most 18 digits."""
    found = text(part)
    if found is None or part is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", found, re.ASCII):
        raise STATEMENT_FIELD_IS_MALFORMED(element=part.name, text=found[:64], expected="a whole number")
    return int(found)


def money(part: Part) -> tuple[int, Currency]:
    """Minor units and currency of an amount, which has no sign of its own (ISO 20022, minInclusive 0)."""
    if part.currency is None:
        raise STATEMENT_FIELD_IS_MISSING(element="Ccy", place=part.name)
    unit = currency(part.currency)
    return minor_units(part, unit, signed=False), unit


def minor_units(part: Part, unit: Currency, *, signed: bool) -> int:
    """XML Schema's decimal allows a plus, and nothing on one side of the point; it has no exponent and no NaN."""
    found = required_text(part, "a number", part.name)
    if found[0].isdigit() and found[-1] != ".":
        return parse_minor(found, unit)
    match = _DECIMAL.fullmatch(found)
    if match is None or not (match["whole"] or match["fraction"]):
        return parse_minor(found, unit)  # refuses it in its own words
    if match["sign"] == "-" and not signed:
        raise STATEMENT_AMOUNT_CARRIES_A_SIGN(element=part.name, text=found[:64])
    minor = parse_minor(f"{match['whole'] or '0'}.{match['fraction'] or '0'}", unit)
    return -minor if match["sign"] == "-" else minor


def day(part: Part | None) -> date | None:
    """The date as it is written, of a date, a date and time, or a choice of both (`Dt`, `DtTm`)."""
    if part is None:
        return None
    if not part.is_text:
        return day(choice(part, ("Dt", "DtTm")))
    found = text(part)
    if found is None:
        return None
    on = _date_in(found)
    if on is None:
        raise _no_date(part, found)
    return on


def instant(part: Part | None, zone: tzinfo) -> datetime | None:
    """The instant of a date and time, to the microsecond; one that names no offset is in the bank's zone."""
    found = text(part)
    if found is None or part is None:
        return None
    match = _DATE.fullmatch(found)
    if match is None:
        raise _no_date(part, found)
    time, fraction, offset = match["time"] or "00:00:00", (match["fraction"] or "")[:7], match["offset"] or ""
    midnight = time == "24:00:00"
    try:
        at = datetime.fromisoformat(f"{match['date']}T{'00:00:00' if midnight else time}{fraction}{offset}")
        at = at + timedelta(days=1) if midnight else at
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_date(part, found) from None


def choice(part: Part | None, names: tuple[str, ...]) -> Part | None:
    """The one of several that is there."""
    return next((found for name in names if (found := child(part, name)) is not None), None)


def code(part: Part | None) -> str | None:
    """Of a choice between a code of ISO's and one of the bank's own."""
    return text(choice(part, ("Cd", "Prtry")))


def account(part: Part | None) -> Account | None:
    """The identification of a cash account, in the ways of all versions since 001.01."""
    identification = child(part, "Id")
    if identification is None:
        return None
    for name in ("IBAN", "BBAN", "UPIC"):
        if found := text(child(identification, name)):
            return Account(name, found.replace(" ", ""))
    other = choice(identification, ("Othr", "PrtryAcct"))
    found = text(child(other, "Id"))
    return Account(code(child(other, "SchmeNm")) or "", found) if found else None


def transaction_code(part: Part | None) -> str | None:
    """ISO's domain/family/subfamily, or the bank's own code after `bank:`."""
    if part is None:
        return None
    domain = child(part, "Domn")
    family = child(domain, "Fmly")
    parts = [text(child(domain, "Cd")), text(child(family, "Cd")), text(child(family, "SubFmlyCd"))]
    if any(parts):
        return "/".join(one or "" for one in parts)
    own = text(child(part, "Prtry", "Cd"))
    return f"bank:{own}" if own else None


def reference(part: Part | None) -> str | None:
    found = text(part)
    return None if found in NO_REFERENCE else found


def detail(part: Part, *, direction: int, reversal: bool, unit: Currency, own_account: str) -> Detail:
    """A transaction inside an entry (`TxDtls`). `direction` is the entry's, for a transaction that gives none."""
    refuse_repeated(part, _DETAIL_NAMES)
    get = part.parts.get
    agents, remittance, returned = get("RltdAgts"), get("RmtInf"), get("RtrInf")
    refer = references.parts.get if (references := get("Refs")) else _NOTHING.get
    back = reversal or returned is not None
    side, name, number = _other_side(get("RltdPties"), direction=-direction if back else direction, own=own_account)
    structured = children(remittance, "Strd")
    lines = [*children(remittance, "Ustrd"), *(more for one in structured for more in children(one, "AddtlRmtInf"))]
    return Detail(
        amount=_detail_amount(part, unit, sign(get("CdtDbtInd")) or direction),
        bank_reference=reference(refer("AcctSvcrRef")),
        end_to_end_id=reference(refer("EndToEndId")),
        instruction_id=reference(refer("InstrId")),
        message_id=text(refer("MsgId")),
        payment_information_id=text(refer("PmtInfId")),
        transaction_id=reference(refer("TxId")),
        counterparty_name=name,
        counterparty_account=number,
        counterparty_bank=_bank(child(agents, side + "Agt", "FinInstnId")),
        creditor_reference=next(filter(None, map(_creditor_reference, structured)), None),
        remittance="\n".join(filter(None, map(text, lines))) or text(get("AddtlTxInf")),
        return_reason=code(child(returned, "Rsn")),
        transaction_code=transaction_code(get("BkTxCd")),
    )


_DETAIL_NAMES = frozenset(
    ("Refs", "Amt", "CdtDbtInd", "AmtDtls", "BkTxCd", "RltdPties", "RltdAgts", "RmtInf", "RtrInf", "AddtlTxInf")
)


@lru_cache
def _date_in(found: str) -> date | None:
    match = _DATE.fullmatch(found)
    try:
        return date.fromisoformat(match["date"]) if match else None
    except ValueError:
        return None


def _no_date(part: Part, found: str) -> Refused:
    return STATEMENT_FIELD_IS_MALFORMED(element=part.name, text=found[:64], expected="a date (ISO 8601)")


def _detail_amount(part: Part, unit: Currency, direction: int) -> int | None:
    """Versions up to 03 keep it in AmtDtls/TxAmt, later ones in Amt; only one in the account's currency counts."""
    for amount in (child(part, "Amt"), child(part, "AmtDtls", "TxAmt", "Amt")):
        if amount is not None and amount.currency == unit.code:
            return direction * minor_units(amount, unit, signed=False)
    return None


def _other_side(parties: Part | None, *, direction: int, own: str) -> tuple[str, str | None, str | None]:
    """Debtor or creditor, with name and account number: the side whose account is not ours; where accounts do not tell,
    the only side that is named; where both are, the side that the money came from or went to. A reversal or return
    names the parties of what it takes back, which is why its direction is turned.
    """
    debtor, creditor = (
        (side, _party_name(child(parties, side)), _number(child(parties, side + "Acct"))) for side in ("Dbtr", "Cdtr")
    )
    if creditor[2] == own or (debtor[2] != own and not any(creditor[1:])):
        return debtor
    if debtor[2] == own or not any(debtor[1:]):
        return creditor
    return debtor if direction > 0 else creditor


def _number(part: Part | None) -> str | None:
    found = account(part) if part is not None else None
    return found.identification if found else None


def _party_name(part: Part | None) -> str | None:
    """Since version 08 the party is a choice of a party and a financial institution."""
    if part is None:
        return None
    for path in (("Nm",), ("Pty", "Nm"), ("Agt", "FinInstnId", "Nm")):
        if found := text(child(part, *path)):
            return found
    return None


def _bank(part: Part | None) -> str | None:
    if part is None:
        return None
    for path in (("BICFI",), ("BIC",), ("ClrSysMmbId", "MmbId"), ("Nm",)):
        if found := text(child(part, *path)):
            return found
    return None


def _creditor_reference(structured: Part) -> str | None:
    information = child(structured, "CdtrRefInf")
    return text(child(information, "Ref")) or text(child(information, "CdtrRef"))
