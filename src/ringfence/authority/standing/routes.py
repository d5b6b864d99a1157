"""What stands over the book, over HTTP: limits, closed periods, guards and monitors, and how to propose others."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Path
from pydantic import Field

from ringfence.authority.proposals import Drafted
from ringfence.authority.refusals import (
    ACCOUNT_MUST_HAVE_ROOM_FOR_RECEIPTS,
    ACT_IS_NOT_IN_THE_POLICY,
    CHANGE_MUST_HAVE_A_REASON,
    LIMITS_MUST_CHANGE,
    MAKER_MAY_NOT_MAKE_THIS,
    MINIMUM_MUST_NOT_EXCEED_THE_MAXIMUM,
    MONITOR_HAS_A_SHORT_NAME,
    MONITOR_IS_OFF_ALREADY,
    MONITOR_MUST_EXIST,
    MONITOR_MUST_HAVE_A_CONDITION,
    MONITOR_MUST_WATCH_SOMETHING,
    PERSON_LACKS_THE_ROLE,
    POOL_MUST_EXIST,
    PURPOSE_IS_UNKNOWN,
)
from ringfence.authority.routes import FOR_PEOPLE, router, session_of
from ringfence.authority.standing import acts
from ringfence.authority.standing import reading as stands
from ringfence.ledger import reading
from ringfence.ledger.model import Result
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.ledger.standing import Monitor, Watched
from ringfence.money import AMOUNT_IS_NOT_A_DECIMAL, currency, parse_minor
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.visit import Client, Visit, scoped

READ = [scoped("position:read")]
PROPOSING = (PERSON_LACKS_THE_ROLE, MAKER_MAY_NOT_MAKE_THIS, ACT_IS_NOT_IN_THE_POLICY, CHANGE_MUST_HAVE_A_REASON)
Amount = Annotated[str | None, Field(max_length=40, examples=["-50.00"])]
Reason = Annotated[str, Field(max_length=acts.REASON_CHARACTERS_MAX)]
Code = Annotated[int, Field(ge=1, le=999)]


class ChangeProposed(Answer):
    """Who has to agree is in the policy; an approval names the SHA-256. Both are absent where nobody has to."""

    proposal: UUID | None
    sha256: str | None


class NewLimits(Answer):
    """Decimal amounts on the account's normal side; null: no limit."""

    minimum: Amount
    maximum: Amount
    reason: Reason


class NewGuard(Answer):
    codes: list[Code] = Field(max_length=100, description="Purposes that may leave the pool uncovered.")
    reason: Reason


class NewMonitor(Answer):
    """Watched is an account (`account`), the accounts of an owner class, pool, currency and side together, or the cover
    of a pool in a currency (`pool`, `currency`, measure `cover`).
    """

    account: str | None = Field(None, max_length=200)
    owner_class: str = Field("", max_length=100, examples=["customer"])
    pool: str = Field("", max_length=100, examples=["client"])
    currency: str = Field("", max_length=3, examples=["EUR"])
    side: str = Field("", pattern="^(debit|credit)?$")
    measure: str = Field(pattern="^(available|balance|expected|held|cover)$")
    below: Amount = None
    above: Amount = None
    reason: Reason


class Off(Answer):
    reason: Reason


class TurnAnswer(Answer):
    on: bool
    value: Money
    at: datetime
    sequence: int


class MonitorAnswer(Answer):
    """A monitor: what it watches, and whether its condition holds (`on`) since its last turn."""

    name: str
    state: str = Field(pattern="^(on|quiet|off)$", description="off: switched off, it has no condition.")
    watch: dict[str, str | int]
    measure: str
    below: Money | None
    above: Money | None
    set_at: datetime
    sequence: int = Field(description="The row of the journal that set it.")
    turn: TurnAnswer | None = Field(description="The last turn; none since it was set if absent.")


class MonitorList(Answer):
    monitors: list[MonitorAnswer]


class Closing(Answer):
    through: date
    at: datetime
    sequence: int


class GuardAnswer(Answer):
    pool: str
    codes: list[int]
    at: datetime
    sequence: int


class StandingAnswer(Answer):
    closed_through: date | None = Field(description="Nothing enters with a value date up to this day.")
    closings: list[Closing]
    guards: list[GuardAnswer]


@router.get("/standing", dependencies=READ, summary="Closed periods and guarded pools", responses=refuses())
def standing_now(visit: Client) -> StandingAnswer:
    with visit.core.connection() as connection:
        closings = stands.closings(connection, visit.book)
        guards = stands.guards(connection, visit.book)
    return StandingAnswer(
        closed_through=closings[-1].said.through if closings else None,
        closings=[Closing(through=each.said.through, at=each.at, sequence=each.sequence) for each in closings],
        guards=[
            GuardAnswer(pool=pool, codes=list(each.said.codes), at=each.at, sequence=each.sequence)
            for pool, each in sorted(guards.items())
        ],
    )


@router.get("/monitors", dependencies=READ, summary="Monitors, their state and last turn", responses=refuses())
def monitors(visit: Client) -> MonitorList:
    with visit.core.connection() as connection:
        found = stands.monitors(connection, visit.book)
    return MonitorList(monitors=[_monitor(each) for each in found])


@router.post(
    "/accounts/{name}/limits",
    dependencies=FOR_PEOPLE,
    summary="Propose other limits of an account (people only)",
    responses=refuses(
        *PROPOSING,
        RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST],
        RESULT_REFUSALS[Result.ACCOUNT_MUST_BE_OPEN],
        AMOUNT_IS_NOT_A_DECIMAL,
        MINIMUM_MUST_NOT_EXCEED_THE_MAXIMUM,
        LIMITS_MUST_CHANGE,
        ACCOUNT_MUST_HAVE_ROOM_FOR_RECEIPTS,
    ),
)
def propose_limits(
    visit: Client, name: Annotated[str, Path(max_length=200)], given: Annotated[NewLimits, Body()]
) -> ChangeProposed:
    return _proposed(limits_from(visit, name, given.minimum, given.maximum, given.reason))


@router.post(
    "/pools/{pool}/guard",
    dependencies=FOR_PEOPLE,
    summary="Propose which purposes may leave a pool uncovered (people only)",
    responses=refuses(*PROPOSING, POOL_MUST_EXIST, PURPOSE_IS_UNKNOWN),
)
def propose_guard(
    visit: Client, pool: Annotated[str, Path(max_length=100)], given: Annotated[NewGuard, Body()]
) -> ChangeProposed:
    return _proposed(acts.propose_guard(visit.core, session_of(visit), pool, given.codes, given.reason))


@router.post(
    "/monitors/{name}",
    dependencies=FOR_PEOPLE,
    summary="Set a monitor; one in use is changed by a proposal (people only)",
    responses=refuses(
        *PROPOSING,
        RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST],
        AMOUNT_IS_NOT_A_DECIMAL,
        MONITOR_HAS_A_SHORT_NAME,
        MONITOR_MUST_WATCH_SOMETHING,
        MONITOR_MUST_HAVE_A_CONDITION,
    ),
)
def set_monitor(
    visit: Client,
    name: Annotated[str, Path(max_length=acts.NAME_CHARACTERS_MAX)],
    given: Annotated[NewMonitor, Body()],
) -> ChangeProposed:
    asked = given.model_dump()
    reason, account = asked.pop("reason"), asked.pop("account")
    return _proposed(monitor_from(visit, name, account, reason, **asked))


@router.post(
    "/monitors/{name}/switch-off",
    dependencies=FOR_PEOPLE,
    summary="Propose to switch a monitor off (people only)",
    responses=refuses(*PROPOSING, MONITOR_MUST_EXIST, MONITOR_IS_OFF_ALREADY),
)
def switch_off(
    visit: Client,
    name: Annotated[str, Path(max_length=acts.NAME_CHARACTERS_MAX)],
    given: Annotated[Off, Body()],
) -> ChangeProposed:
    return _proposed(acts.switch_monitor_off(visit.core, session_of(visit), name, given.reason))


def limits_from(visit: Visit, name: str, minimum: str | None, maximum: str | None, reason: str) -> Drafted:
    """Limits from what a person wrote: decimals of the account's currency, nothing for no limit."""
    session = session_of(visit)
    with visit.core.connection() as connection:
        unit = reading.account(connection, visit.book, name).currency
    return acts.propose_limits(visit.core, session, name, _minor(minimum, unit), _minor(maximum, unit), reason)


def monitor_from(
    visit: Visit,
    name: str,
    account: str | None,
    reason: str,
    *,
    measure: str,
    below: str | None,
    above: str | None,
    **watch: Any,
) -> Drafted | None:
    """A monitor from what a person wrote."""
    session = session_of(visit)
    watched = Watched(**watch)
    unit = watched.currency
    if account:
        with visit.core.connection() as connection:
            found = reading.account(connection, visit.book, account)
        watched, unit = Watched(account=found.account), found.currency
    if not unit:
        raise MONITOR_MUST_WATCH_SOMETHING()
    monitor = Monitor(name.strip(), watched, measure, _minor(below, unit), _minor(above, unit))
    return acts.set_monitor(visit.core, session, monitor, reason)


def state_of(found: stands.Watching) -> str:
    """on: the condition holds; quiet: it does not; off: there is none."""
    return "off" if found.is_off else "on" if found.on else "quiet"


def _minor(text: str | None, unit: str) -> int | None:
    return parse_minor(text.strip(), currency(unit)) if text and text.strip() else None


def _proposed(made: Drafted | None) -> ChangeProposed:
    if made is None:
        return ChangeProposed(proposal=None, sha256=None)
    return ChangeProposed(proposal=made.proposal_id, sha256=made.payload_sha256.hex())


def _monitor(found: stands.Watching) -> MonitorAnswer:
    def amount(minor: int | None) -> Money | None:
        return None if minor is None else money(minor, found.currency)

    monitor, turn = found.monitor, found.turn
    return MonitorAnswer(
        name=monitor.name,
        state=state_of(found),
        watch={"account": found.account} if found.account else monitor.watched.said(),
        measure=monitor.measure,
        below=amount(monitor.below),
        above=amount(monitor.above),
        set_at=found.set_at,
        sequence=found.sequence,
        turn=None
        if turn is None
        else TurnAnswer(
            on=turn.said.on, value=money(turn.said.value, found.currency), at=turn.at, sequence=turn.sequence
        ),
    )
