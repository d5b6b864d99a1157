"""A bank's CSV by a description: the same statements, the same gates, and what only a CSV has."""

import doctest
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.banking import csv_description
from ringfence.banking.csv_description import description_of
from ringfence.banking.reading import read_statement_file
from ringfence.refusal import Refused

DAILY_MOVEMENTS = """
name = "daily movement file"
encoding = "gb18030"
delimiter = "|"
quote = ""
date_format = "%Y%m%d"
currency = "CNY"
header = { mark = "H", date = 2, count = 3, credits = 4, debits = 5 }

[columns]
account = "account"
booking_date = "posted"
balance = "balance"
bank_reference = "serial"
original_reference = "original"
trace = ["posted", "trace"]
counterparty_account = "counter"
remittance = ["type", "text"]

[amount]
rule = "flag"
column = "amount"
flag = "sign"
credit = ["+"]
debit = ["-"]

[reversed]
column = "reversed"
values = ["1"]

[adjusted]
column = "adjusted"
values = ["Y"]
"""
NAMES = "account|posted|sign|amount|balance|serial|original|trace|counter|type|text|reversed|adjusted\n"
ROWS = (
    "A1|20260302|+|100.00|150.00|S1||T1|B7|充值|张三|0|N\n"
    "A2|20260302|+|7.00|7.00|S2||T2|B8|充值|李四|0|N\n"
    "A1|20260302|-|30.00|120.00|S3||T3|B7|提现|张三|0|N\n"
    "A1|20260302|+|30.00|150.00|S4|S3|T4|B7|退汇|张三|1|N\n"
    "A1|20260303|-|0.50|149.50|S5||T5||调账||0|Y\n"
)
HEADER = "H|20260303|5|137.00|30.50\n"


def movements(rows: str = ROWS, header: str = HEADER, names: str = NAMES) -> bytes:
    return (header + names + rows).encode("gb18030")


def outcome(content: bytes, description: str) -> str:
    try:
        read_statement_file("movements.csv", content, description=description_of(description))
    except Refused as refused:
        return refused.name
    return "read"


def test_the_worked_example_of_the_description_is_one():
    example = csv_description.__doc__.split("::\n", 1)[1].rsplit("\n\nThe opening", 1)[0]
    assert description_of("\n".join(line[4:] for line in example.splitlines())).amount.rule == "flag"
    assert doctest.testmod(csv_description).failed == 0


def test_a_daily_movement_file_is_a_statement_for_each_account():
    """A1: 50.00, a deposit, a payout, its return, an adjustment: 149.50. A2: a first deposit of 7.00."""
    first, second = read_statement_file("m", movements(), description=description_of(DAILY_MOVEMENTS))
    assert (first.account.identification, first.opening.amount, first.closing.amount) == ("A1", 5000, 14950)
    assert (second.account.identification, second.opening.amount, second.closing.amount) == ("A2", 0, 700)
    assert (first.opening.on, first.closing.on) == (date(2026, 3, 2), date(2026, 3, 3))
    assert [one.amount for one in first.entries] == [10000, -3000, 3000, -50]
    assert [one.reversal for one in first.entries] == [False, False, True, False]
    assert [one.adjustment for one in first.entries] == [False, False, False, True]
    returned = first.entries[2]
    assert (returned.bank_reference, returned.sole.original_reference) == ("S4", "S3")
    assert (returned.counterparty_account, returned.remittance) == ("B7", "退汇 张三")
    assert len({one.key for one in (*first.entries, *second.entries)}) == 5


def test_a_statement_may_be_of_each_day():
    by_day = DAILY_MOVEMENTS.replace("name =", 'statement_per = "day"\nname =', 1)
    found = read_statement_file("m", movements(), description=description_of(by_day))
    assert [(str(one.account), one.closing.on.day, one.opening.amount, one.closing.amount) for one in found] == [
        ("A1", 2, 5000, 15000),
        ("A2", 2, 0, 700),
        ("A1", 3, 15000, 14950),
    ]


def test_a_row_sent_twice_counts_once_and_says_so():
    """The header counts the rows as they were sent, so the sums are those of six rows."""
    twice = ROWS + ROWS.splitlines(keepends=True)[4]
    found = read_statement_file(
        "m", movements(twice, "H|20260303|6|137.00|31.00\n"), description=description_of(DAILY_MOVEMENTS)
    )
    assert [len(one.entries) for one in found] == [4, 1]
    assert found[0].assumed == ("repeated_lines_dropped",)


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        ("statement_totals_differ", movements(header="H|20260303|6|137.00|30.50\n")),
        ("statement_totals_differ", movements(header="H|20260303|five|137.00|30.50\n")),
        ("statement_totals_differ", movements(header="H|20260303|5|137.01|30.50\n")),
        ("statement_totals_differ", movements(header="H|20260303|5|137.00|30.00\n")),
        ("statement_totals_differ", movements(ROWS.rpartition("A1|20260303")[0])),  # cut short
        ("csv_is_malformed", movements(header="")),
        ("csv_is_malformed", movements(header="X|20260303|5|137.00|30.50\n")),
        ("csv_is_malformed", movements(header="H|20260303|5\n")),
        ("csv_is_malformed", movements(ROWS.replace("|0|N\n", "|0\n", 1))),
        ("csv_is_malformed", movements(ROWS.replace("|0|N\n", "|0|N|\n", 1))),
        ("csv_is_malformed", movements(ROWS.replace("张三", "张\0", 1))),
        ("csv_is_malformed", b""),
        ("csv_column_is_missing", movements(names=NAMES.replace("serial", "number"))),
        ("csv_column_is_missing", movements(names=NAMES.replace("text", "serial"))),
        ("csv_trace_number_conflicts", movements(ROWS.replace("|T3|", "|T1|"))),
        ("csv_balance_does_not_follow", movements(ROWS.replace("|120.00|", "|120.01|"))),
        ("csv_balance_does_not_follow", movements("".join(reversed(ROWS.splitlines(keepends=True))))),
        ("statement_field_is_malformed", movements(ROWS.replace("|+|", "|plus|", 1))),
        ("statement_field_is_malformed", movements(ROWS.replace("20260302", "2026-03-02", 1))),
        ("statement_field_is_malformed", movements(ROWS.replace("20260302", "20260230", 1))),
        ("statement_field_is_malformed", movements(ROWS.replace("|100.00|", "|100,00|"))),
        ("statement_field_is_malformed", movements(ROWS.replace("|100.00|", "|1e2|"))),
        ("amount_is_not_a_decimal", movements(ROWS.replace("|100.00|", "|100.001|"))),
        ("statement_amount_carries_a_sign", movements(ROWS.replace("|100.00|", "|-100.00|"))),
        ("statement_field_is_missing", movements(ROWS.replace("|100.00|", "||"))),
        ("statement_field_is_missing", movements(ROWS.replace("|150.00|", "||", 1))),
        ("statement_field_is_missing", movements(ROWS.replace("A1|", "|", 1))),
        ("statement_field_is_missing", movements(ROWS.replace("|T1|", "||", 1))),
        ("bank_file_encoding_is_wrong", movements() + b"\xff"),
        ("csv_holds_no_statement", movements("", "H|20260303|0|0.00|0.00\n")),
    ],
)
def test_a_movement_file_that_is_wrong_is_refused_by_name(expected, content):
    assert outcome(content, DAILY_MOVEMENTS) == expected


def test_a_row_that_moved_nothing_is_kept_and_does_not_count():
    """The bank takes the money back by marking the row, and leaves the balance as if it had never been."""
    marked = DAILY_MOVEMENTS.replace('values = ["1"]', 'values = ["1"]\ncounts = false')
    rows = ROWS.replace("A1|20260302|+|30.00|150.00|S4", "A1|20260302|+|30.00|120.00|S4").replace("149.50", "119.50")
    [first, _] = read_statement_file("m", movements(rows), description=description_of(marked))
    assert [(one.amount, one.booked) for one in first.entries][2] == (3000, False)
    assert first.closing.amount == 11950


SIMPLE = """
name = "simple"
account = "77"
currency = "EUR"
{top}
[columns]
booking_date = "date"
{columns}
[amount]
{amount}
"""
SIGNED = 'rule = "signed"\ncolumn = "amount"'


def simple(top: str = "", columns: str = 'balance = "balance"', amount: str = SIGNED) -> str:
    return SIMPLE.format(top=top, columns=columns, amount=amount)


@pytest.mark.parametrize(
    ("description", "content", "amounts"),
    [
        (simple(), "date,amount,balance\n2026-03-02,5.00,5.00\n2026-03-02,-1,4\n", [500, -100]),
        (simple(), '\ufeffdate,amount,balance\r\n2026-03-02,"5.00",5.00\r\n\r\n,,\r\n', [500]),
        (
            simple('delimiter = ";"\ndecimal_separator = ","\nthousands_separator = "."\ndate_format = "%d.%m.%Y"'),
            "date;amount;balance\n2.3.2026;1.234,50;-1.000,50\n02.03.2026;-0,5;-1001\n",
            [123450, -50],
        ),
        (
            simple('thousands_separator = "\'"', amount=SIGNED + '\nnegative = "trailing"'),
            "date,amount,balance\n2026-03-02,1'000.00-,1'000.00-\n2026-03-02,1+,999-\n",
            [-100000, 100],
        ),
        (
            simple(amount=SIGNED + '\nnegative = "parentheses"'),
            "date,amount,balance\n2026-03-02,(5.00),(5.00)\n",
            [-500],
        ),
        (
            simple('amounts_in = "minor"'),
            "date,amount,balance\n2026-03-02,-5,95\n2026-03-02,12345,12440\n",
            [-5, 12345],
        ),
        (
            simple(amount='rule = "debit_and_credit"\ndebit = "out"\ncredit = "in"'),
            "date,out,in,balance\n2026-03-02,5.00,,-5.00\n2026-03-02,0.00,7.00,2.00\n",
            [-500, 700],
        ),
        (
            simple('order = "newest_first"'),
            "date,amount,balance\n2026-03-03,-1.00,4.00\n2026-03-02,5.00,5.00\n",
            [500, -100],
        ),
        (
            simple("skip_lines = 2\ntrailing_delimiter = true"),
            "My bank\nhas a preamble\ndate,amount,balance,\n2026-03-02,5.00,5.00,\n",
            [500],
        ),
        (
            simple(
                "named_columns = false", ["booking_date = 1", "balance = 3"][1], 'rule = "signed"\ncolumn = 2'
            ).replace('booking_date = "date"', "booking_date = 1"),
            "2026-03-02,5.00,5.00\n",
            [500],
        ),
    ],
)
def test_each_notation_of_a_bank_can_be_described(description, content, amounts):
    [found] = read_statement_file("f", content.encode(), description=description_of(description))
    assert [one.amount for one in found.entries] == amounts


@pytest.mark.parametrize(
    ("description", "content", "expected"),
    [
        (simple('thousands_separator = ","\ndelimiter = ";"'), "date;amount;balance\n2026-03-02;1,00;1", "malformed"),
        (simple('thousands_separator = ","\ndelimiter = ";"'), "date;amount;balance\n2026-03-02;1,0000;1", "malformed"),
        (simple('amounts_in = "minor"'), "date,amount,balance\n2026-03-02,5.00,5\n", "malformed"),
        (simple(), "date,amount,balance\n2026-03-02,--5,5\n", "malformed"),
        (simple(), "date,amount,balance\n2026-03-02,5-,5\n", "malformed"),
        (simple(), "date,amount,balance\n2026-03-02,NaN,5\n", "malformed"),
        (simple(), "date,amount,balance\n2026-03-02,٥,5\n", "malformed"),
        (simple(), 'date,amount,balance\n2026-03-02,"5"x,5\n', "malformed"),
        (simple(), 'date,amount,balance\n2026-03-02,"5,5\n', "malformed"),
        (simple(), f"date,amount,balance\n2026-03-02,{'9' * 30},5\n", "overflows"),
        (
            simple(amount='rule = "debit_and_credit"\ndebit = "out"\ncredit = "in"'),
            "date,out,in,balance\n2026-03-02,5.00,5.00,0\n",
            "csv_is_malformed",
        ),
        (
            simple(amount='rule = "debit_and_credit"\ndebit = "out"\ncredit = "in"'),
            "date,out,in,balance\n2026-03-02,,,0\n",
            "csv_is_malformed",
        ),
    ],
)
def test_a_notation_that_was_not_described_is_refused(description, content, expected):
    assert expected in outcome(content.encode(), description)


ENDS = simple(
    'header = { mark = "O", opening = 2, date = 3 }\ntrailer = { mark = "C", closing = 2, count = 3, sequence = 4 }',
    columns="",
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("O,10.00,2026-03-02\ndate,amount\n2026-03-02,5.00\nC,15.00,1,9\n", "read"),
        ("O,10.00,2026-03-02\ndate,amount\nC,10.00,0,9\n", "csv_holds_no_statement"),
        ("O,10.00,2026-03-02\ndate,amount\n2026-03-02,5.00\nC,15.01,1,9\n", "statement_does_not_add_up"),
        ("O,10.00,2026-03-02\ndate,amount\n2026-03-02,5.00\n", "csv_is_malformed"),
        ("O,10.00,2026-03-02\ndate,amount\n2026-03-02,5.00\nC,15.00,2,9\n", "statement_totals_differ"),
        ("O,10.00,2026-03-02\ndate,amount\n2026-03-02,5.00\nC,15.00,1,nine\n", "statement_field_is_malformed"),
    ],
)
def test_header_and_trailer_may_give_the_balances(content, expected):
    found = outcome(content.encode(), ENDS)
    if expected == "csv_holds_no_statement":  # with account, date and both balances it is one, and empty
        [empty] = read_statement_file("f", content.encode(), description=description_of(ENDS))
        assert empty.verified_empty
    else:
        assert found == expected


def test_an_empty_file_whose_balances_differ_is_no_empty_statement():
    assert outcome(b"O,10.00,2026-03-02\ndate,amount\nC,10.01,0,9\n", ENDS) == "statement_does_not_add_up"


def test_one_balance_is_not_shared_by_two_accounts():
    two = ENDS.replace('account = "77"\n', "").replace(
        'booking_date = "date"', 'booking_date = "date"\naccount = "who"'
    )
    rows = "O,10.00,2026-03-02\ndate,amount,who\n2026-03-02,5.00,a\n2026-03-02,5.00,b\nC,20.00,2,9\n"
    assert outcome(rows.encode(), two) == "csv_balance_is_of_one_statement"


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ("name = ", "Invalid value"),
        (simple().replace('name = "simple"', ""), "Field required"),
        (simple("colour = 3"), "Extra inputs"),
        (simple('encoding = "klingon"'), "not an encoding"),
        (simple('encoding = "hex"'), "not an encoding"),
        (simple('delimiter = ";;"'), "at most 1"),
        (simple('thousands_separator = "."'), "two things"),
        (simple('delimiter = "\\""'), "delimiter"),
        (simple('date_format = "%Y-%m"'), "%Y, %m and %d"),
        (simple('date_format = "%d/%m/%y"'), "%Y, %m and %d"),
        (simple("named_columns = false"), "not a number"),
        (simple().replace('account = "77"', ""), "account stands"),
        (simple().replace('currency = "EUR"', ""), "currency stands"),
        (simple(columns=""), "neither a running balance"),
        (simple(amount='rule = "guess"'), "guess"),
        (
            simple(amount='rule = "flag"\ncolumn = "a"\nflag = "f"\ncredit = ["C"]\ndebit = ["C"]'),
            "both credit and debit",
        ),
        (simple(amount='rule = "flag"\ncolumn = "a"\nflag = "f"\ncredit = []\ndebit = ["C"]'), "at least 1"),
    ],
)
def test_a_description_that_is_wrong_says_where(description, problem):
    with pytest.raises(Refused) as refused:
        description_of(description)
    assert refused.value.name == "csv_description_is_wrong"
    assert problem in refused.value.sentence()


def test_xml_is_read_as_xml_even_where_a_description_is_given():
    with pytest.raises(Refused) as refused:
        read_statement_file("f", b"<a/>", description=description_of(simple()))
    assert refused.value.name == "message_is_unknown"


@given(st.lists(st.integers(-(10**9), 10**9).filter(bool), min_size=1, max_size=9), st.integers(-(10**9), 10**9))
def test_a_running_balance_proves_every_row(amounts, opening):
    """Any history is read back exactly; with any one balance changed by a cent it is refused."""
    balances = [opening + sum(amounts[: count + 1]) for count in range(len(amounts))]

    def of(changed: int | None) -> bytes:
        rows = [f"2026-03-02,{a},{b + (n == changed)}" for n, (a, b) in enumerate(zip(amounts, balances, strict=True))]
        return "\n".join(["date,amount,balance", *rows]).encode()

    description = simple('amounts_in = "minor"')
    [found] = read_statement_file("f", of(None), description=description_of(description))
    assert [one.amount for one in found.entries] == amounts
    assert (found.opening.amount, found.closing.amount) == (opening, balances[-1])
    for changed in range(1, len(amounts)):
        assert outcome(of(changed), description) == "csv_balance_does_not_follow"
