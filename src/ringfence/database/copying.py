"""Rows into PostgreSQL in one message: statements of which the last is `COPY … FROM STDIN`, and the rows behind them.

psycopg sends a COPY by itself only, so libpq's own calls are used here. They are called as for a connection that never
blocks, which psycopg's are: a call that would wait says so, and the waiting is done here, where other threads run
meanwhile. It is always for both directions, because PostgreSQL may have said no while rows are still on their way, and
an answer that has been read is not waited for (libpq's `PQgetResult` would, and for ever).
"""

import select
from collections.abc import Iterable

from psycopg import errors, pq
from psycopg.abc import Buffer
from psycopg.pq.abc import PGconn, PGresult

from ringfence.database.connection import Connection

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


def copy_in(connection: Connection, message: bytes, pieces: Iterable[Buffer]) -> None:
    """Send statements and rows. Outside of a transaction all of it is one. The next piece is asked for while
    PostgreSQL takes in the one before. Raises what PostgreSQL says no with, or what `pieces` raise: then nothing came.
    """
    with connection.lock:
        libpq = connection.pgconn
        libpq.send_query(message)
        ready = _result(libpq)
        while ready is not None and ready.status not in (pq.ExecStatus.COPY_IN, *_FAILED):
            ready = _result(libpq)
        if ready is not None and ready.status == pq.ExecStatus.COPY_IN:
            try:
                for piece in pieces:
                    _put(libpq, piece)
            except BaseException:
                if libpq.status == pq.ConnStatus.OK:
                    libpq.put_copy_end(b"the rows end early")
                    _last_word(libpq)
                raise
            libpq.put_copy_end()
            ready = None
        no = _last_word(libpq) or ready
        if no is not None:
            raise errors.error_from_result(no, encoding=connection.info.encoding)


def _put(libpq: PGconn, piece: Buffer) -> None:
    while libpq.put_copy_data(piece) == 0:
        _send(libpq)
    _send(libpq)


def _last_word(libpq: PGconn) -> PGresult | None:
    """Read what is left; the first result that says no."""
    no = None
    while (result := _result(libpq)) is not None:
        if no is None and result.status in _FAILED:
            no = result
    return no


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
