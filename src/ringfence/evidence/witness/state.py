"""What a witness has signed last, by log: one file each, the note with the witness's own lines below it.

    <home>/witness/signed/<SHA-256 of the origin>
    <home>/witness/contradictions/<SHA-256 of the text>     signed by the log, of a size signed before with another root
    <home>/witness/unproven/<SHA-256 of the text>           signed by the log, and came with a proof that does not hold

A file is durable before the signature leaves the program, and is replaced as a whole. The lock beside the files is the
one program's that signs with this state: two of them could sign two histories. A witness whose files are gone, while
its key is there, must not begin anew under the same key: it could sign what contradicts itself. So the folder's own
mark is made once, with the key.
"""

import fcntl
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from ringfence.database.files import private_folder, write_once
from ringfence.evidence.note import parse_note
from ringfence.evidence.tiles import LOG_FILE_IS_MISSING, LOG_FILE_IS_UNREADABLE, File, read_file, replace_file
from ringfence.refusal import Fault, Refused, refusal

FOLDER: Final = "witness"
CONTRADICTIONS_MAX: Final = 1_000
CONTRADICTIONS, UNPROVEN = "contradictions", "unproven"
_MARK: Final = "state"
_MARKED: Final = "what a witness has signed; see the manual before this folder is moved or restored"

WITNESS_STATE_IS_MISSING = refusal(
    "witness_state_is_missing",
    Fault.MACHINE,
    en="{path} is not there, but the witness's key is. What was signed with the key is not known any more: bring the"
    " folder back, or retire the key and make another witness.",
    zh="{path} 不存在，而见证密钥尚在。已无从得知该密钥签过什么：请恢复该文件夹，或停用该密钥并另建见证方。",
)
WITNESS_STATE_IS_IN_USE = refusal(
    "witness_state_is_in_use",
    Fault.STATE,
    en="Another witness is at work on {path}.",
    zh="另有见证进程正在使用 {path}。",
)


def found_state(home: Path) -> None:
    """Make the folder and its mark; once, with the key."""
    folder = private_folder(home / FOLDER)
    private_folder(folder / "signed")
    write_once(folder / _MARK, _MARKED)


class State:
    """The files of one witness, for as long as the lock is held. `to_read` takes no lock, and nothing is kept."""

    def __init__(self, home: Path, *, to_read: bool = False) -> None:
        self.folder = home / FOLDER
        self._lock: int | None = None
        if not (self.folder / _MARK).exists() or not (self.folder / "signed").is_dir():
            raise WITNESS_STATE_IS_MISSING(path=self.folder)
        if not to_read:
            self._take_lock()

    def _take_lock(self) -> None:
        try:
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as failed:
            raise LOG_FILE_IS_UNREADABLE(path=self.folder / "lock", cause=failed.strerror) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise WITNESS_STATE_IS_IN_USE(path=self.folder) from None

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def last(self, origin: str) -> bytes | None:
        """The note that was signed last for a log."""
        try:
            return read_file(self.folder, _path(origin))
        except Refused as refused:
            if refused.refusal is LOG_FILE_IS_MISSING:
                return None
            raise

    def keep(self, origin: str, note: bytes) -> None:
        """Make this the note that was signed last: durable when this returns."""
        replace_file(self.folder, File(_path(origin), note))

    def keep_contradiction(self, note: bytes) -> None:
        """Keep a note that the log signed of a size of which it has signed another root: both show two histories."""
        self._keep_aside(CONTRADICTIONS, note)

    def keep_unproven(self, note: bytes) -> None:
        """Keep a note that the log signed and of which nobody showed that it continues the last. It shows nothing by
        itself: anybody can send a log's checkpoint with a wrong proof. `proven` lets go of it.
        """
        self._keep_aside(UNPROVEN, note)

    def proven(self, note: bytes) -> None:
        """What this note says does continue what was signed."""
        with suppress(OSError):
            (self.folder / UNPROVEN / _name(note)).unlink(missing_ok=True)

    def contradictions(self) -> list[Path]:
        return self._aside(CONTRADICTIONS)

    def unproven(self) -> list[Path]:
        return self._aside(UNPROVEN)

    def _keep_aside(self, kind: str, note: bytes) -> None:
        """One file a text, whatever stands below it. A log that signs many fills no disk."""
        folder = self.folder / kind
        if not folder.is_dir() or len(list(folder.iterdir())) < CONTRADICTIONS_MAX:
            replace_file(self.folder, File(f"{kind}/{_name(note)}", note))

    def _aside(self, kind: str) -> list[Path]:
        folder = self.folder / kind
        return sorted(folder.iterdir()) if folder.is_dir() else []


def _name(note: bytes) -> str:
    return sha256(parse_note(note).text.encode()).hexdigest()


def _path(origin: str) -> str:
    return f"signed/{sha256(origin.encode()).hexdigest()}"
