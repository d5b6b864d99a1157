"""A customer's own money over HTTP, under /my; and the login that a customer gets.

What customers sign goes out as a document with a question for the device, and comes back with what the device said.
Nothing is kept of it in between: the bytes that come back are read again, and whoever takes them knows what they must
say. So it is with a withdrawal and a mandate here, and with a word about an agreement in `escrow`.
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Body, Path
from pydantic import AwareDatetime, Field

from ringfence.authority.origin import mandates
from ringfence.authority.origin.documents import challenge_of
from ringfence.authority.origin.refusals import (
    MANDATE_EXPIRES_WITHIN_FIVE_YEARS,
    MANDATE_IS_GIVEN_ONCE,
    MANDATE_IS_NOT_VALID,
    MANDATE_MUST_EXIST,
    ORDER_MUST_SAY_WHO_ASKED,
    ORIGIN_IS_NOT_ACCEPTED,
    SIGNED_ORDER_IS_NO_ORIGIN,
    SOMETHING_ELSE_WAS_ASKED_FOR,
)
from ringfence.authority.passkeys.assertions import Assertion, from_text, relying_party, to_text
from ringfence.authority.passkeys.refusals import CHALLENGE_DOES_NOT_FIT, PASSKEY_MUST_WAIT, PASSKEYS_NEED_A_HOST_NAME
from ringfence.authority.refusals import (
    CLIENT_MUST_EXIST,
    CUSTOMER_LOGIN_IS_ONE_CUSTOMERS,
    MAKER_MAY_NOT_MAKE_THIS,
    PERSON_HAS_A_SHORT_NAME,
    PERSON_ID_MUST_BE_A_WORD,
    PERSON_LACKS_THE_ROLE,
)
from ringfence.authority.routes import FOR_PEOPLE, OF_A_PASSKEY, PasskeyAssertion, assertion_of, session_of
from ringfence.custody import own
from ringfence.custody.lifecycle import ORDER_MAY_NOT_DO_THAT_NOW
from ringfence.custody.orders import Desk, orders
from ringfence.custody.own.refusals import CUSTOMER_HAS_NO_PASSKEY_HERE, ORDER_IS_OF_ANOTHER_DAY
from ringfence.custody.payees.routes import PayeeAnswer, PayeeList, payee_answers
from ringfence.custody.personal.routes import router
from ringfence.custody.refusals import (
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CUSTOMER_MUST_EXIST,
    NO_DAY_IS_OPEN,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    ORDER_MUST_EXIST,
    PAYEE_IS_BEING_PAID,
    PAYEE_MUST_EXIST,
)
from ringfence.custody.routes import (
    CURRENCY_MUST_BE_THE_CUSTOMERS,
    STANDING_IN_THE_WAY,
    OrderAnswer,
    OrderPage,
    WalletAnswer,
    order_answer,
    place_after,
    place_of,
    wallet_answer,
)
from ringfence.money import AMOUNT_IS_NOT_A_DECIMAL, currency, parse_minor
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Limit, Text
from ringfence.web.refusals import ADDRESS_IS_FOR_CUSTOMERS
from ringfence.web.visit import Client, Visit

__all__ = ["router"]

DOCUMENT_CHARACTERS_MAX: Final = 8_000  # base64url: twice what a mandate for fifty payees takes


class NewLogin(Answer):
    id: str = Field(max_length=40, examples=["ann.number"], description="What the customer signs in with.")
    name: str = Field(max_length=200)


class LoginProposed(Answer):
    """Somebody else approves it. The one-time password is shown once, to be handed over."""

    proposal: UUID
    sha256: str
    one_time_password: str | None


class OwnWithdrawal(Answer):
    amount: Money
    payee: UUID | None = Field(None, description="One of `GET /my/payees`; else the account that was registered.")


class DocumentToSign(Answer):
    """A document as it was drawn up, and what to ask the device: its challenge is of exactly these bytes."""

    document: str = Field(description="base64url; canonical JSON that says all that is signed, with a nonce.")
    challenge: str = Field(description="base64url")
    rp_id: str
    allow: list[str] = Field(description="The customer's passkeys, base64url.")


class SignedDocument(Answer):
    document: str = Field(max_length=DOCUMENT_CHARACTERS_MAX, description="As it was given, base64url.")
    assertion: PasskeyAssertion


class NewMandate(Answer):
    program: str = Field(max_length=32, description="Who may ask: a program of the platform.")
    purposes: list[str] = Field(min_length=1, max_length=3, examples=[["freeze", "withdrawal"]])
    cap: Money = Field(description="The most of one order.")
    period_cap: Money = Field(description="The most within any `period_days` days.")
    period_days: int = Field(ge=1, le=mandates.PERIOD_DAYS_MAX)
    payees: list[str] = Field(
        max_length=mandates.PAYEES_MAX, description="Accounts for withdrawals, `customer:…` for transfers."
    )
    expires_at: AwareDatetime = Field(description="Within five years.")


class MandateAnswer(Answer):
    """A mandate as it stands; its payees are in the document that was signed."""

    id: UUID
    program: str
    purposes: list[str]
    cap: Money
    period_cap: Money
    period_days: int
    expires_at: datetime
    state: str = Field(examples=["active"])
    given: int = Field(description="The row of the journal that gave it.")
    revoked: int | None


class MandateList(Answer):
    mandates: list[MandateAnswer]


class MandateGiven(Answer):
    id: UUID


@router.post(
    "/customers/{id}/logins",
    dependencies=FOR_PEOPLE,
    summary="Propose a login for a customer; somebody else approves it (security administrators only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        MAKER_MAY_NOT_MAKE_THIS,
        CUSTOMER_MUST_EXIST,
        PERSON_ID_MUST_BE_A_WORD,
        PERSON_HAS_A_SHORT_NAME,
        CUSTOMER_LOGIN_IS_ONE_CUSTOMERS,
    ),
)
def propose_login(
    visit: Client,
    id: Annotated[str, Path(max_length=40)],  # noqa: A002 - the API's word
    given: Annotated[NewLogin, Body()],
) -> LoginProposed:
    made = own.propose(visit.core, session_of(visit), id, given.id, given.name)
    return LoginProposed(
        proposal=made.drafted.proposal_id,
        sha256=made.drafted.payload_sha256.hex(),
        one_time_password=made.one_time_password,
    )


@router.get(
    "/my/wallet",
    dependencies=FOR_PEOPLE,
    summary="The customer's own money (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS),
)
def own_wallet(visit: Client) -> WalletAnswer:
    return wallet_answer(visit, own.whose(visit.core, session_of(visit)).customer_id)


@router.get(
    "/my/orders",
    dependencies=FOR_PEOPLE,
    summary="The customer's own orders, the latest first (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS),
)
def own_orders(visit: Client, before: Text = None, limit: Limit = PAGE_ROWS) -> OrderPage:
    who = own.whose(visit.core, session_of(visit)).customer_id
    with visit.core.connection() as connection:
        found = orders(connection, visit.book, customer_id=who, before=place_of(before), limit=limit)
    return OrderPage(
        orders=[order_answer(each) for each in found], next=place_after(found[-1]) if len(found) == limit else None
    )


@router.post(
    "/my/withdrawals/documents",
    dependencies=FOR_PEOPLE,
    summary="Draw up a withdrawal to an own payee, to be signed (customers only)",
    responses=refuses(
        ADDRESS_IS_FOR_CUSTOMERS,
        PASSKEYS_NEED_A_HOST_NAME,
        CUSTOMER_HAS_NO_PASSKEY_HERE,
        CURRENCY_MUST_BE_THE_CUSTOMERS,
        AMOUNT_IS_NOT_A_DECIMAL,
        AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
        PAYEE_MUST_EXIST,
        NO_DAY_IS_OPEN,
    ),
)
def draw_up(visit: Client, given: Annotated[OwnWithdrawal, Body()]) -> DocumentToSign:
    amount = own_amount(visit, given.amount.amount, given.amount.currency)
    document = own.draft(visit.desk(Desk), session_of(visit), amount, given.payee).canonical()
    return to_sign(visit, document, challenge_of(document))


@router.post(
    "/my/withdrawals",
    dependencies=FOR_PEOPLE,
    summary="Place the withdrawal that was signed (customers only)",
    responses=refuses(
        ADDRESS_IS_FOR_CUSTOMERS,
        SIGNED_ORDER_IS_NO_ORIGIN,
        SOMETHING_ELSE_WAS_ASKED_FOR,
        ORDER_IS_OF_ANOTHER_DAY,
        ORIGIN_IS_NOT_ACCEPTED,
        ORDER_MUST_SAY_WHO_ASKED,
        CHALLENGE_DOES_NOT_FIT,
        *OF_A_PASSKEY,
        PASSKEY_MUST_WAIT,
        ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
        NO_DAY_IS_OPEN,
        *STANDING_IN_THE_WAY,
    ),
)
def withdraw(visit: Client, given: Annotated[SignedDocument, Body()]) -> OrderAnswer:
    placed = own.place(visit.desk(Desk), session_of(visit), *signed(given), relying_party(visit.origin))
    return order_answer(placed)


@router.post(
    "/my/orders/{id}/cancellation",
    dependencies=FOR_PEOPLE,
    summary="Cancel an own withdrawal that has not been let go, whoever asked for it (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS, ORDER_MUST_EXIST, ORDER_MAY_NOT_DO_THAT_NOW),
)
def cancel_order(visit: Client, id: UUID) -> OrderAnswer:  # noqa: A002 - the API's word
    return order_answer(own.cancel_order(visit.desk(Desk), session_of(visit), id))


@router.get(
    "/my/payees",
    dependencies=FOR_PEOPLE,
    summary="The customer's own accounts to be paid to, the latest first (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS),
)
def list_payees(visit: Client) -> PayeeList:
    return PayeeList(payees=payee_answers(visit, own.own_payees(visit.core, session_of(visit))))


@router.delete(
    "/my/payees/{id}",
    dependencies=FOR_PEOPLE,
    summary="Remove an own payee at once; what waits for it is cancelled (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS, PAYEE_MUST_EXIST, PAYEE_IS_BEING_PAID),
)
def remove_payee(visit: Client, id: UUID) -> PayeeAnswer:  # noqa: A002 - the API's word
    [answer] = payee_answers(visit, [own.remove_payee(visit.desk(Desk), session_of(visit), id)])
    return answer


@router.get(
    "/my/mandates",
    dependencies=FOR_PEOPLE,
    summary="The customer's own mandates, the latest first (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS),
)
def list_mandates(visit: Client) -> MandateList:
    found = own.own_mandates(visit.core, session_of(visit))
    return MandateList(
        mandates=[
            MandateAnswer(
                id=each.mandate_id,
                program=each.client_id,
                purposes=each.purposes,
                cap=money(each.cap, each.currency),
                period_cap=money(each.period_cap, each.currency),
                period_days=each.period_days,
                expires_at=each.expires_at,
                state=each.state_at(visit.now),
                given=each.given,
                revoked=each.revoked,
            )
            for each in found
        ]
    )


@router.post(
    "/my/mandates/documents",
    dependencies=FOR_PEOPLE,
    summary="Draw up a mandate for a program, to be signed (customers only)",
    responses=refuses(
        ADDRESS_IS_FOR_CUSTOMERS,
        PASSKEYS_NEED_A_HOST_NAME,
        CUSTOMER_HAS_NO_PASSKEY_HERE,
        CURRENCY_MUST_BE_THE_CUSTOMERS,
        AMOUNT_IS_NOT_A_DECIMAL,
        CLIENT_MUST_EXIST,
        MANDATE_IS_NOT_VALID,
    ),
)
def draw_up_mandate(visit: Client, given: Annotated[NewMandate, Body()]) -> DocumentToSign:
    wish = own.Wish(
        client=given.program,
        purposes=tuple(each for each in mandates.PURPOSES if each in given.purposes),
        cap=own_amount(visit, given.cap.amount, given.cap.currency),
        period_cap=own_amount(visit, given.period_cap.amount, given.period_cap.currency),
        period_days=given.period_days,
        payees=tuple(given.payees),
        expires_at=given.expires_at,
    )
    document = own.draft_mandate(visit.core, session_of(visit), wish).canonical()
    return to_sign(visit, document, mandates.challenge_of(document))


@router.post(
    "/my/mandates",
    dependencies=FOR_PEOPLE,
    summary="Give the mandate that was signed (customers only)",
    responses=refuses(
        ADDRESS_IS_FOR_CUSTOMERS,
        MANDATE_IS_NOT_VALID,
        SOMETHING_ELSE_WAS_ASKED_FOR,
        CHALLENGE_DOES_NOT_FIT,
        *OF_A_PASSKEY,
        PASSKEY_MUST_WAIT,
        MANDATE_EXPIRES_WITHIN_FIVE_YEARS,
        MANDATE_IS_GIVEN_ONCE,
    ),
)
def give_mandate(visit: Client, given: Annotated[SignedDocument, Body()]) -> MandateGiven:
    given_id = own.give_mandate(visit.desk(Desk), session_of(visit), *signed(given), relying_party(visit.origin))
    return MandateGiven(id=given_id)


@router.delete(
    "/my/mandates/{id}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Take an own mandate back, at once and for good (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS, MANDATE_MUST_EXIST),
)
def revoke_mandate(visit: Client, id: UUID) -> None:  # noqa: A002 - the API's word
    own.revoke_mandate(visit.core, session_of(visit), id)


def to_sign(visit: Visit, document: bytes, challenge: bytes) -> DocumentToSign:
    """`passkeys_need_a_host_name`, `customer_has_no_passkey_here`."""
    return DocumentToSign.model_validate({"document": to_text(document)} | question(visit, challenge))


def question(visit: Visit, challenge: bytes) -> dict[str, object]:
    """What the customer's device is asked on a page of this place."""
    return own.question(visit.core, session_of(visit), challenge, relying_party(visit.origin))


def signed(given: SignedDocument) -> tuple[bytes, Assertion]:
    """The document's bytes, and what the device said."""
    return from_text("document", given.document), assertion_of(given.assertion.model_dump())


def own_amount(visit: Visit, text: str, asked: str | None = None) -> int:
    """Minor units of an amount in the currency of the customer's wallet."""
    who = own.whose(visit.core, session_of(visit))
    if asked is not None and asked != who.currency:
        raise CURRENCY_MUST_BE_THE_CUSTOMERS(customer=who.customer_id, currency=who.currency, asked=asked)
    return parse_minor(text, currency(who.currency))
