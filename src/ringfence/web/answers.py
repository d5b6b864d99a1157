"""Refusals as HTTP answers, and the pieces of JSON that many endpoints share."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from ringfence.money import currency, format_minor
from ringfence.refusal import Refusal, Refused
from ringfence.web import refusals
from ringfence.web.shell import Caller
from ringfence.web.visit import (
    HOME_OF_CUSTOMERS,
    PASSWORD_PATH,
    Visit,
    anybody,
    here,
    is_api,
    language_of,
    local_path,
    shell_of,
)

_UNPLAIN: Final = re.compile(r"[^A-Za-z0-9._-]")


class Answer(BaseModel):
    """Base of the API's answers: values that do not change once they are given."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Money(Answer):
    """An amount as a decimal string with all its decimals, and its currency."""

    amount: str = Field(examples=["1234.50"], pattern=r"^-?[0-9]+(\.[0-9]+)?$")
    currency: str = Field(examples=["EUR"], pattern=r"^[A-Z]{3}$")


class RefusalAnswer(Answer):
    """A "no": a name to rely upon, a sentence for people, and the facts of the case."""

    refused: str
    sentence: str
    facts: dict[str, str | int]


def money(minor: int, code: str) -> Money:
    return Money(amount=format_minor(minor, currency(code)), currency=code)


def refuses(*declared: Refusal) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of an endpoint's refusals: for each status its names, with an example of each."""
    found: dict[int | str, dict[str, Any]] = {}
    for each in (refusals.NOBODY_IS_SIGNED_IN, *declared):
        said = found.setdefault(
            status_of(each), {"model": RefusalAnswer, "content": {"application/json": {"examples": {}}}}
        )
        said["content"]["application/json"]["examples"][each.name] = {
            "summary": each.en,
            "value": Refused(each).as_json(),
        }
        said["description"] = ", ".join(said["content"]["application/json"]["examples"])
    return found


def status_of(refusal: Refusal) -> int:
    return refusals.STATUS.get(refusal.name, refusal.fault.value)


def refusal_answer(request: Request, refused: Refused) -> Response:
    """A refusal for whoever asked: JSON for programs, a page for people, the sign-in page for who is not signed in."""
    language = language_of(request)
    status = status_of(refused.refusal)
    if is_api(request) or "text/html" not in request.headers.get("accept", "text/html, */*"):
        answer = JSONResponse(refused.as_json(language), status_code=status)
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    visit = Visit(request, shell_of(request), _caller(request), language)
    if refused.name == refusals.NOBODY_IS_SIGNED_IN.name and request.method == "GET":
        back = here(request)
        return visit.go("/sign-in", back=None if back == "/" else back)
    if refused.name == refusals.ADDRESS_IS_FOR_STAFF.name and request.url.path == "/":
        return visit.go(HOME_OF_CUSTOMERS)
    if refused.name == refusals.NEW_PASSWORD_IS_NEEDED.name and request.method == "GET":
        return visit.go(PASSWORD_PATH)
    return visit.page(
        "refusal.html", status=status, refused=refused, sentence=refused.sentence(language), back=_came_from(request)
    )


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> Response:
    """A table to keep. UTF-8 with its mark, which spreadsheets need for Chinese; a text that a spreadsheet would take
    for a formula is set apart by an apostrophe (amounts are numbers and stay as they are).
    """
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(header)
    table.writerows([_cell(cell) for cell in row] for row in rows)
    return Response(
        b"\xef\xbb\xbf" + written.getvalue().encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": _attachment(name)},
    )


def _attachment(name: str) -> str:
    """A file to keep, by a name that ends no header: in plain characters, and whole beside it where it has others (RFC
    6266, 4.3).
    """
    plain = _UNPLAIN.sub("-", name)
    whole = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{whole}'


def _cell(cell: str | int) -> str | int:
    if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        number = cell.removeprefix("-").replace(".", "", 1)
        return cell if number.isascii() and number.isdigit() else "'" + cell
    return cell


def _caller(request: Request) -> Caller | None:
    """Who is to see a refusal: known already, or looked up if nobody got so far; nobody if that cannot be done now."""
    try:
        return anybody(request).caller if not hasattr(request.state, "caller") else request.state.caller
    except Refused:
        return None


def _came_from(request: Request) -> str:
    """Where a form was filled in, to go back to."""
    host = request.headers.get("host", "")
    referer = request.headers.get("referer", "")
    _, _, rest = referer.partition(f"://{host}")
    return local_path(rest)
