"""The inbox: a bank's file is read whole or quarantined whole, and a file that fails posts nothing."""

import pytest

from custody_world import DAY, POOL_ACCOUNT, custody_world
from ringfence.banking import gateway
from ringfence.banking.queries import QUERIES
from ringfence.banking.simulated_bank_faults import Switches
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


def test_a_statement_that_does_not_open_with_the_last_closing_is_refused_by_the_database(world):
    """A day is lost between two statements: the second is quarantined for its opening balance."""
    close_day(world)
    content = next(world.gateway.folder("alpha", "archive").glob("*camt.053*")).read_bytes()
    later = (
        content.replace(b"2026-03-02", b"2026-03-03").replace(b">570.00<", b">571.00<").replace(b">0.00<", b">1.00<")
    )
    later = later.replace(b"<Id>", b"<Id>X", 1)
    (world.gateway.folder("alpha", "from_bank") / "later.xml").write_bytes(later)
    gateway.turn(world.gateway)
    [held] = files(world, "quarantined")
    assert held[6] in {"statement_does_not_continue", "statement_was_taken_before"}
    assert len(statements(world)) == 1


def test_an_account_that_is_not_ours_and_a_message_that_is_not_known_are_refused(world):
    folder = world.gateway.folder("alpha", "from_bank")
    close_day(world)
    content = next(world.gateway.folder("alpha", "archive").glob("*camt.053*")).read_bytes()
    (folder / "strange.xml").write_bytes(content.replace(POOL_ACCOUNT.text.encode(), b"LT601010012345678901"))
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
