"""A second implementation reads our log over HTTP: `second_reader`, written from C2SP's texts alone.

The log is one that the notary wrote, served by `ringfence evidence serve`; what a plain file server does with the same
folder is read as well, because C2SP's logs are files.
"""

import ast
import functools
import http.server
import socket
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import uvicorn

from evidence_world import World, at
from ringfence.evidence.serving import KEPT_FOR_GOOD, KEPT_SHORTLY, application
from ringfence.evidence.tiles import File, write_files
from ringfence.ledger.encoding import leaves
from ringfence.ledger.storage import read_block
from second_reader import LogError, LogReader, tile_path

ROWS = 600  # two full bundles and a partial one


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """`ringfence evidence serve`, in a thread."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application(folder), host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def served_as_files(folder):
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def logged(module_database, tmp_path_factory):
    """A book whose notary signed at 3, 103 and 600 rows."""
    world = World(module_database, tmp_path_factory.mktemp("logged"))
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.deposits(1, 100, 100)
    notary.step(at(2))
    world.deposits(3, 1000, ROWS - 103)
    notary.step(at(4))
    yield world
    world.close()


@pytest.fixture(scope="module")
def reader(logged):
    with served(logged.home / "evidence") as address:
        yield LogReader(f"{address}/log/demo", keys_of(logged))


def keys_of(world):
    return (world.log / "notary.vkey").read_text().splitlines()


def test_the_second_reader_shares_no_code_with_ours():
    tree = ast.parse(Path(__file__).with_name("second_reader.py").read_text(encoding="utf-8"))
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"base64", "cryptography", "dataclasses", "gzip", "hashlib", "urllib"}


def test_every_entry_that_it_reads_is_a_row_of_the_journal(logged, reader):
    """Both signatures, the entries, every level of tiles and the root; the entries are the journal's rows."""
    checkpoint = reader.checkpoint()
    assert (checkpoint.origin, checkpoint.size) == (reader.keys[0].name, ROWS)
    assert [key.kind for key in reader.keys] == [1, 6]
    entries = reader.read(checkpoint)
    block = read_block(logged.database.connect("reader"), logged.book.book_id, 0, ROWS)
    assert entries == list(leaves(logged.book.book_id, 0, block.posted_at, block.batch))
    assert {tile_path("entries", 2, 88), tile_path(0, 2, 88), tile_path(1, 0, 2)} <= reader.fetched.keys()


def test_older_checkpoints_are_beginnings_of_the_newer_ones(reader):
    """Also where the partial tiles of the older one are gone, because they became full."""
    checkpoints = [reader.checkpoint(f"checkpoints/{size}") for size in (3, 103, ROWS)]
    for older, newer in pairwise(checkpoints):
        assert reader.begins_with(newer, older)
        reader.read(older)
    assert not reader.begins_with(checkpoints[2], type(newer)(newer.origin, 103, checkpoints[0].root))


def test_the_headers_are_those_that_the_specification_asks_for(reader):
    reader.read(reader.checkpoint())
    reader.checkpoint("checkpoints/103")
    headers = reader.fetched["checkpoint"]
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("text/plain; charset=utf-8", KEPT_SHORTLY)
    for path in (tile_path("entries", 0, 256), tile_path(0, 2, 88), tile_path(1, 0, 2)):
        headers = reader.fetched[path]
        assert (headers["Content-Type"], headers["Cache-Control"]) == ("application/octet-stream", KEPT_FOR_GOOD)
    assert reader.fetched["checkpoints/103"]["Cache-Control"] == KEPT_FOR_GOOD


@pytest.mark.parametrize(
    "path",
    ["lock", "notary.vkey", "snapshots/600", "", "../demo/checkpoint", "..%2Fdemo/checkpoint", "tile/0/000.p/0",
     "tile/0/000.p/256", "tile/0/00", "tile/0/x000/000/../000", "tile/-1/000", "tile/entries/0000", "tile/64/000",
     "tile/00/000", "checkpoints/03", "checkpoints/4", "tile/0/009", "%2e%2e/keys/notary.key", "checkpoint%00"],
)  # fmt: skip
def test_nothing_else_of_the_folder_has_an_address(reader, path):
    with pytest.raises(LogError, match="404"):
        reader.fetch(path)


@pytest.mark.parametrize("book", ["..", ".", "%2e%2e", "other", "Demo", "demo%2f.."])
def test_no_other_folder_is_a_log(reader, book):
    other = LogReader(reader.prefix.removesuffix("demo") + book, map(str, ()))
    with pytest.raises(LogError, match="404"):
        other.fetch("checkpoint")


def test_the_folder_is_read_alike_from_any_server_of_files(logged, reader):
    with served_as_files(logged.log) as address:
        other = LogReader(address, keys_of(logged))
        assert other.read(other.checkpoint()) == reader.read(reader.checkpoint())


def test_it_finds_what_was_touched(logged, tmp_path):
    """One bit of each kind of file, a file that is gone, a key that is another."""
    for number, (path, said) in enumerate((
        ("checkpoint", "signature|note|signed"), ("tile/0/000", "root"), ("tile/0/002.p/88", "root"),
        ("tile/1/000.p/2", "level 1"), ("tile/entries/001", "entr"), ("tile/entries/002.p/88", "entr"),
    )):  # fmt: skip
        copy = tmp_path / str(number)
        for file in logged.log.rglob("*"):
            if file.is_file() and file.name != "lock":
                write_files(copy, [File(str(file.relative_to(logged.log)), file.read_bytes())])
        content = bytearray((copy / path).read_bytes())
        content[len(content) * 2 // 3] ^= 1
        (copy / path).write_bytes(content)
        with served_as_files(copy) as address:
            other = LogReader(address, keys_of(logged))
            with pytest.raises((LogError, ValueError), match=said):
                other.read(other.checkpoint())
            (copy / path).unlink()
            with pytest.raises(LogError, match="404"):
                other.read(other.checkpoint())
