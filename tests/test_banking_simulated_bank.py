"""The simulated bank: honest books, strict checks, and only the faults that a switch asks for."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ringfence.banking.account_number import iban, other_number
from ringfence.banking.exchange import archive, arrivals, deliver
from ringfence.banking.payment_file import DebtorAccount, PaymentOrder, payment_file
from ringfence.banking.payment_status import Outcome, advance, read_status_report, status_of
from ringfence.banking.reading import read_notifications, read_statement_file
from ringfence.banking.simulated_bank import SimulatedBank
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.money import currency, format_minor
from ringfence.refusal import Refused

CNY = currency("CNY")
DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)  # nine o'clock in the bank's day
POOL, FEES = other_number("110914001"), other_number("110914002")
OWNER = "示例平台客户资金存管专户"
PAYEE = other_number("6222020200112233445")


def days(count):
    return timedelta(days=count)


def opened(folder, **options):
    bank = SimulatedBank.open(
        Path(folder) / "bank", name="示例银行", code="SMPL", seed=7, utc_offset_minutes=480, **options
    )
    bank.open_account(POOL, OWNER, CNY, opened_on=DAY, opening_minor=1_000_00)
    bank.open_account(FEES, "示例平台自有资金", CNY, opened_on=DAY)
    return bank


@pytest.fixture
def bank(tmp_path):
    with opened(tmp_path) as bank:
        yield bank


def order(number, amount_minor=10_00, *, creditor=PAYEE, on=DAY, debtor=POOL, unit=CNY):
    identifier = f"W-{number}"
    account = DebtorAccount(OWNER, debtor)
    return PaymentOrder(identifier, identifier, account, "张三", creditor, amount_minor, unit, on, f"提现 {number}")


def ordered(bank, *orders, message_id="M-1", name=None, edit=lambda content: content):
    content = payment_file(orders, message_id=message_id, created_at=NOW, initiating_party="示例平台")
    deliver(bank.to_bank, name or f"{message_id}.xml", edit(content))


def files(bank, message):
    return [path.read_bytes() for path in sorted(bank.from_bank.iterdir()) if message in path.name]


def answers(bank):
    return [read_status_report(content) for content in files(bank, "pain.002")]


def told(bank, number, message_id="M-1"):
    """What the gateway knows of an order after all answers, in the order of their coming."""
    known = None
    for report in answers(bank):
        status = status_of(report, message_id, f"W-{number}")
        known = known if status is None else advance(known, status)
    return known


def reasons(bank):
    """Of the last answer: each payment's code and reason, or the group's if it lists none."""
    report = answers(bank)[-1]
    return [
        (status.code.value, "".join(reason.code for reason in status.reasons))
        for status in report.payments or (report.group,)
    ]


def statements(bank):
    return [each for content in files(bank, "camt.053") for each in read_statement_file("statement", content)]


def statements_of(bank, number):
    return [each for each in statements(bank) if each.account.identification == number.text]


def refused_name(function, *arguments, **options):
    with pytest.raises(Refused) as caught:
        function(*arguments, **options)
    return caught.value.name


# The honest bank


def test_a_receipt_is_booked_and_advised(bank):
    """receive 500.00 from 李四 -> balance 1,500.00; one camt.054 with payer, account and text."""
    bank.receive(POOL, 500_00, "李四", PAYEE, "充值 D-1", NOW)
    assert bank.balances() == {POOL: 1_500_00, FEES: 0}
    [content] = files(bank, "camt.054")
    [notification] = read_notifications("advice", content)
    [entry] = notification.entries
    assert (notification.account.identification, entry.amount, entry.booked) == (POOL.text, 500_00, True)
    assert (entry.counterparty_name, entry.counterparty_account, entry.remittance) == ("李四", PAYEE.text, "充值 D-1")


def test_an_order_is_paid_answered_and_stated(bank):
    """pay 10.00 -> ACSC with the bank's reference, which the statement carries with our identifiers."""
    ordered(bank, order(1))
    assert bank.serve_once(NOW).files_taken == 1
    [report] = answers(bank)
    assert (report.original_message_id, report.group.outcome) == ("M-1", Outcome.SETTLED)
    bank.close_day(DAY)
    [statement] = statements_of(bank, POOL)
    [entry] = statement.booked
    assert (statement.opening.amount, entry.amount, statement.closing.amount) == (1_000_00, -10_00, 990_00)
    assert (entry.end_to_end_id, entry.message_id, entry.counterparty_name) == ("W-1", "M-1", "张三")
    assert entry.bank_reference == report.payments[0].bank_reference
    assert list(bank.to_bank.iterdir()) == []


CHECKS = [
    (order(1, debtor=other_number("999")), "AC02"),
    (order(1, on=DAY - days(11)), "DT01"),
    (order(1, on=DAY + days(367)), "DT01"),
    (order(1, unit=currency("USD")), "AM11"),
    (order(1, creditor=replace(iban("DE89370400440532013000"), text="DE88370400440532013000")), "AC03"),
    (order(1, creditor=POOL), "AC03"),
    (order(1, 1_000_01), "AM04"),
]


@pytest.mark.parametrize(("refused", "reason"), CHECKS)
def test_an_order_is_rejected_for_the_first_reason_of_the_table(bank, refused, reason):
    """Beside it a good order, which is paid: the group is PART."""
    ordered(bank, refused, message_id="M-1")
    ordered(bank, order(2), message_id="M-2")
    bank.serve_once(NOW)
    assert [status.code.value for report in answers(bank) for status in report.payments] == ["RJCT", "ACSC"]
    assert answers(bank)[0].payments[0].reasons[0].code == reason
    assert bank.balances()[POOL] == 990_00


def test_a_zero_amount_and_a_creditor_in_another_currency_are_rejected(bank):
    dollars = other_number("220914001")
    bank.open_account(dollars, OWNER, currency("USD"), opened_on=DAY)
    ordered(bank, order(1, creditor=dollars), message_id="M-1")
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", "AM03")]
    ordered(bank, order(2), message_id="M-2", edit=lambda content: content.replace(b"10.00", b"0.00"))
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", "AM01")]


def test_some_good_and_some_bad_make_a_part(bank):
    ordered(bank, order(1, 999_00), order(2, 2_00), order(3, 1_00))
    bank.serve_once(NOW)
    assert answers(bank)[0].group.code.value == "PART"
    assert reasons(bank) == [("ACSC", ""), ("RJCT", "AM04"), ("ACSC", "")]
    assert bank.balances()[POOL] == 0


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda content: content[:-9], "FF01"),
        (lambda content: content.replace(b"pain.001.001.09", b"pain.001.001.03"), "FF01"),
        (lambda content: content.replace(b"<NbOfTxs>1<", b"<NbOfTxs>3<"), "AM18"),
        (lambda content: content.replace(b"<CtrlSum>10.00<", b"<CtrlSum>10.01<"), "AM10"),
    ],
)
def test_a_file_out_of_form_is_rejected_whole_and_may_be_sent_right(bank, edit, reason):
    """Nothing is booked, and the MsgId is not used up."""
    ordered(bank, order(1), edit=edit)
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", reason)]
    assert bank.balances()[POOL] == 1_000_00
    ordered(bank, order(1), name="M-1-again.xml")
    bank.serve_once(NOW)
    assert reasons(bank) == [("ACSC", "")]


def test_nothing_is_paid_twice(bank):
    """The same file again, the same MsgId with other orders, the same EndToEndId in another message: one payment."""
    ordered(bank, order(1))
    bank.serve_once(NOW)
    ordered(bank, order(1))
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", "DU01")]
    ordered(bank, order(2), name="other.xml")
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", "DU01")]
    ordered(bank, order(1, 20_00), message_id="M-2")
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", "DU04")]
    assert bank.balances()[POOL] == 990_00
    assert told(bank, 1).outcome is Outcome.SETTLED, "rejected copies say nothing of the first"


def test_the_banks_database_itself_pays_an_identifier_once(bank, tmp_path):
    """Were the check forgotten, the unique index would still stand."""
    ordered(bank, order(1))
    bank.serve_once(NOW)
    with closing(sqlite3.connect(tmp_path / "bank" / "simulated.sqlite")) as state:
        columns = ", ".join(row[1] for row in state.execute("pragma table_info(payment)") if row[1] != "payment_id")
        with pytest.raises(sqlite3.IntegrityError, match=r"payment.number, payment.end_to_end_id"):
            state.execute(f"insert into payment ({columns}) select {columns} from payment")


def test_what_the_gateway_has_taken_is_not_sent_again(bank, tmp_path):
    bank.receive(POOL, 1_00, "李四", None, "", NOW)
    [arrival] = arrivals(bank.from_bank)
    archive(arrival, tmp_path / "archive")
    bank.receive(POOL, 2_00, "李四", None, "", NOW)
    bank.serve_once(NOW)
    assert [each.name for each in arrivals(bank.from_bank)] == ["SMPL-00000002-camt.054.001.08.xml"]


def test_an_identifier_that_was_rejected_may_be_used_again(bank):
    ordered(bank, order(1, 1_000_01), message_id="M-1")
    bank.serve_once(NOW)
    ordered(bank, order(1), message_id="M-2")
    bank.serve_once(NOW)
    assert [report.payments[0].code.value for report in answers(bank)] == ["RJCT", "ACSC"]


def test_a_transfer_between_two_accounts_of_the_bank_moves_no_money_away(bank):
    ordered(bank, order(1, 5_00, creditor=FEES))
    bank.serve_once(NOW)
    assert bank.balances() == {POOL: 995_00, FEES: 5_00}
    [notification] = read_notifications("advice", files(bank, "camt.054")[0])
    assert (notification.account.identification, notification.entries[0].counterparty_name) == (FEES.text, OWNER)


def test_an_order_for_a_later_day_waits_for_it(bank):
    """ordered for the day after tomorrow: ACCP now, nothing booked; on that day ACSC."""
    ordered(bank, order(1, on=DAY + days(2)))
    bank.serve_once(NOW)
    assert (told(bank, 1).outcome, bank.balances()[POOL]) == (Outcome.ACCEPTED, 1_000_00)
    bank.serve_once(NOW + days(1))
    assert len(answers(bank)) == 1
    bank.serve_once(NOW + days(2))
    assert (told(bank, 1).outcome, bank.balances()[POOL]) == (Outcome.SETTLED, 990_00)


def test_an_order_that_waited_is_rejected_if_the_money_is_gone(bank):
    ordered(bank, order(1, 600_00, on=DAY + days(1)), message_id="M-1")
    ordered(bank, order(2, 600_00), message_id="M-2")
    bank.serve_once(NOW)
    bank.serve_once(NOW + days(1))
    assert (told(bank, 1).outcome, told(bank, 2, "M-2").outcome) == (Outcome.FAILED, Outcome.SETTLED)


def test_statements_follow_one_another(bank):
    """Three days, the second without an entry, then two days in one: opening is the previous closing."""
    bank.receive(POOL, 1_00, "李四", None, "", NOW)
    bank.close_day(DAY)
    bank.close_day(DAY + days(1))
    bank.receive(POOL, 2_00, "李四", None, "", NOW + days(2))
    bank.receive(POOL, 4_00, "李四", None, "", NOW + days(3))
    bank.close_day(DAY + days(3))
    found = [
        (each.electronic_sequence, each.opening.amount, [entry.amount for entry in each.booked], each.closing.amount)
        for each in statements_of(bank, POOL)
    ]
    assert found == [
        (1, 1_000_00, [1_00], 1_001_00),
        (2, 1_001_00, [], 1_001_00),
        (3, 1_001_00, [2_00, 4_00], 1_007_00),
    ]
    assert statements_of(bank, POOL)[1].verified_empty


def test_a_closed_day_stays_closed(bank):
    """What arrives after the cut-off, on the same day, is booked on the next one; closing again changes nothing."""
    bank.close_day(DAY)
    before = sorted(bank.from_bank.iterdir())
    bank.close_day(DAY)
    assert sorted(bank.from_bank.iterdir()) == before
    entry = bank.receive(POOL, 1_00, "李四", None, "", NOW + timedelta(hours=10))
    assert entry.booked_on == DAY + days(1)
    bank.close_day(DAY + days(2))
    assert refused_name(bank.close_day, DAY + days(1)) == "simulated_day_is_closed_over"


def test_the_banks_day_begins_at_its_own_midnight(bank):
    """16:00 UTC is midnight in Beijing."""
    assert bank.receive(POOL, 1, "", None, "", datetime(2026, 3, 2, 15, 59, tzinfo=UTC)).booked_on == DAY
    assert bank.receive(POOL, 1, "", None, "", datetime(2026, 3, 2, 16, tzinfo=UTC)).booked_on == DAY + days(1)


def test_a_receipt_with_an_identifier_is_booked_once(bank):
    first = bank.receive(POOL, 5_00, "李四", PAYEE, "充值", NOW, receipt_id="R-1")
    assert bank.receive(POOL, 5_00, "李四", PAYEE, "充值", NOW + days(1), receipt_id="R-1") == first
    assert bank.balances()[POOL] == 1_005_00
    assert len(files(bank, "camt.054")) == 1
    name = refused_name(bank.receive, POOL, 6_00, "李四", PAYEE, "充值", NOW, receipt_id="R-1")
    assert name == "simulated_receipt_differs"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((other_number("1"), 1, "", None, ""), "simulated_account_is_unknown"),
        ((POOL, 0, "", None, ""), "simulated_amount_is_out_of_range"),
        ((POOL, -1, "", None, ""), "simulated_amount_is_out_of_range"),
        ((POOL, 10**18, "", None, ""), "simulated_amount_is_out_of_range"),
        ((POOL, 1, "x" * 141, None, ""), "payment_text_is_too_long"),
        ((POOL, 1, "", None, "a\nb"), "payment_text_has_a_forbidden_character"),
    ],
)
def test_a_receipt_that_no_bank_could_book_is_refused(bank, arguments, name):
    assert refused_name(bank.receive, *arguments, NOW) == name
    assert bank.balances()[POOL] == 1_000_00
    assert list(bank.from_bank.iterdir()) == []


def test_a_folder_belongs_to_one_bank_and_an_account_to_one_owner(bank, tmp_path):
    options = {"name": "示例银行", "code": "SMPL", "seed": 7, "utc_offset_minutes": 480}
    SimulatedBank.open(tmp_path / "bank", **options).close()
    for change in ({"name": "他行"}, {"code": "OTHR"}, {"seed": 8}, {"utc_offset_minutes": 0}):
        assert (
            refused_name(SimulatedBank.open, tmp_path / "bank", **{**options, **change}) == "simulated_bank_is_another"
        )
    assert refused_name(SimulatedBank.open, tmp_path, **{**options, "code": "x"}) == "simulated_bank_code_is_malformed"
    bank.open_account(POOL, OWNER, CNY, opened_on=DAY, opening_minor=1_000_00)
    for owner, unit, opening in (("他人", CNY, 1_000_00), (OWNER, currency("USD"), 1_000_00), (OWNER, CNY, 0)):
        name = refused_name(bank.open_account, POOL, owner, unit, opened_on=DAY, opening_minor=opening)
        assert name == "simulated_account_differs"


def test_a_state_that_is_no_database_is_named(tmp_path):
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "simulated.sqlite").write_bytes(b"not a database" * 100)
    assert refused_name(opened, tmp_path) == "simulated_bank_state_fails"


# Faults


def test_switches_are_kept_for_other_processes_too(bank, tmp_path):
    switches = Switches(silence=True, return_after_days=3, closing_off_by_minor=-1)
    bank.set_switches(switches)
    with opened(tmp_path) as again:
        assert again.switches == switches


@pytest.mark.parametrize(
    "wrong",
    [
        {"return_after_days": -1},
        {"statement_delay_minutes": -1},
        {"unknown_receipt_minor": -1},
        {"reject_reason": "AC4"},
        {"return_reason": ""},
        {"closing_off_by_minor": 10**16},
    ],
)
def test_a_switch_that_means_nothing_is_refused(wrong):
    assert refused_name(Switches, **wrong) == "simulated_switch_is_malformed"


def test_a_silent_bank_pays_and_never_answers(bank):
    """Silence says nothing: the money is gone, and only the statement tells."""
    bank.set_switches(Switches(silence=True))
    ordered(bank, order(1), order(2, on=DAY + days(1)), message_id="M-1")
    bank.serve_once(NOW)
    bank.set_switches(Switches())
    bank.serve_once(NOW + days(1))
    assert (answers(bank), told(bank, 1)) == ([], None)
    assert bank.balances()[POOL] == 980_00
    bank.close_day(DAY + days(1))
    assert [entry.end_to_end_id for entry in statements_of(bank, POOL)[0].booked] == ["W-1", "W-2"]


def test_a_slow_bank_says_pending_and_pays_later(bank):
    bank.set_switches(Switches(pending=True))
    ordered(bank, order(1))
    bank.serve_once(NOW)
    assert (told(bank, 1).outcome, bank.balances()[POOL]) == (Outcome.PENDING, 1_000_00)
    bank.set_switches(Switches())
    bank.serve_once(NOW)
    assert (told(bank, 1).outcome, bank.balances()[POOL]) == (Outcome.SETTLED, 990_00)


def test_a_bank_can_be_told_to_reject_everything(bank):
    bank.set_switches(Switches(reject_reason="AC04"))
    ordered(bank, order(1))
    bank.serve_once(NOW)
    assert reasons(bank) == [("RJCT", "AC04")]
    assert bank.balances()[POOL] == 1_000_00


@pytest.mark.parametrize("told_by", ["serving", "closing"])
def test_a_payment_comes_back_days_later(bank, told_by):
    """退汇: settled on Monday, credited again on Thursday under its own EndToEndId, once, with the reason."""
    bank.set_switches(Switches(return_after_days=3, return_reason="AC01"))
    ordered(bank, order(1))
    bank.serve_once(NOW)
    bank.set_switches(Switches())
    bank.serve_once(NOW + days(2))
    assert bank.balances()[POOL] == 990_00
    if told_by == "serving":
        bank.serve_once(NOW + days(3))
        bank.serve_once(NOW + days(3))
    bank.close_day(DAY + days(3))
    assert bank.balances()[POOL] == 1_000_00
    assert told(bank, 1).outcome is Outcome.SETTLED
    [statement] = statements_of(bank, POOL)
    returned = statement.booked[-1]
    assert (returned.amount, returned.booking_date, returned.end_to_end_id) == (10_00, DAY + days(3), "W-1")
    assert returned.sole.return_reason == "AC01"
    [advice] = files(bank, "camt.054")
    assert read_notifications("advice", advice)[0].entries[0].key == returned.key


def test_a_statement_can_be_late(bank):
    bank.set_switches(Switches(statement_delay_minutes=90))
    midnight = datetime(2026, 3, 2, 16, tzinfo=UTC)
    bank.close_day(DAY, midnight)
    bank.serve_once(midnight + timedelta(minutes=89))
    assert statements(bank) == []
    bank.serve_once(midnight + timedelta(minutes=90))
    assert len(statements(bank)) == 2


def spoiled(bank, switches):
    """A day of three receipts, told with these faults: the statement file of the pool."""
    for number in (1, 2, 3):
        bank.receive(POOL, number * 1_00, f"客户{number}", PAYEE, f"充值 {number}", NOW)
    bank.set_switches(switches)
    bank.close_day(DAY)
    return next(content for content in files(bank, "camt.053") if POOL.text.encode() in content)


@pytest.mark.parametrize(
    ("switches", "name"),
    [
        (Switches(closing_off_by_minor=1), "statement_does_not_add_up"),
        (Switches(missing_entry=True), "statement_does_not_add_up"),
        (Switches(duplicated_entry=True), "statement_does_not_add_up"),
        (Switches(changed_amount_by_minor=-50), "statement_does_not_add_up"),
        (Switches(wrong_message_type=True), "message_is_not_a_statement"),
        (Switches(truncated_statement=True), "bank_file_is_cut_short"),
    ],
)
def test_a_wrong_statement_is_refused_by_its_reader_and_the_right_one_can_be_had(bank, switches, name):
    """The bank's books stay right: asked again, it sends a statement that adds up, and the next day follows it."""
    assert refused_name(read_statement_file, "statement", spoiled(bank, switches)) == name
    assert bank.balances()[POOL] == 1_006_00
    before = len(files(bank, "camt.053"))
    bank.resend_day(DAY, NOW + days(1))
    right = [each for content in files(bank, "camt.053")[before:] for each in read_statement_file("again", content)]
    assert [(each.account.identification, each.closing.amount) for each in right] == [
        (POOL.text, 1_006_00),
        (FEES.text, 0),
    ]
    bank.set_switches(Switches())
    bank.close_day(DAY + days(1))
    last = read_statement_file("next", files(bank, "camt.053")[-2])[0]
    assert (last.opening.amount, last.electronic_sequence) == (1_006_00, 2)


def test_faults_set_together_do_not_undo_one_another(bank):
    """Of three receipts one is missing, one stands twice and one is changed: three entries, and nothing is right."""
    content = spoiled(bank, Switches(missing_entry=True, duplicated_entry=True, changed_amount_by_minor=10_00))
    amounts = re.findall(rb"<Ntry>\s*<NtryRef>(\w+)</NtryRef>\s*<Amt[^>]*>([0-9.]+)<", content)
    true = {(entry.reference.encode(), format_minor(entry.signed_minor, CNY).encode()) for entry in bank.entries(POOL)}
    assert len(amounts) == 3
    assert len(set(amounts)) == 2
    assert len(set(amounts) & true) == 1


def test_money_can_arrive_from_nobody(bank):
    """At the end of the day 12.34 without payer, account, text or reference: a credit nobody can allocate."""
    bank.set_switches(Switches(unknown_receipt_minor=12_34))
    bank.close_day(DAY)
    bank.close_day(DAY)
    [statement] = statements_of(bank, POOL)
    [entry] = statement.booked
    assert (entry.amount, entry.counterparty_name, entry.counterparty_account, entry.remittance) == (
        12_34,
        None,
        None,
        None,
    )
    assert entry.end_to_end_id is None
    assert bank.balances()[POOL] == 1_012_34


def test_a_file_can_come_twice(bank):
    bank.set_switches(Switches(delivered_twice=True))
    bank.receive(POOL, 1_00, "李四", None, "", NOW)
    first, second = files(bank, "camt.054")
    assert first == second
    assert len(list(bank.from_bank.iterdir())) == 2


# What is written validates


@pytest.mark.real_files
def test_statements_and_advices_validate_against_their_schemas(bank, real_files):
    """Receipts with and without a payer, a payment, a return, an empty account, a late one: every file is valid."""
    folder = real_files / "bankfiles" / "xsd"
    schemas = {
        "camt.053": etree.XMLSchema(etree.parse(folder / "genkgo__camt" / "camt.053.001.08.xsd")),
        "camt.054": etree.XMLSchema(etree.parse(folder / "genkgo__camt" / "camt.054.001.08.xsd")),
        "pain.002": etree.XMLSchema(etree.parse(folder / "hbci4j__hbci4java" / "pain.002.001.10.xsd")),
    }
    bank.set_switches(Switches(return_after_days=1, unknown_receipt_minor=5, missing_entry=True, duplicated_entry=True))
    german = iban("DE89370400440532013000")
    bank.open_account(german, "Example", currency("EUR"), opened_on=DAY)
    bank.receive(german, 1_00, "Zoe", german, "Deposit", NOW)
    bank.receive(POOL, 1_00, "李四", PAYEE, "充值", NOW)
    ordered(bank, order(1), order(2, 10**9), order(3, creditor=german), order(4, on=DAY + days(5)))
    ordered(bank, order(5), message_id="M-2", edit=lambda content: content[:-5])
    bank.serve_once(NOW)
    for day in range(3):
        bank.close_day(DAY + days(day))
    bank.resend_day(DAY, NOW + days(3))
    checked = [
        message
        for message, schema in schemas.items()
        for content in files(bank, message)
        if schema.assertValid(etree.fromstring(content)) is None
    ]
    assert {message: checked.count(message) for message in schemas} == {"camt.053": 12, "camt.054": 12, "pain.002": 2}


# Laws

amounts = st.integers(1, 300_00)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.sampled_from([POOL, FEES]), amounts),
        st.tuples(st.just("pay"), st.sampled_from([PAYEE, FEES, POOL]), amounts),
        st.tuples(st.just("pay later"), st.just(PAYEE), amounts),
        st.tuples(st.just("return"), st.none(), st.integers(0, 2)),
        st.tuples(st.just("close"), st.none(), st.integers(1, 3)),
    ),
    max_size=10,
)


def live(bank, traffic):
    """Run traffic through a bank, serving after each operation, and close the last day."""
    day = 0
    for number, (operation, account, value) in enumerate(traffic):
        now = NOW + days(day)
        if operation == "receive":
            bank.receive(account, value, f"客户{number}", None, f"充值 {number}", now)
        elif operation == "return":
            bank.set_switches(Switches(return_after_days=value))
        elif operation == "close":
            bank.close_day(DAY + days(day))
            day += value
        else:
            on = DAY + days(day + (operation == "pay later"))
            ordered(bank, order(number, value, creditor=account, on=on), message_id=f"M-{number}")
        bank.serve_once(now)
    bank.close_day(DAY + days(day))


@settings(max_examples=20, deadline=None)
@given(operations)
def test_no_money_appears_or_disappears(traffic):
    """Whatever happens: opening + entries = closing = next opening; the bank holds what came minus what left."""
    with tempfile.TemporaryDirectory() as folder, opened(folder) as bank:
        live(bank, traffic)
        outside = 0
        for number, opening in ((POOL, 1_000_00), (FEES, 0)):
            entries = bank.entries(number)
            assert opening + sum(entry.signed_minor for entry in entries) == bank.balances()[number] >= 0
            expected = opening
            for statement in statements_of(bank, number):
                assert statement.opening.amount == expected
                expected = statement.closing.amount
            assert expected == bank.balances()[number]
            listed = [(e.bank_reference, e.amount) for each in statements_of(bank, number) for e in each.booked]
            assert sorted(listed) == sorted((entry.reference, entry.signed_minor) for entry in entries)
            held = {POOL, FEES}
            outside += sum(entry.signed_minor for entry in entries if entry.counterparty_account not in held)
        assert sum(bank.balances().values()) == 1_000_00 + outside


@settings(max_examples=10, deadline=None)
@given(operations, st.integers(1, 3))
def test_the_same_calls_give_the_same_bytes_however_often_the_bank_is_asked(traffic, times):
    """Serving again and closing again at the same time does nothing."""
    found = []
    for repeated in (0, times):
        with tempfile.TemporaryDirectory() as folder, opened(folder) as bank:
            live(bank, traffic)
            last = max(bank.from_bank.iterdir(), default=None)
            for _ in range(repeated):
                bank.close_day(max(each.last_day for each in statements(bank)))
            assert max(bank.from_bank.iterdir(), default=None) == last
            found.append([(path.name, path.read_bytes()) for path in sorted(bank.from_bank.iterdir())])
    assert found[0] == found[1]


# Crashes


class Crash(BaseException):
    """The process ends here."""


def a_day(bank):
    """Everything that a bank does in a day; each call may be repeated after a crash."""
    bank.receive(POOL, 500_00, "李四", PAYEE, "充值 D-1", NOW, receipt_id="R-1")
    bank.serve_once(NOW)
    bank.close_day(DAY)
    bank.serve_once(NOW + days(1))
    bank.close_day(DAY + days(1))


def put_down_orders(folder):
    """What the gateway has delivered before the bank looks: one order to return, one to wait, one between accounts."""
    with opened(folder) as bank:
        bank.set_switches(Switches(return_after_days=1))
        ordered(bank, order(1), order(2, 5_00, creditor=FEES), order(3, 10**9), message_id="M-1")
        ordered(bank, order(4, 7_00, on=DAY + days(1)), message_id="M-2")


def outcome(folder):
    """All that can be seen of a bank afterwards."""
    with opened(folder) as bank:
        sent = [(path.name, path.read_bytes()) for path in sorted(bank.from_bank.iterdir())]
        return bank.balances(), bank.entries(POOL), bank.entries(FEES), sent, list(bank.to_bank.iterdir())


@contextmanager
def breaking_at(folder, at, end):
    """A bank that ends the process at one of its durable steps."""
    steps = []

    def step(name):
        steps.append(name)
        if len(steps) == at:
            end(name)

    bank = SimulatedBank.open(
        Path(folder) / "bank", name="示例银行", code="SMPL", seed=7, utc_offset_minutes=480, at_step=step
    )
    try:
        yield bank, steps
    finally:
        bank.close()


def end_by_exception(name):
    raise Crash(name)


def test_a_crash_at_any_step_doubles_nothing_and_loses_nothing(tmp_path):
    """One day is lived undisturbed; then once for each durable step, broken off there and begun again. All days are
    alike to the byte: the same entries, the same answers, the same statements, no order left behind.
    """
    put_down_orders(tmp_path / "undisturbed")
    with breaking_at(tmp_path / "undisturbed", 0, end_by_exception) as (bank, steps):
        a_day(bank)
    expected = outcome(tmp_path / "undisturbed")
    assert [len(part) for part in expected] == [2, 5, 1, len(expected[3]), 0]
    assert {"take: before commit", "take: committed", "take: moved", "take: ended", "send: written"} <= set(steps)
    for at in range(1, len(steps) + 1):
        folder = tmp_path / str(at)
        put_down_orders(folder)
        with pytest.raises(Crash), breaking_at(folder, at, end_by_exception) as (bank, _):
            a_day(bank)
        with opened(folder) as bank:
            a_day(bank)
        assert outcome(folder) == expected, f"broken off at step {at}, {steps[at - 1]}"


def test_a_file_delivered_again_after_a_crash_is_known_as_a_copy(tmp_path):
    """Killed between moving an order file away and noting it; then the gateway, unsure, delivers it once more."""
    put_down_orders(tmp_path)
    with breaking_at(tmp_path, 0, end_by_exception) as (_, steps):
        at = [*steps, "take: before commit", "take: committed", "take: moved"]
    with pytest.raises(Crash, match=at[-1]), breaking_at(tmp_path, len(at), end_by_exception) as (bank, _):
        bank.serve_once(NOW)
    with opened(tmp_path) as bank:
        bank.serve_once(NOW)
        balances = bank.balances()
        ordered(bank, order(1), order(2, 5_00, creditor=FEES), order(3, 10**9), message_id="M-1")
        bank.serve_once(NOW)
        assert reasons(bank) == [("RJCT", "DU01")]
        assert bank.balances() == balances


def end_by_signal(_name):
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_a_day(folder, at):
    """Run in a process of its own: live the day until step `at`, and be killed there."""
    with breaking_at(folder, at, end_by_signal) as (bank, _):
        a_day(bank)


@pytest.mark.parametrize("step", ["take: before commit", "take: committed", "take: moved", "send: written"])
def test_a_killed_bank_comes_back_with_nothing_doubled(tmp_path, step):
    """kill -9 between booking and answering, and beside it."""
    put_down_orders(tmp_path / "undisturbed")
    with breaking_at(tmp_path / "undisturbed", 0, end_by_exception) as (bank, steps):
        a_day(bank)
    at = steps.index(step, steps.index("take: before commit")) + 1
    put_down_orders(tmp_path / "killed")
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    program += f"import test_banking_simulated_bank as t; t.die_in_a_day({str(tmp_path / 'killed')!r}, {at})"
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    with opened(tmp_path / "killed") as bank:
        a_day(bank)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "undisturbed")
