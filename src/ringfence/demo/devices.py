"""The approvers' devices in the demo, and how their passkeys are enrolled: by their owner and an administrator.

A device follows from a secret of the installation, so that a day that is played again has the same ones. They do not
count their uses, because a day that was broken off would have forgotten how many there were.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from ringfence.authority.passkeys.assertions import relying_party
from ringfence.authority.passkeys.keys import ACT
from ringfence.demo.authenticator import Authenticator
from ringfence.demo.platform import Platform
from ringfence.keys import secret_key
from ringfence.settings import Settings

SIGNERS: Final = ("adam", "bella")


def device_of(settings: Settings, login: str, address: str) -> Authenticator:
    """The device of a person, in a browser at the console's address."""
    secret = secret_key(settings.keys, f"demo.device.{login}")
    return Authenticator(relying_party(address).rp_id, address, _drawn_from(secret), counts=False)


def enrol(owner: Platform, checker: Platform, device: Authenticator) -> bool:
    """Propose the device's key unless that was done, and approve it; true once it is enrolled."""
    name = device.credential_id.hex()
    if any(each["credential"] == name for each in owner.ask("GET", "/api/v1/passkeys")["passkeys"]):
        return True
    if not _waiting(checker, name):
        asked = owner.ask("POST", "/api/v1/passkeys/challenges")
        said = device.register(asked["challenge"]) | {"challenge": asked["challenge"], "label": "demo's own device"}
        owner.ask("POST", "/api/v1/passkeys", said)
    for proposal in _waiting(checker, name)[:1]:
        checker.decide(proposal, "approve")
    return False


def _waiting(checker: Platform, name: str) -> list[dict[str, object]]:
    return [each for each in checker.proposals() if each["act"] == ACT and each["facts"]["credential"] == name]


def _drawn_from(secret: bytes) -> Callable[[int], bytes]:
    """Bytes that follow from a secret, other ones each time."""
    drawn = 0

    def randomness(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(b"ringfence demo device\0" + secret + drawn.to_bytes(4)).digest(size)

    return randomness
