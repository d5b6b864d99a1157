"""The demo's installation before its first day: the book, its people, their passkeys, its program's key, its banks. All
of it may be done again.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.authority import clients, people, sessions, signing, training
from ringfence.authority.actors import Session
from ringfence.authority.people import Founder
from ringfence.authority.policy import Policy, default_toml, read_toml
from ringfence.authority.refusals import BOOK_HAS_ITS_PEOPLE_ALREADY
from ringfence.banking.simulated_bank import SimulatedBank
from ringfence.core import Core
from ringfence.custody import customers
from ringfence.database import files
from ringfence.demo.authenticator import Authenticator
from ringfence.demo.devices import SIGNERS, approve, device_of, enrol
from ringfence.demo.scenario import CURRENCY, PLATFORM, Bank
from ringfence.demo.signer import Signer
from ringfence.diligence.provider import CONFIGURATION
from ringfence.keys import secret_key
from ringfence.money import currency
from ringfence.refusal import Refused
from ringfence.settings import Settings

STAFF: Final = (
    ("tina", "Tina Treasurer / 司库", ("treasurer",)),
    ("adam", "Adam Approver / 复核甲", ("approver",)),
    ("bella", "Bella Approver / 复核乙", ("approver",)),
    ("rita", "Rita Risk / 风控", ("risk_officer",)),
    ("axel", "Axel Auditor / 审计", ("auditor",)),
    ("sara", "Sara Security / 安全管理", ("security_admin",)),
    ("omar", "Omar Operator / 系统管理", ("system_admin",)),
)
WAITS: Final = "[passkeys]\nwait_hours = 24\n"
# One course, so that the page of training shows something: bella's lapses within the month.
COURSE: Final = "custody-essentials"
COURSES: Final = f"""
[courses.{COURSE}]
title = {{ en = "Custody essentials: whose money it is, and who may move it", zh = "资金存管基础：资金归属与动用权限" }}
months = 12
roles = ["approver"]
"""
COMPLETED_DAYS_AGO: Final = {"adam": 60, "bella": 345}
IDENTITY: Final = """\
provider = "simulated"

[simulated]
seed = "demo"
no_match = 2
later = 2
unavailable = 1
"""
KEY_DAYS: Final = 30
SCOPES: Final = ("customers:read", "customers:write", "orders:read", "orders:write", "position:read")


@dataclass(frozen=True)
class Founded:
    """What the players need: everybody's password in the demo, and what the program signs with."""

    password: str
    signer: Signer


def found(settings: Settings, core: Core, address: str) -> Founded:
    """The people of the book, once; before any money has moved, the passkeys of those who approve at the console's
    address; and a program with a key for this run, which a second person admits.
    """
    password = "-".join(secret_key(settings.keys, "demo.password", 8).hex()[at : at + 4] for at in (0, 4, 8, 12))
    try:
        people.found(core, [Founder(login, name, roles, password) for login, name, roles in STAFF], policy())
    except Refused as refused:
        if refused.refusal is not BOOK_HAS_ITS_PEOPLE_ALREADY:
            raise
    choose_identity_provider(settings)
    session = sessions.session_of(core, sessions.sign_in(core, "sara", password).token)
    _record_training(core, session)
    for login in SIGNERS:
        owner = sessions.session_of(core, sessions.sign_in(core, login, password).token)
        enrol(core, owner, session, device_of(settings, login, address), address)
        sessions.sign_out(core, owner)
    rita = sessions.session_of(core, sessions.sign_in(core, "rita", password).token)
    signer = _program(core, session, rita, device_of(settings, "rita", address))
    sessions.sign_out(core, session)
    return Founded(password, signer)


def _program(core: Core, sara: Session, rita: Session, device: Authenticator) -> Signer:
    """A program that signs; an administrator adds its key, and somebody who is none lets it ask for payments."""
    name, key = f"platform-{secrets.token_hex(4)}", Ed25519PrivateKey.generate()
    clients.add_client(core, sara, name, SCOPES)
    public_key = key.public_key().public_bytes_raw()
    key_id = signing.add_key(core, sara, name, public_key, SCOPES, core.clock() + timedelta(days=KEY_DAYS))
    made = signing.propose_admission(core, sara, name, key_id.rpartition("/")[2])
    approve(core, rita, made, device)
    signing.admit(core, made.proposal_id)
    signing.set_signed_only(core, sara, name, signed_only=True)
    sessions.sign_out(core, rita)
    return Signer(key_id, key)


def choose_identity_provider(settings: Settings) -> None:
    """The simulated one, with a seed of the demo's own: a few numbers have no match, some are answered at the second
    time.
    """
    files.write_once(settings.home / CONFIGURATION, IDENTITY)


def policy() -> Policy:
    """The policy that comes along, with a course; but a passkey that somebody enrols in the browser approves at once,
    because a demo has no day to wait.
    """
    return read_toml(default_toml().replace(WAITS, "[passkeys]\nwait_hours = 0\n") + COURSES)


def _record_training(core: Core, session: Session) -> None:
    with core.connection() as connection:
        known = {each.person_id for each in training.completions(connection, core.book.book_id)}
    for person, days in COMPLETED_DAYS_AGO.items():
        if person not in known:
            training.record(core, session, person, COURSE, core.clock().date() - timedelta(days=days))


def open_bank(settings: Settings, bank: Bank) -> SimulatedBank:
    """The simulated bank on the other side of the exchange folder."""
    return SimulatedBank.open(settings.banks / bank.name, name=bank.title, code=bank.code)


def open_accounts(settings: Settings, core: Core, banks: tuple[Bank, ...], opened_on: date) -> None:
    """The custodian account of each bank: at the bank, and in our book."""
    for bank in banks:
        with open_bank(settings, bank) as opened:
            opened.open_account(bank.account, PLATFORM, currency(CURRENCY), opened_on=opened_on)
        customers.open_custodian_account(
            core,
            bank.name,
            "client",
            scheme=bank.account.scheme.value,
            identification=bank.account.text,
            holder=PLATFORM,
            bank_code=bank.code,
            unit=CURRENCY,
        )


def bank_time(day: date, now: datetime, begun: datetime) -> datetime:
    """The banks' clock: nine in the morning of the demo's day, and as long as it has been going on."""
    morning = datetime(day.year, day.month, day.day, 9, tzinfo=now.tzinfo)
    return morning + (now - begun)
