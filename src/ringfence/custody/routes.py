"""Custody over HTTP: customers, and orders from placing to their end.

An order carries the id that its maker gave it, so that a lost answer is asked for again with the same request; the same
id with another content is refused. A program needs the scope `orders:write`, a person the role of a treasurer.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from ringfence.authority.actors import Actor, Session
from ringfence.authority.refusals import MAKER_MAY_NOT_MAKE_THIS, PERSON_LACKS_THE_ROLE, SCOPE_IS_MISSING
from ringfence.authority.roles import Role
from ringfence.custody import placing
from ringfence.custody.customers import Customer, customer, customers, register
from ringfence.custody.deciding import cancel
from ringfence.custody.lifecycle import ORDER_MAY_NOT_DO_THAT_NOW
from ringfence.custody.orders import Desk, Order, order, orders
from ringfence.custody.refusals import (
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CUSTODIAN_ACCOUNT_MUST_EXIST,
    CUSTOMER_ID_IS_NOT_A_WORD,
    CUSTOMER_IS_REGISTERED_ALREADY,
    CUSTOMER_MUST_EXIST,
    CUSTOMERS_MUST_BE_DIFFERENT,
    CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT,
    NO_DAY_IS_OPEN,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    ORDER_MUST_EXIST,
)
from ringfence.ledger import reading
from ringfence.ledger.model import Result
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.money import AMOUNT_IS_NOT_A_DECIMAL, currency, parse_minor
from ringfence.refusal import Fault, refusal
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Day, Limit, Text
from ringfence.web.refusals import REQUEST_IS_MALFORMED
from ringfence.web.visit import Client, Visit, scoped

CURRENCY_MUST_BE_THE_CUSTOMERS = refusal(
    "currency_must_be_the_customers",
    Fault.INPUT,
    en="The wallet of {customer} is in {currency}, the order in {asked}.",
    zh="客户 {customer} 的钱包币种为 {currency}，指令币种为 {asked}。",
)

router = APIRouter()
READ_CUSTOMERS: Final = [scoped("customers:read")]
WRITE_CUSTOMERS: Final = [scoped("customers:write")]
READ: Final = [scoped("orders:read")]
WRITE: Final = [scoped("orders:write")]
PLACING: Final = refuses(
    SCOPE_IS_MISSING,
    PERSON_LACKS_THE_ROLE,
    MAKER_MAY_NOT_MAKE_THIS,
    CUSTOMER_MUST_EXIST,
    NO_DAY_IS_OPEN,
    AMOUNT_IS_NOT_A_DECIMAL,
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CURRENCY_MUST_BE_THE_CUSTOMERS,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    RESULT_REFUSALS[Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM],
)


class CustomerAnswer(Answer):
    id: str
    name: str
    nature: str = Field(examples=["person", "firm"])
    bank: str = Field(description="The custodian account that holds the money.")
    reference: str = Field(description="What a payer writes so that the money finds this customer.")
    registered_at: datetime


class CustomerPage(Answer):
    customers: list[CustomerAnswer]
    next: str | None = Field(description="The `after` of the next page, if there is one.")


class WalletAnswer(Answer):
    """A customer with the money: `held` is on its way out, `frozen` is set aside."""

    customer: CustomerAnswer
    balance: Money
    available: Money
    held: Money
    frozen: Money


class NewCustomer(Answer):
    id: str = Field(max_length=40, examples=["c0001"])
    name: str = Field(min_length=1, max_length=140)
    nature: str = Field(pattern="^(person|firm)$")
    payee_account: str = Field(min_length=1, max_length=34, description="The customer's own account elsewhere.")
    bank: str = Field(description="The custodian account that is to hold the money.")


class OrderAnswer(Answer):
    id: UUID
    kind: str
    state: str
    day: date
    customer: str | None
    other_customer: str | None
    account: str | None
    amount: Money
    payee_name: str | None
    reference: str
    maker: str
    placed_at: datetime
    moved_at: datetime


class OrderPage(Answer):
    orders: list[OrderAnswer]
    next: str | None = Field(description="The `before` of the next page, if there is one.")


class Asked(Answer):
    """What every order says."""

    id: UUID = Field(description="Given by the maker; the same again is the same order.")
    customer: str = Field(max_length=40, examples=["c0001"])
    amount: Money
    reference: str = Field("", max_length=140)


class Withdrawal(Asked):
    payee_account: str = Field(min_length=1, max_length=34)


class Transfer(Asked):
    to_customer: str = Field(max_length=40)


@router.get("/customers", dependencies=READ_CUSTOMERS, summary="Customers, by id", responses=refuses())
def list_customers(visit: Client, search: Text = None, after: Text = None, limit: Limit = PAGE_ROWS) -> CustomerPage:
    with visit.core.connection() as connection:
        found = customers(connection, visit.book, search or "", after=after or "", limit=limit)
    return CustomerPage(
        customers=[customer_answer(each) for each in found],
        next=found[-1].customer_id if len(found) == limit else None,
    )


@router.get(
    "/customers/{id}", dependencies=READ_CUSTOMERS, summary="One customer", responses=refuses(CUSTOMER_MUST_EXIST)
)
def one_customer(visit: Client, id: Annotated[str, Path(max_length=40)]) -> WalletAnswer:  # noqa: A002 - the API's word
    return wallet_answer(visit, id)


@router.post(
    "/customers",
    dependencies=WRITE_CUSTOMERS,
    summary="Register a customer",
    responses=refuses(
        PERSON_LACKS_THE_ROLE, CUSTOMER_ID_IS_NOT_A_WORD, CUSTOMER_IS_REGISTERED_ALREADY, CUSTODIAN_ACCOUNT_MUST_EXIST
    ),
)
def register_customer(visit: Client, given: Annotated[NewCustomer, Body()]) -> WalletAnswer:
    maker(visit)
    register(
        visit.core,
        given.id,
        name=given.name,
        nature=given.nature,
        payee_account=given.payee_account,
        bank=given.bank,
    )
    return wallet_answer(visit, given.id)


@router.get("/orders", dependencies=READ, summary="Orders, the latest first", responses=refuses())
def list_orders(
    visit: Client,
    state: Text = None,
    kind: Text = None,
    day: Day = None,
    customer: Text = None,
    before: Annotated[str | None, Query(max_length=80, description="From `next` of the page before.")] = None,
    limit: Limit = PAGE_ROWS,
) -> OrderPage:
    with visit.core.connection() as connection:
        found = orders(
            connection,
            visit.book,
            state=state,
            kind=kind,
            day=day,
            customer_id=customer,
            before=place_of(before),
            limit=limit,
        )
    return OrderPage(
        orders=[order_answer(each) for each in found], next=place_after(found[-1]) if len(found) == limit else None
    )


@router.get("/orders/{id}", dependencies=READ, summary="One order", responses=refuses(ORDER_MUST_EXIST))
def one_order(visit: Client, id: UUID) -> OrderAnswer:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        return order_answer(order(connection, visit.book, id))


@router.post("/withdrawals", dependencies=WRITE, summary="Pay out to a customer's own account", responses=PLACING)
def withdraw(visit: Client, given: Annotated[Withdrawal, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    account = given.payee_account
    desk = visit.desk(Desk)
    return order_answer(
        placing.place_withdrawal(
            desk, given.id, given.customer, amount, payee_account=account, by=by, reference=given.reference
        )
    )


@router.post("/freezes", dependencies=WRITE, summary="Set available money aside", responses=PLACING)
def freeze(visit: Client, given: Annotated[Asked, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    return order_answer(
        placing.place_freeze(visit.desk(Desk), given.id, given.customer, amount, by=by, reference=given.reference)
    )


@router.post("/releases", dependencies=WRITE, summary="Make frozen money available again", responses=PLACING)
def release(visit: Client, given: Annotated[Asked, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    return order_answer(
        placing.place_release(visit.desk(Desk), given.id, given.customer, amount, by=by, reference=given.reference)
    )


@router.post(
    "/transfers",
    dependencies=WRITE,
    summary="Move money to another customer",
    responses=PLACING | refuses(CUSTOMERS_MUST_BE_DIFFERENT, CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT),
)
def transfer(visit: Client, given: Annotated[Transfer, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    desk = visit.desk(Desk)
    return order_answer(
        placing.place_transfer(
            desk, given.id, given.customer, given.to_customer, amount, by=by, reference=given.reference
        )
    )


@router.post("/fees", dependencies=WRITE, summary="Take a fee of the published tariff", responses=PLACING)
def fee(visit: Client, given: Annotated[Asked, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    return order_answer(
        placing.place_fee(visit.desk(Desk), given.id, given.customer, amount, by=by, reference=given.reference)
    )


@router.post("/deposits", dependencies=WRITE, summary="Announce money that is to come", responses=PLACING)
def deposit(visit: Client, given: Annotated[Asked, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    return order_answer(
        placing.announce_deposit(visit.desk(Desk), given.id, given.customer, amount, by=by, reference=given.reference)
    )


@router.post(
    "/orders/{id}/cancellation",
    dependencies=WRITE,
    summary="Cancel an order on which nobody has decided yet",
    responses=refuses(SCOPE_IS_MISSING, PERSON_LACKS_THE_ROLE, ORDER_MUST_EXIST, ORDER_MAY_NOT_DO_THAT_NOW),
)
def cancel_order(visit: Client, id: UUID) -> OrderAnswer:  # noqa: A002 - the API's word
    maker(visit)
    return order_answer(cancel(visit.desk(Desk), id))


def maker(visit: Visit) -> Actor:
    """Who places orders: a program whose scope was checked, or a treasurer."""
    actor: Actor = visit.person.actor
    if isinstance(actor, Session):
        actor.require_role(Role.TREASURER)
    return actor


def amount_of(visit: Visit, given: Asked) -> int:
    """Minor units of what is asked, in the customer's currency."""
    with visit.core.connection() as connection:
        unit = customer(connection, visit.book, given.customer).currency
    if given.amount.currency != unit:
        raise CURRENCY_MUST_BE_THE_CUSTOMERS(customer=given.customer, currency=unit, asked=given.amount.currency)
    return parse_minor(given.amount.amount, currency(unit))


def place_after(found: Order) -> str:
    """Where the page after this order begins."""
    return f"{found.placed_at.isoformat()}~{found.order_id}"


def place_of(text: str | None) -> tuple[datetime, UUID] | None:
    if not text:
        return None
    at, _, identity = text.partition("~")
    try:
        return datetime.fromisoformat(at.replace(" ", "+")), UUID(identity)
    except ValueError as error:
        raise REQUEST_IS_MALFORMED(detail="before") from error


def wallet(visit: Visit, found: Customer, before: int = reading.LATEST) -> dict[str, reading.Balance]:
    """The two accounts of a customer, as they were before a row."""
    with visit.core.connection() as connection:
        if before == reading.LATEST:
            reading.project(connection, visit.book)
        return {
            part: reading.balance(connection, visit.book, f"customer:{found.customer_id}:{part}", before=before)
            for part in ("available", "frozen")
        }


def wallet_answer(visit: Visit, customer_id: str) -> WalletAnswer:
    with visit.core.connection() as connection:
        found = customer(connection, visit.book, customer_id)
    parts = wallet(visit, found)
    free, frozen = parts["available"], parts["frozen"]
    return WalletAnswer(
        customer=customer_answer(found),
        balance=money(free.balance + frozen.balance, found.currency),
        available=money(free.available, found.currency),
        held=money(free.held, found.currency),
        frozen=money(frozen.balance, found.currency),
    )


def customer_answer(found: Customer) -> CustomerAnswer:
    told: dict[str, Any] = {
        name: getattr(found, name) for name in ("name", "nature", "bank", "reference", "registered_at")
    }
    return CustomerAnswer(id=found.customer_id, **told)


def order_answer(found: Order) -> OrderAnswer:
    told: dict[str, Any] = {
        name: getattr(found, name)
        for name in (
            "kind", "state", "day", "other_customer", "payee_name", "reference", "maker", "placed_at", "moved_at"
        )
    }  # fmt: skip
    return OrderAnswer(
        id=found.order_id,
        customer=found.customer_id,
        account=found.account_name,
        amount=money(found.amount, found.currency),
        **told,
    )
