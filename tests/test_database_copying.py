"""Rows into PostgreSQL in one message: nobody waits for ever, nobody else stands still meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest
from psycopg import errors

from ringfence.database.copying import copy_in

MESSAGE = b"SELECT 1; COPY note (number, said) FROM STDIN"
FILLING = "x" * 100


def lines(first, rows):
    return "".join(f"{number}\t{FILLING}\n" for number in range(first, first + rows)).encode()


@pytest.fixture
def connection(database):
    with database.connect("owner") as owner:
        owner.autocommit = True
        owner.execute("CREATE TEMPORARY TABLE note (number integer PRIMARY KEY, said text NOT NULL)")
        yield owner


def rows_of(connection):
    return connection.execute("SELECT count(*) FROM note").fetchone()[0]


def finished(work):
    """What work comes to in a thread of its own; a test does not wait for ever."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(work).result(timeout=20)
    finally:
        pool.shutdown(wait=False)


def test_all_pieces_come_in_and_the_connection_is_as_it_was(connection):
    copy_in(connection, MESSAGE, (lines(10_000 * number, 10_000) for number in range(5)))
    copy_in(connection, MESSAGE, [])
    assert rows_of(connection) == 50_000


def test_the_statements_before_may_say_no_while_the_first_piece_is_made(connection):
    asked = count()
    with pytest.raises(errors.DivisionByZero):
        copy_in(connection, b"SELECT 1/0; COPY note (number, said) FROM STDIN", (lines(next(asked), 1) for _ in "abc"))
    assert next(asked) == 1
    assert rows_of(connection) == 0


def test_whoever_sends_much_and_is_refused_early_hears_it(connection):
    """PostgreSQL says no to the first row while a megabyte is on its way, again and again, in one piece or in many."""
    copy_in(connection, MESSAGE, [lines(0, 1)])
    whole = lines(0, 10_000)

    def again_and_again():
        for number in range(60):
            size = len(whole) if number % 2 else 50_000
            pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
            with pytest.raises(errors.UniqueViolation):
                copy_in(connection, MESSAGE, pieces)
        return rows_of(connection)

    assert finished(again_and_again) == 1


def test_other_threads_run_while_rows_are_taken_in(connection):
    """PostgreSQL takes half a second over the rows; a thread that wants to run every millisecond does."""
    connection.execute(
        "CREATE FUNCTION pg_temp.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'"
    )
    connection.execute("CREATE TRIGGER dawdle AFTER INSERT ON note EXECUTE FUNCTION pg_temp.dawdle()")
    ticks, over = [], threading.Event()

    def tick():
        while not over.wait(0.001):
            ticks.append(time.monotonic())

    beside = threading.Thread(target=tick)
    beside.start()
    began = time.monotonic()
    copy_in(connection, MESSAGE, [lines(0, 5_000)])
    over.set()
    beside.join()
    assert time.monotonic() - began > 0.5
    assert len(ticks) > 50


def test_a_lost_connection_is_told(database, connection):
    pid = connection.info.backend_pid

    def pieces():
        yield lines(0, 10_000)
        with database.connect("owner") as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        yield lines(10_000, 100_000)

    with pytest.raises(psycopg.OperationalError):
        finished(lambda: copy_in(connection, MESSAGE, pieces()))


@pytest.mark.parametrize("made", [0, 1, 2])
def test_what_pieces_raise_leaves_nothing_behind(connection, made):
    def pieces():
        for number in range(made):
            yield lines(10 * number, 10)
        raise KeyError("a piece that cannot be made")

    with pytest.raises(KeyError):
        copy_in(connection, MESSAGE, pieces())
    assert rows_of(connection) == 0
