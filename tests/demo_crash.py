"""Playing the demo's day and killing what plays it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ringfence.database.server import open_server
from ringfence.ledger import reading
from ringfence.ledger.model import Kind
from ringfence.ledger.storage import read_block

SAME = (
    "orders",
    "transfers",
    "requirement",
    "resource",
    "shortfall",
    "excess",
    "discrepancies",
    "payouts_held",
    "approvals_signed",
    "customers_verified",
    "customers_restricted",
)
CUSTOMERS = 24


def demo(home: Path, port: int) -> subprocess.Popen[bytes]:
    arguments = [
        "--headless",
        "--home",
        str(home),
        "--json",
        str(home.parent / f"{home.name}.json"),
        "--day",
        "2026-03-02",
    ]
    arguments += ["--customers", str(CUSTOMERS), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "ringfence", "demo", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finished(running: subprocess.Popen[bytes], home: Path) -> dict[str, object]:
    said, _ = running.communicate(timeout=240)
    assert running.returncode == 0, said.decode()
    return json.loads((home.parent / f"{home.name}.json").read_text())


def processes_of(home: Path) -> dict[str, list[int]]:
    """Process numbers by what they are: core, gateway, notary, postgres."""
    found: dict[str, list[int]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if str(home) not in " ".join(words):
                where = (process / "cwd").resolve()
                if home not in where.parents or not words[0].startswith("postgres"):
                    continue
        except OSError:
            continue
        name = next(
            (each for each in ("serve", "gateway", "notary", "supervisor") if each in " ".join(words)), "postgres"
        )
        found.setdefault(name, []).append(int(process.name))
    return found


def kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def harry(home: Path, port: int, lot: random.Random, kills: int) -> tuple[dict[str, object], list[str]]:
    """Play a day and kill something `kills` times, at moments drawn by lot; then let it end. Figures and victims."""
    victims = []
    for _ in range(kills):
        running = demo(home, port)
        time.sleep(lot.uniform(1.5, 8.0))
        victim = lot.choice(["everything", "serve", "gateway", "notary", "postgres"])
        victims.append(victim)
        if victim == "everything":
            os.killpg(running.pid, signal.SIGKILL)
            for numbers in processes_of(home).values():
                for number in numbers:
                    kill(number)
            running.communicate(timeout=60)
            continue
        for number in processes_of(home).get(victim, [])[:1]:
            kill(number)
        said, _ = running.communicate(timeout=240)  # it goes on with the process started again, or says why and ends
        assert b"Traceback" not in said, said.decode()
        assert b"program_has_a_defect" not in said, said.decode()
    return finished(demo(home, port), home), victims


def whole(home: Path) -> None:
    """Nothing is lost and nothing doubled: no gap, ids distinct, debits equal credits."""
    with open_server(home) as server, server.connect("core") as connection:
        book = reading.book_named(connection, "demo")
        block = read_block(connection, book.book_id, 0, book.head)  # refuses a gap
        identities = [each.tobytes() for each in block.batch.rows["id"]]
        assert len(set(identities)) == len(identities)
        balances = reading.balances(connection, book.book_id, fresh=True)
        assert sum(each.balance if each.side == "debit" else -each.balance for each in balances) == 0
        assert (block.batch.rows["kind"] == Kind.TRANSFER).sum() > CUSTOMERS
