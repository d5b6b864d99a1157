"""The notary's question about customers: may this one pay, receive, or have a wallet at all?

Asked of every block of rows before it is signed, from the journal's own rows: the steps of a customer's file, whose ids
follow from customer and number, and the row that opened an account, which says whose it is. Checked row by row:

  FILE_OPENED to TIER_ASKED   the next step of its file, from a state from which it may be taken. Whom a list or a
                              person restricted, and whoever is of high risk, is verified only by people, who approved
                              this file at the step before
  ACCOUNT_OPENED              of a customer: the customer is verified by the end of the chain, or came verified from the
                              book that was taken over
  TRANSFER, PENDING, POST     who pays is verified and not restricted, who receives may receive; what somebody moves
                              between own accounts is moved by a customer who is verified, restricted or not. So may a
                              payment come back (BANK_RETURN), to the account that it was held on
  TRANSFER, POST              to a customer whose tier limits the balance: the wallet, frozen money included, does not
                              hold more than that afterwards
  CORRECTION                  the customers whose money it moves have a wallet

A payment that the bank has made, and a crossing that the other book has made, are posted whoever is restricted since.
What programs post (`ledger.posting`), and what crosses, is asked for before it is sent and not in the append: for a
minute after a step such a row may still go by the state before it.

Whoever is verified and has no limit is known by one bit, so that a block of programs' rows costs a few columns.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ringfence.authority.verification import record_of, verified_terms
from ringfence.database.connection import Connection
from ringfence.diligence.deciding import ACT
from ringfence.diligence.files import step_id
from ringfence.diligence.lifecycle import EVENTS, moves
from ringfence.diligence.profiles import limits_of
from ringfence.diligence.proof import ACTS
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import ROW_CONTRADICTS_DILIGENCE
from ringfence.ledger.balances import Balances
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.model import LINKED, NO_ID, Kind, microseconds, moment
from ringfence.ledger.storage import Block
from ringfence.refusal import Refused

GRACE_MICROSECONDS: Final = 60_000_000
_MOVING: Final = (Kind.TRANSFER, Kind.PENDING, Kind.POST, Kind.CORRECTION)
_SETTLING: Final = (Purpose.WITHDRAWAL, Purpose.CROSSING)
_STEPS: Final = tuple(sorted(EVENTS.values()))
_OWNER: Final = "customer:"
_STEPS_AT_A_TIME: Final = 32
_CUSTOMERS_AT_A_TIME: Final = 256
_LIFTED_BY_PEOPLE: Final = ("listed", "person")


@dataclass(frozen=True)
class Standing:
    """What the steps of a file say of a customer. `before` is what the step before the last said, which counted until
    `since` (microseconds since 1970).
    """

    step: int = 0
    state: str | None = None
    direction: str | None = None
    reason: str | None = None
    has_wallet: bool = False
    balance_limit: int | None = None
    since: int = 0
    before: "Standing | None" = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing that moves has to be looked at."""
        return self.state == "verified" and self.balance_limit is None

    def why_not(self, deed: str) -> str:
        """Why the customer may not `pay`, `receive` or `keep`; empty: nothing is in the way."""
        if not self.has_wallet or self.state not in ("verified", "restricted"):
            return "the customer is not verified"
        if self.state == "restricted" and (deed == "pay" or (deed == "receive" and self.direction == "none")):
            return "the customer is restricted"
        return ""


TAKEN_OVER: Final = Standing(state="verified", has_wallet=True)
"""Who came verified from another book, and has no file here yet."""


class _Contradiction(Exception):  # noqa: N818 - what is wrong with a row; told as a refusal
    def __init__(self, index: int, customer: str, because: str) -> None:
        super().__init__(because)
        self.index, self.customer, self.because = index, customer, because


def after(standing: Standing, act: str, said: Mapping[str, Any], at: int) -> Standing:
    """A customer's standing after one more step; `file_may_not_do_that_now` if it cannot be taken from this one."""
    state = str(said["state"])
    if said["step"] != standing.step + 1 or state not in moves(standing.state if standing.step else None, act):
        raise ValueError("not the next step")
    told = replace(standing, step=standing.step + 1, state=state, since=at, before=replace(standing, before=None))
    if act == "verified":
        limits = limits_of(said["limits"])
        return replace(told, has_wallet=True, balance_limit=limits.balance, direction=None, reason=None)
    if act == "restricted":
        return replace(told, direction=said["direction"], reason=said["reason"])
    return told


@dataclass
class _Block:
    """What is looked at in one block of rows."""

    connection: Connection
    book: int
    block: Block
    balances: Balances
    net: dict[int, int] = field(default_factory=dict)  # by account: what the rows that are still to come change
    concerned: set[int] = field(default_factory=set)  # customers of whom the block itself says something
    opening: list[tuple[int, int]] = field(default_factory=list)  # row and customer, until the chain ends

    @property
    def rows(self) -> Any:
        return self.block.batch.rows

    def said(self, index: int) -> Any:
        return json.loads(self.block.batch.payloads[index])


class WalletAudit:
    """An `Audit` (`evidence.authorisation`) of one book. It remembers what it has read, as long as blocks follow on
    each other; after anything else it reads again what it needs.
    """

    def __init__(self) -> None:
        self._rows: int  # how far the journal was looked at without a gap
        self._forget()

    def __call__(self, connection: Connection, book: int, block: Block, balances: Balances) -> None:
        """Return if every row keeps to what is known of its customers; else `row_contradicts_diligence`. Role notary;
        `balances` are those after the block.
        """
        if block.first != self._rows:
            self._forget()
        try:
            self._look(_Block(connection, book, block, balances))
        except _Contradiction as wrong:
            self._forget()
            sequence = block.first + wrong.index
            raise ROW_CONTRADICTS_DILIGENCE(
                sequence=sequence, customer=wrong.customer, because=wrong.because
            ) from wrong
        except BaseException:
            self._forget()
            raise
        self._rows = block.last

    def _forget(self) -> None:
        self._rows = -1
        self._owner = np.zeros(1024, np.int32)  # by account: number of the customer, -1 nobody's, 0 not looked up
        self._plain = np.zeros(1024, np.bool_)  # by customer
        self._names: list[str] = [""]
        self._numbers: dict[str, int] = {}
        self._standings: dict[int, Standing] = {}  # of those who are known and not plain
        self._taken_over: set[str] | None = None

    # -- one block ----------------------------------------------------------------------------------------------------

    def _look(self, now: _Block) -> None:
        rows = now.rows
        kind, code = rows["kind"], rows["code"]
        opened = {}
        for index in np.flatnonzero(kind == Kind.ACCOUNT_OPENED).tolist():
            number = self._take_owner(int(rows["debit_account"][index]), str(now.said(index)["owner"]))
            if number > 0:
                opened[index] = number
        stepping = (kind == Kind.EVENT) & np.isin(code, _STEPS)
        steps = {
            index: self._customer(str(now.said(index).get("customer"))) for index in np.flatnonzero(stepping).tolist()
        }
        over = (kind == Kind.EVENT) & (code == EventName.CUSTOMER_REGISTERED) & (rows["order_id"] != np.void(NO_ID))
        moving = np.isin(kind, _MOVING)
        self._find_owners(now, moving)
        whose = [np.where(moving, self._owner[rows[column]], -1) for column in _COLUMNS]
        moved = np.unique(np.concatenate(whose))
        now.concerned = {*opened.values(), *steps.values()}
        self._find_standings(now, moved[moved > 0].tolist())
        watched = np.zeros(len(rows), np.bool_)
        for each in whose:
            watched |= (each > 0) & ~self._plain[np.maximum(each, 0)]
        self._foresee(now, np.flatnonzero(watched))
        ends = np.flatnonzero(rows["flags"] & LINKED == 0)
        closing = {int(ends[np.searchsorted(ends, index)]) for index in opened}
        for index in sorted({*np.flatnonzero(watched | over).tolist(), *steps, *opened, *closing}):
            if index in steps:
                self._step(now, index, steps[index])
            elif index in opened:
                now.opening.append((index, opened[index]))
            elif over[index]:
                now.concerned |= self._take_over(now.said(index))
            elif watched[index]:
                self._move(now, index)
            if index in closing:
                self._close_chain(now)
        for number in now.concerned:
            self._remember(number, self._standings[number])

    def _close_chain(self, now: _Block) -> None:
        for index, number in now.opening:
            if not self._standings[number].has_wallet:
                raise _Contradiction(index, self._names[number], "the customer is not verified")
        now.opening.clear()

    def _step(self, now: _Block, index: int, number: int) -> None:
        name, said, row = self._names[number], now.said(index), now.rows[index]
        standing, act = self._standings[number], ACTS[int(row["code"])]
        try:
            became = after(standing, act, said, int(now.block.posted_at[index]))
            fits = row["id"].tobytes() == step_id(now.book, name, became.step).bytes
        except (Refused, ValueError, KeyError, TypeError, AttributeError):
            fits = False
        if not fits:
            raise _Contradiction(index, name, "it is not the next step of the customer's file")
        if act == "verified" and (standing.reason in _LIFTED_BY_PEOPLE or said.get("risk_class") == "high"):
            self._require_people(now, index, name, standing, said)
        self._standings[number] = became

    def _require_people(self, now: _Block, index: int, name: str, standing: Standing, said: Mapping[str, Any]) -> None:
        """People approved that this customer is verified, of the file as it was."""
        because = "people had to decide on the customer, and did not"
        try:
            record = record_of(now.connection, now.book, UUID(str(said.get("proposal"))))
            terms = verified_terms(record, moment(int(now.block.posted_at[index])))
        except (Refused, ValueError) as wrong:
            raise _Contradiction(index, name, because) from wrong
        wanted = {"customer": name, "step": str(standing.step)}
        if terms.act != ACT or not wanted.items() <= dict(terms.facts).items():
            raise _Contradiction(index, name, because)
        if record.last_sequence >= now.block.first + index:
            raise _Contradiction(index, name, because)

    def _move(self, now: _Block, index: int) -> None:
        row = now.rows[index]
        payer, payee = (int(self._owner[row[column]]) for column in _COLUMNS)
        kind, code, at = int(row["kind"]), int(row["code"]), int(now.block.posted_at[index])
        if kind != Kind.PENDING:
            now.net[int(row["debit_account"])] -= int(row["amount"])
            now.net[int(row["credit_account"])] += int(row["amount"])
        late = code in (Purpose.CUSTOMER_TRANSFER, Purpose.CROSSING) or 200 <= code < 1000
        if payer == payee or kind == Kind.CORRECTION:
            for number in {payer, payee}:
                self._require(index, number, "keep", at if late else None)
            return
        settles = kind == Kind.POST and code in _SETTLING
        self._require(index, payer, "keep" if settles else "pay", at if late else None)
        if code == Purpose.BANK_RETURN and self._comes_back(now, row):
            self._require(index, payee, "keep", None)
            return
        self._require(index, payee, "keep" if settles else "receive", at if late else None)
        if payee > 0 and kind != Kind.PENDING and not settles:
            self._require_room(now, index, payee, at if late else None)

    def _require(self, index: int, number: int, deed: str, at: int | None) -> None:
        if number <= 0 or self._plain[number]:
            return
        standing = self._standings[number]
        because = standing.why_not(deed)
        if because and at is not None and standing.before is not None and at < standing.since + GRACE_MICROSECONDS:
            because = standing.before.why_not(deed)
        if because:
            raise _Contradiction(index, self._names[number], because)

    def _require_room(self, now: _Block, index: int, number: int, at: int | None) -> None:
        if self._plain[number]:
            return
        standing, limit = self._standings[number], self._standings[number].balance_limit
        if limit is not None and at is not None and standing.before and at < standing.since + GRACE_MICROSECONDS:
            limit = standing.before.balance_limit
        if limit is None:
            return
        accounts = [now.balances.numbers.get(f"{_OWNER}{self._names[number]}:{part}") for part in _PARTS]
        held = sum(now.balances.balance(each) + now.net.get(each, 0) for each in accounts if each is not None)
        if held > limit:
            raise _Contradiction(index, self._names[number], "the wallet holds more than the customer's tier allows")

    @staticmethod
    def _comes_back(now: _Block, row: Any) -> bool:
        """Whether a payment of this order was held from the account that is credited, and for as much."""
        hold = derived(UUID(bytes=row["order_id"].tobytes()), "hold")
        asked = {"book": now.book, "id": hold, "before": now.block.last}
        found = now.connection.execute(QUERIES.hold_in_the_journal, asked).fetchone()
        return found == (int(row["credit_account"]), int(row["debit_account"]), int(row["amount"]))

    def _foresee(self, now: _Block, watched: npt.NDArray[np.int64]) -> None:
        """What the rows of the block will have changed, of accounts that are looked at: the way back from the balances
        after it to those at each row.
        """
        for row in now.rows[watched]:
            if row["kind"] == Kind.PENDING:
                continue
            debit, credit, amount = int(row["debit_account"]), int(row["credit_account"]), int(row["amount"])
            now.net[debit] = now.net.get(debit, 0) + amount
            now.net[credit] = now.net.get(credit, 0) - amount

    # -- who is who ---------------------------------------------------------------------------------------------------

    def _customer(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
            self._plain = _long_enough(self._plain, number)
        return number

    def _take_owner(self, account: int, owner: str) -> int:
        number = self._customer(owner.removeprefix(_OWNER)) if owner.startswith(_OWNER) else -1
        self._owner = _long_enough(self._owner, account)
        self._owner[account] = number
        return number

    def _find_owners(self, now: _Block, moving: npt.NDArray[np.bool_]) -> None:
        columns = [now.rows[column] for column in _COLUMNS]
        self._owner = _long_enough(self._owner, max((int(each.max()) for each in columns if len(each)), default=0))
        accounts = np.unique(np.concatenate([each[moving] for each in columns]))
        unknown = accounts[self._owner[accounts] == 0].tolist()
        if unknown:
            asked = {"book": now.book, "accounts": unknown, "before": now.block.first}
            for account, payload in now.connection.execute(QUERIES.opened_in_the_journal, asked):
                self._take_owner(account, str(json.loads(payload)["owner"]))
        for account in unknown:
            if not self._owner[account]:
                index = int(np.flatnonzero(moving & ((columns[0] == account) | (columns[1] == account)))[0])
                raise _Contradiction(index, f"account {account}", "the journal does not say whose account it is")

    def _find_standings(self, now: _Block, moved: Iterable[int]) -> None:
        """Everybody's standing before the block. Of whom the block says something is looked at row by row."""
        concerned = sorted(now.concerned - self._standings.keys())
        unknown = [each for each in moved if not self._plain[each] and each not in self._standings]
        wanted = sorted({*concerned, *unknown})
        for first in range(0, len(wanted), _CUSTOMERS_AT_A_TIME):
            for number, standing in self._read_steps(now, wanted[first : first + _CUSTOMERS_AT_A_TIME]).items():
                self._remember(number, standing)
                if number in now.concerned:
                    self._standings[number] = standing
        for number in now.concerned:
            self._plain[number] = False

    def _read_steps(self, now: _Block, numbers: Sequence[int]) -> dict[int, Standing]:
        found = dict.fromkeys(numbers, Standing())
        going_on = list(numbers)
        while going_on:
            ids = {
                step_id(now.book, self._names[number], found[number].step + ahead): (number, found[number].step + ahead)
                for number in going_on
                for ahead in range(1, _STEPS_AT_A_TIME + 1)
            }
            rows = now.connection.execute(QUERIES.steps_in_the_journal, {"book": now.book, "ids": list(ids)}).fetchall()
            known = {ids[row[0]]: row for row in rows if row[1] in ACTS and row[3] < now.block.first}
            going_on = [number for number in going_on if self._follow(found, number, known)]
        return {
            number: standing if standing.step else self._came_from_elsewhere(now, number)
            for number, standing in found.items()
        }

    @staticmethod
    def _follow(found: dict[int, Standing], number: int, known: Mapping[tuple[int, int], Any]) -> bool:
        """Take the steps that are there; True: there may be more."""
        for _ in range(_STEPS_AT_A_TIME):
            standing = found[number]
            row = known.get((number, standing.step + 1))
            if row is None:
                return False
            found[number] = after(standing, ACTS[row[1]], json.loads(row[2]), microseconds(row[4]))
        return True

    def _remember(self, number: int, standing: Standing) -> None:
        self._plain[number] = standing.is_plain
        if standing.is_plain:
            self._standings.pop(number, None)
        else:
            self._standings[number] = standing

    def _came_from_elsewhere(self, now: _Block, number: int) -> Standing:
        if self._taken_over is None:
            self._taken_over = set()
            asked = {"book": now.book, "code": EventName.CUSTOMER_REGISTERED, "before": now.block.first}
            for row in now.connection.execute(QUERIES.taken_over_in_the_journal, asked):
                self._take_over(json.loads(row[0]))
        return TAKEN_OVER if self._names[number] in self._taken_over else Standing()

    def _take_over(self, said: Mapping[str, Any]) -> set[int]:
        """Whoever another book says to have verified counts as that, until there is a file here."""
        if said.get("tier") != "taken_over":
            return set()
        name = str(said.get("customer")).removeprefix(_OWNER)
        if self._taken_over is not None:
            self._taken_over.add(name)
        number = self._customer(name)
        if self._plain[number] or self._standings.get(number, Standing()) != Standing():
            return set()
        self._standings[number] = TAKEN_OVER
        return {number}


_COLUMNS: Final = ("debit_account", "credit_account")
_PARTS: Final = ("available", "frozen")


def _long_enough(array: Any, index: int) -> Any:
    """The array, grown by doubling until it has this index."""
    while index >= len(array):
        array = np.concatenate([array, np.zeros_like(array)])
    return array
