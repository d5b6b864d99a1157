"""What stands over a book is changed by people only, and the notary signs no such row that they did not approve."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from authority_world import World, world_of
from ringfence.authority import proposals
from ringfence.authority.proposals import Drafted
from ringfence.authority.standing import acts
from ringfence.authority.standing import reading as stands
from ringfence.authority.standing.verification import authorised
from ringfence.evidence.notary import Notary
from ringfence.evidence.note import Signer
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit, head_of
from ringfence.ledger.model import Account, Kind, Line, canonical
from ringfence.ledger.standing import ClosedPeriod, Guard, Limits, Monitor, Watched
from ringfence.refusal import Refused

DAY = date(2026, 3, 2)
BANK, ALICE, BOB, OWN = range(1, 5)


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        for account in (
            Account(0, "bank:alpha", "EUR", "debit", None, None, "bank:alpha", "client"),
            Account(0, "customer:alice", "EUR", "credit", 0, None, "customer:alice", "client"),
            Account(0, "customer:bob", "EUR", "credit", 0, None, "customer:bob", "client"),
            Account(0, "own", "EUR", "credit", None, None, "platform", "own"),
        ):
            found.core.post(Unit([Line(Kind.ACCOUNT_OPENED, found.new_id(), payload=account.payload())]))
        yield found


@contextmanager
def notary_of(world: World, folder: Path) -> Iterator[Notary]:
    signer = Signer.from_seed("ringfence/demo", b"n" * 32)
    notary = Notary(lambda: world.connect("notary"), folder, signer, world.book, authorised=authorised)
    try:
        yield notary
    finally:
        notary.close()


def signs(world: World, folder: Path) -> tuple[str, dict[str, Any]]:
    """What the notary makes of the book: the name of its refusal and the facts of its alarm, or nothing."""
    with notary_of(world, folder) as notary:
        with suppress(Refused):
            while notary.step(world.clock()) is not None:
                pass
        if notary.checkpoint.size == head_of(world.connect("core"), world.book):
            return "", {}
    alarm = world.connect("core").execute(
        "SELECT name, facts FROM evidence.alarm WHERE book_id = %s ORDER BY raised_at DESC LIMIT 1", (world.book,)
    )
    name, facts = alarm.fetchone()
    return name, facts


def refusal_of(act: Callable[..., object], *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def approve(world: World, made: Drafted, *people: str) -> None:
    for person in people:
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)


def move(world: World, debit: int, credit: int, amount: int, code: int = Purpose.DEPOSIT, day: date = DAY) -> str:
    line = Line(Kind.TRANSFER, world.new_id(), debit, credit, amount, code=code, value_date=day)
    try:
        world.core.post(Unit([line]))
    except Refused as refused:
        return refused.name
    return "posted"


def limits(world: World, name: str) -> tuple[int | None, int | None]:
    found = reading.account(world.connect("core"), world.book, name)
    return found.minimum, found.maximum


def propose(world: World, minimum: int | None = -50_00, maximum: int | None = None, by: str = "tess") -> Drafted:
    return acts.propose_limits(
        world.core, world.session(by), "customer:alice", minimum, maximum, "a credit line by contract"
    )


def approved(world: World, minimum: int | None = -50_00) -> Drafted:
    made = propose(world, minimum)
    approve(world, made, "abel", "rita")
    return made


def test_limits_change_when_two_others_approved_and_hold_from_the_next_row_on(world, tmp_path):
    made = propose(world)
    facts = proposals.proposal_of(world.connect("core"), world.book, made.proposal_id).terms.facts
    assert {name: facts[name] for name in ("account", "number", "currency", "minimum", "maximum")} == {
        "account": "customer:alice", "number": "2", "currency": "EUR", "minimum": "-50.00", "maximum": "none",
    }  # fmt: skip
    assert (facts["minimum_before"], facts["maximum_before"]) == ("0.00", "none")
    assert move(world, ALICE, BANK, 50_00) == "balance_must_not_fall_below_its_minimum"
    approve(world, made, "abel")
    assert acts.carry_out_all(world.core) == 0
    approve(world, made, "rita")
    assert limits(world, "customer:alice") == (0, None)
    assert acts.carry_out_all(world.core) == 1
    assert acts.carry_out_all(world.core) == 0
    assert limits(world, "customer:alice") == (-50_00, None)
    assert move(world, ALICE, BANK, 50_00) == "posted"
    assert move(world, ALICE, BANK, 1) == "balance_must_not_fall_below_its_minimum"
    assert signs(world, tmp_path) == ("", {})
    row = reading.journal_page(world.connect("core"), world.book, limit=3)[-1]
    assert (row.kind_word, row.order_id, row.id) == (
        "account_limited", made.proposal_id, derived(made.proposal_id, "carried out"),
    )  # fmt: skip


def test_a_change_of_limits_that_is_none_or_nonsense_is_not_proposed(world):
    session = world.session("tess")
    for name, minimum, maximum, reason, refused in (
        ("nobody", 0, None, "why", "account_must_exist"),
        ("customer:alice", 10, 5, "why", "minimum_must_not_exceed_the_maximum"),
        ("customer:alice", 0, None, "why", "limits_must_change"),
        ("bank:alpha", None, 5, "why", "account_must_have_room_for_receipts"),
        ("customer:alice", 1, None, " ", "change_must_have_a_reason"),
    ):
        assert refusal_of(acts.propose_limits, world.core, session, name, minimum, maximum, reason) == refused
    abel = world.session("abel")
    assert refusal_of(acts.propose_limits, world.core, abel, "customer:alice", 1, None, "why") == (
        "maker_may_not_make_this"
    )


def test_a_closed_period_takes_nothing_more_in(world, tmp_path):
    day = DAY - timedelta(days=1)
    assert move(world, BANK, ALICE, 1, day=day) == "posted"
    made = acts.propose_closing(world.core, world.session("tess"), day, "February is done")
    approve(world, made, "abel")
    assert acts.carry_out_all(world.core) == 1
    assert stands.closed_through(world.connect("core"), world.book) == day
    assert move(world, BANK, ALICE, 1, day=day) == "value_date_must_be_in_an_open_period"
    assert move(world, BANK, ALICE, 1) == "posted"
    assert signs(world, tmp_path) == ("", {})
    assert refusal_of(acts.propose_closing, world.core, world.session("tess"), day, "again") == (
        "period_must_be_later_than_the_last_closed"
    )
    tomorrow = DAY + timedelta(days=1)
    assert refusal_of(acts.propose_closing, world.core, world.session("tess"), tomorrow, "too early") == (
        "period_must_have_ended"
    )


def test_what_the_ledger_refuses_in_the_end_is_tried_once(world):
    """Two approved closings of one day: the second is refused by the ledger, for good, and the rounds go on."""
    first, second = (
        acts.propose_closing(world.core, world.session("tess"), DAY - timedelta(days=1), "done") for _ in range(2)
    )
    approve(world, first, "abel")
    approve(world, second, "abel")
    assert acts.carry_out_all(world.core) == 1
    head = head_of(world.connect("core"), world.book)
    assert acts.carry_out_all(world.core) == 0
    assert head_of(world.connect("core"), world.book) == head
    assert refusal_of(acts.carry_out, world.core, second.proposal_id) == "period_must_be_later_than_the_last_closed"


def test_a_pool_gets_its_first_guard_at_once_and_another_by_two_people(world, tmp_path):
    assert acts.guard_first(world.core, "client", [])
    assert not acts.guard_first(world.core, "client", [Purpose.FUNDING])
    assert move(world, OWN, BANK, 1) == "pool_must_stay_covered"
    codes = [Purpose.UNEXPLAINED, Purpose.ROUNDING]
    made = acts.propose_guard(world.core, world.session("tess"), "client", codes, "the old book was short")
    facts = proposals.proposal_of(world.connect("core"), world.book, made.proposal_id).terms.facts
    assert (facts["codes"], facts["codes_before"]) == ("109 rounding, 110 unexplained", "none")
    approve(world, made, "abel", "rita")
    assert acts.carry_out_all(world.core) == 1
    assert move(world, OWN, BANK, 1) == "pool_must_stay_covered"
    assert move(world, OWN, BANK, 1, Purpose.ROUNDING) == "posted"
    assert signs(world, tmp_path) == ("", {})
    for pool, wanted, refused in (("petty", codes, "pool_must_exist"), ("client", [5], "purpose_is_unknown")):
        assert refusal_of(acts.propose_guard, world.core, world.session("tess"), pool, wanted, "why") == refused


LOW = Monitor("alice is low", Watched(account=ALICE), "available", 10_00, None)


def test_a_new_monitor_watches_at_once_and_turns_are_told(world, tmp_path):
    for _ in range(2):
        assert acts.set_monitor(world.core, world.session("tess"), LOW, "she asked for it") is None
    connection = world.connect("core")
    [found] = stands.monitors(connection, world.book)
    assert (found.monitor, found.account, found.currency, found.on) == (LOW, "customer:alice", "EUR", True)
    assert found.turn is not None
    assert found.turn.said.value == 0
    assert move(world, BANK, ALICE, 10_00) == "posted"
    [found] = stands.monitors(connection, world.book)
    assert (found.on, found.is_off) == (False, False)
    turns = [each.said for each in stands.turns(connection, world.book)]
    assert [(each.on, each.value) for each in turns] == [(False, 10_00), (True, 0)]
    assert signs(world, tmp_path) == ("", {})


def test_a_monitor_in_use_changes_by_approval_only(world, tmp_path):
    acts.set_monitor(world.core, world.session("tess"), LOW, "she asked for it")
    made = acts.set_monitor(world.core, world.session("tess"), replace(LOW, below=20_00), "more room")
    assert made is not None
    approve(world, made, "abel")
    assert acts.carry_out_all(world.core) == 1
    off = acts.switch_monitor_off(world.core, world.session("rita"), LOW.name, "not needed")
    approve(world, off, "abel")
    assert acts.carry_out_all(world.core) == 1
    [found] = stands.monitors(world.connect("core"), world.book)
    assert (found.on, found.is_off) == (False, True)
    assert refusal_of(acts.switch_monitor_off, world.core, world.session("rita"), LOW.name, "again") == (
        "monitor_is_off_already"
    )
    assert signs(world, tmp_path) == ("", {})


@pytest.mark.parametrize(
    ("monitor", "refused"),
    [
        (replace(LOW, name=""), "monitor_has_a_short_name"),
        (replace(LOW, name=" x"), "monitor_has_a_short_name"),
        (replace(LOW, watched=Watched(account=99)), "monitor_must_watch_something"),
        (replace(LOW, measure="cover"), "monitor_must_watch_something"),
        (replace(LOW, watched=Watched(0, "ghost", "client", "EUR", "credit")), "monitor_must_watch_something"),
        (replace(LOW, watched=Watched(pool="client", currency="JPY"), measure="cover"), "monitor_must_watch_something"),
        (replace(LOW, below=None), "monitor_must_have_a_condition"),
    ],
)
def test_a_monitor_that_watches_nothing_is_refused(world, monitor, refused):
    assert refusal_of(acts.set_monitor, world.core, world.session("tess"), monitor, "why") == refused
    assert refusal_of(acts.set_monitor, world.core, world.session("abel"), LOW, "why") == "person_lacks_the_role"
    assert refusal_of(acts.switch_monitor_off, world.core, world.session("tess"), "ghost", "why") == (
        "monitor_must_exist"
    )


def test_totals_are_watched_by_class_and_by_pool(world):
    for watched, measure in (
        (Watched(0, "customer", "client", "EUR", "credit"), "balance"),
        (Watched(pool="client", currency="EUR"), "cover"),
    ):
        monitor = Monitor(f"{measure} of all", watched, measure, None, 99)
        assert acts.set_monitor(world.core, world.session("tess"), monitor, "why") is None
    move(world, BANK, ALICE, 60)
    move(world, BANK, BOB, 40)
    on = {each.monitor.name: each.on for each in stands.monitors(world.connect("core"), world.book)}
    assert on == {"balance of all": True, "cover of all": False}


# -- the drill: whoever holds the core's role writes what he likes -----------------------------------------------------


def forge(world: World, line: Line) -> int:
    """A row of the journal by plain SQL as role core, past every check of the program; its sequence."""
    connection = world.connect("core")
    with connection.transaction():
        head = head_of(connection, world.book)
        at = world.clock()
        connection.execute("SELECT ledger.advance(%s, %s, 1, %s)", (world.book, head, at))
        row = (
            world.book, head, int(line.kind), 0, line.id, line.debit_account, 0, 0, None, line.order_id, line.code,
            line.value_date, at, None, canonical(line.payload or {}),
        )  # fmt: skip
        columns = (
            "COPY ledger.journal_0 (book_id, sequence, kind, flags, id, debit_account, credit_account, amount,"
            " refers_to, order_id, code, value_date, posted_at, expires_at, payload) FROM STDIN"
        )
        with connection.cursor().copy(columns) as copy:
            copy.write_row(row)
    return head


def event(name: EventName, said: dict[str, Any]) -> Line:
    return Line(Kind.EVENT, uuid4(), code=name, payload=said)


def of_nobody(_: World) -> Line:
    return Limits(ALICE, None, None, uuid4()).line(uuid4(), DAY)


def of_another_amount(world: World) -> Line:
    made = approved(world)
    return Limits(ALICE, -5_000_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_another_account(world: World) -> Line:
    made = approved(world)
    return Limits(BOB, -50_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_another_act(world: World) -> Line:
    made = approved(world)
    return ClosedPeriod(DAY - timedelta(days=1), made.proposal_id).line(derived(made.proposal_id, "carried out"))


def of_one_person_too_few(world: World) -> Line:
    made = propose(world)
    approve(world, made, "abel")
    return Limits(ALICE, -50_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_its_maker(world: World) -> Line:
    """rita makes it and could approve it; what the journal says of her approval is forged as well as it can be."""
    made = propose(world, by="rita")
    approve(world, made, "abel")
    said = {"proposal": str(made.proposal_id), "sha256": made.payload_sha256.hex(), "person": "rita", "count": 2}
    forge(world, event(EventName.PROPOSAL_APPROVED, said))
    return Limits(ALICE, -50_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_somebody_who_was_made_up(world: World) -> Line:
    """No proposal at all, and a journal that tells of one from the making to the second approval."""
    proposal, change = uuid4(), Limits(ALICE, -50_00, None, UUID(int=0))
    change = replace(change, proposal=proposal)
    told = {"proposal": str(proposal), "act": "limit_change", "sha256": "ab" * 32, "maker": "tess", "people": 2}
    forge(world, event(EventName.PROPOSAL_MADE, told | {"roles": ["approver"], "policy_version": 1}))
    for person in ("abel", "anna"):
        said = {"proposal": str(proposal), "sha256": "ab" * 32, "person": person, "count": 1}
        forge(world, event(EventName.PROPOSAL_APPROVED, said))
    return change.line(derived(proposal, "carried out"), DAY)


def of_a_proposal_that_was_spent(world: World) -> Line:
    made = approved(world)
    acts.carry_out_all(world.core)
    again = approved(world, None)
    acts.carry_out_all(world.core)
    assert again.proposal_id != made.proposal_id
    return Limits(ALICE, -50_00, None, made.proposal_id).line(uuid4(), DAY)


def of_a_proposal_that_nobody_spent(world: World) -> Line:
    made = approved(world)
    return Limits(ALICE, -50_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_a_lapsed_proposal(world: World) -> Line:
    made = approved(world)
    world.later(hours=73)
    return Limits(ALICE, -50_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_a_rejected_proposal(world: World) -> Line:
    made = propose(world)
    approve(world, made, "abel")
    proposals.reject(world.core, world.session("rita"), made.proposal_id, made.payload_sha256)
    return Limits(ALICE, -50_00, None, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_a_guard_that_allows_more(world: World) -> Line:
    acts.guard_first(world.core, "client", [])
    made = acts.propose_guard(world.core, world.session("tess"), "client", [Purpose.ROUNDING], "why")
    approve(world, made, "abel", "rita")
    codes = (Purpose.FUNDING.value, Purpose.ROUNDING.value)
    return Guard("client", codes, made.proposal_id).line(derived(made.proposal_id, "carried out"), DAY)


def of_a_guard_that_replaces_in_silence(world: World) -> Line:
    acts.guard_first(world.core, "client", [])
    return Guard("client", (Purpose.FUNDING.value,)).line(uuid4(), DAY)


def of_a_monitor_that_is_switched_off(world: World) -> Line:
    acts.set_monitor(world.core, world.session("tess"), LOW, "why")
    return replace(LOW, below=None).line(uuid4(), DAY)


FORGED = [
    of_nobody, of_another_amount, of_another_account, of_another_act, of_one_person_too_few, of_its_maker,
    of_somebody_who_was_made_up, of_a_proposal_that_was_spent, of_a_proposal_that_nobody_spent, of_a_lapsed_proposal,
    of_a_rejected_proposal, of_a_guard_that_allows_more, of_a_guard_that_replaces_in_silence,
    of_a_monitor_that_is_switched_off,
]  # fmt: skip


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: forged.__name__)
def test_the_notary_signs_no_row_that_people_did_not_approve_and_its_alarm_names_it(world, tmp_path, forged):
    """What the journal says of people who did nothing is named at its own row, before the one that is built on it."""
    line = forged(world)
    name, facts = signs(world, tmp_path)
    if forged in (of_its_maker, of_somebody_who_was_made_up):
        assert (name, facts["event"]) in {
            ("row_says_what_nobody_did", "PROPOSAL_MADE"), ("row_says_what_nobody_did", "PROPOSAL_APPROVED"),
        }  # fmt: skip
        return
    assert (name, facts) == ("", {})
    sequence = forge(world, line)
    name, facts = signs(world, tmp_path)
    assert name in {"row_lacks_authorisation", "row_breaks_rule"}, facts
    assert int(facts["sequence"]) == sequence
    assert "proposal" not in facts or line.order_id is None or str(line.order_id) == facts["proposal"]
