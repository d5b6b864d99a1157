"""What the console is composed of: each domain's API, pages, panels and navigation, in the order in which they load."""

from collections.abc import Sequence
from typing import Final

from ringfence.authority.pages import MODULE as AUTHORITY
from ringfence.custody.pages import MODULE as CUSTODY
from ringfence.ledger.pages import MODULE as LEDGER
from ringfence.web.shell import Module

MODULES: Final[Sequence[Module]] = (LEDGER, AUTHORITY, CUSTODY)
