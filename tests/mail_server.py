"""A mail server in this process that takes everything (SMTP, RFC 5321), with TLS if it is given a certificate."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """`full`: it takes no mail any more. `logins` are what clients gave to be let in."""

    port: int = 0
    full: bool = False
    tls: ssl.SSLContext | None = None
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    found = MailServer(tls=tls)

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            encrypted = False
            self._say("220 mail.example ESMTP")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                verb = line[:4].upper()
                if verb == "EHLO":
                    offers = ["mail.example", "AUTH PLAIN"] if encrypted or not tls else ["mail.example", "STARTTLS"]
                    self._say(*(f"250-{each}" for each in offers[:-1]), f"250 {offers[-1]}")
                elif verb == "STAR" and tls:
                    self._say("220 go ahead")
                    try:
                        self.connection = tls.wrap_socket(self.connection, server_side=True)
                    except (ssl.SSLError, ConnectionError):
                        return
                    self.rfile, encrypted = self.connection.makefile("rb"), True
                elif verb == "AUTH":
                    found.logins.append(line)
                    self._say("235 welcome")
                elif verb == "DATA":
                    self._say("354 go on")
                    found.mails.append(message_from_bytes(self._body(), policy=policy.default))
                    found.encrypted.append(encrypted)
                    self._say("250 taken")
                elif verb == "QUIT":
                    self._say("221 bye")
                    break
                else:
                    self._say("452 full" if found.full else "250 fine")
            if encrypted:
                self.connection.close()

        def _body(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            return b"".join(lines)

        def _say(self, *lines: str) -> None:
            self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
