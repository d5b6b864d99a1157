"""An installation and its processes: where the settings, the server and a book become what each process holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from ringfence.authority.standing.verification import authorised
from ringfence.banking.desk import GatewayDesk
from ringfence.core import Clock, Core, uuid7_source, wall_clock
from ringfence.custody import queries as custody_queries
from ringfence.custody.orders import Desk
from ringfence.custody.wallets import lent
from ringfence.database import RoleName, files
from ringfence.database.connection import Connection, Pool
from ringfence.database.embedded import Progress
from ringfence.database.migrate import require_current
from ringfence.database.refusals import refusing
from ringfence.database.roles import books_apart
from ringfence.database.server import Server, open_server, prepare
from ringfence.diligence.files import Desk as DiligenceDesk
from ringfence.diligence.profiles import profile_of
from ringfence.diligence.provider import read_provider
from ringfence.diligence.standing import shut_so_far
from ringfence.diligence.verification import WalletAudit
from ringfence.escrow.verification import audit
from ringfence.evidence.authorisation import Audit
from ringfence.evidence.keys import key_lines, load_key, parse_keys, read_verifier, signer_for
from ringfence.evidence.notary import Notary
from ringfence.evidence.note import Verifier
from ringfence.evidence.tiles import File
from ringfence.evidence.timestamping import Stamping, read_timestamping, stamp_poster
from ringfence.evidence.witness.asking import Asking, poster
from ringfence.evidence.witnessing import read_witnessing
from ringfence.incident import brake
from ringfence.keys import secret_key
from ringfence.ledger.crossing import Side
from ringfence.ledger.crossing.sides import Neighbourhood, Sides, neighbours_file
from ringfence.ledger.journal import Journal
from ringfence.ledger.posting import Posting
from ringfence.ledger.reading import Book, book_named, books, open_book
from ringfence.ledger.writer import Writer
from ringfence.liabilities import proving
from ringfence.liabilities.pack import leaves_of_all_days
from ringfence.liabilities.settings import read_proving
from ringfence.liabilities.verification import audit_for
from ringfence.refusal import Fault, Refused, refusal
from ringfence.risk import desk as risk_desk
from ringfence.risk import lists, packs, rules
from ringfence.risk.screening import Screen
from ringfence.settings import Settings
from ringfence.vault.keeping import Vault
from ringfence.vault.providers import read_choice

NOTARY_IS_ANOTHER_ONE = refusal(
    "notary_is_another_one",
    Fault.PERMISSION,
    en="The notary's key beside the log is not the one that the gateway saw first ({path}). Nothing is paid.",
    zh="日志旁的公证公钥与网关首次所见（{path}）不同；停止付款。",
)


@contextmanager
def opened(settings: Settings, report: Callable[[Progress], None] = lambda _: None) -> Iterator[Server]:
    """The server of an installation, its roles and tables in place."""
    with open_server(settings.home, settings.database_url, report, without_tls=settings.database_without_tls) as server:
        prepare(server)
        yield server


@contextmanager
def joined(settings: Settings, role: RoleName, book: str) -> Iterator[Server]:
    """The server for a process that has the key of one role only, the book's own or the shared one: the tables must be
    those of this version already.
    """
    with open_server(settings.home, settings.database_url, without_tls=settings.database_without_tls) as server:
        with server.of(book).connect(role) as connection:
            require_current(connection)
        yield server.of(book)


def find_or_open_book(server: Server, name: str, clock: Clock = wall_clock) -> Book:
    """The book of that name, opened if there is none."""
    with server.of(name).connect("core") as connection:
        known = [book for book in books(connection) if book.name == name]
        if known:
            return known[0]
        return open_book(connection, name, clock())


@contextmanager
def core_of(server: Server, book: str, clock: Clock = wall_clock) -> Iterator[Core]:
    """The core of a book: a writer of its own and a pool of connections."""
    server = server.of(book)
    with server.connect("core") as connection:
        found = book_named(connection, book)
    journal = Journal(lambda: server.connect("core"), found.book_id)
    with server.pool("core", largest=16) as pool:
        writer = Writer(journal, clock)
        try:
            yield Core(found, writer, pool, clock, uuid7_source())
        finally:
            writer.close()


@contextmanager
def opened_core(settings: Settings, book: str) -> Iterator[Core]:
    """The core of a book of an installation, for one verb."""
    with opened(settings) as server, core_of(server, book) as core:
        yield core


def desk_of(settings: Settings, core: Core, *, profile: str, sanctions: Path | None) -> Desk:
    """Custody's desk: the risk rules of a profile, the sanctions lists (a description file; else the sample)."""
    listed = lists.load(sanctions) if sanctions else lists.load_sample()
    pack = packs.founded(core, listed)
    judged_by = rules.read(pack.document, profile, packs.NAME)
    with core.connection() as connection:
        risk = risk_desk.open_desk(connection, core.book.book_id, judged_by, Screen(listed), core.clock())
    return Desk(core, risk, vault_of(settings, core))


def diligence_of(settings: Settings, desk: Desk, profile: str) -> DiligenceDesk:
    """The desk of due diligence: the tiers of a profile, and the identity provider that the installation chose."""
    provider = read_provider(settings.home)
    return DiligenceDesk(desk.core, desk.vault, desk.risk.screen, provider, profile_of(profile), lent(desk.core))


def vault_of(settings: Settings, core: Core) -> Vault:
    """The vault as the core holds it, its first wrapping key made."""
    choice, index_key = read_choice(settings.home), secret_key(settings.keys, "index.key")
    found = Vault(core.book.book_id, core.connection, choice, index_key, core.clock, core.new_id)
    found.found()
    return found


def liabilities_of(settings: Settings, core: Core, vault: Vault) -> proving.Desk:
    """What proving liabilities holds, as `liabilities.toml` wants it."""
    return proving.Desk(core, vault, read_proving(settings.home))


@contextmanager
def leaves_of(settings: Settings, book: str, log: Path, verifier: Verifier) -> Iterator[Iterator[File]]:
    """The leaves of all days that a book has proven, for whoever may see what every customer has."""
    with opened_core(settings, book) as core:
        yield leaves_of_all_days(liabilities_of(settings, core, vault_of(settings, core)), log, verifier)


def posting_of(core: Core) -> Posting:
    """What programs that post need: the brake stops them, custody says which accounts are open to them, and due
    diligence when one is not any more.
    """
    return Posting(
        core.book.book_id,
        core.writer,
        core.connection,
        core.clock,
        lambda connection: brake.require_released(connection, core.book.book_id),
        custody_queries.QUERIES.open_to_posting,
        lambda connection: shut_so_far(connection, core.book.book_id),
    )


@contextmanager
def neighbourhood_of(settings: Settings, server: Server, core: Core) -> Iterator[Neighbourhood]:
    """What crossings need: our own book by its writer, the others of this database and of neighbours.toml."""
    own = Side(core.book, core.writer.submit, core.connection, core.clock)
    sides = _sides(settings, server.of(core.book.name), core.clock)
    try:
        yield Neighbourhood(
            own,
            sides,
            lambda connection: brake.require_released(connection, core.book.book_id),
            custody_queries.QUERIES.open_to_posting,
        )
    finally:
        sides.close()


@contextmanager
def sides_of(settings: Settings, clock: Clock = wall_clock) -> Iterator[Sides]:
    """Every book of an installation and of neighbours.toml, for the verbs that look at all of them."""
    with opened(settings) as server:
        sides = _sides(settings, server, clock)
        try:
            yield sides
        finally:
            sides.close()


def _sides(settings: Settings, server: Server, clock: Clock) -> Sides:
    """The books that the shared core serves, or the one book whose own login this is; those whose own key is in this
    home as well; and those of neighbours.toml.
    """
    apart = {name: partial(server.of(name).connect, "core") for name in books_apart(settings.home, "core")}
    return Sides(lambda: server.connect("core"), apart | neighbours_file(settings.home), clock)


@contextmanager
def gateway_of(settings: Settings, server: Server, book: str, clock: Clock = wall_clock) -> Iterator[GatewayDesk]:
    """What the gateway holds: role gateway, the exchange folders, the notary's key as first seen."""
    server = server.of(book)
    with server.connect("gateway") as connection:
        found = book_named(connection, book)
    log = settings.evidence(book)
    pinned = settings.keys / f"gateway.{book}.notary.vkey"
    with server.pool("gateway", largest=2) as pool:
        vault = Vault(found.book_id, lambda: _refusing(pool), read_choice(settings.home), None, clock, uuid7_source())
        notary, witnessing = lambda: _notary_of(log, pinned), read_witnessing(settings.home)
        yield GatewayDesk(found, pool, settings.banks, log, notary, clock, vault, witnessing)


@contextmanager
def notary_of(
    settings: Settings, server: Server, book: str, put_aside: Callable[[Refused], None] = lambda _: None
) -> Iterator[Notary]:
    """The notary of a book, with its own key and its own log. `put_aside` is told of snapshots that it does without."""
    server = server.of(book)
    with server.connect("notary") as connection:
        found = book_named(connection, book)
    signer = signer_for(load_key(settings.home), book)
    log = settings.evidence(book)
    as_notary = lambda: server.connect("notary")  # noqa: E731 - a new connection each time
    audits: list[Audit] = [WalletAudit(), audit, audit_for(settings.home, signer.name)]
    notary = Notary(as_notary, log, signer, found.book_id, authorised=authorised, audits=audits, put_aside=put_aside)
    try:
        yield notary
    finally:
        notary.close()


@contextmanager
def witnesses_of(settings: Settings, book: str, clock: Clock = wall_clock) -> Iterator[Asking | None]:
    """The witnesses that a book's notary asks; None if `witnesses.toml` names none."""
    witnessing = read_witnessing(settings.home)
    if witnessing is None:
        yield None
        return
    key = signer_for(load_key(settings.home), book).verifier
    with httpx.Client() as client:
        yield Asking(settings.evidence(book), key, witnessing.quorum, poster(client), clock)


@contextmanager
def stamping_of(settings: Settings, book: str, clock: Clock = wall_clock) -> Iterator[Stamping | None]:
    """The authority that a book's notary asks for the time; None if `witnesses.toml` names none."""
    timestamping = read_timestamping(settings.home)
    if timestamping is None:
        yield None
        return
    key = signer_for(load_key(settings.home), book).verifier
    with httpx.Client() as client:
        yield Stamping(settings.evidence(book), key, timestamping, stamp_poster(client), clock)


@contextmanager
def _refusing(pool: Pool) -> Iterator[Connection]:
    """A connection for one transaction; database errors come out as refusals."""
    with refusing(), pool.connection() as connection:
        yield connection


def _notary_of(log: Path, pinned: Path) -> Verifier | None:
    """The notary's public key: trusted at first sight, and the same ever after."""
    if not (log / "notary.vkey").exists():
        return None
    found = read_verifier(log)
    if not pinned.exists():
        files.write_once(pinned, key_lines(found).strip())
    if parse_keys(pinned.read_text(encoding="utf-8").strip()) != found:
        raise NOTARY_IS_ANOTHER_ONE(path=pinned.name)
    return found
