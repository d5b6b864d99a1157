"""Compare-and-append: the only way into a book.

A writer has read the book up to N. It checks a batch against its balances, promises PostgreSQL the rows from N on, and
COPYs them, in one transaction. If somebody else moved the head, it reads what they appended, checks again, and tries
again; so its balances are a cache that can be stale but never wrong.

Refused rows are appended too, as REFUSAL rows: a refusal is final for its id, and a retry is answered alike. Ids are
unique in the journal; nobody looks an id up beforehand, but when PostgreSQL reports one twice (constraint
`journal_id_is_unique`) the batch is taken apart: what is there already is answered from the journal, the rest goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import errors

from ringfence.database.connection import Connection
from ringfence.database.queries import Query
from ringfence.ledger import snapshot
from ringfence.ledger.answers import (
    NO_ROW,
    TWIN,
    UNDECIDED,
    Answer,
    Answers,
    Int16,
    Known,
    answer_known,
    answer_twins,
    known_in,
    part_of,
    rows_to_append,
)
from ringfence.ledger.balances import Balances
from ringfence.ledger.model import Batch, Kind, Line, Result, batch, microseconds
from ringfence.ledger.monitors import Turned
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.refusals import CLOCK_MUST_NOT_GO_BACK
from ringfence.ledger.rules import apply
from ringfence.ledger.standing import account_of, described
from ringfence.ledger.storage import (
    Block,
    ClockWentBack,
    IdIsTaken,
    append_rows,
    append_slices,
    end_stalled_writer,
    head_of,
    hold_head,
    read_chains,
    takes_slices,
)
from ringfence.ledger.walk import Reference
from ringfence.refusal import Refused

OVERTAKEN: Final = timedelta(seconds=15)  # as long as one writer may wait for another (lock_timeout), and some
PATIENCE: Final = 5  # how often others may be faster
TURN_IDS_TRIED: Final = 3  # the id of a turn follows from its cause's, and somebody may have used it
SLICE_ROWS: Final = 1_024  # as long as PostgreSQL takes these in, the rest of a batch of 8,000 is checked
SNAPSHOT_ROWS: Final = 1_000_000  # between two snapshots
TAIL_ROWS_MAX: Final = 100_000  # as many are read faster than a snapshot is missed
_PROJECTED: Final = (Kind.ACCOUNT_OPENED, Kind.ACCOUNT_CLOSED, Kind.ACCOUNT_LIMITED)

Statement = tuple[Query, Mapping[str, Any]]
Projection = tuple[int, int, Sequence[Statement]]


@dataclass(frozen=True)
class Unit:
    """What happens whole or not at all: a chain of rows, and the projections that are written in the same transaction
    if, and only if, the chain is posted now (a replay does not write them again).
    """

    chain: Sequence[Line]
    also: Sequence[Statement] = ()


@dataclass(frozen=True)
class _Asked:
    """A batch on its way, with what was found out about its ids, how often the ids of turns were taken, and since when
    it is on its way (of a clock that never goes back).
    """

    given: Batch
    at: datetime
    also: Sequence[Projection]
    known: Known = field(default_factory=dict)
    again: int = 0
    begun: int = field(default_factory=time.monotonic_ns)


class _OtherRows(Exception):  # noqa: N818 - named as the finding
    """The rows of the journal will not be those that were given: some leave none, or a monitor turns."""


class Journal:
    """The journal of one book, as one writer sees it. Not for two threads at once: `append` takes a lock.

    `connect` opens a new connection in role core; it is called again when a connection was lost.
    """

    def __init__(self, connect: Callable[[], Connection], book: int) -> None:
        self._connect = connect
        self.book = book
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._balances = Balances()
        self._head = 0
        self._kept = 0  # rows that the last snapshot has
        self._keeping: threading.Thread | None = None

    def append(self, given: Batch, at: datetime, also: Sequence[Projection] = ()) -> Answers:
        """Append a batch at time `at`. `also` holds (first row, last row, statements) for chains with projections.

        Rows come back answered in their order. Raises `clock_must_not_go_back`; `database_is_lost` and the like leave
        it open whether the batch was appended: the same batch again is answered from the journal if it was.
        """
        with self._lock:
            try:
                return self._append(given, at, also)
            except Refused:
                raise
            except psycopg.Error as error:
                if error.sqlstate is None or self._connection is None or self._connection.closed:
                    self.forget()  # nobody knows whether it was committed
                raise  # else PostgreSQL said no, everything was rolled back, and the balances were put back
            except BaseException:
                self.forget()
                raise

    def submit(self, units: Sequence[Unit], at: datetime) -> list[list[Answer]]:
        """Append units written by hand; the answers are in the same order and shape."""
        given = batch(unit.chain for unit in units)
        also = []
        bounds = []
        index = 0
        for unit in units:
            bounds.append((index, index + len(unit.chain)))
            if unit.also:
                also.append((index, index + len(unit.chain) - 1, unit.also))
            index += len(unit.chain)
        answers = self.append(given, at, also)
        return [[answers.answer(row) for row in range(first, last)] for first, last in bounds]

    def balances(self) -> Balances:
        """The balances up to the head, to look at. Do not keep them: the next append changes them."""
        with self._lock:
            self._catch_up(self._open())
            return self._balances

    def forget(self) -> None:
        """Drop the cache and the connection; the next call reads the book again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._balances = Balances()
        self._head = self._kept = 0

    def close(self) -> None:
        """Let the book go. If much was written since the last snapshot, the next start shall not have to read it."""
        with self._lock:
            if self._head - self._kept >= TAIL_ROWS_MAX:
                self._keep_snapshot()
            if self._keeping is not None:
                self._keeping.join()
            self.forget()

    # -- one straight path ---------------------------------------------------------------------------------------

    def _append(self, given: Batch, at: datetime, also: Sequence[Projection]) -> Answers:
        connection = self._open()
        if self._head == 0:
            self._catch_up(connection)
        asked = _Asked(given, at, also)
        overtaken = 0
        while True:
            try:
                answers = (self._attempt if overtaken < PATIENCE else self._attempt_alone)(connection, asked)
            except IdIsTaken:
                known = known_in(connection, self.book, given)
                if known.keys() != asked.known.keys():
                    asked = replace(asked, known=known)
                elif asked.again < TURN_IDS_TRIED:
                    asked = replace(asked, again=asked.again + 1)
                else:
                    raise  # the cache is wrong, and is dropped
            except ClockWentBack:
                asked = replace(asked, at=self._not_before_last(connection, asked))
            except errors.LockNotAvailable:
                if not end_stalled_writer(connection, self.book):
                    raise
            else:
                if answers is None:
                    overtaken += 1
                    self._catch_up(connection)
                    continue
                if self._head - self._kept >= SNAPSHOT_ROWS:
                    self._keep_snapshot()
                if np.any(answers.sequences == TWIN):
                    return answer_twins(given, answers, known_in(connection, self.book, given))
                return answers

    def _attempt(self, connection: Connection, asked: _Asked, *, alone: bool = False) -> Answers | None:
        """Check the batch against the balances and append it; None: somebody was faster, and nothing has changed."""
        answers = answer_known(asked.given, asked.known)
        if not alone and self._may_be_sliced(connection, asked, answers):
            try:
                return self._attempt_in_slices(connection, asked, answers)
            except _OtherRows:
                answers.results[:] = 0
        fresh = np.flatnonzero(answers.sequences == UNDECIDED)
        part = part_of(asked.given, fresh)
        forced = answers.results[fresh]  # the rest of a chain of which a row is known
        tried = np.flatnonzero(forced == 0)
        batch_tried = part_of(part, tried)
        references = references_of(connection, self.book, batch_tried, self._balances, self._head)
        applied = apply(self._balances, batch_tried, np.full(len(tried), microseconds(asked.at)), references)
        results = forced.copy()
        results[tried] = applied.results
        opened = {int(tried[index]): account for index, account in applied.opened.items()}
        turns = [Turned(int(tried[after]), turn) for after, turn in applied.turns]
        rows, places = rows_to_append(part, results, opened, turns, asked.again)
        with_rows = self._with_rows(connection, rows, fresh, results, asked.also)
        try:
            appended = append_rows(connection, self.book, self._head, rows, asked.at, with_rows)
        except BaseException:
            applied.undo()
            raise
        if not appended:
            applied.undo()
            return None
        answers.results[fresh] = results
        answers.sequences[fresh] = np.where(places == NO_ROW, NO_ROW, self._head + places)
        self._head += len(rows)
        return answers

    def _may_be_sliced(self, connection: Connection, asked: _Asked, answers: Answers) -> bool:
        """Whether the first rows can be decided without the others: only transfers and holds, none linked to the next,
        none known, and nothing is written with them.
        """
        rows = asked.given.rows
        return (
            len(rows) > SLICE_ROWS
            and not (asked.also or asked.given.payloads)
            and bool(np.all(answers.sequences == UNDECIDED))
            and not rows["flags"].any()
            and bool(np.all((rows["kind"] == Kind.TRANSFER) | (rows["kind"] == Kind.PENDING)))
            and takes_slices(connection, self._head, len(rows))
        )

    def _attempt_in_slices(self, connection: Connection, asked: _Asked, answers: Answers) -> Answers | None:
        """The same, but PostgreSQL takes in the first rows while the others are checked. Nearly always every row given
        is a row of the journal; `_OtherRows`: not so this time, nothing has changed, and the batch goes whole.
        """
        given, undos = asked.given, []

        def checked() -> Iterator[Batch]:
            for first, last in ((0, SLICE_ROWS), (SLICE_ROWS, len(given))):
                part = Batch(given.rows[first:last])
                applied = apply(self._balances, part, np.full(last - first, microseconds(asked.at)), {})
                undos.append(applied.undo)
                rows, places = rows_to_append(part, applied.results, applied.opened, applied.turns, asked.again)
                if applied.turns or np.any(places == NO_ROW):
                    raise _OtherRows
                answers.results[first:last] = applied.results
                yield rows

        appended = False
        try:
            appended = append_slices(connection, self.book, self._head, len(given), checked(), asked.at)
        finally:
            if not appended:
                for undo in reversed(undos):
                    undo()
        if not appended:
            return None
        answers.sequences[:] = np.arange(self._head, self._head + len(given))
        self._head += len(given)
        return answers

    def _attempt_alone(self, connection: Connection, asked: _Asked) -> Answers | None:
        """The same while others wait, so that a large batch gets its turn beside many small ones."""
        answers, committed = None, False
        try:
            with connection.transaction():
                hold_head(connection, self.book)
                self._catch_up(connection)
                answers = self._attempt(connection, asked, alone=True)
            committed = True
        finally:
            if answers is not None and not committed:  # the balances count rows that may have been rolled back
                self._balances, self._head = Balances(), 0
                self._kept = 0
        return answers

    def _not_before_last(self, connection: Connection, asked: _Asked) -> datetime:
        """The time of an append that others overtook: theirs, if it is a little later than ours. A clock that is
        further behind than writers keep one another waiting, and than this program has stood still since (in whole
        seconds), has gone back.
        """
        row = connection.execute(QUERIES.head, {"book": self.book}).fetchone()
        at, stood = asked.at, timedelta(seconds=(time.monotonic_ns() - asked.begun) // 10**9)
        last: datetime = row[1] if row else at
        if at < last - OVERTAKEN - stood:
            raise CLOCK_MUST_NOT_GO_BACK(now=at, last=last)
        return max(at, last)

    def _with_rows(
        self,
        connection: Connection,
        rows: Batch,
        fresh: npt.NDArray[np.intp],
        results: Int16,
        also: Sequence[Projection],
    ) -> Callable[[], None] | None:
        """What is written in the same transaction as the rows; None: nothing, and they may go in one round trip."""
        kind = rows.rows["kind"]
        if not also and kind.max(initial=0) < Kind.ACCOUNT_OPENED:
            return None
        projected = np.flatnonzero(np.isin(kind, _PROJECTED))
        if not (also or len(projected)):
            return None

        def project() -> None:
            self._project(connection, rows, projected.tolist())
            self._project_also(connection, fresh, results, also)

        return project

    def _project(self, connection: Connection, rows: Batch, projected: Sequence[int]) -> None:
        """Keep ledger.account in step with rows that open, close or limit accounts."""
        opened = []
        for index in projected:
            kind, sequence = rows.rows[index]["kind"], self._head + index
            if kind == Kind.ACCOUNT_OPENED:
                account = described(account_of(rows.payloads[index]))
                opened.append({"book": self.book, "opened": sequence} | asdict(account))
                continue
            if opened:
                connection.cursor().executemany(QUERIES.insert_account, opened)
                opened = []
            if kind == Kind.ACCOUNT_LIMITED:
                connection.execute(QUERIES.limit_account, {"book": self.book, "changed_by": sequence})
            else:
                closed = {"account": int(rows.rows[index]["debit_account"]), "closed": sequence}
                connection.execute(QUERIES.close_account, {"book": self.book} | closed)
        if opened:
            connection.cursor().executemany(QUERIES.insert_account, opened)

    @staticmethod
    def _project_also(
        connection: Connection, fresh: npt.NDArray[np.intp], results: Int16, also: Sequence[Projection]
    ) -> None:
        posted = set(fresh[results == 0].tolist()) if also else set()
        for first, last, statements in also:
            if posted.issuperset(range(first, last + 1)):
                for query, parameters in statements:
                    connection.execute(query, parameters)

    # -- the cache -----------------------------------------------------------------------------------------------

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self.forget()
            self._connection = self._connect()
            self._connection.autocommit = True
        return self._connection

    def _catch_up(self, connection: Connection) -> None:
        head = head_of(connection, self.book)
        if self._head == 0 and head >= TAIL_ROWS_MAX and (found := snapshot.latest(connection, self.book, head)):
            self._balances, self._head = found
            self._kept = self._head
        while self._head < head:
            block = read_chains(connection, self.book, self._head, head)
            known = references_of(connection, self.book, block.batch, self._balances, block.first)
            replay(self._balances, block, known)
            self._head = block.last

    def _keep_snapshot(self) -> None:
        """Write the state down beside the journal, without keeping anybody waiting. One at a time; if it fails, the
        next start reads more of the journal, and the next snapshot is tried in time.
        """
        if self._keeping is not None and self._keeping.is_alive():
            return
        taken, sequence = snapshot.take(self._balances), self._head
        self._kept = sequence

        def keep() -> None:
            with suppress(psycopg.Error, Refused, OSError), self._connect() as connection:
                connection.autocommit = True
                snapshot.keep(connection, self.book, sequence, snapshot.encode(taken))

        self._keeping = threading.Thread(target=keep, name=f"snapshot-{self.book}", daemon=True)
        self._keeping.start()


def replay(balances: Balances, block: Block, references: Mapping[bytes, Reference]) -> None:
    """Apply rows that are in the journal. They were checked before they went in, so each must pass again; one that does
    not is no refusal but a book that was tampered with, or a defect, and raises `BookDoesNotReplay`.
    """
    applied = apply(balances, block.batch, block.posted_at, references, recorded=True)
    if applied.results.any():
        index = int(np.flatnonzero(applied.results)[0])
        result = Result(int(applied.results[index]))
        applied.undo()
        raise BookDoesNotReplay(block.first + index, result)


class BookDoesNotReplay(Exception):  # noqa: N818 - named as the finding
    """A row of the journal breaks a rule."""

    def __init__(self, sequence: int, result: Result) -> None:
        super().__init__(f"row {sequence} of the journal breaks a rule: {result.word}")
        self.sequence = sequence
        self.result = result


def references_of(
    connection: Connection, book: int, rows: Batch, balances: Balances, before: int
) -> dict[bytes, Reference]:
    """What the journal, up to `before`, knows of the rows that a batch refers to and that are not open pending."""
    refers = (rows.rows["kind"] >= Kind.POST) & (rows.rows["kind"] <= Kind.CORRECTION)
    if not refers.any():
        return {}
    wanted = {each for each in rows.rows["refers_to"][refers].tolist() if each not in balances.holds}
    if not wanted:
        return {}
    ids = [UUID(bytes=identity) for identity in wanted]
    found = connection.execute(QUERIES.references, {"book": book, "ids": ids, "before": before})
    return {
        row[0].bytes: Reference(Kind(row[1]), row[2], row[3], row[4], None if row[5] is None else Kind(row[5]))
        for row in found
    }
