"""A key server as others run them, in this process, with switches for its faults."""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "token-of-the-vault"


@dataclass
class Simulated:
    """`failing` is what the next answers are: a status, "garbage" (no JSON), "empty" (JSON without the field). A status
    of redirection leads to `elsewhere`.
    """

    url: str = ""
    keys: dict[str, bytes] = field(default_factory=dict)
    failing: int | str | None = None
    asked: int = 0
    elsewhere: str = ""

    def answer(self, path: str, said: dict[str, str], token: str) -> tuple[int, dict[str, str]]:
        self.asked += 1
        parts = urlsplit(path)
        name, _, verb = parts.path.removeprefix("/v1/ring/cryptoKeys").removeprefix("/").partition(":")
        if token != f"Bearer {TOKEN}":
            return 401, {}
        if not verb:
            made = parse_qs(parts.query)["cryptoKeyId"][0]
            if made in self.keys:
                return 409, {}
            self.keys[made] = secrets.token_bytes(32)
            return 200, {"name": made}
        if name not in self.keys:
            return 404, {}
        context = base64.b64decode(said["additionalAuthenticatedData"])
        if verb == "encrypt":
            nonce = secrets.token_bytes(12)
            sealed = nonce + AESGCM(self.keys[name]).encrypt(nonce, base64.b64decode(said["plaintext"]), context)
            return 200, {"ciphertext": base64.b64encode(sealed).decode()}
        sealed = base64.b64decode(said["ciphertext"])
        try:
            value = AESGCM(self.keys[name]).decrypt(sealed[:12], sealed[12:], context)
        except (InvalidTag, ValueError):
            return 400, {}
        return 200, {"plaintext": base64.b64encode(value).decode()}


@contextmanager
def key_server(home: Path) -> Iterator[Simulated]:
    """The server, and its token in the home as `kms.token`."""
    simulated = Simulated()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, found = simulated.answer(self.path, said, self.headers.get("authorization", ""))
            if isinstance(simulated.failing, int):
                status, found = simulated.failing, {}
            body = b"<html>" if simulated.failing == "garbage" else json.dumps(found).encode()
            body = b"{}" if simulated.failing == "empty" else body
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if status in (307, 308):
                self.send_header("location", simulated.elsewhere)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    simulated.url = f"http://127.0.0.1:{server.server_address[1]}/v1/ring"
    (home / "kms.token").write_text(TOKEN + "\n")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield simulated
    server.shutdown()
    server.server_close()
    thread.join()
