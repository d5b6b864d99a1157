"""Sending notifications on: one small contract, and what an installation chose (`notifications.toml` in its home)::

    channel = "smtp"                   # or "folder"

    [to]                               # whose address is which; who is not here reads it in the console alone
    grace = "grace@example.com"

    [smtp]
    host = "mail.example.com"
    port = 587
    security = "starttls"              # or "tls"; "none" for a mail server on this machine only
    sender = "ringfence@example.com"
    user = "ringfence"                 # with password_file, if the server asks for them
    password_file = "keys/mail.password"

    [folder]
    path = "outbox"                    # one file each, for a program of yours that sends them

The core sends what is not sent yet, the oldest first, and notes it afterwards. After a crash in between it is sent
again, under the same Message-ID. What is a week old is not sent any more.
"""

import os
import re
import smtplib
import ssl
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Protocol

from ringfence.authority.notifications import QUERIES
from ringfence.authority.notifications.refusals import NOTIFICATION_SETTINGS_ARE_WRONG, NOTIFICATION_WAS_NOT_SENT
from ringfence.core import Core

SETTINGS: Final = "notifications.toml"
AT_ONCE: Final = 50
SECONDS_MAX: Final = 10
SAID: Final = {
    "password_changed": ("Your password was changed.", "您的密码已更改。"),
    "password_reset": ("You were given a one-time password.", "您的密码已被重置为一次性密码。"),
    "passkey_enrolled": ("A passkey of yours was enrolled.", "已为您登记一个通行密钥。"),
    "passkey_revoked": ("A passkey of yours was revoked.", "您的一个通行密钥已被吊销。"),
    "code_device_set": ("Your device for codes was set up.", "已为您设置验证码设备。"),
    "identity_bound": ("An account for single sign-on was bound to you.", "已为您绑定单点登录账户。"),
    "identity_released": ("Your account for single sign-on was released.", "您的单点登录账户已解除绑定。"),
    "signed_in_elsewhere": ("You signed in from a place that is new.", "您从新的地点登录。"),
    "signed_in_after_failures": ("You signed in after several wrong passwords.", "多次密码错误后登录成功。"),
}
_ADDRESS: Final = re.compile(r"[!#-'*+/-9=?A-Z^-~.-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Message:
    """What leaves the house: to whom, under an id that is the same each time, and its text in both languages."""

    id: str
    to: str
    subject: str
    text: str


class Channel(Protocol):
    """Takes a message for good: that it was sent is noted when this returns. `notification_was_not_sent`."""

    def send(self, message: Message) -> None: ...


@dataclass(frozen=True)
class Folder:
    """A file for each message; the same message is the same file."""

    path: Path

    def send(self, message: Message) -> None:
        file, new = self.path / f"{message.id}.txt", self.path / f"{message.id}.new"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
                opened.write(f"To: {message.to}\nSubject: {message.subject}\n\n{message.text}")
                opened.flush()
                os.fsync(opened.fileno())
            new.rename(file)
        except OSError as error:
            raise NOTIFICATION_WAS_NOT_SENT(detail=error.strerror or type(error).__name__) from error


@dataclass(frozen=True)
class Mail:
    """A mail server. Its certificate is verified by the authorities that this machine trusts."""

    host: str
    port: int
    security: str
    sender: str
    user: str | None
    password: str | None = field(repr=False)
    trusted: Callable[[], ssl.SSLContext] = ssl.create_default_context

    def send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.sender, message.to, message.subject
        mail["Message-ID"] = f"<{message.id}@{self.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
        mail.set_content(message.text)
        try:
            with self._reached() as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise NOTIFICATION_WAS_NOT_SENT(detail=type(error).__name__) from error

    def _reached(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS_MAX, context=self.trusted())
        server = smtplib.SMTP(self.host, self.port, timeout=SECONDS_MAX)
        if self.security == "starttls":
            try:
                server.starttls(context=self.trusted())
            except BaseException:
                server.close()
                raise
        return server


@dataclass(frozen=True)
class Courier:
    """How an installation sends notifications, and to which address of whom."""

    channel: Channel
    to: Mapping[str, str]


def read_courier(home: Path) -> Courier | None:
    """What notifications.toml says; None without it. `notification_settings_are_wrong`."""
    path = home / SETTINGS
    if not path.exists():
        return None
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        to = {str(person): str(address) for person, address in said["to"].items()}
        return Courier(_channel_of(home, said), _addresses(to))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NOTIFICATION_SETTINGS_ARE_WRONG(path=SETTINGS, detail=error) from error


def _addresses(to: Mapping[str, str]) -> Mapping[str, str]:
    wrong = [person for person, address in to.items() if not _ADDRESS.fullmatch(address)]
    if wrong:
        raise ValueError(f"[to] {', '.join(wrong)} is no address of mail")
    return to


def _channel_of(home: Path, said: Mapping[str, Any]) -> Channel:
    if said["channel"] == "folder":
        return Folder(home / str(said["folder"]["path"]))
    if said["channel"] == "smtp":
        return _mail_of(home, said["smtp"])
    raise ValueError("channel is smtp or folder")


def _mail_of(home: Path, said: Mapping[str, Any]) -> Mail:
    user, kept = said.get("user"), said.get("password_file")
    found = Mail(
        str(said["host"]),
        int(said["port"]),
        str(said["security"]),
        str(said["sender"]),
        None if user is None else str(user),
        None if kept is None else (home / str(kept)).read_text(encoding="utf-8").strip(),
    )
    if found.security not in ("starttls", "tls", "none") or not _ADDRESS.fullmatch(found.sender):
        raise ValueError("[smtp] security is starttls, tls or none, and sender an address")
    if found.security == "none" and found.host not in _LOCAL:
        raise ValueError("[smtp] without TLS the mail server is on this machine")
    return found


def send_all(core: Core, courier: Courier) -> int:
    """Send what is not sent yet; how many."""
    book = core.book.book_id
    asked = {"book": book, "persons": list(courier.to), "at": core.clock(), "latest": AT_ONCE}
    with core.connection() as connection:
        waiting = connection.execute(QUERIES.unsent_notifications, asked).fetchall()
    for number, person, what, happened_at, sequence in waiting:
        courier.channel.send(message_of(core, courier.to[person], number, what, happened_at, sequence))
        with core.connection() as connection:
            connection.execute(QUERIES.notification_was_sent, {"book": book, "number": number, "at": core.clock()})
    return len(waiting)


def message_of(core: Core, to: str, number: int, what: str, happened_at: datetime, sequence: int | None) -> Message:
    """What is sent, in both languages: what happened, where and when, and what to do. No secret, no link to click."""
    english, chinese = SAID[what]
    moment = happened_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    row_en = "" if sequence is None else f", row {sequence} of the journal"
    row_zh = "" if sequence is None else f"，日志第 {sequence} 行"
    text = (
        f"{english}\nBook {core.book.name}, {moment}{row_en}.\n"
        "If it was not you, tell a security administrator at once.\n\n"
        f"{chinese}\n账簿 {core.book.name}，{moment}{row_zh}。\n如非本人操作，请立即告知安全管理员。\n"
    )
    return Message(f"ringfence-{core.book.name}-{number}", to, "Ringfence 资金存管: " + english.rstrip("."), text)
