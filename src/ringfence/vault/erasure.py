"""Erasure of an owner: its field keys are destroyed, so nobody reads its fields again, wherever ciphertexts still lie.

That takes a complete proposal of the act `customer_erasure`, which names the customer. The wrapped keys are gone from
this database at once; a backup has them until it is gone itself, or until the wrapping key of its time is (see
docs/operate/backup.md).
"""

from typing import Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.vault.keeping import owner
from ringfence.vault.queries import QUERIES

ACT: Final = "customer_erasure"


def erase(core: Core, proposal_id: UUID) -> int:
    """Do what a complete proposal allows; the sequence of CUSTOMER_ERASED. Again, it changes nothing.
    `proposal_is_not_complete`, `proposal_has_expired`.
    """
    book = core.book.book_id
    with core.connection() as connection:
        about = proposals.proposal_of(connection, book, proposal_id)
    said = {"proposal": str(proposal_id), "customer": about.terms.facts.get("customer", "")}
    event = Line(Kind.EVENT, derived(proposal_id, "carried out"), code=EventName.CUSTOMER_ERASED, payload=said)
    row = {"book": book, "event": event.id, "proposal": proposal_id}
    [answer] = core.post(Unit([event], [(QUERIES.erase, row)]))
    return answer.sequence


def is_erased(connection: Connection, book: int, customer_id: str) -> bool:
    question = {"book": book, "owner": owner(customer_id)}
    return connection.execute(QUERIES.erasure, question).fetchone() is not None
