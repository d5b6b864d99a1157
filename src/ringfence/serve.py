"""The three processes of a book, each as one call that runs until it is told to stop.

core      the HTTP API, the console, the core's rounds, and the entries behind the journal
gateway   bank files in, payments out
notary    replays what is new, signs it, and reads old rows again
"""

import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

import structlog
import uvicorn

from ringfence import installation, rounds
from ringfence.authority import pages as authority_pages
from ringfence.authority.notifications.sending import read_courier, send_all
from ringfence.authority.providers import read_directory
from ringfence.authority.providers.watching import KeyWatch
from ringfence.banking import gateway
from ringfence.command import require_free
from ringfence.console import log
from ringfence.console.application import LOCAL_HOSTS, application
from ringfence.core import wall_clock
from ringfence.database.server import Server
from ringfence.diligence.provider import CONFIGURATION, SIMULATED
from ringfence.evidence.checkpoint import Checkpoint
from ringfence.evidence.findings import raise_alarm
from ringfence.evidence.notary import Notary
from ringfence.evidence.routes import Log
from ringfence.evidence.timestamping import Stamping
from ringfence.evidence.witness.asking import Asking
from ringfence.evidence.work import work
from ringfence.incident.routes import Lookout
from ringfence.incident.thresholds import default_toml, read_thresholds
from ringfence.ledger.entries import Follower
from ringfence.liabilities.proving import prove_all
from ringfence.modules import MODULES
from ringfence.reconciliation.calendar import calendar_of
from ringfence.refusal import Refused
from ringfence.rounds import Pause, Rounds, core_round, figures
from ringfence.settings import Settings

PAUSE_OF_PROVING_SECONDS: Final = 0.02  # between pieces of a tree of some 20 ms each
NOTARY_NICENESS: Final = 14  # it gives way to those who post, and is not starved (measured: 19 may be)

Stopped = Callable[[], bool]


def serve_core(
    settings: Settings,
    server: Server,
    book: str,
    *,
    host: str,
    port: int,
    profile: str,
    sanctions: Path | None,
    names: Sequence[str] = (),
    secure: bool = False,
) -> None:
    """The core: API, console and rounds, on one address, until stopped. `names` are further host names that it answers
    for, `secure` says that readers come by https through a proxy.
    """
    hosts = (*LOCAL_HOSTS, *names)
    require_free(host, port)
    log.configure()
    logger = structlog.get_logger("core").bind(book=book)
    warn_of_the_network(settings, logger)
    with (
        installation.core_of(server, book) as core,
        installation.neighbourhood_of(settings, server, core) as neighbourhood,
    ):
        desk = installation.desk_of(settings, core, profile=profile, sanctions=sanctions)
        if sanctions is None:
            logger.warning("sanctions lists are the invented sample; nobody real is found", option="--sanctions")
        diligence = installation.diligence_of(settings, desk, profile)
        if diligence.provider.name == SIMULATED:
            logger.warning("the identity provider is the simulated one; nobody real is found", file=CONFIGURATION)
        pause = Pause(PAUSE_OF_PROVING_SECONDS)
        liabilities = installation.liabilities_of(settings, core, desk.vault)
        thresholds = read_thresholds(default_toml())
        directory = read_directory(settings.home)
        door = authority_pages.door(core, directory)
        lookout = Lookout(lambda: figures(desk), thresholds)
        log_of_book = Log(settings.evidence(book))
        app = application(
            core,
            door,
            MODULES,
            desks=[
                desk,
                desk.vault,
                diligence,
                lookout,
                log_of_book,
                liabilities,
                calendar_of(profile),
                installation.posting_of(core),
                neighbourhood,
                directory,
            ],
            hosts=hosts,
            secure=secure,
        )
        follower = Follower(
            core.entries,
            core.connection,
            lambda error: logger.warning("entries do not follow", trace="".join(traceback.format_exception(error))),
        )
        core_rounds = Rounds(lambda: core_round(desk, thresholds, diligence), logger.info)
        prover = Rounds(lambda: prove_all(replace(liabilities, pause=pause)), logger.info)
        crossings = Rounds(neighbourhood.carry_on, logger.info)
        courier = read_courier(settings.home)
        sender = Rounds(lambda: send_all(core, courier), logger.info) if courier else None
        watching = Rounds(KeyWatch(core, directory, logger.info).step, logger.info) if directory.providers else None
        freeze()
        try:
            uvicorn.Server(server_of(app, host, port)).run()
        finally:
            for beside in (sender, watching):
                if beside:
                    beside.stop()
            crossings.stop()
            pause.end()
            prover.stop()
            core_rounds.stop()
            follower.stop()


def server_of(app: Any, host: str, port: int) -> uvicorn.Config:
    """The web server. Who a reader is, only a proxy on this machine is asked, or one that FORWARDED_ALLOW_IPS names."""
    return uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False)


def serve_gateway(settings: Settings, server: Server, book: str) -> None:
    """The gateway, until stopped."""
    log.configure()
    logger = structlog.get_logger("gateway").bind(book=book)
    warn_of_the_network(settings, logger)
    with installation.gateway_of(settings, server, book) as desk, until_told() as stopped:
        gateway.run(desk, logger.info, stopped)


def serve_notary(settings: Settings, server: Server, book: str) -> None:
    """The notary, until stopped. What it refuses to sign is an alarm; it looks again, and signs nothing meanwhile."""
    os.nice(NOTARY_NICENESS)
    log.configure()
    logger = structlog.get_logger("notary").bind(book=book)
    warn_of_the_network(settings, logger)

    def put_aside(refused: Refused) -> None:
        logger.warning("notary snapshot put aside", refused=refused.name, sentence=refused.sentence())

    def report(found: Checkpoint | Refused) -> None:
        if isinstance(found, Refused):
            logger.info("notary refuses", refused=found.name, sentence=found.sentence())
        else:
            logger.info("notary signed", size=found.size)

    with (
        installation.notary_of(settings, server, book, put_aside) as notary,
        asking_others(settings, server, notary, logger.info),
        until_told() as stopped,
    ):
        freeze()
        work(notary, stopped, wall_clock, report)


def freeze() -> None:
    """What is here stays: without this the collector walks through all of it a few times a second."""
    gc.collect()
    gc.freeze()


def warn_of_the_network(settings: Settings, logger: Any) -> None:
    """That the database is not verified is said each time a process starts, with the reason."""
    if settings.database_url and settings.database_without_tls:
        logger.warning("the database is reached without verified TLS", reason=settings.database_without_tls)


@contextmanager
def asking_others(settings: Settings, server: Server, notary: Notary, say: rounds.Log) -> Iterator[None]:
    """Threads beside the notary that ask its witnesses, and once a day an authority for the time, if there are any;
    what they find is an alarm as well.
    """

    def step_of(asking: Asking | Stamping, name: str) -> Callable[[], int]:
        def step() -> int:
            found = asking.round()
            for each in found:
                say(name, refused=each.name, sentence=each.sentence())
                with server.connect("notary") as connection:
                    raise_alarm(connection, notary.book, notary.checkpoint.size, each, wall_clock())
            return len(found)

        return step

    book = notary.log.name
    with installation.witnesses_of(settings, book) as asking, installation.stamping_of(settings, book) as stamping:
        named = (("witness", asking), ("timestamp", stamping))
        going_round = [Rounds(step_of(each, name), say) for name, each in named if each is not None]
        try:
            yield
        finally:
            for each in going_round:
                each.stop()


@contextmanager
def until_told() -> Iterator[Stopped]:
    """Whether SIGTERM or SIGINT has come."""
    told = threading.Event()

    def tell(_: int, __: FrameType | None) -> None:
        told.set()

    before = {each: signal.signal(each, tell) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
