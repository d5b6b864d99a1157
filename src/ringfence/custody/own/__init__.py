"""What a customer sees and does for himself: the own wallet, orders and withdrawals, under a login of the own.

A login is proposed by a security administrator and approved by somebody else, as a person of the staff is. It is bound
to one customer for good, and reaches the addresses under /my and nothing else (`web.visit.require_place`). Whose money
it is follows from the login alone; no address and no form names another customer.

A withdrawal is signed: `draft` makes its document, whose bytes the page shows and the passkey signs, and `place` takes
the document back with what the device said. Nothing is kept in between. It goes to one of the customer's payees, to the
account that was registered unless another is named. A mandate is given in the same way, and revoked at once.

What stops money needs no signature: the customer cancels an own withdrawal that has not been let go, whoever asked for
it, and removes an own payee, which cancels what waits for it.
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
from ringfence.banking.payee import registered_payee
from ringfence.core import Core
from ringfence.custody import placing
from ringfence.custody.customers import Customer, customer
from ringfence.custody.days import current_day
from ringfence.custody.deciding import end_order
from ringfence.custody.lifecycle import ORDER_MAY_NOT_DO_THAT_NOW, may_move
from ringfence.custody.orders import Desk, Order, order
from ringfence.custody.own.refusals import CUSTOMER_HAS_NO_PASSKEY_HERE, ORDER_IS_OF_ANOTHER_DAY
from ringfence.custody.payees.register import Payee, payee, payee_with, payees_of, remove
from ringfence.custody.payees.waiting import Wait, prospect
from ringfence.custody.refusals import AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE, ORDER_MUST_EXIST, PAYEE_MUST_EXIST
from ringfence.vault.fields import MANDATE, PAYEE, Shape, mask
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


def own_payees(core: Core, session: Session) -> list[Payee]:
    """The customer's own payees in any state, the latest first."""
    customer_id = whose(core, session).customer_id
    with core.connection() as connection:
        return payees_of(connection, core.book.book_id, customer_id)


def own_payee(core: Core, session: Session, payee_id: UUID | None = None) -> Payee:
    """One of the customer's own; by default the account that was registered. `payee_must_exist` for anybody else's."""
    who, book = whose(core, session).customer_id, core.book.book_id
    with core.connection() as connection:
        found = payee(connection, book, payee_id or registered_payee(book, who))
    if found.customer_id != who:
        raise PAYEE_MUST_EXIST()
    return found


def draft(desk: Desk, session: Session, amount: int, payee_id: UUID | None = None) -> Withdrawal:
    """The document of a withdrawal of `amount` (minor units) to an own payee, to be signed; `payee_must_exist` for one
    that does not stand.
    """
    core = desk.core
    who, to = whose(core, session), own_payee(core, session, payee_id)
    if amount <= 0:
        raise AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE(amount=amount)
    if to.state != "active":
        raise PAYEE_MUST_EXIST()
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
        creditor_account=desk.vault.open(PAYEE, str(to.payee_id)),
        on=day,
        nonce=secrets.token_hex(16),
    )


def foreseen(desk: Desk, document: Withdrawal) -> Wait | None:
    """How long this withdrawal would wait, were it placed now, because its payee is new."""
    core = desk.core
    with core.connection() as connection:
        to = payee_with(connection, desk.vault, document.customer, document.creditor_account)
        if to is None:
            return None
        return prospect(connection, core.book.book_id, to, document.currency, document.amount, core.clock()).wait


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
    with core.connection() as connection:
        if payee_with(connection, desk.vault, who.customer_id, found.creditor_account) is None:
            raise SOMETHING_ELSE_WAS_ASKED_FOR(field="creditor_account")
        if found.on != current_day(connection, core.book.book_id):
            raise ORDER_IS_OF_ANOTHER_DAY(day=found.on.isoformat())
    require_our_page(used.client_data, "webauthn.get", challenge_of(document), ours.origin, ours.rp_id)
    by = replace(session, order=SignedOrder(document, used))
    account = found.creditor_account
    return placing.place_withdrawal(desk, found.order_id, who.customer_id, found.amount, payee_account=account, by=by)


def own_order(core: Core, session: Session, order_id: UUID) -> Order:
    """One of the customer's own orders; `order_must_exist` for anybody else's."""
    who = whose(core, session).customer_id
    with core.connection() as connection:
        found = order(connection, core.book.book_id, order_id)
    if found.customer_id != who:
        raise ORDER_MUST_EXIST(order=order_id)
    return found


def may_cancel(found: Order) -> bool:
    """Whether the customer can still stop it: a withdrawal that has not been let go."""
    return found.kind == "withdrawal" and may_move(found.kind, found.state, "cancelled")


def cancel_order(desk: Desk, session: Session, order_id: UUID) -> Order:
    """Cancel an own withdrawal, whoever asked for it; what was held is free again. `order_must_exist`,
    `order_may_not_do_that_now`.
    """
    found = own_order(desk.core, session, order_id)
    if not may_cancel(found):
        raise ORDER_MAY_NOT_DO_THAT_NOW(kind=found.kind, state=found.state, act="cancelled")
    return end_order(desk, found, "cancelled", by=session)


def remove_payee(desk: Desk, session: Session, payee_id: UUID) -> Payee:
    """Remove an own payee at once; what waits for it is cancelled. `payee_must_exist`, `payee_is_being_paid`."""
    own_payee(desk.core, session, payee_id)
    return remove(desk.core, payee_id, by=session)


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


def mandate_payees(desk: Desk, session: Session, accounts: Sequence[UUID], customers: Sequence[str]) -> tuple[str, ...]:
    """Payees as a mandate names them, from own payees by id and customers by id; `payee_must_exist`."""
    own = [own_payee(desk.core, session, each) for each in accounts]
    named = [desk.vault.open(PAYEE, str(each.payee_id)) for each in own]
    return tuple(dict.fromkeys([*named, *(f"customer:{each.removeprefix('customer:')}" for each in customers)]))


def payees_under(desk: Desk, found: Sequence[mandates.Mandate]) -> dict[UUID, list[str]]:
    """Who may get money under these mandates, from the documents that were signed; accounts masked."""
    documents = desk.vault.open_all(MANDATE, [str(each.mandate_id) for each in found])
    terms = {each.mandate_id: documents.get(str(each.mandate_id)) for each in found}
    return {
        identity: [
            payee if payee.startswith("customer:") else mask(Shape.ACCOUNT, payee)
            for payee in (mandates.read(text.encode()).payees if text else ())
        ]
        for identity, text in terms.items()
    }


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
