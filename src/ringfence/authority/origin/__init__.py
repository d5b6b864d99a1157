"""Origin: who asked for a payment, in bytes and a signature that a core which has been taken cannot make.

The policy says for an act by which money leaves who may have asked for it (`asked_by`). What shows it is kept raw:
what anybody may see in ORIGIN_STATED, in the append that places the order; what names a payee in the vault, beside the
payment's bytes. The gateway verifies it from these alone before it pays, and the stranger's program from the journal.

  program    the request that placed the order was signed (RFC 9421, Ed25519). The event has the signature's base, the
             signature and the key's name; the vault has the request's body, which the base binds by its digest and
             which says the order's id, the customer, the amount and the payee. The key is one that a second person
             admitted (PROGRAM_KEY_ADMITTED); it had neither ended nor been revoked, and reached `orders:write`
  staff      a person of the staff made a proposal for the payment and at least one other approved it. There is no event
             of its own: PROPOSAL_MADE and PROPOSAL_APPROVED say it

The body has a salt: its digest stands in the journal, and must not tell whose account it names to somebody who tries
all that there are.

The ways in: `stating.stated` for who places an order; `verification.require_origin` for who pays it.
"""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Payment:
    """What somebody must have asked for; `amount` in minor units."""

    act: str
    order_id: UUID
    customer: str
    amount: int
    currency: str
    creditor_name: str
    creditor_account: str
