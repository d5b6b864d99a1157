"""Watching providers for new keys, so that people approve them before they are used.

Providers show a new key some time before they sign with it. Once an hour the core looks at what each registered
provider shows and proposes keys that differ. A provider that does not answer is left until the next hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ringfence.authority.providers import Directory
from ringfence.authority.providers.registration import propose_new_keys
from ringfence.core import Core
from ringfence.refusal import Refused

EVERY: Final = timedelta(hours=1)


@dataclass
class KeyWatch:
    """Looks at the providers of an installation when it is time. `say` is told of those that do not answer."""

    core: Core
    directory: Directory
    say: Callable[..., Any]
    _next: datetime | None = None

    def step(self) -> int:
        """How many proposals were made."""
        now = self.core.clock()
        if self._next is not None and now < self._next:
            return 0
        self._next = now + EVERY
        made = 0
        for provider in self.directory.providers.values():
            try:
                made += propose_new_keys(self.core, provider) is not None
            except Refused as refused:
                self.say("provider was not looked at", provider=provider.name, refused=refused.name)
        return made
