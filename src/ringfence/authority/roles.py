"""The roles of people, and which of them go together.

An administration (system, security) and the audit stand alone: whoever holds one holds nothing else, so that nobody
who gives rights uses them, and nobody audits himself. So does a customer, who sees and asks for the own money only.
Whoever makes payments checks none: a treasurer is neither approver nor risk officer. An approver may be a risk officer
too; both check, and nobody approves what he made. The database holds the same rules. What else a policy puts into one
hand, `review` finds.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from ringfence.authority.refusals import MAKER_MAY_NOT_BE_CHECKER, ROLE_IS_UNKNOWN, ROLES_CONFLICT


class Role(StrEnum):
    """What a person does here."""

    TREASURER = "treasurer"  # makes orders
    APPROVER = "approver"  # checks them
    RISK_OFFICER = "risk_officer"  # releases what the risk rules hold
    AUDITOR = "auditor"  # reads
    SYSTEM_ADMIN = "system_admin"  # runs the installation
    SECURITY_ADMIN = "security_admin"  # proposes people, takes rights away
    CUSTOMER = "customer"  # nobody of the staff: a customer's own login


STAFF: Final = tuple(role for role in Role if role != Role.CUSTOMER)

CHECK: Final = frozenset({Role.APPROVER, Role.RISK_OFFICER})
STAND_ALONE: Final = frozenset({Role.AUDITOR, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.CUSTOMER})


def conflict(roles: Collection[str]) -> bool:
    """Whether nobody may hold these roles together."""
    held = set(roles)
    return len(held) > 1 and not held.isdisjoint(STAND_ALONE)


def makes_and_checks(roles: Collection[str]) -> bool:
    """Whether these roles make payments and check them."""
    return Role.TREASURER in roles and not CHECK.isdisjoint(roles)


def require_roles(roles: Collection[str]) -> tuple[Role, ...]:
    """Roles of the staff in order; `role_is_unknown`, `roles_conflict` or `maker_may_not_be_checker` otherwise."""
    for role in sorted(roles):
        if role not in STAFF:
            raise ROLE_IS_UNKNOWN(role=role)
    if conflict(roles):
        raise ROLES_CONFLICT()
    if makes_and_checks(roles):
        raise MAKER_MAY_NOT_BE_CHECKER()
    return tuple(sorted(Role(role) for role in set(roles)))
