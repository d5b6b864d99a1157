"""A PostgreSQL across a network is verified, or the installation says why not; another in its place gets nothing."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from certificates import authority
from ringfence.database.network import is_of_this_machine, require_tls
from ringfence.database.server import Server, external
from ringfence.ledger.crossing.sides import neighbours_file
from ringfence.refusal import Refused
from ringfence.settings import read_settings

SSL_REQUEST, GSS_REQUEST = 80_877_103, 80_877_104


@contextmanager
def behind_tls(server: Server, context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """The server again on a port of this machine, with TLS in front as PostgreSQL speaks it (protocol 3.0, 55.2.11), or
    without. Gives the port and what clients said before any encryption.
    """
    spoken: list[bytes] = []

    def onward() -> socket.socket:
        host, port = str(server.parameters.get("host") or "localhost"), int(server.parameters.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        found = socket.socket(socket.AF_UNIX)
        found.connect(f"{host}/.s.PGSQL.{port}")
        return found

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client:
            while True:
                first = client.recv(8, socket.MSG_WAITALL)
                if len(first) < 8:
                    return
                asked = struct.unpack("!ii", first)[1]
                if asked == SSL_REQUEST and context:
                    client.sendall(b"S")
                    client = context.wrap_socket(client, server_side=True)
                    first = b""
                elif asked in (SSL_REQUEST, GSS_REQUEST):
                    client.sendall(b"N")
                    continue
                else:
                    spoken.append(first)
                break
            with client, onward() as behind:
                behind.sendall(first)
                back = threading.Thread(target=pass_on, args=(behind, client), daemon=True)
                back.start()
                pass_on(client, behind)
                back.join()

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1], spoken
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def url_of(port: int, trusted, *, name: str = "db.example", mode: str = "verify-full") -> str:
    return f"host={name} hostaddr=127.0.0.1 port={port} sslmode={mode} sslrootcert={trusted.file} connect_timeout=2"


def test_a_verified_server_is_spoken_to_in_cipher(server, database, tmp_path):
    ours = authority(tmp_path / "ours")
    with behind_tls(server, ours.server("db.example")) as (port, spoken):
        found = external(server.home, url_of(port, ours))
        with found.connect("core", database.name) as core:
            assert core.execute("SELECT count(*) FROM ledger.book").fetchone() == (0,)
            assert core.pgconn.ssl_in_use
        assert spoken == []


@pytest.mark.parametrize("what", ["another authority", "another name", "no TLS"])
def test_another_server_in_its_place_is_told_no_password(server, database, tmp_path, what):
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    presents = {
        "another authority": theirs.server("db.example"),
        "another name": ours.server("evil.example"),
        "no TLS": None,
    }
    with behind_tls(server, presents[what]) as (port, spoken):
        with pytest.raises(Refused) as no:
            external(server.home, url_of(port, ours)).connect("core", database.name)
        assert no.value.name in ("database_is_unreachable", "database_refuses_the_login")
        assert spoken == [], "not even the name of the user was said"


@pytest.mark.parametrize("mode", ["", "disable", "allow", "prefer", "require", "verify-ca"])
def test_a_server_across_a_network_is_not_spoken_to_unverified(tmp_path, mode):
    """What libpq calls require encrypts, and believes whoever answers."""
    url = f"postgresql://somebody@db.example/money?sslmode={mode}" if mode else "postgresql://somebody@db.example/money"
    with pytest.raises(Refused) as no:
        external(tmp_path, url)
    assert no.value.name == "database_needs_tls"
    assert external(tmp_path, url, "a tunnel of ours").database == "money"


@pytest.mark.parametrize(
    ("parameters", "here"),
    [
        ({}, True),
        ({"host": "/run/postgresql"}, True),
        ({"host": "@abstract"}, True),
        ({"host": "localhost"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.8.9.1"}, True),
        ({"host": "::1"}, True),
        ({"hostaddr": "127.0.0.1", "host": "db.example"}, True),
        ({"hostaddr": "192.0.2.1", "host": "localhost"}, False),
        ({"host": "localhost.example"}, False),
        ({"host": "127.0.0.1.example"}, False),
        ({"host": "10.0.0.7"}, False),
        ({"host": "/run/postgresql,db.example"}, False),
        ({"host": "localhost,10.0.0.7"}, False),
        ({"service": "money"}, False),
    ],
    ids=str,
)
def test_what_is_of_this_machine(parameters, here):
    assert is_of_this_machine(parameters) is here


def test_what_the_environment_adds_counts(monkeypatch):
    """A URL without a host goes to PGHOST, and one with a service to wherever its file says."""
    monkeypatch.setenv("PGHOST", "db.example")
    with pytest.raises(Refused):
        require_tls({})
    monkeypatch.delenv("PGHOST")
    require_tls({})
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    with pytest.raises(Refused):
        require_tls({"host": "localhost"})


def test_a_neighbour_across_a_network_is_verified_too(tmp_path):
    file = tmp_path / "neighbours.toml"
    file.write_text('[west]\nurl = "postgresql://ringfence_core@db.example/money"\n', encoding="utf-8")
    with pytest.raises(Refused) as no:
        neighbours_file(tmp_path)
    assert no.value.name == "database_needs_tls"
    with file.open("a", encoding="utf-8") as said:
        said.write('without_tls = "a tunnel of ours"\n')
    assert list(neighbours_file(tmp_path)) == ["west"]


def test_the_exception_is_a_setting_with_a_reason():
    assert read_settings({}).database_without_tls is None
    assert read_settings({"RINGFENCE_DATABASE_WITHOUT_TLS": " "}).database_without_tls is None
    assert read_settings({"RINGFENCE_DATABASE_WITHOUT_TLS": "a tunnel"}).database_without_tls == "a tunnel"
