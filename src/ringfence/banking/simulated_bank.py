"""A custodian bank on the other side of the folder exchange, as a simulator with a memory of its own.

    <folder>/to_bank/           payment orders (pain.001.001.09), which the bank collects
    <folder>/from_bank/         answers (pain.002), advices of credit (camt.054), statements (camt.053)
    <folder>/taken/             orders that the bank has collected
    <folder>/simulated.sqlite   what the bank knows

The bank is honest unless a switch says otherwise (`Switches`). It books first and tells afterwards:

- `receive`: a customer's payment arrives. It is booked and an advice of credit is sent.
- `serve_once`: new orders are checked as a bank would, booked, and answered. A transfer between two accounts of this
  bank credits the other one. Orders for a later day wait for it. Payments that are to come back do.
- `close_day`: each account gets its statement; the opening balance is the previous closing balance. An entry that is
  booked after its day is closed belongs to the next day.

An order is answered with the first of these that is true of it:

    FF01 AM18 AM10   (file) wrong form, number of transfers, control sum
    DU01             (file) its MsgId was used before
    (switch)         whatever `reject_reason` says
    AC02             the debtor's account is not one of this bank
    DT01             the execution date is more than 10 days ago or more than 366 ahead
    AM11             the currency is not the account's
    AM01             the amount is zero
    AC03             the creditor's IBAN is wrong, or is the debtor's account
    AM03             the creditor's account is here, and in another currency
    DU04             its EndToEndId was used before on this account
    PDNG / ACCP      taken; waiting while the bank is slow / for its day
    AM04 / AM02      there is not enough money / the creditor's account here cannot hold so much
    ACSC             paid

Safe against a crash at every step: whatever a call books, and the exact bytes of every file that tells of it, are one
transaction of the bank's database; files are written afterwards, by temporary name, rename and flush, from what was
queued there. After a kill the next call sends what is still owed. A file may then come twice, with the same bytes and
name; nothing is booked twice, because an order file that was booked but not yet moved away is known by its name and
SHA-256.

Everything is a function of the seed, the calls and their times. `at_step` hears the name of each durable step, before
and after it, so that a test can break the bank exactly there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Self

from ringfence.banking import exchange
from ringfence.banking.account_number import AccountNumber, Scheme, iban
from ringfence.banking.payment_file import ISO_20022, check_text
from ringfence.banking.payment_status import MESSAGE as ANSWER_MESSAGE
from ringfence.banking.payment_status import PaymentStatus, StatusCode, StatusReason, StatusReport, status_report
from ringfence.banking.simulated_bank_books import MINOR_MAX, SIMULATED_AMOUNT_IS_OUT_OF_RANGE, Account, Books, Payment
from ringfence.banking.simulated_bank_faults import Switches, as_told
from ringfence.banking.simulated_bank_orders import MESSAGE as ORDER_MESSAGE
from ringfence.banking.simulated_bank_orders import FileRejected, InstructionReceived, TransferReceived, read_orders
from ringfence.banking.statement_writer import (
    ADVICE_MESSAGE,
    STATEMENT_MESSAGE,
    AccountHeld,
    BookedEntry,
    DayStatement,
    EntryKind,
    advice_file,
    statement_file,
)
from ringfence.money import Currency
from ringfence.refusal import Fault, Refused, refusal

SIMULATED_BANK_CODE_IS_MALFORMED = refusal(
    "simulated_bank_code_is_malformed",
    Fault.INPUT,
    en="{code!r} is not a code for a simulated bank: 4 to 8 capital letters or digits.",
    zh="{code!r} 不是模拟银行代码：应为 4 至 8 位大写字母或数字。",
)
SIMULATED_ACCOUNT_DIFFERS = refusal(
    "simulated_account_differs",
    Fault.STATE,
    en="Account {account} is open already, with another owner, currency, day or opening balance.",
    zh="账户 {account} 已开立，但户名、货币、开户日或期初余额不同。",
)
SIMULATED_RECEIPT_DIFFERS = refusal(
    "simulated_receipt_differs",
    Fault.STATE,
    en="Receipt {receipt_id!r} was booked with other particulars.",
    zh="收款 {receipt_id!r} 已入账，但内容不同。",
)
SIMULATED_DAY_IS_CLOSED_OVER = refusal(
    "simulated_day_is_closed_over",
    Fault.STATE,
    en="{day} of account {account} cannot be closed: its last statement reaches to {last_day}.",
    zh="账户 {account} 的 {day} 不能日结：最近对账单已截至 {last_day}。",
)

_CODE_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def _nothing(_: str) -> None:
    """What happens at a step, unless a test has something in mind."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one `serve_once` did: order files collected, files written to from_bank/."""

    files_taken: int
    files_written: int


class SimulatedBank:
    """One bank; made by `open`. One thread uses it at a time; other processes may open the same folder."""

    def __init__(self, folder: Path, books: Books, *, code: str, seed: int, utc_offset_minutes: int) -> None:
        self.to_bank, self.from_bank, self._taken = folder / "to_bank", folder / "from_bank", folder / "taken"
        self._books, self._code, self._seed = books, code, seed
        self._zone = timezone(timedelta(minutes=utc_offset_minutes))

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        name: str,
        code: str,
        seed: int = 0,
        utc_offset_minutes: int = 0,
        at_step: Callable[[str], None] = _nothing,
    ) -> Self:
        """The bank of a folder, founded if there is none yet. Its days begin at midnight of `utc_offset_minutes`."""
        if not 4 <= len(code) <= 8 or not set(code) <= _CODE_CHARACTERS:
            raise SIMULATED_BANK_CODE_IS_MALFORMED(code=code[:64])
        with exchange.refused_by_name(folder):
            for each in (folder, folder / "to_bank", folder / "from_bank", folder / "taken"):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
        books = Books(folder, code, at_step)
        try:
            books.found(name=name, seed=seed, utc_offset_minutes=utc_offset_minutes)
        except BaseException:
            books.close()
            raise
        return cls(folder, books, code=code, seed=seed, utc_offset_minutes=utc_offset_minutes)

    def close(self) -> None:
        self._books.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def switches(self) -> Switches:
        return self._books.switches

    def set_switches(self, switches: Switches) -> None:
        """From now on the bank fails in these ways, and in no other."""
        self._books.set_switches(switches)

    def open_account(
        self, number: AccountNumber, owner_name: str, unit: Currency, *, opened_on: date, opening_minor: int = 0
    ) -> None:
        """Open an account, with money on it from before; opening the same one again is harmless."""
        check_text("Acct/Ownr/Nm", owner_name, ISO_20022.name_characters_max, ISO_20022)
        if not 0 <= opening_minor <= MINOR_MAX:
            raise SIMULATED_AMOUNT_IS_OUT_OF_RANGE(amount_minor=opening_minor)
        wanted = Account(AccountHeld(number, owner_name, unit), opened_on, opening_minor, opening_minor)
        with self._books.whole("open account"):
            known = {each.number.text: each for each in self._books.accounts()}.get(number.text)
            if known is None:
                self._books.open_account(wanted)
            elif replace(known, balance_minor=opening_minor) != wanted:
                raise SIMULATED_ACCOUNT_DIFFERS(account=number)

    def balances(self) -> dict[AccountNumber, int]:
        """The booked balance of each account in minor units: what is really there, whatever the bank says."""
        return {account.number: account.balance_minor for account in self._books.accounts()}

    def entries(self, number: AccountNumber) -> tuple[BookedEntry, ...]:
        """Everything that was ever booked on an account, in booking order: what really happened."""
        return self._books.entries(self._books.account(number).number)

    def receive(
        self,
        account: AccountNumber,
        amount_minor: int,
        payer_name: str,
        payer_account: AccountNumber | None,
        remittance_text: str,
        now: datetime,
        *,
        receipt_id: str | None = None,
    ) -> BookedEntry:
        """A payment from outside arrives: booked, and advised by a camt.054. Texts may be empty where the payer gave
        none. With a `receipt_id` a repeated call books nothing and gives the first entry again.
        """
        for field, text in (("Dbtr/Nm", payer_name), ("RmtInf/Ustrd", remittance_text)):
            if text:
                check_text(field, text, 140, ISO_20022)
        with self._books.whole("receive"):
            held = self._books.account(account).held
            entry = self._books.receipt(account, receipt_id) if receipt_id else None
            if entry is None:
                entry = self._books.book(
                    account,
                    EntryKind.RECEIPT,
                    amount_minor,
                    self._booking_day(account, now),
                    receipt_id=receipt_id,
                    counterparty_name=payer_name,
                    counterparty_account=payer_account,
                    remittance_text=remittance_text,
                )
                if not self.switches.lost_advice:
                    self._queue_advice(held, entry, now)
            told = (entry.signed_minor, entry.counterparty_name, entry.counterparty_account, entry.remittance_text)
            if told != (amount_minor, payer_name, payer_account, remittance_text):
                raise SIMULATED_RECEIPT_DIFFERS(receipt_id=receipt_id)
        self._send(now)
        return entry

    def serve_once(self, now: datetime) -> Served:
        """Take new orders, pay what is due, return what is to come back, and send every file that is owed."""
        self._finish_taking()
        files = exchange.arrivals(self.to_bank)
        for file in files:
            self._take(file, now)
        with self._books.whole("due"):
            self._pay_due(now)
            for account in self._books.accounts():
                self._return_due(account, self._day(now), self._booking_day(account.number, now), now)
        return Served(len(files), self._send(now))

    def close_day(self, day: date, now: datetime | None = None) -> None:
        """Write the statement of each account up to the end of `day`; closing it again only sends what is still owed.
        Without `now` it is the midnight that ends the day.
        """
        now = now or datetime.combine(day + timedelta(days=1), time(), self._zone).astimezone(UTC)
        for account in self._books.accounts():
            with self._books.whole(f"close {account.number}"):
                self._close_account(account, day, now)
        self._send(now)

    def resend_day(self, day: date, now: datetime) -> None:
        """Send the true statements of a closed day once more, as a bank does when it is told that one was wrong; no
        switch touches these.
        """
        with self._books.whole("resend"):
            for account in self._books.accounts():
                statement = self._books.statement(account, day)
                if statement is not None:
                    self._queue_statement(statement, now, Switches())
        self._send(now)

    # Orders

    def _take(self, file: exchange.Arrival, now: datetime) -> None:
        """Book a file's orders, then move it away. A crash between the two leaves it in to_bank/, known as begun."""
        content = exchange.read(file)
        with self._books.whole("take"):
            file_id, is_new = self._books.begin_taking(file.name, file.sha256)
            if is_new:
                self._answer(content, now)
        exchange.move(file.path, self._taken / f"{file_id:08d}-{file.name}")
        self._books.at_step("take: moved")
        self._books.end_taking(file_id)
        self._books.at_step("take: ended")

    def _finish_taking(self) -> None:
        """After a crash: note as taken what was moved away already. What was not is found in to_bank/ again."""
        for file_id, name in self._books.files_being_taken():
            if not (self.to_bank / name).exists():
                self._books.end_taking(file_id)

    def _answer(self, content: bytes, now: datetime) -> None:
        orders = read_orders(content)
        if not isinstance(orders, FileRejected) and self._books.has_message(orders.message_id):
            orders = FileRejected("DU01", "this message was received before", orders.message_id)
        if isinstance(orders, FileRejected):
            self._queue_answer(orders.message_id, _rejection(orders.reason, orders.text), [], now)
            return
        self._books.remember_message(orders.message_id)
        statuses = []
        for instruction in orders.instructions:
            for transfer in instruction.transfers:
                status = self._decide(orders.message_id, instruction, transfer, now)
                identified = replace(
                    status,
                    payment_information_id=instruction.payment_information_id,
                    instruction_id=transfer.instruction_id or None,
                    end_to_end_id=transfer.end_to_end_id,
                )
                statuses.append(identified)
        self._queue_answer(orders.message_id, _together(statuses), statuses, now)

    def _decide(
        self, message_id: str, instruction: InstructionReceived, transfer: TransferReceived, now: datetime
    ) -> PaymentStatus:
        """What becomes of one transfer; what it says of it, `_answer` completes with its identifiers."""
        switches, today = self._books.switches, self._day(now)
        debtor = self._books.find_account(instruction.debtor_scheme, instruction.debtor_number)
        if switches.reject_reason:
            return _rejection(switches.reject_reason)
        if debtor is None:
            return _rejection("AC02")
        reason = self._flaw_of(debtor, instruction.execution_date - today, transfer)
        if reason is not None:
            return _rejection(reason)
        payment = Payment(
            payment_id=0,
            number=debtor.number,
            message_id=message_id,
            payment_information_id=instruction.payment_information_id,
            instruction_id=transfer.instruction_id,
            end_to_end_id=transfer.end_to_end_id,
            amount_minor=transfer.amount_minor,
            creditor_name=transfer.creditor_name,
            creditor_account=AccountNumber(transfer.creditor_scheme, transfer.creditor_number),
            remittance_text=transfer.remittance_text,
            silent=switches.silence,
            return_reason="",
        )
        payment = self._books.take_payment(payment, instruction.execution_date)
        if switches.pending:
            return PaymentStatus(StatusCode.PENDING)
        if instruction.execution_date > today:
            return PaymentStatus(StatusCode.ACCEPTED)
        return self._pay(payment, now)

    def _flaw_of(self, debtor: Account, ahead: timedelta, transfer: TransferReceived) -> str | None:
        """The checks of one transfer before money is looked at, in the order of the module's table."""
        creditor = self._books.find_account(transfer.creditor_scheme, transfer.creditor_number)
        if not timedelta(days=-10) <= ahead <= timedelta(days=366):
            return "DT01"
        if transfer.currency != debtor.held.currency:
            return "AM11"
        if transfer.amount_minor == 0:
            return "AM01"
        if transfer.creditor_scheme is Scheme.IBAN and not _is_iban(transfer.creditor_number):
            return "AC03"
        if creditor is not None and creditor.number == debtor.number:
            return "AC03"
        if creditor is not None and creditor.held.currency != transfer.currency:
            return "AM03"
        if self._books.has_end_to_end_id(debtor.number, transfer.end_to_end_id):
            return "DU04"
        return None

    def _pay_due(self, now: datetime) -> None:
        """Pay what has waited for its day or for a slow bank, and answer again, one report for each message."""
        if self._books.switches.pending:
            return
        answers: dict[str, list[PaymentStatus]] = {}
        for payment in self._books.payments_due(self._day(now)):
            status = replace(
                self._pay(payment, now),
                payment_information_id=payment.payment_information_id,
                instruction_id=payment.instruction_id or None,
                end_to_end_id=payment.end_to_end_id,
            )
            if not payment.silent:
                answers.setdefault(payment.message_id, []).append(status)
        for message_id, statuses in answers.items():
            self._queue_answer(message_id, None, statuses, now)

    def _pay(self, payment: Payment, now: datetime) -> PaymentStatus:
        """Debit the account, or reject for want of money; credit the creditor if the account is here."""
        debtor = self._books.account(payment.number)
        creditor = self._books.find_account(payment.creditor_account.scheme, payment.creditor_account.text)
        short = debtor.balance_minor < payment.amount_minor
        if short or (creditor is not None and creditor.balance_minor + payment.amount_minor > MINOR_MAX):
            self._books.reject_payment(payment)
            return _rejection("AM04" if short else "AM02")
        day, switches = self._booking_day(debtor.number, now), self._books.switches
        debit = self._books.book(debtor.number, EntryKind.PAYMENT, -payment.amount_minor, day, payment=payment)
        return_on = None
        if creditor is not None:
            credit = self._books.book(
                creditor.number,
                EntryKind.RECEIPT,
                payment.amount_minor,
                self._booking_day(creditor.number, now),
                end_to_end_id=payment.end_to_end_id,
                counterparty_name=debtor.held.owner_name,
                counterparty_account=debtor.number,
                remittance_text=payment.remittance_text,
            )
            self._queue_advice(creditor.held, credit, now)
        elif switches.return_after_days is not None:
            return_on = day + timedelta(days=switches.return_after_days)
        self._books.pay(payment, return_on, switches.return_reason)
        return PaymentStatus(StatusCode.SETTLED, bank_reference=debit.reference)

    def _return_due(self, account: Account, until: date, day: date, now: datetime) -> None:
        """Credit the payments that were to come back by `until`, under their own identifiers, and advise of them."""
        for payment in self._books.returns_due(account.number, until):
            entry = self._books.book(account.number, EntryKind.RETURN, payment.amount_minor, day, payment=payment)
            self._books.return_payment(payment)
            self._queue_advice(account.held, entry, now)

    # Days

    def _close_account(self, account: Account, day: date, now: datetime) -> None:
        last_day, switches = self._books.last_day(account.number), self._books.switches
        if last_day is not None and day <= last_day:
            if self._books.statement(account, day) is None:
                raise SIMULATED_DAY_IS_CLOSED_OVER(day=day, account=account.number, last_day=last_day)
            return
        if day < account.opened_on:
            return
        self._return_due(account, day, day, now)
        if switches.unknown_receipt_minor:
            entry = self._books.book(account.number, EntryKind.RECEIPT, switches.unknown_receipt_minor, day)
            self._queue_advice(account.held, entry, now)
        self._queue_statement(self._books.close_statement(account, day), now, switches)

    def _day(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()

    def _booking_day(self, number: AccountNumber, now: datetime) -> date:
        """Today, or the day after the last closed one if that is later: a closed day stays closed."""
        last_day = self._books.last_day(number)
        return self._day(now) if last_day is None else max(self._day(now), last_day + timedelta(days=1))

    # What the bank says

    def _queue_answer(
        self, original_message_id: str, group: PaymentStatus | None, payments: Sequence[PaymentStatus], now: datetime
    ) -> None:
        if self._books.switches.silence:
            return
        report = StatusReport(
            message_id=self._next_message_id(),
            created_at=now,
            original_message_id=original_message_id,
            original_message_name=ORDER_MESSAGE,
            group=group,
            payments=tuple(payments),
        )
        self._queue(ANSWER_MESSAGE, status_report(report), now)

    def _queue_advice(self, account: AccountHeld, entry: BookedEntry, now: datetime) -> None:
        message_id = self._next_message_id()
        content = advice_file(account, [entry], message_id=message_id, identifier=message_id, created_at=now)
        self._queue(ADVICE_MESSAGE, content, now)

    def _queue_statement(self, statement: DayStatement, now: datetime, switches: Switches) -> None:
        message_id, told = self._next_message_id(), as_told(statement, switches, self._seed)
        if switches.wrong_message_type:
            content = advice_file(
                told.account, told.entries, message_id=message_id, identifier=told.identifier, created_at=now
            )
        else:
            content = statement_file([told], message_id=message_id, created_at=now)
        if switches.truncated_statement:
            content = content[: len(content) // 2]
        self._queue(STATEMENT_MESSAGE, content, now + timedelta(minutes=switches.statement_delay_minutes))

    def _queue(self, message: str, content: bytes, due_at: datetime) -> None:
        for _ in range(2 if self._books.switches.delivered_twice else 1):
            self._books.queue_file(f"{self._code}-{self._books.next_file_id():08d}-{message}.xml", content, due_at)

    def _next_message_id(self) -> str:
        return f"{self._code}-{self._books.next_file_id():08d}"

    def _send(self, now: datetime) -> int:
        """Write what is due; a crash after writing a file writes it again, with the same bytes and name."""
        files = self._books.files_due(now)
        for file_id, name, content in files:
            exchange.deliver(self.from_bank, name, content)
            self._books.at_step("send: written")
            self._books.file_written(file_id)
            self._books.at_step("send: noted")
        return len(files)


def _rejection(reason: str, text: str = "") -> PaymentStatus:
    return PaymentStatus(StatusCode.REJECTED, (StatusReason(reason, texts=(text,) if text else ()),))


def _together(statuses: Sequence[PaymentStatus]) -> PaymentStatus:
    """The group's status: what all have in common, or PART."""
    codes = {status.code for status in statuses}
    return PaymentStatus(codes.pop() if len(codes) == 1 else StatusCode.PARTLY)


def _is_iban(text: str) -> bool:
    try:
        iban(text)
    except Refused:
        return False
    return True
