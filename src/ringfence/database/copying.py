"""Rows into PostgreSQL in one message: statements of which the last is `COPY … FROM STDIN`, and the rows behind them.

psycopg sends a COPY by itself only, so libpq's own calls are used here. They are called as for a connection that never
blocks, which psycopg's are: a call that would wait says so, and the waiting is done here, where other threads run
meanwhile. It is always for both directions, because PostgreSQL may have said no while rows are still on their way, and
an answer that has been read is not waited for (libpq's `PQgetResult` would, and for ever).
"""

import select
from collections.abc import Iterable
from itertools import chain

from psycopg import errors, pq
from psycopg.abc import Buffer
from psycopg.pq.abc import PGconn, PGresult

from ringfence.database.connection import Connection

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


def copy_in(connection: Connection, message: bytes, pieces: Iterable[Buffer]) -> None:
    """Send statements and rows. Outside of a transaction all of it is one. A piece is asked for while PostgreSQL is at
    work on what came before it. Raises what PostgreSQL says no with, or what `pieces` raise: then nothing came.
    """
    coming = iter(pieces)
    with connection.lock:
        libpq = connection.pgconn
        libpq.send_query(message)
        try:
            _send(libpq)
            first = next(coming, b"")
            said = _result(libpq)
            while said is not None and said.status not in (pq.ExecStatus.COPY_IN, *_FAILED):
                said = _result(libpq)
            if said is not None and said.status == pq.ExecStatus.COPY_IN:
                for piece in chain([first], coming):
                    _put(libpq, piece)
                libpq.put_copy_end()
        except BaseException:
            if libpq.status == pq.ConnStatus.OK:
                _give_up(libpq)
            raise
        while said is not None:
            if said.status in _FAILED:
                _give_up(libpq)
                raise errors.error_from_result(said, encoding=connection.info.encoding)
            said = _result(libpq)


def _put(libpq: PGconn, piece: Buffer) -> None:
    while libpq.put_copy_data(piece) == 0:
        _send(libpq)
    _send(libpq)


def _give_up(libpq: PGconn) -> None:
    """Read what is left of this message; rows that are still asked for do not come."""
    while (said := _result(libpq)) is not None:
        if said.status == pq.ExecStatus.COPY_IN:
            libpq.put_copy_end(b"the rows end early")


def _send(libpq: PGconn) -> None:
    """Until PostgreSQL has been handed everything."""
    while libpq.flush():
        _wait(libpq, select.POLLIN | select.POLLOUT)


def _result(libpq: PGconn) -> PGresult | None:
    """The next result, None behind the last."""
    _send(libpq)
    while libpq.is_busy():
        _wait(libpq, select.POLLIN)
    return libpq.get_result()


def _wait(libpq: PGconn, events: int) -> None:
    waiting = select.poll()
    waiting.register(libpq.socket, events)
    if any(event & ~select.POLLOUT for _, event in waiting.poll()):
        libpq.consume_input()
