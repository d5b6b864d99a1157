"""Proposing what is to stand over a book, and carrying it out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import (
    ACCOUNT_MUST_HAVE_ROOM_FOR_RECEIPTS,
    CHANGE_MUST_HAVE_A_REASON,
    LIMITS_MUST_CHANGE,
    MINIMUM_MUST_NOT_EXCEED_THE_MAXIMUM,
    MONITOR_HAS_A_SHORT_NAME,
    MONITOR_IS_OFF_ALREADY,
    MONITOR_MUST_EXIST,
    MONITOR_MUST_HAVE_A_CONDITION,
    MONITOR_MUST_WATCH_SOMETHING,
    POOL_MUST_EXIST,
    PURPOSE_IS_UNKNOWN,
)
from ringfence.authority.roles import Role
from ringfence.authority.standing.reading import closed_through, guards, monitor_named, opened_account
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.codes import Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind, Line, Result, canonical
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.ledger.standing import (
    COVER,
    MEASURES,
    ClosedPeriod,
    Guard,
    Limits,
    Monitor,
    closed_period_of,
    guard_of,
    limits_of,
    monitor_of,
    owner_class,
)
from ringfence.money import currency, format_minor
from ringfence.refusal import Fault

Change = Limits | ClosedPeriod | Guard | Monitor
LIMIT_CHANGE: Final = "limit_change"
PERIOD_CLOSE: Final = "period_close"
GUARD_CHANGE: Final = "guard_change"
MONITOR_CHANGE: Final = "monitor_change"
ACTS: Final = {
    Kind.ACCOUNT_LIMITED: LIMIT_CHANGE,
    Kind.PERIOD_CLOSED: PERIOD_CLOSE,
    Kind.POOL_GUARDED: GUARD_CHANGE,
    Kind.MONITOR_SET: MONITOR_CHANGE,
}
MAY_SET_MONITORS: Final = (Role.TREASURER, Role.RISK_OFFICER)
TAKES_WHAT_COMES: Final = ("bank", "unallocated")  # owner classes: what a bank says has come has come
NONE: Final = "none"  # in a fact: no limit, no code
FOR_THE_READER: Final = frozenset(
    {"reason", "minimum_before", "maximum_before", "codes_before", "below_before", "above_before"}
)
"""Facts that tell an approver more than the row says; the notary does not judge them."""
REASON_CHARACTERS_MAX: Final = 300
NAME_CHARACTERS_MAX: Final = 100
_READERS: Final = {
    LIMIT_CHANGE: limits_of,
    PERIOD_CLOSE: closed_period_of,
    GUARD_CHANGE: guard_of,
    MONITOR_CHANGE: monitor_of,
}


def change_of(act: str, row: bytes) -> Change | None:
    """The change that a row of the act's kind describes; None if it describes none."""
    return _READERS[act](row) if act in _READERS else None


def account_of(change: Change) -> int:
    """The number of the account that a change is about; 0: none."""
    if isinstance(change, Limits):
        return change.account
    return change.watched.account if isinstance(change, Monitor) else 0


def line_of(change: Change, identity: UUID, day: date) -> Line:
    """The row of the journal; `day` is its value date where it has none of its own."""
    return change.line(identity) if isinstance(change, ClosedPeriod) else change.line(identity, day)


def facts_of(change: Change, account: Account | None) -> dict[str, str]:
    """The change in words, and as the bytes of its row. `account` is the one that it is about, as it was opened."""
    facts: dict[str, str] = {}
    if account is not None:
        facts |= {"account": account.name, "number": str(account.account), "currency": account.currency}
    match change:
        case Limits():
            unit = account.currency if account else ""
            facts |= {"minimum": amount_text(change.minimum, unit), "maximum": amount_text(change.maximum, unit)}
        case ClosedPeriod():
            facts |= {"through": change.through.isoformat()}
        case Guard():
            facts |= {"pool": change.pool, "codes": codes_text(change.codes)}
        case Monitor():
            watched = change.watched
            unit = account.currency if account else watched.currency
            facts |= {} if account else {name: str(said) for name, said in watched.said().items()}
            facts |= {"monitor": change.name, "measure": change.measure}
            facts |= {"below": amount_text(change.below, unit), "above": amount_text(change.above, unit)}
    payload = line_of(change, UUID(int=0), date.min).payload or {}
    return facts | {"row": canonical(payload).decode()}


def amount_text(minor: int | None, unit: str) -> str:
    """An amount with its decimals; `none` where there is none."""
    return NONE if minor is None else format_minor(minor, currency(unit))


def codes_text(codes: Sequence[int]) -> str:
    """Purposes by number and name."""
    known = {each.value: each.name.lower().replace("_", " ") for each in Purpose}
    return ", ".join(f"{code} {known.get(code, '')}".strip() for code in codes) or NONE


# -- proposing -------------------------------------------------------------------------------------------------------


def propose_limits(
    core: Core, by: Session, name: str, minimum: int | None, maximum: int | None, reason: str
) -> Drafted:
    """Propose other limits of an account, in minor units on its normal side; None: no limit. Act `limit_change`.
    `account_must_exist`, `account_must_be_open`, `minimum_must_not_exceed_the_maximum`, `limits_must_change`,
    `account_must_have_room_for_receipts`.
    """
    with core.connection() as connection:
        account = _open_account(connection, core.book.book_id, name)
    if minimum is not None and maximum is not None and minimum > maximum:
        low, high = amount_text(minimum, account.currency), amount_text(maximum, account.currency)
        raise MINIMUM_MUST_NOT_EXCEED_THE_MAXIMUM(minimum=low, maximum=high)
    if maximum is not None and owner_class(account.owner) in TAKES_WHAT_COMES:
        raise ACCOUNT_MUST_HAVE_ROOM_FOR_RECEIPTS(account=name)
    if (minimum, maximum) == (account.minimum, account.maximum):
        raise LIMITS_MUST_CHANGE(account=name)
    before = {
        "minimum_before": amount_text(account.minimum, account.currency),
        "maximum_before": amount_text(account.maximum, account.currency),
    }
    proposal = core.new_id()
    return _propose(core, by, Limits(account.account, minimum, maximum, proposal), proposal, account, reason, before)


def propose_closing(core: Core, by: Session, through: date, reason: str) -> Drafted:
    """Propose to close every value date up to a day, for good. Act `period_close`. `period_must_have_ended`,
    `period_must_be_later_than_the_last_closed`.
    """
    with core.connection() as connection:
        last = closed_through(connection, core.book.book_id)
    if through > core.clock().date():
        raise RESULT_REFUSALS[Result.PERIOD_MUST_HAVE_ENDED]()
    if last is not None and through <= last:
        raise RESULT_REFUSALS[Result.PERIOD_MUST_BE_LATER_THAN_THE_LAST_CLOSED]()
    proposal = core.new_id()
    return _propose(core, by, ClosedPeriod(through, proposal), proposal, None, reason, {})


def propose_guard(core: Core, by: Session, pool: str, codes: Sequence[int], reason: str) -> Drafted:
    """Propose which purposes may leave a pool uncovered, and no other. Act `guard_change`. `pool_must_exist`,
    `purpose_is_unknown`.
    """
    wanted = tuple(sorted(set(codes)))
    for code in wanted:
        if code not in {each.value for each in Purpose}:
            raise PURPOSE_IS_UNKNOWN(code=code)
    with core.connection() as connection:
        if pool not in {each[0] for each in connection.execute(QUERIES.opened_accounts, {"book": core.book.book_id})}:
            raise POOL_MUST_EXIST(pool=pool[:60])
        known = guards(connection, core.book.book_id).get(pool)
    before = {"codes_before": codes_text(known.said.codes)} if known else {}
    proposal = core.new_id()
    return _propose(core, by, Guard(pool, wanted, proposal), proposal, None, reason, before)


def guard_first(core: Core, pool: str, codes: Sequence[int]) -> bool:
    """Guard a pool that has no guard; nobody has to agree. False: it has one, whatever that says."""
    book = core.book.book_id
    with core.connection() as connection:
        if pool in guards(connection, book):
            return False
    identity = derived(UUID(int=book), f"guard {pool}")
    core.post(Unit([Guard(pool, tuple(sorted(set(codes)))).line(identity, core.clock().date())]))
    return True


def set_monitor(core: Core, by: Session, monitor: Monitor, reason: str) -> Drafted | None:
    """Set a monitor. Under a new name it watches at once (None); in use, the change is proposed: act `monitor_change`,
    and a monitor without `below` and `above` is switched off. The same as it stands changes nothing (None).
    `monitor_has_a_short_name`, `monitor_must_watch_something`, `monitor_must_have_a_condition`,
    `person_lacks_the_role`.
    """
    book = core.book.book_id
    if not 0 < len(monitor.name) <= NAME_CHARACTERS_MAX or monitor.name != monitor.name.strip():
        raise MONITOR_HAS_A_SHORT_NAME()
    with core.connection() as connection:
        account = _watched(connection, book, monitor)
        known = monitor_named(connection, book, monitor.name)
    if known is None:
        by.require_role(*MAY_SET_MONITORS)
        require_reason(reason)
        watch_first(core, monitor)
        return None
    if replace(known.said, proposal=None) == replace(monitor, proposal=None):
        return None
    unit = account.currency if account else monitor.watched.currency
    before = {
        "below_before": amount_text(known.said.below, unit),
        "above_before": amount_text(known.said.above, unit),
    }
    proposal = core.new_id()
    return _propose(core, by, replace(monitor, proposal=proposal), proposal, account, reason, before)


def switch_monitor_off(core: Core, by: Session, name: str, reason: str) -> Drafted:
    """Propose to switch a monitor off; `monitor_must_exist`, `monitor_is_off_already`. Setting it again, by another
    proposal, switches it on.
    """
    with core.connection() as connection:
        known = monitor_named(connection, core.book.book_id, name)
    if known is None:
        raise MONITOR_MUST_EXIST(monitor=name[:100])
    drafted = set_monitor(core, by, Monitor(name, known.said.watched, known.said.measure, None, None), reason)
    if drafted is None:
        raise MONITOR_IS_OFF_ALREADY(monitor=name)
    return drafted


def watch_first(core: Core, monitor: Monitor) -> bool:
    """Set a monitor under a name that is not in use; nobody has to agree. False: the name is in use."""
    book = core.book.book_id
    if monitor.below is None and monitor.above is None:
        raise MONITOR_MUST_HAVE_A_CONDITION()
    with core.connection() as connection:
        if monitor_named(connection, book, monitor.name) is not None:
            return False
    identity = derived(UUID(int=book), f"monitor {monitor.name}")
    core.post(Unit([monitor.line(identity, core.clock().date())]))
    return True


def require_reason(reason: str) -> str:
    """A reason of a few words; `change_must_have_a_reason`."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise CHANGE_MUST_HAVE_A_REASON(characters=REASON_CHARACTERS_MAX)
    return reason.strip()


# -- carrying out ----------------------------------------------------------------------------------------------------


def carry_out(core: Core, proposal_id: UUID) -> None:
    """Write the row that a complete proposal holds; `proposal_is_not_complete`, or the ledger's own refusal, which is
    final for the proposal. Doing it again changes nothing.
    """
    book = core.book.book_id
    with core.connection() as connection:
        found = proposals.proposal_of(connection, book, proposal_id)
    change = change_of(found.act, found.terms.facts.get("row", "").encode())
    if found.state == "carried_out" or change is None:
        return
    line = line_of(change, derived(proposal_id, "carried out"), core.clock().date())
    spent = (QUERIES.carry_out_standing, {"book": book, "standing": line.id, "proposal": proposal_id})
    core.post(Unit([line], also=[spent]))


def carry_out_all(core: Core) -> int:
    """`carry_out` for every complete proposal of these acts; for the core's rounds. One that the ledger refused is left
    alone: its refusal stands in the journal. Returns how many were carried out.
    """
    book = core.book.book_id
    with core.connection() as connection:
        complete = [each for act in ACTS.values() for each in proposals.complete(connection, book, core.clock(), act)]
        waiting = [each for each in complete if not _is_answered(connection, book, each.proposal_id)]
    left = (Fault.STATE, Fault.INPUT, Fault.UNKNOWN)
    return proposals.carry_out_each(waiting, lambda each: carry_out(core, each.proposal_id), leaving=left)


def _is_answered(connection: Connection, book: int, proposal_id: UUID) -> bool:
    asked = {"book": book, "id": derived(proposal_id, "carried out")}
    return connection.execute(QUERIES.kind_of_id, asked).fetchone() is not None


def _propose(
    core: Core,
    by: Session,
    change: Change,
    proposal: UUID,
    account: Account | None,
    reason: str,
    before: dict[str, str],
) -> Drafted:
    kind = line_of(change, proposal, date.min).kind
    facts = facts_of(change, account) | before | {"reason": require_reason(reason)}
    return proposals.propose(core, by, proposal, ACTS[kind], facts=facts)


def _open_account(connection: Connection, book: int, name: str) -> Account:
    found = opened_account(connection, book, reading.account(connection, book, name).account)
    if found is None or found.closed is not None:
        raise RESULT_REFUSALS[Result.ACCOUNT_MUST_BE_OPEN](account=name)
    return found.account


def _watched(connection: Connection, book: int, monitor: Monitor) -> Account | None:
    """The account that is watched, None for a total; `monitor_must_watch_something`."""
    watched = monitor.watched
    if watched.account:
        found = opened_account(connection, book, watched.account)
        if found is None or monitor.measure not in MEASURES:
            raise MONITOR_MUST_WATCH_SOMETHING()
        return found.account
    known = connection.execute(QUERIES.opened_accounts, {"book": book}).fetchall()
    if watched.side:
        wanted = (watched.pool, watched.currency, watched.side, watched.owner_class)
        fits = monitor.measure in MEASURES and wanted in known
    else:
        fits = monitor.measure == COVER and (watched.pool, watched.currency) in {each[:2] for each in known}
    if not fits:
        raise MONITOR_MUST_WATCH_SOMETHING()
    return None
