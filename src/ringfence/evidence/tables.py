"""Do the tables that follow the journal say what was signed? Some of each are looked at in every `Notary.reread`.

Others believe these tables: the day's tests and the proofs of liabilities read balances, the gateway counts how old a
payee is from the first checkpoint over its row. Whoever edits one of them, and no row of the journal, is found here.

    ledger.book         the name is that of the log
    ledger.account      what the rows say that opened and closed it; its limits are those of the replay
    ledger.entry        each follows from the entry before it and from its row; after the last, balance, held and
                        expected are those of the replay
    ledger.shifted_entry
                        likewise
    ledger.total        likewise, as soon as no row is in it that is not signed
    ledger.projection   is not ahead of the book
    evidence.checkpoint the note that the log has kept, its root, and the time that is signed in it

All of it is read in the snapshot in which the rows were compared with the log, so the journal may be joined here. What
is not signed yet is not judged: accounts that unsigned rows touch, and entries that are still to come, wait for their
turn.
Every finding is `table_contradicts_log` and names table, row and column.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ringfence.database.connection import Connection
from ringfence.evidence.checkpoint import parse_text
from ringfence.evidence.cosignature import signed_time
from ringfence.evidence.note import Verifier, parse_note
from ringfence.evidence.queries import QUERIES
from ringfence.evidence.tiles import read_file
from ringfence.ledger.balances import INT64_MAX, INT64_MIN, MAXIMUM, MINIMUM, OPEN, Balances
from ringfence.ledger.encoding import LEAF
from ringfence.ledger.model import Kind
from ringfence.refusal import Fault, Refused, refusal

ACCOUNTS_AT_ONCE: Final = 2_048
ENTRIES_AT_ONCE: Final = 2_048
BEHIND_ROWS_MAX: Final = 65_536  # entries that are further behind are not compared with the replay
_HEAD_BYTES: Final = LEAF.itemsize

TABLE_CONTRADICTS_LOG = refusal(
    "table_contradicts_log",
    Fault.STATE,
    en="{table} does not say what follows from the rows that were signed: row {row}, {fields}. Nothing new is signed"
    " while that is so.",
    zh="{table} 与已签名各行不符：第 {row} 行，{fields}。在更正之前不再签名。",
)


class Tables:
    """The tables of one book, and how far they have been looked at."""

    def __init__(self, book: int, log: Path, key: Verifier) -> None:
        self._book, self._log, self._key = book, log, key
        self._account = 0  # the last account that was compared with the replay
        self._entry: tuple[int, int] = (0, -1)  # account and sequence of the last entry that was followed
        self._shifted: tuple[int, int, str, int] = (0, 0, "0001-01-01", -1)
        self._totals_due = True

    def check(
        self, connection: Connection, head: int, balances: Balances, size: int, records: Sequence[bytes], first: int
    ) -> None:
        """Look at what the signed rows `first` and following say of the tables, and at some of each. `balances` are
        those of the replay after `size` rows, `head` is the book's.
        """
        connection.execute(QUERIES.look_up_by_index)
        name, followed = self._one(connection, QUERIES.book_and_entries)
        if name != self._key.name.rpartition("/")[2]:
            raise TABLE_CONTRADICTS_LOG(table="ledger.book", row=self._book, fields="name")
        if followed > head:
            raise TABLE_CONTRADICTS_LOG(table="ledger.projection", row="entry", fields="sequence")
        reached = min(followed, size)
        self._check_opened_and_closed(connection, records, first)
        self._check_shifted_are_there(connection, first, min(first + len(records), reached))
        self._follow_entries(connection, reached)
        self._follow_shifted(connection, reached)
        if size - reached <= BEHIND_ROWS_MAX:
            self._check_accounts(connection, balances, size, reached, head)
        if followed == size and self._totals_due:  # sums over rows that are not signed yet are not judged
            self._check_totals(connection, balances)

    def check_checkpoints(
        self, connection: Connection, first: int, last: int, sizes: Sequence[int], unrecorded: Sequence[int], end: int
    ) -> None:
        """What evidence.checkpoint says of the sizes after `first` up to `last`, of which the log has kept `sizes`, and
        that it says nothing beyond `end`.
        """
        asked = {"book": self._book, "first": first or -1, "last": last, "end": end}
        rows = connection.execute(QUERIES.checkpoints_between, asked).fetchall()
        for size in sorted(set(sizes).difference(unrecorded, (row[0] for row in rows))):
            raise _edited("evidence.checkpoint", size, "size")
        for size, root, note, signed_at in rows:
            try:
                kept = read_file(self._log, f"checkpoints/{size}")
            except Refused as refused:
                raise _edited("evidence.checkpoint", size, "size") from refused
            if note.encode() != kept:
                raise _edited("evidence.checkpoint", size, "note")
            if root != parse_text(parse_note(kept).text).root:
                raise _edited("evidence.checkpoint", size, "root")
            said = signed_time(kept, self._key)
            if said is not None and said != signed_at.replace(microsecond=0):
                raise _edited("evidence.checkpoint", size, "signed_at")

    # -- accounts -----------------------------------------------------------------------------------------------------

    def _check_opened_and_closed(self, connection: Connection, records: Sequence[bytes], first: int) -> None:
        wanted: dict[int, dict[str, Any]] = {}
        for sequence, record in enumerate(records, first):
            number = int.from_bytes(record[32:40], "big")
            if record[1] == Kind.ACCOUNT_OPENED:
                said = json.loads(record[_HEAD_BYTES:])
                wanted[number] = {name: said[name] for name in ("name", "currency", "side", "owner", "pool")}
                wanted[number]["opened"] = sequence
            elif record[1] == Kind.ACCOUNT_CLOSED:
                wanted.setdefault(number, {})["closed"] = sequence
        if not wanted:
            return
        found = connection.execute(QUERIES.accounts_named, {"book": self._book, "accounts": list(wanted)}).fetchall()
        names = ("account", "name", "currency", "side", "owner", "pool", "opened", "closed")
        rows = {row[0]: dict(zip(names, row, strict=True)) for row in found}
        for number, says in wanted.items():
            row = rows.get(number, {})
            _require_same("ledger.account", number, {name: row.get(name) for name in says}, says)

    def _check_accounts(self, connection: Connection, balances: Balances, size: int, reached: int, head: int) -> None:
        """The next accounts, as the replay has them: limits, whether they are open, and what their last entry says."""
        after = self._account if self._account < balances.size - 1 else 0
        last = min(after + ACCOUNTS_AT_ONCE, balances.size - 1)
        asked = {"book": self._book, "after": after, "reached": reached, "size": size}
        asked["last"] = last if last < balances.size - 1 else INT64_MAX
        rows = {row[0]: row[1:] for row in connection.execute(QUERIES.accounts_after, asked).fetchall()}
        moved = {number for [number] in connection.execute(QUERIES.accounts_moved_since, asked).fetchall()}
        restated = {number for [number] in connection.execute(QUERIES.accounts_restated_since, asked).fetchall()}
        for number in sorted(rows.keys() | set(range(after + 1, last + 1))):
            if number not in rows:
                raise _edited("ledger.account", number, "account")
            opened, minimum, maximum, closed, balance, held, expected = rows[number]
            if number >= balances.size:  # opened by a row that is not signed yet, or by none
                if not size <= opened < head:
                    raise _edited("ledger.account", number, "account")
                continue
            line = balances.state[number]
            limits = {"minimum": minimum, "maximum": maximum, "closed": closed is None}
            if number not in restated:
                said = {"minimum": _limit(line[MINIMUM], INT64_MIN), "maximum": _limit(line[MAXIMUM], INT64_MAX)}
                _require_same("ledger.account", number, limits, said | {"closed": bool(line[OPEN])})
            if number not in moved:
                stand = {"balance": balance, "held": held, "expected": expected}
                said = {name: getattr(balances, name)(number) for name in stand}
                _require_same("ledger.entry", f"of account {number}", stand, said)
        self._account = last

    # -- entries ------------------------------------------------------------------------------------------------------

    def _follow_entries(self, connection: Connection, reached: int) -> None:
        """The next entries in the order of their index, each beside the one before it and its row."""
        account, sequence = self._entry
        asked = {"book": self._book, "account": account, "sequence": sequence, "reached": reached}
        rows = connection.execute(QUERIES.entries_after, asked | {"limit": ENTRIES_AT_ONCE + 1}).fetchall()
        for number, place, wrong in rows:
            if wrong is not None and (number, place) != (account, sequence):
                raise _edited("ledger.entry", f"{place} of account {number}", wrong)
        self._entry = (rows[-1][0], rows[-1][1]) if len(rows) > ENTRIES_AT_ONCE else (0, -1)
        self._totals_due = self._totals_due or len(rows) <= ENTRIES_AT_ONCE

    def _follow_shifted(self, connection: Connection, reached: int) -> None:
        account, shift, day, sequence = self._shifted
        asked = {"book": self._book, "account": account, "shift": shift, "day": day, "sequence": sequence}
        asked |= {"reached": reached, "limit": ENTRIES_AT_ONCE + 1}
        rows = connection.execute(QUERIES.shifted_after, asked).fetchall()
        for *place, wrong in rows:
            if wrong is not None and tuple(place) != self._shifted:
                raise _edited("ledger.shifted_entry", f"{place[3]} of account {place[0]}", wrong)
        whole = len(rows) <= ENTRIES_AT_ONCE
        self._shifted = (0, 0, "0001-01-01", -1) if whole else tuple(rows[-1][:4])

    def _check_shifted_are_there(self, connection: Connection, first: int, last: int) -> None:
        """Whose value is on another day than that of their posting have their place in the running sums."""
        asked = {"book": self._book, "first": first, "last": last}
        missing = connection.execute(QUERIES.shifted_missing, asked).fetchone() if first < last else None
        if missing is not None:
            raise _edited("ledger.shifted_entry", f"{missing[0]} of account {missing[1]}", "sequence")

    def _check_totals(self, connection: Connection, balances: Balances) -> None:
        found = {tuple(row[:4]): tuple(map(int, row[4:])) for row in self._rows(connection, QUERIES.totals_of)}
        said = {tuple(group): sums for group, sums in balances.totals().items()}
        for group in sorted(found.keys() | said.keys()):
            sums = dict(zip(("balance", "held", "expected"), found.get(group, (0, 0, 0)), strict=True))
            wanted = dict(zip(sums, said.get(group, (0, 0, 0)), strict=True))
            _require_same("ledger.total", " ".join(group), sums, wanted)
        self._totals_due = False

    def _one(self, connection: Connection, query: Any) -> tuple[Any, ...]:
        return next(iter(self._rows(connection, query)), (None, 0))

    def _rows(self, connection: Connection, query: Any) -> Iterator[tuple[Any, ...]]:
        return iter(connection.execute(query, {"book": self._book}).fetchall())


def _limit(said: np.int64, none: int) -> int | None:
    return None if said == none else int(said)


def _require_same(table: str, row: object, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if wrong := [name for name, value in wanted.items() if found[name] != value]:
        raise _edited(table, row, ", ".join(wrong))


def _edited(table: str, row: object, fields: str) -> Refused:
    return TABLE_CONTRADICTS_LOG(table=table, row=row, fields=fields)
