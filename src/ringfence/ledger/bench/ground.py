"""Where a benchmark stands: a database of its own, what the machine is, how much room it has, and clocks.

The database is dropped at the end; what a kill leaves behind, the next run drops. Two runs on one server would measure
each other, so the second is refused.
"""

import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
import psycopg

from ringfence.database import migrate, roles
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.database.server import Server
from ringfence.ledger.bench.figures import Cost
from ringfence.ledger.journal import Journal
from ringfence.ledger.model import Result, batch
from ringfence.ledger.reading import open_book
from ringfence.ledger.standing import Guard, Monitor, Watched
from ringfence.refusal import Fault, refusal

DATABASE: Final = "ringfence_bench"
POOL: Final = "client"
BANK: Final = 1  # the account that everybody uses: the pooled account at the bank
FIRST_CUSTOMER: Final = 2
SETTINGS: Final = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
)

BENCH_IS_RUNNING = refusal(
    "bench_is_running",
    Fault.STATE,
    en="Another benchmark runs on this PostgreSQL; two would measure each other. Wait until it has ended.",
    zh="此 PostgreSQL 上已有基准测试在运行，同时运行会相互干扰。请等它结束。",
)
DISK_HAS_TOO_LITTLE_ROOM = refusal(
    "disk_has_too_little_room",
    Fault.MACHINE,
    en="This needs {needed} GB of disk, and {free} GB are free. Ask for fewer rows, or make room.",
    zh="此操作需要 {needed} GB 磁盘空间，现仅有 {free} GB 可用。请减少行数或腾出空间。",
)


class Queries(NamedQueries):
    """Of sql/bench.sql."""

    setting: Query
    lock: Query
    unlock: Query
    skip_triggers: Query
    open_accounts: Query
    take_customers_over: Query
    book_named: Query
    fund_customers: Query
    customers_accounts: Query
    make_raw: Query
    raw_copy: Query
    raw_head: Query
    make_singles: Query
    gap_free: Query
    gaps_allowed: Query
    sizes: Query
    written: Query
    head: Query
    leaf: Query
    analyze: Query
    checkpoint: Query


QUERIES: Final = load(Queries, "ringfence.ledger", "sql/bench.sql")


@dataclass(frozen=True)
class Ground:
    """A scratch database, and who hears what is measured next."""

    server: Server
    database: str
    advance: Callable[[str], None]

    def connect(self) -> Connection:
        connection = self.server.connect("core", self.database)
        connection.autocommit = True
        return connection

    def connect_as_administrator(self) -> Connection:
        named = {**self.server.parameters, **self.server.administrator, "dbname": self.database}
        return psycopg.connect(psycopg.conninfo.make_conninfo(**named), autocommit=True)


@contextmanager
def scratch(
    server: Server, advance: Callable[[str], None], room_bytes: int, database: str = DATABASE
) -> Iterator[Ground]:
    """A database of its own for the time of a measurement. `bench_is_running`, `disk_has_too_little_room`."""
    require_room(server, room_bytes)
    with server.connect_as_administrator() as administrator:
        if not one(administrator, QUERIES.lock, {"database": database}):
            raise BENCH_IS_RUNNING()
        try:
            _drop(administrator, database)
            roles.create_database(server, database)
            with server.connect("owner", database) as owner:
                migrate.build_destination(owner)
                owner.commit()
            yield Ground(server, database, advance)
        finally:
            _drop(administrator, database)
            administrator.execute(QUERIES.unlock, {"database": database})


def require_room(server: Server, room_bytes: int) -> None:
    """Room on the disk of the home, where the embedded server keeps its files; of other servers nothing is known."""
    free = shutil.disk_usage(server.home).free
    if embedded_here(server) and free < room_bytes:
        raise DISK_HAS_TOO_LITTLE_ROOM(needed=f"{room_bytes / 1e9:.1f}", free=f"{free / 1e9:.1f}")


def embedded_here(server: Server) -> bool:
    """Whether the server keeps its files in this home."""
    return str(server.parameters.get("host", "")).startswith("/") and (server.home / "postgres" / "cluster").is_dir()


def machine(server: Server) -> dict[str, str | int]:
    """What the figures were measured on. No name of a machine, and no path."""
    with server.connect_as_administrator() as connection:
        settings = {name: str(one(connection, QUERIES.setting, {"name": name})) for name in SETTINGS}
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "psycopg": psycopg.__version__,
        **settings,
    }


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


# -- clocks ----------------------------------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a PostgreSQL backend or server program of this machine; None where it cannot be read
    (another system than Linux, a server on another machine).
    """
    try:
        if "postgres" not in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8"):
            return None
        with suppress(OSError):  # nanoseconds, where the kernel counts them
            return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
    except OSError:
        return None
    return running_seconds([pid])


def running_seconds(pids: Sequence[int]) -> float | None:
    """User and system time of programs with all their threads, in ticks of some 10 ms; None if none can be read."""
    spent = []
    for pid in pids:
        with suppress(OSError):
            fields = _stat(pid)
            spent.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return sum(spent) if spent else None


def ended_children_seconds(pid: int) -> float | None:
    """User and system time of the backends that the server `pid` has had and that have ended."""
    try:
        fields = _stat(pid)
    except OSError:
        return None
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int | None:
    """The server program of a backend, if both are on this machine."""
    return None if cpu_seconds(pid) is None else int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """Fields 3 and following of /proc/PID/stat; the name before them may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def cost(rows: int, backend: int, call: Callable[[], object]) -> Cost:
    """What a call costs by the clock, of this thread's CPU and of one backend's."""
    before = cpu_seconds(backend)
    client, begun = time.thread_time(), time.perf_counter()
    call()
    seconds, client = time.perf_counter() - begun, time.thread_time() - client
    after = cpu_seconds(backend)
    return Cost(rows, seconds, client, None if before is None or after is None else after - before)


@contextmanager
def on_cores_of_their_own(backends: Sequence[int]) -> Iterator[None]:
    """This program on one core and the backends on another, where the machine has two and lets us say so. Else a sixth
    of the clock is decided by which core the system happens to wake a backend on, and stays so for minutes.
    """
    if sys.platform != "linux" or any(parent_of(each) is None for each in backends):
        yield
        return
    cores = os.sched_getaffinity(0)
    ours, theirs = ({min(cores)}, cores - {min(cores)})
    try:
        if theirs:
            for each in backends:
                with suppress(OSError):  # of somebody else
                    os.sched_setaffinity(each, theirs)
            os.sched_setaffinity(0, ours)
        yield
    finally:
        os.sched_setaffinity(0, cores)


def fdatasyncs(server: Server, count: int = 40) -> list[float]:
    """Seconds of each of `count` writes of 8 kB that are made durable, on the disk of the home, in a file that is
    there already, as PostgreSQL's log is.
    """
    page = os.urandom(8192)
    taken = []
    with tempfile.TemporaryFile(dir=server.home) as file:
        file.write(bytes(len(page) * count))
        file.flush()
        os.fsync(file.fileno())
        for number in range(count):
            begun = time.perf_counter()
            os.pwrite(file.fileno(), page, number * len(page))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return taken


def fdatasync_seconds(server: Server) -> float:
    """The median, for when one figure is enough."""
    return statistics.median(fdatasyncs(server))


def resident_bytes() -> int | None:
    """Memory of this program, or None where the system does not say."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


# -- books -----------------------------------------------------------------------------------------------------------


class Book:
    """A book to post to, its journal, and the backend that the journal appends through."""

    def __init__(self, ground: Ground, number: int, accounts: int) -> None:
        self.number = number
        self.accounts = accounts
        self._connections: list[Connection] = []
        self._ground = ground
        self.journal = Journal(self._connect, number)

    def _connect(self) -> Connection:
        self._connections.append(self._ground.connect())
        return self._connections[-1]

    @property
    def backend(self) -> int:
        first = next(each for each in self._connections if not each.closed)  # a snapshot's come later, and go
        return first.info.backend_pid


def make_book(ground: Ground, name: str, accounts: int, *, known: bool = False) -> Book:
    """A book of customers' accounts and one bank account, every one with limits, and its client pool guarded.

    The accounts are put into the journal by the administrator, since a million of them are not what is measured; the
    journal reads and checks them like any others. `known`: with what a notary wants to know of the customers first.
    """
    ground.advance(f"a book of {accounts:,} accounts")
    with ground.connect() as connection:
        book = open_book(connection, name, datetime.now(UTC)).book_id
    with ground.connect_as_administrator() as administrator, administrator.transaction():
        administrator.execute(QUERIES.skip_triggers)
        if known:
            administrator.execute(QUERIES.take_customers_over, {"book": book, "accounts": accounts})
        administrator.execute(QUERIES.open_accounts, {"book": book, "accounts": accounts})
    settle(ground)
    made = Book(ground, book, accounts)
    guard = Guard(POOL, (109, 110)).line(UUID(int=(2 << 100) + book), datetime.now(UTC).date())
    must_be_posted(made.journal.append(batch([[guard]]), datetime.now(UTC)).results)
    made.journal.close()  # it writes its snapshot now, and not while the clock runs
    settle(ground)
    made.journal.balances()
    return made


def settle(ground: Ground) -> None:
    """What a load of rows leaves for later is done now, before the clock starts."""
    with ground.connect_as_administrator() as administrator:
        administrator.execute(QUERIES.analyze)
        administrator.execute(QUERIES.checkpoint)


def set_monitors(book: Book) -> None:
    """Two monitors as a book has them: the pool is covered, and customers together have no more than a bound."""
    day = datetime.now(UTC).date()
    monitors = (
        Monitor("client money is short", Watched(currency="EUR", pool=POOL), "cover", 0, None),
        Monitor(
            "customers have too much",
            Watched(0, "customer", POOL, "EUR", "credit"),
            "balance",
            None,
            10**17,
        ),
    )
    lines = [[each.line(UUID(int=(3 << 100) + number), day)] for number, each in enumerate(monitors)]
    must_be_posted(book.journal.append(batch(lines), datetime.now(UTC)).results)


def must_be_posted(results: "np.ndarray[Any, np.dtype[np.int16]]") -> None:
    """A benchmark whose rows are refused measures nothing."""
    if results.any():
        raise RuntimeError(f"a row of the benchmark is refused: {Result(int(results[results != 0][0])).word}")


def one(connection: Connection, query: Query, parameters: dict[str, Any] | None = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def rows_of(
    connection: Connection, query: Query, parameters: dict[str, Any] | None = None
) -> Sequence[tuple[Any, ...]]:
    return connection.execute(query, parameters).fetchall()


def _drop(administrator: Connection, database: str) -> None:
    administrator.execute(
        psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(psycopg.sql.Identifier(database))
    )
