"""Applying: a customer's file is opened in the append that registers the customer, and there is no wallet yet."""

import re
from dataclasses import dataclass
from typing import Final

from ringfence.core import Core
from ringfence.diligence.files import step_id
from ringfence.diligence.lifecycle import EVENTS
from ringfence.diligence.profiles import RISK_CLASSES, Profile
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import RISK_CLASS_IS_UNKNOWN, ROLE_OF_A_CUSTOMER_IS_A_WORD
from ringfence.ledger.journal import Statement
from ringfence.ledger.model import Kind, Line
from ringfence.vault.fields import IDENTITY_NUMBER
from ringfence.vault.keeping import Vault

_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{0,19}", re.ASCII)


@dataclass(frozen=True)
class Application:
    """In which role somebody becomes a customer, for which tier, and how risky the house takes that to be."""

    role: str = "holder"
    tier: str = "standard"
    risk_class: str = "medium"


def application(
    profile: Profile, nature: str, *, role: str | None = None, tier: str | None = None, risk_class: str | None = None
) -> Application:
    """What is applied for, under a profile; `role_of_a_customer_is_a_word`, `tier_is_unknown`,
    `risk_class_is_unknown`.
    """
    if role is not None and not _ROLE.fullmatch(role):
        raise ROLE_OF_A_CUSTOMER_IS_A_WORD(role=role[:40])
    if risk_class is not None and risk_class not in RISK_CLASSES:
        raise RISK_CLASS_IS_UNKNOWN(risk_class=risk_class[:40])
    chosen = profile.tier(tier or profile.first_tier(nature), nature)
    return Application(role or "holder", chosen.name, risk_class or "medium")


def opened_file(
    core: Core,
    vault: Vault,
    customer_id: str,
    *,
    name: str,
    nature: str,
    identity_number: str | None,
    applies: Application,
) -> tuple[Line, Statement]:
    """The event that opens a file and its statement, for the unit that registers the customer.
    `identity_has_an_account_already`, by the database.
    """
    book = core.book.book_id
    said = {"customer": customer_id, "step": 1, "state": "applied", "role": applies.role, "nature": nature}
    said |= {"tier": applies.tier, "risk_class": applies.risk_class}
    identity = step_id(book, customer_id, 1)
    line = Line(Kind.EVENT, identity, code=EVENTS["applied"], payload=said)
    index = None if identity_number is None else vault.index(IDENTITY_NUMBER, identity_number)
    row = {"book": book, "event": identity, "customer": customer_id, "name": name}
    return line, (QUERIES.open_file, row | {"identity_index": index})
