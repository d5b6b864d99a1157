"""The benchmark measures what it says: small, on a database that does not wait for the disk."""

import importlib.util
import os
import secrets
from datetime import date
from pathlib import Path

import psycopg
import pytest

from ringfence.ledger import bench
from ringfence.ledger.bench import batches, growth, loads, singles
from ringfence.ledger.bench.figures import Cost, Row, Tally, percentile
from ringfence.ledger.bench.ground import (
    QUERIES,
    cpu_seconds,
    fdatasync_seconds,
    machine,
    make_book,
    must_be_posted,
    one,
    scratch,
)
from ringfence.ledger.model import Kind, Result
from ringfence.refusal import Refused

ROOT = Path(__file__).parents[1]
SMALL = bench.Size(
    rounds=3,
    accounts=(50,),
    turns=1,
    seconds=0.4,
    connections=(8,),
    singles_accounts=50,
    growth_accounts=50,
    growth=80_000,
    questions=5,
    customers=5,
    far=160_000,
)


@pytest.fixture
def name():
    """A database for one benchmark: tests run side by side."""
    return f"ringfence_bench_{secrets.token_hex(6)}"


def databases(server):
    with server.connect_as_administrator() as administrator:
        return {row[0] for row in administrator.execute(b"SELECT datname FROM pg_database")}


def test_a_small_benchmark_sets_every_figure_beside_its_reference(server, name):
    heard = []
    rows = bench.journal(server, SMALL, heard.append, name)
    assert {row.table for row in rows} >= {
        "batches",
        "single requests",
        "http",
        "transfers in a row",
        "bytes on disk",
        "reading",
    }
    for row in rows:
        assert row.value is not None or row.note, row.name
        assert not row.reference or row.reference_value or row.note, row.name
        if row.ratio is not None:
            assert row.ratio == pytest.approx(row.value / row.reference_value)
    assert {row.goal for row in rows if row.table == "batches"} == {0.8, 0.9, 0.7}
    assert {row.goal for row in rows if row.table == "single requests"} == {10, 3, 40}
    assert any("random time" in row.name for row in rows)
    assert heard
    assert name not in databases(server)


def test_what_a_killed_benchmark_left_is_dropped_by_the_next(server, name):
    with server.connect_as_administrator() as administrator:
        administrator.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    with scratch(server, lambda _: None, 0, name) as ground, ground.connect() as connection:
        assert one(connection, QUERIES.head, {"book": 1}) is None
    assert name not in databases(server)


def test_a_second_benchmark_on_the_same_server_is_refused(server, name):
    with scratch(server, lambda _: None, 0, name):
        with pytest.raises(Refused, match="bench_is_running"), scratch(server, lambda _: None, 0, name):
            pass
        assert name in databases(server)


def test_more_rows_than_the_disk_has_room_for_are_refused_before_anything_is_made(server, name, external_url):
    if external_url:
        pytest.skip("nothing is known of the disk of another server")
    with pytest.raises(Refused, match="disk_has_too_little_room"), scratch(server, lambda _: None, 10**18, name):
        pass
    assert name not in databases(server)


def test_the_gap_free_reference_has_no_gap_and_loses_no_money(server, name):
    with scratch(server, lambda _: None, 0, name) as ground:
        book = make_book(ground, "singles", 20)
        singles._make_references(ground, 20)
        for script in (QUERIES.gap_free, QUERIES.gaps_allowed):
            text = script.decode().format(debit="random(1, 20)", accounts=20)
            assert singles._pgbench(ground, text, 8, 1, book.backend).rate > 0
        with ground.connect_as_administrator() as connection:
            query = b"SELECT count(*), min(sequence), max(sequence), count(DISTINCT id) FROM singles.gap_free"
            count, first, last, ids = connection.execute(query).fetchone()
            assert (first, last, ids) == (1, count, count)
            assert one(connection, b"SELECT sum(balance) FROM singles.account") == 20 * 10**12
            assert one(connection, b"SELECT count(*) FROM singles.gaps_allowed") > 0
        book.journal.close()


def test_the_reference_of_batches_has_the_indexes_of_the_journal(server, name):
    with scratch(server, lambda _: None, 0, name) as ground:
        book = make_book(ground, "batches", 20)
        raw = batches.Raw(ground, book)
        with ground.connect_as_administrator() as connection:
            query = (
                b"SELECT (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ',')"
                b" FROM generate_series(1, i.indnatts) k), pg_get_expr(i.indpred, i.indrelid)"
                b" FROM pg_index i WHERE i.indrelid = %s::regclass ORDER BY 1, 2"
            )
            leaf = one(connection, QUERIES.leaf)
            ours = connection.execute(query, (leaf,)).fetchall()
            assert ours == connection.execute(query, ("bench.journal",)).fetchall()
            assert len(ours) >= 2
        raw.close()
        book.journal.close()


def test_a_benchmark_whose_rows_are_refused_says_so(server, name):
    with scratch(server, lambda _: None, 0, name) as ground:
        book = make_book(ground, "refused", 20)
        given = loads.Supply(20).transfers(loads.uniform, 30)
        given.rows["amount"][7] = 0
        with pytest.raises(RuntimeError, match="amount_must_be_positive"):
            growth._append(book, given)
        book.journal.close()


@pytest.mark.parametrize("pick", [loads.uniform, loads.zipf, loads.hot], ids=lambda pick: pick.__name__)
def test_transfers_of_a_load_are_between_two_accounts_of_the_book_and_have_new_ordered_ids(pick):
    supply = loads.Supply(100)
    ids = []
    for _ in range(3):
        rows = supply.transfers(pick, 500).rows
        assert ((rows["debit_account"] >= 1) & (rows["debit_account"] <= 100)).all()
        assert ((rows["credit_account"] >= 2) & (rows["credit_account"] <= 100)).all()
        assert (rows["debit_account"] != rows["credit_account"]).all()
        ids += [identity.tobytes() for identity in rows["id"]]
    assert ids == sorted(set(ids))
    assert {identity[6] >> 4 for identity in ids} == {7}
    assert {identity[8] >> 6 for identity in ids} == {2}
    assert not any(identity[15] & 1 for identity in ids)


def test_the_posts_of_pending_transfers_name_each_once():
    supply = loads.Supply(100)
    held = supply.transfers(loads.uniform, 50, Kind.PENDING)
    posts = supply.posts(held.rows)
    assert posts.rows["refers_to"].tobytes() == held.rows["id"].tobytes()
    assert set(posts.rows["kind"]) == {Kind.POST}
    assert not {each.tobytes() for each in posts.rows["id"]} & {each.tobytes() for each in held.rows["id"]}


def test_a_goal_is_held_against_the_ratio_or_without_a_reference_against_the_figure():
    fast = Row("t", "fast", 90.0, "transfers/s", "raw", 100.0, 0.8)
    assert (fast.ratio, fast.holds) == (0.9, True)
    assert Row("t", "slow", 79.0, "transfers/s", "raw", 100.0, 0.8).holds is False
    assert Row("t", "late", 2.1, "ms", goal=2.0, bound="at_most").holds is False
    assert Row("t", "waits", 30.0, "ms", "one fdatasync", 1.0, 40.0, "at_most").holds is True
    unreadable = Row("t", "by CPU", None, "transfers/CPU-s", "raw", None, 0.8, note="cannot be read")
    assert (unreadable.ratio, unreadable.holds) == (None, None)
    assert Row("t", "told", 5.0, "s").as_json()["holds"] is None


def test_rates_are_of_the_median_round_and_cpu_of_all_rounds():
    tally = Tally()
    for seconds, backend in ((1.0, 0.5), (9.0, 0.5), (2.0, 1.0)):
        tally.add("ours", Cost(10, seconds, 0.001, backend))
    assert (tally.rate("ours"), tally.cpu_rate("ours"), tally.client("ours")) == (5.0, 15.0, 100.0)
    tally.add("ours", Cost(10, 1.0, 0.001, None))
    assert tally.cpu_rate("ours") is None
    assert percentile(sorted(range(100)), 0.99) == 99


def test_cpu_is_read_of_a_backend_and_of_nothing_else(database, external_url):
    with database.connect("core") as connection:
        pid = connection.info.backend_pid
        before = cpu_seconds(pid)
        if before is None:
            assert external_url or not Path("/proc").is_dir()
            return
        connection.execute(b"SELECT count(*) FROM generate_series(1, 1000000)")
        assert cpu_seconds(pid) > before
    assert cpu_seconds(os.getpid()) is None


def test_a_write_to_the_disk_takes_time(server):
    assert fdatasync_seconds(server) > 0


def test_a_refused_row_is_named():
    import numpy as np

    with pytest.raises(RuntimeError, match="account_must_be_open"):
        must_be_posted(np.array([0, Result.ACCOUNT_MUST_BE_OPEN], np.int16))


# -- the page ----------------------------------------------------------------------------------------------------------


def performance():
    spec = importlib.util.spec_from_file_location("performance", ROOT / "scripts" / "performance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_tells_what_falls_short_as_plainly_as_what_holds(server):
    rows = [
        Row("batches", "10 accounts, uniform", 90.0, "transfers/s", "raw binary COPY", 100.0, 0.8),
        Row("batches", "10 accounts, zipf", 70.0, "transfers/s", "raw binary COPY", 100.0, 0.8),
        Row("bytes on disk", "transfer 0 to 10", 190.0, "bytes/transfer", more={"journal table": 116.0, "log": 257.0}),
        Row("reading", "balance, p50", None, "ms", goal=2.0, bound="at_most", note="nobody asked"),
    ]
    found = {"machine": machine(server), "size": "quick", "rows": [row.as_json() for row in rows]}
    page = performance().page(found, date(2026, 3, 2))
    assert "1 of 2 goals are reached" in page
    assert "- batches: 10 accounts, zipf: 0.700 of raw binary COPY (goal ≥ 0.8)" in page
    assert "| 10 accounts, zipf | 70.0 transfers/s | raw binary COPY: 100 | 0.700 | ≥ 0.8 | **falls short** |" in page
    assert "| transfer 0 to 10 | 190 | 116 | 257 |" in page
    assert "nobody asked" in page
    assert "2026-03-02" in page
    assert f"fsync {found['machine']['fsync']}" in page
