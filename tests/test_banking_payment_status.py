"""What a bank answers: read strictly, never concluded from silence, never turned back."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ringfence.banking.payment_status import (
    DUPLICATE_REASONS,
    Outcome,
    PaymentStatus,
    Standing,
    StatusCode,
    StatusReason,
    StatusReport,
    advance,
    read_status_report,
    standing,
    status_of,
    status_report,
)
from ringfence.refusal import Refused

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))
PATIENCE = {Outcome.UNKNOWN: timedelta(hours=2), Outcome.PENDING: timedelta(hours=1)}
SINGLE_CODES = [code for code in StatusCode if code is not StatusCode.PARTLY]


def payment(code, end_to_end_id="E-1", *reasons):
    return PaymentStatus(code, tuple(StatusReason(each) for each in reasons), "M-1-1", "I-1", end_to_end_id)


def report(*payments, group=None, instructions=()):
    return StatusReport("B-1", NOW, "M-1", "pain.001.001.09", group, tuple(instructions), tuple(payments))


def refused_name(content):
    with pytest.raises(Refused) as caught:
        read_status_report(content)
    assert not re.search(r"<[a-z_]+>", caught.value.sentence("en")), "a fact of the sentence is missing"
    return caught.value.name


def edited(old, new, original=None):
    original = original or report(payment(StatusCode.SETTLED), group=PaymentStatus(StatusCode.SETTLED))
    text = status_report(original).decode()
    assert old in text
    return text.replace(old, new).encode()


texts = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 -]{0,33}[A-Za-z0-9]", fullmatch=True)
reasons = st.lists(
    st.builds(
        StatusReason, st.from_regex(r"[A-Z]{2}[0-9]{2}", fullmatch=True), st.booleans(), st.lists(texts).map(tuple)
    ),
    max_size=2,
).map(tuple)
payments = st.builds(
    PaymentStatus, st.sampled_from(SINGLE_CODES), reasons, st.just("M-1-1"), st.none() | texts, texts, st.none() | texts
)


@given(st.lists(payments, min_size=1, max_size=4).map(tuple), st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_reads_back_the_same(statuses, at):
    written = replace(report(*statuses), created_at=at.replace(microsecond=at.microsecond // 1000 * 1000))
    assert read_status_report(status_report(written)) == written


@pytest.mark.real_files
@pytest.mark.parametrize(
    "answer",
    [
        report(payment(StatusCode.SETTLED), group=PaymentStatus(StatusCode.SETTLED)),
        report(group=PaymentStatus(StatusCode.REJECTED, (StatusReason("FF01", texts=("余额不足",)),))),
        report(
            payment(StatusCode.REJECTED, "E-1", "AM04"),
            payment(StatusCode.PENDING, "E-2"),
            group=PaymentStatus(StatusCode.PARTLY),
            instructions=[PaymentStatus(StatusCode.PARTLY, payment_information_id="M-1-1")],
        ),
    ],
)
def test_what_is_written_validates_against_the_schema(real_files, answer):
    path = real_files / "bankfiles" / "xsd" / "hbci4j__hbci4java" / "pain.002.001.10.xsd"
    etree.XMLSchema(etree.parse(path)).assertValid(etree.fromstring(status_report(answer)))


@pytest.mark.real_files
def test_the_answers_of_a_real_bank_are_read(real_files):
    """Five answers of a Swiss bank: at each level one that accepts, one that rejects, one that does part."""
    folder = real_files / "bankfiles" / "pain.002" / "moov-io__iso20022"
    reports = [read_status_report(path.read_bytes()) for path in sorted(folder.glob("pain002-*.xml"))]
    found = [
        [
            (status.code.value, status.end_to_end_id, [reason.code for reason in status.reasons])
            for status in (each.group, *each.instructions, *each.payments)
            if status is not None
        ]
        for each in reports
    ]
    assert found == [
        [("ACCP", None, [])],
        [("ACTC", None, [])],
        [("RJCT", None, ["AM10"])],
        [("RJCT", None, ["NARR"]), ("RJCT", "EndToEndId-006-01-01", ["AC01"])],
        [("PART", None, []), ("RJCT", "EndToEndId-001-03-04", ["AC01"])],
    ]
    assert status_of(reports[4], reports[4].original_message_id, "EndToEndId-001-03-05") is None, (
        "what a partial answer does not list stays unknown"
    )


@pytest.mark.real_files
def test_files_that_are_no_such_answer_are_refused_by_name(real_files):
    folder = real_files / "bankfiles" / "pain.002" / "moov-io__iso20022"
    assert refused_name((folder / "invalid_file2").read_bytes()) == "status_report_is_not_xml"
    for name in ("invalid_pain_v11.xml", "valid_pain_v11.xml"):
        assert refused_name((folder / name).read_bytes()) == "status_report_is_another_message"


def test_times_without_an_offset_are_the_banks():
    content = edited("2026-03-02T09:00:00.000Z", "2026-03-02T17:00:00")
    assert read_status_report(content, CHINA).created_at == NOW


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "status_report_is_not_xml"),
        (b"HELLO", "status_report_is_not_xml"),
        (edited("pain", "pain")[:-10], "status_report_is_not_xml"),
        (edited("<Document", "<!DOCTYPE a>\n<Document"), "status_report_is_not_xml"),
        (edited("pain.002.001.10", "camt.054.001.08"), "status_report_is_another_message"),
        (edited("urn:iso:std", "u}n:iso:std"), "status_report_is_not_xml"),
        (edited("pain.002.001.10", "pain.002.001.99"), "status_report_is_another_message"),
        (edited("CstmrPmtStsRpt", "BkToCstmrStmt"), "status_report_is_another_message"),
        (edited("<OrgnlMsgId>M-1</OrgnlMsgId>", ""), "status_report_lacks_an_element"),
        (edited("<MsgId>B-1</MsgId>", "<MsgId> </MsgId>"), "status_report_lacks_an_element"),
        (
            edited("<OrgnlInstrId>I-1</OrgnlInstrId>", "").replace(b"<OrgnlEndToEndId>E-1</OrgnlEndToEndId>", b""),
            "status_report_lacks_an_element",
        ),
        (edited("2026-03-02T09:00:00.000Z", "yesterday"), "status_report_has_a_wrong_time"),
        (edited("<TxSts>ACSC", "<TxSts>ACWC"), "payment_status_is_unknown"),
        (edited("<TxSts>ACSC", "<TxSts>acsc"), "payment_status_is_unknown"),
        (edited("<TxSts>ACSC", "<TxSts>PART"), "payment_status_is_unknown"),
        (edited("<GrpSts>ACSC", "<GrpSts>OKAY"), "payment_status_is_unknown"),
        (edited("<GrpSts>ACSC", "<GrpSts>RJCT"), "status_report_contradicts_itself"),
        (edited("<TxSts>ACSC", "<TxSts>RJCT"), "status_report_contradicts_itself"),
        (
            edited("<TxSts>ACSC</TxSts>", "").replace(b"<GrpSts>ACSC</GrpSts>", b""),
            "status_report_says_nothing",
        ),
    ],
)
def test_an_answer_that_cannot_be_trusted_is_refused_by_name(content, name):
    assert refused_name(content) == name


def test_an_unknown_status_names_the_payment_and_the_code():
    with pytest.raises(Refused) as caught:
        read_status_report(edited("<TxSts>ACSC", "<TxSts>ACWC"))
    assert caught.value.facts == {"code": "ACWC", "about": "E-1"}


def test_a_payment_listed_without_a_status_takes_its_groups():
    content = edited("<TxSts>ACSC</TxSts>", "")
    assert status_of(read_status_report(content), "M-1", "E-1").code is StatusCode.SETTLED


def test_a_payments_own_status_counts_before_its_instructions_and_that_before_the_groups():
    """The group is partly done, one instruction accepted, one payment in it settled."""
    answer = report(
        payment(StatusCode.SETTLED, "E-1"),
        group=PaymentStatus(StatusCode.PARTLY),
        instructions=[PaymentStatus(StatusCode.ACCEPTED, payment_information_id="M-1-1")],
    )
    assert status_of(answer, "M-1", "E-1", "M-1-1").code is StatusCode.SETTLED
    assert status_of(answer, "M-1", "E-2", "M-1-1").code is StatusCode.ACCEPTED
    assert status_of(answer, "M-1", "E-3", "M-1-2") is None
    assert status_of(report(group=PaymentStatus(StatusCode.PENDING)), "M-1", "E-4").code is StatusCode.PENDING


def test_an_answer_to_another_message_says_nothing():
    """A group's status covers what that file carried, and a copy in another file is another payment to the bank."""
    assert status_of(report(group=PaymentStatus(StatusCode.SETTLED)), "M-2", "E-1") is None
    assert status_of(report(payment(StatusCode.REJECTED)), "M-2", "E-1") is None


@given(st.timedeltas(timedelta(0), timedelta(days=36_500)))
def test_a_time_out_is_never_a_failure(waited):
    """However long the bank is silent, the outcome stays unknown; after two hours it is overdue, and nothing more."""
    now = NOW + waited
    assert standing(None, sent_at=NOW, now=now, patience=PATIENCE) == Standing(
        Outcome.UNKNOWN, waited > timedelta(hours=2)
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (StatusCode.RECEIVED, Standing(Outcome.PENDING, overdue=True)),
        (StatusCode.PENDING, Standing(Outcome.PENDING, overdue=True)),
        (StatusCode.ACCEPTED, Standing(Outcome.ACCEPTED, overdue=False)),
        (StatusCode.SETTLED, Standing(Outcome.SETTLED, overdue=False)),
        (StatusCode.REJECTED, Standing(Outcome.FAILED, overdue=False)),
        (StatusCode.PARTLY, Standing(Outcome.UNKNOWN, overdue=True)),
    ],
)
def test_only_the_banks_word_ends_a_payment(code, expected):
    assert standing(PaymentStatus(code), sent_at=NOW, now=NOW + timedelta(hours=3), patience=PATIENCE) == expected


@given(st.lists(st.sampled_from([code for code in SINGLE_CODES if code is not StatusCode.REJECTED]), min_size=1))
def test_answers_in_any_order_end_at_the_furthest(codes):
    """Late and repeated answers never take progress back."""
    known = None
    for code in codes:
        known = advance(known, PaymentStatus(code))
    assert known.code is max(codes, key=list(StatusCode).index)


@pytest.mark.parametrize("reason", sorted(DUPLICATE_REASONS))
def test_a_rejected_duplicate_says_nothing_of_the_first(reason):
    """Sent twice after a crash: the second is rejected as a copy; the first stays settled, or unknown."""
    copy = payment(StatusCode.REJECTED, "E-1", reason)
    settled = payment(StatusCode.SETTLED)
    assert advance(settled, copy) is settled
    assert advance(None, copy) is None


@pytest.mark.parametrize(
    ("known", "reported"),
    [(StatusCode.SETTLED, StatusCode.REJECTED), (StatusCode.REJECTED, StatusCode.SETTLED)],
)
def test_a_second_and_different_end_is_refused(known, reported):
    with pytest.raises(Refused, match="payment_status_goes_back"):
        advance(PaymentStatus(known), PaymentStatus(reported, (StatusReason("AC04"),)))


def test_a_rejection_ends_a_payment_that_was_accepted():
    rejected = payment(StatusCode.REJECTED, "E-1", "AM04")
    assert advance(payment(StatusCode.ACCEPTED), rejected) is rejected
    assert advance(rejected, payment(StatusCode.PENDING)) is rejected


@given(st.binary(max_size=60), st.integers(0, 2000))
def test_any_bytes_are_read_or_refused(noise, position):
    content = edited("pain", "pain")
    position %= len(content)
    try:
        read_status_report(content[:position] + noise + content[position:])
    except Refused:
        return
