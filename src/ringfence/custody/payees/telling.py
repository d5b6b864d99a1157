"""What a visitor is told of an order that waits, and who may stop one."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ringfence.authority.actors import Actor, Session
from ringfence.authority.roles import Role
from ringfence.custody.orders import Order
from ringfence.custody.payees.waiting import Wait, wait_of
from ringfence.web.visit import Visit

MAY_STOP: Final = (Role.TREASURER, Role.APPROVER, Role.RISK_OFFICER)


def stopper(visit: Visit) -> Actor:
    """Who stops an order or a payee: a program whose scope was checked, or whoever makes, checks or watches payments."""
    actor: Actor = visit.person.actor
    if isinstance(actor, Session):
        actor.require_role(*MAY_STOP)
    return actor


def waits(visit: Visit, found: Sequence[Order]) -> dict[UUID, Wait]:
    """The waits of those orders that are cooling off, by the policy in force."""
    cooling = [each for each in found if each.state == "cooling_off"]
    if not cooling:
        return {}
    with visit.core.connection() as connection:
        told = {each.order_id: wait_of(connection, visit.book, each, visit.now) for each in cooling}
    return {order_id: wait for order_id, wait in told.items() if wait is not None}
