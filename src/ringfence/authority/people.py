"""People: the first of a book are founded together; later ones are proposed by one and approved by another.

What the journal says of a person is the login word and the roles, in PERSON_CHANGED; names and passwords are not there.
A new person's one-time password is random, so that its verifier, which the approvers sign, is no help in guessing it;
it opens sessions that can only change it.
"""

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from ringfence.authority import passwords, proposals
from ringfence.authority.actors import SYSTEM, Session
from ringfence.authority.passwords import COST, SALT_BYTES, Cost
from ringfence.authority.policy import Policy, PolicyVersion, default_toml, policy_in_force, read_toml
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import (
    BOOK_HAS_ITS_PEOPLE_ALREADY,
    PERSON_HAS_A_SHORT_NAME,
    PERSON_ID_MUST_BE_A_WORD,
    PERSON_MUST_EXIST,
    SIGN_IN_REFUSED,
)
from ringfence.authority.roles import require_roles
from ringfence.authority.sessions import try_password
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line

PERSON_ID: Final = re.compile(r"[a-z][a-z0-9.-]{1,31}", re.ASCII)
NAME_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True)
class Founder:
    """One of the first people of a book."""

    person_id: str
    display_name: str
    roles: Collection[str]
    password: str = field(repr=False)


@dataclass(frozen=True)
class Person:
    """Somebody of the staff, with the roles held now."""

    person_id: str
    display_name: str
    active: bool
    roles: tuple[str, ...]
    added: int


def found(core: Core, founders: Sequence[Founder], policy: Policy | None = None, *, cost: Cost = COST) -> PolicyVersion:
    """The first people of a book and its first policy, in one append: `book_has_its_people_already`. Passwords are
    checked as everybody's are. `cost` is for tests and small machines.
    """
    rules = policy or read_toml(default_toml())
    for founder in founders:
        passwords.require_strength(founder.password, founder.person_id)
    with core.connection() as connection:
        if people(connection, core.book.book_id):
            raise BOOK_HAS_ITS_PEOPLE_ALREADY()
    lines, also = [], []
    for founder in founders:
        line, statement = _founding(core, founder, cost)
        lines.append(line)
        also.append(statement)
    event = core.new_id()
    said = {"version": 1, "sha256": rules.sha256.hex(), "asked_by": rules.asked_by}
    lines.append(Line(Kind.EVENT, event, code=EventName.POLICY_SET, payload=said))
    also.append((QUERIES.found_policy, {"book": core.book.book_id, "event": event, "document": rules.document}))
    core.post(Unit(lines, also))
    with core.connection() as connection:
        return policy_in_force(connection, core.book.book_id, core.clock())


def _founding(core: Core, founder: Founder, cost: Cost) -> tuple[Line, Statement]:
    roles = require_roles(founder.roles)
    event = core.new_id()
    said = {"person": founder.person_id, "change": "founded", "roles": list(roles)}
    secret = passwords.secret_of(founder.password, secrets.token_bytes(SALT_BYTES), cost)
    row = {
        "book": core.book.book_id,
        "event": event,
        "person": founder.person_id,
        "display_name": founder.display_name,
        "roles": [str(role) for role in roles],
        "secret": Jsonb(secret | {"must_change": False}),
    }
    return Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said), (QUERIES.found_person, row)


@dataclass(frozen=True)
class PersonProposal:
    """The proposal about a person, and the one-time password that goes with it: shown once, to be handed over."""

    drafted: Drafted
    one_time_password: str | None = field(repr=False)


def propose_person(
    core: Core,
    session: Session,
    person_id: str,
    display_name: str,
    roles: Collection[str],
    *,
    new_password: bool,
    cost: Cost = COST,
) -> PersonProposal:
    """Propose to add a person, or to give one other roles; with a one-time password, which the person changes before
    anything else. Act `person_change`; after the approvals, `change_person` does it. `person_id_must_be_a_word`.
    """
    if not PERSON_ID.fullmatch(person_id) or person_id == SYSTEM:
        raise PERSON_ID_MUST_BE_A_WORD()
    if not 0 < len(display_name.strip()) <= NAME_CHARACTERS_MAX:
        raise PERSON_HAS_A_SHORT_NAME()
    facts = {"person": person_id, "display_name": display_name.strip(), "roles": " ".join(require_roles(roles))}
    password = secrets.token_urlsafe(18) if new_password else None
    if password is not None:
        secret = passwords.secret_of(password, secrets.token_bytes(SALT_BYTES), cost)
        facts |= {name: str(value) for name, value in secret.items()}
    return PersonProposal(proposals.propose(core, session, core.new_id(), "person_change", facts=facts), password)


def change_person(core: Core, proposal_id: UUID) -> None:
    """Do what a complete proposal says of a person; `proposal_is_not_complete`. Doing it again changes nothing."""
    with core.connection() as connection:
        facts = proposals.proposal_of(connection, core.book.book_id, proposal_id).terms.facts
    event = derived(proposal_id, "carried out")
    said = {
        "person": facts.get("person", ""),
        "change": "changed",
        "roles": facts.get("roles", "").split(),
        "proposal": str(proposal_id),
    }
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    row = {"book": core.book.book_id, "event": event, "proposal": proposal_id}
    core.post(Unit([line], also=[(QUERIES.change_person, row)]))


def deactivate(core: Core, session: Session, person_id: str) -> None:
    """Take all roles and sessions from a person at once. A security administrator does it alone."""
    session.require_role("security_admin")
    event = core.new_id()
    said = {"person": person_id, "change": "deactivated", "roles": [], "by": session.person_id}
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    row = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "person": person_id,
    }
    person_of(core, person_id)
    core.post(Unit([line], also=[(QUERIES.deactivate_person, row)]))


def change_password(core: Core, session: Session, old: str, new: str, *, cost: Cost = COST) -> None:
    """Change one's own password and end one's other sessions; `password_is_too_weak`, `sign_in_refused`. A wrong old
    password counts as a failed sign-in.
    """
    passwords.require_strength(new, session.person_id)
    attempt = try_password(core, session.person_id, old)
    if not attempt.fits:
        raise SIGN_IN_REFUSED()
    event = core.new_id()
    line = Line(
        Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload={"person": session.person_id, "change": "password"}
    )
    row: dict[str, Any] = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "stretched": attempt.stretched,
        "secret": Jsonb(passwords.secret_of(new, secrets.token_bytes(SALT_BYTES), cost)),
    }
    core.post(Unit([line], also=[(QUERIES.change_password, row)]))


def people(connection: Connection, book: int) -> list[Person]:
    """Everybody, also those who left, by login."""
    rows = connection.execute(QUERIES.people, {"book": book})
    return [Person(login, name, active, tuple(roles), added) for login, name, active, roles, added in rows]


def person_of(core: Core, person_id: str) -> Person:
    """An active person; `person_must_exist`."""
    with core.connection() as connection:
        for person in people(connection, core.book.book_id):
            if person.person_id == person_id and person.active:
                return person
    raise PERSON_MUST_EXIST()
