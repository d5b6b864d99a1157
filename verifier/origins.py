"""Who asked for each payment, from the rows alone.

POLICY_SET says for an act by which money leaves who may have asked for it, and from when on. A payment whose money was
held while such a policy was in force (PAYMENT_ORDERED) has its origin in the journal before it:

  program   ORIGIN_STATED with what a program signed (RFC 9421, Ed25519): the signature is that of a key that
            PROGRAM_KEY_ADMITTED says, by a proposal that somebody else approved; the key reaches orders:write, had
            neither ended nor been revoked, and signed a request to the act's address at the time of the row. The body
            that it names by a digest says the payment; it names a payee and is not in the journal
  staff     a proposal for the payment, made by a person and approved by at least one other
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from book import ACCOUNT_OPENED, EVENT, PENDING, Row
from words import Wrong

PROPOSAL_MADE, PROPOSAL_APPROVED, POLICY_SET, PERSON_CHANGED, PAYMENT_ORDERED = 1020, 1021, 1023, 1030, 1040
ORIGIN_STATED, PROGRAM_KEY_ADMITTED = 1150, 1151
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
class Proposal:
    act: str
    order: bytes
    maker: str
    people: int
    approved_by: set[str] = field(default_factory=set)

    @property
    def approved(self) -> bool:
        return len(self.approved_by - {self.maker}) >= max(1, self.people)


@dataclass
class Origins:
    """What the rows so far say about who asked; `add` raises `Wrong` at the row that does not hold."""

    policies: list[tuple[int, dict[str, list[str]]]] = field(default_factory=list)
    customers: set[int] = field(default_factory=set)  # accounts of customers
    holds: dict[bytes, tuple[int, str]] = field(default_factory=dict)  # order: when money was held, and for which act
    proposals: dict[str, Proposal] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)  # names of keys
    origins: dict[bytes, tuple[str, str]] = field(default_factory=dict)  # order: who asked, to which address
    payments: int = 0
    asked: int = 0

    def add(self, row: Row, payload: bytes) -> None:
        reader = _EVENTS.get(row.code) if row.kind == EVENT else _ROWS.get(row.kind)
        if reader is None:
            return
        try:
            reader(self, row, json.loads(payload or b"{}"))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise Wrong("origin_is_malformed", sequence=row.sequence) from None

    def _opened(self, _: Row, said: dict[str, Any]) -> None:
        if said["owner"].startswith("customer:"):
            self.customers.add(said["account"])

    def _held(self, row: Row, _: dict[str, Any]) -> None:
        act = "payout" if row.debit_account in self.customers else "fee_sweep"
        self.holds[row.order_id] = (row.posted_at, act)

    def _policy(self, row: Row, said: dict[str, Any]) -> None:
        from_time = said.get("effective_from")
        begins = row.posted_at if not from_time else max(row.posted_at, _microseconds(from_time))
        self.policies.append((begins, dict(said.get("asked_by", {}))))

    def _made(self, row: Row, said: dict[str, Any]) -> None:
        self.proposals[said["proposal"]] = Proposal(said["act"], row.order_id, said["maker"], said["people"])

    def _approved(self, _: Row, said: dict[str, Any]) -> None:
        if said["proposal"] in self.proposals:
            self.proposals[said["proposal"]].approved_by.add(said["person"])

    def _person(self, _: Row, said: dict[str, Any]) -> None:
        if said.get("change") == "client key revoked":
            self.ended.add(said["key"])
        elif said.get("change") == "client revoked":
            self.ended |= {name for name, key in self.keys.items() if f"client:{key.client}" == said["person"]}

    def _admitted(self, row: Row, said: dict[str, Any]) -> None:
        asked = self.proposals.get(said["proposal"])
        if asked is None or asked.act != ADMISSION or not asked.approved or said["key"] in self.keys:
            raise Wrong("program_key_is_not_admitted", sequence=row.sequence, key=said["key"])
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said["public_key"]))
        ends = _microseconds(said["expires_at"])
        self.keys[said["key"]] = Key(said["client"], public, tuple(said["scopes"].split()), ends)

    def _stated(self, row: Row, said: dict[str, Any]) -> None:
        if said["asked_by"] != "program" or row.order_id in self.origins or str(_order(row)) != said["order"]:
            raise Wrong("origin_is_malformed", sequence=row.sequence)
        self.origins[row.order_id] = ("program", self._signed_path(row, said))

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
        held_at, act = self.holds.get(row.order_id, (row.posted_at, "payout"))
        wanted = next((asked for begins, asked in reversed(self.policies) if begins <= held_at), {}).get(act, [])
        if not wanted:
            return
        asked_by, path = self.origins.get(row.order_id, ("staff", ""))
        if asked_by not in wanted or not (self._staff(row, act) if asked_by == "staff" else path == PATHS[act]):
            raise Wrong("payment_lacks_its_origin", sequence=row.sequence, order=_order(row))
        self.asked += 1

    def _staff(self, row: Row, act: str) -> bool:
        """Did a person of the staff propose this payment, and somebody else approve it?"""
        about = [each for each in self.proposals.values() if (each.act, each.order) == (act, row.order_id)]
        return any(each.approved and ":" not in each.maker and each.maker != "system" for each in about)


_ROWS: Final = {ACCOUNT_OPENED: Origins._opened, PENDING: Origins._held}  # noqa: SLF001 - the class's own
_EVENTS: Final = {
    POLICY_SET: Origins._policy,  # noqa: SLF001
    PROPOSAL_MADE: Origins._made,  # noqa: SLF001
    PROPOSAL_APPROVED: Origins._approved,  # noqa: SLF001
    PERSON_CHANGED: Origins._person,  # noqa: SLF001
    PROGRAM_KEY_ADMITTED: Origins._admitted,  # noqa: SLF001
    ORIGIN_STATED: Origins._stated,  # noqa: SLF001
    PAYMENT_ORDERED: Origins._ordered,  # noqa: SLF001
}


def _order(row: Row) -> UUID:
    return UUID(bytes=row.order_id)


def _microseconds(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * SECOND_MICROSECONDS + at.microsecond
