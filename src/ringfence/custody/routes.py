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
from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.authority.standing.routes import PROPOSING, ChangeProposed
from ringfence.custody import periods, placing
from ringfence.custody.customers import Customer, accounts_of, custodian_account, customer, customers
from ringfence.custody.deciding import cancel
from ringfence.custody.lifecycle import ORDER_MAY_NOT_DO_THAT_NOW
from ringfence.custody.orders import Desk, Order, find_order, order, orders, unallocated
from ringfence.custody.payees.telling import stopper, waits
from ringfence.custody.refusals import (
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    BUSINESS_DAY_MUST_BE_CLOSED_FIRST,
    CUSTODIAN_ACCOUNT_MUST_EXIST,
    CUSTOMER_MUST_EXIST,
    CUSTOMERS_MUST_BE_DIFFERENT,
    CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT,
    NO_DAY_IS_OPEN,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    ORDER_IS_SOMEBODY_ELSES,
    ORDER_MUST_EXIST,
    PAYEE_MUST_BE_THE_CUSTOMERS,
    RECEIPT_MUST_BE_UNALLOCATED,
)
from ringfence.diligence.refusals import (
    CUSTOMER_IS_RESTRICTED,
    CUSTOMER_MUST_BE_VERIFIED,
    PAYMENT_IS_ABOVE_THE_TIER,
)
from ringfence.ledger import reading
from ringfence.ledger.model import Result
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.money import AMOUNT_IS_NOT_A_DECIMAL, currency, parse_minor
from ringfence.refusal import Fault, refusal
from ringfence.vault.fields import OF_A_CUSTOMER
from ringfence.vault.keeping import masks, owner
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

CURRENCY_MUST_BE_THE_ACCOUNTS = refusal(
    "currency_must_be_the_accounts",
    Fault.INPUT,
    en="The custodian account {account} is in {currency}, the order in {asked}.",
    zh="存管账户 {account} 的币种为 {currency}，指令币种为 {asked}。",
)
RECEIPT_HAS_A_PROPOSED_OWNER = refusal(
    "receipt_has_a_proposed_owner",
    Fault.STATE,
    en="An owner of receipt {order} is proposed already ({allocation}); that is decided first.",
    zh="来款 {order} 的认领提案（{allocation}）待批，须先行决定。",
)
ALLOCATIONS_LOOKED_AT: Final = 500

router = APIRouter()
READ_CUSTOMERS: Final = [scoped("customers:read")]
WRITE_CUSTOMERS: Final = [scoped("customers:write")]
READ: Final = [scoped("orders:read")]
WRITE: Final = [scoped("orders:write")]
STANDING_IN_THE_WAY: Final = (
    RESULT_REFUSALS[Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM],
    RESULT_REFUSALS[Result.BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM],
    RESULT_REFUSALS[Result.POOL_MUST_STAY_COVERED],
)
PLACING: Final = refuses(
    SCOPE_IS_MISSING,
    PERSON_LACKS_THE_ROLE,
    MAKER_MAY_NOT_MAKE_THIS,
    CUSTOMER_MUST_EXIST,
    CUSTOMER_MUST_BE_VERIFIED,
    CUSTOMER_IS_RESTRICTED,
    PAYMENT_IS_ABOVE_THE_TIER,
    NO_DAY_IS_OPEN,
    AMOUNT_IS_NOT_A_DECIMAL,
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CURRENCY_MUST_BE_THE_CUSTOMERS,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    *STANDING_IN_THE_WAY,
)


OF_AN_ACCOUNT: Final = refuses(
    SCOPE_IS_MISSING,
    PERSON_LACKS_THE_ROLE,
    MAKER_MAY_NOT_MAKE_THIS,
    CUSTODIAN_ACCOUNT_MUST_EXIST,
    NO_DAY_IS_OPEN,
    AMOUNT_IS_NOT_A_DECIMAL,
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CURRENCY_MUST_BE_THE_ACCOUNTS,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    *STANDING_IN_THE_WAY,
)


class NewClosing(Answer):
    through: date = Field(description="A business day that is over, or one before the first.")
    reason: str = Field(max_length=REASON_CHARACTERS_MAX)


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
    """A customer with the money: `held` is on its way out, `frozen` is set aside. What is sensitive is masked."""

    customer: CustomerAnswer
    payee_account: str | None = Field(description="Masked.", examples=["LT60••••5678"])
    identity_number: str | None = Field(description="Masked.", examples=["110••••002X"])
    phone: str | None = Field(description="Masked.", examples=["138••••5678"])
    balance: Money
    available: Money
    held: Money
    frozen: Money


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
    waits_until: datetime | None = Field(None, description="While it is `cooling_off`: when the payee is old enough.")
    warning: str | None = Field(None, description="While it waits: why, and what to do, in the caller's language.")


class OrderPage(Answer):
    orders: list[OrderAnswer]
    next: str | None = Field(description="The `before` of the next page, if there is one.")


class Asked(Answer):
    """What every order says."""

    id: UUID = Field(description="Given by the maker; the same again is the same order.")
    customer: str = Field(max_length=40, examples=["c0001"])
    amount: Money
    reference: str = Field("", max_length=140)
    salt: str | None = Field(None, max_length=64, description="Random; wanted where the policy asks who asked.")
    mandate: UUID | None = Field(None, description="The customer's, for a withdrawal, freeze or transfer.")


class Withdrawal(Asked):
    payee_account: str = Field(min_length=1, max_length=34)


class Transfer(Asked):
    to_customer: str = Field(max_length=40)


class Allocation(Answer):
    id: UUID = Field(description="Given by the maker; the same again is the same order.")
    receipt: UUID = Field(description="The id of an order of `GET /receipts`.")
    customer: str = Field(max_length=40, examples=["c0001"])


class AboutAnAccount(Answer):
    """What every order says that concerns a custodian account and no customer."""

    id: UUID = Field(description="Given by the maker; the same again is the same order.")
    account: str = Field(max_length=100, examples=["bank:alpha:client"])
    amount: Money


class Funding(AboutAnAccount):
    reference: str = Field(min_length=1, max_length=140, description="What the payment will say.")


class FeeSweep(AboutAnAccount):
    payee_name: str = Field(min_length=1, max_length=140)
    payee_account: str = Field(min_length=1, max_length=34, description="The platform's own account.")
    salt: str | None = Field(None, max_length=64, description="Random; wanted where the policy asks who asked.")


class ReceiptAnswer(Answer):
    """Money that arrived and belongs to somebody nobody knows yet."""

    order: OrderAnswer
    allocation: UUID | None = Field(description="The order that proposes an owner, if there is one.")


class ReceiptList(Answer):
    receipts: list[ReceiptAnswer]


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
        orders=[order_answer(each, visit) for each in found],
        next=place_after(found[-1]) if len(found) == limit else None,
    )


@router.get("/orders/{id}", dependencies=READ, summary="One order", responses=refuses(ORDER_MUST_EXIST))
def one_order(visit: Client, id: UUID) -> OrderAnswer:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        found = order(connection, visit.book, id)
    return order_answer(found, visit)


@router.post(
    "/withdrawals",
    dependencies=WRITE,
    summary="Pay out to a payee of the customer",
    responses=PLACING | refuses(PAYEE_MUST_BE_THE_CUSTOMERS),
)
def withdraw(visit: Client, given: Annotated[Withdrawal, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    account = given.payee_account
    desk = visit.desk(Desk)
    return order_answer(
        placing.place_withdrawal(desk, given.id, given.customer, amount, payee_account=account, by=by, **_told(given)),
        visit,
    )


@router.post("/freezes", dependencies=WRITE, summary="Set available money aside", responses=PLACING)
def freeze(visit: Client, given: Annotated[Asked, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_of(visit, given)
    return order_answer(placing.place_freeze(visit.desk(Desk), given.id, given.customer, amount, by=by, **_told(given)))


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
        placing.place_transfer(desk, given.id, given.customer, given.to_customer, amount, by=by, **_told(given))
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


@router.get("/receipts", dependencies=READ, summary="Receipts that wait for their owner", responses=refuses())
def list_receipts(visit: Client) -> ReceiptList:
    return ReceiptList(
        receipts=[
            ReceiptAnswer(order=order_answer(each), allocation=found.order_id if found else None)
            for each, found in receipts(visit)
        ]
    )


@router.post(
    "/allocations",
    dependencies=WRITE,
    summary="Say whose a receipt is; somebody else approves it",
    responses=refuses(
        SCOPE_IS_MISSING,
        PERSON_LACKS_THE_ROLE,
        MAKER_MAY_NOT_MAKE_THIS,
        CUSTOMER_MUST_EXIST,
        RECEIPT_MUST_BE_UNALLOCATED,
        RECEIPT_HAS_A_PROPOSED_OWNER,
        NO_DAY_IS_OPEN,
        ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    ),
)
def allocate(visit: Client, given: Annotated[Allocation, Body()]) -> OrderAnswer:
    return order_answer(propose_allocation(visit, given.id, given.receipt, given.customer))


@router.post(
    "/fundings",
    dependencies=WRITE,
    summary="Announce the platform's own money for a shortfall",
    responses=OF_AN_ACCOUNT,
)
def fund(visit: Client, given: Annotated[Funding, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_at(visit, given.account, given.amount.amount, given.amount.currency)
    return order_answer(
        placing.announce_funding(visit.desk(Desk), given.id, given.account, amount, by=by, reference=given.reference)
    )


@router.post("/fee-sweeps", dependencies=WRITE, summary="Pay earned fees out of the pool", responses=OF_AN_ACCOUNT)
def sweep_fees(visit: Client, given: Annotated[FeeSweep, Body()]) -> OrderAnswer:
    by, amount = maker(visit), amount_at(visit, given.account, given.amount.amount, given.amount.currency)
    return order_answer(
        placing.place_fee_sweep(
            visit.desk(Desk),
            given.id,
            given.account,
            amount,
            payee_name=given.payee_name,
            payee_account=given.payee_account,
            by=by,
        )
    )


@router.post(
    "/periods/closings",
    dependencies=FOR_PEOPLE,
    summary="Propose to close every value date up to a day, for good (people only)",
    responses=refuses(
        *PROPOSING,
        BUSINESS_DAY_MUST_BE_CLOSED_FIRST,
        RESULT_REFUSALS[Result.PERIOD_MUST_HAVE_ENDED],
        RESULT_REFUSALS[Result.PERIOD_MUST_BE_LATER_THAN_THE_LAST_CLOSED],
    ),
)
def propose_closing(visit: Client, given: Annotated[NewClosing, Body()]) -> ChangeProposed:
    made = periods.propose_closing(visit.core, session_of(visit), given.through, given.reason)
    return ChangeProposed(proposal=made.proposal_id, sha256=made.payload_sha256.hex())


@router.post(
    "/orders/{id}/cancellation",
    dependencies=WRITE,
    summary="Cancel an order on which nobody has decided yet, or that waits for a new payee",
    responses=refuses(
        SCOPE_IS_MISSING, PERSON_LACKS_THE_ROLE, ORDER_MUST_EXIST, ORDER_MAY_NOT_DO_THAT_NOW, ORDER_IS_SOMEBODY_ELSES
    ),
)
def cancel_order(visit: Client, id: UUID) -> OrderAnswer:  # noqa: A002 - the API's word
    return order_answer(cancel(visit.desk(Desk), id, by=stopper(visit.person.actor)))


def maker(visit: Visit) -> Actor:
    """Who places orders: a program whose scope was checked, or a treasurer."""
    actor: Actor = visit.person.actor
    if isinstance(actor, Session):
        actor.require_role(Role.TREASURER)
    return actor


def _told(given: Asked) -> dict[str, Any]:
    return {"reference": given.reference, "mandate": given.mandate}


def amount_of(visit: Visit, given: Asked) -> int:
    """Minor units of what is asked, in the customer's currency."""
    with visit.core.connection() as connection:
        unit = customer(connection, visit.book, given.customer).currency
    if given.amount.currency != unit:
        raise CURRENCY_MUST_BE_THE_CUSTOMERS(customer=given.customer, currency=unit, asked=given.amount.currency)
    return parse_minor(given.amount.amount, currency(unit))


def amount_at(visit: Visit, account_name: str, amount: str, asked: str | None = None) -> int:
    """Minor units of what is asked of a custodian account, in its currency."""
    with visit.core.connection() as connection:
        unit = custodian_account(connection, visit.book, account_name).currency
    if asked is not None and asked != unit:
        raise CURRENCY_MUST_BE_THE_ACCOUNTS(account=account_name, currency=unit, asked=asked)
    return parse_minor(amount, currency(unit))


def receipts(visit: Visit) -> list[tuple[Order, Order | None]]:
    """Receipts without an owner, the oldest first, each with the order that proposes one."""
    with visit.core.connection() as connection:
        waiting = unallocated(connection, visit.book)
        proposed = orders(
            connection, visit.book, kind="allocation", state="awaiting_approval", limit=ALLOCATIONS_LOOKED_AT
        )
    found = {each.reference: each for each in proposed}
    return [(each, found.get(str(each.order_id))) for each in waiting]


def propose_allocation(visit: Visit, order_id: UUID, receipt: UUID, customer_id: str) -> Order:
    """Propose an owner for a receipt that has none and for which nobody else was proposed."""
    by = maker(visit)
    with visit.core.connection() as connection:
        again = find_order(connection, visit.book, order_id)
    waiting = {each.order_id: proposed for each, proposed in receipts(visit)}
    if again is None and receipt not in waiting:
        raise RECEIPT_MUST_BE_UNALLOCATED(order=receipt)
    if again is None and (proposed := waiting[receipt]):
        raise RECEIPT_HAS_A_PROPOSED_OWNER(order=receipt, allocation=proposed.order_id)
    return placing.propose_allocation(visit.desk(Desk), order_id, receipt, customer_id, by=by)


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
    """The two accounts of a customer, as they were before a row; empty ones of who is not verified yet."""
    if found.available is None:
        names = dict(zip(("available", "frozen"), accounts_of(found.customer_id), strict=True))
        return {
            part: reading.Balance(0, name, found.currency, "credit", owner(found.customer_id), "client", 0, 0, 0)
            for part, name in names.items()
        }
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
        masked = masks(connection, visit.book, OF_A_CUSTOMER, [customer_id])[customer_id]
    parts = wallet(visit, found)
    free, frozen = parts["available"], parts["frozen"]
    return WalletAnswer(
        customer=customer_answer(found),
        **{each.name: masked.get(each.name) or None for each in OF_A_CUSTOMER},
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


def order_answer(found: Order, visit: Visit | None = None) -> OrderAnswer:
    wait = waits(visit.core, [found], visit.now).get(found.order_id) if visit else None
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
        waits_until=wait.until if wait else None,
        warning=wait.warning(visit.language) if wait and visit else None,
        **told,
    )
