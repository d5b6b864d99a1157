"""The console over a small platform with a bit of everything in it, for the tests of web and console."""

import importlib
import pkgutil
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog
import uvicorn
from fastapi import FastAPI
from structlog.testing import capture_logs

import ringfence
from custody_world import PASSWORD, PAYEE, POOL_ACCOUNT, World, custody_world, verified
from ringfence import installation
from ringfence.authority import clients
from ringfence.authority.pages import door
from ringfence.authority.policy import Policy
from ringfence.console.application import application
from ringfence.custody import placing
from ringfence.escrow import agreements, saying
from ringfence.evidence.routes import Log
from ringfence.incident.indicators import Figures, Position
from ringfence.incident.routes import Lookout
from ringfence.incident.thresholds import default_toml, read_thresholds
from ringfence.ledger.crossing import Side
from ringfence.ledger.crossing.sides import Neighbourhood, Sides
from ringfence.liabilities import proving as liabilities
from ringfence.liabilities.settings import read_proving
from ringfence.reconciliation.calendar import calendar_of
from ringfence.web.shell import Module

SOURCE = Path(ringfence.__file__).parent
SCRIPT = "<script>alert('Söhne')</script> & \"Co\""
TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


def modules() -> list[Module]:
    """What every package gives the console."""
    names = [each.name for each in pkgutil.iter_modules([str(SOURCE)]) if (SOURCE / each.name / "pages.py").exists()]
    return [importlib.import_module(f"ringfence.{name}.pages").MODULE for name in names]


@dataclass
class Console:
    """The application on a port of its own, the platform behind it, and browsers by the login of who sits there."""

    world: World
    app: FastAPI
    address: str
    said: list  # what was logged
    browsers: dict[str, httpx.Client] = field(default_factory=dict)

    def browser(self, login: str | None = None) -> httpx.Client:
        """A browser; with a login, one that has signed in."""
        if login and login in self.browsers:
            return self.browsers[login]
        found = httpx.Client(
            base_url=self.address, headers={"accept": "text/html", "accept-language": "en"}, timeout=60
        )
        self.browsers[login or f"nobody {len(self.browsers)}"] = found
        if login:
            answer = post(found, "/sign-in", {"name": login, "password": PASSWORD}, form="/sign-in")
            assert answer.status_code == 303, answer.text
        return found

    def incidents(self) -> list[str]:
        """What failed for a reason that nobody foresaw."""
        return [each["exception"] for each in self.said if each["event"] == "incident"]

    def program(self, *scopes: str) -> httpx.Client:
        """A program of the platform with a token of these scopes."""
        name = f"shop-{len(self.browsers)}"
        new = clients.add_client(self.world.core, self.world.sessions["sara"], name, scopes)
        headers = {"authorization": f"Bearer {new.token}"}
        self.browsers[name] = httpx.Client(base_url=self.address, headers=headers, timeout=60)
        return self.browsers[name]


@contextmanager
def served(app: FastAPI, **settings: Any) -> Iterator[str]:
    """The application behind a real server on a free port of this machine; gives its address."""
    # asyncio sends small packets at once on sockets that say that they are TCP; on others each answer waits 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, server_header=False, timeout_graceful_shutdown=5, **settings)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def post(browser: httpx.Client, path: str, fields: dict, *, form: str):
    """Fill in the form that the page `form` shows and send it."""
    token = TOKEN.search(browser.get(form).text)
    assert token, form
    return browser.post(path, data=fields | {"form_token": token[1]})


def _agreement(world: World) -> None:
    """evil pays c2 3.00 when bella has seen the goods, and a claim is open; 1.00 is released at once."""
    seen = {"call": "milestone_approved@1", "milestone": "seen", "needed": 1, "parties": ["courier"]}
    given = {
        "agreement": str(world.core.new_id()),
        "payer": "evil",
        "currency": "EUR",
        "parties": {"courier": "person:bella", "buyer": "person:tina", "judge": "person:rita"},
        "claims": {"by": ["buyer"], "arbiters": ["judge"], "needed": 1},
        "tranches": [
            {"name": "x", "payees": [{"customer": "c2", "amount": "3.00"}], "release": seen},
            {"name": "y", "payees": [{"customer": "c3", "amount": "1.00"}], "release": {"any": [seen, {"not": seen}]}},
        ],
        "expires_at": "2026-03-20T00:00:00Z",
    }
    made = agreements.propose(world.desk, given, by=world.sessions["tina"], reference=SCRIPT)
    saying.open_claim(
        world.core,
        world.desk.vault,
        made.agreement_id,
        world.core.new_id(),
        "x",
        "buyer",
        SCRIPT,
        by=world.sessions["tina"],
    )


@contextmanager
def console_world(database, home: Path, *, policy: Policy | None = None, **options) -> Iterator[Console]:
    """A platform on which something has happened: receipts, a payout, a held one, a transfer, a freeze, a statement."""
    with custody_world(database, home, policy=policy) as world:
        core = world.core
        verified(world.diligence, "evil", name=SCRIPT, nature="firm", bank="bank:alpha:client")
        world.pay_in("c1", 30_000_00)
        world.pay_in("evil", 70_00, payer=SCRIPT)
        world.pay_in("", 12_34, "whose is this?")
        tina = world.sessions["tina"]
        desk = world.desk
        placing.place_withdrawal(desk, core.new_id(), "c1", 120_00, payee_account=PAYEE, by=tina, reference="small")
        placing.place_withdrawal(desk, core.new_id(), "c1", 20_000_00, payee_account=PAYEE, by=tina, reference="large")
        placing.place_freeze(desk, core.new_id(), "evil", 50_00, by=tina, reference=SCRIPT)
        placing.place_transfer(desk, core.new_id(), "c1", "c2", 5_00, by=tina)
        _agreement(world)
        world.bank.receive(POOL_ACCOUNT, 1_00, SCRIPT, None, "for the statement only", world.now, receipt_id="late")
        world.turn()

        def figures() -> Figures:
            position = Position("EUR", 30_000_00, 30_000_00)
            return Figures(
                at=core.clock(),
                positions=(position,),
                discrepancies=1,
                oldest_discrepancy=core.clock() - timedelta(days=9),
            )

        app = application(
            core,
            door(core),
            modules(),
            desks=[
                desk,
                desk.vault,
                world.diligence,
                Lookout(figures, read_thresholds(default_toml())),
                Log(world.gateway.evidence),
                liabilities.Desk(core, desk.vault, read_proving(home)),
                calendar_of("eu-psd2"),
                installation.posting_of(core),
                Neighbourhood(
                    Side(core.book, core.writer.submit, core.connection, core.clock),
                    Sides(lambda: database.server.connect("core", database.name), {}, core.clock),
                    lambda _: None,
                ),
            ],
            **options,
        )
        with capture_logs(processors=[structlog.processors.format_exc_info]) as said, served(app) as address:
            console = Console(world, app, address, said)
            yield console
            for browser in console.browsers.values():
                browser.close()
