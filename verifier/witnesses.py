"""Who else signed the last checkpoint, and whether that is enough (C2SP tlog-cosignature and tlog-policy).

A policy is the reader's own file: it says whose signatures he asks for.

    witness bank    bank.example/w1+…
    witness auditor auditor.example/w1+…
    group both all bank auditor
    quorum both
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from log import parse_checkpoint, parse_note, unspell
from words import Unreadable, Wrong

POLICY_BYTES_MAX: Final = 1_000_000
_ED25519, _ML_DSA_44 = 4, 6
_PUBLIC: Final = {_ED25519: 32, _ML_DSA_44: 1_312}
_SIGNED: Final = {_ED25519: 64, _ML_DSA_44: 2_420}
_KEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True)
class Witness:
    """A witness's key, and the name in the policy."""

    name: str
    key_name: str
    key_id: bytes
    algorithm: int
    public: bytes

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether this is a time and the witness's signature over the checkpoint's text."""
        at, signed = signature[:8], signature[8:]
        if len(signed) != _SIGNED[self.algorithm]:
            return False
        try:
            if self.algorithm == _ED25519:
                said = f"cosignature/v1\ntime {int.from_bytes(at, 'big')}\n{text}".encode()
                Ed25519PublicKey.from_public_bytes(self.public).verify(signed, said)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signed, self._subtree(text, at))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _subtree(self, text: str, at: bytes) -> bytes:
        checkpoint = parse_checkpoint(text, "checkpoint")
        name, origin = self.key_name.encode(), checkpoint.origin.encode()
        head = b"subtree/v1\n\x00" + bytes([len(name)]) + name + at + bytes([len(origin)]) + origin
        return head + bytes(8) + checkpoint.size.to_bytes(8, "big") + checkpoint.root


@dataclass(frozen=True)
class Policy:
    """Witnesses and groups in the order of the file, and the one that must have signed."""

    witnesses: dict[str, Witness]
    groups: dict[str, tuple[int, list[str]]]
    quorum: str

    def enough(self, names: list[str]) -> bool:
        has = {name: name in names for name in self.witnesses} | {"none": True}
        for name, (needed, members) in self.groups.items():
            has[name] = sum(has[member] for member in members) >= needed
        return has[self.quorum]


def read_policy(path: Path) -> Policy:
    """The reader's policy; `Unreadable` if the file cannot be read, `Wrong` if a line does not hold."""
    try:
        with path.open("rb") as file:
            content = file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise Unreadable("file_cannot_be_read", path=path, cause=error.strerror) from None
    witnesses: dict[str, Witness] = {}
    groups: dict[str, tuple[int, list[str]]] = {}
    quorum: list[str] = []
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        holds = words[0] == "" or words[0].startswith("#") or words[0] == "log"
        if not holds:
            holds = _take(words, witnesses, groups, quorum)
        if not holds or len(content) > POLICY_BYTES_MAX:
            raise Wrong("policy_is_malformed", path=path, line=number)
    if len(quorum) != 1:
        raise Wrong("policy_is_malformed", path=path, line=content.count(b"\n") + 1)
    return Policy(witnesses, groups, quorum[0])


def _take(
    words: list[str], witnesses: dict[str, Witness], groups: dict[str, tuple[int, list[str]]], quorum: list[str]
) -> bool:
    """Whether a line holds after those before it."""
    known = {*witnesses, *groups}
    if words[0] == "witness" and len(words) in (3, 4):
        found = _witness(words[1], words[2])
        if found is None or found.name in known | {"none"}:
            return False
        if any(found.public == other.public for other in witnesses.values()):
            return False
        witnesses[found.name] = found
        return True
    if words[0] == "group" and len(words) > 3:
        name, count, members = words[1], words[2], words[3:]
        used = [member for _, others in groups.values() for member in others] + members
        needed = {"all": len(members), "any": 1}.get(count) or (int(count) if _COUNT.fullmatch(count) else 0)
        if name in known | {"none"} or not known.issuperset(members) or len(set(used)) < len(used):
            return False
        groups[name] = (needed, members)
        return 0 < needed <= len(members)
    if words[0] == "quorum" and len(words) == 2:
        quorum.append(words[1])
        return words[1] in known | {"none"}
    return False


def _witness(name: str, line: str) -> Witness | None:
    fields = _KEY.fullmatch(line)
    content = unspell(fields[3]) if fields else None
    if fields is None or content is None or _PUBLIC.get(content[0]) != len(content) - 1:
        return None
    key_id = sha256(fields[1].encode() + b"\n" + content).digest()[:4]
    if key_id.hex() != fields[2] or len(fields[1].encode()) > 255:
        return None
    return Witness(name, fields[1], key_id, content[0], content[1:])


def who_signed(note: bytes, policy: Policy, place: str) -> Iterator[str]:
    """The witnesses of the policy that signed a note. A signature of theirs that does not hold spoils it."""
    text, signatures = parse_note(note, place)
    known = {(each.key_name, each.key_id): each for each in policy.witnesses.values()}
    for name, key_id, signature in signatures:
        witness = known.get((name, key_id))
        if witness is not None:
            if not witness.signed(text, signature):
                raise Wrong("note_is_forged", path=place, key=name)
            yield witness.name
