"""What the README says can be typed: its blocks run, in its order, in a folder that knows nothing.

A block is a fence of `sh` with a comment before it: `quick` runs here; `real files: NAME` runs where the folder of real
files is; `slow` is run by the tests of the demo, or by nobody because it needs a server or a person, and says so.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from banking_statement_samples import entry, message, statement

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(?:<!-- ([^>]+) -->\n)?```sh\n(.*?)```", re.DOTALL)
PAGES = ("README.md", "README.zh.md")


def blocks(page):
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def run(text, folder, home):
    said = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    said["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{said['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", text],
        cwd=folder,
        env=said | {"RINGFENCE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_whether_it_is_run(page):
    kinds = {mark.partition(":")[0] for mark, _ in blocks(page)}
    assert kinds == {"quick", "slow", "real files"}, f"mark each block of {page} with <!-- quick --> or the like"


def test_both_languages_have_the_same_blocks():
    assert blocks("README.md") == blocks("README.zh.md"), "what can be typed is the same in both languages"


def test_both_languages_have_the_same_headings_and_links():
    one, other = ((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    assert len(re.findall(r"^## ", one, re.MULTILINE)) == len(re.findall(r"^## ", other, re.MULTILINE))
    links = [set(re.findall(r"\]\(([^)]+)\)", text)) - set(PAGES) for text in (one, other)]
    assert links[0] == links[1]


def test_the_quick_blocks_run_as_they_stand(tmp_path):
    """One home, one folder with two bank files beside it, and the blocks from top to bottom."""
    (tmp_path / "statements").mkdir()
    monday = statement(entry("90.00"), entry("40.00", "DBIT"), closing="150.00")
    tuesday = statement(identification="S2", on="2026-03-03", opening="150.00", closing="150.00")
    (tmp_path / "statements" / "monday.xml").write_text(message(monday), encoding="utf-8")
    (tmp_path / "statements" / "tuesday.xml").write_text(message(tuesday), encoding="utf-8")
    said = [run(text, tmp_path, tmp_path / "home") for mark, text in blocks("README.md") if mark == "quick"]
    assert len(said) >= 4
    assert '"outcome": "read"' in said[1]


def test_a_book_of_ones_own_is_founded_as_the_guide_says(tmp_path):
    """The guide's verbs, then the position."""
    [text] = [text for mark, text in blocks("docs/operate/own-book.md") if mark == "quick"]
    assert "Gra" in run(text, tmp_path, tmp_path / "home")
    position = run("ringfence safeguard --book acme --json", tmp_path, tmp_path / "home")
    assert '"requirement": "0.00"' in position


@pytest.mark.real_files
def test_the_blocks_on_real_files_run_as_they_stand(tmp_path, real_files):
    for mark, text in blocks("README.md"):
        kind, _, name = mark.partition(": ")
        if kind == "real files":
            (tmp_path / name).symlink_to(real_files / name)
            run(text, tmp_path, tmp_path / "home")


def test_the_logins_of_the_readme_are_those_of_the_demo():
    from ringfence.demo.founding import STAFF

    for page in PAGES:
        told = set(
            re.findall(r"^\| ((?:`[a-z]+`[,、 ]*)+) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        )
        names = {name for cell in told for name in re.findall(r"`([a-z]+)`", cell)}
        assert names == {login for login, _, _ in STAFF}
