"""What the tree of a closed day costs: leaves and root of many customers, one core, without database and vault."""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from ringfence.ledger.bench.figures import Row
from ringfence.liabilities.tree import Gathering, Leaf, Mode, identity, nonce

TABLE: Final = "liabilities"
CUSTOMERS: Final = 100_000
SECONDS_MAX: Final = 10.0


def rows(advance: Callable[[str], None], customers: int = CUSTOMERS) -> list[Row]:
    """A tree in each mode; beside it, in `more`, what the same number of hashes alone takes."""
    found = []
    for mode in Mode:
        advance(f"liabilities of {customers:,} customers, mode {mode}")
        begun = time.perf_counter()
        gathered = Gathering()
        for number in range(customers):
            whose = identity("bench", f"customer:c{number}")
            drawn = nonce(number.to_bytes(32), whose, "2026-03-02", "EUR")
            gathered.add(Leaf(whose, number, drawn))
        grown, _ = gathered.grown(mode)
        seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        for _ in range(5 * customers):  # id, nonce (two), leaf, node
            sha256(grown.root).digest()
        hashed = time.perf_counter() - begun
        said = f"the tree of {customers:,} customers, mode {mode}"
        found.append(
            Row(TABLE, said, seconds, "s", goal=SECONDS_MAX, bound="at_most", more={"hashing_alone_s": hashed})
        )
    return found
