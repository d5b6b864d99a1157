"""Posting over HTTP: packed rows in bulk, and one transfer as JSON."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field

from ringfence.ledger import posting
from ringfence.ledger.answers import Answers
from ringfence.ledger.model import Kind, Line, Result, batch
from ringfence.ledger.posting import Posting, refusals
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.money import currency, parse_minor
from ringfence.refusal import Refused
from ringfence.web.answers import Answer, Money, refusal_answer, refuses
from ringfence.web.refusals import NOBODY_IS_SIGNED_IN
from ringfence.web.shell import Caller, Shell
from ringfence.web.signature import Claim, is_signed
from ringfence.web.visit import bearer_token, shell_of, signed_claim

ROWS_TYPE: Final = "application/vnd.ringfence.rows"
RESULTS_TYPE: Final = "application/vnd.ringfence.results"
WHOLE: Final = (
    refusals.ONLY_PROGRAMS_POST_ROWS,
    refusals.ROW_MUST_MOVE_MONEY,
    refusals.CORRECTION_IS_NOT_POSTED,
    RESULT_REFUSALS[Result.LINKED_CHAIN_MUST_BE_CLOSED],
    refusals.ROW_REFERS_AS_ITS_KIND_DOES,
    refusals.ID_MUST_BE_OF_VERSION_7,
    refusals.ID_MUST_BE_EVEN,
    refusals.CODE_MUST_BE_OPEN_TO_POSTING,
    refusals.VALUE_DATE_MUST_BE_NEAR,
    refusals.EXPIRY_MUST_BE_NEAR,
    refusals.ACCOUNT_MUST_BE_OPEN_TO_POSTING,
    refusals.ACCOUNTS_MUST_BE_IN_ONE_GROUP,
    refusals.LEDGER_IS_BUSY,
)

router = APIRouter()


@dataclass(frozen=True, eq=False)
class Presented:
    """A signed request before the gate. Two are never the same, whatever they say: else one would let the other in."""

    claim: Claim


async def program(request: Request) -> Caller:
    """The program that asks: with a token or a signature of the scope, while nothing is stopped. Who it is and whether
    the brake is pulled is asked of the database for every request, together with those that come at the same time.
    """
    shell = shell_of(request)
    presented: str | Presented = bearer_token(request)
    if is_signed(request.headers):
        claim = await asyncio.to_thread(signed_claim, request)  # which reads the body
        assert claim is not None  # noqa: S101 - it is signed
        presented = Presented(claim)
    if not presented:
        raise NOBODY_IS_SIGNED_IN()
    desk: Posting = shell.desks[Posting]
    caller: Caller | Refused | None
    caller, stopped = await desk.gate.look(presented, lambda asked: _looked(shell, desk, asked))
    if isinstance(caller, Refused):
        raise caller
    if caller is None:
        raise NOBODY_IS_SIGNED_IN()
    request.state.caller = caller
    shell.door.require_scope(caller, posting.SCOPE)
    if posting.SCOPE not in caller.scopes:
        raise refusals.ONLY_PROGRAMS_POST_ROWS()
    if stopped is not None:
        raise stopped
    return caller


def _looked(
    shell: Shell, desk: Posting, asked: Sequence[str | Presented]
) -> Mapping[str | Presented, tuple[Caller | Refused | None, Refused | None]]:
    stopped: Refused | None = None
    try:
        desk.require_running()
    except Refused as no:
        stopped = no
    signed = [each for each in asked if isinstance(each, Presented)]
    found: dict[str | Presented, Caller | Refused | None] = {
        token: _bearer(shell, token) for token in asked if isinstance(token, str)
    }
    if signed:
        found |= zip(signed, shell.door.signed([each.claim for each in signed]), strict=True)
    return {each: (caller, stopped) for each, caller in found.items()}


def _bearer(shell: Shell, token: str) -> Caller | Refused | None:
    """Who stands behind a token. Why one is not let in is of no concern to the others who asked with it."""
    try:
        return shell.door.bearer(token)
    except Refused as no:
        return no


Program = Annotated[Caller, Depends(program)]


class Asked(Answer):
    """One transfer. A post, void or expiry names the row that it is about and that row's accounts."""

    id: UUID = Field(description="Given by the maker, of version 7 and even; the same again is the same row.")
    kind: Literal["transfer", "pending", "post", "void", "expire"] = "transfer"
    debit: str = Field(max_length=200, examples=["customer:c0001:available"])
    credit: str = Field(max_length=200, examples=["customer:c0002:available"])
    amount: Money
    refers_to: UUID | None = None
    code: int = Field(102, ge=0, le=9999, description="102, or a purpose of the platform's own, 200 to 999.")
    value_date: date
    expires_at: AwareDatetime | None = Field(None, description="Of a pending transfer.")


class Posted(Answer):
    id: UUID
    result: str = Field(examples=["posted"])
    sequence: int
    replayed: bool = Field(description="It was posted before by the same request.")


class Summary(Answer):
    """What became of a packed request. `refusals` counts rows by the name of what they broke."""

    rows: int
    posted: int
    refused: int
    replayed: int
    refusals: dict[str, int]


@router.post(
    "/journal/transfers",
    summary="Post one transfer that the platform has decided",
    responses=refuses(*WHOLE, refusals.CURRENCY_MUST_BE_OF_BOTH_ACCOUNTS, *RESULT_REFUSALS.values()),
    response_model=Posted,
)
async def post_transfer(request: Request, caller: Program, given: Annotated[Asked, Body()]) -> Response:
    desk: Posting = shell_of(request).desks[Posting]
    names = (given.debit, given.credit)
    numbers = desk.numbers(names) if desk.knows(*names) else await asyncio.to_thread(desk.numbers, names)
    for name, missing in zip(names, (Result.DEBIT_ACCOUNT_MUST_EXIST, Result.CREDIT_ACCOUNT_MUST_EXIST), strict=True):
        if name not in numbers:
            raise RESULT_REFUSALS[missing]()
        if numbers[name][1] != given.amount.currency:
            raise refusals.CURRENCY_MUST_BE_OF_BOTH_ACCOUNTS(currency=given.amount.currency, account=name)
    line = Line(
        Kind[given.kind.upper()],
        given.id,
        numbers[given.debit][0],
        numbers[given.credit][0],
        parse_minor(given.amount.amount, currency(given.amount.currency)),
        refers_to=given.refers_to,
        code=given.code,
        value_date=given.value_date,
        expires_at=given.expires_at,
    )
    try:
        answer = await desk.row(caller.name, batch([[line]]).rows)
    except Refused as no:
        return _later(request, no)
    return JSONResponse(
        {"id": str(given.id), "result": "posted", "sequence": answer.sequence, "replayed": answer.replayed}
    )


@router.post(
    "/journal/rows",
    summary="Post up to 8,000 packed rows",
    description="The body is 1 to 8,000 records of 92 bytes, little-endian, without gaps: kind (2 bytes), flags (2), id"
    " (16), debit account (8), credit account (8), amount in minor units (8), refers_to (16, zero: none), order_id (16,"
    " zero), code (4), value date in days since 1970-01-01 (4), expiry in microseconds since 1970 UTC (8, 0: none)."
    f" With `Accept: {RESULTS_TYPE}` the answer is a record of 11 bytes for each row: result (2, 0: posted), sequence"
    " (8, -1: no row), replayed (1).",
    responses={
        200: {"content": {RESULTS_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        **refuses(
            refusals.CONTENT_MUST_BE_ROWS,
            refusals.ROWS_MUST_BE_WHOLE_RECORDS,
            refusals.ROW_MUST_NOT_NAME_AN_ORDER,
            *WHOLE,
        ),
    },
    response_model=Summary,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {ROWS_TYPE: {"schema": {"type": "string", "format": "binary", "maxLength": 736_000}}},
        }
    },
)
async def post_rows(request: Request, caller: Program) -> Response:
    desk: Posting = shell_of(request).desks[Posting]
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != ROWS_TYPE:
        raise refusals.CONTENT_MUST_BE_ROWS(expected=ROWS_TYPE)
    try:
        answers = await desk.rows(caller.name, await request.body())
    except Refused as no:
        return _later(request, no)
    if RESULTS_TYPE in request.headers.get("accept", ""):
        return Response(posting.packed(answers), media_type=RESULTS_TYPE)
    return JSONResponse(summary(answers).model_dump())


def summary(answers: Answers) -> Summary:
    counts = np.bincount(answers.results)
    return Summary(
        rows=len(answers.results),
        posted=int(counts[0]),
        refused=int(counts[1:].sum()),
        replayed=int(answers.replayed.sum()),
        refusals={Result(int(each)).word: int(counts[each]) for each in np.flatnonzero(counts) if each},
    )


def _later(request: Request, no: Refused) -> Response:
    """A refusal as it is, and for who comes at a busy time also when to come again."""
    request.state.refused = no.name
    answer = refusal_answer(request, no)
    if no.name == refusals.LEDGER_IS_BUSY.name:
        answer.headers["Retry-After"] = str(posting.RETRY_AFTER_SECONDS)
    return answer
