"""The supervisor of an embedded PostgreSQL: starts it, watches it, and stops it after its last user.

A program of its own (`python -m ringfence.database.supervisor ORDER`), started by `ringfence.database.embedded`, which
hands it two open files: the locked `supervisor.lock` and the first lease. It has one thread and imports nothing but
the standard library and this package's refusals.

What it says on every lease, one JSON object a line:

  {"stage": "creating" | "starting" | "recovering" | "stopping", "seconds": s, "detail": text}
  {"ready": {"directory": socket folder, "port": number, "settings": {...}}}   again after each restart
  {"refused": name, "facts": {...}}                                            and then it ends

A lease says nothing; closing it is the message. See `embedded` for what each crash leaves behind.
"""

import fcntl
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from ringfence.database import refusals
from ringfence.database.child import becoming, namespace_forbids
from ringfence.database.files import refused_by_disk
from ringfence.refusal import Refused

PORT = 5432  # of the socket's name; the folder is private, so it never collides
_LOG_BYTES_MAX = 16 * 2**20
_FREE_BYTES_MIN = 128 * 2**20  # an empty cluster takes 40 MB, its first WAL segments 16 MB each
_FIRST_LEASE_SECONDS = 30
_QUICK_DEATHS_MAX = 3
_STATE = re.compile(r"^\S+ \S+ \S+ \[\d+\] ([0-9A-Z]{5}) (\w+): +(.*)$")  # log_line_prefix below


class Supervisor:
    """One run, from the order to the last lease."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.folder = Path(order["folder"])
        self.cluster = self.folder / "cluster"
        self.run = Path(order["run"])
        self.programs = Path(order["programs"])
        self.tcp_port: int | None = order["tcp_port"]
        self.settings: dict[str, str] = order["settings"]
        self.leases: set[socket.socket] = set()
        self.last_said: dict[str, Any] = {}
        self.complaint = ""
        self.complaint_state = ""
        self.asked_to_stop = False
        self.selector = selectors.DefaultSelector()
        self.log = (self.folder / "server.log").open("ab", buffering=0)

    # -- the story ------------------------------------------------------------------------------------------------

    def main(self, lease: socket.socket) -> None:
        self._admit(lease)
        self._listen()
        deaths: list[float] = []
        try:
            self._check_ground()
            self._create_cluster()
            while True:
                began = time.monotonic()
                server = self._start_server()
                if self._wait_until_ready(server):
                    self._say(
                        {
                            "ready": {
                                "directory": str(self.run),
                                "port": self.tcp_port or PORT,
                                "settings": self._settings_said(),
                            }
                        }
                    )
                    self._wait_while_needed(server)
                if server.poll() is None:
                    self._stop(server)
                    return
                deaths = [*(death for death in deaths if began - death < 60), time.monotonic()]
                if len(deaths) > _QUICK_DEATHS_MAX or not self.leases:
                    self._refuse_start()
        except Refused as refused:
            self._refuse(refused)
        except OSError as error:
            self._refuse(refused_by_disk(self.folder, error))
        finally:
            with suppress(OSError):
                (self.run / "control").unlink()

    def _check_ground(self) -> None:
        if self.cluster.is_dir():
            return
        if shutil.disk_usage(self.folder).free < _FREE_BYTES_MIN:
            raise refusals.DISK_IS_FULL(path=self.folder)

    def _create_cluster(self) -> None:
        """Run initdb beside, then a rename: a crash leaves `cluster.new`, which the next start removes, or all."""
        if self.cluster.is_dir():
            return
        self._stage("creating", 0.0)
        new = self.folder / "cluster.new"
        shutil.rmtree(new, ignore_errors=True)
        self._reach()
        arguments = [
            self.programs / "initdb",
            f"--pgdata={new}",
            "--username=ringfence_superuser",
            f"--pwfile={self.folder / 'superuser.password'}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C",
            "--data-checksums",
        ]
        initdb = self._spawn(arguments, signal.SIGKILL)
        began = time.monotonic()
        while initdb.poll() is None:
            self._turn(0.2)
            if time.monotonic() - began > 2:
                self._stage("creating", time.monotonic() - began)
        self._turn(0.05)
        if initdb.returncode != 0:
            if shutil.disk_usage(self.folder).free < _FREE_BYTES_MIN // 4:
                raise refusals.DISK_IS_FULL(path=self.folder)
            self._refuse_start()
        with (new / "postgresql.conf").open("a") as conf:
            conf.write(
                "\n# Written by Ringfence at every start; ALTER SYSTEM overrides it.\ninclude 'ringfence.conf'\n"
            )
        new.rename(self.cluster)
        _sync(self.folder)

    def _start_server(self) -> "subprocess.Popen[bytes]":
        self._stage("starting", 0.0)
        self._reach()
        _refuse_another_version(self.cluster, self.programs)
        self._remove_stale_pid()
        self._write_settings()
        lock = os.open(self.folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        began = time.monotonic()
        while not _locked(lock):  # an earlier PostgreSQL has not quite gone
            self._turn(0.05)
            if time.monotonic() - began > 1:
                self._end_orphan()
                self._stage("stopping", time.monotonic() - began)
        try:
            return self._spawn([self.programs / "postgres", "-D", self.cluster], signal.SIGINT, keep=(lock,))
        finally:
            os.close(lock)

    def _wait_until_ready(self, server: "subprocess.Popen[bytes]") -> bool:
        """Wait as long as it takes: recovery has no limit. False when it ended instead."""
        began = time.monotonic()
        while server.poll() is None:
            if _status(self.cluster) == "ready":
                return True
            self._turn(0.02)
            if time.monotonic() - began > 1:
                self._stage("recovering", time.monotonic() - began)
        self._turn(0.05)
        return False

    def _wait_while_needed(self, server: "subprocess.Popen[bytes]") -> None:
        while server.poll() is None and self.leases and not self.asked_to_stop:
            self._turn(1.0)

    def _stop(self, server: "subprocess.Popen[bytes]") -> None:
        """Fast shutdown: open transactions roll back, a checkpoint is written, and nothing is left to recover."""
        self._unlisten()
        server.send_signal(signal.SIGINT)
        began = time.monotonic()
        while server.poll() is None:
            self._turn(0.05)
            if time.monotonic() - began > 1:
                self._stage("stopping", time.monotonic() - began)

    def _refuse_start(self) -> NoReturn:
        if self.complaint_state == "53100":
            raise refusals.DISK_IS_FULL(path=self.folder)
        if self.complaint_state == "55006" or "could not create any TCP/IP sockets" in self.complaint:
            raise refusals.PORT_IS_TAKEN(port=self.tcp_port)
        raise refusals.DATABASE_DOES_NOT_START(log=self.folder / "server.log", detail=self.complaint or "(none)")

    # -- the ground -----------------------------------------------------------------------------------------------

    def _reach(self) -> None:
        match namespace_forbids(self.programs / "postgres", self.folder):
            case None:
                return
            case ("out_of_reach", path):
                raise refusals.HOME_IS_OUT_OF_REACH(path=path)
            case (_, reason):
                raise refusals.NAMESPACE_IS_FORBIDDEN(detail=reason)

    def _spawn(
        self, arguments: list[Any], death_signal: signal.Signals, keep: tuple[int, ...] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a program of PostgreSQL with a clean environment; its words go to server.log through us."""
        read, write = os.pipe()
        try:
            child = subprocess.Popen(
                [os.fspath(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                cwd=self.folder,
                pass_fds=keep,
                preexec_fn=becoming(death_signal),  # noqa: PLW1509 - one thread, see `child`
            )
        finally:
            os.close(write)
        os.set_blocking(read, False)
        self.selector.register(read, selectors.EVENT_READ, self._hear)
        return child

    def _write_settings(self) -> None:
        text = "".join(f"{name} = {_quoted(value)}\n" for name, value in self._conf().items())
        (self.cluster / "ringfence.conf").write_text("# Written by Ringfence at every start.\n" + text)
        access = "local all all scram-sha-256\n" + (
            "host all all 127.0.0.1/32 scram-sha-256\n" if self.tcp_port else ""
        )
        (self.cluster / "pg_hba.conf").write_text("# Written by Ringfence at every start.\n" + access)

    def _conf(self) -> dict[str, str]:
        return {
            "unix_socket_directories": '"' + str(self.run).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "port": str(self.tcp_port or PORT),
            "listen_addresses": "127.0.0.1" if self.tcp_port else "",
            "password_encryption": "scram-sha-256",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "checkpoint_timeout": "15min",
            "max_wal_size": "2GB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %e ",
            "log_checkpoints": "off",
            "logging_collector": "off",
            "log_destination": "stderr",
            **self.settings,
        }

    def _settings_said(self) -> dict[str, Any]:
        return {"tcp_port": self.tcp_port, **self.settings}

    def _remove_stale_pid(self) -> None:
        """After a crash, the number in postmaster.pid may be another program's by now (in a container nearly always),
        and PostgreSQL would wait for it in vain. Only a number that is no PostgreSQL's is removed.
        """
        path = self.cluster / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError):
            number = int(path.read_text().splitlines()[0])
            name = Path(f"/proc/{number}/comm")
            if Path("/proc/self/comm").exists() and (not name.exists() or name.read_text().strip() != "postgres"):
                path.unlink()

    def _end_orphan(self) -> None:
        """The lock is held, so the number in postmaster.pid is alive and ours: its supervisor was killed where there
        is no parent-death signal, or it is still shutting down, which another request does not disturb.
        """
        with suppress(FileNotFoundError, ValueError, IndexError, ProcessLookupError, PermissionError):
            os.kill(int((self.cluster / "postmaster.pid").read_text().splitlines()[0]), signal.SIGINT)

    # -- one turn of the wheel ------------------------------------------------------------------------------------

    def _turn(self, seconds: float) -> None:
        """Hear whatever there is to hear, for at most so long; a signal (a child's death) ends the wait."""
        for key, _ in self.selector.select(seconds):
            key.data(key.fileobj)
        if not self.leases and not self.asked_to_stop:
            self.asked_to_stop = True

    def _listen(self) -> None:
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        self.wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the programs that hold leases
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        self.selector.register(woken, selectors.EVENT_READ, lambda end: end.recv(4096))
        with suppress(FileNotFoundError):
            (self.run / "control").unlink()  # of a supervisor that was killed: we hold its lock
        self.listener = socket.socket(socket.AF_UNIX)
        try:
            self.listener.bind(str(self.run / "control"))
            self.listener.listen(64)
        except OSError as error:
            self._say({"refused": "socket_is_taken", "facts": {"path": str(self.run), "detail": str(error)}})
            sys.exit(1)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def _unlisten(self) -> None:
        """From here on nobody can get a lease: whoever comes waits for the lock and starts the next supervisor."""
        with suppress(OSError):
            (self.run / "control").unlink()
        self.selector.unregister(self.listener)
        self.listener.close()

    def _ask_to_stop(self, *_: object) -> None:
        self.asked_to_stop = True

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            lease, _ = listener.accept()
            self._admit(lease)

    def _admit(self, lease: socket.socket) -> None:
        lease.setblocking(False)
        self.leases.add(lease)
        self.selector.register(lease, selectors.EVENT_READ, self._hear_lease)
        if self.last_said:
            self._tell(lease, self.last_said)

    def _hear_lease(self, lease: socket.socket) -> None:
        with suppress(BlockingIOError):
            try:
                gone = not lease.recv(4096)
            except ConnectionError:
                gone = True
            if gone:
                self._release(lease)

    def _release(self, lease: socket.socket) -> None:
        if lease in self.leases:
            self.leases.discard(lease)
            self.selector.unregister(lease)
            lease.close()

    def _hear(self, pipe: int) -> None:
        """Copy PostgreSQL's words to the log, remembering the last complaint and its SQLSTATE."""
        try:
            words = os.read(pipe, 65536)
        except BlockingIOError:
            return
        if not words:
            self.selector.unregister(pipe)
            os.close(pipe)
            return
        for line in words.decode("utf-8", "replace").splitlines():
            match = _STATE.match(line)
            if match and match[2] in {"FATAL", "PANIC"}:
                self.complaint_state, self.complaint = match[1], match[3]
            elif not match and line.startswith(("initdb: error:", "FATAL:", "PANIC:")):
                self.complaint = line
        with suppress(OSError):  # a full disk must not stop the server for its log's sake
            self.log.write(words)
            if self.log.tell() > _LOG_BYTES_MAX:
                (self.folder / "server.log").replace(self.folder / "server.log.1")
                self.log.close()
                self.log = (self.folder / "server.log").open("ab", buffering=0)

    def _stage(self, stage: str, seconds: float) -> None:
        self._say({"stage": stage, "seconds": round(seconds, 1), "detail": self.complaint if seconds else ""})

    def _refuse(self, refused: Refused) -> None:
        self._say({"refused": refused.name, "facts": dict(refused.facts)})

    def _say(self, said: dict[str, Any]) -> None:
        self.last_said = said
        for lease in list(self.leases):
            self._tell(lease, said)

    def _tell(self, lease: socket.socket, said: dict[str, Any]) -> None:
        """One line; a holder that does not read for so long that its buffer is full misses it."""
        with suppress(BlockingIOError, ConnectionError):
            lease.send(json.dumps(said, default=str).encode() + b"\n")


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _status(cluster: Path) -> str:
    """PostgreSQL's own word on its state: the eighth line of postmaster.pid, as pg_ctl reads it."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return lines[7].strip() if len(lines) > 7 else ""
    except FileNotFoundError:
        return ""


def _refuse_another_version(cluster: Path, programs: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    expected = re.findall(r"\d+", said)[0]
    if found != expected:
        raise refusals.DATABASE_IS_OF_ANOTHER_VERSION(path=cluster, found=found, expected=expected)


def main() -> None:
    """Take over the two open files of the order and run."""
    order = json.loads(sys.argv[1])
    lock, lease = int(order["lock"]), socket.socket(fileno=int(order["lease"]))
    os.set_inheritable(lock, False)
    os.set_inheritable(lease.fileno(), False)
    os.umask(0o077)
    Supervisor(order).main(lease)
    os.close(lock)


if __name__ == "__main__":
    main()
