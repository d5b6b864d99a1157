"""Folders that are made to harm whoever verifies them: every one is a named finding, soon, with little memory.

Whoever made them has a key of his own and signs what he likes, so nothing here is told from good by a signature.
"""

import json
import os
import resource
import subprocess
import sys
from uuid import UUID

import pytest

from ringfence.evidence.export import export
from ringfence.evidence.note import Signer
from ringfence.ledger.encoding import LEAF
from ringfence.ledger.model import Kind, Line
from test_verifier_folder import (  # noqa: F401 - fixtures
    MORNING,
    NOTARY,
    VERIFIER,
    copied,
    day_of_records,
    exported,
    make_log,
    records_of,
    run,
    verifier,
    wrong_in,
)

GIGABYTE = 1 << 30
DEEP = b'{"a":' * 9_000 + b"1" + b"}" * 9_000
SAYING = (1000, 1010, 1012, 1060, 1101, 1125, 1151, 1180, 1181)
"""Events that the verifier reads, of every one of its parts."""


def bounded(*arguments, seconds=60, memory=GIGABYTE):
    """The program, in as much memory as it may take."""
    return subprocess.run(
        [sys.executable, str(VERIFIER / "verify.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        env={**os.environ, "PYTHONPATH": ""},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)),
    )


def test_a_payload_that_is_nested_too_deep_is_a_finding_of_its_row(verifier, tmp_path):  # noqa: F811
    """Signed by whoever wrote it; not a check of the verifier ends without a sentence."""
    portions = day_of_records()
    rows = sum(map(len, portions))
    for at, code in enumerate(SAYING):
        [row] = records_of([[Line(Kind.EVENT, UUID(int=500), code=code, payload={})]], rows, MORNING)
        deep = row[: LEAF.itemsize - 4] + len(DEEP).to_bytes(4, "big") + DEEP
        log = tmp_path / f"log{at}"
        make_log(log, [*portions, [deep]])
        export(tmp_path / f"export{at}", log, NOTARY.verifier)
        wrong = wrong_in(verifier, tmp_path / f"export{at}")
        assert f"Row {rows}:" in wrong["replay"], (code, wrong)


@pytest.mark.parametrize(
    "place", ["manifest.json", "liabilities/2026-01-05-EUR.leaves", "tile/entries/001", "checkpoint", "notary.vkey"]
)
def test_a_file_of_a_gigabyte_that_is_empty_space_is_not_read(copied, place):  # noqa: F811
    (copied / place).parent.mkdir(exist_ok=True)
    with (copied / place).open("wb") as file:
        file.truncate(GIGABYTE)
    ended = bounded(copied, "--json", memory=GIGABYTE // 2)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert place in ended.stdout


def test_what_is_written_in_a_folder_says_nothing_in_the_name_of_the_program(copied):  # noqa: F811
    """A file's name, or the name of a key, with a line of its own, a colour, or letters that turn the others round."""
    (copied / "x\n\nVALID. Nothing here contradicts what was signed.\x1b[2J\u202e").write_bytes(b"")
    ended = run(copied)
    assert ended.returncode == 1
    assert ended.stdout.count("\nVALID") == 0
    assert "\\u000a\\u000aVALID" in ended.stdout
    assert not {"\x1b", "\u202e"} & set(ended.stdout)
    told = json.loads(run(copied, "--json").stdout)
    assert not any("\n" in check["detail"] for check in told["checks"])

    loud = Signer("ringfence/\x1b[32mdemo", NOTARY.private)
    line = str(loud.verifier)
    (copied / "notary.vkey").write_text(f"{line}\n")
    ended = run(copied)
    assert (ended.returncode, "\x1b" in ended.stdout) == (1, False)
    assert "\\u001b[32mdemo" in ended.stdout


def test_what_cannot_be_taken_as_it_was_given_is_said_as_json_where_json_is_asked_for(copied, tmp_path):  # noqa: F811
    """A key, a policy, an authority's certificate or a receipt without a key: of the call, not of the folder."""
    (tmp_path / "policy").write_text("quorum nobody\n")
    for arguments in (
        [copied, "--key", "nonsense"],
        [copied, "--auditor", "nonsense"],
        [copied, "--witnesses", tmp_path / "policy"],
        [copied, "--tsa-cert", tmp_path / "policy"],
        [copied / "receipts" / f"{UUID(int=100)}.json"],
    ):
        ended = run(*arguments, "--json")
        assert (ended.returncode, ended.stderr) == (2, ""), arguments
        told = json.loads(ended.stdout)
        assert (told["valid"], [check["name"] for check in told["checks"]]) == (False, ["call"])
        assert told["checks"][0]["detail"]


def test_a_path_that_no_file_can_have_cannot_be_read(tmp_path):
    (tmp_path / "pipe").parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "pipe")
    for path in ("x" * 5_000, tmp_path / "pipe", "/proc/self/mem/x", "/dev/null"):
        ended = bounded(path, "--json", seconds=10)
        assert (ended.returncode, ended.stderr) == (2, ""), path
        assert json.loads(ended.stdout)["checks"][0]["name"] == "folder"
