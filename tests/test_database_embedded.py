"""The embedded PostgreSQL of a home: who starts it, who shares it, and what each crash leaves behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from ringfence.database import embedded
from ringfence.database.server import open_server, prepare
from ringfence.refusal import Refused

HOLDER = """
import sys
from pathlib import Path
from ringfence.database import embedded
lease = embedded.start(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
lease.close()
"""


@pytest.fixture
def home(tmp_path):
    """A home whose server, if a failed test left one, is stopped."""
    yield tmp_path / "home"
    pid_file = tmp_path / "home" / "postgres" / "cluster" / "postmaster.pid"
    if pid_file.exists():
        with suppress(ProcessLookupError):
            os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)


@contextmanager
def holder(home):
    """Another process that holds a lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def first_process(home):
    return int((home / "postgres" / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def supervisor_of(number):
    return int(
        subprocess.run(["ps", "-o", "ppid=", "-p", str(number)], capture_output=True, text=True, check=False).stdout
    )


def eventually(condition, seconds=20.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def alive(number):
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1] not in ("", "Z")


def stopped(home):
    return eventually(lambda: not (home / "postgres" / "cluster" / "postmaster.pid").exists())


def shut_down_cleanly(home):
    return eventually(lambda: "database system is shut down" in (home / "postgres" / "server.log").read_text())


def administrator(home, lease):
    return psycopg.connect(
        host=str(lease.directory), port=lease.port, dbname="postgres", autocommit=True, **embedded.superuser(home)
    )


def answers(home, lease, statement):
    def tried():
        try:
            with administrator(home, lease) as connection:
                connection.execute(statement)
        except psycopg.OperationalError:
            return False
        return True

    return eventually(tried)


def test_a_home_is_private_and_listens_to_nobody_else(home):
    lease = embedded.start(home)
    try:
        assert (home / "postgres").stat().st_mode & 0o077 == 0
        assert lease.directory.stat().st_mode & 0o077 == 0
        assert (home / "postgres" / "superuser.password").stat().st_mode & 0o177 == 0
        with administrator(home, lease) as connection:
            settings = {
                name: connection.execute("select current_setting(%s)", [name]).fetchone()[0]
                for name in ("listen_addresses", "data_checksums", "fsync", "server_encoding", "TimeZone", "jit")
            }
        assert settings == {
            "listen_addresses": "",
            "data_checksums": "on",
            "fsync": "on",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "jit": "off",
        }
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=str(lease.directory), user=embedded.SUPERUSER, password="guessed", dbname="postgres")
    finally:
        lease.close()
    assert stopped(home)


def test_progress_is_told_while_the_database_is_made(home):
    told = []
    embedded.start(home, told.append).close()
    assert list(dict.fromkeys(progress.stage for progress in told))[:2] == ["creating", "starting"]
    assert told[0].sentence("zh") == "正在创建数据库"


def test_the_second_process_shares_the_server_and_keeps_it_when_the_first_leaves(home):
    with holder(home) as first:
        number = first_process(home)
        lease = embedded.start(home)
        assert first_process(home) == number
        first.communicate("leave\n")
        assert first.returncode == 0
        with administrator(home, lease) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert first_process(home) == number
        lease.close()
    assert stopped(home)
    assert shut_down_cleanly(home)


def test_many_processes_that_start_at_once_get_one_server(home):
    crowd = [
        subprocess.Popen([sys.executable, "-c", HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(5)
    ]
    assert [one.stdout.readline() for one in crowd] == [b"ready\n"] * 5
    log = (home / "postgres" / "server.log").read_text()
    assert log.count("starting PostgreSQL") == 1
    for one in crowd:
        one.communicate(b"leave\n")
    assert stopped(home)


def test_a_process_that_is_killed_loses_its_lease_and_the_server_shuts_down_cleanly(home):
    with holder(home) as only:
        only.kill()
        assert stopped(home)
    assert shut_down_cleanly(home)


def test_the_server_comes_back_after_its_supervisor_was_killed(home):
    """kill -9 of the supervisor: the parent-death signal ends PostgreSQL; the lease brings both back."""
    lease = embedded.start(home)
    with administrator(home, lease) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (1)")
    old = first_process(home)
    os.kill(supervisor_of(old), signal.SIGKILL)
    assert eventually(lambda: not alive(old))
    assert answers(home, lease, "insert into kept values (2)")
    with administrator(home, lease) as connection:
        assert connection.execute("select array_agg(number) from kept").fetchone() == ([1, 2],)
    assert first_process(home) != old
    lease.close()
    assert stopped(home)


def test_the_server_comes_back_after_it_was_killed_and_keeps_what_was_committed(home):
    """kill -9 of PostgreSQL's first process, in the middle of a transaction."""
    lease = embedded.start(home)
    with administrator(home, lease) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (1)")
    connection = administrator(home, lease)
    connection.execute("begin; insert into kept values (99)")
    old = first_process(home)
    os.kill(old, signal.SIGKILL)
    assert answers(home, lease, "insert into kept values (2)")
    assert first_process(home) != old
    with pytest.raises(psycopg.OperationalError):
        connection.execute("commit")
    connection.close()
    with administrator(home, lease) as connection:
        assert connection.execute("select array_agg(number) from kept").fetchone() == ([1, 2],)
    lease.close()
    assert stopped(home)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by their folder on Linux alone")
def test_a_query_that_outlives_its_killed_server_does_not_hold_up_the_next_start(home):
    lease = embedded.start(home)
    connection = administrator(home, lease)
    busy = connection.info.backend_pid
    connection.pgconn.send_query(b"do $$ begin loop end loop; end $$")
    os.kill(first_process(home), signal.SIGKILL)
    assert answers(home, lease, "select 1")
    assert not alive(busy)
    connection.close()
    lease.close()


def test_asked_to_terminate_the_supervisor_stops_when_its_users_have_left(home):
    lease = embedded.start(home)
    os.kill(supervisor_of(first_process(home)), signal.SIGTERM)
    with administrator(home, lease) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    lease.close()
    assert stopped(home)
    assert shut_down_cleanly(home)


def test_an_interrupt_from_the_keyboard_does_not_reach_the_database(home):
    lease = embedded.start(home)
    number = first_process(home)
    assert os.getpgid(number) != os.getpgid(0)
    os.kill(supervisor_of(number), signal.SIGINT)
    with administrator(home, lease) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    lease.close()


def test_a_path_too_long_for_a_socket_works_and_is_found_by_every_process(tmp_path, monkeypatch):
    """The sockets are elsewhere then, and where does not depend on a setting of one process (TMPDIR)."""
    home = tmp_path / ("deep " * 20) / ("and 'quoted', \"too\" " * 5) / "资金存管"
    lease = embedded.start(home)
    assert len(os.fsencode(home)) > 200
    assert len(os.fsencode(lease.directory)) < 90
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with holder(home):
        pass
    with administrator(home, lease) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    lease.close()
    assert stopped(home)


def test_a_short_path_with_quotes_and_commas_works(tmp_path):
    home = tmp_path.parent / "a, 'b' \"c\""
    lease = embedded.start(home)
    with administrator(home, lease) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    lease.close()


def test_tcp_is_open_on_this_machine_alone_and_only_when_asked(home):
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    lease = embedded.start(home, tcp_port=port)
    with psycopg.connect(host="127.0.0.1", port=port, dbname="postgres", **embedded.superuser(home)) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
    with administrator(home, lease) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    lease.close()


def test_a_port_in_use_is_refused(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Refused) as refused:
            embedded.start(home, tcp_port=taken.getsockname()[1])
    assert refused.value.name == "port_is_taken"
    embedded.start(home).close()


def test_a_running_server_is_not_given_to_those_who_want_another(home):
    lease = embedded.start(home)
    with pytest.raises(Refused) as refused:
        embedded.start(home, settings={"fsync": "off"})
    assert refused.value.name == "database_runs_with_other_settings"
    lease.close()


def test_a_cluster_of_another_version_is_refused_and_left_alone(home):
    embedded.start(home).close()
    version = home / "postgres" / "cluster" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(Refused) as refused:
        embedded.start(home)
    assert refused.value.name == "database_is_of_another_version"
    assert (refused.value.facts["found"], refused.value.facts["expected"]) == ("12", "18")
    assert version.read_text() == "12\n"


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(Refused) as refused:
        embedded.start(tmp_path / "home")
    assert refused.value.name == "home_is_not_writable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(Refused) as refused:
        embedded.start(tmp_path / "home")
    tmp_path.chmod(0o700)
    assert refused.value.name == "home_is_not_writable"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_somebody_else_is_refused(home):
    (home / "postgres").mkdir(parents=True)
    os.chown(home / "postgres", 12345, 12345)
    with pytest.raises(Refused) as refused:
        embedded.start(home)
    assert refused.value.name == "home_belongs_to_somebody_else"


def test_a_folder_of_sockets_that_others_may_enter_is_refused():
    with tempfile.TemporaryDirectory(prefix="rf", dir="/tmp") as short:
        home = Path(short)
        (home / "postgres" / "run").mkdir(parents=True)
        (home / "postgres" / "run").chmod(0o755)
        with pytest.raises(Refused) as refused:
            embedded.start(home)
    assert refused.value.name == "socket_is_taken"


def test_a_number_left_by_a_crash_that_is_another_program_now_does_not_stop_the_start(home):
    """In a container, numbers are small and come again after a restart."""
    embedded.start(home).close()
    (home / "postgres" / "cluster" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{home / 'postgres' / 'cluster'}\n1\n5432\n{home / 'postgres' / 'run'}\n\n"
    )
    lease = embedded.start(home)
    assert first_process(home) != os.getpid()
    lease.close()


def test_what_an_interrupted_creation_left_is_made_anew(home):
    (home / "postgres" / "cluster.new" / "base").mkdir(parents=True)
    (home / "postgres").chmod(0o700)
    embedded.start(home).close()
    assert not (home / "postgres" / "cluster.new").exists()


def test_a_broken_cluster_is_refused_with_the_servers_own_words(home):
    embedded.start(home).close()
    (home / "postgres" / "cluster" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(Refused) as refused:
        embedded.start(home)
    assert refused.value.name == "database_does_not_start"
    assert "pg_control" in refused.value.sentence()


def test_a_platform_without_programs_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Refused) as refused:
        embedded.programs()
    assert refused.value.name == "platform_has_no_embedded_database"


def test_no_password_is_in_the_servers_log_or_in_the_list_of_processes(home):
    with open_server(home, settings={"log_statement": "all"}) as server:
        prepare(server)
        listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        passwords = [path.read_text().strip() for path in (home / "keys").glob("*.password")]
        passwords.append(embedded.superuser(home)["password"])
    log = (home / "postgres" / "server.log").read_text()
    assert "alter role ringfence_core password 'SCRAM-SHA-256$" in log
    assert len(passwords) == 7
    assert not [password for password in passwords if password in log or password in listed]
