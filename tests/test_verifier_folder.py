"""The stranger's verifier on exported folders: what is right passes, and any change anywhere does not."""

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as some

from ringfence.evidence.checkpoint import Checkpoint, sign_checkpoint
from ringfence.evidence.export import export
from ringfence.evidence.note import Signer
from ringfence.evidence.tiles import EMPTY_EDGE, grow, keep_checkpoint, publish_checkpoint, write_files
from ringfence.ledger.balances import Balances
from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import Account, Batch, Kind, Line, batch, microseconds
from ringfence.ledger.rules import apply
from ringfence.ledger.standing import ClosedPeriod, Guard, Limits, Monitor, Turn, Watched
from ringfence.ledger.walk import Reference

VERIFIER = Path(__file__).parents[1] / "verifier"
NOTARY = Signer.from_seed("ringfence/demo", bytes(range(32)))
STRANGER = Signer.from_seed("ringfence/demo", bytes(32))
MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
TODAY = MORNING.date()
PROPOSAL = UUID(int=77)


@pytest.fixture(scope="session")
def verifier():
    """The program's main module, imported as a stranger would run it."""
    sys.path.insert(0, str(VERIFIER))
    try:
        import verify
    finally:
        sys.path.remove(str(VERIFIER))
    return verify


def opened(number, name, side, minimum=None):
    account = Account(number, name, "EUR", side, minimum, None, f"owner of {name}", "client")
    return Line(Kind.ACCOUNT_OPENED, UUID(int=number), debit_account=number, payload=account.payload())


def moved(kind, identity, debit, credit, amount, refers_to=None, expires_at=None):
    return Line(
        kind,
        UUID(int=identity),
        debit_account=debit,
        credit_account=credit,
        amount=amount,
        refers_to=None if refers_to is None else UUID(int=refers_to),
        expires_at=expires_at,
    )


BANK, ALICE, BOB, FEES = 1, 2, 3, 4
DAY = [
    # A day in portions, each an append of its own: accounts, then every kind of row at least once.
    [
        [opened(BANK, "bank:main", "debit")],
        [opened(ALICE, "client:alice", "credit", 0)],
        [opened(BOB, "client:bob", "credit", 0)],
        [opened(FEES, "platform:fees", "credit")],
        [opened(5, "client:eve 王", "credit", 0)],
    ],
    [
        [moved(Kind.TRANSFER, 100, BANK, ALICE, 50_00)],
        [moved(Kind.PENDING, 101, ALICE, BOB, 20_00), moved(Kind.TRANSFER, 102, ALICE, FEES, 1_00)],
        [moved(Kind.PENDING, 103, ALICE, BANK, 5_00, expires_at=MORNING + timedelta(minutes=90))],
        [moved(Kind.PENDING, 104, ALICE, BANK, 6_00)],
        [moved(Kind.TRANSFER, 105, BANK, BOB, 7_00)],
        [Line(Kind.EVENT, UUID(int=106), code=1000, payload={"order": "o-1", "state": "accepted"})],
        [
            Line(
                Kind.REFUSAL,
                UUID(int=107),
                payload={"reason": "account_must_be_open", "request": "00" * 32},
            )
        ],
    ],
    [
        [moved(Kind.POST, 108, ALICE, BOB, 15_00, refers_to=101)],
        [moved(Kind.VOID, 109, ALICE, BANK, 0, refers_to=104)],
        [moved(Kind.EXPIRE, 110, ALICE, BANK, 0, refers_to=103)],
        [moved(Kind.CORRECTION, 111, BOB, BANK, 7_00, refers_to=105)],
        [Line(Kind.ACCOUNT_CLOSED, UUID(int=112), debit_account=5)],
    ],
    [
        [Limits(ALICE, 0, 100_00, PROPOSAL).line(UUID(int=113), TODAY)],
        [ClosedPeriod(TODAY - timedelta(days=1), PROPOSAL).line(UUID(int=114))],
        [Guard("client", (7,)).line(UUID(int=115), TODAY)],
        [Monitor("alice is low 低", Watched(account=ALICE), "available", 34_00, None).line(UUID(int=116), TODAY)],
        [replace(moved(Kind.TRANSFER, 117, ALICE, BANK, 1_00), value_date=TODAY)],
        [
            Line(
                Kind.MONITOR_TURNED,
                UUID(int=118),
                value_date=TODAY,
                payload=Turn("alice is low 低", on=True, value=33_00).payload(),
            )
        ],
    ],
]


def records_of(chains, first, at, book=1):
    given = batch(chains)
    return list(leaves(book, first, np.full(len(given), microseconds(at)), given))


def make_log(directory, portions, signer=NOTARY):
    """A log with a checkpoint after each portion."""
    edge = EMPTY_EDGE
    for records in portions:
        edge, files = grow(edge, records)
        write_files(directory, files)
        note = sign_checkpoint(Checkpoint(signer.name, edge.size, edge.root), [signer])
        keep_checkpoint(directory, edge.size, note)
        publish_checkpoint(directory, note)
    return edge


def day_of_records():
    portions, first = [], 0
    for hour, chains in enumerate(DAY):
        portions.append(records_of(chains, first, MORNING + timedelta(hours=hour)))
        first += len(portions[-1])
    return portions


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A small export with two receipts and three older checkpoints."""
    folder = tmp_path_factory.mktemp("evidence")
    make_log(folder / "log", day_of_records())
    export(folder / "export", folder / "log", NOTARY.verifier, [UUID(int=105), UUID(int=100)])
    return folder / "export"


@pytest.fixture
def copied(exported, tmp_path):
    return Path(shutil.copytree(exported, tmp_path / "export"))


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def wrong_in(verifier, folder, key=None):
    """The checks that failed by themselves, with their sentences."""
    verdict = verifier.verify(folder, key)
    assert not verdict.valid
    return {
        check.name: verifier.say("en", check.sentence, check.facts)
        for check in verdict.checks
        if not check.valid and check.sentence != "not_checked"
    }


def test_the_sample_day_keeps_the_rules_of_the_ledger():
    """Otherwise a verifier that says yes to it would prove nothing."""
    balances, references = Balances(), {}
    for hour, chains in enumerate(DAY):
        given = batch(chains)
        at = np.full(len(given), microseconds(MORNING + timedelta(hours=hour)))
        assert not apply(balances, given, at, references, recorded=True).results.any()
        for line in (line for chain in chains for line in chain if line.kind == Kind.TRANSFER):
            references[line.id.bytes] = Reference(line.kind, line.debit_account, line.credit_account, line.amount, None)
    assert balances.balance(ALICE) == 33_00
    assert {line.kind for portion in DAY for chain in portion for line in chain} == set(Kind)


def test_an_export_is_valid_and_says_what_was_checked(verifier, exported):
    verdict = verifier.verify(exported, None)
    assert [(check.name, check.sentence) for check in verdict.checks if not check.valid] == []
    said = json.loads(verifier.as_json(verdict, "en"))
    assert said["valid"] is True
    assert said["size"] == 24
    assert base64.b64decode(said["root"]) == verdict.root
    assert [check["name"] for check in said["checks"]] == [
        "manifest", "files", "key", "checkpoint", "entries", "root", "tiles", "checkpoints", "journal", "replay",
        "approvals", "origins", "requirements", "wallets", "escrow", "liabilities", "book", "receipts",
    ]  # fmt: skip
    assert all(check.keys() == {"name", "valid", "detail"} for check in said["checks"])
    details = {check["name"]: check["detail"] for check in said["checks"]}
    assert details["checkpoints"] == "3 older checkpoints are beginnings of this book."
    assert details["replay"] == "24 rows keep the rules: 5 accounts, 11 movements, 1 refusals, in EUR."
    assert details["receipts"] == "2 receipts are in the book."


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(VERIFIER / "verify.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "", "PYTHONIOENCODING": "utf-8"},
        cwd="/",
    )


def test_the_program_ends_with_0_1_or_2(copied, tmp_path):
    """0 valid, 1 not valid, 2 cannot be read or wrong usage; one line and no traceback."""
    ended = run(copied)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("VALID. Nothing here contradicts what was signed.\n")
    ended = run(copied, "--lang", "zh", "--key", NOTARY.verifier)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "有效" in ended.stdout
    ended = run(copied, "--json", "--key", STRANGER.verifier)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["valid"] is False
    (tmp_path / "empty").mkdir()
    for arguments in (
        [tmp_path / "nowhere"],
        [tmp_path / "empty"],
        [],
        [copied, "--key", "nonsense"],
        [copied, "--lang", "fr"],
        [copied / "receipts" / f"{UUID(int=100)}.json"],
    ):
        ended = run(*arguments)
        assert ended.returncode == 2, arguments
        assert "Traceback" not in ended.stderr
    ended = run(tmp_path / "nowhere", "--json")
    assert ended.returncode == 2
    assert json.loads(ended.stdout)["valid"] is False


def test_the_program_imports_nothing_of_ringfence():
    for path in VERIFIER.glob("*.py"):
        assert "import ringfence" not in path.read_text()
        assert "from ringfence" not in path.read_text()
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import verify; print(*sys.modules)",
         str(VERIFIER)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not [name for name in ended.stdout.split() if name.split(".")[0] in ("ringfence", "numpy", "rfc8785")]


def test_every_sentence_exists_in_both_languages(verifier):
    words = sys.modules[verifier.Wrong.__module__]
    for name, sentences in {**words.SENTENCES, **words.CHECKS}.items():
        assert len(sentences) == 2, name
        fields = [sorted(part.split("}")[0] for part in sentence.split("{")[1:]) for sentence in sentences]
        assert fields[0] == fields[1], name
    used = "".join(path.read_text() for path in VERIFIER.glob("*.py") if not path.name.endswith("words.py"))
    assert [name for name in words.SENTENCES if f'"{name}"' not in used] == []


# Tampering


def test_every_byte_of_every_file_counts(verifier, tmp_path):
    """Exhaustive once, on three rows (an account, a monitor, its turn): every byte of the export, changed in one of its
    bits (not always the same), is found, and its file is named. What is changed in the manifest is named as it reads
    then.
    """
    watching = Monitor("low", Watched(account=1), "available", 1, None).line(UUID(int=2), TODAY)
    payload = Turn("low", on=True, value=0).payload()
    turned = Line(Kind.MONITOR_TURNED, UUID(int=3), value_date=TODAY, payload=payload)
    records = records_of([[opened(1, "client:alice", "credit", 0)], [watching], [turned]], 0, MORNING)
    make_log(tmp_path / "log", [records[:1], records[1:]])
    export(tmp_path / "export", tmp_path / "log", NOTARY.verifier, [UUID(int=2)])
    folder = tmp_path / "export"
    assert len(files_of(folder)) == 8
    for path in files_of(folder):
        whole = (folder / path).read_bytes()
        for at in range(len(whole)):
            (folder / path).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            wrong = wrong_in(verifier, folder)
            assert path == "manifest.json" or any(path in sentence for sentence in wrong.values()), (path, at, wrong)
        (folder / path).write_bytes(whole)
    assert verifier.verify(folder, None).valid


@settings(max_examples=60, deadline=None)
@given(some.data())
def test_no_change_of_any_file_goes_unseen(verifier, exported, drawn):
    """A byte replaced, inserted or removed, a tail cut off, anything appended."""
    path = drawn.draw(some.sampled_from(files_of(exported)))
    whole = (exported / path).read_bytes()
    at = drawn.draw(some.integers(0, len(whole) - 1))
    changed = drawn.draw(
        some.one_of(
            some.binary(min_size=1, max_size=1).map(lambda byte: whole[:at] + byte + whole[at + 1 :]),
            some.binary(min_size=1, max_size=3).map(lambda more: whole[:at] + more + whole[at:]),
            some.just(whole[:at] + whole[at + 1 :]),
            some.just(whole[:at]),
            some.sampled_from([b"\n", b" ", b"\x00", b"\r\n"]).map(lambda more: whole + more),
        ).filter(lambda content: content != whole)
    )
    (exported / path).write_bytes(changed)
    try:
        wrong = wrong_in(verifier, exported)
    finally:
        (exported / path).write_bytes(whole)
    assert wrong


def test_no_file_can_be_added_removed_renamed_or_emptied(verifier, copied):
    for path in files_of(copied):
        whole = (copied / path).read_bytes()
        (copied / path).unlink()
        assert f"{path} is missing" in " ".join(wrong_in(verifier, copied).values())
        (copied / path).with_name("renamed").write_bytes(whole)
        assert "renamed is not in the manifest" in " ".join(wrong_in(verifier, copied).values()) or path == (
            "manifest.json"
        )
        (copied / path).with_name("renamed").unlink()
        (copied / path).write_bytes(b"")
        assert path in " ".join(wrong_in(verifier, copied).values())
        (copied / path).write_bytes(whole)
    for added in ("more", "receipts/more.json", "tile/0/001", "checkpoints/25", "tile/entries/000.p/25"):
        (copied / added).write_bytes(b"")
        assert wrong_in(verifier, copied)["files"] == f"{added} is not in the manifest."
        (copied / added).unlink()
    (copied / "spare").mkdir()
    assert wrong_in(verifier, copied)["files"] == "The folder spare holds no listed file."
    (copied / "spare").rmdir()
    (copied / "link").symlink_to("checkpoint")
    assert wrong_in(verifier, copied)["files"] == "link is neither a file nor a folder."
    (copied / "link").unlink()
    assert verifier.verify(copied, None).valid


def test_a_folder_of_a_thousand_folders_or_a_name_that_is_no_text_is_a_finding(copied):
    """Whatever lies in the folder, the answer is a verdict."""
    (copied / os.fsdecode(b"\xff")).write_bytes(b"")
    here = Path.cwd()
    try:
        os.chdir(copied)
        for _ in range(1100):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(here)
    try:
        ended = run(copied)
    finally:
        subprocess.run(["rm", "-r", str(copied / "d")], check=True)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "(and 1096 more)" in ended.stdout


def test_a_file_that_is_a_link_to_its_own_copy_is_found(verifier, copied, tmp_path):
    (copied / "checkpoint").rename(tmp_path / "elsewhere")
    (copied / "checkpoint").symlink_to(tmp_path / "elsewhere")
    assert "checkpoint is neither a file nor a folder" in wrong_in(verifier, copied)["files"]


def relist(folder):
    """What a forger does next: make the manifest fit the changed files."""
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {
        path: {
            "bytes": (folder / path).stat().st_size,
            "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest(),
        }
        for path in files_of(folder)
        if path != "manifest.json"
    }
    (folder / "manifest.json").write_bytes(rfc8785.dumps(manifest))


def test_every_byte_counts_even_if_the_manifest_is_made_to_fit(verifier, copied):
    """A byte in seven of every file but the manifest, which is made to list the changed file: other checks say no."""
    for path in files_of(copied):
        if path == "manifest.json":
            continue
        whole = (copied / path).read_bytes()
        for at in range(0, len(whole), 7):
            (copied / path).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            relist(copied)
            assert "files" not in wrong_in(verifier, copied, NOTARY_KEY(verifier))
        (copied / path).write_bytes(whole)
    relist(copied)
    assert verifier.verify(copied, None).valid


def NOTARY_KEY(verifier):  # noqa: N802 - a constant that needs the program
    return verifier.log.parse_keys(str(NOTARY.verifier), "")


def test_an_edited_entry_is_named_with_its_row(verifier, copied):
    """An amount is changed in the bundle: the row's hash is not the tile's, and the root is another."""
    path = copied / "tile/entries/000.p/24"
    content = path.read_bytes()
    record = day_of_records()[1][0]
    edited = record[:55] + b"\xff" + record[56:]
    path.write_bytes(content.replace(record, edited))
    relist(copied)
    wrong = wrong_in(verifier, copied)
    assert wrong["root"] == "The 24 entries make another root than the one that was signed."
    assert "Entry 5 in tile/entries/000.p/24" in wrong["tiles"]


def rewritten(folder, portions, signer, receipts=()):
    make_log(folder / "log", portions, signer)
    export(folder / "export", folder / "log", signer.verifier, receipts)
    return folder / "export"


def test_a_rewritten_history_is_found_by_what_was_signed_before(verifier, exported, tmp_path):
    """The notary's own key signs another day. Of the true day a customer kept a receipt, and a bank a checkpoint."""
    portions = day_of_records()
    edited = portions[1][0][:91] + b"\xff" + portions[1][0][92:]  # another purpose
    forged = rewritten(tmp_path, [portions[0], [edited, *portions[1][1:]], *portions[2:]], NOTARY)
    assert verifier.verify(forged, None).valid
    shutil.copy(exported / "checkpoints/5", forged / "checkpoints/5")
    relist(forged)
    assert verifier.verify(forged, None).valid
    (forged / "receipts").mkdir()
    receipt = f"receipts/{UUID(int=105)}.json"
    shutil.copy(exported / receipt, forged / receipt)
    shutil.copy(exported / "checkpoints/13", forged / "checkpoints/13")
    relist(forged)
    assert wrong_in(verifier, forged) == {
        "checkpoints": "checkpoints/13 was signed over another beginning: the first 13 entries make another root now.",
        "receipts": f"{receipt} was signed over another beginning: the first 24 entries make another root now.",
    }


def test_a_folder_signed_by_a_stranger_is_not_valid_for_the_key_that_was_given(verifier, tmp_path):
    """Without a key the folder's own is believed, and the verdict says so."""
    forged = rewritten(tmp_path, day_of_records(), STRANGER)
    verdict = verifier.verify(forged, None)
    assert verdict.valid
    assert "The key is the folder's own" in verifier.as_text(verdict, "en", forged)
    wrong = wrong_in(verifier, forged, NOTARY_KEY(verifier))
    assert "is not the key you gave" in wrong["key"]
    assert wrong["checkpoint"] == "checkpoint is not signed by the key ringfence/demo."


def test_another_spelling_of_the_same_json_or_base64_is_found(verifier, copied):
    path = f"receipts/{UUID(int=100)}.json"
    receipt = (copied / path).read_bytes()
    loaded = json.loads(receipt)
    spellings = [
        receipt + b"\n",
        b" " + receipt,
        receipt.replace(b":", b": ", 1),
        json.dumps(loaded, separators=(",", ":"), sort_keys=True).encode(),  # \u2014 instead of a dash
        receipt.replace(b'"index":5', b'"index":5.0'),
        receipt.replace(b'"index":5', b'"index":05'),
        receipt.replace(b'"index":5', b'"index":"5"'),
        receipt.replace(b'"index":5', b'"index":true'),
        receipt.replace(b'"index":5', b'"index":NaN'),
        receipt.replace(b'"index":5', b'"index":5,"index":5'),
        receipt.replace(b'"index":5', b'"index":' + b"[" * 100_000),
        receipt.replace(b'"index":5', b'"index":' + b"5" * 5_000),
        receipt.replace(b'"index":5', b'"index":-1'),
        receipt.replace(b'"path":["', b'"path":[null,"'),
        receipt.replace(b'="', b'"', 1),
        rfc8785.dumps({**loaded, "more": 1}),
        rfc8785.dumps([loaded]),
        rfc8785.dumps({**loaded, "format": "ringfence-receipt-2"}),
        b"\xef\xbb\xbf" + receipt,
        b"\xff",
        b"",
    ]
    assert len(set(spellings) - {receipt}) == len(spellings)
    for spelling in spellings:
        (copied / path).write_bytes(spelling)
        relist(copied)
        assert path in wrong_in(verifier, copied)["receipts"], spelling[:200]


def test_what_the_book_file_says_is_compared_with_the_journal(verifier, copied):
    said = json.loads((copied / "book.json").read_bytes())
    for field, value in (("name", "other"), ("book", 2), ("currencies", ["EUR", "USD"]), ("currencies", [])):
        (copied / "book.json").write_bytes(rfc8785.dumps({**said, field: value}))
        relist(copied)
        assert f"says {field} is" in wrong_in(verifier, copied)["book"]


def test_a_manifest_with_other_claims_is_found(verifier, copied):
    said = json.loads((copied / "manifest.json").read_bytes())
    for field, value in (
        ("book", 2), ("origin", "ringfence/other"), ("size", 23), ("root", "AAAA"), ("format", "other"),
    ):  # fmt: skip
        (copied / "manifest.json").write_bytes(rfc8785.dumps({**said, field: value}))
        assert any(f"says {field} is" in sentence for sentence in wrong_in(verifier, copied).values())
    for files in ({}, {"checkpoint": {}}, {"../checkpoint": {"bytes": 1, "sha256": ""}}):
        (copied / "manifest.json").write_bytes(rfc8785.dumps({**said, "files": files}))
        assert "files" in wrong_in(verifier, copied)


def test_a_receipt_stands_alone(verifier, exported, copied, capsys):
    path = exported / f"receipts/{UUID(int=100)}.json"
    assert verifier.main([str(path), "--key", str(NOTARY.verifier)]) == 0
    assert f"Row 5 of ringfence/demo, {UUID(int=100)}, is in the book of 24 rows" in capsys.readouterr().out
    assert verifier.main([str(path), "--key", str(STRANGER.verifier), "--json"]) == 1
    whole = path.read_bytes()
    altered = copied / "receipt.json"
    for at in range(len(whole)):
        altered.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not verifier.verify_file(altered, NOTARY_KEY(verifier)).valid


def test_a_receipt_under_another_name_is_found(verifier, copied):
    one, other = (copied / f"receipts/{UUID(int=number)}.json" for number in (100, 105))
    one.replace(other)
    relist(copied)
    assert f"is the receipt of {UUID(int=100)}" in wrong_in(verifier, copied)["receipts"]


def test_an_empty_book_is_valid(verifier, tmp_path):
    make_log(tmp_path / "log", [[]])
    export(tmp_path / "export", tmp_path / "log", NOTARY.verifier)
    verdict = verifier.verify(tmp_path / "export", NOTARY_KEY(verifier))
    assert verdict.valid
    assert verdict.size == 0


def test_a_book_of_many_tiles_is_valid(verifier, tmp_path):
    """Beyond 65,536 rows there are three levels of tiles."""
    accounts = records_of(DAY[0], 0, MORNING)
    rows = np.zeros(66_000, batch([]).rows.dtype)
    rows["kind"], rows["debit_account"], rows["credit_account"], rows["amount"] = Kind.TRANSFER, BANK, ALICE, 1
    rows["id"] = np.frombuffer(b"".join((1000 + number).to_bytes(16, "big") for number in range(len(rows))), "V16")
    transfers = list(leaves(1, 5, np.full(len(rows), microseconds(MORNING)), Batch(rows)))
    make_log(tmp_path / "log", [accounts, transfers[:300], transfers[300:]])
    export(tmp_path / "export", tmp_path / "log", NOTARY.verifier, [UUID(int=1000 + 65_999)])
    verdict = verifier.verify(tmp_path / "export", None)
    assert [check.sentence for check in verdict.checks if not check.valid] == []
    assert (tmp_path / "export/tile/2/000.p/1").exists()
