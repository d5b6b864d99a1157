"""Single sign-on: staff come in by the identity provider of their company (OpenID Connect Core 1.0).

The nouns
  provider   an identity provider: issuer, client id, the claim that names a person, and its signing keys
  subject    what the provider calls a person (the claim `sub`, unless the provider says so in another one)
  identity   a person here is a subject there; bound once, released for good
  nonce      what a request carries and its ID token brings back: of ours, for one provider, good once and ten minutes

The invariants
  - The database verifies each ID token itself: signature, issuer, audience, time, nonce (`authority.read_id_token`).
    Its keys are those that people have approved by the act `provider_change`, not those that the core has fetched. So
    whoever has taken the core opens no session without the provider.
  - Nobody is created and nobody is found by a name or an address of mail: a person proposes to be bound to the subject
    that just signed in (act `identity_binding`), and somebody else approves it.
  - A session opened so approves nothing by itself. Each approval takes a passkey's signature over exactly what moves.
  - A provider's new keys are proposed by the core as soon as it sees them, and count when two people have approved.

The way there and back is the authorization code flow with PKCE (RFC 7636), state and nonce; each provider has an
address of its own to come back to, and its name in the answer where it gives one (RFC 9207), so that two providers
are not mixed up (RFC 9700, 4.4). Which providers there are stands in `providers.toml` of the installation's folder::

    [corp]
    title = { en = "Example Corp", zh = "示例公司" }
    issuer = "https://login.example.com"
    client_id = "ringfence"
    secret_file = "keys/corp.secret"   # what the provider gave for the client; relative to the folder
    subject = "sub"                    # the claim that names a person; sub unless said otherwise
    acr = ["phr"]                      # how strongly the provider must have asked, if it says so

The ways in: `registration.propose_provider`, `flow.begin`, `flow.come_back`.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ringfence.authority.providers.refusals import PROVIDER_IS_NOT_SET_UP, PROVIDER_SETTINGS_ARE_WRONG
from ringfence.database.queries import NamedQueries, Query, load

SETTINGS: Final = "providers.toml"
NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
ISSUER: Final = re.compile(r"https://[^ ?#]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/[^ ?#]*)?", re.ASCII)
CLAIM: Final = re.compile(r"[a-z][a-z_]{1,31}", re.ASCII)
ACR: Final = re.compile(r"[!-~]{1,100}", re.ASCII)
_TEXT: Final = re.compile(r"[ -~]{1,200}", re.ASCII)
_FIELDS: Final = {"title", "issuer", "client_id", "secret_file", "subject", "acr"}
_NEEDED: Final = {"title", "issuer", "client_id", "secret_file"}


class _Queries(NamedQueries):
    providers: Query
    set_provider: Query
    remove_provider: Query
    new_nonce: Query
    read_id_token: Query
    person_of_identity: Query
    open_session_by_provider: Query
    read_logout_token: Query
    end_sessions_by_provider: Query
    identities: Query
    bind_identity: Query
    release_identity: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/providers.sql")


@dataclass(frozen=True)
class IdentityProvider:
    """A provider as the installation's settings say it."""

    name: str
    title_en: str
    title_zh: str
    issuer: str
    client_id: str
    secret: str = field(repr=False)
    subject: str
    acr: tuple[str, ...]


@dataclass(frozen=True)
class Directory:
    """The providers of an installation, by name."""

    providers: Mapping[str, IdentityProvider]

    def named(self, name: str) -> IdentityProvider:
        """`provider_is_not_set_up` unless the settings have it."""
        if name not in self.providers:
            raise PROVIDER_IS_NOT_SET_UP(provider=name[:32])
        return self.providers[name]


NOBODY: Final = Directory({})


def read_directory(home: Path) -> Directory:
    """What providers.toml says; without it there is no provider. `provider_settings_are_wrong`."""
    path = home / SETTINGS
    try:
        said: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return Directory({name: _provider_of(home, name, given) for name, given in said.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PROVIDER_SETTINGS_ARE_WRONG(path=SETTINGS, detail=error) from error


def _provider_of(home: Path, name: str, given: Any) -> IdentityProvider:
    if not NAME.fullmatch(name) or not isinstance(given, dict) or not _NEEDED <= given.keys() <= _FIELDS:
        raise ValueError(f"[{name}] has a word as its name and says {', '.join(sorted(_NEEDED))}")
    title, acr = given["title"], given.get("acr", [])
    found = IdentityProvider(
        name,
        str(title["en"]),
        str(title["zh"]),
        str(given["issuer"]),
        str(given["client_id"]),
        (home / str(given["secret_file"])).read_text(encoding="utf-8").strip(),
        str(given.get("subject", "sub")),
        tuple(str(each) for each in acr),
    )
    if not ISSUER.fullmatch(found.issuer) or not _TEXT.fullmatch(found.client_id) or not found.secret:
        raise ValueError(f"[{name}] has an https issuer, a client_id, and a secret in its file")
    if not CLAIM.fullmatch(found.subject) or not isinstance(acr, list) or not all(map(ACR.fullmatch, found.acr)):
        raise ValueError(f"[{name}] subject is a claim, acr a list of words")
    return found
