"""The nouns of the ledger: row, batch, account, result.

A row is one line of the journal. A batch is many rows in columns (a NumPy structured array, one record a row) with the
few payloads beside them, so that the hot path makes no object per transfer. `Line` is one row written by hand.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import rfc8785

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY: Final = date(1970, 1, 1)
NO_ID: Final = bytes(16)
FIRST_DAY: Final = -719_162  # 0001-01-01, in days since 1970: what every calendar that we meet can say
LAST_DAY: Final = 2_932_896  # 9999-12-31
LAST_MOMENT: Final = (LAST_DAY + 1) * 86_400_000_000 - 1  # in microseconds since 1970
PAYLOAD_BYTES_MAX: Final = 60_000  # an entry of a tile has a length of 16 bits


class Kind(IntEnum):
    """What a row does. 1 to 6 move or hold money; the rest say something about accounts, orders or requests."""

    TRANSFER = 1  # moves money at once
    PENDING = 2  # holds money until it is posted, voided or expired
    POST = 3  # moves what was held, or a part; the rest is released
    VOID = 4  # releases what was held
    EXPIRE = 5  # releases what was held, once its time has passed
    CORRECTION = 6  # takes a posted transfer back, whole, once
    ACCOUNT_OPENED = 7
    ACCOUNT_CLOSED = 8
    ACCOUNT_LIMITED = 9  # gives an account other limits
    PERIOD_CLOSED = 10  # nothing more enters with a value date up to this one
    POOL_GUARDED = 11  # a pool must stay covered from here on
    MONITOR_SET = 12  # a condition on a balance or a total, watched from here on
    MONITOR_TURNED = 13  # it came to hold, or to hold no longer: written by the journal itself
    EVENT = 16
    REFUSAL = 17  # the answer "no" to an id, so that a retry is answered alike


MOVEMENTS: Final = (Kind.TRANSFER, Kind.PENDING, Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CORRECTION)
LINKED: Final = 1  # flag: this row and the next happen together or not at all


class Result(IntEnum):
    """The answer to one row, in order of precedence: the first broken requirement is the one that is named."""

    POSTED = 0
    ID_MUST_NOT_BE_ZERO = 1
    LINKED_CHAIN_MUST_BE_CLOSED = 2
    LINKED_ROW_FAILED = 3
    ID_ALREADY_HAS_OTHER_CONTENT = 4
    KIND_MUST_BE_KNOWN = 5
    FLAGS_MUST_BE_KNOWN = 6
    COLUMN_MUST_BE_IN_RANGE = 7
    PAYLOAD_MUST_BE_VALID = 8
    AMOUNT_MUST_BE_POSITIVE = 9
    VALUE_DATE_MUST_BE_IN_AN_OPEN_PERIOD = 10
    DEBIT_ACCOUNT_MUST_EXIST = 11
    CREDIT_ACCOUNT_MUST_EXIST = 12
    ACCOUNTS_MUST_BE_DIFFERENT = 13
    ACCOUNTS_MUST_HAVE_THE_SAME_CURRENCY = 14
    ACCOUNT_NUMBER_MUST_BE_NEXT = 15
    ACCOUNT_NAME_MUST_BE_NEW = 16
    ACCOUNT_MUST_EXIST = 17
    ACCOUNT_MUST_BE_OPEN = 18
    ACCOUNT_MUST_BE_EMPTY = 19
    PERIOD_MUST_HAVE_ENDED = 20
    PERIOD_MUST_BE_LATER_THAN_THE_LAST_CLOSED = 21
    EXPIRY_MUST_BE_IN_THE_FUTURE = 22
    PENDING_TRANSFER_MUST_EXIST = 23
    PENDING_TRANSFER_ALREADY_POSTED = 24
    PENDING_TRANSFER_ALREADY_VOIDED = 25
    PENDING_TRANSFER_ALREADY_EXPIRED = 26
    PENDING_TRANSFER_MUST_HAVE_THE_SAME_ACCOUNTS = 27
    AMOUNT_MUST_NOT_EXCEED_PENDING_AMOUNT = 28
    PENDING_TRANSFER_HAS_PASSED_ITS_EXPIRY = 29
    PENDING_TRANSFER_HAS_NOT_EXPIRED = 30
    CORRECTED_TRANSFER_MUST_EXIST = 31
    CORRECTED_TRANSFER_MUST_BE_POSTED = 32
    CORRECTION_MUST_MIRROR_THE_TRANSFER = 33
    TRANSFER_ALREADY_CORRECTED = 34
    BALANCE_MUST_FIT_64_BITS = 35
    BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM = 36
    BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM = 37
    POOL_MUST_STAY_COVERED = 38
    MONITOR_TURN_MUST_BE_JOURNALED = 39

    @property
    def word(self) -> str:
        return self.name.lower()


NOT_RECORDED: Final = (Result.ID_MUST_NOT_BE_ZERO, Result.ID_ALREADY_HAS_OTHER_CONTENT)
"""Refusals that leave no row: there is no id to answer for, or the id has its answer already."""

ROW: Final = np.dtype(
    [
        ("kind", "<i2"),
        ("flags", "<i2"),
        ("id", "V16"),
        ("debit_account", "<i8"),
        ("credit_account", "<i8"),
        ("amount", "<i8"),  # minor units of the accounts' currency
        ("refers_to", "V16"),  # zero: none
        ("order_id", "V16"),  # zero: none
        ("code", "<i4"),
        ("value_date", "<i4"),  # days since 1970-01-01
        ("expires_at", "<i8"),  # microseconds since 1970 UTC; 0: none
    ]
)

_PACKED: Final = struct.Struct("<hh16sqqq16s16siiq")  # a record of ROW, as it lies in memory and in requests
Rows = npt.NDArray[np.void]


@dataclass(frozen=True)
class Line:
    """One row, written by hand. Amounts are minor units; `payload` is a JSON object without floats."""

    kind: Kind
    id: UUID
    debit_account: int = 0
    credit_account: int = 0
    amount: int = 0
    refers_to: UUID | None = None
    order_id: UUID | None = None
    code: int = 0
    value_date: date = EPOCH_DAY
    expires_at: datetime | None = None
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Batch:
    """Rows in columns; `payloads` maps a row's index to its canonical JSON."""

    rows: Rows
    payloads: Mapping[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Account:
    """An account of a book. `minimum` and `maximum` bound the balance on the account's normal side, in minor units: the
    minimum holds for balance less what is held for leaving, the maximum for balance plus what is expected to arrive.
    """

    account: int
    name: str
    currency: str
    side: str  # "debit" (an asset) or "credit" (a liability)
    minimum: int | None
    maximum: int | None
    owner: str  # whose it is: "customer:…", "platform", "bank:…"
    pool: str  # the segregation key: client money, own money, …

    def payload(self) -> dict[str, Any]:
        """What ACCOUNT_OPENED says of it. Numbers beyond 2⁵³ are not JSON's, so limits are decimal strings."""
        return {
            "account": self.account,
            "currency": self.currency,
            "maximum": None if self.maximum is None else str(self.maximum),
            "minimum": None if self.minimum is None else str(self.minimum),
            "name": self.name,
            "owner": self.owner,
            "pool": self.pool,
            "side": self.side,
        }


def packed(chain: Sequence[Line]) -> tuple[bytes, dict[int, bytes]]:
    """A chain as packed rows (`ROW`), and its payloads by row. It happens whole or not at all; a chain of one line is a
    plain row.
    """
    records, payloads = [], {}
    last = len(chain) - 1
    for index, line in enumerate(chain):
        records.append(
            _PACKED.pack(
                line.kind,
                LINKED if index < last else 0,
                line.id.bytes,
                line.debit_account,
                line.credit_account,
                line.amount,
                line.refers_to.bytes if line.refers_to else NO_ID,
                line.order_id.bytes if line.order_id else NO_ID,
                line.code,
                (line.value_date - EPOCH_DAY).days,
                microseconds(line.expires_at) if line.expires_at else 0,
            )
        )
        if line.payload is not None:
            payloads[index] = canonical(line.payload)
    return b"".join(records), payloads


def batch(chains: Iterable[Sequence[Line]]) -> Batch:
    """Lines in columns. Each chain happens whole or not at all; a chain of one line is a plain row."""
    records: list[bytes] = []
    payloads: dict[int, bytes] = {}
    rows = 0
    for chain in chains:
        some, said = packed(chain)
        records.append(some)
        payloads |= {rows + index: payload for index, payload in said.items()}
        rows += len(chain)
    return Batch(np.frombuffer(b"".join(records), ROW), payloads)


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785 bytes of a JSON object. ValueError if it has none (a number that is not exact, half a character)."""
    said = dict(value)
    return _PLAIN.encode(said).encode() if _is_plain(said) else rfc8785.dumps(said)


_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_EXACT: Final = 2**53


def _is_plain(value: Any) -> bool:
    """Whether the standard encoder gives the bytes of RFC 8785, ten times as fast: no floats, and names in ASCII, which
    sort alike by code point and by UTF-16.
    """
    kind: type = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-_EXACT < value < _EXACT)
    if kind is dict:
        return all(type(name) is str and name.isascii() and _is_plain(each) for name, each in value.items())
    return kind is list and all(_is_plain(each) for each in value)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 UTC, without a float on the way."""
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
