"""Single requests from 64 clients beside one SQL transaction a transfer, with row locks.

Ours is the writer in this program, asked from one asyncio loop. The references are driven by pgbench, a C program, with
prepared statements over 1, 8 and 64 connections, so that no client of theirs waits for Python; each has one function
call a transfer, locks in order, narrow tables and an id that is unique. One numbers its transfers without a gap, the
other takes numbers from a sequence. All take turns, and each disk write is timed in between.
"""

import asyncio
import gc
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from psycopg import conninfo as _conninfo
from psycopg import sql

from ringfence.database import embedded
from ringfence.ledger.bench import loads
from ringfence.ledger.bench.figures import RATE, Row, percentile
from ringfence.ledger.bench.ground import (
    FIRST_CUSTOMER,
    QUERIES,
    Book,
    Ground,
    cpu_seconds,
    embedded_here,
    ended_children_seconds,
    fdatasyncs,
    make_book,
    parent_of,
    set_monitors,
)
from ringfence.ledger.model import ROW, Result
from ringfence.ledger.writer import Writer

CLIENTS: Final = 64
GOAL_GAP_FREE: Final = 10.0
GOAL_GAPS: Final = 3.0
GOAL_P99: Final = 40.0  # fdatasyncs of the same disk
TABLE: Final = "single requests"
_LOADS: Final[tuple[tuple[str, loads.Pick, str], ...]] = (
    ("uniform", loads.uniform, f"random({FIRST_CUSTOMER}, {{accounts}})"),
    ("one hot account", loads.hot, "1"),
)
_NO_GAPS, _GAPS = "one SQL transaction each, gap-free", "one SQL transaction each, gaps allowed"
_REFERENCES: Final = ((_NO_GAPS, QUERIES.gap_free, GOAL_GAP_FREE), (_GAPS, QUERIES.gaps_allowed, GOAL_GAPS))
_TPS: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def rows(ground: Ground, accounts: int, rounds: int, seconds: float, of_reference: tuple[int, ...]) -> list[Row]:
    """Ours and both references, uniform and hot, in turn for `seconds` each; references over so many connections."""
    book = make_book(ground, "singles", accounts)
    set_monitors(book)
    _make_references(ground, accounts)
    writer = Writer(book.journal, lambda: datetime.now(UTC))
    supply = loads.Supply(accounts)
    ours: dict[str, list[Course]] = {}
    theirs: dict[tuple[str, str, int], list[_Rate]] = {}
    syncs: list[float] = []
    try:
        for number in range(rounds):
            ground.advance(f"single requests: round {number + 1} of {rounds}")
            for name, pick, debit in _LOADS:
                syncs += fdatasyncs(ground.server)
                ours.setdefault(name, []).append(ask(writer, book, supply, pick, seconds))
                for reference, script, _ in _REFERENCES:
                    text = script.decode().format(debit=debit.format(accounts=accounts), accounts=accounts)
                    for connections in of_reference:
                        rate = _pgbench(ground, text, connections, seconds, book.backend)
                        theirs.setdefault((name, reference, connections), []).append(rate)
    finally:
        writer.close()
    return [row for name, _, _ in _LOADS for row in _rows_of(ground, name, ours[name], theirs, syncs)]


def _rows_of(
    ground: Ground,
    name: str,
    courses: "list[Course]",
    theirs: "dict[tuple[str, str, int], list[_Rate]]",
    syncs: list[float],
) -> list[Row]:
    rate = statistics.median(course.rate for course in courses)
    p50, p99 = (statistics.median(percentile(course.latencies, share) for course in courses) for share in (0.5, 0.99))
    own = {
        "p50_ms": p50 * 1000,
        "p99_ms": p99 * 1000,
        "client_us": _median([course.client_us for course in courses]),
        "backend_us": _median([course.backend_us for course in courses]),
    }
    found = []
    for reference, _, goal in _REFERENCES:
        rates = {
            connections: statistics.median(each.rate for each in turns)
            for (load, asked, connections), turns in theirs.items()
            if (load, asked) == (name, reference)
        }
        best = max(rates, key=lambda each: rates[each])
        more = {
            **own,
            **{f"reference_{each}_connections": value for each, value in rates.items()},
            "reference_backend_us": _median([one.backend_us for one in theirs[name, reference, best]]),
        }
        said = f"{reference}, best of {', '.join(map(str, rates))} connections"
        found.append(Row(TABLE, f"{CLIENTS} clients, {name}", rate, RATE, said, rates[best], goal, more=more))
    sync = statistics.median(syncs) * 1000
    note = "" if embedded_here(ground.server) else "timed on the disk of the home, which may not be the server's"
    found.append(
        Row(
            TABLE,
            f"{CLIENTS} clients, {name}, p99",
            p99 * 1000,
            "ms",
            "one fdatasync",
            sync,
            GOAL_P99,
            "at_most",
            {"p50_ms": p50 * 1000},
            note,
        )
    )
    return found


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if len(known) == len(values) else None


# -- ours ------------------------------------------------------------------------------------------------------------


class Course:
    """One time of asking: how many answers in how many seconds, and how long each took."""

    def __init__(self, seconds: float, latencies: list[float], client: float, backend: float | None) -> None:
        self.rate = len(latencies) / seconds
        self.latencies = sorted(latencies)
        self.client_us = client / len(latencies) * 1e6
        self.backend_us = None if backend is None else backend / len(latencies) * 1e6


def ask(writer: Writer, book: Book, supply: loads.Supply, pick: loads.Pick, seconds: float) -> Course:
    records = supply.transfers(pick, int(100_000 * seconds) + 1_000).rows.tobytes()
    gc.collect()
    gc.freeze()  # what is here stays here: the collector need not look at it while requests are timed
    before = cpu_seconds(book.backend)
    client, begun = time.process_time(), time.perf_counter()
    latencies = asyncio.run(_clients(writer, records, begun + seconds))
    taken, client = time.perf_counter() - begun, time.process_time() - client
    after = cpu_seconds(book.backend)
    gc.unfreeze()
    return Course(taken, latencies, client, None if before is None or after is None else after - before)


async def _clients(writer: Writer, records: bytes, until: float) -> list[float]:
    """Each client asks, waits for the answer, and asks again; a client's request is 92 bytes that are there already."""
    latencies: list[float] = []
    following = iter(range(0, len(records), ROW.itemsize))

    async def client() -> None:
        for start in following:
            begun = time.perf_counter()
            answer = await writer.ask(records[start : start + ROW.itemsize])
            ended = time.perf_counter()
            latencies.append(ended - begun)
            if answer.result != Result.POSTED:
                raise RuntimeError(f"a request of the benchmark is refused: {answer.result.word}")
            if ended > until:
                return

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return latencies


# -- references --------------------------------------------------------------------------------------------------------


class _Rate:
    """What pgbench says, and what the backends took that it had."""

    def __init__(self, rate: float, backend_us: float | None) -> None:
        self.rate = rate
        self.backend_us = backend_us


def _make_references(ground: Ground, accounts: int) -> None:
    with ground.server.connect("owner", ground.database) as owner:
        new_id = "uuidv7" if owner.info.server_version >= 18_00_00 else "gen_random_uuid"
        text = sql.SQL(QUERIES.make_singles.decode())
        owner.execute(text.format(accounts=sql.Literal(accounts), new_id=sql.Identifier(new_id)))
        owner.commit()


def _pgbench(ground: Ground, script: str, connections: int, seconds: float, backend: int) -> _Rate:
    """Transfers a second of so many connections. CPU is that of the server's children that ended meanwhile."""
    found: dict[str, Any] = _conninfo.conninfo_to_dict(ground.server.conninfo("core", ground.database))
    password = str(found.pop("password", ""))
    server = parent_of(backend)
    before = None if server is None else ended_children_seconds(server)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.sql"
        file.write_text(script, encoding="utf-8")
        done = subprocess.run(
            [
                embedded.programs() / "pgbench",
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={connections}",
                f"--jobs={min(connections, 2)}",
                f"--time={max(1, round(seconds))}",
                f"--file={file}",
                _conninfo.make_conninfo(**found),
            ],
            env={**os.environ, "PGPASSWORD": password},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr.strip()[-2000:]}")
    said = _TPS.search(done.stdout)
    rate = float(said[1]) if said else 0.0  # it says none if no transaction ended in time
    after = None if server is None else _settled(lambda: ended_children_seconds(server))
    spent = None if before is None or after is None else after - before
    count = rate * max(1, round(seconds))
    return _Rate(rate, None if spent is None or not count else spent / count * 1e6)


def _settled(read: Callable[[], float | None]) -> float | None:
    """Read again until it no longer grows: the server buries its children a moment after their clients have gone."""
    last = read()
    while True:
        time.sleep(0.05)
        found = read()
        if found == last:
            return found
        last = found
