"""The verifier's own modules, imported as the verifier imports them, and the rows of a book as it reads them."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from ringfence.ledger.encoding import leaves
from ringfence.ledger.storage import Block, head_of, read_block

VERIFIER = str(Path(__file__).parents[1] / "verifier")


def imported(name: str) -> Any:
    """A module of the verifier; it shares no code with the program."""
    sys.path.insert(0, VERIFIER)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(VERIFIER)


BOOK = imported("book")


def seen(book: int, block: Block) -> list[tuple[Any, dict[str, Any]]]:
    """The rows of a block as the verifier reads them from their leaves, and what they say."""
    found = []
    for sequence, leaf in enumerate(leaves(book, block.first, block.posted_at, block.batch), block.first):
        row, payload = BOOK.decode(leaf, sequence)
        found.append((row, json.loads(payload or b"{}")))
    return found


def rows_of(connection: Any, book: int = 1) -> list[tuple[Any, dict[str, Any]]]:
    """All rows of a book."""
    return seen(book, read_block(connection, book, 0, head_of(connection, book)))
