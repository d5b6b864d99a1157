"""The payee: an account that a customer may be paid to, as the journal knows it without naming it.

PAYEE_ADDED says the SHA-256 of canonical bytes: book, payee, customer, name, account, and a salt that keeps anybody
from guessing the account out of the hash. A payment carries payee and salt, so that the gateway, which holds no index
key, finds the row that made this account a payee, and how long ago.

>>> payee_sha256("demo", UUID(int=7), "c1", "Ada Example", "LT60 1010 0123 4567 8901", "00")[:12]
'48e245fc6e4f'
"""

from hashlib import sha256
from typing import Final
from uuid import UUID

from ringfence.ledger.ids import derived
from ringfence.ledger.model import canonical
from ringfence.vault.fields import Shape, normalised

TAG: Final = "ringfence/payee/v1"
ACT: Final = "new_payee"


def payee_sha256(book: str, payee_id: UUID, customer: str, name: str, account: str, salt: str) -> str:
    """What stands for a payee in the journal and in the proposal that people approve."""
    said = {
        "tag": TAG,
        "book": book,
        "payee": str(payee_id),
        "customer": customer,
        "name": name,
        "account": normalised(Shape.ACCOUNT, account),
        "salt": salt,
    }
    return sha256(canonical(said)).hexdigest()


def registered_payee(book: int, customer: str) -> UUID:
    """The payee that a customer is registered with. There is one, because the journal takes an id once."""
    return derived(UUID(int=book), f"payee of {customer}")


def added_event(payee_id: UUID) -> UUID:
    return derived(payee_id, "added")


def removed_event(payee_id: UUID) -> UUID:
    return derived(payee_id, "removed")


def payee_proposal(payee_id: UUID) -> UUID:
    return derived(payee_id, f"proposal {ACT}")
