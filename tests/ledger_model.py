"""The rules of the ledger once more, as plainly as they can be said: the model that the real ones are held against.

Read it beside docs/reference/ledger-rules.md, whose order it keeps. One dictionary an account, one row after the other,
no arrays, no cleverness, and nothing shared with `ringfence.ledger.rules` but the names of the answers.

A row is a dictionary: kind (its name), flags (1: linked), id, debit, credit, amount, refers, order, code, date (days
since 1970), expires (microseconds since 1970), payload (bytes). What a row does not have is 0 or b"".
"""

import copy
import json
from datetime import date
from uuid import UUID

import rfc8785

LARGEST, DAY = 2**63 - 1, 86_400 * 1_000_000  # of a sum; in microseconds
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # the years 1 to 9999
MONEY = ("transfer", "pending", "post", "void", "expire", "correction")
STANDING = ("account_limited", "period_closed", "pool_guarded", "monitor_set")
PAYLOADS = {
    "account_opened": {"account", "currency", "maximum", "minimum", "name", "owner", "pool", "side"},
    "account_limited": {"account", "maximum", "minimum", "proposal"},
    "period_closed": {"proposal", "through"},
    "pool_guarded": {"codes", "pool", "proposal"},
    "monitor_set": {"above", "below", "measure", "monitor", "proposal", "watch"},
}
KINDS = {*MONEY, *PAYLOADS, "account_closed", "event"}
WATCHED = ({"account"}, {"currency", "owner_class", "pool", "side"}, {"currency", "pool"})


class No(Exception):  # noqa: N818 - the answer to a row, by its name
    pass


def need(holds, requirement):
    if not holds:
        raise No(requirement)


class Journal:
    """All rows of a book, and the answer to every id."""

    def __init__(self):
        self.book = Book()
        self.rows = []
        self.answers = {}  # id: result, sequence, what was asked

    def append(self, batch, now):
        """For each row, at time `now`: result, sequence (-1: it left no row), and whether it is the same id again."""
        answers, chain = [], []
        for row in batch:
            chain.append(row)
            if not row["flags"] & 1:
                answers += self.answer(chain, self.happen(chain, now))
                chain = []
        return answers + self.answer(chain, ["linked_chain_must_be_closed"] * len(chain))

    def happen(self, chain, now):
        """A chain happens whole, on a copy of the book that takes its place, or not at all."""
        ids = [row["id"] for row in chain if row["id"]]
        if len(set(ids)) < len(ids) or any(each in self.answers for each in ids):
            return ["linked_row_failed"] * len(chain)
        after = self.book.copy()
        for place, row in enumerate(chain):
            try:
                after.row(row, now)
            except No as no:
                return [str(no) if each == place else "linked_row_failed" for each in range(len(chain))]
        self.book = after
        return ["posted"] * len(chain)

    def answer(self, chain, results):
        answers = []
        for row, result in zip(chain, results, strict=True):
            if row["id"] in self.answers:
                first, sequence, asked = self.answers[row["id"]]
                answers.append((first, sequence, True) if row == asked else ("id_already_has_other_content", -1, False))
            elif row["id"] == 0:
                answers.append((result, -1, False))
            else:
                answers.append((result, len(self.rows), False))
                self.answers[row["id"]] = (result, len(self.rows), row)
                self.rows.append(row if result == "posted" else {"kind": "refusal", "reason": result, "asked": row})
        if results and results[0] == results[-1] == "posted":
            self.rows += [{"kind": "monitor_turned", "date": chain[-1]["date"], **turn} for turn in self.book.turns()]
        return answers


class Book:
    """What the rows so far have made of a book."""

    def __init__(self):
        self.accounts = {}
        self.holds = {}  # by id, pending transfers that are not resolved
        self.ended = {}  # id of a resolved pending transfer: how
        self.moved = {}  # by id, rows of kinds 1 to 6
        self.corrected = {}
        self.closed = []  # the last days of the closed periods
        self.guards = {}  # pool: codes
        self.monitors = {}

    def copy(self):
        other = copy.copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy.copy(value))
        other.accounts = {number: dict(account) for number, account in self.accounts.items()}
        return other

    def row(self, row, now):
        """What a row does at time `now`, or the first requirement that it breaks (`No`)."""
        need(row["id"] != 0, "id_must_not_be_zero")
        need(row["flags"] in (0, 1), "flags_must_be_known")
        need(row["kind"] in KINDS, "kind_must_be_known")
        dated = FIRST_DAY <= row["date"] <= LAST_DAY and 0 <= row["expires"] < (LAST_DAY + 1) * DAY
        positive = row["kind"] in MONEY or min(row["debit"], row["credit"], row["amount"]) >= 0
        unused = [row[name] for name in ("credit", "amount", "expires", "refers") if row["kind"] in STANDING]
        unused += [row["debit"]] if row["kind"] in STANDING[1:] else []
        need(dated and positive and not any(unused), "column_must_be_in_range")
        need(payload_is_valid(row["kind"], row["payload"]), "payload_must_be_valid")
        if row["kind"] in MONEY:
            need(row["amount"] > 0 or row["kind"] not in ("transfer", "pending", "post"), "amount_must_be_positive")
            need(all(row["date"] > day for day in self.closed), "value_date_must_be_in_an_open_period")
        alike = {"pending": self.transfer, "void": self.post, "expire": self.post, "event": lambda *_: None}
        rule = alike.get(row["kind"]) or getattr(self, row["kind"])
        rule(row, json.loads(row["payload"] or b"{}"), now)

    def transfer(self, row, _, now):
        self.accounts_fit(row)
        expiry = row["expires"] == 0 or (row["kind"] == "pending" and row["expires"] > now)
        need(expiry, "expiry_must_be_in_the_future")
        self.limits_are_kept(row)
        self.move(row)

    def post(self, row, _, now):
        need(row["refers"] not in self.ended, f"pending_transfer_already_{self.ended.get(row['refers'])}")
        need(row["refers"] in self.holds, "pending_transfer_must_exist")
        hold = self.holds[row["refers"]]
        for side in ("debit", "credit"):
            need(row[side] == hold[side], "pending_transfer_must_have_the_same_accounts")
        need(0 <= row["amount"] <= hold["amount"], "amount_must_not_exceed_pending_amount")
        passed = hold["expires"] != 0 and hold["expires"] <= now
        need(row["kind"] != "post" or not passed, "pending_transfer_has_passed_its_expiry")
        need(row["kind"] != "expire" or passed, "pending_transfer_has_not_expired")
        self.accounts[row["debit"]]["debits pending"] -= hold["amount"]
        self.accounts[row["credit"]]["credits pending"] -= hold["amount"]
        del self.holds[row["refers"]]
        self.ended[row["refers"]] = {"post": "posted", "void": "voided", "expire": "expired"}[row["kind"]]
        self.move(row)

    def correction(self, row, *_):
        need(row["refers"] in self.moved, "corrected_transfer_must_exist")
        wrong = self.moved[row["refers"]]
        need(wrong["kind"] in ("transfer", "post"), "corrected_transfer_must_be_posted")
        mirror = (row["debit"], row["credit"], row["amount"]) == (wrong["credit"], wrong["debit"], wrong["amount"])
        need(mirror, "correction_must_mirror_the_transfer")
        need(row["refers"] not in self.corrected, "transfer_already_corrected")
        self.accounts_fit(row)
        self.limits_are_kept(row)
        self.corrected[row["refers"]] = row["id"]
        self.move(row)

    def accounts_fit(self, row):
        need(row["debit"] in self.accounts, "debit_account_must_exist")
        need(row["credit"] in self.accounts, "credit_account_must_exist")
        debit, credit = self.accounts[row["debit"]], self.accounts[row["credit"]]
        need(row["debit"] != row["credit"], "accounts_must_be_different")
        need(debit["currency"] == credit["currency"], "accounts_must_have_the_same_currency")
        need(debit["open"] and credit["open"], "account_must_be_open")

    def limits_are_kept(self, row):
        debit, credit, amount = self.accounts[row["debit"]], self.accounts[row["credit"]], row["amount"]
        need(debit["debits"] + debit["debits pending"] + amount <= LARGEST, "balance_must_fit_64_bits")
        need(credit["credits"] + credit["credits pending"] + amount <= LARGEST, "balance_must_fit_64_bits")
        for account, lowered in ((debit, debit["side"] == "credit"), (credit, credit["side"] == "debit")):
            enough = account["minimum"] is None or sums(account)["available"] - amount >= int(account["minimum"])
            need(enough or not lowered, "balance_must_not_fall_below_its_minimum")
        for account, raised in ((debit, debit["side"] == "debit"), (credit, credit["side"] == "credit")):
            reach = sums(account)["balance"] + sums(account)["expected"] + amount
            room = account["maximum"] is None or reach <= int(account["maximum"])
            need(room or not raised, "balance_must_not_exceed_its_maximum")
        pool, currency = credit["pool"], credit["currency"]
        if pool in self.guards and row["code"] not in self.guards[pool] and self.leaves(row, pool, currency):
            reserved = sum(hold["amount"] for hold in self.holds.values() if self.leaves(hold, pool, currency))
            need(self.cover(pool, currency) - reserved - amount >= 0, "pool_must_stay_covered")

    def leaves(self, row, pool, currency):
        debit, credit = self.accounts[row["debit"]], self.accounts[row["credit"]]
        return credit["pool"] == pool != debit["pool"] and credit["currency"] == currency

    def cover(self, pool, currency):
        inside = [each for each in self.accounts.values() if (each["pool"], each["currency"]) == (pool, currency)]
        return sum(each["debits"] - each["credits"] for each in inside)

    def move(self, row):
        """The row has passed: sums change, and later rows can refer to it."""
        pending = " pending" if row["kind"] == "pending" else ""
        if row["kind"] not in ("void", "expire"):
            self.accounts[row["debit"]]["debits" + pending] += row["amount"]
            self.accounts[row["credit"]]["credits" + pending] += row["amount"]
        if pending:
            self.holds[row["id"]] = row
        self.moved[row["id"]] = row

    def account_opened(self, row, said, _):
        number = len(self.accounts) + 1
        need({said["account"], row["debit"]} <= {0, number}, "account_number_must_be_next")
        need(said["name"] not in [each["name"] for each in self.accounts.values()], "account_name_must_be_new")
        nothing = {"debits": 0, "credits": 0, "debits pending": 0, "credits pending": 0}
        more = {"account": number, "open": True, "owner_class": said["owner"].split(":")[0]}
        self.accounts[number] = said | nothing | more

    def account_closed(self, row, *_):
        self.account_is_open(row)
        need(not any(sums(self.accounts[row["debit"]]).values()), "account_must_be_empty")
        self.accounts[row["debit"]]["open"] = False

    def account_limited(self, row, said, _):
        need(row["debit"] == said["account"], "payload_must_be_valid")
        self.account_is_open(row)
        self.accounts[row["debit"]].update(minimum=said["minimum"], maximum=said["maximum"])

    def account_is_open(self, row):
        need(row["debit"] in self.accounts, "account_must_exist")
        need(self.accounts[row["debit"]]["open"], "account_must_be_open")

    def period_closed(self, row, said, now):
        day = (date.fromisoformat(said["through"]) - date(1970, 1, 1)).days
        need(row["date"] == day, "payload_must_be_valid")
        need(day <= now // DAY, "period_must_have_ended")
        need(all(day > each for each in self.closed), "period_must_be_later_than_the_last_closed")
        self.closed.append(day)

    def pool_guarded(self, _, said, __):
        self.guards[said["pool"]] = said["codes"]

    def monitor_set(self, _, said, __):
        need((said["measure"] == "cover") == (said["watch"].keys() == WATCHED[2]), "payload_must_be_valid")
        need("account" not in said["watch"] or said["watch"]["account"] in self.accounts, "account_must_exist")
        self.monitors[said["monitor"]] = said | {"on": False}

    def turns(self):
        """The monitors that turn, now that a chain has happened."""
        turns = []
        for name, monitor in sorted(self.monitors.items()):
            value, below, above = self.measured(**monitor), monitor["below"], monitor["above"]
            on = (below is not None and value < int(below)) or (above is not None and value > int(above))
            if on != monitor["on"]:
                turns.append({"monitor": name, "on": on, "value": str(value)})
            monitor["on"] = on
        return turns

    def measured(self, watch, measure, **_):
        if measure == "cover":
            return self.cover(watch["pool"], watch["currency"])
        return sum(sums(each)[measure] for each in self.accounts.values() if watch.items() <= each.items())


def sums(account):
    """What an account has, on its normal side."""
    this, other = ("credits", "debits") if account["side"] == "credit" else ("debits", "credits")
    balance, held, expected = account[this] - account[other], account[f"{other} pending"], account[f"{this} pending"]
    return {"balance": balance, "held": held, "expected": expected, "available": balance - held}


def payload_is_valid(kind, payload):
    if not payload:
        return kind != "event" and kind not in PAYLOADS
    try:
        said = json.loads(payload)
        canonical = isinstance(said, dict) and len(payload) <= 60_000 and rfc8785.dumps(said) == payload
        if not canonical or kind not in PAYLOADS:
            return canonical
        low, high = said.get("minimum"), said.get("maximum")
        ordered = low is None or high is None or int(low) <= int(high)
        return ordered and said.keys() == PAYLOADS[kind] and all(is_field(kind, *each) for each in said.items())
    except (ValueError, TypeError, AttributeError, RecursionError):
        return False


def is_field(kind, name, said):
    if name == "account":
        return type(said) is int and said > (-1 if kind == "account_opened" else 0)
    if name == "codes":
        numbers = isinstance(said, list) and all(type(each) is int and each > 0 for each in said)
        return numbers and said == sorted(set(said))
    if name in ("above", "below", "maximum", "minimum"):
        return said is None or (str(int(said)) == said and -LARGEST - 1 <= int(said) <= LARGEST)
    if name == "measure":
        return said in ("available", "balance", "cover", "expected", "held")
    if name == "proposal":
        return (said is None and kind in ("pool_guarded", "monitor_set")) or str(UUID(str(said))) == said
    if name == "side":
        return said in ("debit", "credit")
    if name == "through":
        return str(date.fromisoformat(said)) == said
    if name == "watch":
        return said.keys() in WATCHED and all(is_field(kind, *each) for each in said.items())
    return isinstance(said, str) and said != "" and "\0" not in said
