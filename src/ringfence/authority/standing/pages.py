"""The pages of what stands over the book: closed periods, guarded pools, monitors; limits on a page of the account."""

from typing import Annotated, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Path
from fastapi.responses import Response

from ringfence.authority import proposals
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.authority.standing import acts
from ringfence.authority.standing import reading as stands
from ringfence.authority.standing.routes import limits_from, monitor_from, state_of
from ringfence.ledger import reading
from ringfence.ledger.codes import Purpose
from ringfence.ledger.standing import COVER, MEASURES
from ringfence.web.fields import Text
from ringfence.web.visit import Signed, Visit

TURNS_SHOWN: Final = 30
TONES: Final = {"on": "watch", "quiet": "good", "off": "quiet"}
AmountText = Annotated[str, Form(max_length=40)]
ReasonText = Annotated[str, Form(max_length=acts.REASON_CHARACTERS_MAX)]

pages = APIRouter()


@pages.get("/rules")
def rules(visit: Signed, account: Text = None) -> Response:
    """Everything that stands, with a form for each change that this person may propose."""
    with visit.core.connection() as connection:
        closings = stands.closings(connection, visit.book)
        guards = stands.guards(connection, visit.book)
        monitors = stands.monitors(connection, visit.book)
        turns = stands.turns(connection, visit.book, limit=TURNS_SHOWN)
        known = connection.execute(QUERIES.opened_accounts, {"book": visit.book}).fetchall()
        waiting = [
            each for act in acts.ACTS.values() for each in proposals.pending(connection, visit.book, visit.now, act)
        ]
    return visit.page(
        "authority/rules.html",
        closings=closings[::-1],
        guards=guards,
        monitors=[(each, state_of(each), TONES[state_of(each)]) for each in monitors],
        turns=turns,
        units={each.monitor.name: each.currency for each in monitors},
        pools=sorted({each[0] for each in known}),
        watchables=_watchables(known),
        measures=[*MEASURES, COVER],
        purposes=list(Purpose),
        codes_text=acts.codes_text,
        waiting=waiting,
        account=account,
        may_close=visit.person.has_role(Role.TREASURER),
        may_propose=visit.person.has_role(*acts.MAY_SET_MONITORS),
        reason_max=acts.REASON_CHARACTERS_MAX,
    )


@pages.get("/accounts/{name}/limits")
def limits(visit: Signed, name: Annotated[str, Path(max_length=200)]) -> Response:
    with visit.core.connection() as connection:
        found = reading.account(connection, visit.book, name)
        standing_balance = reading.balance(connection, visit.book, name, fresh=True)
        waiting = [
            each
            for each in proposals.pending(connection, visit.book, visit.now, acts.LIMIT_CHANGE)
            if each.terms.facts.get("account") == name
        ]
    return visit.page(
        "authority/limits.html",
        account=found,
        standing=standing_balance,
        waiting=waiting,
        may_propose=visit.person.has_role(*acts.MAY_SET_MONITORS),
        reason_max=acts.REASON_CHARACTERS_MAX,
    )


@pages.post("/accounts/{name}/limits")
def propose_limits(
    visit: Signed,
    name: Annotated[str, Path(max_length=200)],
    reason: ReasonText = "",
    minimum: AmountText = "",
    maximum: AmountText = "",
) -> Response:
    return _on(visit, limits_from(visit, name, minimum, maximum, reason))


@pages.post("/rules/guards")
def propose_guard(
    visit: Signed,
    pool: Annotated[str, Form(max_length=100)],
    reason: ReasonText = "",
    codes: Annotated[list[int], Form(max_length=100)] = [],  # noqa: B006 - no box is ticked; FastAPI copies it
) -> Response:
    return _on(visit, acts.propose_guard(visit.core, session_of(visit), pool, codes, reason))


@pages.post("/rules/monitors")
def set_monitor(
    visit: Signed,
    name: Annotated[str, Form(max_length=200)],
    watch: Annotated[str, Form(max_length=500)],
    measure: Annotated[str, Form(max_length=20)],
    account: Annotated[str, Form(max_length=200)] = "",
    below: AmountText = "",
    above: AmountText = "",
    reason: ReasonText = "",
) -> Response:
    """A new name watches at once; one in use is proposed."""
    given = {key: text for key, text in parse_qsl(watch) if key in ("owner_class", "pool", "currency", "side")}
    chosen = account.strip() if watch == "account" else None
    made = monitor_from(visit, name, chosen, reason, measure=measure, below=below, above=above, **given)
    return visit.go("/rules", said="monitor_set") if made is None else _on(visit, made)


@pages.post("/rules/monitors/off")
def switch_off(visit: Signed, name: Annotated[str, Form(max_length=200)], reason: ReasonText = "") -> Response:
    return _on(visit, acts.switch_monitor_off(visit.core, session_of(visit), name, reason))


def monitors_on(visit: Visit) -> int:
    """How many monitors' conditions hold now."""
    with visit.core.connection() as connection:
        return sum(each.on and not each.is_off for each in stands.monitors(connection, visit.book))


def _on(visit: Visit, made: Drafted) -> Response:
    return visit.go(f"/approvals/{made.proposal_id}", said="change_proposed")


def _watchables(known: list[tuple[str, str, str, str]]) -> list[tuple[str, dict[str, str]]]:
    """What can be watched besides one account, as a form sends it and as words: totals, then covers."""
    totals = [
        {"owner_class": owner, "pool": pool, "currency": unit, "side": side}
        for pool, unit, side, owner in sorted(known)
    ]
    covers = [{"pool": pool, "currency": unit} for pool, unit in sorted({each[:2] for each in known})]
    return [(urlencode(each), each) for each in totals + covers]
