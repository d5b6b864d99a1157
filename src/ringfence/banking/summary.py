"""What a heap of bank files holds: each file read or refused by name, and the continuity of all that were read.

A path that is named is read, whatever it is called. From a folder, and from the folders in it, those files are taken
that are named like bank files (`BANK_FILE_SUFFIXES`); the others are listed as ignored. A CSV is read by the
description that is given or else by the `description.toml` beside it. A file is refused whole: what was good in it does
not count.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ringfence.banking.continuity import Continuity, Sheet, continuity
from ringfence.banking.csv_description import CSV_DESCRIPTION_IS_WRONG, Description, description_of
from ringfence.banking.reading import walk_statement_file
from ringfence.banking.statement import Close
from ringfence.money import Currency, format_minor
from ringfence.refusal import Fault, Refused, refusal

BANK_FILE_IS_UNREADABLE = refusal(
    "bank_file_is_unreadable",
    Fault.MACHINE,
    en="{file} cannot be read: {problem}.",
    zh="无法读取 {file}：{problem}。",
)
FOLDER_HOLDS_NO_BANK_FILE = refusal(
    "folder_holds_no_bank_file",
    Fault.INPUT,
    en="{folder} holds no file that is named like a bank file.",
    zh="{folder} 中没有符合银行文件命名的文件。",
)

DESCRIPTION_NAME = "description.toml"
# MT940, BAI2 and the like are named too, so that a file that nothing reads is refused rather than passed over.
BANK_FILE_SUFFIXES = frozenset(
    (".xml", ".camt", ".camt053", ".c53", ".053", ".csv", ".sta", ".mt940", ".940", ".bai", ".bai2", ".coda", ".ofx")
)


@dataclass
class Sum:
    """What was booked in one currency, in minor units; `debits` is positive."""

    currency: Currency
    debits: int = 0
    credits: int = 0

    def as_json(self) -> list[str]:
        return [format_minor(self.debits, self.currency), format_minor(self.credits, self.currency)]


@dataclass(frozen=True)
class FileOutcome:
    """One file: what was booked in it, or why it was refused."""

    file: str
    refused: Refused | None = None
    statements: int = 0
    entries: int = 0
    sums: dict[str, Sum] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()

    def as_json(self, language: str = "en") -> dict[str, object]:
        return {
            "file": self.file,
            "outcome": "refused" if self.refused else "read",
            "reason": self.refused.name if self.refused else None,
            "sentence": self.refused.sentence(language) if self.refused else None,
            "statements": self.statements,
            "entries": self.entries,
            "sums": {code: one.as_json() for code, one in sorted(self.sums.items())},
            "assumed": list(self.assumed),
        }


@dataclass(frozen=True)
class Summary:
    files: tuple[FileOutcome, ...]
    ignored: tuple[str, ...]
    continuity: Continuity

    @property
    def read(self) -> int:
        return sum(outcome.refused is None for outcome in self.files)

    @property
    def refused(self) -> int:
        return len(self.files) - self.read

    def as_json(self, language: str = "en") -> dict[str, object]:
        return {
            "files": [outcome.as_json(language) for outcome in self.files],
            "ignored": list(self.ignored),
            "continuity": {
                "days": self.continuity.days,
                "breaks": [broken.as_json() for broken in self.continuity.breaks],
                "gaps": [gap.as_json() for gap in self.continuity.gaps],
                "accounts": [chain.as_json() for chain in self.continuity.chains],
            },
        }


def summarise(
    paths: Sequence[Path],
    *,
    description: Description | None = None,
    zone: tzinfo = UTC,
    watch: Callable[[FileOutcome], None] = lambda _: None,
) -> Summary:
    """Read every path; `watch` is told of each file as soon as it is done."""
    outcomes: list[FileOutcome] = []
    ignored: list[str] = []
    seen: set[str] = set()
    for found in (one for path in paths for one in _files(path)):
        if isinstance(found, Path):
            if (real := os.path.realpath(found)) in seen:
                continue
            seen.add(real)
            found = _outcome(found, description, zone)  # noqa: PLW2901 - a path becomes what was found at it
        if isinstance(found, str):
            ignored.append(found)
        else:
            outcomes.append(found)
            watch(found)
    sheets = (sheet for outcome in outcomes for sheet in outcome.sheets)
    return Summary(tuple(outcomes), tuple(ignored), continuity(sheets))


def _outcome(path: Path, description: Description | None, zone: tzinfo) -> FileOutcome:
    name = _shown(path)
    try:
        if not S_ISREG(path.stat().st_mode):
            raise BANK_FILE_IS_UNREADABLE(file=name, problem="it is not a regular file")
        if description is None and path.suffix.lower() == ".csv":
            description = _description_beside(path)
        with path.open("rb") as stream:
            parts = walk_statement_file(path.name, stream, description=description, zone=zone)
            closes = [part for part in parts if isinstance(part, Close)]
    except Refused as refused:
        return FileOutcome(name, refused)
    except OSError as error:
        return _unreadable(path, error)
    sums: dict[str, Sum] = {}
    for close in closes:
        one = sums.setdefault(close.heading.currency.code, Sum(close.heading.currency))
        one.debits += close.booked.debits
        one.credits += close.booked.credits
    return FileOutcome(
        file=name,
        statements=len(closes),
        entries=sum(close.booked.count for close in closes),
        sums=sums,
        assumed=tuple(dict.fromkeys(assumed for close in closes for assumed in close.assumed)),
        sheets=tuple(sheet for close in closes if (sheet := Sheet.of_close(close, name))),
    )


def _files(path: Path) -> Iterator[Path | str | FileOutcome]:
    """The bank files at a path in the order of their names, the names of ignored ones, and what cannot be entered."""
    try:
        if not S_ISDIR(path.stat().st_mode):
            yield path
            return
    except OSError as error:
        yield _unreadable(path, error)
        return
    failed: list[OSError] = []
    empty = True
    for folder, folders, names in os.walk(path, onerror=failed.append):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.suffix.lower() in BANK_FILE_SUFFIXES:
                empty = False
                yield file
            elif name != DESCRIPTION_NAME:
                yield _shown(file)
    for failure in failed:
        yield _unreadable(Path(os.fsdecode(failure.filename or path)), failure)
    if empty and not failed:
        yield FileOutcome(_shown(path), FOLDER_HOLDS_NO_BANK_FILE(folder=_shown(path)))


def _description_beside(path: Path) -> Description | None:
    beside = path.with_name(DESCRIPTION_NAME)
    try:
        return description_of(beside.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except UnicodeError:
        raise CSV_DESCRIPTION_IS_WRONG(field=_shown(beside), problem="it is not UTF-8") from None


def _unreadable(path: Path, error: OSError) -> FileOutcome:
    name = _shown(path)
    return FileOutcome(name, BANK_FILE_IS_UNREADABLE(file=name, problem=error.strerror or "input/output error"))


def _shown(path: Path) -> str:
    """A name that can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")
