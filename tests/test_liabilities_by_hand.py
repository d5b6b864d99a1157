"""Rows about liabilities that somebody puts into the journal by hand, with psql and every right: each field that the
notary can see is forged in turn, and it signs none of them; the true row it signs. It cannot see the leaves, so
neither whose root it is nor the mode.
"""

import copy
from datetime import timedelta
from uuid import UUID

import pytest
import rfc8785
from psycopg import sql

from custody_world import DAY, custody_world
from liabilities_world import a_database, audited, cosigners, owes
from ringfence.database.connection import connect, conninfo_of
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import Kind
from ringfence.liabilities import attesting, saying
from ringfence.liabilities import proving as proving_
from ringfence.refusal import Refused

LOG = "ringfence/demo"
ROOT = saying.spell(bytes(32))


def to(*path):
    """A change of one field: the last word is what it says instead, or a function of what it says."""

    def change(says):
        *way, name, value = path
        for each in way:
            says = says[each]
        says[name] = value(says[name]) if callable(value) else value

    return change


def more(amount):
    return str(int(amount) + 1)


PROVEN = {
    "book": to("book", "other"),
    "checkpoint root": to("checkpoint", "root", ROOT),
    "checkpoint size": to("checkpoint", "size", lambda size: size - 1),
    "checkpoint to come": to("checkpoint", "size", lambda size: size + 100),
    "closed": to("closed", lambda row: row - 1),
    "count": to("count", 3),
    "currency": to("currency", "USD"),
    "cut-off": to("cut_off", lambda row: row - 1),
    "day": to("day", "2026-03-01"),
    "decimals": to("decimals", 3),
    "format": to("format", "ringfence-liabilities-2"),
    "mode that is none": to("mode", "both"),
    "negative count": to("negative_count", 2),
    "negative total": to("negative_total", "-1999"),
    "negatives left out": lambda says: says.update(negative_count=0, negative_total="0"),
    "negatives netted": lambda says: says.update(total="80000", safeguarding=says["safeguarding"] | NETTED),
    "root that is none": to("root", "AAAA"),
    "difference": to("safeguarding", "difference", "0"),
    "requirement": to("safeguarding", "requirement", "84000"),
    "resource": to("safeguarding", "resource", "86000"),
    "resource and difference": lambda says: says["safeguarding"].update(resource="86000", difference="0"),
    "test": to("safeguarding", "sequence", lambda row: row - 1),
    "account": to("statements", 0, "account", "bank:other"),
    "closing": to("statements", 0, "closing", more),
    "fingerprint": to("statements", 0, "fingerprint", "0" * 64),
    "reconciliation": to("statements", 0, "reconciliation", lambda row: row - 1),
    "statement": to("statements", 0, "statement", "another"),
    "no statement": to("statements", []),
    "a statement twice": to("statements", lambda said: said * 2),
    "total": to("total", more),
    "total for unallocated": lambda says: says.update(total="81000", unallocated="5000"),
    "unallocated": to("unallocated", more),
    "a field more": lambda says: says.update(note="all is well"),
    "a field less": lambda says: says.pop("unallocated"),
    "nothing": lambda says: says.clear(),
}
NETTED = {"requirement": "84000", "difference": "0"}
ATTESTED = {
    "auditor": to("auditor", "other.example"),
    "currency": to("currency", "USD"),
    "day": to("day", "2026-03-01"),
    "note": to("note", lambda note: note.replace("82000", "82001")),
    "signatures": to("note", lambda note: note[: note.index("\n\n") + 2] + note.splitlines()[-1] + "\n"),
    "note that is none": to("note", ""),
    "row": to("proven", lambda row: row - 1),
    "itself": to("proven", lambda row: row + 1),
    "a field more": lambda says: says.update(opinion="unqualified"),
    "a field less": lambda says: says.pop("note"),
}
COLUMNS = {
    "id": {"id": UUID(int=77, version=4)},
    "value date": {"value_date": DAY - timedelta(days=1)},
    "accounts": {"debit_account": 1, "credit_account": 2, "amount": 1},
    "refers to": {"refers_to": UUID(int=5)},
    "order": {"order_id": UUID(int=5)},
    "expiry": {"expires_at": "2027-01-01T00:00:00Z"},
}


class Hand:
    """Somebody with psql and every right, who has switched the triggers off."""

    def __init__(self, world, database):
        self.world = world
        server = database.server
        named = {**server.parameters, **server.administrator, "dbname": database.name}
        self.connection = connect(conninfo_of(named, None), autocommit=True)
        self.connection.execute("SET session_replication_role = replica")

    def put(self, event, identity, says, **columns):
        """A row behind the last one, as the journal would have it."""
        row = {
            "book_id": 1,
            "sequence": self.connection.execute("SELECT head FROM ledger.head").fetchone()[0],
            "kind": Kind.EVENT,
            "flags": 0,
            "id": identity,
            "debit_account": 0,
            "credit_account": 0,
            "amount": 0,
            "code": event,
            "value_date": DAY,
            "posted_at": self.world.now,
            "payload": rfc8785.dumps(says),
            **columns,
        }
        statement = sql.SQL("INSERT INTO ledger.journal ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join([sql.Placeholder()] * len(row))
        )
        with self.connection.transaction():
            self.connection.execute(statement, list(row.values()))
            self.connection.execute("UPDATE ledger.head SET head = head + 1")
        return row["sequence"]

    def take_back(self, sequence):
        with self.connection.transaction():
            self.connection.execute("DELETE FROM ledger.journal WHERE sequence = %s", [sequence])
            self.connection.execute("UPDATE ledger.head SET head = %s", [sequence])

    def signed(self, event, identity, says, **columns):
        """Does the notary sign such a row? Then it stays."""
        size = self.world.notary.checkpoint.size
        sequence = self.put(event, identity, says, **columns)
        assert sequence == size
        refused = None
        try:
            self.world.notary.step(self.world.now)
        except Refused as raised:
            refused = raised
        if refused is None:
            return True
        assert (refused.name, refused.facts["sequence"]) == ("row_contradicts_liabilities", sequence), refused
        assert self.world.notary.checkpoint.size == size
        self.take_back(sequence)
        return False

    def signs(self, event, identity, true, forged):
        """Which of the forged rows the notary signs; each of them differs from the true one in a field."""
        found = []
        for name, change in forged.items():
            says = copy.deepcopy(true)
            change(says)
            assert says != true, name
            if self.signed(event, identity, says):
                found.append(name)
        for name, columns in COLUMNS.items():
            if self.signed(event, identity, true, **columns):
                found.append(name)
        return found


@pytest.fixture(scope="module")
def hand(server, template, new_database, tmp_path_factory):
    """A day: c1 520.00, c2 300.00, c3 nothing, c4 owes 20.00, 40.00 unclaimed. Closed and signed, and nobody has proven
    it yet.
    """
    home = tmp_path_factory.mktemp("by-hand")
    with a_database(server, template, new_database) as database, custody_world(database, home, 4) as world:
        found = audited(world, home)
        world.pay_in("c1", 500_00)
        world.pay_in("c2", 300_00)
        world.pay_in("", 40_00, "thank you")
        owes(world, 20_00)
        found.close()
        hand = Hand(world, database)
        hand.desk = found.desk
        yield hand
        hand.connection.close()


def test_the_notary_signs_no_forged_row_about_liabilities_and_the_true_ones(hand):
    """
    LIABILITIES_PROVEN    by hand, one field forged   -> an alarm that names the row, and nothing is signed
    LIABILITIES_PROVEN    by hand, all of it true     -> signed
    LIABILITIES_ATTESTED  by hand, one field forged   -> an alarm that names the row, and nothing is signed
    LIABILITIES_ATTESTED  by hand, all of it true     -> signed
    """
    core, desk = hand.world.core, hand.desk
    with core.connection() as connection:
        read = proving_._read(core, connection, 1, DAY, "EUR")
    true = proving_._said(desk, read, proving_.tree_of(desk, DAY, "EUR", read.test.sequence))
    event = EventName.LIABILITIES_PROVEN, proving_.event_id(1, DAY, "EUR"), true
    assert hand.signs(*event, PROVEN) == []
    sequence = hand.world.notary.checkpoint.size
    assert hand.signed(*event)

    note = attesting.sign(saying.read(true, sequence).text(LOG), cosigners(), 1_772_500_000).decode()
    says = {"auditor": "auditor.example", "currency": "EUR", "day": str(DAY), "note": note, "proven": sequence}
    event = EventName.LIABILITIES_ATTESTED, attesting.attestation_id(1, DAY, "EUR", "auditor.example"), says
    assert hand.signs(*event, ATTESTED) == []
    stranger = attesting.sign(saying.read(true, sequence).text(LOG), cosigners("stranger.example"), 1).decode()
    assert not hand.signed(event[0], event[1], says | {"note": stranger, "auditor": "stranger.example"})
    assert hand.signed(*event)
