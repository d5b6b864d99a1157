"""Who asked for each payment, from the rows alone.

POLICY_SET says for an act by which money leaves who may have asked for it, and from when on. A payment whose money was
held while such a policy was in force (PAYMENT_ORDERED) has its origin in the journal before it:

  program   ORIGIN_STATED with what a program signed (RFC 9421, Ed25519): the signature is that of a key that
            PROGRAM_KEY_ADMITTED says, by a proposal that somebody else approved; the key reaches orders:write, had
            neither ended nor been revoked, and signed a request to the act's address at the time of the row. The body
            that it names by a digest says the payment; it names a payee and is not in the journal
  customer  ORIGIN_STATED with what a browser and a device said: the signature is that of a passkey of a login which
            PERSON_CHANGED binds to the customer whose money was held, over a challenge that is a digest of the document
  mandate   the same as of a program, and MANDATE_GIVEN before it, signed by a passkey of the customer's login for this
            program, for withdrawals, not revoked, not past its end; within the cap of one, and with what was held under
            it before within that of the period. Its payees are in the document, which is not in the journal
  staff     a proposal for the payment, made by a person and approved by at least one other
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from approvals import Approvals
from book import ACCOUNT_OPENED, DAY_MICROSECONDS, EVENT, PENDING, Row
from folder import parse_json
from proposals import POLICY_SET, PROPOSAL_APPROVED, PROPOSAL_MADE, Proposals, in_force_from, microseconds
from words import Wrong

PERSON_CHANGED, PAYMENT_ORDERED = 1030, 1040
ORIGIN_STATED, PROGRAM_KEY_ADMITTED, MANDATE_GIVEN, MANDATE_REVOKED = 1150, 1151, 1152, 1153
ADMISSION: Final = "program_key"
SCOPE: Final = "orders:write"
PATHS: Final = {"payout": "/api/v1/withdrawals", "fee_sweep": "/api/v1/fee-sweeps"}
SECOND_MICROSECONDS: Final = 1_000_000
BEFORE_SECONDS, AHEAD_SECONDS = 16 * 60, 60
_LINE: Final = re.compile(r'"([a-z0-9@-]+)": (.*)', re.ASCII)
_PARAMETER: Final = re.compile(r';([a-z]+)=(?:([0-9]{1,15})|"([^"\\]*)")', re.ASCII)


@dataclass(frozen=True)
class Key:
    """A key by which a program may ask for payments."""

    client: str
    public: Ed25519PublicKey
    scopes: tuple[str, ...]
    expires_at: int  # microseconds since 1970


@dataclass
class Mandate:
    """What a customer lets a program ask for; `asked` are the times and amounts of payments under it."""

    customer: str
    client: str
    purposes: list[str]
    cap: int
    period_cap: int
    period_days: int
    expires_at: int
    asked: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Origins:
    """What the rows so far say about who asked; `add` raises `Wrong` at the row that does not hold."""

    policies: list[tuple[int, dict[str, list[str]]]] = field(default_factory=list)
    approvals: Approvals = field(default_factory=Approvals)  # which passkeys there are
    customers: dict[int, str] = field(default_factory=dict)  # account: customer
    logins: dict[str, str] = field(default_factory=dict)  # person: customer
    mandates: dict[str, Mandate] = field(default_factory=dict)  # that stand
    mandates_ever: dict[str, Mandate] = field(default_factory=dict)
    under: dict[bytes, tuple[str, int]] = field(default_factory=dict)  # order: its mandate, and when it was stated
    holds: dict[bytes, tuple[int, str, int]] = field(default_factory=dict)  # order: when, whose and how much was held
    proposals: Proposals = field(default_factory=Proposals)
    keys: dict[str, Key] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)  # names of keys
    origins: dict[bytes, tuple[str, str]] = field(default_factory=dict)  # order: who asked, to which address
    payments: int = 0
    asked: int = 0

    def add(self, row: Row, payload: bytes) -> None:
        self.approvals.add(row, payload)
        reader = _EVENTS.get(row.code) if row.kind == EVENT else _ROWS.get(row.kind)
        if reader is None:
            return
        try:
            reader(self, row, parse_json(payload or b"{}"))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise Wrong("origin_is_malformed", sequence=row.sequence) from None

    def _opened(self, _: Row, said: dict[str, Any]) -> None:
        if said["owner"].startswith("customer:"):
            self.customers[said["account"]] = said["owner"].removeprefix("customer:")

    def _held(self, row: Row, _: dict[str, Any]) -> None:
        self.holds[row.order_id] = (row.posted_at, self.customers.get(row.debit_account, ""), row.amount)

    def _policy(self, row: Row, said: dict[str, Any]) -> None:
        self.policies.append((in_force_from(row, said), dict(said.get("asked_by", {}))))

    def _made(self, row: Row, said: dict[str, Any]) -> None:
        self.proposals.made(row, said)

    def _approved(self, _: Row, said: dict[str, Any]) -> None:
        self.proposals.approved(said)

    def _person(self, _: Row, said: dict[str, Any]) -> None:
        if "customer" in said:
            self.logins.setdefault(said["person"], said["customer"])
        if said.get("change") == "client key revoked":
            self.ended.add(said["key"])
        elif said.get("change") == "client revoked":
            self.ended |= {name for name, key in self.keys.items() if f"client:{key.client}" == said["person"]}

    def _admitted(self, row: Row, said: dict[str, Any]) -> None:
        if not self.proposals.agreed(said["proposal"], ADMISSION) or said["key"] in self.keys:
            raise Wrong("program_key_is_not_admitted", sequence=row.sequence, key=said["key"])
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said["public_key"]))
        ends = microseconds(said["expires_at"])
        self.keys[said["key"]] = Key(said["client"], public, tuple(said["scopes"].split()), ends)

    def _stated(self, row: Row, said: dict[str, Any]) -> None:
        if row.order_id in self.origins or str(_order(row)) != said["order"]:
            raise Wrong("origin_is_malformed", sequence=row.sequence)
        asked_by = said["asked_by"]
        self.origins[row.order_id] = (asked_by, _SIGNED[asked_by](self, row, said))

    def _given(self, row: Row, said: dict[str, Any]) -> None:
        self._signed_by_customer(row, said)
        ends = microseconds(said["expires_at"])
        caps = (int(said["cap_minor"]), int(said["period_cap_minor"]), said["period_days"])
        if said["mandate"] in self.mandates_ever:
            raise Wrong("origin_is_malformed", sequence=row.sequence)
        given = Mandate(said["customer"], said["client"], said["purposes"], *caps, ends)
        self.mandates[said["mandate"]] = self.mandates_ever[said["mandate"]] = given

    def _withdrawn(self, _: Row, said: dict[str, Any]) -> None:
        self.mandates.pop(said["mandate"], None)

    def _signed_under_mandate(self, row: Row, said: dict[str, Any]) -> str:
        """The address to which a program signed a request, under a mandate for it that stands."""
        mandate = self.mandates.get(said["mandate"])
        if mandate is None or mandate.client != said["client"] or mandate.expires_at <= row.posted_at:
            raise Wrong("origin_is_under_no_mandate", sequence=row.sequence, mandate=said["mandate"])
        self.under[row.order_id] = (said["mandate"], row.posted_at)
        return self._signed_path(row, said)

    def _within(self, row: Row, customer: str, amount: int) -> bool:
        """Is a payment within the caps of its mandate, with what was asked in the period before?"""
        name, at = self.under.get(row.order_id, ("", 0))
        mandate = self.mandates_ever.get(name)
        if mandate is None or mandate.customer != customer or "withdrawal" not in mandate.purposes:
            return False
        since = at - mandate.period_days * DAY_MICROSECONDS
        before = sum(each for when, each in mandate.asked if when > since)
        mandate.asked.append((at, amount))
        return amount <= mandate.cap and before + amount <= mandate.period_cap

    def _signed_by_customer(self, row: Row, said: dict[str, Any]) -> str:
        """The customer who signed, by a passkey of a login of the own."""
        if self.logins.get(said["person"]) != said["customer"]:
            raise Wrong("origin_is_by_another_login", sequence=row.sequence, person=said["person"])
        self.approvals.require_signature(row, said)
        return str(said["customer"])

    def _signed_path(self, row: Row, said: dict[str, Any]) -> str:
        """The address to which a program signed a request at the time of a row."""
        key = self.keys.get(said["key"])
        fits = key is not None and key.client == said["client"] and SCOPE in key.scopes
        if key is None or not fits or said["key"] in self.ended or key.expires_at <= row.posted_at:
            raise Wrong("origin_is_by_another_key", sequence=row.sequence, key=said["key"])
        base = said["base"].encode("latin-1")
        try:
            key.public.verify(bytes.fromhex(said["signature"]), base)
        except InvalidSignature:
            raise Wrong("origin_is_forged", sequence=row.sequence, key=said["key"]) from None
        lines = [_LINE.fullmatch(line) for line in said["base"].split("\n")]
        parts = {line[1]: line[2] for line in lines if line}
        told = {name: number or text for name, number, text in _PARAMETER.findall(parts["@signature-params"])}
        age_seconds = row.posted_at // SECOND_MICROSECONDS - int(told["created"])
        path = urlsplit(parts["@target-uri"]).path if "@target-uri" in parts else parts["@path"]
        if (
            told["keyid"] != said["key"]
            or not -AHEAD_SECONDS <= age_seconds <= BEFORE_SECONDS
            or (parts["@method"], "content-digest" in parts) != ("POST", True)
        ):
            raise Wrong("origin_is_for_something_else", sequence=row.sequence)
        return path

    def _ordered(self, row: Row, _: dict[str, Any]) -> None:
        self.payments += 1
        held_at, customer, amount = self.holds.get(row.order_id, (row.posted_at, "nobody", 0))
        act = "payout" if customer else "fee_sweep"
        wanted = next((asked for begins, asked in reversed(self.policies) if begins <= held_at), {}).get(act, [])
        if not wanted:
            return
        asked_by, found = self.origins.get(row.order_id, ("staff", ""))
        right = {
            "program": found == PATHS[act],
            "customer": found == customer,
            "mandate": found == PATHS[act] and self._within(row, customer, amount),
            "staff": self._staff(row, act),
        }
        if asked_by not in wanted or not right[asked_by]:
            raise Wrong("payment_lacks_its_origin", sequence=row.sequence, order=_order(row))
        self.asked += 1

    def _staff(self, row: Row, act: str) -> bool:
        """Did a person of the staff propose this payment, and somebody else approve it?"""
        about = [each for each in self.proposals.values() if (each.act, each.order) == (act, row.order_id)]
        return any(each.approved and ":" not in each.maker and each.maker != "system" for each in about)


_SIGNED: Final = {
    "program": Origins._signed_path,  # noqa: SLF001
    "customer": Origins._signed_by_customer,  # noqa: SLF001
    "mandate": Origins._signed_under_mandate,  # noqa: SLF001
}
_ROWS: Final = {ACCOUNT_OPENED: Origins._opened, PENDING: Origins._held}  # noqa: SLF001 - the class's own
_EVENTS: Final = {
    POLICY_SET: Origins._policy,  # noqa: SLF001
    PROPOSAL_MADE: Origins._made,  # noqa: SLF001
    PROPOSAL_APPROVED: Origins._approved,  # noqa: SLF001
    PERSON_CHANGED: Origins._person,  # noqa: SLF001
    PROGRAM_KEY_ADMITTED: Origins._admitted,  # noqa: SLF001
    ORIGIN_STATED: Origins._stated,  # noqa: SLF001
    MANDATE_GIVEN: Origins._given,  # noqa: SLF001
    MANDATE_REVOKED: Origins._withdrawn,  # noqa: SLF001
    PAYMENT_ORDERED: Origins._ordered,  # noqa: SLF001
}


def _order(row: Row) -> UUID:
    return UUID(bytes=row.order_id)
