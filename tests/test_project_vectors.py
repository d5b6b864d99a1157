"""No file of published vectors lies there unused without a reason: docs/reference/vectors.md names each."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "vectors.md").read_text(encoding="utf-8")
NAMED = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \| (\d+) \|", re.MULTILINE)
TESTS = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").glob("test_*.py"))


def cases_of(file):
    if "wycheproof" in file.parts and file.suffix == ".json":
        return sum(len(group["tests"]) for group in json.loads(file.read_text(encoding="utf-8"))["testGroups"])
    return 1


@pytest.mark.real_files
def test_every_file_of_vectors_is_used_or_named_with_its_reason(real_files):
    folder = real_files / "vectors"
    lines = [(re.findall(r"`([^`]+)`", names), int(count)) for names, count in NAMED.findall(PAGE)]
    assert len(lines) >= 20
    found = dict.fromkeys(range(len(lines)), 0)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = file.relative_to(folder).as_posix()
        naming = [at for at, (names, _) in enumerate(lines) if any(fnmatchcase(place, each) for each in names)]
        assert len(naming) == 1, (
            f"{place} is named {len(naming)} times in docs/reference/vectors.md: say what it is for"
        )
        found[naming[0]] += cases_of(file)
    for at, (patterns, count) in enumerate(lines):
        assert found[at] == count, f"{patterns[0]}: {found[at]} cases are there, the page says {count}"


def test_every_test_that_the_page_names_is_there():
    names = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE))
    assert len(names) >= 15
    missing = [name for name in sorted(names) if f"def {name}(" not in TESTS]
    assert not missing, f"docs/reference/vectors.md names tests that are not there: {missing}"


def test_a_file_of_vectors_that_is_not_in_use_says_why():
    unused = PAGE.partition("## Not in use")[2]
    assert all(len(line.split("|")[3].strip()) > 5 for line in unused.splitlines() if line.startswith("| `"))
