"""The business day: what is booked today is booked under it, whatever the wall clock says (日切).

`value_date` of a journal row is the business day; `posted_at` is the time of the append. One day is open at a time,
days only go forward, and a closed day takes nothing more.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from ringfence.authority.standing.reading import closed_through
from ringfence.core import Core
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import DAY_LIES_IN_A_CLOSED_PERIOD, DAY_MUST_FOLLOW_THE_LAST, NO_DAY_IS_OPEN
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line


def current_day(connection: Connection, book: int) -> date:
    """The open business day, or `no_day_is_open`."""
    row = connection.execute(QUERIES.current_day, {"book": book}).fetchone()
    if row is None:
        raise NO_DAY_IS_OPEN()
    return date.fromordinal(row[0].toordinal())


def days(connection: Connection, book: int, limit: int = 366) -> list[dict[str, Any]]:
    """Business days with the times of their opening and closing, the latest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(QUERIES.days, {"book": book, "limit": limit}).fetchall()


def open_day(core: Core, day: date) -> None:
    """Open a business day. Opening the open day again changes nothing."""
    with core.connection() as connection:
        known = days(connection, core.book.book_id, 1)
        through = closed_through(connection, core.book.book_id)
    if known and known[0]["day"] == day and known[0]["closed_at"] is None:
        return
    if known and (known[0]["day"] >= day or known[0]["closed_at"] is None):
        raise DAY_MUST_FOLLOW_THE_LAST(day=day, last=known[0]["day"])
    if through is not None and day <= through:
        raise DAY_LIES_IN_A_CLOSED_PERIOD(day=day, through=through)
    at = core.clock()
    row = {"book": core.book.book_id, "day": day, "at": at}
    core.post(Unit([day_event(core, day, EventName.DAY_OPENED, {})], [(QUERIES.open_day, row)]))


def close_day(core: Core, day: date, said: dict[str, Any], at: datetime) -> None:
    """Close the open day; `said` goes into the journal with it."""
    row = {"book": core.book.book_id, "day": day, "at": at}
    core.post(Unit([day_event(core, day, EventName.DAY_CLOSED, said)], [(QUERIES.close_day, row)]))


def day_event(core: Core, day: date, name: EventName, said: dict[str, Any]) -> Line:
    """An event about a day; its id follows from book and day, so that it happens once."""
    identity = derived(UUID(int=core.book.book_id), f"{name.name} {day.isoformat()}")
    return Line(Kind.EVENT, identity, code=name, value_date=day, payload={"day": day.isoformat()} | said)
