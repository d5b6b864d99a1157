"""`ringfence bench evidence`, small: the notary signs what is posted, and the verifier passes what is exported."""

import pytest

from ringfence.evidence.bench import beside, strangers
from ringfence.liabilities import bench as liabilities


def test_posting_is_measured_with_the_notary_and_without(server, external_url):
    if external_url:
        pytest.skip("the benchmark has a server of its own")
    heard = []
    rows = beside.rows(server, heard.append, accounts=50, rounds=1, seconds=0.2, steady=0.5)
    assert {row.goal for row in rows} >= {0.85, 2}
    assert all(row.value for row in rows)
    assert heard


def test_a_stranger_is_timed_on_an_export_that_is_valid(tmp_path):
    rows = strangers.rows(tmp_path, lambda _: None, 3_000)
    assert all(row.value for row in rows)


def test_the_trees_of_liabilities_are_timed():
    rows = liabilities.rows(lambda _: None, 300)
    assert [row.holds for row in rows] == [True, True]
