"""An identity provider as others run them, in this process, with a switch for its faults."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "token-of-the-provider"


@dataclass
class Office:
    """Who is known: name and number. `failing` is what the next answers are: a status, or "garbage" (no JSON)."""

    url: str = ""
    known: dict[str, str] = field(default_factory=dict)
    later: set[str] = field(default_factory=set)
    failing: int | str | None = None
    inquiries: list[str] = field(default_factory=list)

    def answer(self, path: str, said: dict[str, str], token: str) -> tuple[int, bytes]:
        self.inquiries.append(path.rpartition("/")[2])
        if token != f"Bearer {TOKEN}":
            return 401, b"{}"
        if self.failing == "garbage":
            return 200, b"<html>"
        if self.failing is not None:
            return int(self.failing), b"{}"
        if said["number"] in self.later:
            return 200, b'{"answer": "later"}'
        found = self.known.get(said["number"]) == said["name"]
        return 200, json.dumps({"answer": "match" if found else "no_match"}).encode()


@contextmanager
def served() -> Iterator[Office]:
    office = Office()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, body = office.answer(self.path, said, self.headers.get("authorization", ""))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    office.url = f"http://127.0.0.1:{server.server_address[1]}/v1/inquiries"
    yield office
    server.shutdown()
    thread.join()
    server.server_close()
