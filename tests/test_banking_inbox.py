"""The inbox: a bank's file is read whole or quarantined whole, and a file that fails posts nothing."""

from datetime import UTC, date, datetime

import pytest

from custody_world import DAY, POOL_ACCOUNT, custody_world, number
from ringfence.banking import gateway
from ringfence.banking.queries import QUERIES
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.banking.statement_writer import AccountHeld, DayStatement, statement_file
from ringfence.money import currency
from ringfence.refusal import Refused


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        found.pay_in("c1", 500_00)
        found.pay_in("c2", 70_00)
        yield found


def files(world, outcome=None):
    with world.core.connection() as connection:
        question = {"book": world.core.book.book_id, "outcome": outcome, "limit": 100}
        return connection.execute(QUERIES.files, question).fetchall()


def statements(world):
    with world.core.connection() as connection:
        return connection.execute(QUERIES.statements, {"book": world.core.book.book_id, "limit": 100}).fetchall()


def entries(world):
    with world.core.connection() as connection:
        return connection.execute(b"SELECT amount FROM banking.entry ORDER BY amount").fetchall()


def close_day(world, switches=None):
    if switches is not None:
        world.bank.set_switches(switches)
    world.bank.close_day(DAY, world.now)
    gateway.turn(world.gateway)


def test_a_statement_that_adds_up_is_taken_once(world):
    close_day(world)
    assert [(row[3], row[4], row[5]) for row in statements(world)] == [(0, 570_00, 2)]
    assert entries(world) == [(70_00,), (500_00,)]
    archived = list(world.gateway.folder("alpha", "archive").iterdir())
    assert all(path.name.split("-")[0] in {row[0] for row in files(world)} for path in archived)


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        (Switches(closing_off_by_minor=1), "statement_does_not_add_up"),
        (Switches(missing_entry=True), "statement_does_not_add_up"),
        (Switches(changed_amount_by_minor=5), "statement_does_not_add_up"),
        (Switches(truncated_statement=True), "bank_file_is_cut_short"),
    ],
)
def test_a_statement_that_fails_its_gate_is_quarantined_whole(world, switches, reason):
    before = world.balance("customer:c1:available")
    close_day(world, switches)
    [held] = files(world, "quarantined")
    assert held[6] == reason
    assert statements(world) == []
    assert entries(world) == []
    assert world.balance("customer:c1:available") == before


def test_after_a_quarantine_the_true_statement_is_taken(world):
    close_day(world, Switches(closing_off_by_minor=1))
    world.bank.set_switches(Switches())
    world.bank.resend_day(DAY, world.now)
    gateway.turn(world.gateway)
    assert [(row[3], row[4]) for row in statements(world)] == [(0, 570_00)]


def test_the_same_bytes_again_are_put_aside(world):
    close_day(world, Switches(delivered_twice=True))
    assert len(statements(world)) == 1
    assert files(world, "quarantined") == []


def written(identifier, number, day, opening, closing):
    """A statement without entries that a bank might send."""
    held = AccountHeld(number, "Platform clients", currency("EUR"))
    told = DayStatement(identifier, 9, held, day, day, opening, closing, ())
    return statement_file([told], message_id=f"M-{identifier}", created_at=datetime(2026, 3, 9, tzinfo=UTC))


def test_a_statement_that_does_not_open_with_the_last_closing_is_refused_by_the_database(world):
    """A day is lost between two statements: the second is quarantined for its opening balance."""
    close_day(world)
    content = written("S-3", POOL_ACCOUNT, date(2026, 3, 3), 571_00, 571_00)
    (world.gateway.folder("alpha", "from_bank") / "later.xml").write_bytes(content)
    gateway.turn(world.gateway)
    assert [row[6] for row in files(world, "quarantined")] == ["statement_does_not_continue"]
    assert len(statements(world)) == 1


def test_an_older_statement_and_one_under_a_known_number_are_refused(world):
    close_day(world)
    known = statements(world)[0][1]
    folder = world.gateway.folder("alpha", "from_bank")
    (folder / "older.xml").write_bytes(written("S-0", POOL_ACCOUNT, date(2026, 2, 27), 570_00, 570_00))
    (folder / "same.xml").write_bytes(written(known, POOL_ACCOUNT, date(2026, 3, 4), 570_00, 570_00))
    gateway.turn(world.gateway)
    assert {row[6] for row in files(world, "quarantined")} == {
        "statement_is_older_than_the_last",
        "statement_was_taken_before",
    }


def test_an_account_that_is_not_ours_and_a_message_that_is_not_known_are_refused(world):
    folder = world.gateway.folder("alpha", "from_bank")
    (folder / "strange.xml").write_bytes(written("S-1", number("LT", "9999012345678901"), DAY, 0, 0))
    (folder / "letter.txt").write_bytes(b"Dear customer, we regret")
    gateway.turn(world.gateway)
    assert {row[6] for row in files(world, "quarantined")} == {
        "statement_is_of_a_strange_account",
        "message_is_not_for_the_inbox",
    }


def test_a_missing_folder_is_the_machines_fault_and_quarantines_nothing(world):
    folder = world.gateway.folder("alpha", "from_bank")
    folder.rename(folder.with_name("away"))
    with pytest.raises(Refused, match="bank_folder_is_missing"):
        gateway.turn(world.gateway)
    assert files(world, "quarantined") == []


DESCRIPTION = """
name = "daily movements"
encoding = "utf-8"
delimiter = ","
date_format = "%Y-%m-%d"
currency = "EUR"

[columns]
account = "account"
booking_date = "date"
balance = "balance"
bank_reference = "serial"
remittance = ["text"]

[amount]
rule = "signed"
column = "amount"
"""


def test_a_described_csv_passes_the_same_gates(world):
    """A bank that sends a CSV: the file is read by its description; one whose running balance is off is quarantined."""
    folder = world.gateway.folder("alpha", "from_bank")
    (folder.parent / "description.toml").write_text(DESCRIPTION, encoding="utf-8")
    rows = "account,date,amount,balance,serial,text\n"
    rows += (
        f"{POOL_ACCOUNT.text},2026-03-02,500.00,500.00,S1,RF-c1\n{POOL_ACCOUNT.text},2026-03-02,70.00,570.00,S2,RF-c2\n"
    )
    (folder / "movements.csv").write_text(rows, encoding="utf-8")
    (folder / "wrong.csv").write_text(rows.replace("570.00", "571.00"), encoding="utf-8")
    gateway.turn(world.gateway)
    assert [(row[3], row[4], row[5]) for row in statements(world)] == [(0, 570_00, 2)]
    [held] = files(world, "quarantined")
    assert (held[2], held[3]) == ("wrong.csv", "described csv")
