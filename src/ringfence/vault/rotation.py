"""Rotation: other keys take the place of those in use, while others write.

Of field keys (what encrypts values):
  1  each owner's active key is replaced by a new one of the chosen algorithm; the old one is leaving: what was sealed
     under it a moment ago may still be kept
  2  every field under a leaving key is opened and sealed anew, in small transactions
  3  when a key has been leaving for `SETTLE` and no field uses it, it is retired, and its bytes are gone
  4  when none is leaving, KEYS_ROTATED is journaled, and the database refuses that if it is not so

Of wrapping keys the same: a new one is made with the chosen provider, field keys are wrapped anew, the old one is
retired. Its file or its key at the server stays until the last backup that needs it is gone; that is the operator's.

A crash at any step leaves the rotation open, and the next run goes on with it. What somebody changed meanwhile is read
again in the next round.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.rows import class_row

from ringfence.core import Core
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused
from ringfence.vault.ciphers import FieldKey, Spot
from ringfence.vault.keeping import KeptField, Vault, WrappedKey
from ringfence.vault.queries import QUERIES
from ringfence.vault.refusals import FIELD_KEY_IS_RETIRED, FIELD_WAS_ERASED, OWNER_WAS_ERASED

Keys = Literal["wrapping", "field"]
BATCH: Final = 200
SETTLE: Final = timedelta(seconds=3)
PAUSE_SECONDS: Final = 0.2
_GONE: Final = (FIELD_WAS_ERASED, OWNER_WAS_ERASED, FIELD_KEY_IS_RETIRED)


@dataclass(frozen=True)
class Rotated:
    """What one run did; `rotation_id` is the rotation that it finished."""

    rotation_id: UUID
    keys: str
    replaced: int
    changed: int
    retired: int
    sequence: int


def rotate(
    core: Core,
    vault: Vault,
    keys: Keys,
    *,
    batch: int = BATCH,
    settle: timedelta = SETTLE,
    progress: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Rotated:
    """Rotate all keys of a kind, or go on with a rotation that was broken off. `progress` is told how many fields or
    field keys have been changed, after each small transaction.
    """
    rotation = _begin(vault, keys)
    replaced = changed = retired = 0
    if keys == "wrapping":
        vault.make_wrapping_key(rotation)
        replaced = 1
    while True:
        if keys == "field":
            replaced += _replace(vault, rotation, batch)
        done = _reseal(vault, batch) if keys == "field" else _rewrap(vault, batch)
        changed += done
        if done:
            progress(changed)
            continue
        retired += _retire(vault, keys, settle, batch)
        if not _leaving(vault, keys):
            return Rotated(rotation, keys, replaced, changed, retired, _end(core, vault, rotation, keys))
        sleep(PAUSE_SECONDS)


def _begin(vault: Vault, keys: Keys) -> UUID:
    """The rotation that was broken off, or a new one."""
    new = vault.new_id()
    with vault.connect() as connection:
        asked = {"book": vault.book, "rotation": new, "keys": keys, "at": vault.clock()}
        row = connection.execute(QUERIES.begin_rotation, asked).fetchone()
    return UUID(str(row[0])) if row else new


def _replace(vault: Vault, rotation: UUID, batch: int) -> int:
    """New field keys for the owners that this rotation has not reached; returns how many."""
    question = {"book": vault.book, "rotation": rotation, "limit": batch}
    count = 0
    while True:
        with vault.connect() as connection:
            found = connection.execute(QUERIES.field_keys_to_replace, question).fetchall()
        if not found:
            return count
        for was, whose in found:
            key, wrapping = vault.new_field_key(whose)
            row = vault.wrapped_row(key, wrapping) | {"was": was, "rotation": rotation, "at": vault.clock()}
            with vault.connect() as connection:
                connection.execute(QUERIES.replace_field_key, row)
        count += len(found)


def _reseal(vault: Vault, batch: int) -> int:
    """Some fields under leaving keys, sealed under their owners' active ones; returns how many there were."""
    question = {"book": vault.book, "limit": batch}
    with vault.connect() as connection, connection.cursor(row_factory=class_row(KeptField)) as cursor:
        found = cursor.execute(QUERIES.fields_to_reseal, question).fetchall()
    active: dict[str, FieldKey] = {}
    rows: list[dict[str, Any]] = []
    for each in found:
        try:
            if each.owner not in active:
                active[each.owner] = vault.field_key(each.owner)
        except Refused as refused:
            if refused.refusal not in _GONE:
                raise
            continue
        key, value = active[each.owner], vault.opened(each, each.place)
        sealed = vault.sealed(key, Spot(vault.book, each.place, each.row_key), value)
        row = {"book": vault.book, "place": each.place, "row": each.row_key, "was": each.sealed}
        rows.append(row | {"key": key.key_id, "sealed": sealed})
    try:
        with vault.connect() as connection:
            connection.cursor().executemany(QUERIES.reseal, rows)
    except Refused as refused:
        if refused.refusal not in _GONE:
            raise
    return len(found)


def _rewrap(vault: Vault, batch: int) -> int:
    """Some field keys under leaving wrapping keys, wrapped under the active one; returns how many there were."""
    question = {"book": vault.book, "limit": batch}
    with vault.connect() as connection, connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
        found = cursor.execute(QUERIES.field_keys_to_rewrap, question).fetchall()
    wrapping = vault.wrapping_key()
    rows = [
        {"book": vault.book, "key": each.key_id, "was": each.wrapped, "wrapping": wrapping.wrapping_id}
        | {"wrapped": vault.wrapped(vault.unwrapped(each), wrapping)}
        for each in found
    ]
    with vault.connect() as connection:
        connection.cursor().executemany(QUERIES.rewrap, rows)
    return len(found)


def _retire(vault: Vault, keys: Keys, settle: timedelta, batch: int) -> int:
    at = vault.clock()
    row = {"book": vault.book, "left_before": at - settle, "at": at, "most": batch}
    retired = 0
    while True:
        with vault.connect() as connection:
            query = QUERIES.retire_field_keys if keys == "field" else QUERIES.retire_wrapping_keys
            found = connection.execute(query, row).fetchone()
        count = int(found[0]) if found else 0
        retired += count
        if keys == "wrapping" or count < batch:
            return retired


def _leaving(vault: Vault, keys: Keys) -> int:
    with vault.connect() as connection:
        found = connection.execute(QUERIES.leaving, {"book": vault.book}).fetchone()
    return int(found[keys == "wrapping"]) if found else 0


def _end(core: Core, vault: Vault, rotation: UUID, keys: Keys) -> int:
    said = {"rotation": str(rotation), "keys": keys}
    event = Line(Kind.EVENT, derived(rotation, "rotated"), code=EventName.KEYS_ROTATED, payload=said)
    row = {"book": vault.book, "event": event.id, "rotation": rotation}
    [answer] = core.post(Unit([event], [(QUERIES.end_rotation, row)]))
    return answer.sequence
