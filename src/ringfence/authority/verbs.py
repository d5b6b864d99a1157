"""The verbs `book found`, `book client` and `authority lint`, and how somebody signs in on the command line.

`book found` needs no sign-in, because nobody is there yet: whoever holds the installation's keys does it, once for a
book. From then on people decide about people.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from ringfence.authority.actors import Session
from ringfence.command import EXIT_VERDICT_NO, AsJson, BookName, Home, Screen, verb
from ringfence.core import Core

DEFAULT_SCOPES: Final = ("customers:read", "customers:write", "orders:read", "orders:write")
authority = typer.Typer(help="Who may do what / 授权。", no_args_is_help=True)
Login = Annotated[str, typer.Option("--as", help="Login of who acts / 操作人登录名。")]
Book = Annotated[str, typer.Argument(help="Book / 账簿。")]


def found(
    name: Annotated[str, typer.Argument(help="Book, opened if it is new / 账簿，不存在则开立。")],
    people_file: Annotated[
        Path, typer.Option("--people", help="Who they are: login, name, roles (TOML) / 人员名单文件。")
    ],
    policy_file: Annotated[
        Path | None, typer.Option("--policy", help="Who must approve what (TOML); else the default / 授权政策文件。")
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make passwords up and show them once / 生成密码并只显示一次。")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Found a book: its first people and its policy / 创建账簿：首批人员与授权政策。"""
    from rich.table import Table

    from ringfence import installation
    from ringfence.authority import founders, people
    from ringfence.authority.policy import default_toml, read_toml
    from ringfence.authority.refusals import BOOK_HAS_ITS_PEOPLE_ALREADY

    with verb(home, as_json=as_json) as screen:
        named = founders.read_people(people_file)
        policy = read_toml(founders.read_text(policy_file) if policy_file else default_toml())
        founders.require_enough(named, policy)
        with installation.opened(screen.settings) as server:
            installation.find_or_open_book(server, name)
            with installation.core_of(server, name) as core:
                with core.connection() as connection:
                    if people.people(connection, core.book.book_id):
                        raise BOOK_HAS_ITS_PEOPLE_ALREADY()
                passwords = _first_passwords(screen, [each.login for each in named], generate=generate)
                first = [people.Founder(each.login, each.name, each.roles, passwords[each.login]) for each in named]
                version = people.found(core, first, policy)
        table = Table(screen.word("login", "登录名"), screen.word("name", "姓名"), screen.word("roles", "角色"))
        if generate:
            table.add_column(screen.word("password, shown once", "密码（只显示一次）"), no_wrap=True)
        for each in named:
            shown = (passwords[each.login],) if generate else ()
            table.add_row(each.login, each.name, ", ".join(each.roles), *shown)
        screen.show(table)
        screen.say(
            f"Book {name} is founded under policy version {version.version}. Have every password changed.",
            f"账簿 {name} 已创建，授权政策第 {version.version} 版生效。请各人修改密码。",
        )
        screen.result(
            {
                "book": name,
                "policy": {"version": version.version, "sha256": version.policy.sha256.hex()},
                "people": [
                    {"login": each.login, "name": each.name, "roles": list(each.roles)}
                    | ({"password": passwords[each.login]} if generate else {})
                    for each in named
                ],
            }
        )


def client(
    book: Book,
    name: Annotated[str, typer.Argument(help="Name of the program / 程序名称。")],
    login: Login,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What its token reaches; may be given several times / 权限范围，可多次给出。"),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Give a program of the platform a token, shown once; a security administrator does it / 为平台程序发放令牌。"""
    from ringfence.authority.clients import add_client

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        new = add_client(core, session, name, scopes or DEFAULT_SCOPES)
        screen.say(
            f"The token of {name}, shown once ({', '.join(sorted(new.client.scopes))}):",
            f"程序 {name} 的令牌，只显示一次（{', '.join(sorted(new.client.scopes))}）：",
        )
        screen.say(new.token, new.token)
        screen.result({"book": book, "client": name, "scopes": sorted(new.client.scopes), "token": new.token})


@authority.command("lint")
def lint(book: BookName = "demo", home: Home = None, as_json: AsJson = False) -> None:
    """List what is wrong with people, roles, policy and logins; 1 if anything is / 检查人员、角色、政策与登录。"""
    from ringfence import installation
    from ringfence.authority import review
    from ringfence.authority.review import serving
    from ringfence.core import wall_clock
    from ringfence.ledger.reading import book_named

    with verb(home, as_json=as_json) as screen:
        now = wall_clock()
        with installation.opened(screen.settings) as server:
            with server.of(book).connect("auditor") as connection:
                state = review.read_state(connection, book_named(connection, book).book_id, now)
            with server.connect("owner") as owner:
                books, logins = serving.read_logins(owner)
        found = [*review.findings(state, now), *serving.findings(books, logins)]
        served = serving.served_by(books, logins)
        screen.table(
            (("book", "账簿"), ("who serves it", "服务的数据库登录")),
            [(told["book"], ", ".join(each["login"] for each in told["logins"])) for told in served],
        )
        if found:
            screen.table(
                (("finding", "发现"), ("what", "说明")),
                [(each.rule.name, each.sentence(screen.settings.language)) for each in found],
            )
        else:
            screen.say("Everything is as it should be.", "一切正常。")
        screen.result(
            {
                "book": book,
                "findings": [each.as_json(screen.settings.language) for each in found],
                "served_by": served,
                "state_sha256": state.sha256.hex(),
            }
        )
        if found:
            raise typer.Exit(EXIT_VERDICT_NO)


@contextmanager
def signed_in(screen: Screen, book: str, login: str) -> Iterator[tuple[Core, Session]]:
    """The core of a book and the session of who acts; the password is RINGFENCE_PASSWORD, or the terminal asks;
    a code, for who has a device for codes, is RINGFENCE_CODE.
    """
    from ringfence import installation
    from ringfence.authority import sessions

    password = os.environ.get("RINGFENCE_PASSWORD") or typer.prompt(
        screen.word("Password", "密码"), hide_input=True, err=True
    )
    with installation.opened_core(screen.settings, book) as core:
        code = os.environ.get("RINGFENCE_CODE", "")
        session = sessions.session_of(core, sessions.sign_in(core, login, password, code).token)
        try:
            yield core, session
        finally:
            sessions.sign_out(core, session)


def _first_passwords(screen: Screen, logins: Sequence[str], *, generate: bool) -> dict[str, str]:
    """Made up, from the file that RINGFENCE_PASSWORDS_FILE names, or asked for one by one."""
    from ringfence.authority.founders import read_passwords

    if generate:
        return {login: _made_up(login) for login in logins}
    if kept := os.environ.get("RINGFENCE_PASSWORDS_FILE"):
        return read_passwords(Path(kept), logins)
    return {login: _asked(screen, login) for login in logins}


def _made_up(login: str) -> str:
    """A random password; a short login may stand in one by chance, and then another is made up."""
    made = secrets.token_urlsafe(18)
    return _made_up(login) if login in made.lower() else made


def _asked(screen: Screen, login: str) -> str:
    from ringfence.authority.passwords import require_strength
    from ringfence.refusal import Refused

    while True:
        said = screen.word(f"First password of {login}", f"{login} 的初始密码")
        again = screen.word("The same again", "再次输入")
        typed = str(typer.prompt(said, hide_input=True, confirmation_prompt=again, err=True))
        try:
            require_strength(typed, login)
        except Refused as refused:
            typer.echo(refused.sentence(screen.settings.language), err=True)
        else:
            return typed
