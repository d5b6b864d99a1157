"""Reveal: a person sees one whole value, for a reason, and the journal says so in the same append.

The order is what makes it true: the ciphertext is opened, FIELD_REVEALED is appended beside the row of `vault.reveal`,
and only then is the value given to whoever asked. If the append is refused, so is the reveal.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from ringfence.authority.actors import Session
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.vault.fields import MAY_SEE, Grade, Shape, field_of
from ringfence.vault.keeping import Vault
from ringfence.vault.queries import QUERIES
from ringfence.vault.refusals import FIELD_IS_NEVER_SHOWN, REVEAL_MUST_HAVE_A_REASON, REVEAL_NOTE_MUST_BE_SHORT

REASONS: Final = ("customer_asks", "bank_asks", "lawful_order", "reconciliation", "incident", "audit")
NOTE_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True)
class Revealed:
    """A whole value, and the row of the journal that says that somebody saw it."""

    value: str = field(repr=False)
    sequence: int


@dataclass(frozen=True)
class Reveal:
    """That somebody saw a value once."""

    sequence: int
    person_id: str
    place: str
    row_key: str
    reason: str
    note: str
    at: datetime


def reveal(core: Core, vault: Vault, by: Session, place: str, row: str, reason: str, note: str = "") -> Revealed:
    """Show a value to a person. `person_lacks_the_role`, `field_is_unknown`, `field_is_never_shown`,
    `reveal_must_have_a_reason`, `reveal_note_must_be_short`, `field_is_not_kept`, `field_was_erased`.
    """
    by.require_role(*MAY_SEE)
    what = field_of(place)
    if what.shape is Shape.PAYMENT or what.grade is Grade.C3:
        raise FIELD_IS_NEVER_SHOWN(field=what.name)
    if reason not in REASONS:
        raise REVEAL_MUST_HAVE_A_REASON(reasons=", ".join(REASONS))
    if len(note) > NOTE_CHARACTERS_MAX:
        raise REVEAL_NOTE_MUST_BE_SHORT(characters=NOTE_CHARACTERS_MAX)
    value = vault.open(what, row)
    said = {"field": place, "row": row, "reason": reason, "person": by.person_id}
    event = Line(Kind.EVENT, core.new_id(), code=EventName.FIELD_REVEALED, payload=said)
    written = {"book": vault.book, "event": event.id, "token_sha256": by.token_sha256, "place": place, "row": row}
    [answer] = core.post(Unit([event], [(QUERIES.reveal_to, written | {"reason": reason, "note": note.strip()})]))
    return Revealed(value, answer.sequence)


def reveals(connection: Connection, book: int, limit: int = 50) -> list[Reveal]:
    """Who saw what, the latest first."""
    with connection.cursor(row_factory=class_row(Reveal)) as cursor:
        return cursor.execute(QUERIES.reveals, {"book": book, "limit": limit}).fetchall()
