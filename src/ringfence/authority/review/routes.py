"""The review of access over HTTP: what is not as it should be, and that somebody has looked at it."""

from datetime import datetime

from pydantic import Field

from ringfence.authority import review
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE
from ringfence.authority.review import Finding, Review
from ringfence.authority.routes import FOR_PEOPLE, require_watch, router, session_of
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, Visit


class FindingAnswer(Answer):
    finding: str = Field(examples=["role_is_held_by_one"])
    sentence: str
    facts: dict[str, str | int]


class ReviewAnswer(Answer):
    """A review of access; `state_sha256` is of the people, roles, policies and keys that were looked at."""

    sequence: int
    person: str
    at: datetime
    findings: int
    state_sha256: str


class AccessAnswer(Answer):
    findings: list[FindingAnswer]
    state_sha256: str
    reviews: list[ReviewAnswer]


class Reviewed(Answer):
    findings: int


def read(visit: Visit) -> tuple[list[Finding], bytes, list[Review]]:
    """What is found now, the hash of what was looked at, and the reviews."""
    with visit.core.connection() as connection:
        state = review.read_state(connection, visit.book, visit.now)
        return review.findings(state, visit.now), state.sha256, review.reviews(connection, visit.book)


@router.get(
    "/access",
    dependencies=FOR_PEOPLE,
    summary="What is not as it should be with people, roles and policy (who watches over them only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def access(visit: Client) -> AccessAnswer:
    require_watch(visit)
    found, state_sha256, reviews = read(visit)
    return AccessAnswer(
        findings=[FindingAnswer(**each.as_json(visit.language)) for each in found],
        state_sha256=state_sha256.hex(),
        reviews=[
            ReviewAnswer(
                sequence=each.sequence,
                person=each.person_id,
                at=each.at,
                findings=each.findings,
                state_sha256=bytes(each.state_sha256).hex(),
            )
            for each in reviews
        ],
    )


@router.post(
    "/access/reviews",
    dependencies=FOR_PEOPLE,
    summary="Record that one has reviewed access as it is now (security administrators and auditors)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def record(visit: Client) -> Reviewed:
    return Reviewed(findings=review.record(visit.core, session_of(visit)))
