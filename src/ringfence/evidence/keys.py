"""The notary's keys, in home/keys/notary.key, for the notary alone: one of Ed25519 and one of ML-DSA-44 (FIPS 204), a
line each, one pair an installation. Both sign every checkpoint, and whoever opens one asks for both: a quantum computer
that forges the one does not forge the other, nor does a fault that is found in the younger.

Each book's log has an origin of its own, which is also the name under which the key signs it; so one key signs several
logs, and a checkpoint of one is none of another.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from ringfence.database.files import private_folder, write_once
from ringfence.evidence.cosignature import ML_DSA_44, SEED_BYTES, Cosigner, parse_cosigner, parse_cosigner_key
from ringfence.evidence.note import KEY_IS_MALFORMED, Signer, Verifier, parse_signer, parse_verifier
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
        name = f"{ORIGIN_PREFIX}/notary"
        second = Cosigner.from_seed(name, ML_DSA_44, randomness(SEED_BYTES))
        write_once(path, f"{Signer.from_seed(name, randomness(32)).private_line()}\n{second.private_line()}")
    try:
        mode = path.stat().st_mode & 0o777
        first, *further = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as failed:
        raise LOG_FILE_IS_UNREADABLE(path=path, cause=getattr(failed, "strerror", failed)) from None
    if mode & 0o077:
        raise NOTARY_KEY_IS_OPEN_TO_OTHERS(path=path, mode=f"{mode:04o}")
    return replace(parse_signer(first), also=tuple(parse_cosigner(line) for line in further))


def origin_of(book: str) -> str:
    """The origin of a book's log, which is also the name of the key that signs it."""
    return f"{ORIGIN_PREFIX}/{book}"


def signer_for(key: Signer, book: str) -> Signer:
    """The installation's keys under the name of a book's log."""
    origin = origin_of(book)
    return Signer(origin, key.private, tuple(each.under(origin) for each in key.also))


def log_folder(home: Path, book: str) -> Path:
    return home / "evidence" / book


def read_verifier(log: Path, file: str = "notary.vkey") -> Verifier:
    """The public keys that lie beside a log. Whoever does not trust the folder has them from elsewhere."""
    return parse_keys(read_file(log, file).decode("utf-8", "replace"))


def parse_keys(text: str) -> Verifier:
    """The keys of a notary's file: Ed25519 on the first line, further ones below, all under one name."""
    first, *further = text.removesuffix("\n").split("\n")
    keys = tuple(parse_cosigner_key(line) for line in further)
    verifier = parse_verifier(first)
    if any(key.name != verifier.name for key in keys):
        raise KEY_IS_MALFORMED(which="public")
    return replace(verifier, also=keys)


def key_lines(verifier: Verifier) -> str:
    """The file of a notary's public keys."""
    return "".join(f"{key}\n" for key in (verifier, *verifier.also))
