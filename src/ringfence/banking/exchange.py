"""The gateway's side of a bank's folder exchange: files put into `to_bank/`, files found in `from_bank/`.

    home/banks/<bank>/to_bank/      the gateway writes here, the bank collects
    home/banks/<bank>/from_bank/    the bank writes here, the gateway collects
    home/banks/<bank>/archive/      what the gateway has imported, under <sha256>-<name>

Guarantees

- A file that `deliver` has put down is complete under its final name or not there at all, and survives a power cut once
  `deliver` has returned: the bytes go to a temporary name, are flushed to disk, renamed, and the folder flushed.
- `deliver` may be repeated after any crash: the same name with the same bytes is done already; the same name with other
  bytes is refused and nothing is overwritten.
- `arrivals` lists complete files only: temporary names (`.x`, `x.part`, `x.tmp` and the like) belong to a writer still
  at work, and a file that changed while its SHA-256 was taken is left for the next look.
- `read` gives exactly the bytes that were listed, or refuses.
- `archive` never overwrites and never loses a file: identical bytes under the same name are one file in the archive.

A crash between `read` and `archive` shows the file again: importing is idempotent by SHA-256, and that is the cure.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ringfence.refusal import Fault, Refused, refusal

BANK_FOLDER_IS_MISSING = refusal(
    "bank_folder_is_missing",
    Fault.MACHINE,
    en="The exchange folder {folder} is not there.",
    zh="交换目录 {folder} 不存在。",
)
BANK_FOLDER_DENIES_ACCESS = refusal(
    "bank_folder_denies_access",
    Fault.MACHINE,
    en="This process has no right to {folder}.",
    zh="本进程无权访问 {folder}。",
)
BANK_FOLDER_DISK_IS_FULL = refusal(
    "bank_folder_disk_is_full",
    Fault.MACHINE,
    en="There is no room left on the disk of {folder}.",
    zh="{folder} 所在磁盘空间不足。",
)
BANK_FOLDER_FAILS = refusal(
    "bank_folder_fails",
    Fault.MACHINE,
    en="The exchange folder {folder} fails: {reason}.",
    zh="交换目录 {folder} 出错：{reason}。",
)
BANK_FOLDER_HOLDS_A_STRANGER = refusal(
    "bank_folder_holds_a_stranger",
    Fault.MACHINE,
    en="{name!r} in {folder} is neither a file nor a folder (a link, a device); nobody follows it.",
    zh="{folder} 中的 {name!r} 既非文件也非目录（链接或设备），不予跟随。",
)
DELIVERY_NAME_IS_MALFORMED = refusal(
    "delivery_name_is_malformed",
    Fault.INPUT,
    en="{name!r} is not a plain file name: letters, digits and . _ - only, not the name of a temporary file.",
    zh="{name!r} 不是普通文件名：只能含字母、数字和 . _ -，且不得是临时文件名。",
)
DELIVERY_NAME_IS_TAKEN = refusal(
    "delivery_name_is_taken",
    Fault.STATE,
    en="{name!r} has been delivered with other bytes; it is not overwritten.",
    zh="{name!r} 已以不同内容送出，不予覆盖。",
)
ARRIVAL_HAS_CHANGED = refusal(
    "arrival_has_changed",
    Fault.STATE,
    en="{name!r} is no longer the file that was listed; look again.",
    zh="{name!r} 已不是列出时的文件，请重新查看。",
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,159}", re.ASCII)
_TEMPORARY_ENDINGS = (".part", ".partial", ".filepart", ".tmp", ".temp", ".writing", ".crdownload", ".swp", "~")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete file that lies in an exchange folder."""

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name


def deliver(folder: Path, name: str, content: bytes) -> bool:
    """Put a file into an exchange folder for good. True if it was put there now, False if it lay there already."""
    if not _NAME.fullmatch(name) or is_temporary(name):
        raise DELIVERY_NAME_IS_MALFORMED(name=name[:200])
    target = folder / name
    with refused_by_name(folder):
        if os.path.lexists(target):
            if not target.is_file() or target.is_symlink() or target.read_bytes() != content:
                raise DELIVERY_NAME_IS_TAKEN(name=name)
            _flush_folder(folder)  # a crash may have come between the rename and this
            return False
        temporary = folder / f".{name}.partial"
        try:
            _write_flushed(temporary, content)
            temporary.rename(target)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _flush_folder(folder)
    return True


def arrivals(folder: Path, *, quiet_since: datetime | None = None) -> list[Arrival]:
    """The complete files of a folder by name, in the order of their names. With `quiet_since`, a file written to after
    that instant is left for a later look: for banks that write under the final name.
    """
    found = []
    with refused_by_name(folder):
        for entry in sorted(os.scandir(folder), key=lambda each: each.name):
            if is_temporary(entry.name):
                continue
            status = entry.stat(follow_symlinks=False)
            if S_ISDIR(status.st_mode):
                continue
            if not S_ISREG(status.st_mode):
                raise BANK_FOLDER_HOLDS_A_STRANGER(name=entry.name, folder=folder)
            if quiet_since is not None and datetime.fromtimestamp(status.st_mtime, UTC) > quiet_since:
                continue
            arrival = _arrival(folder / entry.name)
            if arrival is not None:
                found.append(arrival)
    return found


def read(arrival: Arrival) -> bytes:
    """The bytes of an arrival; `arrival_has_changed` if they are no longer those that were listed."""
    with refused_by_name(arrival.path.parent):
        try:
            content = arrival.path.read_bytes()
        except FileNotFoundError:
            raise ARRIVAL_HAS_CHANGED(name=arrival.name) from None
    if hashlib.sha256(content).hexdigest() != arrival.sha256:
        raise ARRIVAL_HAS_CHANGED(name=arrival.name)
    return content


def archive(arrival: Arrival, folder: Path) -> Path:
    """Move an imported arrival into the archive folder and say where it is; repeating it after a crash is harmless."""
    target = folder / f"{arrival.sha256}-{arrival.name}"
    with refused_by_name(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        if arrival.path.exists():
            read(arrival)
            move(arrival.path, target)  # over identical bytes, if it was delivered twice
        elif not target.exists():
            raise ARRIVAL_HAS_CHANGED(name=arrival.name)
    return target


def move(path: Path, target: Path) -> None:
    """Rename a file into another folder of the same disk, durably."""
    with refused_by_name(path.parent):
        path.replace(target)
        _flush_folder(target.parent)
        _flush_folder(path.parent)


def is_temporary(name: str) -> bool:
    """Whether a name says that its writer is still at work."""
    return name.startswith((".", "~")) or name.lower().endswith(_TEMPORARY_ENDINGS)


@contextmanager
def refused_by_name(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors about a folder into refusals."""
    try:
        yield
    except OSError as error:
        raise _named(error, folder) from error


def _named(error: OSError, folder: Path) -> Refused:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return BANK_FOLDER_IS_MISSING(folder=folder)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return BANK_FOLDER_DENIES_ACCESS(folder=folder)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return BANK_FOLDER_DISK_IS_FULL(folder=folder)
    return BANK_FOLDER_FAILS(folder=folder, reason=error.strerror or type(error).__name__)


def _arrival(path: Path) -> Arrival | None:
    """The file with its SHA-256, or None if it moved or changed while it was read."""
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            digest, size = hashlib.sha256(), 0
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return Arrival(path, size, digest.hexdigest()) if unchanged and size == after.st_size else None


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
