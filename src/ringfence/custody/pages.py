"""Custody's pages: customers with their wallets, orders with everything that happened to them, the day's orders."""

from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Form, Path, Query
from fastapi.responses import Response

from ringfence.authority import proposals
from ringfence.authority.backing import CORRECTION
from ringfence.authority.origin.mandates import PURPOSES
from ringfence.authority.people import logins_of
from ringfence.authority.policy import policy_in_force
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.banking.desk import custodian_accounts
from ringfence.banking.payee import ACT as NEW_PAYEE
from ringfence.banking.payment_status import Outcome
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.custody import corrections, periods, placing
from ringfence.custody.corrections import pages as correction_pages
from ringfence.custody.corrections.routes import router
from ringfence.custody.customers import customer, customers, fees_due, platform_funding
from ringfence.custody.days import days
from ringfence.custody.deciding import cancel, decide_order
from ringfence.custody.lifecycle import LIFECYCLE, may_move, states
from ringfence.custody.orders import Desk, Order, order, orders, orders_by_state, unallocated
from ringfence.custody.own.pages import OWN_NOTICES, all_left, left, pages
from ringfence.custody.payees import pages as payee_pages
from ringfence.custody.payees.telling import MAY_STOP, stopper, waits
from ringfence.custody.personal import erasure
from ringfence.custody.routes import (
    amount_at,
    maker,
    place_after,
    place_of,
    propose_allocation,
    receipts,
    wallet,
)
from ringfence.diligence.files import find_file
from ringfence.diligence.pages import TONES as FILE_TONES
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import Kind
from ringfence.ledger.routes import code_word, point
from ringfence.risk.reading import decision_of
from ringfence.vault.erasure import ACT as ERASURE
from ringfence.vault.erasure import is_erased
from ringfence.vault.fields import MAY_SEE, OF_A_CUSTOMER, ORDER_ACCOUNT, PAYMENT
from ringfence.vault.keeping import masks
from ringfence.web.fields import PAGE_ROWS, Day, Sequence, Text
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

OWN_ORDERS_SHOWN: Final = 10
_ASTRAY: Final = frozenset({"refused", "rejected", "failed", "cancelled", "returned", "unallocated"})
STATES: Final = tuple(dict.fromkeys(state for kind in LIFECYCLE for state in states(kind)))


@pages.get("/customers")
def list_customers(visit: Signed, search: Text = None, after: Text = None) -> Response:
    with visit.core.connection() as connection:
        reading.project(connection, visit.book)
        found = customers(connection, visit.book, search or "", after=after or "", limit=PAGE_ROWS)
        standing = {
            each.customer_id: [
                reading.balance(connection, visit.book, f"customer:{each.customer_id}:{part}")
                for part in ("available", "frozen")
            ]
            for each in found
            if each.available is not None
        }
    more = urlencode({"search": search or "", "after": found[-1].customer_id}) if len(found) == PAGE_ROWS else None
    return visit.page(
        "custody/customers.html",
        customers=found,
        standing=standing,
        search=search,
        older=f"/customers?{more}" if more else None,
        newest="/customers?" + urlencode({"search": search or ""}) if after else None,
    )


@pages.get("/customers/{customer_id}")
def one_customer(
    visit: Signed,
    customer_id: Annotated[str, Path(max_length=40)],
    part: Annotated[str, Query(pattern="^(available|frozen)$")] = "available",
    before: Sequence = None,
    day: Day = None,
) -> Response:
    with visit.core.connection() as connection:
        found = customer(connection, visit.book, customer_id)
        last = point(connection, visit, before, day)
        account = f"customer:{customer_id}:{part}"
        parts = wallet(visit, found, last)
        lines = (
            reading.statement(connection, visit.book, account, last=last, limit=PAGE_ROWS)
            if found.available is not None
            else []
        )
        names = reading.account_names(connection, visit.book, [line.counter_account for line in lines])
        recent = orders(connection, visit.book, customer_id=customer_id, limit=10)
        masked = masks(connection, visit.book, OF_A_CUSTOMER, [customer_id])[customer_id]
        erased = is_erased(connection, visit.book, customer_id)
        logins = logins_of(connection, visit.book, customer_id)
        file = find_file(connection, visit.book, customer_id)
    here = f"/customers/{customer_id}"
    older = f"{here}?{urlencode({'part': part, 'before': lines[-1].sequence})}" if len(lines) == PAGE_ROWS else None
    return visit.page(
        "custody/customer.html",
        customer=found,
        parts=parts,
        part=part,
        account=account,
        lines=lines,
        names=names,
        orders=recent,
        waits=all_left(visit, recent),
        code_word=code_word,
        before=before,
        day=day,
        older=older,
        newest=here if before is not None or day else None,
        kept=urlencode({key: value for key, value in {"before": before, "day": day}.items() if value is not None}),
        masked=masked,
        erased=erased,
        logins=logins,
        administers=visit.person.has_role(Role.SECURITY_ADMIN),
        file=file,
        file_tones=FILE_TONES,
        may_see=visit.person.has_role(*MAY_SEE),
        may_erase=visit.person.has_role(Role.TREASURER, Role.RISK_OFFICER) and not erased,
        may_propose=visit.person.has_role(Role.TREASURER) and not erased,
        may_remove=visit.person.has_role(*MAY_STOP),
        reason_max=REASON_CHARACTERS_MAX,
        **payee_pages.shown(visit, customer_id),
    )


@pages.post("/customers/{customer_id}/erasure")
def propose_erasure(
    visit: Signed,
    customer_id: Annotated[str, Path(max_length=40)],
    reason: Annotated[str, Form(max_length=REASON_CHARACTERS_MAX)] = "",
) -> Response:
    made = erasure.propose_erasure(visit.core, session_of(visit), customer_id, reason)
    return visit.go(f"/approvals/{made.proposal_id}", said="change_proposed")


@pages.get("/orders")
def list_orders(
    visit: Signed,
    state: Text = None,
    kind: Text = None,
    day: Day = None,
    customer: Text = None,
    before: Annotated[str | None, Query(max_length=80)] = None,
) -> Response:
    asked: dict[str, Any] = {"state": state, "kind": kind, "day": day, "customer": customer}
    with visit.core.connection() as connection:
        found = orders(
            connection,
            visit.book,
            state=state,
            kind=kind,
            day=day,
            customer_id=customer,
            before=place_of(before),
            limit=PAGE_ROWS,
        )
    kept = {name: value for name, value in asked.items() if value is not None}
    older = urlencode({**kept, "before": place_after(found[-1])}) if len(found) == PAGE_ROWS else None
    return visit.page(
        "custody/orders.html",
        orders=found,
        asked=asked,
        kinds=list(LIFECYCLE),
        states=STATES,
        waits=all_left(visit, found),
        may_stop=visit.person.has_role(*MAY_STOP),
        older=f"/orders?{older}" if older else None,
        newest=f"/orders?{urlencode(kept)}" if before else None,
    )


@pages.get("/orders/{order_id}")
def one_order(visit: Signed, order_id: UUID) -> Response:
    """An order with its steps, its rows, why risk decided so, who approved it, and what the bank said."""
    with visit.core.connection() as connection:
        found = order(connection, visit.book, order_id)
        rows = reading.rows_of_order(connection, visit.book, order_id)
        decision = decision_of(connection, visit.book, order_id)
        asked = proposals.proposals_of_order(connection, visit.book, order_id)
        policy = policy_in_force(connection, visit.book, visit.now).policy
        question = {"book": visit.book, "order_id": order_id}
        submission = connection.execute(BANKING.submission_of, question).fetchone()
        statuses = connection.execute(BANKING.statuses_of, question).fetchall()
        withheld = connection.execute(BANKING.withheld_of, question).fetchall()
        masked = masks(connection, visit.book, [ORDER_ACCOUNT, PAYMENT], [str(order_id)])[str(order_id)]
        moved = corrections.correctable(connection, visit.book, rows)
    rules = visit.desk(Desk).risk.rules
    return visit.page(
        "custody/order.html",
        order=found,
        steps=steps(found, rows),
        rows=rows,
        moved=moved,
        may_correct=visit.person.has_role(Role.TREASURER),
        decision=decision,
        reasons=[reason.sentence(rules, visit.language) for reason in decision.reasons] if decision else [],
        proposals=asked,
        titles={name: act.title_zh if visit.language == "zh" else act.title_en for name, act in policy.acts.items()},
        submission=submission,
        statuses=statuses,
        withheld=withheld,
        masked=masked,
        may_see=visit.person.has_role(*MAY_SEE),
        code_word=code_word,
        may_cancel=visit.person.has_role(*MAY_STOP) and may_move(found.kind, found.state, "cancelled"),
        wait=(wait := waits(visit.core, [found], visit.now).get(order_id)),
        left=left(visit, wait) if wait else None,
    )


@pages.post("/orders/{order_id}/cancellation")
def cancel_order(visit: Signed, order_id: UUID) -> Response:
    cancel(visit.desk(Desk), order_id, by=stopper(visit.person.actor))
    return visit.go(f"/orders/{order_id}", said="order_cancelled")


@pages.get("/receipts")
def list_receipts(visit: Signed) -> Response:
    """Money whose owner nobody knows, with a form to name one; a treasurer proposes, somebody else approves."""
    found = [(each, proposed, visit.core.new_id()) for each, proposed in receipts(visit)]
    return visit.page("custody/receipts.html", receipts=found, may_propose=visit.person.has_role(Role.TREASURER))


@pages.post("/receipts/{order_id}/allocation")
def allocate(
    visit: Signed,
    order_id: UUID,
    identity: Annotated[UUID, Form()],
    customer: Annotated[str, Form(max_length=40)],
) -> Response:
    made = propose_allocation(visit, identity, order_id, customer.strip())
    return visit.go(f"/orders/{made.order_id}", said="owner_proposed")


@pages.get("/own-money")
def own_money(visit: Signed) -> Response:
    """What is the platform's in and beside the pool: fees earned and not yet swept, own money paid in."""
    with visit.core.connection() as connection:
        reading.project(connection, visit.book)
        accounts = custodian_accounts(connection, visit.book)
        standing = {
            unit: [
                reading.balance(connection, visit.book, name(unit)).available for name in (fees_due, platform_funding)
            ]
            for unit in dict.fromkeys(each.currency for each in accounts)
        }
        recent = {
            kind: orders(connection, visit.book, kind=kind, limit=OWN_ORDERS_SHOWN) for kind in ("funding", "fee_sweep")
        }
    return visit.page(
        "custody/own_money.html",
        accounts=accounts,
        standing=standing,
        recent=recent,
        identities=[visit.core.new_id(), visit.core.new_id()],
        may_propose=visit.person.has_role(Role.TREASURER),
    )


@pages.post("/own-money/fundings")
def announce_funding(
    visit: Signed,
    identity: Annotated[UUID, Form()],
    account: Annotated[str, Form(max_length=100)],
    amount: Annotated[str, Form(max_length=40)],
    reference: Annotated[str, Form(min_length=1, max_length=140)],
) -> Response:
    by, minor = maker(visit), amount_at(visit, account, amount.strip())
    made = placing.announce_funding(visit.desk(Desk), identity, account, minor, by=by, reference=reference.strip())
    return visit.go(f"/orders/{made.order_id}", said="funding_announced")


@pages.post("/own-money/fee-sweeps")
def sweep_fees(
    visit: Signed,
    identity: Annotated[UUID, Form()],
    account: Annotated[str, Form(max_length=100)],
    amount: Annotated[str, Form(max_length=40)],
    payee_name: Annotated[str, Form(min_length=1, max_length=140)],
    payee_account: Annotated[str, Form(min_length=1, max_length=34)],
) -> Response:
    by, minor = maker(visit), amount_at(visit, account, amount.strip())
    made = placing.place_fee_sweep(
        visit.desk(Desk),
        identity,
        account,
        minor,
        payee_name=payee_name.strip(),
        payee_account=payee_account.strip(),
        by=by,
    )
    return visit.go(f"/orders/{made.order_id}", said="fee_sweep_placed")


@pages.post("/rules/closings")
def propose_closing(
    visit: Signed, through: Annotated[date, Form()], reason: Annotated[str, Form(max_length=300)] = ""
) -> Response:
    made = periods.propose_closing(visit.core, session_of(visit), through, reason)
    return visit.go(f"/approvals/{made.proposal_id}", said="change_proposed")


def steps(found: Order, rows: list[reading.JournalLine]) -> list[tuple[str, str]]:
    """The states that the order has passed, where it is, and where it goes if all goes well: (state, place), the place
    being "done", "here" or "ahead". What happened is read from the journal, what may happen from the lifecycle.
    """
    passed = [
        str(row.said.get("state")) for row in rows if row.kind == Kind.EVENT and row.code == EventName.ORDER_STATE
    ]
    path = [(state, "done") for state in passed[:-1]] + [(found.state, "here")]
    state, seen = found.state, {*passed, found.state}
    while True:
        ahead = [
            after
            for before, _, after in LIFECYCLE[found.kind]
            if before == state and after not in _ASTRAY and after not in seen
        ]
        if not ahead:
            return path
        state = ahead[0]
        seen.add(state)
        path.append((state, "ahead"))


def _ownerless(visit: Visit) -> int:
    with visit.core.connection() as connection:
        return len(unallocated(connection, visit.book))


def _orders_panel(visit: Visit) -> dict[str, Any]:
    with visit.core.connection() as connection:
        known = days(connection, visit.book, 1)
        last = known[0] if known else None
        found = orders_by_state(connection, visit.book, last["day"] if last else None)
        ownerless = unallocated(connection, visit.book)
    return {"last": last, "counted": found, "unallocated": ownerless}


def _carry_out(visit: Visit, proposal_id: UUID) -> None:
    with visit.core.connection() as connection:
        about = proposals.proposal_of(connection, visit.book, proposal_id).order_id
    if about is not None:
        decide_order(visit.desk(Desk), about)


def _erase(visit: Visit, proposal_id: UUID) -> None:
    if proposals.is_complete(visit.core, proposal_id):
        erasure.carry_out_erasure(visit.core, proposal_id)


MODULE: Final = Module(
    package="custody",
    router=router,
    pages=pages,
    panels=[Panel("orders", msg("Orders of the day"), 60, "custody/panel.html", _orders_panel)],
    entries=[
        Entry("/customers", msg("Customers"), Part.MONEY, 10),
        Entry("/orders", msg("Orders"), Part.MONEY, 20),
        Entry("/receipts", msg("Unallocated receipts"), Part.MONEY, 22, _ownerless),
        Entry("/own-money", msg("Own money"), Part.MONEY, 24),
        Entry("/corrections", msg("Corrections"), Part.MONEY, 26),
        Entry("/my", msg("My money"), Part.OWN, 1),
        Entry("/my/orders", msg("My orders"), Part.OWN, 2),
        Entry("/my/payees", msg("My payees"), Part.OWN, 3),
        Entry("/my/mandates", msg("My mandates"), Part.OWN, 4),
    ],
    carries_out=dict.fromkeys(("payout", "fee_sweep", "hold_release", "allocation", "funding"), _carry_out)
    | {ERASURE: _erase, NEW_PAYEE: payee_pages.carry_out, CORRECTION: correction_pages.carry_out},
    words={
        "order kind": list(LIFECYCLE),
        "order state": list(STATES),
        "payee state": ["proposed", "active", "removed"],
        "nature": ["person", "firm"],
        "wallet part": ["available", "frozen"],
        "mandate purpose": list(PURPOSES),
        "mandate state": ["active", "expired", "revoked"],
        "outcome": ["allow", "hold", "refuse"],
        "payment status": [outcome.value for outcome in Outcome],
        "fact": [
            "kind", "customer", "to_customer", "debtor_account", "creditor_name", "creditor_account", "reference",
            "payment_sha256", "receipt", "payer", "text", "payee", "payee_sha256",
            "transfer", "debit", "credit", "debit_account", "credit_account", "journal_row", "purpose",
        ],
        "notice": [
            "order_cancelled", "owner_proposed", "funding_announced", "fee_sweep_placed", "payee_proposed",
            "payee_removed", *OWN_NOTICES, *correction_pages.NOTICES,
        ],
    },
)  # fmt: skip
