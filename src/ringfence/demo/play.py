"""The custody day, played: money arrives, orders come, people decide, banks answer, the day is closed and proven.

Every step may be repeated: what was done is answered as it was. A day that was broken off anywhere is played again from
its beginning and ends with the same figures.
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from rich.progress import Progress, TaskID

from ringfence.authority import proposals
from ringfence.banking.simulated_bank import SimulatedBank
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.command import Screen
from ringfence.core import Core
from ringfence.custody import days, orders
from ringfence.database.server import Server
from ringfence.demo import escrow, standing
from ringfence.demo.children import Children
from ringfence.demo.devices import SIGNERS, device_of
from ringfence.demo.founding import Founded, bank_time, open_bank
from ringfence.demo.platform import Platform
from ringfence.demo.scenario import BOOK, CURRENCY, LISTED_NAME, Bank, Scenario
from ringfence.diligence import files
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.ledger import reading
from ringfence.ledger.ids import derived
from ringfence.liabilities import reading as trees
from ringfence.money import currency, format_minor
from ringfence.refusal import Fault, refusal
from ringfence.safeguarding import day as custody_day

UNANNOUNCED: Final = 77_00  # what arrives at the end of the day and is not advised
QUIET_SECONDS: Final = 180.0
PROPOSALS_MAX: Final = 100_000

DAY_DOES_NOT_COME_TO_REST = refusal(
    "day_does_not_come_to_rest",
    Fault.STATE,
    en="The day does not come to rest: still waiting for {what} after {seconds} seconds.",
    zh="本日迟迟未能平稳：{seconds} 秒后仍在等待 {what}。",
)


@dataclass
class Player:
    """What plays a day: the installation, the scenario, the processes and the progress on the screen."""

    screen: Screen
    server: Server
    scenario: Scenario
    children: Children
    progress: Progress
    address: str
    begun: datetime
    founded: Founded
    bank_lock: threading.Lock = field(default_factory=threading.Lock)  # a bank has one thread at a time

    @property
    def day(self) -> date:
        return self.scenario.day

    def bank_now(self) -> datetime:
        return bank_time(self.day, datetime.now(UTC), self.begun)

    def person(self, platform: Platform, login: str) -> Platform:
        """Somebody of the staff, with the own device if there is one."""
        device = device_of(self.screen.settings, login, self.address) if login in SIGNERS else None
        return platform.sign_in(login, self.founded.password, device)


def play(player: Player, core: Core) -> dict[str, Any]:
    """Play the day to its end, if it is not there yet, and tell its figures."""
    begun = time.monotonic()
    with core.connection() as connection:
        known = {each["day"]: each["closed_at"] for each in days.days(connection, core.book.book_id)}
    banks = _Banks(player)
    try:
        if known.get(player.day) is None:
            days.open_day(core, player.day)
            platform = Platform(player.address, signer=player.founded.signer)
            platform.wait_until_there(player.children.look)
            _customers(player, platform)
            _diligence(player, platform, core)
            _watch(player, platform)
            _receipts(player, core)
            _orders(player, platform)
            _escrow(player, platform)
            _people(player, platform, core)
            _rest(player, core)
            _drill(player, platform, core)
            _close(player, core)
            platform.close()
        _close_the_past(player, core)
        _liabilities(player, core)
        figures = _figures(player, core)
        figures |= _prove(player, core)
    finally:
        banks.stop()
    return figures | {"seconds": round(time.monotonic() - begun, 1)}


class _Banks:
    """The banks at work in a thread of their own: they collect payment orders and answer."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="banks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        opened = [open_bank(self._player.screen.settings, bank) for bank in self._player.scenario.banks]
        while not self._stop.wait(0.1):
            for bank in opened:
                with self._player.bank_lock:
                    bank.serve_once(self._player.bank_now())
        for bank in opened:
            bank.close()


def _customers(player: Player, platform: Platform) -> None:
    task = _task(player, "customers register", "客户登记", len(player.scenario.customers))
    for customer in player.scenario.customers:
        platform.register(customer)
        player.progress.advance(task)


def _diligence(player: Player, platform: Platform, core: Core) -> None:
    """The core asks the identity provider for everybody and screens the names; wallets open. Of whom the provider knows
    nothing has none, and the one whose name is on a list is judged to be that one.
    """
    task = _task(player, "customers are verified", "客户核实", len(player.scenario.customers))

    def done() -> bool:
        with core.connection() as connection:
            left = files.unsettled(connection, core.book.book_id, core.clock())
        player.progress.update(task, completed=len(player.scenario.customers) - left)
        return left == 0

    _until(player, done, "due diligence")
    rita = player.person(platform, "rita")
    for customer in player.scenario.customers:
        if customer.name == LISTED_NAME:
            said = {"judged": "the same", "reason": "name and country are those of the entry"}
            rita.ask("POST", f"/api/v1/customers/{customer.customer_id}/matches/customer", said, refusals=True)
    rita.sign_out()


def _receipts(player: Player, core: Core) -> None:
    task = _task(player, "money arrives at the banks", "资金到达银行", len(player.scenario.receipts))
    by_bank: dict[str, list[Any]] = {}
    for receipt in player.scenario.receipts:
        by_bank.setdefault(receipt.bank.name, []).append(receipt)
    for bank in player.scenario.banks:
        with open_bank(player.screen.settings, bank) as opened:
            for receipt in by_bank.get(bank.name, []):
                paid = (receipt.amount, receipt.payer_name, None, receipt.text, player.bank_now())
                with player.bank_lock:
                    opened.receive(bank.account, *paid, receipt_id=receipt.receipt_id)
                player.progress.advance(task)
    wanted = len(player.scenario.receipts)
    task = _task(player, "deposits are credited", "充值入账", wanted)

    def credited() -> bool:
        with core.connection() as connection:
            counted = orders.orders_by_state(connection, core.book.book_id, player.day)
        done = sum(int(each["orders"]) for each in counted if each["kind"] == "deposit")
        player.progress.update(task, completed=done)
        return done >= wanted

    _until(player, credited, "deposits")


def _orders(player: Player, platform: Platform) -> None:
    task = _task(player, "orders are placed", "提交指令", len(player.scenario.acts))
    answers: Counter[str] = Counter()
    for number, act in enumerate(player.scenario.acts):
        answers[platform.place(act)] += 1
        if number % 20 == 7:
            platform.place(act)  # a retry, as after a lost answer
        player.progress.advance(task)


def _escrow(player: Player, platform: Platform) -> None:
    task = _task(player, "money waits for its conditions", "担保资金待条件成立", len(escrow.ENDS))
    found = escrow.propose_all(platform, player.scenario)
    escrow.speak(platform, found)
    _until(player, lambda: escrow.have_ended(platform, found), "escrow")
    player.progress.update(task, completed=len(found))


def _people(player: Player, platform: Platform, core: Core) -> None:
    """Staff decide: most is approved, some is rejected, some waits. Which is which follows from the order's id, so that
    a day that is played again decides alike. And they agree on a limit.
    """
    staff = {login: player.person(platform, login) for login in ("tina", "adam", "bella", "rita")}
    waiting = staff["tina"].proposals()
    task = _task(player, "people decide", "人员审批", len(waiting))
    for proposal in waiting:
        lot = UUID(proposal["order_id"]).int % 5 if proposal["order_id"] else 3
        if lot == 4:
            checker = staff["rita" if "risk_officer" in proposal["roles"] else "adam"]
            checker.decide(proposal, "reject", "not plausible")
        elif lot != 3:
            for login in ("adam", "bella"):
                staff[login].decide(proposal, "approve")
        player.progress.advance(task)
    task = _task(player, "a limit is agreed", "限额获批", 1)
    approvers, bank = (staff["adam"], staff["bella"]), player.scenario.banks[0]
    _until(player, lambda: standing.forbid_overdraft(core, staff["tina"], approvers, bank), "the limit")
    player.progress.advance(task)
    for each in staff.values():
        each.sign_out()


def _watch(player: Player, platform: Platform) -> None:
    task = _task(player, "a monitor is set", "设置监测项", 1)
    tina = platform.sign_in("tina", player.founded.password)
    standing.watch_customers(tina)
    tina.sign_out()
    player.progress.advance(task)


def _close_the_past(player: Player, core: Core) -> None:
    """Everything before the day is closed for good; a treasurer proposes it and another person agrees."""
    task = _task(player, "the past is closed", "关闭过往期间", 1)
    platform = Platform(player.address, signer=player.founded.signer)
    platform.wait_until_there(player.children.look)
    tina, adam = (player.person(platform, login) for login in ("tina", "adam"))
    _until(player, lambda: standing.close_the_past(core, tina, (adam,), player.day), "the closed period")
    for each in (tina, adam):
        each.sign_out()
    platform.close()
    player.progress.advance(task)


def _rest(player: Player, core: Core) -> None:
    """Until no payment is on its way."""
    task = _task(player, "banks pay", "银行付款", None)

    def resting() -> bool:
        with core.connection() as connection:
            counted = orders.orders_by_state(connection, core.book.book_id, player.day)
        moving = sum(int(each["orders"]) for each in counted if each["state"] in ("released", "sent"))
        settled = sum(each["orders"] for each in counted if (each["kind"], each["state"]) == ("withdrawal", "settled"))
        player.progress.update(task, completed=settled, total=settled + moving)
        return moving == 0

    _until(player, resting, "payments")


def _drill(player: Player, platform: Platform, core: Core) -> None:
    """The brake, pulled and released, with the people whom the policy asks for."""
    with core.connection() as connection:
        if drilled(connection, core.book.book_id):
            return
    rita, tina = (platform.sign_in(login, player.founded.password) for login in ("rita", "tina"))
    task = _task(player, "brake drill", "制动演练", 3)
    rita.ask("POST", "/api/v1/brake/pulls", {"reason": "drill: every payout stops"})
    player.progress.advance(task)
    tina.ask("POST", "/api/v1/brake/releases", {"reason": "drill is over"})
    player.progress.advance(task)
    for login in ("adam", "bella"):
        person = player.person(platform, login)
        for proposal in person.proposals():
            if proposal["act"] == "brake_release":
                person.decide(proposal, "approve")
        person.sign_out()

    def released() -> bool:
        with core.connection() as connection:
            return drilled(connection, core.book.book_id)

    _until(player, released, "the brake")
    player.progress.advance(task)
    rita.sign_out()
    tina.sign_out()


def drilled(connection: Any, book: int) -> bool:
    """Whether the brake was pulled and released again."""
    from ringfence.incident.brake import brake_history, brake_state

    return bool(brake_history(connection, book)) and not brake_state(connection, book).pulled


def _close(player: Player, core: Core) -> None:
    banks = player.scenario.banks
    task = _task(player, "end of day: statements", "日终：对账单", len(banks))
    for number, bank in enumerate(banks):
        with player.bank_lock, open_bank(player.screen.settings, bank) as opened:
            if number == 0:
                _lose_an_advice(player, opened, bank)
            opened.close_day(player.day, player.bank_now())
    book = core.book.book_id

    def arrived() -> bool:
        with core.connection() as connection:
            there = custody_day.missing_statements(connection, book, player.day)
        player.progress.update(task, completed=len(banks) - len(there))
        return not there

    _until(player, arrived, "statements")
    _rest(player, core)
    task = _task(player, "reconcile, test, close", "对账、测试、日终", 1)
    custody_day.close_day(core, player.day)
    player.progress.advance(task)


def _lose_an_advice(player: Player, opened: SimulatedBank, bank: Bank) -> None:
    """Money arrives and the bank forgets to say so: only the statement has it, and reconciliation has to find it."""
    customer = next(each for each in player.scenario.customers if each.bank == bank)
    identity = f"{player.day.isoformat()}-unannounced"
    opened.set_switches(Switches(lost_advice=True))
    paid = (UNANNOUNCED, customer.name, None, customer.reference, player.bank_now())
    opened.receive(bank.account, *paid, receipt_id=identity)
    opened.set_switches(Switches())


def _liabilities(player: Player, core: Core) -> None:
    """The core proves what every customer is owed, as soon as the notary has signed the day's end."""
    task = _task(player, "liabilities are proven", "证明负债", 1)

    def proven() -> bool:
        with core.connection() as connection:
            return bool(trees.history(connection, core.book.book_id, day=player.day, currency=CURRENCY))

    _until(player, proven, "the proof of liabilities")
    player.progress.advance(task)


def _figures(player: Player, core: Core) -> dict[str, Any]:
    unit = currency(CURRENCY)
    with core.connection() as connection:
        summary = custody_day.closed_day(connection, core.book.book_id, player.day, CURRENCY)
        counted = orders.orders_by_state(connection, core.book.book_id, player.day)
        customers = files.counted(connection, core.book.book_id)
        transfers = custody_day.transfers_of(connection, core.book.book_id, player.day)
        decided = proposals.latest(connection, core.book.book_id, PROPOSALS_MAX)
        tree = trees.proven(connection, core.book.book_id, player.day, CURRENCY)
    signed = sum(each.assertion is not None for proposal in decided for each in proposal.decisions)
    return {
        "book": BOOK,
        "day": player.day.isoformat(),
        "currency": CURRENCY,
        "transfers": transfers,
        "orders": sum(each["orders"] for each in counted),
        "requirement": format_minor(summary.requirement, unit),
        "resource": format_minor(summary.resource, unit),
        "shortfall": format_minor(summary.shortfall, unit),
        "excess": format_minor(summary.excess, unit),
        "discrepancies": summary.discrepancies,
        "payouts_held": sum(each["orders"] for each in counted if _is_held_payout(each)),
        "approvals_signed": signed,
        "liabilities": {"total": format_minor(tree.total, unit), "count": tree.count},
        "customers_verified": customers.get("verified", 0),
        "customers_unverified": sum(customers.get(state, 0) for state in ("applied", "documents", "screened")),
        "customers_restricted": customers.get("restricted", 0),
        **standing.told(core, core.book.book_id),
    }


def _is_held_payout(counted: dict[str, Any]) -> bool:
    return counted["kind"] == "withdrawal" and counted["state"] in ("held", "awaiting_approval")


def _prove(player: Player, core: Core) -> dict[str, Any]:
    """Wait for the notary, export the evidence with a customer's receipt, and let the stranger's program judge it."""
    task = _task(player, "notary signs, a stranger verifies", "公证签名，外部核验", 2)
    with core.connection() as connection:
        wanted = reading.book_named(connection, BOOK).head
    log = player.screen.settings.evidence(BOOK)

    def signed() -> bool:
        from ringfence.evidence.reading import last_signed

        with core.connection() as connection:
            last = last_signed(connection, core.book.book_id)
        return last is not None and last.size >= wanted

    _until(player, signed, "the notary")
    player.progress.advance(task)
    folder = _new_folder(player.screen.settings.home / "exports", player.day)
    with core.connection() as connection:
        freezes = orders.orders(connection, core.book.book_id, kind="freeze", limit=PROPOSALS_MAX)
    placed = {each.order_id for each in freezes}
    customer_order = next(act for act in player.scenario.acts if act.order_id in placed)
    done = export(folder, log, read_verifier(log), [derived(customer_order.order_id, "money")])
    verdict = verify(folder)
    player.progress.advance(task)
    checkpoint = {"size": done.checkpoint.size, "root": done.checkpoint.root.hex(), "origin": done.checkpoint.origin}
    return {"checkpoint": checkpoint, "verified": verdict, "evidence": str(folder)}


def verify(folder: Path) -> bool | None:
    """The verdict of `verifier/verify.py` on an exported folder; None where the program does not lie beside ours."""
    program = Path(__file__).parents[3] / "verifier" / "verify.py"
    if not program.exists():
        return None
    done = subprocess.run([sys.executable, str(program), str(folder), "--json"], capture_output=True, check=False)
    return done.returncode == 0


def _new_folder(parent: Path, day: date) -> Path:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 1
    while (folder := parent / f"{day.isoformat()}-{number}").exists():
        number += 1
    return folder


def _task(player: Player, english: str, chinese: str, total: int | None) -> TaskID:
    return player.screen.begin(player.progress, english, chinese, total)


def _until(player: Player, there: Callable[[], bool], what: str) -> None:
    begun = time.monotonic()
    while not there():
        player.children.look()
        if time.monotonic() - begun > QUIET_SECONDS:
            raise DAY_DOES_NOT_COME_TO_REST(what=what, seconds=round(QUIET_SECONDS))
        time.sleep(0.1)
