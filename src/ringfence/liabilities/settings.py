"""How an installation proves liabilities, and whose audit it takes: `liabilities.toml` in its home.

    mode = "auditor"                 # or "sum": the root binds the total, and a path shows sums of others

    [[auditor]]
    keys = ["auditor.example+…", "auditor.example+…"]    # Ed25519 and ML-DSA-44, as `ringfence witness init` makes them

Without the file the mode is `auditor` and nobody is admitted. The notary reads its own copy.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringfence.evidence.cosignature import ED25519, ML_DSA_44, CosignerKey, parse_cosigner_key
from ringfence.liabilities.refusals import LIABILITIES_FILE_IS_WRONG
from ringfence.liabilities.tree import Mode
from ringfence.refusal import Refused

FILE: Final = "liabilities.toml"


@dataclass(frozen=True)
class Auditor:
    """An auditor by the keys, one of each algorithm under one name."""

    name: str
    keys: tuple[CosignerKey, CosignerKey]


@dataclass(frozen=True)
class Proving:
    """What `liabilities.toml` says; `path` is where it is, or would be."""

    path: Path
    mode: Mode = Mode.AUDITOR
    auditors: tuple[Auditor, ...] = ()


def read_proving(home: Path) -> Proving:
    """`liabilities_file_is_wrong`"""
    path = home / FILE
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Proving(path)
    except (OSError, ValueError) as failed:
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail=failed) from failed
    listed = said.get("auditor", [])
    if not said.keys() <= {"mode", "auditor"} or said.get("mode", "auditor") not in list(Mode):
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail='it gives a mode, "auditor" or "sum", and auditors')
    if not isinstance(listed, list):
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail="each auditor is a [[auditor]] with its keys")
    auditors = tuple(_auditor(path, each) for each in listed)
    if len({each.name for each in auditors}) != len(auditors):
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail="an auditor stands twice")
    return Proving(path, Mode(said.get("mode", "auditor")), auditors)


def _auditor(path: Path, said: Any) -> Auditor:
    lines = said.get("keys") if isinstance(said, dict) and said.keys() == {"keys"} else None
    if not isinstance(lines, list) or not all(isinstance(each, str) for each in lines):
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail="each auditor is a [[auditor]] with its keys")
    try:
        return auditor_of(lines)
    except Refused as refused:
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail=refused.sentence()) from refused
    except ValueError as wrong:
        raise LIABILITIES_FILE_IS_WRONG(path=path, detail=wrong) from wrong


def auditor_of(lines: list[str]) -> Auditor:
    """An auditor of two lines; ValueError if they are not one key of each algorithm under one name."""
    keys = sorted((parse_cosigner_key(line.strip()) for line in lines), key=lambda key: key.algorithm)
    if [key.algorithm for key in keys] != [ED25519, ML_DSA_44] or keys[0].name != keys[1].name:
        raise ValueError("an auditor has two keys of one name, of Ed25519 (4) and ML-DSA-44 (6)")
    return Auditor(keys[0].name, (keys[0], keys[1]))
