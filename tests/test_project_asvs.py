"""The security checklist says what there is: its page, its tests, its paths, its quotations, and the standard's ids.

Below that stand tests of the source itself that the list names: what never occurs in it.
"""

import ast
import csv
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path

import pytest

from ringfence.web.refusals import HOST_IS_NOT_OURS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ringfence"
PROGRAMS = sorted(file for folder in ("src", "verifier", "scripts") for file in (ROOT / folder).rglob("*.py"))
QUOTING = f"{Path(__file__).name}::test_a_page_says_what_the_list_says_it_says"


def loaded():
    """The program of scripts that reads the list; scripts are no package."""
    spec = importlib.util.spec_from_file_location("asvs", ROOT / "scripts" / "asvs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


asvs = loaded()
ROWS = asvs.rows()


@cache
def names_in(file):
    """The names of a file's tests; one that is run with many cases is one."""
    path = ROOT / "tests" / file
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def words(text):
    return " ".join(text.split())


def test_the_page_is_what_the_list_says():
    made = (ROOT / "docs" / "reference" / "asvs.md").read_text(encoding="utf-8")
    assert made == re.sub(r"\n{3,}", "\n\n", asvs.page(ROWS)), "run `python scripts/reference.py`"
    assert made.count("\n| V") == len(ROWS) + len(asvs.CHAPTERS)


def test_every_row_is_whole():
    """What is met is shown by a test; what is not met, or not asked for, says why; what applies says where."""
    for row in ROWS:
        assert row.verdict in asvs.VERDICTS, row.id
        assert row.chapter in asvs.CHAPTERS, row.id
        assert 0 < len(row.about) <= 80, row.id
        assert row.verdict != "met" or (row.tests and row.where), f"{row.id} is met: name a test and a place"
        assert row.verdict == "met" or row.because, f"{row.id} is {row.verdict}: say what is missing, or why"
        assert "|" not in row.about + row.because, row.id


def test_every_test_that_is_named_is_there():
    named = {test for row in ROWS for test in row.tests}
    assert len(named) > 100
    gone = [test for test in named if test.partition("::")[2] not in names_in(test.partition("::")[0])]
    assert not gone, f"{sorted(gone)}: docs/reference/asvs.toml names tests that are not there"
    assert all(len(set(row.tests)) == len(row.tests) for row in ROWS)


def test_every_place_that_is_named_is_there():
    gone = {path for row in ROWS for path in row.where if not (ROOT / path).exists()}
    assert not gone, f"{sorted(gone)}: docs/reference/asvs.toml names paths that are not there"


def test_a_page_says_what_the_list_says_it_says():
    """A requirement that asks for a document is met by words, which are quoted and looked up."""
    quoted = [row for row in ROWS if row.says]
    assert len(quoted) > 15
    assert {row.id for row in ROWS if QUOTING in row.tests} == {row.id for row in quoted}
    for row in quoted:
        page = (ROOT / row.where[0]).read_text(encoding="utf-8")
        assert words(row.says) in words(page), f"{row.where[0]} does not say {row.says!r} any more ({row.id})"


@pytest.mark.real_files
def test_the_list_answers_exactly_what_the_standard_asks(real_files):
    """Every requirement of the levels claimed, with its level; none missing, none made up."""
    with (real_files / "asvs" / "asvs5.csv").open(encoding="utf-8-sig", newline="") as file:
        standard = [(line["req_id"], int(line["L"])) for line in csv.DictReader(file)]
    asked = [(name, level) for name, level in standard if asvs.is_claimed(name.partition(".")[0], level)]
    assert [(row.id, row.level) for row in ROWS] == asked
    assert len(asked) == 292


# -- what the source never does -------------------------------------------------------------------------------------


RUN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "marshal.loads", "yaml.load"}


def called(node):
    """The name of what is called, as it stands."""
    return ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""


def runs(file):
    """The lines that run what they read: code, a pickle, or a text that a shell takes apart."""
    text = file.read_text(encoding="utf-8")
    if not re.search(r"(?<![.\w])(eval|exec|compile|__import__)\(|pickle|marshal|shelve|yaml|os\.|\bshell\b", text):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {each.name for each in node.names} | {getattr(node, "module", None)}
            if names & {"pickle", "marshal", "shelve", "yaml"}:
                yield f"{file.name}:{node.lineno}"
        if isinstance(node, ast.Call):
            a_shell = any(word.arg == "shell" for word in node.keywords)
            if called(node) in RUN or a_shell:
                yield f"{file.name}:{node.lineno}"


def test_nothing_that_was_read_is_ever_run(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("import pickle\nimport subprocess\nsubprocess.run('ls', shell=True)\neval('1')\n", encoding="utf-8")
    assert list(runs(bad)) == ["bad.py:1", "bad.py:3", "bad.py:4"]
    assert [place for file in PROGRAMS for place in runs(file)] == []


def test_no_template_is_made_of_text_and_none_is_left_unescaped():
    """Templates are files of ours, everything in them is escaped, and what is HTML already was made by one."""
    for file in sorted(SOURCE.rglob("*.py")):
        assert not re.search(
            r"from_string\(|\bMarkup\((?!visit\.fragment\()|autoescape=(?!True)", file.read_text(encoding="utf-8")
        ), file.name
    templates = sorted(SOURCE.rglob("templates/*.html"))
    assert len(templates) > 30
    for file in templates:
        assert not re.search(r"\|\s*safe\b|autoescape", file.read_text(encoding="utf-8")), file.name


def test_scripts_keep_nothing_and_listen_to_nobody():
    """No storage of the browser, no message of another window, no code from text, no prototype that is changed.

    The page that checks proofs keeps public keys, if its reader presses the button (decision 38), and nothing else.
    """
    scripts = sorted(SOURCE.rglob("*.js"))
    assert len(scripts) >= 2
    forbidden = (
        r"localStorage|sessionStorage|indexedDB|caches\.|document\.cookie|postMessage|[\"']message[\"']|\beval\b"
        r"|new Function|__proto__|\.prototype|Object\.assign"
    )
    for file in scripts:
        text = file.read_text(encoding="utf-8")
        if file.parent.name == "checking":
            assert set(re.findall(r"localStorage\.\w+\(\w+", text)) == {
                f"localStorage.{does}(KEPT" for does in ("getItem", "setItem", "removeItem")
            }
            text = text.replace("localStorage", "")
        assert not re.search(forbidden, text), file.name


GUESSABLE = {"demo/scenario.py", "evidence/bench/growing.py"} | {
    f"ledger/bench/{name}.py" for name in ("ids", "load", "loads", "reading")
}


def test_what_must_not_be_guessed_comes_from_the_systems_generator():
    """A generator that can be foreseen is for the demo's invented days and for benchmarks; all else asks the system."""
    foreseen = r"^\s*(import random\b|from random\b)|default_rng|numpy\.random|np\.random"
    found = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        if re.search(foreseen, file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == GUESSABLE


def test_no_broken_hash_is_used():
    """Neither MD5 nor SHA-1; the database has SHA-1 for the codes of devices (RFC 6238) and for nothing else."""
    for file in PROGRAMS:
        assert not re.search(r"\b(md5|sha1|SHA1|MD5)\b", file.read_text(encoding="utf-8")), file.name
    schemas = {file: file.read_text(encoding="utf-8") for file in SOURCE.rglob("sql/schema*.sql")}
    with_hash = {file.name for file, text in schemas.items() if re.search(r"\b(md5|sha1)\(", text)}
    assert with_hash == {"schema_01_codes.sql"}


def test_a_fact_with_braces_is_said_as_it_stands():
    """The sentence is ours; what stands in it is a fact and never a format."""
    hostile = "{host.__class__} {0} %s %(host)s"
    for language in ("en", "zh"):
        assert hostile in HOST_IS_NOT_OURS(host=hostile).sentence(language)
