"""What a customer sees and does for himself: the own wallet, orders and withdrawals, under a login of the own.

A login is proposed by a security administrator and approved by somebody else, as a person of the staff is. It is bound
to one customer for good, and reaches the addresses under /my and nothing else (`web.visit.require_place`). Whose money
it is follows from the login alone; no address and no form names another customer.

A withdrawal is signed: `draft` makes its document, whose bytes the page shows and the passkey signs, and `place` takes
the document back with what the device said. Nothing is kept in between. The payee is the account that was registered.
A mandate is given in the same way, and revoked at once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ringfence.authority.actors import Session, SignedOrder
from ringfence.authority.origin import mandates
from ringfence.authority.origin.documents import Withdrawal, challenge_of, read
from ringfence.authority.origin.refusals import SOMETHING_ELSE_WAS_ASKED_FOR
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import Assertion, RelyingParty, require_our_page, to_text
from ringfence.authority.passwords import COST, Cost
from ringfence.authority.people import PersonProposal, customer_of, propose_login
from ringfence.authority.signing import program_of
from ringfence.core import Core
from ringfence.custody import placing
from ringfence.custody.customers import Customer, customer
from ringfence.custody.days import current_day
from ringfence.custody.orders import Desk, Order
from ringfence.custody.own.refusals import CUSTOMER_HAS_NO_PASSKEY_HERE, ORDER_IS_OF_ANOTHER_DAY
from ringfence.custody.refusals import AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE
from ringfence.vault.fields import MANDATE, PAYEE_ACCOUNT
from ringfence.vault.keeping import owner


def whose(core: Core, session: Session) -> Customer:
    """The customer of a login; `person_lacks_the_role` for who has none."""
    with core.connection() as connection:
        return customer(connection, core.book.book_id, customer_of(connection, core.book.book_id, session.person_id))


def propose(
    core: Core, session: Session, customer_id: str, login: str, display_name: str, *, cost: Cost = COST
) -> PersonProposal:
    """Propose a login for a customer; `person_lacks_the_role`, `customer_must_exist`, what `propose_login` refuses."""
    session.require_role("security_admin")
    with core.connection() as connection:
        found = customer(connection, core.book.book_id, customer_id)
    return propose_login(core, session, login, display_name, found.customer_id, cost=cost)


def draft(desk: Desk, session: Session, amount: int) -> Withdrawal:
    """The document of a withdrawal of `amount` (minor units) to the registered account, to be signed."""
    core = desk.core
    who = whose(core, session)
    if amount <= 0:
        raise AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE(amount=amount)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
    return Withdrawal(
        book=core.book.name,
        order_id=core.new_id(),
        customer=who.customer_id,
        person=session.person_id,
        amount=amount,
        currency=who.currency,
        creditor_name=who.name,
        creditor_account=desk.vault.open(PAYEE_ACCOUNT, who.customer_id),
        on=day,
        nonce=secrets.token_hex(16),
    )


def question(core: Core, session: Session, challenge: bytes, ours: RelyingParty) -> dict[str, object]:
    """What the customer's device is asked to sign: a challenge of exactly the document's bytes.
    `customer_has_no_passkey_here`.
    """
    with core.connection() as connection:
        known = keys.in_use(connection, core.book.book_id, session.person_id)
    allow = [to_text(each.credential_id) for each in known if each.rp_id == ours.rp_id]
    if not allow:
        raise CUSTOMER_HAS_NO_PASSKEY_HERE()
    return {"challenge": to_text(challenge), "rp_id": ours.rp_id, "allow": allow}


def place(desk: Desk, session: Session, document: bytes, used: Assertion, ours: RelyingParty) -> Order:
    """Place the withdrawal that a customer signed. Refused in this order: `signed_order_is_no_origin`,
    `something_else_was_asked_for` (of another login, customer or account), `order_is_of_another_day`, what
    `require_our_page` refuses, what `placing.place_withdrawal` refuses, and by the database what `use_passkey` does.
    """
    core, found = desk.core, read(document)
    who = whose(core, session)
    wanted = (core.book.name, session.person_id, who.customer_id, who.currency)
    if (found.book, found.person, found.customer, found.currency) != wanted:
        raise SOMETHING_ELSE_WAS_ASKED_FOR(field="customer")
    if found.creditor_account != desk.vault.open(PAYEE_ACCOUNT, who.customer_id):
        raise SOMETHING_ELSE_WAS_ASKED_FOR(field="creditor_account")
    with core.connection() as connection:
        if found.on != current_day(connection, core.book.book_id):
            raise ORDER_IS_OF_ANOTHER_DAY(day=found.on.isoformat())
    require_our_page(used.client_data, "webauthn.get", challenge_of(document), ours.origin, ours.rp_id)
    by = replace(session, order=SignedOrder(document, used))
    account = found.creditor_account
    return placing.place_withdrawal(desk, found.order_id, who.customer_id, found.amount, payee_account=account, by=by)


@dataclass(frozen=True)
class Wish:
    """What a customer wants a mandate to say; amounts in minor units."""

    client: str
    purposes: tuple[str, ...]
    cap: int
    period_cap: int
    period_days: int
    payees: tuple[str, ...]
    expires_at: datetime


def draft_mandate(core: Core, session: Session, wish: Wish) -> mandates.Terms:
    """The document of a mandate, to be signed; `mandate_is_not_valid`, `client_must_exist`."""
    who = whose(core, session)
    with core.connection() as connection:
        program_of(connection, core.book.book_id, wish.client)
    terms = mandates.Terms(
        book=core.book.name,
        mandate_id=core.new_id(),
        customer=who.customer_id,
        person=session.person_id,
        client=wish.client,
        purposes=wish.purposes,
        currency=who.currency,
        cap=wish.cap,
        period_cap=wish.period_cap,
        period_days=wish.period_days,
        payees=wish.payees,
        expires_at=wish.expires_at,
        nonce=mandates.new_nonce(),
    )
    mandates.require_valid(terms)
    return terms


def give_mandate(desk: Desk, session: Session, document: bytes, used: Assertion, ours: RelyingParty) -> UUID:
    """Give the mandate that a customer signed; refused as `place` is, and as `mandates.give` says."""
    terms, who = mandates.read(document), whose(desk.core, session)
    wanted = (desk.core.book.name, session.person_id, who.customer_id, who.currency)
    if (terms.book, terms.person, terms.customer, terms.currency) != wanted:
        raise SOMETHING_ELSE_WAS_ASKED_FOR(field="customer")
    require_our_page(used.client_data, "webauthn.get", mandates.challenge_of(document), ours.origin, ours.rp_id)
    kept = desk.vault.keep(owner(who.customer_id), MANDATE, str(terms.mandate_id), document.decode())
    return mandates.give(desk.core, session, document, used, kept)


def revoke_mandate(core: Core, session: Session, mandate_id: UUID) -> None:
    """Take an own mandate back, at once; `mandate_must_exist`."""
    mandates.revoke(core, session, whose(core, session).customer_id, mandate_id)


def own_mandates(core: Core, session: Session) -> Sequence[mandates.Mandate]:
    """The customer's own mandates, also ended ones, the latest first."""
    customer_id = whose(core, session).customer_id
    with core.connection() as connection:
        return mandates.mandates(connection, core.book.book_id, customer_id)
