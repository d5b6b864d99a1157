"""Serving: which login of the database serves which book, in which role; and what does not go together across books.

Roles of people are looked at book by book. What separates the processes of one book from those of another is the login
that each connects with, and that is one list for the whole database. `findings` is pure, in the order of its rules:

  login_has_several_roles     one login is core and gateway, or any two of the processes' roles
  login_serves_several_books  a login that is not shared serves more than one book; an auditor's or a reader's may
  book_shares_its_logins      other books have logins of their own, and this one is served by the shared ones
  book_is_served_by_nobody    no login serves it in a role that a process of its has to have
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringfence.authority.review import QUERIES, Finding, Rule
from ringfence.database.connection import Connection

PROCESSES: Final = ("core", "gateway", "notary")
"""Roles that act; `reader` and `auditor` look."""

LOGIN_HAS_SEVERAL_ROLES: Final = Rule(
    "login_has_several_roles",
    "The login {login} is {roles} at once.",
    "数据库登录 {login} 兼有 {roles}。",
)
LOGIN_SERVES_SEVERAL_BOOKS: Final = Rule(
    "login_serves_several_books",
    "The login {login} ({role}) serves the books {books}, and is not one that all books share.",
    "数据库登录 {login}（{role}）并非共用登录，却服务多个账簿：{books}。",
)
BOOK_SHARES_ITS_LOGINS: Final = Rule(
    "book_shares_its_logins",
    "Other books have logins of their own; book {book} is served by shared ones: {logins}.",
    "其他账簿已有专用登录，而账簿 {book} 仍由共用登录服务：{logins}。",
)
BOOK_IS_SERVED_BY_NOBODY: Final = Rule(
    "book_is_served_by_nobody",
    "No login serves book {book} as {role}.",
    "没有登录以 {role} 角色服务账簿 {book}。",
)


@dataclass(frozen=True)
class Login:
    """A login with the books that it serves, by name, and the roles that it is a member of."""

    login: str
    shared: bool
    books: tuple[str, ...]
    roles: tuple[str, ...]


def read_logins(owner: Connection) -> tuple[list[str], list[Login]]:
    """Every book by name, and every login. Role owner, which serves all books."""
    books = [str(row[0]) for row in owner.execute(QUERIES.books_by_name)]
    return books, [Login(row[0], row[1], tuple(row[2]), tuple(row[3])) for row in owner.execute(QUERIES.services)]


def findings(books: Sequence[str], logins: Sequence[Login]) -> list[Finding]:
    """What does not go together, whichever book is asked about."""
    return [*_of_logins(logins), *_of_books(books, logins)]


def served_by(books: Sequence[str], logins: Sequence[Login]) -> list[dict[str, Any]]:
    """For each book who serves it, for people and programs."""
    return [
        {
            "book": book,
            "logins": [
                {"login": each.login, "roles": list(each.roles), "shared": each.shared}
                for each in logins
                if book in each.books
            ],
        }
        for book in books
    ]


def _of_logins(logins: Sequence[Login]) -> Iterator[Finding]:
    for each in logins:
        acting = [role for role in each.roles if role in PROCESSES]
        if len(acting) > 1:
            yield Finding(LOGIN_HAS_SEVERAL_ROLES, {"login": each.login, "roles": ", ".join(acting)})
    for each in logins:
        acting = [role for role in each.roles if role in PROCESSES]
        if acting and not each.shared and len(each.books) > 1:
            facts = {"login": each.login, "role": ", ".join(acting), "books": ", ".join(each.books)}
            yield Finding(LOGIN_SERVES_SEVERAL_BOOKS, facts)


def _of_books(books: Sequence[str], logins: Sequence[Login]) -> Iterator[Finding]:
    apart = any(not each.shared and each.books and set(each.roles) & set(PROCESSES) for each in logins)
    for book in books:
        shared = [each.login for each in logins if each.shared and book in each.books]
        if apart and shared:
            yield Finding(BOOK_SHARES_ITS_LOGINS, {"book": book, "logins": ", ".join(shared)})
    for book in books:
        for role in PROCESSES:
            if not any(role in each.roles for each in logins if book in each.books):
                yield Finding(BOOK_IS_SERVED_BY_NOBODY, {"book": book, "role": role})
