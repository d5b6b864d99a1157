"""The three processes of a book, each as one call that runs until it is told to stop.

core      the HTTP API, the console, the core's rounds, and the entries behind the journal
gateway   bank files in, payments out
notary    replays what is new, signs it, and reads old rows again
"""

import errno
import gc
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import uvicorn

from ringfence import installation
from ringfence.authority import pages as authority_pages
from ringfence.banking import gateway
from ringfence.console import log
from ringfence.console.application import LOCAL_HOSTS, application
from ringfence.core import wall_clock
from ringfence.database.refusals import PORT_IS_TAKEN
from ringfence.database.server import Server
from ringfence.diligence.provider import CONFIGURATION, SIMULATED
from ringfence.evidence.routes import Log
from ringfence.incident.routes import Lookout
from ringfence.incident.thresholds import default_toml, read_thresholds
from ringfence.ledger.entries import Follower
from ringfence.modules import MODULES
from ringfence.reconciliation.calendar import calendar_of
from ringfence.refusal import Fault, Refused, refusal
from ringfence.rounds import Rounds, core_round, figures
from ringfence.settings import Settings

NOTARY_PAUSE_SECONDS: Final = 0.2

Stopped = Callable[[], bool]

ADDRESS_IS_NOT_OF_THIS_MACHINE = refusal(
    "address_is_not_of_this_machine",
    Fault.INPUT,
    en="{host!r} is not an address of this machine that can be listened on: {detail}.",
    zh="{host!r} 不是本机可监听的地址：{detail}。",
)


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
        thresholds = read_thresholds(default_toml())
        door = authority_pages.door(core)
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
                calendar_of(profile),
                installation.posting_of(core),
                neighbourhood,
            ],
            hosts=hosts,
            secure=secure,
        )
        follower = Follower(
            core.entries,
            core.connection,
            lambda error: logger.warning("entries do not follow", trace="".join(traceback.format_exception(error))),
        )
        rounds = Rounds(lambda: core_round(desk, thresholds, diligence), logger.info)
        crossings = Rounds(neighbourhood.carry_on, logger.info)
        gc.collect()
        gc.freeze()  # what is here stays; without it the collector walks through all of it a few times a second
        try:
            uvicorn.Server(
                uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False)
            ).run()
        finally:
            crossings.stop()
            rounds.stop()
            follower.stop()


def serve_gateway(settings: Settings, server: Server, book: str) -> None:
    """The gateway, until stopped."""
    log.configure()
    logger = structlog.get_logger("gateway").bind(book=book)
    with installation.gateway_of(settings, server, book) as desk, until_told() as stopped:
        gateway.run(desk, logger.info, stopped)


def serve_notary(settings: Settings, server: Server, book: str) -> None:
    """The notary, until stopped. What it refuses to sign is an alarm; it looks again, and signs nothing meanwhile."""
    log.configure()
    logger = structlog.get_logger("notary").bind(book=book)

    def put_aside(refused: Refused) -> None:
        logger.warning("notary snapshot put aside", refused=refused.name, sentence=refused.sentence())

    with installation.notary_of(settings, server, book, put_aside) as notary, until_told() as stopped:
        pause = NOTARY_PAUSE_SECONDS
        while not stopped():
            try:
                signed = notary.step(wall_clock())
                if signed is None:
                    notary.reread(wall_clock())
                else:
                    logger.info("notary signed", size=signed.size)
                pause = NOTARY_PAUSE_SECONDS
            except Refused as refused:
                logger.info("notary refuses", refused=refused.name, sentence=refused.sentence())
                pause = min(pause * 2, 5.0)
            time.sleep(pause)


def require_free(host: str, port: int) -> None:
    """`address_is_not_of_this_machine`, or `port_is_taken` if another program listens there."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PORT_IS_TAKEN(port=port) from error
        raise ADDRESS_IS_NOT_OF_THIS_MACHINE(
            host=host, detail=str(getattr(error, "strerror", None) or error)
        ) from error


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
