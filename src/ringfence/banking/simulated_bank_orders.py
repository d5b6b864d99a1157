"""How the simulated bank reads a pain.001.001.09: strictly, and without knowing how ours is written.

The bank takes the part of the message that it offers, each element in its place (`_LAYOUTS`) with a text of its form
(`_FORMS`), and nothing else: an element that it does not know would be an instruction not followed. It answers a wrong
file with one of ISO 20022's external reasons, for the whole file:

    FF01  the form is wrong, with the place of the first flaw
    AM18  the number of transfers is not the one announced
    AM10  the amounts do not sum to the control sum

Whether accounts exist and money is there is not asked here.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lxml import etree

from ringfence.banking.account_number import Scheme
from ringfence.banking.iso20022 import PREFIX, NotSafeXmlError, name_of, parsed
from ringfence.money import Currency, currency, parse_minor
from ringfence.refusal import Refused

MESSAGE = "pain.001.001.09"


@dataclass(frozen=True, slots=True)
class TransferReceived:
    """One credit transfer as ordered; the creditor's number is not checked yet."""

    instruction_id: str
    end_to_end_id: str
    amount_minor: int
    currency: Currency
    creditor_name: str
    creditor_scheme: Scheme
    creditor_number: str
    remittance_text: str


@dataclass(frozen=True, slots=True)
class InstructionReceived:
    """Transfers from one account on one day."""

    payment_information_id: str
    execution_date: date
    debtor_scheme: Scheme
    debtor_number: str
    transfers: tuple[TransferReceived, ...]


@dataclass(frozen=True, slots=True)
class FileReceived:
    message_id: str
    instructions: tuple[InstructionReceived, ...]


@dataclass(frozen=True, slots=True)
class FileRejected:
    """Why the whole file is not taken; `message_id` is NOTPROVIDED where none could be read."""

    reason: str
    text: str
    message_id: str = "NOTPROVIDED"


class _FlawError(Exception):
    """A rejection found deep in the file: reason and text."""


# An element's children, as a regular expression over their names; `Parent/Name` where a name has two meanings.
_LAYOUTS = {
    name: re.compile(layout)
    for name, layout in {
        "Document": "CstmrCdtTrfInitn ",
        "CstmrCdtTrfInitn": "GrpHdr (PmtInf )+",
        "GrpHdr": "MsgId CreDtTm NbOfTxs (CtrlSum )?InitgPty ",
        "InitgPty": "Nm ",
        "PmtInf": "PmtInfId PmtMtd (BtchBookg )?(NbOfTxs )?(CtrlSum )?(PmtTpInf )?ReqdExctnDt Dbtr DbtrAcct DbtrAgt "
        "(ChrgBr )?(CdtTrfTxInf )+",
        "PmtTpInf": "SvcLvl ",
        "SvcLvl": "Cd ",
        "ReqdExctnDt": "Dt ",
        "Dbtr": "Nm ",
        "DbtrAcct": "Id (Ccy )?",
        "DbtrAcct/Id": "(IBAN |Othr )",
        "Othr": "Id ",
        "DbtrAgt": "FinInstnId ",
        "FinInstnId": "(BICFI |ClrSysMmbId |Othr )",
        "ClrSysMmbId": "ClrSysId MmbId ",
        "ClrSysId": "Cd ",
        "CdtTrfTxInf": "PmtId Amt (CdtrAgt )?Cdtr CdtrAcct (Purp )?(RmtInf )?",
        "PmtId": "(InstrId )?EndToEndId ",
        "Amt": "InstdAmt ",
        "CdtrAgt": "FinInstnId ",
        "Cdtr": "Nm ",
        "CdtrAcct": "Id (Ccy )?",
        "CdtrAcct/Id": "(IBAN |Othr )",
        "Purp": "Cd ",
        "RmtInf": "Ustrd ",
    }.items()
}
_IDENTIFIER = r"(?=.{1,35}$)(?!/)(?!.*//)[A-Za-z0-9/?:().,'+-]+(?<!/)"
_FORMS = {
    name: re.compile(form, re.ASCII)
    for name, form in {
        "MsgId": _IDENTIFIER,
        "CreDtTm": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?",
        "NbOfTxs": r"\d{1,15}",
        "CtrlSum": r"\d{1,18}(\.\d{1,5})?",
        "Nm": r".{1,140}",
        "PmtInfId": _IDENTIFIER,
        "PmtMtd": r"TRF",
        "BtchBookg": r"false",
        "Dt": r"\d{4}-\d\d-\d\d",
        "Ccy": r"[A-Z]{3}",
        "IBAN": r"[A-Z]{2}\d\d[a-zA-Z0-9]{1,30}",
        "Othr/Id": r".{1,34}",
        "BICFI": r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?",
        "ClrSysId/Cd": r"[A-Z0-9]{1,5}",
        "MmbId": r".{1,35}",
        "SvcLvl/Cd": r"[A-Z]{1,4}",
        "ChrgBr": r"DEBT|CRED|SHAR|SLEV",
        "InstrId": _IDENTIFIER,
        "EndToEndId": _IDENTIFIER,
        "InstdAmt": r"\d{1,18}(\.\d{1,5})?",
        "Purp/Cd": r"[A-Z]{1,4}",
        "Ustrd": r".{1,140}",
    }.items()
}


def read_orders(content: bytes) -> FileReceived | FileRejected:
    """The orders of a file, or why the bank does not take it."""
    try:
        root = parsed(content)
    except NotSafeXmlError as broken:
        return FileRejected("FF01", str(broken)[:105])
    names = {"": PREFIX + MESSAGE}
    if name_of(root) != (names[""], "Document"):
        return FileRejected("FF01", f"not a {MESSAGE}")
    message_id = root.findtext("CstmrCdtTrfInitn/GrpHdr/MsgId", "", names)
    answerable_id = message_id if _FORMS["MsgId"].fullmatch(message_id) else "NOTPROVIDED"
    try:
        _check_form(root, "", "Document")
        instructions = tuple(_instruction(each, names) for each in root.iterfind("CstmrCdtTrfInitn/PmtInf", names))
        header = root.find("CstmrCdtTrfInitn/GrpHdr", names)
        _check_totals(header, [each for one in instructions for each in one.transfers], names)
    except _FlawError as flaw:
        reason, text = flaw.args
        return FileRejected(reason, text[:105], answerable_id)
    return FileReceived(message_id, instructions)


def _check_form(element: etree._Element, parent: str, name: str) -> None:
    """Every element has the children or the text that this place asks for; the first that has not is the flaw."""
    key = f"{parent}/{name}"
    layout = _LAYOUTS.get(key) or _LAYOUTS.get(name)
    form = _FORMS.get(key) or _FORMS.get(name)
    allowed_attributes = {"Ccy"} if name == "InstdAmt" else set()
    attributes = {each for each in map(str, element.attrib) if not each.startswith("{http://www.w3.org/2001/XMLSchema")}
    if attributes != allowed_attributes:
        raise _FlawError("FF01", f"wrong attributes at {key}")
    if len(element) and layout is not None:
        children = [name_of(child) for child in element]
        strange = any(namespace != PREFIX + MESSAGE for namespace, _ in children)
        between = (element.text or "") + "".join(child.tail or "" for child in element)
        if strange or between.strip() or not layout.fullmatch("".join(f"{local} " for _, local in children)):
            raise _FlawError("FF01", f"wrong content at {key}")
        for child, (_, local) in zip(element, children, strict=True):
            _check_form(child, name, local)
    elif len(element) or form is None or not form.fullmatch(element.text or ""):
        raise _FlawError("FF01", f"wrong content at {key}")


def _instruction(element: etree._Element, names: dict[str, str]) -> InstructionReceived:
    try:
        execution_date = date.fromisoformat(element.findtext("ReqdExctnDt/Dt", "", names))
    except ValueError:
        raise _FlawError("FF01", "no such date at ReqdExctnDt/Dt") from None
    scheme, number = _account(element, "DbtrAcct/Id", names)
    transfers = tuple(_transfer(each, names) for each in element.iterfind("CdtTrfTxInf", names))
    _check_totals(element, transfers, names)
    return InstructionReceived(element.findtext("PmtInfId", "", names), execution_date, scheme, number, transfers)


def _transfer(element: etree._Element, names: dict[str, str]) -> TransferReceived:
    amount = element.find("Amt/InstdAmt", names)
    try:
        unit = currency("" if amount is None else amount.get("Ccy", ""))
        amount_minor = parse_minor("" if amount is None else amount.text or "", unit)
    except Refused as refused:
        raise _FlawError("FF01", refused.sentence()) from None
    scheme, number = _account(element, "CdtrAcct/Id", names)
    return TransferReceived(
        instruction_id=element.findtext("PmtId/InstrId", "", names),
        end_to_end_id=element.findtext("PmtId/EndToEndId", "", names),
        amount_minor=amount_minor,
        currency=unit,
        creditor_name=element.findtext("Cdtr/Nm", "", names),
        creditor_scheme=scheme,
        creditor_number=number,
        remittance_text=element.findtext("RmtInf/Ustrd", "", names),
    )


def _account(element: etree._Element, path: str, names: dict[str, str]) -> tuple[Scheme, str]:
    number = element.findtext(f"{path}/IBAN", None, names)
    if number is not None:
        return Scheme.IBAN, number
    return Scheme.OTHER, element.findtext(f"{path}/Othr/Id", "", names)


def _check_totals(
    element: etree._Element | None,
    transfers: "list[TransferReceived] | tuple[TransferReceived, ...]",
    names: dict[str, str],
) -> None:
    """The count and the sum that a header or an instruction announces, where it announces them."""
    if element is None:
        return
    count, control_sum = element.findtext("NbOfTxs", None, names), element.findtext("CtrlSum", None, names)
    if count is not None and int(count) != len(transfers):
        raise _FlawError("AM18", f"{len(transfers)} transfers, {count} announced")
    total = sum((Decimal(each.amount_minor).scaleb(-each.currency.exponent) for each in transfers), Decimal(0))
    if control_sum is not None and Decimal(control_sum) != total:
        raise _FlawError("AM10", f"sum {total}, {control_sum} announced")
