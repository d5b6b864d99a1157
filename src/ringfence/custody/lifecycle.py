"""The lifecycle of every kind of order: one table. The diagram on an order's page is drawn from it.

A step is (from, what happens, to) under its kind; `None` is the state before the order exists. `moves` answers the only
question: which state does this lead to? What is not in the table is refused.

>>> moves("withdrawal", "released", "sent to the bank")
'sent'
"""

from typing import Final

from ringfence.refusal import Fault, refusal

ORDER_MAY_NOT_DO_THAT_NOW = refusal(
    "order_may_not_do_that_now",
    Fault.STATE,
    en="A {kind} that is {state} cannot be {act}.",
    zh="状态为 {state} 的 {kind} 不能执行 {act}。",
)

_PAYOUT: Final = (
    (None, "refused by risk", "refused"),
    (None, "held by risk", "held"),
    (None, "placed above the limit", "awaiting_approval"),
    (None, "placed", "released"),
    ("held", "released by two people", "released"),
    ("held", "rejected by a person", "rejected"),
    ("held", "cancelled", "cancelled"),
    ("held", "not decided in time", "cancelled"),
    ("awaiting_approval", "not decided in time", "cancelled"),
    ("awaiting_approval", "approved", "released"),
    ("awaiting_approval", "rejected by a person", "rejected"),
    ("awaiting_approval", "cancelled", "cancelled"),
    ("released", "sent to the bank", "sent"),
    ("released", "paid by the bank", "settled"),
    ("released", "rejected by the bank", "failed"),
    ("sent", "paid by the bank", "settled"),
    ("sent", "rejected by the bank", "failed"),
    ("settled", "returned by the bank", "returned"),
)
# A new payee waits for large amounts (`payees.waiting`).
_COOLING: Final = (
    (None, "placed to a new payee", "cooling_off"),
    ("held", "released to a new payee", "cooling_off"),
    ("held", "payee was removed", "cancelled"),
    ("awaiting_approval", "approved to a new payee", "cooling_off"),
    ("awaiting_approval", "payee was removed", "cancelled"),
    ("cooling_off", "payee is old enough", "released"),
    ("cooling_off", "cancelled", "cancelled"),
    ("cooling_off", "payee was removed", "cancelled"),
    ("cooling_off", "policy asks for people now", "cancelled"),
)
_AT_ONCE: Final = (
    (None, "refused by risk", "refused"),
    (None, "held by risk", "held"),
    (None, "placed", "settled"),
    ("held", "released by two people", "settled"),
    ("held", "rejected by a person", "rejected"),
    ("held", "cancelled", "cancelled"),
    ("held", "not decided in time", "cancelled"),
)

LIFECYCLE: Final[dict[str, tuple[tuple[str | None, str, str], ...]]] = {
    "deposit": (
        (None, "announced", "expected"),
        (None, "received by the bank", "settled"),
        (None, "received, owner unknown", "unallocated"),
        ("expected", "received by the bank", "settled"),
        ("expected", "cancelled", "cancelled"),
    ),
    "withdrawal": _PAYOUT + _COOLING,
    "fee_sweep": _PAYOUT,
    "freeze": _AT_ONCE,
    "release": _AT_ONCE,
    "transfer": _AT_ONCE,
    "fee": _AT_ONCE,
    "escrow": (
        (None, "refused by risk", "refused"),
        (None, "placed into escrow", "in_escrow"),
        ("in_escrow", "released by its condition", "settled"),
        ("in_escrow", "returned to the payer", "cancelled"),
    ),
    "allocation": (
        (None, "proposed", "awaiting_approval"),
        ("awaiting_approval", "approved", "settled"),
        ("awaiting_approval", "receipt has its owner", "cancelled"),
        ("awaiting_approval", "kept out by a limit", "cancelled"),
        ("awaiting_approval", "rejected by a person", "rejected"),
        ("awaiting_approval", "not decided in time", "cancelled"),
    ),
    "funding": (
        (None, "proposed", "awaiting_approval"),
        (None, "announced", "expected"),
        ("awaiting_approval", "approved", "expected"),
        ("awaiting_approval", "rejected by a person", "rejected"),
        ("awaiting_approval", "cancelled", "cancelled"),
        ("awaiting_approval", "not decided in time", "cancelled"),
        ("expected", "received by the bank", "settled"),
        ("expected", "cancelled", "cancelled"),
    ),
}
"""Kinds of order: 充值, 提现, 手续费划转, 冻结, 解冻, 转账, 收费, 担保, 认领, 补足."""


def moves(kind: str, state: str | None, act: str) -> str:
    """The state to which `act` takes an order, or `order_may_not_do_that_now`."""
    for before, what, after in LIFECYCLE[kind]:
        if (before, what) == (state, act):
            return after
    raise ORDER_MAY_NOT_DO_THAT_NOW(kind=kind, state=state or "new", act=act)


def may_move(kind: str, state: str, act: str) -> bool:
    return any((before, what) == (state, act) for before, what, _ in LIFECYCLE[kind])


def states(kind: str) -> list[str]:
    """The states of a kind, in the order in which the table names them first."""
    named = [state for before, _, after in LIFECYCLE[kind] for state in (before, after) if state]
    return list(dict.fromkeys(named))


def is_final(kind: str, state: str) -> bool:
    return all(before != state for before, _, _ in LIFECYCLE[kind])
