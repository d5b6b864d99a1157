"""Codes: six digits of a device that shares a secret with us (TOTP, RFC 6238), as a second factor beside the password.

The lesser way: a code can be read out to a caller, and says nothing about what it is for. So it steps a sign-in up and
approves nothing; a payment that the policy wants signed takes a passkey. The database keeps the secret, computes the
codes, and burns each step of 30 s once its code was used, with all steps before it.

>>> uri_of("tess", bytes(20))
'otpauth://totp/Ringfence:tess?secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&issuer=Ringfence'
"""

import base64
import binascii
from typing import Final

from ringfence.authority.actors import Session
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import CODE_SECRET_MUST_HAVE_20_BYTES, SIGN_IN_REFUSED
from ringfence.authority.sessions import try_password
from ringfence.core import Core
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line

SECRET_BYTES: Final = 20


def set_device(core: Core, session: Session, password: str, secret: bytes, code: str) -> None:
    """From now on the person signs in with a code of this secret as well. Refused in this order: `sign_in_must_wait`,
    `sign_in_refused` (the password), `code_is_needed_first`, `code_does_not_fit`.
    """
    if len(secret) != SECRET_BYTES:
        raise CODE_SECRET_MUST_HAVE_20_BYTES()
    attempt = try_password(core, session.person_id, password)
    if not attempt.fits:
        raise SIGN_IN_REFUSED()
    event = core.new_id()
    said = {"person": session.person_id, "change": "code device"}
    row = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "stretched": attempt.stretched,
        "secret": secret,
        "code": code.strip(),
    }
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    core.post(Unit([line], also=[(QUERIES.set_code_device, row)]))


def text_of(secret: bytes) -> str:
    """base32, as devices take it."""
    return base64.b32encode(secret).decode()


def secret_of(text: str) -> bytes:
    """The secret of a text; `code_secret_must_have_20_bytes`."""
    try:
        secret = base64.b32decode(text.replace(" ", "").upper())
    except (binascii.Error, ValueError) as error:
        raise CODE_SECRET_MUST_HAVE_20_BYTES() from error
    if len(secret) != SECRET_BYTES:
        raise CODE_SECRET_MUST_HAVE_20_BYTES()
    return secret


def uri_of(login: str, secret: bytes) -> str:
    """What a device takes in one piece."""
    return f"otpauth://totp/Ringfence:{login}?secret={text_of(secret)}&issuer=Ringfence"
