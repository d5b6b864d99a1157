"""What the core does with files by itself: asks the provider, screens, verifies what is complete, puts the rest before
people, restricts what has lapsed, and looks at lists that are new. Each step is one append; all of it may be repeated.
"""

from collections.abc import Callable
from typing import Final

from ringfence.authority import proposals
from ringfence.diligence.deciding import ACT, carry_out, missing, needs_people, propose_verification, restrict, verify
from ringfence.diligence.evidence import ask_provider, lists_digest, screen_parties
from ringfence.diligence.files import Desk, Whole, is_before_people, whole_file
from ringfence.diligence.queries import QUERIES
from ringfence.refusal import Fault, Refused

AT_A_TIME: Final = 100
WARNING_DAYS: Final = 30
"""So many days before a verification lapses it is counted as due."""


def advance_all(desk: Desk) -> int:
    """Everything that can be done now, at most a hundred files at a time; returns how many steps were taken. A file
    that is refused is left for later, and keeps no other waiting.
    """
    core, book, at = desk.core, desk.core.book.book_id, desk.core.clock()
    asked = {"book": book, "at": at, "limit": AT_A_TIME}
    with core.connection() as connection:
        ready = [row[0] for row in connection.execute(QUERIES.to_advance, asked)]
        again = {"book": book, "lists": lists_digest(desk), "limit": AT_A_TIME}
        unscreened = [row[0] for row in connection.execute(QUERIES.to_screen_again, again)]
        decided = proposals.complete(connection, book, at, ACT)
    moved = sum(_left_alone(lambda each=each: advance(desk, each)) for each in ready)  # type: ignore[misc]
    moved += sum(_left_alone(lambda each=each: _screen_again(desk, each)) for each in unscreened)  # type: ignore[misc]
    moved += sum(_left_alone(lambda each=each: carry_out(desk, each.proposal_id)) for each in decided)  # type: ignore[misc]
    return moved + lapse_all(desk)


def advance(desk: Desk, customer_id: str) -> int:
    """Take one file as far as it goes without anybody; returns how many steps that were."""
    steps = 0
    while _step(desk, _read(desk, customer_id)):
        steps += 1
    return steps


def lapse_all(desk: Desk) -> int:
    """Restrict the customers whose review or document ran out, after the days of grace; returns how many."""
    core, today = desk.core, desk.core.clock().date()
    asked = {"book": core.book.book_id, "grace": desk.profile.grace_days, "today": today, "limit": AT_A_TIME}
    with core.connection() as connection:
        found = [row[0] for row in connection.execute(QUERIES.lapsed, asked)]
    return sum(_left_alone(lambda each=each: _lapse(desk, each)) for each in found)  # type: ignore[misc]


def _step(desk: Desk, whole: Whole) -> bool:
    """The next step of a file; False: there is none."""
    found, at = whole.file, desk.core.clock()
    if found.state not in ("documents", "screened", "verified", "restricted"):
        return False
    if found.state != "screened":
        for each in whole.parties:
            if each.is_to_be_asked(at):
                ask_provider(desk, whole, each)
                return True
        if unscreened := [each for each in whole.parties if each.is_found and each.screening is None]:
            screen_parties(desk, whole, unscreened)
            return True
    renewed = found.verified_step is None or any(each.step > found.verified_step for each in whole.documents)
    if found.state == "documents" or not (renewed or found.asks != found.tier):
        return False
    if missing(whole, desk.profile, at.date()):
        return False
    if not needs_people(whole, desk.profile):
        verify(desk, whole)
        return True
    with desk.core.connection() as connection:
        asked = is_before_people(connection, desk.core.book.book_id, found.customer_id, at)
    if not asked:
        propose_verification(desk, whole)
    return False


def _screen_again(desk: Desk, customer_id: str) -> bool:
    whole, digest = _read(desk, customer_id), lists_digest(desk)
    stale = [each for each in whole.parties if each.is_clear and each.lists != digest]
    if not stale:
        return False
    screen_parties(desk, whole, stale)
    return True


def _lapse(desk: Desk, customer_id: str) -> bool:
    whole = _read(desk, customer_id)
    found, today = whole.file, desk.core.clock().date()
    last = found.restricted_from(desk.profile)
    if found.state != "verified" or last is None or last > today:
        return False
    by_document = found.review_due is not None and found.lapses_on is not None and found.lapses_on <= found.review_due
    restrict(desk, whole, "document_expired" if by_document else "review_lapsed")
    return True


def _left_alone(step: Callable[[], int | bool]) -> int:
    """How many steps were taken; none where the books or the request say no."""
    try:
        return int(step())
    except Refused as refused:
        if refused.refusal.fault is Fault.MACHINE:
            raise
        return 0


def _read(desk: Desk, customer_id: str) -> Whole:
    with desk.core.connection() as connection:
        return whole_file(connection, desk.core.book.book_id, customer_id)
