"""What a bad machine does to the embedded database: a full disk, a forbidden namespace.

Each scenario runs in a process with a user namespace of its own, where root's powers (a small disk, a limit) reach
nobody else.
"""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")

INSIDE = """
import ctypes, json, os, sys
from pathlib import Path
from ringfence.refusal import Refused

libc = ctypes.CDLL(None, use_errno=True)
user, group = os.geteuid(), os.getegid()
if libc.unshare(0x10000000 | 0x00020000):  # CLONE_NEWUSER | CLONE_NEWNS
    print(json.dumps({"skip": os.strerror(ctypes.get_errno())}))
    sys.exit()
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"0 {user} 1")
Path("/proc/self/gid_map").write_text(f"0 {group} 1")
home = Path(sys.argv[1])

def small_disk(megabytes):
    if libc.mount(b"none", bytes(home), b"tmpfs", 0, f"size={megabytes}m".encode()):
        print(json.dumps({"skip": os.strerror(ctypes.get_errno())}))
        sys.exit()
"""


def inside(tmp_path, scenario):
    """Run a scenario in such a process; what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", INSIDE + scenario, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert result.stdout, result.stderr
    told = json.loads(result.stdout)
    if "skip" in told:
        pytest.skip(f"this machine forbids an ordinary namespace: {told['skip']}")
    return told


def test_a_disk_without_room_is_refused_before_anything_is_made(tmp_path):
    told = inside(
        tmp_path,
        """
from ringfence.database import embedded
small_disk(60)
try:
    embedded.start(home)
except Refused as refused:
    print(json.dumps({"name": refused.name, "left": sorted(path.name for path in (home / "postgres").iterdir())}))
""",
    )
    assert told["name"] == "disk_is_full"
    assert "cluster" not in told["left"]


def test_a_disk_that_fills_up_is_refused_by_name_and_nothing_committed_is_lost(tmp_path):
    """Rows until the disk is full; then room; then every committed row is still there, and work goes on."""
    told = inside(
        tmp_path,
        """
import psycopg
from ringfence.database.refusals import refusing
from ringfence.database.server import open_server
small_disk(200)
names, committed = [], 0
with open_server(home) as server:
    ballast = home / "ballast"
    ballast.write_bytes(bytes(40 * 2**20))
    fill = "insert into public.filled select %s, repeat('x', 900) from generate_series(1, 5000)"
    with server.connect_as_administrator() as connection:
        connection.execute("create table public.filled (number int, words text)")
        try:
            with refusing():
                while True:
                    connection.execute(fill, [committed])
                    committed += 1
        except Refused as refused:
            names.append(refused.name)
    ballast.unlink()
    for _ in range(200):
        try:
            with server.connect_as_administrator() as connection, refusing():
                kept = connection.execute("select count(distinct number), count(*) from public.filled").fetchone()
                connection.execute("insert into public.filled values (-1, '')")
                break
        except Refused as refused:
            if refused.name not in names:
                names.append(refused.name)
print(json.dumps({"names": names, "committed": committed, "kept": kept}))
""",
    )
    assert told["names"][0] in {"disk_is_full", "database_is_lost"}  # the latter if the log of changes had no room
    assert told["committed"] > 1
    assert told["kept"] == [told["committed"], 5000 * told["committed"]]


def test_a_machine_that_forbids_root_a_namespace_is_refused_with_the_way_out(tmp_path):
    told = inside(
        tmp_path,
        """
from ringfence.database import embedded
Path("/proc/sys/user/max_user_namespaces").write_text("0")
try:
    embedded.start(home)
except Refused as refused:
    print(json.dumps({"name": refused.name, "sentence": refused.sentence()}))
""",
    )
    assert told["name"] == "namespace_is_forbidden"
    assert "ordinary user" in told["sentence"]
    assert "RINGFENCE_DATABASE_URL" in told["sentence"]
