"""The proof of a book that is taken over, and the plan by which it is posted.

`prove` finds the order of every account's movements (`day_order`) and checks that amounts, roundings and unexplained
differences, added up from an opening of zero, give the source's running balance after every single movement. What the
rows do not explain is in the proof by account, date and amount; what a rounding explains is counted apart.

A `Plan` is the same in columns, in the order in which it is posted: by date, account, and place in the account's day.
A difference stands directly before the movement whose balance it makes follow, so `balance` holds after every line.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ringfence.money import format_minor
from ringfence.takeover.berka import CURRENCY, ROUNDING_UNIT, Source, SourceMovement
from ringfence.takeover.day_order import Chain, Difference, Movement, Reason, chain, replayed

EPOCH_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class Proof:
    """What was found of each account that has movements, by its number; `balances_checked` counts comparisons."""

    chains: Mapping[int, Chain]
    balances_checked: int

    def differences(self, reason: Reason) -> list[tuple[int, Difference]]:
        """The differences of one kind with their accounts, by date and then account."""
        found = [
            (account, line)
            for account, found in self.chains.items()
            for line in found.differences
            if line.reason is reason
        ]
        return sorted(found, key=lambda item: (item[1].date, item[0]))


class Posting(IntEnum):
    """What a line of a plan is."""

    MOVEMENT = 0
    ROUNDING = 1
    UNEXPLAINED = 2


@dataclass(frozen=True)
class Plan:
    """Lines to post, in columns of one length."""

    posting: npt.NDArray[np.int8]
    number: npt.NDArray[np.int64]  # trans_id of the movement; of a difference: of the movement it stands before
    account: npt.NDArray[np.int64]
    day: npt.NDArray[np.int32]  # days since 1970-01-01
    amount: npt.NDArray[np.int64]  # minor units, signed from the account's view; a movement may be zero
    balance: npt.NDArray[np.int64]  # of the account after the line
    operation: tuple[str, ...]  # of the movement, as the source has it
    symbol: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.number)


def prove(source: Source) -> Proof:
    """Prove every running balance of the source."""
    by_account: defaultdict[int, list[SourceMovement]] = defaultdict(list)
    for movement in source.movements:
        by_account[movement.account].append(movement)
    chains = {}
    checked = 0
    for account, movements in sorted(by_account.items()):
        found = chain(
            (Movement(row.number, row.date, row.amount, row.balance, row.derived) for row in movements),
            rounding_unit=ROUNDING_UNIT,
        )
        balances = replayed(found)
        if balances != {row.number: row.balance for row in movements}:
            raise AssertionError(f"the order of account {account} does not reproduce its balances")
        chains[account] = found
        checked += len(balances)
    return Proof(chains, checked)


def plan(source: Source, proof: Proof) -> Plan:
    """The lines of a proof in the order of posting."""
    lines: list[tuple[int, int, int, int, int, int]] = []  # day, account, posting, number, amount, balance
    for account, found in proof.chains.items():
        before = {line.before: line for line in found.differences}
        for movement in found.movements:
            day = (movement.date - EPOCH_DAY).days
            difference = before.get(movement.number)
            if difference:
                posting = Posting.ROUNDING if difference.reason is Reason.ROUNDING else Posting.UNEXPLAINED
                lines.append((day, account, posting, movement.number, difference.amount, movement.before))
            lines.append((day, account, Posting.MOVEMENT, movement.number, movement.amount, movement.balance))
    lines.sort(key=lambda line: line[:2])  # stable: the order within an account's day stays
    texts = {row.number: (row.operation, row.symbol) for row in source.movements}
    columns = np.array(lines, np.int64).reshape(-1, 6)
    return Plan(
        posting=columns[:, 2].astype(np.int8),
        number=columns[:, 3].copy(),
        account=columns[:, 1].copy(),
        day=columns[:, 0].astype(np.int32),
        amount=columns[:, 4].copy(),
        balance=columns[:, 5].copy(),
        operation=tuple(texts[line[3]][0] for line in lines),
        symbol=tuple(texts[line[3]][1] for line in lines),
    )


def summary(source: Source, proof: Proof, *, seconds: float) -> dict[str, Any]:
    """The object that `ringfence import berka DIR --json` prints."""
    return {
        "customers": len(source.clients),
        "accounts": len(source.accounts),
        "transactions": len(source.movements),
        "balances_checked": proof.balances_checked,
        "roundings": len(proof.differences(Reason.ROUNDING)),
        "unexplained": [
            {"account": account, "date": line.date.isoformat(), "amount": format_minor(line.amount, CURRENCY)}
            for account, line in proof.differences(Reason.UNEXPLAINED)
        ],
        "seconds": round(seconds, 3),
    }
