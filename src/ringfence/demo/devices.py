"""The devices of those who approve in the demo, and how their passkeys are enrolled: by their owner and an
administrator, when the book is founded, so that they need not wait.

A device follows from a secret of the installation, so that a day that is played again has the same ones. They do not
count their uses, because a day that was broken off would have forgotten how many there were.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import (
    Assertion,
    Registration,
    approval_challenge,
    relying_party,
    to_text,
)
from ringfence.authority.proposals import Drafted
from ringfence.core import Core
from ringfence.demo.authenticator import Authenticator, bytes_of
from ringfence.keys import secret_key
from ringfence.settings import Settings

SIGNERS: Final = ("adam", "bella", "rita")


def device_of(settings: Settings, login: str, address: str) -> Authenticator:
    """The device of a person, in a browser at the console's address."""
    secret = secret_key(settings.keys, f"demo.device.{login}")
    return Authenticator(relying_party(address).rp_id, address, _drawn_from(secret), counts=False)


def enrol(core: Core, owner: Session, checker: Session, device: Authenticator, address: str) -> None:
    """The owner proposes the device's key and an administrator approves it, unless that was done."""
    with core.connection() as connection:
        if any(each.credential_id == device.credential_id for each in keys.passkeys(connection, core.book.book_id)):
            return
    challenge = keys.new_challenge(core)
    said = device.register(to_text(challenge))
    found = Registration(bytes_of(said["client_data"]), bytes_of(said["attestation_object"]))
    made = keys.propose_key(core, owner, "demo's own device", found, challenge, relying_party(address))
    proposals.approve(core, checker, made.proposal_id, made.payload_sha256)
    keys.enrol(core, made.proposal_id)


def approve(core: Core, session: Session, made: Drafted, device: Authenticator) -> None:
    """Somebody approves a proposal, signed by the own device."""
    said = device.sign(to_text(approval_challenge(made.payload)))
    raw = (bytes_of(said[name]) for name in ("credential", "client_data", "authenticator_data", "signature"))
    proposals.approve(core, session, made.proposal_id, made.payload_sha256, assertion=Assertion(*raw))


def _drawn_from(secret: bytes) -> Callable[[int], bytes]:
    """Bytes that follow from a secret, other ones each time."""
    drawn = 0

    def randomness(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(b"ringfence demo device\0" + secret + drawn.to_bytes(4)).digest(size)

    return randomness
