"""Every sentence of the console is said in Chinese too."""

import importlib
import pkgutil
import re
from importlib import resources
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import ringfence
from ringfence.console.application import OWN_WORDS, templates_of
from ringfence.web.shell import Module
from ringfence.web.words import preferred

SOURCE = Path(ringfence.__file__).parent
PLACEHOLDER = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "msg": None}


def modules() -> list[Module]:
    """What every package gives the console, whether or not some installation leaves it out."""
    names = [each.name for each in pkgutil.iter_modules([str(SOURCE)]) if (SOURCE / each.name / "pages.py").exists()]
    return [importlib.import_module(f"ringfence.{name}.pages").MODULE for name in names]


def catalogue():
    with (resources.files("ringfence.console") / "languages" / "zh.po").open("rb") as file:
        return read_po(file, locale="zh", abort_invalid=True)


def sentences() -> dict[tuple[str, ...], list[str]]:
    """Sentences marked in templates and in Python, with where they are; a plural is a pair."""
    methods = [("**/templates/**.html", "jinja2"), ("**/pages.py", "python"), ("console/**.py", "python")]
    options = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}}
    found: dict[tuple[str, ...], list[str]] = {}
    for file, line, message, _, _ in extract_from_dir(SOURCE, methods, options, KEYWORDS):
        texts = message if isinstance(message, tuple) else (message,)
        found.setdefault(texts, []).append(f"{file}:{line}")
    return found


def test_every_sentence_has_a_chinese_one():
    known = catalogue()
    missing = []
    for texts, places in sentences().items():
        entry = known.get(texts[0])
        if entry is None or not entry.string or not all(entry.string if isinstance(entry.string, tuple) else [1]):
            missing.append(f"{texts[0]!r} ({places[0]})")
    assert not missing, "add to console/languages/zh.po: " + "; ".join(missing)


def test_every_word_has_a_chinese_one():
    known = catalogue()
    listed = [OWN_WORDS, *(module.words for module in modules())]
    wanted = {
        (context, name.replace("_", " ")) for words in listed for context, names in words.items() for name in names
    }
    missing = sorted(
        f'msgctxt "{context}" msgid "{name}"'
        for context, name in wanted
        if (entry := known.get(name, context)) is None or not entry.string
    )
    assert not missing, "add to console/languages/zh.po: " + "; ".join(missing)


def test_no_chinese_sentence_is_left_over():
    said = {texts[0] for texts in sentences()}
    listed = [OWN_WORDS, *(module.words for module in modules())]
    words = {(context, name.replace("_", " ")) for each in listed for context, names in each.items() for name in names}
    left = [
        entry.id
        for entry in catalogue()
        if entry.id
        and (
            (entry.context, entry.id) not in words
            if entry.context
            else (entry.id[0] if isinstance(entry.id, tuple) else entry.id) not in said
        )
    ]
    assert not left, f"remove from console/languages/zh.po: {left}"


def test_placeholders_agree():
    for entry in catalogue():
        if not entry.id:
            continue
        english = entry.id[-1] if isinstance(entry.id, tuple) else entry.id
        for chinese in entry.string if isinstance(entry.string, tuple) else (entry.string,):
            assert set(PLACEHOLDER.findall(chinese)) == set(PLACEHOLDER.findall(english)), english


def test_every_template_is_sound_in_both_languages():
    templates = templates_of(modules())
    for language in ("en", "zh"):
        assert len(templates.compiled(language)) > 20


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr, zh-TW;q=0.5, en;q=0.4", "zh"),
        ("zh;q=0, en", "en"),
        ("zh;q=x", "en"),
        ("*", "en"),
        (",;q=,,zh" + "," * 500, "zh"),
    ],
)
def test_the_reader_gets_the_language_asked_for(header, language):
    assert preferred(header) == language
