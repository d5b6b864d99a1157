"""The notary: it reads the journal from where it stopped, replays it, and signs what holds.

It has its own key, its own log (tiles and checkpoints in a directory) and a database role that may read the journal and
write nothing but checkpoints and alarms. One step, in this order:

    extent   the book's head, and the first and last row that are there: is anything missing, left over, or rolled back?
    tail     are the last signed rows still in the journal as they were signed?
    read     the new rows, in one snapshot with the above
    replay   each is well-formed, keeps the ledger's rules, does not go back in time, has an id of its own
    tiles    the new rows' bundles and tiles are durable
    keep     the checkpoint is signed, proven to continue the last one, and durable under its size
    publish  it is the log's last checkpoint
    record   it is in evidence.checkpoint, for the other processes
    prune    partial tiles that became full are gone
    snapshot when enough rows have come since the last one, what the replay came to is kept for the next start

A kill between any two leaves a log that opens: what is not published does not count, what was kept is published first,
and what was published and not recorded is recorded. A checkpoint that was kept is never contradicted.

A row that only people may say is signed only after whoever knows their approvals was asked (`authorisation`).

Old rows are read again and again in the background, a bounded number a time (`reread`), because an edit far back is
seen by nobody else; and beside them the tables that follow the journal (`tables`). While what was found there is still
so, nothing new is signed. What the notary may find, and how it tells one finding from the other, is in `findings`.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from psycopg import IsolationLevel

from ringfence.database.connection import Connection
from ringfence.database.refusals import refusing
from ringfence.evidence.authorisation import Audit, Authorised, nobody, rows_to_authorise
from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ringfence.evidence.cosignature import signed_time
from ringfence.evidence.findings import (
    CHECKPOINT_WAS_EDITED,
    ID_IS_REPEATED,
    JOURNAL_IS_OLDER_THAN_LOG,
    JOURNAL_IS_UNREADABLE,
    JOURNAL_WAS_REPLACED,
    LOG_IS_IN_USE,
    LOG_IS_OLDER_THAN_SIGNED,
    ROW_IS_MISSING,
    ROW_IS_PHANTOM,
    ROW_WAS_EDITED,
    raise_alarm,
)
from ringfence.evidence.keys import NOTARY_KEY_DOES_NOT_FIT_LOG, key_lines
from ringfence.evidence.lookback import check_checkpoints, check_edge, some_of
from ringfence.evidence.note import NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY, Signer
from ringfence.evidence.queries import QUERIES
from ringfence.evidence.replay import ROW_IS_MALFORMED, Replay
from ringfence.evidence.snapshot import keep_snapshot, newest_snapshot
from ringfence.evidence.tables import Tables
from ringfence.evidence.tiles import (
    EMPTY_EDGE,
    LOG_FILE_IS_UNREADABLE,
    LOG_FILE_WOULD_CHANGE,
    WIDTH,
    Edge,
    File,
    Tiles,
    directory_reader,
    grow,
    keep_checkpoint,
    kept_checkpoints,
    make_log_folder,
    prune,
    publish_checkpoint,
    read_file,
    write_files,
)
from ringfence.evidence.tree import check_tree, prove_tree
from ringfence.ledger.encoding import LEAF, leaves
from ringfence.ledger.model import LINKED, Batch, Kind
from ringfence.ledger.storage import Block, BookHasAGap, head_of, read_block
from ringfence.refusal import Refused

BLOCK_ROWS: Final = 65_536  # read, replayed and signed at a time
REREAD_ROWS: Final = 4_096
SNAPSHOT_ROWS: Final = 262_144  # at least so many rows lie between two snapshots


@dataclass(frozen=True)
class Signed:
    """The last checkpoint and the log's edge at its size."""

    checkpoint: Checkpoint
    edge: Edge


# The notary of one book


class Notary:
    """`connect` opens a connection in role notary; `log` is the directory of this book's log. `authorised` is asked
    before a row is signed that needs people's leave, `audits` about every block of rows. `put_aside` is told of a
    snapshot that is not believed, or could not be kept: the notary does without.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        log: Path,
        signer: Signer,
        book: int,
        *,
        authorised: Authorised = nobody,
        audits: Sequence[Audit] = (),
        put_aside: Callable[[Refused], None] = lambda _: None,
        block_rows: int = BLOCK_ROWS,
        snapshot_rows: int = SNAPSHOT_ROWS,
    ) -> None:
        self._connect = connect
        self._authorised = authorised
        self._audits = audits
        self._put_aside = put_aside
        self.block_rows = block_rows
        self._snapshot_rows = snapshot_rows
        self._snapshot_size = 0  # rows under the last snapshot
        self.log = log
        self.signer = signer
        self.book = book
        self.position = 0  # the row that `reread` compares next
        self._kept: list[int] = []  # sizes of the checkpoints that were kept when its round began
        self._connection: Connection | None = None
        self._signed = Signed(Checkpoint(signer.name, 0, EMPTY_EDGE.root), EMPTY_EDGE)
        self._replay = Replay()
        self._unrecorded: list[int] = []  # sizes that were published and are not in evidence.checkpoint
        self._interrupted = True  # the log may be ahead of what is known here
        self._in_doubt = False  # something that was signed is not so any more: `reread` found it
        self._tables = Tables(book, log, signer.verifier)
        self._lock = _lock(log)

    @property
    def checkpoint(self) -> Checkpoint:
        """The last one that was published; of no rows if there is none."""
        return self._signed.checkpoint

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        os.close(self._lock)

    def open(self, at: datetime) -> Checkpoint:
        """Open the log as a kill, or an orderly end, has left it, and replay it. `step` does so if nobody did."""
        with self._alarming(at):
            self._recover()
        return self.checkpoint

    def step(self, at: datetime) -> Checkpoint | None:
        """Read, replay and sign the next rows, at most `block_rows` or one chain. None: there was nothing new."""
        if self._interrupted:
            self.open(at)
        before = self.checkpoint.size
        for _ in self.steps(at):
            pass
        return self.checkpoint if self.checkpoint.size > before else None

    def steps(self, at: datetime) -> Iterator[str]:
        """`step`, which pauses after each of its parts and says which was done. One that is not driven to its end
        leaves what a kill would leave. A refusal is recorded as an alarm before it is raised.
        """
        with self._alarming(at):
            if self._interrupted:
                self._recover()
            with self._snapshot() as connection:
                head = self._check_extent(connection)
                yield "extent"
                self._check_tail(connection)
                yield "tail"
                block = self._read(connection, head)
                yield "read"
                if block is not None:
                    if self._in_doubt:
                        self._reread(connection, head, REREAD_ROWS)
                    self._check_ids(connection, block)
                    undo = self._take(connection, block)
            if block is not None:
                self._interrupted = True
                try:
                    yield "replay"
                    edge = self._write_tiles(block)
                    yield "tiles"
                    note, checkpoint = self._keep(edge, at)
                    yield "keep"
                    publish_checkpoint(self.log, note)
                    yield "publish"
                except BaseException:
                    undo()
                    raise
                older, self._signed = self._signed.edge.size, Signed(checkpoint, edge)
                self._unrecorded.append(checkpoint.size)
                self._interrupted = False
            self._record(at)
            yield "record"
            if block is not None:
                prune(self.log, older, edge.size)
                yield "prune"
            if self._snapshot_is_due():
                self._keep_snapshot()
                yield "snapshot"

    def reread(self, at: datetime, rows: int = REREAD_ROWS) -> int:
        """Compare the next few signed rows with the journal, and look at the log's own old files (`lookback`); returns
        how far this round has come, 0 at its end.
        """
        with self._alarming(at):
            if self._interrupted:
                self._recover()
            with self._snapshot() as connection:
                self._reread(connection, self._check_extent(connection), rows)
        return self.position

    def _reread(self, connection: Connection, head: int, rows: int) -> None:
        self._in_doubt = True
        first = self.position if self.position < self.checkpoint.size else 0
        self._kept = self._kept if first else kept_checkpoints(self.log)
        last, sizes = some_of(self._kept, first, min(first + rows, self.checkpoint.size))
        size = self.checkpoint.size
        records = self._compare(connection, first, last)
        check_checkpoints(self.log, self._tiles(), sizes, self._open_note)
        self._tables.check_checkpoints(connection, first, last, sizes, self._unrecorded, size)
        self._tables.check(connection, head, self._replay.balances, size, records, first)
        if last == size:
            check_edge(self.log, self._signed.edge)
            self._leave_key()
        self.position = last if last < size else 0
        self._in_doubt = False

    @contextmanager
    def _alarming(self, at: datetime) -> Iterator[None]:
        try:
            with refusing():
                yield
        except Refused as refused:
            self._raise_alarm(refused, at)
            raise

    # -- the log ------------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        signed = self._open_log()
        for size in kept_checkpoints(self.log)[-1:]:
            if size > signed.checkpoint.size:
                note = read_file(self.log, f"checkpoints/{size}")
                _edge_of(self.log, self._open_note(note))
                publish_checkpoint(self.log, note)
                signed = self._open_log()
        self._leave_key()
        self._unrecorded = self._compare_with_recorded(signed.checkpoint)
        self._signed = signed
        self._replay_log()
        self._interrupted = False

    def _open_log(self) -> Signed:
        if not (self.log / "checkpoint").exists():
            return Signed(Checkpoint(self.signer.name, 0, EMPTY_EDGE.root), EMPTY_EDGE)
        checkpoint = self._open_note(read_file(self.log, "checkpoint"))
        return Signed(checkpoint, _edge_of(self.log, checkpoint))

    def _open_note(self, note: bytes) -> Checkpoint:
        try:
            return open_checkpoint(note, self.signer.name, [self.signer.verifier])
        except Refused as refused:
            if refused.refusal is not NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY:
                raise
            raise NOTARY_KEY_DOES_NOT_FIT_LOG(key=self.signer.verifier, log=self.log) from refused

    def _leave_key(self) -> None:
        """The public key lies beside the log, for those who export or follow it."""
        try:
            write_files(self.log, [File("notary.vkey", key_lines(self.signer.verifier).encode())])
        except Refused as refused:
            if refused.refusal is not LOG_FILE_WOULD_CHANGE:
                raise
            raise NOTARY_KEY_DOES_NOT_FIT_LOG(key=self.signer.verifier, log=self.log) from refused

    def _compare_with_recorded(self, checkpoint: Checkpoint) -> list[int]:
        """evidence.checkpoint ends with the log's last checkpoint, or short of it if a kill came between; the sizes
        that it lacks.
        """
        connection = self._connected()
        with connection.transaction():
            recorded = connection.execute(QUERIES.last_checkpoint, {"book": self.book}).fetchone()
        size, note = (recorded[0], recorded[2]) if recorded else (-1, "")
        if size > checkpoint.size:
            try:
                self._open_note(note.encode())
            except Refused as refused:  # it was not this notary who said that
                raise CHECKPOINT_WAS_EDITED(size=size) from refused
            raise LOG_IS_OLDER_THAN_SIGNED(size=checkpoint.size, recorded=size)
        if size >= 0 and read_file(self.log, f"checkpoints/{size}") != note.encode():
            raise CHECKPOINT_WAS_EDITED(size=size)
        return [each for each in kept_checkpoints(self.log) if size < each <= checkpoint.size]

    def _replay_log(self) -> None:
        """Bring the replay up to the log, from the newest snapshot if it stands at the beginning. A block ends with a
        chain.
        """
        if not self._replay.rows and self.checkpoint.size:
            self._replay = newest_snapshot(self.log, self._tiles(), self.signer, self._put_aside) or Replay()
            self._snapshot_size = self._replay.rows
        waiting: list[bytes] = []
        for record in self._tiles().records(self._replay.rows, self.checkpoint.size):
            waiting.append(record)
            if len(waiting) >= self.block_rows and not record[3] & LINKED:
                self._replay.restore(waiting)
                waiting = []
        if waiting:
            self._replay.restore(waiting)

    def _snapshot_is_due(self) -> bool:
        """Not before as many rows have come as the state has accounts and holds, so that it costs little a row."""
        balances = self._replay.balances
        rows = max(self._snapshot_rows, balances.size + len(balances.holds))
        return self.checkpoint.size - self._snapshot_size >= rows

    def _keep_snapshot(self) -> None:
        """A snapshot that cannot be written is tried again later; it does not keep the notary from signing."""
        try:
            keep_snapshot(self.log, self.checkpoint, self.signer, self._replay)
        except Refused as refused:
            self._put_aside(refused)
        self._snapshot_size = self.checkpoint.size

    def _tiles(self) -> Tiles:
        return Tiles(self.checkpoint.size, self.checkpoint.root, directory_reader(self.log))

    def _find(self, connection: Connection, ids: Sequence[UUID]) -> Mapping[bytes, bytes]:
        """Leaves by id: the journal says where to look, the log says what is there."""
        tiles = self._tiles()
        places = {"book": self.book, "ids": list(ids), "before": tiles.size}
        found = {}
        for identity, sequence in connection.execute(QUERIES.sequences_of, places).fetchall():
            leaf = next(tiles.records(sequence, sequence + 1))
            if leaf[16:32] == identity.bytes:
                found[identity.bytes] = leaf
        return found

    # -- one step -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """One view of the database: head and rows belong together."""
        connection = self._connected()
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            with connection.transaction():
                yield connection
        finally:
            if not connection.closed:
                connection.isolation_level = None
                connection.read_only = None

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _check_extent(self, connection: Connection) -> int:
        """The book's head, which must be the number of rows that are there."""
        head = head_of(connection, self.book)
        if head < self.checkpoint.size:
            raise JOURNAL_IS_OLDER_THAN_LOG(head=head, signed=self.checkpoint.size)
        first, last = connection.execute(QUERIES.extent, {"book": self.book}).fetchone() or (None, None)
        if last is not None and last >= head:
            raise ROW_IS_PHANTOM(sequence=last)
        if first is not None and first < 0:
            raise ROW_IS_PHANTOM(sequence=first)
        if head and last != head - 1:
            raise ROW_IS_MISSING(sequence=head - 1)
        return head

    def _check_tail(self, connection: Connection) -> None:
        size = self.checkpoint.size
        self._compare(connection, max(0, (size - 1) // WIDTH * WIDTH), size)

    def _compare(self, connection: Connection, first: int, last: int) -> list[bytes]:
        """Are these signed rows in the journal as they were signed? Returns them."""
        if first == last:
            return []
        signed = list(self._tiles().records(first, last))
        block = self._read_rows(connection, first, last)
        if misspelled := self._misspelled(connection, first, last):
            raise ROW_WAS_EDITED(sequence=misspelled[0], fields=misspelled[1])
        found = list(leaves(self.book, first, block.posted_at, block.batch))
        if found == signed:
            return signed
        if self._id_changed(connection, self.checkpoint.size - 1):
            raise JOURNAL_WAS_REPLACED(sequence=self._replaced_from(connection), signed=self.checkpoint.size)
        at = next(index for index, (one, other) in enumerate(zip(found, signed, strict=True)) if one != other)
        raise ROW_WAS_EDITED(sequence=first + at, fields=", ".join(_differences(found[at], signed[at])))

    def _id_changed(self, connection: Connection, sequence: int) -> bool:
        block = self._read_rows(connection, sequence, sequence + 1)
        signed = next(self._tiles().records(sequence, sequence + 1))
        return bool(block.batch.rows["id"][0].tobytes() != signed[16:32])

    def _replaced_from(self, connection: Connection) -> int:
        """The first row of another id; from there to the last signed row all differ."""
        same, differs = -1, self.checkpoint.size - 1
        while differs - same > 1:
            middle = (same + differs) // 2
            if self._id_changed(connection, middle):
                differs = middle
            else:
                same = middle
        return differs

    def _read(self, connection: Connection, head: int) -> Block | None:
        """The rows after the last signed one, up to the end of a chain and the turns behind it: what happens together
        is signed together.
        """
        first = self.checkpoint.size
        if head == first:
            return None
        rows = self.block_rows
        while True:
            block = self._read_rows(connection, first, min(head, first + rows + 1))
            if len(block.batch) <= rows:
                break  # to the end of the journal, where an open chain is refused by name
            if whole := _whole_rows(block):
                block = _beginning(block, whole)
                break
            rows *= 2
        if misspelled := self._misspelled(connection, block.first, block.last):
            raise ROW_IS_MALFORMED(sequence=misspelled[0], field=misspelled[1])
        return block

    def _take(self, connection: Connection, block: Block) -> Callable[[], None]:
        """Replay new rows, and ask whether people allowed what only they may say; returns the way back."""
        balances = self._replay.balances
        guarded, monitored = [guard.pool for guard in balances.guards.values()], list(balances.monitors)
        undo = self._replay.take(block, lambda ids: self._find(connection, ids))
        try:
            for row in rows_to_authorise(block, self.book, guarded, monitored):
                self._authorised(connection, row)
            for audit in self._audits:
                audit(connection, self.book, block, balances)
        except BaseException:
            undo()
            raise
        return undo

    def _read_rows(self, connection: Connection, first: int, last: int) -> Block:
        try:
            return read_block(connection, self.book, first, last)
        except BookHasAGap as gap:
            rows = {"book": self.book, "first": first, "last": last}
            twice = connection.execute(QUERIES.repeated_sequence, rows).fetchone()
            if twice:
                raise ROW_IS_PHANTOM(sequence=twice[0]) from None
            raise ROW_IS_MISSING(sequence=gap.sequence) from None
        except ValueError:
            raise JOURNAL_IS_UNREADABLE(first=first, last=last - 1) from None

    def _misspelled(self, connection: Connection, first: int, last: int) -> tuple[int, str] | None:
        """A row with a column that its leaf does not tell from another, and the column."""
        rows = {"book": self.book, "first": first, "last": last}
        found = connection.execute(QUERIES.misspelled_row, rows).fetchone()
        return found and (int(found[0]), str(found[1]))

    def _check_ids(self, connection: Connection, block: Block) -> None:
        rows = {"book": self.book, "first": block.first, "last": block.last}
        repeated = connection.execute(QUERIES.repeated_id, rows).fetchone()
        if repeated:
            raise ID_IS_REPEATED(sequence=repeated[0], id=repeated[1], earlier=repeated[2])

    def _write_tiles(self, block: Block) -> Edge:
        records = list(leaves(self.book, block.first, block.posted_at, block.batch))
        edge, files = grow(self._signed.edge, records)
        write_files(self.log, files)
        return edge

    def _keep(self, edge: Edge, at: datetime) -> tuple[bytes, Checkpoint]:
        """Sign, if the tree that was signed last is the beginning of this one as it now lies on the disk."""
        older = self.checkpoint
        tiles = Tiles(edge.size, edge.root, directory_reader(self.log))
        if older.size:
            proof = prove_tree(older.size, edge.size, tiles.hashes)
            check_tree(proof, older.size, older.root, edge.size, edge.root)
        checkpoint = Checkpoint(self.signer.name, edge.size, edge.root)
        note = sign_checkpoint(checkpoint, [self.signer], int(at.timestamp()))
        keep_checkpoint(self.log, checkpoint.size, note)
        return note, checkpoint

    def _record(self, at: datetime) -> None:
        """Tell the others what was published, also what a kill kept back."""
        connection = self._connected()
        with connection.transaction():
            for size in self._unrecorded:
                note = read_file(self.log, f"checkpoints/{size}")
                root, said = self._open_note(note).root, signed_time(note, self.signer.verifier)
                signed_at = at if said in (None, at.replace(microsecond=0)) else said  # of a kill: then, not now
                row = {"book": self.book, "size": size, "root": root, "note": note.decode(), "at": signed_at}
                connection.execute(QUERIES.record_checkpoint, row)
        self._unrecorded = []

    def _raise_alarm(self, refused: Refused, at: datetime) -> None:
        """Note a finding for people. If the database is what failed, there is nowhere to note it."""
        with suppress(psycopg.Error, Refused):
            raise_alarm(self._connected(), self.book, self.checkpoint.size, refused, at)


def _lock(log: Path) -> int:
    """The one notary of a log holds its lock; the kernel lets go of it when the process ends, however it ends."""
    make_log_folder(log)
    try:
        handle = os.open(log / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failed:
        raise LOG_FILE_IS_UNREADABLE(path=log / "lock", cause=failed.strerror) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise LOG_IS_IN_USE(path=log) from None
    return handle


def _whole_rows(block: Block) -> int:
    """How many rows can be signed together, without the block's last: up to a row that ends a chain, and behind which
    no turn of a monitor comes.
    """
    rows = block.batch.rows
    ends = (rows["flags"][:-1] & LINKED == 0) & (rows["kind"][1:] != Kind.MONITOR_TURNED)
    found = np.flatnonzero(ends)
    return int(found[-1]) + 1 if len(found) else 0


def _beginning(block: Block, count: int) -> Block:
    payloads = {index: payload for index, payload in block.batch.payloads.items() if index < count}
    return Block(block.first, Batch(block.batch.rows[:count], payloads), block.posted_at[:count])


def _edge_of(log: Path, checkpoint: Checkpoint) -> Edge:
    return Tiles(checkpoint.size, checkpoint.root, directory_reader(log)).edge()


def _differences(found: bytes, signed: bytes) -> list[str]:
    """The names of the fields in which two leaves differ."""
    ours, theirs = (np.frombuffer(leaf, LEAF, count=1)[0] for leaf in (found, signed))
    names = [name for name in LEAF.names or () if ours[name] != theirs[name]]
    return names if found[LEAF.itemsize :] == signed[LEAF.itemsize :] else [*names, "payload"]
