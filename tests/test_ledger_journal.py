"""The journal on a real PostgreSQL: what is appended is there once, in order, and checked."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest

from ringfence.ledger import reading
from ringfence.ledger.answers import Answer
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line, Result
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.storage import head_of, read_block
from ringfence.refusal import Refused

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class World:
    """A book with a bank account, two customers and a clock that tests own."""

    connect: Callable[[str], psycopg.Connection]
    journal: Journal
    book: int
    now: datetime = NOON

    def post(self, *chains: list[Line], also=()) -> list[list[Answer]]:
        self.now += timedelta(seconds=1)
        return self.journal.submit([Unit(chain, also) for chain in chains], self.now)

    def words(self, *chains: list[Line]) -> list[str]:
        return [answer.result.word for answers in self.post(*chains) for answer in answers]

    def balance(self, name: str) -> tuple[int, int]:
        found = reading.balance(self.connect("core"), self.book, name, fresh=True)
        return found.balance, found.held

    def head(self) -> int:
        return head_of(self.connect("core"), self.book)


BANK, ALICE, BOB, YEN = 1, 2, 3, 4


def opened(name: str, side: str = "credit", minimum: int | None = 0, currency: str = "EUR") -> Line:
    account = Account(0, name, currency, side, minimum, None, name, "client")
    return Line(Kind.ACCOUNT_OPENED, UUID(int=10_000 + sum(name.encode())), payload=account.payload())


@pytest.fixture
def world(database) -> Iterator[World]:
    owner = database.connect("core")
    book = reading.open_book(owner, "demo", NOON)
    owner.commit()
    journal = Journal(lambda: database.connect("core"), book.book_id)
    found = World(database.connect, journal, book.book_id)
    found.post([opened("bank", "debit", None)], [opened("alice")], [opened("bob")], [opened("yen", currency="JPY")])
    yield found
    journal.close()


def transfer(number: int, debit: int, credit: int, amount: int, kind: Kind = Kind.TRANSFER, **more) -> Line:
    return Line(kind, UUID(int=number), debit, credit, amount, **more)


def test_a_customer_is_never_overdrawn(world):
    assert world.words([transfer(1, BANK, ALICE, 5000)]) == ["posted"]
    assert world.words([transfer(2, ALICE, BANK, 5001)]) == ["balance_must_not_fall_below_its_minimum"]
    assert world.words([transfer(3, ALICE, BOB, 5000)]) == ["posted"]
    assert world.balance("alice") == (0, 0)
    assert world.balance("bob") == (5000, 0)
    assert world.balance("bank") == (5000, 0)


def test_a_pending_transfer_holds_money_and_is_posted_in_part(world):
    world.post([transfer(1, BANK, ALICE, 5000)])
    assert world.words([transfer(2, ALICE, BANK, 3000, Kind.PENDING)]) == ["posted"]
    assert world.balance("alice") == (5000, 3000)
    assert world.words([transfer(3, ALICE, BOB, 2001)]) == ["balance_must_not_fall_below_its_minimum"]
    post = transfer(4, ALICE, BANK, 1000, Kind.POST, refers_to=UUID(int=2))
    assert world.words([post]) == ["posted"]
    assert world.balance("alice") == (4000, 0)
    again = transfer(5, ALICE, BANK, 1000, Kind.POST, refers_to=UUID(int=2))
    assert world.words([again]) == ["pending_transfer_already_posted"]


def test_a_voided_hold_never_posts_and_an_expired_one_neither(world):
    world.post([transfer(1, BANK, ALICE, 5000)])
    expiry = world.now + timedelta(minutes=1)
    world.post(
        [transfer(2, ALICE, BOB, 100, Kind.PENDING)], [transfer(3, ALICE, BOB, 100, Kind.PENDING, expires_at=expiry)]
    )
    assert world.words([transfer(4, ALICE, BOB, 0, Kind.VOID, refers_to=UUID(int=2))]) == ["posted"]
    assert world.words([transfer(5, ALICE, BOB, 100, Kind.POST, refers_to=UUID(int=2))]) == [
        "pending_transfer_already_voided"
    ]
    early = transfer(6, ALICE, BOB, 0, Kind.EXPIRE, refers_to=UUID(int=3))
    assert world.words([early]) == ["pending_transfer_has_not_expired"]
    world.now = expiry
    late = transfer(7, ALICE, BOB, 100, Kind.POST, refers_to=UUID(int=3))
    assert world.words([late]) == ["pending_transfer_has_passed_its_expiry"]
    assert world.words([transfer(8, ALICE, BOB, 0, Kind.EXPIRE, refers_to=UUID(int=3))]) == ["posted"]
    assert world.words([transfer(9, ALICE, BOB, 100, Kind.POST, refers_to=UUID(int=3))]) == [
        "pending_transfer_already_expired"
    ]
    assert world.balance("alice") == (5000, 0)


def test_a_chain_happens_whole_or_not_at_all(world):
    world.post([transfer(1, BANK, ALICE, 5000)])
    chain = [transfer(2, ALICE, BOB, 4000), transfer(3, ALICE, BOB, 4000), transfer(4, BANK, BOB, 1)]
    assert world.words(chain) == ["linked_row_failed", "balance_must_not_fall_below_its_minimum", "linked_row_failed"]
    assert world.balance("bob") == (0, 0)
    assert world.words([transfer(5, ALICE, BOB, 4000), transfer(6, BOB, ALICE, 1000)]) == ["posted", "posted"]
    assert world.balance("bob") == (3000, 0)


def test_a_replay_gets_the_first_answer_and_a_changed_replay_is_refused(world):
    deposit, overdraft = transfer(1, BANK, ALICE, 5000), transfer(2, ALICE, BANK, 9999)
    first = world.post([deposit], [overdraft])
    world.post([transfer(3, BANK, ALICE, 9000)])  # the overdraft would be covered now
    head = world.head()
    again = world.post([deposit], [overdraft])
    assert [[answer.result for answer in each] for each in again] == [
        [answer.result for answer in each] for each in first
    ]
    assert [[answer.sequence for answer in each] for each in again] == [
        [answer.sequence for answer in each] for each in first
    ]
    assert all(answer.replayed for each in again for answer in each)
    assert world.words([transfer(1, BANK, ALICE, 5001)]) == ["id_already_has_other_content"]
    assert world.words([transfer(2, ALICE, BANK, 9998)]) == ["id_already_has_other_content"]
    assert world.head() == head


def test_an_id_twice_in_one_batch_is_answered_alike(world):
    deposit = transfer(1, BANK, ALICE, 5000)
    one, two, other = world.post([deposit], [deposit], [transfer(1, BANK, ALICE, 1)])
    assert (one[0].result, one[0].replayed) == (Result.POSTED, False)
    assert (two[0].result, two[0].replayed, two[0].sequence) == (Result.POSTED, True, one[0].sequence)
    assert other[0].result == Result.ID_ALREADY_HAS_OTHER_CONTENT
    assert world.balance("alice") == (5000, 0)


def test_a_chain_of_which_a_row_is_known_does_not_happen(world):
    world.post([transfer(1, BANK, ALICE, 5000)])
    assert world.words([transfer(2, BANK, ALICE, 1), transfer(1, BANK, ALICE, 5000)]) == ["linked_row_failed", "posted"]
    assert world.balance("alice") == (5000, 0)


def test_a_correction_takes_back_a_transfer_once(world):
    world.post([transfer(1, BANK, ALICE, 5000)])
    wrong = transfer(2, ALICE, BANK, 4000, Kind.CORRECTION, refers_to=UUID(int=1))
    assert world.words([wrong]) == ["correction_must_mirror_the_transfer"]
    assert world.words([transfer(3, ALICE, BANK, 5000, Kind.CORRECTION, refers_to=UUID(int=1))]) == ["posted"]
    assert world.words([transfer(4, ALICE, BANK, 5000, Kind.CORRECTION, refers_to=UUID(int=1))]) == [
        "transfer_already_corrected"
    ]
    assert world.balance("alice") == (0, 0)
    again = Journal(lambda: world.connect("core"), world.book)
    assert again.balances().balance(ALICE) == 0  # a cache filled from the journal accepts its own correction
    again.close()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (transfer(0, BANK, ALICE, 1), "id_must_not_be_zero"),
        (transfer(9, BANK, ALICE, 0), "amount_must_be_positive"),
        (transfer(9, 77, ALICE, 1), "debit_account_must_exist"),
        (transfer(9, BANK, 77, 1), "credit_account_must_exist"),
        (transfer(9, ALICE, ALICE, 1), "accounts_must_be_different"),
        (transfer(9, BANK, YEN, 1), "accounts_must_have_the_same_currency"),
        (transfer(9, BANK, ALICE, 1, expires_at=NOON + timedelta(days=1)), "expiry_must_be_in_the_future"),
        (transfer(9, BANK, ALICE, 1, Kind.PENDING, expires_at=NOON), "expiry_must_be_in_the_future"),
        (transfer(9, BANK, ALICE, 1, Kind.POST, refers_to=UUID(int=5)), "pending_transfer_must_exist"),
        (transfer(9, BANK, ALICE, 1, Kind.CORRECTION, refers_to=UUID(int=5)), "corrected_transfer_must_exist"),
        (transfer(9, ALICE, BANK, 1), "balance_must_not_fall_below_its_minimum"),
        (Line(Kind.EVENT, UUID(int=9)), "payload_must_be_valid"),
        (Line(Kind.REFUSAL, UUID(int=9), payload={"reason": "forged"}), "kind_must_be_known"),
        (Line(Kind.ACCOUNT_OPENED, UUID(int=9), payload={"name": "x"}), "payload_must_be_valid"),
        (Line(Kind.ACCOUNT_OPENED, UUID(int=9), payload=opened("alice").payload), "account_name_must_be_new"),
        (Line(Kind.ACCOUNT_CLOSED, UUID(int=9), debit_account=77), "account_must_exist"),
    ],
)
def test_every_refusal_names_the_broken_requirement(world, line, word):
    assert world.words([line]) == [word]


def test_a_sum_beyond_64_bits_is_refused(world):
    most = 2**63 - 1
    assert world.words([transfer(1, BANK, ALICE, most)]) == ["posted"]
    assert world.words([transfer(2, BANK, BOB, 1)]) == ["balance_must_fit_64_bits"]
    assert world.balance("alice") == (most, 0)


def test_a_closed_account_takes_no_money_and_a_full_one_is_not_closed(world):
    world.post([transfer(1, BANK, ALICE, 1)])
    assert world.words([Line(Kind.ACCOUNT_CLOSED, UUID(int=2), debit_account=ALICE)]) == ["account_must_be_empty"]
    assert world.words([Line(Kind.ACCOUNT_CLOSED, UUID(int=3), debit_account=BOB)]) == ["posted"]
    assert world.words([transfer(4, BANK, BOB, 1)]) == ["account_must_be_open"]


def test_a_writer_with_a_stale_cache_reads_on_and_tries_again(world):
    """Two writers, one book: the slower one finds the head moved, catches up, and is refused what the other spent."""
    other = Journal(lambda: world.connect("core"), world.book)
    world.post([transfer(1, BANK, ALICE, 5000)])
    assert other.balances().balance(ALICE) == 5000
    world.post([transfer(2, ALICE, BOB, 4000)])
    world.now += timedelta(seconds=1)
    [[answer]] = other.submit([Unit([transfer(3, ALICE, BOB, 4000)])], world.now)
    assert answer.result == Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM
    assert world.words([transfer(4, ALICE, BOB, 1000)]) == ["posted"]
    other.close()
    assert world.balance("alice") == (0, 0)


def test_the_sequence_has_no_gap_and_the_entries_agree_with_the_cache(world):
    world.post(
        [transfer(1, BANK, ALICE, 5000)], [transfer(2, ALICE, BOB, 9000)], [transfer(3, ALICE, BOB, 200, Kind.PENDING)]
    )
    world.post([transfer(4, ALICE, BOB, 150, Kind.POST, refers_to=UUID(int=3))])
    block = read_block(world.connect("core"), world.book, 0, world.head())
    assert len(block.batch) == 8
    for each in reading.balances(world.connect("core"), world.book, fresh=True):
        cache = world.journal.balances()
        assert (each.balance, each.held, each.expected) == (
            cache.balance(each.account),
            cache.held(each.account),
            cache.expected(each.account),
        )


def test_a_balance_at_any_sequence_and_time(world):
    [[first]] = world.post([transfer(1, BANK, ALICE, 5000)])
    between = world.now
    world.post([transfer(2, ALICE, BOB, 1000)])
    core = world.connect("core")
    assert reading.balance(core, world.book, "alice", before=first.sequence, fresh=True).balance == 0
    assert reading.balance(core, world.book, "alice", before=reading.head_at(core, world.book, between)).balance == 5000
    assert reading.balance(core, world.book, "alice").balance == 4000
    lines = reading.statement(core, world.book, "alice")
    assert [(line.change, line.balance) for line in lines] == [(-1000, 4000), (5000, 5000)]


def test_the_clock_of_a_book_does_not_go_back(world):
    head = world.head()
    with pytest.raises(Refused, match="clock_must_not_go_back"):
        world.journal.submit([Unit([transfer(1, BANK, ALICE, 1)])], NOON - timedelta(hours=1))
    assert world.head() == head
    assert world.words([transfer(1, BANK, ALICE, 1)]) == ["posted"]


def test_a_writer_that_was_overtaken_takes_the_time_of_the_last_row(world):
    """Two writers look at their clocks, the second is first: the other's append carries the later time, and is kept."""
    world.post([transfer(1, BANK, ALICE, 1)])
    answers = world.journal.submit([Unit([transfer(2, BANK, ALICE, 1)])], world.now - timedelta(milliseconds=5))
    assert answers[0][0].result == Result.POSTED
    block = read_block(world.connect("core"), world.book, world.head() - 2, world.head())
    assert block.posted_at[0] == block.posted_at[1]


def test_a_writer_that_stood_still_for_a_minute_is_late_and_its_clock_has_not_gone_back(world, monkeypatch):
    world.post([transfer(1, BANK, ALICE, 1)])
    minute_ago = world.now - timedelta(minutes=1)
    with pytest.raises(Refused, match="clock_must_not_go_back"):
        world.journal.submit([Unit([transfer(2, BANK, ALICE, 1)])], minute_ago)
    later = SimpleNamespace(monotonic_ns=lambda: time.monotonic_ns() + 60 * 10**9)
    monkeypatch.setattr("ringfence.ledger.journal.time", later)
    answers = world.journal.submit([Unit([transfer(2, BANK, ALICE, 1)])], minute_ago)
    assert answers[0][0].result == Result.POSTED


def test_projections_are_written_with_their_chain_and_not_without_it(world):
    note = (QUERIES.close_account, {"book": world.book, "account": BOB, "closed": 7})
    world.post([transfer(1, ALICE, BOB, 1)], also=[note])
    assert world.connect("core").execute(b"SELECT closed FROM ledger.account WHERE account = 3").fetchone() == (None,)
    world.post([transfer(2, BANK, BOB, 1)], also=[note])
    assert world.connect("core").execute(b"SELECT closed FROM ledger.account WHERE account = 3").fetchone() == (7,)


def test_a_chain_across_the_end_of_a_block_is_read_whole(world, monkeypatch):
    """Blocks of three rows, chains of two to five: a new cache still accepts its own book."""
    from ringfence.ledger import storage

    for length in (2, 3, 5, 2, 4):
        world.post([transfer(100 * length + world.head() * 7 + each, BANK, ALICE, 1) for each in range(length)])
    monkeypatch.setattr(storage, "BLOCK_ROWS", 3)
    again = Journal(lambda: world.connect("core"), world.book)
    assert again.balances().balance(ALICE) == world.balance("alice")[0] == 16
    again.close()


FORBIDDEN = {
    "insert_without_the_counter": (
        "INSERT INTO ledger.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, code,"
        " value_date, posted_at) VALUES (1, 4, 1, 0, gen_random_uuid(), 1, 2, 5, 0, '2026-01-01', now())"
    ),
    "promise_without_rows": "SELECT ledger.advance(1, 4, 1, '2027-01-01')",
    "update_a_row": "UPDATE ledger.journal SET amount = 1",
    "delete_a_row": "DELETE FROM ledger.journal",
    "truncate": "TRUNCATE ledger.journal",
    "move_the_counter": "UPDATE ledger.head SET head = 0",
    "change_a_limit": "UPDATE ledger.account SET minimum = -1000",
    "change_a_balance": "UPDATE ledger.entry SET balance = 1",
    "invent_an_entry": "INSERT INTO ledger.entry_rows VALUES (1, 2, 9, 1, 1, 0, 0)",
}


@pytest.mark.parametrize("role", ["core", "gateway", "notary", "reader", "auditor"])
@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_postgresql_refuses_what_no_role_may_do(world, role, statement):
    connection = world.connect(role)
    with pytest.raises(psycopg.Error) as refused, connection.transaction():
        connection.execute(statement)
    assert refused.value.sqlstate in {"42501", "RF002", "RF003", "RF004", "25006"}
    assert world.head() == 4


def test_not_even_the_owner_edits_history(world):
    with pytest.raises(psycopg.Error) as refused:
        world.connect("owner").execute("UPDATE ledger.journal SET amount = 1")
    assert refused.value.sqlstate == "RF003"
