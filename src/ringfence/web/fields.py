"""Fields of an address, as forms send them: a field left empty is a field not given."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BeforeValidator, Field

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 500


def _blank(given: Any) -> Any:
    return None if isinstance(given, str) and not given.strip() else given


Blank = BeforeValidator(_blank)
Text = Annotated[Annotated[str, Field(max_length=200)] | None, Blank]
Day = Annotated[date | None, Blank, Query(description="A day, YYYY-MM-DD (UTC).")]
Sequence = Annotated[
    Annotated[int, Field(ge=0, le=2**62)] | None, Blank, Query(description="A row's number in the journal.")
]
Limit = Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX, description="Rows of a page.")]


def end_of(day: date) -> datetime:
    """The last moment of a day in UTC."""
    return datetime.combine(day, time.min, UTC) + timedelta(days=1) - timedelta(microseconds=1)


def containing(text: str | None) -> str:
    """The LIKE pattern of names that contain a text as it stands."""
    if not text:
        return "%"
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
