"""Reconciliation over HTTP: discrepancies with both sides, runs, acceptance, and the master beside its parts."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query
from pydantic import Field

from ringfence.authority.actors import Session
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE
from ringfence.authority.roles import Role
from ringfence.reconciliation.discrepancies import FIRST, Discrepancy, accept, discrepancies, discrepancy
from ringfence.reconciliation.master import masters
from ringfence.reconciliation.matching import KINDS
from ringfence.reconciliation.refusals import (
    ACCEPTANCE_NEEDS_A_PERSON_AND_A_REASON,
    DISCREPANCY_IS_NOT_OPEN,
    DISCREPANCY_MUST_EXIST,
)
from ringfence.reconciliation.runs import Run, runs
from ringfence.vault.keeping import Vault
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Day, Limit, Text
from ringfence.web.refusals import REQUEST_IS_MALFORMED
from ringfence.web.visit import Client, Visit, scoped

router = APIRouter()
READ = [scoped("statements:read")]
MAY_ACCEPT = (Role.TREASURER, Role.APPROVER)


class SideAnswer(Answer):
    """What one side has; absent amounts: nothing."""

    amount: Money | None
    day: date | None


class DiscrepancyAnswer(Answer):
    """What is left over. `difference` is what the bank's balance has more than ours because of it."""

    id: UUID
    account: str
    kind: str = Field(examples=["missing_in_books"])
    state: str = Field(examples=["open"])
    since: date
    difference: Money
    books: SideAnswer
    bank: SideAnswer
    sequence: int | None
    order_id: UUID | None
    bank_reference: str | None
    end_to_end_id: str | None
    accepted_by: str | None
    closed_because: str | None


class DiscrepancyPage(Answer):
    discrepancies: list[DiscrepancyAnswer]
    next: str | None = Field(description="The `after` of the next page, if there is one.")


class Acceptance(Answer):
    reason: str = Field(min_length=10, max_length=500)


class KindAnswer(Answer):
    items: int
    difference: Money


class RunAnswer(Answer):
    """One reconciliation: bank = cashbook + what the discrepancies make, exactly."""

    account: str
    day: date
    run: int
    statement: str
    matched: int
    contra: int
    opened: int
    closed: int
    accepted: int
    discrepancies: dict[str, KindAnswer]
    cashbook: Money
    bank: Money
    reconciled_at: datetime


class RunList(Answer):
    runs: list[RunAnswer]


class MasterAnswer(Answer):
    """What the cashbooks hold is what is owed out of them, and what the platform has paid in."""

    master: Money
    sub_accounts: Money
    funding: Money
    difference: Money
    holds: bool


class MasterList(Answer):
    masters: list[MasterAnswer]


@router.get("/discrepancies", dependencies=READ, summary="Discrepancies, the oldest first", responses=refuses())
def list_discrepancies(
    visit: Client,
    state: Literal["open", "accepted", "closed"] = "open",
    account: Text = None,
    after: Annotated[str | None, Query(max_length=80, description="From `next` of the page before.")] = None,
    limit: Limit = PAGE_ROWS,
) -> DiscrepancyPage:
    with visit.core.connection() as connection:
        found = discrepancies(
            connection, visit.book, state=state, account_name=account, after=place_of(after), limit=limit
        )
    return DiscrepancyPage(
        discrepancies=[discrepancy_answer(each) for each in found],
        next=place_after(found[-1]) if len(found) == limit else None,
    )


@router.get(
    "/discrepancies/{id}", dependencies=READ, summary="One discrepancy", responses=refuses(DISCREPANCY_MUST_EXIST)
)
def one_discrepancy(visit: Client, id: UUID) -> DiscrepancyAnswer:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        return discrepancy_answer(discrepancy(connection, visit.book, id))


@router.post(
    "/discrepancies/{id}/acceptance",
    summary="Accept an open discrepancy, by name and with a reason (people only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE, DISCREPANCY_MUST_EXIST, DISCREPANCY_IS_NOT_OPEN, ACCEPTANCE_NEEDS_A_PERSON_AND_A_REASON
    ),
)
def accept_discrepancy(visit: Client, id: UUID, given: Annotated[Acceptance, Body()]) -> DiscrepancyAnswer:  # noqa: A002
    vault = visit.desk(Vault)
    return discrepancy_answer(accept(visit.core, vault, id, person=accepter(visit), reason=given.reason))


@router.get("/reconciliations", dependencies=READ, summary="Reconciliations, the latest first", responses=refuses())
def list_runs(visit: Client, account: Text = None, day: Day = None, limit: Limit = PAGE_ROWS) -> RunList:
    with visit.core.connection() as connection:
        found = runs(connection, visit.book, account_name=account, day=day, limit=limit)
    return RunList(runs=[run_answer(each) for each in found])


@router.get("/masters", dependencies=READ, summary="Does the master equal its parts?", responses=refuses())
def list_masters(visit: Client) -> MasterList:
    with visit.core.connection() as connection:
        found = masters(connection, visit.book, fresh=True)
    return MasterList(
        masters=[
            MasterAnswer(
                master=money(each.master, each.currency),
                sub_accounts=money(each.sub_accounts, each.currency),
                funding=money(each.funding, each.currency),
                difference=money(each.difference, each.currency),
                holds=each.holds,
            )
            for each in found
        ]
    )


def accepter(visit: Visit) -> str:
    """The name under which a discrepancy is accepted: a treasurer's or an approver's."""
    actor = visit.person.actor
    if not isinstance(actor, Session):
        raise PERSON_LACKS_THE_ROLE()
    actor.require_role(*MAY_ACCEPT)
    return actor.person_id


def place_after(found: Discrepancy) -> str:
    """Where the page after this one begins."""
    return f"{found.since.isoformat()}~{found.discrepancy_id}"


def place_of(text: str | None) -> tuple[date, UUID]:
    if not text:
        return FIRST
    since, _, identity = text.partition("~")
    try:
        return date.fromisoformat(since), UUID(identity)
    except ValueError as error:
        raise REQUEST_IS_MALFORMED(detail="after") from error


def discrepancy_answer(found: Discrepancy) -> DiscrepancyAnswer:
    told: dict[str, Any] = {
        name: getattr(found, name)
        for name in (
            "kind", "state", "since", "sequence", "order_id", "bank_reference", "end_to_end_id", "accepted_by",
            "closed_because",
        )
    }  # fmt: skip
    return DiscrepancyAnswer(
        id=found.discrepancy_id,
        account=found.account_name,
        difference=money(found.difference, found.currency),
        books=_side(found.books_amount, found.books_day, found.currency),
        bank=_side(found.bank_amount, found.bank_day, found.currency),
        **told,
    )


def run_answer(found: Run) -> RunAnswer:
    return RunAnswer(
        account=found.account_name,
        day=found.day,
        run=found.number,
        statement=found.statement_id,
        matched=found.matched,
        contra=found.contra,
        opened=found.opened,
        closed=found.closed,
        accepted=found.accepted,
        discrepancies={
            kind: KindAnswer(
                items=getattr(found, kind), difference=money(getattr(found, f"{kind}_difference"), found.currency)
            )
            for kind in KINDS
        },
        cashbook=money(found.cashbook_closing, found.currency),
        bank=money(found.bank_closing, found.currency),
        reconciled_at=found.reconciled_at,
    )


def _side(amount: int | None, day: date | None, unit: str) -> SideAnswer:
    return SideAnswer(amount=None if amount is None else money(amount, unit), day=day)
