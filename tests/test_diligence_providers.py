"""Identity providers: one contract for the simulated one and for one over HTTP, and what an installation chooses."""

from uuid import UUID

import pytest

from identity_server import TOKEN, served
from ringfence.diligence.identity_server import IdentityServer
from ringfence.diligence.provider import Answer, Inquiry, read_provider
from ringfence.diligence.simulated_provider import SimulatedProvider
from ringfence.refusal import Refused

ADA = Inquiry(UUID(int=1), 1, "person", "NL", "Ada Abel", "NL1234567")


def again(inquiry, attempt):
    return Inquiry(inquiry.identity, attempt, inquiry.nature, inquiry.country, inquiry.name, inquiry.number)


@pytest.fixture
def office(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    with served() as found:
        yield found


@pytest.fixture(params=["simulated", "server"])
def providers(request, office, tmp_path):
    """Of each kind one that finds Ada, one that does not, one that says later, and one that is down."""
    if request.param == "simulated":
        return {
            "match": SimulatedProvider(),
            "no_match": SimulatedProvider(no_match=100),
            "later": SimulatedProvider(later=100),
            "down": SimulatedProvider(unavailable=100),
        }
    office.known["NL1234567"] = "Ada Abel"
    office.known["later"] = "-"
    server = IdentityServer(office.url, tmp_path / "token")
    return {
        "match": server,
        "no_match": _Switched(office, server, office.known.clear),
        "later": _Switched(office, server, lambda: office.later.add("NL1234567")),
        "down": _Switched(office, server, lambda: setattr(office, "failing", 503)),
    }


class _Switched:
    """A provider that behaves otherwise once it is asked."""

    def __init__(self, office, provider, switch):
        self.office, self.provider, self.switch = office, provider, switch
        self.name = provider.name

    def ask(self, inquiry):
        self.switch()
        return self.provider.ask(inquiry)


def test_a_provider_answers_one_of_three_things_or_is_down_by_name(providers):
    assert providers["match"].ask(ADA) is Answer.MATCH
    assert providers["match"].ask(again(ADA, 2)) is Answer.MATCH, "the same inquiry, the same answer"
    assert providers["later"].ask(ADA) is Answer.LATER
    with pytest.raises(Refused, match="identity_provider_is_down"):
        providers["down"].ask(ADA)
    assert providers["match"].name in ("simulated", "server")


def test_a_name_that_does_not_belong_to_the_number_has_no_match(providers):
    assert providers["no_match"].ask(ADA) is Answer.NO_MATCH


def test_the_simulated_one_says_the_same_for_the_same_seed_and_number():
    provider = SimulatedProvider("demo", no_match=30, later=30)
    said = [provider.ask(Inquiry(UUID(int=n), 1, "person", "NL", "A", f"X{n}")) for n in range(200)]
    assert said == [provider.ask(Inquiry(UUID(int=n + 9), 1, "person", "DE", "B", f"x-{n}")) for n in range(200)]
    assert {Answer.MATCH, Answer.NO_MATCH, Answer.LATER} == set(said)


def test_whatever_a_server_does_wrong_is_down_by_name(office, tmp_path):
    server = IdentityServer(office.url, tmp_path / "token")
    for failing, detail in ((500, "status 500"), ("garbage", "no answer in its JSON"), (302, "status 302")):
        office.failing = failing
        with pytest.raises(Refused) as said:
            server.ask(ADA)
        assert (said.value.name, said.value.facts["detail"]) == ("identity_provider_is_down", detail)
    office.failing = None
    (tmp_path / "token").write_text("another")
    with pytest.raises(Refused, match="status 401"):
        server.ask(ADA)
    with pytest.raises(Refused, match="its token"):
        IdentityServer(office.url, tmp_path / "nowhere").ask(ADA)
    with pytest.raises(Refused, match="ConnectError"):
        IdentityServer("http://127.0.0.1:1/x", tmp_path / "token").ask(ADA)


@pytest.mark.parametrize(
    "text",
    [
        'provider = "oracle"',
        "provider = 7",
        "[simulated]\nno_match = 101",
        "[simulated]\nno_match = -1",
        '[simulated]\ncolour = "red"',
        'provider = "server"',
        'provider = "server"\n[server]\nurl = "http://example.org"\ntoken_file = "t"',
        'provider = "server"\n[server]\nurl = "https://example.org"',
        "seed = 1",
        "not toml",
    ],
)
def test_a_wrong_configuration_is_refused_by_name(text, tmp_path):
    (tmp_path / "identity.toml").write_text(text)
    with pytest.raises(Refused, match="identity_provider_is_configured_wrongly"):
        read_provider(tmp_path)


def test_an_installation_chooses_its_provider(tmp_path):
    assert read_provider(tmp_path) == SimulatedProvider()
    (tmp_path / "identity.toml").write_text('[simulated]\nseed = "s"\nno_match = 3')
    assert read_provider(tmp_path) == SimulatedProvider("s", no_match=3)
    (tmp_path / "identity.toml").write_text(
        'provider = "server"\n[server]\nurl = "https://example.org/v1/"\ntoken_file = "t"'
    )
    found = read_provider(tmp_path)
    assert (found.name, found.url, found.token) == ("server", "https://example.org/v1", tmp_path / "t")
