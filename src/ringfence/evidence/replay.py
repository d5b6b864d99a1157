"""The notary's replay: the ledger's own rules over rows that somebody else wrote, from nothing to the last signed row.

The journal lies in a database that others can reach; the state here is built from the notary's own log and from rows
that passed, never from tables. What the ledger's rules leave to the writer (the form of a row, the clock, ids) is
checked here, because a row that was put there by hand has passed no writer.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import numpy as np
import rfc8785

from ringfence.ledger.balances import Balances
from ringfence.ledger.encoding import LEAF
from ringfence.ledger.model import LINKED, NO_ID, ROW, Batch, Kind, Result
from ringfence.ledger.rules import apply
from ringfence.ledger.storage import Block
from ringfence.ledger.walk import Reference
from ringfence.refusal import Fault, refusal

_HEAD_BYTES: Final = LEAF.itemsize
_POSTED_KINDS: Final = (Kind.TRANSFER, Kind.POST)
_SPEAKING_KINDS: Final = (
    Kind.ACCOUNT_OPENED,
    Kind.ACCOUNT_LIMITED,
    Kind.PERIOD_CLOSED,
    Kind.POOL_GUARDED,
    Kind.MONITOR_SET,
    Kind.MONITOR_TURNED,
    Kind.EVENT,
    Kind.REFUSAL,
)
_STANDING_KINDS: Final = (Kind.ACCOUNT_LIMITED, Kind.PERIOD_CLOSED, Kind.POOL_GUARDED, Kind.MONITOR_SET)

ROW_BREAKS_RULE = refusal(
    "row_breaks_rule",
    Fault.STATE,
    en="Row {sequence} of the journal breaks a rule of the ledger: {rule}. It is not signed.",
    zh="日志第 {sequence} 行违反账簿规则：{rule}。不予签名。",
)
ROW_IS_MALFORMED = refusal(
    "row_is_malformed",
    Fault.STATE,
    en="Row {sequence} of the journal has a {field} that no writer of ours makes. It is not signed.",
    zh="日志第 {sequence} 行的 {field} 不可能由本系统写入。不予签名。",
)
ROW_GOES_BACK_IN_TIME = refusal(
    "row_goes_back_in_time",
    Fault.STATE,
    en="Row {sequence} of the journal was posted before the row ahead of it. It is not signed.",
    zh="日志第 {sequence} 行的入账时间早于前一行。不予签名。",
)

FindPosted = Callable[[Sequence[UUID]], Mapping[bytes, bytes]]
"""Gives the leaves of rows by their ids, from the log; ids that it does not find are left out."""


@dataclass
class Replay:
    """The state of a book after its first `rows` rows."""

    balances: Balances = field(default_factory=Balances)
    corrected: set[bytes] = field(default_factory=set)  # ids of transfers that were taken back
    posted_at: int = -(2**63)
    rows: int = 0

    def restore(self, records: Sequence[bytes]) -> None:
        """Take in rows of the log. They passed before they were signed, so what a correction takes back is not looked
        up again.
        """
        block = block_of(records, self.rows)
        rows = block.batch.rows
        references = {
            row["refers_to"].tobytes(): Reference(
                Kind.TRANSFER, int(row["credit_account"]), int(row["debit_account"]), int(row["amount"]), None
            )
            for row in rows[rows["kind"] == Kind.CORRECTION]
        }
        self._apply(block, references)

    def take(self, block: Block, find: FindPosted) -> Callable[[], None]:
        """Take in new rows, each checked; returns the way back, for when they are not signed after all. The turns of
        monitors belong to the rows that turned them: no turn may be owed at the end.
        """
        check_form(block)
        times = np.concatenate([np.array([self.posted_at], np.int64), block.posted_at])
        backwards = (
            np.flatnonzero(np.diff(times) < 0) if self.rows else np.flatnonzero(np.diff(block.posted_at) < 0) + 1
        )
        if len(backwards):
            raise ROW_GOES_BACK_IN_TIME(sequence=block.first + int(backwards[0]))
        undo = self._apply(block, self._references(block.batch, find))
        if self.balances.due:
            undo()
            raise ROW_BREAKS_RULE(sequence=block.last, rule=Result.MONITOR_TURN_MUST_BE_JOURNALED.word)
        return undo

    def _references(self, batch: Batch, find: FindPosted) -> dict[bytes, Reference]:
        """The rows of the log that corrections of this batch take back."""
        rows = batch.rows
        wanted = [UUID(bytes=each.tobytes()) for each in rows["refers_to"][rows["kind"] == Kind.CORRECTION]]
        references = {}
        for identity, leaf in (find(wanted) if wanted else {}).items():
            row = np.frombuffer(leaf, LEAF, count=1)[0]
            if row["kind"] in _POSTED_KINDS:
                by = Kind.CORRECTION if identity in self.corrected else None
                accounts = int(row["debit_account"]), int(row["credit_account"])
                references[identity] = Reference(Kind(int(row["kind"])), *accounts, int(row["amount"]), by)
        return references

    def _apply(self, block: Block, references: Mapping[bytes, Reference]) -> Callable[[], None]:
        applied = apply(self.balances, block.batch, block.posted_at, references, recorded=True)
        if applied.results.any():
            index = int(np.flatnonzero(applied.results)[0])
            applied.undo()
            raise ROW_BREAKS_RULE(sequence=block.first + index, rule=Result(int(applied.results[index])).word)
        rows = block.batch.rows
        corrected = {each.tobytes() for each in rows["refers_to"][rows["kind"] == Kind.CORRECTION]}
        before = (self.posted_at, self.rows)
        self.corrected |= corrected
        self.rows = block.last
        if len(block.posted_at):
            self.posted_at = int(block.posted_at[-1])

        def undo() -> None:
            applied.undo()
            self.corrected -= corrected
            self.posted_at, self.rows = before

        return undo


def block_of(records: Sequence[bytes], first: int) -> Block:
    """Leaves as rows in columns; the reverse of `ringfence.ledger.encoding.leaves`."""
    heads = np.frombuffer(b"".join(record[:_HEAD_BYTES] for record in records), LEAF)
    rows = np.zeros(len(records), ROW)
    for name in ROW.names or ():
        rows[name] = heads[name]
    payloads = {index: records[index][_HEAD_BYTES:] for index in np.flatnonzero(heads["payload_length"]).tolist()}
    return Block(first, Batch(rows, payloads), heads["posted_at"].astype(np.int64))


def check_form(block: Block) -> None:
    """Is each row one that a writer makes: known flags, a number on an opened account, a canonical payload, a refusal
    that moves nothing, and nothing in the columns that a row of its kind leaves empty?
    """
    rows = block.batch.rows
    kind = rows["kind"]
    moves = (rows["amount"] != 0) | (rows["debit_account"] != 0) | (rows["credit_account"] != 0)
    standing = np.isin(kind, _STANDING_KINDS)
    debited = (rows["debit_account"] != 0) & (kind != Kind.ACCOUNT_LIMITED)
    silent = np.isin(kind, _SPEAKING_KINDS)
    silent[list(block.batch.payloads)] = False
    for wrong, name in (
        ((rows["flags"] & ~LINKED) != 0, "flags"),
        ((kind == Kind.REFUSAL) & moves, "amount"),
        (standing & debited, "debit_account"),
        (standing & (rows["credit_account"] != 0), "credit_account"),
        (standing & (rows["amount"] != 0), "amount"),
        (standing & (rows["refers_to"] != np.void(NO_ID)), "refers_to"),
        (standing & (rows["expires_at"] != 0), "expires_at"),
        ((rows["amount"] < 0) | (rows["debit_account"] < 0) | (rows["credit_account"] < 0), "amount"),
        (silent, "payload"),
    ):
        if wrong.any():
            raise ROW_IS_MALFORMED(sequence=block.first + int(np.flatnonzero(wrong)[0]), field=name)
    for index, payload in block.batch.payloads.items():
        said = _canonical_object(payload)
        if said is None:
            raise ROW_IS_MALFORMED(sequence=block.first + index, field="payload")
        row = rows[index]
        if row["kind"] == Kind.ACCOUNT_OPENED and not 0 < row["debit_account"] == said.get("account"):
            raise ROW_IS_MALFORMED(sequence=block.first + index, field="account")


def _canonical_object(payload: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(payload)
        canonical = isinstance(said, dict) and rfc8785.dumps(said) == payload
    except (ValueError, RecursionError):
        return None
    return said if canonical else None
