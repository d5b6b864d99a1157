"""A witness's own keys, one of each algorithm under one name, and the keys of the logs that it watches.

<home>/keys/witness.key     two private lines, its owner's alone (0600); made once
<home>/witness/logs         a line for each log: the public key, whose name is the log's origin
"""

import os
from collections.abc import Callable
from pathlib import Path

from ringfence.database.files import private_folder, write_once
from ringfence.evidence.cosignature import ED25519, ML_DSA_44, SEED_BYTES, Cosigner, parse_cosigner
from ringfence.evidence.keys import NOTARY_KEY_IS_OPEN_TO_OTHERS
from ringfence.evidence.note import Verifier, parse_verifier
from ringfence.evidence.tiles import LOG_FILE_IS_UNREADABLE, File, replace_file
from ringfence.evidence.witness.state import FOLDER
from ringfence.refusal import Fault, refusal

WITNESS_HAS_NO_KEY = refusal(
    "witness_has_no_key",
    Fault.STATE,
    en="There is no witness at {home}; `ringfence witness init NAME` makes one.",
    zh="{home} 尚无见证方；请先运行 `ringfence witness init 名称`。",
)
WITNESS_HAS_A_KEY_ALREADY = refusal(
    "witness_has_a_key_already",
    Fault.STATE,
    en="There is a witness at {path} already, {name}.",
    zh="{path} 已有见证方 {name}。",
)


def key_file(home: Path) -> Path:
    return home / "keys" / "witness.key"


def found_keys(home: Path, name: str, randomness: Callable[[int], bytes] = os.urandom) -> None:
    """Make a witness's keys; `witness_has_a_key_already` where there are some."""
    if key_file(home).exists():
        raise WITNESS_HAS_A_KEY_ALREADY(path=home, name=load_cosigners(home)[0].name)
    made = [Cosigner.from_seed(name, algorithm, randomness(SEED_BYTES)) for algorithm in (ED25519, ML_DSA_44)]
    private_folder(key_file(home).parent)
    write_once(key_file(home), "\n".join(each.private_line() for each in made))


def load_cosigners(home: Path) -> list[Cosigner]:
    """The witness's keys; `witness_has_no_key`."""
    path = key_file(home)
    if not path.exists():
        raise WITNESS_HAS_NO_KEY(home=home)
    return read_cosigners(path)


def read_cosigners(path: Path) -> list[Cosigner]:
    """The keys of a witness's file, wherever it lies."""
    try:
        mode, lines = path.stat().st_mode & 0o777, path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as failed:
        raise LOG_FILE_IS_UNREADABLE(path=path, cause=getattr(failed, "strerror", failed)) from None
    if mode & 0o077:
        raise NOTARY_KEY_IS_OPEN_TO_OTHERS(path=path, mode=f"{mode:04o}")
    return [parse_cosigner(line) for line in lines]


def watched_logs(home: Path) -> list[Verifier]:
    """The keys of the logs that are watched."""
    path = home / FOLDER / "logs"
    try:
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    except (OSError, UnicodeDecodeError) as failed:
        raise LOG_FILE_IS_UNREADABLE(path=path, cause=getattr(failed, "strerror", failed)) from None
    return [parse_verifier(line) for line in lines if line]


def add_log(home: Path, line: str) -> None:
    """Watch a log by its key's line, the first of its notary.vkey; the same again changes nothing."""
    load_cosigners(home)
    keys = watched_logs(home)
    added = parse_verifier(line.strip().partition("\n")[0])
    if added not in keys:
        private_folder(home / FOLDER)
        replace_file(home / FOLDER, File("logs", "".join(f"{each}\n" for each in (*keys, added)).encode()))
