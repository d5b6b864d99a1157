"""Secret keys of an installation: one file each under home/keys, mode 0600, made at first use.

Each process reads only its own: the core the index key, the notary its signing key, a role its password.
"""

import os
import secrets
from pathlib import Path

from ringfence.refusal import Fault, refusal

KEY_CANNOT_BE_KEPT = refusal(
    "key_cannot_be_kept",
    Fault.MACHINE,
    en="The key {path} cannot be read or made: {detail}.",
    zh="无法读取或创建密钥 {path}：{detail}。",
)
KEY_IS_DAMAGED = refusal(
    "key_is_damaged",
    Fault.MACHINE,
    en="The key {path} does not hold what it should; restore it from its backup.",
    zh="密钥 {path} 内容不正确；请从备份恢复。",
)


def secret_key(folder: Path, name: str, size: int = 32) -> bytes:
    """The key of that name, made of `size` random bytes if there is none; kept as hexadecimal digits."""
    path = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            text = path.read_text(encoding="ascii").strip()
        else:
            text = secrets.token_hex(size)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise KEY_CANNOT_BE_KEPT(path=path, detail=error.strerror or type(error).__name__) from error
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != size:
        raise KEY_IS_DAMAGED(path=path)
    return key
