"""What a bank answers to payment orders: ISO 20022 pain.002.001.10, written and read.

An answer speaks of a whole file (the group), of a payment instruction in it, or of a single payment, each with a status
code. A payment's own status counts before its instruction's, and that before the group's (`status_of`). Codes are those
of the ISO 20022 external code sets that this version understands; an unknown code is refused by name, and so is an
answer that contradicts itself, because neither may move money.

    ====  =========  ==============================================
    code  outcome    the bank says
    ====  =========  ==============================================
    RCVD  pending    the file is here
    ACTC  pending    its form is right
    PDNG  pending    more checks to come
    ACCP  accepted   the customer's profile allows it
    ACSP  accepted   settlement has begun
    ACSC  settled    the debtor's account is debited
    RJCT  failed     it will not be done, for these reasons
    PART  (of each)  read the payments; only for a group or instruction
    ====  =========  ==============================================

Three rules keep a late or lost answer from becoming a wrong one:

- **A time-out is never a failure.** Silence is the outcome `UNKNOWN` for as long as it lasts; it may become overdue,
  and then it is an exception for people and for the bank's statement to settle (`standing`).
- Answers may come late or twice: an older status never takes back a newer one (`advance`).
- A rejection *because this is a duplicate* speaks of the copy, and says nothing of the first (`advance`).

A settled payment that comes back later (退汇) is not a status: it is an entry of the statement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum

from lxml import etree

from ringfence.banking.iso20022 import (
    PREFIX,
    NotSafeXmlError,
    add,
    document,
    instant,
    name_of,
    parsed,
    parsed_instant,
    serialised,
)
from ringfence.refusal import Fault, refusal

MESSAGE = "pain.002.001.10"
# What is read here has the same names and places in these versions; any other is refused.
READABLE = frozenset(
    {
        PREFIX + "pain.002.001.03",
        PREFIX + MESSAGE,
        "http://www.six-interbank-clearing.com/de/pain.002.001.03.ch.02.xsd",
    }
)

STATUS_REPORT_IS_NOT_XML = refusal(
    "status_report_is_not_xml",
    Fault.INPUT,
    en="This is not a payment status report: {reason}.",
    zh="这不是付款状态报告：{reason}。",
)
STATUS_REPORT_IS_ANOTHER_MESSAGE = refusal(
    "status_report_is_another_message",
    Fault.INPUT,
    en="This is {found}, not a payment status report of a version that is read here (pain.002.001.03 or .10).",
    zh="这是 {found}，不是本版本可读的付款状态报告（pain.002.001.03 或 .10）。",
)
STATUS_REPORT_LACKS_AN_ELEMENT = refusal(
    "status_report_lacks_an_element",
    Fault.INPUT,
    en="The payment status report lacks {element}.",
    zh="付款状态报告缺少 {element}。",
)
STATUS_REPORT_HAS_A_WRONG_TIME = refusal(
    "status_report_has_a_wrong_time",
    Fault.INPUT,
    en="{text!r} is not a time.",
    zh="{text!r} 不是时间。",
)
PAYMENT_STATUS_IS_UNKNOWN = refusal(
    "payment_status_is_unknown",
    Fault.INPUT,
    en="The bank gives {about} the status {code!r}, which this version does not know; nothing is concluded from it.",
    zh="银行对 {about} 给出的状态 {code!r} 本版本不认识；不据此作任何结论。",
)
STATUS_REPORT_CONTRADICTS_ITSELF = refusal(
    "status_report_contradicts_itself",
    Fault.INPUT,
    en="The report says {outer} of the whole and {inner} of {about} in it.",
    zh="报告对整体给出 {outer}，却对其中的 {about} 给出 {inner}。",
)
STATUS_REPORT_SAYS_NOTHING = refusal(
    "status_report_says_nothing",
    Fault.INPUT,
    en="The report on message {message_id!r} carries no status at any level.",
    zh="关于报文 {message_id!r} 的报告在任何层级都没有状态。",
)
PAYMENT_STATUS_GOES_BACK = refusal(
    "payment_status_goes_back",
    Fault.STATE,
    en="The bank said {known} of this payment for good, and now says {reported}; a person has to ask the bank.",
    zh="银行对该付款已给出终态 {known}，现在又说 {reported}；须人工向银行查询。",
)


class StatusCode(Enum):
    RECEIVED = "RCVD"
    FORM_ACCEPTED = "ACTC"
    PENDING = "PDNG"
    ACCEPTED = "ACCP"
    SETTLING = "ACSP"
    SETTLED = "ACSC"
    REJECTED = "RJCT"
    PARTLY = "PART"


class Outcome(Enum):
    """What is known of one payment. Only SETTLED and FAILED are for good."""

    UNKNOWN = "unknown"  # the bank has said nothing
    PENDING = "pending"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    FAILED = "failed"


_OUTCOMES = {
    StatusCode.RECEIVED: Outcome.PENDING,
    StatusCode.FORM_ACCEPTED: Outcome.PENDING,
    StatusCode.PENDING: Outcome.PENDING,
    StatusCode.ACCEPTED: Outcome.ACCEPTED,
    StatusCode.SETTLING: Outcome.ACCEPTED,
    StatusCode.SETTLED: Outcome.SETTLED,
    StatusCode.REJECTED: Outcome.FAILED,
}
_PROGRESS = list(StatusCode)[:6]  # RCVD to ACSC, in the order in which a payment lives through them
# ISO 20022 external status reasons that say "I have this one already".
DUPLICATE_REASONS = frozenset({"AM05", "DU01", "DU02", "DU03", "DU04", "DU05"})


@dataclass(frozen=True, slots=True)
class StatusReason:
    """Why: a code of ISO 20022 (`AM04`) or the bank's own, and the bank's words."""

    code: str
    is_proprietary: bool = False
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """A status with its reasons. Which identifiers are given says of what: none, the group; `payment_information_id`
    alone, that instruction; `end_to_end_id` or `instruction_id`, one payment. `bank_reference` is the bank's own.
    """

    code: StatusCode
    reasons: tuple[StatusReason, ...] = ()
    payment_information_id: str | None = None
    instruction_id: str | None = None
    end_to_end_id: str | None = None
    bank_reference: str | None = None

    @property
    def outcome(self) -> Outcome:
        """What the code means for one payment; PART means nothing for one, so it is UNKNOWN."""
        return _OUTCOMES.get(self.code, Outcome.UNKNOWN)

    @property
    def is_about_a_duplicate(self) -> bool:
        """Rejected as a copy of something the bank already has."""
        given = {reason.code for reason in self.reasons if not reason.is_proprietary}
        return self.code is StatusCode.REJECTED and bool(given & DUPLICATE_REASONS)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One pain.002: the answer to message `original_message_id`."""

    message_id: str
    created_at: datetime
    original_message_id: str
    original_message_name: str
    group: PaymentStatus | None = None
    instructions: tuple[PaymentStatus, ...] = ()
    payments: tuple[PaymentStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a payment now, and whether the bank has had longer than agreed."""

    outcome: Outcome
    overdue: bool


def status_of(
    report: StatusReport, message_id: str, end_to_end_id: str, payment_information_id: str | None = None
) -> PaymentStatus | None:
    """What the report says of one payment that was sent in `message_id`; None if nothing, which is not a rejection. A
    report on another message says nothing of it, even where it names the same EndToEndId.
    """
    if report.original_message_id != message_id:
        return None
    for status in report.payments:
        same_instruction = payment_information_id in {None, status.payment_information_id}
        if status.end_to_end_id == end_to_end_id and same_instruction:
            return status
    for status in report.instructions:
        if status.payment_information_id == payment_information_id and status.code is not StatusCode.PARTLY:
            return status
    if report.group is not None and report.group.code is not StatusCode.PARTLY:
        return report.group
    return None


def standing(
    status: PaymentStatus | None, *, sent_at: datetime, now: datetime, patience: Mapping[Outcome, timedelta]
) -> Standing:
    """The outcome known so far and whether it is overdue: for longer than `patience` of that outcome since `sent_at`.
    However long the silence, it is never FAILED: only the bank's word or its statement ends a payment.
    """
    outcome = Outcome.UNKNOWN if status is None else status.outcome
    limit = patience.get(outcome)
    ended = outcome in {Outcome.SETTLED, Outcome.FAILED}
    return Standing(outcome, overdue=not ended and limit is not None and now - sent_at > limit)


def advance(known: PaymentStatus | None, reported: PaymentStatus) -> PaymentStatus | None:
    """What to believe after another answer about the same payment. A rejection as a duplicate changes nothing; progress
    is kept; a second end that differs from the first is refused.
    """
    if reported.is_about_a_duplicate or reported.code is StatusCode.PARTLY:
        return known
    if known is None:
        return reported
    ended, reported_ended = (status.outcome in {Outcome.SETTLED, Outcome.FAILED} for status in (known, reported))
    if ended and reported_ended and known.code is not reported.code:
        raise PAYMENT_STATUS_GOES_BACK(known=known.code.value, reported=reported.code.value)
    if ended:
        return known
    if reported_ended or _PROGRESS.index(reported.code) > _PROGRESS.index(known.code):
        return reported
    return known


def read_status_report(content: bytes, zone: tzinfo = UTC) -> StatusReport:
    """The answer in a bank's bytes; times without an offset are in `zone`, the bank's."""
    reader = _Reader(_root(content))
    report = reader.root
    original = reader.required(report, "OrgnlGrpInfAndSts")
    result = StatusReport(
        message_id=reader.required_text(report, "GrpHdr/MsgId"),
        created_at=_time(reader.required_text(report, "GrpHdr/CreDtTm"), zone),
        original_message_id=reader.required_text(original, "OrgnlMsgId"),
        original_message_name=reader.required_text(original, "OrgnlMsgNmId"),
        group=reader.status(original, "GrpSts"),
        instructions=tuple(reader.instructions()),
        payments=tuple(reader.payments()),
    )
    if result.group is None and not result.instructions and not result.payments:
        raise STATUS_REPORT_SAYS_NOTHING(message_id=result.original_message_id)
    _check_agreement(result)
    return result


def _root(content: bytes) -> etree._Element:
    try:
        whole = parsed(content)
    except NotSafeXmlError as broken:
        raise STATUS_REPORT_IS_NOT_XML(reason=str(broken)) from None
    namespace, name = name_of(whole)
    report = whole[0] if len(whole) == 1 else None
    is_report = report is not None and name_of(report) == (namespace, "CstmrPmtStsRpt")
    if name != "Document" or namespace not in READABLE or report is None or not is_report:
        raise STATUS_REPORT_IS_ANOTHER_MESSAGE(found=(namespace or name).removeprefix(PREFIX)[:120])
    return report


def _time(text: str, zone: tzinfo) -> datetime:
    try:
        return parsed_instant(text, zone)
    except (ValueError, OverflowError):
        raise STATUS_REPORT_HAS_A_WRONG_TIME(text=text[:64]) from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Walks one report; names are those of the report's own namespace."""

    root: etree._Element
    names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {"": etree.QName(self.root).namespace or ""})

    def text(self, parent: etree._Element, path: str) -> str | None:
        found = parent.find(path, self.names)
        text = "" if found is None else (found.text or "").strip()
        return text or None

    def required(self, parent: etree._Element, path: str) -> etree._Element:
        found = parent.find(path, self.names)
        if found is None:
            raise STATUS_REPORT_LACKS_AN_ELEMENT(element=path)
        return found

    def required_text(self, parent: etree._Element, path: str) -> str:
        text = self.text(parent, path)
        if text is None:
            raise STATUS_REPORT_LACKS_AN_ELEMENT(element=path)
        return text

    def status(self, parent: etree._Element, code_name: str, **identifiers: str | None) -> PaymentStatus | None:
        """The status that an element gives of itself, or None if it gives none."""
        code = self.text(parent, code_name)
        if code is None:
            return None
        about = identifiers.get("end_to_end_id") or identifiers.get("instruction_id")
        known = {status.value for status in StatusCode} - ({StatusCode.PARTLY.value} if about else set())
        if code not in known:
            about = about or identifiers.get("payment_information_id") or "the group"
            raise PAYMENT_STATUS_IS_UNKNOWN(code=code[:35], about=about)
        return PaymentStatus(StatusCode(code), self.reasons(parent), **identifiers)

    def reasons(self, parent: etree._Element) -> tuple[StatusReason, ...]:
        found = []
        for each in parent.findall("StsRsnInf", self.names):
            code, own = self.text(each, "Rsn/Cd"), self.text(each, "Rsn/Prtry")
            texts = tuple(text.text or "" for text in each.findall("AddtlInf", self.names))
            found.append(StatusReason(code or own or "", code is None and own is not None, texts))
        return tuple(found)

    def instructions(self) -> list[PaymentStatus]:
        found = []
        for each in self.root.findall("OrgnlPmtInfAndSts", self.names):
            identifier = self.required_text(each, "OrgnlPmtInfId")
            status = self.status(each, "PmtInfSts", payment_information_id=identifier)
            if status is not None:
                found.append(status)
        return found

    def payments(self) -> list[PaymentStatus]:
        found = []
        for instruction in self.root.findall("OrgnlPmtInfAndSts", self.names):
            for each in instruction.findall("TxInfAndSts", self.names):
                instruction_id, end_to_end_id = self.text(each, "OrgnlInstrId"), self.text(each, "OrgnlEndToEndId")
                if instruction_id is None and end_to_end_id is None:
                    raise STATUS_REPORT_LACKS_AN_ELEMENT(element="TxInfAndSts/OrgnlEndToEndId")
                status = self.status(
                    each,
                    "TxSts",
                    payment_information_id=self.required_text(instruction, "OrgnlPmtInfId"),
                    instruction_id=instruction_id,
                    end_to_end_id=end_to_end_id,
                    bank_reference=self.text(each, "AcctSvcrRef"),
                )
                if status is not None:
                    found.append(status)
        return found


def _check_agreement(report: StatusReport) -> None:
    """A whole that is rejected has no part that is not, and a whole that is accepted or pending has none that is."""
    by_instruction = {status.payment_information_id: status for status in report.instructions}
    for status in (*report.instructions, *report.payments):
        about = status.end_to_end_id or status.instruction_id
        outer = by_instruction.get(status.payment_information_id) if about else None
        for whole in (report.group, outer):
            if whole is None or StatusCode.PARTLY in {whole.code, status.code}:
                continue
            if (whole.code is StatusCode.REJECTED) != (status.code is StatusCode.REJECTED):
                raise STATUS_REPORT_CONTRADICTS_ITSELF(
                    outer=whole.code.value, inner=status.code.value, about=about or status.payment_information_id
                )


def status_report(report: StatusReport) -> bytes:
    """The bytes of one pain.002.001.10; `read_status_report` gives the same report back."""
    whole, root = document(MESSAGE, "CstmrPmtStsRpt")
    header = add(root, "GrpHdr")
    add(header, "MsgId", report.message_id)
    add(header, "CreDtTm", instant(report.created_at))
    original = add(root, "OrgnlGrpInfAndSts")
    add(original, "OrgnlMsgId", report.original_message_id)
    add(original, "OrgnlMsgNmId", report.original_message_name)
    if report.group is not None:
        add(original, "GrpSts", report.group.code.value)
        _add_reasons(original, report.group.reasons)
    own = {status.payment_information_id: status for status in report.instructions}
    for identifier in dict.fromkeys([*own, *(status.payment_information_id for status in report.payments)]):
        instruction = add(root, "OrgnlPmtInfAndSts")
        add(instruction, "OrgnlPmtInfId", identifier)
        if identifier in own:
            add(instruction, "PmtInfSts", own[identifier].code.value)
            _add_reasons(instruction, own[identifier].reasons)
        for status in report.payments:
            if status.payment_information_id == identifier:
                _add_payment(instruction, status)
    return serialised(whole)


def _add_payment(parent: etree._Element, status: PaymentStatus) -> None:
    payment = add(parent, "TxInfAndSts")
    if status.instruction_id:
        add(payment, "OrgnlInstrId", status.instruction_id)
    if status.end_to_end_id:
        add(payment, "OrgnlEndToEndId", status.end_to_end_id)
    add(payment, "TxSts", status.code.value)
    _add_reasons(payment, status.reasons)
    if status.bank_reference:
        add(payment, "AcctSvcrRef", status.bank_reference)


def _add_reasons(parent: etree._Element, reasons: Sequence[StatusReason]) -> None:
    for reason in reasons:
        element = add(parent, "StsRsnInf")
        if reason.code:
            add(add(element, "Rsn"), "Prtry" if reason.is_proprietary else "Cd", reason.code)
        for text in reason.texts:
            add(element, "AddtlInf", text)
