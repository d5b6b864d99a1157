"""`ringfence bench journal`: the journal beside its references, measured in the same run.

Rates are medians over interleaved rounds (ours, reference, ours, ...), because machines drift; CPU is read beside the
clock, because neighbours take the one and not the other. Everything is durable: fsync and synchronous_commit as the
server has them, and their state is printed.

  batches           `Journal.append` of 8,000 rows with all rules, beside a raw binary COPY of the same rows into a
                    table of the same columns and indexes: the table's limit
  single requests   `Writer.ask` from 64 clients, beside one SQL transaction a transfer: what most ledgers do
  over HTTP         the same through `ringfence serve`, one transfer or 8,000 packed rows a request
  growth            many transfers in a row: is the last million as fast as the first, and how large does it get?
  reading           opening a large book, a balance of the past, a statement while others post, how far entries lag
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ringfence.database.server import Server
from ringfence.ledger.bench import batches, growth, over_http, reading, singles
from ringfence.ledger.bench.figures import Row
from ringfence.ledger.bench.ground import DATABASE, machine, make_book, require_room, scratch

__all__ = ["FULL", "QUICK", "Row", "Size", "journal", "machine"]

BYTES_A_TRANSFER: Final = 1_000  # on the disk at most, with entries, indexes and the log that is kept
BYTES_A_ROW: Final = 300  # the same without entries, where rows are many


@dataclass(frozen=True)
class Size:
    """How much is measured: rounds of each, turns of single requests with their seconds and the
    connections of their references, accounts, transfers in a row, questions, customers behind HTTP, and
    transfers in a row once more, for what a hundred times as many cost (0: not measured; no entries are made of these).
    """

    rounds: int
    accounts: tuple[int, ...]
    turns: int
    seconds: float
    connections: tuple[int, ...]
    singles_accounts: int
    growth_accounts: int
    growth: int
    questions: int
    customers: int
    far: int = 0


QUICK: Final = Size(15, (10_000, 1_000_000), 3, 1.0, (1, 8, 64), 10_000, 10_000, 400_000, 200, 200)
FULL: Final = Size(
    61, (10_000, 1_000_000), 7, 3.0, (1, 8, 64), 10_000, 1_000_000, 10_000_000, 2_000, 2_000, 100_000_000
)


def journal(server: Server, size: Size, advance: Callable[[str], None], database: str = DATABASE) -> list[Row]:
    """Every row of the benchmark; `advance` hears what is measured next."""
    require_room(server, max(size.growth * BYTES_A_TRANSFER, size.far * BYTES_A_ROW))
    rows = []
    for accounts in size.accounts:
        room = (accounts + 20 * size.rounds * batches.BATCH_ROWS) * BYTES_A_TRANSFER
        with scratch(server, advance, room, database) as ground:
            rows += batches.rows(ground, accounts, size.rounds)
    room = int(size.turns * size.seconds * 200_000) * BYTES_A_TRANSFER
    with scratch(server, advance, room, database) as ground:
        rows += singles.rows(ground, size.singles_accounts, size.turns, size.seconds, size.connections)
    rows += over_http.rows(server, advance, size.customers, 3 * size.seconds)
    room = (size.growth_accounts + size.growth) * BYTES_A_TRANSFER
    with scratch(server, advance, room, database) as ground:
        book = make_book(ground, "growth", size.growth_accounts)
        rows += growth.rows(ground, book, size.growth)
        rows.append(growth.open_again(ground, book))
        rows += reading.rows(ground, book, size.questions, 2 * size.seconds)
    if size.far:
        with scratch(server, advance, size.far * BYTES_A_ROW, database) as ground:
            book = make_book(ground, "far", size.growth_accounts)
            rows += growth.rows(ground, book, size.far)
            rows.append(growth.open_again(ground, book))
            book.journal.close()
    return rows
