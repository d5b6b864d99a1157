"""The stranger's verifier asks who else signed: exports with cosignatures, and policies that ask for them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from ringfence.evidence.cosignature import ED25519, ML_DSA_44, Cosigner
from ringfence.evidence.export import export
from ringfence.evidence.note import parse_note
from ringfence.evidence.tiles import File, read_file, replace_file
from test_verifier_folder import NOTARY, day_of_records, make_log, run
from test_verifier_folder import verifier as verifier  # noqa: PLC0414 - a fixture

AT = 1_767_225_600
BANK = Cosigner.from_seed("bank.example/w1", ED25519, b"b" * 32)
AUDITOR = Cosigner.from_seed("auditor.example/w1", ML_DSA_44, b"a" * 32)
ABSENT = Cosigner.from_seed("absent.example/w1", ED25519, b"c" * 32)


@pytest.fixture(scope="module")
def cosigned(tmp_path_factory):
    """An export whose last checkpoint two witnesses have cosigned, one by each algorithm, and an older one one."""
    folder = tmp_path_factory.mktemp("witnessed")
    log = folder / "log"
    size = make_log(log, day_of_records()).size
    for each, who in ((size, (BANK, AUDITOR)), (5, (BANK,))):
        text = parse_note(read_file(log, f"checkpoints/{each}")).text
        lines = "".join(str(one.cosign(text, AT)) for one in who)
        replace_file(log, File(f"cosignatures/{each}", lines.encode()))
    export(folder / "export", log, NOTARY.verifier)
    return folder / "export"


def policy(folder: Path, *lines: str) -> Path:
    path = folder / "witnesses.policy"
    who = (("bank", BANK), ("auditor", AUDITOR), ("absent", ABSENT))
    path.write_text("".join(f"{line}\n" for line in (*(f"witness {name} {one.key}" for name, one in who), *lines)))
    return path


def verdict_of(folder: Path, *options):
    ended = run(folder, "--json", *options)
    assert ended.stderr == "" or ended.returncode == 2
    return ended.returncode, {each["name"]: each for each in json.loads(ended.stdout or "{}").get("checks", [])}


def test_an_export_carries_the_cosignatures_and_a_policy_is_satisfied_by_them(cosigned, tmp_path):
    asked = policy(tmp_path, "group both all bank auditor", "quorum both")
    ended, checks = verdict_of(cosigned, "--witnesses", asked)
    assert (ended, checks["witnesses"]["detail"]) == (0, "24 rows are cosigned by bank, auditor.")
    assert b"bank.example/w1" in (cosigned / "checkpoints" / "5").read_bytes()


def test_too_few_are_told_with_the_names_of_those_who_did(cosigned, tmp_path):
    asked = policy(tmp_path, "group all-three all bank auditor absent", "quorum all-three")
    ended, checks = verdict_of(cosigned, "--witnesses", asked)
    assert (ended, checks["witnesses"]["valid"]) == (1, False)
    assert "bank, auditor" in checks["witnesses"]["detail"]
    assert [name for name, each in checks.items() if not each["valid"]] == ["witnesses"]


def test_without_a_policy_nobody_asks(cosigned):
    ended, checks = verdict_of(cosigned)
    assert ended == 0
    assert "witnesses" not in checks


@pytest.mark.parametrize("who", [BANK, AUDITOR])
def test_a_cosignature_over_another_checkpoint_is_forged(cosigned, tmp_path, verifier, who):
    """The one of five rows is put under that of twenty-four."""
    import witnesses

    folder = Path(shutil.copytree(cosigned, tmp_path / "export"))
    older = parse_note((folder / "checkpoints" / "5").read_bytes())
    whole = parse_note((folder / "checkpoint").read_bytes())
    moved = who.cosign(older.text, AT)
    others = "".join(str(line) for line in whole.signatures if line.name != who.name)
    (folder / "checkpoint").write_text(f"{whole.text}\n{others}{moved}", encoding="utf-8")
    asked = witnesses.read_policy(policy(tmp_path, "group any-of-us any bank auditor", "quorum any-of-us"))
    checks = {check.name: check for check in verifier.verify(folder, None, asked).checks}
    assert (checks["witnesses"].valid, checks["witnesses"].sentence) == (False, "note_is_forged")


@pytest.mark.parametrize(
    "line",
    ["quorum nobody", "witness bank x", "group two 2 bank", "group a any bank\ngroup b any bank",
     "quorum bank\nquorum bank", "something", "witness again {bank}", "group none any bank"],
)  # fmt: skip
def test_a_policy_that_does_not_hold_is_said_with_its_line(cosigned, tmp_path, line):
    asked = policy(
        tmp_path, *line.format(bank=BANK.key).split("\n"), *([] if line.startswith("quorum") else ["quorum none"])
    )
    ended = run(cosigned, "--witnesses", asked)
    assert ended.returncode == 2
    assert "is not a policy of witnesses: line" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_policy_that_is_not_there_cannot_be_read(cosigned, tmp_path):
    ended = run(cosigned, "--witnesses", tmp_path / "none")
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)


# -- the notary's two keys ---------------------------------------------------------------------------------------------

BOTH = replace(NOTARY, also=(Cosigner.from_seed(NOTARY.name, ML_DSA_44, b"n" * 32),))


@pytest.fixture(scope="module")
def signed_twice(tmp_path_factory):
    """An export of a log that its notary signs with both keys, with a receipt."""
    folder = tmp_path_factory.mktemp("twice")
    make_log(folder / "log", day_of_records(), BOTH)
    export(folder / "export", folder / "log", BOTH.verifier, [UUID(int=105)])
    return folder / "export"


def test_both_keys_are_in_the_folder_and_may_both_be_given(signed_twice):
    first, second = (signed_twice / "notary.vkey").read_text().split()
    assert verdict_of(signed_twice)[0] == 0
    assert verdict_of(signed_twice, "--key", first)[0] == 0
    assert verdict_of(signed_twice, "--key", first, "--key", second)[0] == 0
    receipt = signed_twice / "receipts" / f"{UUID(int=105)}.json"
    assert run(receipt, "--key", first, "--key", second).returncode == 0
    other = str(Cosigner.from_seed(NOTARY.name, ML_DSA_44, b"o" * 32).key)
    ended, checks = verdict_of(signed_twice, "--key", first, "--key", other)
    assert (ended, checks["key"]["valid"]) == (1, False)
    assert run(receipt, "--key", first, "--key", other).returncode == 1
    assert run(signed_twice, "--key", second).returncode == 2, "the first is Ed25519"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_checkpoint_with_one_of_the_two_signatures_is_not_signed(signed_twice, tmp_path, verifier, kept):
    folder = Path(shutil.copytree(signed_twice, tmp_path / "export"))
    parsed = parse_note((folder / "checkpoint").read_bytes())
    (folder / "checkpoint").write_text(f"{parsed.text}\n{parsed.signatures[kept]}", encoding="utf-8")
    checks = {check.name: check for check in verifier.verify(folder, None).checks}
    assert (checks["checkpoint"].valid, checks["checkpoint"].sentence) == (False, "note_is_not_signed")


def test_a_second_signature_of_another_time_or_key_is_forged(signed_twice, tmp_path, verifier):
    folder = Path(shutil.copytree(signed_twice, tmp_path / "export"))
    parsed = parse_note((folder / "checkpoint").read_bytes())
    first, second = parsed.signatures
    moved = replace(second, signature=(5).to_bytes(8, "big") + second.signature[8:])
    (folder / "checkpoint").write_text(f"{parsed.text}\n{first}{moved}", encoding="utf-8")
    checks = {check.name: check for check in verifier.verify(folder, None).checks}
    assert (checks["checkpoint"].valid, checks["checkpoint"].sentence) == (False, "note_is_forged")


def test_our_own_check_of_an_export_reads_it_too(cosigned):
    from ringfence.evidence.checking import check_export

    assert check_export(cosigned)["valid"]
