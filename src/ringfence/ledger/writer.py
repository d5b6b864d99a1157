"""Group commit: while one append is on its way, requests queue; then all of them go as the next one.

There is no timer. Under a light load a request is appended at once; under a heavy one the batches grow by themselves,
and an account that everybody uses is as fast as one that nobody does. Requests come as packed rows (`model.packed`) and
are laid side by side in bytes, so that no object per transfer is made between a request and the journal.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
import psycopg

from ringfence.database.refusals import refused_by
from ringfence.ledger.answers import Answer, Answers
from ringfence.ledger.journal import Journal, Projection, Statement, Unit
from ringfence.ledger.model import ROW, Batch, packed
from ringfence.refusal import Fault, Refused

ROWS_MAX: Final = 8_000  # of one append, unless one request has more
_NONE: Final[Mapping[int, bytes]] = {}


class _Request(NamedTuple):
    """Rows that wait, and how their answers are handed over: `settle` is called in the writer's thread with all answers
    of the append and the place of the first of its own. A single row of an asyncio loop has its future instead, which
    is settled in that loop, together with all others of it.
    """

    records: bytes
    rows: int
    payloads: Mapping[int, bytes]
    also: Sequence[Statement]
    settle: Callable[[Answers | BaseException, int], None] | None
    future: "asyncio.Future[Answer] | None" = None


class Writer:
    """One thread that appends to one book for everybody in this program. `clock` gives the time of an append."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime]) -> None:
        self.journal = journal
        self._clock = clock
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"writer-{journal.book}", daemon=True)
        self._thread.start()

    def send(self, unit: Unit) -> "Future[list[Answer]]":
        """Queue a unit; the future holds its answers, or raises what the append raised."""
        future: Future[list[Answer]] = Future()
        records, payloads = packed(unit.chain)
        rows = len(unit.chain)

        def settle(answers: Answers | BaseException, first: int) -> None:
            if isinstance(answers, BaseException):
                future.set_exception(answers)
            else:
                future.set_result([answers.answer(row) for row in range(first, first + rows)])

        self._waiting.put(_Request(records, rows, payloads, unit.also, settle))
        return future

    def submit(self, unit: Unit) -> list[Answer]:
        """Append a unit and wait for its answers, one a row."""
        return self.send(unit).result()

    def send_rows(self, records: bytes) -> "Future[Answers]":
        """Queue packed rows (`model.ROW`, one after the other, without payloads); the future holds their answers."""
        future: Future[Answers] = Future()
        rows = len(records) // ROW.itemsize

        def settle(answers: Answers | BaseException, first: int) -> None:
            if isinstance(answers, BaseException):
                future.set_exception(answers)
            else:
                future.set_result(answers.part(first, first + rows))

        self._waiting.put(_Request(records, rows, {}, (), settle))
        return future

    async def ask(self, record: bytes) -> Answer:
        """Append one packed row and wait for its answer, in an asyncio loop."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Request(record, 1, _NONE, (), None, future))
        return await future

    def close(self) -> None:
        """Append what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()
        self.journal.close()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, rows, stop = [first], first.rows, False
            while rows < ROWS_MAX and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    stop = True
                    break
                group.append(following)
                rows += following.rows
            self._append(group)
            if stop:
                return

    def _append(self, group: list[_Request]) -> None:
        try:
            given, also = _laid_together(group)
            answers = self.journal.append(given, self._clock(), also)
        except (Refused, psycopg.Error, OSError) as error:
            meaning = refused_by(error) if isinstance(error, psycopg.Error) else None
            said_no = isinstance(error, psycopg.Error) and error.sqlstate is not None
            if said_no and len(group) > 1 and not (meaning and meaning.refusal.fault is Fault.MACHINE):
                # A projection of one unit breaks a constraint of its table: find it by taking them one by one. A full
                # disk, a lost connection or a lock that does not come is nobody's, and would only be met again by each.
                for each in group:
                    self._append([each])
                return
            _settle(group, meaning or error)
        except BaseException as error:  # noqa: BLE001 - a defect: whoever asked hears it, and the next may ask
            _settle(group, error)
        else:
            _settle(group, answers)


def _laid_together(group: Sequence[_Request]) -> tuple[Batch, list[Projection]]:
    rows = np.frombuffer(b"".join([each.records for each in group]), ROW)
    payloads, also, first = {}, [], 0
    for each in group:
        for index, payload in each.payloads.items():
            payloads[first + index] = payload
        if each.also:
            also.append((first, first + each.rows - 1, each.also))
        first += each.rows
    return Batch(rows, payloads), also


def _settle(group: Sequence[_Request], answers: Answers | BaseException) -> None:
    """Hand the answers over; a loop is woken once for all its requests."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], int]]] = {}
    first = 0
    for each in group:
        if each.settle is not None:
            each.settle(answers, first)
        elif each.future is not None:
            loops.setdefault(each.future.get_loop(), []).append((each.future, first))
        first += each.rows
    for loop, asked in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_here, asked, answers)


def _settle_here(asked: Sequence[tuple["asyncio.Future[Answer]", int]], answers: Answers | BaseException) -> None:
    if isinstance(answers, BaseException):
        for future, _ in asked:
            if not future.done():  # else whoever asked has gone away
                future.set_exception(answers)
        return
    for (future, _), answer in zip(asked, answers.answers([place for _, place in asked]), strict=True):
        if not future.done():
            future.set_result(answer)
