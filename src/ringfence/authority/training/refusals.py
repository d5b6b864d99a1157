"""How a record of training is declined. That a course has lapsed is said with the other objections to a decision."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

COMPLETION_IS_RECORDED_BY_ANOTHER: Final = refusal(
    "completion_is_recorded_by_another",
    Fault.PERMISSION,
    en="Nobody records a course of his own. Another person has to.",
    zh="任何人不得登记自己的培训，须由他人登记。",
)
COURSE_MUST_EXIST: Final = refusal(
    "course_must_exist",
    Fault.UNKNOWN,
    en="No policy of this book knows the course: {detail}.",
    zh="本账簿的任何政策均无此课程：{detail}。",
)
COMPLETION_IS_OF_A_DAY_THAT_HAS_COME: Final = refusal(
    "completion_is_of_a_day_that_has_come",
    Fault.INPUT,
    en="A course cannot have been completed in the future.",
    zh="课程完成日期不得在将来。",
)
COMPLETION_MUST_EXIST: Final = refusal(
    "completion_must_exist",
    Fault.UNKNOWN,
    en="No such completion stands: there is none at this row, or it was withdrawn.",
    zh="没有这一有效的完成记录：该行没有，或已撤销。",
)

register(
    {
        each.name: each
        for each in (
            COMPLETION_IS_RECORDED_BY_ANOTHER,
            COURSE_MUST_EXIST,
            COMPLETION_IS_OF_A_DAY_THAT_HAS_COME,
            COMPLETION_MUST_EXIST,
        )
    }
)
