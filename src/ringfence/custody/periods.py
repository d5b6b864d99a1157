"""Closing periods: only days that are over are closed for good, and a closed day is no business day any more."""

from datetime import date

from ringfence.authority.actors import Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.standing import acts
from ringfence.core import Core
from ringfence.custody.days import days
from ringfence.custody.refusals import BUSINESS_DAY_MUST_BE_CLOSED_FIRST


def propose_closing(core: Core, by: Session, through: date, reason: str) -> Drafted:
    """Propose that nothing enters any more with a value date up to `through`. Of a book that has business days, the
    last closed one is as far as this goes, so that the open day and the next ones stay open:
    `business_day_must_be_closed_first`. Otherwise as `authority.acts.propose_closing`.
    """
    with core.connection() as connection:
        known = days(connection, core.book.book_id)
    closed = [each["day"] for each in known if each["closed_at"] is not None]
    if known and not (closed and through <= closed[0]) and through >= known[-1]["day"]:
        raise BUSINESS_DAY_MUST_BE_CLOSED_FIRST(through=through)
    return acts.propose_closing(core, by, through, reason)
