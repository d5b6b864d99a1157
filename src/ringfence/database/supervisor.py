"""The supervisor of an embedded PostgreSQL: starts it, watches it, and stops it after its last user.

A program of its own (`python -m ringfence.database.supervisor ORDER`), started by `ringfence.database.embedded`, which
hands it two open files: the locked `supervisor.lock` and the first lease. It has one thread and imports nothing but
the standard library and this package's refusals.

What it says on a lease until the server is ready, one JSON object a line:

  {"stage": "creating" | "starting" | "recovering" | "stopping", "seconds": s, "detail": text}
  {"ready": {"directory": socket folder, "port": number, "settings": {...}}}
  {"refused": name, "facts": {...}}                                            and then it closes the lease

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
from ringfence.database.child import Guise, becoming, give_to, guise_here, postgres_in
from ringfence.database.files import private_socket_folder, refused_by_disk
from ringfence.refusal import Refused

PORT = 5432  # of the socket's name; the folder is private, so it never collides
_LOG_BYTES_MAX = 16 * 2**20
_FREE_BYTES_MIN = 128 * 2**20  # an empty cluster takes 40 MB, each WAL segment 16 MB
_GRACE_SECONDS = 10.0  # between SIGTERM and taking the server away from those who still hold a lease
_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.1, 30.0  # between two attempts to bring a server back
_QUICK_SECONDS = 60.0  # an attempt that ends sooner makes the next pause longer

# What log_line_prefix below makes of a line: time, number, SQLSTATE, then severity and words.
_LINE = re.compile(rb"^\S+ \S+ \S+ \[\d+\] ([0-9A-Z]{5}) (FATAL|PANIC): +(.*)$", re.MULTILINE)


class Supervisor:
    """One run, from the order to the last lease."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.folder = Path(order["folder"])
        self.cluster = self.folder / "cluster"
        self.run = Path(order["run"])
        self.programs = Path(order["programs"])
        self.tcp_port: int | None = order["tcp_port"]
        self.settings: dict[str, str] = order["settings"]
        self.waiting: set[socket.socket] = set()  # leases that have not heard "ready" yet
        self.leases: set[socket.socket] = set()  # all that are held, waiting or not
        self.leaving: set[socket.socket] = set()  # given back; closed when it is clear whether it was the last
        self.last_said: dict[str, Any] = {}
        self.last_said_at = 0.0
        self.complaint: tuple[str, str] = ("", "")  # SQLSTATE and words of the last FATAL or PANIC
        self.stop_at: float | None = None
        self.selector = selectors.DefaultSelector()
        self.log = (self.folder / "server.log").open("ab", buffering=0)

    def main(self, lease: socket.socket) -> None:
        """Serve until the last lease is closed: start, wait, and start again if PostgreSQL ends by itself."""
        self._watch_signals()
        self._admit(lease)
        pause = _PAUSE_SECONDS_MIN
        try:
            self._listen()
            while self._needed():
                began = time.monotonic()
                try:
                    self._create_cluster()
                    server = self._start_server()
                    self._wait_until_ready(server)
                except Refused as refused:
                    self._refuse(refused)  # those who wait; for those who used the server before, another attempt
                except OSError as error:
                    self._refuse(refused_by_disk(self.folder, error))
                else:
                    while self._needed() and server.poll() is None:
                        self._turn(1.0)
                    if server.poll() is None:
                        self._stop(server)
                        return
                    self.last_said = {}
                quick = time.monotonic() - began < _QUICK_SECONDS
                pause = min(2 * pause, _PAUSE_SECONDS_MAX) if quick else _PAUSE_SECONDS_MIN
                self._rest(pause)
        except Refused as refused:
            self._refuse(refused)
        finally:
            with suppress(OSError):
                (self.run / "control").unlink()
            with suppress(OSError):
                self.run.rmdir()

    # -- creating ---------------------------------------------------------------------------------------------------

    def _create_cluster(self) -> None:
        """Run initdb beside, then rename: a crash leaves `cluster.new`, which the next start removes, or all."""
        if self.cluster.is_dir():
            return
        if shutil.disk_usage(self.folder).free < _FREE_BYTES_MIN:
            raise refusals.DISK_IS_FULL(path=self.folder)
        guise = self._guise()
        self._stage("creating", 0.0)
        new = self.folder / "cluster.new"
        shutil.rmtree(new, ignore_errors=True)
        arguments = [
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
        initdb = self._spawn("initdb", arguments, guise, signal.SIGKILL)
        began = time.monotonic()
        while initdb.poll() is None:
            self._turn(0.2)
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

    # -- starting ---------------------------------------------------------------------------------------------------

    def _start_server(self) -> "subprocess.Popen[bytes]":
        self._stage("starting", 0.0)
        guise = self._guise()
        _refuse_another_version(self.cluster, self.programs)
        lock = os.open(self.folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for_the_last_one(lock)
            self._remove_stale_number()
            self._write_settings()
            give_to(guise.owner, self.cluster)
            self._refuse_taken_port()
            return self._spawn("postgres", ["-D", str(self.cluster)], guise, signal.SIGINT, keep=lock)
        finally:
            os.close(lock)  # PostgreSQL has it now, and every process of it

    def _wait_for_the_last_one(self, lock: int) -> None:
        """An earlier PostgreSQL of this folder may still be there: its supervisor was killed, or it was. It is asked to
        shut down; of one that was killed, processes that have not noticed are ended.
        """
        began = time.monotonic()
        asked = False
        while not _locked(lock):
            self._turn(0.05)
            seconds = time.monotonic() - began
            self._stage("stopping", seconds)
            if seconds < 1 or asked:
                continue
            asked = True
            first = _number_of(self.cluster)
            alive = postgres_in(self.cluster, first)
            for number in alive:
                with suppress(ProcessLookupError, PermissionError):
                    if number == first:
                        os.kill(number, signal.SIGINT)
                    elif first not in alive:
                        os.kill(number, signal.SIGQUIT)

    def _remove_stale_number(self) -> None:
        """After a crash, the number in postmaster.pid may be another program's by now (in a container it nearly always
        is), and PostgreSQL would refuse to start because of it. Nobody holds server.lock, so none of ours runs; one
        that was started by hand is left alone.
        """
        first = _number_of(self.cluster)
        if first is None:
            return
        if first in postgres_in(self.cluster, first):
            raise refusals.DATABASE_IS_HELD_BY_ANOTHER_SERVER(path=self.cluster, pid=first)
        if sys.platform == "linux":  # elsewhere PostgreSQL's own judgement is the better one
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _write_settings(self) -> None:
        settings = {
            "unix_socket_directories": '"' + str(self.run).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "port": str(self.tcp_port or PORT),
            "listen_addresses": "127.0.0.1" if self.tcp_port else "",
            "password_encryption": "scram-sha-256",
            "max_connections": "100",
            "shared_buffers": f"{_buffers_mib()}MB",
            "checkpoint_timeout": "15min",
            "max_wal_size": "8GB",  # after each checkpoint a page is written whole once, and entries touch many
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %e ",
            "log_error_verbosity": "terse",  # no row of a customer in DETAIL or CONTEXT
            "log_checkpoints": "off",
            "logging_collector": "off",
            "log_destination": "stderr",
            **self.settings,
        }
        text = "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())
        (self.cluster / "ringfence.conf").write_text("# Written by Ringfence at every start.\n" + text)
        access = "local all all scram-sha-256\n" + (
            "host all all 127.0.0.1/32 scram-sha-256\n" if self.tcp_port else ""
        )
        (self.cluster / "pg_hba.conf").write_text("# Written by Ringfence at every start.\n" + access)

    def _refuse_taken_port(self) -> None:
        if self.tcp_port is None:
            return
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", self.tcp_port))
            except OSError as error:
                raise refusals.PORT_IS_TAKEN(port=self.tcp_port) from error

    def _wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        """Wait as long as it takes: recovery has no limit. Refused when PostgreSQL ended instead."""
        began = time.monotonic()
        while server.poll() is None:
            if _status(self.cluster, server.pid) == "ready":
                self._ready()
                return
            self._turn(0.02)
            self._stage("recovering", time.monotonic() - began)
        self._turn(0.05)
        self._refuse_start()

    def _refuse_start(self) -> NoReturn:
        state, words = self.complaint
        if state == "53100":
            raise refusals.DISK_IS_FULL(path=self.folder)
        raise refusals.DATABASE_DOES_NOT_START(log=self.folder / "server.log", detail=words or "(none)")

    def _guise(self) -> Guise:
        match guise_here(self.programs / "postgres", self.folder):
            case ("out_of_reach", path):
                raise refusals.HOME_IS_OUT_OF_REACH(path=path)
            case (_, reason):
                raise refusals.NAMESPACE_IS_FORBIDDEN(detail=reason)
            case guise:
                return guise

    def _spawn(
        self, program: str, arguments: list[str], guise: Guise, death_signal: signal.Signals, keep: int | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a program of PostgreSQL with a clean environment; its words go to server.log through us."""
        self.complaint = ("", "")
        read, write = os.pipe()
        try:
            child = subprocess.Popen(
                [str(self.programs / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                cwd=self.folder,
                pass_fds=() if keep is None else (keep,),
                preexec_fn=becoming(guise, death_signal, known=program == "initdb"),  # noqa: PLW1509 - one thread, see `child`
            )
        finally:
            os.close(write)
        os.set_blocking(read, False)
        self.selector.register(read, selectors.EVENT_READ, self._hear)
        return child

    # -- stopping ---------------------------------------------------------------------------------------------------

    def _needed(self) -> bool:
        """Whether anybody holds a lease; those who gave theirs back are let go as soon as they are not the last."""
        if self.stop_at is not None and time.monotonic() > self.stop_at:
            return False
        if self.leases:
            for lease in self.leaving:
                lease.close()
            self.leaving.clear()
        return bool(self.leases)

    def _stop(self, server: "subprocess.Popen[bytes]") -> None:
        """Fast shutdown: open transactions roll back, a checkpoint is written, and nothing is left to recover.

        The control socket goes first: whoever comes now waits for supervisor.lock and starts the next supervisor.
        """
        with suppress(OSError):
            (self.run / "control").unlink()
        self.selector.unregister(self.listener)
        self.listener.close()
        server.send_signal(signal.SIGINT)
        began = time.monotonic()
        while server.poll() is None:
            self._turn(0.05)
            self._stage("stopping", time.monotonic() - began)
        self._turn(0.05)

    # -- one turn of the wheel --------------------------------------------------------------------------------------

    def _turn(self, seconds: float) -> None:
        """Hear whatever there is to hear, for at most so long; a signal (a child's death) ends the wait."""
        for key, _ in self.selector.select(seconds):
            key.data(key.fileobj)

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._needed() and (rest := until - time.monotonic()) > 0:
            self._turn(min(rest, 1.0))

    def _watch_signals(self) -> None:
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

    def _ask_to_stop(self, *_: object) -> None:
        self.stop_at = time.monotonic() + _GRACE_SECONDS

    def _listen(self) -> None:
        private_socket_folder(self.run)
        with suppress(FileNotFoundError):
            (self.run / "control").unlink()  # of a supervisor that was killed: we hold its lock
        self.listener = socket.socket(socket.AF_UNIX)
        try:
            self.listener.bind(str(self.run / "control"))
            self.listener.listen(64)
        except OSError as error:
            raise refusals.SOCKET_IS_TAKEN(path=self.run, detail=error.strerror) from error
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            self._admit(listener.accept()[0])

    def _admit(self, lease: socket.socket) -> None:
        lease.setblocking(False)
        self.leases.add(lease)
        self.waiting.add(lease)
        self.selector.register(lease, selectors.EVENT_READ, self._hear_lease)
        if "ready" in self.last_said:
            self._ready()

    def _hear_lease(self, lease: socket.socket) -> None:
        try:
            given_back = not lease.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            given_back = True
        if given_back:
            self.selector.unregister(lease)
            self.leases.discard(lease)
            self.waiting.discard(lease)
            self.leaving.add(lease)

    def _hear(self, pipe: int) -> None:
        """Copy PostgreSQL's words to the log, remembering its last complaint and that one's SQLSTATE."""
        try:
            words = os.read(pipe, 65536)
        except BlockingIOError:
            return
        if not words:
            self.selector.unregister(pipe)
            os.close(pipe)
            return
        for match in _LINE.finditer(words):
            self.complaint = (match[1].decode(), match[3].decode("utf-8", "replace"))
        if not self.complaint[1] or not self.complaint[0]:  # initdb gives no SQLSTATE: its last line will do
            self.complaint = ("", words.decode("utf-8", "replace").strip().splitlines()[-1] if words.strip() else "")
        with suppress(OSError):  # a full disk must not stop the server for its log's sake
            self.log.write(words)
            if self.log.tell() > _LOG_BYTES_MAX:
                (self.folder / "server.log").replace(self.folder / "server.log.1")
                self.log.close()
                self.log = (self.folder / "server.log").open("ab", buffering=0)

    # -- what is said on the leases ---------------------------------------------------------------------------------

    def _stage(self, stage: str, seconds: float) -> None:
        """Say what is being done, once at its beginning and then once a second."""
        if seconds and (seconds < 1 or time.monotonic() < self.last_said_at + 1):
            return
        self._say({"stage": stage, "seconds": round(seconds, 1), "detail": self.complaint[1] if seconds else ""})

    def _ready(self) -> None:
        settings = {"tcp_port": self.tcp_port, **self.settings}
        self._say({"ready": {"directory": str(self.run), "port": self.tcp_port or PORT, "settings": settings}})
        self.waiting.clear()

    def _refuse(self, refused: Refused) -> None:
        """Turn away those who wait. Who used the server before keeps the lease."""
        self._say({"refused": refused.name, "facts": dict(refused.facts)})
        for lease in self.waiting:
            self.selector.unregister(lease)
            self.leases.discard(lease)
            lease.close()
        self.waiting.clear()

    def _say(self, said: dict[str, Any]) -> None:
        self.last_said, self.last_said_at = said, time.monotonic()
        line = json.dumps(said, default=str).encode() + b"\n"
        for lease in self.waiting:
            with suppress(BlockingIOError, ConnectionError):  # a stopped holder may miss a stage
                lease.send(line)


def _buffers_mib() -> int:
    """A quarter of the machine's memory, and no more than a container of some size allows; taken as it is used."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(128, min(memory // 4, 2_048))


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


def _number_of(cluster: Path) -> int | None:
    """The first PostgreSQL process by its own file, alive or not."""
    try:
        return int((cluster / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _status(cluster: Path, number: int) -> str:
    """PostgreSQL's own word on its state: the eighth line of postmaster.pid, as pg_ctl reads it, if it is its."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return ""
    return lines[7].strip() if len(lines) > 7 and lines[0].strip() == str(number) else ""


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
