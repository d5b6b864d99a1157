"""A closed day of the whole platform with its tree of liabilities, an auditor, and a log that anyone can export."""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from conftest import Database
from custody_world import DAY, World
from ringfence.authority import proposals
from ringfence.authority.standing import acts
from ringfence.custody import days
from ringfence.evidence.cosignature import ED25519, ML_DSA_44, Cosigner
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.ledger import reading as ledger_reading
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.liabilities.proving import Desk, prove_all
from ringfence.liabilities.settings import FILE, Proving, read_proving
from ringfence.reconciliation import runs
from ringfence.safeguarding import day

AUDITOR = "auditor.example"


def cosigners(name: str = AUDITOR) -> list[Cosigner]:
    return [Cosigner.from_seed(name, algorithm, name.encode().ljust(32, b"\0")) for algorithm in (ED25519, ML_DSA_44)]


@contextmanager
def a_database(server, template, new_database):
    name = new_database(template)
    found = Database(server, name)
    yield found
    found.close()
    with server.connect_as_administrator() as administrator:
        administrator.execute(psycopg.sql.SQL("drop database {} with (force)").format(psycopg.sql.Identifier(name)))


def owes(world, amount):
    """A customer who owes: people let c4 go below nothing, and money went to c1."""
    core, people = world.core, world.sessions
    made = acts.propose_limits(core, people["tina"], "customer:c4:available", -amount, None, "by contract")
    for person in ("adam", "bella"):
        decided = proposals.approve(core, people[person], made.proposal_id, made.payload_sha256)
        if decided.complete:
            break
    acts.carry_out_all(core)
    with core.connection() as connection:
        c1, c4 = (ledger_reading.account(connection, 1, f"customer:{each}:available").account for each in ("c1", "c4"))
    core.post(Unit([Line(Kind.TRANSFER, core.new_id(), c4, c1, amount, value_date=DAY, code=102)]))


@dataclass
class Audited:
    """The world, and what proving liabilities needs there."""

    world: World
    home: Path
    desk: Desk

    @property
    def log(self) -> Path:
        return self.home / "evidence" / "demo"

    def close(self, which=DAY):
        """The bank's day ends, ours is closed, the notary signs it."""
        self.world.wait(hours=16)
        self.world.bank.close_day(which, self.world.now)
        self.world.turn()
        closed = day.close_day(self.world.core, which)
        self.sign()
        return closed

    def open_next(self, which=DAY):
        next_day = which + timedelta(days=1)
        days.open_day(self.world.core, next_day)
        self.sign()
        return next_day

    def sign(self):
        while self.world.notary.step(self.world.now):
            pass

    def prove(self):
        done = prove_all(self.desk)
        self.sign()
        return done

    def export(self, name: str) -> Path:
        target = self.home / name
        export(target, self.log, read_verifier(self.log))
        return target


def audited(world: World, home: Path, mode: str = "auditor") -> Audited:
    keys = ", ".join(f'"{each.key}"' for each in cosigners())
    (home / FILE).write_text(f'mode = "{mode}"\n[[auditor]]\nkeys = [{keys}]\n', encoding="utf-8")
    return Audited(world, home, Desk(world.core, world.desk.vault, read_proving(home)))


__all__ = ["AUDITOR", "Audited", "Proving", "a_database", "audited", "cosigners", "owes", "runs"]
