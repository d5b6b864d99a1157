"""Rules are data: what stands in the file counts, and a file that is not whole is refused by the field."""

import tomllib
from importlib import resources
from string import Formatter

import pytest

from ringfence.refusal import Refused
from ringfence.risk import rules
from ringfence.risk.rules import load, read

OWN = resources.files("ringfence.risk").joinpath("rules.toml").read_text("utf-8")
PROFILES = ["cn-marketplace", "cn-reserve", "eu-psd2", "uk-cass15", "us-15c3-3"]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_sets_every_limit_in_four_currencies(profile):
    assert load(profile).currencies == {"EUR", "GBP", "USD", "CNY"}


def test_every_figure_says_where_it_comes_from_and_a_dagger_stays_a_dagger():
    """The travel rule's $ 3,000 is widely reported and unchecked: it is marked so, and nothing else is."""
    written = tomllib.loads(OWN)
    figures = written["rule"] + [each for profile in written["profile"].values() for each in profile["threshold"]]
    assert all(each["source"] for each in figures)
    assert {each["name"] for each in figures if each["unverified"]} == {"travel_rule"}
    travel = [band for band in load("us-15c3-3").bands("USD") if band.unverified]
    assert [(band.name, band.amount) for band in travel] == [("travel_rule", 300_000)]


def test_china_watches_the_thresholds_of_same_day_transfers():
    """domain.md 4: natural persons 500,000 at home, 200,000 across the border."""
    bands = {band.name: (band.amount, band.low) for band in load("cn-marketplace").bands("CNY")}
    assert bands == {
        "natural_person_transfer": (50_000_000, 40_000_000),
        "natural_person_cross_border": (20_000_000, 16_000_000),
    }


def test_both_languages_of_a_rule_ask_for_the_same_facts():
    for rule in load("eu-psd2").rules:
        english, chinese = (
            {name for _, name, _, _ in Formatter().parse(text) if name}
            for text in (rule.head.sentences.en, rule.head.sentences.zh)
        )
        assert chinese <= english, rule.head.name


def test_the_rule_book_is_known_by_its_bytes():
    one, other = read(OWN.encode(), "eu-psd2", "one.toml"), read(OWN.encode() + b"\n", "eu-psd2", "other.toml")
    assert one.rules == other.rules
    assert one.sha256 != other.sha256


def test_an_operators_own_file_stands_in_for_ours(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(OWN.replace('EUR = "5000.00"', 'EUR = "7500.00"'), encoding="utf-8")
    [limit] = [rule.limits["EUR"] for rule in load("eu-psd2", file).rules if isinstance(rule, rules.NewPayee)]
    assert limit == 750_000


def test_an_unknown_profile_is_refused_with_those_that_there_are():
    with pytest.raises(Refused, match="risk_profile_is_unknown") as refused:
        load("moon")
    assert refused.value.facts["known"] == ", ".join(PROFILES)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("version = 1", "version = 2", "version"),
        ('test = "new_payee"', 'test = "new_paye"', "rule.3"),
        ("hours = 24", 'hours = "24"', "rule.3.new_payee.hours"),
        ("hours = 24", "hours = 24\nminutes = 3", "rule.3.new_payee.minutes"),
        ('EUR = "5000.00"', 'EUR = "5000.001"', "rule.payee_is_new"),
        ('EUR = "5000.00"', 'EUR = "0.00"', "rule.payee_is_new"),
        ('EUR = "5000.00"', 'EURO = "5000.00"', "rule.payee_is_new"),
        ("10m = 5", "11m = 5", "rule.orders_come_too_fast.limits"),
        ('name = "payer_is_listed"', 'name = "payee_is_listed"', "rule.payee_is_listed"),
        ("score_from = 85", "score_from = 100", "rule.name_resembles_a_listed_one"),
        ('kinds = ["deposit", "allocation"]', 'kinds = ["deposit", "gift"]', "rule.payer_is_listed.kinds"),
        ('kinds = ["deposit", "allocation"]', 'kinds = ["deposit", "fee"]', "rule.payer_is_listed.kinds"),
        ('outcome = "refuse"', 'outcome = "allow"', "rule.0.listed.outcome"),
        ("percent = 80", "percent = 100", "profile.eu-psd2.threshold.0.percent"),
        ('name = "house_threshold"', 'name = "occasional transaction"', "profile.eu-psd2.threshold.1.name"),
        ("[directions]", "[direction]", "directions"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_the_field(old, new, field):
    assert old in OWN
    with pytest.raises(Refused, match="risk_rules_are_wrong") as refused:
        read(OWN.replace(old, new, 1).encode(), "eu-psd2", "mine.toml")
    assert str(refused.value.facts["field"]).startswith(field)


@pytest.mark.parametrize("text", [b"", b"version = 1", b"\xff\xfe", b"version = ["])
def test_what_is_no_rule_file_at_all_is_refused(text):
    with pytest.raises(Refused, match="risk_rules_are_wrong"):
        read(text, "eu-psd2", "mine.toml")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refused, match="risk_rules_are_wrong"):
        load("eu-psd2", tmp_path / "nothing.toml")
