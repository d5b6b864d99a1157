"""Keeping, opening and finding: what other packages do with sensitive values.

A value is kept in somebody's unit, so that the row and its fields are one append::

    also = [(QUERIES.insert_customer, row), vault.keep(owner("c1"), PHONE, "c1", "138 1234 5678")]
    core.post(Unit([event], also))

An owner's field key is made when it is first needed, in a transaction of its own: a crash leaves a key that nothing
uses, and the next to keep something takes it. Field keys that were unwrapped stay in memory, but whether one may still
be used is read from the database each time.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from hmac import digest as hmac_digest
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.database.connection import Connection
from ringfence.ledger.journal import Statement
from ringfence.vault.ciphers import KEY_BYTES, NONCE_BYTES, FieldKey, Spot, number_of, seal, unseal
from ringfence.vault.fields import OF_A_PAYMENT, Field, Shape, normalised, shown
from ringfence.vault.providers import Choice
from ringfence.vault.queries import QUERIES
from ringfence.vault.refusals import (
    CIPHERTEXT_DOES_NOT_BELONG_HERE,
    FIELD_IS_NOT_KEPT,
    FIELD_IS_UNKNOWN,
    FIELD_WAS_ERASED,
    VAULT_HAS_NO_WRAPPING_KEY,
)

BOOK: Final = "book"
"""The owner of what belongs to no customer: payers' accounts in the bank's paper, the platform's own payments."""
FOUND_MAX: Final = 50
_REMEMBERED: Final = 4_096


def owner(customer_id: str) -> str:
    """The owner of a customer's fields."""
    return f"customer:{customer_id}"


@dataclass(frozen=True)
class WrappingKey:
    wrapping_id: str
    provider: str
    algorithm: str


@dataclass(frozen=True)
class WrappedKey:
    """A field key as the database has it."""

    key_id: UUID
    owner: str
    algorithm: str
    wrapping_id: str
    wrapped: bytes | None = field(repr=False)
    provider: str
    wrap: str
    state: str = "active"


@dataclass(frozen=True)
class KeptField(WrappedKey):
    """A ciphertext with the key that it names; `state` is the key's."""

    row_key: str = ""
    sealed: bytes = field(default=b"", repr=False)
    place: str = ""


class _Memory:
    """The field keys that were unwrapped, the last used ones."""

    def __init__(self) -> None:
        self._keys: OrderedDict[UUID, FieldKey] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key_id: UUID) -> FieldKey | None:
        with self._lock:
            found = self._keys.get(key_id)
            if found is not None:
                self._keys.move_to_end(key_id)
            return found

    def put(self, key: FieldKey) -> FieldKey:
        with self._lock:
            self._keys[key.key_id] = key
            while len(self._keys) > _REMEMBERED:
                self._keys.popitem(last=False)
            return key


@dataclass(frozen=True)
class Vault:
    """The vault of one book, as one process holds it.

    `connect` gives a connection for one transaction. `index_key` is None where nothing is looked up (the gateway).
    """

    book: int
    connect: Callable[[], AbstractContextManager[Connection]]
    choice: Choice
    index_key: bytes | None = field(repr=False)
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]
    randomness: Callable[[int], bytes] = secrets.token_bytes
    _memory: _Memory = field(default_factory=_Memory, repr=False, compare=False)

    # -- keeping -----------------------------------------------------------------------------------------------------

    def keep(self, whose: str, what: Field, row: str, value: str) -> Statement:
        """The statement that keeps a value beside its row."""
        return self.keep_under(self.field_key(whose), what, row, value)

    def keep_under(self, key: FieldKey, what: Field, row: str, value: str) -> Statement:
        """`keep` for many values of one owner. `field_key_is_retired`, by the database, if it takes too long."""
        sealed = self.sealed(key, Spot(self.book, what.place, row), value.encode())
        return QUERIES.keep, {
            "book": self.book,
            "place": what.place,
            "row": row,
            "key": key.key_id,
            "sealed": sealed,
            "masked": shown(what, value),
            "indexed": self.index(what, value) if what.indexed else None,
            "single": what.single,
        }

    def keep_each(self, what: Field, values: Mapping[str, str]) -> None:
        """Keep a value of each of many owners, in a row that has the owner's name: in two transactions for all of them.
        `owner_was_erased` of one keeps none; what is kept already stays.
        """
        keys = self.field_keys(list(values))
        kept = [self.keep_under(keys[whose], what, whose, value) for whose, value in values.items()]
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(QUERIES.keep, [parameters for _, parameters in kept])

    def sealed(self, key: FieldKey, spot: Spot, value: bytes) -> bytes:
        """A new ciphertext of a value."""
        algorithm = self.choice.algorithms.require(key.algorithm, "field")
        return seal(key, algorithm.number, spot, value, self.randomness(NONCE_BYTES))

    def field_key(self, whose: str) -> FieldKey:
        """An owner's active key, made if there is none; `owner_was_erased`."""
        question = {"book": self.book, "owner": whose}
        with self.connect() as connection, connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
            found = cursor.execute(QUERIES.active_field_key, question).fetchone()
        if found is not None:
            return self.unwrapped(found)
        key, wrapping = self.new_field_key(whose)
        row = self.wrapped_row(key, wrapping) | {"owner": whose, "at": self.clock()}
        with self.connect() as connection:
            active = connection.execute(QUERIES.add_field_key, row).fetchone()
        return self._memory.put(key) if active == (key.key_id,) else self.field_key(whose)  # somebody was faster

    def field_keys(self, owners: Sequence[str]) -> dict[str, FieldKey]:
        """The active keys of many owners, made where there is none; `owner_was_erased`."""
        question = {"book": self.book, "owners": list(owners)}
        with self.connect() as connection, connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
            found = {each.owner: each for each in cursor.execute(QUERIES.active_field_keys, question)}
        keys = {whose: self.unwrapped(each) for whose, each in found.items()}
        if lacking := [whose for whose in owners if whose not in keys]:
            algorithm = self.choice.algorithms.require(self.choice.field, "field").name
            wrapping, length = self.wrapping_key(), KEY_BYTES[algorithm]
            made = [FieldKey(self.new_id(), whose, algorithm, self.randomness(length)) for whose in lacking]
            rows = [self.wrapped_row(key, wrapping) | {"owner": key.owner, "at": self.clock()} for key in made]
            with self.connect() as connection, connection.cursor() as cursor:
                cursor.executemany(QUERIES.add_field_key, rows)
            keys |= {whose: self.field_key(whose) for whose in self._not_active(made)}  # somebody was faster
            keys |= {key.owner: self._memory.put(key) for key in made if key.owner not in keys}
        return keys

    def _not_active(self, made: Sequence[FieldKey]) -> list[str]:
        """The owners of these keys who have another active one."""
        question = {"book": self.book, "owners": [key.owner for key in made]}
        with self.connect() as connection, connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
            active = {each.key_id for each in cursor.execute(QUERIES.active_field_keys, question)}
        return [key.owner for key in made if key.key_id not in active]

    def new_field_key(self, whose: str) -> tuple[FieldKey, WrappingKey]:
        """A new key of an owner, which the database does not know yet, and the key to wrap it under."""
        algorithm = self.choice.algorithms.require(self.choice.field, "field").name
        return FieldKey(self.new_id(), whose, algorithm, self.randomness(KEY_BYTES[algorithm])), self.wrapping_key()

    def wrapped_row(self, key: FieldKey, wrapping: WrappingKey) -> dict[str, object]:
        """The columns of a new field key."""
        return {
            "book": self.book,
            "key": key.key_id,
            "algorithm": key.algorithm,
            "wrapping": wrapping.wrapping_id,
            "wrapped": self.wrapped(key, wrapping),
        }

    def wrapped(self, key: FieldKey, wrapping: WrappingKey) -> bytes:
        provider = self.choice.provider_named(wrapping.provider)
        return provider.wrap(wrapping.wrapping_id, key.secret, self._context(key.key_id, key.owner))

    # -- wrapping keys -----------------------------------------------------------------------------------------------

    def wrapping_key(self) -> WrappingKey:
        """The active one; `vault_has_no_wrapping_key` before `found`."""
        with self.connect() as connection, connection.cursor(row_factory=class_row(WrappingKey)) as cursor:
            found = cursor.execute(QUERIES.active_wrapping_key, {"book": self.book}).fetchone()
        if found is None:
            raise VAULT_HAS_NO_WRAPPING_KEY()
        return found

    def found(self) -> None:
        """Make the first wrapping key of a book, unless it has one. Role core."""
        with self.connect() as connection:
            if connection.execute(QUERIES.active_wrapping_key, {"book": self.book}).fetchone() is not None:
                return
        self.make_wrapping_key(None)

    def make_wrapping_key(self, rotation: UUID | None) -> None:
        """Make a wrapping key with the chosen provider and make it the active one. Its id follows from the rotation,
        so that a crash between the two leaves nothing behind that the next run does not take.
        """
        wrapping = f"{self.book}-{(rotation or self.new_id()).hex}"
        self.choice.provider_named(self.choice.provider).make(wrapping, self.choice.wrap)
        row = {"book": self.book, "wrapping": wrapping, "provider": self.choice.provider, "rotation": rotation}
        with self.connect() as connection:
            connection.execute(QUERIES.add_wrapping_key, row | {"algorithm": self.choice.wrap, "at": self.clock()})

    def unwrapped(self, found: WrappedKey) -> FieldKey:
        """A field key in the clear; `field_was_erased` if its bytes are gone."""
        if found.wrapped is None:
            raise FIELD_WAS_ERASED()
        if (known := self._memory.get(found.key_id)) is not None:
            return known
        self.choice.algorithms.require(found.wrap, "wrap")
        provider = self.choice.provider_named(found.provider)
        context = self._context(found.key_id, found.owner)
        secret = provider.unwrap(found.wrapping_id, bytes(found.wrapped), context)
        return self._memory.put(FieldKey(found.key_id, found.owner, found.algorithm, secret))

    def _context(self, key_id: UUID, whose: str) -> bytes:
        return f"ringfence/vault/key/v1\0{self.book}\0{key_id}\0{whose}".encode()

    # -- opening -----------------------------------------------------------------------------------------------------

    def open(self, what: Field, row: str) -> str:
        """The whole value; `field_is_not_kept`, `field_was_erased`, `ciphertext_does_not_belong_here`."""
        found = self.open_all(what, [row])
        if row not in found:
            raise FIELD_IS_NOT_KEPT(field=what.name, row=row)
        return found[row]

    def open_all(self, what: Field, rows: Sequence[str]) -> dict[str, str]:
        """The whole values of rows that have one, by row."""
        if not rows:
            return {}
        question = {"book": self.book, "place": what.place, "rows": list(rows)}
        query = QUERIES.payment if what in OF_A_PAYMENT else QUERIES.field
        with self.connect() as connection, connection.cursor(row_factory=class_row(KeptField)) as cursor:
            found = cursor.execute(query, question).fetchall()
        return {each.row_key: self.opened(each, what.place).decode() for each in found}

    def opened(self, found: KeptField, place: str) -> bytes:
        """The value of a ciphertext as it was read at a place."""
        key = self.unwrapped(found)
        sealed = bytes(found.sealed)
        algorithm = self.choice.algorithms.numbered(number_of(sealed), "field")
        if algorithm.name != key.algorithm:
            raise CIPHERTEXT_DOES_NOT_BELONG_HERE(place=place)
        return unseal(key, algorithm.number, Spot(self.book, place, found.row_key), sealed)

    # -- finding -----------------------------------------------------------------------------------------------------

    def index(self, what: Field, value: str) -> bytes:
        """HMAC-SHA-256 of place and normalised value: equal for equal values of a column, and for nothing else."""
        if self.index_key is None:
            raise FIELD_IS_UNKNOWN(field=what.place)
        text = f"{what.place}\0{normalised(what.shape, value)}"
        return hmac_digest(self.index_key, text.encode(), "sha256")

    def fingerprint(self, account: str) -> str:
        """What stands for a payee's account where the account itself must not stand (journal, risk features)."""
        if self.index_key is None:
            raise FIELD_IS_UNKNOWN(field="payee")
        text = normalised(Shape.ACCOUNT, account)
        return hmac_digest(self.index_key, text.encode(), "sha256")[:16].hex()

    def digest(self, told: str) -> str:
        """A keyed digest of what somebody asked for, to know an exact replay by."""
        if self.index_key is None:
            raise FIELD_IS_UNKNOWN(field="asked")
        return hmac_digest(self.index_key, f"asked\0{told}".encode(), "sha256").hex()

    def digest_of_reason(self, subject: UUID, reason: str) -> str:
        """What the journal has of why somebody did something to a subject. Such sentences are short and can be guessed,
        so it is keyed; the same words about another subject are another digest.
        """
        return self.digest(f"reason {subject} {reason}")

    def payee_salt(self, payee: UUID) -> str:
        """What keeps the hash of a payee from being guessed; it follows from the payee, so that it is kept nowhere."""
        return self.digest(f"payee {payee}")[:32]

    def find(self, what: Field, value: str) -> list[str]:
        """The rows that have this value, the first fifty; `field_is_unknown` where none is looked up."""
        if not what.indexed:
            raise FIELD_IS_UNKNOWN(field=what.place)
        question = {"book": self.book, "place": what.place, "indexed": self.index(what, value), "limit": FOUND_MAX}
        with self.connect() as connection:
            return [row for (row,) in connection.execute(QUERIES.rows_with_value, question)]

    def has(self, what: Field, row: str, value: str | None) -> bool:
        """Whether a row's field has this value (None: whether it has none), told by the index alone."""
        with self.connect() as connection:
            kept = connection.execute(QUERIES.index_of, {"book": self.book, "place": what.place, "row": row}).fetchone()
        return kept is None if value is None else kept is not None and kept[0] == self.index(what, value)


def masks(connection: Connection, book: int, what: Iterable[Field], rows: Sequence[str]) -> dict[str, dict[str, str]]:
    """What is shown of rows' fields: by row, then by the field's name. Opens nothing."""
    question = {"book": book, "places": [each.place for each in what], "rows": list(rows)}
    found: dict[str, dict[str, str]] = {row: {} for row in rows}
    for place, row, masked in connection.execute(QUERIES.masks, question):
        found[row][place.rpartition(".")[2]] = masked
    return found
