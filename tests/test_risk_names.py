"""Names made comparable: one spelling, the words that say little, and how like two names are."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.risk import likeness as likeness_module
from ringfence.risk import names, rules, screening, windows
from ringfence.risk.likeness import likeness, prepare
from ringfence.risk.names import skeleton, words


@pytest.mark.parametrize("module", [names, likeness_module, screening, rules, windows])
def test_the_examples_of_the_specification_hold(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Élodie Brühn-Sørås", "ELODIE BRUHN SORAS"),
        ("O’Neill, Siân", "Sian Oneill"),
        ("Стрелковский Юрий", "Strelkovskiy Yuriy"),
        ("Αλέξανδρος Νικολάου", "Alexandros Nikolaou"),
        ("გიორგი ბერიძე", "Giorgi Beridze"),
        ("Nordwind Aktiengesellschaft", "Nordwind AG"),
        ("OOO Nordwind", "Nordwind, Limited Liability Company"),
        ("First Nordwind Bank", "1st Nordwind Bank"),
        ("Dr. Ivo Invented", "Ivo Invented"),
        ("习 近 平", "习近平"),
        ("バラク・オバマ", "バラクオバマ"),
        ("Ｉｖｏ　Ｉｎｖｅｎｔｅｄ", "Ivo Invented"),
    ],
)
def test_spellings_of_one_name_are_the_same_words(one, other):
    assert likeness(prepare(one), prepare(other)) == (100, "the same words")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mohammed Farouz", "Muhamad Faruz"),
        ("محمد فاروز", "Mohammed Faruz"),
        ("Ivo Invented", "Ivo Inventd"),
        ("Ivo Invented", "Ivo Ivanovich Invented"),
        ("IvoInvented", "Ivo Invented"),
        ("Invented Ivo Borisov", "Ivo Invented Borisov"),
        ("Tatyana Sheremetyeva", "Tatiana Sheremeteva"),
    ],
)
def test_variants_of_one_name_are_alike(one, other):
    assert 85 <= likeness(prepare(one), prepare(other))[0] < 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ivo Invented", "Ivo Borisov"),
        ("Ivo", "Ivo Invented"),
        ("Nordwind Trading Ltd", "Ostwind Shipping Ltd"),
        ("Limited Liability Company Alpha", "Limited Liability Company Omega"),
        ("Hans Meyer", "Younous, Oumar"),
        ("王伟", "王芳"),
        ("...", "Ivo Invented"),
        ("", ""),
    ],
)
def test_names_of_two_are_not_alike(one, other):
    assert likeness(prepare(one), prepare(other))[0] < 85


SCRIPTS = [
    "annäøłßæİı AJYHX",
    "абвгёжйхцчшщъыьэюяіїєґћқғұүө",
    "αβγδεζηθικλμνξοπρσςτυφχψωάού",
    "ابتثجحخدذرسشصضعغفقكلمنهويةىءؤأإپگ",
    "אבגדהוזחךמ",
    "习近平バラク・오가",
    "'’-.,/ ",
]
NAMES = st.lists(st.one_of(*(st.sampled_from(each) for each in SCRIPTS), st.characters()), max_size=16).map("".join)


@given(NAMES)
def test_the_words_of_words_are_the_same_words(name):
    """Whatever stands in a name, folding is final: no word changes when it is folded again."""
    found = words(name)
    assert all(found)
    assert tuple(word for each in found for word in words(each)) == found


@given(NAMES)
def test_a_name_has_the_likeness_of_itself(name):
    prepared = prepare(name)
    assert likeness(prepared, prepared)[0] == (100 if prepared.words else 0)


@given(NAMES, NAMES)
def test_a_likeness_is_a_score_and_the_same_both_ways(one, other):
    there, back = likeness(prepare(one), prepare(other))[0], likeness(prepare(other), prepare(one))[0]
    assert 0 <= there <= 100
    assert there == back


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_a_skeleton_is_never_empty(word):
    assert skeleton(word)
