"""Posting over HTTP: what a program decides, the ledger keeps; and it is no way around anything."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import httpx
import numpy as np
import pytest

from console_world import modules, served
from custody_world import PASSWORD, PAYEE, custody_world, number, verified
from ringfence import installation
from ringfence.authority import clients
from ringfence.authority.pages import door
from ringfence.console.application import application
from ringfence.core import uuid7_source
from ringfence.custody import customers, placing
from ringfence.diligence.deciding import restrict_customer
from ringfence.incident import brake
from ringfence.ledger import reading
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import LINKED, ROW, Account, Kind, Line, Result, batch
from ringfence.ledger.posting import PACKED, RESULT, WAITING_ROWS_MAX, Posting, program_id
from ringfence.ledger.posting.gate import Gate
from ringfence.ledger.posting.routes import RESULTS_TYPE, ROWS_TYPE

any_id = uuid7_source()


def new_id() -> UUID:
    """Even, as a program's ids are."""
    return UUID(int=any_id().int & ~1)


ORDER = any_id()
OTHER_POOL = number("LT", "7300001012345678").text


class Platform:
    """A book with customers who have money, behind HTTP, and its programs."""

    def __init__(self, world, desk: Posting, address: str) -> None:
        self.world = world
        self.desk = desk
        self.address = address
        self.opened: list[httpx.Client] = []
        with world.core.connection() as connection:
            found = reading.balances(connection, world.core.book.book_id, "%", before=reading.LATEST, fresh=True)
        self.number = {each.name: each.account for each in found}

    def program(self, *scopes: str, name: str = "exchange") -> httpx.Client:
        made = clients.add_client(self.world.core, self.world.sessions["sara"], name, scopes)
        self.opened.append(
            httpx.Client(base_url=self.address, headers={"authorization": f"Bearer {made.token}"}, timeout=60)
        )
        return self.opened[-1]

    def line(self, amount: int = 1, kind: Kind = Kind.TRANSFER, who: str = "c1", to: str = "c2", **rest) -> Line:
        debit, credit = (self.number[f"customer:{each}:available"] for each in (who, to))
        line = Line(kind, new_id(), debit, credit, amount, code=102, value_date=self.world.now.date())
        return replace(line, **rest)

    def balance(self, name: str) -> tuple[int, int]:
        return self.world.balance(name)


@pytest.fixture
def platform(database, tmp_path):
    with custody_world(database, tmp_path) as world:
        world.pay_in("c1", 1_000_00)
        world.pay_in("c2", 500_00)
        world.pay_in("", 12_34, "whose is this?")
        world.turn()
        desk = installation.posting_of(world.core)
        app = application(world.core, door(world.core), modules(), desks=[world.desk, desk])
        with served(app) as address:
            found = Platform(world, desk, address)
            yield found
            for each in found.opened:
                each.close()


def rows_of(*lines: Line) -> bytes:
    return batch([[line] for line in lines]).rows.tobytes()


def post(program: httpx.Client, body: bytes, accept: str = RESULTS_TYPE, kind: str = ROWS_TYPE) -> httpx.Response:
    return program.post("/api/v1/journal/rows", content=body, headers={"content-type": kind, "accept": accept})


def results(answer: httpx.Response) -> list[tuple[str, int, bool]]:
    assert (answer.status_code, answer.headers["content-type"]) == (200, RESULTS_TYPE), answer.text
    found = np.frombuffer(answer.content, RESULT)
    return [(Result(int(row["result"])).word, int(row["sequence"]), bool(row["replayed"])) for row in found]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["refused"]


def head(platform: Platform) -> int:
    with platform.world.core.connection() as connection:
        return reading.book_named(connection, "demo").head


def test_packed_rows_are_posted_and_answered_row_by_row(platform):
    """
    c1 1000.00 -> c2 300.00   posted
    c1         -> c2 800.00   balance_must_not_fall_below_its_minimum
    c2         -> c1 100.00   posted
    """
    program = platform.program("journal:post")
    body = rows_of(platform.line(300_00), platform.line(800_00), platform.line(100_00, who="c2", to="c1"))
    before = head(platform)
    words = [("posted", before + 1), ("balance_must_not_fall_below_its_minimum", before + 2), ("posted", before + 3)]
    first = results(post(program, body))
    assert [(word, sequence - first[0][1]) for word, sequence, _ in first] == [
        (word, sequence - words[0][1]) for word, sequence in words
    ]
    assert [replayed for *_, replayed in first] == [False] * 3
    assert platform.balance("customer:c1:available") == (800_00, 0)
    assert platform.balance("customer:c2:available") == (700_00, 0)
    assert results(post(program, body)) == [(word, sequence, True) for word, sequence, _ in first]
    assert post(program, body, accept="application/json").json() == {
        "rows": 3,
        "posted": 2,
        "refused": 1,
        "replayed": 3,
        "refusals": {"balance_must_not_fall_below_its_minimum": 1},
    }


def test_the_journal_says_which_program_posted(platform):
    program = platform.program("journal:post", "journal:read")
    body = rows_of(platform.line())
    [(_, sequence, _)] = results(post(program, body))
    book = platform.world.core.book.book_id
    assert program.get(f"/api/v1/journal/{sequence}").json()["order_id"] == str(program_id(book, "exchange"))
    other = platform.program("journal:post", name="copycat")
    assert results(post(other, body)) == [("id_already_has_other_content", -1, False)]


def test_one_transfer_as_json(platform):
    program = platform.program("journal:post")
    asked = {
        "id": str(new_id()),
        "debit": "customer:c1:available",
        "credit": "customer:c2:available",
        "amount": {"amount": "12.50", "currency": "EUR"},
        "value_date": "2026-03-02",
    }
    first = program.post("/api/v1/journal/transfers", json=asked)
    assert (first.status_code, first.json()["result"], first.json()["replayed"]) == (200, "posted", False)
    again = program.post("/api/v1/journal/transfers", json=asked)
    assert again.json() == first.json() | {"replayed": True}
    assert platform.balance("customer:c1:available") == (987_50, 0)
    for changes, status, name in (
        ({"amount": {"amount": "1.00", "currency": "EUR"}}, 409, "id_already_has_other_content"),
        ({"amount": {"amount": "5000.00", "currency": "EUR"}, "id": str(new_id())}, 409,
         "balance_must_not_fall_below_its_minimum"),
        ({"amount": {"amount": "1.00", "currency": "USD"}}, 422, "currency_must_be_of_both_accounts"),
        ({"amount": {"amount": "1.001", "currency": "EUR"}}, 422, "amount_is_not_a_decimal"),
        ({"debit": "customer:nobody:available"}, 404, "debit_account_must_exist"),
        ({"credit": "customer:nobody:available"}, 404, "credit_account_must_exist"),
        ({"debit": "bank:alpha:client"}, 403, "account_must_be_open_to_posting"),
        ({"id": str(UUID(int=5))}, 422, "id_must_be_of_version_7"),
        ({"code": 6}, 403, "code_must_be_open_to_posting"),
        ({"kind": "event"}, 422, "request_is_malformed"),
        ({"value_date": None}, 422, "request_is_malformed"),
        ({"order_id": str(new_id())}, 422, "request_is_malformed"),
    ):  # fmt: skip
        answer = program.post("/api/v1/journal/transfers", json=asked | changes)
        assert refused(answer) == (status, name), (changes, answer.text)


def test_a_hold_is_posted_and_voided_and_moved_back(platform):
    program = platform.program("journal:post")
    hold, other = platform.line(10_00, Kind.PENDING), platform.line(20_00, Kind.PENDING)
    assert {word for word, *_ in results(post(program, rows_of(hold, other)))} == {"posted"}
    assert platform.balance("customer:c1:available") == (1000_00, 30_00)
    taken = platform.line(7_00, Kind.POST, refers_to=hold.id)
    words = [
        taken,
        platform.line(0, Kind.VOID, refers_to=other.id),
        platform.line(7_00, who="c2", to="c1"),
        platform.line(1, Kind.POST, refers_to=hold.id),
    ]
    assert [word for word, *_ in results(post(program, rows_of(*words)))] == [
        "posted", "posted", "posted", "pending_transfer_already_posted",
    ]  # fmt: skip
    assert platform.balance("customer:c1:available") == (1000_00, 0)


def test_a_chain_happens_whole_or_not_at_all(platform):
    program = platform.program("journal:post")
    chain = batch([[platform.line(5_00), platform.line(9_999_00, who="c2", to="c1")]]).rows
    words = [word for word, *_ in results(post(program, chain.tobytes()))]
    assert words == ["linked_row_failed", "balance_must_not_fall_below_its_minimum"]
    assert platform.balance("customer:c1:available") == (1000_00, 0)


def tampered(platform: Platform, **columns) -> bytes:
    """Two sound rows, the second with other columns."""
    rows = batch([[platform.line()], [platform.line()]]).rows.copy()
    for name, value in columns.items():
        rows[name][1] = np.void(value.bytes) if isinstance(value, UUID) else value
    return rows.tobytes()


@pytest.mark.parametrize(
    ("columns", "status", "name"),
    [
        ({"kind": 6}, 403, "correction_is_not_posted"),
        ({"kind": 7}, 422, "row_must_move_money"),
        ({"kind": 16}, 422, "row_must_move_money"),
        ({"kind": 17}, 422, "row_must_move_money"),
        ({"kind": 0}, 422, "row_must_move_money"),
        ({"kind": -1}, 422, "row_must_move_money"),
        ({"flags": LINKED}, 422, "linked_chain_must_be_closed"),
        ({"id": UUID(int=0)}, 422, "id_must_be_of_version_7"),
        ({"id": UUID("00000000-0000-4000-8000-000000000001")}, 422, "id_must_be_of_version_7"),
        ({"id": UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")}, 422, "id_must_be_of_version_7"),
        ({"id": derived(UUID(int=77), "hold")}, 422, "id_must_be_of_version_7"),
        ({"kind": 4, "refers_to": derived(UUID(int=77), "hold")}, 422, "id_must_be_of_version_7"),
        ({"id": derived(ORDER, "post")}, 422, "id_must_be_even"),
        ({"kind": 4, "refers_to": derived(ORDER, "hold")}, 422, "id_must_be_even"),
        ({"refers_to": UUID(int=7)}, 422, "row_refers_as_its_kind_does"),
        ({"kind": 3}, 422, "row_refers_as_its_kind_does"),
        ({"order_id": UUID(int=7)}, 422, "row_must_not_name_an_order"),
        ({"code": 0}, 403, "code_must_be_open_to_posting"),
        ({"code": 6}, 403, "code_must_be_open_to_posting"),
        ({"code": 109}, 403, "code_must_be_open_to_posting"),
        ({"code": 1000}, 403, "code_must_be_open_to_posting"),
        ({"code": -(2**31)}, 403, "code_must_be_open_to_posting"),
        ({"value_date": -1}, 422, "value_date_must_be_near"),
        ({"value_date": 2**31 - 1}, 422, "value_date_must_be_near"),
        ({"kind": 2, "expires_at": 2**63 - 1}, 422, "expiry_must_be_near"),
        ({"kind": 2, "expires_at": -(2**63)}, 422, "expiry_must_be_near"),
        ({"debit_account": 0}, 403, "account_must_be_open_to_posting"),
        ({"debit_account": -1}, 403, "account_must_be_open_to_posting"),
        ({"credit_account": 2**63 - 1}, 403, "account_must_be_open_to_posting"),
        ({"credit_account": -(2**63)}, 403, "account_must_be_open_to_posting"),
        ({"credit_account": 999}, 403, "account_must_be_open_to_posting"),
    ],
)
def test_a_hostile_row_refuses_its_request_and_nothing_is_written(platform, columns, status, name):
    program = platform.program("journal:post")
    before = head(platform)
    answer = post(program, tampered(platform, **columns))
    assert refused(answer) == (status, name), answer.text
    assert answer.json()["facts"]["row"] == 1
    assert head(platform) == before


def test_amounts_that_cannot_be_are_answered_by_the_ledger(platform):
    program = platform.program("journal:post")
    body = rows_of(*(platform.line(amount) for amount in (0, -1, -(2**63), 2**63 - 1)))
    assert [word for word, *_ in results(post(program, body))] == [
        "amount_must_be_positive", "amount_must_be_positive", "amount_must_be_positive",
        "balance_must_fit_64_bits",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 91, 93, 92 * 8001])
def test_a_body_that_is_not_whole_records_is_refused(platform, size):
    answer = post(platform.program("journal:post"), bytes(size))
    assert refused(answer) == (422, "rows_must_be_whole_records")


def test_a_body_beyond_the_limit_or_of_another_kind_is_refused(platform):
    program = platform.program("journal:post")
    assert refused(post(program, bytes(1_048_577))) == (413, "request_is_too_large")
    assert refused(post(program, b"{}", kind="application/json")) == (422, "content_must_be_rows")


def test_the_accounts_of_others_are_never_touched(platform):
    """A bank's, unallocated, fees, frozen, clearing, and accounts that nobody registered as a customer's."""
    core = platform.world.core
    for name, owner, pool in (
        ("clearing:to:west:EUR", "book:west", "client"),
        ("customer:ghost:available", "customer:ghost", "client"),
    ):
        account = Account(0, name, "EUR", "credit", None, None, owner, pool)
        core.post(Unit([Line(Kind.ACCOUNT_OPENED, new_id(), payload=account.payload())]))
    program = platform.program("journal:post")
    with core.connection() as connection:
        found = reading.balances(connection, core.book.book_id, "%", before=reading.LATEST, fresh=True)
    open_ones = {f"customer:c{each}:available" for each in (1, 2, 3)}
    others = [each for each in found if each.name not in open_ones]
    kinds = {each.name.split(":")[0] for each in others} | {each.name.rsplit(":")[-1] for each in others}
    assert {"bank", "unallocated", "fees", "clearing", "frozen"} <= kinds
    for each in others:
        for column in ("debit_account", "credit_account"):
            answer = post(program, tampered(platform, **{column: each.account}))
            assert refused(answer) == (403, "account_must_be_open_to_posting"), each.name


def test_money_stays_on_its_custodian_account(platform):
    """c9's money lies at another custodian account."""
    world = platform.world
    customers.open_custodian_account(
        world.core,
        "beta",
        "client",
        scheme="IBAN",
        identification=OTHER_POOL,
        holder="Platform",
        bank_code="BETALT2X",
        unit="EUR",
    )
    verified(world.diligence, "c9", name="Nina", bank="bank:beta:client")
    with world.core.connection() as connection:
        there = reading.account(connection, world.core.book.book_id, "customer:c9:available").account
    answer = post(platform.program("journal:post"), tampered(platform, credit_account=there))
    assert refused(answer) == (403, "accounts_must_be_in_one_group")


def test_the_hold_of_an_order_is_resolved_by_the_order_alone(platform):
    """A large transfer waits for approval; a program that posts cannot post it."""
    world = platform.world
    order = new_id()
    placing.place_withdrawal(
        world.desk, order, "c1", 900_00, payee_account=PAYEE, by=world.sessions["tina"], reference="r"
    )
    assert platform.balance("customer:c1:available") == (1000_00, 900_00)
    program = platform.program("journal:post")
    for kind in (Kind.POST, Kind.VOID):
        line = platform.line(1, kind, refers_to=derived(order, "hold"))
        assert refused(post(program, rows_of(line))) == (422, "id_must_be_even")
    for word in ("post", "void", "return"):
        assert refused(post(program, rows_of(platform.line(1, id=derived(order, word))))) == (422, "id_must_be_even")
    assert [word for word, *_ in results(post(program, rows_of(platform.line(100_01))))] == [
        "balance_must_not_fall_below_its_minimum"
    ]


def test_nobody_posts_without_the_scope(platform):
    every_other = clients.SCOPES - {"journal:post"}
    program = platform.program(*every_other)
    for path in ("rows", "transfers"):
        assert refused(program.post(f"/api/v1/journal/{path}", content=b"")) == (403, "scope_is_missing")
        nobody = httpx.post(f"{platform.address}/api/v1/journal/{path}", content=b"")
        assert refused(nobody) == (401, "nobody_is_signed_in")


def test_people_do_not_post(platform):
    said = {"name": "tina", "password": PASSWORD}
    token = httpx.post(f"{platform.address}/api/v1/sessions", json=said).json()["token"]
    headers = {"authorization": f"Bearer {token}", "content-type": ROWS_TYPE}
    answer = httpx.post(f"{platform.address}/api/v1/journal/rows", content=rows_of(platform.line()), headers=headers)
    assert refused(answer) == (403, "only_programs_post_rows")


def test_the_brake_stops_it(platform):
    program = platform.program("journal:post")
    body = rows_of(platform.line())
    brake.pull(platform.world.core, platform.world.sessions["rita"], "looks wrong")
    before = head(platform)
    assert refused(post(program, body)) == (409, "brake_is_pulled")
    assert refused(program.post("/api/v1/journal/transfers", json={})) == (409, "brake_is_pulled")
    assert head(platform) == before


def test_a_customer_who_is_restricted_is_open_to_no_program_any_more(platform):
    """Nor is one whose tier has limits, because nothing would count a posted row against them."""
    program, world = platform.program("journal:post"), platform.world
    assert post(program, rows_of(platform.line())).status_code == 200
    restrict_customer(world.diligence, world.sessions["rita"], "c1", None, "the police ask")
    for who, to in (("c1", "c2"), ("c2", "c1")):
        answer = post(program, rows_of(platform.line(who=who, to=to)))
        assert refused(answer) == (403, "account_must_be_open_to_posting")
    assert post(program, rows_of(platform.line(who="c2", to="c3"))).status_code == 200
    verified(world.diligence, "c9", name="Small", bank="bank:alpha:client", tier="simplified")
    with world.core.connection() as connection:
        number = reading.account(connection, world.core.book.book_id, "customer:c9:available").account
    answer = post(program, rows_of(replace(platform.line(who="c2"), credit_account=number)))
    assert refused(answer) == (403, "account_must_be_open_to_posting")


def test_a_revoked_program_posts_no_more(platform):
    program = platform.program("journal:post")
    assert post(program, rows_of(platform.line())).status_code == 200
    clients.revoke_client(platform.world.core, platform.world.sessions["sara"], "exchange")
    assert refused(post(program, rows_of(platform.line()))) == (401, "nobody_is_signed_in")


def test_when_too_many_rows_are_on_their_way_who_comes_is_told_when_to_come_again(platform):
    program = platform.program("journal:post")
    platform.desk._waiting = WAITING_ROWS_MAX
    body = rows_of(platform.line())
    answer = post(program, body)
    assert (*refused(answer), answer.headers["retry-after"]) == (503, "ledger_is_busy", "1")
    platform.desk._waiting = 0
    assert results(post(program, body))[0][0] == "posted"
    assert platform.desk._waiting == 0


def test_what_is_on_its_way_is_counted_until_it_is_answered(platform):
    program = platform.program("journal:post")
    for line in (platform.line(), platform.line(10_000_00)):
        post(program, rows_of(line))
    post(program, tampered(platform, kind=7))
    deadline = time.monotonic() + 10
    while platform.desk._waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert platform.desk._waiting == 0


def test_many_programs_at_once_neither_lose_nor_double(platform):
    program = platform.program("journal:post")
    bodies = [rows_of(*(platform.line(1) for _ in range(500))) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda body: results(post(program, body)), bodies * 2))
    assert {word for answer in answers for word, *_ in answer} == {"posted"}
    assert sum(not replayed for answer in answers for *_, replayed in answer) == 4_000
    assert platform.balance("customer:c1:available") == (1000_00 - 4_000, 0)


def test_the_description_shows_both_addresses(platform):
    found = httpx.get(f"{platform.address}/api/v1/openapi.json").json()["paths"]
    bulk = found["/api/v1/journal/rows"]["post"]
    assert list(bulk["requestBody"]["content"]) == [ROWS_TYPE]
    assert RESULTS_TYPE in bulk["responses"]["200"]["content"]
    assert "ledger_is_busy" in json.dumps(bulk["responses"]["503"])
    assert "/api/v1/journal/transfers" in found


def test_the_records_are_as_the_page_says():
    assert PACKED.itemsize == ROW.itemsize == 92
    assert [PACKED.fields[name][1] for name in PACKED.names] == [0, 2, 4, 20, 28, 36, 44, 60, 76, 80, 84]
    assert RESULT.itemsize == 11


def test_nobody_gets_an_answer_that_is_older_than_his_question():
    """Twenty ask while one look is under way: they share the next one."""
    looks: list[list[str]] = []
    under_way, go_on = threading.Event(), threading.Event()

    def ask(keys):
        looks.append(sorted(keys))
        under_way.set()
        go_on.wait(10)
        return {key: len(looks) for key in keys}

    async def all_of_them():
        gate = Gate()
        first = asyncio.create_task(gate.look("a", ask))
        await asyncio.to_thread(under_way.wait, 10)
        later = [asyncio.create_task(gate.look(key, ask)) for key in "ab" * 10]
        await asyncio.sleep(0)
        go_on.set()
        return await first, await asyncio.gather(*later)

    assert asyncio.run(all_of_them()) == (1, [2] * 20)
    assert looks == [["a"], ["a", "b"]]


def test_a_look_that_fails_fails_for_all_who_asked_and_for_nobody_else():
    async def two():
        gate = Gate()
        failed = await asyncio.gather(*(gate.look("a", lambda _: 1 / 0) for _ in range(3)), return_exceptions=True)
        return failed, await gate.look("a", lambda keys: dict.fromkeys(keys, "well"))

    failed, after = asyncio.run(two())
    assert [type(each) for each in failed] == [ZeroDivisionError] * 3
    assert after == "well"
