"""Who holds wrapping keys: one small contract, and what an installation chose (`vault.toml` in its home).

# vault.toml; without it: the preferred algorithms and a key file
field = "sm4-gcm"                  # algorithm of new field keys
wrap = "hpke-x25519-mlkem768"      # algorithm of the next wrapping key of a key file
provider = "file"                  # or "server", or "pkcs11"

[server]                          # a key server: cryptoKeys, encrypt, decrypt
url = "https://kms.example/v1/projects/p/locations/l/keyRings/ringfence"
token_file = "kms.token"           # its bearer token, read at each request; relative to the home

[pkcs11]                           # a hardware security module
module = "/usr/lib/softhsm/libsofthsm2.so"
token = "ringfence"                # its label
pin_file = "keys/token.pin"        # of its user; relative to the home

[standing]                         # stricter than algorithms.toml
"sm4-gcm" = "forbidden"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ringfence.vault.algorithms import Registry, registry
from ringfence.vault.ciphers import KEY_BYTES, available
from ringfence.vault.key_file import KeyFiles
from ringfence.vault.key_server import KeyServer
from ringfence.vault.key_token import TOKEN_ALGORITHM, KeyToken
from ringfence.vault.refusals import (
    ALGORITHM_IS_NOT_AVAILABLE,
    KEY_PROVIDER_IS_UNKNOWN,
    VAULT_CONFIGURATION_IS_WRONG,
)

CONFIGURATION: Final = "vault.toml"
SERVER_ALGORITHM: Final = "key-server"
_NAMES: Final = {"field", "wrap", "provider", "server", "pkcs11", "standing"}


class Provider(Protocol):
    """Wraps and unwraps field keys under keys that it never gives away. `context` is bound to the result: it opens
    under the same alone. `wrapping_key_is_missing`, `wrapped_key_does_not_open`; `key_server_*` for a key server,
    `key_module_*` and `key_token_*` for a token.
    """

    def make(self, key: str, algorithm: str) -> None:
        """Make a wrapping key of that id; a key that is there already stays."""

    def wrap(self, key: str, secret: bytes, context: bytes) -> bytes: ...

    def unwrap(self, key: str, wrapped: bytes, context: bytes) -> bytes: ...


@dataclass(frozen=True)
class Choice:
    """What new keys are made of, and the providers that can be asked, by name."""

    field: str
    wrap: str
    provider: str
    providers: Mapping[str, Provider]
    algorithms: Registry

    def provider_named(self, name: str) -> Provider:
        """`key_provider_is_unknown` unless this installation has it."""
        if name not in self.providers:
            raise KEY_PROVIDER_IS_UNKNOWN(provider=name)
        return self.providers[name]


def read_choice(home: Path) -> Choice:
    """What vault.toml says, or the default; `vault_configuration_is_wrong`, `algorithm_is_*`."""
    path = home / CONFIGURATION
    try:
        said: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        unknown = sorted(said.keys() - _NAMES)
        known = registry(said.get("standing"))
        server = said.get("server")
        providers: dict[str, Provider] = {"file": KeyFiles(home / "keys" / "vault")}
        if server is not None:
            providers["server"] = KeyServer(server["url"], home / server["token_file"])
        if (token := said.get("pkcs11")) is not None:
            providers["pkcs11"] = KeyToken(str(token["module"]), str(token["token"]), home / token["pin_file"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VAULT_CONFIGURATION_IS_WRONG(path=path.name, detail=error) from error
    if unknown:
        raise VAULT_CONFIGURATION_IS_WRONG(path=path.name, detail=f"{unknown} mean nothing")
    chosen = str(said.get("provider", "file"))
    if chosen not in providers:
        raise KEY_PROVIDER_IS_UNKNOWN(provider=chosen)
    field = known.require(str(said.get("field", known.preferred("field").name)), "field").name
    if field not in KEY_BYTES or not available(field):
        raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=field)
    own = {"server": SERVER_ALGORITHM, "pkcs11": TOKEN_ALGORITHM}
    wrap = own.get(chosen) or str(said.get("wrap", known.preferred("wrap").name))
    return Choice(field, known.require(wrap, "wrap").name, chosen, providers, known)
