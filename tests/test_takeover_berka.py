"""Reading the bank's folder, and refusing it by name; the proof and its plan."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ringfence.refusal import Refused
from ringfence.takeover import berka
from ringfence.takeover.proof import Posting, plan, prove, summary

FILES = {
    "client.asc": """\
"client_id";"birth_number";"district_id"
1;"706213";18
2;"450204";1
3;"406009";1
""",
    "account.asc": """\
"account_id";"district_id";"frequency";"date"
7;55;"POPLATEK MESICNE";930101
8;74;"POPLATEK TYDNE";930102
9;74;"POPLATEK MESICNE";930331
""",
    "disp.asc": """\
"disp_id";"client_id";"account_id";"type"
1;1;7;"OWNER"
2;2;8;"OWNER"
3;3;8;"DISPONENT"
4;3;9;"OWNER"
""",
    "trans.asc": """\
"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"
11;7;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;
21;8;930102;"PRIJEM";"PREVOD Z UCTU";90.00;90.00;"DUCHOD";"ST";"89597016"
14;7;930131;"VYDAJ";"VYBER";14.60;687.60;"SLUZBY";;
13;7;930131;"PRIJEM";"";2.10;702.20;"UROK";;
22;8;930202;"VYBER";"VYBER";100.00;-10.00;"";;
15;7;930301;"VYDAJ";"VYBER";87.60;650.00;" ";;
""",
}

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder of the sample's files; `changes` maps a file to (old, new), or to None to leave it out."""

    def make(**changes: tuple[str, str] | None) -> Path:
        for name, text in FILES.items():
            change = changes.get(name.removesuffix(".asc"), ("", ""))
            if change is not None:
                assert change[0] in text
                (tmp_path / name).write_bytes(text.replace(*change, 1).encode("latin-1"))
        return tmp_path

    return make


def refused(folder: Path) -> str:
    with pytest.raises(Refused) as caught:
        berka.read(folder)
    assert "<" not in caught.value.sentence("en") + caught.value.sentence("zh"), "a fact is missing"
    return f"{caught.value.name} {caught.value.facts.get('file', '')} {caught.value.facts.get('line', '')}".strip()


def test_a_folder_is_read_as_it_is(folder: Folder) -> None:
    source = berka.read(folder())
    assert source.clients == (1, 2, 3)
    assert source.accounts[1] == berka.SourceAccount(8, date(1993, 1, 2), 2, (3,))
    assert source.movements[1] == berka.SourceMovement(
        21, 8, date(1993, 1, 2), 9000, 9000, "PREVOD Z UCTU", "DUCHOD", "ST", "89597016"
    )
    assert [row.amount for row in source.movements] == [70000, 9000, -1460, 210, -10000, -8760]
    assert [row.number for row in source.movements if row.derived] == [13]


def test_movements_may_lie_in_several_parts(folder: Folder) -> None:
    whole = berka.read(folder())
    lines = FILES["trans.asc"].splitlines(keepends=True)
    (folder(trans=None) / "trans.asc").unlink()
    (folder(trans=None) / "trans_1.asc").write_text("".join(lines[:3]))
    (folder(trans=None) / "trans_2.asc").write_text("".join(lines[:1] + lines[3:]))
    assert berka.read(folder(trans=None)).movements == whole.movements


def test_lines_may_end_in_carriage_return_and_line_feed(folder: Folder) -> None:
    whole = berka.read(folder())
    for name, text in FILES.items():
        (folder() / name).write_text(text, newline="\r\n")
    again = berka.read(folder(client=None, account=None, disp=None, trans=None))
    assert again.movements == whole.movements
    assert again.sha256 != whole.sha256


@pytest.mark.parametrize("name", ["client", "account", "disp", "trans"])
def test_a_missing_file_is_named(folder: Folder, name: str) -> None:
    missing = "trans*.asc" if name == "trans" else f"{name}.asc"
    assert refused(folder(**{name: None})) == f"takeover_file_is_missing {missing}"


def test_a_missing_folder_is_a_missing_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere") == "takeover_file_is_missing trans*.asc"


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("client", '"birth_number"', '"born"', "takeover_header_is_wrong client.asc"),
        ("account", FILES["account.asc"], "", "takeover_header_is_wrong account.asc"),
        ("client", '"706213"', '"7062\xe913"', "takeover_text_is_not_ascii client.asc 2"),
        ("trans", '"VKLAD"', '"VKLAD', "takeover_line_is_malformed trans.asc 2"),
        ("trans", '"VKLAD"', '"VK"LAD', "takeover_line_is_malformed trans.asc 2"),
        ("trans", '650.00;" ";;\n', "650.00", "takeover_field_count_is_wrong trans.asc 7"),
        ("trans", "14;7;", "\n14;7;", "takeover_field_count_is_wrong trans.asc 4"),
        ("trans", "21;8;", "21;8;8;", "takeover_field_count_is_wrong trans.asc 3"),
        ("trans", "21;8;", "021;8;", "takeover_number_is_wrong trans.asc 3"),
        ("trans", "21;8;", "21;-8;", "takeover_number_is_wrong trans.asc 3"),
        ("client", "1;", "9999999999999;", "takeover_number_is_wrong client.asc 2"),
        ("trans", "930202", "930230", "takeover_date_is_wrong trans.asc 6"),
        ("account", "930102", "93010", "takeover_date_is_wrong account.asc 3"),
        ("trans", "930202", "+93020", "takeover_date_is_wrong trans.asc 6"),
        ("trans", '"PRIJEM"', '"PRIJEM "', "takeover_type_is_unknown trans.asc 2"),
        ("disp", '"DISPONENT"', '"HEIR"', "takeover_type_is_unknown disp.asc 4"),
        ("trans", "14.60", "14,60", "takeover_amount_is_wrong trans.asc 4"),
        ("trans", "14.60", "-14.60", "takeover_amount_is_wrong trans.asc 4"),
        ("trans", "14.60", "14.601", "takeover_amount_is_wrong trans.asc 4"),
        ("trans", "14.60", "1e3", "takeover_amount_is_wrong trans.asc 4"),
        ("trans", "-10.00", "--10.00", "takeover_amount_is_wrong trans.asc 6"),
        ("trans", "-10.00", "", "takeover_amount_is_wrong trans.asc 6"),
        ("trans", "14.60", "12345678901234.00", "takeover_amount_is_wrong trans.asc 4"),
        ("client", "2;", "1;", "takeover_number_is_repeated client.asc 3"),
        ("account", "8;", "7;", "takeover_number_is_repeated account.asc 3"),
        ("disp", "2;2;", "1;2;", "takeover_number_is_repeated disp.asc 3"),
        ("trans", "22;8;", "11;8;", "takeover_number_is_repeated trans.asc 6"),
        ("disp", "2;2;", "2;4;", "takeover_client_is_unknown disp.asc 3"),
        ("disp", "2;2;8", "2;2;88", "takeover_account_is_unknown disp.asc 3"),
        ("trans", "22;8;", "22;6;", "takeover_account_is_unknown trans.asc 6"),
        ("disp", '4;3;9;"OWNER"\n', "", "takeover_account_needs_one_owner"),
        ("disp", "DISPONENT", "OWNER", "takeover_account_needs_one_owner"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(
    folder: Folder, file: str, old: str, new: str, expected: str
) -> None:
    assert refused(folder(**{file: (old, new)})) == expected


def test_a_proof_counts_what_it_checked_and_names_the_rest(folder: Folder) -> None:
    """Account 7: interest before the fee, 0.10 of rounding with it, and 50.00 that came from nowhere in March."""
    source = berka.read(folder())
    proof = prove(source)
    assert [row.number for row in proof.chains[7].movements] == [11, 13, 14, 15]
    assert summary(source, proof, seconds=0.25) == {
        "customers": 3,
        "accounts": 3,
        "transactions": 6,
        "balances_checked": 6,
        "roundings": 1,
        "unexplained": [{"account": 7, "date": "1993-03-01", "amount": "50.00"}],
        "seconds": 0.25,
    }


def test_a_plan_carries_each_difference_before_its_movement(folder: Folder) -> None:
    source = berka.read(folder())
    found = plan(source, prove(source))
    columns = zip(found.posting, found.number, found.account, found.amount, found.balance, strict=True)
    assert [(Posting(posting).name, *map(int, rest)) for posting, *rest in columns] == [
        ("MOVEMENT", 11, 7, 70000, 70000),
        ("MOVEMENT", 21, 8, 9000, 9000),
        ("ROUNDING", 13, 7, 10, 70010),
        ("MOVEMENT", 13, 7, 210, 70220),
        ("MOVEMENT", 14, 7, -1460, 68760),
        ("MOVEMENT", 22, 8, -10000, -1000),
        ("UNEXPLAINED", 15, 7, 5000, 73760),
        ("MOVEMENT", 15, 7, -8760, 65000),
    ]
    assert found.symbol == ("", "DUCHOD", "UROK", "UROK", "SLUZBY", "", " ", " ")
    assert list(found.day[:3]) == [8401, 8402, 8431]


def test_a_folder_without_movements_is_a_book_of_empty_accounts(folder: Folder) -> None:
    header = FILES["trans.asc"].partition("\n")[0]
    source = berka.read(folder(trans=(FILES["trans.asc"], header)))
    assert summary(source, prove(source), seconds=0)["balances_checked"] == 0
    assert len(plan(source, prove(source))) == 0


@pytest.fixture(scope="module")
def bank(real_files: Path) -> berka.Source:
    if not (real_files / "berka").is_dir():
        pytest.skip(f"{real_files / 'berka'} is missing")
    return berka.read(real_files / "berka")


@pytest.mark.real_files
def test_the_real_bank_is_proven_at_every_balance(bank: berka.Source) -> None:
    """46,749 of 49,102 steps follow exactly, 2,325 need 0.10 of rounding, and 28 accounts lack one row of the last
    day, behind the file's end.
    """
    proof = prove(bank)
    said = summary(bank, proof, seconds=0)
    assert [said[name] for name in ("customers", "accounts", "transactions", "balances_checked", "roundings")] == [
        *(5369, 4500, 49102, 49102, 2325)
    ]
    unexplained = said["unexplained"]
    assert len(unexplained) == len({line["account"] for line in unexplained}) == 28
    assert {line["date"] for line in unexplained} == {"1994-03-31"}
    assert {"account": 11021, "date": "1994-03-31", "amount": "192.00"} in unexplained


def altered_amount(row: berka.SourceMovement) -> list[berka.SourceMovement]:
    return [replace(row, amount=row.amount - 12340)]


def altered_balance(row: berka.SourceMovement) -> list[berka.SourceMovement]:
    return [replace(row, balance=row.balance + 12340)]


def turned_into_a_credit(row: berka.SourceMovement) -> list[berka.SourceMovement]:
    return [replace(row, amount=-row.amount)]


def cut_out(_: berka.SourceMovement) -> list[berka.SourceMovement]:
    return []


@pytest.mark.real_files
@pytest.mark.parametrize(
    ("corrupt", "expected"),
    [
        (altered_amount, [("1993-07-13", "123.40")]),
        (altered_balance, [("1993-07-13", "123.40"), ("1993-07-15", "-123.40")]),
        (turned_into_a_credit, [("1993-07-13", "-3690.00")]),
        (cut_out, [("1993-07-15", "-1845.00")]),
    ],
)
def test_a_corrupted_row_of_the_real_bank_shows_at_its_account_alone(
    bank: berka.Source,
    corrupt: Callable[[berka.SourceMovement], list[berka.SourceMovement]],
    expected: list[tuple[str, str]],
) -> None:
    """Account 142's standing order of 13 July 1993, 1845.00. Everything else is proven as before."""
    before = summary(bank, prove(bank), seconds=0)["unexplained"]
    movements = [each for row in bank.movements for each in (corrupt(row) if row.number == 42599 else [row])]
    corrupted = replace(bank, movements=tuple(movements))
    after = summary(corrupted, prove(corrupted), seconds=0)["unexplained"]
    assert [(line["date"], line["amount"]) for line in after if line["account"] == 142] == expected
    assert [line for line in after if line["account"] != 142] == before


@pytest.mark.real_files
def test_the_order_of_the_real_file_does_not_matter(bank: berka.Source) -> None:
    assert prove(replace(bank, movements=bank.movements[::-1])) == prove(bank)
