"""The verb `reconcile`: one day, item by item, account by account."""

from datetime import datetime
from typing import Annotated

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, BookName, Home, verb


def reconcile(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day / 营业日。")],
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Reconcile every custodian account for a day / 逐笔对账。"""
    from ringfence import installation
    from ringfence.banking.desk import custodian_accounts
    from ringfence.reconciliation.runs import reconcile as reconcile_account

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            accounts = custodian_accounts(connection, core.book.book_id)
        runs = [reconcile_account(core, account.name, day.date()) for account in accounts]
        said = [run.said() for run in runs]
        screen.result({"book": book, "day": day.date().isoformat(), "accounts": said})
        figures = (("cashbook", "账面"), ("bank", "银行"), ("matched", "相符"), ("discrepancies", "差错"))
        screen.table(
            (("account", "账户"), *figures),
            [
                (run.account_name, told["cashbook"], told["bank"], str(run.matched), str(run.discrepancies))
                for run, told in zip(runs, said, strict=True)
            ],
        )
        if any(run.discrepancies for run in runs):
            raise typer.Exit(EXIT_VERDICT_NO)
