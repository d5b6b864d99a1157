r"""Whose cosignatures a checkpoint needs, after C2SP tlog-policy.

A file of lines: logs and witnesses by their keys, groups of witnesses, and the one group, or witness, that must have
cosigned:

    log ringfence/demo+…
    witness bank    bank.example/w1+…      https://witness.bank.example/
    witness auditor auditor.example/w1+…   https://witness.auditor.example/
    witness notary  notary.example/w1+…    https://witness.notary.example/
    group most 2 bank auditor notary
    quorum most

`quorum none` asks nobody. A key stands once, so that nobody counts twice.

>>> from ringfence.evidence.cosignature import ED25519, Cosigner
>>> bank, auditor = (Cosigner.from_seed(name, ED25519, name.encode() * 8).key for name in ("bank", "eyes"))
>>> quorum = parse_quorum(f"witness b {bank}\nwitness a {auditor}\ngroup most 2 a b\nquorum most\n")
>>> quorum.satisfied_by({bank}), quorum.satisfied_by({bank, auditor})
(False, True)
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringfence.evidence.checkpoint import Checkpoint, parse_text
from ringfence.evidence.cosignature import CosignerKey, parse_cosigner_key, time_of
from ringfence.evidence.note import Note, Verifier, parse_note, parse_verifier
from ringfence.refusal import Fault, Refused, refusal

NONE: Final = "none"
FILE_BYTES_MAX: Final = 1_000_000
MEMBERS_MAX: Final = 256  # logs, witnesses and groups, each

QUORUM_FILE_IS_MALFORMED = refusal(
    "quorum_file_is_malformed",
    Fault.INPUT,
    en="Line {line} of the witnesses' policy {path} does not hold: {detail}.",
    zh="见证策略 {path} 第 {line} 行有误：{detail}。",
)
QUORUM_FILE_IS_UNREADABLE = refusal(
    "quorum_file_is_unreadable",
    Fault.MACHINE,
    en="The witnesses' policy {path} cannot be read: {cause}.",
    zh="无法读取见证策略 {path}：{cause}。",
)

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who cosigns: the name in the policy, the key, and where the witness is asked."""

    name: str
    key: CosignerKey
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """A checkpoint is this group's when `needed` of the members have it."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Quorum:
    """A policy as it was read."""

    logs: tuple[Verifier, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    wanted: str

    def satisfied_by(self, keys: Collection[CosignerKey]) -> bool:
        """Whether the cosignatures of these keys are enough."""
        has = {name: witness.key in keys for name, witness in self.witnesses.items()} | {NONE: True}
        for name, group in self.groups.items():  # a group's members stand before it
            has[name] = sum(has[member] for member in group.members) >= group.needed
        return has[self.wanted]

    def cosigned(self, note: Note, *, since: int = 0) -> dict[str, int]:
        """The witnesses of this policy whose cosignature on the note verifies, and the time that each of them says;
        older ones than `since` (seconds since 1970) do not count.
        """
        keys = {(witness.key.name, witness.key.key_id): witness for witness in self.witnesses.values()}
        found = {}
        for line in note.signatures:
            witness = keys.get((line.name, line.key_id))
            if witness and witness.key.verifies(note.text.encode(), line.signature) and time_of(line) >= since:
                found[witness.name] = time_of(line)
        return found

    def holds(self, note: bytes) -> Checkpoint | None:
        """The note's checkpoint if enough have cosigned it, else None. Whether the log signed it is not looked at."""
        parsed = parse_note(note)
        keys = {self.witnesses[name].key for name in self.cosigned(parsed)}
        return parse_text(parsed.text) if self.satisfied_by(keys) else None


def read_quorum(path: Path) -> Quorum:
    """The policy of a file."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as failed:
        raise QUORUM_FILE_IS_UNREADABLE(path=path, cause=failed.strerror) from None
    if len(content) > FILE_BYTES_MAX:
        raise QUORUM_FILE_IS_UNREADABLE(path=path, cause="it has more than 1,000,000 bytes")
    if bad := _CONTROL.search(content):
        line = content.count(b"\n", 0, bad.start()) + 1
        raise QUORUM_FILE_IS_MALFORMED(path=path, line=line, detail="a control character")
    return parse_quorum(content.decode("utf-8", "surrogateescape"), str(path))


def parse_quorum(text: str, path: str = "-") -> Quorum:
    """A policy from its text; `quorum_file_is_malformed` says which line does not hold, and why."""
    reading = _Reading()
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            reading.take(words)
        except Refused as refused:
            raise QUORUM_FILE_IS_MALFORMED(path=path, line=number, detail=refused.sentence()) from refused
        except _MalformedError as malformed:
            raise QUORUM_FILE_IS_MALFORMED(path=path, line=number, detail=malformed) from None
    if reading.wanted is None:
        raise QUORUM_FILE_IS_MALFORMED(path=path, line=len(lines), detail="there is no quorum line")
    return Quorum(tuple(reading.logs), reading.witnesses, reading.groups, reading.wanted)


class _MalformedError(Exception):
    """Why a line does not hold."""


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.logs: list[Verifier] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.wanted: str | None = None

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", key, *rest] if len(rest) <= 1:
                self._log(parse_verifier(key))
            case ["witness", name, key, *rest] if len(rest) <= 1:
                self._witness(Witness(self._new(name), parse_cosigner_key(key), rest[0] if rest else None))
            case ["group", name, count, first, *others]:
                self._group(self._new(name), count, (first, *others))
            case ["quorum", name] if self.wanted is None:
                self.wanted = self._known(name, or_none=True)
            case ["quorum", _]:
                raise _MalformedError("there is one quorum line")
            case _:
                raise _MalformedError("it is a log, a witness, a group or the quorum")

    def _log(self, key: Verifier) -> None:
        if any(key.public == known.public for known in self.logs):
            raise _MalformedError("the log's key stands twice")
        self.logs.append(key)
        self._few(self.logs)

    def _witness(self, witness: Witness) -> None:
        if any(witness.key.public == known.key.public for known in self.witnesses.values()):
            raise _MalformedError("the witness's key stands twice")
        self.witnesses[witness.name] = witness
        self._few(self.witnesses)

    def _group(self, name: str, count: str, members: tuple[str, ...]) -> None:
        for member in members:
            self._known(member)
        used = [member for group in self.groups.values() for member in group.members]
        twice = next((member for member in members if member in used or members.count(member) > 1), None)
        if twice is not None:
            raise _MalformedError(f"{twice} is a member already")
        needed = {"all": len(members), "any": 1}.get(count)
        if needed is None and _COUNT.fullmatch(count):
            needed = int(count)
        if needed is None or needed > len(members):
            raise _MalformedError(f"{count} is not all, any, or a number up to {len(members)}")
        self.groups[name] = Group(needed, members)
        self._few(self.groups)

    def _new(self, name: str) -> str:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise _MalformedError(f"{name} is a name already")
        return name

    def _known(self, name: str, *, or_none: bool = False) -> str:
        if name not in self.witnesses and name not in self.groups and not (or_none and name == NONE):
            raise _MalformedError(f"{name} was not named before")
        return name

    def _few(self, members: Collection[object]) -> None:
        if len(members) > MEMBERS_MAX:
            raise _MalformedError(f"there are more than {MEMBERS_MAX}")
