"""The notary's question about liabilities: does a new event agree with the rows and checkpoints that it names?

Asked of every block of rows before it is signed, in the snapshot in which they were read.

    LIABILITIES_PROVEN    it is in order in itself, its id follows from book, day and currency, and it is of that value
                          date and fills no other column; the checkpoint is one of the notary's own; DAY_CLOSED is of
                          that day and has this requirement and resource; the test has these customers, total,
                          negatives, unallocated, requirement and resource, at this cut-off; the statements are the
                          test's, and each reconciliation has this closing, digest and number
    LIABILITIES_ATTESTED  it has these fields and no others, id and value date as above; the note's text is what follows
                          from the row it names, and an auditor whom the notary's own `liabilities.toml` admits signed
                          it with both keys

What the notary cannot see: the leaves (their nonces follow from secrets in the vault), so whether the root is that of
these customers, and made in this mode; and what the bank has beyond its statement. The first is the auditor's to say,
the second the bank's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np

from ringfence.database.connection import Connection
from ringfence.evidence.authorisation import Audit
from ringfence.ledger.balances import Balances
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import EPOCH_DAY, ROW, Kind
from ringfence.ledger.storage import Block
from ringfence.liabilities.attesting import attestation_id, require_attestation
from ringfence.liabilities.proving import event_id
from ringfence.liabilities.queries import QUERIES
from ringfence.liabilities.refusals import ROW_CONTRADICTS_LIABILITIES
from ringfence.liabilities.saying import Said, Unsaid, read
from ringfence.liabilities.settings import read_proving
from ringfence.refusal import Refused

_EVENTS: Final = (EventName.LIABILITIES_PROVEN, EventName.LIABILITIES_ATTESTED)
_EMPTY_COLUMNS: Final = ("debit_account", "credit_account", "amount", "refers_to", "order_id", "expires_at")
_ATTESTED_FIELDS: Final = {"auditor", "currency", "day", "note", "proven"}


@dataclass(frozen=True)
class _Row:
    """An event as it stands in a block."""

    book: int
    sequence: int
    event: EventName
    id: UUID
    value_date: date
    empty: bool  # no column is filled that such an event leaves empty
    says: Mapping[str, Any]


def audit_for(home: Path, log: str) -> Audit:
    """The question, for a notary whose home has the auditors' keys and whose log has this origin."""

    def audit(connection: Connection, book: int, block: Block, _: Balances) -> None:
        rows = block.batch.rows
        about = (rows["kind"] == Kind.EVENT) & np.isin(rows["code"], _EVENTS)
        for index in np.flatnonzero(about).tolist():
            row = _row(book, block, index)
            try:
                _check(connection, row, home, log)
            except Unsaid as wrong:
                raise _contradiction(row, str(wrong)) from wrong
            except Refused as refused:
                raise _contradiction(row, refused.name) from refused
            except (KeyError, TypeError, ValueError, AttributeError) as malformed:
                raise _contradiction(row, "it does not say what it has to") from malformed

    return audit


def _row(book: int, block: Block, index: int) -> _Row:
    row = block.batch.rows[index]
    nothing = np.zeros((), ROW)
    return _Row(
        book=book,
        sequence=block.first + index,
        event=EventName(int(row["code"])),
        id=UUID(bytes=row["id"].tobytes()),
        value_date=EPOCH_DAY + timedelta(days=int(row["value_date"])),
        empty=all(row[name] == nothing[name] for name in _EMPTY_COLUMNS),
        says=json.loads(block.batch.payloads[index]),
    )


def _contradiction(row: _Row, because: str) -> Refused:
    return ROW_CONTRADICTS_LIABILITIES(sequence=row.sequence, event=row.event.name, because=because)


def _check(connection: Connection, row: _Row, home: Path, log: str) -> None:
    _require(row.empty, "it fills a column that is not its own")
    if row.event == EventName.LIABILITIES_PROVEN:
        _proven(connection, row, log)
        return
    _require(row.says.keys() == _ATTESTED_FIELDS, "it has other fields")
    about = row.says["proven"]
    said = read(_said(connection, row.book, about, EventName.LIABILITIES_PROVEN), about)
    _require(about < row.sequence, "it attests what was not said yet")
    _require((row.says["day"], row.says["currency"]) == (said.day.isoformat(), said.currency), "the day is another")
    auditor = require_attestation(row.says["note"].encode(), said.text(log), read_proving(home))
    _require(row.says["auditor"] == auditor.name, "another auditor signed it")
    _require(row.id == attestation_id(row.book, said.day, said.currency, auditor.name), "its id is not that of the day")
    _require(row.value_date == said.day, "it is of another value date")


def _proven(connection: Connection, row: _Row, log: str) -> None:
    said = read(row.says, row.sequence)
    _require(row.id == event_id(row.book, said.day, said.currency), "its id is not that of the day")
    _require(row.value_date == said.day, "it is of another value date")
    _require(said.book == log.rpartition("/")[2], "it is of another book")
    own = connection.execute(QUERIES.checkpoint_of, {"book": row.book, "size": said.checkpoint_size}).fetchone()
    _require(own is not None and bytes(own[0]) == said.checkpoint_root, "the checkpoint is none of the notary's")
    require_agreement(said, lambda sequence, event: _said(connection, row.book, sequence, event))


def require_agreement(said: Said, row: Callable[[int, EventName], Mapping[str, Any]]) -> None:
    """The event says what DAY_CLOSED, the test and the reconciliations say that it names; raises `Unsaid`."""
    closed, tested = row(said.closed, EventName.DAY_CLOSED), row(said.tested, EventName.SAFEGUARDING_TESTED)
    day = said.day.isoformat()

    def spelled(amount: int) -> str:
        return major(amount, said.decimals)

    of_day = [each for each in closed["currencies"] if each["currency"] == said.currency]
    _require(closed["day"] == day and closed["sequence"] >= said.cut_off and len(of_day) == 1, "the day is another")
    figures = {"requirement": spelled(said.requirement), "resource": spelled(said.resource)}
    _require(figures.items() <= of_day[0].items(), "DAY_CLOSED has another requirement or resource")
    wanted = {
        "currency": said.currency,
        "customers": said.count,
        "day": day,
        "negative": spelled(said.negative_total),
        "negative_customers": said.negative_count,
        "owed": spelled(said.total),
        "sequence": said.cut_off,
        "unallocated": spelled(said.unallocated),
    }
    for name, figure in wanted.items():
        _require(tested[name] == figure, f"the test has another {name}")
    outcome = figures | {"difference": spelled(said.difference)}
    _require(outcome.items() <= tested["total"].items(), "the test has another requirement or resource")
    names = sorted(each["account"] for each in tested["accounts"])
    _require(names == [each.account for each in said.statements], "the test has other accounts")
    for each in said.statements:
        about = {"bank": spelled(each.closing), "fingerprint": each.fingerprint, "statement": each.statement}
        [of_test] = [side for side in tested["accounts"] if side["account"] == each.account]
        run = row(each.reconciliation, EventName.RECONCILIATION_CLOSED)
        _require(about.items() <= of_test.items(), "the test has another statement")
        about |= {"account": each.account, "day": day}
        _require(about.items() <= run.items(), "the reconciliation has another statement")
        _require(each.reconciliation < said.closed, "it was reconciled after the day")


def major(amount: int, decimals: int) -> str:
    """Minor units as other events spell them: with a point before the last `decimals` digits.

    >>> major(-5, 2), major(84000, 2), major(7, 0)
    ('-0.05', '840.00', '7')
    """
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    whole = digits if not decimals else f"{digits[:-decimals]}.{digits[-decimals:]}"
    return f"-{whole}" if amount < 0 else whole


def _said(connection: Connection, book: int, sequence: int, event: EventName) -> Mapping[str, Any]:
    row = connection.execute(QUERIES.row_said, {"book": book, "sequence": sequence}).fetchone()
    if row is None or row[0] != event:
        raise Unsaid(f"row {sequence} is no {event.name}")
    found: Mapping[str, Any] = json.loads(bytes(row[1]))
    return found


def _require(true: bool, because: str) -> None:
    if not true:
        raise Unsaid(because)
