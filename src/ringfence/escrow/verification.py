"""The notary's question about escrow: does each new row keep its agreement?

Asked of every block of rows before it is signed, in the snapshot in which they were read. The documents and the facts
are those of the journal; the tables, which the core cannot write without the token of who speaks, have to say the same.

    ESCROW_PROPOSED      the document is one, has its hash, and is the one of the table; its holds are the next rows,
                         each from the payer's available account to a payee's, of the amount that the document says
    ESCROW_AGREED        it is the table's, after the proposal; people approved exactly this document, or the policy of
                         the time asked nobody
    MILESTONE_APPROVED, CLAIM_OPENED, CLAIM_SETTLED
                         the table has this row with this party and speaker, and the agreement was in force
    ESCROW_RELEASED      the agreement was in force; its condition is true by the facts before this row and the time of
                         this row; condition, trace, last fact and amount are what they come to; people approved, as
                         above; the next rows post each payee's part
    ESCROW_RETURNED      likewise of the return; the next rows void every hold of the tranche
    ESCROW_CALLED_OFF    it never was in force; the next rows void every hold
    a post, void or expiry of a hold of an agreement, which no such event in its chain has announced, is forged, and so
    is a correction that takes a release back
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np

from ringfence.authority.escalations import Seen
from ringfence.authority.origin.verification import require_login_signed
from ringfence.authority.passkeys.verification import Said
from ringfence.authority.policy import policy_in_force, required
from ringfence.authority.verification import record_of, verified_terms
from ringfence.database.connection import Connection
from ringfence.escrow import document as documents
from ringfence.escrow import word
from ringfence.escrow.conditions import evaluate, sha256_of
from ringfence.escrow.document import Agreement, Tranche, due, order_of, parts, release_of, return_of
from ringfence.escrow.facts import hear, spoken
from ringfence.escrow.queries import QUERIES
from ringfence.escrow.reading import Standing, find_agreement
from ringfence.escrow.refusals import ROW_CONTRADICTS_ITS_AGREEMENT
from ringfence.ledger import reading
from ringfence.ledger.balances import Balances
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.model import LINKED, Kind, canonical, moment
from ringfence.ledger.reading import JournalLine
from ringfence.ledger.storage import Block
from ringfence.refusal import Refused

_EVENTS: Final = range(EventName.ESCROW_PROPOSED, EventName.ESCROW_CALLED_OFF + 1)
_SPOKEN: Final = (EventName.MILESTONE_APPROVED, EventName.CLAIM_OPENED, EventName.CLAIM_SETTLED)
_RESOLVING: Final = (Kind.POST, Kind.VOID, Kind.EXPIRE)


@dataclass(frozen=True)
class _Money:
    """A row that an event has announced: its kind, its amount, and the accounts where they matter."""

    kind: Kind
    amount: int
    accounts: tuple[int, int] | None = None


@dataclass
class _Chain:
    """What the events of a chain have announced and no row has done yet, by the hold that it is about."""

    agreement: str = ""
    announced: dict[UUID, _Money] = field(default_factory=dict)


@dataclass(frozen=True)
class _Event:
    """An event about an agreement, as it stands in a block."""

    book: int
    sequence: int
    code: int
    id: UUID
    at: datetime
    says: Mapping[str, Any]


class _Contradiction(Exception):  # noqa: N818 - what is wrong with a row; told as a refusal
    pass


def audit(connection: Connection, book: int, block: Block, _: Balances | None = None) -> None:
    """Return if every row of the block keeps its agreement; else `row_contradicts_its_agreement`. Role notary."""
    rows = block.batch.rows
    about = (rows["kind"] == Kind.EVENT) & np.isin(rows["code"], list(_EVENTS))
    moving = np.isin(rows["kind"], _RESOLVING)
    correcting = rows["kind"] == Kind.CORRECTION
    held = _holdings(connection, book, _referred(rows, moving))
    held |= _released(connection, book, _referred(rows, correcting))
    if not held and not about.any():
        return
    chain = _Chain()
    for index in range(len(rows)):
        sequence, row = block.first + index, rows[index]
        try:
            if about[index]:
                event = _event(book, block, index)
                chain.agreement = str(event.says.get("agreement", ""))[:40]
                _check(connection, event, UUID(bytes=row["order_id"].tobytes()), chain)
            elif row["kind"] == Kind.PENDING or moving[index] or correcting[index]:
                _check_money(row, chain, held)
            if not row["flags"] & LINKED:
                _require(not chain.announced, "the money that an event before it announced did not move")
                chain = _Chain()
        except _Contradiction as wrong:
            raise ROW_CONTRADICTS_ITS_AGREEMENT(
                sequence=sequence, agreement=chain.agreement, because=str(wrong)
            ) from wrong
        except Refused as refused:
            raise ROW_CONTRADICTS_ITS_AGREEMENT(
                sequence=sequence, agreement=chain.agreement, because=refused.name
            ) from refused
        except (KeyError, TypeError, ValueError, AttributeError) as malformed:
            raise ROW_CONTRADICTS_ITS_AGREEMENT(
                sequence=sequence, agreement=chain.agreement, because="it does not say what it has to"
            ) from malformed


def _event(book: int, block: Block, index: int) -> _Event:
    row = block.batch.rows[index]
    says = json.loads(block.batch.payloads[index])
    identity, at = UUID(bytes=row["id"].tobytes()), moment(int(block.posted_at[index]))
    return _Event(book, block.first + index, int(row["code"]), identity, at, says)


def _holdings(connection: Connection, book: int, holds: list[UUID]) -> dict[UUID, str]:
    """Of the holds that rows resolve those that belong to an agreement."""
    asked = {"book": book, "holds": holds}
    return {row[0]: str(row[1]) for row in connection.execute(QUERIES.holdings_of, asked)} if holds else {}


def _released(connection: Connection, book: int, posts: list[UUID]) -> dict[UUID, str]:
    """Of the posts that corrections take back those that released money of an agreement."""
    asked = {"book": book, "posts": posts}
    return {row[0]: str(row[1]) for row in connection.execute(QUERIES.released_by, asked)} if posts else {}


def _referred(rows: Any, which: Any) -> list[UUID]:
    return [UUID(bytes=each.tobytes()) for each in rows["refers_to"][which]]


def _check_money(row: Any, chain: _Chain, held: Mapping[UUID, str]) -> None:
    hold = UUID(bytes=row["id" if row["kind"] == Kind.PENDING else "refers_to"].tobytes())
    wanted = chain.announced.pop(hold, None)
    if wanted is None:
        if hold in held:
            chain.agreement = held[hold]
            raise _Contradiction("money of the agreement moves, and no event of its chain says why")
        return
    _require(int(row["kind"]) == wanted.kind, "the money moves another way than the event says")
    _require(wanted.kind == Kind.VOID or int(row["amount"]) == wanted.amount, "another amount moves than is due")
    accounts = (int(row["debit_account"]), int(row["credit_account"]))
    _require(wanted.accounts in (None, accounts), "the money is held for somebody else")


def _check(connection: Connection, event: _Event, order_id: UUID, chain: _Chain) -> None:
    identity = UUID(event.says["agreement"])
    _require(order_id == identity, "the row is filed under another order")
    kept = find_agreement(connection, event.book, identity)
    rows = [
        row for row in reading.rows_of_order(connection, event.book, identity)
        if row.sequence < event.sequence and row.kind == Kind.EVENT
    ]  # fmt: skip
    if event.code == EventName.ESCROW_PROPOSED:
        _proposed(connection, event, kept, rows, chain)
        return
    terms = _terms(rows)
    if kept is None or kept.document != documents.write(terms):
        raise _Contradiction("the table has another document")
    in_force = any(row.code == EventName.ESCROW_AGREED for row in rows)
    if event.code == EventName.ESCROW_AGREED:
        _require(kept.agreed == event.sequence and not in_force, "the table does not have it as agreed in this row")
        _require(event.says["sha256"] == kept.sha256, "it agrees to another document")
        _people(connection, event, kept, "escrow_agreement", terms.amount, {})
    elif event.code in _SPOKEN:
        _require(in_force, "the agreement was not in force")
        said = connection.execute(QUERIES.fact_at, {"book": event.book, "sequence": event.sequence}).fetchone()
        spoken_so = said is not None and _as_said(event, identity, said)
        _require(spoken_so, "nobody said so: there is no speaker of this row")
        if str(event.says["by"]).startswith("customer:"):
            _signed(connection, event, kept, terms)
    elif event.code == EventName.ESCROW_CALLED_OFF:
        _require(not in_force, "the agreement is in force")
        for tranche in terms.tranches:
            _announce(chain, terms, tranche, 0)
    else:
        _require(in_force, "the agreement was not in force")
        _ended(connection, event, kept, terms, rows, chain)


def _as_said(event: _Event, identity: UUID, kept: tuple[Any, ...]) -> bool:
    """Whether the table has what the row says, word for word."""
    agreement_id, code, party, by, milestone, claim, tranche, payees_get = kept
    told = {"party": party, "by": by}
    if code == EventName.MILESTONE_APPROVED:
        told |= {"milestone": milestone}
    else:
        told |= {"claim": str(claim)}
        told |= {"tranche": tranche} if code == EventName.CLAIM_OPENED else {"payees_get": str(payees_get)}
    return (agreement_id, code) == (identity, event.code) and told.items() <= event.says.items()


def _signed(connection: Connection, event: _Event, kept: Standing, terms: Agreement) -> None:
    """The customer's login signed exactly these words, by a passkey that it could use then."""
    says = event.says
    document = str(says["document"]).encode()
    found = word.read(document)
    row = Said(event.sequence, event.id, event.code, event.at, says)
    signed = require_login_signed(connection, event.book, found.customer, row)
    _require(signed == word.challenge_of(document), "something else was signed")
    about = (found.agreement_id, found.agreement_sha256, found.event, f"customer:{found.person}")
    meant = (terms.agreement_id, kept.sha256, event.code, says["by"])
    _require(about == meant and found.says.items() <= says.items(), "something else was signed")
    whose = terms.parties.get(str(says["party"]))
    _require(whose == f"customer:{found.customer}", "the customer is not that party")


def _proposed(
    connection: Connection, event: _Event, kept: Standing | None, rows: list[JournalLine], chain: _Chain
) -> None:
    document = canonical(event.says["document"])
    terms = documents.read(document)
    same = kept is not None and (kept.document, kept.proposed) == (document, event.sequence)
    _require(same, "the table does not have this document of this row")
    _require(not any(row.code == EventName.ESCROW_PROPOSED for row in rows), "it was proposed before")
    _require(
        terms.book == event.book and str(terms.agreement_id) == event.says["agreement"], "the document is another's"
    )
    _require(documents.sha256_of(document) == event.says["sha256"], "the hash is another's")
    holds = [
        {
            "order": str(order_of(terms.agreement_id, tranche.name, share.customer)),
            "hold": str(derived(order_of(terms.agreement_id, tranche.name, share.customer), "hold")),
            "tranche": tranche.name,
            "customer": share.customer,
            "amount_minor": str(share.amount),
        }
        for tranche in terms.tranches
        for share in tranche.payees
    ]
    refused = event.says["state"] == "refused"
    _require(event.says["holds"] == ([] if refused else holds), "the holds are not those of the document")
    for hold in () if refused else holds:
        accounts = tuple(
            reading.account(connection, event.book, f"customer:{name}:available").account
            for name in (terms.payer, hold["customer"])
        )
        money = _Money(Kind.PENDING, int(hold["amount_minor"]), (accounts[0], accounts[1]))
        chain.announced[UUID(hold["hold"])] = money


def _ended(
    connection: Connection, event: _Event, kept: Standing, terms: Agreement, rows: list[JournalLine], chain: _Chain
) -> None:
    says, tranche = event.says, terms.tranche(event.says["tranche"])
    if tranche is None:
        raise _Contradiction("there is no such tranche")
    proposed = next(row.sequence for row in rows if row.code == EventName.ESCROW_PROPOSED)
    heard = hear(terms, spoken(rows), proposed)
    facts = heard.of(tranche.name, event.at)
    released = event.code == EventName.ESCROW_RELEASED
    condition = release_of(terms, tranche) if released else return_of(terms, tranche)
    trace = evaluate(condition, facts)
    _require(trace.allows, "its condition was not true by the journal before it")
    _require(says["condition_sha256"] == sha256_of(condition), "it names another condition")
    _require(says["trace_sha256"] == trace.sha256(), "it names another trace")
    _require(says["facts"] == heard.last, "it was not decided on the last fact")
    amount = due(tranche, facts) if released else tranche.amount
    _require(says["amount_minor"] == str(amount), "another amount is due")
    _announce(chain, terms, tranche, amount if released else 0)
    if released:
        expected = {"tranche": tranche.name, "condition_sha256": says["condition_sha256"]}
        _people(connection, event, kept, "escrow_release", amount, expected)


def _announce(chain: _Chain, terms: Agreement, tranche: Tranche, amount: int) -> None:
    for customer, part in parts(tranche, amount).items():
        hold = derived(order_of(terms.agreement_id, tranche.name, customer), "hold")
        chain.announced[hold] = _Money(Kind.POST, part) if part else _Money(Kind.VOID, 0)


def _terms(rows: list[JournalLine]) -> Agreement:
    """The agreement as the journal has it."""
    for row in rows:
        if row.code == EventName.ESCROW_PROPOSED:
            return documents.read(canonical(row.said["document"]))
    raise _Contradiction("nobody proposed it")


def _people(
    connection: Connection, event: _Event, kept: Standing, act: str, amount: int, expected: Mapping[str, str]
) -> None:
    """People approved this document and amount before the row, or the policy asked nobody."""
    named = event.says["proposal"]
    unit = kept.terms.unit
    if named is None:
        policy = policy_in_force(connection, event.book, event.at)
        _require(not required(policy, act, amount, unit, Seen(event.at)).people, "people had to approve it")
        return
    record = record_of(connection, event.book, UUID(named))
    terms = verified_terms(record, event.at)
    wanted = {"agreement": str(kept.agreement_id), "agreement_sha256": kept.sha256, **expected}
    _require(record.last_sequence < event.sequence, "it was decided after the row")
    _require((terms.act, terms.order) == (act, kept.agreement_id), "people approved something else")
    _require((terms.amount, terms.unit) == (amount, unit), "people approved another amount")
    _require(wanted.items() <= dict(terms.facts).items(), "people approved another document, tranche or condition")
    _require(record.proposal.carried_out == event.sequence, "the proposal was spent elsewhere")


def _require(true: bool, because: str) -> None:
    if not true:
        raise _Contradiction(because)
