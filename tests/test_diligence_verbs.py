"""What is done at the command line with due diligence, programs' keys, customers' logins and mandates."""

from uuid import UUID

import pytest

from custody_world import PAYEE
from policies import unsigned_toml
from ringfence import installation
from ringfence.authority import clients, people, proposals, sessions, signing
from ringfence.custody import customers
from ringfence.diligence import evidence
from ringfence.diligence.advancing import advance
from ringfence.settings import read_settings
from test_custody_own_book import BANK, PEOPLE, STAFF, secret
from test_custody_payee_pages import said
from test_project_reference import documented, shape

SCAN = "ab" * 32


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A book of people, with two customers: one verified, one who has brought nothing yet."""
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "people.toml").write_text(PEOPLE, encoding="utf-8")
    (folder / "secrets.toml").write_text("".join(f'"{who}" = "{secret(who)}"\n' for who in STAFF), encoding="utf-8")
    (folder / "policy.toml").write_text(unsigned_toml(), encoding="utf-8")
    files = ("--people", str(folder / "people.toml"), "--policy", str(folder / "policy.toml"))
    said(folder / "home", "book", "found", "acme", *files)
    said(folder / "home", "book", "account", "acme", *BANK)
    settings = read_settings({}, folder / "home")
    with installation.opened(settings) as server, installation.core_of(server, "acme") as core:
        desk = installation.desk_of(settings, core, profile="eu-psd2", sanctions=None)
        diligence = installation.diligence_of(settings, desk, "eu-psd2")
        for number in (1, 2):
            ann = {"name": f"Ann {number}", "nature": "person", "payee_account": PAYEE, "bank": "bank:alpha:client"}
            customers.register(core, desk.vault, f"c{number}", identity_number=f"X{number}0000", **ann)
        evidence.take_document(diligence, "c1", kind="passport", country="LT", sha256=SCAN, by=None)
        advance(diligence, "c1")
        administrator = session(core, "radia")
        clients.add_client(core, administrator, "shop", ["orders:write"])
        ends = core.clock().replace(year=core.clock().year + 1)
        signing.add_key(core, administrator, "shop", b"\x20" + bytes(31), ("orders:write",), ends)
    return folder / "home"


def session(core, login):
    return sessions.session_of(core, sessions.sign_in(core, login, secret(login)).token)


def acme(home, *words, **more):
    return said(home, *words, "--book", "acme", **more)


def test_files_are_listed_shown_restricted_and_closed(home):
    page = documented()
    listed = acme(home, "diligence", "files")
    assert listed["counted"] == {"applied": 1, "verified": 1}
    assert listed.keys() == page["diligence files"].keys()
    assert acme(home, "diligence", "files", "--state", "applied")["files"][0]["customer"] == "c2"
    assert acme(home, "diligence", "files", "--due", "1")["files"] == []
    acme(home, "diligence", "files", "--state", "odd", refused="setting_is_wrong")
    shown = acme(home, "diligence", "show", "c1")
    assert shown.keys() == page["diligence show, diligence judge, diligence restrict, diligence close"].keys()
    assert [each["what"] for each in shown["steps"]][-1] == "verified"
    acme(home, "diligence", "show", "nobody", refused="customer_has_no_file")
    why = ("--reason", "asked twice")
    done = acme(home, "diligence", "restrict", "c1", "--direction", "none", *why, by="barbara")
    assert (done["file"]["restriction"], done["file"]["direction"]) == ("person", "none")
    out = ("restrict", "c1", "--direction", "out", *why)
    acme(home, "diligence", *out, by="barbara", refused="restriction_has_a_direction")
    acme(home, "diligence", "restrict", "c1", *why, by="alan", refused="person_lacks_the_role")
    judged = ("judge", "c1", "customer", "--judged", "the same")
    acme(home, "diligence", *judged, *why, by="barbara", refused="match_is_not_open")
    assert acme(home, "diligence", "close", "c2", by="barbara")["file"]["state"] == "closed"
    assert said(home, "diligence", "tiers").keys() == page["diligence tiers"].keys()
    said(home, "diligence", "tiers", "--profile", "odd", refused="diligence_profile_is_unknown")


def test_a_key_is_admitted_and_a_login_proposed_and_somebody_else_approves(home):
    page = documented()
    listed = acme(home, "authority", "keys", "shop")
    [key] = listed["keys"]
    assert (key["state"], key["admitted"]) == ("active", None)
    assert key.keys() == page["authority keys"]["keys"][0].keys()
    acme(home, "authority", "keys", "nobody", refused="client_must_exist")
    asked = acme(home, "authority", "admit", "shop", key["fingerprint"], by="radia")
    assert shape(asked) == shape(page["authority admit"])
    acme(home, "authority", "admit", "shop", "0" * 16, by="radia", refused="client_key_must_exist")
    made = acme(home, "authority", "login", "c1", "ann", "Ann Herself", by="radia")
    assert shape(made) == shape(page["authority login"])
    acme(home, "authority", "login", "nobody", "bob", "Bob", by="radia", refused="customer_must_exist")
    acme(home, "authority", "login", "c1", "bob", "Bob", by="barbara", refused="person_lacks_the_role")
    settings = read_settings({}, home)
    with installation.opened(settings) as server, installation.core_of(server, "acme") as core:
        by = session(core, "barbara")
        for each in (asked, made):
            assert proposals.approve(core, by, UUID(each["proposal"]), bytes.fromhex(each["sha256"])).complete
        signing.admit_all(core)
        people.change_person(core, UUID(made["proposal"]))
    assert acme(home, "authority", "keys", "shop")["keys"][0]["admitted"] is not None
    logins = acme(home, "authority", "logins", "c1")
    assert logins["logins"] == [{"login": "ann", "name": "Ann Herself", "active": True}]
    assert shape(logins) == shape(page["authority logins"])


def test_mandates_are_listed_and_taken_back_by_the_customer_alone(home):
    listed = acme(home, "authority", "mandates", "c1")
    assert listed == {"book": "acme", "customer": "c1", "mandates": []}
    acme(home, "authority", "mandates", "nobody", refused="customer_must_exist")
    nothing = "0195e9a0-5a8b-7000-8000-0000000000ac"
    acme(home, "authority", "revoke-mandate", nothing, by="radia", refused="person_lacks_the_role")
