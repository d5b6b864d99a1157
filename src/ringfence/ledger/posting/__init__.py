"""Posting: transfers that a platform decides by itself and the ledger keeps.

A platform with an order book of its own asks for no order, no risk rule and no approval, only for a ledger. Its program
needs the scope `journal:post`, which no program has unless a security administrator gives it. The path must not be a
way around the others, so before anything is appended each row of a request is looked at, all of them in columns:

  kind        1 to 5; a chain ends within its request. A correction takes people (act `correction`); a program moves the
              money the other way
  id          a UUID of version 7 of a time that has come, and even (its last bit is zero). What follows from orders
              (`ids.derived`) is odd or of version 8: so nobody takes here the id that an order's hold, post or void is
              going to have
  refers_to   what a post, void or expiry refers to, for them alone, and like an id: nobody resolves the
              hold of an order here
  order_id    empty; it is set to the id of the program (`stamp`), so that the journal says who posted
  code        102 (customer transfer), or one of the platform's own, 200 to 999
  dates       a value date from 1970 to tomorrow; an expiry within ten years
  accounts    of customers, open to posting, and both of one group: never a bank's, nor unallocated money, fees, frozen
              money, clearing accounts, nor across pools or custodian accounts

The first row that breaks one refuses the whole request, and nothing is written. Then the ledger's rules answer each
row. While the brake is pulled nothing is posted. At most WAITING_ROWS_MAX rows are on their way; more are refused, to
come again. The same rows again are answered as they were: ids decide.

Between the bytes of a packed request and PostgreSQL's COPY there is no object a row.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger.answers import Answer, Answers
from ringfence.ledger.codes import Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.model import EPOCH_DAY, NO_ID, ROW, Kind, Result, Rows, microseconds
from ringfence.ledger.posting import refusals
from ringfence.ledger.posting.gate import Gate
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.ledger.writer import Writer
from ringfence.refusal import Refusal, Refused

SCOPE: Final = "journal:post"
ROWS_MAX: Final = 8_000  # of one request
WAITING_ROWS_MAX: Final = 128_000  # of all requests together: about a second of work, and orders wait behind them
RETRY_AFTER_SECONDS: Final = 1
OWN_CODES: Final = range(200, 1000)  # purposes whose meaning is the platform's
ID_AHEAD_MS: Final = 60_000  # clocks differ; the journal looks longer for what lies further ahead
DAYS_AHEAD: Final = 1  # somewhere it is tomorrow already
EXPIRY_AHEAD: Final = timedelta(days=3653)
NAMES_KEPT: Final = 100_000

PACKED: Final = ROW.newbyteorder("<")
RESULT: Final = np.dtype([("result", "<i2"), ("sequence", "<i8"), ("replayed", "u1")])
assert (PACKED.itemsize, RESULT.itemsize) == (92, 11)  # noqa: S101 - the format's own arithmetic

_REFERRING: Final = (Kind.POST, Kind.VOID, Kind.EXPIRE)
_ACCOUNT_MAX: Final = 2**31


class _Queries(NamedQueries):
    open_to_posting: Query
    numbers_of: Query


QUERIES = load(_Queries, "ringfence.ledger", "sql/posting.sql")


@dataclass
class Posting:
    """What the core holds for programs that post: who may not now, which accounts are open, what is on its way.

    `stopped` raises while nothing may be posted (the brake). `open_to_posting` is a query with the parameters `book`
    and `accounts` that gives (account, group) of those that are open; an answer holds until `changed` gives another
    number, because somebody who was open is not any more.
    """

    book: int
    writer: Writer
    connection: Callable[[], AbstractContextManager[Connection]]
    clock: Callable[[], datetime]
    stopped: Callable[[Connection], None]
    open_to_posting: Query = QUERIES.open_to_posting
    changed: Callable[[Connection], int] = lambda _: 0
    gate: Gate[Any, Any] = field(default_factory=Gate)  # what requests ask before they may
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)  # of ids, which carry a time of their own
    _groups: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(1024, np.int32))  # by account; 0: not known
    _group_numbers: dict[str, int] = field(default_factory=dict)
    _names: dict[str, tuple[int, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: int = 0
    _seen: int = 0  # what `changed` gave when the groups were begun

    async def rows(self, client: str, body: bytes) -> Answers:
        """Append a packed request; the answers, one element a row."""
        self._require_room(0)
        rows = unpack(body)
        with_stamp = stamp(rows, self.book, client)
        self._require_room(len(rows))
        self._waiting += len(rows)
        try:
            await asyncio.to_thread(self.require_postable, with_stamp)
            sent = self.writer.send_rows(with_stamp.tobytes())
        except BaseException:
            self._waiting -= len(rows)
            raise
        loop = asyncio.get_running_loop()
        # A caller that goes away leaves its rows on their way; they count until they are answered.
        sent.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave, len(rows)))
        return await asyncio.wrap_future(sent)

    async def row(self, client: str, rows: Rows) -> Answer:
        """Append one row; its answer. A refused one is raised by its name."""
        self._require_room(1)
        with_stamp = stamp(rows, self.book, client)
        self._waiting += 1
        try:
            if self._unknown(with_stamp):
                await asyncio.to_thread(self.require_postable, with_stamp)
            else:
                self.require_postable(with_stamp)
            answer = await self.writer.ask(with_stamp.tobytes())
        finally:
            self._waiting -= 1
        if answer.result:
            identity = UUID(bytes=with_stamp["id"][0].tobytes())
            raise RESULT_REFUSALS[answer.result](id=identity, sequence=answer.sequence)
        return answer

    def require_postable(self, rows: Rows) -> None:
        """The checks of this module, in their declared order; the refusal names the first row that breaks it."""
        kind, debit, credit = rows["kind"], rows["debit_account"], rows["credit_account"]
        _none(refusals.ROW_MUST_MOVE_MONEY, (kind < Kind.TRANSFER) | (kind > Kind.CORRECTION))
        _none(refusals.CORRECTION_IS_NOT_POSTED, kind == Kind.CORRECTION)
        if rows["flags"][-1]:
            raise RESULT_REFUSALS[Result.LINKED_CHAIN_MUST_BE_CLOSED](row=len(rows) - 1)
        refers = rows["refers_to"] != np.void(NO_ID)
        _none(refusals.ROW_REFERS_AS_ITS_KIND_DOES, refers != np.isin(kind, _REFERRING))
        latest = int(max(self.clock(), self.wall_clock()).timestamp() * 1000) + ID_AHEAD_MS
        _none(refusals.ID_MUST_BE_OF_VERSION_7, ~_is_timely(rows["id"], latest))
        _none(refusals.ID_MUST_BE_OF_VERSION_7, refers & ~_is_timely(rows["refers_to"], latest))
        _none(refusals.ID_MUST_BE_EVEN, _is_odd(rows["id"]) | _is_odd(rows["refers_to"]))
        code = rows["code"]
        own = (code >= OWN_CODES.start) & (code < OWN_CODES.stop)
        _none(refusals.CODE_MUST_BE_OPEN_TO_POSTING, (code != Purpose.CUSTOMER_TRANSFER) & ~own)
        now = self.clock()
        _none(refusals.VALUE_DATE_MUST_BE_NEAR, _outside(rows["value_date"], 0, _day(now) + DAYS_AHEAD))
        expires = rows["expires_at"]
        far = _outside(expires, microseconds(now - EXPIRY_AHEAD), microseconds(now + EXPIRY_AHEAD))
        _none(refusals.EXPIRY_MUST_BE_NEAR, (expires != 0) & far)
        debit_group, credit_group = self._group(debit), self._group(credit)
        if not (debit_group.all() and credit_group.all()):
            self._learn(np.unique(np.concatenate([debit[debit_group == 0], credit[credit_group == 0]])))
            debit_group, credit_group = self._group(debit), self._group(credit)
        _none(refusals.ACCOUNT_MUST_BE_OPEN_TO_POSTING, (debit_group == 0) | (credit_group == 0))
        _none(refusals.ACCOUNTS_MUST_BE_IN_ONE_GROUP, debit_group != credit_group)

    def numbers(self, names: Iterable[str]) -> dict[str, tuple[int, str]]:
        """Numbers and currencies of accounts by name; names that nobody has are missing."""
        wanted = set(names)
        missing = [name for name in wanted if name not in self._names]
        if missing:
            with self.connection() as connection:
                asked = {"book": self.book, "names": missing}
                found = connection.execute(QUERIES.numbers_of, asked).fetchall()
            if len(self._names) > NAMES_KEPT:
                self._names.clear()
            self._names.update({name: (number, currency) for name, number, currency in found})
        return {name: self._names[name] for name in wanted if name in self._names}

    def knows(self, *names: str) -> bool:
        """Whether `numbers` would answer without asking the database."""
        return all(name in self._names for name in names)

    def require_running(self) -> None:
        """Raises while nothing may be posted; and forgets which accounts are open when that has changed."""
        with self.connection() as connection:
            self.stopped(connection)
            seen = self.changed(connection)
        if seen != self._seen:
            with self._lock:
                self._groups, self._seen = np.zeros(1024, np.int32), seen

    def _unknown(self, rows: Rows) -> bool:
        return not (self._group(rows["debit_account"]).all() and self._group(rows["credit_account"]).all())

    def _group(self, accounts: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        groups = self._groups
        inside = (accounts > 0) & (accounts < len(groups))
        return np.where(inside, groups[np.where(inside, accounts, 0)], 0)

    def _learn(self, accounts: npt.NDArray[np.int64]) -> None:
        asked, seen = [number for number in accounts.tolist() if 0 < number < _ACCOUNT_MAX], self._seen
        with self.connection() as connection:
            given = {"book": self.book, "accounts": asked}
            found = connection.execute(self.open_to_posting, given).fetchall()
        if not found:
            return
        with self._lock:
            if seen != self._seen:
                return  # the answer may be older than the change; who asks again is answered anew
            groups = self._groups
            highest = max(account for account, _ in found)
            if highest >= len(groups):
                groups = np.concatenate([groups, np.zeros(max(len(groups), highest), np.int32)])
            for account, together in found:
                groups[account] = self._group_numbers.setdefault(together, len(self._group_numbers) + 1)
            self._groups = groups

    def _require_room(self, rows: int) -> None:
        if self._waiting + rows > WAITING_ROWS_MAX:
            raise refusals.LEDGER_IS_BUSY(rows_max=WAITING_ROWS_MAX)

    def _leave(self, rows: int) -> None:
        self._waiting -= rows


def unpack(body: bytes) -> Rows:
    """The rows of a packed request, copied; `rows_must_be_whole_records`."""
    rows, rest = divmod(len(body), PACKED.itemsize)
    if rest or not 0 < rows <= ROWS_MAX:
        raise refusals.ROWS_MUST_BE_WHOLE_RECORDS(bytes=len(body), record=PACKED.itemsize, rows_max=ROWS_MAX)
    return np.frombuffer(body, PACKED).astype(ROW)


def stamp(rows: Rows, book: int, client: str) -> Rows:
    """The rows with the id of the program that posts them in `order_id`; `row_must_not_name_an_order`."""
    _none(refusals.ROW_MUST_NOT_NAME_AN_ORDER, rows["order_id"] != np.void(NO_ID))
    stamped = rows.copy()
    stamped["order_id"] = np.void(program_id(book, client).bytes)
    return stamped


@cache
def program_id(book: int, client: str) -> UUID:
    """What stands in `order_id` of every row that a program posted."""
    return derived(UUID(int=book), f"posted by {client}")


def packed(answers: Answers) -> bytes:
    """Answers as records of 11 bytes."""
    out = np.empty(len(answers.results), RESULT)
    out["result"], out["sequence"], out["replayed"] = answers.results, answers.sequences, answers.replayed
    return out.tobytes()


def _none(no: Refusal, broken: npt.NDArray[np.bool_]) -> None:
    if broken.any():
        found: Refused = no(row=int(np.argmax(broken)))
        raise found


def _is_timely(ids: npt.NDArray[np.void], latest_ms: int) -> npt.NDArray[np.bool_]:
    """Whether each is a UUID of version 7 (RFC 9562, 5.7) of a millisecond up to `latest_ms`."""
    bytes_of = _bytes_of(ids)
    stamps = bytes_of[:, :8].copy().view(">u8")[:, 0] >> 16
    found: npt.NDArray[np.bool_] = (
        (bytes_of[:, 6] >> 4 == 7) & (bytes_of[:, 8] >> 6 == 2) & (stamps <= np.uint64(latest_ms))
    )
    return found


def _is_odd(ids: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (_bytes_of(ids)[:, 15] & 1) == 1
    return found


def _bytes_of(ids: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(ids).view(np.uint8).reshape(-1, 16)


def _outside(values: npt.NDArray[np.signedinteger], low: int, high: int) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (values < low) | (values > high)
    return found


def _day(at: datetime) -> int:
    return (at.date() - EPOCH_DAY).days
