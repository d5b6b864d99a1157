"""`ringfence bench evidence`: what the log costs those who post, and what a stranger pays who checks it.

posting with the log   the notary at work beside the writer, and stopped, in turn: what does posting keep?
the log                entries in a row: tree, tiles and files, proofs and their checks, memory; is the ten-millionth
                       entry as cheap as the ten-thousandth? Beside it hashlib over the same bytes
the stranger           `verifier/verify.py` on an export of a large book, beside hashlib over the same files

The verb adds what a tree of liabilities costs (`ringfence.liabilities.bench`), a package that this one does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ringfence.database.server import Server
from ringfence.evidence.bench import beside, growing, strangers
from ringfence.ledger.bench.figures import Row

__all__ = ["FULL", "QUICK", "Size", "evidence"]


@dataclass(frozen=True)
class Size:
    """How much is measured: rounds with the notary and without, their seconds, accounts of the book, seconds at a
    steady pace, the sizes of the log at which a further entry is priced, and the rows of the export.
    """

    rounds: int
    seconds: float
    accounts: int
    steady_seconds: float
    marks: tuple[int, ...]
    exported: int


QUICK: Final = Size(5, 1.0, 10_000, 5.0, (10_000, 100_000, 1_000_000), 100_000)
FULL: Final = Size(9, 1.0, 10_000, 10.0, (10_000, 100_000, 1_000_000, 10_000_000), 1_000_000)


def evidence(server: Server, size: Size, advance: Callable[[str], None]) -> list[Row]:
    """Every row of the benchmark; `advance` hears what is measured next."""
    return [
        *beside.rows(server, advance, size.accounts, size.rounds, size.seconds, size.steady_seconds),
        *growing.rows(server.home, advance, size.marks),
        *strangers.rows(server.home, advance, size.exported),
    ]
