"""Programs that append to a book until they are told to stop, stopped for a while or killed; and the walk through the
journal that is held against what they were answered.

What is asked is a function of a seed and a number (`Requests`), so that several programs ask the same at once, a
program that was killed asks the same again, and the test knows what was asked without being told.

    python ledger_crash.py contend   reads an order, says "ready", waits for the word, appends batches for some seconds
    python ledger_crash.py ask       the same with one batch, insisted upon
    python ledger_crash.py nest      forks a `write` for every order, so that nobody waits for another start of Python
    python ledger_crash.py serve     keeps a PostgreSQL of the test's own
    write                            appends wave after wave, each answer on the disk before the next wave

An order is a line of JSON on the input; answers are lines of JSON in a file.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from ringfence.database import embedded
from ringfence.database.child import becoming, guise_here
from ringfence.database.connection import Connection, connect
from ringfence.database.refusals import refusing
from ringfence.ledger import journal as journal_module
from ringfence.ledger import reading
from ringfence.ledger.answers import Answer
from ringfence.ledger.balances import Balances
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import EPOCH, Account, Kind, Line, Result
from ringfence.ledger.storage import CALL_ROWS_MAX, head_of
from ringfence.ledger.writer import Writer
from ringfence.refusal import Refused

Connecting = Callable[[], Connection]
ACCOUNTS = (
    Account(1, "bank", "EUR", "debit", None, None, "bank:b", "client"),
    Account(2, "alice", "EUR", "credit", 0, None, "customer:alice", "client"),
    Account(3, "bob", "EUR", "credit", 0, 2_000, "customer:bob", "client"),
    Account(4, "carol", "EUR", "credit", -300, 1_500, "customer:carol", "client"),
    Account(5, "till", "EUR", "debit", 0, 2_500, "platform", "client"),
    Account(6, "fees", "EUR", "credit", None, None, "platform", "own"),
)
NOBODY = 99  # no account has this number
LOST = {
    "database_is_lost",
    "database_is_unreachable",
    "database_refuses_the_login",  # a server that starts
    "database_took_too_long",
    "disk_is_full",
}
"""Refusals that say nothing of the request itself: it is asked again."""


# -- what is asked -----------------------------------------------------------------------------------------------------

_NATURES = ("transfer", "hold", "resolve", "correct", "event", "open", "close")
_SHARES = (40, 25, 30, 5, 4, 3, 3)


@cache
def _nature(seed: int, group: int) -> str:
    return random.Random((seed << 43) + group).choices(_NATURES, _SHARES)[0]


@cache
def _wave_ends(seed: int, large: int) -> list[int]:  # noqa: ARG001 - one list for each
    return [0]


@dataclass(frozen=True)
class Requests:
    """Chains by number. `base` is when the test began: some holds expire soon after it."""

    seed: int
    base: datetime

    def wave(self, number: int, large: int) -> range:
        """The chains of a wave; of 100 waves, about `large` have so many rows that they are copied."""
        ends = _wave_ends(self.seed, large)
        while len(ends) < number + 2:
            weights = (30, 40, 30 - large, large)
            ends.append(
                ends[-1]
                + random.Random((self.seed << 44) + len(ends)).choices((1, 5, 30, 300 + CALL_ROWS_MAX), weights)[0]
            )
        return range(ends[number], ends[number + 1])

    def chain(self, group: int, *, other: bool = False) -> list[Line]:
        """The chain of a number; `other` has the same ids and other content."""
        length = random.Random((self.seed << 41) + group).choices((1, 2, 3), (16, 3, 1))[0]
        lot = random.Random((self.seed << 42) + group)
        rest = [self._line(group, place, "transfer", lot) for place in range(1, length)]
        lines = [self._first(group), *rest]
        return [altered(line) for line in lines] if other else lines

    def _first(self, group: int) -> Line:
        return self._line(group, 0, _nature(self.seed, group), random.Random((self.seed << 40) + group))

    def _earlier(self, group: int, nature: str, lot: random.Random) -> Line | None:
        """The first row of a chain of that nature, a little earlier."""
        for back in range(lot.randrange(1, 25), 60):
            if group >= back and _nature(self.seed, group - back) == nature:
                return self._first(group - back)
        return None

    def _line(self, group: int, place: int, nature: str, lot: random.Random) -> Line:
        name = UUID(int=((self.seed + 1) << 96) | ((group + 1) << 16) | place)
        day = date(2026, 3, 1) + timedelta(days=lot.randrange(3))
        debit, credit = lot.choices((1, 2, 3, 4, 5, 6, NOBODY), (60, 25, 20, 20, 10, 5, 1), k=2)
        amount = lot.randrange(1, 400)
        if nature == "event":
            return Line(Kind.EVENT, name, code=1000, value_date=day, payload={"group": str(group)})
        if nature == "open":
            account = Account(0, f"extra-{group % 400}", "EUR", "credit", 0, None, "customer:extra", "client")
            return Line(Kind.ACCOUNT_OPENED, name, payload=account.payload())
        if nature == "close":
            return Line(Kind.ACCOUNT_CLOSED, name, debit_account=1 + len(ACCOUNTS) + lot.randrange(5))
        if nature == "resolve" and (held := self._earlier(group, "hold", lot)) is not None:
            kind = lot.choices((Kind.POST, Kind.VOID, Kind.EXPIRE), (6, 3, 2))[0]
            part = lot.choice((held.amount, 1 + held.amount // 3, held.amount + 1)) if kind == Kind.POST else 0
            return Line(kind, name, held.debit_account, held.credit_account, part, held.id, value_date=day)
        if nature == "correct" and (wrong := self._earlier(group, "transfer", lot)) is not None:
            accounts = (wrong.credit_account, wrong.debit_account)
            return Line(Kind.CORRECTION, name, *accounts, wrong.amount, wrong.id, value_date=day)
        if nature == "hold":
            seconds = lot.choice((0, 0, 10**9, lot.randrange(1, 12)))
            ends = self.base + timedelta(seconds=seconds) if seconds else None
            return Line(Kind.PENDING, name, debit, credit, amount, value_date=day, expires_at=ends)
        return Line(Kind.TRANSFER, name, debit, credit, amount, code=6, value_date=day)


def altered(line: Line) -> Line:
    """The same id with other content."""
    return replace(line, code=line.code + 1)


def set_up(connecting: Connecting, name: str, at: datetime) -> int:
    """Open a book with the accounts; returns its number."""
    with connecting() as connection:
        book = reading.open_book(connection, name, at).book_id
    journal = Journal(connecting, book)
    lines = [Line(Kind.ACCOUNT_OPENED, UUID(int=each.account), payload=each.payload()) for each in ACCOUNTS]
    [answers] = journal.submit([Unit(lines)], at)
    assert all(answer.result == Result.POSTED for answer in answers)
    journal.close()
    return book


# -- the walk ----------------------------------------------------------------------------------------------------------

_ROWS = (
    b"SELECT sequence, kind, id, debit_account, credit_account, amount, refers_to, code, value_date, posted_at,"
    b" expires_at, payload"
    b" FROM ledger.journal WHERE book_id = %s AND sequence >= %s AND sequence < %s ORDER BY sequence"
)
_ACCOUNTS = b"SELECT account, coalesce(closed < %s, false) FROM ledger.account WHERE book_id = %s AND opened < %s"


@dataclass
class Sums:
    """One account. `change` is posted, `held` may leave, `expected` may arrive; all on its normal side."""

    account: Account
    balance: int = 0
    held: int = 0
    expected: int = 0
    open: bool = True

    def within(self) -> bool:
        least, most = self.account.minimum, self.account.maximum
        return (least is None or self.balance - self.held >= least) and (
            most is None or self.balance + self.expected <= most
        )


@dataclass
class Row:
    sequence: int
    kind: Kind
    line: Line
    posted_at: datetime
    reason: str  # of a refusal

    @property
    def word(self) -> str:
        return self.reason or "posted"


@dataclass
class Walk:
    """A book read row by row. After every row: no gap, no id twice, the clock forward, holds resolved once and within
    themselves, every limit kept. The limits of these books never change, so they hold at every sequence.
    """

    book: int
    head: int = 0
    rows: dict[UUID, Row] = field(default_factory=dict)
    accounts: dict[int, Sums] = field(default_factory=dict)
    resolved: dict[UUID, Kind] = field(default_factory=dict)
    last_at: datetime = EPOCH

    def read(self, connection: Connection) -> list[Row]:
        """Read what is new; returns it."""
        found = []
        head = head_of(connection, self.book)
        for values in connection.execute(_ROWS, [self.book, self.head, head]).fetchall():
            sequence, kind, name, debit, credit, amount, refers_to, code, day, at, expires_at, payload = values
            assert sequence == self.head, f"row {self.head} is missing"
            said = json.loads(payload) if payload else None
            line = Line(Kind(kind), name, debit, credit, amount, refers_to, None, code, day, expires_at, said)
            row = Row(sequence, Kind(kind), line, at, said["reason"] if kind == Kind.REFUSAL else "")
            assert name not in self.rows, f"{name} is there twice: {self.rows[name].sequence} and {sequence}"
            assert at >= self.last_at
            self.last_at = at
            self._effect(row)
            self.rows[name] = row
            self.head += 1
            found.append(row)
        assert self.head == head
        connection.rollback()
        return found

    def _effect(self, row: Row) -> None:
        line = row.line
        if row.kind in (Kind.TRANSFER, Kind.CORRECTION):
            self._move(line, line.amount)
            if row.kind == Kind.CORRECTION:
                wrong = self.rows[line.refers_to]
                assert wrong.kind in (Kind.TRANSFER, Kind.POST)
                self._resolve(line, row.kind)
        elif row.kind == Kind.PENDING:
            self._hold(line, line.amount)
        elif row.kind in (Kind.POST, Kind.VOID, Kind.EXPIRE):
            held = self.rows[line.refers_to]
            assert held.kind == Kind.PENDING
            assert (line.debit_account, line.credit_account) == (held.line.debit_account, held.line.credit_account)
            ends = held.line.expires_at
            passed = ends is not None and row.posted_at >= ends
            assert passed if row.kind == Kind.EXPIRE else row.kind == Kind.VOID or not passed
            self._resolve(line, row.kind)
            self._hold(held.line, -held.line.amount)
            if row.kind == Kind.POST:
                assert 0 < line.amount <= held.line.amount
                self._move(line, line.amount)
        elif row.kind == Kind.ACCOUNT_OPENED:
            limits = {name: None if line.payload[name] is None else int(line.payload[name]) for name in _LIMITS}
            account = Account(**{**line.payload, **limits})
            assert account.account == len(self.accounts) + 1
            self.accounts[account.account] = Sums(account)
        elif row.kind == Kind.ACCOUNT_CLOSED:
            closed = self.accounts[line.debit_account]
            assert closed.open
            assert (closed.balance, closed.held, closed.expected) == (0, 0, 0)
            closed.open = False
        for number in (line.debit_account, line.credit_account) if row.kind in _MOVES else ():
            assert self.accounts[number].within(), f"row {row.sequence} breaks a limit of account {number}"

    def _resolve(self, line: Line, kind: Kind) -> None:
        assert line.refers_to not in self.resolved, f"{line.refers_to} was resolved twice"
        self.resolved[line.refers_to] = kind

    def _move(self, line: Line, amount: int) -> None:
        for number, side in ((line.debit_account, "debit"), (line.credit_account, "credit")):
            sums = self.accounts[number]
            sums.balance += amount if sums.account.side == side else -amount

    def _hold(self, line: Line, amount: int) -> None:
        for number, side in ((line.debit_account, "debit"), (line.credit_account, "credit")):
            sums = self.accounts[number]
            if sums.account.side == side:
                sums.expected += amount
            else:
                sums.held += amount

    def agrees(self, connection: Connection) -> None:
        """The accounts and the entries, brought up to the head, say what the walk says; and debits equal credits."""
        balances = reading.balances(connection, self.book, before=self.head, fresh=True)
        found = {each.account: each for each in balances}
        projected = connection.execute(_ACCOUNTS, [self.head, self.book, self.head]).fetchall()
        connection.rollback()
        assert dict(projected) == {number: not sums.open for number, sums in self.accounts.items()}
        for number, sums in self.accounts.items():
            each = found[number]
            assert (each.balance, each.held, each.expected) == (sums.balance, sums.held, sums.expected), each
            assert (each.name, each.side, each.owner) == (sums.account.name, sums.account.side, sums.account.owner)
        signed = [each.balance if each.account.side == "debit" else -each.balance for each in self.accounts.values()]
        assert sum(signed) == 0

    def agrees_with_cache(self, connecting: Connecting) -> None:
        """What a writer believes that starts now: from the last snapshot and the rest, or from all of it."""
        journal = Journal(connecting, self.book)
        self.agrees_with(journal.balances())
        journal.close()

    def agrees_with(self, believed: Balances) -> None:
        """Sums of every account, and the open holds, one by one."""
        for number, sums in self.accounts.items():
            seen = (believed.balance(number), believed.held(number), believed.expected(number))
            assert seen == (sums.balance, sums.held, sums.expected), sums
            assert bool(believed.open[number]) == sums.open
        still_open = {name for name, row in self.rows.items() if row.kind == Kind.PENDING} - self.resolved.keys()
        assert len(believed.holds) == len(still_open)
        for name in still_open:
            line, hold = self.rows[name].line, believed.holds.get(name.bytes)
            assert hold is not None, name
            asked = (line.debit_account, line.credit_account, line.amount)
            assert (hold.debit_account, hold.credit_account, hold.amount) == asked


_LIMITS = ("minimum", "maximum")
_MOVES = (Kind.TRANSFER, Kind.PENDING, Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CORRECTION)


def same_request(asked: Line, kept: Line) -> bool:
    """Whether a posted row is what was asked; the number of an account that it opened was given by the journal."""
    if asked.kind == kept.kind == Kind.ACCOUNT_OPENED:
        numbered = {**asked.payload, "account": kept.payload["account"]}
        return (numbered, asked.code) == (kept.payload, kept.code)
    return asked.__dict__ == kept.__dict__


def answered(walk: Walk, asked: Line, result: str, sequence: int) -> None:
    """The journal says what was answered."""
    row = walk.rows.get(asked.id)
    assert row is not None, f"{asked.id} was answered {result} at {sequence} and is not there"
    if result == "id_already_has_other_content":
        assert sequence == -1
        assert row.reason or not same_request(asked, row.line)
        return
    assert (row.word, row.sequence) == (result, sequence), asked
    assert row.reason or same_request(asked, row.line), (asked, row.line)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """What a program wrote down, without the line that it was writing when it died."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


# -- the programs ------------------------------------------------------------------------------------------------------


def connecting(order: dict[str, Any]) -> Connecting:
    def open_one() -> Connection:
        connection = connect(order["conninfo"])
        if "lock_timeout" in order:
            with connection.transaction():
                connection.execute(b"SELECT set_config('lock_timeout', %s, false)", [order["lock_timeout"]])
        return connection

    return open_one


def now() -> datetime:
    return datetime.now(UTC)


def _requests(order: dict[str, Any], book: int) -> Requests:
    return Requests(book, datetime.fromisoformat(order["base"]))


def _note(log: TextIO, said: dict[str, Any], *, durably: bool = True) -> None:
    """One line, on the disk before anything else is asked."""
    log.write(json.dumps(said) + "\n")
    log.flush()
    if durably:
        os.fsync(log.fileno())


def _die_with_parent() -> None:
    """Even a program that is stopped goes with the test that began it (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def contend(order: dict[str, Any]) -> None:
    """Append batches of mixed sizes until every book has so many rows and so many seconds are over. All programs of a
    test ask from the same window of numbers, which moves with the book, so that they meet over the same ids and holds.
    """
    lot = random.Random(order["number"])
    journals = {book: Journal(connecting(order), book) for book in order["books"]}
    for journal in journals.values():
        journal.balances()
    _say("ready")
    began = float(sys.stdin.readline())
    with Path(order["log"]).open("a", encoding="utf8") as log:
        heads = dict.fromkeys(order["books"], 0)
        while min(heads.values()) < order["rows"] or time.time() < began + order["seconds"]:
            book = lot.choice(order["books"])
            front = heads[book] + lot.randrange(30)
            size = lot.choices(order["sizes"], (8, 4, 4, 2, 1))[0]
            groups = dict.fromkeys(max(0, front - int(lot.expovariate(0.02))) for _ in range(size))
            wanted = [(group, lot.random() < 0.03) for group in groups]
            units = [Unit(_requests(order, book).chain(group, other=other)) for group, other in wanted]
            answers = None
            while answers is None:
                try:
                    with refusing():
                        answers = journals[book].submit(units, now())
                except Refused as refused:
                    if refused.name not in LOST:
                        raise
                    _note(log, {"refused": refused.name, "at": time.time() - began}, durably=False)
            heads[book] = max(heads[book], *(1 + answer.sequence for each in answers for answer in each))
            said = [[group, other, _said(each)] for (group, other), each in zip(wanted, answers, strict=True)]
            _note(log, {"book": book, "at": time.time() - began, "chains": said}, durably=False)
    for journal in journals.values():
        journal.close()


def _said(answers: list[Answer]) -> list[tuple[str, int, bool]]:
    return [(each.result.word, each.sequence, each.replayed) for each in answers]


def ask(order: dict[str, Any]) -> None:
    """One batch of `rows` deposits of 1 from account 1 to account 2, insisted upon: says what it was answered, and by
    what name it was turned away before, if it was.
    """
    journal = Journal(connecting(order), order["book"])
    journal.balances()
    also = [(b"SELECT 1", {})] if order["also"] else []
    lines = [Line(Kind.TRANSFER, UUID(int=order["id"] + number), 1, 2, 1) for number in range(order["rows"])]
    units = [Unit([line], also) for line in lines]
    _say("ready")
    sys.stdin.readline()
    turned_away: list[str] = []
    while True:
        try:
            with refusing():
                answers = journal.submit(units, now())
            break
        except Refused as refused:
            if refused.name not in LOST:
                raise
            turned_away.append(refused.name)
            time.sleep(0.01)
    _say(json.dumps({"answers": [_said(each)[0] for each in answers], "turned_away": turned_away}))


def write(order: dict[str, Any]) -> None:
    """Append wave after wave of chains, all of a wave under way at once, until killed. A wave's answers are on the disk
    before the next begins; after a death the first wave without answers is asked again. Snapshots are kept very often.
    """
    journal_module.SNAPSHOT_ROWS, journal_module.TAIL_ROWS_MAX = order["snapshot_rows"], 1
    path = Path(order["log"])
    path.touch()
    os.truncate(path, path.read_bytes().rfind(b"\n") + 1)  # the line that it was writing when it died
    number = 1 + max((line["wave"] for line in lines_of(path) if "chains" in line), default=-1)
    requests = _requests(order, order["book"])
    writer = Writer(Journal(connecting(order), order["book"]), now)
    with path.open("a", encoding="utf8") as log:
        while True:
            chains = {group: requests.chain(group) for group in requests.wave(number, order["large"])}
            found: dict[int, list[Answer]] = {}
            while len(found) < len(chains):
                under_way = {group: writer.send(Unit(chain)) for group, chain in chains.items() if group not in found}
                turned_away = set()
                for group, future in under_way.items():
                    try:
                        found[group] = future.result()
                    except Refused as refused:
                        if refused.name not in LOST:
                            raise
                        turned_away.add(refused.name)
                for name in turned_away:
                    _note(log, {"refused": name, "wave": number})
                    time.sleep(0.05)
            _note(log, {"wave": number, "chains": [_said(found[group]) for group in chains]})
            number += 1


def nest() -> None:
    """Fork a `write` for every order; its number is printed. Those that still write when the input ends are killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    born = []
    for line in sys.stdin:
        order = json.loads(line)
        number = os.fork()
        if number == 0:
            try:
                _die_with_parent()
                write(order)
            except BaseException:  # noqa: BLE001 - whatever it is, the test reads of it
                Path(order["defects"]).write_text(traceback.format_exc())
            finally:
                os._exit(1)
        born.append(number)
        _say(str(number))
    for number in born:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def serve() -> None:
    """A PostgreSQL of the test's own, reached by URL: makes a data folder, then starts PostgreSQL at every "start" and
    says its number; "fill N" and "empty" make a file on its disk and remove it. If the order names a size, that disk is
    a small one in memory, for which this program has to run in a mount namespace. All ends with the input.
    """
    order = json.loads(sys.stdin.readline())
    folder, programs = Path(order["folder"]), embedded.programs()
    if order["disk_bytes"]:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={order['disk_bytes']}", "none", folder], check=True)
    cluster, ballast, password = folder / "cluster", folder / "ballast", folder / "password"
    password.write_text(order["password"])
    cluster.mkdir(mode=0o700)
    guise = guise_here(programs / "postgres", folder)
    arguments = ["--username=admin", f"--pwfile={password}", "--auth=scram-sha-256", "--locale=C", "--encoding=UTF8"]
    initdb = [str(programs / "initdb"), f"--pgdata={cluster}", *arguments, *order["initdb"]]
    subprocess.run(
        initdb,
        stdout=subprocess.DEVNULL,
        check=True,
        preexec_fn=becoming(guise, signal.SIGKILL, known=True),
    )
    settings = {
        "port": order["port"],
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        **order["settings"],
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    _say("ready")
    running = None
    for line in sys.stdin:
        word, _, size = line.strip().partition(" ")
        if word == "start":
            if running is not None:
                running.wait()
            with (folder / "log").open("ab") as log:
                running = subprocess.Popen(
                    [str(programs / "postgres"), "-D", str(cluster), *options],
                    stdout=log,
                    stderr=log,
                    preexec_fn=becoming(guise, signal.SIGKILL, known=False),  # noqa: PLW1509 - one thread
                )
            _say(str(running.pid))
        elif word == "fill":
            free = shutil.disk_usage(folder).free
            with suppress(OSError), ballast.open("wb") as file:  # PostgreSQL writes meanwhile: full is full
                file.write(bytes(max(0, free - int(size))))
            _say(str(free))
        else:
            ballast.unlink()
            _say("empty")
    if running is not None:
        running.kill()


if __name__ == "__main__":
    _die_with_parent()
    match sys.argv[1]:
        case "contend":
            contend(json.loads(sys.stdin.readline()))
        case "ask":
            ask(json.loads(sys.stdin.readline()))
        case "nest":
            nest()
        case "serve":
            serve()
