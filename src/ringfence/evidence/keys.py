"""The notary's key: Ed25519, one an installation, in home/keys/notary.key, for the notary alone.

Each book's log has an origin of its own, which is also the name under which the key signs it; so one key signs several
logs, and a checkpoint of one is none of another.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ringfence.database.files import private_folder, write_once
from ringfence.evidence.note import Signer, Verifier, parse_signer, parse_verifier
from ringfence.evidence.tiles import LOG_FILE_IS_UNREADABLE, read_file
from ringfence.refusal import Fault, refusal

ORIGIN_PREFIX: Final = "ringfence"

NOTARY_KEY_IS_MISSING = refusal(
    "notary_key_is_missing",
    Fault.MACHINE,
    en="The log {log} was signed with a key that is not at {path}. Bring it back; a new key would be a new notary.",
    zh="日志 {log} 的签名密钥不在 {path}。请恢复该密钥；换用新密钥即为另一公证者。",
)
NOTARY_KEY_DOES_NOT_FIT_LOG = refusal(
    "notary_key_does_not_fit_log",
    Fault.STATE,
    en="The key {key} did not sign the log {log}.",
    zh="密钥 {key} 并非日志 {log} 的签名密钥。",
)
NOTARY_KEY_IS_OPEN_TO_OTHERS = refusal(
    "notary_key_is_open_to_others",
    Fault.MACHINE,
    en="Others may read {path} (mode {mode}); a signing key is its owner's alone (0600).",
    zh="其他用户可读取 {path}（权限 {mode}）；签名密钥只能由其所有者读取（0600）。",
)


def load_key(home: Path, randomness: Callable[[int], bytes] = os.urandom) -> Signer:
    """The installation's notary key, made at the first start. Its name is replaced by each log's (`signer_for`)."""
    path = home / "keys" / "notary.key"
    if not path.exists():
        private_folder(path.parent)
        for log in sorted((home / "evidence").glob("*/checkpoint")):
            raise NOTARY_KEY_IS_MISSING(log=log.parent.name, path=path)
        write_once(path, Signer.from_seed(f"{ORIGIN_PREFIX}/notary", randomness(32)).private_line())
    try:
        mode = path.stat().st_mode & 0o777
        line = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failed:
        raise LOG_FILE_IS_UNREADABLE(path=path, cause=getattr(failed, "strerror", failed)) from None
    if mode & 0o077:
        raise NOTARY_KEY_IS_OPEN_TO_OTHERS(path=path, mode=f"{mode:04o}")
    return parse_signer(line.removesuffix("\n"))


def origin_of(book: str) -> str:
    """The origin of a book's log, which is also the name of the key that signs it."""
    return f"{ORIGIN_PREFIX}/{book}"


def signer_for(key: Signer, book: str) -> Signer:
    return Signer(origin_of(book), key.private)


def log_folder(home: Path, book: str) -> Path:
    return home / "evidence" / book


def read_verifier(log: Path) -> Verifier:
    """The public key that lies beside a log. Whoever does not trust the folder has it from elsewhere."""
    return parse_verifier(read_file(log, "notary.vkey").decode("utf-8", "replace").removesuffix("\n"))
