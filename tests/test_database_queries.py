"""Named queries of .sql files."""

import re
from importlib import resources
from pathlib import Path

import pytest

from ringfence.database.queries import NamedQueries, Query, load, split
from ringfence.database.roles import QUERIES


class Two(NamedQueries):
    rights_of_this_user: Query
    no_such_query: Query


def test_the_names_of_a_file_are_exactly_the_attributes_that_are_declared():
    with pytest.raises(ValueError, match=r"missing \['no_such_query'\], not declared \['applied_migrations'"):
        load(Two, "ringfence.database")


def test_a_query_is_what_stands_below_its_name():
    text = "-- A story.\n\n-- name: one\n-- says one\nselect 1;\n\n-- name: two\nselect 2\nfrom x;\n"
    assert split(text) == {"one": "-- says one\nselect 1;", "two": "select 2\nfrom x;"}
    assert b"rolsuper" in QUERIES.rights_of_this_user


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("select 1;\n-- name: one\nselect 1;", "before the first"),
        ("-- name: one\nselect 1;\n-- name: one\nselect 2;", "'one' is not a new"),
        ("-- name: One\nselect 1;", "'One' is not a new"),
        ("-- name: \nselect 1;", "'' is not a new"),
        ("-- name: one\n-- only a comment\n", "one is empty"),
    ],
)
def test_a_file_that_could_be_misread_is_a_defect(text, reason):
    with pytest.raises(ValueError, match=reason):
        split(text)


def test_no_sql_stands_in_a_formatted_string():
    """SQL lives in .sql files; what is formatted into a statement is formatted by PostgreSQL (format %I, %L)."""
    formatted = re.compile(
        r"""f["']{1,3}\s*(select|insert|update|delete|create|alter|drop|grant|copy)\s""", re.IGNORECASE
    )
    source = Path(str(resources.files("ringfence")))
    found = [path.name for path in source.rglob("*.py") if formatted.search(path.read_text(encoding="utf-8"))]
    assert found == []
