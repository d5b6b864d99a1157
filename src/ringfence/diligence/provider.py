"""Identity providers: one small contract, and what an installation chose (`identity.toml` in its home).

A provider is asked whether a name and a number belong together, and says one of four things:

  match        they do
  no_match     they do not; a person has to look
  later        it does not know yet, because somebody there has to look; ask again under the same id
  unavailable  it could not be asked now (the refusal `identity_provider_is_down`); ask again under the same id

Asking twice under one id is asking once: an answer that was lost on the way is the same the next time. So the core asks
at least once, and the provider counts it once.

# identity.toml; without it: the simulated provider, in which nobody real is found
provider = "server"                # or "simulated"

[server]
url = "https://identity.example/v1/inquiries"
token_file = "identity.token"      # its bearer token, read at each request; relative to the home

[simulated]                        # of a hundred numbers, how many the simulated one answers otherwise
seed = "demo"
no_match = 1
later = 3
unavailable = 3
"""

import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from ringfence.diligence.refusals import IDENTITY_PROVIDER_IS_CONFIGURED_WRONGLY

CONFIGURATION: Final = "identity.toml"
SIMULATED: Final = "simulated"
SECONDS_MAX: Final = 5


class Answer(StrEnum):
    MATCH = "match"
    NO_MATCH = "no_match"
    LATER = "later"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Inquiry:
    """What is asked. `identity` stays the same when it is asked again; `attempt` counts from 1."""

    identity: UUID
    attempt: int
    nature: str  # "person" or "firm"
    country: str
    name: str = field(repr=False)
    number: str = field(repr=False)


class Provider(Protocol):
    """Answers inquiries; `identity_provider_is_down` when it cannot be asked."""

    @property
    def name(self) -> str:
        """The word for it in the journal."""
        ...

    def ask(self, inquiry: Inquiry) -> Answer: ...


def read_provider(home: Path) -> Provider:
    """The provider of an installation; `identity_provider_is_configured_wrongly`."""
    from ringfence.diligence.identity_server import IdentityServer
    from ringfence.diligence.simulated_provider import SimulatedProvider

    path = home / CONFIGURATION
    try:
        said: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        chosen = said.get("provider", SIMULATED)
        if chosen == SIMULATED and said.keys() <= {"provider", SIMULATED}:
            return SimulatedProvider(**said.get(SIMULATED, {}))
        if chosen == "server" and said.keys() <= {"provider", "server"}:
            return IdentityServer(said["server"]["url"], home / said["server"]["token_file"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IDENTITY_PROVIDER_IS_CONFIGURED_WRONGLY(path=path.name, detail=error) from error
    raise IDENTITY_PROVIDER_IS_CONFIGURED_WRONGLY(
        path=path.name, detail="provider is simulated or server, with its table"
    )
