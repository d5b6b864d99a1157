"""People are told when their means to sign in change: on each page until they say so, and by mail if that is set up."""

import dataclasses

import httpx
import pytest

from authority_world import QUICK, World, enrolled, password_of, world_of
from certificates import authority
from console_world import post, served
from mail_server import MailServer, mail_server
from ringfence.authority import codes, door, notifications, people, proposals, sessions
from ringfence.authority.actors import Session
from ringfence.authority.notifications.sending import (
    SAID,
    Courier,
    Folder,
    Mail,
    Message,
    read_courier,
    send_all,
)
from ringfence.authority.pages import MODULE
from ringfence.authority.pages import door as door_of
from ringfence.authority.passkeys import keys
from ringfence.console.application import application
from ringfence.ledger.pages import MODULE as LEDGER
from ringfence.refusal import Refused
from test_authority_codes import code_at

HOME, AWAY = "203.0.113.7", "198.51.100.9"
MESSAGE = Message("id", "t@corp.example", "subject", "text")


@pytest.fixture
def world(database):
    with world_of(database) as found:
        yield found


def told(world: World, person: str, session: Session | None = None) -> list[str]:
    """What a person is told, the oldest first."""
    by = session or world.session(person)
    found = notifications.of_session(world.connect("core"), world.book, by, world.clock())
    return [each.what for each in found][::-1]


def by_mail(server: MailServer) -> Courier:
    mail = Mail("127.0.0.1", server.port, "none", "us@corp.example", None, None)
    return Courier(mail, {"theo": "t@corp.example"})


def change_password(world: World, person: str) -> None:
    people.change_password(
        world.core, world.session(person), password_of(person), f"{password_of(person)} anew", cost=QUICK
    )


def test_each_change_of_ones_means_is_told_to_whose_they_are(world):
    """Theo's password, passkey and device for codes; what he does, what others do, and nothing of it to tess."""
    change_password(world, "theo")
    secret = bytes(range(20))
    code = code_at(world.clock(), secret)
    codes.set_device(world.core, world.session("theo"), f"{password_of('theo')} anew", secret, code)
    enrolled(world, "theo")
    [key] = keys.passkeys(world.connect("core"), world.book, "theo")
    keys.revoke(world.core, world.session("sara"), key.credential_id)
    assert told(world, "theo") == ["password_changed", "code_device_set", "passkey_enrolled", "passkey_revoked"]
    found = notifications.of_session(world.connect("core"), world.book, world.session("theo"), world.clock())
    rows = world.connect("core").execute(
        "SELECT code FROM ledger.journal WHERE book_id = %s AND sequence = ANY (%s) ORDER BY sequence",
        (world.book, [each.sequence for each in found]),
    )
    assert [code for (code,) in rows] == [1030, 1030, 1032, 1033]
    assert told(world, "tess") == []


def test_who_gets_a_one_time_password_is_told(world):
    """Two people give theo a new one, as they would after he has lost his; or without his knowing."""
    made = people.propose_person(
        world.core, world.session("sara"), "theo", "Theo", ["treasurer"], new_password=True, cost=QUICK
    )
    proposals.approve(world.core, world.session("rita"), made.drafted.proposal_id, made.drafted.payload_sha256)
    people.change_person(world.core, made.drafted.proposal_id)
    session = sessions.sign_in(world.core, "theo", made.one_time_password).session
    assert told(world, "theo", session) == ["password_reset"]


def test_a_sign_in_from_a_place_that_is_new_is_told(world):
    def come(address: str) -> Session:
        return door.sign_in(world.core, "tess", password_of("tess"), address).session

    assert told(world, "tess", come(HOME)) == [], "the first place is where somebody is"
    assert told(world, "tess", come("203.0.113.250")) == [], "the network counts, not the number"
    assert told(world, "tess", come(AWAY)) == ["signed_in_elsewhere"]
    assert told(world, "tess", come(AWAY)) == ["signed_in_elsewhere"]
    world.later(days=366)
    session = come(HOME)
    world.later(minutes=1)
    assert told(world, "tess", session) == ["signed_in_elsewhere"], "after a year a place is forgotten"
    places = world.connect("owner").execute("SELECT place_sha256 FROM authority.known_place").fetchall()
    assert [bytes(place) for (place,) in places] == [notifications.place_sha256(HOME)]


def test_a_sign_in_after_wrong_passwords_is_told(world):
    for _ in range(3):
        with pytest.raises(Refused):
            sessions.sign_in(world.core, "tess", "wrong password")
    assert told(world, "tess", sessions.sign_in(world.core, "tess", password_of("tess")).session) == [
        "signed_in_after_failures"
    ]
    world.later(minutes=1)
    with pytest.raises(Refused):
        sessions.sign_in(world.core, "tess", "wrong password")
    assert len(told(world, "tess", sessions.sign_in(world.core, "tess", password_of("tess")).session)) == 1


def test_a_passkey_from_elsewhere_is_told_as_well(world):
    device = enrolled(world, "tess")
    for address in (HOME, AWAY):
        session = door.let_in_person(world.core, address, lambda: device.sign_in(world)).session
    assert told(world, "tess", session)[-1] == "signed_in_elsewhere"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.255", True),
        ("203.0.113.7", "203.0.114.7", False),
        ("2001:db8:1:2::3", "2001:db8:1:ffff::1", True),
        ("2001:db8:1::", "2001:db8:2::", False),
        ("::ffff:203.0.113.7", "203.0.113.9", True),
        ("testclient", "elsewhere", False),
    ],
)
def test_a_place_is_a_network(one, other, same):
    assert (notifications.place_sha256(one) == notifications.place_sha256(other)) is same


def test_nobody_reads_or_marks_what_another_is_told(world):
    change_password(world, "theo")
    [only] = notifications.of_session(world.connect("core"), world.book, world.session("theo"), world.clock())
    assert notifications.read(world.core, world.session("tess"), only.number) == 0
    assert notifications.read(world.core, world.session("theo"), only.number) == 1
    assert notifications.read(world.core, world.session("theo"), only.number) == 0
    stranger = dataclasses.replace(world.session("theo"), token_sha256=bytes(32))
    assert notifications.of_session(world.connect("core"), world.book, stranger, world.clock()) == []


def test_the_core_cannot_keep_a_notification_from_anybody(world):
    change_password(world, "theo")
    core = world.connect("core")
    for attempt in (
        "DELETE FROM authority.notification",
        "UPDATE authority.notification SET read_at = now()",
        "SELECT what FROM authority.notification",
        "SELECT authority.tell(1, 'theo', 'password_changed', 0, now())",
    ):
        with pytest.raises(Exception, match="permission denied"):
            core.execute(attempt)
        core.rollback()


def test_every_page_says_so_until_the_person_has_read_it(world):
    app = application(world.core, door_of(world.core), [MODULE, LEDGER])
    change_password(world, "theo")
    headers = {"accept": "text/html", "accept-language": "en"}
    with served(app) as address, httpx.Client(base_url=address, headers=headers) as browser:
        fields = {"name": "theo", "password": f"{password_of('theo')} anew"}
        assert post(browser, "/sign-in", fields, form="/sign-in").status_code == 303
        for path in ("/", "/people"):
            assert "Something changed about how you sign in." in browser.get(path).text
        page = browser.get("/notifications").text
        assert "your password was changed" in page
        [number] = [part.split('"')[0] for part in page.split('name="up_to" value="')[1:]]
        assert post(browser, "/notifications", {"up_to": number}, form="/notifications").status_code == 303
        assert "Something changed" not in browser.get("/people").text
        listed = browser.get("/api/v1/notifications").json()["notifications"]
        assert [(each["what"], each["read_at"] is None) for each in listed] == [("password_changed", False)]


def test_a_folder_gets_each_message_once_and_nothing_secret(world, tmp_path):
    change_password(world, "theo")
    change_password(world, "abel")
    courier = Courier(Folder(tmp_path / "out"), {"theo": "theo@corp.example"})
    assert send_all(world.core, courier) == 1
    assert send_all(world.core, courier) == 0
    [file] = (tmp_path / "out").iterdir()
    text = file.read_text(encoding="utf-8")
    assert text.startswith("To: theo@corp.example\nSubject: Ringfence 资金存管: Your password was changed\n")
    assert "您的密码已更改" in text
    assert password_of("theo") not in text
    assert file.stat().st_mode & 0o077 == 0
    [only] = notifications.of_session(world.connect("core"), world.book, world.session("theo"), world.clock())
    assert only.sent_at is not None
    assert only.read_at is None, "what was sent was not read for that"


def test_a_message_is_sent_again_after_a_crash_under_the_same_id(world):
    """The server took it, and the core died before it noted that."""
    change_password(world, "theo")
    with mail_server() as server:
        courier = by_mail(server)

        class Dying:
            def send(self, message):
                courier.channel.send(message)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            send_all(world.core, Courier(Dying(), courier.to))
        assert send_all(world.core, courier) == 1
        assert send_all(world.core, courier) == 0
        first, second = server.mails
        assert first["Message-ID"] == second["Message-ID"]
        assert second["To"] == "t@corp.example"
        assert second["Auto-Submitted"] == "auto-generated"
        assert "tell a security administrator" in second.get_content()


def test_mail_that_is_not_taken_is_kept_and_tried_again(world):
    change_password(world, "theo")
    with mail_server() as server:
        courier = by_mail(server)
        server.full = True
        with pytest.raises(Refused) as no:
            send_all(world.core, courier)
        assert no.value.name == "notification_was_not_sent"
        server.full = False
        assert send_all(world.core, courier) == 1
    with pytest.raises(Refused) as no:
        courier.channel.send(MESSAGE)
    assert no.value.name == "notification_was_not_sent"


def test_mail_goes_encrypted_to_the_server_that_it_is_for(tmp_path):
    """STARTTLS with a login; and a server that another authority vouches for, or of another name, gets neither."""
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    with mail_server(ours.server("localhost")) as server:
        mail = Mail("localhost", server.port, "starttls", "us@corp.example", "user", "secret", ours.trusted)
        mail.send(MESSAGE)
        assert server.encrypted == [True]
        assert len(server.logins) == 1
        for wrong in (
            dataclasses.replace(mail, trusted=theirs.trusted),
            dataclasses.replace(mail, host="127.0.0.1"),
        ):
            with pytest.raises(Refused) as no:
                wrong.send(MESSAGE)
            assert no.value.name == "notification_was_not_sent"
        assert len(server.logins) == 1, "no password for a stranger"


def test_what_is_a_week_old_is_not_sent_any_more(world, tmp_path):
    change_password(world, "theo")
    world.later(days=8)
    assert send_all(world.core, Courier(Folder(tmp_path), {"theo": "t@corp.example"})) == 0


def test_settings_of_notifications_are_read_strictly(tmp_path):
    assert read_courier(tmp_path) is None
    to = '[to]\ntess = "tess@corp.example"\n'
    smtp = '[smtp]\nhost = "mail.example"\nport = 587\nsecurity = "starttls"\nsender = "us@corp.example"\n'
    file = tmp_path / "notifications.toml"
    file.write_text(f'channel = "folder"\n{to}[folder]\npath = "outbox"\n', encoding="utf-8")
    found = read_courier(tmp_path)
    assert found is not None
    assert found.channel == Folder(tmp_path / "outbox")
    file.write_text(f'channel = "smtp"\n{to}{smtp}', encoding="utf-8")
    assert read_courier(tmp_path)
    for wrong in (
        f'channel = "pigeon"\n{to}',
        f'channel = "smtp"\n{to}',
        f'channel = "smtp"\n[to]\ntess = "tess@corp.example\\r\\nBcc: evil@example.org"\n{smtp}',
        f'channel = "smtp"\n{to}{smtp.replace("starttls", "none")}',
        f'channel = "smtp"\n{to}{smtp.replace("starttls", "perhaps")}',
        f'channel = "smtp"\n{to}{smtp}user = "u"\npassword_file = "missing"\n',
        "channel = ",
    ):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(Refused) as no:
            read_courier(tmp_path)
        assert no.value.name == "notification_settings_are_wrong", wrong


def test_every_notification_has_its_words():
    assert set(SAID) == set(notifications.WHAT)
