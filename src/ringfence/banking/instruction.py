"""The payment instruction: the canonical bytes that people approve, the journal hashes, and the gateway pays from.

It is JSON in the form of RFC 8785, so that one instruction has one byte string and one hash; amounts are decimal
strings. Any change of amount or payee is another hash, for which there is no approval (PSD2, Delegated Regulation (EU)
2018/389, Article 5: the authentication code is specific to amount and payee). A salt keeps the hash in the journal from
saying whose account it is.

>>> from datetime import date
>>> from uuid import UUID
>>> said = Instruction("demo", UUID(int=7), "c-1", "bank:alpha:main", "Ada Example", "LT601010012345678901", "EUR",
...                    "12.50", date(2026, 3, 2), 1, "00" * 16)
>>> parse_instruction(said.canonical()) == said
True
"""

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final
from uuid import UUID

from ringfence.ledger.model import canonical
from ringfence.money import currency, parse_minor
from ringfence.refusal import Fault, Refused, refusal

TAG: Final = "ringfence/payment/v1"

INSTRUCTION_IS_MALFORMED = refusal(
    "instruction_is_malformed",
    Fault.INPUT,
    en="The payment instruction is not in its canonical form.",
    zh="付款指令不符合规范格式。",
)


@dataclass(frozen=True)
class Instruction:
    """Pay `amount` from a custodian account to a creditor on a date."""

    book: str
    order_id: UUID
    customer: str
    debtor_account: str  # the ledger's name of the custodian account
    creditor_name: str
    creditor_account: str
    currency: str
    amount: str  # decimal
    execution_date: date
    policy_version: int
    salt: str
    payee: UUID | None = None  # whom the journal knows as this account's holder; None: the platform itself
    payee_salt: str = ""

    @property
    def minor(self) -> int:
        return parse_minor(self.amount, currency(self.currency))

    @property
    def end_to_end_id(self) -> str:
        """32 hexadecimal digits: what the bank gives back with the entry and with the status."""
        return end_to_end_id(self.order_id)

    def canonical(self) -> bytes:
        return canonical(
            {
                "tag": TAG,
                "book": self.book,
                "order": str(self.order_id),
                "customer": self.customer,
                "debtor_account": self.debtor_account,
                "creditor_name": self.creditor_name,
                "creditor_account": self.creditor_account,
                "currency": self.currency,
                "amount": self.amount,
                "execution_date": self.execution_date.isoformat(),
                "policy_version": self.policy_version,
                "salt": self.salt,
                "payee": str(self.payee) if self.payee else None,
                "payee_salt": self.payee_salt,
            }
        )

    def sha256(self) -> str:
        return sha256(self.canonical()).hexdigest()


def end_to_end_id(order_id: UUID) -> str:
    """What stands for an order at the bank."""
    return order_id.hex


def parse_instruction(payload: bytes) -> Instruction:
    """The instruction of canonical bytes; any other bytes are refused, also those of the same meaning."""
    try:
        said = json.loads(payload)
        found = Instruction(
            book=said["book"],
            order_id=UUID(said["order"]),
            customer=said["customer"],
            debtor_account=said["debtor_account"],
            creditor_name=said["creditor_name"],
            creditor_account=said["creditor_account"],
            currency=said["currency"],
            amount=said["amount"],
            execution_date=date.fromisoformat(said["execution_date"]),
            policy_version=said["policy_version"],
            salt=said["salt"],
            payee=UUID(said["payee"]) if said["payee"] is not None else None,
            payee_salt=said["payee_salt"],
        )
        sound = found.canonical() == payload and found.minor > 0
    except (ValueError, KeyError, TypeError, AttributeError, Refused):
        sound = False
    if not sound:
        raise INSTRUCTION_IS_MALFORMED()
    return found
