"""The state of a book in bytes, so that a start reads the last snapshot and the tail of the journal, not all of it.

A snapshot is a cache like the state itself: whoever doubts it reads the journal from row 0. Its SHA-256 tells damage,
not malice: the writer keeps its snapshots in a table that only the core can write (`keep`, `latest`), the notary its
own in a file that it signs.

Layout: the magic, the length of a JSON header (4 bytes, little-endian), the header, the lines of the accounts (eight
64-bit numbers each, little-endian, from account 0), their names with a zero byte between them, the holds (ids of 16
bytes, then four columns of 64-bit numbers), and the SHA-256 of everything before it.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query
from ringfence.database.queries import load as load_queries
from ringfence.ledger.balances import Balances, Cover, Group, Int64, Watch
from ringfence.ledger.model import NO_ID, canonical
from ringfence.ledger.standing import described, guard_of, monitor_of, turn_of

_MAGIC: Final = b"ringfence balances 1\n"
_DIGEST_BYTES: Final = 32
_PART_BYTES: Final = 16 * 1024 * 1024
_KEPT: Final = 2  # snapshots of a book


class _Queries(NamedQueries):
    insert_snapshot: Query
    drop_snapshots: Query
    snapshots: Query
    snapshot_parts: Query


QUERIES: Final = load_queries(_Queries, "ringfence.ledger", "sql/snapshot.sql")


class SnapshotIsDamaged(ValueError):  # noqa: N818 - named as the finding
    """These bytes are not a snapshot, or not a whole one."""


@dataclass(frozen=True)
class Taken:
    """The state at one moment, copied, to be written while the book goes on."""

    state: Int64
    names: list[str]
    hold_ids: list[bytes]
    hold_columns: Int64
    header: dict[str, Any]


def take(balances: Balances) -> Taken:
    """Copy the state: a few milliseconds per million accounts."""
    slots = list(balances.holds.slots.values())
    header = {
        "closed_through": balances.closed_through,
        "covers": [[*place, str(cover.posted), str(cover.reserved)] for place, cover in balances.covers.items()],
        "currencies": list(balances.currencies),
        "due": [turn.payload() for turn in balances.due],
        "due_date": balances.due_date,
        "groups": [list(group) for group in balances.groups],
        "guards": [[pool, guard.payload()] for pool, guard in balances.guards.items()],
        "holds": len(slots),
        "monitors": [
            {"set": watch.monitor.payload(), "on": watch.on, "value": None if watch.value is None else str(watch.value)}
            for watch in balances.monitors.values()
        ],
        "pools": list(balances.pools),
        "size": balances.size,
    }
    return Taken(
        balances.state[: balances.size].copy(),
        list(balances.numbers),
        list(balances.holds.slots),
        balances.holds.columns[:, slots],
        header,
    )


def dump(balances: Balances) -> bytes:
    """The state in bytes."""
    return encode(take(balances))


def encode(taken: Taken) -> bytes:
    header = json.dumps(taken.header, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    content = b"".join(
        [
            _MAGIC,
            len(header).to_bytes(4, "little"),
            header,
            taken.state.astype("<i8", copy=False).tobytes(),
            "\0".join(taken.names).encode(),
            *taken.hold_ids,
            taken.hold_columns.astype("<i8", copy=False).tobytes(),
        ]
    )
    return content + hashlib.sha256(content).digest()


def load(content: bytes) -> Balances:
    """The state that these bytes describe. Raises `SnapshotIsDamaged`."""
    start = len(_MAGIC) + 4
    damaged = content[: len(_MAGIC)] != _MAGIC or len(content) < start + _DIGEST_BYTES
    if damaged or hashlib.sha256(memoryview(content)[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
        raise SnapshotIsDamaged("these bytes are not a whole snapshot of balances")
    length = int.from_bytes(content[start - 4 : start], "little")
    header = json.loads(content[start : start + length])
    size, holds = header["size"], header["holds"]
    lines = start + length
    names = lines + size * 64
    ids = len(content) - _DIGEST_BYTES - holds * (len(NO_ID) + 32)
    columns = ids + holds * len(NO_ID)
    balances = _with_groups(header)
    _extend(balances, np.frombuffer(content, "<i8", size * 8, lines).reshape(size, 8))
    if size > 1:
        balances.numbers = dict(zip(content[names:ids].decode().split("\0"), range(1, size), strict=True))
    if holds:
        identities = [content[place : place + 16] for place in range(ids, columns, 16)]
        balances.holds.put(identities, np.frombuffer(content, "<i8", holds * 4, columns).reshape(4, holds))
    return balances


def _with_groups(header: dict[str, Any]) -> Balances:
    balances = Balances(closed_through=header["closed_through"])
    balances.groups = {Group(*group): number for number, group in enumerate(header["groups"])}
    balances.currencies = {currency: number for number, currency in enumerate(header["currencies"])}
    balances.pools = {pool: number for number, pool in enumerate(header["pools"])}
    balances.group_currency = np.array([balances.currencies[each.currency] for each in balances.groups], np.int64)
    balances.group_pool = np.array([balances.pools[each.pool] for each in balances.groups], np.int64)
    balances.group_credit = np.array([each.side == "credit" for each in balances.groups], bool)
    balances.covers = {
        (pool, currency): Cover(int(posted), int(reserved)) for pool, currency, posted, reserved in header["covers"]
    }
    balances.guards = {pool: described(guard_of(canonical(said))) for pool, said in header["guards"]}
    balances.due_date = header["due_date"]
    balances.due = [described(turn_of(canonical(said))) for said in header["due"]]
    for said in header["monitors"]:
        monitor = described(monitor_of(canonical(said["set"])))
        value = None if said["value"] is None else int(said["value"])
        balances.monitors[monitor.name] = Watch(monitor, said["on"], value)
    return balances


def _extend(balances: Balances, lines: Int64) -> None:
    capacity = max(len(balances.state), 1 << len(lines).bit_length())
    balances.state = np.zeros((capacity, 8), np.int64)
    balances.state[: len(lines)] = lines
    balances.scratch = np.zeros(capacity, np.int64)
    balances.size = len(lines)


def keep(connection: Connection, book: int, sequence: int, content: bytes) -> None:
    """Keep the state before row `sequence` in the database, and drop older ones."""
    with connection.transaction():
        for part, start in enumerate(range(0, len(content), _PART_BYTES)):
            place = {"book": book, "sequence": sequence, "part": part, "content": content[start : start + _PART_BYTES]}
            connection.execute(QUERIES.insert_snapshot, place, binary=True)
        connection.execute(QUERIES.drop_snapshots, {"book": book, "kept": _KEPT})


def latest(connection: Connection, book: int, head: int) -> tuple[Balances, int] | None:
    """The newest whole snapshot of a book that is not ahead of `head`, and the sequence that comes next."""
    for (sequence,) in connection.execute(QUERIES.snapshots, {"book": book, "head": head}).fetchall():
        with connection.cursor(binary=True) as cursor:
            parts = cursor.execute(QUERIES.snapshot_parts, {"book": book, "sequence": sequence}).fetchall()
        try:
            return load(b"".join(part for (part,) in parts)), sequence
        except SnapshotIsDamaged:
            continue
    return None
