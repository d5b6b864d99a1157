"""The folder exchange: complete files or none, delivered once, read as listed, and every failure of the disk named."""

import errno
import hashlib
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.banking import exchange
from ringfence.banking.exchange import archive, arrivals, deliver, is_temporary, read
from ringfence.refusal import Refused

CONTENT = "付款指令".encode()


class Crash(BaseException):
    """The process ends here; nothing that it would have done afterwards is done."""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "to_bank"
    folder.mkdir()
    return folder


def refused_name(function, *arguments):
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return caught.value.name


def test_a_file_is_delivered_once_and_again_only_as_itself(folder):
    """deliver M-1.xml -> new; the same again -> there already; other bytes -> refused, and the first stays."""
    assert deliver(folder, "M-1.xml", CONTENT) is True
    assert deliver(folder, "M-1.xml", CONTENT) is False
    assert refused_name(deliver, folder, "M-1.xml", CONTENT + b" ") == "delivery_name_is_taken"
    assert [(each.name, each.read_bytes()) for each in folder.iterdir()] == [("M-1.xml", CONTENT)]


@pytest.mark.parametrize(
    "name", ["", ".hidden", "../M.xml", "a/b.xml", "a.part", "a.XML.TMP", "a~", "付款.xml", "a b.xml", "x" * 161, "a\n"]
)
def test_only_plain_names_are_delivered(folder, name):
    assert refused_name(deliver, folder, name, CONTENT) == "delivery_name_is_malformed"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("obstacle", ["folder", "link"])
def test_what_is_no_file_is_never_written_over(folder, tmp_path, obstacle):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(CONTENT)
    if obstacle == "folder":
        (folder / "M-1.xml").mkdir()
    else:
        (folder / "M-1.xml").symlink_to(elsewhere)
    assert refused_name(deliver, folder, "M-1.xml", CONTENT) == "delivery_name_is_taken"


@pytest.mark.parametrize("step", ["fsync of the file", "rename", "fsync of the folder"])
@pytest.mark.parametrize("persisted", [False, True])
def test_a_crash_at_any_step_of_a_delivery_leaves_all_or_nothing(folder, monkeypatch, step, persisted):
    """Each step breaks twice: it failed and did not persist; it failed, but persisted. Then it is delivered again."""
    calls = 0

    def broken(real, at_call):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls != at_call:
                return real(*arguments, **options)
            if persisted:
                real(*arguments, **options)
            raise Crash

        return call

    target = {"fsync of the file": ("fsync", 1), "rename": ("rename", 1), "fsync of the folder": ("fsync", 2)}[step]
    with monkeypatch.context() as patch:
        patch.setattr(os, target[0], broken(getattr(os, target[0]), target[1]))
        with pytest.raises(Crash):
            deliver(folder, "M-1.xml", CONTENT)
    seen = arrivals(folder)
    assert [each.sha256 for each in seen] in ([], [hashlib.sha256(CONTENT).hexdigest()])
    deliver(folder, "M-1.xml", CONTENT)
    assert [read(each) for each in arrivals(folder)] == [CONTENT]
    assert [each.name for each in folder.iterdir()] == ["M-1.xml"], "what the crash left behind is used up"


def failing(error_number):
    def call(*_arguments, **_options):
        raise OSError(error_number, os.strerror(error_number))

    return call


@pytest.mark.parametrize(
    ("error_number", "name"),
    [
        (errno.ENOSPC, "bank_folder_disk_is_full"),
        (errno.EDQUOT, "bank_folder_disk_is_full"),
        (errno.EACCES, "bank_folder_denies_access"),
        (errno.EROFS, "bank_folder_denies_access"),
        (errno.EIO, "bank_folder_fails"),
    ],
)
def test_a_disk_that_fails_is_named_and_nothing_is_left_behind(folder, monkeypatch, error_number, name):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(error_number))
        assert refused_name(deliver, folder, "M-1.xml", CONTENT) == name
    assert list(folder.iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", failing(error_number))
        assert refused_name(arrivals, folder) == name


def test_a_folder_that_is_missing_is_named(tmp_path):
    missing = tmp_path / "nowhere"
    assert refused_name(deliver, missing, "M-1.xml", CONTENT) == "bank_folder_is_missing"
    assert refused_name(arrivals, missing) == "bank_folder_is_missing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights_is_named(folder):
    folder.chmod(0o500)
    assert refused_name(deliver, folder, "M-1.xml", CONTENT) == "bank_folder_denies_access"
    folder.chmod(0o300)
    assert refused_name(arrivals, folder) == "bank_folder_denies_access"
    folder.chmod(0o700)


def test_arrivals_are_complete_files_in_the_order_of_their_names(folder):
    """Temporary files and folders are not arrivals."""
    for name in ("b.xml", "a.xml", "c.xml.part", ".d.xml.partial", "e.filepart", "f.TMP", "~g.xml", "B.xml"):
        (folder / name).write_bytes(name.encode())
    (folder / "old").mkdir()
    found = arrivals(folder)
    assert [each.name for each in found] == ["B.xml", "a.xml", "b.xml"]
    assert [(each.sha256, each.size) for each in found] == [
        (hashlib.sha256(name).hexdigest(), len(name)) for name in (b"B.xml", b"a.xml", b"b.xml")
    ]


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True))
def test_a_name_without_a_temporary_ending_is_not_temporary(name):
    assert not is_temporary(f"{name}.xml")
    assert is_temporary(f".{name}")
    assert is_temporary(f"{name}.part")


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_link_or_a_device_is_refused_by_name_and_not_followed(folder, tmp_path, kind):
    if kind == "link":
        (tmp_path / "secret").write_bytes(b"secret")
        (folder / "x.xml").symlink_to(tmp_path / "secret")
    else:
        os.mkfifo(folder / "x.xml")
    assert refused_name(arrivals, folder) == "bank_folder_holds_a_stranger"


def test_a_file_that_grows_while_it_is_hashed_is_left_for_the_next_look(folder, monkeypatch):
    """A bank that writes under the final name: between the first look at the file and the last, it has grown."""
    (folder / "a.xml").write_bytes(CONTENT)
    real = os.fstat

    def growing(descriptor):
        status = real(descriptor)
        with (folder / "a.xml").open("ab") as file:
            file.write(b"more")
        return status

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", growing)
        assert arrivals(folder) == []
    assert [each.name for each in arrivals(folder)] == ["a.xml"]


def test_a_file_written_to_just_now_can_be_left_to_settle(folder):
    (folder / "a.xml").write_bytes(CONTENT)
    written_at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    os.utime(folder / "a.xml", (written_at.timestamp(), written_at.timestamp()))
    assert arrivals(folder, quiet_since=written_at - timedelta(seconds=1)) == []
    assert [each.name for each in arrivals(folder, quiet_since=written_at)] == ["a.xml"]


@pytest.mark.parametrize("change", ["grown", "gone"])
def test_what_is_read_is_what_was_listed(folder, change):
    (folder / "a.xml").write_bytes(CONTENT)
    [arrival] = arrivals(folder)
    assert read(arrival) == CONTENT
    if change == "grown":
        (folder / "a.xml").write_bytes(CONTENT + b"x")
    else:
        (folder / "a.xml").unlink()
    assert refused_name(read, arrival) == "arrival_has_changed"
    assert refused_name(archive, arrival, folder / "archive") == "arrival_has_changed"


def test_an_archive_loses_nothing_and_overwrites_nothing(folder, tmp_path):
    """The same name with other bytes, then the first bytes once more: two files in the archive."""
    store = tmp_path / "archive"
    for content in (b"one", b"two", b"one"):
        (folder / "a.xml").write_bytes(content)
        [arrival] = arrivals(folder)
        place = archive(arrival, store)
        assert archive(arrival, store) == place, "repeated after a crash"
        assert place.read_bytes() == content
    assert sorted(each.read_bytes() for each in store.iterdir()) == [b"one", b"two"]
    assert arrivals(folder) == []


def test_an_archive_on_a_full_disk_keeps_the_arrival(folder, tmp_path, monkeypatch):
    (folder / "a.xml").write_bytes(CONTENT)
    [arrival] = arrivals(folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing(errno.ENOSPC))
        assert refused_name(archive, arrival, tmp_path / "archive") == "bank_folder_disk_is_full"
    assert arrivals(folder) == [arrival]


def test_every_refusal_of_the_exchange_speaks_two_languages():
    declared = [each for name, each in vars(exchange).items() if name.startswith(("BANK_", "DELIVERY_", "ARRIVAL_"))]
    assert len(declared) == 8
    assert all(each.en and each.zh and each.en != each.zh for each in declared)
