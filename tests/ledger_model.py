"""The rules of the ledger a second time, as plainly as they can be said: the model that the real ones are held against.

One dictionary an account, one transfer after the other, no arrays, no cleverness, nothing shared with
`ringfence.ledger.rules` but the names of the results. Read it beside the table of refusals.
"""

import copy
from dataclasses import dataclass, field
from typing import Any

MOST = 2**63 - 1


@dataclass
class Model:
    accounts: dict[int, dict[str, Any]] = field(default_factory=dict)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)  # movements by id
    resolved: dict[int, str] = field(default_factory=dict)  # id of a movement: what resolved or corrected it
    answers: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)  # id: answer, request

    def open(self, currency: str, side: str, minimum: int | None, maximum: int | None) -> None:
        self.accounts[len(self.accounts) + 1] = {
            "currency": currency,
            "side": side,
            "minimum": minimum,
            "maximum": maximum,
            "debit": 0,
            "credit": 0,
            "debit held": 0,
            "credit held": 0,
            "open": True,
        }

    def batch(self, chains: list[list[dict[str, Any]]], now: int) -> list[str]:
        """The answer to each row, in order. A chain happens whole or not at all."""
        answers = []
        for chain in chains:
            before = copy.deepcopy((self.accounts, self.rows, self.resolved))
            known = [row["id"] in self.answers for row in chain]
            results = ["linked_row_failed"] * len(chain)
            if not any(known):
                for place, row in enumerate(chain):
                    result = self.row(row, now)
                    if result != "posted":
                        self.accounts, self.rows, self.resolved = before
                        results = ["linked_row_failed"] * len(chain)
                        results[place] = result
                        break
                    results[place] = result
            for place, row in enumerate(chain):
                if known[place]:
                    answer, request = self.answers[row["id"]]
                    results[place] = answer if request == row else "id_already_has_other_content"
                else:
                    self.answers[row["id"]] = (results[place], dict(row))
            answers += results
        return answers

    def row(self, row: dict[str, Any], now: int) -> str:
        if row["kind"] in ("transfer", "pending"):
            return self.transfer(row, now)
        if row["kind"] in ("post", "void", "expire"):
            return self.resolve(row, now)
        if row["kind"] == "correction":
            return self.correct(row)
        return self.close(row)

    def transfer(self, row: dict[str, Any], now: int) -> str:
        if row["amount"] <= 0:
            return "amount_must_be_positive"
        if (no := self.pair(row)) is not None:
            return no
        if row["expires"] and (row["kind"] == "transfer" or row["expires"] <= now):
            return "expiry_must_be_in_the_future"
        if (no := self.limits(row)) is not None:
            return no
        held = " held" if row["kind"] == "pending" else ""
        self.accounts[row["debit"]]["debit" + held] += row["amount"]
        self.accounts[row["credit"]]["credit" + held] += row["amount"]
        self.rows[row["id"]] = row
        return "posted"

    def resolve(self, row: dict[str, Any], now: int) -> str:
        if row["kind"] == "post" and row["amount"] <= 0:
            return "amount_must_be_positive"
        pending = self.rows.get(row["refers"])
        if pending is None or pending["kind"] != "pending":
            return "pending_transfer_must_exist"
        if row["refers"] in self.resolved:
            done = {"post": "posted", "void": "voided", "expire": "expired"}[self.resolved[row["refers"]]]
            return f"pending_transfer_already_{done}"
        if (row["debit"], row["credit"]) != (pending["debit"], pending["credit"]):
            return "pending_transfer_must_have_the_same_accounts"
        if not 0 <= row["amount"] <= pending["amount"]:
            return "amount_must_not_exceed_pending_amount"
        passed = 0 < pending["expires"] <= now
        if row["kind"] == "post" and passed:
            return "pending_transfer_has_passed_its_expiry"
        if row["kind"] == "expire" and not passed:
            return "pending_transfer_has_not_expired"
        self.accounts[row["debit"]]["debit held"] -= pending["amount"]
        self.accounts[row["credit"]]["credit held"] -= pending["amount"]
        if row["kind"] == "post":
            self.accounts[row["debit"]]["debit"] += row["amount"]
            self.accounts[row["credit"]]["credit"] += row["amount"]
        self.resolved[row["refers"]] = row["kind"]
        self.rows[row["id"]] = row
        return "posted"

    def correct(self, row: dict[str, Any]) -> str:
        wrong = self.rows.get(row["refers"])
        if wrong is None:
            return "corrected_transfer_must_exist"
        if wrong["kind"] not in ("transfer", "post"):
            return "corrected_transfer_must_be_posted"
        if (row["debit"], row["credit"], row["amount"]) != (wrong["credit"], wrong["debit"], wrong["amount"]):
            return "correction_must_mirror_the_transfer"
        if row["refers"] in self.resolved:
            return "transfer_already_corrected"
        if (no := self.pair(row) or self.limits(row)) is not None:
            return no
        self.accounts[row["debit"]]["debit"] += row["amount"]
        self.accounts[row["credit"]]["credit"] += row["amount"]
        self.resolved[row["refers"]] = "correction"
        self.rows[row["id"]] = row
        return "posted"

    def close(self, row: dict[str, Any]) -> str:
        account = self.accounts.get(row["debit"])
        if account is None:
            return "account_must_exist"
        if not account["open"]:
            return "account_must_be_open"
        if account["debit"] != account["credit"] or account["debit held"] or account["credit held"]:
            return "account_must_be_empty"
        account["open"] = False
        return "posted"

    def pair(self, row: dict[str, Any]) -> str | None:
        debit, credit = self.accounts.get(row["debit"]), self.accounts.get(row["credit"])
        if debit is None:
            return "debit_account_must_exist"
        if credit is None:
            return "credit_account_must_exist"
        if row["debit"] == row["credit"]:
            return "accounts_must_be_different"
        if debit["currency"] != credit["currency"]:
            return "accounts_must_have_the_same_currency"
        if not (debit["open"] and credit["open"]):
            return "account_must_be_open"
        return None

    def limits(self, row: dict[str, Any]) -> str | None:
        debit, credit, amount = self.accounts[row["debit"]], self.accounts[row["credit"]], row["amount"]
        if (
            debit["debit"] + debit["debit held"] + amount > MOST
            or credit["credit"] + credit["credit held"] + amount > MOST
        ):
            return "balance_must_fit_64_bits"
        falling = [each for each, side in ((debit, "credit"), (credit, "debit")) if each["side"] == side]
        rising = [each for each, side in ((debit, "debit"), (credit, "credit")) if each["side"] == side]
        for each in falling:
            if each["minimum"] is not None and self.balance(each) - self.held(each) - amount < each["minimum"]:
                return "balance_must_not_fall_below_its_minimum"
        for each in rising:
            if each["maximum"] is not None and self.balance(each) + self.expected(each) + amount > each["maximum"]:
                return "balance_must_not_exceed_its_maximum"
        return None

    @staticmethod
    def balance(account: dict[str, Any]) -> int:
        difference = account["credit"] - account["debit"]
        return difference if account["side"] == "credit" else -difference

    @staticmethod
    def held(account: dict[str, Any]) -> int:
        return account["debit held" if account["side"] == "credit" else "credit held"]

    @staticmethod
    def expected(account: dict[str, Any]) -> int:
        return account["credit held" if account["side"] == "credit" else "debit held"]
