"""Placing an order: one straight path, checks in declared order.

  1  the same order again is answered with the order as it stands; the same id with other content is refused
  2  a business day is open; the customer exists; the amount is positive; the payee is one of the customer's
  3  the customer is verified and not restricted, and the tier allows it (`wallets.require_order`)
  4  where money leaves and the policy wants to know who asks for it, that is shown (`authority.origin`)
  5  risk decides: allow, hold or refuse
  6  the policy says who has to agree, at this hour and this score, and whether the payee is too new for this amount
  7  one append: the order's state, who asked, the decision, the money (moved, held or left alone), and what follows at
     once: a proposal for people, or the payment order for the gateway

If the hour turns, the payee is paid or the risk rules change between 5 and 7, the append is refused whole and the path
walked again.

If the money is not there, the ledger refuses the append whole: nothing is left but the refusal's own rows, and the
answer is final for that order id.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from ringfence.authority.actors import Actor, maker_of
from ringfence.authority.escalations import Seen
from ringfence.authority.origin import Payment
from ringfence.authority.origin.mandates import mandate_of, require_payee
from ringfence.authority.origin.mandates import read as read_mandate
from ringfence.authority.origin.refusals import MANDATE_MUST_EXIST
from ringfence.authority.origin.stating import Stated, stated
from ringfence.authority.passkeys.counter import journaled
from ringfence.authority.policy import PolicyVersion, policy_in_force, required
from ringfence.authority.proposals import Drafted, draft
from ringfence.authority.queries import QUERIES as AUTHORITY
from ringfence.authority.refusals import REQUIREMENT_CHANGED_MEANWHILE, RULES_CHANGED_MEANWHILE
from ringfence.authority.rule_packs import judged
from ringfence.banking.instruction import Instruction
from ringfence.core import Core
from ringfence.custody import lifecycle
from ringfence.custody.customers import Customer, custodian_account, customer, fees_due
from ringfence.custody.days import current_day
from ringfence.custody.orders import (
    PURPOSES,
    Asked,
    Desk,
    Order,
    find_order,
    inserted,
    kept_origin,
    kept_payment,
    order,
    payment_event,
    payment_order,
    state_event,
    stored,
)
from ringfence.custody.payees.register import Payee, payee_with
from ringfence.custody.payees.waiting import letting_go, pays, prospect
from ringfence.custody.refusals import (
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CUSTOMERS_MUST_BE_DIFFERENT,
    CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    PAYEE_MUST_BE_THE_CUSTOMERS,
    PAYEE_WAS_PAID_MEANWHILE,
    RECEIPT_MUST_BE_UNALLOCATED,
)
from ringfence.custody.wallets import receiving, require_order, require_receiver, wallet_of
from ringfence.database.connection import Connection
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.reading import account
from ringfence.money import currency, format_minor
from ringfence.refusal import Refused
from ringfence.risk.decision import Decision, OrderFacts, Outcome
from ringfence.risk.desk import renew
from ringfence.vault.fields import MANDATE, PAYEE, Shape, mask

_ATTEMPTS: Final = 5
_TURNED_MEANWHILE: Final = (REQUIREMENT_CHANGED_MEANWHILE, PAYEE_WAS_PAID_MEANWHILE, RULES_CHANGED_MEANWHILE)


@dataclass(frozen=True)
class Movement:
    """From which ledger account to which."""

    debit: int
    credit: int


def place_withdrawal(
    desk: Desk,
    order_id: UUID,
    customer_id: str,
    amount: int,
    *,
    payee_account: str,
    by: Actor,
    reference: str = "",
    mandate: UUID | None = None,
) -> Order:
    """Hold the money and have it paid to the customer's own account at another bank (提现)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
        bank = custodian_account(connection, desk.core.book.book_id, who.bank)
    asked = Asked(order_id, "withdrawal", amount, who.currency, maker_of(by), customer_id, account_name=bank.name)
    asked = replace(asked, payee_name=who.name, payee_account=payee_account, reference=reference)
    return _place(desk, by, asked, who, Movement(wallet_of(who).available, bank.ledger_account), mandate=mandate)


def place_freeze(
    desk: Desk,
    order_id: UUID,
    customer_id: str,
    amount: int,
    *,
    by: Actor,
    reference: str,
    mandate: UUID | None = None,
) -> Order:
    """Move money from available to frozen, for a bid or by a lawful order (冻结)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
    asked = Asked(order_id, "freeze", amount, who.currency, maker_of(by), customer_id, reference=reference)
    return _place(desk, by, asked, who, Movement(wallet_of(who).available, wallet_of(who).frozen), mandate=mandate)


def place_release(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, by: Actor, reference: str) -> Order:
    """Move money from frozen back to available (解冻)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
    asked = Asked(order_id, "release", amount, who.currency, maker_of(by), customer_id, reference=reference)
    return _place(desk, by, asked, who, Movement(wallet_of(who).frozen, wallet_of(who).available))


def place_transfer(
    desk: Desk,
    order_id: UUID,
    customer_id: str,
    to_customer: str,
    amount: int,
    *,
    by: Actor,
    reference: str = "",
    mandate: UUID | None = None,
) -> Order:
    """Move money from one customer to another at the same custodian account."""
    if customer_id == to_customer:
        raise CUSTOMERS_MUST_BE_DIFFERENT()
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
        other = customer(connection, desk.core.book.book_id, to_customer)
    if who.bank != other.bank:
        raise CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT(one=customer_id, other=to_customer)
    asked = Asked(
        order_id, "transfer", amount, who.currency, maker_of(by), customer_id, to_customer, reference=reference
    )
    asked = replace(asked, payee_name=other.name)
    movement = Movement(wallet_of(who).available, wallet_of(other).available)
    return _place(desk, by, asked, who, movement, to=other, mandate=mandate)


def place_fee(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, by: Actor, reference: str) -> Order:
    """Take a fee of the published tariff from available money; `reference` names the tariff's line."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
        due = account(connection, desk.core.book.book_id, fees_due(who.currency)).account
    asked = Asked(order_id, "fee", amount, who.currency, maker_of(by), customer_id, reference=reference)
    return _place(desk, by, asked, who, Movement(wallet_of(who).available, due))


def place_fee_sweep(
    desk: Desk, order_id: UUID, account_name: str, amount: int, *, payee_name: str, payee_account: str, by: Actor
) -> Order:
    """Pay earned fees out of the pool to the platform's own account; people approve it like any payout."""
    with desk.core.connection() as connection:
        bank = custodian_account(connection, desk.core.book.book_id, account_name)
        due = account(connection, desk.core.book.book_id, fees_due(bank.currency)).account
    asked = Asked(order_id, "fee_sweep", amount, bank.currency, maker_of(by), account_name=account_name)
    asked = replace(asked, payee_name=payee_name, payee_account=payee_account)
    return _place(desk, by, asked, None, Movement(due, bank.ledger_account))


def announce_deposit(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, by: Actor, reference: str) -> Order:
    """Expect a payment with this reference and amount; nothing is credited before the bank has it (充值)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
    wallet_of(who)
    asked = Asked(order_id, "deposit", amount, who.currency, maker_of(by), customer_id, account_name=who.bank)
    return _announce(desk, replace(asked, reference=reference))


def announce_funding(desk: Desk, order_id: UUID, account_name: str, amount: int, *, by: Actor, reference: str) -> Order:
    """Announce the platform's own money, paid in to cover a shortfall (act `funding`). It is expected once others have
    agreed, or at once if the policy asks nobody; what the bank has before that is an unallocated receipt.
    """
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        bank = custodian_account(connection, book, account_name)
        policy = policy_in_force(connection, book, core.clock())
    asked = Asked(
        order_id, "funding", amount, bank.currency, maker_of(by), account_name=account_name, reference=reference
    )
    if known := _replayed(desk, asked):
        return known
    _check_amount(asked)
    seen = Seen(core.clock())
    if not required(policy, "funding", amount, currency(asked.currency), seen, maker=asked.maker).people:
        return _announce(desk, asked)
    with core.connection() as connection:
        day = current_day(connection, book)
    state = lifecycle.moves("funding", None, "proposed")
    facts = {"kind": "funding", "debtor_account": account_name, "reference": reference}
    drafted = _draft(core, by, policy, "funding", asked, facts, seen)
    event = state_event(asked, state, None, day)
    core.post(Unit([event, drafted.line], [*inserted(desk, asked, state, day), *drafted.also]))
    return stored(core, order_id)


def propose_allocation(desk: Desk, order_id: UUID, receipt: UUID, customer_id: str, *, by: Actor) -> Order:
    """Say whose an unallocated receipt is; somebody else has to agree before it is credited."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        found = order(connection, book, receipt)
        who = customer(connection, book, customer_id)
        day = current_day(connection, book)
        policy = policy_in_force(connection, book, core.clock())
    if found.state != "unallocated" or found.account_name != who.bank:
        raise RECEIPT_MUST_BE_UNALLOCATED(order=receipt)
    asked = Asked(order_id, "allocation", found.amount, found.currency, maker_of(by), customer_id)
    asked = replace(asked, account_name=found.account_name, reference=str(receipt))
    if known := _replayed(desk, asked):
        return known
    with core.connection() as connection:
        require_receiver(core, connection, who, found.amount)
    state = lifecycle.moves("allocation", None, "proposed")
    facts = {"customer": customer_id, "receipt": str(receipt), "payer": found.payee_name or "", "text": found.reference}
    drafted = _draft(core, by, policy, "allocation", asked, facts, Seen(core.clock()))
    event = state_event(asked, state, None, day)
    core.post(Unit([event, drafted.line], [*inserted(desk, asked, state, day), *drafted.also]))
    return stored(core, order_id)


def _announce(desk: Desk, asked: Asked) -> Order:
    core = desk.core
    if known := _replayed(desk, asked):
        return known
    _check_amount(asked)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
    state = lifecycle.moves(asked.kind, None, "announced")
    core.post(Unit([state_event(asked, state, None, day)], inserted(desk, asked, state, day)))
    return stored(core, asked.order_id)


def _place(
    desk: Desk,
    by: Actor,
    asked: Asked,
    who: Customer | None,
    money: Movement,
    *,
    to: Customer | None = None,
    mandate: UUID | None = None,
) -> Order:
    core = desk.core
    if known := _replayed(desk, asked):
        return known
    _check_amount(asked)
    for attempt in range(_ATTEMPTS):
        try:
            _placed(desk, by, asked, who, money, to, mandate)
        except Refused as refused:
            if refused.refusal not in _TURNED_MEANWHILE or attempt == _ATTEMPTS - 1:
                raise
            if refused.refusal is RULES_CHANGED_MEANWHILE:
                renew(desk.risk, core)
        else:
            break
    return stored(core, asked.order_id)


def _placed(
    desk: Desk,
    by: Actor,
    asked: Asked,
    who: Customer | None,
    money: Movement,
    to: Customer | None,
    mandate: UUID | None,
) -> None:
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        day = current_day(connection, book)
        policy = policy_in_force(connection, book, core.clock())
        payee = _payee(desk, connection, asked, who)
        ahead = prospect(connection, book, payee, asked.currency, asked.amount, core.clock()) if payee else None
    cooling = ahead is not None and ahead.wait is not None
    standing = [] if who is None else require_order(core, asked.kind, who, asked.amount, day, to)

    act = act_of(asked.kind)
    origin = _origin(desk, policy, by, _payment(act or asked.kind, asked), mandate) if act or mandate else None
    with desk.risk.ruling(_facts(desk, asked, day)) as ruling:
        seen, unit = Seen(core.clock(), ruling.decision.score), currency(asked.currency)
        people = required(policy, act, asked.amount, unit, seen, maker=asked.maker).people if act else 0
        state = lifecycle.moves(asked.kind, None, _first_act(ruling.decision, people, cooling=cooling))
        chain = [state_event(asked, state, None, day, desk), ruling.line]
        also = [*inserted(desk, asked, state, day), *standing, judged(core, ruling.line)]
        also += [pays(book, asked.order_id, payee.payee_id)] if payee else []
        if origin is not None:
            chain.append(origin.line)
            also += [*origin.also, kept_origin(desk, asked, origin.content)]
        facts = _facts_for_people(asked)
        payment = b""
        if state != "refused":
            chain.append(_money_line(asked, money, day, at_once=state == "settled"))
            also += receiving(core, to.customer_id, chain[-1].id) if to and state == "settled" else []
            if act:
                instruction = _instruction(desk, asked, day, policy.version, payee)
                payment = instruction.canonical()
                also.append(kept_payment(desk, asked, payment))
                facts |= {"payment_sha256": instruction.sha256()}
        needed = [each for each, wanted in (("hold_release", state == "held"), (act, people > 0)) if wanted and each]
        for each in needed if state in ("held", "awaiting_approval") else ():
            drafted = _draft(core, by, policy, each, asked, facts, seen)
            chain.append(drafted.line)
            also += drafted.also
        if act and state in ("released", "cooling_off"):
            also.append(_nobody(core, ruling.line.id, asked, act))
        if state == "released":
            chain.append(payment_event(asked.order_id, payment, day))
            also.append(payment_order(core, asked.order_id, asked.account_name))
            also += [letting_go(book, asked.order_id, ahead.let_go)] if ahead else []
        with journaled(core, origin.credential_id if origin else None):
            core.post(Unit(chain, also))


def act_of(kind: str) -> str | None:
    """The act of the authority policy under which money leaves by an order of this kind; None: none leaves."""
    return {"withdrawal": "payout", "fee_sweep": "fee_sweep"}.get(kind)


def _payee(desk: Desk, connection: Connection, asked: Asked, who: Customer | None) -> Payee | None:
    """Whom a withdrawal pays: a payee of the customer, and so in the customer's name."""
    if asked.kind != "withdrawal" or who is None:
        return None
    found = payee_with(connection, desk.vault, who.customer_id, asked.payee_account or "")
    if found is None:
        raise PAYEE_MUST_BE_THE_CUSTOMERS(customer=who.customer_id)
    return found


def _nobody(core: Core, event: UUID, asked: Asked, act: str) -> Statement:
    """The statement in which the database finds that the policy asks nobody at the time of the append."""
    row = {"book": core.book.book_id, "event": event, "order_id": asked.order_id, "act": act}
    row |= {"currency": asked.currency, "amount": asked.amount, "maker": asked.maker}
    return AUTHORITY.require_nobody, row


def _first_act(decision: Decision, people: int, *, cooling: bool) -> str:
    if decision.outcome == Outcome.REFUSE:
        return "refused by risk"
    if decision.outcome == Outcome.HOLD:
        return "held by risk"
    if people:
        return "placed above the limit"
    return "placed to a new payee" if cooling else "placed"


def _replayed(desk: Desk, asked: Asked) -> Order | None:
    with desk.core.connection() as connection:
        found = find_order(connection, desk.core.book.book_id, asked.order_id)
    if found is not None and found.asked != asked.digest(desk.vault):
        raise ORDER_ID_ALREADY_HAS_OTHER_CONTENT(order=asked.order_id)
    return found


def _check_amount(asked: Asked) -> None:
    if asked.amount <= 0:
        raise AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE(amount=asked.amount)


def _facts(desk: Desk, asked: Asked, day: date) -> OrderFacts:
    return OrderFacts(
        order_id=asked.order_id,
        kind=asked.kind,
        customer=asked.customer_id,
        amount=asked.amount,
        currency=asked.currency,
        payee=desk.fingerprint(asked.payee_account) if asked.payee_account else None,
        payee_name=asked.payee_name,
        at=desk.core.clock(),
        day=day,
    )


def _money_line(asked: Asked, money: Movement, day: date, *, at_once: bool) -> Line:
    kind, word = (Kind.TRANSFER, "money") if at_once else (Kind.PENDING, "hold")
    line = Line(kind, derived(asked.order_id, word), money.debit, money.credit, asked.amount, order_id=asked.order_id)
    return replace(line, code=PURPOSES[asked.kind], value_date=day)


def _instruction(desk: Desk, asked: Asked, day: date, policy_version: int, payee: Payee | None) -> Instruction:
    core = desk.core
    return Instruction(
        book=core.book.name,
        order_id=asked.order_id,
        customer=asked.customer_id or "platform",
        debtor_account=asked.account_name or "",
        creditor_name=asked.payee_name or "",
        creditor_account=desk.vault.open(PAYEE, str(payee.payee_id)) if payee else asked.payee_account or "",
        currency=asked.currency,
        amount=format_minor(asked.amount, currency(asked.currency)),
        execution_date=day,
        policy_version=policy_version,
        salt=core.new_id().hex,
        payee=payee.payee_id if payee else None,
        payee_salt=desk.vault.payee_salt(payee.payee_id) if payee else "",
    )


def _payment(act: str, asked: Asked) -> Payment:
    return Payment(
        act=act,
        order_id=asked.order_id,
        customer=asked.customer_id or "platform",
        amount=asked.amount,
        currency=asked.currency,
        creditor_name=asked.payee_name or "",
        creditor_account=f"customer:{asked.other_customer}" if asked.other_customer else asked.payee_account or "",
    )


def _origin(desk: Desk, policy: PolicyVersion, by: Actor, payment: Payment, mandate: UUID | None) -> Stated | None:
    """Who asks for it. A mandate's payees are in the vault; everything else of it is enforced in the append."""
    if mandate is not None:
        with desk.core.connection() as connection:
            found = mandate_of(connection, desk.core.book.book_id, mandate)
        if found.customer_id != payment.customer:
            raise MANDATE_MUST_EXIST()
        require_payee(read_mandate(desk.vault.open(MANDATE, str(mandate)).encode()), payment)
    return stated(desk.core, policy, by, payment, mandate)


def _facts_for_people(asked: Asked) -> dict[str, str]:
    """What the approval page shows, and the gateway compares. These bytes are kept in the clear, so the account is
    masked in them; the payment's SHA-256 beside it binds all of it.
    """
    told = {
        "kind": asked.kind,
        "customer": asked.customer_id,
        "to_customer": asked.other_customer,
        "debtor_account": asked.account_name,
        "creditor_name": asked.payee_name,
        "creditor_account": mask(Shape.ACCOUNT, asked.payee_account) if asked.payee_account else None,
        "reference": asked.reference,
    }
    return {name: text for name, text in told.items() if text}


def _draft(
    core: Core, by: Actor, policy: PolicyVersion, act: str, asked: Asked, facts: dict[str, str], seen: Seen
) -> Drafted:
    return draft(
        core,
        policy,
        derived(asked.order_id, f"proposal {act}"),
        act,
        by=by,
        order=asked.order_id,
        amount=asked.amount,
        unit=currency(asked.currency),
        facts=facts,
        score=seen.score,
        at=seen.at,
    )
