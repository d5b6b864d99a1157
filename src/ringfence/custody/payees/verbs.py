"""The verb `payee`: the accounts that a customer may be paid to."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb

if TYPE_CHECKING:
    from ringfence.custody.payees.register import Payee

payee = typer.Typer(help="Accounts that customers may be paid to / 客户收款账户。", no_args_is_help=True)
Customer = Annotated[str, typer.Argument(help="Id of the customer / 客户编号。")]


@payee.command("list")
def list_(customer: Customer, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """List a customer's payees, the latest first; accounts are masked / 列出客户收款账户（掩码显示）。"""
    from ringfence import installation
    from ringfence.custody.customers import customer as customer_named
    from ringfence.custody.payees import register
    from ringfence.vault.fields import PAYEE
    from ringfence.vault.keeping import masks

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            customer_named(connection, core.book.book_id, customer)
            found = register.payees_of(connection, core.book.book_id, customer)
            masked = masks(connection, core.book.book_id, [PAYEE], [str(each.payee_id) for each in found])
        rows = []
        for each in found:
            since = each.removed_at or each.added_at or each.proposed_at
            rows.append((masked[str(each.payee_id)].get(PAYEE.name, ""), each.state, since.isoformat(" ", "seconds")))
        screen.table((("account", "账户"), ("state", "状态"), ("since", "起始")), rows)
        told = [_told(each) | {"account": masked[str(each.payee_id)].get(PAYEE.name)} for each in found]
        screen.result({"book": book, "customer": customer, "payees": told})


@payee.command("propose")
def propose(
    customer: Customer, login: Login, home: Home = None, book: BookName = "demo", as_json: AsJson = False
) -> None:
    """Propose another one; the terminal asks for the account, others approve it / 提议新增收款账户。"""
    from ringfence import installation
    from ringfence.banking.payee import payee_proposal
    from ringfence.custody.payees import register

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        account = typer.prompt(screen.word("Account", "账户"), err=True)
        vault = installation.vault_of(screen.settings, core)
        made = register.propose(core, vault, core.new_id(), customer, account, by=session)
        proposal = payee_proposal(made.payee_id)
        screen.say(f"Proposed: {proposal}", f"已提议：{proposal}")
        screen.result({"book": book} | _told(made) | {"proposal": str(proposal)})


@payee.command("remove")
def remove(
    payee_id: Annotated[UUID, typer.Argument(metavar="PAYEE", help="Id of the payee / 收款账户编号。")],
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Remove a payee at once; what waits for it is cancelled / 立即移除收款账户。"""
    from ringfence.custody.payees import register
    from ringfence.custody.payees.telling import stopper

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        gone = register.remove(core, payee_id, by=stopper(session))
        screen.say("The payee is removed.", "收款账户已移除。")
        screen.result({"book": book} | _told(gone))


def _told(found: "Payee") -> dict[str, Any]:
    return {"payee": str(found.payee_id), "customer": found.customer_id, "state": found.state, "maker": found.maker}
