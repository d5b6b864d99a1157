"""The auditor's signature: made outside, over the text that follows from the event, and taken into the book.

An auditor's keys are made as a witness's are (`ringfence witness init`): Ed25519 and ML-DSA-44 under one name. The text
is a checkpoint of the tree whose origin names day, currency, mode and figures, so both algorithms sign all of it.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ringfence.core import Core
from ringfence.evidence.checkpoint import parse_text
from ringfence.evidence.cosignature import Cosigner, CosignerKey
from ringfence.evidence.note import Note, Signature, parse_note, write_note
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.liabilities.queries import QUERIES
from ringfence.liabilities.reading import Attested, attestations, event_of, history
from ringfence.liabilities.refusals import ATTESTATION_IS_OF_NO_TREE, AUDITOR_HAS_ATTESTED, AUDITOR_IS_NOT_ADMITTED
from ringfence.liabilities.saying import read
from ringfence.liabilities.settings import Auditor, Proving


def sign(text: str, cosigners: Sequence[Cosigner], at: int) -> bytes:
    """The auditor's note: the text under a signature of each key, at a time in seconds since 1970."""
    return write_note(Note(text, tuple(each.cosign(text, at) for each in cosigners)))


def signed_by(note: bytes, auditors: Sequence[Auditor]) -> Auditor | None:
    """The auditor both of whose keys signed the note, if it is one of these."""
    found = parse_note(note)
    for auditor in auditors:
        if all(any(_holds(found.text, line, key) for line in found.signatures) for key in auditor.keys):
            return auditor
    return None


def require_attestation(note: bytes, text: str, proving: Proving) -> Auditor:
    """The admitted auditor who signed exactly this text; `attestation_is_of_no_tree`, `auditor_is_not_admitted`."""
    found = parse_note(note)
    if found.text != text:
        raise ATTESTATION_IS_OF_NO_TREE(origin=parse_text(found.text).origin)
    auditor = signed_by(note, proving.auditors)
    if auditor is None:
        raise AUDITOR_IS_NOT_ADMITTED(path=proving.path)
    return auditor


def attest(core: Core, proving: Proving, note: bytes, log: str) -> Attested:
    """Take an auditor's note into the book; the same note again changes nothing. `attestation_is_of_no_tree`,
    `auditor_is_not_admitted`, `auditor_attests_once`.
    """
    book, text = core.book.book_id, parse_note(note).text
    day, unit = _about(text, log)
    with core.connection() as connection:
        about = history(connection, book, day=day, currency=unit, limit=1)
        if not about:
            raise ATTESTATION_IS_OF_NO_TREE(origin=parse_text(text).origin)
        tree = about[0]
        said = read(event_of(connection, book, tree), tree.sequence)
        known = {each.auditor: each for each in attestations(connection, book, day, unit)}
    auditor = require_attestation(note, said.text(log), proving)
    if auditor.name in known:
        if known[auditor.name].note == note.decode():
            return known[auditor.name]
        raise AUDITOR_HAS_ATTESTED()
    payload = {
        "auditor": auditor.name,
        "currency": tree.currency,
        "day": tree.day.isoformat(),
        "note": note.decode(),
        "proven": tree.sequence,
    }
    event = Line(
        Kind.EVENT,
        attestation_id(book, tree.day, tree.currency, auditor.name),
        code=EventName.LIABILITIES_ATTESTED,
        value_date=tree.day,
        payload=payload,
    )
    core.post(Unit([event], [(QUERIES.attest, {"book": book, "event": event.id})]))
    with core.connection() as connection:
        return next(
            each for each in attestations(connection, book, tree.day, tree.currency) if each.auditor == auditor.name
        )


def attestation_id(book: int, day: date, unit: str, auditor: str) -> UUID:
    """The id of the row: an auditor attests a tree once."""
    return derived(UUID(int=book), f"{EventName.LIABILITIES_ATTESTED.name} {day.isoformat()} {unit} {auditor}")


def _about(text: str, log: str) -> tuple[date, str]:
    """The day and currency that a note's origin names."""
    origin = parse_text(text).origin
    try:
        day, unit, *_ = origin.removeprefix(f"{log}/liabilities/").split("/")
        return date.fromisoformat(day), unit
    except ValueError:
        raise ATTESTATION_IS_OF_NO_TREE(origin=origin) from None


def _holds(text: str, line: Signature, key: CosignerKey) -> bool:
    return (line.name, line.key_id) == (key.name, key.key_id) and key.verifies(text.encode(), line.signature)
