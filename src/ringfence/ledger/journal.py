"""Compare-and-append: the only way into a book.

A writer has read the book up to N. It checks a batch against its balances, promises PostgreSQL the rows from N on, and
COPYs them, in one transaction. If somebody else moved the head, it reads what they appended, checks again, and tries
again; so its balances are a cache that can be stale but never wrong.

Refused rows are appended too, as REFUSAL rows: a refusal is final for its id, and a retry is answered alike. Ids are
unique in the journal; nobody looks an id up beforehand, but when PostgreSQL reports one twice (constraint
`journal_id_is_unique`) the batch is taken apart: what is there already is answered from the journal, the rest goes on.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.rows import dict_row

from ringfence.database.connection import Connection
from ringfence.database.queries import Query
from ringfence.ledger import encoding
from ringfence.ledger.balances import Balances, Int64
from ringfence.ledger.model import (
    LINKED,
    NO_ID,
    NOT_RECORDED,
    ROW,
    Account,
    Batch,
    Kind,
    Line,
    Result,
    Rows,
    batch,
    canonical,
    microseconds,
)
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.refusals import CLOCK_MUST_NOT_GO_BACK
from ringfence.ledger.rules import apply
from ringfence.ledger.standing import account_of
from ringfence.ledger.storage import Block, ClockWentBack, IdIsTaken, append_rows, head_of, read_chains
from ringfence.ledger.walk import Reference
from ringfence.refusal import Refused

OVERTAKEN: Final = timedelta(seconds=15)  # as long as one writer may wait for another (lock_timeout), and some
_MOVES: Final = (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CORRECTION)

Int16 = npt.NDArray[np.int16]
Bools = npt.NDArray[np.bool_]
Statement = tuple[Query, Mapping[str, Any]]
_Projection = tuple[int, int, Sequence[Statement]]


@dataclass(frozen=True)
class Unit:
    """What happens whole or not at all: a chain of rows, and the projections that are written in the same transaction
    if, and only if, the chain is posted now (a replay does not write them again).
    """

    chain: Sequence[Line]
    also: Sequence[Statement] = ()


@dataclass(frozen=True)
class Answers:
    """One element a row: the result, its sequence in the journal (-1: it has no row), and whether it is a replay."""

    results: Int16
    sequences: Int64
    replayed: Bools

    def result(self, index: int) -> Result:
        return Result(int(self.results[index]))


@dataclass(frozen=True)
class Answer:
    """The answer to one row of a unit."""

    result: Result
    sequence: int
    replayed: bool


_Known = dict[bytes, tuple[int, int, bytes]]  # id: sequence, result, digest of the request
_UNDECIDED: Final = -2
_TWIN: Final = -3
_NO_ROW: Final = -1


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

    def append(self, given: Batch, at: datetime, also: Sequence[_Projection] = ()) -> Answers:
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
        return [
            [
                Answer(answers.result(row), int(answers.sequences[row]), bool(answers.replayed[row]))
                for row in range(first, last)
            ]
            for first, last in bounds
        ]

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
        self._head = 0

    def close(self) -> None:
        with self._lock:
            self.forget()

    # -- one straight path ---------------------------------------------------------------------------------------

    def _append(self, given: Batch, at: datetime, also: Sequence[_Projection]) -> Answers:
        connection = self._open()
        if self._head == 0:
            self._catch_up(connection)
        known: _Known = {}
        while True:
            answers = _answer_known(given, known)
            fresh = np.flatnonzero(answers.sequences == _UNDECIDED)
            part = _part(given, fresh)
            forced = answers.results[fresh]  # the rest of a chain of which a row is known
            forced[(forced == 0) & (part.rows["kind"] == Kind.REFUSAL)] = Result.KIND_MUST_BE_KNOWN
            tried = np.flatnonzero(forced == 0)
            batch_tried = _part(part, tried)
            references = references_of(connection, self.book, batch_tried, self._balances, self._head)
            applied = apply(self._balances, batch_tried, np.full(len(tried), microseconds(at)), references)
            results = forced.copy()
            results[tried] = applied.results
            opened = {int(tried[index]): account for index, account in applied.opened.items()}
            rows, places = _rows_to_append(part, results, opened)
            with_rows = self._with_rows(connection, rows, opened, fresh, results, also)
            try:
                moved = append_rows(connection, self.book, self._head, rows, at, with_rows)
            except IdIsTaken:
                applied.undo()
                known = _known(connection, self.book, given)
                continue
            except ClockWentBack:
                applied.undo()
                at = self._not_before_last(connection, at)
                continue
            except BaseException:
                applied.undo()
                raise
            if not moved:
                applied.undo()
                self._catch_up(connection)
                continue
            answers.results[fresh] = results
            answers.sequences[fresh] = np.where(places == _NO_ROW, _NO_ROW, self._head + places)
            self._head += len(rows)
            if np.any(answers.sequences == _TWIN):
                return _answer_twins(given, answers, _known(connection, self.book, given))
            return answers

    def _not_before_last(self, connection: Connection, at: datetime) -> datetime:
        """The time of an append that others overtook: theirs, if it is a little later than ours. A clock that is
        further behind than writers keep one another waiting has gone back.
        """
        row = connection.execute(QUERIES.head, {"book": self.book}).fetchone()
        last: datetime = row[1] if row else at
        if at < last - OVERTAKEN:
            raise CLOCK_MUST_NOT_GO_BACK(now=at, last=last)
        return max(at, last)

    def _with_rows(
        self,
        connection: Connection,
        rows: Batch,
        opened: Mapping[int, Account],
        fresh: npt.NDArray[np.intp],
        results: Int16,
        also: Sequence[_Projection],
    ) -> Callable[[], None] | None:
        """What is written in the same transaction as the rows; None: nothing, and they may go in one round trip."""
        if not (also or opened or (rows.rows["kind"] == Kind.ACCOUNT_CLOSED).any()):
            return None

        def project() -> None:
            self._project(connection, rows, opened)
            self._project_also(connection, fresh, results, also)

        return project

    def _project(self, connection: Connection, rows: Batch, opened: Mapping[int, Account]) -> None:
        for index in np.flatnonzero(rows.rows["kind"] == Kind.ACCOUNT_OPENED) if opened else ():
            account = account_of(rows.payloads[int(index)])
            if account is not None:
                place = {"book": self.book, "opened": self._head + int(index)}
                connection.execute(QUERIES.insert_account, place | asdict(account))
        for index in np.flatnonzero(rows.rows["kind"] == Kind.ACCOUNT_CLOSED):
            place = {"book": self.book, "closed": self._head + int(index)}
            account_number = int(rows.rows["debit_account"][index])
            connection.execute(QUERIES.close_account, place | {"account": account_number})

    @staticmethod
    def _project_also(
        connection: Connection, fresh: npt.NDArray[np.intp], results: Int16, also: Sequence[_Projection]
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
        while self._head < head:
            block = read_chains(connection, self.book, self._head, head)
            known = references_of(connection, self.book, block.batch, self._balances, block.first)
            replay(self._balances, block, known)
            self._head = block.last


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
    refers = np.isin(rows.rows["kind"], _MOVES)
    if not refers.any():
        return {}
    wanted = {identity.tobytes() for identity in rows.rows["refers_to"][refers]} - balances.holds.slots.keys()
    if not wanted:
        return {}
    ids = [UUID(bytes=identity) for identity in wanted]
    found = connection.execute(QUERIES.references, {"book": book, "ids": ids, "before": before})
    return {
        row[0].bytes: Reference(Kind(row[1]), row[2], row[3], row[4], None if row[5] is None else Kind(row[5]))
        for row in found
    }


def _known(connection: Connection, book: int, given: Batch) -> _Known:
    ids = [UUID(bytes=identity.tobytes()) for identity in given.rows["id"]]
    known: _Known = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(QUERIES.rows_by_id, {"book": book, "ids": ids}):
            payload = bytes(row["payload"] or b"")
            if row["kind"] == Kind.REFUSAL:
                said = json.loads(payload)
                result, digest = Result[said["reason"].upper()], bytes.fromhex(said["request"])
            else:
                result, digest = Result.POSTED, encoding.request_digest(_row_of(row), 0, payload)
            known[row["id"].bytes] = (row["sequence"], int(result), digest)
    return known


def _row_of(stored: Mapping[str, Any]) -> Rows:
    line = Line(
        **{name: stored[name] for name in ("id", "debit_account", "credit_account", "amount", "refers_to", "order_id")},
        kind=Kind(stored["kind"]),
        code=stored["code"],
        value_date=stored["value_date"],
        expires_at=stored["expires_at"],
    )
    rows = batch([[line]]).rows
    rows["flags"] = stored["flags"]
    return rows


def _answer_known(given: Batch, known: _Known) -> Answers:
    """Answer rows whose id is in the journal, mark those whose id came earlier in the batch, and refuse the rest of
    their chains: a chain that cannot happen whole does not happen.
    """
    size = len(given)
    answers = Answers(np.zeros(size, np.int16), np.full(size, _UNDECIDED, np.int64), np.zeros(size, bool))
    ids = [identity.tobytes() for identity in given.rows["id"]]
    seen = set(ids)
    if len(seen) == size and not known:
        return answers
    seen.clear()
    for index, identity in enumerate(ids):
        if identity in known:
            _answer_from(given, answers, index, known[identity])
        elif identity in seen and identity != NO_ID:
            answers.sequences[index] = _TWIN
        seen.add(identity)
    start = 0
    for end in np.flatnonzero((given.rows["flags"] & LINKED) == 0).tolist():
        chain = slice(start, end + 1)
        undecided = answers.sequences[chain] == _UNDECIDED
        if not undecided.all():
            answers.results[chain][undecided] = Result.LINKED_ROW_FAILED
        start = end + 1
    return answers


def _answer_from(given: Batch, answers: Answers, index: int, row: tuple[int, int, bytes]) -> None:
    sequence, result, digest = row
    same = digest == encoding.request_digest(given.rows, index, given.payloads.get(index, b""))
    answers.results[index] = result if same else Result.ID_ALREADY_HAS_OTHER_CONTENT
    answers.sequences[index] = sequence if same else _NO_ROW
    answers.replayed[index] = same


def _answer_twins(given: Batch, answers: Answers, known: _Known) -> Answers:
    for index in np.flatnonzero(answers.sequences == _TWIN):
        _answer_from(given, answers, int(index), known[given.rows["id"][index].tobytes()])
    return answers


def _part(given: Batch, chosen: npt.NDArray[np.intp]) -> Batch:
    if len(chosen) == len(given):
        return given
    place = {int(row): index for index, row in enumerate(chosen)} if given.payloads else {}
    return Batch(
        given.rows[chosen],
        {place[index]: payload for index, payload in given.payloads.items() if index in place},
    )


def _rows_to_append(part: Batch, results: Int16, opened: Mapping[int, Account]) -> tuple[Batch, Int64]:
    """The rows as the journal keeps them, and the place of each among them (-1: it leaves no row). A refused row
    becomes a REFUSAL that names the reason and the digest of what was asked; an opened account has its number now.
    """
    refused = np.flatnonzero(results)
    if not len(refused) and not opened:
        return part, np.arange(len(part), dtype=np.int64)
    rows, payloads = part.rows.copy(), dict(part.payloads)
    for index in refused.tolist():
        digest = encoding.request_digest(part.rows, index, part.payloads.get(index, b""))
        reason = Result(int(results[index]))
        payloads[index] = canonical({"reason": reason.word, "request": digest.hex()})
        asked = part.rows[index]
        rows[index] = np.zeros((), ROW)
        rows[index]["kind"] = Kind.REFUSAL
        for name in ("id", "order_id", "code", "value_date"):
            rows[index][name] = asked[name]
    for index, account in opened.items():
        if not results[index]:
            rows[index]["debit_account"] = account.account
            payloads[index] = canonical(account.payload())
    kept = np.flatnonzero(~np.isin(results, NOT_RECORDED))
    places = np.full(len(part), _NO_ROW, np.int64)
    places[kept] = np.arange(len(kept))
    return _part(Batch(rows, payloads), kept), places
