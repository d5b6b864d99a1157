"""What is posted in a benchmark: batches of transfers in columns, by how they spread over the accounts."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from ringfence.ledger.bench.ground import BANK, FIRST_CUSTOMER
from ringfence.ledger.bench.ids import Ids
from ringfence.ledger.model import EPOCH_DAY, ROW, Batch, Kind, Rows

Accounts = npt.NDArray[np.int64]
Pick = Callable[[np.random.Generator, int, int], tuple[Accounts, Accounts]]


def uniform(random: np.random.Generator, accounts: int, rows: int) -> tuple[Accounts, Accounts]:
    """Any customer to any other."""
    debit = random.integers(FIRST_CUSTOMER, accounts + 1, rows)
    return debit, _another(random, accounts, debit)


def zipf(random: np.random.Generator, accounts: int, rows: int) -> tuple[Accounts, Accounts]:
    """A few customers pay most of the time: exponent 1.3."""
    debit = np.minimum(random.zipf(1.3, rows) + FIRST_CUSTOMER - 1, accounts)
    return debit, _another(random, accounts, debit)


def hot(random: np.random.Generator, accounts: int, rows: int) -> tuple[Accounts, Accounts]:
    """Every transfer on the pooled bank account."""
    return np.full(rows, BANK), random.integers(FIRST_CUSTOMER, accounts + 1, rows)


def _another(random: np.random.Generator, accounts: int, debit: Accounts) -> Accounts:
    customers = accounts - FIRST_CUSTOMER + 1
    away = random.integers(1, customers, len(debit))
    return (debit - FIRST_CUSTOMER + away) % customers + FIRST_CUSTOMER


class Supply:
    """Rows with new ids, ordered by time."""

    def __init__(self, accounts: int, seed: int = 7) -> None:
        self.accounts = accounts
        self._random = np.random.default_rng(seed)
        self._ids = Ids(seed)

    def transfers(self, pick: Pick, rows: int, kind: Kind = Kind.TRANSFER) -> Batch:
        made = np.zeros(rows, ROW)
        made["kind"], made["id"] = kind, self._ids.take(rows)
        made["debit_account"], made["credit_account"] = pick(self._random, self.accounts, rows)
        made["amount"] = self._random.integers(1, 10_000, rows)
        made["value_date"] = (datetime.now(UTC).date() - EPOCH_DAY).days
        return Batch(made)

    def posts(self, held: Rows) -> Batch:
        """The posts of pending transfers, each whole."""
        made = held.copy()
        made["kind"], made["refers_to"], made["id"] = Kind.POST, held["id"], self._ids.take(len(held))
        return Batch(made)
