"""Rotation: other keys for all fields, online, after a crash, and from one algorithm or provider to another."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from custody_world import POOL_ACCOUNT, custody_world
from custody_world import number as account_number
from ringfence.banking import gateway
from ringfence.core import wall_clock
from ringfence.refusal import Refused
from ringfence.vault.census import census
from ringfence.vault.ciphers import available, number_of
from ringfence.vault.fields import PHONE
from ringfence.vault.keeping import BOOK, Vault, owner
from ringfence.vault.key_file import hybrid_is_available
from ringfence.vault.providers import read_choice
from ringfence.vault.queries import QUERIES
from ringfence.vault.rotation import rotate
from vault_key_server import key_server

AT_ONCE = timedelta(0)
OWNERS = 12
FIELDS = OWNERS + 3  # of each owner one; of the customer identity number, account, and account as a payee


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, customers_=1) as found:
        yield found


def phone(number, row=0):
    return f"+86{13_000_000_000 + 1_000 * number + row}"


def keep(world, vault, number, row=0):
    name = f"x{number}-{row}"
    with world.core.connection() as connection:
        connection.execute(*vault.keep(owner(f"x{number}"), PHONE, name, phone(number, row)))


def counted(world):
    with world.core.connection() as connection:
        return census(connection, world.core.book.book_id)


def states(world):
    return {(each.wrapping_state, each.state, each.keys, each.fields) for each in counted(world).lines if each.state}


def sealed(world):
    with world.core.connection() as connection:
        return [bytes(row) for (row,) in connection.execute(b"SELECT sealed FROM vault.field ORDER BY place, row_key")]


def test_new_field_keys_take_the_place_of_the_old_ones_whose_bytes_are_gone(world, database):
    vault = world.desk.vault
    for number in range(OWNERS):
        keep(world, vault, number)
    before = sealed(world)
    done = rotate(world.core, vault, "field", batch=5, settle=AT_ONCE)
    assert (done.replaced, done.changed, done.retired) == (OWNERS + 1, FIELDS, OWNERS + 1)
    assert not set(before) & set(sealed(world))
    assert states(world) == {("active", "active", OWNERS + 1, FIELDS), ("active", "retired", OWNERS + 1, 0)}
    assert counted(world).left == 0
    assert [vault.open(PHONE, f"x{number}-0") for number in range(OWNERS)] == [phone(n) for n in range(OWNERS)]
    gone = database.connect("owner").execute("SELECT count(*) FROM vault.field_key WHERE wrapped IS NULL").fetchone()
    assert gone == (OWNERS + 1,)


def test_another_wrapping_key_wraps_every_field_key_and_the_old_file_is_needed_no_more(world, tmp_path):
    vault = world.desk.vault
    for number in range(OWNERS):
        keep(world, vault, number)
    [old] = (tmp_path / "keys" / "vault").iterdir()
    done = rotate(world.core, vault, "wrapping", batch=5, settle=AT_ONCE)
    assert (done.replaced, done.changed, done.retired) == (1, OWNERS + 1, 1)
    old.unlink()
    fresh = replace(vault, _memory=type(vault._memory)())
    assert [fresh.open(PHONE, f"x{number}-0") for number in range(OWNERS)] == [phone(n) for n in range(OWNERS)]
    assert states(world) == {("active", "active", OWNERS + 1, FIELDS)}
    assert counted(world).left == 0


def test_the_count_says_what_a_retired_key_still_holds(world):
    """Between the first step and the last of a rotation the verb's answer is no."""
    vault = world.desk.vault
    keep(world, vault, 1)
    [was] = {vault.field_key(owner("x1")).key_id}
    new, wrapping = vault.new_field_key(owner("x1"))
    row = vault.wrapped_row(new, wrapping) | {"was": was, "rotation": None, "at": world.now}
    with world.core.connection() as connection:
        connection.execute(
            b"SELECT vault.replace_field_key(%(book)s, %(was)s, %(key)s, %(algorithm)s, %(wrapping)s, %(wrapped)s,"
            b" %(rotation)s, %(at)s)",
            row,
        )
    assert counted(world).left == 1
    rotate(world.core, vault, "field", settle=AT_ONCE)
    assert counted(world).left == 0


def test_a_retired_key_takes_no_field(world):
    vault = world.desk.vault
    keep(world, vault, 1)
    old = vault.field_key(owner("x1"))
    late = vault.keep_under(old, PHONE, "late", phone(9))
    rotate(world.core, vault, "field", settle=AT_ONCE)
    with pytest.raises(Refused, match="field_key_is_retired"), world.core.connection() as connection:
        connection.execute(*late)


def test_it_goes_on_while_others_write_and_nobody_is_refused(world):
    """Four writers keep fields of old and new owners throughout two rotations; nothing is refused, nothing is lost."""
    vault = replace(world.desk.vault, clock=wall_clock)
    for number in range(OWNERS):
        keep(world, vault, number)
    stop, kept, failed = threading.Event(), [], []

    def write(writer):
        row = 0
        try:
            while not stop.is_set():
                row += 1
                number = row % OWNERS if row % 3 else 100 * (writer + 1) + row
                keep(world, vault, number, 1_000 * (writer + 1) + row)
                kept.append((number, 1_000 * (writer + 1) + row))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failed.append(error)

    writers = [threading.Thread(target=write, args=(each,)) for each in range(2)]
    for each in writers:
        each.start()
    for keys in ("field", "wrapping"):
        rotate(world.core, vault, keys, batch=7, settle=timedelta(seconds=1.5))
    stop.set()
    for each in writers:
        each.join()
    assert not failed
    assert len(kept) > 20
    found = vault.open_all(PHONE, [f"x{number}-{row}" for number, row in kept])
    assert found == {f"x{number}-{row}": phone(number, row) for number, row in kept}
    assert counted(world).left == 0


def test_killed_in_the_middle_it_goes_on_where_it_was(world, database, tmp_path):
    vault = replace(world.desk.vault, clock=wall_clock)
    for number in range(OWNERS):
        for row in range(3):
            keep(world, vault, number, row)
    arguments = [database.conninfo("core"), str(tmp_path), str(world.core.book.book_id)]
    program = Path(__file__).with_name("vault_crash.py")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, program, *arguments], **pipes) as child:
        for step in ("5", "10", "15"):
            assert child.stdout.readline().strip() == step
            if step != "15":
                child.stdin.write("go on\n")
                child.stdin.flush()
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    broken_off = counted(world)
    [open_rotation] = broken_off.rotations
    assert broken_off.left == 2 * OWNERS + FIELDS - 15
    assert vault.open(PHONE, "x0-0") == phone(0)
    done = rotate(world.core, vault, "field", settle=AT_ONCE)
    assert done.rotation_id == open_rotation["rotation_id"]
    assert (done.replaced, counted(world).left, counted(world).rotations) == (0, 0, ())
    for number in range(OWNERS):
        assert [vault.open(PHONE, f"x{number}-{row}") for row in range(3)] == [phone(number, row) for row in range(3)]


def test_a_bank_file_that_meets_a_rotation_is_taken_in_the_next_turn(world, monkeypatch):
    """The gateway read its key just before it was retired. That is not the file's fault: no quarantine."""
    old = world.desk.vault.field_key(BOOK)
    rotate(world.core, world.desk.vault, "field", settle=AT_ONCE)
    world.bank.receive(
        POOL_ACCOUNT, 50_00, "Some Payer", account_number("LT", "1000011101001000"), "RF-c1", world.now, receipt_id="r1"
    )
    world.bank.serve_once(world.now)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "field_key", lambda *_: old)
        with pytest.raises(Refused, match="field_key_is_retired"):
            gateway.turn(world.gateway)
    taken = gateway.turn(world.gateway)
    assert (taken.read, taken.quarantined) == (1, 0)


def test_broken_off_between_the_new_wrapping_key_and_its_row_it_makes_no_second_one(world, tmp_path):
    """The key's id follows from the rotation: the file that a crash left behind is the one that the next run takes."""
    vault = world.desk.vault
    keep(world, vault, 1)
    rotation = vault.new_id()
    with world.core.connection() as connection:
        row = {"book": vault.book, "rotation": rotation, "keys": "wrapping", "at": world.now}
        connection.execute(QUERIES.begin_rotation, row)
    vault.choice.provider_named("file").make(f"{vault.book}-{rotation.hex}", vault.choice.wrap)
    files = {each.name for each in (tmp_path / "keys" / "vault").iterdir()}
    done = rotate(world.core, vault, "wrapping", settle=AT_ONCE)
    assert (done.rotation_id, done.changed, counted(world).left) == (rotation, 2, 0)
    assert {each.name for each in (tmp_path / "keys" / "vault").iterdir()} == files
    assert vault.wrapping_key().wrapping_id == f"{vault.book}-{rotation.hex}"


def test_every_algorithm_and_provider_is_exchanged_by_configuration(world, tmp_path):
    """AES to SM4 and back; a key file to the post-quantum hybrid, to a key server, and home again. After each swap of
    vault.toml old rows are read, new ones are of the new kind, and a rotation takes all there.
    """
    if not available("sm4-gcm") or not hybrid_is_available():
        pytest.skip("the cryptographic library at hand lacks SM4-GCM or ML-KEM-768")
    keep(world, world.desk.vault, 0)
    with key_server(tmp_path) as service:
        ring = f'[server]\nurl = "{service.url}"\ntoken_file = "kms.token"\n'
        swaps = [
            ('field = "sm4-gcm"\n', "field", 2, "aes-256-gcm"),
            ('field = "sm4-gcm"\nwrap = "hpke-x25519-mlkem768"\n', "wrapping", 2, "hpke-x25519-mlkem768"),
            ('field = "aes-256-gcm"\nprovider = "server"\n' + ring, "wrapping", 2, "key-server"),
            ('provider = "server"\n' + ring, "field", 1, "key-server"),
            ('wrap = "hpke-x25519-mlkem768"\n' + ring, "wrapping", 1, "hpke-x25519-mlkem768"),
        ]
        for step, (text, keys, number, wrap) in enumerate(swaps, 1):
            (tmp_path / "vault.toml").write_text(text)
            choice = read_choice(tmp_path)
            vault = replace(world.desk.vault, choice=choice, _memory=type(world.desk.vault._memory)())
            assert [vault.open(PHONE, f"x{each}-0") for each in range(step)] == [phone(each) for each in range(step)]
            keep(world, vault, step)
            rotate(world.core, vault, keys, settle=AT_ONCE)
            fresh = replace(vault, _memory=type(vault._memory)())
            assert [fresh.open(PHONE, f"x{each}-0") for each in range(step + 1)] == [phone(n) for n in range(step + 1)]
            if keys == "field":
                assert {number_of(each) for each in sealed(world)} == {number}
            assert {each.wrap for each in counted(world).lines if each.wrapping_state == "active"} == {wrap}
            assert counted(world).left == 0
        assert service.asked > 10


def test_what_an_installation_forbids_is_not_read_either_until_it_was_rotated_away(world, tmp_path):
    keep(world, world.desk.vault, 0)
    if not available("sm4-gcm") or not hybrid_is_available():
        pytest.skip("the cryptographic library at hand lacks SM4-GCM or ML-KEM-768")
    (tmp_path / "stricter").mkdir()
    strict = 'field = "sm4-gcm"\nwrap = "hpke-x25519-mlkem768"\n[standing]\naes-256-gcm = "forbidden"\n'
    (tmp_path / "stricter" / "vault.toml").write_text(strict)
    (tmp_path / "stricter" / "keys").symlink_to(tmp_path / "keys")
    forbids = replace(
        world.desk.vault, choice=read_choice(tmp_path / "stricter"), _memory=type(world.desk.vault._memory)()
    )
    with pytest.raises(Refused, match="algorithm_is_forbidden"):
        forbids.open(PHONE, "x0-0")
    (tmp_path / "vault.toml").write_text('field = "sm4-gcm"\nwrap = "hpke-x25519-mlkem768"\n')
    for keys in ("wrapping", "field"):
        rotate(world.core, replace(world.desk.vault, choice=read_choice(tmp_path)), keys, settle=AT_ONCE)
    assert forbids.open(PHONE, "x0-0") == phone(0)
