"""kill -9 at random moments: what was answered is there once, what was not is there once or not at all (retry tells).

A program appends wave after wave to one book and writes each answer down, on the disk, before it goes on. The program,
one process of PostgreSQL, all of PostgreSQL, or program and PostgreSQL together are killed; it begins again where its
own record ends; after every death the journal is read and held against that record.
"""

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger_crash import LOST, Requests, Walk, altered, answered, connecting, now, set_up
from ringfence.database.connection import Connection, connect, conninfo_of
from ringfence.database.refusals import refusing
from ringfence.database.server import Server, open_server, prepare
from ringfence.ledger import journal as journal_module
from ringfence.ledger.journal import Journal, Unit
from ringfence.refusal import Refused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

PROGRAM = Path(__file__).with_name("ledger_crash.py")
KILLS = 25  # on either PostgreSQL
KILLS_OF_A_BOOK = 50
VICTIMS = ("program", "postgres", "one process of postgres", "program and postgres")
SNAPSHOT_ROWS = 300  # as many rows are between two snapshots, so that kills meet them being written
QUICK_RECOVERY = {"recovery_init_sync_method": "syncfs"}  # the disk is waited for once, not once a file
CONTENT_DIFFERS = "id_already_has_other_content"


# -- the two PostgreSQLs ---------------------------------------------------------------------------------------------


class Embedded:
    """The one that comes along. Its supervisor brings it back, and waits longer from kill to kill; so every second time
    the supervisor is killed with it, and whoever holds a lease starts the next.
    """

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.server = stack.enter_context(open_server(home, settings=QUICK_RECOVERY))
        self.home = home
        self.kills = 0

    def first(self) -> int:
        return int((self.home / "postgres" / "cluster" / "postmaster.pid").read_text().split("\n")[0])

    def kill(self) -> None:
        number = self.first()
        supervisor = _parent(number)
        _kill(number)
        if self.kills % 2:
            _kill(supervisor)
        self.kills += 1

    def bring_back(self) -> None:
        answers(self.server)


class Own:
    """One that is reached by URL, in a folder of its own, with its waits for the disk. We bring it back."""

    def __init__(
        self,
        folder: Path,
        home: Path,
        stack: ExitStack,
        *,
        disk_bytes: int = 0,
        initdb: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        apart = ["unshare", "--map-root-user", "--mount"] if disk_bytes else []
        self.keeper = stack.enter_context(
            subprocess.Popen(
                [*apart, sys.executable, str(PROGRAM), "serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(self.keeper.stdin.close)
        password = secrets.token_urlsafe(12)
        order = {"folder": str(folder), "port": port, "password": password, "disk_bytes": disk_bytes}
        self.tell(json.dumps(order | {"initdb": initdb, "settings": {**QUICK_RECOVERY, **settings}}))
        url = f"postgresql://admin:{password}@127.0.0.1:{port}/ringfence"
        self.server = stack.enter_context(open_server(home, url))
        self.start()

    def tell(self, word: str) -> str:
        self.keeper.stdin.write(word + "\n")
        self.keeper.stdin.flush()
        return self.keeper.stdout.readline().strip()

    def start(self) -> None:
        self.number = int(self.tell("start"))

    def first(self) -> int:
        return self.number

    def kill(self) -> None:
        _kill(self.number)

    def bring_back(self) -> None:
        """As long as processes of the old one are about to end, the new one does not start, and is started again."""
        until = time.monotonic() + 60
        while True:
            self.start()
            while time.monotonic() < until and _alive(self.number):
                with suppress(Refused):
                    self.server.connect_as_administrator().close()
                    return
                time.sleep(0.1)
            assert time.monotonic() < until


@dataclass
class Running:
    """One that nobody kills."""

    server: Server


def answers(server: Server, seconds: float = 60.0) -> None:
    """Wait until the server takes connections."""
    until = time.monotonic() + seconds
    while True:
        try:
            server.connect_as_administrator().close()
        except Refused:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


def _kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _alive(number: int) -> bool:
    """Running: neither gone nor only waiting to be counted."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def _children(number: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if _parent(int(each.name)) == number:
                    found.append(int(each.name))
    return found


# -- the program and what it was answered ----------------------------------------------------------------------------


@dataclass
class Nest:
    """Where programs that write are born."""

    running: "subprocess.Popen[str]"

    def write(self, order: dict[str, Any]) -> int:
        self.running.stdin.write(json.dumps(order) + "\n")
        self.running.stdin.flush()
        return int(self.running.stdout.readline())


@pytest.fixture
def nest() -> Iterator[Nest]:
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), "nest"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        yield Nest(running)
        running.stdin.close()


@dataclass
class Harried:
    """One book, the program that writes to it, and all that is known of both."""

    connect: Callable[[], Connection]
    nest: Nest
    order: dict[str, Any]
    walk: Walk
    requests: Requests
    lines: list[dict[str, Any]] = field(default_factory=list)  # of its record
    read: int = 0  # bytes of it
    told: int = 0  # lines of the record that were held against the journal
    waves: int = 0
    program: int = 0
    in_doubt: dict[UUID, tuple[str, int] | None] = field(default_factory=dict)  # of the wave that was under way
    found: Counter[str] = field(default_factory=Counter)

    def live(self) -> None:
        """Let the program write, if it does not."""
        if not _alive(self.program):
            self.program = self.nest.write(self.order)

    def record(self) -> list[dict[str, Any]]:
        """What the program wrote down so far, without the line that it is writing."""
        defects = Path(self.order["defects"])
        assert not defects.exists(), defects.read_text()
        path = Path(self.order["log"])
        if path.exists():
            with path.open("rb") as file:
                file.seek(self.read)
                new = file.read().split(b"\n")[:-1]
            self.read += sum(len(line) + 1 for line in new)
            self.lines += map(json.loads, new)
        return self.lines

    def gets_on(self) -> None:
        """Wait for one more wave to be answered."""
        before, until = len(self.record()), time.monotonic() + 60
        while not any("chains" in line for line in self.record()[before:]):
            assert time.monotonic() < until, self.record()[-3:]
            time.sleep(0.01)

    def check(self, *, entries: bool = True) -> None:
        """Once PostgreSQL lets one finish: of a process that was killed it may hear a moment later, and begin anew."""
        until = time.monotonic() + 60
        while True:
            try:
                with refusing(), closing(self.connect()) as connection:
                    self._check(connection, entries=entries)
            except Refused as refused:
                if refused.name not in LOST or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return

    def _check(self, connection: Connection, *, entries: bool) -> None:
        """The record first, then the journal: what was recorded must be there by then."""
        record = self.record()
        dead = not _alive(self.program)
        self.walk.read(connection)
        for line in record[self.told :]:
            if "refused" in line:
                assert line["refused"] in LOST
                self.found[line["refused"]] += 1
                continue
            assert line["wave"] == self.waves
            for group, said in zip(self._groups(self.waves), line["chains"], strict=True):
                self._answered(group, said)
            self.waves += 1
            self.in_doubt.clear()
        self.told = len(record)
        if dead:
            self._doubt()
        if entries:
            self.walk.agrees(connection)

    def _groups(self, wave: int) -> range:
        return self.requests.wave(wave, self.order["large"])

    def _answered(self, group: int, said: list[tuple[str, int, bool]]) -> None:
        for asked, (word, sequence, replayed) in zip(self.requests.chain(group), said, strict=True):
            answered(self.walk, asked, word, sequence)
            if before := self.in_doubt.get(asked.id):  # it was there when its program died: the retry tells so
                assert (word, sequence, replayed) == (*before, True)
                self.found["retried, and was there"] += 1
            elif asked.id in self.in_doubt:
                self.found["retried, and was not there"] += 1

    def _doubt(self) -> None:
        """The wave that was under way: each chain is there whole or not at all, and no other content takes its ids."""
        head = self.walk.head
        present = []
        for group in self._groups(self.waves):
            lines = self.requests.chain(group)
            rows = [self.walk.rows.get(line.id) for line in lines]
            assert len({row is None for row in rows}) == 1, f"chain {group} is there in part"
            for line, row in zip(lines, rows, strict=True):
                self.in_doubt[line.id] = None if row is None else (row.word, row.sequence)
            present += [lines] if rows[0] is not None else []
        if present:
            journal = Journal(self.connect, self.order["book"])
            found = journal.submit([Unit([altered(line) for line in lines]) for lines in present[:3]], now())
            assert {answer.result.word for chain in found for answer in chain} == {CONTENT_DIFFERS}
            again = journal.submit([Unit(lines) for lines in present[-3:]], now())
            for lines, chain in zip(present[-3:], again, strict=True):
                for line, answer in zip(lines, chain, strict=True):
                    assert (answer.result.word, answer.sequence) == self.in_doubt[line.id]
                    assert answer.replayed
            journal.close()
            connection = self.connect()
            assert self.walk.read(connection) == []
            connection.close()
        assert self.walk.head == head

    def close(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """End the program and read all from the beginning. What a new writer believes, from the last snapshot and from
        row 0, is what the journal says.
        """
        _kill(self.program)
        _until(lambda: not _alive(self.program))
        self.check()
        connection = self.connect()
        kept = connection.execute(
            b"SELECT count(*) FROM ledger.snapshot WHERE book_id = %s", [self.walk.book]
        ).fetchone()
        again = Walk(self.walk.book)
        again.read(connection)
        connection.close()
        assert again == self.walk
        for tail_rows_max in (1, 2**62):
            monkeypatch.setattr(journal_module, "TAIL_ROWS_MAX", tail_rows_max)
            again.agrees_with_cache(self.connect)
        monkeypatch.undo()
        assert kept[0] > 0


def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def harried(place: Embedded | Own | Running, nest: Nest, folder: Path, name: str, *, large: int) -> Harried:
    """A new book and its program, which is not running yet."""
    base = now()
    core = connecting({"conninfo": place.server.conninfo("core")})
    book = set_up(core, name, base)
    order = {
        "conninfo": place.server.conninfo("core"),
        "book": book,
        "base": base.isoformat(),
        "log": str(folder / f"{name}.answers"),
        "defects": str(folder / f"{name}.defects"),
        "large": large,
        "snapshot_rows": SNAPSHOT_ROWS,
    }
    return Harried(core, nest, order, Walk(book), Requests(book, base))


def harry(place: Embedded | Own, one: Harried, lot: random.Random, kills: int) -> Counter[str]:
    """Kill `kills` times, at moments drawn by lot, and look after each. Returns how often what was killed."""
    victims: Counter[str] = Counter()
    for _ in range(kills):
        one.live()
        if lot.random() < 0.8:
            one.gets_on()
        time.sleep(lot.uniform(0.0, 0.15))
        victim = lot.choices(VICTIMS, (5, 2, 2, 2))[0]
        victims[victim] += 1
        if "program" in victim:
            _kill(one.program)
        if victim in ("postgres", "program and postgres"):
            place.kill()
            _until(lambda: not _alive(place.first())) if isinstance(place, Own) else None
            place.bring_back()
        elif victim == "one process of postgres":
            _kill(lot.choice(_children(place.first())))
            answers(place.server)
        if "program" in victim:
            _until(lambda: not _alive(one.program))
        else:
            one.gets_on()
        one.check()
    return victims


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name, for sockets."""
    with tempfile.TemporaryDirectory(prefix="ringfence-crash-") as name:
        yield Path(name)


def embedded_place(folder: Path, stack: ExitStack) -> Embedded:
    place = Embedded(folder / "home", stack)
    prepare(place.server)
    return place


def own_place(folder: Path, stack: ExitStack) -> Own:
    place = Own(folder / "own", folder / "home", stack)
    answers(place.server)
    prepare(place.server)
    return place


PLACES = {"embedded": embedded_place, "own": own_place}


@pytest.mark.parametrize("where", PLACES)
def test_nothing_answered_is_lost_and_nothing_is_there_twice_whoever_is_killed(short, nest, monkeypatch, where):
    with ExitStack() as stack:
        place = PLACES[where](short, stack)
        assert setting(place, "fsync") == setting(place, "synchronous_commit") == "on"
        one = harried(place, nest, short, "harried", large=2)
        victims = harry(place, one, random.Random(20260302), KILLS)
        one.close(monkeypatch)
        assert victims.keys() == set(VICTIMS)
        assert one.walk.head > 500


def setting(place: Embedded | Own, name: str) -> str:
    with place.server.connect_as_administrator() as administrator:
        (found,) = administrator.execute("SELECT current_setting(%s)", [name]).fetchone()
    return found


# -- a connection that is cut, a disk that is full ---------------------------------------------------------------------


def test_connections_cut_in_the_middle_of_an_append_lose_nothing(database, nest, tmp_path, monkeypatch):
    """An administrator ends the program's connections at random moments: in turn while it copies, while it
    calls, and whatever it does.
    """
    place = Running(replace(database.server, database=database.name))
    one = harried(place, nest, tmp_path, "cut", large=30)
    one.live()
    lot = random.Random(7)
    named = {**place.server.parameters, **place.server.administrator, "dbname": database.name}
    with connect(conninfo_of(named, None), autocommit=True) as administrator:
        for number in range(24):
            time.sleep(lot.uniform(0.0, 0.05))
            until, doing = time.monotonic() + 20, DOING[number % 3]
            while not administrator.execute(CUT, {"doing": doing}).fetchall():
                assert time.monotonic() < until, (number, doing)
            if number % 8 == 7:
                one.gets_on()
                one.check()
    one.close(monkeypatch)
    assert one.found["database_is_lost"] > 3


DOING = ("%COPY%", "%ledger.append%", "%")  # what is cut, in turn; the last is anything
CUT = b"""
    SELECT query FROM (
        SELECT query, pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE usename = 'ringfence_core' AND datname = current_database() AND state = 'active' AND query LIKE %(doing)s
    ) ended
"""


def _may_mount() -> bool:
    """Whether this user may have a small disk of its own, in a namespace."""
    trial = ["unshare", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m none /tmp"]
    with suppress(FileNotFoundError):
        return subprocess.run(trial, capture_output=True, check=False).returncode == 0
    return False


@pytest.mark.skipif(not _may_mount(), reason="this machine gives no mount namespace, so no small disk")
@pytest.mark.parametrize("full", ["data", "data and log"])
def test_a_full_disk_refuses_by_name_loses_nothing_and_goes_on_with_room(short, nest, monkeypatch, full):
    """A disk of 200 MB in memory has a file on it that leaves 3 MB. The program writes until it is turned away. If only
    the data is on that disk, by the name `disk_is_full`; if the write-ahead log is too, PostgreSQL itself may
    give up, and is started again when there is room. Then the same requests go in.
    """
    with ExitStack() as stack:
        apart = (f"--waldir={short / 'log'}",) if full == "data" else ()
        initdb = ("--wal-segsize=1", *apart)
        sizes = {"min_wal_size": "2MB", "max_wal_size": "16MB", "restart_after_crash": "off"}
        place = Own(short / "own", short / "home", stack, disk_bytes=200 * 2**20, initdb=initdb, **sizes)
        answers(place.server)
        prepare(place.server)
        one = harried(place, nest, short, "full", large=30)
        one.live()
        one.gets_on()
        place.tell(f"fill {3 * 2**20}")
        _until(lambda: "refused" in one.record()[-1], 120)
        time.sleep(0.5)
        if full == "data":
            one.check(entries=False)  # while it is turned away, too, what was answered is there
            assert one.found.keys() & LOST == {"disk_is_full"}
        place.tell("empty")
        if not _alive(place.first()):
            assert full == "data and log"
            place.bring_back()
        one.gets_on()
        one.check()
        assert one.found["disk_is_full"] + one.found["database_is_lost"] > 0
        one.close(monkeypatch)


# -- for as long as there is time --------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("where", PLACES)
def test_a_thousand_kills(short, nest, monkeypatch, where):
    """RINGFENCE_SOAK_KILLS of them, half on each PostgreSQL; a new book after every fifty."""
    kills = int(os.environ.get("RINGFENCE_SOAK_KILLS", "1000")) // 2
    victims: Counter[str] = Counter()
    found: Counter[str] = Counter()
    rows, began = 0, time.monotonic()
    with ExitStack() as stack:
        place = PLACES[where](short, stack)
        for number in range(-(-kills // KILLS_OF_A_BOOK)):
            one = harried(place, nest, short, f"harried-{number}", large=2)
            victims += harry(place, one, random.Random(number), min(KILLS_OF_A_BOOK, kills - victims.total()))
            one.close(monkeypatch)
            rows += one.walk.head
            found += one.found
    sys.stdout.write(
        f"{where}: {kills} kills in {time.monotonic() - began:.0f} s, {rows} rows, {dict(victims)}, {dict(found)}\n"
    )
    assert victims.total() == kills
