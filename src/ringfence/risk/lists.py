"""Sanctions lists: files read whole or refused by name, known by their SHA-256 and their date.

Three formats:

  ofac   the United States' `sdn.csv` with its `alt.csv` (`cons_prim.csv` and `cons_alt.csv` have the same form):
         Latin-1, no header line, `-0-` for nothing, and a control character 26 as the last byte, whose absence gives a
         cut file away. Names in the remarks after a.k.a. in single quotes are weak aliases.
  un     the Security Council's consolidated XML list: names in up to four parts, in the original script, and aliases of
         good or low quality (low: weak). A document type declaration is refused, so nothing is expanded or fetched.
  plain  our own: UTF-8 CSV with the header `name,list,id,aliases`, aliases parted by semicolons.

A folder of lists is described by a TOML file; `load` reads it::

    [[list]]
    name = "ofac-sdn"
    format = "ofac"
    files = ["sdn.csv", "alt.csv"]
    issued = 2026-01-05             # ; a UN file carries its own
    entries_least = 10000           # fewer, and the list is refused
    sha256 = "3f…"                  # optional: accept this very list and no other

A list's SHA-256 is that of its file, or of several files that of the lines `sha256sum` prints of them, in their order.
"""

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final, Literal

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ringfence.risk.refusals import (
    SANCTIONS_LIST_HAS_CHANGED,
    SANCTIONS_LIST_IS_CUT_SHORT,
    SANCTIONS_LIST_IS_EMPTY,
    SANCTIONS_LIST_IS_MALFORMED,
    SANCTIONS_LIST_IS_MISSING,
    SANCTIONS_LISTS_ARE_DESCRIBED_WRONGLY,
)

ENTRY_KINDS: Final = ("person", "organisation", "vessel", "aircraft", "unknown")
_OFAC_KINDS: Final = {"individual": "person", "": "organisation", "vessel": "vessel", "aircraft": "aircraft"}
_OFAC_END: Final = b"\x1a"
_WEAK_ALIAS: Final = re.compile(r"[afn]\.k\.a\. '(.+?)'(?=[;.]|$)")
_UN_PARTS: Final = ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")
_UN_NAMES: Final = frozenset({*_UN_PARTS, "NAME_ORIGINAL_SCRIPT"})
_UN_GROUPS: Final = {"INDIVIDUALS": ("INDIVIDUAL", "person"), "ENTITIES": ("ENTITY", "organisation")}
_UN_END: Final = b"</CONSOLIDATED_LIST>"
_PLAIN_HEADER: Final = ["name", "list", "id", "aliases"]


@dataclass(frozen=True)
class ListedName:
    """A name of an entry. A weak one (a nickname, a common word) counts only where it stands exactly."""

    text: str
    weak: bool = False


@dataclass(frozen=True)
class Entry:
    """Whom a list means, with every name it gives."""

    id: str
    kind: str
    names: tuple[ListedName, ...]


@dataclass(frozen=True)
class SanctionsList:
    """One list as it was read. `files` holds the SHA-256 of each file."""

    name: str
    date: date
    sha256: str
    files: tuple[tuple[str, str], ...]
    entries: tuple[Entry, ...] = field(repr=False)

    def entry(self, entry_id: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.id == entry_id), None)


@dataclass(frozen=True)
class ListFile:
    """The bytes of one file of a list."""

    list: str
    name: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def load(description: Path) -> tuple[SanctionsList, ...]:
    """Every list that a description names; its files lie beside it. The first that cannot be used is refused."""
    return _load(description.parent, description.name)


def load_sample() -> tuple[SanctionsList, ...]:
    """The list that comes with the program: invented names, for demonstrations and tests."""
    return _load(resources.files("ringfence.risk").joinpath("sample"), "lists.toml")


def read_list(
    name: str,
    written: Literal["ofac", "un", "plain"],
    files: Sequence[ListFile],
    *,
    issued: date | None = None,
    least: int = 1,
    pinned: str | None = None,
) -> SanctionsList:
    """One list from its files. `issued` is its date where the file has none."""
    sha256 = _sha256(files)
    if pinned is not None and pinned != sha256:
        raise SANCTIONS_LIST_HAS_CHANGED(list=name, found=sha256, pinned=pinned)
    for file in files:
        if not file.content.strip():
            raise SANCTIONS_LIST_IS_CUT_SHORT(list=name, file=file.name, problem="it holds nothing")
    own_date, entries = _READERS[written](files)
    if len(entries) < least:
        raise SANCTIONS_LIST_IS_EMPTY(list=name, entries=len(entries), least=least)
    dated = own_date or issued
    if dated is None:
        raise SANCTIONS_LIST_IS_MALFORMED(list=name, file=files[0].name, place="its date", problem="nobody gives one")
    return SanctionsList(name, dated, sha256, tuple((file.name, file.sha256) for file in files), entries)


# -- the three formats ------------------------------------------------------------------------------------------------


def _read_ofac(files: Sequence[ListFile]) -> tuple[date | None, tuple[Entry, ...]]:
    primary, *more = files
    kinds: dict[str, str] = {}
    names: dict[str, list[ListedName]] = {}
    for line, row in _ofac_rows(primary, 12):
        number, name, kind, remarks = row[0], row[1], row[2], row[11]
        if not number.isascii() or not number.isdigit() or number in names:
            raise _malformed(primary, line, f"{number!r} is no new entry number")
        if kind not in _OFAC_KINDS:
            raise _malformed(primary, line, f"{kind!r} is no type of entry")
        if not name:
            raise _malformed(primary, line, f"entry {number} has no name")
        kinds[number] = _OFAC_KINDS[kind]
        names[number] = [ListedName(name), *(ListedName(weak, weak=True) for weak in _WEAK_ALIAS.findall(remarks))]
    for file in more:
        for line, row in _ofac_rows(file, 5):
            if row[0] not in names:
                raise _malformed(file, line, f"{primary.name} has no entry {row[0]}: the files are not of one day")
            if not row[3]:
                raise _malformed(file, line, f"an alias of entry {row[0]} is empty")
            names[row[0]].append(ListedName(row[3]))
    return None, tuple(Entry(number, kinds[number], tuple(found)) for number, found in names.items())


def _ofac_rows(file: ListFile, columns: int) -> Iterator[tuple[int, list[str]]]:
    if not file.content.endswith(_OFAC_END):
        raise _cut(file, "its last byte is not the control character 26 that ends such files")
    text = file.content.removesuffix(_OFAC_END).decode("latin-1")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            if len(row) != columns:
                raise _malformed(file, rows.line_num, f"{len(row)} columns instead of {columns}")
            yield rows.line_num, ["" if value.strip() == "-0-" else value.strip() for value in row]
    except csv.Error as error:
        raise _malformed(file, rows.line_num, error) from error


def _read_un(files: Sequence[ListFile]) -> tuple[date | None, tuple[Entry, ...]]:
    entries: dict[str, Entry] = {}
    generated = None
    for file in files:
        root = _un_root(file)
        try:
            generated = datetime.fromisoformat(root.get("dateGenerated", "")).date()
        except ValueError as error:
            raise _malformed(file, "dateGenerated", error) from error
        for group in root.iterchildren(tag=etree.Element):
            if group.tag not in _UN_GROUPS:
                raise _malformed(file, group.tag, "neither INDIVIDUALS nor ENTITIES")
            tag, kind = _UN_GROUPS[group.tag]
            for element in group.iterchildren(tag=etree.Element):
                entry = _un_entry(file, element, tag, kind)
                if entry.id in entries:
                    raise _malformed(file, f"entry {entry.id}", "it is there twice")
                entries[entry.id] = entry
    return generated, tuple(entries.values())


def _un_root(file: ListFile) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(file.content, parser)
    except etree.XMLSyntaxError as error:
        if not file.content.rstrip().endswith(_UN_END):
            raise _cut(file, error.msg) from error
        raise _malformed(file, f"line {error.lineno}", error.msg) from error
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # a parsed tree has it
        raise _malformed(file, "its head", "a document type declaration, which such lists have not and attacks use")
    if root.tag != "CONSOLIDATED_LIST":
        raise _malformed(file, root.tag, "not a CONSOLIDATED_LIST")
    return root


def _un_entry(file: ListFile, element: etree._Element, tag: str, kind: str) -> Entry:
    identity = (element.findtext("REFERENCE_NUMBER") or "").strip()
    if element.tag != tag or not identity:
        raise _malformed(file, f"line {element.sourceline}", f"not an {tag} with a REFERENCE_NUMBER")
    for child in element.iterchildren(tag=etree.Element):
        if child.tag.endswith("_NAME") and child.tag not in _UN_NAMES:
            raise _malformed(file, f"entry {identity}", f"{child.tag}, a name of a kind that is not known")
    whole = " ".join(part for each in _UN_PARTS if (part := (element.findtext(each) or "").strip()))
    if not whole:
        raise _malformed(file, f"entry {identity}", "it has no name")
    names = [ListedName(whole)]
    original = (element.findtext("NAME_ORIGINAL_SCRIPT") or "").strip()
    names += [ListedName(original)] if original else []
    for alias in element.iterfind(f"{tag}_ALIAS"):
        name, quality = ((alias.findtext(each) or "").strip() for each in ("ALIAS_NAME", "QUALITY"))
        names += [ListedName(name, weak=quality == "Low")] if name else []
    return Entry(identity, kind, tuple(names))


def _read_plain(files: Sequence[ListFile]) -> tuple[date | None, tuple[Entry, ...]]:
    entries: dict[str, Entry] = {}
    for file in files:
        if not file.content.endswith(b"\n"):
            raise _cut(file, "its last line has no end")
        try:
            rows = csv.reader(io.StringIO(file.content.decode("utf-8-sig"), newline=""), strict=True)
            if next(rows, None) != _PLAIN_HEADER:
                raise _malformed(file, "line 1", f"the header is not {','.join(_PLAIN_HEADER)}")
            for row in rows:
                if len(row) != len(_PLAIN_HEADER):
                    raise _malformed(file, rows.line_num, f"{len(row)} columns instead of {len(_PLAIN_HEADER)}")
                name, of_list, identity, aliases = (value.strip() for value in row)
                if of_list != file.list:
                    raise _malformed(file, rows.line_num, f"a row of list {of_list!r}")
                if not name or not identity or identity in entries:
                    raise _malformed(file, rows.line_num, "an entry needs a name and an id of its own")
                more = [ListedName(each.strip()) for each in aliases.split(";") if each.strip()]
                entries[identity] = Entry(identity, "unknown", (ListedName(name), *more))
        except UnicodeDecodeError as error:
            raise _malformed(file, f"byte {error.start}", "not UTF-8") from error
        except csv.Error as error:
            raise _malformed(file, "a row", error) from error
    return None, tuple(entries.values())


_READERS: Final[dict[str, Callable[[Sequence[ListFile]], tuple[date | None, tuple[Entry, ...]]]]] = {
    "ofac": _read_ofac,
    "un": _read_un,
    "plain": _read_plain,
}


def _malformed(file: ListFile, place: object, problem: object) -> Exception:
    where = f"line {place}" if isinstance(place, int) else place
    return SANCTIONS_LIST_IS_MALFORMED(list=file.list, file=file.name, place=where, problem=problem)


def _cut(file: ListFile, problem: object) -> Exception:
    return SANCTIONS_LIST_IS_CUT_SHORT(list=file.list, file=file.name, problem=problem)


def _sha256(files: Sequence[ListFile]) -> str:
    if len(files) == 1:
        return files[0].sha256
    return hashlib.sha256("".join(f"{file.sha256}  {file.name}\n" for file in files).encode()).hexdigest()


# -- the description --------------------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _List(_Part):
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$")]
    format: Literal["ofac", "un", "plain"]
    files: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    issued: date | None = None
    entries_least: Annotated[int, Field(ge=1)]
    sha256: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$")] = None


class _Description(_Part):
    list: Annotated[list[_List], Field(min_length=1)]


def _load(folder: Traversable, name: str) -> tuple[SanctionsList, ...]:
    try:
        text = folder.joinpath(name).read_bytes()
        described = _Description.model_validate(tomllib.loads(text.decode("utf-8")))
    except OSError as error:
        raise SANCTIONS_LIST_IS_MISSING(list="(all)", file=name, problem=error.strerror) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SANCTIONS_LISTS_ARE_DESCRIBED_WRONGLY(file=name, field="the file", problem=error) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SANCTIONS_LISTS_ARE_DESCRIBED_WRONGLY(file=name, field=place, problem=first["msg"]) from error
    names = [each.name for each in described.list]
    if len(set(names)) < len(names):
        raise SANCTIONS_LISTS_ARE_DESCRIBED_WRONGLY(file=name, field="list", problem="two lists have one name")
    return tuple(
        read_list(
            each.name,
            each.format,
            list(_files(folder, each.name, each.files)),
            issued=each.issued,
            least=each.entries_least,
            pinned=each.sha256,
        )
        for each in described.list
    )


def _files(folder: Traversable, of_list: str, names: Iterable[str]) -> Iterator[ListFile]:
    for name in names:
        try:
            yield ListFile(of_list, name, folder.joinpath(name).read_bytes())
        except OSError as error:
            raise SANCTIONS_LIST_IS_MISSING(list=of_list, file=name, problem=error.strerror) from error
