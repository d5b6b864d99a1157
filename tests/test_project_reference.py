"""The pages of docs say what the code says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from banking_statement_samples import entry, message, statement
from ringfence.__main__ import app
from ringfence.custody.lifecycle import LIFECYCLE
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.model import Kind
from ringfence.settings import read_settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")


def pages():
    roots = [
        ROOT / name for name in ("README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
    ]
    return [*roots, *sorted(DOCS.rglob("*.md")), ROOT / "verifier" / "README.md"]


def test_the_generated_pages_are_those_of_the_code():
    """Another process, because every module has to be imported in it and nothing else."""
    done = subprocess.run(
        [sys.executable, "scripts/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\nrun `python scripts/reference.py` and commit docs/reference"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        found = (page.parent / target).resolve()
        assert found.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and found.suffix == ".md":
            assert anchor[1:] in anchors(found), f"{page.name} links to {target}{anchor}: there is no such heading"


def anchors(page):
    """The headings of a page as hosts make addresses of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_purpose_and_event_of_the_journal_is_described():
    page = (DOCS / "reference" / "events.md").read_text(encoding="utf-8")
    told = {name: int(number) for number, name in re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", page, re.MULTILINE)}
    standing = (kind for kind in Kind if Kind.ACCOUNT_LIMITED <= kind <= Kind.MONITOR_TURNED)
    known = {each.name: each.value for each in (*Purpose, *EventName, *standing)}
    assert told == known, "docs/reference/events.md and ledger/codes.py differ"


def test_every_kind_of_order_is_drawn():
    page = (DOCS / "reference" / "lifecycles.md").read_text(encoding="utf-8")
    drawn = {kind for line in re.findall(r"^## (.+)$", page, re.MULTILINE) for kind in line.split(", ")}
    assert drawn == {*LIFECYCLE, "due diligence"}


# -- settings --------------------------------------------------------------------------------------------------------


def settings_page():
    return (DOCS / "operate" / "settings.md").read_text(encoding="utf-8")


def verbs(command=None, words=()):
    command = command or typer.main.get_command(app)
    below = getattr(command, "commands", {})
    if not below:
        yield " ".join(words), command
    for name, each in below.items():
        yield from verbs(each, (*words, name))


def options():
    return {option for _, command in verbs() for each in command.params for option in each.opts if option[:2] == "--"}


def test_every_option_has_its_sentence():
    told = set(re.findall(r"^\| `(--[a-z-]+)`", settings_page(), re.MULTILINE))
    assert told == options(), "docs/operate/settings.md lists an option that is not there, or leaves one out"


def test_every_environment_variable_has_its_sentence():
    told = set(re.findall(r"^\| `(RINGFENCE_[A-Z_]+)`", settings_page(), re.MULTILINE))
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").glob("*.py"), ROOT / "Makefile"]
    read = {name for file in files for name in re.findall(r"RINGFENCE_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))}
    assert told == read, "docs/operate/settings.md lists a variable that nobody reads, or leaves one out"


def test_the_environment_means_what_the_page_says():
    said = read_settings({"RINGFENCE_HOME": "/srv/ringfence", "RINGFENCE_LANGUAGE": "zh"})
    assert (said.home, said.database_url, said.language) == (Path("/srv/ringfence"), None, "zh")
    said = read_settings({"XDG_DATA_HOME": "/srv", "LANG": "zh_CN.UTF-8", "RINGFENCE_DATABASE_URL": "postgresql://db"})
    assert (said.home, said.database_url, said.language) == (Path("/srv/ringfence"), "postgresql://db", "zh")


# -- json ------------------------------------------------------------------------------------------------------------


def documented():
    """The JSON object under each heading of json.md."""
    page = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
    found = re.findall(r"^## `?([^`\n]+)`?$.*?^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return {heading: json.loads(block) for heading, block in found}


def shape(value):
    """The names and types of a JSON value; a list is the shape of its first element."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def run(*words, home, check=True, **environment):
    said = {name: text for name, text in os.environ.items() if not name.startswith("RINGFENCE_")}
    done = subprocess.run(
        [sys.executable, "-m", "ringfence", *words, "--json"],
        env=said | {"RINGFENCE_HOME": str(home), "RINGFENCE_LANGUAGE": "en"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


# They run until they are stopped, and print no object.
PROGRAMS = ("serve", "gateway", "notary", "witness serve", "evidence serve")


@pytest.mark.parametrize("words", [words for words, _ in verbs() if words not in PROGRAMS])
def test_what_every_verb_prints_is_documented(words):
    headings = " ".join(documented())
    assert words in headings, f"docs/reference/json.md does not say what `ringfence {words} --json` prints"


def test_what_the_quick_verbs_print_is_what_the_page_says(home):
    """Only shapes: names and types, and which names a list's elements have."""
    page = documented()
    assert shape(run("migrate", home=home)) == shape(page["migrate"])
    assert shape(run("book", "open", "trial", home=home)) == shape(page["book open"])
    assert shape(run("book", "list", home=home)) == shape(page["book list"])
    assert run("book", "balances", "trial", home=home) == {"book": "trial", "balances": []}
    assert shape(run("day", "open", "2026-03-02", "--book", "trial", home=home)) == shape(page["day open"])
    status = run("brake", "status", "--book", "trial", home=home)
    assert status.keys() == page["brake status"].keys()
    refused = run("brake", "status", "--book", "nobody", home=home, check=False)
    assert refused.keys() == page["A refusal"].keys()


def test_what_an_import_prints_is_what_the_page_says(home, tmp_path):
    """Two days of one account and a file that is none, beside a note."""
    monday = statement(entry("90.00"), entry("40.00", "DBIT"), closing="150.00")
    thursday = statement(identification="S2", on="2026-03-05", opening="150.00", closing="150.00")
    (tmp_path / "monday.xml").write_text(message(monday), encoding="utf-8")
    (tmp_path / "thursday.xml").write_text(message(thursday), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    said = run("statement", "import", str(tmp_path), home=home)
    page = documented()["statement import"]
    assert shape(said) == shape(page)
    assert said["files"][0]["sums"] == page["files"][0]["sums"]


def test_what_safeguard_prints_has_the_names_of_the_page(home):
    """In a book without a custodian account only the frame is there."""
    page = documented()["safeguard"]
    run("book", "open", "empty", home=home)
    assert run("safeguard", "--book", "empty", home=home).keys() <= page.keys()
