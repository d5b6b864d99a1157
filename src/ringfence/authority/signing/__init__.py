"""Programs that sign: their keys, and who is behind a signed request.

A client of the platform has Ed25519 public keys, each with scopes within the client's and an end, added and revoked by
a security administrator and named in the journal. A key is called `book/client/fingerprint`. A client that is marked
as signing only opens nothing by its bearer token. Where the policy wants to know who asked for a payment, a key counts
that a second person admitted (act `program_key`): nobody gives a program the right to ask for money alone.

`callers` decides on requests whose form is right already (`ringfence.web.signature`), in this order:

  client_key_is_not_known      no such key here, or revoked, or its client is
  client_key_has_expired
  signature_is_of_the_future   signed more than AHEAD_SECONDS from now
  signature_is_stale           signed longer ago than the door's limit (`door`), or past its own `expires`
  signature_does_not_fit
  nonce_was_used_already       a nonce counts once for a key; PostgreSQL remembers, for all cores of the book

Only what fits is remembered, so nobody uses up a nonce of somebody else. Requests that come together are looked up
together, in one transaction.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from psycopg.rows import class_row

from ringfence.authority import proposals
from ringfence.authority.actors import Client, Session, SignedContent
from ringfence.authority.clients import SCOPES
from ringfence.authority.proposals import Drafted
from ringfence.authority.refusals import CLIENT_MUST_EXIST, SCOPE_IS_UNKNOWN
from ringfence.authority.signing.refusals import (
    CLIENT_KEY_HAS_EXPIRED,
    CLIENT_KEY_IS_NOT_KNOWN,
    CLIENT_KEY_MUST_BE_ED25519,
    CLIENT_KEY_MUST_EXIST,
    NONCE_WAS_USED_ALREADY,
    PROGRAM_KEY_IS_ADMITTED_ALREADY,
    SIGNATURE_DOES_NOT_FIT,
    SIGNATURE_IS_OF_THE_FUTURE,
    SIGNATURE_IS_STALE,
)
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Fault, Refused

ACT: Final = "program_key"
AHEAD_SECONDS: Final = 30  # clocks differ
KEY_BYTES: Final = 32
KEY_TEXT_CHARACTERS_MAX: Final = 1000


class _Queries(NamedQueries):
    keys_of: Query
    take_requests: Query
    client_keys: Query
    client: Query
    add_client_key: Query
    revoke_client_key: Query
    set_signed_only: Query
    admit_program_key: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/signing.sql")


@dataclass(frozen=True)
class SignedRequest:
    """What a request of the right form says: signed by this key at this second since 1970, under this nonce."""

    key_id: str
    nonce: str
    created: int
    expires: int | None
    fits: Callable[[bytes], bool] = field(repr=False)  # whether the holder of a public key signed it
    signed: SignedContent | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Key:
    """A key of a program. `revoked` is the row of the journal that took it back, `admitted` the one since which it may
    ask for payments.
    """

    key_id: str
    client_id: str
    public_key: bytes
    scopes: list[str]
    expires_at: datetime
    added: int
    revoked: int | None
    admitted: int | None

    @property
    def fingerprint(self) -> str:
        return self.key_id.rpartition("/")[2]


@dataclass(frozen=True)
class Program:
    """A client as its page shows it."""

    client_id: str
    scopes: list[str]
    active: bool
    signed_only: bool
    added: int


def read_public_key(text: str) -> bytes:
    """The 32 bytes of an Ed25519 public key, from base64 or PEM; `client_key_must_be_ed25519`."""
    given = text.strip()
    try:
        if given.startswith("-----BEGIN"):
            key = load_pem_public_key(given.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise CLIENT_KEY_MUST_BE_ED25519()
            return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        found = base64.b64decode(given, validate=True)
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise CLIENT_KEY_MUST_BE_ED25519() from error
    if len(found) != KEY_BYTES:
        raise CLIENT_KEY_MUST_BE_ED25519()
    return found


def key_id_of(book: str, client_id: str, public_key: bytes) -> str:
    """What a request calls the key."""
    return f"{book}/{client_id}/{hashlib.sha256(public_key).hexdigest()[:16]}"


def add_key(
    core: Core, session: Session, client_id: str, public_key: bytes, scopes: Collection[str], expires_at: datetime
) -> str:
    """Let a program sign with a key; its name. Refused in this order: `person_lacks_the_role`, `scope_is_unknown`,
    `client_must_exist`, `client_key_reaches_what_its_client_does`, `client_key_must_end_within_two_years`,
    `client_key_is_a_key_already`.
    """
    session.require_role("security_admin")
    given = sorted(set(scopes))
    for scope in given:
        if scope not in SCOPES:
            raise SCOPE_IS_UNKNOWN(scope=scope)
    with core.connection() as connection:
        program_of(connection, core.book.book_id, client_id)
    key_id = key_id_of(core.book.name, client_id, public_key)
    said = {
        "person": f"client:{client_id}",
        "change": "client key added",
        "key": key_id,
        "public_key": public_key.hex(),
        "scopes": given,
        "by": session.person_id,
    }
    row = {"client": client_id, "public_key": public_key, "scopes": given, "expires_at": expires_at}
    _post(core, session, said, QUERIES.add_client_key, row)
    return key_id


def revoke_key(core: Core, session: Session, client_id: str, fingerprint: str) -> None:
    """Take a key back, for good; `client_key_must_exist`."""
    session.require_role("security_admin")
    key_id = f"{core.book.name}/{client_id}/{fingerprint}"
    said = {"person": f"client:{client_id}", "change": "client key revoked", "key": key_id, "by": session.person_id}
    _post(core, session, said, QUERIES.revoke_client_key, {"key": key_id})


def propose_admission(core: Core, session: Session, client_id: str, fingerprint: str) -> Drafted:
    """Propose that a program may ask for payments by a key that it has. Act `program_key`; after the approvals, `admit`
    does it. `client_key_must_exist`, `program_key_is_admitted_already`.
    """
    session.require_role("security_admin")
    key_id = f"{core.book.name}/{client_id}/{fingerprint}"
    with core.connection() as connection:
        found = [each for each in keys(connection, core.book.book_id, client_id) if each.key_id == key_id]
    if not found or found[0].revoked:
        raise CLIENT_KEY_MUST_EXIST()
    if found[0].admitted:
        raise PROGRAM_KEY_IS_ADMITTED_ALREADY(key=key_id)
    facts = {
        "client": client_id,
        "key": key_id,
        "public_key": bytes(found[0].public_key).hex(),
        "scopes": " ".join(found[0].scopes),
        "expires_at": found[0].expires_at.astimezone(UTC).isoformat(),
    }
    return proposals.propose(core, session, core.new_id(), ACT, facts=facts)


def admit(core: Core, proposal_id: UUID) -> None:
    """Do what a complete proposal says of a key; `proposal_is_not_complete`. Doing it again changes nothing."""
    with core.connection() as connection:
        facts = proposals.proposal_of(connection, core.book.book_id, proposal_id).terms.facts
    event = derived(proposal_id, "carried out")
    said = {**facts, "proposal": str(proposal_id)}
    line = Line(Kind.EVENT, event, code=EventName.PROGRAM_KEY_ADMITTED, payload=said)
    row = {"book": core.book.book_id, "event": event, "proposal": proposal_id}
    core.post(Unit([line], also=[(QUERIES.admit_program_key, row)]))


def admit_all(core: Core) -> int:
    """Admit what has been approved and was not admitted, as after a crash in between; how many. What the database
    refuses is left alone.
    """
    with core.connection() as connection:
        waiting = proposals.complete(connection, core.book.book_id, core.clock(), ACT)
    left = (Fault.STATE, Fault.INPUT, Fault.PERMISSION, Fault.UNKNOWN)
    return proposals.carry_out_each(waiting, lambda each: admit(core, each.proposal_id), leaving=left)


def set_signed_only(core: Core, session: Session, client_id: str, *, signed_only: bool) -> None:
    """From now on the program must sign, or may also come with its token; `client_must_exist`."""
    session.require_role("security_admin")
    with core.connection() as connection:
        program_of(connection, core.book.book_id, client_id)
    said = {
        "person": f"client:{client_id}",
        "change": "client signing",
        "signed_only": signed_only,
        "by": session.person_id,
    }
    _post(core, session, said, QUERIES.set_signed_only, {"client": client_id, "signed_only": signed_only})


def keys(connection: Connection, book: int, client_id: str) -> list[Key]:
    """The keys of a program, also revoked and expired ones, in the order in which they were added."""
    with connection.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(QUERIES.client_keys, {"book": book, "client": client_id}).fetchall()


def program_of(connection: Connection, book: int, client_id: str) -> Program:
    """An active client; `client_must_exist`."""
    with connection.cursor(row_factory=class_row(Program)) as cursor:
        found = cursor.execute(QUERIES.client, {"book": book, "client": client_id}).fetchone()
    if found is None or not found.active:
        raise CLIENT_MUST_EXIST(client=client_id)
    return found


def callers(core: Core, requests: Sequence[SignedRequest]) -> list[Client | Refused]:
    """The client behind each request, or why it is not let in. A nonce that two of them share counts for the first."""
    at = core.clock()
    taken: set[bytes] = set()
    with core.connection() as connection:
        asked = {"book": core.book.book_id, "key_ids": list({each.key_id for each in requests}), "at": at}
        known = {row[0]: _Known(*row[1:]) for row in connection.execute(QUERIES.keys_of, asked)}
        found = [_judged(each, known.get(each.key_id), at) for each in requests]
        fitting = [each for each, no in zip(requests, found, strict=True) if not isinstance(no, Refused)]
        if fitting:
            taking = {
                "book": core.book.book_id,
                "key_ids": [each.key_id for each in fitting],
                "nonces": [each.nonce for each in fitting],
                "created": [datetime.fromtimestamp(each.created, UTC) for each in fitting],
                "at": at,
            }
            taken = {bytes(row[0]) for row in connection.execute(QUERIES.take_requests, taking)}
    answers: list[Client | Refused] = []
    for each in found:
        if isinstance(each, Client) and each.token_sha256 not in taken:
            answers.append(NONCE_WAS_USED_ALREADY())
            continue
        if isinstance(each, Client):
            taken.remove(each.token_sha256)
        answers.append(each)
    return answers


@dataclass(frozen=True)
class _Known:
    """A key as the database has it now."""

    client_id: str
    public_key: bytes
    scopes: list[str]
    ended: bool
    good_seconds: int  # how old a signature may be, by the limits of the door


def _judged(request: SignedRequest, known: _Known | None, at: datetime) -> Client | Refused:
    if known is None:
        return CLIENT_KEY_IS_NOT_KNOWN(key=request.key_id)
    if known.ended:
        return CLIENT_KEY_HAS_EXPIRED(key=request.key_id)
    created = datetime.fromtimestamp(request.created, UTC)
    if created > at + timedelta(seconds=AHEAD_SECONDS):
        return SIGNATURE_IS_OF_THE_FUTURE(seconds=AHEAD_SECONDS)
    expired = request.expires is not None and datetime.fromtimestamp(request.expires, UTC) <= at
    if expired or created < at - timedelta(seconds=known.good_seconds):
        return SIGNATURE_IS_STALE(seconds=known.good_seconds)
    if not request.fits(bytes(known.public_key)):
        return SIGNATURE_DOES_NOT_FIT(key=request.key_id)
    taken_as = request_sha256(request.key_id, request.nonce)
    return Client(known.client_id, frozenset(known.scopes), taken_as, request.signed)


def request_sha256(key_id: str, nonce: str) -> bytes:
    """What is kept of a request that was taken, and what its maker is found by; the database computes the same."""
    return hashlib.sha256(f"ringfence request v1\n{key_id}\n{nonce}".encode()).digest()


def _post(core: Core, session: Session, said: Mapping[str, Any], query: Query, row: Mapping[str, Any]) -> None:
    event = core.new_id()
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    common = {"book": core.book.book_id, "event": event, "token_sha256": session.token_sha256}
    core.post(Unit([line], also=[(query, {**common, **row})]))
