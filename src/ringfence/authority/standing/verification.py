"""The notary's question: did people allow exactly this row? (Whether they did what a row says: `authority.backing`.)

A row that changes what stands over a book (kinds 9 to 12) names a proposal. It is theirs when, checked in this order:

  1. the record of the proposal bears the act at the time of the row (`verification`): its bytes, the journal's events,
     the policy, enough different people who may count, none of them the maker, all in time;
  2. every decision stands before the row;
  3. the act is the one of the row's kind;
  4. the row's bytes are the fact `row` of what was approved, and the words beside it say the same of the same account;
  5. the row is the one that the proposal was spent for, and its id follows from the proposal: one proposal, one row.

The core cannot write proposals, decisions or people; what it can write, the journal, is compared with them.
"""

import json

from ringfence.authority.backing import require_backing, require_movement
from ringfence.authority.queries import QUERIES
from ringfence.authority.standing import acts
from ringfence.authority.verification import Record, record_of, verified_terms
from ringfence.database.connection import Connection
from ringfence.evidence.authorisation import ROW_LACKS_AUTHORISATION, MovedRow, SaidRow, StandingRow, ToAuthorise
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Account, Kind
from ringfence.refusal import Refused


def authorised(connection: Connection, row: ToAuthorise) -> None:
    """Return if people allowed exactly this row; else raise `row_lacks_authorisation` with its sequence, the proposal
    that it names and why. What an event says is backed, or `row_says_what_nobody_did`. Role notary, in the snapshot in
    which the row was read. A movement that people approve: `movement_lacks_approval`.
    """
    if isinstance(row, MovedRow):
        require_movement(connection, row)
        return
    if isinstance(row, SaidRow):
        require_backing(connection, row)
        return
    try:
        record = record_of(connection, row.book, row.proposal)
        because = _objection(connection, row, record)
    except Refused as refused:
        because = refused.name
    if because:
        raise ROW_LACKS_AUTHORISATION(sequence=row.sequence, proposal=row.proposal, because=because)


def _objection(connection: Connection, row: StandingRow, record: Record) -> str:
    """Why the record does not allow the row; nothing if it does."""
    terms = verified_terms(record, row.posted_at)
    act = acts.ACTS[row.kind]
    if record.last_sequence >= row.sequence:
        return "decided after the row"
    if terms.act != act:
        return f"the proposal is about {terms.act}"
    change = acts.change_of(act, row.payload)
    if change is None:
        return "the row says nothing"
    number = acts.account_of(change)
    account = _as_opened(connection, row.book, number) if number else None
    said = {name: text for name, text in terms.facts.items() if name not in acts.FOR_THE_READER}
    wrong = sorted(name for name, _ in said.items() ^ acts.facts_of(change, account).items())
    if wrong:
        return "approved otherwise: " + ", ".join(dict.fromkeys(wrong))
    if row.id != derived(row.proposal, "carried out") or record.proposal.carried_out != row.sequence:
        return "the proposal was spent elsewhere, or not at all"
    return ""


def _as_opened(connection: Connection, book: int, number: int) -> Account | None:
    """The account as the journal opened it. The table only says where to look."""
    found = connection.execute(QUERIES.account_facts, {"book": book, "account": number}).fetchone()
    row = found and connection.execute(QUERIES.row_payload, {"book": book, "sequence": found[8]}).fetchone()
    if not row or row[0] != Kind.ACCOUNT_OPENED:
        return None
    said = json.loads(bytes(row[1]))
    account = Account(**said | {"minimum": None, "maximum": None})
    return account if account.account == number else None
