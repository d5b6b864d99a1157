"""Group commit: while one append is on its way, requests queue; then all of them go as the next one.

There is no timer. Under a light load a request is appended at once; under a heavy one the batches grow by themselves,
and an account that everybody uses is as fast as one that nobody does.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Final

import psycopg

from ringfence.database.refusals import refused_by
from ringfence.ledger.journal import Answer, Journal, Unit
from ringfence.refusal import Refused

ROWS_MAX: Final = 8_000  # of one append


class Writer:
    """One thread that appends to one book for everybody in this program. `clock` gives the time of an append."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime]) -> None:
        self.journal = journal
        self._clock = clock
        self._waiting: queue.SimpleQueue[tuple[Unit, Future[list[Answer]]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"writer-{journal.book}", daemon=True)
        self._thread.start()

    def send(self, unit: Unit) -> "Future[list[Answer]]":
        """Queue a unit; the future holds its answers, or raises what the append raised."""
        future: Future[list[Answer]] = Future()
        self._waiting.put((unit, future))
        return future

    def submit(self, unit: Unit) -> list[Answer]:
        """Append a unit and wait for its answers, one a row."""
        return self.send(unit).result()

    def close(self) -> None:
        """Append what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()
        self.journal.close()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, rows, stop = [first], len(first[0].chain), False
            while rows < ROWS_MAX and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    stop = True
                    break
                group.append(following)
                rows += len(following[0].chain)
            self._append(group)
            if stop:
                return

    def _append(self, group: list[tuple[Unit, "Future[list[Answer]]"]]) -> None:
        try:
            answers = self.journal.submit([unit for unit, _ in group], self._clock())
        except (Refused, psycopg.Error, OSError) as error:
            said_no = isinstance(error, psycopg.Error) and error.sqlstate is not None
            if said_no and len(group) > 1:
                # A projection of one unit breaks a constraint of its table: find it by taking them one by one.
                for each in group:
                    self._append([each])
                return
            meaning = refused_by(error) if isinstance(error, psycopg.Error) else None
            for _, future in group:
                future.set_exception(meaning or error)
        except BaseException as error:
            for _, future in group:
                future.set_exception(error)
            raise
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                future.set_result(answer)
