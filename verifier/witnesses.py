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
from pathlib import Path
from typing import Final

from log import COSIGNED_ED25519, ML_DSA_44, Key, parse_key, parse_note
from words import Unreadable, Wrong

POLICY_BYTES_MAX: Final = 1_000_000
_COUNT: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True)
class Policy:
    """Witnesses and groups in the order of the file, and the one that must have signed."""

    witnesses: dict[str, Key]
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
    witnesses: dict[str, Key] = {}
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
    words: list[str], witnesses: dict[str, Key], groups: dict[str, tuple[int, list[str]]], quorum: list[str]
) -> bool:
    """Whether a line holds after those before it."""
    known = {*witnesses, *groups}
    if words[0] == "witness" and len(words) in (3, 4):
        try:
            found = parse_key(words[2], words[1], COSIGNED_ED25519, ML_DSA_44)
        except Wrong:
            return False
        if words[1] in known | {"none"} or any(found.public == other.public for other in witnesses.values()):
            return False
        witnesses[words[1]] = found
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


def who_signed(note: bytes, policy: Policy, place: str) -> Iterator[str]:
    """The witnesses of the policy that signed a note. A signature of theirs that does not hold spoils it."""
    text, signatures = parse_note(note, place)
    known = {(key.name, key.key_id): (witness, key) for witness, key in policy.witnesses.items()}
    for name, key_id, signature in signatures:
        if (name, key_id) in known:
            witness, key = known[name, key_id]
            if not key.verifies(text, signature):
                raise Wrong("note_is_forged", path=place, key=name)
            yield witness
