"""A whole small platform for tests: one bank, a few customers, people, the gateway and the notary, one clock."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import rfc8785
from psycopg_pool import ConnectionPool

from policies import unsigned_toml
from ringfence.authority import people, proposals, sessions
from ringfence.authority.actors import Session
from ringfence.authority.passwords import Cost
from ringfence.authority.people import Founder
from ringfence.authority.policy import Policy, read_document, read_toml
from ringfence.authority.standing.verification import authorised
from ringfence.banking import gateway
from ringfence.banking.account_number import AccountNumber, Scheme, iban_check_digits
from ringfence.banking.desk import GatewayDesk
from ringfence.banking.simulated_bank import SimulatedBank
from ringfence.core import Core, uuid7_source
from ringfence.custody import customers, days
from ringfence.custody.orders import Desk
from ringfence.custody.wallets import lent
from ringfence.database.connection import pool
from ringfence.database.refusals import refusing
from ringfence.diligence import evidence
from ringfence.diligence.advancing import advance
from ringfence.diligence.applying import application
from ringfence.diligence.files import Desk as DiligenceDesk
from ringfence.diligence.profiles import profile_of
from ringfence.diligence.simulated_provider import SimulatedProvider
from ringfence.diligence.verification import WalletAudit
from ringfence.escrow.verification import audit
from ringfence.evidence.authorisation import Authorised, StandingRow
from ringfence.evidence.keys import load_key, read_verifier, signer_for
from ringfence.evidence.notary import Notary
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal
from ringfence.ledger.writer import Writer
from ringfence.liabilities.verification import audit_for
from ringfence.money import currency
from ringfence.risk import desk as risk_desk
from ringfence.risk import lists, packs, rules
from ringfence.risk.screening import Screen
from ringfence.rounds import one_round
from ringfence.vault.keeping import Vault
from ringfence.vault.providers import read_choice

DAY = date(2026, 3, 2)
PASSWORD = "correct horse battery staple 7"
CHEAP = Cost(memory_kib=64, passes=1)


def number(country: str, digits: str) -> AccountNumber:
    return AccountNumber(Scheme.IBAN, f"{country}{iban_check_digits(country, digits)}{digits}")


POOL_ACCOUNT = number("LT", "1010012345678901")
PAYEE = number("NL", "EXAM0000000001").text


@dataclass
class World:
    """The platform. Time stands still unless a test moves it."""

    core: Core
    desk: Desk
    diligence: DiligenceDesk
    gateway: GatewayDesk
    notary: Notary
    bank: SimulatedBank
    sessions: dict[str, Session]
    clock: list[datetime] = field(default_factory=list)
    ids: int = 0

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def wait(self, **time: float) -> None:
        self.clock[0] += timedelta(**time)

    def sign_in_again(self) -> None:
        """Everybody's session anew, after a time in which they have ended."""
        for person in self.sessions:
            token = sessions.sign_in(self.core, person, PASSWORD).token
            self.sessions[person] = sessions.session_of(self.core, token)

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=(0xABC << 100) + self.ids, version=4)

    def pay_in(self, customer: str, amount: int, text: str | None = None, payer: str = "Some Payer") -> None:
        """A payer sends money; the bank's advice is taken."""
        self.ids += 1
        text = f"RF-{customer}" if text is None else text
        self.bank.receive(POOL_ACCOUNT, amount, payer, None, text, self.now, receipt_id=f"r{self.ids}")
        self.turn()

    def turn(self, times: int = 3) -> None:
        """Everybody does what is to be done."""
        for _ in range(times):
            self.wait(seconds=1)
            one_round(self.desk)
            self.notary.step(self.now)
            gateway.turn(self.gateway)
            self.bank.serve_once(self.now)
            gateway.turn(self.gateway)
            one_round(self.desk)

    def balance(self, name: str) -> tuple[int, int]:
        with self.core.connection() as connection:
            found = reading.balance(connection, self.core.book.book_id, name, fresh=True)
        return found.balance, found.held

    def approve(self, order_id: UUID, *who: str) -> None:
        with self.core.connection() as connection:
            about = proposals.proposals_of_order(connection, self.core.book.book_id, order_id)
        for each in about:
            for person in who:
                if each.people > 0 and each.state == "open":
                    decided = proposals.approve(self.core, self.sessions[person], each.proposal_id, each.payload_sha256)
                    if decided.complete:
                        break


IDENTITY_NUMBERS = itertools.count(1)


def verified(
    desk: DiligenceDesk,
    customer: str,
    *,
    name: str,
    bank: str,
    nature: str = "person",
    payee_account: str = PAYEE,
    identity_number: str | None = None,
    tier: str | None = None,
    role: str | None = None,
    risk_class: str | None = None,
    phone: str | None = None,
) -> customers.Customer:
    """Register a customer and take the file as far as evidence does; by default that opens a wallet."""
    core = desk.core
    applies = application(desk.profile, nature, role=role, tier=tier, risk_class=risk_class)
    number = identity_number or f"X{next(IDENTITY_NUMBERS):09d}"
    customers.register(
        core,
        desk.vault,
        customer,
        name=name,
        nature=nature,
        payee_account=payee_account,
        bank=bank,
        identity_number=number,
        phone=phone,
        applies=applies,
    )
    if nature == "firm":
        evidence.name_owner(
            desk,
            customer,
            "owner",
            name="Olga Owner",
            nature="person",
            identity_number="Y123",
            share_bp=10_000,
            by=None,
        )
    return verify(desk, customer)


def verify(desk: DiligenceDesk, customer: str) -> customers.Customer:
    """Bring a document, and take the file as far as evidence does."""
    evidence.take_document(desk, customer, kind="passport", country="LT", sha256="ab" * 32, by=None)
    advance(desk, customer)
    with desk.core.connection() as connection:
        return customers.customer(connection, desk.core.book.book_id, customer)


def diligence_of(core: Core, vault: Vault, screen: Screen | None = None, profile: str = "eu-psd2") -> DiligenceDesk:
    """Due diligence with a provider that knows everybody, and no lists but those given."""
    return DiligenceDesk(core, vault, screen or Screen(()), SimulatedProvider(), profile_of(profile), lent(core))


def vault_of(core: Core, home: Path) -> Vault:
    """The vault as the core holds it, with a key file in the home."""
    found = Vault(core.book.book_id, core.connection, read_choice(home), b"k" * 32, core.clock, core.new_id)
    found.found()
    return found


def gateway_vault(book: int, connections: ConnectionPool, home: Path, clock) -> Vault:
    """The vault as the gateway holds it: nothing is looked up there."""

    @contextmanager
    def connect():
        with refusing(), connections.connection() as connection:
            yield connection

    return Vault(book, connect, read_choice(home), None, clock, uuid7_source())


def policy_of_any_origin(more: str = "") -> Policy:
    """The policy of a new book, but nobody has to have asked for a payment or signs: for tests about other things.
    `more` is added to its TOML.
    """
    said = json.loads(read_toml(unsigned_toml() + more).document)
    for act in said["acts"].values():
        act.pop("asked_by", None)
    return read_document(rfc8785.dumps(said))


def authorised_standing_alone(connection, row) -> None:
    """A notary that does not ask whether people did what events say: for tests of what the gateway finds by itself."""
    if isinstance(row, StandingRow):
        authorised(connection, row)


def by_the_pack() -> dict[str, Any]:
    """What a decision of risk says of rules and lists, when it is by the pack that the world is founded with."""
    screened = [{"list": each.name, "sha256": each.sha256} for each in lists.load_sample()]
    return {"rules": {"sha256": packs.sha256_of(packs.shipped())}, "lists": screened}


@contextmanager
def custody_world(
    database, home: Path, customers_: int = 3, policy: Policy | None = None, asks: Authorised = authorised
) -> Iterator[World]:
    clock = [datetime(2026, 3, 2, 9, tzinfo=UTC)]

    def now() -> datetime:
        return clock[0]

    with database.connect("core") as connection:
        book = reading.open_book(connection, "demo", now())
        connection.commit()
    writer = Writer(Journal(lambda: database.server.connect("core", database.name), book.book_id), now)
    core_pool: ConnectionPool = pool(database.conninfo("core"), largest=4)
    gateway_pool: ConnectionPool = pool(database.conninfo("gateway"), largest=2)
    log = home / "evidence" / "demo"
    notary = Notary(
        lambda: database.server.connect("notary", database.name),
        log,
        signer_for(load_key(home), "demo"),
        book.book_id,
        authorised=asks,
        audits=[
            *([] if asks is authorised_standing_alone else [WalletAudit()]),
            audit,
            audit_for(home, "ringfence/demo"),
        ],
    )
    with core_pool, gateway_pool, SimulatedBank.open(home / "banks" / "alpha", name="Alpha", code="ALPHALT2") as bank:
        core = Core(book, writer, core_pool, now, uuid7_source())
        founders = [
            Founder("tina", "Tina", ("treasurer",), PASSWORD),
            Founder("adam", "Adam", ("approver",), PASSWORD),
            Founder("bella", "Bella", ("approver",), PASSWORD),
            Founder("rita", "Rita", ("risk_officer",), PASSWORD),
            Founder("sara", "Sara", ("security_admin",), PASSWORD),
        ]
        people.found(core, founders, policy or policy_of_any_origin(), cost=CHEAP)
        signed_in = {}
        for founder in founders:
            token = sessions.sign_in(core, founder.person_id, PASSWORD).token
            signed_in[founder.person_id] = sessions.session_of(core, token)
        packs.founded(core, lists.load_sample())
        with core.connection() as connection:
            risk = risk_desk.open_desk(
                connection, book.book_id, rules.load("eu-psd2"), Screen(lists.load_sample()), now()
            )
        vault = vault_of(core, home)
        desk = Desk(core, risk, vault)
        diligence = diligence_of(core, vault, risk.screen)
        bank.open_account(POOL_ACCOUNT, "Platform clients", currency("EUR"), opened_on=DAY)
        customers.open_custodian_account(
            core,
            "alpha",
            "client",
            scheme="IBAN",
            identification=POOL_ACCOUNT.text,
            holder="Platform clients",
            bank_code="ALPHALT2",
            unit="EUR",
        )
        days.open_day(core, DAY)
        for each in range(1, customers_ + 1):
            verified(diligence, f"c{each}", name=f"Ann Number {each}", bank="bank:alpha:client")
        gateway_desk = GatewayDesk(
            book,
            gateway_pool,
            home / "banks",
            log,
            lambda: read_verifier(log) if (log / "notary.vkey").exists() else None,
            now,
            gateway_vault(book.book_id, gateway_pool, home, now),
        )
        yield World(core, desk, diligence, gateway_desk, notary, bank, signed_in, clock)
        notary.close()
        writer.close()
