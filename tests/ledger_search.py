"""Searching for counter-examples to the rules: how batches are made, and how the rules are held against the model.

`Maker` makes batches that try to be wrong: many rows on few accounts, amounts at the very edge of a limit, a cover or
64 bits, in before out, rows that fail amid rows that pass, holds resolved twice, chains that break. It draws from a
`random.Random`: Hypothesis' own, whose draws shrink, for small batches; a seeded one for hundreds of rows, which
`smallest` then cuts down to the rows that matter.
"""

import copy
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from ledger_model import DAY, FIRST_DAY, LARGEST, LAST_DAY, Journal, No, sums
from ringfence.ledger import standing
from ringfence.ledger.model import NO_ID, ROW, Account, Batch, Kind, Line, Result, canonical
from ringfence.ledger.rules import Applied, Balances, Reference, apply

Row = dict[str, Any]
Day = list[tuple[list[Row], int]]  # batches, and the time of each

TURNS = 2**100  # ids of turns, in journals that are made here
MONDAY = 20_514  # 2026-03-02, in days since 1970
NOON = MONDAY * DAY + DAY // 2
POOLS = ("client", "client", "own", "bank")
OWNERS = ("customer:c1", "customer:c2", "platform", "bank:b1")
LIMITS = ((None, None), (None, None), (0, None), (0, None), (0, 500), (-100, 1000), (None, 0), (5, 5), (-10_000, None))
BRIM_ROWS = 30  # of a batch that is to be decided together
CODES = (0, 0, 7, 8, -1)
MEASURES = ("available", "balance", "expected", "held")
RESOLVING = ("post", "void", "expire")
JUNK_PAYLOADS = (
    b"{}",
    b"[]",
    b"junk",
    b'{"a": 1}',
    b'{"account":true,"maximum":null,"minimum":null,"proposal":"00000000-0000-0000-0000-000000000001"}',
    b'{"account":1,"maximum":null,"minimum":null,"proposal":5}',
    b'{"account":1,"maximum":"01","minimum":null,"proposal":"00000000-0000-0000-0000-000000000001"}',
    b'{"account":1,"maximum":"1","minimum":"2","proposal":"00000000-0000-0000-0000-000000000001"}',
    b'{"account":9,"maximum":null,"minimum":null,"proposal":"00000000-0000-0000-0000-000000000001"}',
    b'{"proposal":"00000000-0000-0000-0000-000000000001","through":"20260301"}',
    b'{"proposal":"00000000-0000-0000-0000-00000000000A","through":"2026-03-01"}',
    b'{"codes":[8,7],"pool":"client","proposal":null}',
    b'{"codes":"","pool":"client","proposal":null}',
    b'{"codes":[7.0],"pool":"client","proposal":null}',
    b'{"above":null,"below":"1","measure":"cover","monitor":"m","proposal":null,"watch":{"account":1}}',
    b'{"above":null,"below":"1","measure":"held","monitor":"m","proposal":null,"watch":[1]}',
    b'{"above":1,"below":null,"measure":"held","monitor":"m","proposal":null,"watch":{"account":1}}',
    b'{"above":null,"below":"-9223372036854775809","measure":"held","monitor":"m","proposal":null,"watch":{"account":1}}',
    b'{"account":0,"currency":"EUR","maximum":null,"minimum":"007","name":"x","owner":"o","pool":"p","side":"debit"}',
    b'{"account":0,"currency":"EUR","maximum":null,"minimum":null,"name":"\\ud800","owner":"o","pool":"p","side":"debit"}',
    b'{"account":0,"currency":"EUR","maximum":null,"minimum":null,"name":"\\u0000","owner":"o","pool":"p","side":"debit"}',
    b'{"account":0,"currency":"","maximum":null,"minimum":null,"name":"x","owner":"o","pool":"p","side":"debit"}',
    b'{"a":"' + b"x" * 60_000 + b'"}',
)


# -- rows in the model's words, and in the journal's columns -------------------------------------------------------


def row_of(kind: str | int, identity: int, **columns: Any) -> Row:
    nothing = {"flags": 0, "debit": 0, "credit": 0, "amount": 0, "refers": 0, "order": 0, "code": 0}
    return {"kind": kind, "id": identity, **nothing, "date": MONDAY, "expires": 0, "payload": b""} | columns


def row_of_line(line: Line) -> Row:
    """A row that `standing` or the like has written, in the model's words."""
    return row_of(
        line.kind.name.lower(),
        line.id.int,
        debit=line.debit_account,
        order=line.order_id.int if line.order_id else 0,
        date=(line.value_date - date(1970, 1, 1)).days,
        payload=canonical(line.payload or {}),
    )


def in_columns(rows: Iterable[Row]) -> Batch:
    rows = list(rows)
    columns, payloads = np.zeros(len(rows), ROW), {}
    for index, row in enumerate(rows):
        kind = row["kind"] if isinstance(row["kind"], int) else Kind[row["kind"].upper()]
        columns[index] = (
            kind,
            row["flags"],
            UUID(int=row["id"]).bytes,
            row["debit"],
            row["credit"],
            row["amount"],
            UUID(int=row["refers"]).bytes,
            UUID(int=row["order"]).bytes,
            row["code"],
            row["date"],
            row["expires"],
        )
        if row["payload"]:
            payloads[index] = row["payload"]
    return Batch(columns, payloads)


def as_kept(rows: Iterable[Row]) -> list[Row]:
    """The model's rows as the journal keeps them: accounts have their numbers, refusals and turns are rows."""
    kept, accounts = [], 0
    for row in rows:
        if row["kind"] == "refusal":
            same = {name: row["asked"][name] for name in ("order", "code")}
            same["date"] = row["asked"]["date"] if FIRST_DAY <= row["asked"]["date"] <= LAST_DAY else 0
            said = canonical({"reason": row["reason"], "request": "00" * 32})
            kept.append(row_of("refusal", row["asked"]["id"], payload=said, **same))
        elif row["kind"] == "monitor_turned":
            kept.append(row_of("monitor_turned", TURNS + len(kept), date=row["date"], payload=turn_of(row)))
        elif row["kind"] == "account_opened":
            accounts += 1
            account = standing.account_of(row["payload"])
            assert account is not None
            said = canonical(account.payload() | {"account": accounts})
            kept.append(row | {"debit": accounts, "payload": said})
        else:
            kept.append(row)
    return kept


def turn_of(row: Row) -> bytes:
    return canonical({name: row[name] for name in ("monitor", "on", "value")})


# -- making batches ------------------------------------------------------------------------------------------------


@dataclass
class Maker:
    """Makes batches for a journal, knowing from the model where its edges are."""

    lot: random.Random
    model: Journal
    ids: int = 0
    now: int = NOON
    tried: list[Row] = field(default_factory=list)  # movements that were asked for, whatever the answer was
    hot: list[int] = field(default_factory=list)  # accounts that most rows touch
    heat: int = 0

    def identity(self) -> int:
        self.ids += 1
        return self.ids

    def one(self, *choices: Any) -> Any:
        return choices[self.lot.randrange(len(choices))]

    def often(self, percent: int) -> bool:
        return self.lot.randrange(100) >= 100 - percent

    def opening(self, least: int = 2, most: int = 8) -> list[Row]:
        """Accounts, and what may stand over the book from the beginning."""
        opened = [self.account_opened() for _ in range(self.lot.randint(least, most))]
        money = [
            row_of("transfer", self.identity(), debit=debit, credit=credit, amount=self.one(5, 500, 10_000))
            for debit, credit in ((1, 2), (2, 1), (2, 3), (3, 4), (1, 5))
            if self.often(50) and max(debit, credit) <= len(opened)
        ]
        guards = [self.pool_guarded() for _ in range(self.one(0, 0, 1, 2))]
        first = guards + opened + money if self.often(40) else opened + money + guards
        return first + [self.monitor_set(self.model.book) for _ in range(self.one(0, 0, 1, 3))]

    def batch(self, most: int) -> tuple[list[Row], int]:
        """Rows and their time. What a batch is made of changes from one to the next, so that each way is gone."""
        self.now += self.one(1, 1, 10, 1_000_000, DAY)
        ends = [hold["expires"] for hold in self.model.book.holds.values() if hold["expires"] > self.now]
        if ends and self.often(30):
            self.now = self.one(*ends[-20:])
        if most >= BRIM_ROWS and self.often(45):
            return self.one(self.brim, self.brim, self.settle)(), self.now
        self.mood()
        shadow = self.model.book.copy()
        rows: list[Row] = []
        for _ in range(self.lot.randint(1, most)):
            row = getattr(self, self.kinds[self.lot.randrange(len(self.kinds))])(shadow)
            if self.often(self.spoiled):
                row = self.spoil(row)
            if self.often(self.linked):
                row["flags"] |= 1
            rows.append(row)
            with suppress(No):
                shadow.row(row | {"flags": 0}, self.now)
        if not self.often(3):
            rows[-1]["flags"] &= ~1
        return rows, self.now

    def brim(self) -> list[Row]:
        """Many small rows that together take from some accounts, or a pool, all that there is, or one unit too much.

        Decided row by row only the last is in doubt, decided together all or none are: the border between the two.
        """
        book, rows = self.model.book, []
        for _ in range(self.one(1, 1, 2)):
            self.hot = []
            pairs = [self.accounts(book) for _ in range(8)]
            debit, credit = next((each for each in pairs if self.brims(book, *each)), pairs[0])
            brims = self.brims(book, debit, credit) or [60]
            edge = self.one(*brims) + self.one(0, 1)
            count = min(self.lot.randint(BRIM_ROWS, BRIM_ROWS + 12), edge)
            amounts = [edge // count] * (count - 1)
            amounts.append(edge - sum(amounts))
            kinds = self.one(["transfer"], ["pending"], ["transfer", "pending"])
            for amount in amounts:
                row = row_of(self.one(*kinds), self.identity(), debit=debit, credit=credit, amount=amount)
                self.tried.append(row)
                rows.append(row | {"date": max([MONDAY, *(day + 1 for day in book.closed)])})
            for held in list(book.holds.values())[-3:] if self.often(30) else []:
                row = row_of("void", self.identity(), debit=held["debit"], credit=held["credit"], refers=held["id"])
                rows.append(row | {"date": rows[-1]["date"]})
        self.lot.shuffle(rows)
        return rows

    def settle(self) -> list[Row]:
        """Many ends of holds, a few of them twice, amid new holds."""
        book = self.model.book
        self.mood()
        held = list(book.holds.values())[-BRIM_ROWS:]
        rows = [self.end_of(book, hold) for hold in held + ([self.one(*held)] if held and self.often(30) else [])]
        rows += [self.pending(book) for _ in range(max(5, BRIM_ROWS - len(rows)))]
        self.lot.shuffle(rows)
        return rows

    def brims(self, book: Any, debit: int, credit: int) -> list[int]:
        """What the limits of two accounts, and of the pool of one, leave for rows between them."""
        one, other = book.accounts.get(debit), book.accounts.get(credit)
        if one is None or other is None or debit == credit or one["currency"] != other["currency"]:
            return []
        return [each for each in self.edges(book, debit, credit) if 0 < each < 2**40]

    def mood(self) -> None:
        """Which rows, how many of them wrong or linked, and on which accounts."""
        plain, held = ["transfer"] * 6, ["pending"] * 3 + ["resolve"] * 3
        standing_ = ["account_limited", "period_closed", "pool_guarded", "monitor_set", "event"]
        mixed = plain + held + ["correction"]
        rare = mixed * 6 + standing_ * 2 + ["account_opened", "account_opened", "account_closed", "other"]
        self.kinds = self.one(plain, plain + held, mixed, mixed, rare, rare, mixed + standing_)
        self.spoiled = self.one(0, 0, 1, 5)
        self.linked = self.one(0, 0, 5, 30)
        self.edge = self.one(0, 3, 10, 50, 90)
        accounts = list(self.model.book.accounts)
        self.hot = [self.one(*accounts) for _ in range(self.lot.randint(1, 4))] if accounts else []
        self.heat = self.one(0, 50, 95)
        self.expiring, self.end = self.one(0, 30, 90), self.one(1, 5, 1_000_000, DAY)

    # -- money

    def account(self) -> int:
        if self.hot and self.often(self.heat):
            return self.one(*self.hot)
        return self.lot.randint(1, max(2, len(self.model.book.accounts) + self.often(5)))

    def accounts(self, book: Any) -> tuple[int, int]:
        """Two accounts, most often different ones of one currency."""
        one, other = self.account(), self.account()
        currency = book.accounts[one]["currency"] if one in book.accounts else ""
        alike = [each for each, account in book.accounts.items() if account["currency"] == currency and each != one]
        if other not in alike and alike and self.often(95):
            other = self.one(*alike)
        return (one, other) if self.often(50) else (other, one)

    def amount(self, book: Any, debit: int, credit: int) -> int:
        """Most often small, or what one of the limits just allows or just not."""
        one, other = book.accounts.get(debit), book.accounts.get(credit)
        if one is None or other is None or not self.often(self.edge):
            return self.one(1, 1, 2, 3, 10, 100, 500)
        edges = self.edges(book, debit, credit)
        if self.often(3):
            edges.append(LARGEST - one["debits"] - one["debits pending"])
            edges.append(LARGEST - other["credits"] - other["credits pending"])
        amount = self.one(*edges) + self.one(-1, 0, 0, 0, 1, 1) if edges else 1
        return amount if 0 < amount <= LARGEST else self.one(1, 1, 50)

    @staticmethod
    def edges(book: Any, debit: int, credit: int) -> list[int]:
        """The most that may move between two accounts, by each limit that they and the pool have."""
        one, other = book.accounts[debit], book.accounts[credit]
        edges = []
        for account, lowered in ((one, one["side"] == "credit"), (other, other["side"] == "debit")):
            if lowered and account["minimum"] is not None:
                edges.append(sums(account)["available"] - int(account["minimum"]))
            if not lowered and account["maximum"] is not None:
                edges.append(int(account["maximum"]) - sums(account)["balance"] - sums(account)["expected"])
        if other["pool"] in book.guards:
            pool, currency = other["pool"], other["currency"]
            if one["pool"] != pool:
                holds = [hold["amount"] for hold in book.holds.values() if book.leaves(hold, pool, currency)]
                edges.append(book.cover(pool, currency) - sum(holds))
        return edges

    def value_date(self, book: Any) -> int:
        closed = max(book.closed, default=MONDAY - 9)
        return closed + self.one(0, 1) if self.often(5) else max(MONDAY, closed + 1)

    def transfer(self, book: Any, kind: str = "transfer") -> Row:
        debit, credit = self.accounts(book)
        amount = self.amount(book, debit, credit)
        row = row_of(kind, self.identity(), debit=debit, credit=credit, amount=amount, code=self.one(*CODES))
        row["date"] = self.value_date(book)
        self.tried.append(row)
        return row

    def pending(self, book: Any) -> Row:
        row = self.transfer(book, "pending")
        if self.often(self.expiring):
            row["expires"] = self.now + self.one(self.end, self.end, self.end, 1, 0, -1)
        return row

    def target(self, held: dict[int, Row]) -> Row:
        """Something to refer to: most often what is held, else what was asked for earlier, or nothing that there is."""
        if held and self.often(80):
            return self.one(*list(held.values())[-20:])
        if self.tried and self.often(90):
            return self.one(*self.tried[-30:])
        return row_of("transfer", self.one(0, self.ids + 1, self.ids + 2), debit=1, credit=2, amount=1)

    def resolve(self, book: Any) -> Row:
        if not book.holds and self.often(80):
            return self.pending(book)
        return self.end_of(book, self.target(self.model.book.holds if self.often(15) else book.holds))

    def end_of(self, book: Any, hold: Row) -> Row:
        """A post, a void or an expiry, as the hold allows or nearly so."""
        passed = 0 < hold["expires"] <= self.now
        kind = self.one(*RESOLVING, "expire" if passed else "post")
        amount = self.one(hold["amount"], 1, max(1, hold["amount"] // 2), min(hold["amount"] + 1, LARGEST), 0)
        amount = amount if kind == "post" or self.often(10) else 0
        row = row_of(
            kind, self.identity(), debit=hold["debit"], credit=hold["credit"], amount=amount, refers=hold["id"]
        )
        row["date"] = self.value_date(book)
        self.tried.append(row)
        return row

    def correction(self, book: Any) -> Row:
        moved = {key: each for key, each in book.moved.items() if each["kind"] in ("transfer", "post")}
        wrong = self.target(dict(list(moved.items())[-20:]))
        row = row_of("correction", self.identity(), debit=wrong["credit"], credit=wrong["debit"], refers=wrong["id"])
        row |= {"amount": wrong["amount"], "code": self.one(*CODES), "date": self.value_date(book)}
        self.tried.append(row)
        return row

    # -- accounts, periods, pools, monitors

    def account_opened(self, _: Any = None) -> Row:
        identity = self.identity()
        minimum, maximum = self.one(*LIMITS)
        name = f"a{identity}" if not self.often(2) else "a1"
        account = Account(
            0,
            name,
            self.one("EUR", "EUR", "EUR", "JPY"),
            self.one("debit", "credit"),
            minimum,
            maximum,
            self.one(*OWNERS),
            self.one(*POOLS),
        )
        return row_of("account_opened", identity, payload=canonical(account.payload()))

    def account_closed(self, book: Any) -> Row:
        empty = [number for number, each in book.accounts.items() if not any(sums(each).values())]
        plenty = sum(each["open"] for each in book.accounts.values()) > 3
        number = self.one(*empty) if empty and plenty and self.often(50) else self.account()
        return row_of("account_closed", self.identity(), debit=number)

    def account_limited(self, book: Any) -> Row:
        number = self.account()
        have = sums(book.accounts[number]) if number in book.accounts else {"available": 0, "balance": 0, "expected": 0}
        low = self.one(None, 0, have["available"] + self.one(-1, 0, 1))
        high = self.one(None, None, have["balance"] + have["expected"] + self.one(-1, 0, 1))
        limits = standing.Limits(number, low, high, self.proposal())
        return row_of_line(limits.line(UUID(int=self.identity()), date(2026, 3, 2)))

    def period_closed(self, book: Any) -> Row:
        today = self.now // DAY
        day = self.one(today, today - 1, today - 2, max(book.closed, default=today - 3) + self.one(0, 1), today + 1)
        if not self.often(20):
            day = max(book.closed, default=MONDAY - 9) + 1
        through = date(1970, 1, 1) + timedelta(days=day)
        return row_of_line(standing.ClosedPeriod(through, self.proposal()).line(UUID(int=self.identity())))

    def pool_guarded(self, _: Any = None) -> Row:
        guard = standing.Guard(self.one(*POOLS), self.one((), (7,), (7, 8)), self.one(None, self.proposal()))
        return row_of_line(guard.line(UUID(int=self.identity()), date(2026, 3, 2)))

    def monitor_set(self, book: Any) -> Row:
        kind = self.one("account", "group", "pool")
        if kind == "account":
            watched, measure = standing.Watched(account=self.account()), self.one(*MEASURES)
        elif kind == "group":
            owner_class, side = self.one("customer", "platform", "bank", "none"), self.one("debit", "credit")
            watched = standing.Watched(0, owner_class, self.one(*POOLS), self.one("EUR", "JPY"), side)
            measure = self.one(*MEASURES)
        else:
            watched, measure = standing.Watched(pool=self.one(*POOLS), currency=self.one("EUR", "JPY")), "cover"
        value = 0
        if watched.account == 0 or watched.account in book.accounts:
            value = book.measured(watched.said(), measure)
        edges = [each for each in (value, value + 1, value - 1, 100) if abs(each) <= LARGEST] or [0]
        below, above = self.one(None, self.one(*edges)), self.one(None, self.one(*edges))
        name = self.one("low", "high", "é", "\U0001f514", "\uffee")
        monitor = standing.Monitor(name, watched, measure, below, above, self.one(None, self.proposal()))
        return row_of_line(monitor.line(UUID(int=self.identity()), date(2026, 3, 2)))

    def event(self, _: Any) -> Row:
        return row_of(
            "event", self.identity(), code=self.one(*CODES), payload=b'{"said":"something"}', refers=self.ids - 1
        )

    def other(self, _: Any) -> Row:
        """A kind that nobody knows, or that no request can make."""
        kind = self.one(0, 14, 15, 18, 99, -1, "refusal", "monitor_turned")
        return row_of(kind, self.identity(), payload=self.one(b"", b'{"monitor":"low","on":true,"value":"1"}'))

    def proposal(self) -> UUID:
        return UUID(int=self.lot.randint(1, 3))

    def spoil(self, row: Row) -> Row:
        """Something about the row is wrong, or only unusual."""
        wrong: list[dict[str, Any]] = [
            {"id": 0},
            {"flags": self.one(2, 3, -1)},
            {"payload": self.one(*JUNK_PAYLOADS)},
            {"payload": b""},
            {"payload": b'{"note":"that is well"}'},
            {"debit": self.one(0, -1, 99, LARGEST)},
            {"credit": self.one(0, -1, 99, LARGEST)},
            {"credit": row["debit"]},
            {"amount": self.one(0, -1, -LARGEST - 1, LARGEST, 2**62)},
            {"expires": self.one(-1, 1, self.now, self.now + 1, 253_402_300_800_000_000, LARGEST)},
            {"date": self.one(-719_163, -719_162, 2_932_896, 2_932_897)},
            {"refers": self.one(0, self.ids, 12_345)},
            {"order": 77},
        ]
        return row | wrong[self.lot.randrange(len(wrong))]


# -- the rules beside the model ------------------------------------------------------------------------------------


@dataclass
class Beside:
    """The rules and the model, given the same batches."""

    model: Journal = field(default_factory=Journal)
    balances: Balances = field(default_factory=Balances)
    times: list[int] = field(default_factory=list)  # of the model's rows
    known: dict[bytes, Reference] = field(default_factory=dict)
    before: Batch = field(default_factory=lambda: in_columns([]))

    def append(self, rows: list[Row], now: int, *, undone: bool = False) -> None:
        """Apply a batch on both sides, with the same answers; `undone`: after it was applied once and taken back."""
        batch, at, first = in_columns(rows), np.full(len(rows), now), len(self.model.rows)
        references = wanted(self.known, batch)
        if undone:
            before = picture(self.balances)
            apply(self.balances, batch, at, references).undo()
            assert picture(self.balances) == before
            # The batch before once more: the journal learns that its ids are taken after it was applied.
            apply(self.balances, self.before, np.full(len(self.before), now), wanted(self.known, self.before)).undo()
            assert picture(self.balances) == before
            self.before = batch
        applied = apply(self.balances, batch, at, references)
        answers = self.model.append(rows, now)
        assert words(applied) == [result for result, _, _ in answers]
        assert told(applied) == self.expected_turns(answers)
        self.times += [now] * (len(self.model.rows) - first)
        remember(self.known, as_kept(self.model.rows)[first:])
        same(self.model.book, self.balances)

    def expected_turns(self, answers: list[tuple[str, int, bool]]) -> list[tuple[int, bytes]]:
        turns = []
        for index, (_, sequence, _) in enumerate(answers):
            following = sequence + 1
            while sequence >= 0 and self.model.rows[following : following + 1]:
                if self.model.rows[following]["kind"] != "monitor_turned":
                    break
                turns.append((index, turn_of(self.model.rows[following])))
                following += 1
        return turns


def words(applied: Applied) -> list[str]:
    return [Result(int(result)).word for result in applied.results]


def told(applied: Applied) -> list[tuple[int, bytes]]:
    return [(turned.after, canonical(turned.turn.payload())) for turned in applied.turns]


def wanted(known: dict[bytes, Reference], batch: Batch) -> dict[bytes, Reference]:
    """What the journal says of the rows that a batch refers to, other than open pending transfers."""
    found = {}
    for identity in {each.tobytes() for each in batch.rows["refers_to"]} - {NO_ID}:
        reference = known.get(identity)
        if reference is not None and (reference.kind != Kind.PENDING or reference.referred_by is not None):
            found[identity] = reference
    return found


def remember(known: dict[bytes, Reference], kept: Iterable[Row]) -> None:
    """Rows have come into the journal; `wanted` knows of them from now on."""
    for row in kept:
        if row["kind"] in ("transfer", "pending", *RESOLVING, "correction"):
            kind = Kind[row["kind"].upper()]
            known[UUID(int=row["id"]).bytes] = Reference(kind, row["debit"], row["credit"], row["amount"], None)
            if row["kind"] in (*RESOLVING, "correction"):
                referred = UUID(int=row["refers"]).bytes
                known[referred] = replace(known[referred], referred_by=kind)


def same(book: Any, balances: Balances) -> None:
    """The balances say what the model's book says."""
    assert balances.size == len(book.accounts) + 1
    for number, account in book.accounts.items():
        have = [
            int(getattr(balances, name)[number]) for name in ("debits", "credits", "debits_pending", "credits_pending")
        ]
        assert have == [account[name] for name in ("debits", "credits", "debits pending", "credits pending")], number
        low, high = account["minimum"], account["maximum"]
        assert int(balances.minimum[number]) == (-LARGEST - 1 if low is None else int(low)), number
        assert int(balances.maximum[number]) == (LARGEST if high is None else int(high)), number
        assert bool(balances.open[number]) == account["open"], number
        assert balances.numbers[account["name"]] == number
        have = {name: getattr(balances, name)(number) for name in ("balance", "held", "expected", "available")}
        assert have == sums(account), number
    holds = {UUID(int=number).bytes: hold for number, hold in book.holds.items()}
    assert set(balances.holds.slots) == set(holds)
    for identity, hold in holds.items():
        found = balances.holds.get(identity)
        assert found is not None
        assert tuple(found) == (hold["debit"], hold["credit"], hold["amount"], hold["expires"])
    assert balances.closed_through == max(book.closed, default=balances.closed_through)
    assert {name: watch.on for name, watch in balances.monitors.items()} == {
        name: monitor["on"] for name, monitor in book.monitors.items()
    }


def picture(balances: Balances) -> dict[str, Any]:
    """All that balances say, to be compared: not how much room their arrays have."""
    kept = {
        each.name: plain(getattr(balances, each.name))
        for each in fields(balances)
        if each.name not in ("state", "scratch", "holds")
    }
    kept["state"] = balances.state[: balances.size].tolist()
    holds = balances.holds
    kept["holds"] = {identity: holds.get(identity) for identity in holds.slots}
    kept["places of holds"] = holds._used - len(holds._free)  # what is not given back is lost
    return kept


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return [(key, plain(each)) for key, each in value.items()]
    return copy.deepcopy(value)


# -- cutting a counter-example down --------------------------------------------------------------------------------


def shown(day: Day) -> str:
    """Batches to be read by a person: what is zero is left out."""
    lines = []
    for rows, now in day:
        lines.append(f"batch at noon + {now - NOON} microseconds")
        lines += [f"    { ({name: value for name, value in row.items() if value not in (0, b'')}) }" for row in rows]
    return "\n".join(lines)


def smallest(day: Day, fails: Callable[[Day], bool]) -> Day:
    """As few rows as still fail: batches, then pieces of batches, are left out as long as it fails without them."""
    changed = True
    while changed:
        changed = False
        for number in reversed(range(len(day))):
            rows, now = day[number]
            piece = len(rows)
            while piece:
                start = 0
                while start < len(day[number][0]):
                    rows = day[number][0]
                    less = [*day[:number], (rows[:start] + rows[start + piece :], now), *day[number + 1 :]]
                    if fails([each for each in less if each[0]]):
                        day, changed = less, True
                    else:
                        start += piece
                piece //= 2
        day = [each for each in day if each[0]]
    return day
