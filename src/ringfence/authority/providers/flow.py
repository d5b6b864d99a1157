"""There and back: a browser goes to a provider and returns with a code (OpenID Connect Core 1.0, 3.1).

What the way back is held against stays with the browser, in a cookie that only this host reads: which provider was
asked, state, code verifier and nonce. Checked on return, in this order, before the code is used: the browser set out
from here, to this provider, with this state; the answer is of this issuer; the provider did not decline. Then the code
is exchanged, and the database reads the ID token.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from ringfence.authority.actors import Session, hash_of
from ringfence.authority.providers import QUERIES, Directory, IdentityProvider
from ringfence.authority.providers.refusals import (
    ANSWER_IS_OF_ANOTHER_PROVIDER,
    IDENTITY_IS_NOT_BOUND,
    NONCE_IS_NOT_OURS,
    PROVIDER_DECLINED,
    PROVIDER_IS_NOT_SET_UP,
    PROVIDER_KEY_IS_NOT_KNOWN,
    SIGN_IN_WAS_NOT_BEGUN_HERE,
)
from ringfence.authority.providers.registration import propose_binding, propose_new_keys, registered
from ringfence.authority.providers.speaking import Tokens, exchange, metadata_of
from ringfence.authority.sessions import SignedIn, session_of
from ringfence.core import Core
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused

KEPT_SECONDS: Final = 600
SIGN_IN: Final = "sign in"
BIND: Final = "bind"
_KEPT: Final = {"provider", "purpose", "state", "verifier", "nonce", "back"}
_CODE: Final = re.compile(r"[a-z_]{1,60}", re.ASCII)


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and what it keeps meanwhile."""

    url: str
    kept: str = field(repr=False)


@dataclass(frozen=True)
class Returned:
    """Somebody is back: signed in, or with a proposal to be bound, and the page to go on to."""

    signed_in: SignedIn | None
    proposal: UUID | None
    back: str


def begin(core: Core, directory: Directory, name: str, purpose: str, origin: str, back: str) -> Begun:
    """`provider_is_not_set_up`, `provider_is_unreachable`."""
    provider = require_registered(core, directory, name)
    found = metadata_of(provider)
    with core.connection() as connection:
        asked = {"book": core.book.book_id, "provider": name, "at": core.clock()}
        row = connection.execute(QUERIES.new_nonce, asked).fetchone()
    assert row is not None  # noqa: S101 - the function gives one row
    nonce, state, verifier = row[0], secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    question = {
        "response_type": "code",
        "scope": "openid",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(origin, name),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    if provider.acr:
        question["acr_values"] = " ".join(provider.acr)
    joint = "&" if "?" in found.authorization_endpoint else "?"
    kept = {
        "provider": name,
        "purpose": purpose,
        "state": state,
        "verifier": verifier,
        "nonce": nonce,
        "back": back,
    }
    return Begun(
        f"{found.authorization_endpoint}{joint}{urlencode(question)}",
        base64.urlsafe_b64encode(json.dumps(kept).encode()).decode().rstrip("="),
    )


def come_back(
    core: Core,
    directory: Directory,
    name: str,
    origin: str,
    kept: str,
    answer: Mapping[str, str],
    session: Session | None,
) -> Returned:
    """What came of it. Refused in this order: `sign_in_was_not_begun_here`, `answer_is_of_another_provider`,
    `provider_declined`, `provider_is_unreachable`, what `authority.read_id_token` refuses, `identity_is_not_bound`,
    `challenge_was_used` (the token counts once). `session` is who is signed in already, which binding needs.
    """
    begun = _kept_of(kept)
    if not hmac.compare_digest(begun["state"].encode(), answer.get("state", "").encode(errors="replace")):
        raise SIGN_IN_WAS_NOT_BEGUN_HERE()
    if begun["provider"] != name:
        raise ANSWER_IS_OF_ANOTHER_PROVIDER()
    provider = require_registered(core, directory, name)
    found = metadata_of(provider)
    if answer.get("iss", provider.issuer if not found.says_issuer else "") != provider.issuer:
        raise ANSWER_IS_OF_ANOTHER_PROVIDER()
    if not answer.get("code"):
        declined = answer.get("error", "")
        raise PROVIDER_DECLINED(code=declined if _CODE.fullmatch(declined) else "(no reason)")
    tokens = exchange(provider, found, answer["code"], begun["verifier"], redirect_uri(origin, name))
    issuer, subject, nonce = _subject_of(core, provider, tokens)
    if nonce != begun["nonce"]:
        raise NONCE_IS_NOT_OURS()
    if begun["purpose"] == SIGN_IN:
        return Returned(_open_session(core, provider, tokens, issuer, subject), None, begun["back"])
    if session is None:
        raise SIGN_IN_WAS_NOT_BEGUN_HERE()
    return Returned(None, propose_binding(core, session, provider, subject).proposal_id, begun["back"])


def require_registered(core: Core, directory: Directory, name: str) -> IdentityProvider:
    """The provider as the settings say it, if people approved exactly that; `provider_is_not_set_up`."""
    provider = directory.named(name)
    with core.connection() as connection:
        known = {each.name: each for each in registered(connection, core.book.book_id)}
    if name not in known or not known[name].is_of(provider):
        raise PROVIDER_IS_NOT_SET_UP(provider=name)
    return provider


def redirect_uri(origin: str, name: str) -> str:
    """Where a provider sends browsers back to: an address of its own for each."""
    return f"{origin}/sign-in/return/{name}"


def challenge_of(verifier: str) -> str:
    """PKCE, S256 (RFC 7636, 4.2).

    >>> challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _kept_of(kept: str) -> dict[str, str]:
    try:
        said = json.loads(base64.urlsafe_b64decode(kept + "=" * (-len(kept) % 4)))
    except (ValueError, RecursionError) as error:
        raise SIGN_IN_WAS_NOT_BEGUN_HERE() from error
    if not isinstance(said, dict) or said.keys() != _KEPT or not all(isinstance(each, str) for each in said.values()):
        raise SIGN_IN_WAS_NOT_BEGUN_HERE()
    return said


def _subject_of(core: Core, provider: IdentityProvider, tokens: Tokens) -> tuple[str, str, str]:
    """Whose the ID token is, by the database: issuer, subject and nonce. A key that it does not know may be a new one:
    then it is proposed.
    """
    asked = {
        "book": core.book.book_id,
        "provider": provider.name,
        "token": tokens.id_token,
        "access_token": tokens.access_token,
        "at": core.clock(),
    }
    try:
        with core.connection() as connection:
            row = connection.execute(QUERIES.read_id_token, asked).fetchone()
    except Refused as no:
        if no.refusal is PROVIDER_KEY_IS_NOT_KNOWN:
            propose_new_keys(core, provider)
        raise
    assert row is not None  # noqa: S101 - the function gives one row
    return row[0], row[1], row[2]


def _open_session(core: Core, provider: IdentityProvider, tokens: Tokens, issuer: str, subject: str) -> SignedIn:
    book = core.book.book_id
    with core.connection() as connection:
        asked = {"book": book, "issuer": issuer, "subject": subject}
        row = connection.execute(QUERIES.person_of_identity, asked).fetchone()
    if row is None or row[0] is None:
        raise IDENTITY_IS_NOT_BOUND()
    token, session_id, event = secrets.token_urlsafe(32), core.new_id(), core.new_id()
    said = {"person": row[0], "session": str(session_id), "by": "provider", "provider": provider.name}
    opened = {
        "book": book,
        "event": event,
        "provider": provider.name,
        "token": tokens.id_token,
        "access_token": tokens.access_token,
        "session": session_id,
        "token_sha256": hash_of(token),
    }
    line = Line(Kind.EVENT, event, code=EventName.SIGNED_IN, payload=said)
    core.post(Unit([line], also=[(QUERIES.open_session_by_provider, opened)]))
    return SignedIn(session_of(core, token), token)


def log_out(core: Core, name: str, token: str) -> str:
    """A provider says, by a logout token that it signed, that somebody has signed out there: the sessions that it
    opened for that person end (OpenID Connect Back-Channel Logout 1.0). Gives the person. What the database refuses of
    a token, `identity_is_not_bound`, `challenge_was_used` for a token that came before.
    """
    book, at = core.book.book_id, core.clock()
    with core.connection() as connection:
        asked = {"book": book, "provider": name, "token": token, "at": at}
        row = connection.execute(QUERIES.read_logout_token, asked).fetchone()
        assert row is not None  # noqa: S101 - the function gives one row
        issuer, subject, token_id = row
        found = connection.execute(
            QUERIES.person_of_identity, {"book": book, "issuer": issuer, "subject": subject}
        ).fetchone()
    if found is None or found[0] is None:
        raise IDENTITY_IS_NOT_BOUND()
    event, said = core.new_id(), {"person": found[0], "provider": name, "token_sha256": token_id}
    line = Line(Kind.EVENT, event, code=EventName.PROVIDER_LOGGED_OUT, payload=said)
    ended = {"book": book, "event": event, "provider": name, "token": token}
    core.post(Unit([line], also=[(QUERIES.end_sessions_by_provider, ended)]))
    return str(found[0])
