"""Posting through `ringfence serve`: one transfer a request, and 8,000 packed rows a request.

An installation of its own, in a folder of the home, with a book, people, a custodian account and customers, made by the
verbs and endpoints that everybody uses. Only the customers' money is put in by the administrator, because it would come
by bank files. Server and load are programs of their own (`bench.load`); with the database they share the cores.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg import conninfo as _conninfo

from ringfence.database.server import Server, open_server
from ringfence.ledger.bench.figures import RATE, Row, percentile
from ringfence.ledger.bench.ground import QUERIES, embedded_here, one, require_room, rows_of, running_seconds

FOLDER: Final = "bench-http"
BOOK: Final = "bench"
CONNECTIONS: Final = 64
BULK_ROWS: Final = 8_000
BULK_CONNECTIONS: Final = 4
GOAL_BULK: Final = 100_000
TABLE: Final = "http"
BYTES_A_SECOND: Final = 200_000 * 1_000  # on the disk at most, with entries and log
_PR_SET_PDEATHSIG: Final = 1
_PEOPLE: Final = {
    "grace": "treasurer",
    "alan": "approver",
    "edsger": "approver",
    "barbara": "risk_officer",
    "radia": "security_admin",
    "ken": "system_admin",
    "donald": "auditor",
}


def rows(server: Server, advance: Callable[[str], None], customers: int, seconds: float) -> list[Row]:
    """Both ways of posting, `seconds` each. What a killed run left is removed first."""
    require_room(server, int(2 * seconds * BYTES_A_SECOND))
    if not embedded_here(server):
        note = "measured only with the PostgreSQL that comes along"
        return [Row(TABLE, said, None, RATE, note=note) for said in (_SINGLE, _BULK)]
    home = server.home / FOLDER
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    try:
        return _measured(home, advance, customers, seconds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


_SINGLE: Final = f"one transfer a request, {CONNECTIONS} connections"
_BULK: Final = f"{BULK_ROWS:,} packed rows a request, {BULK_CONNECTIONS} connections"


def _measured(home: Path, advance: Callable[[str], None], customers: int, seconds: float) -> list[Row]:
    advance(f"an installation with {customers:,} customers")
    names = [f"c{number}" for number in range(customers)]
    accounts = [f"customer:{name}:available" for name in names]
    with open_server(home) as own:
        token = _found(home)
        with _serving(home) as serving:
            payees = [_iban(number) for number in range(customers)]
            asked = {"work": "register", "names": names, "payees": payees, "bank": "bank:alpha:client"}
            _load(serving, token, {"connections": 8, "seconds": 3600, **asked})
            _await_wallets(own, customers)
        numbers = _fund(own)
        with _serving(home) as serving:
            advance(_SINGLE)
            single = {"work": "single", "connections": CONNECTIONS, "names": accounts}
            bulk = {"work": "bulk", "connections": BULK_CONNECTIONS, "numbers": numbers, "rows": BULK_ROWS}
            _load(serving, token, {**single, "seconds": 0.5})  # the accounts are known after this
            first = _spent(own, serving, lambda: _load(serving, token, {**single, "seconds": seconds}))
            advance(_BULK)
            _load(serving, token, {**bulk, "seconds": 0.5})
            second = _spent(own, serving, lambda: _load(serving, token, {**bulk, "seconds": seconds}))
    return [_row(_SINGLE, first, 1, None), _row(_BULK, second, BULK_ROWS, GOAL_BULK)]


@dataclass(frozen=True)
class _Serving:
    address: str
    pid: int


@dataclass(frozen=True)
class _Spent:
    """What a load says, and what server and database took meanwhile (seconds of CPU; None: not readable)."""

    said: dict[str, Any]
    server: float | None
    backend: float | None


def _row(said: str, spent: _Spent, rows_each: int, goal: float | None) -> Row:
    count = spent.said["answered"] * rows_each
    more = {
        "p50_ms": percentile(spent.said["latencies"], 0.5) * 1000,
        "p99_ms": percentile(spent.said["latencies"], 0.99) * 1000,
        "client_us": spent.said["cpu"] / count * 1e6,
        "server_us": None if spent.server is None else spent.server / count * 1e6,
        "backend_us": None if spent.backend is None else spent.backend / count * 1e6,
    }
    return Row(TABLE, said, count / spent.said["seconds"], RATE, goal=goal, more=more)


def _spent(own: Server, serving: _Serving, load: Callable[[], dict[str, Any]]) -> _Spent:
    with own.connect_as_administrator() as connection:
        backends = connection.info.backend_pid
        before = running_seconds([serving.pid]), running_seconds(_database(backends))
        said = load()
        after = running_seconds([serving.pid]), running_seconds(_database(backends))
    server, backend = (
        None if then is None or now is None else now - then for then, now in zip(before, after, strict=True)
    )
    return _Spent(said, server, backend)


def _database(backend: int) -> Sequence[int]:
    """The server program of a backend and all its children, if they are on this machine."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    server = parents.get(backend)
    return [] if server is None else [server, *(pid for pid, parent in parents.items() if parent == server)]


# -- an installation ---------------------------------------------------------------------------------------------------


def environment_of(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    return {**kept, "RINGFENCE_HOME": str(home), "RINGFENCE_LANGUAGE": "en"}


def run_verb(home: Path, *words: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ringfence", *words, "--json"],
        env={**environment_of(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"ringfence {words[0]} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _found(home: Path) -> str:
    """Tables, a book with its people and its custodian account, and the token of a program that may post."""
    people = home / "people.toml"
    people.write_text(
        "".join(
            f'[[people]]\nlogin = "{login}"\nname = "{login.title()}"\nroles = ["{role}"]\n'
            for login, role in _PEOPLE.items()
        ),
        encoding="utf-8",
    )
    run_verb(home, "migrate")
    founded = run_verb(home, "book", "found", BOOK, "--people", str(people), "--generate")
    passwords = {each["login"]: each["password"] for each in founded["people"]}
    holder = ("--iban", _iban(0), "--holder", "Bench", "--bank-code", "ALPHALT2")
    run_verb(home, "book", "account", BOOK, "alpha", "client", *holder)
    scopes = [word for scope in ("journal:post", "customers:write") for word in ("--scope", scope)]
    made = run_verb(
        home, "book", "client", BOOK, "load", "--as", "radia", *scopes, RINGFENCE_PASSWORD=passwords["radia"]
    )
    token: str = made["token"]
    return token


def _await_wallets(own: Server, customers: int) -> None:
    """The core's rounds verify the customers, and open a wallet for each."""
    named = {**own.parameters, **own.administrator, "dbname": own.database}
    import psycopg

    with psycopg.connect(_conninfo.make_conninfo(**named), autocommit=True) as connection:
        book = one(connection, QUERIES.book_named, {"name": BOOK})
        while len(rows_of(connection, QUERIES.customers_accounts, {"book": book})) < customers:
            time.sleep(0.2)


def _fund(own: Server) -> list[int]:
    """Money for every customer, past the journal's guard; the numbers of their accounts."""
    named = {**own.parameters, **own.administrator, "dbname": own.database}
    import psycopg

    with psycopg.connect(_conninfo.make_conninfo(**named)) as connection:
        book = one(connection, QUERIES.book_named, {"name": BOOK})
        connection.execute(QUERIES.skip_triggers)
        connection.execute(QUERIES.fund_customers, {"book": book})
        return [number for (number,) in rows_of(connection, QUERIES.customers_accounts, {"book": book})]


def _iban(number: int) -> str:
    """A Lithuanian IBAN whose check digits hold (ISO 13616)."""
    account = f"{60100 * 10**11 + number:016d}"
    check = 98 - int(f"{account}212900") % 97  # L is 21, T is 29
    return f"LT{check:02d}{account}"


@contextmanager
def _serving(home: Path) -> Iterator[_Serving]:
    """A core that answers, until the block ends, or this program does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (home / "serve.log").open("ab") as log:
        serving = subprocess.Popen(
            [sys.executable, "-m", "ringfence", "serve", "--book", BOOK, "--port", str(port)],
            env=environment_of(home),
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing but one system call
        )
    try:
        _wait(serving, f"http://127.0.0.1:{port}/healthz", home)
        yield _Serving(f"127.0.0.1:{port}", serving.pid)
    finally:
        serving.terminate()
        with suppress(subprocess.TimeoutExpired):
            serving.wait(30)
        serving.kill()
        serving.wait()


def die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _wait(serving: "subprocess.Popen[bytes]", address: str, home: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and serving.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):  # noqa: S310 - this machine's
            return
        time.sleep(0.1)
    raise RuntimeError(f"serve does not answer: {(home / 'serve.log').read_text(encoding='utf-8')[-2000:]}")


def _load(serving: _Serving, token: str, order: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ringfence.ledger.bench.load"],
        input=json.dumps({"address": serving.address, "token": token, **order}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    if said["refused"]:
        raise RuntimeError(f"a request of the benchmark is refused: {said['refused']}")
    return said
