"""What a domain gives the console, and what the console gives a domain's pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter

from ringfence.core import Core
from ringfence.web.templates import Templates
from ringfence.web.words import Language

if TYPE_CHECKING:
    from ringfence.web.visit import Visit

LANGUAGE_COOKIE: Final = "ringfence-language"
FORM_COOKIE: Final = "ringfence-form"
SESSION_COOKIE: Final = "ringfence"


@dataclass(frozen=True)
class Caller:
    """The person behind a request. `person` is the id that the journal knows; roles are the policy's words."""

    person: str
    name: str
    roles: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True)
class Door:
    """How people come in. `sign_in(name, password)` gives a token or refuses; `caller(token)` is None when the session
    has ended; `sign_out(token)` ends it.
    """

    sign_in: Callable[[str, str], str]
    caller: Callable[[str], Caller | None]
    sign_out: Callable[[str], None]


@dataclass(frozen=True)
class Entry:
    """A line of the navigation. `badge` counts what waits for somebody (zero is not shown)."""

    path: str
    title: str  # marked by msg
    order: int
    badge: Callable[["Visit"], int] | None = None


@dataclass(frozen=True)
class Panel:
    """A piece of the position page: `facts` are read anew at each refresh and given to `template`."""

    name: str
    title: str  # marked by msg
    order: int
    template: str
    facts: Callable[["Visit"], Mapping[str, Any]]
    size: str = "half"  # "whole", "half" or "third" of the width at a desk


@dataclass(frozen=True)
class Module:
    """What a domain gives the console. Templates are those of its folder templates/, named "<package>/<file>".

    `words` lists, for each context, the names its pages show by `word(context, name)`, so that a test can see that
    each has a translation.
    """

    package: str
    router: APIRouter | None = None
    pages: APIRouter | None = None
    panels: Sequence[Panel] = ()
    entries: Sequence[Entry] = ()
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Shell:
    """The running application, as pages see it."""

    core: Core
    door: Door
    templates: Templates
    entries: Sequence[Entry]
    panels: Sequence[Panel]
    notices: frozenset[str]
    static: Mapping[str, str]  # file name: address with its version
    secure: bool  # reached by https, so cookies say so
    languages: Sequence[Language]

    @property
    def session_cookie(self) -> str:
        """`__Host-` binds a cookie to this host and to https (RFC 6265bis, 4.1.3); plain http cannot have it."""
        return f"__Host-{SESSION_COOKIE}" if self.secure else SESSION_COOKIE

    @property
    def form_cookie(self) -> str:
        return f"__Host-{FORM_COOKIE}" if self.secure else FORM_COOKIE
