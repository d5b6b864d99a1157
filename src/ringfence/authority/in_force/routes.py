"""The policy in force over HTTP: acts with their bands and escalations, waits of new payees, courses."""

from datetime import datetime

from pydantic import Field

from ringfence.authority.cooling_off import CoolingOff
from ringfence.authority.escalations import Escalation
from ringfence.authority.policy import policy_in_force
from ringfence.authority.refusals import POLICY_MUST_EXIST
from ringfence.authority.routes import ORDERS, router
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.visit import Client

__all__ = ["router"]


class BandAnswer(Answer):
    """Up to this amount (absent: without a limit), so many people of these roles."""

    up_to: Money | None
    people: int
    roles: list[str]
    signed: bool = Field(description="Each by a passkey.")


class EscalationAnswer(Answer):
    """When all that it names is so, it comes on top: more people, each approval signed, or both."""

    zone: str | None
    begins: str | None = Field(description="A time of day in the zone, inclusive.", examples=["22:00"])
    ends: str | None = Field(description="Exclusive; over midnight if it is earlier.", examples=["06:00"])
    score_from: int | None = Field(description="The score of risk; an order without one counts as the worst.")
    more_people: int
    roles: list[str]
    signed: bool


class WaitAnswer(Answer):
    """For how long a payee is new, and above which sum payments to it wait meanwhile."""

    currency: str | None = Field(description="Absent: any other.")
    above_minor: str = Field(description="Minor units.", examples=["100000"])
    wait_hours: int


class ActAnswer(Answer):
    act: str
    title: str
    makers: list[str]
    stands_hours: int
    bands: list[BandAnswer]
    when: list[EscalationAnswer]


class CourseAnswer(Answer):
    """A course that these roles require; a completion is good for so many months."""

    course: str
    title: str
    months: int
    roles: list[str]


class PolicyAnswer(Answer):
    version: int
    effective_from: datetime
    sha256: str
    acts: list[ActAnswer]
    cooling_off: list[WaitAnswer]
    courses: list[CourseAnswer]


@router.get("/policy", dependencies=ORDERS, summary="The policy in force", responses=refuses(POLICY_MUST_EXIST))
def policy(visit: Client) -> PolicyAnswer:
    with visit.core.connection() as connection:
        found = policy_in_force(connection, visit.book, visit.now)
    return PolicyAnswer(
        version=found.version,
        effective_from=found.effective_from,
        sha256=found.policy.sha256.hex(),
        acts=[
            ActAnswer(
                act=act.name,
                title=act.title_zh if visit.language == "zh" else act.title_en,
                makers=list(act.makers),
                stands_hours=act.stands_hours,
                bands=[
                    *(
                        BandAnswer(
                            up_to=money(band.up_to_minor, code),
                            people=band.requirement.people,
                            roles=list(band.requirement.roles),
                            signed=band.requirement.signed,
                        )
                        for code, bands in act.bands.items()
                        for band in bands
                    ),
                    BandAnswer(
                        up_to=None,
                        people=act.otherwise.people,
                        roles=list(act.otherwise.roles),
                        signed=act.otherwise.signed,
                    ),
                ],
                when=[_escalation_answer(each) for each in act.when],
            )
            for act in found.policy.acts.values()
        ],
        cooling_off=_wait_answers(found.policy.cooling_off),
        courses=[
            CourseAnswer(
                course=each.name,
                title=each.title_zh if visit.language == "zh" else each.title_en,
                months=each.months,
                roles=list(each.roles),
            )
            for each in found.policy.courses.values()
        ],
    )


def _escalation_answer(each: Escalation) -> EscalationAnswer:
    window = each.window
    return EscalationAnswer(
        zone=window.zone if window else None,
        begins=window.begins if window else None,
        ends=window.ends if window else None,
        score_from=each.score_from,
        more_people=each.more_people,
        roles=list(each.roles),
        signed=each.signed,
    )


def _wait_answers(said: CoolingOff | None) -> list[WaitAnswer]:
    if said is None:
        return []
    listed = [*said.currencies.items(), (None, said.otherwise)]
    return [
        WaitAnswer(currency=code, above_minor=str(each.above_minor), wait_hours=each.wait_hours)
        for code, each in listed
    ]
