"""Who is told of an order that waits, and who may stop one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from ringfence.authority.actors import Actor, Session
from ringfence.authority.roles import Role
from ringfence.core import Core
from ringfence.custody.orders import Order
from ringfence.custody.payees.waiting import Wait, wait_of

MAY_STOP: Final = (Role.TREASURER, Role.APPROVER, Role.RISK_OFFICER)


def stopper(actor: Actor) -> Actor:
    """Who stops an order or a payee: a program with the scope, or whoever makes, checks or watches payments."""
    if isinstance(actor, Session):
        actor.require_role(*MAY_STOP)
    return actor


def waits(core: Core, found: Sequence[Order], at: datetime) -> dict[UUID, Wait]:
    """The waits of those orders that are cooling off, by the policy in force."""
    cooling = [each for each in found if each.state == "cooling_off"]
    if not cooling:
        return {}
    with core.connection() as connection:
        told = {each.order_id: wait_of(connection, core.book.book_id, each, at) for each in cooling}
    return {order_id: wait for order_id, wait in told.items() if wait is not None}
