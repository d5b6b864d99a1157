"""What a reader of accounts is told: balances by both times, totals, the lag; over HTTP, pages, verbs and metrics."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from lxml import html

from console_world import console_world
from custody_world import DAY
from ringfence import installation
from ringfence.core import wall_clock
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.settings import read_settings

ALICE = "/api/v1/accounts/customer:c1:available"


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found


def moved(console, amount: int, day) -> int:
    """The platform pays itself from a customer's money, with a value date; gives the row's sequence."""
    core = console.world.core
    with core.connection() as connection:
        numbers = [
            reading.account(connection, core.book.book_id, name).account
            for name in ("customer:c1:available", "customer:c2:available")
        ]
    line = Line(Kind.TRANSFER, core.new_id(), *numbers, amount, code=102, value_date=day)
    return core.post(Unit([line]))[0].sequence


def test_a_balance_is_told_by_posting_time_and_by_value_date(console):
    """A transfer is posted today with the value of three days ago."""
    shop = console.program("statements:read")
    before = shop.get(f"{ALICE}/balance").json()
    late = moved(console, 7_00, DAY - timedelta(days=3))
    now = shop.get(f"{ALICE}/balance", params={"value_date": str(DAY - timedelta(days=3))}).json()
    assert now["as_of"] == late + 1
    balances = [int(each["account"]["balance"]["amount"].replace(".", "")) for each in (before, now)]
    assert balances[0] - balances[1] == 7_00
    assert now["balance_by_value_date"] == {"amount": "-7.00", "currency": "EUR"}
    day_before = shop.get(f"{ALICE}/balance", params={"value_date": str(DAY - timedelta(days=4))}).json()
    assert day_before["balance_by_value_date"]["amount"] == "0.00"
    known = shop.get(f"{ALICE}/balance", params={"value_date": str(DAY), "before": late}).json()
    assert known["as_of"] == late
    assert known["account"]["balance"] == before["account"]["balance"]
    page = console.browser("tina").get(
        "/accounts/customer:c1:available", params={"value_date": DAY - timedelta(days=3)}
    )
    figures = html.fromstring(page.text).find_class("figures")[0].text_content()
    assert "Balance by value date 2026-02-27" in figures
    assert "−7.00" in figures


def test_who_names_his_row_reads_it_or_is_told_the_lag(console):
    """Nothing follows the journal here: the answer waits, and then says how far behind it would have been."""
    shop = console.program("statements:read", "journal:read")
    browser = console.browser("tina")
    late = moved(console, 5_00, DAY)
    for path in (f"{ALICE}/balance", "/api/v1/totals"):
        answer = shop.get(path, params={"with_row": late + 1})
        assert (answer.status_code, answer.json()["refused"]) == (503, "entries_must_have_the_row")
    lag = shop.get("/api/v1/entries/lag").json()
    assert lag["rows"] == late + 1 - lag["as_of"] > 0
    metrics = console.browser().get("/metrics").text
    assert f'ringfence_entries_lag_rows{{book="demo"}} {float(lag["rows"])}' in metrics
    assert 'ringfence_entries_lag_seconds{book="demo"}' in metrics
    assert "behind" in browser.get("/journal").text
    statement = shop.get(f"{ALICE}/statement").json()  # who names none gets all there is
    assert statement["as_of"] == late + 1
    assert statement["rows"][0]["sequence"] == late
    assert shop.get(f"{ALICE}/statement", params={"with_row": late}).json() == statement
    assert shop.get("/api/v1/entries/lag").json() == {"as_of": late + 1, "rows": 0, "seconds": 0.0}
    assert "balances have every row" in browser.get("/journal").text


def test_totals_are_what_all_accounts_have_together_and_the_cover_is_what_the_guard_sees(console):
    shop = console.program("statements:read")
    last = moved(console, 5_00, DAY)
    accounts = shop.get("/api/v1/accounts", params={"limit": 500}).json()
    assert accounts["as_of"] == last + 1
    told = shop.get("/api/v1/totals", params={"with_row": last}).json()
    assert told["as_of"] == last + 1
    sums: dict[tuple, list[int]] = {}
    for each in accounts["accounts"]:
        key = (each["owner"].partition(":")[0], each["pool"], each["side"], each["balance"]["currency"])
        figures = sums.setdefault(key, [0, 0, 0])
        for place, name in enumerate(("balance", "held", "expected")):
            figures[place] += minor(each[name])
    found = {
        (each["owner_class"], each["pool"], each["side"], each["balance"]["currency"]): [
            minor(each[name]) for name in ("balance", "held", "expected")
        ]
        for each in told["totals"]
    }
    assert found == {key: figures for key, figures in sums.items() if key in found}
    assert not any(any(figures) for key, figures in sums.items() if key not in found)
    [client] = [each for each in told["covers"] if each["pool"] == "client"]
    holds = sum(figures[0] for (_, pool, side, _), figures in found.items() if (pool, side) == ("client", "debit"))
    owes = sum(figures[0] for (_, pool, side, _), figures in found.items() if (pool, side) == ("client", "credit"))
    assert (minor(client["holds"]), minor(client["owes"]), minor(client["cover"])) == (holds, owes, holds - owes)
    text = console.browser("tina").get("/accounts").text
    assert "Cover: what is held less what is owed" in text
    in_chinese = console.browser("tina").get("/accounts", headers={"accept-language": "zh"}).text
    assert "覆盖额：持有减应付" in in_chinese


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="rf-") as folder:  # short: a socket lies in it
        yield Path(folder)


def run(home: Path, *words: str) -> dict:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RINGFENCE_")}
    command = [sys.executable, "-m", "ringfence", *words, "--json", "--home", str(home)]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_verbs_tell_balances_by_value_date_and_make_entries_again(home, external_url):
    if external_url:
        pytest.skip("verbs work in a home of their own")
    run(home, "book", "open", "trial")
    now = wall_clock()
    with installation.opened(read_settings(home=home)) as server:
        journal = Journal(lambda: server.connect("core"), 1)
        accounts = [
            Account(0, "bank", "EUR", "debit", None, None, "bank:b", "client"),
            Account(0, "alice", "EUR", "credit", 0, None, "customer:alice", "client"),
        ]
        opened = [
            Line(Kind.ACCOUNT_OPENED, UUID(int=place + 1), payload=each.payload())
            for place, each in enumerate(accounts)
        ]
        paid = [
            Line(Kind.TRANSFER, UUID(int=90 + days), 1, 2, 10**days, value_date=now.date() - timedelta(days=days))
            for days in range(3)
        ]
        journal.submit([Unit([line]) for line in opened + paid], now)
        journal.close()
        assert run(home, "book", "entries", "trial") | {"seconds": 0} == {
            "book": "trial",
            "rows": 0,
            "missing": 5,
            "seconds": 0,
            "rebuilt": False,
        }

        def alice(*options: str) -> str:
            [found] = run(home, "book", "balances", "trial", "alice", *options)["balances"]
            return found["balance"]

        assert alice() == "1.11"
        assert [alice("--value-date", str(now.date() - timedelta(days=days))) for days in range(4)] == [
            "1.11",
            "1.10",
            "1.00",
            "0.00",
        ]
        assert alice("--value-date", str(now.date()), "--before", "4") == "0.11"
        with server.connect("reader") as reader:
            before = reader.execute("SELECT * FROM ledger.entry ORDER BY account, sequence").fetchall()
        assert len(before) == 6
        assert run(home, "book", "entries", "trial", "--rebuild") == {
            "book": "trial",
            "rows": 5,
            "missing": 0,
            "seconds": 0.0,
            "rebuilt": True,
        }
        with server.connect("reader") as reader:
            assert reader.execute("SELECT * FROM ledger.entry ORDER BY account, sequence").fetchall() == before


def minor(money: dict) -> int:
    assert money["currency"] == "EUR"
    return int(money["amount"].replace(".", ""))
