"""Whatever the program says to people on the command line or when it says no, it says in English and in Chinese."""

import importlib
import pkgutil
import re
import string

import pytest
import typer

import ringfence
from ringfence.__main__ import app
from ringfence.refusal import Refused, declared

CHINESE = re.compile(r"[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z]{2}")
# A fact that only one of the two sentences takes, and why.
ONE_SIDED = {"takeover_amount_is_wrong": {"sign"}}  # a piece of an English sentence, which Chinese does without


@pytest.fixture(scope="module")
def refusals():
    """Every refusal of every package."""
    for found in pkgutil.walk_packages(ringfence.__path__, "ringfence."):
        if found.name != "ringfence.__main__":
            importlib.import_module(found.name)
    # Tests of refusals declare some of their own, under names that say so.
    return [each for each in declared() if not each.name.startswith("test_")]


def verbs(command=None, words=("ringfence",)):
    command = command or typer.main.get_command(app)
    yield " ".join(words), command
    for name, each in getattr(command, "commands", {}).items():
        yield from verbs(each, (*words, name))


def facts_of(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def complaints(each):
    """What is wrong with how a refusal is written, with its cure."""
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", each.name):
        yield "a name is a sentence in small letters, its words joined by _"
    if not ENGLISH.search(each.en) or CHINESE.search(each.en):
        yield "the sentence `en` is not English"
    if not CHINESE.search(each.zh):
        yield "the sentence `zh` is not Chinese"
    one_sided = facts_of(each.en) ^ facts_of(each.zh)
    if one_sided != ONE_SIDED.get(each.name, set()):
        yield f"only one of its two sentences says {sorted(one_sided)}: say it in both"
    if each.en[0].islower():
        yield "the English sentence begins with a capital letter"
    if not re.search(r"([.!?]|\{[a-z_]+\})$", each.en):
        yield "the English sentence ends with a full stop"
    if not re.search(r"([。！？]|\{[a-z_]+\})$", each.zh):
        yield "the Chinese sentence ends with a full stop (。)"


@pytest.mark.parametrize(("words", "command"), list(verbs()), ids=[words for words, _ in verbs()])
def test_every_verb_and_option_is_explained_in_both_languages(words, command):
    said = {words: command.help}
    said |= {f"{words} {each.opts[0]}": each.help for each in command.params if "--help" not in each.opts}
    for name, text in said.items():
        assert ENGLISH.search(text or ""), f"`{name}` has no English help"
        assert CHINESE.search(text or ""), f"`{name}` has no Chinese help: write `English / 中文`"


def test_every_refusal_has_a_name_and_two_sentences(refusals):
    assert len(refusals) > 300
    wrong = [f"{each.name}: {complaint}" for each in refusals for complaint in complaints(each)]
    assert not wrong, "\n".join(wrong)


def test_a_refusal_is_said_even_if_a_fact_was_forgotten(refusals):
    """A sentence is for somebody in trouble: it may lack a figure, never fail."""
    for each in refusals:
        refused = Refused(each, {})
        assert refused.sentence("en"), each.name
        assert refused.sentence("zh"), each.name


def test_every_exception_is_still_needed(refusals):
    known = {each.name: each for each in refusals}
    assert {name: facts_of(known[name].en) ^ facts_of(known[name].zh) for name in ONE_SIDED} == ONE_SIDED
