"""Crossings as programs ask for them, and the verbs that look at all books."""

import json
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.testing import CliRunner

from console_world import modules, served
from crossing_crash import side_of
from custody_world import custody_world
from ringfence.__main__ import app as ringfence_app
from ringfence.authority import clients
from ringfence.authority.pages import door
from ringfence.console.application import application
from ringfence.incident import brake
from ringfence.ledger import crossing, reading
from ringfence.ledger.crossing import Leg, Side
from ringfence.ledger.crossing.sides import Neighbourhood, Sides, neighbours_file
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.refusal import Refused


class Platform:
    """The book `demo` behind HTTP, whose customer c1 has 1000.00, and beside it the book `west` with w1."""

    def __init__(self, world, west: Side, desk: Neighbourhood, address: str) -> None:
        self.world, self.west, self.desk, self.address = world, west, desk, address
        self.opened: list[httpx.Client] = []
        self.asked = {
            "id": str(UUID(int=77)),
            "payer": "customer:c1:available",
            "target": "west",
            "payee": "customer:w1",
            "amount": {"amount": "25.00", "currency": "EUR"},
            "value_date": "2026-03-02",
            "expires_at": (world.now + timedelta(hours=1)).isoformat(),
        }

    def program(self, *scopes: str, name: str = "exchange") -> httpx.Client:
        made = clients.add_client(self.world.core, self.world.sessions["sara"], name, scopes)
        headers = {"authorization": f"Bearer {made.token}"}
        self.opened.append(httpx.Client(base_url=self.address, headers=headers, timeout=60))
        return self.opened[-1]

    def there(self) -> int:
        with self.west.connection() as connection:
            return reading.balance(connection, self.west.book.book_id, "customer:w1", fresh=True).balance


@pytest.fixture
def platform(database, tmp_path):
    with custody_world(database, tmp_path) as world:
        core = world.core
        world.pay_in("c1", 1_000_00)
        world.turn()
        with core.connection() as connection:
            reading.open_book(connection, "west", core.clock())
        own = Side(core.book, core.writer.submit, core.connection, core.clock)
        sides = Sides(lambda: database.server.connect("core", database.name), {}, core.clock)
        desk = Neighbourhood(own, sides, lambda connection: brake.require_released(connection, core.book.book_id))
        with side_of(database.conninfo("core"), "west", core.clock) as west:
            for number, owner in ((1, "customer:w1"), (2, "bank:beta")):
                account = Account(0, owner, "EUR", "credit", 0, None, owner, "client")
                west.submit(Unit([Line(Kind.ACCOUNT_OPENED, UUID(int=number), payload=account.payload())]))
            crossing.open_clearing(own, "west", "EUR")
            crossing.open_clearing(west, "demo", "EUR")
            app = application(core, door(core), modules(), desks=[world.desk, desk])
            with served(app) as address:
                found = Platform(world, west, desk, address)
                yield found
                for each in found.opened:
                    each.close()
        sides.close()


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["refused"]


def test_a_program_moves_money_to_a_customer_of_another_book(platform):
    program = platform.program("crossings:write", "journal:read", "position:read")
    first = program.post("/api/v1/crossings", json=platform.asked)
    assert (first.status_code, first.json()["outcome"], first.json()["ended"]) == (200, "posted", True)
    assert program.post("/api/v1/crossings", json=platform.asked).json() == first.json()
    assert program.get(f"/api/v1/crossings/{platform.asked['id']}").json() == first.json()
    assert platform.there() == 25_00
    assert platform.world.balance("customer:c1:available") == (975_00, 0)
    pairs = program.get("/api/v1/clearing").json()["pairs"]
    found = [(each["source"], each["due"]["amount"], each["claimed"]["amount"], each["holds"]) for each in pairs]
    assert found == [("demo", "25.00", "25.00", True), ("west", "0.00", "0.00", True)]
    assert refused(program.get(f"/api/v1/crossings/{UUID(int=1)}")) == (404, "crossing_must_exist")


def test_what_cannot_cross_is_refused_by_name(platform):
    program = platform.program("crossings:write")
    for changes, status, name in (
        ({"target": "south"}, 404, "neighbour_is_not_known"),
        ({"target": "demo", "payee": "customer:c2:available"}, 422, "crossing_needs_two_books"),
        ({"payer": "customer:nobody"}, 404, "debit_account_must_exist"),
        ({"payee": "customer:nobody"}, 404, "credit_account_must_exist"),
        ({"payer": "customer:c1:frozen"}, 403, "account_must_be_open_to_posting"),
        ({"payer": "bank:alpha:client"}, 403, "account_must_be_open_to_posting"),
        ({"payee": "bank:beta"}, 403, "account_must_be_open_to_posting"),
        ({"payee": "clearing:from:demo:EUR"}, 403, "account_must_be_open_to_posting"),
        ({"amount": {"amount": "1.00", "currency": "USD"}}, 409, "clearing_account_must_exist"),
        ({"amount": {"amount": "1000.01", "currency": "EUR"}}, 409, "balance_must_not_fall_below_its_minimum"),
        ({"expires_at": "2026-03-01T00:00:00Z"}, 422, "expiry_must_be_in_the_future"),
    ):
        asked = platform.asked | {"id": str(platform.world.core.new_id())} | changes
        answer = program.post("/api/v1/crossings", json=asked)
        assert refused(answer) == (status, name), (changes, answer.text)
    assert platform.there() == 0


def test_the_brake_and_the_scope_stop_it(platform):
    other = platform.program(*(clients.SCOPES - {"crossings:write"}), name="other")
    assert refused(other.post("/api/v1/crossings", json=platform.asked)) == (403, "scope_is_missing")
    brake.pull(platform.world.core, platform.world.sessions["rita"], "looks wrong")
    program = platform.program("crossings:write")
    assert refused(program.post("/api/v1/crossings", json=platform.asked)) == (409, "brake_is_pulled")
    assert platform.there() == 0


def test_the_rounds_carry_on_what_somebody_left(platform):
    """The program that began it died; after a while the core goes on by itself, and only then."""
    own, west, now = platform.desk.own, platform.west, platform.world.now
    asked = crossing.Crossing(
        UUID(int=5), "demo", "customer:c1:available", "west", "customer:w1", 7_00, "EUR", now.date(),
        now + timedelta(hours=1),
    )  # fmt: skip
    crossing.begin(own, asked)
    assert platform.desk.carry_on() == 0
    platform.world.wait(minutes=1)
    assert platform.desk.carry_on() == 1
    assert crossing.state_of(own, west, asked).target is Leg.POSTED
    assert platform.desk.carry_on() == 0
    assert platform.there() == 7_00


def test_a_neighbour_who_is_gone_keeps_nobody_else_waiting(platform):
    own, now = platform.desk.own, platform.world.now
    crossing.open_clearing(own, "gone", "EUR")
    for number, target in ((1, "gone"), (2, "west")):
        asked = crossing.Crossing(
            UUID(int=number), "demo", "customer:c1:available", target, "customer:w1", 7_00, "EUR", now.date(),
            now + timedelta(hours=1),
        )  # fmt: skip
        crossing.begin(own, asked)
    platform.world.wait(minutes=1)
    with pytest.raises(Refused) as no:
        platform.desk.carry_on()
    assert no.value.name == "neighbour_is_not_known"
    assert platform.there() == 7_00


def test_the_verbs_open_check_and_finish(tmp_path):
    """Two books of an installation; one crossing is left half way."""

    def run(*words: str, expected: int = 0):
        found = CliRunner().invoke(ringfence_app, [*words, "--home", str(tmp_path), "--json"])
        assert found.exit_code == expected, found.output
        return json.loads(found.stdout)

    run("book", "open", "east")
    run("book", "open", "west")
    assert run("clearing", "open", "east", "west", "EUR") == {"books": ["east", "west"], "currency": "EUR"}
    pairs = run("clearing", "check")["pairs"]
    assert [(each["source"], each["target"], each["difference"], each["holds"]) for each in pairs] == [
        ("east", "west", "0.00", True),
        ("west", "east", "0.00", True),
    ]
    assert run("clearing", "finish") == {"finished": []}
    assert run("clearing", "open", "east", "nowhere", "EUR", expected=2)["refused"] == "neighbour_is_not_known"


def test_neighbours_of_another_server_are_named_in_a_file(tmp_path, database):
    assert neighbours_file(tmp_path) == {}
    parameters = conninfo_to_dict(database.conninfo("core"))
    url = make_conninfo(**{name: parameters[name] for name in ("host", "port", "user", "password", "dbname")})
    (tmp_path / "neighbours.toml").write_text(f'[west]\nurl = "{url}"\n', encoding="utf-8")
    with neighbours_file(tmp_path)["west"]() as connection:
        assert connection.info.user == "ringfence_core"
    (tmp_path / "neighbours.toml").write_text('[west]\nurl = "nonsense"\n', encoding="utf-8")
    with pytest.raises(Refused) as no:
        neighbours_file(tmp_path)
    assert no.value.name == "database_url_is_wrong"
