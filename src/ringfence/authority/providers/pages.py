"""The page of single sign-on: which providers there are, and which account of one is whose."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Path
from fastapi.responses import Response

from ringfence.authority import sessions
from ringfence.authority.actors import Session
from ringfence.authority.door import let_in
from ringfence.authority.notifications import came_from
from ringfence.authority.providers import Directory, flow, registration
from ringfence.authority.providers.routes import ProviderName, directory_of, shown_to
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.authority.standing.pages import pages
from ringfence.core import Core
from ringfence.refusal import Fault, Refused
from ringfence.web.shell import CameBack, SetOut
from ringfence.web.visit import Signed, set_cookie
from ringfence.web.words import Language

PROVIDER_NOTICES: Final = ("identity_proposed", "identity_released", "provider_removed")
Person = Annotated[str, Path(max_length=40)]


@pages.get("/providers")
def providers(visit: Signed) -> Response:
    directory, own = directory_of(visit), session_of(visit).person_id
    with visit.core.connection() as connection:
        known = registration.registered(connection, visit.book)
        mine = registration.identities(connection, visit.book, own)
    settings = directory.providers
    in_use = {each.name for each in known if each.name in settings and each.is_of(settings[each.name])}
    return visit.page(
        "authority/providers.html",
        settings=settings,
        known=known,
        in_use=in_use,
        unbound=sorted(in_use - {each.provider for each in mine if each.released is None}),
        identities=shown_to(visit),
        own=own,
        administers=visit.person.has_role(Role.SECURITY_ADMIN),
    )


@pages.post("/providers/{provider}/proposals")
def propose(visit: Signed, provider: ProviderName) -> Response:
    found = directory_of(visit).named(provider)
    drafted = registration.propose_provider(visit.core, session_of(visit), found)
    return visit.go(f"/approvals/{drafted.proposal_id}", said="change_proposed")


@pages.post("/providers/{provider}/removal")
def remove(visit: Signed, provider: ProviderName) -> Response:
    registration.remove_provider(visit.core, session_of(visit), provider)
    return visit.go("/providers", said="provider_removed")


@pages.get("/providers/{provider}/binding")
def begin_binding(visit: Signed, provider: ProviderName) -> Response:
    """To the provider, to show there which account is one's own. Nothing is changed here by setting out."""
    begun = flow.begin(visit.core, directory_of(visit), provider, flow.BIND, visit.origin, "/providers")
    answer = visit.go(begun.url)
    set_cookie(visit.shell, answer, visit.shell.way_cookie, begun.kept, seconds=flow.KEPT_SECONDS)
    return answer


@pages.post("/providers/{provider}/identities/{person_id}/release")
def release(visit: Signed, provider: ProviderName, person_id: Person) -> Response:
    registration.release(visit.core, session_of(visit), provider, person_id)
    return visit.go("/providers", said="identity_released")


def elsewhere(core: Core, directory: Directory, language: Language) -> list[tuple[str, str]]:
    """The providers that people may use, with their titles."""
    if not directory.providers:
        return []
    with core.connection() as connection:
        known = {each.name: each for each in registration.registered(connection, core.book.book_id)}
    return [
        (name, each.title_zh if language == "zh" else each.title_en)
        for name, each in directory.providers.items()
        if name in known and known[name].is_of(each)
    ]


def set_out(core: Core, directory: Directory, name: str, origin: str, back: str) -> SetOut:
    begun = flow.begin(core, directory, name, flow.SIGN_IN, origin, back)
    return SetOut(begun.url, begun.kept)


def come_back(
    core: Core,
    directory: Directory,
    name: str,
    origin: str,
    kept: str,
    answer: Mapping[str, str],
    address: str | None,
    token: str,
) -> CameBack:
    """Signed in, or with the proposal of a binding for whoever is signed in already."""
    session = _session_of(core, token)
    back = let_in(core, address, lambda: flow.come_back(core, directory, name, origin, kept, answer, session))
    if back.proposal is not None:
        return CameBack(None, f"/approvals/{back.proposal}", "identity_proposed")
    if back.signed_in is not None:
        came_from(core, back.signed_in.session, address)
    return CameBack(back.signed_in.token if back.signed_in else None, back.back)


def _session_of(core: Core, token: str) -> Session | None:
    try:
        return sessions.session_of(core, token) if token else None
    except Refused as no:
        if no.refusal.fault is Fault.IDENTITY:
            return None
        raise
