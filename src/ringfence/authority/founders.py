"""The first people of a book, read from files: who they are, their first passwords, and whether they suffice.

A people file is TOML; a passwords file, which is kept apart from it, has one line a login::

    [[people]]                                  radia = "…"
    login = "radia"                             "grace.hopper" = "…"
    name = "Radia"
    roles = ["security_admin"]

Once a book has people, others come by proposal and approval only. So a book is not founded with people who could never
add anybody, or who could never approve what the policy has them approve.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringfence.authority.actors import SYSTEM
from ringfence.authority.people import NAME_CHARACTERS_MAX, PERSON_ID
from ringfence.authority.policy import Act, Policy, raised
from ringfence.authority.refusals import PERSON_HAS_A_SHORT_NAME, PERSON_ID_MUST_BE_A_WORD
from ringfence.authority.roles import Role, require_roles
from ringfence.refusal import Fault, refusal

FILE_BYTES_MAX: Final = 1_000_000
NOT_PEOPLE: Final = ("client", "system")

FOUNDING_FILE_CANNOT_BE_READ = refusal(
    "founding_file_cannot_be_read",
    Fault.INPUT,
    en="{path} cannot be read: {detail}",
    zh="无法读取 {path}：{detail}",
)
PEOPLE_FILE_IS_NOT_VALID = refusal(
    "people_file_is_not_valid",
    Fault.INPUT,
    en="{path} is not a list of people: {detail}. Each [[people]] has login, name and roles.",
    zh="{path} 不是人员名单：{detail}。每个 [[people]] 须有 login、name 和 roles。",
)
PASSWORD_OF_A_PERSON_IS_MISSING = refusal(
    "password_of_a_person_is_missing",
    Fault.INPUT,
    en="{path} has no password for {person}.",
    zh="{path} 中没有 {person} 的密码。",
)
PEOPLE_DO_NOT_SUFFICE_FOR_THE_POLICY = refusal(
    "people_do_not_suffice_for_the_policy",
    Fault.INPUT,
    en="With these people nobody could ever do {act}: the policy asks for somebody to propose it, and for {people}"
    " others of these roles to approve it: {roles}.",
    zh="凭这些人员永远无法执行 {act}：政策要求一人提出，另有 {people} 名具备以下任一角色者批准：{roles}。",
)


@dataclass(frozen=True)
class Named:
    """One of the people of a file."""

    login: str
    name: str
    roles: tuple[Role, ...]


def read_text(path: Path) -> str:
    """A file that a verb was given; `founding_file_cannot_be_read`."""
    try:
        with path.open("rb") as file:
            found = file.read(FILE_BYTES_MAX + 1)
        if len(found) > FILE_BYTES_MAX:
            raise FOUNDING_FILE_CANNOT_BE_READ(path=path, detail=f"> {FILE_BYTES_MAX:,} bytes")
        return found.decode()
    except OSError as error:
        raise FOUNDING_FILE_CANNOT_BE_READ(path=path, detail=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FOUNDING_FILE_CANNOT_BE_READ(path=path, detail="UTF-8") from error


def read_people(path: Path) -> list[Named]:
    """The people of a file, in its order. `people_file_is_not_valid`, `person_id_must_be_a_word`,
    `person_has_a_short_name`, `role_is_unknown`, `roles_conflict`,
    `maker_may_not_be_checker`.
    """
    said = _table(path)
    listed = said.get("people")
    if said.keys() != {"people"} or not isinstance(listed, list) or not listed:
        raise PEOPLE_FILE_IS_NOT_VALID(path=path, detail="[[people]]")
    found = [_named(path, number, each) for number, each in enumerate(listed, 1)]
    logins = [each.login for each in found]
    for login in logins:
        if logins.count(login) > 1:
            raise PEOPLE_FILE_IS_NOT_VALID(path=path, detail=f"{login} × {logins.count(login)}")
    return found


def read_passwords(path: Path, logins: Sequence[str]) -> dict[str, str]:
    """The password of each login; `password_of_a_person_is_missing`. What else the file says is of no interest."""
    said = _table(path)
    for login in logins:
        if not isinstance(said.get(login), str):
            raise PASSWORD_OF_A_PERSON_IS_MISSING(path=path, person=login)
    return {login: said[login] for login in logins}


def require_enough(people: Sequence[Named], policy: Policy) -> None:
    """`people_do_not_suffice_for_the_policy` if an act needs a proposer or approvers whom these people do not have."""
    for act in policy.acts.values():
        if not _possible(act, people):
            needed = raised(act.otherwise, act.when)
            raise PEOPLE_DO_NOT_SUFFICE_FOR_THE_POLICY(
                act=act.name, people=needed.people, roles=", ".join(needed.roles)
            )


def _possible(act: Act, people: Sequence[Named]) -> bool:
    """Whether somebody may propose the act for whom enough others may approve it, also when it asks for most."""
    needed = raised(act.otherwise, act.when)
    checkers = [each for each in people if set(each.roles) & set(needed.roles)]
    if set(act.makers) & set(NOT_PEOPLE) and len(checkers) >= needed.people:
        return True
    makers = [each for each in people if set(each.roles) & set(act.makers)]
    return any(len([each for each in checkers if each != maker]) >= needed.people for maker in makers)


def _named(path: Path, number: int, said: Any) -> Named:
    if not isinstance(said, Mapping) or said.keys() != {"login", "name", "roles"}:
        raise PEOPLE_FILE_IS_NOT_VALID(path=path, detail=f"[[people]] {number}")
    login, name, roles = said["login"], said["name"], said["roles"]
    texts = isinstance(login, str) and isinstance(name, str) and isinstance(roles, list) and roles
    if not texts or not all(isinstance(role, str) for role in roles):
        raise PEOPLE_FILE_IS_NOT_VALID(path=path, detail=f"[[people]] {number}")
    if not PERSON_ID.fullmatch(login) or login == SYSTEM:
        raise PERSON_ID_MUST_BE_A_WORD()
    if not 0 < len(name.strip()) <= NAME_CHARACTERS_MAX:
        raise PERSON_HAS_A_SHORT_NAME()
    return Named(login, name.strip(), require_roles(roles))


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FOUNDING_FILE_CANNOT_BE_READ(path=path, detail=str(error)) from error
