"""The exported folder: which files it holds, and that each is as the manifest lists it.

Nothing is opened that was not found by walking the folder, links are not followed, and JSON counts only in its one
canonical spelling (RFC 8785), so that no two folders that read alike differ in a byte.
"""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Final

from words import Unreadable, Wrong

FORMAT: Final = "ringfence-evidence-1"
FILE_BYTES_MAX: Final = 256 * (
    2 + 65_535
)  # a full bundle of the longest entries; manifest.json and leaves may be longer
MANIFEST_BYTES_MAX: Final = 1 << 24  # and what each file of the folder may take in it
MANIFEST_LINE_BYTES_MAX: Final = 200  # beside the path, of which a byte may take six
PLACES_NAMED_MAX: Final = 5


class Folder:
    """The files of a folder by their path below it, "/" between its parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, int] = {}  # path: bytes
        self.folders: set[str] = set()
        self.oddities: list[str] = []  # links, devices, sockets
        waiting = [""]
        while waiting:
            waiting += self._look_into(waiting.pop())
        if not self.files.keys() & {"manifest.json", "checkpoint"}:
            raise Unreadable("folder_is_no_export", path=path)

    def _look_into(self, prefix: str) -> list[str]:
        """Note what lies in a folder; returns the folders in it."""
        inner = []
        try:
            for entry in sorted(os.scandir(self.path / prefix), key=lambda entry: entry.name):
                path = prefix + entry.name
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    self.folders.add(path)
                    inner.append(f"{path}/")
                elif stat.S_ISREG(found.st_mode):
                    self.files[path] = found.st_size
                else:
                    self.oddities.append(path)
        except OSError as error:
            name = "file_cannot_be_read" if prefix else "folder_is_missing"
            raise Unreadable(name, path=self.path / prefix, cause=error.strerror) from None
        return inner

    def read(self, path: str, bytes_max: int = FILE_BYTES_MAX) -> bytes:
        if path not in self.files:
            raise Wrong("file_is_missing", path=path)
        if self.files[path] > bytes_max:
            raise Wrong("file_is_too_large", path=path)
        try:
            with (self.path / path).open("rb") as file:
                return file.read(bytes_max + 1)
        except OSError as error:
            raise Unreadable("file_cannot_be_read", path=path, cause=error.strerror) from None

    def read_json(self, path: str, fields: dict[str, type], bytes_max: int = FILE_BYTES_MAX) -> dict[str, Any]:
        """A JSON object with exactly these fields, each of its type."""
        return parse_object(self.read(path, bytes_max), path, fields)

    def digest(self, path: str) -> str:
        try:
            with (self.path / path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise Unreadable("file_cannot_be_read", path=path, cause=error.strerror) from None


def check_manifest(folder: Folder) -> dict[str, Any]:
    """Is the manifest in its one spelling, and of this format?"""
    fields = {"book": int, "files": dict, "format": str, "origin": str, "root": str, "size": int}
    paths = (len(path.encode("utf-8", "replace")) for path in folder.files)
    most = MANIFEST_BYTES_MAX + sum(MANIFEST_LINE_BYTES_MAX + 6 * length for length in paths)
    manifest = folder.read_json("manifest.json", fields, most)
    if manifest["format"] != FORMAT:
        raise Wrong("manifest_disagrees", field="format", listed=manifest["format"], found=FORMAT)
    return manifest


def check_files(folder: Folder, listed: dict[str, Any]) -> None:
    """Are the files of the folder those of the manifest, byte for byte, and no others?"""
    wrong = [Wrong("file_is_no_file", path=path) for path in folder.oddities]
    wrong += [Wrong("file_is_missing", path=path) for path in listed if path not in folder.files]
    for path in folder.files:
        if path == "manifest.json":
            continue
        if path not in listed:
            wrong.append(Wrong("file_is_not_listed", path=path))
        elif not belongs(path):
            wrong.append(Wrong("file_has_no_place", path=path))
        elif folder.files[path] > FILE_BYTES_MAX and not path.startswith("liabilities/"):
            wrong.append(Wrong("file_is_too_large", path=path))
        else:
            wrong += _check_file(folder, path, listed[path])
    parents = {path[:at] for path in listed for at, letter in enumerate(path) if letter == "/"}
    wrong += [Wrong("folder_is_spare", path=path) for path in sorted(folder.folders - parents)]
    if wrong:
        raise together(wrong)


def belongs(path: str) -> bool:
    """Is this one of the paths that an export may have?"""
    fixed = path in ("book.json", "checkpoint", "notary.vkey")
    return fixed or path.startswith(("checkpoints/", "liabilities/", "receipts/", "tile/", "timestamps/"))


def together(wrong: list[Wrong]) -> Wrong:
    """One finding of several, so that each place is named."""
    joined = wrong[0]
    for further in wrong[1:PLACES_NAMED_MAX]:
        joined = Wrong("both", first=joined, second=further)
    if len(wrong) > PLACES_NAMED_MAX:
        joined = Wrong("and_more", places=joined, more=len(wrong) - PLACES_NAMED_MAX)
    return joined


def _check_file(folder: Folder, path: str, listed: Any) -> list[Wrong]:
    if not isinstance(listed, dict) or listed.keys() != {"bytes", "sha256"} or type(listed["bytes"]) is not int:
        return [Wrong("json_has_other_fields", path="manifest.json", field=path)]
    if listed["bytes"] != folder.files[path]:
        return [Wrong("file_has_another_size", path=path, found=folder.files[path], listed=listed["bytes"])]
    if listed["sha256"] != folder.digest(path):
        return [Wrong("file_has_another_hash", path=path)]
    return []


# JSON


def parse_json(content: bytes | str) -> Any:
    """What it spells; `ValueError` if it is no JSON, also because it is nested deeper than anything that is meant."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None


class _Number(str):
    """A number that is no integer, as it was written."""

    __slots__ = ()


def canonical_object(content: bytes, path: str) -> dict[str, Any]:
    """The object that `content` spells, if that is its canonical spelling."""
    try:
        found = json.loads(
            content.decode(), object_pairs_hook=_object, parse_float=_Number, parse_constant=_no_constant
        )
        spelling = canonical(found)
    except (ValueError, RecursionError):
        raise Wrong("json_is_not_canonical", path=path, byte=0) from None
    if spelling != content:
        pairs = enumerate(zip(spelling, content, strict=False))
        first = next((at for at, (ours, theirs) in pairs if ours != theirs), min(len(spelling), len(content)))
        raise Wrong("json_is_not_canonical", path=path, byte=first)
    if not isinstance(found, dict):
        raise Wrong("json_has_other_fields", path=path, field="{}")
    return found


def parse_object(content: bytes, path: str, fields: dict[str, type]) -> dict[str, Any]:
    """The object that `content` spells, with exactly these fields, each of its type."""
    found = canonical_object(content, path)
    for name in sorted(found.keys() ^ fields.keys()):
        raise Wrong("json_has_other_fields", path=path, field=name)
    for name, kind in fields.items():
        if type(found[name]) is not kind:
            raise Wrong("json_has_other_fields", path=path, field=name)
    return found


def canonical(value: Any) -> bytes:
    """RFC 8785, with numbers other than integers as they were written."""
    return _spell(value).encode()


def _spell(value: Any) -> str:
    if isinstance(value, dict):
        ordered = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_spell(key)}:{_spell(each)}" for key, each in ordered) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_spell, value)) + "]"
    if isinstance(value, _Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
