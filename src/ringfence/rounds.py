"""The core's rounds: what it does by itself, over and over, because nobody asks for it.

Everything here may be repeated and may stop anywhere: it looks for what is to be done, does it in one append each, and
finds it done the next time.
"""

import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.custody import settlement
from ringfence.custody.days import current_day
from ringfence.custody.deciding import decide_all
from ringfence.custody.orders import Desk
from ringfence.custody.refusals import NO_DAY_IS_OPEN
from ringfence.database.refusals import DATABASE_IS_LOST
from ringfence.incident import brake
from ringfence.incident.refusals import BRAKE_WAS_PULLED_AGAIN
from ringfence.ledger import reading
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.queries import QUERIES
from ringfence.refusal import Refused
from ringfence.risk import desk as risk_desk

PAUSE_SECONDS: Final = 0.1
PAUSE_SECONDS_MAX: Final = 5.0

Log = Callable[..., None]


def one_round(desk: Desk) -> int:
    """One round; returns how many things moved."""
    core = desk.core
    moved = 0
    try:
        moved += settlement.take_statuses(desk)
        moved += settlement.take_advices(desk)
        moved += settlement.mark_sent(desk)
        moved += decide_all(desk)
        moved += expire(desk)
    except Refused as refused:
        if refused.refusal is not NO_DAY_IS_OPEN:
            raise
    risk_desk.follow(desk.risk, core)
    with core.pool.connection() as connection:
        reading.project(connection, core.book.book_id)
    return moved


def core_round(desk: Desk) -> int:
    """A round of the running core: the above, and the brake released if enough people have said so."""
    return one_round(desk) + release_brake(desk)


def release_brake(desk: Desk) -> int:
    """Carry out the releases of the brake that are complete; one that was overtaken by a new pull is left alone."""
    core, done = desk.core, 0
    with core.connection() as connection:
        complete = proposals.complete(connection, core.book.book_id, core.clock(), brake.ACT)
    for each in complete:
        try:
            brake.release(core, each.proposal_id)
            done += 1
        except Refused as refused:
            if refused.refusal is not BRAKE_WAS_PULLED_AGAIN:
                raise
    return done


def expire(desk: Desk) -> int:
    """Release what was held for a time that has passed."""
    core = desk.core
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
        question = {"book": core.book.book_id, "at": core.clock()}
        found = connection.execute(QUERIES.expired_pending, question).fetchall()
    for identity, debit, credit, _, order_id in found:
        core.post(Unit([_expiry(identity, debit, credit, order_id, day)]))
    return len(found)


def _expiry(identity: UUID, debit: int, credit: int, order_id: UUID | None, day: Any) -> Line:
    line = Line(Kind.EXPIRE, derived(identity, "expire"), debit, credit, refers_to=identity, order_id=order_id)
    return replace(line, value_date=day)


class Rounds:
    """A thread that goes round until it is stopped. What fails is logged and tried again, ever more slowly."""

    def __init__(self, steps: Callable[[], int], log: Log) -> None:
        self._steps = steps
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while not self._stop.wait(pause):
            try:
                moved = self._steps()
                pause = PAUSE_SECONDS if moved else min(pause * 2, 1.0)
            except Refused as refused:
                level = "round waits" if refused.refusal is DATABASE_IS_LOST else "round refused"
                self._log(level, refused=refused.name, sentence=refused.sentence())
                pause = min(pause * 2, PAUSE_SECONDS_MAX)
            except Exception:  # noqa: BLE001 - a defect must not silence the rounds; it is logged whole, every time
                self._log("round failed", trace=traceback.format_exc())
                pause = min(pause * 2, PAUSE_SECONDS_MAX)
