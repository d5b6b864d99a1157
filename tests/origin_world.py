"""A program of the platform that signs what it orders, for the tests of who asked for a payment."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody_world import PAYEE
from ringfence.authority import clients, proposals, signing
from ringfence.authority.actors import Client, SignedContent
from ringfence.authority.signing import SignedRequest
from ringfence.custody import placing
from ringfence.custody.orders import Order
from ringfence.web.signature import Incoming, claim_of
from signing import signed_by

SALT = "0123456789abcdefghijkl"
HOST = "https://custody.example"


@dataclass
class Shop:
    """A program with a key. `admitted` says whether a second person lets it ask for payments."""

    world: Any
    name: str = "shop"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    key_id: str = ""

    def add(self, *, admitted: bool = True, days: int = 30, scopes: tuple[str, ...] = ("orders:write",)) -> "Shop":
        core, sara = self.world.core, self.world.sessions["sara"]
        clients.add_client(core, sara, self.name, clients.SCOPES)
        public = self.key.public_key().public_bytes_raw()
        ends = core.clock() + timedelta(days=days)
        self.key_id = signing.add_key(core, sara, self.name, public, scopes, ends)
        if admitted:
            self.admit()
        return self

    @property
    def fingerprint(self) -> str:
        return self.key_id.rpartition("/")[2]

    def admit(self) -> UUID:
        core = self.world.core
        made = signing.propose_admission(core, self.world.sessions["sara"], self.name, self.fingerprint)
        proposals.approve(core, self.world.sessions["rita"], made.proposal_id, made.payload_sha256)
        signing.admit(core, made.proposal_id)
        return made.proposal_id

    def request(self, path: str, said: dict[str, Any], **other: Any) -> Incoming:
        """What the core receives of a request that the guide's class signed."""
        asked = httpx.Request("POST", HOST + path, json=said, **other)
        sent = next(signed_by(self.key_id, self.key, lambda: self.world.now).auth_flow(asked))
        headers = tuple((name.lower(), value) for name, value in sent.headers.items())
        return Incoming("POST", "https", "custody.example", path, "", headers, sent.content)

    def signed(self, path: str, said: dict[str, Any]) -> SignedContent:
        claim = claim_of(self.request(path, said))
        return SignedContent(claim.key_id, claim.base, claim.signature, claim.content)

    def actor(self, path: str, said: dict[str, Any]) -> Client:
        """The program as the door lets it in with such a request."""
        claim = claim_of(self.request(path, said))
        raw = SignedContent(claim.key_id, claim.base, claim.signature, claim.content)
        asked = SignedRequest(claim.key_id, claim.nonce, claim.created, claim.expires, claim.fits, raw)
        [found] = signing.callers(self.world.core, [asked])
        assert isinstance(found, Client), found
        return found

    def withdraws(self, order_id: UUID, amount: str = "100.00", customer: str = "c1", **other: Any) -> Order:
        """An order for a withdrawal, placed by the signed request that asks for it."""
        said = withdrawal(order_id, amount, customer) | other
        minor = int(amount.replace(".", ""))
        by = self.actor("/api/v1/withdrawals", said)
        return placing.place_withdrawal(
            self.world.desk, order_id, customer, minor, payee_account=said["payee_account"], by=by
        )


def withdrawal(order_id: UUID, amount: str, customer: str = "c1") -> dict[str, Any]:
    said = {"id": str(order_id), "customer": customer, "amount": {"amount": amount, "currency": "EUR"}}
    return said | {"payee_account": PAYEE, "salt": SALT}


def body_of(signed: SignedContent) -> dict[str, Any]:
    return json.loads(signed.content)
