"""What every drill shares: a taken core's pen, and what is looked at when the attacker has done what he could."""

import hashlib
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from custody_world import DAY, World, by_the_pack
from ringfence.banking import gateway
from ringfence.banking.instruction import Instruction
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind, canonical
from ringfence.refusal import Refused
from ringfence.vault.ciphers import Spot
from ringfence.vault.fields import PAYMENT
from ringfence.vault.keeping import owner

THIEF = "NL91ABNA0417164300"
POOL = "bank:alpha:client"
BOOK = 1
NOTHING = {"flags": 0, "debit_account": 0, "credit_account": 0, "amount": 0, "code": 0}


def instruction(amount: str, order: UUID, creditor: str = THIEF, name: str = "A Thief") -> Instruction:
    return Instruction("demo", order, "c1", POOL, name, creditor, "EUR", amount, DAY, 1, "00" * 16)


class TakenCore:
    """Plain SQL as role core, without a line of ours in between, and the keys with which the core seals fields."""

    def __init__(self, world: World, database: Any) -> None:
        self.world = world
        self.sql = database.connect("core")
        self.sql.autocommit = True

    def ask(self, query: str, *parameters: Any) -> Any:
        row = self.sql.execute(query, parameters).fetchone()
        return row[0] if row else None

    def refused(self, query: str, *parameters: Any) -> str:
        """The name of the rule, or the SQLSTATE, that PostgreSQL refuses a statement with; nothing if it did not."""
        try:
            with self.sql.transaction():
                self.sql.execute(query, parameters)
        except psycopg.Error as error:
            return error.diag.constraint_name or error.sqlstate or "?"
        return ""

    def account(self, name: str) -> int:
        return int(self.ask("SELECT account FROM ledger.account WHERE book_id = 1 AND name = %s", name))

    def append(self, *rows: dict[str, Any], also: tuple[str, tuple[Any, ...]] | None = None) -> int:
        """Rows into the journal, promised as the database wants it; the sequence of the first."""
        self.world.wait(seconds=1)
        with self.sql.transaction():
            head = int(self.ask("SELECT head FROM ledger.head WHERE book_id = 1"))
            at = self.world.now + timedelta(milliseconds=1)
            assert self.ask("SELECT ledger.advance(1, %s, %s, %s)", head, len(rows), at)
            whole = [
                NOTHING | {"value_date": DAY, "posted_at": at, "book_id": BOOK, "sequence": head + place} | row
                for place, row in enumerate(rows)
            ]
            self.sql.execute(
                "INSERT INTO ledger.journal_0 SELECT r.* FROM jsonb_populate_recordset(NULL::ledger.journal, %s) AS r",
                [Jsonb([_plain(each) for each in whole])],
            )
            if also:
                self.sql.execute(*also)
        return head

    def order_payment(self, said: Instruction) -> None:
        """The payment's bytes into the vault, and its row into the outbox."""
        self.sql.execute(
            *self.world.desk.vault.keep(owner("c1"), PAYMENT, str(said.order_id), said.canonical().decode())
        )
        self.sql.execute(
            "INSERT INTO banking.payment_order VALUES (1, %s, %s, %s)", (said.order_id, POOL, self.world.now)
        )

    def exchange_bytes(self, order: UUID, payload: bytes) -> None:
        """Other bytes for an order, sealed under the right key and in the right place, over what was there."""
        vault = self.world.desk.vault
        key = vault.field_key(owner("c1"))
        sealed = vault.sealed(key, Spot(vault.book, PAYMENT.place, str(order)), payload)
        was = self.ask("SELECT sealed FROM vault.field WHERE row_key = %s AND place = %s", str(order), PAYMENT.place)
        assert self.ask(
            "SELECT vault.reseal(1, %s, %s, %s, %s, %s)", PAYMENT.place, str(order), was, key.key_id, sealed
        )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    said = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            said[name] = "\\x" + value.hex()
        else:
            said[name] = value if isinstance(value, int | None) else str(value)
    return said


def event(
    code: EventName, said: dict[str, Any], identity: UUID | None = None, order: UUID | None = None
) -> dict[str, Any]:
    return {
        "kind": int(Kind.EVENT),
        "id": identity or uuid4(),
        "code": int(code),
        "order_id": order,
        "payload": canonical(said),
    }


def ordered(said: Instruction) -> dict[str, Any]:
    """PAYMENT_ORDERED for these bytes."""
    told = {"order": str(said.order_id), "sha256": said.sha256()}
    return event(EventName.PAYMENT_ORDERED, told, derived(said.order_id, "payment"), said.order_id)


def hold(core: TakenCore, said: Instruction) -> dict[str, Any]:
    return {
        "kind": int(Kind.PENDING),
        "id": derived(said.order_id, "hold"),
        "debit_account": core.account("customer:c1:available"),
        "credit_account": core.account(POOL),
        "amount": said.minor,
        "order_id": said.order_id,
        "code": int(Purpose.WITHDRAWAL),
    }


def allowed(said: Instruction) -> dict[str, Any]:
    told = {"order": str(said.order_id), "outcome": "allow"} | by_the_pack()
    return event(EventName.RISK_DECISION, told, derived(said.order_id, "risk decision"), said.order_id)


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def everybody_acts(world: World, times: int = 3) -> None:
    """Notary, gateway and bank do what is to be done; a notary that refuses goes on refusing."""
    for _ in range(times):
        world.wait(seconds=1)
        with suppress(Refused):
            world.notary.step(world.now)
        gateway.turn(world.gateway)


def sent(world: World) -> list[str]:
    """What lies in the folder to the bank, under whatever name, or did and was collected."""
    folder = world.gateway.folder("alpha", "to_bank")
    return sorted(file.name for file in folder.iterdir())


def withheld(world: World) -> set[str]:
    """Why the gateway does not pay."""
    with world.core.connection() as connection:
        return {row[1] for row in connection.execute(BANKING.withheld, {"book": BOOK, "limit": 100})}


def alarm(world: World) -> tuple[str, int] | None:
    """The finding of the notary that it raised first, and the row that it names."""
    with world.core.connection() as connection:
        query = b"SELECT name, facts FROM evidence.alarm WHERE book_id = 1 ORDER BY raised_at, signed_size LIMIT 1"
        row = connection.execute(query).fetchone()
    return (row[0], row[1].get("sequence")) if row else None
