"""Signing in by a key: no login is typed, because the device knows whose key it is."""

import secrets

from ringfence.authority.actors import hash_of
from ringfence.authority.passkeys.assertions import Assertion, RelyingParty, require_our_page
from ringfence.authority.passkeys.counter import journaled
from ringfence.authority.passkeys.keys import passkeys
from ringfence.authority.passkeys.refusals import PASSKEY_IS_NOT_KNOWN
from ringfence.authority.queries import QUERIES
from ringfence.authority.sessions import SignedIn, session_of
from ringfence.core import Core
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line


def sign_in(core: Core, found: Assertion, ours: RelyingParty) -> SignedIn:
    """Open a session by a key over a challenge of `keys.new_challenge`. Refused in this order: what
    `require_our_page` refuses, `passkey_is_not_known`, then by the database `challenge_is_not_ours`,
    `challenge_is_too_old`, `user_was_not_verified`, `passkey_signature_does_not_verify`, `passkey_counter_went_back`,
    `challenge_was_used`.
    """
    require_our_page(found.client_data, "webauthn.get", None, ours.origin, ours.rp_id)
    book = core.book.book_id
    with core.connection() as connection:
        known = {each.credential_id: each for each in passkeys(connection, book)}
    if found.credential_id not in known:
        raise PASSKEY_IS_NOT_KNOWN()
    token, session_id, event = secrets.token_urlsafe(32), core.new_id(), core.new_id()
    said = {
        "person": known[found.credential_id].person_id,
        "session": str(session_id),
        "by": "passkey",
        "credential": found.credential_id.hex(),
    }
    line = Line(Kind.EVENT, event, code=EventName.SIGNED_IN, payload=said)
    opened = {
        "book": book,
        "event": event,
        "credential": found.credential_id,
        "client_data": found.client_data,
        "authenticator_data": found.authenticator_data,
        "signature": found.signature,
        "session": session_id,
        "token_sha256": hash_of(token),
    }
    with journaled(core, found.credential_id):
        core.post(Unit([line], also=[(QUERIES.open_session_by_passkey, opened)]))
    return SignedIn(session_of(core, token), token)
