"""The verifier's replay beside the ledger's rules: two programs written apart must give one answer to every row."""

import copy
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as some

from ringfence.ledger.balances import Balances
from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import Account, Batch, Kind, Line, Result, batch, canonical, microseconds
from ringfence.ledger.rules import apply
from ringfence.ledger.walk import Reference

MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture(scope="session")
def book():
    """The verifier's replay, imported as the verifier imports it."""
    folder = str(Path(__file__).parents[1] / "verifier")
    sys.path.insert(0, folder)
    try:
        import book
    finally:
        sys.path.remove(folder)
    return book


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


@settings(max_examples=200, deadline=None)
@given(some.lists(chains, max_size=25))
def test_every_row_gets_one_answer_from_both(book, drawn):
    """And the journal that came of it is replayed alike when it is read in one piece."""
    both = grown(book, drawn)
    recorded = Balances()
    assert not replayed_in_blocks(recorded, both.journal, [both.rows])
    compare(both.replayed, recorded)


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


def forged(journal, turn, drawn):
    """The journal with one turn left out, told twice, told late, told otherwise or invented."""
    line, flags, at = journal[turn]
    said = dict(line.payload)
    changed = {
        "on": {**said, "on": not said["on"]},
        "value": {**said, "value": str(int(said["value"]) + 1)},
        "name": {**said, "monitor": said["monitor"] + "x"},
        "more": {**said, "more": 1},
    }
    if drawn == "missing":
        return journal[:turn] + journal[turn + 1 :]
    if drawn == "doubled":
        return [*journal[: turn + 1], (replace(line, id=UUID(int=1 << 90)), flags, at), *journal[turn + 1 :]]
    if drawn == "late":
        event = (Line(Kind.EVENT, UUID(int=1 << 90), payload={}), 0, at)
        return [*journal[:turn], event, *journal[turn:]]
    if drawn == "day":
        return [*journal[:turn], (replace(line, value_date=line.value_date + timedelta(days=1)), flags, at),
                *journal[turn + 1 :]]  # fmt: skip
    return [*journal[:turn], (replace(line, payload=changed[drawn]), flags, at), *journal[turn + 1 :]]


FORGERIES = ["missing", "doubled", "late", "day", "on", "value", "name", "more"]


@settings(max_examples=150, deadline=None)
@given(some.lists(chains, min_size=4, max_size=25), some.data())
def test_a_turn_that_is_not_as_it_must_be_is_found_by_both(book, drawn, more):
    watched = {"monitor": "a", "watch": {"account": 2}, "measure": "balance", "below": "0", "above": "10"}
    watching = Line(Kind.MONITOR_SET, UUID(int=1), payload={**watched, "proposal": None})
    paid = moved(Kind.TRANSFER, 1, BANK, ALICE, 11)
    both = grown(book, [[replace(watching)], [replace(paid, value_date=TODAY + timedelta(days=9))], *drawn])
    turns = [place for place, (line, _, _) in enumerate(both.journal) if line.kind == Kind.MONITOR_TURNED]
    assert turns
    journal = forged(both.journal, more.draw(some.sampled_from(turns)), more.draw(some.sampled_from(FORGERIES)))
    again, rules = book.Book(), []
    try:
        for row in rows_of(book, journal):
            again.apply(*row)
        again.close()
    except book.Wrong as wrong:
        rules.append(wrong.facts["rule"].name)
    assert rules == ["monitor_turn_must_be_journaled"]
    balances = Balances()
    found = replayed_in_blocks(balances, journal, [len(journal)])
    assert found == "monitor_turn_must_be_journaled" or (found is None and balances.due)


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


BANK, ALICE, CAPPED, LENT, TILL, DOLLARS, CLOSED = range(1, 8)
SOON = MORNING + timedelta(minutes=10)

SCENARIO = [
    # row (and the minute), the ledger's answer, the verifier's
    (moved(Kind.TRANSFER, 100, BANK, ALICE, 50), 0, "posted", None),
    (moved(Kind.TRANSFER, 101, BANK, ALICE, 0), 0, "amount_must_be_positive", "amount_must_be_positive"),
    (moved(Kind.TRANSFER, 101, 0, ALICE, 1), 0, "debit_account_must_exist", "account_must_exist"),
    (moved(Kind.TRANSFER, 101, BANK, 8, 1), 0, "credit_account_must_exist", "account_must_exist"),
    (moved(Kind.TRANSFER, 101, ALICE, ALICE, 1), 0, "accounts_must_be_different", "accounts_must_be_different"),
    (moved(Kind.TRANSFER, 101, ALICE, DOLLARS, 1), 0, *2 * ["accounts_must_have_the_same_currency"]),
    (moved(Kind.TRANSFER, 101, ALICE, CLOSED, 1), 0, "account_must_be_open", "account_must_be_open"),
    (moved(Kind.TRANSFER, 101, ALICE, BANK, 1, None, SOON), 0, *2 * ["expiry_must_be_in_the_future"]),
    (moved(Kind.PENDING, 101, ALICE, BANK, 1, None, MORNING), 0, *2 * ["expiry_must_be_in_the_future"]),
    (moved(Kind.PENDING, 102, ALICE, CAPPED, 30), 0, "posted", None),
    (moved(Kind.TRANSFER, 103, ALICE, BANK, 21), 0, *2 * ["balance_must_not_fall_below_its_minimum"]),
    (moved(Kind.TRANSFER, 103, BANK, CAPPED, 31), 0, *2 * ["balance_must_not_exceed_its_maximum"]),
    (moved(Kind.TRANSFER, 103, BANK, CAPPED, 30), 0, "posted", None),
    (moved(Kind.POST, 104, ALICE, BANK, 10, 102), 1, *2 * ["pending_transfer_must_have_the_same_accounts"]),
    (moved(Kind.POST, 104, ALICE, CAPPED, 31, 102), 1, *2 * ["amount_must_not_exceed_pending_amount"]),
    (moved(Kind.POST, 104, ALICE, CAPPED, 0, 102), 1, "amount_must_be_positive", "amount_must_be_positive"),
    (moved(Kind.EXPIRE, 104, ALICE, CAPPED, 0, 102), 1, *2 * ["pending_transfer_has_not_expired"]),
    (moved(Kind.POST, 104, ALICE, CAPPED, 25, 102), 1, "posted", None),
    (moved(Kind.VOID, 105, ALICE, CAPPED, 0, 102), 1, "pending_transfer_already_posted", "pending_must_be_open"),
    (moved(Kind.VOID, 105, ALICE, CAPPED, 0, 99), 1, "pending_transfer_must_exist", "pending_must_exist"),
    (moved(Kind.VOID, 105, BANK, ALICE, 0, 100), 1, "pending_transfer_must_exist", "pending_must_exist"),
    (moved(Kind.PENDING, 106, ALICE, BANK, 5, None, SOON), 1, "posted", None),
    (moved(Kind.POST, 107, ALICE, BANK, 5, 106), 10, *2 * ["pending_transfer_has_passed_its_expiry"]),
    (moved(Kind.EXPIRE, 107, ALICE, BANK, 0, 106), 10, "posted", None),
    (moved(Kind.CORRECTION, 108, CAPPED, ALICE, 25, 104), 11, "posted", None),
    (moved(Kind.CORRECTION, 109, CAPPED, ALICE, 25, 104), 11, *2 * ["transfer_already_corrected"]),
    (moved(Kind.CORRECTION, 109, ALICE, BANK, 49, 100), 11, *2 * ["correction_must_mirror_the_transfer"]),
    (moved(Kind.CORRECTION, 109, ALICE, CAPPED, 30, 102), 11, "corrected_transfer_must_be_posted", None),
    (moved(Kind.CORRECTION, 109, ALICE, CAPPED, 25, 108), 11, "corrected_transfer_must_be_posted", None),
    (moved(Kind.CORRECTION, 109, ALICE, BANK, 1, 98), 11, "corrected_transfer_must_exist", None),
    (Line(Kind.ACCOUNT_CLOSED, UUID(int=110), debit_account=ALICE), 11, *2 * ["account_must_be_empty"]),
    (Line(Kind.ACCOUNT_CLOSED, UUID(int=110), debit_account=CLOSED), 11, *2 * ["account_must_be_open"]),
    (Line(Kind.ACCOUNT_CLOSED, UUID(int=110), debit_account=9), 11, *2 * ["account_must_exist"]),
    (opening(9), 11, "account_number_must_be_next", "account_number_must_be_next"),
    (opening(8, name="account 1"), 11, "account_name_must_be_new", "account_name_must_be_new"),
    (opening(8, side="left"), 11, "payload_must_be_valid", "payload_must_be_valid"),
    (opening(8, minimum="2", maximum="1"), 11, "payload_must_be_valid", "payload_must_be_valid"),
    (opening(8, maximum="9223372036854775808"), 11, "payload_must_be_valid", "payload_must_be_valid"),
    (opening(8, owner=""), 11, "payload_must_be_valid", "payload_must_be_valid"),
    (Line(Kind.EVENT, UUID(int=111)), 11, "payload_must_be_valid", "payload_must_be_valid"),
    (moved(Kind.TRANSFER, 112, BANK, ALICE, 2**63 - 80), 11, "balance_must_fit_64_bits", "sum_must_fit_64_bits"),
]
SAME_IN_OTHER_WORDS = {
    "pending_transfer_must_have_the_same_accounts": "pending_must_have_the_same_accounts",
    "amount_must_not_exceed_pending_amount": "amount_must_not_exceed_pending",
    "pending_transfer_has_not_expired": "pending_has_not_expired",
    "pending_transfer_has_passed_its_expiry": "pending_has_passed_its_expiry",
    "transfer_already_corrected": "transfer_must_be_corrected_once",
    "correction_must_mirror_the_transfer": "correction_must_mirror",
}


def test_the_rules_of_the_book_one_by_one(book):
    """Each line of the table: a row, and the answer that the ledger and the verifier give to it."""
    both = start(book)
    for line, minute, ledger, verifier in SCENARIO:
        if ledger != "posted" and verifier is None:
            verifier = "corrected_transfer_must_exist"  # noqa: PLW2901 - no other row is a posted transfer
        verifier = SAME_IN_OTHER_WORDS.get(verifier, verifier)  # noqa: PLW2901
        assert both.add(line, at=MORNING + timedelta(minutes=minute)) == (ledger, verifier)
    assert both.replayed.accounts[ALICE - 1].balance == 50
    both.replayed.close()


# What only a tampered journal holds: the writer makes no such row, so the ledger has no answer to it.


def row_of(book, line, sequence=0, **changed):
    row, payload = book.decode(next(leaves(1, sequence, np.zeros(1, np.int64), batch([[line]]))), sequence)
    return row._replace(**changed), payload


@pytest.mark.parametrize(
    ("line", "changed", "rule"),
    [
        (Line(Kind.EVENT, UUID(int=1), payload={"a": 1}), {"kind": 18}, "kind_must_be_known"),
        (
            Line(Kind.REFUSAL, UUID(int=1), amount=5, payload={"reason": "", "request": ""}),
            {},
            "refusal_must_move_nothing",
        ),
        (Line(Kind.REFUSAL, UUID(int=1), payload={"reason": ""}), {}, "payload_must_be_valid"),
        (opening(1, account=0), {}, "account_number_must_be_next"),
        (opening(1), {"debit_account": 0}, "account_number_must_be_next"),
        (opening(1, account=True), {}, "account_number_must_be_next"),
        (opening(1, more="field"), {}, "payload_must_be_valid"),
        (opening(1, minimum="-0"), {}, "payload_must_be_valid"),
        (opening(1, minimum=5), {}, "payload_must_be_valid"),
    ],
)
def test_rows_that_no_writer_makes_break_a_rule(book, line, changed, rule):
    with pytest.raises(book.Wrong) as wrong:
        book.Book().apply(*row_of(book, line, **changed))
    assert wrong.value.facts["rule"].name == rule


@pytest.mark.parametrize("payload", [b'{"a": 1}', b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"[]", b'"a"', b"\xff", b"{"])
def test_a_payload_that_is_no_canonical_object_breaks_a_rule(book, payload):
    rows = batch([[Line(Kind.EVENT, UUID(int=1))]]).rows
    leaf = next(leaves(1, 0, np.zeros(1, np.int64), Batch(rows, {0: payload})))
    with pytest.raises(book.Wrong) as wrong:
        book.Book().apply(*book.decode(leaf, 0))
    assert wrong.value.facts["rule"].name == "payload_must_be_valid"


json_values = some.recursive(
    some.one_of(
        some.none(), some.booleans(), some.integers(-(2**53) + 1, 2**53 - 1), some.floats(allow_nan=False,
        allow_infinity=False), some.text(),
    ),
    lambda inner: some.one_of(some.lists(inner, max_size=3), some.dictionaries(some.text(), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


@given(some.dictionaries(some.text(), json_values, max_size=4))
def test_what_rfc_8785_spells_is_read_as_canonical(book, value):
    try:
        spelled = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        return  # a lone surrogate is no text
    read = sys.modules[book.Wrong.__module__.replace("words", "folder")].canonical_object(spelled, "")
    assert set(read) == set(json.loads(spelled))


def sequence_of(book, *changes):
    """Four transfers in a row, with the given changes; what the journal's order says of them."""
    journal = book.Journal()
    rows = [row_of(book, moved(Kind.TRANSFER, 10 + place, 1, 2, 5), place, posted_at=place)[0] for place in range(4)]
    for place, changed in changes:
        rows[place] = rows[place]._replace(**changed)
    for row in rows:
        journal.add(row)
    journal.close()


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ([(2, {"sequence": 3})], "row_has_another_sequence"),
        ([(0, {"sequence": 1})], "row_has_another_sequence"),
        ([(3, {"id": UUID(int=11).bytes})], "row_repeats_an_id"),
        ([(3, {"id": bytes(16)})], "row_is_malformed"),
        ([(3, {"posted_at": 1})], "row_goes_back_in_time"),
        ([(3, {"flags": 1})], "chain_is_open"),
    ],
)
def test_rows_out_of_order_are_found(book, changes, finding):
    sequence_of(book)
    sequence_of(book, (2, {"flags": 1}), (3, {"posted_at": 2}))
    with pytest.raises(book.Wrong) as wrong:
        sequence_of(book, *changes)
    assert wrong.value.name == finding


def test_rows_of_two_books_are_found(book):
    replayed = book.Book()
    replayed.apply(*row_of(book, opening(1)))
    with pytest.raises(book.Wrong) as wrong:
        replayed.apply(row_of(book, opening(2), 1)[0]._replace(book=2), b"")
    assert wrong.value.name == "row_is_of_another_book"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda leaf: leaf[:115], "length"),
        (lambda leaf: b"\x02" + leaf[1:], "version"),
        (lambda leaf: leaf[:2] + b"\x80" + leaf[3:], "flags"),
        (lambda leaf: leaf + b"\x00", "payload length"),
        (lambda leaf: leaf[:48] + b"\x80" + leaf[49:], "amount"),
        (lambda leaf: leaf[:32] + b"\x80" + leaf[33:], "debit_account"),
    ],
)
def test_a_leaf_that_is_not_version_1_is_found(book, change, field):
    leaf = next(leaves(1, 0, np.zeros(1, np.int64), batch([[moved(Kind.TRANSFER, 1, 1, 2, 5)]])))
    with pytest.raises(book.Wrong) as wrong:
        book.decode(change(leaf), 0)
    assert wrong.value.name == "row_is_malformed"
    assert wrong.value.facts["field"] == field
