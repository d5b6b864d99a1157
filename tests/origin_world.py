"""A program of the platform that signs what it orders, for the tests of who asked for a payment."""

import json
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authority_world import Device
from custody_world import CHEAP, PAYEE
from ringfence.authority import clients, people, proposals, sessions, signing
from ringfence.authority.actors import Client, SignedContent
from ringfence.authority.origin import documents, mandates
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import Assertion, RelyingParty
from ringfence.authority.signing import SignedRequest
from ringfence.custody import own, placing
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

    def withdraws(
        self, order_id: UUID, amount: str = "100.00", customer: str = "c1", mandate: UUID | None = None, **other: Any
    ) -> Order:
        """An order for a withdrawal, placed by the signed request that asks for it."""
        said = withdrawal(order_id, amount, customer) | other
        if mandate:
            said["mandate"] = str(mandate)
        minor = int(amount.replace(".", ""))
        by = self.actor("/api/v1/withdrawals", said)
        account = said["payee_account"]
        return placing.place_withdrawal(
            self.world.desk, order_id, customer, minor, payee_account=account, by=by, mandate=mandate
        )

    def freezes(self, order_id: UUID, amount: str, mandate: UUID) -> Order:
        said = withdrawal(order_id, amount) | {"mandate": str(mandate), "reference": "bid"}
        del said["payee_account"]
        by, minor = self.actor("/api/v1/freezes", said), int(amount.replace(".", ""))
        return placing.place_freeze(self.world.desk, order_id, "c1", minor, by=by, reference="bid", mandate=mandate)

    def transfers(self, order_id: UUID, to: str, amount: str, mandate: UUID) -> Order:
        said = withdrawal(order_id, amount) | {"mandate": str(mandate), "to_customer": to}
        del said["payee_account"]
        by, minor = self.actor("/api/v1/transfers", said), int(amount.replace(".", ""))
        return placing.place_transfer(self.world.desk, order_id, "c1", to, minor, by=by, mandate=mandate)


HERE = RelyingParty("localhost", "http://localhost:8400")


@dataclass
class Person:
    """A customer with a login and, once enrolled, a device."""

    world: Any
    login: str = "ann"
    customer: str = "c1"
    rp: RelyingParty = HERE
    password: str = "my own long pass phrase 9"
    session: Any = None
    device: Any = None

    def add(self) -> "Person":
        """The login is proposed by an administrator and approved by somebody else; the person signs in."""
        core, sessions_ = self.world.core, self.world.sessions
        made = own.propose(core, sessions_["sara"], self.customer, self.login, "Ann Herself", cost=CHEAP)
        drafted = made.drafted
        proposals.approve(core, sessions_["rita"], drafted.proposal_id, drafted.payload_sha256)
        people.change_person(core, drafted.proposal_id)
        first = sessions.session_of(core, sessions.sign_in(core, self.login, made.one_time_password).token)
        people.change_password(core, first, made.one_time_password, self.password, cost=CHEAP)
        return self.sign_in()

    def sign_in(self) -> "Person":
        core = self.world.core
        self.session = sessions.session_of(core, sessions.sign_in(core, self.login, self.password).token)
        return self

    def enrol(self, *, waited: bool = True) -> "Person":
        """A passkey of the own device, approved by an administrator; it has waited as long as the policy says."""
        core = self.world.core
        self.device = Device(self.rp.rp_id, self.rp.origin, random.Random(self.login).randbytes)
        challenge = keys.new_challenge(core)
        made = keys.propose_key(core, self.session, "phone", self.device.registration(challenge), challenge, self.rp)
        proposals.approve(core, self.world.sessions["sara"], made.proposal_id, made.payload_sha256)
        keys.enrol(core, made.proposal_id)
        if waited:
            self.world.wait(hours=25)
            self.world.sign_in_again()
            self.sign_in()
        return self

    def signed(self, document: bytes) -> Assertion:
        return self.device.assertion(documents.challenge_of(document))

    def withdraws(self, amount: int, **other: Any) -> Order:
        found = replace(own.draft(self.world.desk, self.session, amount), **other)
        document = found.canonical()
        return own.place(self.world.desk, self.session, document, self.signed(document), self.rp)

    def gives(self, shop: Shop, purposes: str = "withdrawal", **other: Any) -> UUID:
        """A mandate for a program: 100.00 an order, 250.00 in 30 days, to the own account and to c2."""
        wish = {
            "client": shop.name,
            "purposes": tuple(purposes.split()),
            "cap": 100_00,
            "period_cap": 250_00,
            "period_days": 30,
            "payees": () if purposes == "freeze" else (PAYEE, "customer:c2"),
            "expires_at": self.world.now + timedelta(days=60),
        }
        document = own.draft_mandate(self.world.core, self.session, own.Wish(**wish | other)).canonical()
        used = self.device.assertion(mandates.challenge_of(document))
        return own.give_mandate(self.world.desk, self.session, document, used, self.rp)


def withdrawal(order_id: UUID, amount: str, customer: str = "c1") -> dict[str, Any]:
    said = {"id": str(order_id), "customer": customer, "amount": {"amount": amount, "currency": "EUR"}}
    return said | {"payee_account": PAYEE, "salt": SALT}


def body_of(signed: SignedContent) -> dict[str, Any]:
    return json.loads(signed.content)
