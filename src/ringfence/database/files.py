"""Private folders and secrets on the disk of a home; what the disk says no to, by name."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from ringfence.database import refusals
from ringfence.refusal import Refused

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of an operating system that has no room left."""


def refused_by_disk(path: Path, error: OSError) -> Refused:
    """The refusal that an operating system's error stands for."""
    if error.errno in FULL:
        return refusals.DISK_IS_FULL(path=path)
    return refusals.HOME_IS_NOT_WRITABLE(path=path, detail=error.strerror or error)


def private_folder(folder: Path) -> Path:
    """A folder of this user that nobody else may enter, made if it is missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            raise refusals.HOME_BELONGS_TO_SOMEBODY_ELSE(path=folder, owner=owner, user=os.geteuid())
        folder.chmod(0o700)
    except OSError as error:
        raise refused_by_disk(folder, error) from error
    return folder


def private_socket_folder(run: Path) -> Path:
    """The same beside everybody's temporary files, where somebody may have been faster: then it is not mended."""
    try:
        run.mkdir(mode=0o700, exist_ok=True)
        found = run.lstat()
    except OSError as error:
        raise refusals.SOCKET_IS_TAKEN(path=run, detail=error.strerror or error) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise refusals.SOCKET_IS_TAKEN(path=run, detail="it is not a private folder of this user")
    return run


def write_once(path: Path, secret: str) -> None:
    """A 0600 file with the secret, whole or not at all; an existing one stays as it is, also if somebody is faster."""
    if path.exists():
        return
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(secret + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        with suppress(FileExistsError):
            os.link(new, path)  # unlike rename, this does not replace
        new.unlink()
    except OSError as error:
        raise refused_by_disk(path, error) from error
