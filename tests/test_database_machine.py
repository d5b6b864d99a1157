"""What a bad machine does to the embedded database: a full disk, a forbidden namespace.

Each scenario runs in a process with a user namespace of its own, where root's powers (a small disk, a limit) reach
nobody else.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringfence.database import embedded
from ringfence.database.child import STRANGER

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


def test_a_machine_that_forbids_root_every_guise_is_refused_with_the_way_out(tmp_path):
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


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has powers to leave behind")

CONTAINER = """
import ctypes, os, sys
from pathlib import Path
from ringfence.database import embedded

assert ctypes.CDLL(None).unshare(0x10000000) == 0
print("unshared", flush=True)
sys.stdin.readline()
Path("/proc/sys/user/max_user_namespaces").write_text("0")
lease = embedded.start(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
lease.close()
"""


@AS_ROOT
def test_root_of_a_container_without_namespaces_runs_it_as_a_stranger(tmp_path):
    """Root, all users, no further namespaces: as in an ordinary container. Afterwards the same home opens outside,
    where the data folder is root's again."""
    with subprocess.Popen(
        [sys.executable, "-c", CONTAINER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as container:
        assert container.stdout.readline() == "unshared\n"
        for numbers in ("uid_map", "gid_map"):
            Path(f"/proc/{container.pid}/{numbers}").write_text("0 0 65536")
        container.stdin.write("\n")
        container.stdin.flush()
        assert container.stdout.readline() == "ready\n"
        cluster = tmp_path / "postgres" / "cluster"
        first = int((cluster / "postmaster.pid").read_text().splitlines()[0])
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{first}/status").read_text().splitlines())
        assert status["Uid"].split() == [str(STRANGER)] * 4
        assert not status["Groups"].strip()
        assert int(status["CapEff"], 16) == 1 << 1  # CAP_DAC_OVERRIDE alone
        assert cluster.stat().st_uid == STRANGER
        container.communicate("\n")
        assert container.returncode == 0
    assert "database system is shut down" in (tmp_path / "postgres" / "server.log").read_text()
    embedded.start(tmp_path).close()
    assert {path.stat().st_uid for path in cluster.rglob("*")} == {0}


WITH_OR_WITHOUT = """
import ctypes, os, sys
if sys.argv[2] == "1":
    ctypes.CDLL(None).prctl(24, 7, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SETUID: gone after the next exec
os.execv(sys.executable, [sys.executable, "-c", sys.argv[3], sys.argv[1]])
"""

START = """
import sys
from pathlib import Path
from ringfence.database import embedded
from ringfence.refusal import Refused
try:
    embedded.start(Path(sys.argv[1])).close()
    print("started")
except Refused as refused:
    print(refused.name)
"""


@AS_ROOT
@pytest.mark.parametrize(("lost", "outcome"), [("0", "started"), ("1", "home_is_out_of_reach")])
def test_root_reaches_a_home_below_a_folder_closed_to_others_if_it_has_its_usual_powers(tmp_path, lost, outcome):
    """Inside a namespace such a folder is closed to root as well. A stranger with root's reach does it; root that may
    not change its user (CAP_SETUID lost) is told why it cannot."""
    closed = tmp_path / "closed"
    (closed / "home").mkdir(parents=True)
    os.chown(closed, 12345, 12345)
    closed.chmod(0o700)
    command = [sys.executable, "-c", WITH_OR_WITHOUT, str(closed / "home"), lost, START]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == outcome
