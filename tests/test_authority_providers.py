"""Single sign-on: an ID token of a provider opens a session for whom people have bound to it, and nothing else does."""

import base64
import hashlib
import itertools
import json
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from authority_world import World, enrolled, world_of
from provider_world import (
    CLIENT,
    IdentityServer,
    browser_goes,
    directory_of,
    elliptic_key,
    identity_server,
    part_of,
    rsa_key,
    text_of,
    under_the_public_key,
)
from ringfence.authority import people, proposals
from ringfence.authority.actors import Session
from ringfence.authority.passkeys.assertions import approval_challenge
from ringfence.authority.providers import Directory, flow, read_directory, registration
from ringfence.authority.providers.speaking import usable_key
from ringfence.authority.providers.watching import KeyWatch
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused

ORIGIN = "http://localhost:8400"
SUBJECT = "employee-7"


@dataclass
class Corp:
    """A book whose treasurer tess is employee-7 at the provider `corp`."""

    world: World
    server: IdentityServer
    directory: Directory

    def begin(self, purpose: str = flow.SIGN_IN, name: str = "corp") -> flow.Begun:
        return flow.begin(self.world.core, self.directory, name, purpose, ORIGIN, "/approvals")

    def come_back(self, begun: flow.Begun, answer: dict, name: str = "corp", by: str | None = None) -> flow.Returned:
        session = self.world.session(by) if by else None
        return flow.come_back(self.world.core, self.directory, name, ORIGIN, begun.kept, answer, session)

    def sign_in(self) -> Session:
        begun = self.begin()
        returned = self.come_back(begun, browser_goes(begun.url))
        assert returned.signed_in
        return returned.signed_in.session

    def refuses(self, name: str) -> None:
        with pytest.raises(Refused) as no:
            self.sign_in()
        assert no.value.name == name


def approve(world: World, drafted, *who: str) -> None:
    for each in who:
        proposals.approve(world.core, world.session(each), drafted.proposal_id, drafted.payload_sha256)


def registered(world: World, directory: Directory, name: str = "corp") -> None:
    drafted = registration.propose_provider(world.core, world.session("sara"), directory.named(name))
    approve(world, drafted, "abel", "rita")
    registration.set_provider(world.core, drafted.proposal_id)


def correction(world: World):
    return proposals.propose(world.core, world.session("tess"), world.new_id(), "correction", facts={"why": "x"})


def bound(corp: Corp, person: str = "tess", name: str = "corp") -> UUID:
    begun = corp.begin(flow.BIND, name)
    returned = corp.come_back(begun, browser_goes(begun.url), name, by=person)
    found = proposals.proposal_of(corp.world.connect("core"), corp.world.book, returned.proposal)
    approve(corp.world, found, "sven" if person == "sara" else "sara")
    registration.bind(corp.world.core, returned.proposal)
    return returned.proposal


@contextmanager
def corporation(database, home, key=None):
    with world_of(database) as world, identity_server(world.clock, key) as server:
        directory = directory_of(home, corp=server)
        registered(world, directory)
        yield Corp(world, server, directory)


@pytest.fixture
def fresh(database, tmp_path):
    """For what changes who is who."""
    with corporation(database, tmp_path) as found:
        bound(found)
        yield found


@pytest.fixture(scope="module")
def shared(module_database, tmp_path_factory):
    with corporation(module_database, tmp_path_factory.mktemp("home")) as corporate:
        bound(corporate)
        yield corporate


@pytest.fixture
def corp(shared):
    """For what is refused: one book for all, at which the provider is honest again afterwards."""
    server = shared.server
    yield shared
    server.subject, server.token, server.failing, server.declines = SUBJECT, None, None, None
    server.claims, server.header, server.metadata = {}, {}, {}
    server.exchanged.clear()


@pytest.mark.parametrize("key", [elliptic_key("e"), rsa_key("r"), rsa_key("big", 3072)], ids=lambda key: key.alg)
def test_a_person_who_is_bound_signs_in_by_the_provider(database, tmp_path, key):
    with corporation(database, tmp_path, key) as corp:
        bound(corp)
        session = corp.sign_in()
        assert (session.person_id, session.opened_by) == ("tess", "provider")
        said = corp.world.events(EventName.SIGNED_IN)[-1]
        assert said["by"] == "provider"
        assert said["provider"] == "corp"
        assert said["person"] == "tess"
        [bound_said] = corp.world.events(EventName.IDENTITY_BOUND)
        assert SUBJECT not in json.dumps(corp.world.events(EventName.IDENTITY_BOUND)), "the journal has no subject"
        [identity] = registration.identities(corp.world.connect("core"), corp.world.book)
        proposal = proposals.proposal_of(corp.world.connect("core"), corp.world.book, identity.proposal_id)
        drawn = proposal.terms.nonce
        assert bound_said["subject_sha256"] == registration.subject_sha256(drawn, corp.server.url, SUBJECT)
        assert str(drawn) not in json.dumps(corp.world.events(EventName.PROPOSAL_MADE)), "nor what keys its hash"
        assert identity.used_at is not None


def test_the_question_has_state_nonce_and_pkce_and_the_secret_stays_here(corp):
    begun = corp.begin()
    assert "tenant=corp&" in begun.url
    assert "code_challenge_method=S256" in begun.url
    assert "response_type=code" in begun.url
    kept = json.loads(base64.urlsafe_b64decode(begun.kept + "=="))
    assert kept["verifier"] not in begun.url
    assert kept["state"] in begun.url
    assert kept["nonce"] in begun.url
    other = json.loads(base64.urlsafe_b64decode(corp.begin().kept + "=="))
    assert {kept[name] for name in ("state", "verifier", "nonce")}.isdisjoint(other.values())


def test_what_single_sign_on_opened_approves_only_with_a_passkey(fresh):
    """Anna is bound, has a passkey, and approves: by the session alone she is refused, by the key she is not."""
    fresh.server.subject = "employee-8"
    bound(fresh, "anna")
    device = enrolled(fresh.world, "anna")
    fresh.world.later(hours=25)
    session = fresh.sign_in()
    fresh.world.signed_in.clear()
    made = correction(fresh.world)
    with pytest.raises(Refused) as no:
        proposals.approve(fresh.world.core, session, made.proposal_id, made.payload_sha256)
    assert no.value.name == "single_sign_on_approves_nothing"
    signed = device.assertion(approval_challenge(made.payload))
    assert proposals.approve(fresh.world.core, session, made.proposal_id, made.payload_sha256, "", signed).complete
    made = correction(fresh.world)
    proposals.reject(fresh.world.core, session, made.proposal_id, made.payload_sha256)


def unsigned(header, claims):
    return f"{part_of({**header, 'alg': 'none'})}.{part_of(claims)}."


def signed_by_another(header, claims):
    signed = f"{part_of(header)}.{part_of(claims)}"
    return f"{signed}.{text_of(elliptic_key('first').sign(signed.encode()))}"


def cut_short(header, claims):
    signed = f"{part_of(header)}.{part_of(claims)}"
    return f"{signed}.{text_of(bytes(64))}"


WRONG = [
    ("an unsigned token", {"token": unsigned}, "id_token_algorithm_is_not_allowed"),
    ("another's signature", {"token": signed_by_another}, "id_token_signature_does_not_verify"),
    ("a signature of noughts", {"token": cut_short}, "id_token_signature_does_not_verify"),
    ("another algorithm's name", {"header": {"alg": "RS256"}}, "id_token_algorithm_is_not_allowed"),
    ("an algorithm nobody knows", {"header": {"alg": "PS512"}}, "id_token_algorithm_is_not_allowed"),
    ("an extension that must be understood", {"header": {"crit": ["b64"]}}, "id_token_is_not_valid"),
    ("a key nobody approved", {"header": {"kid": "another"}}, "provider_key_is_not_known"),
    ("another issuer", {"claims": {"iss": "https://evil.example"}}, "id_token_is_of_another_issuer"),
    ("no issuer", {"claims": {"iss": None}}, "id_token_is_of_another_issuer"),
    ("another audience", {"claims": {"aud": "shop"}}, "id_token_is_for_another_audience"),
    ("no audience", {"claims": {"aud": None}}, "id_token_is_for_another_audience"),
    ("several audiences, unsaid for whom", {"claims": {"aud": [CLIENT, "shop"]}}, "id_token_is_for_another_audience"),
    ("for another party", {"claims": {"aud": [CLIENT, "shop"], "azp": "shop"}}, "id_token_is_for_another_audience"),
    ("expired", {"claims": {"exp": 1_700_000_000}}, "id_token_is_out_of_date"),
    ("without an end", {"claims": {"exp": None}}, "id_token_is_out_of_date"),
    ("an end in words", {"claims": {"exp": "tomorrow"}}, "id_token_is_out_of_date"),
    ("issued long ago", {"claims": {"iat": 1_700_000_000}}, "id_token_is_out_of_date"),
    ("issued tomorrow", {"claims": {"iat": 1_900_000_000}}, "id_token_is_out_of_date"),
    ("not yet good", {"claims": {"nbf": 1_900_000_000}}, "id_token_is_out_of_date"),
    ("of another access token", {"claims": {"at_hash": text_of(bytes(16))}}, "id_token_is_not_valid"),
    ("no nonce", {"claims": {"nonce": None}}, "nonce_is_not_ours"),
    ("a nonce of theirs", {"claims": {"nonce": text_of(bytes(40))}}, "nonce_is_not_ours"),
    ("no subject", {"claims": {"sub": None}}, "id_token_is_not_valid"),
    ("a subject that is a number", {"claims": {"sub": 7}}, "id_token_is_not_valid"),
    ("a subject with a nought", {"claims": {"sub": "a\0b"}}, "id_token_is_not_valid"),
    ("somebody nobody knows", {"claims": {"sub": "stranger"}}, "identity_is_not_bound"),
    ("the login as the subject", {"claims": {"sub": "tess", "email": "tess@corp.example"}}, "identity_is_not_bound"),
]


def test_a_token_that_breaks_a_rule_is_refused_by_its_name(corp):
    """Each in turn at one provider; after all of them the honest token still opens a session."""
    for what, wrong, name in WRONG:
        for switch, value in wrong.items():
            setattr(corp.server, switch, value)
        with pytest.raises(Refused) as no:
            corp.sign_in()
        assert no.value.name == name, what
        corp.server.token, corp.server.claims, corp.server.header = None, {}, {}
    assert corp.sign_in().person_id == "tess"


def test_the_public_key_is_no_secret_to_sign_with(corp):
    corp.server.token = lambda header, claims: under_the_public_key(corp.server.key, {**header, "alg": "HS256"}, claims)
    corp.refuses("id_token_algorithm_is_not_allowed")


def test_a_token_for_several_audiences_names_us_as_its_party(corp):
    corp.server.claims = {"aud": ["shop", CLIENT], "azp": CLIENT}
    assert corp.sign_in().person_id == "tess"


def test_a_token_of_another_sign_in_is_refused(corp):
    """A token with a nonce of ours that was given to another browser (OpenID Connect Core 1.0, 15.5.2)."""
    other = json.loads(base64.urlsafe_b64decode(corp.begin().kept + "=="))["nonce"]
    corp.server.claims = {"nonce": other}
    corp.refuses("nonce_is_not_ours")


def test_a_token_counts_once(corp):
    """The same token, with the nonce that it carries, is brought a second time."""
    begun = corp.begin()
    answer = browser_goes(begun.url)
    asked = dict(corp.server.codes[answer["code"]])
    first = corp.come_back(begun, answer)
    assert first.signed_in
    corp.server.codes[answer["code"]] = asked
    with pytest.raises(Refused) as no:
        corp.come_back(begun, answer)
    assert no.value.name == "challenge_was_used"


def test_a_code_counts_once(corp):
    begun = corp.begin()
    answer = browser_goes(begun.url)
    corp.come_back(begun, answer)
    with pytest.raises(Refused) as no:
        corp.come_back(begun, answer)
    assert no.value.name == "provider_declined"


def test_a_sign_in_that_took_too_long_begins_again(corp):
    begun = corp.begin()
    answer = browser_goes(begun.url)
    corp.world.later(minutes=12)
    with pytest.raises(Refused) as no:
        corp.come_back(begun, answer)
    assert no.value.name == "nonce_is_too_old"


def test_another_browsers_answer_is_refused(corp):
    """Somebody sends a victim the address with his own code (login CSRF), or a browser kept nothing that we gave."""
    mine, theirs = corp.begin(), corp.begin()
    answer = browser_goes(theirs.url)
    with pytest.raises(Refused) as no:
        corp.come_back(mine, answer)
    assert no.value.name == "sign_in_was_not_begun_here"
    assert not corp.server.exchanged, "the code was not used"
    for kept in ("", "garbage", text_of(b"[]"), text_of(b'{"state":"x"}')):
        with pytest.raises(Refused) as no:
            corp.come_back(flow.Begun("", kept), answer)
        assert no.value.name == "sign_in_was_not_begun_here"


def test_a_code_is_of_no_use_without_its_verifier(corp):
    """A thief has the code and the state, and another verifier (RFC 7636)."""
    begun = corp.begin()
    answer = browser_goes(begun.url)
    kept = json.loads(base64.urlsafe_b64decode(begun.kept + "==")) | {"verifier": "guessed" * 8}
    with pytest.raises(Refused) as no:
        corp.come_back(flow.Begun("", text_of(json.dumps(kept).encode())), answer)
    assert no.value.name == "provider_declined"


def test_two_providers_are_not_mixed_up(corp, tmp_path):
    """The second is run by an attacker, who wants the first one's code, or his own token taken for the first one's
    (RFC 9700, 4.4; RFC 9207).
    """
    with identity_server(corp.world.clock, elliptic_key("evil")) as evil:
        directory = directory_of(tmp_path / "two", corp=corp.server, evil=evil)
        registered(corp.world, directory, "evil")
        both = Corp(corp.world, corp.server, directory)
        begun = both.begin(name="evil")
        kept = json.loads(base64.urlsafe_b64decode(begun.kept + "=="))
        honest = browser_goes(both.begin().url) | {"state": kept["state"]}
        asked = len(evil.exchanged)
        for name in ("corp", "evil"):
            with pytest.raises(Refused) as no:
                both.come_back(begun, honest, name)
            assert no.value.name == "answer_is_of_another_provider"
        assert len(evil.exchanged) == asked, "the attacker was not given the code"
        missing = {name: value for name, value in browser_goes(begun.url).items() if name != "iss"}
        with pytest.raises(Refused) as no:
            both.come_back(begun, missing, "evil")
        assert no.value.name == "answer_is_of_another_provider", "who promises its name has to give it"
        evil.subject = SUBJECT
        with pytest.raises(Refused) as no:
            both.come_back(begun, browser_goes(begun.url), "evil")
        assert no.value.name == "identity_is_not_bound", "the subject of one is nobody at another"
        evil.claims = {"nonce": json.loads(base64.urlsafe_b64decode(both.begin().kept + "=="))["nonce"]}
        with pytest.raises(Refused) as no:
            both.come_back(begun, browser_goes(begun.url), "evil")
        assert no.value.name == "nonce_is_not_ours", "what one was asked is no answer of another"


def test_new_keys_are_proposed_at_once_and_count_when_two_people_say_so(fresh):
    """The provider rotates its key. The first to sign in is refused, the proposal is there, made by the system."""
    old, fresh.server.key = fresh.server.key, rsa_key("second")
    fresh.server.keys = [old, fresh.server.key]
    fresh.refuses("provider_key_is_not_known")
    fresh.refuses("provider_key_is_not_known")
    [waiting] = proposals.pending(fresh.world.connect("core"), fresh.world.book, fresh.world.clock(), registration.SET)
    assert waiting.maker == "system"
    assert len(waiting.terms.facts["thumbprints"].split()) == 2
    approve(fresh.world, waiting, "abel")
    fresh.refuses("provider_key_is_not_known")
    approve(fresh.world, waiting, "rita")
    assert registration.carry_out_all(fresh.world.core) == 1
    assert fresh.sign_in().person_id == "tess"
    fresh.server.key = old
    assert fresh.sign_in().person_id == "tess"
    fresh.server.keys, fresh.server.key = [fresh.server.keys[1]], fresh.server.keys[1]
    assert registration.propose_new_keys(fresh.world.core, fresh.directory.named("corp"))


def test_a_new_key_is_seen_before_it_is_used(fresh):
    """The provider shows a key that it does not sign with yet; the core looks once an hour."""
    said = []
    watch = KeyWatch(fresh.world.core, fresh.directory, lambda *_, **facts: said.append(facts))
    assert watch.step() == 0
    fresh.server.keys.append(elliptic_key("next"))
    assert watch.step() == 0
    fresh.world.later(hours=1)
    assert watch.step() == 1
    fresh.world.later(hours=1)
    assert watch.step() == 0, "it is proposed already"
    [waiting] = proposals.pending(fresh.world.connect("core"), fresh.world.book, fresh.world.clock(), registration.SET)
    fresh.world.signed_in.clear()  # hours have gone by
    approve(fresh.world, waiting, "abel", "rita")
    registration.set_provider(fresh.world.core, waiting.proposal_id)
    fresh.server.key = fresh.server.keys[1]
    assert fresh.sign_in().person_id == "tess"
    fresh.world.later(hours=1)
    fresh.server.failing = 500
    assert watch.step() == 0
    assert said == [{"provider": "corp", "refused": "provider_is_unreachable"}]


def test_the_system_proposes_nothing_but_keys(corp, tmp_path):
    """A core that has been taken proposes, as the system, an issuer of its own; two people are deceived."""
    with identity_server(corp.world.clock) as evil:
        directory = directory_of(tmp_path / "evil", corp=evil)
        drafted = registration.propose_provider(corp.world.core, None, directory.named("corp"))
        approve(corp.world, drafted, "abel", "rita")
        with pytest.raises(Refused) as no:
            registration.set_provider(corp.world.core, drafted.proposal_id)
        assert no.value.name == "maker_may_not_make_this"


@pytest.mark.parametrize("failing", [500, 302, "garbage", "endless"])
def test_a_provider_that_does_not_answer_is_named(corp, failing):
    corp.server.failing = failing
    corp.refuses("provider_is_unreachable")


def test_a_provider_that_is_gone_is_named(corp, tmp_path):
    with identity_server(corp.world.clock) as gone:
        directory = directory_of(tmp_path / "gone", gone=gone)
    with pytest.raises(Refused) as no:
        registration.propose_provider(corp.world.core, corp.world.session("sara"), directory.named("gone"))
    assert no.value.name == "provider_is_unreachable"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://login.example"},
        {"token_endpoint": "http://login.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
    ids=lambda metadata: next(iter(metadata)),
)
def test_what_a_provider_says_of_itself_is_not_believed_blindly(corp, metadata):
    corp.server.metadata = metadata
    corp.refuses("provider_is_unreachable")


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(corp):
    corp.server.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert corp.sign_in().person_id == "tess"
    assert corp.server.exchanged[-1]["client_id"] == CLIENT


def test_a_provider_that_declines_is_named(corp):
    corp.server.declines = "access_denied"
    begun = corp.begin()
    with pytest.raises(Refused) as no:
        corp.come_back(begun, browser_goes(begun.url))
    assert (no.value.name, no.value.facts["code"]) == ("provider_declined", "access_denied")


def test_somebody_who_left_does_not_come_back_this_way(fresh):
    people.deactivate(fresh.world.core, fresh.world.session("sara"), "tess")
    fresh.refuses("identity_is_not_bound")
    [identity] = registration.identities(fresh.world.connect("core"), fresh.world.book)
    assert identity.released is not None


def test_one_person_releases_an_identity_and_its_sessions_end(fresh):
    session = fresh.sign_in()
    with pytest.raises(Refused) as no:
        registration.release(fresh.world.core, fresh.world.session("abel"), "corp", "tess")
    assert no.value.name == "person_lacks_the_role"
    registration.release(fresh.world.core, fresh.world.session("sara"), "corp", "tess")
    with pytest.raises(Refused) as no:
        registration.release(fresh.world.core, session, "corp", "tess")
    assert no.value.name in ("identity_must_exist", "session_is_not_valid")
    fresh.refuses("identity_is_not_bound")
    [released], [said] = (fresh.world.events(each) for each in (EventName.IDENTITY_RELEASED, EventName.IDENTITY_BOUND))
    assert released["by"] == "sara"
    assert released["subject_sha256"] == said["subject_sha256"]


def test_one_administrator_shuts_a_provider_out_with_its_sessions(fresh):
    session = fresh.sign_in()
    with pytest.raises(Refused) as no:
        registration.remove_provider(fresh.world.core, fresh.world.session("sven"), "corp")
    assert no.value.name == "person_lacks_the_role"
    registration.remove_provider(fresh.world.core, fresh.world.session("sara"), "corp")
    fresh.refuses("provider_is_not_set_up")
    with pytest.raises(Refused) as no:
        proposals.propose(fresh.world.core, session, fresh.world.new_id(), "correction", facts={"why": "x"})
    assert no.value.name == "session_is_not_valid"
    with pytest.raises(Refused) as no:
        registration.remove_provider(fresh.world.core, fresh.world.session("sara"), "corp")
    assert no.value.name == "provider_must_exist"
    [said] = fresh.world.events(EventName.PROVIDER_REMOVED)
    assert said == {"provider": "corp", "by": "sara"}


def test_a_subject_is_bound_to_one_person_and_a_person_to_one_subject(corp):
    for person, subject, name in (
        ("abel", SUBJECT, "identity_is_bound_already"),
        ("tess", "employee-9", "person_is_bound_there_already"),
    ):
        corp.server.subject = subject
        begun = corp.begin(flow.BIND)
        with pytest.raises(Refused) as no:
            corp.come_back(begun, browser_goes(begun.url), by=person)
        assert no.value.name == name


def test_nobody_is_bound_without_being_signed_in(corp):
    corp.server.subject = "employee-9"
    begun = corp.begin(flow.BIND)
    with pytest.raises(Refused) as no:
        corp.come_back(begun, browser_goes(begun.url))
    assert no.value.name == "sign_in_was_not_begun_here"


def test_a_provider_that_asks_too_little_is_refused(database, tmp_path):
    """The book wants a strong authentication (acr); the provider says a weaker one, or nothing."""
    with world_of(database) as world, identity_server(world.clock) as server:
        directory_of(tmp_path, corp=server)
        with (tmp_path / "providers.toml").open("a", encoding="utf-8") as settings:
            settings.write('acr = ["phr", "phrh"]\n')
        directory = read_directory(tmp_path)
        registered(world, directory)
        corp = Corp(world, server, directory)
        assert "acr_values=phr+phrh" in corp.begin().url
        for said in ({}, {"acr": "pwd"}, {"acr": ["phr"]}):
            server.claims = said
            corp.refuses("provider_asked_too_little")
        server.claims = {"acr": "phrh"}
        bound(corp)
        assert corp.sign_in().person_id == "tess"


def test_a_provider_that_nobody_approved_signs_nobody_in(database, tmp_path):
    with world_of(database) as world, identity_server(world.clock) as server:
        directory = directory_of(tmp_path, corp=server)
        corp = Corp(world, server, directory)
        corp.refuses("provider_is_not_set_up")
        drafted = registration.propose_provider(world.core, world.session("sara"), directory.named("corp"))
        approve(world, drafted, "abel")
        with pytest.raises(Refused) as no:
            registration.set_provider(world.core, drafted.proposal_id)
        assert no.value.name == "proposal_is_not_complete"
        with pytest.raises(Refused) as no:
            registration.propose_provider(world.core, world.session("tess"), directory.named("corp"))
        assert no.value.name == "maker_may_not_make_this"


def test_the_core_opens_no_session_by_saying_that_a_token_fits(corp):
    """As the core's role, with SQL: a token of the attacker's own key, and a session without one."""
    core = corp.world.connect("core")
    of_book = {"book": corp.world.book}
    for attempt in (
        "INSERT INTO authority.identity SELECT * FROM authority.identity WHERE book_id = %(book)s",
        "INSERT INTO authority.provider_key SELECT * FROM authority.provider_key WHERE book_id = %(book)s",
        "UPDATE authority.provider SET issuer = 'https://evil.example' WHERE book_id = %(book)s",
        "SELECT authority.nonce_seal(%(book)s, 'corp', '\\x00')",
        "SELECT secret FROM authority.decoy WHERE book_id = %(book)s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            core.execute(attempt, of_book)
        core.rollback()


def test_reading_a_token_is_quick_enough_for_a_sign_in(corp):
    began = time.perf_counter()
    corp.sign_in()
    assert time.perf_counter() - began < 2.0


def test_settings_that_are_wrong_are_named(tmp_path):
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    good = 'title = { en = "C", zh = "丙" }\nissuer = "https://a.example"\nclient_id = "r"\nsecret_file = "secret"\n'
    for said in (
        f"[Corp]\n{good}",
        "[corp]\nissuer = 1\n",
        "[corp]\n" + good.replace("https", "http"),
        "[corp]\n" + good.replace('"secret"', '"missing"'),
        f"[corp]\n{good}colour = 1\n",
        f'[corp]\n{good}acr = "phr"\n',
        f'[corp]\n{good}subject = "Sub"\n',
        "[corp",
        "corp = 1",
    ):
        (tmp_path / "providers.toml").write_text(said, encoding="utf-8")
        with pytest.raises(Refused) as no:
            read_directory(tmp_path)
        assert no.value.name == "provider_settings_are_wrong", said
    (tmp_path / "providers.toml").write_text(f"[corp]\n{good}", encoding="utf-8")
    assert read_directory(tmp_path).named("corp").subject == "sub"
    assert not read_directory(tmp_path / "empty").providers


def test_keys_that_do_not_count_are_left_out():
    good = elliptic_key("e").published()
    assert usable_key(good) == {name: good[name] for name in ("alg", "kid", "x", "y")}
    assert usable_key(rsa_key("r").published())
    small = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    for wrong in (
        good | {"use": "enc"},
        good | {"crv": "P-384"},
        good | {"x": good["x"][:-4]},
        good | {"x": "!"},
        {**good, "kid": 7},
        rsa_key("r").published() | {"e": "Aw"},
        rsa_key("r").published() | {"n": text_of(small.to_bytes(128))},
        {"kty": "oct", "kid": "s", "k": "AA"},
        [],
    ):
        assert usable_key(wrong) is None, wrong


RS256 = "SELECT authority.rs256_verifies(%s, %s, %s)"
SHA256_WITHOUT_NULL = bytes.fromhex("302f300b06096086480165030402010420")
SHA256_NAME = bytes.fromhex("3031300d060960864801650304020105000420")


def test_the_database_and_the_library_agree_on_rsa_signatures_and_no_padding_but_the_right_one_passes(database):
    """Whoever reads the padding instead of comparing it whole lets forgeries in (RFC 8017, 8.2.2; RFC 8725, 2.2)."""
    owner, dice = database.connect("owner"), random.Random(5)
    for bits in (2048, 3072):
        key = rsa.generate_private_key(65537, bits)
        numbers, size = key.private_numbers(), bits // 8
        n = numbers.public_numbers.n
        modulus = n.to_bytes(size)

        def verifies(message, signature, modulus=modulus):
            return owner.execute(RS256, (modulus, message, signature)).fetchone()[0]

        for length in (0, 1, 200):
            message = dice.randbytes(length)
            good = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            assert verifies(message, good)
            assert not verifies(message + b"!", good)
            assert not verifies(message, good[:-1])
            assert not verifies(message, bytes([good[0] ^ 1]) + good[1:])
            assert not verifies(message, bytes(size))
            if int.from_bytes(good) + n < 1 << bits:
                assert not verifies(message, (int.from_bytes(good) + n).to_bytes(size))
        digest = hashlib.sha256(b"m").digest()
        full = b"\0\x01" + b"\xff" * (size - 54) + b"\0" + SHA256_NAME + digest
        short = b"\0\x01" + b"\xff" * 8 + b"\0" + SHA256_NAME + digest
        forged = [
            short + bytes(size - len(short)),
            b"\0\x02" + full[2:],
            full[: -len(digest)] + hashlib.sha256(b"n").digest(),
            b"\0\x01" + b"\xff" * (size - 52) + b"\0" + SHA256_WITHOUT_NULL + digest,
        ]
        for padded in (full, *forged):
            signature = pow(int.from_bytes(padded), numbers.d, n).to_bytes(size)
            assert verifies(b"m", signature) is (padded is full), padded[:40].hex()


# -- signing out there -------------------------------------------------------------------------------------------------

LOGOUT = {"http://schemas.openid.net/event/backchannel-logout": {}}


def logout_token(corp, header=None, drop=(), **other):
    """What the provider sends when employee-7 signs out there, with something else in it if a test wants that."""
    now = int(corp.world.clock().timestamp())
    claims = {"iss": corp.server.url, "aud": CLIENT, "sub": SUBJECT, "iat": now, "exp": now + 120, "events": LOGOUT}
    claims |= {"jti": f"logout {next(NUMBERS)}"} | other
    claims = {name: value for name, value in claims.items() if name not in drop}
    head = {"alg": corp.server.key.alg, "kid": corp.server.key.kid, "typ": "logout+jwt"} | (header or {})
    signed = f"{part_of(head)}.{part_of(claims)}"
    return f"{signed}.{text_of(corp.server.key.sign(signed.encode()))}"


NUMBERS = itertools.count(1)


def still_there(corp, session):
    """Whether a session has not been ended."""
    asked = "SELECT revoked_at IS NULL FROM authority.session WHERE session_id = %s"
    return corp.world.connect("auditor").execute(asked.encode(), [session.session_id]).fetchone()[0]


def logs_out(corp, token):
    try:
        return flow.log_out(corp.world.core, "corp", token)
    except Refused as no:
        return no.name


def test_who_signs_out_at_the_provider_is_signed_out_here(corp):
    """Every session that the provider opened for the person, none that a password did; and the journal says so."""
    first, second = corp.sign_in(), corp.sign_in()
    token = logout_token(corp)
    assert logs_out(corp, token) == "tess"
    assert [still_there(corp, each) for each in (first, second)] == [False, False]
    assert still_there(corp, corp.world.session("tess"))
    assert logs_out(corp, token) == "challenge_was_used"
    assert corp.sign_in()


def test_what_is_no_logout_token_ends_nothing(corp):
    """Each rule of Back-Channel Logout 1.0, 2.6; an ID token is no logout token."""
    session = corp.sign_in()
    for changes, name in (
        ({"events": {}}, "id_token_is_not_valid"),
        ({"drop": ("events",)}, "id_token_is_not_valid"),
        ({"events": {next(iter(LOGOUT)): "yes"}}, "id_token_is_not_valid"),
        ({"nonce": "x"}, "id_token_is_not_valid"),
        ({"drop": ("jti",)}, "id_token_is_not_valid"),
        ({"drop": ("sub",), "sid": "theirs"}, "id_token_is_not_valid"),
        ({"header": {"typ": "at+jwt"}}, "id_token_is_not_valid"),
        ({"header": {"alg": "none"}}, "id_token_algorithm_is_not_allowed"),
        ({"header": {"kid": "another"}}, "provider_key_is_not_known"),
        ({"iss": "https://elsewhere.example"}, "id_token_is_of_another_issuer"),
        ({"aud": "somebody else"}, "id_token_is_for_another_audience"),
        ({"exp": 1}, "id_token_is_out_of_date"),
        ({"drop": ("exp",)}, "id_token_is_out_of_date"),
        ({"sub": "employee-8"}, "identity_is_not_bound"),
    ):
        assert logs_out(corp, logout_token(corp, **changes)) == name, changes
    whole = logout_token(corp)
    assert logs_out(corp, whole[:-8] + "AAAAAAAA") == "id_token_signature_does_not_verify"
    assert logs_out(corp, "x") == "id_token_is_not_valid"
    assert still_there(corp, session)
