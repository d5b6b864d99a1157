"""The rules beside a model written apart (`ledger_model`): the same answers, the same balances, whatever is thrown."""

from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_model import Model
from ringfence.ledger.model import Account, Batch, Kind, Line, Result, batch, moment
from ringfence.ledger.rules import Balances, add_account, apply

KINDS = {
    "transfer": Kind.TRANSFER,
    "pending": Kind.PENDING,
    "post": Kind.POST,
    "void": Kind.VOID,
    "expire": Kind.EXPIRE,
    "correction": Kind.CORRECTION,
    "close": Kind.ACCOUNT_CLOSED,
}
ACCOUNTS = (
    ("EUR", "debit", None, None),
    ("EUR", "credit", 0, None),
    ("EUR", "credit", 0, 500),
    ("EUR", "debit", -100, 1000),
    ("JPY", "credit", None, None),
)

amounts = st.one_of(st.integers(-1, 300), st.sampled_from([2**63 - 1, 2**62]))
rows = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ["transfer"] * 4 + ["pending"] * 3 + ["post"] * 3 + ["void", "expire", "correction", "close"]
        ),
        "debit": st.integers(0, 6),
        "credit": st.integers(0, 6),
        "amount": amounts,
        "refers": st.integers(1, 40),
        "expires": st.sampled_from([0, 0, 0, 5, 15, 25]),
    }
)
chains = st.lists(st.lists(rows, min_size=1, max_size=3), min_size=1, max_size=8)
days = st.lists(chains, min_size=1, max_size=5)


def _worlds() -> tuple[Model, Balances]:
    model, balances = Model(), Balances()
    for number, (currency, side, minimum, maximum) in enumerate(ACCOUNTS, start=1):
        model.open(currency, side, minimum, maximum)
        add_account(balances, Account(number, f"a{number}", currency, side, minimum, maximum, "o", "p"))
    return model, balances


def _numbered(batches: list[Any]) -> list[Any]:
    """Give each row the next id; a row that resolves something mostly names its pending transfer's own accounts."""
    number, seen = 0, {}
    for each in batches:
        for chain in each:
            for row in chain:
                number += 1
                row["id"] = number
                target = seen.get(row["refers"])
                if target and row["kind"] in ("post", "void", "expire") and row["amount"] % 5:
                    row["debit"], row["credit"] = target["debit"], target["credit"]
                if target and row["kind"] == "correction" and row["amount"] % 5:
                    row["debit"], row["credit"], row["amount"] = target["credit"], target["debit"], target["amount"]
                if row["kind"] in ("post", "void", "expire", "correction", "close"):
                    row["expires"] = 0
                if row["kind"] in ("transfer", "pending", "close"):
                    row["refers"] = 0
                seen[number] = row
    return batches


def _batch(chains_: list[Any]) -> Batch:
    return batch(
        [
            Line(
                KINDS[row["kind"]],
                UUID(int=row["id"]),
                row["debit"],
                row["credit"],
                row["amount"],
                refers_to=UUID(int=row["refers"]) if row["refers"] else None,
                expires_at=moment(row["expires"]) if row["expires"] else None,
            )
            for row in chain
        ]
        for chain in chains_
    )


def _references(model: Model) -> dict[bytes, Any]:
    from ringfence.ledger.rules import Reference

    return {
        UUID(int=number).bytes: Reference(
            KINDS[row["kind"]],
            row["debit"],
            row["credit"],
            row["amount"],
            KINDS[model.resolved[number]] if number in model.resolved else None,
        )
        for number, row in model.rows.items()
    }


def _same(model: Model, balances: Balances) -> None:
    for number, account in model.accounts.items():
        assert balances.balance(number) == model.balance(account)
        assert balances.held(number) == model.held(account)
        assert balances.expected(number) == model.expected(account)
        assert bool(balances.open[number]) == account["open"]


@settings(max_examples=400, deadline=None)
@given(days)
def test_rules_and_model_give_the_same_answers_and_balances(batches):
    model, balances = _worlds()
    for now, each in enumerate(_numbered(batches), start=1):
        references = _references(model)
        expected = model.batch(each, now * 10)
        given_ = _batch(each)
        done = apply(balances, given_, np.full(len(given_), now * 10), references)
        assert [Result(int(result)).word for result in done.results] == expected
        _same(model, balances)


@settings(max_examples=150, deadline=None)
@given(days)
def test_what_is_undone_was_never_there(batches):
    model, balances = _worlds()
    for now, each in enumerate(_numbered(batches), start=1):
        references = _references(model)
        given_ = _batch(each)
        at = np.full(len(given_), now * 10)
        before = set(balances.pending)
        apply(balances, given_, at, references).undo()
        _same(model, balances)
        assert set(balances.pending) == before
        model.batch(each, now * 10)
        apply(balances, given_, at, references)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 200)), min_size=1, max_size=30))
def test_deciding_all_at_once_agrees_with_walking(transfers):
    """A chain flag on nothing but the first row forces the walk; without it the batch may be decided at once."""
    chains_ = [
        [{"kind": "transfer", "debit": a, "credit": b, "amount": n, "refers": 0, "expires": 0, "id": i}]
        for i, (a, b, n) in enumerate(transfers, start=1)
    ]
    _, at_once = _worlds()
    _, walked = _worlds()
    event = Line(Kind.EVENT, UUID(int=999), payload={"forces": "the walk"})
    given_ = _batch(chains_)
    with_event = batch(
        [[Line(Kind.TRANSFER, UUID(int=c[0]["id"]), c[0]["debit"], c[0]["credit"], c[0]["amount"])] for c in chains_]
        + [[event]]
    )
    one = apply(at_once, given_, np.zeros(len(given_), np.int64), {})
    two = apply(walked, with_event, np.zeros(len(with_event), np.int64), {})
    assert one.results.tolist() == two.results.tolist()[:-1]
    for number in range(1, 6):
        assert at_once.balance(number) == walked.balance(number)


def test_every_book_sums_to_zero():
    """Debits equal credits whatever is posted, held, part-posted or corrected: shown on one long random day."""
    random = np.random.default_rng(3)
    _, balances = _worlds()
    for number in range(1, 400):
        debit, credit = (int(each) for each in random.integers(1, 5, 2))
        kind = Kind.PENDING if number % 3 else Kind.TRANSFER
        line = Line(kind, UUID(int=number), debit, credit, int(random.integers(1, 50)))
        apply(balances, batch([[line]]), np.zeros(1, np.int64), {})
    assert balances.debits.sum() == balances.credits.sum() > 0
    assert balances.debits_pending.sum() == balances.credits_pending.sum() > 0
