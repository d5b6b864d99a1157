"""Holds are watertight: what was refused, voided or has expired never posts, and no hold gives out more than it holds.

The scenarios are tables: a line is a row, then what it is answered. Each is played by one writer; in one batch; by two
writers in turn; by a writer that starts anew before every line and reads the journal from its beginning; and by one
that starts from a snapshot.

    at        60.000001                     the clock from here on: seconds after noon
    transfer  t1  bank alice 5000           from the debited account to the credited one, in minor units
    hold      h1  alice bank 3000 until 60
    post      p1  h1 1000                   void and expire likewise, without an amount
    & post    p2  h1 1000                   happens together with the line before, or not at all
    again     p1                            the same request once more: the same answer, from the same row
    balance   alice 4000 held 0
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from uuid import UUID

import pytest

from ledger_crash import Walk
from ringfence.database.connection import Connection
from ringfence.ledger import journal as journal_module
from ringfence.ledger import reading
from ringfence.ledger.journal import Answer, Journal, Unit
from ringfence.ledger.model import Account, Kind, Line, Result

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNTS = (
    Account(1, "bank", "EUR", "debit", None, None, "bank:b", "client"),
    Account(2, "alice", "EUR", "credit", 0, None, "customer:alice", "client"),
    Account(3, "bob", "EUR", "credit", 0, 4000, "customer:bob", "client"),
)
NUMBERS = {each.name: each.account for each in ACCOUNTS}
KINDS = {
    "transfer": Kind.TRANSFER,
    "hold": Kind.PENDING,
    "post": Kind.POST,
    "void": Kind.VOID,
    "expire": Kind.EXPIRE,
    "close": Kind.ACCOUNT_CLOSED,
}
PLAYED = (
    "by one writer",
    "in one batch",
    "by two in turn",
    "by one that starts anew",
    "by one that starts from a snapshot",
)


@dataclass
class Stage:
    """A book with three accounts, and whoever plays on it. Rows wait until they must be sent, as one batch."""

    connect: Callable[[], Connection]
    core: Connection
    book: int
    played: str
    at: datetime = NOON
    journals: list[Journal] = field(default_factory=list)
    lines: dict[str, Line] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)  # the chain of a row
    answers: dict[str, Answer] = field(default_factory=dict)
    waiting: list[list[tuple[str, str]]] = field(default_factory=list)  # chains of (name, expected)

    def play(self, scenario: str) -> None:
        for text in filter(None, map(str.strip, scenario.splitlines())):
            words, _, expected = (part.strip() for part in text.partition("->"))
            linked, verb, *rest = [words.startswith("& "), *words.removeprefix("& ").split()]
            if verb in KINDS:
                self._row(verb, rest, expected, linked=linked)
                continue
            self._send()
            if verb == "at":
                self.at = NOON + timedelta(microseconds=int(Decimal(rest[0]) * 1_000_000))
            elif verb == "again":
                self._again(rest[0], expected)
            else:
                found = reading.balance(self.core, self.book, rest[0], fresh=True)
                assert (found.balance, found.held) == (int(rest[1]), int(rest[3])), text
        self._send()

    def _row(self, verb: str, rest: list[str], expected: str, *, linked: bool) -> None:
        name, *rest = rest
        if verb in ("transfer", "hold"):
            until = NOON + timedelta(microseconds=int(Decimal(rest[4]) * 1_000_000)) if len(rest) > 3 else None
            details = {"debit": NUMBERS[rest[0]], "credit": NUMBERS[rest[1]], "amount": int(rest[2])}
            line = _line(verb, name, **details, until=until)
        elif verb == "close":
            line = Line(Kind.ACCOUNT_CLOSED, _identity(name), debit_account=NUMBERS[rest[0]])
        else:
            held = self.lines.get(rest[0], _line("hold", rest[0], 2, 1, 0))
            amount = int(rest[1]) if verb == "post" else 0
            line = _line(verb, name, held.debit_account, held.credit_account, amount, refers_to=held.id)
        self.lines[name] = line
        if linked:
            self.waiting[-1].append((name, expected))
        else:
            if self.played != "in one batch":
                self._send()
            self.waiting.append([(name, expected)])

    def _send(self) -> None:
        chains, self.waiting = self.waiting, []
        if not chains:
            return
        found = self._journal().submit([Unit([self.lines[name] for name, _ in chain]) for chain in chains], self.at)
        for chain, answers in zip(chains, found, strict=True):
            for (name, expected), answer in zip(chain, answers, strict=True):
                assert answer.result.word == expected, name
                assert not answer.replayed
                self.answers[name] = answer
                self.chains[name] = [each for each, _ in chain]

    def _again(self, name: str, expected: str) -> None:
        assert self.answers[name].result.word == expected
        chain = self.chains[name]
        [answers] = self._journal().submit([Unit([self.lines[each] for each in chain])], self.at)
        for each, answer in zip(chain, answers, strict=True):
            before = self.answers[each]
            assert (answer.result, answer.sequence, answer.replayed) == (before.result, before.sequence, True)

    def _journal(self) -> Journal:
        if self.played == "by two in turn":
            self.journals = [*self.journals[1:], *self.journals[:1]]
        elif "starts" in self.played:
            self.journals[0].close()  # keeps a snapshot, if that is how it is played
        return self.journals[0]


def _identity(name: str) -> UUID:
    return UUID(bytes=b"scenario".ljust(16 - len(name), b"-") + name.encode())


def _line(
    verb: str,
    name: str,
    debit: int,
    credit: int,
    amount: int,
    *,
    refers_to: UUID | None = None,
    until: datetime | None = None,
) -> Line:
    return Line(KINDS[verb], _identity(name), debit, credit, amount, refers_to, expires_at=until)


@pytest.fixture
def stage(database, monkeypatch) -> Iterator[Callable[[str], Stage]]:
    """Open a book to play on. In the end its journal is walked: holds resolved once, limits kept."""
    stages: list[Stage] = []
    core = database.connect("core")
    core.autocommit = True

    def open_one(played: str) -> Stage:
        if played == "by one that starts from a snapshot":
            monkeypatch.setattr(journal_module, "TAIL_ROWS_MAX", 1)
        book = reading.open_book(core, f"holds-{len(stages)}", NOON).book_id
        found = Stage(lambda: database.connect("core"), core, book, played)
        found.journals = [Journal(found.connect, book) for _ in range(2)]
        opening = [Line(Kind.ACCOUNT_OPENED, _identity(each.name), payload=each.payload()) for each in ACCOUNTS]
        found.journals[0].submit([Unit(opening)], NOON)
        stages.append(found)
        return found

    yield open_one
    for each in stages:
        for journal in each.journals:
            journal.close()
        walk = Walk(each.book)
        walk.read(core)
        walk.agrees(core)
        if each.played == "by one that starts from a snapshot":
            kept = core.execute(b"SELECT max(sequence) FROM ledger.snapshot WHERE book_id = %s", [each.book]).fetchone()
            assert kept == (walk.head,)


@pytest.fixture
def plain(stage) -> Stage:
    return stage("by one writer")


SCENARIOS = {
    "a voided hold never posts": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bank 3000        -> posted
        balance   alice 5000 held 3000
        void      v1  h1                     -> posted
        post      p1  h1 3000                -> pending_transfer_already_voided
        post      p2  h1 1                   -> pending_transfer_already_voided
        void      v2  h1                     -> pending_transfer_already_voided
        expire    e1  h1                     -> pending_transfer_already_voided
        again     v1                         -> posted
        again     p1                         -> pending_transfer_already_voided
        balance   alice 5000 held 0
    """,
    "a hold that was refused is none": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bank 5001        -> balance_must_not_fall_below_its_minimum
        post      p1  h1 5000                -> pending_transfer_must_exist
        void      v1  h1                     -> pending_transfer_must_exist
        transfer  t2  bank alice 1           -> posted
        post      p2  h1 5001                -> pending_transfer_must_exist
        again     h1                         -> balance_must_not_fall_below_its_minimum
        again     p1                         -> pending_transfer_must_exist
        balance   alice 5001 held 0
    """,
    "a hold of a chain that failed is none": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bank 3000        -> linked_row_failed
        & transfer t2 alice bob 2001         -> balance_must_not_fall_below_its_minimum
        post      p1  h1 3000                -> pending_transfer_must_exist
        again     h1                         -> linked_row_failed
        balance   alice 5000 held 0
    """,
    "a post of a chain that failed leaves the hold": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bob 3000         -> posted
        post      p1  h1 3000                -> linked_row_failed
        & transfer t2 alice bank 2001        -> balance_must_not_fall_below_its_minimum
        balance   alice 5000 held 3000
        void      v1  h1                     -> linked_row_failed
        & post    p2  h1 3000                -> pending_transfer_already_voided
        balance   alice 5000 held 3000
        post      p3  h1 3000                -> posted
        again     p1                         -> linked_row_failed
        balance   alice 2000 held 0
        balance   bob 3000 held 0
    """,
    "a hold that was posted in part never gives the rest": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bob 3000         -> posted
        post      p1  h1 3001                -> amount_must_not_exceed_pending_amount
        post      p2  h1 0                   -> amount_must_be_positive
        post      p3  h1 1                   -> posted
        balance   alice 4999 held 0
        post      p4  h1 2999                -> pending_transfer_already_posted
        post      p5  h1 1                   -> pending_transfer_already_posted
        void      v1  h1                     -> pending_transfer_already_posted
        expire    e1  h1                     -> pending_transfer_already_posted
        again     p3                         -> posted
        again     p1                         -> amount_must_not_exceed_pending_amount
        balance   bob 1 held 0
    """,
    "one microsecond before its time a hold posts": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bob 3000 until 60 -> posted
        at        59.999999
        expire    e1  h1                     -> pending_transfer_has_not_expired
        post      p1  h1 3000                -> posted
        at        60
        expire    e2  h1                     -> pending_transfer_already_posted
        again     p1                         -> posted
        balance   bob 3000 held 0
    """,
    "at its time a hold posts no more": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bob 3000 until 60 -> posted
        at        60
        post      p1  h1 3000                -> pending_transfer_has_passed_its_expiry
        balance   alice 5000 held 3000
        expire    e1  h1                     -> posted
        post      p2  h1 3000                -> pending_transfer_already_expired
        void      v1  h1                     -> pending_transfer_already_expired
        again     p1                         -> pending_transfer_has_passed_its_expiry
        balance   alice 5000 held 0
    """,
    "one microsecond after its time a hold is still there to be voided": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bob 3000 until 60 -> posted
        at        60.000001
        post      p1  h1 1                   -> pending_transfer_has_passed_its_expiry
        void      v1  h1                     -> posted
        expire    e1  h1                     -> pending_transfer_already_voided
        balance   alice 5000 held 0
    """,
    "a hold cannot begin at its own end": """
        transfer  t1  bank alice 5000        -> posted
        at        60
        hold      h1  alice bob 3000 until 60 -> expiry_must_be_in_the_future
        hold      h2  alice bob 3000 until 60.000001 -> posted
        post      p1  h1 3000                -> pending_transfer_must_exist
        post      p2  h2 3000                -> posted
        balance   bob 3000 held 0
    """,
    "what is held cannot be spent, nor what is expected be filled up": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bob 3000         -> posted
        transfer  t2  alice bank 2001        -> balance_must_not_fall_below_its_minimum
        hold      h2  alice bank 2001        -> balance_must_not_fall_below_its_minimum
        transfer  t3  bank bob 1001          -> balance_must_not_exceed_its_maximum
        transfer  t4  bank bob 1000          -> posted
        hold      h3  bank bob 1             -> balance_must_not_exceed_its_maximum
        transfer  t5  alice bank 2000        -> posted
        post      p1  h1 3000                -> posted
        balance   alice 0 held 0
        balance   bob 4000 held 0
    """,
    "an account with a hold is not closed": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  bank bob 100           -> posted
        close     c1  bob                    -> account_must_be_empty
        void      v1  h1                     -> posted
        close     c2  bob                    -> posted
        post      p1  h1 100                 -> pending_transfer_already_voided
        again     c1                         -> account_must_be_empty
        balance   bob 0 held 0
    """,
    "a post is no hold, and neither is a transfer": """
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bank 100         -> posted
        post      p1  h1 100                 -> posted
        post      p2  p1 100                 -> pending_transfer_must_exist
        void      v1  t1                     -> pending_transfer_must_exist
        balance   alice 4900 held 0
    """,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_scenario_of_holds(stage, scenario):
    for played in PLAYED:
        stage(played).play(scenario)


ENDED = "pending_transfer_already_"
LIVES = {
    # what became of the hold h1 of 3000 until second 60: post whole, post a part, post too much, void, expire
    "never made": ("", *["pending_transfer_must_exist"] * 5),
    "refused": (
        "hold h1 alice bob 5001 -> balance_must_not_fall_below_its_minimum",
        *["pending_transfer_must_exist"] * 5,
    ),
    "open": (
        "hold h1 alice bob 3000 until 60 -> posted",
        *("posted", "posted", "amount_must_not_exceed_pending_amount", "posted", "pending_transfer_has_not_expired"),
    ),
    "open for ever": (
        "hold h1 alice bob 3000 -> posted \n at 1000000",
        *("posted", "posted", "amount_must_not_exceed_pending_amount", "posted", "pending_transfer_has_not_expired"),
    ),
    "out of time": (
        "hold h1 alice bob 3000 until 60 -> posted \n at 60",
        "pending_transfer_has_passed_its_expiry",
        "pending_transfer_has_passed_its_expiry",
        "amount_must_not_exceed_pending_amount",
        "posted",
        "posted",
    ),
    "posted": ("hold h1 alice bob 3000 until 60 -> posted \n post x h1 3000 -> posted", *[f"{ENDED}posted"] * 5),
    "posted in part": ("hold h1 alice bob 3000 until 60 -> posted \n post x h1 1 -> posted", *[f"{ENDED}posted"] * 5),
    "voided": ("hold h1 alice bob 3000 until 60 -> posted \n void x h1 -> posted", *[f"{ENDED}voided"] * 5),
    "expired": (
        "hold h1 alice bob 3000 until 60 -> posted \n at 60 \n expire x h1 -> posted",
        *[f"{ENDED}expired"] * 5,
    ),
}
ACTS = ("post a h1 3000", "post a h1 1000", "post a h1 3001", "void a h1", "expire a h1")
MOVED = {"post a h1 3000": 3000, "post a h1 1000": 1000}


@pytest.mark.parametrize("life", LIVES)
def test_what_may_still_happen_to_a_hold(stage, life):
    """Whatever became of it, whatever is tried: the answer of the table, for ever, and no more money than it says."""
    begun, *words = LIVES[life]
    for act, word in zip(ACTS, words, strict=True):
        one = stage("by one writer")
        one.play(f"transfer t1 bank alice 5000 -> posted \n {begun}")
        before = reading.balance(one.core, one.book, "bob", fresh=True).balance
        one.play(f"{act} -> {word} \n again a -> {word}")
        after = reading.balance(one.core, one.book, "bob", fresh=True)
        assert after.balance - before == (MOVED.get(act, 0) if word == "posted" else 0)
        assert after.expected == (3000 if life in ("open", "open for ever", "out of time") and word != "posted" else 0)


def test_of_many_who_resolve_one_hold_at_once_one_does(plain):
    """Eight writers, each with a cache that still knows the hold, post, void or expire it at the same moment."""
    acts = ["post", "void", "expire", "post"] * 2
    journals = [Journal(plain.connect, plain.book) for _ in acts]
    for number in range(12):
        plain.at = NOON + timedelta(seconds=1 + 2 * number)
        plain.play(f"transfer t{number} bank alice 100 -> posted \n hold h{number} alice bank 100 -> posted")
        plain.at += timedelta(seconds=1)
        held = plain.lines[f"h{number}"]
        for journal in journals:
            assert journal.balances().holds.get(held.id.bytes) is not None
        start = Barrier(len(acts))

        def resolve(place: int, held: Line = held, number: int = number, start: Barrier = start) -> str:
            line = _line(acts[place], f"{number}/{place}", 2, 1, 100 if acts[place] == "post" else 0, refers_to=held.id)
            start.wait()
            [[answer]] = journals[place].submit([Unit([line])], plain.at)
            return answer.result.word

        with ThreadPoolExecutor(len(acts)) as threads:
            words = list(threads.map(resolve, range(len(acts))))
        winner = acts[words.index("posted")]
        others = {f"{ENDED}{'posted' if winner == 'post' else 'voided'}", "pending_transfer_has_not_expired"}
        assert words.count("posted") == 1
        assert set(words) <= {"posted"} | others
    for journal in journals:
        journal.close()


def test_a_retry_of_a_hold_changes_nothing_for_the_writer_that_gets_it(plain):
    """The hold is asked for again while it is open, after it was posted, and together with its post."""
    plain.play("""
        transfer  t1  bank alice 5000        -> posted
        hold      h1  alice bank 3000        -> posted
        again     h1                         -> posted
        again     h1                         -> posted
        post      p1  h1 3000                -> posted
        again     h1                         -> posted
        post      p2  h1 3000                -> pending_transfer_already_posted
        balance   alice 2000 held 0
    """)
    late = _line("post", "p3", 2, 1, 3000, refers_to=plain.lines["h1"].id)
    [[first], [second]] = plain.journals[0].submit([Unit([plain.lines["h1"]]), Unit([late])], plain.at)
    assert (first.result, first.replayed) == (Result.POSTED, True)
    assert (second.result, second.replayed) == (Result.PENDING_TRANSFER_ALREADY_POSTED, False)
