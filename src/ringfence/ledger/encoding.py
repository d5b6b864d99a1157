"""The byte forms of a row: leaf v1, which is hashed and signed, and PostgreSQL's binary forms, which are stored: COPY's
for many rows, an array's for few.

Leaf v1 is 116 bytes and the payload, all numbers big-endian (docs/reference/evidence-format.md). All are laid out for a
whole batch at once by NumPy.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from psycopg.abc import Buffer

from ringfence.ledger.model import ROW, Batch, Kind, Rows, canonical
from ringfence.ledger.standing import account_of

LEAF: Final = np.dtype(
    [
        ("version", "u1"),
        ("kind", "u1"),
        ("flags", ">u2"),
        ("book", ">u4"),
        ("sequence", ">u8"),
        ("id", "V16"),
        ("debit_account", ">u8"),
        ("credit_account", ">u8"),
        ("amount", ">u8"),
        ("refers_to", "V16"),
        ("order_id", "V16"),
        ("code", ">u4"),
        ("value_date", ">i4"),
        ("posted_at", ">i8"),
        ("expires_at", ">i8"),
        ("payload_length", ">u4"),
    ]
)
assert LEAF.itemsize == 116  # noqa: S101 - the format's own arithmetic

Int64 = npt.NDArray[np.int64]
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"
PIECE_ROWS: Final = 384  # laid out at a time: 54 kB, a quarter of what a socket holds (measured: 256 to 512 are level)
PG_EPOCH_DAYS: Final = 10_957  # 2000-01-01, PostgreSQL's first day
PG_EPOCH_MICROSECONDS: Final = PG_EPOCH_DAYS * 86_400 * 1_000_000
_ARRAY_HEAD: Final = b"\0\0\0\1\0\0\0\0\0\0\x40\0"  # one dimension, no nulls, a type that is not PostgreSQL's own


def leaves(book: int, first: int, posted_at: Int64, batch: Batch) -> Iterator[bytes]:
    """Leaf v1 of each row; row i has sequence `first + i` and was posted at `posted_at[i]` microseconds since 1970."""
    rows = batch.rows
    out = np.zeros(len(rows), LEAF)
    out["version"] = 1
    out["book"] = book
    out["sequence"] = np.arange(first, first + len(rows))
    out["posted_at"] = posted_at
    for name in ROW.names or ():
        out[name] = rows[name]
    for index, payload in batch.payloads.items():
        out[index]["payload_length"] = len(payload)
    heads = out.tobytes()
    for index in range(len(rows)):
        yield heads[index * 116 : index * 116 + 116] + batch.payloads.get(index, b"")


def request_digest(rows: Rows, index: int, payload: bytes) -> bytes:
    """SHA-256 over what the caller asked for, without what the journal added (the number of a new account): the test of
    an exact replay.
    """
    row = rows[index : index + 1].copy()
    if row["kind"][0] == Kind.ACCOUNT_OPENED and account_of(payload) is not None:
        row["debit_account"] = 0
        payload = canonical(json.loads(payload) | {"account": 0})
    return hashlib.sha256(row.tobytes() + payload).digest()


_REFERS: Final = 1  # of what a row may lack, this one has …
_ORDER: Final = 2
_EXPIRES: Final = 4
_MAY_LACK: Final = {"refers_to": _REFERS, "order_id": _ORDER, "expires_at": _EXPIRES}
COLUMNS: Final = {  # of ledger.journal: how a value is sent, and the number of its PostgreSQL type
    "book_id": (">i4", 23),
    "sequence": (">i8", 20),
    "kind": (">i2", 21),
    "flags": (">i2", 21),
    "id": ("V16", 2950),
    "debit_account": (">i8", 20),
    "credit_account": (">i8", 20),
    "amount": (">i8", 20),
    "refers_to": ("V16", 2950),
    "order_id": ("V16", 2950),
    "code": (">i4", 23),
    "value_date": (">i4", 1082),
    "posted_at": (">i8", 1184),
    "expires_at": (">i8", 1184),
    "payload": ("V0", 17),
}
_OF_THE_APPEND: Final = ("book_id", "sequence", "posted_at")  # what a row of ledger.given has not


@cache
def _copied(shape: int) -> Rows:
    """One row of this shape as COPY sends it, its values still zero: the number of columns, then length and value of
    each; a column that the row lacks has length -1 and no value.
    """
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, (kind, _) in COLUMNS.items():
        layout.append((f"{name} length", ">i4"))
        if name != "payload" and _has(shape, name):
            layout.append((name, kind))
    return _with_lengths(layout, len(COLUMNS))


@cache
def _listed(shape: int) -> Rows:
    """One row of this shape as an element of a ledger.given[]: its length, the number of columns, then type, length and
    value of each.
    """
    layout: list[tuple[str, str]] = [("length", ">i4"), ("columns", ">i4")]
    for name, (kind, _) in COLUMNS.items():
        if name not in _OF_THE_APPEND:
            layout += [(f"{name} type", ">i4"), (f"{name} length", ">i4")]
            if name != "payload" and _has(shape, name):
                layout.append((name, kind))
    row = _with_lengths(layout, len(COLUMNS) - len(_OF_THE_APPEND))
    row["length"] = row.dtype.itemsize - 4
    for name, (_, oid) in COLUMNS.items():
        if name not in _OF_THE_APPEND:
            row[f"{name} type"] = oid
    return row


def _has(shape: int, name: str) -> bool:
    return name not in _MAY_LACK or bool(shape & _MAY_LACK[name])


def _with_lengths(layout: list[tuple[str, str]], columns: int) -> Rows:
    row = np.zeros(1, np.dtype(layout))
    row["columns"] = columns
    for name, (kind, _) in COLUMNS.items():
        if f"{name} length" in (row.dtype.names or ()):
            row[f"{name} length"] = np.dtype(kind).itemsize if name in (row.dtype.names or ()) else -1
    return row


def _shapes(rows: Rows) -> npt.NDArray[np.uint8]:
    shape: npt.NDArray[np.uint8] = _not_zero(rows["refers_to"]).astype(np.uint8)
    shape += _not_zero(rows["order_id"]) * np.uint8(_ORDER)
    shape += (rows["expires_at"] != 0) * np.uint8(_EXPIRES)
    return shape


def _not_zero(ids: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Which ids are there: halves of 64 bits are compared ten times as fast as 16 bytes."""
    halves = np.ascontiguousarray(ids).view(np.int64)
    found: npt.NDArray[np.bool_] = (halves[0::2] | halves[1::2]) != 0
    return found


def _laid_out(template: Rows, rows: Rows) -> Rows:
    """The template once for each row, with the row's values."""
    out = np.repeat(template, len(rows))
    for name in ROW.names or ():
        if name in (template.dtype.names or ()):
            out[name] = rows[name]
    out["value_date"] -= PG_EPOCH_DAYS
    if "expires_at" in (template.dtype.names or ()):
        out["expires_at"] -= PG_EPOCH_MICROSECONDS
    return out


def copy_stream(book: int, first: int, posted_at: int, slices: Iterable[Batch]) -> Iterator[Buffer]:
    """Batches, one behind the other, as a stream of PostgreSQL's binary COPY, a piece at a time, so that one is laid
    out while the one before is on its way.
    """
    header = COPY_HEADER
    for batch in slices:
        for start in range(0, len(batch), PIECE_ROWS):
            yield header + _copied_piece(book, first, posted_at, batch, start)
            header = b""
        first += len(batch)
    yield header + COPY_TRAILER


def _copied_piece(book: int, first: int, posted_at: int, batch: Batch, start: int) -> bytes:
    """Rows of one shape are laid out together; in what order they arrive is no matter, each carries its sequence."""
    rows = batch.rows[start : start + PIECE_ROWS]
    speaks = np.zeros(len(rows), bool)
    if batch.payloads:
        speaks[:] = [index in batch.payloads for index in range(start, start + len(rows))]
    shapes, pieces = _shapes(rows), []
    for shape in np.flatnonzero(np.bincount(shapes, minlength=8)).tolist():
        where = np.flatnonzero(shapes == shape)
        out = _laid_out(_copied(shape), rows if len(where) == len(rows) else rows[where])
        out["book_id"] = book
        out["sequence"] = where + (first + start)
        out["posted_at"] = posted_at - PG_EPOCH_MICROSECONDS
        silent = ~speaks[where]
        pieces.append(out[silent].tobytes() if batch.payloads else out.tobytes())
        for row, index in zip(out[~silent], where[~silent].tolist(), strict=True):
            payload = batch.payloads[start + index]
            pieces.append(row.tobytes()[:-4] + len(payload).to_bytes(4, "big") + payload)
    return b"".join(pieces)


def list_rows(batch: Batch) -> bytes:
    """The batch as the binary form of a ledger.given[], in its order."""
    head = _ARRAY_HEAD + len(batch).to_bytes(4, "big") + b"\0\0\0\1"
    shapes = _shapes(batch.rows)
    kinds = np.flatnonzero(np.bincount(shapes, minlength=8)).tolist()
    if len(kinds) == 1 and not batch.payloads:
        return head + _laid_out(_listed(kinds[0]), batch.rows).tobytes()
    elements = [b""] * len(batch)
    for shape in kinds:
        where = np.flatnonzero(shapes == shape)
        out = _laid_out(_listed(shape), batch.rows[where])
        size, stream = out.dtype.itemsize, out.tobytes()
        for place, index in enumerate(where.tolist()):
            elements[index] = stream[place * size : place * size + size]
    for index, payload in batch.payloads.items():
        row = elements[index]
        length = (len(row) - 4 + len(payload)).to_bytes(4, "big")
        elements[index] = length + row[4:-4] + len(payload).to_bytes(4, "big") + payload
    return head + b"".join(elements)


_OUT: Final = np.dtype(
    [
        ("columns", ">i2"),
        *(
            part
            for name, kind in (
                ("sequence", ">i8"),
                ("kind", ">i2"),
                ("flags", ">i2"),
                ("id", "V16"),
                ("debit_account", ">i8"),
                ("credit_account", ">i8"),
                ("amount", ">i8"),
                ("refers_to", "V16"),
                ("order_id", "V16"),
                ("code", ">i4"),
                ("value_date", ">i4"),
                ("posted_at", ">i8"),
                ("expires_at", ">i8"),
            )
            for part in ((f"{name} length", ">i4"), (name, kind))
        ),
    ]
)
_INFINITY: Final = 2**63 - 1  # PostgreSQL's timestamp 'infinity': no expiry


def rows_from_copy(stream: bytes) -> tuple[Int64, Rows, Int64]:
    """Sequences, rows and posting times (microseconds since 1970) of a stream of the query `copy_journal_out`."""
    read = np.frombuffer(stream, _OUT, offset=len(COPY_HEADER), count=(len(stream) - len(COPY_HEADER)) // _OUT.itemsize)
    rows = np.zeros(len(read), ROW)
    for name in ROW.names or ():
        rows[name] = read[name]
    rows["value_date"] += PG_EPOCH_DAYS
    endless = read["expires_at"] == _INFINITY
    rows["expires_at"] = np.where(endless, 0, read["expires_at"].astype(np.int64) + PG_EPOCH_MICROSECONDS * ~endless)
    return read["sequence"].astype(np.int64), rows, read["posted_at"].astype(np.int64) + PG_EPOCH_MICROSECONDS
