"""Crossings over HTTP: money of a customer of this book to a customer of another, and how the books stand."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Depends
from pydantic import AwareDatetime, Field

from ringfence.ledger import crossing
from ringfence.ledger.crossing import Crossing, State, refusals
from ringfence.ledger.crossing.clearing import Clearing
from ringfence.ledger.crossing.sides import SCOPE, Neighbourhood
from ringfence.ledger.model import Result
from ringfence.ledger.posting.refusals import ACCOUNT_MUST_BE_OPEN_TO_POSTING, ONLY_PROGRAMS_POST_ROWS
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.money import currency, parse_minor
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.visit import Client, Scoped, scoped

router = APIRouter()


class Crosses(Scoped):
    """A program with the scope. People make orders."""

    def __call__(self, visit: Client) -> None:
        super().__call__(visit)
        if self.scope not in visit.person.scopes:
            raise ONLY_PROGRAMS_POST_ROWS()


CROSSES: Final[list[Any]] = [Depends(Crosses(SCOPE))]


class Asked(Answer):
    """Money of a customer here to a customer of another book."""

    id: UUID = Field(description="Given by the maker; the same again is the same crossing. Version 7 is the fastest.")
    payer: str = Field(max_length=200, examples=["customer:c0001:available"])
    target: str = Field(max_length=63, examples=["west"], description="The other book.")
    payee: str = Field(max_length=200, examples=["customer:c0007:available"])
    amount: Money
    value_date: date
    expires_at: AwareDatetime = Field(description="When it is given up, if it has not crossed by then.")


class CrossingAnswer(Answer):
    """How far a crossing is; `outcome` is open, posted or voided, and nothing changes once it has ended."""

    id: UUID
    source: str
    payer: str
    target: str
    payee: str
    amount: Money
    outcome: str = Field(examples=["posted"])
    ended: bool
    reason: str | None = Field(description="Why the other book did not take it.")


class ClearingAnswer(Answer):
    """What one book owes another by its own word (due) and by the other's (claimed); `difference` is what stays."""

    source: str
    target: str
    due: Money
    claimed: Money
    in_flight: int
    difference: Money
    holds: bool


class ClearingPage(Answer):
    pairs: list[ClearingAnswer]


@router.post(
    "/crossings",
    dependencies=CROSSES,
    summary="Move money to a customer of another book",
    responses=refuses(
        ONLY_PROGRAMS_POST_ROWS,
        ACCOUNT_MUST_BE_OPEN_TO_POSTING,
        refusals.NEIGHBOUR_IS_NOT_KNOWN,
        refusals.CROSSING_NEEDS_TWO_BOOKS,
        refusals.CLEARING_ACCOUNT_MUST_EXIST,
        refusals.CROSSING_WAS_VOIDED,
        RESULT_REFUSALS[Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM],
        RESULT_REFUSALS[Result.ID_ALREADY_HAS_OTHER_CONTENT],
        RESULT_REFUSALS[Result.EXPIRY_MUST_BE_IN_THE_FUTURE],
    ),
)
def cross(visit: Client, given: Annotated[Asked, Body()]) -> CrossingAnswer:
    desk = visit.desk(Neighbourhood)
    asked = Crossing(
        given.id,
        desk.own.book.name,
        given.payer,
        given.target,
        given.payee,
        parse_minor(given.amount.amount, currency(given.amount.currency)),
        given.amount.currency,
        given.value_date,
        given.expires_at,
    )
    return crossing_answer(asked, desk.cross(asked))


@router.get(
    "/crossings/{id}",
    dependencies=[scoped("journal:read")],
    summary="One crossing that this book began",
    responses=refuses(refusals.CROSSING_MUST_EXIST, refusals.NEIGHBOUR_IS_NOT_KNOWN),
)
def one_crossing(visit: Client, id: UUID) -> CrossingAnswer:  # noqa: A002 - the address calls it so
    desk = visit.desk(Neighbourhood)
    found = crossing.find_crossing(desk.own, id)
    return crossing_answer(found, crossing.state_of(desk.own, desk.side(found.target), found))


@router.get(
    "/clearing",
    dependencies=[scoped("position:read")],
    summary="Clearing accounts with each other book: what is owed, claimed, in flight, and what differs",
    responses=refuses(),
)
def clearing(visit: Client) -> ClearingPage:
    return ClearingPage(pairs=[clearing_answer(each) for each in visit.desk(Neighbourhood).differences()])


def crossing_answer(asked: Crossing, state: State) -> CrossingAnswer:
    return CrossingAnswer(
        id=asked.crossing_id,
        source=asked.source,
        payer=asked.payer,
        target=asked.target,
        payee=asked.payee,
        amount=money(asked.amount, asked.currency),
        outcome=state.outcome,
        ended=state.ended,
        reason=state.reason,
    )


def clearing_answer(found: Clearing) -> ClearingAnswer:
    return ClearingAnswer(
        source=found.source,
        target=found.target,
        due=money(found.due, found.currency),
        claimed=money(found.claimed, found.currency),
        in_flight=len(found.in_flight),
        difference=money(found.difference, found.currency),
        holds=found.holds,
    )
