"""The security checklist: what docs/reference/asvs.toml says, read, counted, and written as docs/reference/asvs.md.

The requirements are those of the OWASP Application Security Verification Standard 5.0, named by their ids. A row says
what a requirement is about in our words, how it stands here, where, and by which test that is shown:

    ["V3.3.4"]
    level = 2
    about = "session cookie is for no script"
    verdict = "met"
    where = ["src/ringfence/console/session.py"]
    tests = ["test_console_guard.py::test_the_session_cookie_is_not_for_scripts_nor_other_sites"]

`because` says what is missing (partly, not met), why nothing is asked (not applicable), or under which condition it is
met. `says` are words that stand on the first page under `where`: of requirements that ask for a document.

`scripts/reference.py` writes the page, and `tests/test_project_asvs.py` holds rows, tests and paths against what there
is.
"""
# ruff: noqa: INP001 - a program of its own folder, not a package

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "reference" / "asvs.toml"
VERDICTS = ("met", "partly", "not met", "not applicable")
# The standard's chapters, and in which of them the third level is asked for as well: where money moves.
CHAPTERS = {
    "V1": "Encoding and sanitising",
    "V2": "Validation and business logic",
    "V3": "Browser",
    "V4": "API and web service",
    "V5": "Files",
    "V6": "Authentication",
    "V7": "Sessions",
    "V8": "Authorisation",
    "V9": "Self-contained tokens",
    "V10": "OAuth and OIDC",
    "V11": "Cryptography",
    "V12": "Communication",
    "V13": "Configuration",
    "V14": "Data protection",
    "V15": "Architecture and coding",
    "V16": "Logging and errors",
    "V17": "WebRTC",
}
THIRD_LEVEL = ("V2", "V6", "V7", "V8", "V9", "V10", "V11", "V16")


@dataclass(frozen=True)
class Row:
    """One requirement, and how it stands."""

    id: str
    level: int
    about: str
    verdict: str
    where: tuple[str, ...]
    tests: tuple[str, ...]
    because: str
    says: str

    @property
    def chapter(self) -> str:
        return self.id.partition(".")[0]


def rows(path: Path = LIST) -> list[Row]:
    """The list in its order; a word that no row has is a defect of the list."""
    return [_row(name, said) for name, said in tomllib.loads(path.read_text(encoding="utf-8")).items()]


def _row(name: str, said: dict[str, Any]) -> Row:
    found = {"where": (), "tests": (), "because": "", "says": ""} | said
    return Row(name, **found | {"where": tuple(found["where"]), "tests": tuple(found["tests"])})


def is_claimed(chapter: str, level: int) -> bool:
    """Whether the list answers a requirement of this chapter and level."""
    return level <= 2 or chapter in THIRD_LEVEL


def page(found: Sequence[Row]) -> str:
    """The counts, then what is open, then a table a chapter."""
    lines = [_MADE, "# Security checklist\n", _INTRODUCTION, *_counts(found), ""]
    for verdict in ("not met", "partly"):
        names = ", ".join(each.id for each in found if each.verdict == verdict)
        lines.append(f"**{verdict.capitalize()}**: {names}.\n")
    for chapter, title in CHAPTERS.items():
        lines += [f"\n## {chapter} {title}\n", "| id | level | about | verdict | where and why | shown by |"]
        lines.append("|---|---|---|---|---|---|")
        lines += [_line(each) for each in found if each.chapter == chapter]
    return "\n".join(lines) + "\n"


_MADE = "<!-- Made by scripts/reference.py from asvs.toml; change the list and run it again. -->\n"
_INTRODUCTION = f"""\
The [OWASP Application Security Verification Standard](https://github.com/OWASP/ASVS) 5.0, row by row: every
requirement of levels 1 and 2, and of level 3 in the chapters that decide where money moves ({", ".join(THIRD_LEVEL)}).
Its texts are not repeated here; look an id up in the standard.

- **met**: the tests that are named show it
- **partly**: some of it is there, and what is missing is said
- **not met**: it is not there
- **not applicable**: what the requirement is about does not exist here

Nothing is met without a test. It is our own look at our own work: no stranger has verified it. The rows are in
[asvs.toml](asvs.toml); a test holds them against the standard's list of ids, and every named test and path against what
there is. A few of these tests read published vectors or drive a Chromium; they are skipped, with their reason, where
these are missing.
"""


def _counts(found: Sequence[Row]) -> list[str]:
    counted = Counter((each.chapter, each.verdict) for each in found)
    lines = [f"| chapter | {' | '.join(VERDICTS)} | all |", "|---|" + "---:|" * (len(VERDICTS) + 1)]
    for chapter, title in CHAPTERS.items():
        lines.append(_count(f"{chapter} {title}", [counted[chapter, verdict] for verdict in VERDICTS]))
    sums = [sum(counted[chapter, verdict] for chapter in CHAPTERS) for verdict in VERDICTS]
    return [*lines, _count("**all**", sums)]


def _count(title: str, numbers: Sequence[int]) -> str:
    return f"| {title} | {' | '.join(str(number) for number in numbers)} | {sum(numbers)} |"


def _line(row: Row) -> str:
    where = ", ".join(f"[{_short(path)}](../../{path})" for path in row.where)
    why = "; ".join(part for part in (where, row.because) if part)
    shown = "<br>".join(f"`{test}`" for test in row.tests)
    return f"| {row.id} | {row.level} | {row.about} | {row.verdict} | {why} | {shown} |"


def _short(path: str) -> str:
    return path.removeprefix("src/ringfence/").removeprefix("docs/")
