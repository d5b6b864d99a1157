"""Sanctions lists are read whole or refused by name, and known by their SHA-256 and date."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from ringfence.refusal import Refused
from ringfence.risk import lists
from ringfence.risk.lists import Entry, ListedName, ListFile, load, load_sample, read_list

SDN = (
    b'36,"SOMEBODY\'S AIRLINES",-0- ,"NOWHERE",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    b'173,"INVENTED, Ivo","individual","NOWHERE","Minister",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,'
    b"\"DOB 1 Jan 1970; a.k.a. 'THE FERRYMAN'; a.k.a. 'OLD IVO'.\"\r\n"
    b'306,"CALYPSANDRA","vessel","NOWHERE",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a'
)
ALT = b'173,12,"aka","ERFUNDEN, Ivo",-0- \r\n36,13,"fka","SOMEBODY AIR",-0- \r\n\x1a'
UN = """<?xml version="1.0" encoding="UTF-8"?>
<CONSOLIDATED_LIST dateGenerated="2026-02-27T00:00:09.554Z">
  <INDIVIDUALS>
    <INDIVIDUAL>
      <DATAID>1</DATAID><FIRST_NAME>IVO</FIRST_NAME><SECOND_NAME> </SECOND_NAME><THIRD_NAME>INVENTED</THIRD_NAME>
      <REFERENCE_NUMBER>NWi.001</REFERENCE_NUMBER><NAME_ORIGINAL_SCRIPT>Иво Выдуманный</NAME_ORIGINAL_SCRIPT>
      <INDIVIDUAL_ALIAS><QUALITY>Good</QUALITY><ALIAS_NAME>Ivo Erfunden</ALIAS_NAME></INDIVIDUAL_ALIAS>
      <INDIVIDUAL_ALIAS><QUALITY>Low</QUALITY><ALIAS_NAME>Ferryman</ALIAS_NAME></INDIVIDUAL_ALIAS>
      <INDIVIDUAL_ALIAS><QUALITY/><ALIAS_NAME/></INDIVIDUAL_ALIAS>
    </INDIVIDUAL>
  </INDIVIDUALS>
  <ENTITIES>
    <ENTITY><FIRST_NAME>NOWHERE TRADING</FIRST_NAME><REFERENCE_NUMBER>NWe.001</REFERENCE_NUMBER></ENTITY>
  </ENTITIES>
</CONSOLIDATED_LIST>
"""
PLAIN = 'name,list,id,aliases\nIvo Invented,mine,1,Иво Выдуманный; Ivo Erfunden\n"Nowhere, Ltd",mine,2,\n'


def ofac(primary: bytes = SDN, aliases: bytes | None = ALT) -> lists.SanctionsList:
    files = [ListFile("mine", "sdn.csv", primary)]
    files += [ListFile("mine", "alt.csv", aliases)] if aliases is not None else []
    return read_list("mine", "ofac", files, issued=date(2026, 1, 5))


def one(written: str, content: bytes | str, **more: object) -> lists.SanctionsList:
    raw = content.encode() if isinstance(content, str) else content
    return read_list("mine", written, [ListFile("mine", "file", raw)], **{"issued": date(2026, 1, 5)} | more)


def test_an_ofac_list_gives_every_name_of_an_entry_and_marks_the_weak_ones():
    assert ofac().entries == (
        Entry("36", "organisation", (ListedName("SOMEBODY'S AIRLINES"), ListedName("SOMEBODY AIR"))),
        Entry(
            "173",
            "person",
            (
                ListedName("INVENTED, Ivo"),
                ListedName("THE FERRYMAN", weak=True),
                ListedName("OLD IVO", weak=True),
                ListedName("ERFUNDEN, Ivo"),
            ),
        ),
        Entry("306", "vessel", (ListedName("CALYPSANDRA"),)),
    )


def test_an_un_list_gives_its_own_date_the_original_script_and_weak_aliases():
    found = one("un", UN, issued=None)
    assert found.date == date(2026, 2, 27)
    assert found.entries == (
        Entry(
            "NWi.001",
            "person",
            (
                ListedName("IVO INVENTED"),
                ListedName("Иво Выдуманный"),
                ListedName("Ivo Erfunden"),
                ListedName("Ferryman", weak=True),
            ),
        ),
        Entry("NWe.001", "organisation", (ListedName("NOWHERE TRADING"),)),
    )


def test_a_plain_list_gives_names_and_aliases():
    found = one("plain", PLAIN)
    assert [[name.text for name in entry.names] for entry in found.entries] == [
        ["Ivo Invented", "Иво Выдуманный", "Ivo Erfunden"],
        ["Nowhere, Ltd"],
    ]


def test_a_list_is_known_by_the_sha256_that_anybody_can_compute():
    """One file: its own. Several: that of the lines which sha256sum prints of them."""
    assert one("plain", PLAIN).sha256 == hashlib.sha256(PLAIN.encode()).hexdigest()
    lines = f"{hashlib.sha256(SDN).hexdigest()}  sdn.csv\n{hashlib.sha256(ALT).hexdigest()}  alt.csv\n"
    assert ofac().sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert [name for name, _ in ofac().files] == ["sdn.csv", "alt.csv"]


def test_the_list_that_comes_with_the_program_is_whole_and_invented():
    [sample] = load_sample()
    assert (sample.name, len(sample.entries)) == ("invented", 32)
    found = sample.entry("RF-010")
    assert found is not None
    assert [name.text for name in found.names] == ["慕容砚秋", "Murong Yanqiu", "慕容硯秋"]


@pytest.mark.parametrize(
    ("primary", "aliases", "name"),
    [
        (b"", ALT, "sanctions_list_is_cut_short"),
        (SDN[:-1], ALT, "sanctions_list_is_cut_short"),
        (SDN[: len(SDN) // 2], ALT, "sanctions_list_is_cut_short"),
        (SDN, ALT[:-1], "sanctions_list_is_cut_short"),
        (b"\x1a", None, "sanctions_list_is_empty"),
        (b"<html>not today</html>\x1a", None, "sanctions_list_is_malformed"),
        (SDN.replace(b'"vessel"', b'"submarine"'), ALT, "sanctions_list_is_malformed"),
        (SDN.replace(b"306,", b"36,"), ALT, "sanctions_list_is_malformed"),
        (SDN.replace(b'"CALYPSANDRA"', b"-0- "), ALT, "sanctions_list_is_malformed"),
        (SDN.replace(b'"CALYPSANDRA"', b'"CALYPSANDRA'), ALT, "sanctions_list_is_malformed"),
        (SDN.replace(b"-0- \r\n\x1a", b"-0- ,1\r\n\x1a"), ALT, "sanctions_list_is_malformed"),
        (SDN, ALT.replace(b"36,13", b"37,13"), "sanctions_list_is_malformed"),
        (SDN, ALT.replace(b'"SOMEBODY AIR"', b"-0- "), "sanctions_list_is_malformed"),
    ],
)
def test_an_ofac_file_that_is_not_whole_is_refused(primary, aliases, name):
    with pytest.raises(Refused, match=name):
        ofac(primary, aliases)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("", "sanctions_list_is_cut_short"),
        (UN[: len(UN) // 2], "sanctions_list_is_cut_short"),
        (UN.replace("</ENTITIES>", ""), "sanctions_list_is_malformed"),
        (UN.replace("CONSOLIDATED_LIST", "LIST"), "sanctions_list_is_malformed"),
        (UN.replace(' dateGenerated="2026-02-27T00:00:09.554Z"', ""), "sanctions_list_is_malformed"),
        (UN.replace("ENTITIES>", "THINGS>"), "sanctions_list_is_malformed"),
        (UN.replace("NWe.001", "NWi.001"), "sanctions_list_is_malformed"),
        (UN.replace("NWe.001", ""), "sanctions_list_is_malformed"),
        (UN.replace("NOWHERE TRADING", ""), "sanctions_list_is_malformed"),
        (UN.replace("<DATAID>1</DATAID>", "<FIFTH_NAME>X</FIFTH_NAME>"), "sanctions_list_is_malformed"),
        (
            UN.replace("<CONSOLIDATED_LIST ", '<!DOCTYPE x [<!ENTITY e "f">]><CONSOLIDATED_LIST ', 1),
            "sanctions_list_is_malformed",
        ),
        (
            UN.replace(
                "<CONSOLIDATED_LIST ", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><CONSOLIDATED_LIST ', 1
            ).replace("NOWHERE TRADING", "&e;"),
            "sanctions_list_is_malformed",
        ),
    ],
)
def test_an_un_file_that_is_not_whole_or_not_safe_is_refused(content, name):
    with pytest.raises(Refused, match=name):
        one("un", content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("", "sanctions_list_is_cut_short"),
        (PLAIN[:-1], "sanctions_list_is_cut_short"),
        ("name,list,id,aliases\n", "sanctions_list_is_empty"),
        (PLAIN.replace("name,list,", "list,name,"), "sanctions_list_is_malformed"),
        (PLAIN.replace("mine,2", "mine,1"), "sanctions_list_is_malformed"),
        (PLAIN.replace("mine,2", "yours,2"), "sanctions_list_is_malformed"),
        (PLAIN.replace("mine,2", "mine,"), "sanctions_list_is_malformed"),
        (PLAIN.replace("mine,2,", "mine,2"), "sanctions_list_is_malformed"),
        (PLAIN.replace('Ltd"', "Ltd"), "sanctions_list_is_malformed"),
        (PLAIN.encode("utf-16"), "sanctions_list_is_cut_short"),
        (PLAIN.encode() + b"\xff\n", "sanctions_list_is_malformed"),
    ],
)
def test_a_plain_file_that_is_not_whole_is_refused(content, name):
    with pytest.raises(Refused, match=name):
        one("plain", content)


# -- the description --------------------------------------------------------------------------------------------------

DESCRIPTION = """
[[list]]
name = "mine"
format = "plain"
files = ["mine.csv"]
issued = 2026-01-05
entries_least = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.csv").write_text(PLAIN, encoding="utf-8")
    (tmp_path / "lists.toml").write_text(DESCRIPTION, encoding="utf-8")
    return tmp_path


def test_a_folder_of_lists_is_read_by_its_description(folder):
    [found] = load(folder / "lists.toml")
    assert (found.name, found.date, len(found.entries)) == ("mine", date(2026, 1, 5), 2)


def test_a_list_that_was_pinned_and_has_changed_is_refused_with_both_hashes(folder):
    pin = hashlib.sha256(PLAIN.encode()).hexdigest()
    (folder / "lists.toml").write_text(DESCRIPTION + f'sha256 = "{pin}"\n', encoding="utf-8")
    assert load(folder / "lists.toml")[0].sha256 == pin
    (folder / "mine.csv").write_text(PLAIN.replace("Ivo Invented", "Ivo Inventet"), encoding="utf-8")
    with pytest.raises(Refused, match="sanctions_list_has_changed") as refused:
        load(folder / "lists.toml")
    assert refused.value.facts["pinned"] == pin


def test_a_list_with_fewer_entries_than_it_should_have_is_refused(folder):
    """Cut at the end of a line, a plain file looks whole; the number of entries tells."""
    (folder / "mine.csv").write_text("".join(PLAIN.splitlines(keepends=True)[:2]), encoding="utf-8")
    with pytest.raises(Refused, match="sanctions_list_is_empty"):
        load(folder / "lists.toml")


def test_a_missing_file_and_a_missing_description_are_refused(folder):
    (folder / "mine.csv").unlink()
    with pytest.raises(Refused, match="sanctions_list_is_missing"):
        load(folder / "lists.toml")
    with pytest.raises(Refused, match="sanctions_list_is_missing"):
        load(folder / "other.toml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "list = 1",
        "[[list",
        DESCRIPTION.replace('"plain"', '"eu"'),
        DESCRIPTION.replace("entries_least = 2", ""),
        DESCRIPTION.replace('["mine.csv"]', "[]"),
        DESCRIPTION + 'sha256 = "abc"\n',
        DESCRIPTION + "unknown = 1\n",
        DESCRIPTION + DESCRIPTION,
    ],
)
def test_a_description_that_is_wrong_is_refused(folder, text):
    (folder / "lists.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="sanctions_lists_are_described_wrongly"):
        load(folder / "lists.toml")


def test_a_list_that_nobody_dates_is_refused(folder):
    (folder / "lists.toml").write_text(DESCRIPTION.replace("issued = 2026-01-05", ""), encoding="utf-8")
    with pytest.raises(Refused, match="sanctions_list_is_malformed"):
        load(folder / "lists.toml")


# -- the real ones ----------------------------------------------------------------------------------------------------


@pytest.mark.real_files
def test_the_real_lists_are_read_to_the_last_entry(real_files):
    """OFAC of July 2021 has 8,976 entries with 11,910 aliases, its consolidated list 442 with 1,073, the UN 1,003."""

    def of(name: str, *files: str) -> lists.SanctionsList:
        found = [ListFile(name, file, (real_files / "ofac" / file).read_bytes()) for file in files]
        return read_list(name, "ofac", found, issued=date(2021, 7, 1))

    sdn = of("sdn", "sdn_2021-07.csv", "alt_2021-07.csv")
    assert len(sdn.entries) == 8_976
    assert sum(not name.weak for entry in sdn.entries for name in entry.names) == 8_976 + 11_910
    consolidated = of("cons", "cons_prim.csv", "cons_alt.csv")
    assert len(consolidated.entries) == 442
    assert sum(not name.weak for entry in consolidated.entries for name in entry.names) == 442 + 1_073
    un = read_list("un", "un", [ListFile("un", "un.xml", (real_files / "un" / "UN_consolidated.xml").read_bytes())])
    assert (len(un.entries), un.date) == (1_003, date(2026, 2, 27))
    assert sum(len(entry.names) for entry in un.entries) == 4_133


@pytest.mark.real_files
def test_real_files_of_two_days_are_not_taken_for_one_list(real_files):
    """The entries of 2021 with the aliases of 2025."""
    files = [
        ListFile("sdn", each, (real_files / "ofac" / each).read_bytes())
        for each in ("sdn_2021-07.csv", "alt_2025-12.csv")
    ]
    with pytest.raises(Refused, match="sanctions_list_is_malformed"):
        read_list("sdn", "ofac", files, issued=date(2025, 12, 1))


@pytest.mark.real_files
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_real_files_that_are_cut_are_refused(real_files, share):
    sdn = (real_files / "ofac" / "sdn_2021-07.csv").read_bytes()
    un = (real_files / "un" / "UN_consolidated.xml").read_bytes()
    for written, content in (("ofac", sdn), ("un", un)):
        with pytest.raises(Refused, match="sanctions_list_is_cut_short"):
            one(written, content[: int(len(content) * share)])
