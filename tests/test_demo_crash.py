"""The demo's day, killed with SIGKILL at random moments and played again: nothing is lost, nothing is doubled."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ringfence.database.server import open_server
from ringfence.ledger import reading
from ringfence.ledger.journal import read_block
from ringfence.ledger.model import Kind

SAME = ("orders", "transfers", "requirement", "resource", "shortfall", "excess", "discrepancies", "payouts_held")
CUSTOMERS = 24
KILLS = int(os.environ.get("RINGFENCE_DEMO_KILLS", "4"))


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


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_day_killed_anywhere_ends_with_the_figures_of_an_undisturbed_day(tmp_path):
    """Kill the player with all its processes, the core, the gateway, the notary or PostgreSQL, at moments drawn by lot;
    play the day again each time. In the end the figures are the same, every row is there once, and a stranger says yes.
    """
    lot = random.Random(20260302)
    quiet, harried = tmp_path / "quiet", tmp_path / "harried"
    undisturbed = finished(demo(quiet, 18411), quiet)
    victims = []
    for _ in range(KILLS):
        running = demo(harried, 18412)
        time.sleep(lot.uniform(1.5, 8.0))
        victim = lot.choice(["everything", "serve", "gateway", "notary", "postgres"])
        victims.append(victim)
        if victim == "everything":
            os.killpg(running.pid, signal.SIGKILL)
            for numbers in processes_of(harried).values():
                for number in numbers:
                    kill(number)
            running.communicate(timeout=60)
            continue
        for number in processes_of(harried).get(victim, [])[:1]:
            kill(number)
        said, _ = running.communicate(timeout=240)  # it goes on with the process started again, or says why and ends
        assert b"Traceback" not in said, said.decode()
    after = finished(demo(harried, 18412), harried)
    assert {name: after[name] for name in SAME} == {name: undisturbed[name] for name in SAME}, victims
    assert after["verified"] is True
    with open_server(harried) as server, server.connect("core") as connection:
        book = reading.book_named(connection, "demo")
        block = read_block(connection, book.book_id, 0, book.head)  # refuses a gap
        identities = [each.tobytes() for each in block.batch.rows["id"]]
        assert len(set(identities)) == len(identities)
        balances = reading.balances(connection, book.book_id, fresh=True)
        assert sum(each.balance if each.side == "debit" else -each.balance for each in balances) == 0
        assert (block.batch.rows["kind"] == Kind.TRANSFER).sum() > CUSTOMERS


def kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def test_the_verifier_says_no_after_any_one_byte_of_the_demos_evidence_is_changed(tmp_path):
    """A sample of bytes over all files of the exported day; each flip is found, and the original is still valid."""
    home = tmp_path / "home"
    figures = finished(demo(home, 18413), home)
    folder = Path(str(figures["evidence"]))
    verifier = Path(__file__).parents[1] / "verifier" / "verify.py"

    def verdict() -> int:
        done = subprocess.run([sys.executable, str(verifier), str(folder), "--json"], capture_output=True, check=False)
        return done.returncode

    assert verdict() == 0
    lot = random.Random(5)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert any(re.search("receipts", str(path)) for path in files)
    for path in lot.sample(files, min(len(files), 12)):
        content = path.read_bytes()
        place = lot.randrange(len(content))
        path.chmod(0o600)
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << lot.randrange(8))]) + content[place + 1 :])
        assert verdict() == 1, (path, place)
        path.write_bytes(content)
    assert verdict() == 0
