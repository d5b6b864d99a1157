"""Payment orders out: what is written validates, and what a bank would refuse is refused before it is sent."""

import doctest
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ringfence.banking import account_number, payment_file
from ringfence.banking.account_number import AccountNumber, Scheme, iban, iban_check_digits, other_number
from ringfence.banking.payment_file import EPC, DebtorAccount, PaymentOrder
from ringfence.banking.simulated_bank_orders import FileReceived, FileRejected, read_orders
from ringfence.money import currency
from ringfence.refusal import Refused

CNY, EUR, JPY = currency("CNY"), currency("EUR"), currency("JPY")
NOW = datetime(2026, 3, 2, 1, 2, 3, tzinfo=UTC)
TODAY = date(2026, 3, 2)
POOL = DebtorAccount("示例平台客户资金存管专户", other_number("110914001"), "SMPLCNBJ")
ORDER = PaymentOrder(
    "I-1", "E-1", POOL, "张三", other_number("6222020200112233445"), 12_50, CNY, TODAY, "提现", "CASH", "102100099996"
)
SEPA_POOL = DebtorAccount("Example Platform Clients", iban("DE89370400440532013000"), "COBADEFFXXX")
SEPA_ORDER = PaymentOrder(
    "I-1", "E-1", SEPA_POOL, "Zoe Meyer", iban("NL91ABNA0417164300"), 12_50, EUR, TODAY, "Payout W-1"
)


def written(orders, *, message_id="M-1", dialect=payment_file.ISO_20022):
    return payment_file.payment_file(
        orders, message_id=message_id, created_at=NOW, initiating_party="Ringfence", dialect=dialect
    )


def refused_name(orders, **options):
    with pytest.raises(Refused) as caught:
        written(orders, **options)
    assert caught.value.sentence("en") != caught.value.sentence("zh")
    assert not re.search(r"<[a-z_]+>", caught.value.sentence("en")), "a fact of the sentence is missing"
    return caught.value.name


@pytest.fixture(scope="module")
def schema():
    """The schema of pain.001.001.09 that a development dependency ships."""
    path = resources.files("sepaxml").joinpath("schemas/pain.001.001.09.xsd")
    return etree.XMLSchema(etree.fromstring(path.read_bytes()))


def test_the_examples_in_the_modules_run():
    for module in (account_number, payment_file):
        result = doctest.testmod(module)
        assert (result.attempted > 0, result.failed) == (True, 0)


@pytest.mark.parametrize(
    ("orders", "dialect"),
    [([ORDER], payment_file.ISO_20022), ([SEPA_ORDER], EPC), ([SEPA_ORDER], payment_file.ISO_20022)],
)
def test_a_payment_file_validates_against_the_schema(schema, orders, dialect):
    schema.assertValid(etree.fromstring(written(orders, dialect=dialect)))


@pytest.mark.real_files
def test_a_payment_file_validates_against_a_second_copy_of_the_schema(real_files):
    path = real_files / "bankfiles" / "xsd" / "hbci4j__hbci4java" / "pain.001.001.09.xsd"
    schema = etree.XMLSchema(etree.parse(path))
    for orders in ([ORDER], [SEPA_ORDER], [replace(ORDER, remittance_text="", purpose="", creditor_bank="")]):
        schema.assertValid(etree.fromstring(written(orders)))


names = st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S"]), min_size=1, max_size=140)
identifiers = st.from_regex(r"[A-Za-z0-9+?:().,'-]{1,35}", fullmatch=True)
other_numbers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,33}", fullmatch=True).map(other_number)
german_numbers = st.from_regex(r"[0-9]{18}", fullmatch=True).map(
    lambda own: iban("DE" + iban_check_digits("DE", own) + own)
)


@given(data=st.data())
def test_whatever_is_not_refused_validates_and_reads_back(schema, data):
    """Any orders of one currency: the schema accepts the file, and the bank's own reader finds what was ordered."""
    unit = data.draw(st.sampled_from([CNY, JPY, currency("KWD")]))
    count = data.draw(st.integers(1, 5))
    ids = data.draw(st.lists(identifiers, min_size=count, max_size=count, unique=True))
    orders = [
        PaymentOrder(
            instruction_id=each,
            end_to_end_id=each,
            debtor=replace(POOL, number=data.draw(st.sampled_from([other_number("1"), other_number("2")]))),
            creditor_name=data.draw(names),
            creditor_account=data.draw(other_numbers | german_numbers),
            amount_minor=data.draw(st.integers(1, 10**17)),
            currency=unit,
            requested_execution_date=data.draw(st.dates(TODAY, date(2026, 3, 5))),
            remittance_text=data.draw(st.just("") | names),
        )
        for each in ids
    ]
    try:
        content = written(orders)
    except Refused as refused:
        assert refused.name == "payment_text_has_a_forbidden_character"  # noqa: PT017 - what may be drawn may be refused
        return
    schema.assertValid(etree.fromstring(content))
    assert written(orders) == content
    received = read_orders(content)
    assert isinstance(received, FileReceived)
    found = {
        (
            transfer.end_to_end_id,
            instruction.debtor_number,
            instruction.execution_date,
            AccountNumber(transfer.creditor_scheme, transfer.creditor_number),
            transfer.creditor_name,
            transfer.amount_minor,
            transfer.currency,
            transfer.remittance_text,
        )
        for instruction in received.instructions
        for transfer in instruction.transfers
    }
    assert found == {
        (
            order.end_to_end_id,
            order.debtor.number.text,
            order.requested_execution_date,
            order.creditor_account,
            order.creditor_name,
            order.amount_minor,
            order.currency,
            order.remittance_text,
        )
        for order in orders
    }


def test_orders_are_grouped_by_account_and_day_in_the_order_of_first_appearance():
    """Two days and two accounts, mixed: three instructions, each with its own count and control sum."""
    other = DebtorAccount("第二存管专户", other_number("110914002"))
    orders = [
        ORDER,
        replace(ORDER, instruction_id="I-2", end_to_end_id="E-2", debtor=other, amount_minor=100),
        replace(ORDER, instruction_id="I-3", end_to_end_id="E-3", amount_minor=7),
        replace(ORDER, instruction_id="I-4", end_to_end_id="E-4", requested_execution_date=date(2026, 3, 3)),
    ]
    names = {"": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
    root = etree.fromstring(written(orders))
    assert (root.findtext(".//GrpHdr/NbOfTxs", None, names), root.findtext(".//GrpHdr/CtrlSum", None, names)) == (
        "4",
        "26.07",
    )
    found = [
        (
            each.findtext("PmtInfId", None, names),
            each.findtext("CtrlSum", None, names),
            [line.text for line in each.iterfind("CdtTrfTxInf/PmtId/EndToEndId", names)],
        )
        for each in root.iterfind(".//PmtInf", names)
    ]
    assert found == [
        ("M-1-1", "12.57", ["E-1", "E-3"]),
        ("M-1-2", "1.00", ["E-2"]),
        ("M-1-3", "12.50", ["E-4"]),
    ]


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("instruction_id", "", "payment_identifier_is_malformed"),
        ("instruction_id", "张", "payment_identifier_is_malformed"),
        ("end_to_end_id", "x" * 36, "payment_identifier_is_malformed"),
        ("end_to_end_id", "/x", "payment_identifier_is_malformed"),
        ("end_to_end_id", "x/", "payment_identifier_is_malformed"),
        ("end_to_end_id", "x//y", "payment_identifier_is_malformed"),
        ("end_to_end_id", "x y", "payment_identifier_is_malformed"),
        ("end_to_end_id", "x\n", "payment_identifier_is_malformed"),
        ("creditor_name", "", "payment_text_is_missing"),
        ("creditor_name", "   ", "payment_text_is_missing"),
        ("creditor_name", "名" * 141, "payment_text_is_too_long"),
        ("creditor_name", "张三\n", "payment_text_has_a_forbidden_character"),
        ("creditor_name", "张\x00三", "payment_text_has_a_forbidden_character"),
        ("creditor_name", "张\u202e三", "payment_text_has_a_forbidden_character"),
        ("creditor_name", "张\ue000", "payment_text_has_a_forbidden_character"),
        ("creditor_name", "张\ufffe", "payment_text_has_a_forbidden_character"),
        ("creditor_name", "张\ud800", "payment_text_has_a_forbidden_character"),
        ("creditor_name", " 张三", "payment_text_has_a_forbidden_character"),
        ("remittance_text", "x" * 141, "payment_text_is_too_long"),
        ("remittance_text", "a\tb", "payment_text_has_a_forbidden_character"),
        ("amount_minor", 0, "payment_amount_must_be_positive"),
        ("amount_minor", -1, "payment_amount_must_be_positive"),
        ("amount_minor", 10**18, "payment_amount_is_too_large"),
        ("purpose", "cash", "payment_purpose_is_malformed"),
        ("purpose", "SALAR", "payment_purpose_is_malformed"),
        ("creditor_bank", "12345", "payment_bank_is_malformed"),
        ("creditor_bank", "SMPLCNBJX", "payment_bank_is_malformed"),
    ],
)
def test_what_a_bank_would_refuse_is_refused_by_name(field, value, name):
    assert refused_name([replace(ORDER, **{field: value})]) == name


def test_lengths_count_characters_and_not_bytes():
    """140 Chinese characters are 420 bytes, and fit; one more does not, and nothing is cut."""
    assert ("名" * 140).encode() in written([replace(ORDER, creditor_name="名" * 140)])
    assert refused_name([replace(ORDER, creditor_name="名" * 141)]) == "payment_text_is_too_long"


def test_a_refused_character_is_named_with_its_place():
    with pytest.raises(Refused) as caught:
        written([replace(ORDER, creditor_name="张\u202e三")])
    assert caught.value.facts == {"field": "Cdtr/Nm", "character": "U+202E", "position": 2}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"creditor_name": "张三"}, "payment_text_has_a_forbidden_character"),
        ({"creditor_name": "x" * 71}, "payment_text_is_too_long"),
        ({"creditor_account": other_number("12345")}, "payment_account_must_be_an_iban"),
        ({"currency": CNY}, "payment_currency_is_not_taken"),
        ({"amount_minor": 999_999_999_99 + 1}, "payment_amount_is_too_large"),
    ],
)
def test_a_sepa_bank_takes_less(change, name):
    assert refused_name([replace(SEPA_ORDER, **change)], dialect=EPC) == name


@pytest.mark.parametrize(
    ("orders", "options", "name"),
    [
        ([], {}, "payment_file_has_no_orders"),
        ([ORDER], {"message_id": "M" * 31}, "payment_identifier_is_malformed"),
        (
            [ORDER, replace(ORDER, instruction_id="I-2", end_to_end_id="E-2", currency=JPY)],
            {},
            "payment_file_mixes_currencies",
        ),
        ([ORDER, replace(ORDER, instruction_id="I-2")], {}, "payment_file_repeats_an_identifier"),
        ([ORDER, replace(ORDER, end_to_end_id="E-2")], {}, "payment_file_repeats_an_identifier"),
        (
            [
                replace(ORDER, amount_minor=10**18 - 1),
                replace(ORDER, instruction_id="I-2", end_to_end_id="E-2", amount_minor=1),
            ],
            {},
            "payment_file_sum_is_too_large",
        ),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(orders, options, name):
    assert refused_name(orders, **options) == name


def test_a_creation_time_without_a_zone_is_a_defect():
    with pytest.raises(ValueError, match="zone"):
        payment_file.payment_file([ORDER], message_id="M", created_at=NOW.replace(tzinfo=None), initiating_party="R")


# Published examples of the registration authority, one for each of some lengths.
GOOD_IBANS = """
NO93 8601 1117 947            BE68 5390 0754 7034           DK50 0040 0440 1162 43        SI56 2633 0001 2039 086
AT61 1904 3002 3457 3201      CH93 0076 2011 6238 5295 7    DE89 3704 0044 0532 0130 00   GI75 NWBK 0000 0000 7099 453
ES91 2100 0418 4502 0005 1332 PT50 0002 0123 1234 5678 9015 4 IS14 0159 2600 7654 5510 7303 39
FR14 2004 1010 0505 0001 3M02 606  PL61 1090 1014 0000 0712 1981 2874  EG38 0019 0005 0000 0000 2631 8000 2
KW81 CBKU 0000 0000 0000 1234 5601 01  MT84 MALT 0110 0001 2345 MTLC AST0 01S  LC55 HEMM 0001 0001 0012 0012 0002 3015
"""


def good_ibans():
    found = re.findall(r"[A-Z]{2}\d\d(?: [A-Z0-9]{1,4})+", GOOD_IBANS)
    return [each for group in found for each in re.split(r"\s+(?=[A-Z]{2}\d\d )", group)]


def test_published_ibans_are_right():
    assert len(good_ibans()) == 17
    for text in good_ibans():
        assert iban(text) == AccountNumber(Scheme.IBAN, text.replace(" ", ""))


@given(st.sampled_from(good_ibans()), st.integers(0, 40), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_mistyped_character_is_always_noticed(text, position, character):
    """MOD 97-10 catches every single wrong character that is replaced by one of its kind."""
    compact = text.replace(" ", "")
    position %= len(compact)
    if compact[position] == character or compact[position].isdigit() != character.isdigit():
        return
    with pytest.raises(Refused):
        iban(compact[:position] + character + compact[position + 1 :])


@given(st.sampled_from(good_ibans()), st.integers(4, 40))
def test_two_neighbours_swapped_are_always_noticed(text, position):
    compact = text.replace(" ", "")
    position = 4 + position % (len(compact) - 5)
    left, right = compact[position], compact[position + 1]
    if left == right:
        return
    with pytest.raises(Refused):
        iban(compact[:position] + right + left + compact[position + 2 :])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "iban_is_malformed"),
        ("de89370400440532013000", "iban_is_malformed"),
        ("DE8937040044053201300٣", "iban_is_malformed"),
        ("CN89370400440532013000", "iban_country_is_unknown"),
        ("DE893704004405320130", "iban_length_is_wrong"),
        ("DE88370400440532013000", "iban_check_digits_are_wrong"),
    ],
)
def test_a_wrong_iban_is_refused_by_what_is_wrong(text, name):
    with pytest.raises(Refused) as caught:
        iban(text)
    assert caught.value.name == name


def test_check_digits_that_only_fit_modulo_97_are_refused():
    """A number whose right digits are 98 also passes the remainder with 01, which ISO 13616 never issues."""
    own = next(f"{each:018d}" for each in range(10_000) if iban_check_digits("DE", f"{each:018d}") == "98")
    assert iban(f"DE98{own}")
    with pytest.raises(Refused):
        iban(f"DE01{own}")


@pytest.mark.parametrize("text", ["", " 1", "x" * 35, "12 34", "账号", "12\n"])
def test_another_number_has_a_form_too(text):
    with pytest.raises(Refused, match="account_number_is_malformed"):
        other_number(text)


@pytest.mark.real_files
def test_the_ibans_of_real_bank_files_are_right_or_refused_by_name(real_files):
    """Samples from elsewhere: IBANs of real accounts are right; the made-up ones (1111...) are refused."""
    right, wrong = set(), {}
    for folder in ("pain.001", "camt.053", "camt.054"):
        for path in (each for each in (real_files / "bankfiles" / folder).rglob("*") if each.is_file()):
            for text in re.findall(rb"<(?:\w+:)?IBAN>([^<]*)<", path.read_bytes()):
                try:
                    right.add(iban(text.decode()).text)
                except Refused as refused:
                    wrong[text.decode()] = refused.name
    assert len(right) >= 20
    assert wrong["CH1111111111111111111"] == "iban_check_digits_are_wrong"
    assert set(wrong.values()) <= {"iban_length_is_wrong", "iban_check_digits_are_wrong"}


# The bank's own reader


def edited(old, new):
    content = written([ORDER]).decode()
    assert old in content
    return content.replace(old, new).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "FF01"),
        (b"not xml", "FF01"),
        (written([ORDER])[:-20], "FF01"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + written([ORDER]).split(b"?>", 1)[1].lstrip(), "FF01"),
        (edited("pain.001.001.09", "pain.001.001.03"), "FF01"),
        (edited("<PmtMtd>TRF</PmtMtd>", "<PmtMtd>CHK</PmtMtd>"), "FF01"),
        (edited("<PmtMtd>TRF</PmtMtd>", ""), "FF01"),
        (edited("<PmtMtd>TRF</PmtMtd>", "stray<PmtMtd>TRF</PmtMtd>"), "FF01"),
        (edited("<PmtMtd>TRF</PmtMtd>", "<PmtMtd x='1'>TRF</PmtMtd>"), "FF01"),
        (edited("<BtchBookg>false", "<BtchBookg>true"), "FF01"),
        (edited("2026-03-02</Dt>", "2026-02-30</Dt>"), "FF01"),
        (edited(' Ccy="CNY"', ""), "FF01"),
        (edited('Ccy="CNY"', 'Ccy="ZZZ"'), "FF01"),
        (edited(">12.50</InstdAmt>", ">12.505</InstdAmt>"), "FF01"),
        (edited(">12.50</InstdAmt>", ">-12.50</InstdAmt>"), "FF01"),
        (edited("<Ustrd>提现</Ustrd>", "<Strd/>"), "FF01"),
        (edited("<EndToEndId>E-1</EndToEndId>", "<EndToEndId>E 1</EndToEndId>"), "FF01"),
        (edited("<NbOfTxs>1</NbOfTxs>", "<NbOfTxs>2</NbOfTxs>"), "AM18"),
        (edited("<CtrlSum>12.50</CtrlSum>", "<CtrlSum>12.51</CtrlSum>"), "AM10"),
    ],
)
def test_the_bank_takes_nothing_that_is_out_of_form(content, reason):
    rejected = read_orders(content)
    assert isinstance(rejected, FileRejected)
    assert rejected.reason == reason
    assert len(rejected.text) <= 105


@given(st.binary(max_size=200), st.integers(0, 3000))
def test_the_bank_reads_any_bytes_without_a_traceback(noise, position):
    content = written([ORDER])
    position %= len(content)
    assert isinstance(read_orders(content[:position] + noise + content[position:]), FileReceived | FileRejected)
