"""The bank files of ten projects, some deliberately broken: each is read right or refused by name.

What is right is measured a second way, by a plain walk with the standard library that shares nothing with the reader.
"""

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ringfence.banking.reading import read_notifications, read_statement_file
from ringfence.banking.summary import Summary, summarise
from ringfence.money import format_minor
from ringfence.refusal import Refused

pytestmark = pytest.mark.real_files

# Every one is looked into: the sample was cut or made up by hand (sums, currencies), or says too little to prove.
REFUSED = {
    "genkgo__camt/camt053.v2.all-balance-types.xml": "statement_balance_is_ambiguous",  # OPBD 1.01, PRCD 2.02
    "genkgo__camt/camt053.v2.five.decimals.xml": "statement_does_not_add_up",  # 18.15 + 8.85 is not 27.05
    "genkgo__camt/camt053.v2.minimal.ultimate.xml": "statement_currencies_differ",  # opens in EUR, closes in SEK
    "genkgo__camt/camt053.v2.minimal.xml": "statement_currencies_differ",
    "genkgo__camt/camt053.v2.with-party-ids.xml": "statement_currencies_differ",
    "genkgo__camt/camt053.v3.xml": "statement_currencies_differ",
    "genkgo__camt/camt053.v4.xml": "statement_currencies_differ",
    "genkgo__camt/camt053.v8.xml": "statement_currencies_differ",
    "genkgo__camt/camt053.v2.with-account-name.xml": "statement_has_no_closing_balance",  # CLAV alone, in JPY
    "genkgo__camt/camt053.v2.wrong.xml": "message_holds_no_statement",
    "genkgo__camt/camt53.only-Dt-with-DtTm.xml": "statement_has_no_closing_balance",  # OPBD alone
    "moov-io__iso20022/camt.053_P_CH2909000000250094239_1110092698_0_2020112503071366.xml": (
        "statement_does_not_add_up"  # 211,993.19 + 4,656.02 is not 215,112.21
    ),
    "moov-io__iso20022/statement_1.xml": "statement_has_no_closing_balance",  # available balances alone
    "prowide__prowide-iso20022/camt.053.001.07.xml": "statement_has_no_closing_balance",  # OPAV and ITBD alone
    "viafintech__camt_parser/invalid_namespace.xml": "message_holds_no_statement",  # an empty Document
    "viafintech__camt_parser/valid_namespace.xml": "message_holds_no_statement",
    "viafintech__camt_parser/valid_example_v8.xml": "statement_currencies_differ",  # EUR entries, account in CHF
    "viafintech__camt_parser/valid_example_with_batch.xml": "statement_does_not_add_up",  # 3 of 35 entries left
    "viafintech__camt_parser/valid_example_with_datetime.xml": "statement_has_no_opening_balance",
    "viafintech__camt_parser/valid_example_with_debit.xml": "statement_does_not_add_up",  # -33.06 - 10.00, not 23.06
    "viafintech__camt_parser/valid_example_with_instdamt.xml": "statement_does_not_add_up",  # 100 + 4,500, not 4,500
    "viafintech__camt_parser/valid_example_with_other_id.xml": "statement_has_no_closing_balance",  # none at all
}


def local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def inside(element: ET.Element, *names: str) -> ET.Element | None:
    for name in names:
        element = next((one for one in element if local(one) == name), None) if element is not None else None
    return element


def units(file: Path, name: str) -> list[ET.Element]:
    return [element for element in ET.parse(file).iter() if local(element) == name]


def entries(unit: ET.Element, *, only_booked: bool) -> list[tuple[str, Decimal]]:
    """Currency and signed amount of each entry."""
    found = []
    for element in unit:
        if local(element) != "Ntry":
            continue
        status = inside(element, "Sts")
        word = "BOOK" if status is None else (status.text or "").strip() or inside(status, "Cd").text
        amount = inside(element, "Amt")
        sign = {"CRDT": 1, "DBIT": -1}[inside(element, "CdtDbtInd").text]
        if word == "BOOK" or not only_booked:
            found.append((amount.attrib["Ccy"], sign * Decimal(amount.text)))
    return found


@pytest.fixture(scope="module")
def camt053(real_files: Path) -> Path:
    return real_files / "bankfiles" / "camt.053"


@pytest.fixture(scope="module")
def summary(camt053: Path) -> Summary:
    return summarise([camt053])


def test_every_camt_053_file_is_read_or_refused_by_the_name_that_fits(summary, camt053):
    """118 files of six projects: 96 are read, 22 refused."""
    found = {
        str(Path(one.file).relative_to(camt053)): one.refused.name if one.refused else None for one in summary.files
    }
    assert {file: name for file, name in found.items() if name} == REFUSED
    assert (summary.read, summary.refused) == (96, 22)
    assert {Path(one).name for one in summary.ignored} == {"SOURCE.txt"}


def test_what_was_read_is_what_a_second_reader_counts(summary):
    """Statements, booked entries and the sums of each direction in each currency, file by file."""
    compared = 0
    for one in summary.files:
        if one.refused:
            continue
        statements = units(Path(one.file), "Stmt")
        booked = [line for unit in statements for line in entries(unit, only_booked=True)]
        sums = {
            code: [-sum(a for c, a in booked if c == code and a < 0), sum(a for c, a in booked if c == code and a > 0)]
            for code, _ in booked
        }
        assert (one.statements, one.entries) == (len(statements), len(booked)), one.file
        printed = {code: [Decimal(text) for text in pair] for code, pair in one.as_json()["sums"].items()}
        assert {code: pair for code, pair in printed.items() if any(pair)} == sums, one.file
        compared += len(booked)
    assert compared == 741 + 45  # the settlement accounts', and the other six files'


def test_ninety_consecutive_business_days_of_two_settlement_accounts_are_continuous(camt053):
    """7 March to 15 July 2024. Good Friday, Easter Monday and 1 May have no statement and no movement."""
    found = summarise([camt053 / "Subite-eu__camt-to-coda"])
    assert (found.read, found.refused) == (90, 0)
    assert (found.continuity.days, found.continuity.breaks) == (90, ())
    assert [(one.statements, len(one.days)) for one in found.continuity.chains] == [(90, 90), (90, 90)]
    assert {(one.after, one.before, one.weekdays) for one in found.continuity.gaps} == {
        (date(2024, 3, 28), date(2024, 4, 2), 2),
        (date(2024, 4, 30), date(2024, 5, 2), 1),
    }
    closing: dict[str, Decimal] = {}
    for file in sorted((camt053 / "Subite-eu__camt-to-coda").glob("*.xml")):
        for unit in units(file, "Stmt"):
            account = inside(unit, "Acct", "Id", "Othr", "Id").text
            opened, closed = (Decimal(inside(one, "Amt").text) for one in unit if local(one) == "Bal")
            assert closing.get(account, opened) == opened, file
            closing[account] = closed
            assert opened + sum(amount for _, amount in entries(unit, only_booked=True)) == closed, file


def test_a_day_taken_out_of_the_real_ones_is_missed(camt053):
    files = sorted((camt053 / "Subite-eu__camt-to-coda").glob("*.xml"))
    for taken in (1, 15, 44, 88):
        found = summarise([file for number, file in enumerate(files) if number != taken])
        assert [one.kind for one in found.continuity.breaks] in (["day_is_missing"], ["day_is_missing"] * 2)


def test_over_all_projects_one_statement_is_found_twice(summary):
    """Two projects keep the same bank's sample; one file holds two statements of one day, which join."""
    assert [one.kind for one in summary.continuity.breaks] == ["statement_is_repeated"]
    assert summary.continuity.days == 90 + 1


def test_what_the_settlement_files_leave_out_is_named(summary):
    assumed = Counter(one.assumed for one in summary.files if not one.refused and "Subite" in one.file)
    assert set(assumed) <= {
        ("balance_is_credit", "booked", "booking_date"),
        ("balance_is_credit",),
    }
    assert all(not one.assumed for one in summary.files if not one.refused and "Subite" not in one.file)


def test_keys_are_unique_over_all_statements_that_are_not_the_same(summary):
    keys: dict[str, set[str]] = defaultdict(set)
    for one in summary.files:
        if not one.refused:
            for found in read_statement_file(one.file, Path(one.file).read_bytes()):
                assert len({line.key for line in found.entries}) == len(found.entries)
                for line in found.entries:
                    keys[line.key].add(found.statement_id)
    assert {len(where) for where in keys.values()} == {1}
    assert len(keys) == 741 + 45 - 13  # the statement that two projects keep has 13 entries


@pytest.mark.parametrize(
    ("kind", "unit", "read", "refused"),
    [
        ("camt.054", "Ntfctn", 87, {"message_has_no_namespace": 1, "statement_totals_differ": 1}),
        ("camt.052", "Rpt", 51, {"statement_field_is_malformed": 1, "message_holds_no_statement": 1}),
    ],
)
def test_every_notification_is_read_or_refused_and_adds_up_to_what_a_second_reader_counts(
    real_files, kind, unit, read, refused
):
    """One camt.054 gives a net of 169.95 where its entries make 369.95; one camt.052 has a time of four parts."""
    names: Counter[str] = Counter()
    for file in sorted((real_files / "bankfiles" / kind).rglob("*.xml")):
        try:
            found = read_notifications(file.name, file.read_bytes())
        except Refused as no:
            names[no.name] += 1
            continue
        names["read"] += 1
        counted = [line for one in units(file, unit) for line in entries(one, only_booked=False)]
        mine = [(line.currency.code, line.amount) for one in found for line in one.entries]
        assert [(code, Decimal(format_minor(amount, line.currency))) for one in found for line in one.entries
                for code, amount in [(line.currency.code, line.amount)]] == counted  # fmt: skip
        assert len(mine) == len(counted)
    assert names == {"read": read, **refused}


def test_the_details_of_real_collective_entries_account_for_their_amounts(real_files):
    """Instant payments, sixty to four hundred in one entry."""
    counts = []
    for file in sorted((real_files / "bankfiles" / "camt.054" / "Subite-eu__camt-to-coda").glob("*.xml")):
        for found in read_notifications(file.name, file.read_bytes()):
            assert all(line.itemised for line in found.entries), file
            counts.append(sum(len(line.details) for line in found.entries))
    assert len(counts) == 60
    assert sum(counts) == sum(
        len(units(file, "TxDtls")) for file in (real_files / "bankfiles/camt.054/Subite-eu__camt-to-coda").glob("*.xml")
    )


def test_every_other_bank_file_is_refused_by_name(real_files, summary):
    """Payment orders, status reports, MT940, BAI2, schemas: none is taken for a statement, whatever its name."""
    others = [
        file
        for file in sorted((real_files / "bankfiles").rglob("*"))
        if file.is_file() and file.parts[-3] != "camt.053"
    ]
    found = summarise(others)
    assert (found.read, found.refused) == (0, len(others))
    assert {one.refused.name for one in found.files} == {
        "message_is_not_a_statement",
        "message_is_unknown",
        "message_has_no_namespace",
        "bank_file_format_is_unknown",
        "bank_file_is_not_xml",
    }
    assert len(others) > 200
    assert summary.read == 96


def test_a_real_file_cut_anywhere_is_refused(camt053):
    for file in ("dvbern__iso20022/Business_Sample_camt.053.001.04.xml", "Subite-eu__camt-to-coda/2024-03-14.xml"):
        whole = (camt053 / file).read_bytes()
        for length in range(0, len(whole.rstrip()), 97):
            with pytest.raises(Refused):
                read_statement_file(file, whole[:length])
