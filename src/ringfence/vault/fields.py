"""The sensitive fields: where each belongs, how sensitive it is, what of it is shown, and who may see all of it.

Grades are those of JR/T 0171-2020, 4.2: C3 proves who somebody is (passwords, codes, a card's CVV) and is never kept
here; C2 tells who somebody is or what he has, is encrypted and masked; C1 is for use inside and is shown. What a mask
leaves is enough to recognise a value, and too little to use it.

>>> mask(Shape.ACCOUNT, "DE89 3704 0044 0532 0130 00")
'DE89••••3000'
>>> mask(Shape.PHONE, "13812345678"), mask(Shape.IDENTITY, "11010519491231002X")
('138••••5678', '110••••002X')
>>> mask(Shape.PHONE, "555-0100"), mask(Shape.ACCOUNT, "12345")
('••••00', '••••45')
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ringfence.authority.roles import Role
from ringfence.vault.refusals import FIELD_IS_UNKNOWN

HIDDEN: Final = "••••"
MAY_SEE: Final = (Role.APPROVER, Role.RISK_OFFICER)
"""Who may have a C2 value revealed; the database holds the same rule."""


class Grade(StrEnum):
    """JR/T 0171-2020, 4.2."""

    C1 = "C1"
    C2 = "C2"
    C3 = "C3"


class Shape(StrEnum):
    """What a value looks like, which decides its mask and when two are the same."""

    IDENTITY = "identity"
    PHONE = "phone"
    ACCOUNT = "account"  # a bank account or card
    PAYMENT = "payment"  # canonical bytes, or a secret; nothing of them is shown


@dataclass(frozen=True)
class Field:
    """A sensitive column. `indexed`: it can be looked up; `single`: no two rows of a book have the same value."""

    place: str
    shape: Shape
    grade: Grade = Grade.C2
    indexed: bool = False
    single: bool = False

    @property
    def name(self) -> str:
        """The word for it on pages: its column."""
        return self.place.rpartition(".")[2]


IDENTITY_NUMBER: Final = Field("custody.customer.identity_number", Shape.IDENTITY, indexed=True)
PHONE: Final = Field("custody.customer.phone", Shape.PHONE, indexed=True)
PAYEE_ACCOUNT: Final = Field("custody.customer.payee_account", Shape.ACCOUNT, indexed=True)
DOCUMENT_NUMBER: Final = Field("diligence.document.number", Shape.IDENTITY)
OWNER_NUMBER: Final = Field("diligence.party.identity_number", Shape.IDENTITY, indexed=True)
ORDER_ACCOUNT: Final = Field("custody.order.payee_account", Shape.ACCOUNT)
PAYEE: Final = Field("custody.payee.account", Shape.ACCOUNT, indexed=True)
PAYMENT: Final = Field("banking.payment_order.payload", Shape.PAYMENT)
ORIGIN: Final = Field("banking.payment_order.origin", Shape.PAYMENT)
MANDATE: Final = Field("authority.mandate.document", Shape.PAYMENT)
LIABILITY_SECRET: Final = Field("liabilities.holder.secret", Shape.PAYMENT)
ENTRY_ACCOUNT: Final = Field("banking.entry.counterparty_account", Shape.ACCOUNT)
ADVICE_ACCOUNT: Final = Field("banking.advice.counterparty_account", Shape.ACCOUNT)
FIELDS: Final = {
    each.place: each
    for each in (
        IDENTITY_NUMBER,
        PHONE,
        PAYEE_ACCOUNT,
        DOCUMENT_NUMBER,
        OWNER_NUMBER,
        ORDER_ACCOUNT,
        PAYEE,
        PAYMENT,
        ORIGIN,
        MANDATE,
        LIABILITY_SECRET,
        ENTRY_ACCOUNT,
        ADVICE_ACCOUNT,
    )
}
OF_A_PAYMENT: Final = (PAYMENT, ORIGIN, MANDATE)
"""What the gateway opens."""
OF_A_CUSTOMER: Final = (IDENTITY_NUMBER, PHONE, PAYEE_ACCOUNT)
_ENDS: Final = {Shape.IDENTITY: (3, 4), Shape.PHONE: (3, 4), Shape.ACCOUNT: (4, 4)}
_WHOLE_LENGTH_MIN: Final = 11  # so that a mask of both ends still hides enough


def field_of(place: str) -> Field:
    """The field of a place; `field_is_unknown`."""
    found = FIELDS.get(place)
    if found is None:
        raise FIELD_IS_UNKNOWN(field=place[:80])
    return found


def normalised(shape: Shape, value: str) -> str:
    """What is the same however it was typed: no spaces or hyphens, large letters."""
    return "".join(value.replace("-", "").split()).upper() if shape is not Shape.PAYMENT else value


def mask(shape: Shape, value: str) -> str:
    """What is shown of a C2 value: both ends of a long one, the last two of a short one, nothing of a payment."""
    if shape is Shape.PAYMENT:
        return HIDDEN
    text = normalised(shape, value)
    if len(text) < _WHOLE_LENGTH_MIN:
        return HIDDEN + (text[-2:] if len(text) > 4 else "")
    first, last = _ENDS[shape]
    return f"{text[:first]}{HIDDEN}{text[-last:]}"


def shown(field: Field, value: str) -> str:
    """A value by its grade: C1 whole, C2 masked, C3 not at all."""
    if field.grade is Grade.C1:
        return value
    return mask(field.shape, value) if field.grade is Grade.C2 else HIDDEN
