"""Agreements from their proposal to being in force.

  1  the document is read and composed; the same again is answered as it stands, the same id with other content is
  refused 2  the brake is released; a business day is open; every customer exists, and payer and payees share a
  custodian account 3  risk rules on each payee's order, as on a transfer: refused, the agreement is; held, two people
  release it as well 4  one append: the document, an order and a hold for each payee of each tranche, the decisions, and
  either what people
     have to approve or, where the policy asks nobody, that it is in force

If the payer does not have the money, the ledger refuses the append whole, and the answer is final for that id.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Actor, maker_of, token_of
from ringfence.authority.escalations import Seen
from ringfence.authority.policy import PolicyVersion, policy_in_force, required
from ringfence.authority.proposals import Proposal, draft
from ringfence.authority.rule_packs import judged
from ringfence.core import Core
from ringfence.custody import lifecycle
from ringfence.custody.customers import Customer, customer
from ringfence.custody.days import current_day
from ringfence.custody.orders import (
    PURPOSES,
    Asked,
    Desk,
    hold_of,
    inserted,
    move,
    moved_event,
    order,
    state_event,
)
from ringfence.custody.refusals import CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT
from ringfence.custody.wallets import require_order, require_receiver, wallet_of
from ringfence.database.connection import Connection
from ringfence.diligence import standing as diligence
from ringfence.escrow import document as documents
from ringfence.escrow.conditions import NoOpenClaim, write_time
from ringfence.escrow.document import FORM, Agreement, conditions_sha256, order_of, parts, release_of
from ringfence.escrow.queries import QUERIES
from ringfence.escrow.reading import Standing, agreement, find_agreement
from ringfence.escrow.refusals import (
    AGREEMENT_ID_ALREADY_HAS_OTHER_CONTENT,
    AGREEMENT_IS_NOT_VALID,
    AGREEMENT_IS_NOT_WAITING,
    AGREEMENT_MUST_EXPIRE_LATER,
)
from ringfence.escrow.telling import tell
from ringfence.incident import brake
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import currency, format_minor, parse_minor
from ringfence.risk.decision import OrderFacts, Outcome
from ringfence.risk.desk import Ruling

ACT: Final = "escrow_agreement"
HOLD_RELEASE: Final = "hold_release"
KIND: Final = "escrow"
REFERENCE_CHARACTERS_MAX: Final = 140
SHARE_MAX: Final = 1_000_000


@dataclass(frozen=True)
class Placed:
    """A payee's order of a tranche, with its ruling."""

    tranche: str
    payee: Customer
    asked: Asked
    ruling: Ruling

    @property
    def hold(self) -> UUID:
        return derived(self.asked.order_id, "hold")


def compose(core: Core, given: Mapping[str, Any]) -> Agreement:
    """The agreement that somebody describes: as the document, but amounts are decimal strings of the currency, and a
    tranche may have an `amount` of which its payees have a `share` each (whole numbers, 1 to 1,000,000).
    """
    return described(given, core.book.book_id)


def described(given: Mapping[str, Any], book: int) -> Agreement:
    """The same, of the book of a number."""
    said = dict(given)
    unit = currency(str(said.get("currency"))[:10])
    tranches = said.get("tranches")
    if not isinstance(tranches, list) or not all(isinstance(each, dict) for each in tranches):
        raise AGREEMENT_IS_NOT_VALID(place="tranches", detail="they are a list of objects")
    composed = [_composed(each, unit.code, f"tranches[{at}]") for at, each in enumerate(tranches)]
    amount = sum(int(one["amount_minor"]) for each in composed for one in each["payees"])
    own = {"form": FORM, "book": book, "tranches": composed, "amount_minor": str(amount)}
    return documents.read_said({"claims": None} | said | own)


def _composed(tranche: Mapping[str, Any], code: str, place: str) -> dict[str, Any]:
    said = {"return": None} | dict(tranche)
    payees, unit = said.get("payees"), currency(code)
    if not isinstance(payees, list) or not payees or not all(isinstance(each, dict) for each in payees):
        raise AGREEMENT_IS_NOT_VALID(place=f"{place}.payees", detail="they are a list of objects")
    if "amount" not in said:
        for each in payees:
            if each.keys() != {"customer", "amount"} or not isinstance(each["amount"], str):
                raise AGREEMENT_IS_NOT_VALID(place=f"{place}.payees", detail="each has customer and amount")
        amounts = [parse_minor(each["amount"], unit) for each in payees]
    else:
        for each in payees:
            share = each.get("share")
            if each.keys() != {"customer", "share"} or type(share) is not int or not 0 < share <= SHARE_MAX:
                raise AGREEMENT_IS_NOT_VALID(place=f"{place}.payees", detail="each has customer and share")
        amounts = _shared(parse_minor(str(said.pop("amount")), unit), [each["share"] for each in payees])
    said["payees"] = [
        {"customer": each["customer"], "amount_minor": str(minor)} for each, minor in zip(payees, amounts, strict=True)
    ]
    return said


def _shared(amount: int, shares: list[int]) -> list[int]:
    """An amount in these proportions, as `document.parts` divides."""
    whole = documents.Tranche(
        "t", tuple(documents.Share(str(at), each) for at, each in enumerate(shares)), NoOpenClaim(), None
    )
    return list(parts(whole, amount).values())


def propose(desk: Desk, given: Mapping[str, Any], *, by: Actor, reference: str = "") -> Standing:
    """Propose an agreement and hold its money; where the policy asks nobody, it is in force at once."""
    core, book = desk.core, desk.core.book.book_id
    terms = compose(core, given)
    document = documents.write(terms)
    if len(reference) > REFERENCE_CHARACTERS_MAX:
        raise AGREEMENT_IS_NOT_VALID(
            place="reference", detail=f"it has more than {REFERENCE_CHARACTERS_MAX} characters"
        )
    if len(document) > documents.BYTES_MAX:
        raise AGREEMENT_IS_NOT_VALID(place="document", detail=f"it has more than {documents.BYTES_MAX} bytes")
    with core.connection() as connection:
        known = find_agreement(connection, book, terms.agreement_id)
        if known is not None:
            if (known.document, known.reference) != (document, reference):
                raise AGREEMENT_ID_ALREADY_HAS_OTHER_CONTENT(agreement=terms.agreement_id)
            return known
        brake.require_released(connection, book)
        day = current_day(connection, book)
        if terms.expires_at <= core.clock():
            raise AGREEMENT_MUST_EXPIRE_LATER(expires_at=terms.expires_at)
        payer, payees = _customers(connection, terms)
        policy = policy_in_force(connection, book, core.clock())
    standing = require_order(core, KIND, payer, terms.amount, day)
    with core.connection() as connection:
        for name, each in payees.items():
            most = sum(share.amount for tranche in terms.tranches for share in tranche.payees if share.customer == name)
            require_receiver(core, connection, each, most)
    standing += [diligence.required(book, name, "receive") for name in payees]
    with ExitStack() as rulings:
        placed = [
            _ruled(desk, rulings, terms, payer, payees[share.customer], tranche.name, share.amount, by, day)
            for tranche in terms.tranches
            for share in tranche.payees
        ]
        if any(each.ruling.decision.outcome == Outcome.REFUSE for each in placed):
            _refuse(desk, terms, document, reference, placed, by, day)
        else:
            core.post(_unit(desk, terms, document, reference, payer, placed, standing, policy, by, day))
    with core.connection() as connection:
        return agreement(connection, book, terms.agreement_id)


def _customers(connection: Connection, terms: Agreement) -> tuple[Customer, dict[str, Customer]]:
    payer = customer(connection, terms.book, terms.payer)
    if payer.currency != terms.unit.code:
        raise AGREEMENT_IS_NOT_VALID(place="currency", detail=f"the payer's wallet is in {payer.currency}")
    named = {share.customer for tranche in terms.tranches for share in tranche.payees}
    payees = {name: customer(connection, terms.book, name) for name in sorted(named)}
    for name, each in payees.items():
        if each.bank != payer.bank:
            raise CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT(one=terms.payer, other=name)
    for identity in terms.parties.values():
        kind, _, name = identity.partition(":")
        if kind == "customer":
            customer(connection, terms.book, name)
    return payer, payees


def _ruled(
    desk: Desk,
    rulings: ExitStack,
    terms: Agreement,
    payer: Customer,
    payee: Customer,
    tranche: str,
    amount: int,
    by: Actor,
    day: date,
) -> Placed:
    identity = order_of(terms.agreement_id, tranche, payee.customer_id)
    asked = Asked(identity, KIND, amount, terms.unit.code, maker_of(by), payer.customer_id, payee.customer_id)
    asked = replace(asked, payee_name=payee.name, reference=str(terms.agreement_id))
    facts = OrderFacts(
        order_id=identity,
        kind=KIND,
        customer=payer.customer_id,
        amount=amount,
        currency=terms.unit.code,
        payee=None,
        payee_name=payee.name,
        at=desk.core.clock(),
        day=day,
    )
    return Placed(tranche, payee, asked, rulings.enter_context(desk.risk.ruling(facts)))


def _refuse(
    desk: Desk, terms: Agreement, document: bytes, reference: str, placed: list[Placed], by: Actor, day: date
) -> None:
    """Risk refuses the agreement: what it refused is written down, nothing is held."""
    chain, also = [_proposed(terms, document, "refused", [], by, day)], []
    state = lifecycle.moves(KIND, None, "refused by risk")
    for each in placed:
        if each.ruling.decision.outcome == Outcome.REFUSE:
            chain += [state_event(each.asked, state, None, day, desk), each.ruling.line]
            also += [*inserted(desk, each.asked, state, day), judged(desk.core, each.ruling.line)]
        else:
            desk.risk.features.forget(each.asked.order_id)
    desk.core.post(Unit(chain, [*also, _row(desk.core, terms, document, reference, by)]))


def _unit(
    desk: Desk,
    terms: Agreement,
    document: bytes,
    reference: str,
    payer: Customer,
    placed: list[Placed],
    standing: list[Statement],
    policy: PolicyVersion,
    by: Actor,
    day: date,
) -> Unit:
    core = desk.core
    chain = [_proposed(terms, document, "awaiting_approval", placed, by, day)]
    also = list(standing)
    state = lifecycle.moves(KIND, None, "placed into escrow")
    asking = []
    for each in placed:
        accounts = wallet_of(payer).available, wallet_of(each.payee).available
        hold = Line(Kind.PENDING, each.hold, *accounts, each.asked.amount)
        hold = replace(hold, order_id=each.asked.order_id, code=PURPOSES[KIND], value_date=day)
        chain += [state_event(each.asked, state, None, day, desk), each.ruling.line, hold]
        also += [*inserted(desk, each.asked, state, day), judged(core, each.ruling.line)]
        if each.ruling.decision.outcome == Outcome.HOLD:
            asking.append(_ask_release(core, policy, each, by))
    also.append(_row(core, terms, document, reference, by))
    if required(policy, ACT, terms.amount, terms.unit, Seen(core.clock())).people:
        asking.append(
            draft(
                core,
                policy,
                derived(terms.agreement_id, "proposal"),
                ACT,
                by=by,
                order=terms.agreement_id,
                amount=terms.amount,
                unit=terms.unit,
                facts=facts_for_people(terms, documents.sha256_of(document), reference),
            )
        )
    for drafted in asking:
        chain.append(drafted.line)
        also += drafted.also
    if not asking:
        agreed = _agreed(terms, documents.sha256_of(document), None, day)
        chain.append(agreed)
        also.append(_agree(core, terms.agreement_id, agreed, None))
    return Unit(chain, also)


def _ask_release(core: Core, policy: PolicyVersion, each: Placed, by: Actor) -> proposals.Drafted:
    facts = {"kind": KIND, "customer": str(each.asked.customer_id), "to_customer": each.payee.customer_id}
    facts |= {"agreement": each.asked.reference, "tranche": each.tranche}
    unit = currency(each.asked.currency)
    identity = derived(each.asked.order_id, f"proposal {HOLD_RELEASE}")
    return draft(
        core, policy, identity, HOLD_RELEASE, by=by, order=each.asked.order_id, amount=each.asked.amount, unit=unit,
        facts=facts,
    )  # fmt: skip


def facts_for_people(terms: Agreement, sha256: str, reference: str) -> dict[str, str]:
    """What the approval page shows of an agreement: who pays whom, and the conditions in words and by their hashes."""
    shares = [(each.name, one.customer, one.amount) for each in terms.tranches for one in each.payees]
    told = {
        "agreement": str(terms.agreement_id),
        "agreement_sha256": sha256,
        "conditions_sha256": conditions_sha256(terms),
        "payer": terms.payer,
        "payees": ", ".join(f"{name}: {who} {format_minor(amount, terms.unit)}" for name, who, amount in shares),
        "parties": ", ".join(f"{name} = {identity}" for name, identity in terms.parties.items()),
        "release": " / ".join(f"{each.name}: {tell(release_of(terms, each))}" for each in terms.tranches),
        "return": " / ".join(
            f"{each.name}: {tell(each.give_back) if each.give_back is not None else 'when it expires'}"
            for each in terms.tranches
        ),
        "expires_at": write_time(terms.expires_at),
        "reference": reference,
    }
    return {name: text for name, text in told.items() if text}


# -- what people decided -----------------------------------------------------------------------------------------------


def proposals_about(connection: Connection, standing: Standing) -> list[Proposal]:
    """What people are asked before an agreement is in force: itself, and the orders of it that risk holds."""
    book = standing.terms.book
    found = [each for each in proposals.proposals_of_order(connection, book, standing.agreement_id) if each.act == ACT]
    for tranche in standing.terms.tranches:
        for share in tranche.payees:
            identity = order_of(standing.agreement_id, tranche.name, share.customer)
            found += proposals.proposals_of_order(connection, book, identity)
    return found


def decide(core: Core, agreement_id: UUID) -> Standing:
    """Take what people decided to the agreement. Nothing happens while somebody still has to."""
    book = core.book.book_id
    with core.connection() as connection:
        found = agreement(connection, book, agreement_id)
        about = proposals_about(connection, found)
    if found.state != "awaiting_approval":
        return found
    if any(each.state == "rejected" for each in about):
        return _call_off(core, found, "rejected")
    if any(each.expires_at <= core.clock() for each in about):
        return _call_off(core, found, "not_decided_in_time")
    if all(each.state == "complete" for each in about):
        with core.connection() as connection:
            day = current_day(connection, book)
        proposal = next((each.proposal_id for each in about if each.act == ACT), None)
        agreed = _agreed(found.terms, found.sha256, proposal, day)
        core.post(Unit([agreed], [_agree(core, agreement_id, agreed, proposal)]))
    with core.connection() as connection:
        return agreement(connection, book, agreement_id)


def withdraw(core: Core, agreement_id: UUID) -> Standing:
    """Call off an agreement that nobody has approved yet; `agreement_is_not_waiting`."""
    with core.connection() as connection:
        found = agreement(connection, core.book.book_id, agreement_id)
    if found.state != "awaiting_approval":
        raise AGREEMENT_IS_NOT_WAITING()
    return _call_off(core, found, "withdrawn")


def _call_off(core: Core, found: Standing, because: str) -> Standing:
    book = core.book.book_id
    with core.connection() as connection:
        day = current_day(connection, book)
        chain, also = returned_rows(core, connection, found.terms, [each.name for each in found.tranches], day)
    said = {"agreement": str(found.agreement_id), "because": because}
    event = _event(found.terms, "called off", EventName.ESCROW_CALLED_OFF, said, day)
    row = {"book": book, "event": event.id, "agreement": found.agreement_id}
    core.post(Unit([event, *chain], [*also, (QUERIES.call_off, row)]))
    with core.connection() as connection:
        return agreement(connection, book, found.agreement_id)


def returned_rows(
    core: Core, connection: Connection, terms: Agreement, tranches: list[str], day: date
) -> tuple[list[Line], list[Statement]]:
    """The rows that give the money of tranches back to the payer, and the statements beside them."""
    chain: list[Line] = []
    also: list[Statement] = []
    for tranche in terms.tranches:
        for share in tranche.payees if tranche.name in tranches else ():
            placed = order(connection, terms.book, order_of(terms.agreement_id, tranche.name, share.customer))
            rows, statement = returned_order(core, connection, placed.order_id, day)
            chain += rows
            also.append(statement)
    return chain, also


def returned_order(core: Core, connection: Connection, order_id: UUID, day: date) -> tuple[list[Line], Statement]:
    """An order of an agreement ends without money: its hold is voided."""
    placed, hold = order(connection, core.book.book_id, order_id), hold_of(connection, core.book.book_id, order_id)
    becomes = lifecycle.moves(KIND, placed.state, "returned to the payer")
    rows = [moved_event(placed, becomes, day)]
    if hold is not None:
        void = derived(order_id, "void")
        rows.append(replace(hold, kind=Kind.VOID, id=void, amount=0, refers_to=hold.id, value_date=day))
    return rows, move(core, placed, becomes)


# -- rows ------------------------------------------------------------------------------------------------------------


def _proposed(terms: Agreement, document: bytes, state: str, placed: list[Placed], by: Actor, day: date) -> Line:
    said = {
        "agreement": str(terms.agreement_id),
        "sha256": documents.sha256_of(document),
        "document": documents.said_of(terms),
        "maker": maker_of(by),
        "state": state,
        "holds": [
            {
                "order": str(each.asked.order_id),
                "hold": str(each.hold),
                "tranche": each.tranche,
                "customer": each.payee.customer_id,
                "amount_minor": str(each.asked.amount),
            }
            for each in placed
        ],
    }
    return _event(terms, "proposed", EventName.ESCROW_PROPOSED, said, day)


def _agreed(terms: Agreement, sha256: str, proposal: UUID | None, day: date) -> Line:
    said = {"agreement": str(terms.agreement_id), "sha256": sha256, "proposal": str(proposal) if proposal else None}
    return _event(terms, "agreed", EventName.ESCROW_AGREED, said, day)


def _event(terms: Agreement, word: str, name: EventName, said: dict[str, Any], day: date) -> Line:
    identity = derived(terms.agreement_id, word)
    return Line(Kind.EVENT, identity, order_id=terms.agreement_id, code=name, value_date=day, payload=said)


def _row(core: Core, terms: Agreement, document: bytes, reference: str, by: Actor) -> Statement:
    event = derived(terms.agreement_id, "proposed")
    row = {"book": core.book.book_id, "event": event, "token_sha256": token_of(by)}
    return QUERIES.propose, row | {"document": document, "reference": reference}


def _agree(core: Core, agreement_id: UUID, agreed: Line, proposal: UUID | None) -> Statement:
    row = {"book": core.book.book_id, "event": agreed.id, "agreement": agreement_id, "proposal": proposal}
    return QUERIES.agree, row
