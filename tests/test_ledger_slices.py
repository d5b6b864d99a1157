"""A batch that is sent while it is decided comes to exactly what one does that is decided whole.

Two books live through the same batches. In one, three rows are decided and sent before the rest; in the other, nothing
is sent before everything is decided. Accounts are near their limits, the pool is guarded, a monitor turns now and then,
ids are zero or come twice, and other writers are faster.
"""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger_crash import Walk, set_up
from ringfence.ledger import journal as journals
from ringfence.ledger import storage
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.ledger.standing import Guard, Monitor, Watched

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = date(2026, 3, 2)
BANK, ALICE, BOB, CAROL, TILL, FEES = range(1, 7)
WHOLE = 10**9

ROWS = st.builds(
    lambda kind, number, accounts, amount: (kind, number, *accounts, amount),
    st.sampled_from([Kind.TRANSFER, Kind.TRANSFER, Kind.PENDING]),
    st.integers(0, 40),  # 0: the id that no row has; small, so that some come again
    st.permutations([BANK, ALICE, BOB, CAROL, TILL]).map(lambda each: each[:2]),
    st.sampled_from([0, 1, 90, 400, 1_000]),
)
BATCHES = st.lists(st.lists(ROWS, min_size=4, max_size=14), min_size=1, max_size=4)


def lines(rows):
    return [
        Line(kind, UUID(int=(1 << 64) + number if number else 0), debit, credit, amount, value_date=DAY)
        for kind, number, debit, credit, amount in rows
    ]


def standing(connect, book):
    """Alice is watched, and the pool may not fall short."""
    journal = Journal(connect, book)
    watch = Monitor("alice has much", Watched(account=ALICE), "balance", None, 500)
    said = [Guard("client", ()).line(UUID(int=900), DAY), watch.line(UUID(int=901), DAY)]
    answers = journal.submit([Unit([each]) for each in said], NOON)
    assert all(answer.result == Result.POSTED for each in answers for answer in each)
    journal.close()


@pytest.fixture
def connect(database, monkeypatch):
    monkeypatch.setattr(storage, "CALL_ROWS_MAX", 0)
    return lambda: database.connect("core")


@pytest.fixture
def sliced(monkeypatch):
    """Counts the batches that went in slices, and those that had to go whole after all."""
    counted = {"slices": 0, "whole after all": 0}
    attempt = Journal._attempt_in_slices

    def counting(self, *asked):
        try:
            found = attempt(self, *asked)
        except journals._OtherRows:
            counted["whole after all"] += 1
            raise
        counted["slices"] += 1
        return found

    monkeypatch.setattr(Journal, "_attempt_in_slices", counting)
    return counted


def told(answers):
    return [(each.result.word, each.sequence, each.replayed) for [each] in answers]


def test_answers_balances_and_rows_are_those_of_a_batch_decided_whole(connect, sliced, monkeypatch):
    numbers, reader = iter(range(10**6)), connect()

    # The same examples each time, because the counts below ask for enough that were sliced.
    @settings(
        max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(batches=BATCHES, faster=st.sets(st.integers(0, 3)))
    def live(batches, faster):
        books = [set_up(connect, f"book-{next(numbers)}", NOON) for _ in range(2)]
        for book in books:
            standing(connect, book)
        writers = [Journal(connect, book) for book in books]
        others = [Journal(connect, book) for book in books]
        at = NOON
        for number, rows in enumerate(batches):
            at += timedelta(seconds=1)
            found = []
            for writer, other, first in zip(writers, others, (3, WHOLE), strict=True):
                if number in faster:
                    one = Line(Kind.TRANSFER, UUID(int=5_000 + number), BANK, ALICE, 7, value_date=DAY)
                    other.submit([Unit([one])], at)
                monkeypatch.setattr(journals, "SLICE_ROWS", first)
                found.append(told(writer.submit([Unit([line]) for line in lines(rows)], at)))
            assert found[0] == found[1]
        walks = [Walk(book) for book in books]
        for walk, writer in zip(walks, writers, strict=True):
            walk.read(reader)
            walk.agrees(reader)
            walk.agrees_with(writer.balances())
        assert [(row.line, row.kind, row.reason) for row in walks[0].rows.values()] == [
            (row.line, row.kind, row.reason) for row in walks[1].rows.values()
        ]
        for each in (*writers, *others):
            each.close()

    live()
    assert sliced["slices"] > 20
    assert sliced["whole after all"] > 5


def test_a_batch_that_cannot_go_in_takes_back_what_was_decided(connect, sliced, monkeypatch):
    """The first rows have been sent when PostgreSQL finds that a later id is known: answered from the journal."""
    monkeypatch.setattr(journals, "SLICE_ROWS", 3)
    book = set_up(connect, "known", NOON)
    writer = Journal(connect, book)
    deposits = [(Kind.TRANSFER, number, BANK, ALICE, 10) for number in range(1, 9)]
    assert told(writer.submit([Unit([line]) for line in lines(deposits[:6])], NOON))[5] == ("posted", 11, False)
    again = told(writer.submit([Unit([line]) for line in lines([*deposits[6:], *deposits[:6]])], NOON))
    assert [replayed for _, _, replayed in again] == [False] * 2 + [True] * 6
    assert writer.balances().balance(ALICE) == 80
    assert int(np.sum(writer.balances().debits)) == 80
    assert sliced == {"slices": 1, "whole after all": 0}
    writer.close()
