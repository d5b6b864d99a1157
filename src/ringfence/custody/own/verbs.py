"""The verbs `authority login`, `logins`, `mandates` and `revoke-mandate`: what customers have of their own.

A mandate is given by a passkey, in a browser or over HTTP. It is taken back by the customer's own login; nobody of the
staff takes it back, who may revoke the program instead.
"""

from typing import Annotated
from uuid import UUID

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb

Customer = Annotated[str, typer.Argument(help="Id of the customer / 客户编号。")]


def login_(
    customer: Customer,
    name: Annotated[str, typer.Argument(metavar="LOGIN", help="What the customer signs in with / 客户登录名。")],
    display_name: Annotated[str, typer.Argument(metavar="NAME", help="Name that pages show / 显示名称。")],
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose a login for a customer; somebody else approves it / 提请为客户开立登录。"""
    from ringfence.custody import own

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        made = own.propose(core, session, customer, name, display_name)
        proposal = made.drafted.proposal_id
        screen.say(
            f"Proposal {proposal} waits for somebody else's approval. The first password of {name}, shown once:",
            f"提案 {proposal} 待他人审批。{name} 的初始密码，只显示一次：",
        )
        screen.say(made.one_time_password or "–", made.one_time_password or "–")
        screen.result(
            {
                "book": book,
                "proposal": str(proposal),
                "sha256": made.drafted.payload_sha256.hex(),
                "one_time_password": made.one_time_password,
            }
        )


def logins(customer: Customer, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """List a customer's own logins / 列出客户的登录。"""
    from ringfence import installation
    from ringfence.authority.people import logins_of
    from ringfence.custody.customers import customer as known

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            known(connection, core.book.book_id, customer)
            found = logins_of(connection, core.book.book_id, customer)
        yes, no = screen.word("yes", "是"), screen.word("no", "否")
        screen.table(
            (("login", "登录名"), ("name", "姓名"), ("active", "有效")),
            [(each.person_id, each.display_name, yes if each.active else no) for each in found],
        )
        said = [{"login": each.person_id, "name": each.display_name, "active": each.active} for each in found]
        screen.result({"book": book, "customer": customer, "logins": said})


def mandates(customer: Customer, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """List what a customer lets programs ask for, ended ones too / 列出客户的委托书。"""
    from ringfence import installation
    from ringfence.authority.origin import mandates as given
    from ringfence.custody.customers import customer as known
    from ringfence.money import currency, format_minor

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            known(connection, core.book.book_id, customer)
            found = given.mandates(connection, core.book.book_id, customer)
        rows = []
        said = []
        for each in found:
            unit, state = currency(each.currency), each.state_at(core.clock())
            rows.append((str(each.mandate_id), each.client_id, ", ".join(each.purposes), state))
            said.append(
                {
                    "mandate": str(each.mandate_id),
                    "program": each.client_id,
                    "purposes": list(each.purposes),
                    "cap": format_minor(each.cap, unit),
                    "period_cap": format_minor(each.period_cap, unit),
                    "currency": unit.code,
                    "period_days": each.period_days,
                    "expires_at": each.expires_at.isoformat(),
                    "state": state,
                }
            )
        screen.table((("mandate", "委托书"), ("program", "程序"), ("for", "用途"), ("state", "状态")), rows)
        screen.result({"book": book, "customer": customer, "mandates": said})


def revoke_mandate(
    mandate: Annotated[UUID, typer.Argument(help="Id of the mandate / 委托书编号。")],
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Take an own mandate back, at once and for good, by the customer's login / 客户撤销委托书。"""
    from ringfence.custody import own

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        own.revoke_mandate(core, session, mandate)
        screen.say("It has ended.", "委托书已终止。")
        screen.result({"book": book, "mandate": str(mandate), "state": "revoked"})
