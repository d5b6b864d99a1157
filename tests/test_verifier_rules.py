"""The verifier's replay beside the ledger's rules: two programs written apart must give one answer to every row."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as some

from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import Account, Batch, Kind, Line, Result, batch, microseconds
from ringfence.ledger.rules import Balances, Reference, apply

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
    """A journal that grows row by row: what the ledger accepts is in it."""

    def __init__(self, book):
        self.book = book
        self.replayed = book.Book()
        self.balances = Balances()
        self.references: dict[bytes, Reference] = {}
        self.rows = 0

    def add(self, line, at=MORNING):
        """The ledger's result, after checking that the verifier's is the same in substance."""
        given_ = batch([[line]])
        times = np.full(1, microseconds(at))
        row, payload = self.book.decode(next(leaves(1, self.rows, times, given_)), self.rows)
        result = Result(int(apply(self.balances, given_, times, self.references).results[0]))
        broken = None
        try:
            self.replayed.apply(row, payload)
        except self.book.Wrong as wrong:
            broken = wrong.facts["rule"].name
        assert (result == Result.POSTED) == (broken is None), (line, result, broken)
        if result == Result.POSTED:
            self.rows += 1
            self._remember(line)
            self._compare()
        return result.word, broken

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
        assert set(self.replayed.pending) == set(self.balances.pending)
        for number, account in enumerate(self.replayed.accounts, 1):
            assert account.balance == self.balances.balance(number)
            assert account.held == self.balances.held(number)
            assert account.expected == self.balances.expected(number)
            assert account.closed != bool(self.balances.open[number])


def opening(number, **changed):
    account = Account(number, f"account {number}", "EUR", "credit", 0, None, "owner", "client")
    payload = {**account.payload(), **changed}
    return Line(Kind.ACCOUNT_OPENED, UUID(int=number), debit_account=number, payload=payload)


def start(book):
    """Two assets and five liabilities, some with limits, one in dollars, one closed."""
    both = Both(book)
    for number, changed in enumerate(
        (
            {"side": "debit", "minimum": None},
            {},
            {"maximum": "60"},
            {"minimum": "-20", "maximum": "30"},
            {"side": "debit", "minimum": "-15", "maximum": "50"},
            {"currency": "USD"},
            {},
        ),
        1,
    ):
        assert both.add(opening(number, **changed)) == ("posted", None)
    closing = Line(Kind.ACCOUNT_CLOSED, UUID(int=90), debit_account=7)
    assert both.add(closing) == ("posted", None)
    return both


accounts = some.integers(1, 5)
ids = some.integers(100, 112)
lines = some.builds(
    lambda kind, debit, credit, amount, refers_to, minutes: (kind, debit, credit, amount, refers_to, minutes),
    some.sampled_from([Kind.TRANSFER, Kind.TRANSFER, Kind.PENDING, Kind.PENDING, *Kind]),
    some.one_of(accounts, some.integers(0, 9)),
    some.one_of(accounts, some.integers(0, 9)),
    some.integers(0, 40),
    some.one_of(some.none(), ids),
    some.one_of(some.none(), some.integers(-5, 30)),
)


@settings(max_examples=150, deadline=None)
@given(some.lists(lines, max_size=25))
def test_every_row_gets_one_answer_from_both(book, drawn):
    """Random rows, most of them near the limits: half are accepted, and references hit."""
    both = start(book)
    at = MORNING
    known: dict[int, tuple[int, int, int]] = {}
    for place, (kind, debit, credit, amount, refers_to, minutes) in enumerate(drawn):
        at += timedelta(minutes=place)
        number = 100 + place
        if refers_to in known and kind in (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CORRECTION) and place % 4:
            first, second, whole = known[refers_to]
            debit, credit = (second, first) if kind == Kind.CORRECTION else (first, second)  # noqa: PLW2901
            amount = whole if kind == Kind.CORRECTION else min(amount, whole + 1)  # noqa: PLW2901
        payload = {"said": "so"} if kind == Kind.EVENT else None
        if kind == Kind.REFUSAL:
            debit = credit = amount = 0  # noqa: PLW2901
            payload = {"reason": "account_must_be_open", "request": "00" * 32}
        line = Line(
            kind,
            UUID(int=number),
            debit_account=debit,
            credit_account=credit,
            amount=amount,
            refers_to=None if refers_to is None else UUID(int=refers_to),
            expires_at=None if minutes is None else at + timedelta(minutes=minutes),
            payload=payload,
        )
        if both.add(line, at)[0] == "posted" and kind <= Kind.CORRECTION:
            known[number] = (debit, credit, amount)
    both.replayed.close()


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
        assert both.add(line, MORNING + timedelta(minutes=minute)) == (ledger, verifier)
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
