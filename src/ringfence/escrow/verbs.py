"""The verb `escrow`: explain an agreement before anybody signs it, look at agreements, propose, speak, release, return.

Who acts signs in with a password; a customer's word is brought by a program, over HTTP.
"""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, Screen, verb
from ringfence.refusal import Fault, refusal

escrow = typer.Typer(help="Money that waits for a condition / 担保交易。", no_args_is_help=True)
Which = Annotated[UUID, typer.Argument(metavar="AGREEMENT", help="Id of the agreement / 协议编号。")]
Party = Annotated[str, typer.Option("--party", help="The name in the agreement under which you speak / 当事方名称。")]
Tranche = Annotated[str, typer.Option("--tranche", help="Name of the tranche / 分期名称。")]
Document = Annotated[Path, typer.Argument(metavar="FILE", help="Who pays whom, when (JSON) / 协议文件。")]

AGREEMENT_FILE_CANNOT_BE_READ = refusal(
    "agreement_file_cannot_be_read",
    Fault.INPUT,
    en="The file {path} cannot be read: {detail}.",
    zh="无法读取文件 {path}：{detail}。",
)


@escrow.command("explain")
def explain(file: Document, home: Home = None, as_json: AsJson = False) -> None:
    """Say in words what an agreement asks for, with the hash of its conditions; nothing is written / 解释协议条件。"""
    from ringfence.escrow.agreements import described
    from ringfence.escrow.conditions import sha256_of, write
    from ringfence.escrow.document import conditions_sha256, release_of, return_of
    from ringfence.escrow.telling import tell

    with verb(home, as_json=as_json) as screen:
        language = screen.settings.language
        terms = described({"agreement": str(UUID(int=1))} | _said(file), 1)
        parts = []
        for tranche in terms.tranches:
            conditions = {"release": release_of(terms, tranche), "return": return_of(terms, tranche)}
            parts.append(
                {"name": tranche.name, "amount_minor": str(tranche.amount)}
                | {word: write(each) for word, each in conditions.items()}
                | {f"{word}_sha256": sha256_of(each) for word, each in conditions.items()}
                | {f"{word}_sentence": tell(each, language) for word, each in conditions.items()}
            )
            screen.say(f"[bold]{tranche.name}[/]", f"[bold]{tranche.name}[/]")
            screen.say(
                f"  released when: {parts[-1]['release_sentence']}", f"  放款条件：{parts[-1]['release_sentence']}"
            )
            screen.say(
                f"  returned when: {parts[-1]['return_sentence']}", f"  退回条件：{parts[-1]['return_sentence']}"
            )
        screen.result({"conditions_sha256": conditions_sha256(terms), "tranches": parts})


@escrow.command("list")
def list_(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """The latest agreements, and where they stand / 列出协议。"""
    from rich.table import Table

    from ringfence import installation
    from ringfence.escrow.reading import agreements

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            found = agreements(connection, core.book.book_id)
        table = Table(*(screen.word(*each) for each in (("agreement", "协议"), ("state", "状态"), ("payer", "付款方"))))
        table.add_column(screen.word("amount", "金额"), justify="right")
        for each in found:
            table.add_row(str(each.agreement_id), each.state, each.terms.payer, _amount(each))
        screen.show(table)
        screen.result({"book": book, "agreements": [_told(each) for each in found]})


@escrow.command("show")
def show(which: Which, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """One agreement, and what is true about it now / 查看协议及其条件现状。"""
    from ringfence import installation

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        _say(screen, core, which)


@escrow.command("propose")
def propose(
    file: Document,
    login: Login,
    reference: Annotated[str, typer.Option(help="What it is about / 附言。")] = "",
    profile: Annotated[str, typer.Option(help="Regime profile of the risk rules / 风险规则的监管配置。")] = "eu-psd2",
    sanctions: Annotated[
        Path | None,
        typer.Option(help="Description of the sanctions lists (TOML); else the sample / 制裁名单描述文件。"),
    ] = None,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose an agreement and hold its money / 提出协议并冻结资金。"""
    from ringfence import installation
    from ringfence.authority.roles import Role
    from ringfence.escrow.agreements import propose as proposed

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        session.require_role(Role.TREASURER)
        desk = installation.desk_of(screen.settings, core, profile=profile, sanctions=sanctions)
        given = {"agreement": str(core.new_id())} | _said(file)
        made = proposed(desk, given, by=session, reference=reference)
        _say(screen, core, made.agreement_id)


@escrow.command("approve")
def approve(
    which: Which,
    milestone: Annotated[str, typer.Option(help="Name of the milestone / 节点名称。")],
    party: Party,
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Approve a milestone, as a party of the agreement / 以当事方身份批准节点。"""
    from ringfence.escrow.saying import approve_milestone

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        approve_milestone(core, which, milestone, party, by=session)
        _say(screen, core, which)


@escrow.command("claim")
def claim(
    which: Which,
    tranche: Tranche,
    party: Party,
    login: Login,
    reason: Annotated[str, typer.Option(help="Why / 原因。")],
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Open a claim: the tranche stays where it is until it is settled / 提出争议。"""
    from ringfence import installation
    from ringfence.escrow.saying import open_claim

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        identity = core.new_id()
        vault = installation.vault_of(screen.settings, core)
        open_claim(core, vault, which, identity, tranche, party, reason, by=session)
        screen.say(f"Claim {identity}", f"争议 {identity}")
        _say(screen, core, which, claim=str(identity))


@escrow.command("settle")
def settle(
    which: Which,
    claim_id: Annotated[UUID, typer.Option("--claim", help="Id of the claim / 争议编号。")],
    payees_get: Annotated[str, typer.Option(help="What the payees get; the rest is the payer's / 收款方所得金额。")],
    party: Party,
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Say as an arbiter what the payees get / 以仲裁方身份裁定争议。"""
    from ringfence.escrow.reading import agreement
    from ringfence.escrow.refusals import SETTLEMENT_MUST_FIT_THE_TRANCHE
    from ringfence.escrow.saying import settle_claim
    from ringfence.money import parse_minor

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        with core.connection() as connection:
            unit = agreement(connection, core.book.book_id, which).terms.unit
        amount = parse_minor(payees_get, unit)
        if amount < 0:
            raise SETTLEMENT_MUST_FIT_THE_TRANCHE()
        settle_claim(core, which, claim_id, party, amount, by=session)
        _say(screen, core, which)


@escrow.command("release")
def release(
    which: Which, tranche: Tranche, login: Login, home: Home = None, book: BookName = "demo", as_json: AsJson = False
) -> None:
    """Release a tranche if its condition is true, or ask people to approve that / 条件成立时放款。"""
    from ringfence.authority.roles import Role
    from ringfence.escrow.releasing import release as released

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        session.require_role(Role.TREASURER)
        done = released(core, which, tranche, by=session)
        if done.proposal is not None:
            screen.say(f"Proposed: {done.proposal}", f"已提议：{done.proposal}")
        _say(screen, core, which, proposal=str(done.proposal) if done.proposal else None)


@escrow.command("return")
def give_back(
    which: Which, tranche: Tranche, login: Login, home: Home = None, book: BookName = "demo", as_json: AsJson = False
) -> None:
    """Return a tranche to the payer if its return is true / 条件成立时退回付款方。"""
    from ringfence.authority.roles import Role
    from ringfence.escrow.releasing import give_back as returned

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        session.require_role(Role.TREASURER)
        returned(core, which, tranche)
        _say(screen, core, which)


def _said(file: Path) -> dict[str, Any]:
    from ringfence.escrow.document import read_json
    from ringfence.escrow.refusals import AGREEMENT_IS_NOT_VALID

    try:
        text = file.read_bytes()
    except OSError as error:
        raise AGREEMENT_FILE_CANNOT_BE_READ(path=file, detail=error.strerror or str(error)) from error
    said = read_json(text)
    if not isinstance(said, dict):
        raise AGREEMENT_IS_NOT_VALID(place="document", detail="it is an object")
    return said


def _say(screen: Screen, core: Any, which: UUID, **more: str | None) -> None:
    """An agreement with what is true about it now, for people and for programs."""
    from ringfence.escrow.reading import agreement, heard, look
    from ringfence.escrow.telling import formula

    with core.connection() as connection:
        found = agreement(connection, core.book.book_id, which)
        said = heard(connection, found)
    told = _told(found)
    screen.say(
        f"Agreement {which}: {found.state}, {found.terms.payer} pays {_amount(found)}",
        f"协议 {which}：{found.state}，{found.terms.payer} 支付 {_amount(found)}",
    )
    for part, shown in zip(found.tranches, told["tranches"], strict=True):
        screen.say(f"  {part.name}: {part.state}", f"  {part.name}：{part.state}")
        if part.state == "held":
            seen = look(found, said, part.name, core.clock())
            shown |= {"release": formula(seen.release), "return": formula(seen.give_back)}
            screen.say(f"    released when {shown['release']}", f"    放款条件 {shown['release']}")
            screen.say(f"    returned when {shown['return']}", f"    退回条件 {shown['return']}")
    screen.result(told | more)


def _told(found: Any) -> dict[str, Any]:
    from ringfence.money import format_minor

    terms = found.terms
    return {
        "agreement": str(found.agreement_id),
        "state": found.state,
        "payer": terms.payer,
        "amount": {"amount": format_minor(terms.amount, terms.unit), "currency": terms.unit.code},
        "sha256": found.sha256,
        "reference": found.reference,
        "tranches": [
            {"name": each.name, "amount": format_minor(each.amount, terms.unit), "state": each.state}
            for each in found.tranches
        ],
    }


def _amount(found: Any) -> str:
    from ringfence.money import format_minor

    return f"{format_minor(found.terms.amount, found.terms.unit, grouped=True)} {found.terms.unit.code}"
