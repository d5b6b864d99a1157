"""The register of payees: proposing, adding, removing and finding payees."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.authority import proposals
from ringfence.authority.actors import Actor, token_of
from ringfence.authority.cooling_off import CoolingOff
from ringfence.authority.policy import policy_in_force
from ringfence.banking.account_number import other_number
from ringfence.banking.payee import ACT, added_event, payee_proposal, payee_sha256, removed_event
from ringfence.core import Core
from ringfence.custody.customers import customer
from ringfence.custody.payees.queries import QUERIES
from ringfence.custody.refusals import (
    PAYEE_ID_ALREADY_HAS_OTHER_CONTENT,
    PAYEE_IS_KNOWN_ALREADY,
    PAYEE_MUST_EXIST,
)
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.vault.fields import PAYEE, Shape, mask
from ringfence.vault.keeping import Vault, owner

PAYEES_SHOWN: Final = 100


@dataclass(frozen=True)
class Payee:
    """A payee as it stands. `signed_at` is when the notary first vouched for the row that added it."""

    payee_id: UUID
    customer_id: str
    sha256: str
    maker: str
    proposed_at: datetime
    added: int | None
    added_at: datetime | None
    removed_at: datetime | None
    removed_by: str | None
    signed_at: datetime | None

    @property
    def state(self) -> str:
        """proposed, active or removed."""
        if self.removed_at is not None:
            return "removed"
        return "active" if self.added is not None else "proposed"


def propose(core: Core, vault: Vault, payee_id: UUID, customer_id: str, account: str, *, by: Actor) -> Payee:
    """Propose another account that a customer may be paid to, in the customer's own name; act `new_payee`. The same
    again is answered alike. `account_number_is_malformed`, `payee_is_known_already`,
    `payee_id_already_has_other_content`, and what `proposals.draft` refuses.
    """
    book = core.book.book_id
    number = other_number("".join(account.split())).text
    with core.connection() as connection:
        who = customer(connection, book, customer_id)
        known = find_payee(connection, book, payee_id)
        standing = payee_with(connection, vault, customer_id, number)
    sha256 = payee_sha256(core.book.name, payee_id, customer_id, who.name, number, vault.payee_salt(payee_id))
    if known is not None:
        if (known.customer_id, known.sha256) != (customer_id, sha256):
            raise PAYEE_ID_ALREADY_HAS_OTHER_CONTENT(payee=payee_id)
        return known
    if standing is not None:
        raise PAYEE_IS_KNOWN_ALREADY(customer=customer_id)
    facts = {
        "customer": customer_id,
        "creditor_name": who.name,
        "creditor_account": mask(Shape.ACCOUNT, number),
        "payee": str(payee_id),
        "payee_sha256": sha256,
    }
    identity = payee_proposal(payee_id)
    kept = vault.keep(owner(customer_id), PAYEE, str(payee_id), number)

    def beside(event: UUID) -> list[Any]:
        row = {"book": book, "event": event, "proposal": identity, "payee": payee_id}
        return [(QUERIES.propose_payee, row), kept]

    proposals.propose(core, by, identity, ACT, facts=facts, beside=beside)
    return _stored(core, payee_id)


def add(core: Core, vault: Vault, payee_id: UUID) -> Payee:
    """Add the payee of a complete proposal; its age begins. Doing it again changes nothing. `payee_must_exist`,
    `proposal_is_not_complete`.
    """
    book = core.book.book_id
    found = _stored(core, payee_id)
    if found.added is not None:
        return found
    with core.connection() as connection:
        about = proposals.proposal_of(connection, book, payee_proposal(payee_id))
    event = added_event(payee_id)
    said = {
        "payee": str(payee_id),
        "customer": found.customer_id,
        "account": vault.fingerprint(vault.open(PAYEE, str(payee_id))),
        "sha256": found.sha256,
        "proposal": str(about.proposal_id),
        "maker": about.maker,
    }
    line = Line(Kind.EVENT, event, code=EventName.PAYEE_ADDED, payload=said)
    row = {"book": book, "event": event, "proposal": about.proposal_id}
    core.post(Unit([line], [(QUERIES.add_payee, row)]))
    return _stored(core, payee_id)


def add_all(core: Core, vault: Vault) -> int:
    """Add every payee whose proposal is complete; for the core's rounds. Returns how many."""
    with core.connection() as connection:
        complete = proposals.complete(connection, core.book.book_id, core.clock(), ACT)
    left = [PAYEE_IS_KNOWN_ALREADY]  # the same account was added under another id meanwhile
    return proposals.carry_out_each(
        complete, lambda each: add(core, vault, UUID(each.terms.facts["payee"])), leaving=left
    )


def remove(core: Core, payee_id: UUID, *, by: Actor) -> Payee:
    """Remove a payee, alone and at once; what waits for it is cancelled by the next round. `payee_must_exist`,
    `payee_is_being_paid`. Doing it again changes nothing.
    """
    book = core.book.book_id
    found = _stored(core, payee_id)
    if found.state == "removed":
        return found
    event = removed_event(payee_id)
    said = {"payee": str(payee_id), "customer": found.customer_id, "by": by.maker if by else "system"}
    line = Line(Kind.EVENT, event, code=EventName.PAYEE_REMOVED, payload=said)
    row = {"book": book, "event": event, "token_sha256": token_of(by), "payee": payee_id}
    core.post(Unit([line], [(QUERIES.remove_payee, row)]))
    return _stored(core, payee_id)


# -- reading ---------------------------------------------------------------------------------------------------------


def payee_with(connection: Connection, vault: Vault, customer_id: str, account: str) -> Payee | None:
    """The customer's payee that stands and has this account, found without opening one."""
    question = {"book": vault.book, "customer": customer_id, "indexed": vault.index(PAYEE, account)}
    with connection.cursor(row_factory=class_row(Payee)) as cursor:
        return cursor.execute(QUERIES.payee_with, question).fetchone()


def cooling_off(connection: Connection, book: int, at: datetime) -> CoolingOff | None:
    """What the policy in force says of new payees; None: they never wait."""
    return policy_in_force(connection, book, at).policy.cooling_off


def payees_of(connection: Connection, book: int, customer_id: str) -> list[Payee]:
    """A customer's payees in any state, the latest first."""
    question = {"book": book, "customer": customer_id, "limit": PAYEES_SHOWN}
    with connection.cursor(row_factory=class_row(Payee)) as cursor:
        return cursor.execute(QUERIES.payees_of, question).fetchall()


def payee_of_order(connection: Connection, book: int, order_id: UUID) -> Payee | None:
    """Whom an order pays."""
    with connection.cursor(row_factory=class_row(Payee)) as cursor:
        return cursor.execute(QUERIES.payee_of_order, {"book": book, "order_id": order_id}).fetchone()


def find_payee(connection: Connection, book: int, payee_id: UUID) -> Payee | None:
    with connection.cursor(row_factory=class_row(Payee)) as cursor:
        return cursor.execute(QUERIES.payee, {"book": book, "payee": payee_id}).fetchone()


def payee(connection: Connection, book: int, payee_id: UUID) -> Payee:
    """A payee by id, or `payee_must_exist`."""
    found = find_payee(connection, book, payee_id)
    if found is None:
        raise PAYEE_MUST_EXIST()
    return found


def _stored(core: Core, payee_id: UUID) -> Payee:
    with core.connection() as connection:
        return payee(connection, core.book.book_id, payee_id)
