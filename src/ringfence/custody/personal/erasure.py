"""Erasing a customer: proposed by one person, approved as the policy says, and carried out once.

Only who has nothing here any more is erased. Then the keys of what is sensitive are destroyed (`vault.erasure`):
identity number, phone, own account, and the accounts and instructions of the customer's withdrawals. The customer's id
and name, the orders and the money's history stay, because books are kept for years by law.
"""

from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.standing.acts import require_reason
from ringfence.core import Core
from ringfence.custody.refusals import CUSTOMER_MUST_HAVE_NO_MONEY
from ringfence.custody.wallets import require_empty
from ringfence.vault import erasure


def propose_erasure(core: Core, by: Session, customer_id: str, reason: str) -> Drafted:
    """Propose to erase a customer; `customer_must_exist`, `customer_must_have_no_money`, `change_must_have_a_reason`,
    and what `proposals.propose` refuses.
    """
    require_empty(core, customer_id, coming=True)
    facts = {"customer": customer_id, "reason": require_reason(reason)}
    return proposals.propose(core, by, core.new_id(), erasure.ACT, facts=facts)


def carry_out_erasure(core: Core, proposal_id: UUID) -> int:
    """Erase the customer of a complete proposal; the sequence of CUSTOMER_ERASED. Money that came since stops it."""
    with core.connection() as connection:
        about = proposals.proposal_of(connection, core.book.book_id, proposal_id)
    if about.state != "carried_out":
        require_empty(core, about.terms.facts.get("customer", ""), coming=True)
    return erasure.erase(core, proposal_id)


def carry_out_all(core: Core) -> int:
    """The complete proposals whose customer has no money any more; for the core's rounds. Returns how many."""
    with core.connection() as connection:
        complete = proposals.complete(connection, core.book.book_id, core.clock(), erasure.ACT)
    left = [CUSTOMER_MUST_HAVE_NO_MONEY]
    return proposals.carry_out_each(complete, lambda each: carry_out_erasure(core, each.proposal_id), leaving=left)
