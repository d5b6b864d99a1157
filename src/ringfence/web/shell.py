"""What a domain gives the console, and what the console gives a domain's pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fastapi import APIRouter

from ringfence.core import Core
from ringfence.refusal import Refused
from ringfence.web.signature import Claim
from ringfence.web.templates import Templates
from ringfence.web.words import Language

if TYPE_CHECKING:
    from ringfence.web.visit import Visit

LANGUAGE_COOKIE: Final = "ringfence-language"
FORM_COOKIE: Final = "ringfence-form"
WAY_COOKIE: Final = "ringfence-way"
SESSION_COOKIE: Final = "ringfence"
CUSTOMER: Final = "customer"  # the role of a customer's own login


@dataclass(frozen=True)
class Caller:
    """Who is behind a request: a person of the staff, or a program of the platform (which has scopes, no roles).

    `maker` is the word that the journal knows; `actor` is what the package of the door knows the caller by.
    """

    maker: str
    name: str
    roles: frozenset[str]
    scopes: frozenset[str]
    must_change_password: bool
    actor: Any

    def has_role(self, *roles: str) -> bool:
        return not self.roles.isdisjoint(roles)

    @property
    def is_customer(self) -> bool:
        """Nobody of the staff: a customer's own login, for the own money."""
        return CUSTOMER in self.roles


@dataclass(frozen=True)
class SetOut:
    """Where a browser goes to sign in elsewhere, and what it keeps meanwhile."""

    url: str
    kept: str = field(repr=False)


@dataclass(frozen=True)
class CameBack:
    """Somebody came back from elsewhere: with a new session's token or none, to go on to a page of ours."""

    token: str | None = field(repr=False)
    path: str
    said: str | None = None


@dataclass(frozen=True)
class Door:
    """How callers come in; the package that knows people gives these functions.

    `require_scope` refuses a program whose token does not reach that far; people have roles instead.

    `sign_in(name, password, code, address)` gives a new session's token or refuses; `sign_in_by_passkey(origin, fields,
    address)` does it by what a device said. `passkey_question(origin)` is what the sign-in page at an address asks of
    devices; None where there are no passkeys, because the address has no host name. `person(token)` is the session's
    person, and `bearer(token)` that or the program's, None when the token stands for nobody any more. `signed(claims)`
    gives the program behind each signed request, or why it is not let in; a claim is looked at once.
    `change_password(token, old, new)` and `sign_out(token)` are the person's own.

    `elsewhere(language)` names the places at which people may sign in instead, with their titles. `set_out(name,
    origin, back)` begins it; `come_back(name, origin, kept, answer, address, token)` ends it with what the place said.
    """

    sign_in: Callable[[str, str, str, str | None], str]
    passkey_question: Callable[[str], Mapping[str, Any] | None]
    sign_in_by_passkey: Callable[[str, Mapping[str, str], str | None], str]
    person: Callable[[str], Caller | None]
    bearer: Callable[[str], Caller | None]
    signed: Callable[[Sequence[Claim]], Sequence[Caller | Refused]]
    sign_out: Callable[[str], None]
    change_password: Callable[[str, str, str], None]
    require_scope: Callable[[Caller, str], None]
    elsewhere: Callable[[Language], Sequence[tuple[str, str]]]
    set_out: Callable[[str, str, str], SetOut]
    come_back: Callable[[str, str, str, Mapping[str, str], str | None, str], CameBack]


class Part(StrEnum):
    """The parts of the navigation, in their order. The words are marked where the template says them."""

    TODAY = "today"  # what waits for somebody
    MONEY = "money"  # whose it is, and where it is to go
    BANK = "bank"  # what the bank says, and whether all of it is there
    BOOK = "book"  # what happened, and the proof of it
    CONTROL = "control"  # who may do what
    OWN = "own"  # a customer's


@dataclass(frozen=True)
class Entry:
    """A line of the navigation, of the staff's or of customers' (part OWN). `badge` counts what waits for somebody
    (zero is not shown).
    """

    path: str
    title: str  # marked by msg
    part: Part
    order: int
    badge: Callable[["Visit"], int] | None = None
    urgent: str | None = None  # marked by msg: said on every page while somebody waits behind it


@dataclass(frozen=True)
class Panel:
    """A piece of the position page: `facts` are read anew at each refresh and given to `template`."""

    name: str
    title: str  # marked by msg
    order: int
    template: str
    facts: Callable[["Visit"], Mapping[str, Any]]
    size: str = "half"  # "whole", "two-thirds", "half" or "third" of the width at a desk


@dataclass(frozen=True)
class Module:
    """What a domain gives the console. Templates are those of its folder templates/, named "<package>/<file>".

    `entrance` are endpoints for who has no token yet, and those that find out by themselves who asks. `carries_out`
    does what a decided proposal of an act says, at once after the last decision; it may be asked again, and a worker
    asks again after a crash.

    `words` lists, for each context, the names its pages show by `word(context, name)`, so that a test can see that
    each has a translation.
    """

    package: str
    router: APIRouter | None = None
    entrance: APIRouter | None = None
    pages: APIRouter | None = None
    panels: Sequence[Panel] = ()
    entries: Sequence[Entry] = ()
    carries_out: Mapping[str, Callable[["Visit", UUID], None]] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Shell:
    """The running application, as pages see it."""

    core: Core
    door: Door
    desks: Mapping[type, Any]  # what domains hold while the core runs, by its type
    templates: Templates
    entries: Sequence[Entry]
    panels: Sequence[Panel]
    carries_out: Mapping[str, Callable[["Visit", UUID], None]]
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

    @property
    def way_cookie(self) -> str:
        """What a browser keeps while its reader signs in elsewhere."""
        return f"__Host-{WAY_COOKIE}" if self.secure else WAY_COOKIE
