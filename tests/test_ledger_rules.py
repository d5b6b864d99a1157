"""The rules beside a model written apart (`ledger_model`): the same answers, sums and turns, whatever is thrown.

Small batches are drawn by Hypothesis, row by row, and shrink. Batches of hundreds of rows, which the rules decide in
columns, come from a drawn seed; one that fails is cut down to the rows that matter before it is shown.
"""

import os
import random
import secrets
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger_model import Journal
from ledger_search import Beside, Maker, as_kept, in_columns, picture, remember, row_of, same, shown, smallest, wanted
from ringfence.ledger.model import Result
from ringfence.ledger.rules import Balances, apply

ROOMY = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SEEDED = settings(ROOMY, phases=[Phase.generate])  # a seed does not shrink; `smallest` cuts down what it made
lots = st.randoms(use_true_random=False)
seeds = st.integers(0, 2**32)


def made(lot, batches, most):
    """Batches one after the other, the first of which opens accounts."""
    maker = Maker(lot, Journal())
    day = [(maker.opening(), maker.now)]
    maker.model.append(*day[0])
    for _ in range(batches):
        day.append(maker.batch(most))
        maker.model.append(*day[-1])
    return day


def played(day, *, undone=False):
    beside = Beside()
    for rows, now in day:
        beside.append(rows, now, undone=undone)
    return beside


def holds_for(day, check):
    """`check(day)`, or the smallest day for which it does not hold."""

    def fails(less):
        try:
            check(less)
        except Exception:  # noqa: BLE001 - a crash of the rules is a counter-example too
            return True
        return False

    if fails(day):
        least = smallest(day, fails)
        try:
            check(least)
        except Exception as fault:
            fault.add_note(shown(least))
            raise


@settings(ROOMY, max_examples=200)
@given(lots, st.integers(1, 4))
def test_small_batches_have_the_answers_sums_holds_limits_and_turns_of_the_model(lot, batches):
    played(made(lot, batches, 10), undone=True)


@settings(SEEDED, max_examples=150)
@given(seeds, st.integers(1, 3), st.sampled_from([40, 120, 400]))
def test_batches_of_hundreds_of_rows_do_too_and_what_is_undone_was_never_there(seed, batches, most):
    holds_for(made(random.Random(seed), batches, most), lambda day: played(day, undone=True))


@pytest.mark.soak
def test_so_they_do_for_as_long_as_we_have():
    """The same with other seeds, until RINGFENCE_SOAK_MINUTES have passed."""
    until = time.monotonic() + 60 * float(os.environ.get("RINGFENCE_SOAK_MINUTES", "10"))
    while time.monotonic() < until:
        lot = random.Random(secrets.randbits(64))
        holds_for(made(lot, lot.randint(1, 5), lot.choice([5, 20, 60, 400])), lambda day: played(day, undone=True))


def replayed(kept, times, cuts):
    """Apply rows of a journal, cut before the rows `cuts`; the balances, and the first answer that is not "posted"."""
    balances, known = Balances(), {}
    borders = [0, *cuts, len(kept)]
    for first, last in pairwise(borders):
        if first == last:
            continue
        block = in_columns(kept[first:last])
        applied = apply(balances, block, np.array(times[first:last]), wanted(known, block), recorded=True)
        if applied.results.any():
            return balances, Result(int(applied.results[np.flatnonzero(applied.results)[0]])).word
        remember(known, kept[first:last])
    return balances, None


def chain_borders(kept):
    return [index + 1 for index, row in enumerate(kept[:-1]) if not row["flags"] & 1]


@settings(SEEDED, max_examples=60)
@given(seeds, st.sampled_from([8, 40, 250]), st.booleans())
def test_the_journal_replays_however_it_is_cut(seed, most, with_refusals):
    """Blocks end anywhere between chains, or between a chain and its turns; refusals are rows, or are left out."""

    def check(day):
        beside, lot = played(day), random.Random(seed)
        kept = list(zip(as_kept(beside.model.rows), beside.times, strict=True))
        if not with_refusals:
            kept = [each for each in kept if each[0]["kind"] != "refusal"]
        rows, times = [row for row, _ in kept], [at for _, at in kept]
        borders = chain_borders(rows)
        for cuts in ([], borders if len(rows) < 120 else [], sorted(lot.sample(borders, min(5, len(borders))))):
            balances, answer = replayed(rows, times, cuts)
            assert answer is None
            same(beside.model.book, balances)
            if not cuts:
                whole = picture(balances)
            assert picture(balances) == whole

    holds_for(made(random.Random(seed), 3, most), check)


def watched(lot, most):
    """A day that turns monitors at least once."""
    while True:
        day = made(lot, 2, most)
        if any(row["kind"] == "monitor_turned" for row in played(day).model.rows):
            return day


@settings(SEEDED, max_examples=60)
@given(
    seeds,
    st.sampled_from([8, 60]),
    st.sampled_from(["removed", "doubled", "moved", "told otherwise", "made up", "dated otherwise"]),
)
def test_a_journal_in_which_a_turn_is_not_as_it_happened_does_not_replay(seed, most, wrong):
    lot = random.Random(seed)
    beside = played(watched(lot, most))
    end = row_of("event", 2**64, payload=b'{"said":"goodbye"}')
    rows, times = [*as_kept(beside.model.rows), end], [*beside.times, beside.times[-1]]
    assert replayed(rows, times, [])[1] is None
    turns = [index for index, row in enumerate(rows) if row["kind"] == "monitor_turned"]
    place = lot.choice(turns)
    turn, at = rows[place], times[place]
    if wrong in ("removed", "moved"):
        del rows[place], times[place]
    if wrong == "told otherwise":
        changes = [(b'"on":true', b'"on":false'), (b'"on":false', b'"on":true'), (b'"value":"', b'"value":"1')]
        changes += [(b'"monitor":"', b'"monitor":"x')]
        rows[place] = turn | {
            "payload": turn["payload"].replace(*lot.choice([each for each in changes if each[0] in turn["payload"]]))
        }
    elif wrong == "dated otherwise":
        rows[place] = turn | lot.choice(
            [{"date": turn["date"] + 1}, {"amount": 1}, {"code": 7}, {"order": 1}, {"id": 0}]
        )
    elif wrong != "removed":
        others = {"doubled": [place, place + 1], "moved": set(range(len(rows))) - {place}, "made up": range(len(rows))}
        goes = lot.choice(sorted(others[wrong]))
        rows.insert(goes, turn)
        times.insert(goes, times[goes])
    cuts = sorted(lot.sample(chain_borders(rows), min(lot.choice([0, 1, 4]), len(chain_borders(rows)))))
    assert replayed(rows, times, cuts)[1] == "monitor_turn_must_be_journaled", (wrong, at)


@settings(SEEDED, max_examples=40)
@given(seeds)
def test_every_book_sums_to_zero(seed):
    """Debits equal credits whatever is posted, held, part-posted or corrected."""
    balances = played(made(random.Random(seed), 3, 150)).balances
    assert sum(balances.debits.tolist()) == sum(balances.credits.tolist())
    assert sum(balances.debits_pending.tolist()) == sum(balances.credits_pending.tolist())
