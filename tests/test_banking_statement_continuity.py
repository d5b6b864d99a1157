"""Continuity over many statements, and the summary of a heap of files."""

import os
import tracemalloc
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking_statement_samples import entry, message, read, statement
from ringfence.banking.continuity import (
    Sheet,
    continuity,
    follows,
    in_order,
    refuse_unless_it_follows,
    weekdays_between,
)
from ringfence.banking.statement import Balance
from ringfence.banking.summary import summarise
from ringfence.money import currency
from ringfence.refusal import Refused

MONDAY = date(2026, 3, 2)


def sheet(
    day: int, opening: int, closing: int, *, name: str = "", number: int | None = None, account: str = "A"
) -> Sheet:
    """A statement of one day, counted from a Monday."""
    on = MONDAY + timedelta(days=day)
    identity = name or f"S{day}-{opening}-{closing}-{number}"
    return Sheet(
        source=f"{identity}.xml",
        account=account,
        currency=currency("EUR"),
        statement_id=identity,
        identity=(account, identity, number),
        fingerprint=f"{identity}{opening}{closing}",
        opening=Balance("OPBD", opening, on),
        closing=Balance("CLBD", closing, on),
        number=None if number is None else (number, 1),
    )


def breaks(*sheets: Sheet) -> list[tuple[str, int]]:
    return [(one.kind, one.weekdays) for one in continuity(sheets).breaks]


def test_a_week_is_continuous_across_the_weekend():
    """Monday to Friday and the next Monday, given in any order."""
    week = [sheet(day, day, day + 1) for day in range(5)] + [sheet(7, 5, 9)]
    found = continuity(reversed(week))
    assert (found.days, found.breaks, found.gaps) == (6, (), ())
    assert [(one.statements, one.first, one.last) for one in found.chains] == [(6, MONDAY, MONDAY + timedelta(days=7))]


def test_a_weekday_without_a_statement_is_a_gap_where_the_balance_stands_and_a_break_where_it_moved():
    assert breaks(sheet(0, 0, 1), sheet(2, 1, 2)) == []
    [gap] = continuity([sheet(0, 0, 1), sheet(2, 1, 2)]).gaps
    assert (gap.weekdays, gap.after, gap.before) == (1, MONDAY, MONDAY + timedelta(days=2))
    assert breaks(sheet(0, 0, 1), sheet(2, 5, 6)) == [("day_is_missing", 1)]
    assert breaks(sheet(0, 0, 1), sheet(9, 5, 6)) == [("day_is_missing", 6)]


def test_adjacent_days_with_different_amounts_are_a_break():
    found = continuity([sheet(0, 0, 1), sheet(1, 1, 2), sheet(2, 3, 4), sheet(3, 4, 5)])
    assert [one.kind for one in found.breaks] == ["balance_differs"]
    assert found.days == 3  # the third day opens wrongly: it is put in doubt although the fourth joins it
    assert breaks(sheet(4, 0, 1), sheet(7, 2, 3)) == [("balance_differs", 0)]  # a weekend lies between, no weekday


def test_a_period_that_begins_again_before_the_last_ended_is_an_overlap():
    long = replace(sheet(4, 0, 9), opening=Balance("OPBD", 0, MONDAY))
    again = replace(sheet(7, 3, 12), opening=Balance("OPBD", 3, MONDAY + timedelta(days=2)))
    assert breaks(long, again) == [("periods_overlap", 0)]


def test_a_statement_that_came_twice_counts_once():
    again = replace(sheet(1, 1, 2), source="copy.xml")
    found = continuity([sheet(0, 0, 1), sheet(1, 1, 2), again, sheet(2, 2, 3)])
    assert [(one.kind, one.after.source) for one in found.breaks] == [("statement_is_repeated", "copy.xml")]
    assert found.days == 3


def test_one_identity_with_two_contents_proves_nothing():
    """Whoever altered the second day's statement also broke what stood around it."""
    altered = replace(sheet(1, 1, 5, name="S"), source="altered.xml")
    found = continuity([sheet(0, 0, 1), sheet(1, 1, 2, name="S"), altered, sheet(2, 2, 3), sheet(3, 3, 3)])
    assert [one.kind for one in found.breaks] == ["statement_conflicts", "day_is_missing"]
    assert found.days == 1


def test_accounts_and_currencies_do_not_mix():
    other = sheet(1, 77, 78, account="B")
    dollars = replace(sheet(1, 5, 6), currency=currency("USD"))
    assert breaks(sheet(0, 0, 1), other, dollars, sheet(2, 1, 1)) == []
    assert len(continuity([sheet(0, 0, 1), other, dollars]).chains) == 3


def test_a_lone_statement_proves_no_day():
    assert continuity([sheet(0, 0, 1)]).days == 0


def test_statements_of_one_day_are_laid_by_number_and_else_by_balance():
    numbered = [sheet(0, 5, 0, number=3), sheet(0, 0, 9, number=1), sheet(0, 9, 5, number=2)]
    assert [one.number for one in in_order(numbered)] == [(1, 1), (2, 1), (3, 1)]
    plain = [sheet(0, 5, 2), sheet(0, 0, 9), sheet(0, 9, 5)]
    assert [one.opening.amount for one in in_order(plain)] == [0, 9, 5]
    after = [sheet(-3, 1, 5), *plain]
    assert [one.opening.amount for one in in_order(after)] == [1, 5, 0, 9]  # what takes up yesterday comes first


def test_the_gate_of_an_import_is_the_same_rule():
    refuse_unless_it_follows(sheet(0, 0, 100), sheet(1, 100, 150))
    with pytest.raises(Refused) as refused:
        refuse_unless_it_follows(sheet(0, 0, 100), sheet(1, 120, 150))
    assert refused.value.name == "statement_does_not_follow"
    assert "1.20" in refused.value.sentence()
    assert "1.00" in refused.value.sentence()


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(-5, 60))
def test_weekdays_are_counted_as_on_a_calendar(start, days):
    end = start + timedelta(days=days)
    counted = sum((start + timedelta(days=one)).weekday() < 5 for one in range(1, days))
    assert weekdays_between(start, end) == counted


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=12), st.randoms())
def test_an_unbroken_chain_has_no_break_in_whatever_order_it_comes_and_one_without_a_link_has_one(moves, random):
    """One statement a day; each that moves money may be taken out of the middle and is then missed."""
    balances = [sum(moves[:count]) for count in range(len(moves) + 1)]
    chain = [sheet(day, balances[day], balances[day + 1]) for day in range(len(moves))]
    shuffled = random.sample(chain, len(chain))
    assert continuity(shuffled).breaks == ()
    assert continuity(shuffled).days == len(chain)
    for day in range(1, len(moves) - 1):
        without = [one for one in shuffled if one is not chain[day]]
        assert bool(continuity(without).breaks) == bool(moves[day])
    assert all(follows(*pair) is None for pair in pairwise(chain))


def save(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def day(number: int, opening: str, closing: str, *lines: str) -> str:
    return message(
        statement(*lines, identification=f"S{number}", opening=opening, closing=closing, on=f"2026-03-0{number}")
    )


def test_the_summary_says_of_each_file_what_it_holds_or_why_it_was_refused(tmp_path):
    """Two good days, one that does not add up, one that is no bank file, one that is only named like one."""
    save(tmp_path, "b.xml", day(3, "105.00", "103.00", entry("2.00", "DBIT")))
    save(tmp_path, "a.XML", day(2, "100.00", "105.00", entry("6.00"), entry("1.00", "DBIT")))
    save(tmp_path, "deep/c.xml", day(4, "103.00", "999.00"))
    save(tmp_path, "deep/d.sta", ":20:1")
    save(tmp_path, "SOURCE.txt", "where they are from")
    found = summarise([tmp_path]).as_json()
    assert [Path(one["file"]).name for one in found["files"]] == ["a.XML", "b.xml", "c.xml", "d.sta"]
    assert [one["outcome"] for one in found["files"]] == ["read", "read", "refused", "refused"]
    assert [one["reason"] for one in found["files"]] == [
        None,
        None,
        "statement_does_not_add_up",
        "bank_file_format_is_unknown",
    ]
    assert [one["sums"] for one in found["files"]] == [{"EUR": ["1.00", "6.00"]}, {"EUR": ["2.00", "0.00"]}, {}, {}]
    assert [(one["statements"], one["entries"]) for one in found["files"]] == [(1, 2), (1, 1), (0, 0), (0, 0)]
    assert [Path(one).name for one in found["ignored"]] == ["SOURCE.txt"]
    assert (found["continuity"]["days"], found["continuity"]["breaks"]) == (2, [])


def test_breaks_are_told_with_files_and_amounts(tmp_path):
    first = save(tmp_path, "a.xml", day(2, "100.00", "105.00", entry("5.00")))
    second = save(tmp_path, "b.xml", day(3, "106.00", "106.00"))
    [broken] = summarise([first, second]).as_json()["continuity"]["breaks"]
    assert (broken["kind"], broken["closing"], broken["opening"]) == ("balance_differs", "105.00", "106.00")
    assert (Path(broken["before"]["file"]).name, Path(broken["after"]["file"]).name) == ("a.xml", "b.xml")


def test_the_same_file_is_read_once_and_a_copy_of_it_is_told(tmp_path):
    first = save(tmp_path, "a.xml", day(2, "100.00", "105.00", entry("5.00")))
    assert len(summarise([first, first, tmp_path]).files) == 1
    save(tmp_path, "copy.xml", first.read_bytes())
    found = summarise([tmp_path])
    assert [one.kind for one in found.continuity.breaks] == ["statement_is_repeated"]


def test_a_path_that_is_named_is_read_whatever_it_is_called(tmp_path):
    named = save(tmp_path, "SOURCE.txt", day(2, "100.00", "100.00"))
    assert summarise([named]).read == 1


def test_a_csv_is_read_by_the_description_beside_it(tmp_path):
    file = save(tmp_path, "m.csv", "date,amount,balance\n2026-03-02,5.00,5.00\n")
    assert summarise([file]).files[0].refused.name == "bank_file_format_is_unknown"
    description = """
        name = "m"
        account = "77"
        currency = "EUR"
        columns = { booking_date = "date", balance = "balance" }
        amount = { rule = "signed", column = "amount" }
    """
    save(tmp_path, "description.toml", description)
    found = summarise([tmp_path])
    assert (found.read, found.ignored, found.files[0].as_json()["sums"]) == (1, (), {"EUR": ["0.00", "5.00"]})
    save(tmp_path, "description.toml", "name = 1")
    assert summarise([tmp_path]).files[0].refused.name == "csv_description_is_wrong"
    save(tmp_path, "description.toml", b"\xff")
    assert summarise([tmp_path]).files[0].refused.name == "csv_description_is_wrong"


def test_what_cannot_be_read_is_refused_and_the_rest_goes_on(tmp_path):
    good = save(tmp_path, "a.xml", day(2, "100.00", "100.00"))
    pipe = tmp_path / "pipe.xml"
    os.mkfifo(pipe)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.xml"))
    odd.write_bytes(b"")
    empty = tmp_path / "empty"
    empty.mkdir()
    seen = []
    found = summarise([tmp_path / "nowhere", pipe, empty, odd, good], watch=seen.append)
    assert [one.refused.name if one.refused else "read" for one in found.files] == [
        "bank_file_is_unreadable",
        "bank_file_is_unreadable",
        "folder_holds_no_bank_file",
        "bank_file_is_empty",
        "read",
    ]
    assert tuple(seen) == found.files
    assert found.files[3].file.encode()  # whatever its bytes, its name can be printed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read_it_is_refused(tmp_path):
    file = save(tmp_path, "a.xml", day(2, "100.00", "100.00"))
    file.chmod(0)
    assert summarise([file]).files[0].refused.name == "bank_file_is_unreadable"


def test_a_large_file_does_not_fill_the_memory(tmp_path):
    """Two files, one ten times the other: of an entry, no more is kept than the mark by which its like is known."""
    peaks = []
    for size in (300, 3000):
        lines = "".join(entry("1.00", reference=f"R{number}") for number in range(size))
        file = save(tmp_path, f"{size}.xml", day(2, "0.00", f"{size}.00", lines))
        del lines
        tracemalloc.start()
        assert summarise([file]).files[0].entries == size
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 2700 < 200, "bytes an entry"


def test_a_sheet_is_made_of_a_statement():
    [found] = read(day(2, "100.00", "105.00", entry("5.00")))
    made = Sheet.of_statement(found, "a.xml")
    assert (made.opening, made.closing, made.fingerprint) == (found.opening, found.closing, found.fingerprint)
