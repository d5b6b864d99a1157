"""Screening finds those who are meant and leaves others alone: on invented lists, labelled pairs and real lists."""

import csv
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import UUID

import pytest

from ringfence.risk.decision import NO_FEATURES, OrderFacts, judge
from ringfence.risk.likeness import likeness, prepare
from ringfence.risk.lists import Entry, ListedName, ListFile, SanctionsList, load_sample, read_list
from ringfence.risk.rules import load
from ringfence.risk.screening import COMMON_SCORE, WEAK_SCORE, Screen

LEAST = load("eu-psd2").score_least
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def listed(*names: str, weak: tuple[str, ...] = ()) -> SanctionsList:
    entries = [Entry(str(number), "person", (ListedName(name),)) for number, name in enumerate(names, start=1)]
    entries += [Entry(f"weak-{name}", "person", (ListedName(name, weak=True),)) for name in weak]
    return SanctionsList("mine", date(2026, 1, 5), "0" * 64, (), tuple(entries))


@pytest.fixture(scope="module")
def sample() -> Screen:
    return Screen(load_sample())


@pytest.mark.parametrize(
    ("name", "entry", "exact"),
    [
        ("Orsolan Veskarimov", "RF-001", True),
        ("VESKARIMOV, ORSOLAN", "RF-001", True),
        ("Орсолан Вескаримов", "RF-001", True),
        ("Orsolan Veskarymow", "RF-001", False),
        ("OrsolanVeskarimov", "RF-001", False),
        ("Nadhim Faruz Al-Zubayriqi", "RF-004", True),
        ("al zubairiqi nazim farouz", "RF-004", True),
        ("Wexley Drummagh", "RF-007", False),
        ("欧阳 砾石", "RF-009", True),
        ("Adalveig Hrafnkötludottir", "RF-015", True),
        ("Asuntewabi Kwibrenu", "RF-016", False),
        ("Pemberly and Osk Maritime Holding Limited", "RF-021", True),
        ("Ostwind Rohstoffhandel Gesellschaft mit beschränkter Haftung", "RF-023", True),
        ("OOO Sobol Meridian Ekschendzh", "RF-024", False),
    ],
)
def test_a_listed_name_is_found_however_it_is_written(sample, name, entry, exact):
    first = sample.matches(name, LEAST)[0]
    assert first.entry == entry
    assert (first.score == 100) is exact


@pytest.mark.parametrize("name", ["Anna Schmidt", "Orsolan Meyer", "Maritime Holdings Ltd", "王伟", "Ltd", "", "…"])
def test_an_ordinary_name_is_left_alone(sample, name):
    assert sample.matches(name, LEAST) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Tarfa Abu", "弱别名"),
        ("Common", "字词相同但常见"),
        ("Ivo Borisov Invented", "字词相同、次序不同"),
        ("IvoInvented Borisov", "字母相同、分隔不同"),
        ("Ivo Inventet Borisov", "字词相近"),
        ("Ivo Ivanov Invented Borisov", "部分字词相近"),
        ("Alpha Bravo Charlie Delta Echo Foxtrot Golf Hotel Unlike", "个别字词相近"),
    ],
)
def test_why_a_name_is_held_is_told_in_chinese_too(name, why):
    letters = "Alpha Bravo Charlie Delta Echo Foxtrot Golf Hotel India"
    screen = Screen([listed("Ivo Invented Borisov", "Common", letters, weak=("Abu Tarfa",))])
    facts = OrderFacts(UUID(int=1), "deposit", None, 100, "EUR", None, name, NOON, NOON.date())
    decision = judge(load("eu-psd2"), facts, NO_FEATURES, screen.matches(name, LEAST))
    assert [reason.sentence("zh").rpartition("：")[2] for reason in decision.reasons] == [f"{why}）。"]


def test_a_match_says_whom_it_means_and_why(sample):
    [match] = sample.matches("Mirelda Quastenhof", LEAST)
    assert (match.list, match.entry, match.name, match.why) == (
        "invented",
        "RF-002",
        "Mirelda Quastenhoff",
        "like words",
    )
    entry = sample.entry(match.list, match.entry)
    assert entry is not None
    assert entry.names[1].text == "Quastenhoff-Brühn Mirelda"
    assert sample.entry("invented", "RF-999") is None
    assert sample.entry("other", "RF-002") is None


def test_the_best_name_of_an_entry_counts_and_every_list_is_searched():
    other = SanctionsList("yours", date(2026, 1, 5), "1" * 64, (), listed("Ivo Invented").entries)
    found = Screen([listed("Ivo Inventedt"), other]).matches("Ivo Invented", LEAST)
    assert [(match.list, match.score) for match in found] == [("yours", 100), ("mine", 94)]


def test_common_words_are_never_the_very_person():
    """Of a thousand listed names a hundred are called Kim and a hundred Chol; "Kim Chol" is one of them, or is not."""
    many = [f"Kim Name{number}" for number in range(100)] + [f"Chol Word{number}" for number in range(100)]
    many += [f"Other Person{number}" for number in range(800)]
    screen = Screen([listed(*many, "Kim Chol", "Ivo Invented")])
    assert [match.score for match in screen.matches("Chol Kim", LEAST)] == [COMMON_SCORE]
    assert [match.score for match in screen.matches("Invented Ivo", LEAST)] == [100]


def test_a_single_word_is_never_the_very_person_unless_it_is_a_whole_chinese_name():
    screen = Screen([listed("Cimexa", "慕容砚秋", "王伟")])
    assert [match.score for match in screen.matches("CIMEXA", LEAST)] == [COMMON_SCORE]
    assert [match.score for match in screen.matches("慕容砚秋", LEAST)] == [100]
    assert [match.score for match in screen.matches("王伟", LEAST)] == [COMMON_SCORE]


def test_a_weak_alias_counts_word_for_word_only():
    screen = Screen([listed(weak=("THE FERRYMAN", "Abu Tarfa"))])
    assert [match.score for match in screen.matches("Tarfa Abu", LEAST)] == [WEAK_SCORE]
    assert screen.matches("Abu Tarfah", LEAST) == []
    assert screen.matches("Ivo Ferryman", LEAST) == []


def test_an_empty_screen_finds_nobody():
    assert Screen([]).matches("Ivo Invented", LEAST) == []


# -- measured on labelled pairs and on real lists ---------------------------------------------------------------------


@pytest.mark.real_files
def test_labelled_pairs_are_told_apart_at_the_threshold_of_the_rules(real_files):
    """826 labelled pairs, 425 of them of one person or firm; a pair is alike from the rule's 85 on.

    Measured: precision 0.924, recall 0.776, F1 0.844 (330 found of 425, 27 wrong of 401). The matcher whose scores lie
    beside the pairs has 0.762, 0.812 and 0.786 at its own threshold. The floors are a little below.
    """
    with (real_files / "name_bench" / "name_bench" / "cases.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(row["name1"], row["name2"], row["is_match"] == "true") for row in csv.DictReader(file)]
    assert len(pairs) == 826
    found = [(likeness(prepare(one), prepare(other))[0] >= LEAST, same) for one, other, same in pairs]
    hits, right = sum(alike for alike, _ in found), sum(alike and same for alike, same in found)
    precision, recall = right / hits, right / sum(same for _, same in found)
    assert precision >= 0.91
    assert recall >= 0.76


@pytest.fixture(scope="module")
def real(real_files: Path) -> Screen:
    def ofac(name: str, *files: str) -> SanctionsList:
        content = [ListFile(name, file, (real_files / "ofac" / file).read_bytes()) for file in files]
        return read_list(name, "ofac", content, issued=date(2021, 7, 1), least=400)

    un = ListFile("un", "un.xml", (real_files / "un" / "UN_consolidated.xml").read_bytes())
    sdn, cons = ofac("sdn", "sdn_2021-07.csv", "alt_2021-07.csv"), ofac("cons", "cons_prim.csv", "cons_alt.csv")
    return Screen([sdn, cons, read_list("un", "un", [un])])


def changed(name: str, picks: random.Random) -> str:
    """One letter left out, put in, changed or swapped with the next."""
    place, letter = picks.randrange(len(name)), picks.choice("abcdefghijklmnopqrstuvwxyz")
    before, after = name[:place], name[place:]
    return picks.choice(
        [
            before + after[1:],
            before + letter + after,
            before + letter + after[1:],
            before + after[1:2] + after[:1] + after[2:],
        ]
    )


@pytest.mark.real_files
@pytest.mark.parametrize(
    ("how", "least_share"),
    [
        (lambda name, _: name, 1.0),
        (lambda name, _: name.lower(), 1.0),
        (lambda name, picks: " ".join(picks.sample(name.split(), len(name.split()))), 0.97),
        (changed, 0.90),
    ],
    ids=["as it stands", "in small letters", "in another order", "with one letter changed"],
)
def test_real_listed_names_are_found_again(real, how: Callable[[str, random.Random], str], least_share):
    """400 names of 29,040, each looked up as somebody else may write it. Measured: 1.00, 1.00, 0.99, 0.92."""
    picks = random.Random(1)
    names = [name.text for each in real.lists for entry in each.entries for name in entry.names if not name.weak]
    found = 0
    for _ in range(400):
        name = picks.choice(names)
        whom = {(match.list, match.entry) for match in real.matches(name, LEAST)}
        found += bool(whom & {(match.list, match.entry) for match in real.matches(how(name, picks), LEAST)})
    assert found / 400 >= least_share


GIVEN = {
    "english": "James Mary Robert Patricia Jennifer Michael Linda William Barbara Sarah Karen Daniel",
    "german": "Hans Anna Klaus Ursula Stefan Monika Andreas Sabine Petra Wolfgang Claudia Birgit",
    "russian": "Alexander Sergei Olga Dmitry Elena Andrei Natalia Alexei Irina Ivan Tatiana Mikhail",
    "arabic": "Mohammed Ahmed Ali Hassan Hussein Ibrahim Fatima Khalid Omar Youssef Aisha Karim",
}
FAMILY = {
    "english": "Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Taylor Moore Thompson",
    "german": "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer",
    "russian": "Ivanov Smirnov Kuznetsov Popov Vasiliev Petrov Sokolov Mikhailov Novikov Fedorov Morozov Volkov",
    "arabic": "Khan Saleh Mansour Haddad Nasser Farah Saad Aziz Rahman Salim Hassan Ibrahim",
}


@pytest.mark.real_files
@pytest.mark.parametrize(
    ("tongue", "share_most"), [("english", 0.02), ("german", 0.01), ("russian", 0.05), ("arabic", 0.40)]
)
def test_common_names_do_not_flood_the_queue(real, tongue, share_most):
    """Given names times family names as there are millions of, against 29,040 listed names.

    Measured over more of them: held are 0.9 % of English, 0 % of German, 3.5 % of Russian and 29 % of Arabic names, of
    which the lists are full (0.6 entries a name, never more than 7); none of the Arabic ones is refused outright.
    """
    names = [f"{one} {other}" for one in GIVEN[tongue].split() for other in FAMILY[tongue].split() if one != other]
    found = [real.matches(name, LEAST) for name in names]
    assert sum(map(bool, found)) / len(names) <= share_most
    assert max(map(len, found)) <= 12
    if tongue == "arabic":
        assert all(match.score < 100 for matches in found for match in matches)


@pytest.mark.real_files
def test_a_name_is_looked_up_in_well_under_a_millisecond(real):
    """Measured on a shared machine: median 85 µs for German names, 320 µs for Arabic ones, 29,040 names listed. The
    bound leaves room for a busy machine.
    """
    names = [f"{one} {other}" for one in GIVEN["german"].split() for other in FAMILY["german"].split()]
    seconds = []
    for name in names:
        start = perf_counter()
        real.matches(name, LEAST)
        seconds.append(perf_counter() - start)
    assert median(seconds) < 0.002
