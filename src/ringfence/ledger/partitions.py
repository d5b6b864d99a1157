"""Parts of the journal that every book has left: sealed, closed, archived.

  sealed    what a book has in a part that it has left: rows are counted, and SHA-256 is taken over leaf v1 of all of
            them, in order. From here on that is what the part must hold for the book.
  closed    every book is sealed there: the core may bring no row in any more. Only a new book, which begins at row 0,
            opens the first part again, for itself.
  archived  a closed part's rows were written to a file and read back against their seals. If a tablespace is named, the
            part also moves there, and is read as before.

What a crash leaves: a seal is one statement; a file that is not whole has another name; a copy that did not take the
part's place is thrown away by the next attempt.
"""

import gzip
import hashlib
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from psycopg import errors, sql
from psycopg.rows import class_row

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger import encoding, storage
from ringfence.ledger.refusals import (
    PART_DOES_NOT_MATCH_ITS_SEAL,
    PART_IS_IN_USE,
    PART_MUST_BE_CLOSED,
    PART_MUST_EXIST,
    TABLESPACE_MUST_EXIST,
)

SWAP_ATTEMPTS: Final = 30  # of two seconds each, with a pause between
_PAUSE_SECONDS: Final = 1.0

Report = Callable[[int, int], None]  # rows done, rows in all


class _Queries(NamedQueries):
    states: Query
    left_behind: Query
    seal: Query
    seals: Query
    close_part: Query
    book_names: Query
    freeze: Query
    copy_out: Query
    tablespace_exists: Query
    copy_part: Query
    wait_little: Query
    swap_part: Query
    archived: Query


_QUERIES = load(_Queries, "ringfence.ledger", "sql/partitions.sql")


@dataclass(frozen=True)
class State:
    """A part: its range of sequences, what it holds (`books` are in it or were), and how far it is put away."""

    part: int
    first: int
    last: int
    made_at: datetime
    closed_at: datetime | None
    archived_at: datetime | None
    tablespace: str | None
    file: str | None
    file_sha256: bytes | None
    rows: int
    books: int
    sealed: int
    bytes: int

    @property
    def table(self) -> sql.Identifier:
        return storage.Part(self.part, self.first, self.last).table


@dataclass(frozen=True)
class Seal:
    """What a book has in a part: so many rows, and SHA-256 over leaf v1 of each, in order."""

    book_id: int
    book: str
    rows: int
    sha256: bytes
    sealed_at: datetime


@dataclass(frozen=True)
class Sealed:
    """The seals of a part, whether it is closed, and if not, the books that are still in it."""

    seals: list[Seal]
    closed: bool
    inside: list[str]


def states(connection: Connection) -> list[State]:
    """Every part, in order."""
    with connection.cursor(row_factory=class_row(State)) as cursor:
        return cursor.execute(_QUERIES.states).fetchall()


def state(connection: Connection, part: int) -> State:
    """`part_must_exist` if there is none of that number."""
    for each in states(connection):
        if each.part == part:
            return each
    raise PART_MUST_EXIST(part=part)


def seals(connection: Connection, part: int) -> list[Seal]:
    return [Seal(*row) for row in connection.execute(_QUERIES.seals, {"part": part})]


def seal(owner: Connection, part: int, at: datetime, report: Report = lambda *_: None) -> Sealed:
    """Seal every book that has left the part; if that is all of them, close it and freeze its rows for good.

    `owner` is in autocommit. A part that is closed already stays as it is.
    """
    now = state(owner, part)
    waiting = owner.execute(_QUERIES.left_behind, {"last": now.last, "part": part}).fetchall()
    size, done = now.last - now.first, 0
    for book, _ in waiting:
        digest = hashlib.sha256()
        for first in range(now.first, now.last, storage.BLOCK_ROWS):
            block = storage.read_block(owner, book, first, min(first + storage.BLOCK_ROWS, now.last))
            for leaf in encoding.leaves(book, first, block.posted_at, block.batch):
                digest.update(leaf)
            done += len(block.batch)
            report(done, len(waiting) * size)
        sealed = {"book": book, "part": part, "rows": size, "sha256": digest.digest(), "at": at}
        owner.execute(_QUERIES.seal, sealed)
    row = owner.execute(_QUERIES.close_part, {"part": part, "at": at}).fetchone()
    inside = [name for (name,) in owner.execute(_QUERIES.book_names, {"books": row[0] if row else []})]
    if not inside and now.closed_at is None:
        owner.execute(_composed(_QUERIES.freeze, now))
    return Sealed(seals(owner, part), not inside, inside)


@dataclass(frozen=True)
class Archive:
    """A file of a part's rows: PostgreSQL's binary COPY, compressed by gzip. `sha256` is the file's."""

    path: Path
    rows: int
    sha256: bytes
    tablespace: str | None


def archive(
    owner: Connection,
    part: int,
    folder: Path,
    at: datetime,
    *,
    tablespace: str | None = None,
    report: Report = lambda *_: None,
) -> Archive:
    """Write a closed part to `folder` and read it back; with `tablespace`, move the part there. Needs autocommit.

    `part_must_be_closed`, `tablespace_must_exist`, `part_does_not_match_its_seal` (nothing was moved), `part_is_in_use`
    (the file is whole, the part stayed; ask again).
    """
    now = state(owner, part)
    if now.closed_at is None:
        raise PART_MUST_BE_CLOSED(part=part)
    if tablespace is not None and owner.execute(_QUERIES.tablespace_exists, {"name": tablespace}).fetchone() != (True,):
        raise TABLESPACE_MUST_EXIST(tablespace=tablespace)
    known = seals(owner, part)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"journal-{part:06}.copy.gz"
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        with owner.cursor().copy(_composed(_QUERIES.copy_out, now)) as copy:
            for piece in copy:
                packed.write(piece)
        packed.close()
        file.flush()
        os.fsync(file.fileno())
    with gzip.open(unfinished) as packed_again:
        found = _digests(packed_again, lambda rows: report(rows, now.rows))
    if found != {each.book_id: (each.rows, each.sha256) for each in known}:
        unfinished.unlink()
        raise PART_DOES_NOT_MATCH_ITS_SEAL(part=part)
    digest = _sha256(unfinished)
    os.replace(unfinished, path)  # noqa: PTH105 - the one call that is atomic
    _describe(path, now, known, digest, at)
    written = {"at": at, "file": str(path), "sha256": digest, "part": part}
    if tablespace is not None and tablespace != now.tablespace:
        _move(owner, now, tablespace)
    owner.execute(_QUERIES.archived, written)
    return Archive(path, sum(each.rows for each in known), digest, tablespace or now.tablespace)


def _move(owner: Connection, now: State, tablespace: str) -> None:
    """Copy the part where it shall be, compare, and put the copy in its place as soon as nobody reads the journal."""
    owner.execute(_QUERIES.copy_part, {"part": now.part, "tablespace": tablespace})
    copied = sql.Identifier("ledger", f"journal_{now.part}_cold")
    owner.execute(sql.SQL(_QUERIES.freeze.decode()).format(table=copied))
    for _ in range(SWAP_ATTEMPTS):
        try:
            with owner.transaction():
                owner.execute(_QUERIES.wait_little)
                owner.execute(_QUERIES.swap_part, {"part": now.part, "tablespace": tablespace})
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            time.sleep(_PAUSE_SECONDS)
        else:
            return
    raise PART_IS_IN_USE(part=now.part)


def _describe(path: Path, now: State, known: list[Seal], digest: bytes, at: datetime) -> None:
    said: dict[str, Any] = {
        "part": now.part,
        "first": now.first,
        "last": now.last,
        "archived_at": at.isoformat(),
        "file": path.name,
        "sha256": digest.hex(),
        "format": "PostgreSQL binary COPY of ledger.journal, ordered by book_id, sequence; gzip",
        "books": [
            {"book": each.book, "book_id": each.book_id, "rows": each.rows, "leaves_sha256": each.sha256.hex()}
            for each in known
        ],
    }
    path.with_suffix(".json").write_text(json.dumps(said, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


# -- an archive, read without PostgreSQL -----------------------------------------------------------------------------

_Bytes = IO[bytes] | gzip.GzipFile
_LEAF_BETWEEN: Final = struct.Struct(">16s8s8s8s16s16s4siqqI")  # id to payload length of leaf v1
_DAYS: Final = encoding.PG_EPOCH_DAYS
_MICROSECONDS: Final = encoding.PG_EPOCH_MICROSECONDS


def leaves_of(packed: _Bytes) -> Iterator[tuple[int, bytes]]:
    """Book and leaf v1 of each row of a binary COPY, as `archive` packs it. ValueError if it is none."""
    if packed.read(len(encoding.COPY_HEADER)) != encoding.COPY_HEADER:
        raise ValueError("this is no binary COPY")
    while (columns := int.from_bytes(packed.read(2), signed=True)) != -1:
        if columns != len(encoding.COLUMNS):
            raise ValueError(f"a row with {columns} columns")
        row: list[bytes | None] = []
        for _ in range(columns):
            length = int.from_bytes(packed.read(4), signed=True)
            row.append(None if length < 0 else packed.read(length))
        yield int.from_bytes(row[0] or b""), _leaf(row)


def _leaf(row: list[bytes | None]) -> bytes:
    book, sequence, kind, flags, identity, debit, credit, amount, refers, order, code, day, posted, expires, said = row
    payload = said or b""
    head = b"\x01" + (kind or b"\0")[-1:] + (flags or b"") + (book or b"") + (sequence or b"")
    return (
        head
        + _LEAF_BETWEEN.pack(
            identity or b"",
            debit or b"",
            credit or b"",
            amount or b"",
            refers or bytes(16),
            order or bytes(16),
            code or b"",
            int.from_bytes(day or b"", signed=True) + _DAYS,
            int.from_bytes(posted or b"", signed=True) + _MICROSECONDS,
            0 if expires is None else int.from_bytes(expires, signed=True) + _MICROSECONDS,
            len(payload),
        )
        + payload
    )


def _digests(packed: _Bytes, report: Callable[[int], None]) -> dict[int, tuple[int, bytes]]:
    """Rows and SHA-256 over the leaves of each book of an archive."""
    found: dict[int, Any] = {}
    counts: dict[int, int] = {}
    for done, (book, leaf) in enumerate(leaves_of(packed), 1):
        found.setdefault(book, hashlib.sha256()).update(leaf)
        counts[book] = counts.get(book, 0) + 1
        if done % storage.BLOCK_ROWS == 0:
            report(done)
    return {book: (counts[book], digest.digest()) for book, digest in found.items()}


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _composed(query: Query, now: State) -> sql.Composed:
    return sql.SQL(query.decode()).format(table=now.table)
