"""The two byte forms of a row: leaf v1, which is hashed and signed, and PostgreSQL's binary COPY, which is stored.

Leaf v1 is 116 bytes and the payload, all numbers big-endian (docs/reference/evidence-format.md). Both are laid out for
a whole batch at once by NumPy.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ringfence.ledger.model import NO_ID, ROW, Batch, Kind, Rows, canonical
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
JOURNAL_COLUMNS: Final = 15
_PG_EPOCH_DAYS: Final = 10_957  # 2000-01-01, PostgreSQL's first day
_PG_EPOCH_MICROSECONDS: Final = _PG_EPOCH_DAYS * 86_400 * 1_000_000
_NULL: Final = -1


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


def copy_rows(book: int, first: int, posted_at: int, batch: Batch) -> list[bytes]:
    """The batch in PostgreSQL's binary COPY format, without header and trailer. Rows of one shape are laid out
    together; the order in which rows arrive is no matter, each carries its sequence.
    """
    rows = batch.rows
    refers = rows["refers_to"] != np.void(NO_ID)
    orders = rows["order_id"] != np.void(NO_ID)
    expires = rows["expires_at"] != 0
    shape = refers * 1 + orders * 2 + expires * 4
    if batch.payloads:
        shape[list(batch.payloads)] = 8
    pieces = []
    for each in np.unique(shape):
        if each == 8:
            continue
        where = np.flatnonzero(shape == each)
        pieces.append(_copy_shape(book, first, posted_at, rows, where, bool(each & 1), bool(each & 2), bool(each & 4)))
    for index, payload in batch.payloads.items():
        where = np.array([index])
        head = _copy_shape(
            book, first, posted_at, rows, where, bool(refers[index]), bool(orders[index]), bool(expires[index])
        )
        pieces.append(head[:-4] + len(payload).to_bytes(4, "big") + payload)
    return pieces


def _copy_shape(
    book: int,
    first: int,
    posted_at: int,
    rows: Rows,
    where: npt.NDArray[np.intp],
    refers: bool,
    orders: bool,
    expires: bool,
) -> bytes:
    columns: list[tuple[str, str | None, object]] = [
        ("book_id", ">i4", book),
        ("sequence", ">i8", where + first),
        ("kind", ">i2", rows["kind"][where]),
        ("flags", ">i2", rows["flags"][where]),
        ("id", "V16", rows["id"][where]),
        ("debit_account", ">i8", rows["debit_account"][where]),
        ("credit_account", ">i8", rows["credit_account"][where]),
        ("amount", ">i8", rows["amount"][where]),
        ("refers_to", "V16" if refers else None, rows["refers_to"][where]),
        ("order_id", "V16" if orders else None, rows["order_id"][where]),
        ("code", ">i4", rows["code"][where]),
        ("value_date", ">i4", rows["value_date"][where] - _PG_EPOCH_DAYS),
        ("posted_at", ">i8", posted_at - _PG_EPOCH_MICROSECONDS),
        ("expires_at", ">i8" if expires else None, rows["expires_at"][where] - _PG_EPOCH_MICROSECONDS),
        ("payload", None, None),
    ]
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, kind, _ in columns:
        layout.append((f"{name} length", ">i4"))
        if kind is not None:
            layout.append((name, kind))
    out = np.zeros(len(where), np.dtype(layout))
    out["columns"] = JOURNAL_COLUMNS
    for name, kind, value in columns:
        out[f"{name} length"] = _NULL if kind is None else np.dtype(kind).itemsize
        if kind is not None:
            out[name] = value
    return out.tobytes()


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
    rows["value_date"] += _PG_EPOCH_DAYS
    endless = read["expires_at"] == _INFINITY
    rows["expires_at"] = np.where(endless, 0, read["expires_at"].astype(np.int64) + _PG_EPOCH_MICROSECONDS * ~endless)
    return read["sequence"].astype(np.int64), rows, read["posted_at"].astype(np.int64) + _PG_EPOCH_MICROSECONDS
