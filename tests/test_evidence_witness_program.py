"""The witness as the program that a bank runs, killed and started again; and the notary's program that asks it."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx

from ringfence.evidence.cosignature import parse_cosigner_key
from ringfence.evidence.note import parse_note
from ringfence.evidence.quorum import read_quorum
from test_custody_own_book import folder as folder  # noqa: PLC0414 - a fixture
from test_custody_own_book import run
from test_evidence_witness import LOG, ONE, TWO


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def program(*words):
    """A verb that runs until it is told to stop; SIGKILL ends it here."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RINGFENCE_")}
    running = subprocess.Popen(
        [sys.executable, "-m", "ringfence", *map(str, words)],
        env=kept | {"RINGFENCE_LANGUAGE": "en"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@contextmanager
def witness_at(home, port):
    with program("witness", "serve", "--home", home, "--port", port) as running:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{address}/logs", timeout=2)
                break
            except httpx.HTTPError:
                assert running.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
        yield address, running


def test_a_witness_is_made_once_watches_logs_and_goes_on_after_a_kill(tmp_path):
    run(tmp_path, "witness", "status", refused="witness_has_no_key")
    run(tmp_path, "witness", "add", str(LOG.verifier), refused="witness_has_no_key")
    made = run(tmp_path, "witness", "init", "bank.example/w1")
    assert [line.split("+")[0] for line in made["keys"]] == ["bank.example/w1"] * 2
    run(tmp_path, "witness", "init", "bank.example/w2", refused="witness_has_a_key_already")
    run(tmp_path, "witness", "add", "nonsense", refused="key_is_malformed")
    for _ in range(2):
        assert run(tmp_path, "witness", "add", str(LOG.verifier)) == {"logs": ["ringfence/demo"]}

    port = free_port()
    with witness_at(tmp_path, port) as (address, running):
        assert httpx.post(f"{address}/add-checkpoint", content=ONE.request(0, 10)).status_code == 200
        running.send_signal(signal.SIGKILL)
        running.wait()
    with witness_at(tmp_path, port) as (address, running):
        assert httpx.post(f"{address}/add-checkpoint", content=TWO.request(10, 20)).status_code == 200, (
            "the same until 10"
        )
        assert httpx.post(f"{address}/add-checkpoint", content=ONE.request(20, 30)).status_code == 422
        with program("witness", "serve", "--home", tmp_path, "--port", free_port()) as second:
            assert "witness_state_is_in_use" in second.communicate(timeout=30)[0]
        assert second.returncode == 2
        with program("witness", "serve", "--home", tmp_path, "--port", port) as second:
            assert "port_is_taken" in second.communicate(timeout=30)[0]
        status = run(tmp_path, "witness", "status")
        assert [(each["origin"], each["size"]) for each in status["logs"]] == [("ringfence/demo", 20)]
        assert (len(status["contradictions"]), len(status["unproven"])) == (0, 1)

    (tmp_path / "witness").rename(tmp_path / "elsewhere")
    run(tmp_path, "witness", "status", refused="witness_state_is_missing")


def test_a_key_is_printed_in_one_line_also_into_a_file(tmp_path):
    """Whoever runs the log copies it."""
    with program("witness", "init", "bank.example/w1", "--home", tmp_path) as made:
        printed = made.communicate(timeout=60)[0].splitlines()
    assert [str(parse_cosigner_key(line)) for line in printed[1:]] == printed[1:]
    assert len(printed) == 3


def test_the_notarys_program_has_its_checkpoints_witnessed(tmp_path, folder):
    """A new book, `ringfence notary`, and two witnesses of whom one is enough: the other is not there."""
    home, port = folder / "home", free_port()
    keep = {"RINGFENCE_PASSWORDS_FILE": str(folder / "secrets.toml")}
    run(home, "book", "found", "demo", "--people", str(folder / "people.toml"), **keep)
    for name in ("bank", "auditor"):
        made = run(tmp_path / name, "witness", "init", f"{name}.example/w1")
        key, address = made["keys"][1], f"http://127.0.0.1:{port}/" if name == "bank" else "http://127.0.0.1:9/"
        with (home / "witnesses.policy").open("a") as policy:
            policy.write(f"witness {name} {key} {address}\n")
    with (home / "witnesses.policy").open("a") as policy:
        policy.write("group one any bank auditor\nquorum one\n")
    (home / "witnesses.toml").write_text('policy = "witnesses.policy"\n')
    log = home / "evidence" / "demo"
    with program("notary", "--home", home) as notary:
        until = time.monotonic() + 60
        while not (log / "checkpoint").exists():
            assert notary.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        run(tmp_path / "bank", "witness", "add", (log / "notary.vkey").read_text())
        with witness_at(tmp_path / "bank", port):
            while not (log / "witnessed").exists():
                assert notary.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
    note = (log / "witnessed").read_bytes()
    assert "bank" in read_quorum(home / "witnesses.policy").cosigned(parse_note(note))
