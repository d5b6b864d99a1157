"""The verb `diligence`: files, one file, the tiers of a profile, and what people do with a file.

Evidence is brought over HTTP or in the console; here is what somebody at the machine needs.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, Screen, verb
from ringfence.core import Core
from ringfence.diligence.files import Desk, File, Whole

diligence = typer.Typer(help="Due diligence on customers / 客户尽职调查。", no_args_is_help=True)

Customer = Annotated[str, typer.Argument(help="Id of the customer / 客户编号。")]
Why = Annotated[str, typer.Option(help="Why; it goes into the journal / 理由，写入账簿。")]
ProfileName = Annotated[str, typer.Option(help="Regime profile of the tiers / 客户等级的监管配置。")]
FILES_MAX: Final = 10_000


@diligence.command("files")
def files_(
    state: Annotated[str | None, typer.Option(help="Only those in this state / 仅此状态。")] = None,
    due: Annotated[int | None, typer.Option(min=0, help="Only those due within so many days / 多少天内到期。")] = None,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """List files of due diligence, by state or by what is due / 列出尽职调查档案。"""
    from ringfence import installation
    from ringfence.diligence.files import counted, files
    from ringfence.diligence.lifecycle import STATES
    from ringfence.settings import SETTING_IS_WRONG

    with verb(home, as_json=as_json) as screen:
        if state is not None and state not in STATES:
            raise SETTING_IS_WRONG(name="--state", value=state, expected=" / ".join(STATES))
        with installation.opened(screen.settings) as server, installation.core_of(server, book) as core:
            due_by = None if due is None else core.clock().date() + timedelta(days=due)
            with core.connection() as connection:
                found = files(connection, core.book.book_id, state=state, due_by=due_by, limit=FILES_MAX)
                numbers = counted(connection, core.book.book_id)
        screen.table(
            (("customer", "客户"), ("state", "状态"), ("tier", "等级"), ("review due", "复核到期日")),
            [
                (each.customer_id, each.state, each.tier or f"→ {each.asks}", str(each.review_due or "–"))
                for each in found
            ],
        )
        screen.result({"book": book, "counted": numbers, "files": [told(each) for each in found]})


@diligence.command("show")
def show(customer: Customer, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Show a customer's file, and the steps that the journal has of it / 显示客户档案及其经过。"""
    from ringfence import installation
    from ringfence.diligence import proof
    from ringfence.diligence.files import whole_file

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            whole = whole_file(connection, core.book.book_id, customer)
            steps = proof.steps(connection, core.book.book_id, customer)
        screen.table(
            (("step", "步骤"), ("what", "事项"), ("state after it", "之后状态")),
            [(str(each.step), each.act, str(each.said["state"])) for each in steps],
        )
        _result(screen, book, whole, steps=[{"step": e.step, "what": e.act, "row": e.sequence} for e in steps])


@diligence.command("tiers")
def tiers(profile: ProfileName = "eu-psd2", home: Home = None, as_json: AsJson = False) -> None:
    """List the tiers of a regime profile, with their limits and sources / 列出监管配置的客户等级。"""
    from ringfence.diligence.profiles import profile_of
    from ringfence.money import currency, format_minor

    with verb(home, as_json=as_json) as screen:
        found = profile_of(profile)
        unit = currency(found.currency)
        rows = []
        said: list[dict[str, Any]] = []
        for each in found.tiers.values():
            limits = {
                name: format_minor(int(text), unit) for name, text in each.limits.said().items() if name != "currency"
            }
            shown = ", ".join(f"{name} {text}" for name, text in limits.items()) or "–"
            doubt = "" if each.verified else screen.word(" (not verified)", "（未核对）")
            rows.append((each.name, shown, each.source + doubt))
            said.append(
                {
                    "tier": each.name,
                    "natures": list(each.natures),
                    "documents": each.documents,
                    "people": each.people,
                    "limits": limits,
                    "source": each.source,
                    "verified": each.verified,
                }
            )
        screen.table((("tier", "等级"), ("limits", "限额"), ("source", "来源")), rows)
        screen.result({"profile": found.name, "currency": found.currency, "tiers": said})


@diligence.command("judge")
def judge(
    customer: Customer,
    party: Annotated[str, typer.Argument(help="Whose match: customer, or an owner's word / 当事人代号。")],
    login: Login,
    judged: Annotated[str, typer.Option(help="'the same' or 'somebody else' / 本人或他人。")],
    reason: Why,
    profile: ProfileName = "eu-psd2",
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Judge whether a likeness is the one on the list; "the same" restricts / 判断疑似匹配。"""
    from ringfence.diligence.deciding import judge_match

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        _result(screen, book, judge_match(_desk(screen, core, profile), session, customer, party, judged, reason))


@diligence.command("restrict")
def restrict(
    customer: Customer,
    login: Login,
    reason: Why,
    direction: Annotated[
        str | None, typer.Option(help="in: money may still come; none: neither / in 只收不付，none 不收不付。")
    ] = None,
    profile: ProfileName = "eu-psd2",
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Restrict a customer: nothing leaves until people lift it / 限制客户：解除前不得付出。"""
    from ringfence.diligence.deciding import restrict_customer

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        _result(screen, book, restrict_customer(_desk(screen, core, profile), session, customer, direction, reason))


@diligence.command("close")
def close(
    customer: Customer,
    login: Login,
    profile: ProfileName = "eu-psd2",
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Close a customer without money, for good / 为无资金的客户永久销户。"""
    from ringfence.diligence.deciding import close_customer

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        _result(screen, book, close_customer(_desk(screen, core, profile), session, customer))


def told(found: File) -> dict[str, Any]:
    """A file as the verbs say it."""
    return {
        "customer": found.customer_id,
        "role": found.role,
        "nature": found.nature,
        "state": found.state,
        "step": found.step,
        "tier_asked": found.asks,
        "tier": found.tier,
        "risk_class": found.risk_class,
        "review_due": found.review_due.isoformat() if found.review_due else None,
        "restriction": found.restriction,
        "direction": found.direction,
    }


def _desk(screen: Screen, core: Core, profile: str) -> Desk:
    """A desk for what people decide. Nothing is asked of a provider or of lists here; the core does that."""
    from ringfence import installation

    desk = installation.desk_of(screen.settings, core, profile=profile, sanctions=None)
    return installation.diligence_of(screen.settings, desk, profile)


def _result(screen: Screen, book: str, whole: Whole, **more: Any) -> None:
    found = whole.file
    screen.say(
        f"{found.customer_id}: {found.state}, step {found.step}.",
        f"{found.customer_id}：{found.state}，第 {found.step} 步。",
    )
    parties = [{"party": each.party, "answer": each.answer, "screening": each.screening} for each in whole.parties]
    papers = [{"step": each.step, "party": each.party, "kind": each.kind} for each in whole.documents]
    screen.result({"book": book, "file": told(found), "parties": parties, "documents": papers} | more)
