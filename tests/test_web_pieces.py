"""The small pieces: numbers, names and lines as people see them."""

import doctest
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.money import currency, parse_minor
from ringfence.web import chart, formats, words
from ringfence.web.answers import csv_answer
from ringfence.web.fields import containing
from ringfence.web.visit import form_token, local_path


@pytest.mark.parametrize("module", [chart, formats, words])
def test_the_examples_of_the_specification_hold(module):
    assert doctest.testmod(module).failed == 0


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from(["EUR", "JPY", "BHD"]))
def test_an_amount_for_people_is_the_same_amount(minor, code):
    text = formats.amount_text(minor, code)
    assert parse_minor(text.replace(",", "").replace("−", "-"), currency(code)) == minor


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(-(10**15), 10**15)), min_size=1, max_size=30))
def test_every_point_of_a_chart_lies_in_its_box(points):
    frame = chart.frame(points)
    for at, value in points:
        assert 0 <= frame.x(at) <= frame.width
        assert 0 <= frame.y(value) <= frame.height


def test_ages_are_told_in_both_languages():
    assert formats.age_text(timedelta(minutes=3), "en") == "3 min"
    assert formats.age_text(timedelta(days=5), "zh") == "5天"
    assert formats.age_text(timedelta(seconds=-4), "en") == "0 sec"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 170", "'+49 170"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("-12.50", "-12.50"),
        ("plain", "plain"),
        ("王芳", "王芳"),
    ],
)
def test_a_spreadsheet_runs_no_cell(cell, written):
    assert csv_answer("x.csv", ["a"], [[cell]]).body.decode("utf-8-sig").splitlines() == ["a", written]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("customer-c1-available.csv", 'attachment; filename="customer-c1-available.csv"'),
        ('a"; x=\r\ny.csv', "attachment; filename=\"a---x---y.csv\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0Ay.csv"),
        ("王芳.csv", "attachment; filename=\"--.csv\"; filename*=UTF-8''%E7%8E%8B%E8%8A%B3.csv"),
    ],
)
def test_a_name_of_a_file_ends_no_header(name, written):
    assert csv_answer(name, ["a"], []).headers["content-disposition"] == written


@given(st.text(max_size=20))
def test_a_search_finds_its_own_text_and_knows_no_wildcards(text):
    pattern = containing(text)
    assert pattern.startswith("%")
    assert pattern.endswith("%")
    inside = pattern[1:-1].replace("\\\\", "").replace("\\%", "").replace("\\_", "")
    assert "%" not in inside
    assert "_" not in inside


@given(st.text(max_size=60))
def test_one_is_never_sent_elsewhere(text):
    path = local_path(text)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))


def test_a_forms_token_is_of_one_browser_and_one_session():
    tokens = {form_token(secret, session) for secret in ("a", "b") for session in ("", "s", "t")}
    assert len(tokens) == 6
