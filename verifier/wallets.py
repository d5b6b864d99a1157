"""Who may have a wallet, pay and receive, from the rows alone.

Each customer has a file, whose steps are numbered from 1 without a gap: FILE_OPENED to TIER_ASKED. The last step says
the state. CUSTOMER_VERIFIED says the limits of the tier as well, CUSTOMER_RESTRICTED the direction: `in`, money may
still come; `none`, neither. CUSTOMER_REGISTERED with the tier `taken_over` says that another book verified somebody.

  accounts   ACCOUNT_OPENED of a customer (its owner is `customer:` and the id): verified by the end of the chain
  movements  who pays is verified and not restricted, who receives may receive, and whoever moves money between own
             accounts is verified, restricted or not. A payment that the bank has made and a crossing that another book
             has made are posted in any case, and a payment may come back to the account that it was held on
  limits     a transfer or post leaves no wallet with more than the tier allows, frozen money included
  decisions  what a list or a person restricted, and whoever is of high risk, is verified by a proposal of the act
             customer_verification that others approved

For a minute after a step what programs post between customers (codes 102 and 200 to 999) and crossings (111) may still
go by the state before it: they are asked for before they are sent. A book without a policy (POLICY_SET) says nothing.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from book import ACCOUNT_OPENED, CORRECTION, EVENT, LINKED, PENDING, POST, TRANSFER, Row
from folder import parse_json
from proposals import POLICY_SET, PROPOSAL_APPROVED, PROPOSAL_MADE, Proposals
from words import Wrong

FILE_OPENED, CUSTOMER_VERIFIED, CUSTOMER_RESTRICTED, CUSTOMER_CLOSED, TIER_ASKED = 1120, 1126, 1127, 1128, 1130
CUSTOMER_REGISTERED, WITHDRAWAL, BANK_RETURN, CROSSING = 1090, 7, 107, 111
STEPS: Final = frozenset(range(FILE_OPENED, TIER_ASKED + 1))
TURNS: Final = {CUSTOMER_VERIFIED: "verified", CUSTOMER_RESTRICTED: "restricted", CUSTOMER_CLOSED: "closed"}
MOVING: Final = (TRANSFER, PENDING, POST, CORRECTION)
PROGRAMS: Final = frozenset([102, CROSSING, *range(200, 1000)])
GRACE_MICROSECONDS: Final = 60_000_000
OWNER: Final = "customer:"


@dataclass(frozen=True)
class Customer:
    step: int = 0
    state: str = ""
    direction: str = ""
    reason: str = ""
    wallet: bool = False
    most: int | None = None  # in minor units
    since: int = 0  # microseconds since 1970
    before: "Customer | None" = None

    def may(self, deed: str) -> bool:
        if not self.wallet or self.state not in ("verified", "restricted"):
            return False
        return self.state == "verified" or deed == "keep" or (deed == "receive" and self.direction == "in")


@dataclass
class Wallets:
    """What the rows so far say of customers; `add` raises `Wrong` at the row that does not hold."""

    customers: dict[str, Customer] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)  # account: customer
    held: dict[str, int] = field(default_factory=dict)  # customer: what the wallet holds, in minor units
    holds: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)  # order: accounts and amount of its payment
    opening: list[tuple[int, str]] = field(default_factory=list)  # row and customer, until the chain ends
    proposals: Proposals = field(default_factory=Proposals)
    governed: bool = False
    moved: int = 0

    def add(self, row: Row, payload: bytes) -> None:
        try:
            if row.kind in MOVING:
                self._move(row)
            elif row.kind == ACCOUNT_OPENED:
                self._open(row, parse_json(payload))
            elif row.kind == EVENT:
                self._hear(row, payload)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Wrong("diligence_is_malformed", sequence=row.sequence) from None
        if not row.flags & LINKED:
            for sequence, name in self.opening:
                if self.governed and not self._customer(name).wallet:
                    raise Wrong("wallet_lacks_its_verification", sequence=sequence, customer=name)
            self.opening.clear()

    def verified(self) -> int:
        return sum(each.state == "verified" for each in self.customers.values())

    def _customer(self, name: str) -> Customer:
        return self.customers.get(name, Customer())

    def _open(self, row: Row, said: dict[str, Any]) -> None:
        if said["owner"].startswith(OWNER):
            name = self.owners[row.debit_account] = said["owner"].removeprefix(OWNER)
            self.opening.append((row.sequence, name))

    # -- what is said of customers ----------------------------------------------------------------------------------

    def _hear(self, row: Row, payload: bytes) -> None:
        if row.code in STEPS:
            self._step(row, parse_json(payload))
        elif row.code == POLICY_SET:
            self.governed = True
        elif row.code == PROPOSAL_MADE:
            self.proposals.made(row, parse_json(payload))
        elif row.code == PROPOSAL_APPROVED:
            self.proposals.approved(parse_json(payload))
        elif row.code == CUSTOMER_REGISTERED:
            said = parse_json(payload)
            if said.get("tier") == "taken_over":
                name = said["customer"].removeprefix(OWNER)
                self.customers.setdefault(name, Customer(state="verified", wallet=True))

    def _step(self, row: Row, said: dict[str, Any]) -> None:
        name, was = said["customer"], self._customer(said["customer"])
        first = row.code == FILE_OPENED
        if said["step"] != was.step + 1 or first != (was.step == 0) or (was.step and was.state == "closed"):
            raise Wrong("step_is_not_the_next", sequence=row.sequence, customer=name)
        became = replace(
            was, step=was.step + 1, state=said["state"], since=row.posted_at, before=replace(was, before=None)
        )
        if row.code == CUSTOMER_VERIFIED:
            if self.governed and (was.reason in ("listed", "person") or said["risk_class"] == "high"):
                self._require_people(row, name, said["proposal"])
            most = said["limits"].get("balance")
            became = replace(became, wallet=True, direction="", reason="", most=None if most is None else int(most))
        elif row.code == CUSTOMER_RESTRICTED:
            became = replace(became, direction=said["direction"], reason=said["reason"])
        if first:
            turns = became.state == "applied"
        elif row.code in TURNS:
            turns = became.state == TURNS[row.code]
        else:  # any other step leaves these states alone, and leads to none of them
            turns = became.state == was.state or {became.state, was.state}.isdisjoint(TURNS.values())
        if not turns:
            raise Wrong("step_is_not_the_next", sequence=row.sequence, customer=name)
        self.customers[name] = became

    def _require_people(self, row: Row, name: str, proposal: str | None) -> None:
        if not self.proposals.agreed(proposal, "customer_verification"):
            raise Wrong("verification_lacks_approval", sequence=row.sequence, customer=name)

    # -- what they move -----------------------------------------------------------------------------------------------

    def _move(self, row: Row) -> None:
        payer, payee = self.owners.get(row.debit_account), self.owners.get(row.credit_account)
        if payer is None and payee is None:
            return
        self.moved += 1
        if row.kind == PENDING and row.code == WITHDRAWAL:
            self.holds[row.order_id] = row.debit_account, row.credit_account, row.amount
        if row.kind != PENDING:
            for name, change in ((payer, -row.amount), (payee, row.amount)):
                if name is not None:
                    self.held[name] = self.held.get(name, 0) + change
        if row.kind == CORRECTION or payer == payee:
            self._require(row, payer, "keep")
            self._require(row, payee, "keep")
            return
        settles = row.kind == POST and row.code in (WITHDRAWAL, CROSSING)
        back = row.code == BANK_RETURN and self.holds.get(row.order_id) == (
            row.credit_account, row.debit_account, row.amount,
        )  # fmt: skip
        self._require(row, payer, "keep" if settles else "pay")
        self._require(row, payee, "keep" if settles or back else "receive")
        if payee is not None and row.kind != PENDING and not (settles or back):
            self._require_room(row, payee)

    def _require(self, row: Row, name: str | None, deed: str) -> None:
        if name is None or not self.governed or any(each.may(deed) for each in self._in_question(row, name)):
            return
        wrong = "customer_is_restricted" if self._customer(name).may("keep") else "customer_was_not_verified"
        raise Wrong(wrong, sequence=row.sequence, customer=name)

    def _require_room(self, row: Row, name: str) -> None:
        most = [each.most for each in self._in_question(row, name)]
        if self.governed and all(each is not None and self.held.get(name, 0) > each for each in most):
            raise Wrong("wallet_is_above_its_tier", sequence=row.sequence, customer=name, most=most[0])

    def _in_question(self, row: Row, name: str) -> list[Customer]:
        """The customer by the steps before the row; for what a program sent, for a minute, also without the last."""
        now = self._customer(name)
        late = row.code in PROGRAMS and row.posted_at < now.since + GRACE_MICROSECONDS
        return [now, now.before] if late and now.before is not None else [now]
