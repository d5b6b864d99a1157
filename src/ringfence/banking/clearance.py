"""Clearance: what must be true of a payment before it leaves, found by the gateway itself.

It trusts no state column. From the instruction's bytes, the journal, the record of approvals and the notary's log, in
this order:

  1  the bytes are a canonical instruction of this book and this order
  2  the brake is not pulled
  3  the journal has PAYMENT_ORDERED with the hash of exactly these bytes
  4  the journal has the hold: pending, of this amount, onto the custodian account that pays, and unresolved
  5  of a customer: every step of his due diligence in the journal, and the last leaves him verified, not restricted
  6  risk decided on this order, by the rules in force at that row, with every list they want: allowed; or held, and
     then `hold_release` was approved
  7  somebody asked for it, as the policy of the time of the hold wants: a program by a signed request, perhaps within
     a customer's mandate; the customer by a passkey; or staff, and then others approved (`authority.origin`)
  8  the policy in force asks for so many people for this amount, and they approved these bytes: the creditor by name
     and masked account, and all of it by the SHA-256 (dynamic linking: Delegated Regulation (EU) 2018/389, Article 5);
     what is asked for follows from the time of risk's decision and its score, as the journal has them
  9  a customer is paid at a payee of that same customer: the journal has PAYEE_ADDED with the hash of this name and
     account, and no PAYEE_REMOVED; it is the one that the customer was registered with, or `new_payee` was approved for
     it; and with all that the gateway itself has sent there the amount is within what the policy lets go to a new
     payee, or the payee is old enough, counted from the first checkpoint that the notary signed over its row, at the
    time in its signature
 10  a checkpoint signed by the notary covers the row of PAYMENT_ORDERED, and the log says the same of it as the journal
 11  above the amount that `witnesses.toml` says, enough witnesses have cosigned a checkpoint that covers it

Each "no" is a refusal by name. `payment_is_not_notarised_yet` and `payment_is_not_witnessed_yet` only mean: look again
in a moment.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from ringfence.authority.cooling_off import waits_until
from ringfence.authority.escalations import Seen
from ringfence.authority.origin import Payment
from ringfence.authority.origin.verification import Asking, require_origin
from ringfence.authority.policy import policy_in_force, required
from ringfence.authority.rule_packs import objection
from ringfence.authority.terms import Terms
from ringfence.authority.verification import record_of, score_of, verified_terms
from ringfence.banking.desk import CustodianAccount, GatewayDesk
from ringfence.banking.instruction import INSTRUCTION_IS_MALFORMED, Instruction, parse_instruction
from ringfence.banking.payee import ACT as NEW_PAYEE
from ringfence.banking.payee import added_event, payee_proposal, payee_sha256, registered_payee, removed_event
from ringfence.banking.queries import QUERIES
from ringfence.database.connection import Connection
from ringfence.diligence.proof import require_verified
from ringfence.evidence.checkpoint import open_checkpoint
from ringfence.evidence.cosignature import signed_time
from ringfence.evidence.export import last_checkpoint
from ringfence.evidence.tiles import Tiles, directory_reader
from ringfence.evidence.witnessing import witnessed_checkpoint
from ringfence.incident.brake import require_released
from ringfence.ledger.codes import EventName
from ringfence.ledger.encoding import leaves
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind
from ringfence.ledger.storage import read_block
from ringfence.money import currency
from ringfence.refusal import Fault, Refused, refusal
from ringfence.vault.fields import MANDATE, ORIGIN, Shape, mask

CUSTOMER: Final = "customer:"

PAYMENT_IS_NOT_IN_THE_JOURNAL = refusal(
    "payment_is_not_in_the_journal",
    Fault.PERMISSION,
    en="The journal does not order this payment: {detail}.",
    zh="账簿中没有该付款的指令：{detail}。",
)
PAYMENT_HOLDS_NO_MONEY = refusal(
    "payment_holds_no_money",
    Fault.PERMISSION,
    en="The money of this payment is not held for it: {detail}.",
    zh="该付款的资金未被冻结：{detail}。",
)
PAYMENT_WAS_NOT_ALLOWED_BY_RISK = refusal(
    "payment_was_not_allowed_by_risk",
    Fault.PERMISSION,
    en="Risk did not allow this payment ({outcome}).",
    zh="风险控制未放行该付款（{outcome}）。",
)
APPROVED_SOMETHING_ELSE = refusal(
    "approved_something_else",
    Fault.PERMISSION,
    en="What was approved is not what is to be paid: {field} differs.",
    zh="审批内容与付款内容不一致：{field} 不同。",
)
PAYMENT_IS_NOT_NOTARISED_YET = refusal(
    "payment_is_not_notarised_yet",
    Fault.STATE,
    en="The notary has not signed the row that orders this payment yet.",
    zh="公证进程尚未对该付款所在的行签名。",
)
PAYMENT_IS_NOT_WITNESSED_YET = refusal(
    "payment_is_not_witnessed_yet",
    Fault.STATE,
    en="A payment of this amount waits for the witnesses; they have not signed the row that orders it yet.",
    zh="该金额的付款须待见证；见证方尚未对其所在的行签名。",
)
NOTARY_SIGNED_SOMETHING_ELSE = refusal(
    "notary_signed_something_else",
    Fault.PERMISSION,
    en="Row {sequence} of the journal is not the row that the notary signed.",
    zh="账簿第 {sequence} 行与公证签名的内容不一致。",
)


PAYEE_IS_NOT_THE_CUSTOMERS = refusal(
    "payee_is_not_the_customers",
    Fault.PERMISSION,
    en="The journal does not know this account as a payee of the customer whose money it is: {detail}.",
    zh="账簿中没有该账户作为付款客户收款账户的记载：{detail}。",
)
PAYEE_IS_TOO_NEW = refusal(
    "payee_is_too_new",
    Fault.STATE,
    en="The payee is new; this amount may go there from {until} on.",
    zh="收款账户尚在冷静期，该金额自 {until} 起方可支付。",
)


@dataclass(frozen=True)
class Waiting:
    """A payment order that nobody has sent yet."""

    order_id: UUID
    account_name: str
    ordered_at: datetime
    payload: bytes = b""


def cleared(desk: GatewayDesk, connection: Connection, waiting: Waiting, account: CustodianAccount) -> Instruction:
    """The instruction, if everything above is true of it now; otherwise the first refusal."""
    book = desk.book.book_id
    said = parse_instruction(waiting.payload)
    if (said.book, said.order_id, said.debtor_account) != (desk.book.name, waiting.order_id, account.name):
        raise INSTRUCTION_IS_MALFORMED()
    require_released(connection, book)
    sequence = _ordered_at(connection, book, said)
    debit, held_at = _hold(connection, book, said, account)
    if debit.startswith(CUSTOMER):
        require_verified(connection, book, debit.removeprefix(CUSTOMER).rpartition(":")[0], said.minor)
    _risk(desk, connection, said)
    act = "payout" if debit.startswith(CUSTOMER) else "fee_sweep"
    asked_by = _origin(desk, connection, said, act, held_at)
    _people(desk, connection, said, act, asked_by)
    _payee(desk, connection, said, debit)
    _notarised(desk, connection, sequence)
    _witnessed(desk, said, sequence)
    return said


def _row(connection: Connection, book: int, identity: UUID) -> tuple[Any, ...] | None:
    return connection.execute(QUERIES.journal_row, {"book": book, "id": identity}).fetchone()


def _ordered_at(connection: Connection, book: int, said: Instruction) -> int:
    row = _row(connection, book, derived(said.order_id, "payment"))
    if row is None or row[1] != Kind.EVENT:
        raise PAYMENT_IS_NOT_IN_THE_JOURNAL(detail="no PAYMENT_ORDERED")
    if json.loads(row[5]).get("sha256") != said.sha256():
        raise PAYMENT_IS_NOT_IN_THE_JOURNAL(detail="it orders other bytes")
    return int(row[0])


def _hold(connection: Connection, book: int, said: Instruction, account: CustodianAccount) -> tuple[str, datetime]:
    """The name of the ledger account whose money is held, and since when."""
    identity = derived(said.order_id, "hold")
    row = _row(connection, book, identity)
    if row is None or row[1] != Kind.PENDING:
        raise PAYMENT_HOLDS_NO_MONEY(detail="there is no pending transfer")
    if (row[3], row[4]) != (account.ledger_account, said.minor) or account.currency != said.currency:
        raise PAYMENT_HOLDS_NO_MONEY(detail="another amount or account is held")
    if connection.execute(QUERIES.resolution_of, {"book": book, "id": identity}).fetchone() is not None:
        raise PAYMENT_HOLDS_NO_MONEY(detail="it was posted or released already")
    name = connection.execute(QUERIES.account_name, {"book": book, "account": row[2]}).fetchone()
    return str(name[0]) if name else "", row[6]


def _risk(desk: GatewayDesk, connection: Connection, said: Instruction) -> None:
    row = _row(connection, desk.book.book_id, derived(said.order_id, "risk decision"))
    decided = json.loads(row[5]) if row and row[1] == Kind.EVENT else {}
    outcome = decided.get("outcome", "no decision")
    if row and decided and (because := objection(connection, desk.book.book_id, decided, row[6], int(row[0]))):
        raise PAYMENT_WAS_NOT_ALLOWED_BY_RISK(outcome=because)
    if outcome == "hold":
        _approved(desk, connection, said, "hold_release")
    elif outcome != "allow":
        raise PAYMENT_WAS_NOT_ALLOWED_BY_RISK(outcome=outcome)


def _origin(desk: GatewayDesk, connection: Connection, said: Instruction, act: str, held_at: datetime) -> str:
    payment = Payment(
        act=act,
        order_id=said.order_id,
        customer=said.customer,
        amount=said.minor,
        currency=said.currency,
        creditor_name=said.creditor_name,
        creditor_account=said.creditor_account,
    )
    asking = Asking(
        book=desk.book.book_id,
        name=desk.book.name,
        payment=payment,
        held_at=held_at,
        content=lambda: desk.vault.open(ORIGIN, str(said.order_id)).encode(),
        mandate=lambda identity: desk.vault.open(MANDATE, str(identity)).encode(),
    )
    return require_origin(connection, asking)


def _people(desk: GatewayDesk, connection: Connection, said: Instruction, act: str, asked_by: str) -> None:
    policy = policy_in_force(connection, desk.book.book_id, desk.clock())
    decided = _event(connection, desk.book.book_id, derived(said.order_id, "risk decision"), EventName.RISK_DECISION)
    score = score_of(connection, desk.book.book_id, said.order_id)
    seen = Seen(decided.posted_at if decided else desk.clock(), score)
    if asked_by == "staff" or required(policy, act, said.minor, currency(said.currency), seen).people:
        _approved(desk, connection, said, act)


def _approved(desk: GatewayDesk, connection: Connection, said: Instruction, act: str) -> None:
    record = record_of(connection, desk.book.book_id, derived(said.order_id, f"proposal {act}"))
    terms = verified_terms(record, desk.clock())
    found = {"act": terms.act, "order": terms.order, "amount": terms.amount, "currency": _code(terms)}
    wanted = {"act": act, "order": said.order_id, "amount": said.minor, "currency": said.currency}
    found |= {name: terms.facts.get(name) for name in ("creditor_name", "creditor_account", "payment_sha256")}
    account = mask(Shape.ACCOUNT, said.creditor_account)
    wanted |= {"creditor_name": said.creditor_name, "creditor_account": account}
    for field, value in (wanted | {"payment_sha256": said.sha256()}).items():
        if found[field] != value:
            raise APPROVED_SOMETHING_ELSE(field=field)


def _payee(desk: GatewayDesk, connection: Connection, said: Instruction, debit: str) -> None:
    book, whose = desk.book.book_id, debit.split(":")
    if whose[0] != "customer":
        return
    if said.payee is None or said.customer != whose[1]:
        raise PAYEE_IS_NOT_THE_CUSTOMERS(detail="the payment names no payee of this customer")
    added = _event(connection, book, added_event(said.payee), EventName.PAYEE_ADDED)
    sha256 = payee_sha256(
        desk.book.name, said.payee, said.customer, said.creditor_name, said.creditor_account, said.payee_salt
    )
    if added is None or (added.says.get("customer"), added.says.get("sha256")) != (said.customer, sha256):
        raise PAYEE_IS_NOT_THE_CUSTOMERS(detail="no PAYEE_ADDED says so")
    if _row(connection, book, removed_event(said.payee)) is not None:
        raise PAYEE_IS_NOT_THE_CUSTOMERS(detail="PAYEE_REMOVED")
    _notarised(desk, connection, added.sequence)
    if said.payee == registered_payee(book, said.customer):
        return
    _agreed(connection, book, said, sha256, added)
    _old_enough(desk, connection, said, added)


def _agreed(connection: Connection, book: int, said: Instruction, sha256: str, added: "_Event") -> None:
    """People approved this payee before the row that added it."""
    record = record_of(connection, book, payee_proposal(said.payee or UUID(int=0)))
    terms = verified_terms(record, added.posted_at)
    wanted = {"payee": str(said.payee), "customer": said.customer, "payee_sha256": sha256}
    if terms.act != NEW_PAYEE or any(terms.facts.get(name) != text for name, text in wanted.items()):
        raise PAYEE_IS_NOT_THE_CUSTOMERS(detail="another payee was approved")
    if record.last_sequence >= added.sequence:
        raise PAYEE_IS_NOT_THE_CUSTOMERS(detail="approved after it was added")


def _old_enough(desk: GatewayDesk, connection: Connection, said: Instruction, added: "_Event") -> None:
    book = desk.book.book_id
    [sent] = connection.execute(QUERIES.submitted_to, {"book": book, "payee": said.payee}).fetchone() or (0,)
    since = max(added.posted_at, _first_signed(desk, connection, added.sequence))
    policy = policy_in_force(connection, book, desk.clock()).policy
    until = waits_until(policy.cooling_off, said.currency, said.minor + int(sent), since)
    if until is not None and desk.clock() < until:
        raise PAYEE_IS_TOO_NEW(until=until.astimezone(UTC).isoformat(timespec="seconds"))


def _first_signed(desk: GatewayDesk, connection: Connection, sequence: int) -> datetime:
    """When the notary first vouched for a row: by the note that it signed and the time in its signature, not by what
    stands beside them in a table. A log that is signed with one key says no time; there the table is believed.
    """
    verifier, asked = desk.notary(), {"book": desk.book.book_id, "sequence": sequence}
    found = connection.execute(QUERIES.first_signed, asked).fetchone()
    if found is None or verifier is None:
        raise PAYMENT_IS_NOT_NOTARISED_YET()
    note = found[1].encode()
    try:
        covers = open_checkpoint(note, verifier.name, [verifier]).size > sequence
    except Refused as refused:
        raise NOTARY_SIGNED_SOMETHING_ELSE(sequence=sequence) from refused
    if not covers:
        raise NOTARY_SIGNED_SOMETHING_ELSE(sequence=sequence)
    return signed_time(note, verifier) or found[0]


@dataclass(frozen=True)
class _Event:
    sequence: int
    posted_at: datetime
    says: dict[str, Any]


def _event(connection: Connection, book: int, identity: UUID, name: EventName) -> _Event | None:
    row = connection.execute(QUERIES.event_row, {"book": book, "id": identity}).fetchone()
    return _Event(row[0], row[2], json.loads(row[3])) if row is not None and row[1] == name else None


def _code(terms: Terms) -> str | None:
    return terms.unit.code if terms.unit else None


def _notarised(desk: GatewayDesk, connection: Connection, sequence: int) -> None:
    verifier = desk.notary()
    if verifier is None or not (desk.evidence / "checkpoint").exists():
        raise PAYMENT_IS_NOT_NOTARISED_YET()
    note, _ = last_checkpoint(desk.evidence, verifier)
    checkpoint = open_checkpoint(note, verifier.name, [verifier])
    if checkpoint.size <= sequence:
        raise PAYMENT_IS_NOT_NOTARISED_YET()
    block = read_block(connection, desk.book.book_id, sequence, sequence + 1)
    [leaf] = leaves(desk.book.book_id, sequence, block.posted_at, block.batch)
    tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(desk.evidence))
    if next(tiles.records(sequence, sequence + 1)) != leaf:
        raise NOTARY_SIGNED_SOMETHING_ELSE(sequence=sequence)


def _witnessed(desk: GatewayDesk, said: Instruction, sequence: int) -> None:
    witnessing, verifier = desk.witnessing, desk.notary()
    if witnessing is None or not witnessing.wanted(said.currency, said.minor):
        return
    seen = witnessed_checkpoint(desk.evidence, verifier, witnessing.quorum) if verifier else None
    if seen is None or seen.size <= sequence:
        raise PAYMENT_IS_NOT_WITNESSED_YET()
