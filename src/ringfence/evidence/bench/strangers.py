"""What a stranger waits: `verifier/verify.py` on an export, beside hashlib over the same files.

The book is transfers between accounts with limits, as in the other tables; its log is written without a database, and
`ringfence.evidence.export` makes the folder. The verifier is run as a stranger runs it: a program of its own that
imports nothing of ours. Its figure is of one core, and of everything that it checks.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from ringfence.evidence.checkpoint import Checkpoint, sign_checkpoint
from ringfence.evidence.export import export
from ringfence.evidence.note import Signer
from ringfence.evidence.tiles import EMPTY_EDGE, grow, keep_checkpoint, make_log_folder, publish_checkpoint, write_files
from ringfence.ledger.bench import loads
from ringfence.ledger.bench.figures import Row
from ringfence.ledger.codes import EventName
from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import Account, Kind, Line, batch, microseconds

FOLDER: Final = "bench-export"
ACCOUNTS: Final = 1_000
BLOCK_ROWS: Final = 50_000
GOAL_ROWS: Final = 10_000  # a second: a million rows in under two minutes
TABLE: Final = "the stranger"
_BOOK: Final = 1
_VERIFIER: Final = Path(__file__).parents[4] / "verifier" / "verify.py"


def rows(home: Path, advance: Callable[[str], None], count: int) -> list[Row]:
    """An export of so many rows, verified in a folder of the home, which is removed again."""
    said = f"an export of {count:,} rows, verified"
    if not _VERIFIER.exists():
        return [Row(TABLE, said, None, "rows/s", note="the verifier does not lie beside this program")]
    folder = home / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    try:
        advance(f"a log of {count:,} rows to export")
        signer = _log(folder / "log", count)
        begun = time.perf_counter()
        export(folder / "export", folder / "log", signer.verifier)
        written = time.perf_counter() - begun
        advance("a stranger verifies")
        seconds, peak = _verified(folder / "export")
        begun = time.perf_counter()
        length = sum(_hashed(file) for file in _files(folder / "export"))
        alone = time.perf_counter() - begun
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    reference = f"hashlib over the same {length / 1e6:,.0f} MB"
    more = {"took_s": seconds, "export_s": written, "peak_mb": None if peak is None else peak / 1e6}
    return [Row(TABLE, said, count / seconds, "rows/s", goal=GOAL_ROWS, more=more),
            Row(TABLE, f"{said}, beside hashing it", count / seconds, "rows/s", reference, count / alone)]  # fmt: skip


def _log(folder: Path, count: int) -> Signer:
    """Accounts, then transfers between them; one checkpoint a block."""
    make_log_folder(folder)
    signer = Signer.from_seed("bench.example/bench", bytes(range(32)))
    at = microseconds(datetime(2026, 1, 5, tzinfo=UTC))
    supply, edge = loads.Supply(ACCOUNTS), EMPTY_EDGE
    while edge.size < count:
        given = supply.transfers(loads.uniform, min(BLOCK_ROWS, count - edge.size)) if edge.size else batch(_opened())
        posted_at = np.full(len(given), at, np.int64)
        edge, files = grow(edge, list(leaves(_BOOK, edge.size, posted_at, given)))
        write_files(folder, files)
        note = sign_checkpoint(Checkpoint(signer.name, edge.size, edge.root), [signer])
        keep_checkpoint(folder, edge.size, note)
        publish_checkpoint(folder, note)
    return signer


def _opened() -> list[list[Line]]:
    day = date(2026, 1, 5)
    limit = 10**15
    made = []
    for number in range(1, ACCOUNTS + 1):
        side, owner = ("debit", "bank:main") if number == 1 else ("credit", f"customer:{number}")
        name = "bank:main:1" if number == 1 else f"customer:{number}:available"
        account = Account(number, name, "EUR", side, -limit, limit, owner, "client")
        identity = UUID(int=(1 << 100) + number)
        if number > 1:  # whom the stranger knows to be verified
            known = {"accounts": ["available"], "customer": owner, "event": "customer_registered"}
            known |= {"review_due": "2100-01-01", "tier": "taken_over"}
            told = Line(Kind.EVENT, UUID(int=(2 << 100) + number), order_id=UUID(int=1 << 101))
            made.append([replace(told, code=EventName.CUSTOMER_REGISTERED, value_date=day, payload=known)])
        made.append(
            [Line(Kind.ACCOUNT_OPENED, identity, debit_account=number, value_date=day, payload=account.payload())]
        )
    return made


def _verified(folder: Path) -> tuple[float, int | None]:
    """Seconds of the verifier, and the most memory that it had (Linux); an export that is not valid is a defect."""
    begun = time.perf_counter()
    program = subprocess.Popen([sys.executable, str(_VERIFIER), str(folder), "--json"], stdout=subprocess.PIPE)
    said = b""
    if program.stdout:
        with program.stdout as stdout:
            said = stdout.read()
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise RuntimeError(f"the verifier says no: {said.decode('utf-8', 'replace')[-2000:]}")
    return time.perf_counter() - begun, used.ru_maxrss * 1024 if sys.platform == "linux" else None


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _hashed(file: Path) -> int:
    content = file.read_bytes()
    hashlib.sha256(content)
    return len(content)
