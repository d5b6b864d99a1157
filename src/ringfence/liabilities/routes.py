"""Liabilities over HTTP: the trees of closed days, a customer's proofs, and the statement that carries one.

A proof is a file that is verified without us: whoever has it needs the notary's key, and nobody learns that it was
checked.
"""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import Field

from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.custody import own
from ringfence.custody.customers import Customer, customer
from ringfence.custody.refusals import CUSTOMER_MUST_EXIST
from ringfence.evidence.routes import Log
from ringfence.ledger import reading as ledger_reading
from ringfence.ledger.routes import StatementRow, statement_answer
from ringfence.liabilities import reading
from ringfence.liabilities.proofs import proof_of
from ringfence.liabilities.proving import Desk
from ringfence.liabilities.reading import Attested, Proven
from ringfence.liabilities.refusals import (
    HOLDER_IS_NOT_IN_TREE,
    LIABILITIES_ARE_NOT_NOTARISED_YET,
    LIABILITIES_ARE_NOT_PROVEN,
    LIABILITY_WAS_ERASED,
)
from ringfence.liabilities.saying import spell
from ringfence.vault.keeping import owner
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Limit
from ringfence.web.refusals import ADDRESS_IS_FOR_CUSTOMERS
from ringfence.web.visit import Client, Visit, scoped

router = APIRouter()
READ = [scoped("evidence:read")]
STATEMENTS = [scoped("statements:read")]
STATEMENT_ROWS_MAX = 10_000
Id = Annotated[str, Path(max_length=40)]
Day = Annotated[date, Path(description="A closed business day.")]
NO_PROOF = (
    LIABILITIES_ARE_NOT_PROVEN,
    HOLDER_IS_NOT_IN_TREE,
    LIABILITY_WAS_ERASED,
    LIABILITIES_ARE_NOT_NOTARISED_YET,
)


class TreeAnswer(Answer):
    """The tree of a closed day: what all customers are owed, each in it once."""

    day: date
    currency: str
    sequence: int = Field(description="The row LIABILITIES_PROVEN.")
    mode: str = Field(examples=["auditor"])
    root: str = Field(description="base64")
    count: int
    total: Money
    negative_count: int = Field(description="Customers who owe; they are in the tree with nothing.")
    negative_total: Money
    unallocated: Money
    requirement: Money = Field(description="Total and unallocated: the requirement of the safeguarding test.")
    resource: Money
    auditors: list[str] = Field(description="Who recomputed it and signed.")


class Trees(Answer):
    trees: list[TreeAnswer]


class ProofOfDay(Answer):
    """A day of which there is a proof for this customer."""

    day: date
    currency: str
    mode: str
    count: int
    total: Money
    auditors: list[str]
    address: str = Field(description="Where the proof is.")


class Proofs(Answer):
    customer: str
    proofs: list[ProofOfDay]


class ProvenStatement(Answer):
    """What moved on a day, what was there at its end, and the proof that this was in the total."""

    customer: str
    holder: str = Field(description="Under this name the customer stands in the tree.")
    book: str
    day: date
    balance: Money
    rows: list[StatementRow]
    proof: dict[str, Any]


@router.get(
    "/liabilities", dependencies=READ, summary="Trees of liabilities, the latest day first", responses=refuses()
)
def list_trees(visit: Client, limit: Limit = PAGE_ROWS) -> Trees:
    with visit.core.connection() as connection:
        found = reading.history(connection, visit.book, limit=limit)
        notes = reading.attestations(connection, visit.book)
    return Trees(trees=[_tree(each, notes) for each in found])


@router.get(
    "/customers/{id}/proofs",
    dependencies=STATEMENTS,
    summary="The days whose liabilities are proven, for a customer",
    responses=refuses(CUSTOMER_MUST_EXIST),
)
def list_proofs(visit: Client, id: Id, limit: Limit = PAGE_ROWS) -> Proofs:  # noqa: A002 - the API's word
    return _proofs(visit, _customer(visit, id), f"/api/v1/customers/{id}/proofs", limit)


@router.get(
    "/customers/{id}/proofs/{day}",
    dependencies=STATEMENTS,
    summary="A customer's proof of a day, as a file",
    responses=refuses(CUSTOMER_MUST_EXIST, *NO_PROOF),
)
def customer_proof(visit: Client, id: Id, day: Day) -> JSONResponse:  # noqa: A002 - the API's word
    return _file(visit, _customer(visit, id), day)


@router.get(
    "/customers/{id}/statements/{day}",
    dependencies=STATEMENTS,
    summary="A customer's statement of a day, with its proof",
    responses=refuses(CUSTOMER_MUST_EXIST, *NO_PROOF),
)
def customer_statement(visit: Client, id: Id, day: Day) -> ProvenStatement:  # noqa: A002 - the API's word
    return _statement(visit, _customer(visit, id), day)


@router.get(
    "/my/proofs",
    dependencies=FOR_PEOPLE,
    summary="The days whose liabilities are proven (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS),
)
def own_proofs(visit: Client, limit: Limit = PAGE_ROWS) -> Proofs:
    return _proofs(visit, own.whose(visit.core, session_of(visit)), "/api/v1/my/proofs", limit)


@router.get(
    "/my/proofs/{day}",
    dependencies=FOR_PEOPLE,
    summary="The own proof of a day, as a file (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS, *NO_PROOF),
)
def own_proof(visit: Client, day: Day) -> JSONResponse:
    return _file(visit, own.whose(visit.core, session_of(visit)), day)


@router.get(
    "/my/statements/{day}",
    dependencies=FOR_PEOPLE,
    summary="The own statement of a day, with its proof (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS, *NO_PROOF),
)
def own_statement(visit: Client, day: Day) -> ProvenStatement:
    return _statement(visit, own.whose(visit.core, session_of(visit)), day)


# -- pieces ----------------------------------------------------------------------------------------------------------


def _customer(visit: Visit, customer_id: str) -> Customer:
    with visit.core.connection() as connection:
        return customer(connection, visit.book, customer_id)


def proof_for(visit: Visit, who: Customer, day: date) -> dict[str, Any]:
    """The proof of a customer, of one's own or as staff."""
    holder = owner(who.customer_id)
    return proof_of(visit.desk(Desk), visit.desk(Log).folder, holder, day, who.currency)


def _file(visit: Visit, who: Customer, day: date) -> JSONResponse:
    name = f"proof-{visit.core.book.name}-{who.customer_id}-{day.isoformat()}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return JSONResponse(proof_for(visit, who, day), headers=headers)


def _proofs(visit: Visit, who: Customer, address: str, limit: int) -> Proofs:
    with visit.core.connection() as connection:
        found = reading.history(connection, visit.book, currency=who.currency, limit=limit)
        notes = reading.attestations(connection, visit.book, currency=who.currency)
    return Proofs(
        customer=who.customer_id,
        proofs=[
            ProofOfDay(
                day=each.day,
                currency=each.currency,
                mode=each.mode,
                count=each.count,
                total=money(each.total, each.currency),
                auditors=signed_by(each, notes),
                address=f"{address}/{each.day.isoformat()}",
            )
            for each in found
        ],
    )


def _statement(visit: Visit, who: Customer, day: date) -> ProvenStatement:
    proof, holder = proof_for(visit, who, day), owner(who.customer_id)
    with visit.core.connection() as connection:
        tree = reading.proven(connection, visit.book, day, who.currency)
        lines = [
            line
            for part in ("available", "frozen")
            for line in ledger_reading.statement(
                connection, visit.book, f"{holder}:{part}", last=tree.cut_off, limit=STATEMENT_ROWS_MAX
            )
            if line.value_date == day
        ]
        names = ledger_reading.account_names(connection, visit.book, [line.counter_account for line in lines])
    lines.sort(key=lambda line: line.sequence)
    return ProvenStatement(
        customer=who.customer_id,
        holder=holder,
        book=visit.core.book.name,
        day=day,
        balance=money(int(proof["balance"]), who.currency),
        rows=[statement_answer(line, who.currency, names) for line in lines],
        proof=proof,
    )


def signed_by(tree: Proven, notes: list[Attested]) -> list[str]:
    """The auditors who signed a tree."""
    return [each.auditor for each in notes if (each.day, each.currency) == (tree.day, tree.currency)]


def _tree(found: Proven, notes: list[Attested]) -> TreeAnswer:
    unit = found.currency
    return TreeAnswer(
        day=found.day,
        currency=unit,
        sequence=found.sequence,
        mode=found.mode,
        root=spell(found.root),
        count=found.count,
        total=money(found.total, unit),
        negative_count=found.negative_count,
        negative_total=money(found.negative_total, unit),
        unallocated=money(found.unallocated, unit),
        requirement=money(found.requirement, unit),
        resource=money(found.resource, unit),
        auditors=signed_by(found, notes),
    )
