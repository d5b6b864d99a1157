"""The core's rounds: what it does by itself, over and over, because nobody asks for it.

Everything here may be repeated and may stop anywhere: it looks for what is to be done, does it in one append each, and
finds it done the next time.
"""

import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from ringfence.authority import proposals, rule_packs, signing
from ringfence.authority.passkeys import keys
from ringfence.authority.providers import registration
from ringfence.authority.standing import acts
from ringfence.authority.standing import reading as stands
from ringfence.custody import corrections, settlement
from ringfence.custody.days import current_day
from ringfence.custody.deciding import cool_all, decide_all
from ringfence.custody.orders import Desk, orders
from ringfence.custody.payees import register
from ringfence.custody.personal import erasure
from ringfence.custody.refusals import NO_DAY_IS_OPEN
from ringfence.database.refusals import DATABASE_IS_LOST
from ringfence.diligence.advancing import WARNING_DAYS, advance_all
from ringfence.diligence.files import Desk as DiligenceDesk
from ringfence.diligence.files import due
from ringfence.escrow import releasing
from ringfence.evidence.reading import alarms, last_signed
from ringfence.incident import brake
from ringfence.incident.indicators import DueFile, Figures, MonitorOn, Position
from ringfence.incident.refusals import BRAKE_WAS_PULLED_AGAIN
from ringfence.incident.thresholds import Thresholds
from ringfence.incident.watch import watch
from ringfence.ledger import reading
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.storage import head_of
from ringfence.liabilities import proving
from ringfence.liabilities.reading import unproven
from ringfence.refusal import Refused
from ringfence.risk import desk as risk_desk
from ringfence.safeguarding.position import live_position

PAUSE_SECONDS: Final = 0.1
PAUSE_SECONDS_MAX: Final = 5.0

Log = Callable[..., None]


def one_round(desk: Desk) -> int:
    """One round; returns how many things moved."""
    core = desk.core
    moved = settlement.note_files(desk) + rule_packs.change_all(core)
    risk_desk.renew(desk.risk, core)
    try:
        moved += settlement.take_statuses(desk)
        moved += settlement.take_advices(desk)
        moved += settlement.mark_sent(desk)
        moved += register.add_all(core, desk.vault)
        moved += decide_all(desk) + cool_all(desk) + corrections.carry_out_all(core)
        moved += releasing.turn(core)
        moved += expire(desk)
    except Refused as refused:
        if refused.refusal is not NO_DAY_IS_OPEN:
            raise
    risk_desk.follow(desk.risk, core)
    with core.pool.connection() as connection:
        core.entries.follow(connection)
    return moved


def core_round(desk: Desk, thresholds: Thresholds, diligence: DiligenceDesk, liabilities: proving.Desk) -> int:
    """A round of the running core: the above, what enough people have said carried out, the liabilities of closed days
    proven, and the indicators watched.
    This thread alone raises what is owed to customers, so what it reads of both sides belongs together.
    """
    decided = release_brake(desk) + acts.carry_out_all(desk.core)
    decided += keys.enrol_all(desk.core) + signing.admit_all(desk.core) + erasure.carry_out_all(desk.core)
    decided += registration.carry_out_all(desk.core) + advance_all(diligence) + proving.prove_all(liabilities)
    return one_round(desk) + decided + len(watch(desk.core, figures(desk), thresholds).turned)


def figures(desk: Desk) -> Figures:
    """What the indicators look at, now."""
    core, book, at = desk.core, desk.core.book.book_id, desk.core.clock()
    with core.connection() as connection:
        position = live_position(connection, book, fresh=False)
        head = head_of(connection, book)
        signed = last_signed(connection, book)
        alarmed = [each for each in alarms(connection, book) if signed is None or each.raised_at > signed.signed_at]
        unsigned = reading.posted_at(connection, book, signed.size if signed else 0)
        sent = orders(connection, book, state="sent", limit=1_000)
        database_now = reading.clock(connection)
        watching = stands.monitors(connection, book)
        refused = unproven(connection, book)
        reviews_due = due(connection, book, at.date() + timedelta(days=WARNING_DAYS))
    skew = abs(database_now - core.clock())
    return Figures(
        at=at,
        positions=tuple(Position(each.currency, each.requirement, each.resource) for each in position.currencies),
        discrepancies=position.discrepancies,
        oldest_discrepancy=position.oldest_discrepancy_at,
        files=tuple(
            DueFile(each.account_name, "camt.053", each.day, each.due_at, each.arrived_at)
            for each in position.statements
        ),
        rows=head,
        rows_notarised=signed.size if signed else 0,
        oldest_unnotarised=unsigned,
        notary_alarms=len(alarmed),
        payouts_unanswered=len(sent),
        oldest_unanswered=min((each.moved_at for each in sent), default=None),
        reviews_due=reviews_due,
        days_unproven=len(refused),
        clock_skew_ms=skew // timedelta(milliseconds=1),
        monitors_on=tuple(
            MonitorOn(each.monitor.name, each.currency, each.turn.said.value, each.turn.at)
            for each in watching
            if each.turn is not None and each.on and not each.is_off
        ),
    )


def release_brake(desk: Desk) -> int:
    """Carry out the releases of the brake that are complete; one that was overtaken by a new pull is left alone."""
    core = desk.core
    with core.connection() as connection:
        complete = proposals.complete(connection, core.book.book_id, core.clock(), brake.ACT)
    left = [BRAKE_WAS_PULLED_AGAIN]
    return proposals.carry_out_each(complete, lambda each: brake.release(core, each.proposal_id), leaving=left)


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
