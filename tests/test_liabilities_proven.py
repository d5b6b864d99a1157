"""The tree of a closed day in a whole platform: published once, proven to each customer, audited, verified by a
stranger; and every known way to cheat, tried on the whole of it: the operator has the notary's key and rebuilds the
log.
"""

import importlib
import io
import json
import sys
from base64 import b64decode
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import rfc8785
from typer.testing import CliRunner

from custody_world import DAY, custody_world
from liabilities_world import a_database, audited, cosigners, owes
from ringfence import installation
from ringfence.evidence.checkpoint import Checkpoint, sign_checkpoint
from ringfence.evidence.export import export, last_checkpoint
from ringfence.evidence.keys import key_lines, load_key, read_verifier, signer_for
from ringfence.evidence.note import parse_note
from ringfence.evidence.tiles import (
    EMPTY_EDGE,
    File,
    Tiles,
    directory_reader,
    grow,
    keep_checkpoint,
    make_log_folder,
    publish_checkpoint,
    write_files,
)
from ringfence.evidence.verbs import evidence
from ringfence.evidence.witness.keys import found_keys, key_file
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.liabilities import attesting, auditing, pack, reading
from ringfence.liabilities import proving as proving_
from ringfence.liabilities import tree as trees
from ringfence.liabilities.proofs import proof_of
from ringfence.liabilities.settings import read_proving
from ringfence.liabilities.verbs import liabilities
from ringfence.refusal import Refused
from ringfence.rounds import Ended

VERIFY = Path(__file__).parents[1] / "verifier" / "verify.py"
LOG = "ringfence/demo"
EVENT_HEAD = 116


@contextmanager
def proven(mode, server, template, new_database, home):
    """A day: c1 520.00, c2 300.00, c3 nothing, c4 owes 20.00, 40.00 unclaimed; bank 840.00: 20.00 short. Closed,
    signed, proven; with the pack of the day.
    """
    with a_database(server, template, new_database) as database, custody_world(database, home, 4) as world:
        found = audited(world, home, mode)
        world.pay_in("c1", 500_00)
        world.pay_in("c2", 300_00)
        world.pay_in("", 40_00, "thank you")
        owes(world, 20_00)
        found.close()
        assert found.prove() == 1
        found.pack = home / "pack"
        pack.pack(found.desk, found.log, read_verifier(found.log), DAY, found.pack)
        yield found


@pytest.fixture(scope="module")
def by_auditor(server, template, new_database, tmp_path_factory):
    with proven("auditor", server, template, new_database, tmp_path_factory.mktemp("auditor")) as found:
        yield found


@pytest.fixture(scope="module")
def by_sum(server, template, new_database, tmp_path_factory):
    with proven("sum", server, template, new_database, tmp_path_factory.mktemp("sum")) as found:
        yield found


@pytest.fixture(params=["by_auditor", "by_sum"])
def book(request):
    return request.getfixturevalue(request.param)


def verify(*arguments):
    """The stranger's program, in this process: its modules are found as it finds them."""
    folder, said = str(VERIFY.parent), io.StringIO()
    sys.path.insert(0, folder)
    try:
        program = importlib.import_module("verify")
        with redirect_stdout(said):
            code = program.main(["--json", *map(str, arguments)])
    finally:
        sys.path.remove(folder)
    return code, json.loads(said.getvalue())


def detail(said, name="liabilities"):
    [found] = [check for check in said["checks"] if check["name"] == name]
    return found["valid"], found["detail"]


def keys(book):
    return [word for line in key_lines(read_verifier(book.log)).split() for word in ("--key", line)]


def auditors():
    return [word for each in cosigners() for word in ("--auditor", each.key)]


# -- what holds -------------------------------------------------------------------------------------------------------


def test_the_event_has_the_figures_of_the_day(book):
    """Who owes is in the tree with nothing, is counted apart, and makes nobody else's claim smaller."""
    with book.world.core.connection() as connection:
        tree = reading.proven(connection, 1, DAY, "EUR")
        says = reading.event_of(connection, 1, tree)
    assert (tree.count, tree.total, tree.unallocated, tree.requirement) == (4, 820_00, 40_00, 860_00)
    assert (tree.negative_count, tree.negative_total, tree.resource) == (1, -20_00, 840_00)
    [statement] = says["statements"]
    assert (statement["closing"], len(statement["fingerprint"])) == ("84000", 64)
    assert says["checkpoint"]["size"] > says["closed"] >= says["cut_off"]
    assert book.prove() == 0  # once


def test_an_auditor_recomputes_and_signs_and_the_book_takes_it(book):
    """The note is taken once; a customer's proof carries it from then on."""
    [found] = auditing.audit(book.pack)
    assert found.valid, found.findings
    assert [each.name for each in found.findings] == ["log", "event", "leaves", "customers", "sum", "root"]
    note = attesting.sign(found.text, cosigners(), 1_772_500_000)
    proving = book.desk.proving
    taken = attesting.attest(book.world.core, proving, note, LOG)
    assert taken == attesting.attest(book.world.core, proving, note, LOG)
    book.sign()
    stranger = attesting.sign(found.text, cosigners("stranger.example"), 1)
    with pytest.raises(Refused, match="auditor_is_not_admitted"):
        attesting.attest(book.world.core, proving, stranger, LOG)
    with pytest.raises(Refused, match="auditor_is_not_admitted"):  # one of the two algorithms is not enough
        attesting.attest(book.world.core, proving, attesting.sign(found.text, cosigners()[:1], 1), LOG)
    other = found.text.replace("82000", "82001")
    with pytest.raises(Refused, match="attestation_is_of_no_tree"):
        attesting.attest(book.world.core, proving, attesting.sign(other, cosigners(), 1), LOG)
    with pytest.raises(Refused, match="auditor_attests_once"):
        attesting.attest(book.world.core, proving, attesting.sign(found.text, cosigners(), 2), LOG)


def test_a_stranger_verifies_the_export_and_the_pack(book):
    target = book.export("export")
    code, said = verify(target, *keys(book), *auditors())
    assert code == 0, said
    assert "1 days proven" in detail(said)[1]
    assert "1 auditors' notes, 1 by keys you gave" in detail(said)[1]
    code, said = verify(book.pack, *keys(book))
    assert code == 0, said
    assert "1 with leaves" in detail(said)[1]


@pytest.mark.parametrize("customer", ["c1", "c2", "c3", "c4"])
def test_every_customer_has_a_proof_that_stands_alone(book, tmp_path, customer):
    proof = proof_of(book.desk, book.log, f"customer:{customer}", DAY, "EUR")
    file = tmp_path / "proof.json"
    file.write_bytes(rfc8785.dumps(proof))
    code, said = verify(file, *keys(book), *auditors())
    assert code == 0, said
    assert f"customer:{customer} had " in detail(said, "liability")[1]
    assert proof["reveals"] == (["count"] if book.desk.proving.mode == "auditor" else ["count", "sums"])
    assert (proof["amount"], proof["balance"]) == {
        "c1": ("52000", "52000"), "c2": ("30000", "30000"), "c3": ("0", "0"), "c4": ("0", "-2000"),
    }[customer]  # fmt: skip


def test_who_was_no_customer_then_has_no_proof(by_auditor):
    with pytest.raises(Refused, match="holder_is_not_in_tree"):
        proof_of(by_auditor.desk, by_auditor.log, "customer:c5", DAY, "EUR")
    with pytest.raises(Refused, match="liabilities_are_not_proven"):
        proof_of(by_auditor.desk, by_auditor.log, "customer:c1", DAY, "USD")


def test_nothing_of_a_nonce_lies_outside_the_vault(by_auditor):
    """What is kept beside the journal is id, amount and hash; the secret is in cipher."""
    proof = proof_of(by_auditor.desk, by_auditor.log, "customer:c1", DAY, "EUR")
    with by_auditor.world.core.connection() as connection:
        [content] = [bytes(each) for (each,) in connection.execute("SELECT content FROM liabilities.leaves")]
        [masked] = connection.execute(
            "SELECT DISTINCT masked FROM vault.field WHERE place = 'liabilities.holder.secret'"
        ).fetchone()
    assert b64decode(proof["id"]) in content
    assert b64decode(proof["nonce"]) not in content
    assert masked == "••••"


# -- the operator cheats with the notary's key ------------------------------------------------------------------------


def forged(book, folder, change, leaves=None):
    """An export of the same journal in which LIABILITIES_PROVEN says something else, signed again by the notary's key;
    `leaves` are the lines that the auditor gets."""
    _, checkpoint = last_checkpoint(book.pack, read_verifier(book.pack))
    tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(book.pack))
    records = list(tiles.records(0, checkpoint.size))
    for index, record in enumerate(records):
        if record[1] == Kind.EVENT and int.from_bytes(record[88:92]) == EventName.LIABILITIES_PROVEN:
            says = json.loads(record[EVENT_HEAD:])
            change(says)
            payload = rfc8785.dumps(says)
            records[index] = record[:112] + len(payload).to_bytes(4) + payload
    signer = signer_for(load_key(book.home), "demo")
    log = folder / "log"
    make_log_folder(log)
    edge, files = grow(EMPTY_EDGE, records)
    write_files(log, [*files, File("notary.vkey", key_lines(signer.verifier).encode())])
    note = sign_checkpoint(Checkpoint(signer.name, edge.size, edge.root), [signer], 0)
    keep_checkpoint(log, edge.size, note)
    publish_checkpoint(log, note)
    further = []
    if leaves is not None:
        further = [File(f"liabilities/{DAY}-EUR.leaves", "".join(f"{each}\n" for each in leaves).encode())]
    export(folder / "pack", log, signer.verifier, further=further)
    return folder / "pack"


def packed(book):
    [file] = (book.pack / "liabilities").iterdir()
    return pack.read_leaves(file)


def said_of(book, leaves, **figures):
    """A change of the event: root and total of these leaves, and other figures; the requirement follows."""
    mode = book.desk.proving.mode

    def change(says):
        grown = trees.grow_over(mode, [each.node for each in leaves])
        says["root"] = proving_.spell(grown.root)
        says["count"], says["total"] = len(leaves), str(grown.total)
        says.update(figures)

    return change


def leaf(holder, amount, drawn=b"n" * 32):
    whose = trees.identity("demo", holder)
    made = trees.Leaf(whose, amount, drawn)
    return pack.PackedLeaf(whose, amount, drawn, made.node.hash, holder)


def caught(target, book):
    """What the stranger's verifier and the auditor say; both must say no."""
    code, said = verify(target, *keys(book))
    [found] = auditing.audit(target)
    valid, told = detail(said)
    assert (code, valid, found.valid) == (1, False, False), (said, found)
    return told, next(each for each in found.findings if not each.valid).detail


def test_attack_a_customer_left_out(by_auditor, tmp_path):
    """c2's 300.00 are not in the tree, and total, count and root say so consistently."""
    left = [each for each in packed(by_auditor) if each.holder != "customer:c2"]
    target = forged(by_auditor, tmp_path, said_of(by_auditor, left), left)
    verifier, auditor = caught(target, by_auditor)
    assert "requirement" in verifier
    assert "requirement" in auditor or "not the requirement" in auditor


def test_attack_a_customer_left_out_of_the_leaves_only(by_auditor, tmp_path):
    """The figures are right, the root is of fewer leaves: whoever was left out has no proof."""
    left = [each for each in packed(by_auditor) if each.holder != "customer:c3"]
    grown = trees.grow_over(by_auditor.desk.proving.mode, [each.node for each in left])
    target = forged(by_auditor, tmp_path, lambda says: says.update(root=proving_.spell(grown.root)), left)
    verifier, auditor = caught(target, by_auditor)
    assert "customer:c3 is left out" in verifier
    assert "customer:c3 has an account and is left out" in auditor


def test_attack_dummy_users(by_auditor, tmp_path):
    """Invented customers, with nothing, so that the total stays: they make the tree look larger."""
    padded = sorted([*packed(by_auditor), leaf("customer:c0", 0)], key=lambda each: each.identity)
    target = forged(by_auditor, tmp_path, said_of(by_auditor, padded), padded)
    verifier, auditor = caught(target, by_auditor)
    assert "customers" in verifier
    assert "customers" in auditor


def test_attack_a_dummy_user_in_the_leaves_only(by_auditor, tmp_path):
    dummy = [leaf("customer:c0", 0) if each.holder == "customer:c3" else each for each in packed(by_auditor)]
    dummy.sort(key=lambda each: each.identity)
    grown = trees.grow_over(by_auditor.desk.proving.mode, [each.node for each in dummy])
    target = forged(by_auditor, tmp_path, lambda says: says.update(root=proving_.spell(grown.root)), dummy)
    verifier, auditor = caught(target, by_auditor)
    assert "knows no customer customer:c0" in verifier
    assert "left out" in auditor


def test_attack_negative_balances_netted(by_auditor, tmp_path):
    """What c4 owes is taken from what c1 is owed: 800.00 instead of 820.00, and all of it would be there."""
    netted = [leaf(each.holder, 500_00) if each.holder == "customer:c1" else each for each in packed(by_auditor)]

    def change(says):
        said_of(by_auditor, netted)(says)
        says["safeguarding"].update(requirement="84000", difference="0")

    verifier, auditor = caught(forged(by_auditor, tmp_path, change, netted), by_auditor)
    assert "requirement" in verifier
    assert "requirement" in auditor


def test_attack_negative_balances_hidden(by_auditor, tmp_path):
    """Nobody owes anything, says the event."""
    target = forged(
        by_auditor, tmp_path, lambda says: says.update(negative_count=0, negative_total="0"), packed(by_auditor)
    )
    verifier, auditor = caught(target, by_auditor)
    assert "negative" in verifier
    assert "negative" in auditor


def test_attack_the_same_leaf_for_two_customers_in_a_pack(by_auditor, tmp_path):
    """c3's line is c1's again: the id is not c3's, and stands twice."""
    lines = packed(by_auditor)
    [first] = [each for each in lines if each.holder == "customer:c1"]
    twice = sorted(
        [replace(first, holder="customer:c3") if each.holder == "customer:c3" else each for each in lines],
        key=lambda each: each.identity,
    )
    target = forged(by_auditor, tmp_path, said_of(by_auditor, twice, total="82000"), twice)
    verifier, auditor = caught(target, by_auditor)
    assert "ids do not ascend" in verifier or "the id is not right" in verifier
    assert "ascend" in auditor or "the id is not that of" in auditor


def test_attack_broken_order_in_a_pack(by_auditor, tmp_path):
    swapped = packed(by_auditor)[::-1]
    target = forged(by_auditor, tmp_path, said_of(by_auditor, swapped), swapped)
    verifier, auditor = caught(target, by_auditor)
    assert "ids do not ascend" in verifier
    assert "ascend strictly" in auditor


def test_attack_a_wrong_total_with_the_right_root_in_the_book(book, tmp_path):
    """10.00 fewer are owed, says the event, with the true root; unallocated makes up for it."""
    target = forged(book, tmp_path, lambda says: says.update(total="81000", unallocated="5000"), packed(book))
    verifier, auditor = caught(target, book)
    assert "SAFEGUARDING_TESTED" in verifier
    assert "the test has another" in auditor


def test_attack_the_larger_instead_of_the_sum_in_the_book(book, tmp_path):
    """Every node has the larger of its children for a sum, so the total is the largest balance."""
    lines = packed(book)
    target = forged(
        book, tmp_path, said_of(book, lines, total=str(max(each.amount for each in lines)), unallocated="34000"), lines
    )
    verifier, auditor = caught(target, book)
    assert "owed" in verifier
    assert "the test has another owed" in auditor


def test_attack_overflow_in_a_pack(book, tmp_path):
    """A leaf of 2**64 - 20.00: with c1's it would add up to 500.00."""
    lines = [leaf(each.holder, 2**64 - 2000) if each.holder == "customer:c3" else each for each in packed(book)]
    target = forged(book, tmp_path, dict.keys, lines)
    verifier, auditor = caught(target, book)
    assert "the amount is not right" in verifier
    assert "customer:c3 has 0 by the journal" in auditor


def test_attack_an_old_nonce_used_again(by_auditor, tmp_path):
    """A pack with a nonce that stood in an earlier one links a customer's days to each other."""
    again = [leaf(each.holder, each.amount) if each.holder == "customer:c1" else each for each in packed(by_auditor)]
    target = forged(by_auditor, tmp_path, said_of(by_auditor, again), again)
    [alone] = auditing.audit(target)
    assert alone.valid
    [found] = auditing.audit(target, before=target)
    assert "was used before" in next(each for each in found.findings if not each.valid).detail
    twice = [leaf(each.holder, each.amount) for each in packed(by_auditor)]
    target = forged(by_auditor, tmp_path / "twice", said_of(by_auditor, twice), twice)
    verifier, auditor = caught(target, by_auditor)
    assert "the nonce is not right" in verifier
    assert "was used before" in auditor


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("another statement", lambda says: says["statements"][0].update(fingerprint="0" * 64)),
        ("another closing", lambda says: says["statements"][0].update(closing="86000")),
        ("no statement", lambda says: says.update(statements=[])),
        ("another result", lambda says: says["safeguarding"].update(resource="86000", difference="0")),
        ("another checkpoint", lambda says: says["checkpoint"].update(root=proving_.spell(bytes(32)))),
        ("another cut-off", lambda says: says.update(cut_off=says["cut_off"] - 1)),
        ("another book", lambda says: says.update(book="other")),
        ("another day", lambda says: says.update(day="2026-03-01")),
        ("a field more", lambda says: says.update(note="all is well")),
    ],
)
def test_an_event_that_contradicts_its_rows_is_caught(by_auditor, tmp_path, name, change):
    target = forged(by_auditor, tmp_path, change, packed(by_auditor))
    code, said = verify(target, *keys(by_auditor))
    assert (code, detail(said)[0]) == (1, False), name
    [found] = auditing.audit(target)
    assert not found.valid


# -- a proof that is not the customer's -------------------------------------------------------------------------------


OTHER_NOTE = "x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAA=\n"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda proof: proof.update(holder="customer:c2"), "the id is not that of customer:c2"),
        (lambda proof: proof.update(amount="52001", balance="52001"), "do not lead to the root"),
        (lambda proof: proof.update(amount="0"), "the balance is 52000"),
        (lambda proof: proof.update(day="2026-03-01"), "the row that was signed says 2026-03-02"),
        (lambda proof: proof.update(index=proof["index"] ^ 1), "do not lead to the root"),
        (lambda proof: proof["path"].pop(), "path"),
        (lambda proof: proof["path"].append(proof["path"][0]), "path"),
        (lambda proof: proof.update(attestations=[OTHER_NOTE]), "another tree"),
        (lambda proof: proof.update(amount="-1", balance="-1"), "-1"),
        (lambda proof: proof.update(reveals=[]), "reveals"),
    ],
)
def test_a_changed_proof_is_caught(book, tmp_path, change, says):
    proof = proof_of(book.desk, book.log, "customer:c1", DAY, "EUR")
    change(proof)
    file = tmp_path / "proof.json"
    file.write_bytes(rfc8785.dumps(proof))
    code, said = verify(file, *keys(book))
    assert code == 1, said
    assert says in detail(said, "liability")[1]


# -- the core cheats, and the notary looks ----------------------------------------------------------------------------


def test_the_notary_signs_no_event_that_contradicts_what_it_names(server, template, new_database, tmp_path):
    """The core appends its own LIABILITIES_PROVEN: 10.00 less. The notary names the row and signs nothing."""
    with a_database(server, template, new_database) as database, custody_world(database, tmp_path) as world:
        found = audited(world, tmp_path)
        world.pay_in("c1", 500_00)
        found.close()
        with world.core.connection() as connection:
            read = proving_._read(world.core, connection, 1, DAY, "EUR")
        said = proving_._said(found.desk, read, proving_.tree_of(found.desk, DAY, "EUR", read.test.sequence))
        said |= {"total": "49000", "unallocated": "1000"}
        event = Line(
            Kind.EVENT,
            proving_.event_id(1, DAY, "EUR"),
            code=EventName.LIABILITIES_PROVEN,
            value_date=DAY,
            payload=said,
        )
        world.core.post(Unit([event]))
        with pytest.raises(Refused, match=r"row_contradicts_liabilities: .*the test has another"):
            world.notary.step(world.now)


def test_liabilities_that_differ_from_the_requirement_are_an_alarm_and_no_event(
    server, template, new_database, tmp_path
):
    """A customer's account is opened and filled behind the test's back: the entries that are read are other ones."""
    with a_database(server, template, new_database) as database, custody_world(database, tmp_path) as world:
        found = audited(world, tmp_path)
        world.pay_in("c1", 500_00)
        found.close()
        with database.connect("owner") as owner:
            owner.execute("UPDATE safeguarding.test SET owed = owed - 1, requirement = requirement - 1")
        assert found.prove() == 0
        with world.core.connection() as connection:
            [why] = reading.unproven(connection, 1)
            assert reading.history(connection, 1) == []
        assert (why.name, why.facts["figure"]) == ("liabilities_differ_from_requirement", "total")
        with database.connect("owner") as owner:
            owner.execute("UPDATE safeguarding.test SET owed = owed + 1, requirement = requirement + 1")
        world.wait(minutes=2)
        assert found.prove() == 1
        with world.core.connection() as connection:
            assert reading.unproven(connection, 1) == []


def test_nothing_is_proven_before_the_notary_has_signed_the_day(server, template, new_database, tmp_path, monkeypatch):
    """Then it is built in pieces, with pauses; one that raises ends the work, and the next attempt publishes. And the
    next day has other nonces: yesterday's proof is none of today.
    """
    monkeypatch.setattr(proving_, "PIECE_HOLDERS", 2)
    pauses = []

    def pause():
        pauses.append(1)
        if len(pauses) == 2:
            raise Ended

    with a_database(server, template, new_database) as database, custody_world(database, tmp_path) as world:
        found = audited(world, tmp_path)
        world.pay_in("c1", 500_00)
        sign, found.sign = found.sign, lambda: None
        found.close()
        assert found.prove() == 0
        found.sign = sign
        found.sign()
        found.desk = replace(found.desk, pause=pause)
        with pytest.raises(Ended):
            found.prove()
        assert (found.prove(), len(pauses)) == (1, 4)  # two holders, then the third, twice
        next_day = found.open_next()
        found.close(next_day)
        assert found.prove() == 1
        one, other = (proof_of(found.desk, found.log, "customer:c1", day, "EUR") for day in (DAY, next_day))
        assert one["amount"] == other["amount"] == "50000"
        assert one["nonce"] != other["nonce"]
        file = tmp_path / "proof.json"
        file.write_bytes(rfc8785.dumps(one | {"event": other["event"], "day": other["day"]}))
        code, said = verify(file, *keys(found))
        assert (code, "do not lead to the root" in detail(said, "liability")[1]) == (1, True)


def test_who_is_erased_takes_the_nonce_along(server, template, new_database, tmp_path):
    """The others' proofs still hold, the pack says that a leaf cannot be opened, and an auditor does not sign it."""
    with a_database(server, template, new_database) as database, custody_world(database, tmp_path) as world:
        found = audited(world, tmp_path)
        world.pay_in("c1", 500_00)
        found.close()
        assert found.prove() == 1
        with database.connect("owner") as owner:  # as `vault.erase` leaves it
            owner.execute(
                "INSERT INTO vault.erasure (book_id, owner, sequence, at) VALUES (1, 'customer:c2', 1, now())"
            )
            owner.execute(
                "UPDATE vault.field_key SET wrapped = NULL, state = 'destroyed', ended_at = now()"
                " WHERE owner = 'customer:c2'"
            )
        with pytest.raises(Refused, match="liability_was_erased"):
            proof_of(found.desk, found.log, "customer:c2", DAY, "EUR")
        file = tmp_path / "proof.json"
        file.write_bytes(rfc8785.dumps(proof_of(found.desk, found.log, "customer:c1", DAY, "EUR")))
        assert verify(file, *keys(found))[0] == 0
        target = tmp_path / "pack"
        pack.pack(found.desk, found.log, read_verifier(found.log), DAY, target)
        [audit] = auditing.audit(target)
        assert "does not open: the customer was erased" in next(
            each.detail for each in audit.findings if not each.valid
        )
        code, said = verify(target, *keys(found))
        assert code == 0, said  # amounts, root and total are those of the journal all the same
        next_day = found.open_next()
        found.close(next_day)
        assert found.prove() == 1  # the book's own secret hides that leaf from now on


# -- the command line -------------------------------------------------------------------------------------------------


def test_an_auditor_needs_a_folder_and_a_key(by_auditor, tmp_path):
    """`liabilities audit` signs with a witness's key, and reads no database; what does not hold is not signed."""
    home, notes = tmp_path / "auditor", tmp_path / "notes"
    found_keys(home, "auditor.example")
    run = CliRunner()
    asked = ["audit", str(by_auditor.pack), "--home", str(home), "--out", str(notes), "--json"]
    asked += ["--notary", str(by_auditor.log / "notary.vkey")]
    done = run.invoke(liabilities, [*asked, "--key", str(key_file(home))])
    assert done.exit_code == 0, done.output
    [told] = json.loads(done.stdout)["trees"]
    note = Path(told["note"]).read_bytes()
    [found] = auditing.audit(by_auditor.pack)
    assert parse_note(note).text == found.text
    target = forged(
        by_auditor, tmp_path, lambda says: says.update(total="81000", unallocated="5000"), packed(by_auditor)
    )
    asked[1:2] = [str(target)]
    done = run.invoke(liabilities, [*asked, "--key", str(key_file(home))])
    assert (done.exit_code, json.loads(done.stdout)["trees"][0]["note"]) == (1, None)
    done = run.invoke(liabilities, ["audit", str(tmp_path), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["refused"]) == (2, "pack_is_not_for_this")


@contextmanager
def as_given(found):
    yield found


def test_a_proof_that_is_printed_is_the_file(by_auditor, tmp_path, monkeypatch):
    """`--json > proof.json` and `> proof.json` are what `--out` writes, to the byte, and a stranger's program takes it;
    one with indents or a line's end it does not take.
    """
    monkeypatch.setattr(installation, "opened_core", lambda _, __: as_given(by_auditor.world.core))
    monkeypatch.setattr(installation, "vault_of", lambda *_: by_auditor.desk.vault)
    monkeypatch.setattr(installation, "liabilities_of", lambda *_: by_auditor.desk)
    asked, run = ["proof", "c1", str(DAY), "--home", str(by_auditor.home)], CliRunner()
    written, printed = tmp_path / "written.json", tmp_path / "printed.json"
    done = run.invoke(liabilities, [*asked, "--out", str(written), "--json"])
    assert json.loads(done.stdout)["file"] == str(written)
    for options in ([], ["--json"]):
        done = run.invoke(liabilities, [*asked, *options])
        assert (done.exit_code, done.stdout_bytes) == (0, written.read_bytes()), done.output
        printed.write_bytes(done.stdout_bytes)
        assert verify(printed, *keys(by_auditor))[0] == 0
    for spoiled in (written.read_bytes() + b"\n", json.dumps(json.loads(written.read_bytes()), indent=2).encode()):
        printed.write_bytes(spoiled)
        code, said = verify(printed, *keys(by_auditor))
        assert (code, "canonical" in detail(said, "liability")[1]) == (1, True)


def test_an_export_has_leaves_for_the_auditor_alone(book, tmp_path, monkeypatch):
    """With `--leaves` those of every proven day, which the verifier sums and an auditor signs; without, none, and the
    database is not opened.
    """
    run = CliRunner()
    for name, options, files in (("plain", [], []), ("packed", ["--leaves"], [f"{DAY}-EUR.leaves"])):
        target = tmp_path / name
        if files:
            monkeypatch.setattr(installation, "opened_core", lambda _, __: as_given(book.world.core))
            monkeypatch.setattr(installation, "vault_of", lambda *_: book.desk.vault)
        done = run.invoke(evidence, ["export", str(target), *options, "--home", str(book.home), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["leaves"] == files
        assert sorted(each.name for each in target.glob("liabilities/*")) == files
        code, said = verify(target, *keys(book))
        assert (code, f"{len(files)} with leaves" in detail(said)[1]) == (0, True)
    assert [each.valid for each in auditing.audit(target)] == [True]
    with (target / "liabilities" / files[0]).open("r+b") as file:
        file.seek(65)
        file.write(b"1")
    assert verify(target, *keys(book))[0] == 1


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        'mode = "other"',
        "mode = 1",
        "auditor = 1",
        "[[auditor]]\nkeys = []",
        '[[auditor]]\nkeys = ["x", "y"]',
        "[[auditor]]\nname = 1",
        "[",
        "more = 1",
    ],
)
def test_a_file_of_settings_that_says_something_else_is_refused(tmp_path, content):
    (tmp_path / "liabilities.toml").write_text(content)
    with pytest.raises(Refused, match="liabilities_file_is_wrong"):
        read_proving(tmp_path)


def test_without_a_file_the_mode_is_auditor_and_nobody_is_admitted(tmp_path):
    found = read_proving(tmp_path)
    assert (found.mode, found.auditors) == ("auditor", ())
