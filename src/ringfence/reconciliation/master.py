"""The master equals its parts: what lies in the custodian accounts is what is owed (主账户 = 子账户之和).

Per currency, over the accounts of the pool `client`: the sum of the debit balances (our cashbooks) is the sum of the
credit balances (customers, unallocated receipts, fees due). The platform may have paid its own money in, to cover a
shortfall; that is named beside it. Whatever else differs means that somebody moved money between the pool and an
account of the platform's own.
"""

from dataclasses import dataclass

from ringfence.banking.desk import custodian_accounts
from ringfence.custody.customers import platform_funding
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.reading import LATEST
from ringfence.reconciliation.queries import QUERIES


@dataclass(frozen=True)
class Master:
    """Minor units: what the cashbooks hold, what is owed out of them, and what the platform has paid in."""

    currency: str
    master: int
    sub_accounts: int
    funding: int

    @property
    def difference(self) -> int:
        """What nothing explains; a negative one is missing from the pool."""
        return self.master - self.sub_accounts - self.funding

    @property
    def holds(self) -> bool:
        return self.difference == 0


def masters(connection: Connection, book: int, *, before: int = LATEST, fresh: bool = False) -> list[Master]:
    """The master of each currency as it was before row `before`; `fresh` as in `reading.balances`."""
    if fresh:
        reading.project(connection, book)
    funding = sorted({platform_funding(each.currency) for each in custodian_accounts(connection, book)})
    sums: dict[str, list[int]] = {}
    question = {"book": book, "before": before, "funding": funding}
    for unit, side, is_funding, balance in connection.execute(QUERIES.pool_balances, question):
        place = 2 if is_funding else 0 if side == "debit" else 1
        sums.setdefault(unit, [0, 0, 0])[place] += int(balance)
    return [Master(unit, *sums[unit]) for unit in sorted(sums)]
