"""Reading camt.053, camt.052 and camt.054: what counts, what is refused, and by which name."""

import doctest
import re
from datetime import UTC, date, datetime, timedelta, timezone
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking_statement_samples import IBAN, balance, entry, message, read, refusal_of, statement, tag
from ringfence.banking import statement as statement_module
from ringfence.banking.reading import read_notifications, read_statement_file
from ringfence.banking.statement import Account, Balance, Page, Totals
from ringfence.refusal import Refused


def details(*transactions: str) -> str:
    return "".join(tag("TxDtls", one) for one in transactions)


def test_the_worked_example_of_the_statement_runs():
    assert doctest.testmod(statement_module).failed == 0


def test_a_statement_is_read_with_all_that_it_says():
    """A deposit of 50.25 with its payer, a fee of 0.25: opening 100.00, closing 150.00."""
    deposit = entry(
        "50.25",
        reference="BANK-1",
        more=tag("NtryRef", "7"),
        details=details(
            tag("Refs", tag("EndToEndId", "E-1"), tag("InstrId", "I-1"), tag("MsgId", "M-9"), tag("PmtInfId", "P-9"))
            + tag("Amt", "50.25", Ccy="EUR")
            + tag(
                "RltdPties",
                tag("Dbtr", tag("Pty", tag("Nm", "Alice"))),
                tag("DbtrAcct", tag("Id", tag("IBAN", "LT12 1000 0111 0100 1000"))),
                tag("Cdtr", tag("Pty", tag("Nm", "Platform"))),
                tag("CdtrAcct", tag("Id", tag("IBAN", IBAN))),
            )
            + tag("RltdAgts", tag("DbtrAgt", tag("FinInstnId", tag("BICFI", "AGBLLT2X"))))
            + tag("RmtInf", tag("Ustrd", "top up"), tag("Ustrd", "card 4"))
        ),
    )
    fee = entry("0.25", "DBIT", more=tag("BkTxCd", tag("Prtry", tag("Cd", "FEE"))) + tag("AddtlNtryInf", "fee"))
    heading = (
        tag("ElctrncSeqNb", "41")
        + tag("LglSeqNb", "9")
        + tag("CreDtTm", "2026-03-02T20:00:00.123456789+01:00")
        + tag("FrToDt", tag("FrDtTm", "2026-03-02T00:00:00+01:00"), tag("ToDtTm", "2026-03-02T24:00:00+01:00"))
        + tag("CpyDplctInd", "DUPL")
    )
    [found] = read(message(statement(deposit, fee, closing="150.00", heading=heading)))
    assert (found.message, found.message_id, found.statement_id) == ("camt.053.001.08", "M1", "S1")
    assert (found.account, found.currency.code) == (Account("IBAN", IBAN), "EUR")
    assert (found.electronic_sequence, found.legal_sequence, found.copy) == (41, 9, "DUPL")
    assert found.created_at == datetime(2026, 3, 2, 19, 0, 0, 123456, tzinfo=UTC)
    assert (found.first_day, found.last_day) == (date(2026, 3, 2), date(2026, 3, 2))
    assert found.opening == Balance("OPBD", 10000, date(2026, 3, 2))
    assert found.closing == Balance("CLBD", 15000, date(2026, 3, 2))
    assert (found.assumed, found.verified_empty) == ((), False)
    first, second = found.entries
    assert (first.amount, second.amount) == (5025, -25)
    assert (first.bank_reference, first.entry_reference, first.itemised) == ("BANK-1", "7", True)
    assert (first.end_to_end_id, first.instruction_id) == ("E-1", "I-1")
    assert (first.message_id, first.payment_information_id) == ("M-9", "P-9")
    assert (first.counterparty_name, first.counterparty_account) == ("Alice", "LT121000011101001000")
    assert (first.sole.counterparty_bank, first.remittance) == ("AGBLLT2X", "top up\ncard 4")
    assert (second.transaction_code, second.remittance, second.itemised) == ("bank:FEE", "fee", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 100),
        ("1.5", 150),
        ("1.50000", 150),
        ("+1.50", 150),
        ("01.50", 150),
        (".5", 50),
        ("5.", 500),
        (" 1.50\n", 150),
        ("1<!-- a comment -->0", 1000),
        ("1<?pi?>0", 1000),
        ("<![CDATA[1]]>0", 1000),
        ("&#49;0", 1000),
        ("0", 0),
        ("92233720368547758.07", 2**63 - 1),
        ("-1.50", "statement_amount_carries_a_sign"),
        ("-0.00", "statement_amount_carries_a_sign"),
        ("1.505", "amount_is_not_a_decimal"),
        ("0.00001", "amount_is_not_a_decimal"),
        ("NaN", "amount_is_not_a_decimal"),
        ("INF", "amount_is_not_a_decimal"),
        ("1e3", "amount_is_not_a_decimal"),
        ("1E+3", "amount_is_not_a_decimal"),
        ("1,50", "amount_is_not_a_decimal"),
        ("1 000.00", "amount_is_not_a_decimal"),
        ("1_0", "amount_is_not_a_decimal"),
        (".", "amount_is_not_a_decimal"),
        ("+", "amount_is_not_a_decimal"),
        ("١", "amount_is_not_a_decimal"),
        ("²", "amount_is_not_a_decimal"),
        ("0x10", "amount_is_not_a_decimal"),
        ("92233720368547758.08", "amount_overflows"),
        ("9" * 5000, "amount_overflows"),
        ("", "statement_field_is_missing"),
        ("1<b/>0", "statement_field_is_malformed"),
    ],
)
def test_an_amount_is_exact_or_refused(text, expected):
    """An entry that is only for information, so that no balance has to follow it."""
    sample = message(statement(entry(text, status="INFO")))
    if isinstance(expected, str):
        assert refusal_of(sample) == expected
    else:
        assert read(sample)[0].entries[0].amount == expected


def test_decimals_follow_the_currency():
    yen = {"currency": "JPY", "opening": "0", "closing": "12"}
    assert read(message(statement(entry("12.00", currency="JPY"), **yen)))[0].entries[0].amount == 12
    assert refusal_of(message(statement(entry("12.5", currency="JPY"), **yen))) == "amount_is_not_a_decimal"
    dinar = {"currency": "BHD", "opening": "0", "closing": "1.234"}
    assert read(message(statement(entry("1.234", currency="BHD"), **dinar)))[0].closing.amount == 1234


@pytest.mark.parametrize("version", ["001.01", "001.02", "001.03", "001.04", "001.06", "001.08", "001.11", "001.13"])
def test_every_version_is_read(version):
    """Version 01 has its number in the name of its root and its transactions in the entry itself."""
    root = "BkToCstmrStmtV01" if version == "001.01" else None
    transaction = tag("TxDtls", tag("Refs", tag("EndToEndId", "E")))
    line = entry("5.00", status="BOOK", more=transaction if version == "001.01" else "", details="")
    assert read(message(statement(line, closing="105.00"), version=version, root=root))[0].entries[0].amount == 500


def test_old_versions_keep_the_detail_amount_elsewhere():
    old = details(tag("AmtDtls", tag("TxAmt", tag("Amt", "5.00", Ccy="EUR"))))
    foreign = details(tag("Amt", "6.00", Ccy="USD") + tag("AmtDtls", tag("TxAmt", tag("Amt", "5.00", Ccy="EUR"))))
    for one in (old, foreign):
        sample = message(statement(entry("5.00", details=one), closing="105.00"), version="001.02")
        assert read(sample)[0].entries[0].details[0].amount == 500


PLAIN = message(statement(entry("5.00"), closing="105.00"))


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("utf-8 with a mark", b"\xef\xbb\xbf" + PLAIN.encode()),
        ("utf-16", PLAIN.replace("UTF-8", "UTF-16").encode("utf-16")),
        ("utf-16, big end first, no mark", PLAIN.replace("UTF-8", "UTF-16").encode("utf-16-be")),
        ("latin-1", PLAIN.replace("UTF-8", "ISO-8859-1").replace("M1", "Mé").encode("latin-1")),
        ("gb18030", PLAIN.replace("UTF-8", "GB18030").replace("M1", "报文").encode("gb18030")),
        ("no declaration", PLAIN.partition("\n")[2].encode()),
        ("a prefix", re.sub("<(/?)([A-Z])", r"<\1c:\2", PLAIN).replace("xmlns=", "xmlns:c=")),
        ("an envelope", "<e:m xmlns:e='x'><e:h><Id>1</Id></e:h>" + PLAIN.partition("\n")[2] + "</e:m>"),
        ("comments and instructions", PLAIN.replace("<Ntry>", "<!-- <Ntry> --><?p <Ntry>?><Ntry>")),
        ("swift's namespace", PLAIN.replace("urn:iso:std:iso:20022:tech:xsd:", "urn:swift:xsd:$")),
        ("schema location", PLAIN.replace("xmlns=", "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                                          "xsi:schemaLocation='urn:x y.xsd' xmlns=")),
        ("a supplementary document", PLAIN.replace("</BookgDt>", "</BookgDt><SplmtryData><Envlp><Document xmlns='u:x'>"
                                                   "<Ntry/></Document></Envlp></SplmtryData>")),
    ],
)  # fmt: skip
def test_the_dress_of_a_message_does_not_matter(name, sample):
    assert [one.amount for one in read(sample)[0].entries] == [500], name


@pytest.mark.parametrize(
    ("expected", "sample"),
    [
        ("bank_file_is_empty", b""),
        ("bank_file_is_empty", b" \n\t"),
        ("bank_file_format_is_unknown", b"PK\x03\x04"),
        ("bank_file_format_is_unknown", b"\x1f\x8b\x08\x00"),
        ("bank_file_format_is_unknown", b"%PDF-1.7"),
        ("bank_file_format_is_unknown", b":20:MT940"),
        ("bank_file_format_is_unknown", b"\x00" * 100),
        ("bank_file_is_not_xml", PLAIN.replace("</Acct>", "</Account>")),
        ("bank_file_is_not_xml", PLAIN + "more"),
        ("bank_file_is_not_xml", PLAIN + PLAIN),
        ("bank_file_is_not_xml", PLAIN.replace("<Document", "<x:Document").replace("</Document", "</x:Document")),
        ("bank_file_is_cut_short", PLAIN[:-1]),
        ("bank_file_is_cut_short", PLAIN[: len(PLAIN) // 2]),
        ("bank_file_encoding_is_wrong", PLAIN.replace("M1", "Mé").encode("latin-1")),
        ("bank_file_encoding_is_wrong", PLAIN.replace("UTF-8", "UTF-99")),
        ("bank_file_declares_a_document_type", PLAIN.replace("<Document", "<!DOCTYPE Document><Document")),
        ("bank_file_exceeds_limits", PLAIN.replace("<GrpHdr>", "<a>" * 300 + "</a>" * 300 + "<GrpHdr>")),
        ("message_is_unknown", "<html/>"),
        ("message_is_unknown", PLAIN.replace("camt.053.001.08", "camt.053")),
        ("message_is_unknown", PLAIN.replace("urn:iso:std:iso:20022:tech:xsd:camt", "http://example.org/camt")),
        ("message_has_no_namespace", message(statement(), namespace="")),
        ("message_has_no_namespace", "<Document/>"),
        ("message_contradicts_its_namespace", message(statement(), root="BkToCstmrAcctRpt")),
        ("message_contradicts_its_namespace", PLAIN.replace("<BkToCstmrStmt>", "<BkToCstmrStmt xmlns='x'>")),
        ("message_is_not_a_statement", message(statement(unit="Ntfctn"), kind="054")),
        ("message_is_not_a_statement", message(statement(unit="Rpt"), kind="052")),
        ("message_is_not_a_statement", PLAIN.replace("camt.053.001.08", "pain.001.001.09")),
        ("message_holds_no_statement", message()),
        ("message_holds_no_statement", "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'/>"),
        ("file_holds_several_documents", "<all>" + 2 * PLAIN.partition("\n")[2] + "</all>"),
        ("statement_field_is_missing", message(statement().replace("<Id>S1</Id>", ""))),
        ("statement_field_is_repeated", message(statement(heading=tag("Id", "S2")))),
        ("statement_has_no_account", message(statement(account=""))),
        ("statement_has_no_account", message(statement(account=tag("Id", tag("IBAN", ""))))),
        ("statement_element_is_misplaced", message(tag("Stmts", statement(), tag("Ntry")))),
        ("statement_element_is_misplaced", message(statement(), entry("5.00"))),
        ("statement_element_is_misplaced", message(statement(entry("5"), balance("CLBD", "105"), closing="105"))),
        ("statement_element_is_misplaced", message(statement(entry("5"), tag("TxsSummry"), closing="105"))),
        ("statement_element_is_misplaced", message(statement(tag("TxDtls")))),
        ("statement_field_is_malformed", message(statement(heading=tag("ElctrncSeqNb", "x")))),
        ("statement_field_is_malformed", message(statement(heading=tag("CreDtTm", "yesterday")))),
        ("statement_field_is_malformed", message(statement(heading=tag("CreDtTm", "2026-02-30T00:00:00")))),
        ("statement_field_is_malformed", message(statement(on="2026-13-01"))),
        ("statement_field_is_malformed", message(statement(heading=tag("StmtPgntn", tag("PgNb", "0"),
                                                                       tag("LastPgInd", "true"))))),
        ("statement_field_is_malformed", message(statement(entry("5.00", "CREDIT"), closing="105.00"))),
        ("statement_field_is_malformed", message(statement(entry("5.00", reversal="maybe"), closing="105.00"))),
        ("statement_field_is_missing", message(statement(entry("5.00", None), closing="105.00"))),
        ("statement_field_is_missing", message(statement(entry("5.00").replace(' Ccy="EUR"', ""), closing="105.00"))),
        ("statement_field_is_repeated", message(statement(entry("5", more=tag("Amt", "5", Ccy="EUR")), closing="105"))),
        ("statement_entry_status_is_unknown", message(statement(entry("5.00", status="DONE"), closing="105.00"))),
        ("statement_entry_status_is_unknown", message(statement(entry("5", status=tag("Prtry", "OK")), closing="105"))),
        ("statement_currencies_differ", message(statement(entry("5.00", currency="USD"), closing="105.00"))),
        ("currency_is_unknown", message(statement(entry("5.00", currency="eur"), closing="105.00"))),
        ("currency_is_unknown", message(statement(currency="XXX"))),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_by_name(expected, sample):
    assert refusal_of(sample) == expected


def test_no_file_makes_the_reader_open_another(tmp_path):
    """An external entity, a parameter entity and an external document type, each of which would read a secret."""
    secret = tmp_path / "secret"
    secret.write_text("105.00")
    for declared in (
        f'<!DOCTYPE Document [<!ENTITY x SYSTEM "{secret.as_uri()}">]>',
        f'<!DOCTYPE Document [<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;]>',
        f'<!DOCTYPE Document SYSTEM "{secret.as_uri()}">',
        '<!DOCTYPE Document [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY x "&b;&b;&b;&b;">]>',
    ):
        sample = message(statement(entry("&x;"), closing="105.00"), before=declared)
        assert refusal_of(sample) == "bank_file_declares_a_document_type"


@pytest.mark.parametrize(
    ("name", "before"),
    [("a part before the Document", "<h>" + "<a/>" * 400_000 + "</h>"), ("a text", "<h>" + "x" * 11_000_000 + "</h>")],
)
def test_a_part_that_no_message_needs_is_refused(name, before):
    assert refusal_of("<all>" + before + PLAIN.partition("\n")[2] + "</all>") in {
        "message_is_unknown",
        "bank_file_exceeds_limits",
    }, name


def test_an_entry_larger_than_any_is_refused_before_it_fills_the_memory():
    swollen = message(statement(entry("5.00", more="<Chrgs>" + "<a/>" * 5_000_000 + "</Chrgs>"), closing="105.00"))
    assert refusal_of(swollen) == "bank_file_exceeds_limits"


def test_balances_that_are_not_booked_do_not_count():
    """Available, forward and informational balances may hold credit or be in another currency: they are passed over."""
    other = balance("CLAV", "7.77") + balance("FWAV", "8.88", currency="JPY") + balance("INFO", "x", currency="???")
    booked = balance("OPBD", "100.00") + balance("CLBD", "105.00")
    assert read(message(statement(entry("5.00"), balances=booked + other)))[0].closing.amount == 10500
    only_available = balance("OPAV", "100.00") + balance("CLAV", "105.00")
    assert refusal_of(message(statement(entry("5.00"), balances=only_available))) == "statement_has_no_closing_balance"


@pytest.mark.parametrize(
    ("balances", "expected"),
    [
        (balance("PRCD", "100.00") + balance("CLBD", "105.00"), "read"),
        (balance("OPBD", "100.00") + balance("PRCD", "100.00", on="2026-03-01") + balance("CLBD", "105.00"), "read"),
        (balance("OPBD", "100.00") + balance("CLBD", "105.00") * 2, "read"),
        (balance("OPBD", "100.00", on="2026-02-27") + balance("CLBD", "105.00"), "read"),
        (balance("CLBD", "105.00"), "statement_has_no_opening_balance"),
        (balance("OPBD", "100.00"), "statement_has_no_closing_balance"),
        ("", "statement_has_no_closing_balance"),
        (balance("OPBD", "100") + balance("PRCD", "99") + balance("CLBD", "105"), "statement_balance_is_ambiguous"),
        (balance("OPBD", "100") + balance("CLBD", "105") + balance("CLBD", "106"), "statement_balance_is_ambiguous"),
        (balance("OPBD", "100", on="2026-03-03") + balance("CLBD", "105"), "statement_dates_are_reversed"),
        (balance("OPBD", "100", currency="USD") + balance("CLBD", "105"), "statement_currencies_differ"),
        (balance("OPBD", "100.00") + balance("CLBD", "104.99"), "statement_does_not_add_up"),
        (balance("OPBD", "100.00", sign="DBIT") + balance("CLBD", "105.00"), "statement_does_not_add_up"),
        (balance("OPBD", "5.00", sign="DBIT") + balance("CLBD", "0.00", sign="DBIT"), "read"),
        (balance("OPBD", "100") + balance("CLBD", "105", more=tag("CdtLine", tag("Incl", "true"))),
         "statement_balance_includes_credit_line"),
        (balance("OPBD", "100") + balance("CLBD", "105", more=tag("CdtLine", tag("Incl", "false"))), "read"),
        (balance("OPBD", "100")
         + balance("CLBD", "105", more=tag("CdtLine", tag("Incl", "true"), tag("Amt", "0.00", Ccy="EUR"))), "read"),
        (balance("OPBD", "100").replace("<Dt><Dt>2026-03-02</Dt></Dt>", "") + balance("CLBD", "105"),
         "statement_field_is_missing"),
    ],
)  # fmt: skip
def test_the_booked_balances_make_the_statement(balances, expected):
    """One entry of 5.00, in a statement of these balances."""
    assert refusal_of(message(statement(entry("5.00"), balances=balances))) == expected


def test_a_balance_without_a_sign_is_a_credit_and_says_so():
    """Settlement accounts that cannot be overdrawn are reported so; arithmetic has to confirm it."""
    unsigned = balance("OPBD", "100.00", sign=None) + balance("CLBD", "105.00", sign=None)
    assert read(message(statement(entry("5.00"), balances=unsigned)))[0].assumed == ("balance_is_credit",)
    assert refusal_of(message(statement(entry("5.00", "DBIT"), balances=unsigned))) == "statement_does_not_add_up"


def test_an_entry_without_status_and_date_is_booked_on_the_closing_day_and_says_so():
    [found] = read(message(statement(entry("5.00", status=None, booked_on=None), closing="105.00")))
    assert found.assumed == ("booked", "booking_date")
    assert (found.entries[0].booking_date, found.entries[0].booked) == (date(2026, 3, 2), True)


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR", "<Cd>PDNG</Cd>"])
def test_what_is_not_booked_does_not_count(status):
    [found] = read(message(statement(entry("5.00"), entry("900.00", status=status), closing="105.00")))
    assert [one.booked for one in found.entries] == [True, False]
    assert [one.amount for one in found.booked] == [500]


def test_empty_is_verified_only_by_equal_balances():
    assert read(message(statement()))[0].verified_empty
    assert refusal_of(message(statement(closing="100.01"))) == "statement_does_not_add_up"
    [pending] = read(message(statement(entry("5.00", status="PDNG"))))
    assert pending.verified_empty


def test_a_reversal_keeps_the_direction_of_its_indicator():
    """A payment of 5.00 came back: a credit, marked as a reversal; its counterparty is whom we had paid."""
    parties = tag("RltdPties", tag("Dbtr", tag("Nm", "Platform")), tag("Cdtr", tag("Nm", "Bob")))
    returned = details(parties + tag("RtrInf", tag("Rsn", tag("Cd", "AC04"))))
    [found] = read(message(statement(entry("5.00", reversal="true", details=returned), closing="105.00")))
    [line] = found.entries
    assert (line.amount, line.reversal, line.counterparty_name) == (500, True, "Bob")
    assert line.sole.return_reason == "AC04"


@pytest.mark.parametrize(("sign", "total", "name"), [("CRDT", "105.00", "Payer"), ("DBIT", "95.00", "Payee")])
def test_the_counterparty_is_the_other_side(sign, total, name):
    parties = tag("RltdPties", tag("Dbtr", tag("Nm", "Payer")), tag("Cdtr", tag("Nm", "Payee")))
    [found] = read(message(statement(entry("5.00", sign, details=details(parties)), closing=total)))
    assert found.entries[0].counterparty_name == name


def test_the_only_party_that_is_named_is_the_counterparty():
    """A payment that came back, as a plain credit without the mark of a reversal: the bank names only whom we paid."""
    parties = tag("RltdPties", tag("Cdtr", tag("Nm", "Bob")), tag("CdtrAcct", tag("Id", tag("Othr", tag("Id", "9")))))
    [found] = read(message(statement(entry("5.00", details=details(parties)), closing="105.00")))
    assert (found.entries[0].counterparty_name, found.entries[0].counterparty_account) == ("Bob", "9")


def test_the_account_tells_the_sides_apart_whatever_the_direction():
    """A return names the parties of the payment: we are its debtor although money comes in, or its creditor although
    it goes out.
    """
    own = tag("Id", tag("IBAN", IBAN))
    paid = tag("RltdPties", tag("Dbtr", tag("Nm", "We")), tag("DbtrAcct", own), tag("Cdtr", tag("Nm", "Bob")))
    drawn = tag("RltdPties", tag("Dbtr", tag("Nm", "Bob")), tag("Cdtr", tag("Nm", "We")), tag("CdtrAcct", own))
    lines = entry("5.00", details=details(paid)) + entry("5.00", "DBIT", details=details(drawn))
    assert [one.counterparty_name for one in read(message(statement(lines)))[0].entries] == ["Bob", "Bob"]


def test_the_bank_may_have_its_own_way_to_number_accounts():
    own = tag("Id", tag("Othr", tag("Id", "6222 0001"), tag("SchmeNm", tag("Prtry", "CARD"))))
    assert read(message(statement(account=own)))[0].account == Account("CARD", "6222 0001")
    old = tag("Id", tag("PrtryAcct", tag("Id", "77")))
    assert read(message(statement(account=old), version="001.01", root="BkToCstmrStmtV01"))[0].account.scheme == ""


def test_the_currency_may_be_said_by_the_balances_alone():
    [found] = read(message(statement(entry("5.00"), closing="105.00", currency=None)))
    assert found.currency.code == "EUR"


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        (tag("TtlNtries", tag("NbOfNtries", "2"), tag("Sum", "11.00")), "read"),
        (tag("TtlNtries", tag("NbOfNtries", "2"), tag("Sum", "5.00")), "read"),  # some banks give the net
        (tag("TtlNtries", tag("TtlNetNtry", tag("Amt", "5.00"), tag("CdtDbtInd", "CRDT"))), "read"),
        (tag("TtlNtries", tag("TtlNetNtryAmt", "5.00"), tag("CdtDbtInd", "CRDT")), "read"),
        (tag("TtlCdtNtries", tag("NbOfNtries", "1"), tag("Sum", "8")) + tag("TtlDbtNtries", tag("Sum", "-3")), "read"),
        (tag("TtlNtries", tag("NbOfNtries", "3")), "read"),  # with the pending one
        (tag("TtlNtries", tag("NbOfNtries", "4")), "statement_totals_differ"),
        (tag("TtlNtries", tag("Sum", "11.01")), "statement_totals_differ"),
        (tag("TtlCdtNtries", tag("Sum", "8.01")), "statement_totals_differ"),
        (tag("TtlDbtNtries", tag("NbOfNtries", "2")), "statement_totals_differ"),
        (tag("TtlNtries", tag("TtlNetNtry", tag("Amt", "5.00"), tag("CdtDbtInd", "DBIT"))), "statement_totals_differ"),
        (tag("TtlNtries", tag("NbOfNtries", "two")), "statement_field_is_malformed"),
    ],
)
def test_totals_of_the_bank_are_those_of_the_entries(totals, expected):
    """Credits 8.00, debits 3.00, and 1.00 pending."""
    summary = tag("TxsSummry", totals)
    lines = entry("8.00") + entry("3.00", "DBIT") + entry("1.00", status="PDNG")
    assert refusal_of(message(statement(summary, lines, closing="105.00"))) == expected


def test_several_statements_are_read_in_their_order():
    """Two accounts and two currencies in one file; one that is wrong refuses all."""
    other = {"account": tag("Id", tag("Othr", tag("Id", "77"))), "currency": "CNY", "identification": "S2"}
    first = statement(entry("5.00"), closing="105.00")
    found = read(message(first, statement(entry("1.00", currency="CNY"), closing="101.00", **other)))
    assert [(one.statement_id, one.currency.code, len(one.entries)) for one in found] == [
        ("S1", "EUR", 1),
        ("S2", "CNY", 1),
    ]
    wrong = statement(entry("1.00", currency="CNY"), closing="999.00", **other)
    assert refusal_of(message(first, wrong)) == "statement_does_not_add_up"


def test_a_statement_twice_in_one_file_is_refused():
    one = statement(entry("5.00"), closing="105.00")
    assert refusal_of(message(one, one)) == "statement_is_given_twice"


def pages(number: str, last: str) -> str:
    return tag("StmtPgntn", tag("PgNb", number), tag("LastPgInd", last))


def test_a_page_with_its_own_balances_is_a_statement():
    first = statement(
        entry("5.00"), heading=pages("1", "false"), balances=balance("OPBD", "100") + balance("ITBD", "105.00")
    )
    middle = statement(
        entry("7.00"), heading=pages("2", "false"), balances=balance("ITBD", "105") + balance("ITBD", "112.00")
    )
    last = statement(
        entry("1.00"), heading=pages("3", "true"), balances=balance("ITBD", "112") + balance("CLBD", "113")
    )
    found = [read(message(page))[0] for page in (first, middle, last)]
    assert [(one.opening.amount, one.closing.amount) for one in found] == [
        (10000, 10500),
        (10500, 11200),
        (11200, 11300),
    ]
    assert [one.page for one in found] == [Page(1, last=False), Page(2, last=False), Page(3, last=True)]


@pytest.mark.parametrize(
    "page",
    [
        statement(entry("5.00"), heading=pages("1", "false"), balances=balance("OPBD", "100.00")),
        statement(entry("5.00"), heading=pages("2", "true"), balances=balance("CLBD", "113.00")),
        statement(entry("5.00"), heading=pages("2", "true"), opening="100.00", closing="113.00"),
        statement(entry("5.00"), heading=pages("2", "true"), balances=""),
    ],
)
def test_a_page_that_needs_the_others_is_refused(page):
    assert refusal_of(message(page)) == "statement_is_one_page_of_several"


def test_the_pages_of_the_message_count_where_the_statement_has_none():
    group = tag("MsgPgntn", tag("PgNb", "2"), tag("LastPgInd", "true"))
    cut = message(statement(entry("5.00"), closing="113.00"), group=group)
    assert refusal_of(cut) == "statement_is_one_page_of_several"
    whole = message(statement(entry("5.00"), closing="105.00"), group=group)
    assert read(whole)[0].page == Page(2, last=True)


def test_a_batch_keeps_its_transactions():
    transactions = details(
        *(tag("Refs", tag("EndToEndId", f"E{n}")) + tag("Amt", f"{n}.00", Ccy="EUR") for n in (1, 2, 3))
    )
    batch = tag("Btch", tag("MsgId", "M-7"), tag("PmtInfId", "P-7"), tag("NbOfTxs", "3"))
    [found] = read(message(statement(entry("6.00", "DBIT", details=batch + transactions), closing="94.00")))
    [line] = found.entries
    assert [(one.end_to_end_id, one.amount) for one in line.details] == [("E1", -100), ("E2", -200), ("E3", -300)]
    assert (line.itemised, line.batch_count, line.payment_information_id, line.end_to_end_id) == (True, 3, "P-7", None)


def test_the_next_entry_does_not_inherit_the_transactions_of_the_last():
    with_details = entry("5.00", details=details(tag("Refs", tag("EndToEndId", "E1"))))
    [found] = read(message(statement(with_details, entry("6.00"), closing="111.00")))
    assert [len(one.details) for one in found.entries] == [1, 0]


def test_keys_stay_the_same_at_every_reading_and_differ_within_it():
    """Two entries alike but for nothing, two with one reference, and one more: five keys, the same in a new message."""
    lines = (
        entry("5.00") * 2
        + entry("5.00", reference="R1")
        + entry("1.00", "DBIT", reference="R1")
        + entry("5.00", reference="R2")
    )
    first = read(message(statement(lines, closing="119.00")))[0]
    again = read(message(statement(lines, closing="119.00"), group=tag("AddtlInf", "sent again"), version="001.02"))[0]
    keys = [one.key for one in first.entries]
    assert len(set(keys)) == 5
    assert keys == [one.key for one in again.entries]
    assert first.fingerprint == again.fingerprint


def test_a_reference_of_the_bank_carries_the_key_into_another_statement_and_a_line_without_one_does_not():
    here = read(message(statement(entry("5.00", reference="R1") + entry("7.00"), closing="112.00")))[0]
    there = statement(entry("5.00", reference="R1") + entry("7.00"), closing="112.00", identification="S2")
    referenced, plain = zip(here.entries, read(message(there))[0].entries, strict=True)
    assert referenced[0].key == referenced[1].key
    assert plain[0].key != plain[1].key


def test_the_reference_of_the_only_transaction_is_that_of_the_entry():
    one, other = (tag("Refs", tag("AcctSvcrRef", name)) for name in ("R1", "R2"))
    lines = entry("5.00", details=details(one)) + entry("6.00", details=details(one, other))
    assert [line.bank_reference for line in read(message(statement(lines, closing="111")))[0].entries] == ["R1", None]


@pytest.mark.parametrize("word", ["NOTPROVIDED", "NONREF"])
def test_a_word_for_no_reference_is_no_reference(word):
    lines = entry("5.00", reference=word, details=details(tag("Refs", tag("EndToEndId", word))))
    [line] = read(message(statement(lines, closing="105.00")))[0].entries
    assert (line.bank_reference, line.end_to_end_id) == (None, None)


def test_a_time_without_an_offset_is_in_the_zone_of_the_bank():
    sample = message(statement(heading=tag("CreDtTm", "2026-03-02T20:00:00"))).encode()
    [found] = read_statement_file("s", sample, zone=timezone(timedelta(hours=8)))
    assert found.created_at == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_a_notification_tells_what_is_booked_and_what_is_not():
    lines = entry("5.00", booked_on=None) + entry("7.00", "DBIT", status="PDNG")
    sample = message(statement(lines, balances="", unit="Ntfctn"), kind="054").encode()
    [found] = read_notifications("advice", BytesIO(sample))
    assert [(one.amount, one.status) for one in found.entries] == [(500, "BOOK"), (-700, "PDNG")]
    assert found.entries[0].booking_date == date(2026, 3, 2)
    assert found.assumed == ("booking_date",)


@pytest.mark.parametrize(
    ("expected", "sample"),
    [
        ("message_is_not_a_notification", PLAIN),
        ("message_holds_no_statement", message(kind="054")),
        ("statement_field_is_missing", message(statement(entry("5.00", status=None), unit="Ntfctn"), kind="054")),
        ("statement_totals_differ", message(statement(tag("TxsSummry", tag("TtlNtries", tag("NbOfNtries", "2"))),
                                                      entry("5.00"), unit="Ntfctn"), kind="054")),
        ("bank_file_format_is_unknown", "hello"),
        ("bank_file_is_empty", ""),
    ],
)  # fmt: skip
def test_a_notification_that_is_wrong_is_refused_by_name(expected, sample):
    with pytest.raises(Refused) as refused:
        read_notifications("advice", sample.encode())
    assert refused.value.name == expected


def test_totals_are_kept_for_whoever_wants_them():
    summary = tag("TxsSummry", tag("TtlNtries", tag("NbOfNtries", "0"), tag("Sum", "0.00")))
    assert read(message(statement(summary)))[0].totals == Totals(entries=0, gross=0)


@given(st.lists(st.integers(-(10**12), 10**12).filter(bool), max_size=12), st.integers(0, 10**12))
def test_any_statement_that_adds_up_is_read_to_the_last_unit_and_no_other_is(amounts, opening):
    closing = opening + sum(amounts)
    lines = "".join(
        entry(f"{abs(one) // 100}.{abs(one) % 100:02d}", "CRDT" if one > 0 else "DBIT", reference="R")
        for one in amounts
    )

    def of(total: int) -> str:
        booked = balance("OPBD", f"{opening // 100}.{opening % 100:02d}")
        booked += balance("CLBD", f"{abs(total) // 100}.{abs(total) % 100:02d}", sign="CRDT" if total >= 0 else "DBIT")
        return message(statement(lines, balances=booked))

    [found] = read(of(closing))
    assert [one.amount for one in found.entries] == amounts
    assert len({one.key for one in found.entries}) == len(amounts)
    assert refusal_of(of(closing + 1)) == "statement_does_not_add_up"


def test_a_file_cut_anywhere_is_refused():
    whole = PLAIN.encode()
    assert {refusal_of(whole[:length]) for length in range(len(whole))} == {
        "bank_file_is_empty",
        "bank_file_is_cut_short",
    }


def test_a_namespace_with_a_brace_in_it_is_none_that_we_know():
    assert refusal_of(PLAIN.replace("urn:iso:std", "u}n:iso:std")) == "message_is_unknown"


@given(st.data())
def test_a_file_with_any_byte_changed_is_read_or_refused_and_never_worse(data):
    changed = bytearray(PLAIN.encode())
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] = data.draw(st.integers(0, 255))
    outcome = refusal_of(bytes(changed))
    if outcome == "read":
        assert sum(one.amount for one in read(bytes(changed))[0].booked) == 500


@given(st.integers(1, 400))
def test_the_size_of_the_pieces_in_which_a_file_comes_does_not_matter(size):
    class Trickle(BytesIO):
        def read(self, _=-1):
            return super().read(size)

    [found] = read_statement_file("s", Trickle(PLAIN.encode()))
    assert [one.amount for one in found.entries] == [500]
