"""`ringfence`: the verbs. Each package brings its own; here they only find their place."""

from typing import Final

import typer

from ringfence import processes
from ringfence.authority import verbs as authority
from ringfence.authority.in_force.verbs import policy
from ringfence.authority.signing import verbs as signing
from ringfence.banking.verbs import statement
from ringfence.benches import bench
from ringfence.custody.corrections.verbs import correct
from ringfence.custody.own import verbs as own
from ringfence.custody.payees.verbs import payee
from ringfence.custody.verbs import account, erase
from ringfence.database.verbs import migrate, placement
from ringfence.demo.verbs import demo
from ringfence.diligence.verbs import diligence
from ringfence.escrow.verbs import escrow
from ringfence.evidence.verbs import evidence
from ringfence.evidence.witness.verbs import witness
from ringfence.incident.verbs import brake
from ringfence.ledger.crossing.verbs import clearing
from ringfence.ledger.verbs import book, journal
from ringfence.liabilities.verbs import liabilities
from ringfence.reconciliation.verbs import reconcile
from ringfence.risk.verbs import rules
from ringfence.safeguarding.verbs import day, safeguard
from ringfence.takeover.verbs import bring_in
from ringfence.vault.verbs import vault

HELP: Final = (
    "Ringfence keeps customers' money apart, proves every day that all of it is there, and stops it from leaving"
    " wrongly. 资金存管：隔离客户资金，每日核验足额，阻止错误流出。"
)

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.command("demo")(demo)
app.command("serve")(processes.serve)
app.command("gateway")(processes.gateway)
app.command("notary")(processes.notary)
app.command("migrate")(migrate)
app.command("placement")(placement)
book.command("found")(authority.found)
book.command("account")(account)
book.command("client")(authority.client)
book.command("correct")(correct)
app.add_typer(book, name="book")
authority.authority.command("keys")(signing.keys_)
authority.authority.command("admit")(signing.admit)
authority.authority.command("login")(own.login_)
authority.authority.command("logins")(own.logins)
authority.authority.command("mandates")(own.mandates)
authority.authority.command("revoke-mandate")(own.revoke_mandate)
app.add_typer(authority.authority, name="authority")
app.add_typer(policy, name="policy")
app.add_typer(rules, name="rules")
app.add_typer(payee, name="payee")
app.add_typer(clearing, name="clearing")
app.add_typer(journal, name="journal")
app.add_typer(statement, name="statement")
vault.command("erase")(erase)
app.add_typer(diligence, name="diligence")
app.add_typer(vault, name="vault")
app.add_typer(escrow, name="escrow")
app.command("reconcile")(reconcile)
app.command("safeguard")(safeguard)
app.add_typer(day, name="day")
app.add_typer(brake, name="brake")
app.add_typer(evidence, name="evidence")
app.add_typer(witness, name="witness")
app.add_typer(liabilities, name="liabilities")
app.add_typer(bring_in, name="import")
app.command("bench")(bench)


def main() -> None:
    """The command `ringfence`."""
    app()


if __name__ == "__main__":
    main()
