"""What the console is composed of: each domain's API, pages, panels and navigation."""

from collections.abc import Sequence
from typing import Final

from ringfence.authority.pages import MODULE as AUTHORITY
from ringfence.banking.pages import MODULE as BANKING
from ringfence.custody.pages import MODULE as CUSTODY
from ringfence.diligence.pages import MODULE as DILIGENCE
from ringfence.escrow.pages import MODULE as ESCROW
from ringfence.evidence.pages import MODULE as EVIDENCE
from ringfence.incident.pages import MODULE as INCIDENT
from ringfence.ledger.pages import MODULE as LEDGER
from ringfence.liabilities.pages import MODULE as LIABILITIES
from ringfence.reconciliation.pages import MODULE as RECONCILIATION
from ringfence.risk.pages import MODULE as RISK
from ringfence.safeguarding.pages import MODULE as SAFEGUARDING
from ringfence.vault.pages import MODULE as VAULT
from ringfence.web.shell import Module

MODULES: Final[Sequence[Module]] = (
    LEDGER,
    AUTHORITY,
    RISK,
    CUSTODY,
    DILIGENCE,
    ESCROW,
    BANKING,
    RECONCILIATION,
    SAFEGUARDING,
    LIABILITIES,
    EVIDENCE,
    INCIDENT,
    VAULT,
)
