"""Random books of all kinds of rows, grown in the ledger and in the verifier at once."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from hypothesis import strategies as some

from ringfence.ledger.balances import Balances
from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import Account, Batch, Kind, Line, Result, batch, canonical, microseconds
from ringfence.ledger.rules import apply
from ringfence.ledger.walk import Reference
from verifier_world import BOOK

MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
BANK, ALICE, CAPPED, LENT, TILL, DOLLARS, CLOSED = range(1, 8)


def imported():
    """The verifier's replay; it shares no code with the ledger."""
    return BOOK


class Both:
    """A journal that grows chain by chain: what the ledger accepts is in it, with the turns of monitors."""

    def __init__(self, book):
        self.book = book
        self.replayed = book.Book()
        self.balances = Balances()
        self.references: dict[bytes, Reference] = {}
        self.journal: list[tuple[Line, int, datetime]] = []  # lines with their flags and times

    @property
    def rows(self):
        return len(self.journal)

    def add(self, *chain, at=MORNING):
        """The ledger's result for the first row that it refuses, and the verifier's; both, or neither, refuse."""
        given_ = batch([chain])
        times = np.full(len(chain), microseconds(at))
        applied = apply(self.balances, given_, times, self.references, recorded=True)
        refused = [Result(int(each)) for each in applied.results if each not in (0, Result.LINKED_ROW_FAILED)]
        before, broken = copy.deepcopy(self.replayed), None
        rows = [*zip(chain, given_.rows["flags"].tolist(), [at] * len(chain), strict=True)]
        try:
            for row in rows_of(self.book, rows, self.rows):
                self.replayed.apply(*row)
        except self.book.Wrong as wrong:
            self.replayed, broken = before, wrong.facts["rule"].name
        assert (refused == []) == (broken is None), (chain, refused, broken)
        if refused:
            applied.undo()  # as the notary does
            self._compare()
            return refused[0].word, broken
        self.journal += rows
        for line in chain:
            self._remember(line)
        self._take_turns(list(self.balances.due), chain[-1].value_date, at)
        self._compare()
        return "posted", None

    def _take_turns(self, turns, value_date, at):
        assert [turn.payload for turn in self.replayed.due] == [canonical(turn.payload()) for turn in turns]
        for turn in turns:
            line = Line(
                Kind.MONITOR_TURNED, UUID(int=10_000 + self.rows), value_date=value_date, payload=turn.payload()
            )
            [row] = rows_of(self.book, [(line, 0, at)], self.rows)
            self.replayed.apply(*row)
            applied = apply(self.balances, batch([[line]]), np.full(1, microseconds(at)), {}, recorded=True)
            assert not applied.results.any()
            self.journal.append((line, 0, at))

    def _remember(self, line):
        if line.kind <= Kind.CORRECTION:
            self.references[line.id.bytes] = Reference(
                line.kind, line.debit_account, line.credit_account, line.amount, None
            )
        if line.kind in (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CORRECTION):
            about = self.references[line.refers_to.bytes]
            self.references[line.refers_to.bytes] = Reference(
                about.kind, about.debit_account, about.credit_account, about.amount, line.kind
            )

    def _compare(self):
        compare(self.replayed, self.balances)


def compare(replayed, balances):
    """Is what stands now the same in the verifier and in the ledger?"""
    assert len(replayed.pending) == len(balances.holds)
    assert all(balances.holds.get(identity) == tuple(held) for identity, held in replayed.pending.items())
    for number, account in enumerate(replayed.accounts, 1):
        assert account.balance == balances.balance(number)
        assert account.held == balances.held(number)
        assert account.expected == balances.expected(number)
        assert account.minimum == balances.minimum[number]
        assert account.maximum == balances.maximum[number]
        assert account.closed != bool(balances.open[number])
    if replayed.closed_through >= -(2**31):
        assert replayed.closed_through == balances.closed_through
    assert replayed.guards == {guard.pool: frozenset(guard.codes) for guard in balances.guards.values()}
    for pool in replayed.guards:
        for currency in replayed.accounts.currencies():
            cover = balances.cover(pool, currency)
            assert replayed.accounts.total((pool, currency)).cover == cover.posted
            assert replayed.reserved.get((pool, currency), 0) == cover.reserved
    assert {name: monitor.on for name, monitor in replayed.monitors.items()} == {
        name: watch.on for name, watch in balances.monitors.items()
    }


def rows_of(book, journal, first=0):
    """Rows as the verifier reads them from leaves."""
    for place, (line, flags, at) in enumerate(journal, first):
        given_ = flagged([line], [flags])
        yield book.decode(next(leaves(1, place, np.full(1, microseconds(at)), given_)), place)


def flagged(lines, flags):
    given_ = batch([[line] for line in lines])
    rows = given_.rows.copy()
    rows["flags"] = flags
    return Batch(rows, given_.payloads)


def opening(number, **changed):
    account = Account(number, f"account {number}", "EUR", "credit", 0, None, "customer:c", "client")
    payload = {**account.payload(), **changed}
    return Line(Kind.ACCOUNT_OPENED, UUID(int=number), debit_account=number, payload=payload)


def start(book):
    """Two assets and five liabilities in two pools, some with limits, one in dollars, one closed."""
    both = Both(book)
    for number, changed in enumerate(
        (
            {"side": "debit", "minimum": None, "owner": "bank:main"},
            {},
            {"maximum": "60"},
            {"minimum": "-20", "maximum": "30", "pool": "own", "owner": "platform"},
            {"side": "debit", "minimum": "-15", "maximum": "50", "pool": "own"},
            {"currency": "USD"},
            {},
        ),
        1,
    ):
        assert both.add(opening(number, **changed)) == ("posted", None)
    closing = Line(Kind.ACCOUNT_CLOSED, UUID(int=90), debit_account=7)
    assert both.add(closing) == ("posted", None)
    return both


TODAY = MORNING.date()
PROPOSAL = str(UUID(int=77))
accounts = some.integers(1, 5)
ids = some.integers(100, 112)
days = some.integers(-3, 3).map(lambda days_: TODAY + timedelta(days=days_))
amounts = some.one_of(some.none(), some.integers(-30, 60).map(str))
movements = some.fixed_dictionaries(
    {
        "kind": some.sampled_from([Kind.TRANSFER, Kind.TRANSFER, Kind.PENDING, Kind.PENDING, *Kind]),
        "debit": some.one_of(accounts, some.integers(0, 9)),
        "credit": some.one_of(accounts, some.integers(0, 9)),
        "amount": some.integers(0, 40),
        "refers_to": some.one_of(some.none(), ids),
        "expires": some.one_of(some.none(), some.integers(-5, 30)),
        "code": some.sampled_from([0, 7]),
        "day": days,
        "fitting": some.integers(0, 3),
    }
)
watches = some.one_of(
    some.one_of(accounts, some.integers(1, 9)).map(lambda number: {"account": number}),
    some.sampled_from(
        [
            {"currency": "EUR", "owner_class": "customer", "pool": "client", "side": "credit"},
            {"currency": "EUR", "owner_class": "customer", "pool": "own", "side": "debit"},
            {"currency": "EUR", "owner_class": "nobody", "pool": "own", "side": "debit"},
        ]
    ),
)
standings = some.one_of(
    some.tuples(some.integers(1, 8), amounts, amounts).map(
        lambda said: Line(
            Kind.ACCOUNT_LIMITED,
            UUID(int=1),
            debit_account=said[0],
            payload={"account": said[0], "minimum": said[1], "maximum": said[2], "proposal": PROPOSAL},
        )
    ),
    days.map(
        lambda day: Line(
            Kind.PERIOD_CLOSED,
            UUID(int=1),
            value_date=day - timedelta(days=2),
            payload={"through": (day - timedelta(days=2)).isoformat(), "proposal": PROPOSAL},
        )
    ),
    some.tuples(some.sampled_from(["client", "own", "nowhere"]), some.sampled_from([[], [7], [7, 9]])).map(
        lambda said: Line(Kind.POOL_GUARDED, UUID(int=1), payload={"pool": said[0], "codes": said[1], "proposal": None})
    ),
    some.tuples(
        some.sampled_from(["a", "b", "é", "𝄞"]),
        some.one_of(
            some.tuples(watches, some.sampled_from(["available", "balance", "expected", "held"])),
            some.just(({"currency": "EUR", "pool": "client"}, "cover")),
            some.just(({"currency": "EUR", "pool": "own"}, "cover")),
        ),
        amounts,
        amounts,
    ).map(
        lambda said: Line(
            Kind.MONITOR_SET,
            UUID(int=1),
            payload={
                "monitor": said[0],
                "watch": said[1][0],
                "measure": said[1][1],
                "below": said[2],
                "above": said[3],
                "proposal": None,
            },
        )
    ),
)
chains = some.lists(some.one_of(movements, movements, movements, standings), min_size=1, max_size=3)


def line_of(drawn, number, at, known):
    """A row of this number; most of those that refer to one fit it."""
    if isinstance(drawn, Line):
        return replace(drawn, id=UUID(int=number))
    kind, debit, credit, amount = drawn["kind"], drawn["debit"], drawn["credit"], drawn["amount"]
    refers_to = drawn["refers_to"]
    if refers_to in known and kind in (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CORRECTION) and drawn["fitting"]:
        first, second, whole = known[refers_to]
        debit, credit = (second, first) if kind == Kind.CORRECTION else (first, second)
        amount = whole if kind == Kind.CORRECTION else min(amount, whole + 1)
    payload = {"said": "so"} if kind == Kind.EVENT else None
    if kind == Kind.REFUSAL:
        debit = credit = amount = 0
        payload = {"reason": "account_must_be_open", "request": "00" * 32}
    expires = drawn["expires"]
    return Line(
        kind,
        UUID(int=number),
        debit_account=debit,
        credit_account=credit,
        amount=amount,
        refers_to=None if refers_to is None else UUID(int=refers_to),
        code=drawn["code"],
        value_date=drawn["day"],
        expires_at=None if expires is None else at + timedelta(minutes=expires),
        payload=payload,
    )


def grown(book, drawn):
    """A journal from random chains, most of their rows near the limits: half are accepted, and references hit."""
    both = start(book)
    at = MORNING
    known: dict[int, tuple[int, int, int]] = {}
    number = 100
    for place, chain in enumerate(drawn):
        at += timedelta(minutes=place)
        lines = [line_of(each, number + link, at, known) for link, each in enumerate(chain)]
        number += len(chain)
        if both.add(*lines, at=at)[0] == "posted":
            moves = [line for line in lines if line.kind <= Kind.CORRECTION]
            known |= {line.id.int: (line.debit_account, line.credit_account, line.amount) for line in moves}
    both.replayed.close()
    return both


def replayed_in_blocks(balances, journal, sizes):
    """The first broken rule, by the ledger's rules over rows of a journal; references reach back as the log's would."""
    references, first = {}, 0
    for size in sizes:
        part = journal[first : first + size]
        given_ = flagged([line for line, _, _ in part], [flags for _, flags, _ in part])
        at = np.array([microseconds(time) for _, _, time in part], np.int64)
        results = apply(balances, given_, at, references, recorded=True).results
        if results.any():
            return Result(int(results[np.flatnonzero(results)[0]])).word
        for line, _, _ in part:
            references[line.id.bytes] = Reference(line.kind, line.debit_account, line.credit_account, line.amount, None)
        first += size
    return None


def moved(kind, number, debit, credit, amount, refers_to=None, expires_at=None):
    return Line(
        kind,
        UUID(int=number),
        debit_account=debit,
        credit_account=credit,
        amount=amount,
        refers_to=None if refers_to is None else UUID(int=refers_to),
        expires_at=expires_at,
    )
