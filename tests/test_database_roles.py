"""Roles: who may connect, and what the database itself grants each."""

import psycopg
import pytest

from ringfence.database import ROLES


def test_every_role_connects_to_a_new_database(database):
    for role in ROLES:
        assert database.connect(role).execute("select current_user").fetchone() == (f"ringfence_{role}",)


@pytest.mark.parametrize("role", ["core", "gateway", "notary", "reader", "auditor"])
def test_only_the_owner_makes_schemas(database, role):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.connect(role).execute("set transaction read write; create schema mine")


@pytest.mark.parametrize("role", ["core", "gateway", "notary", "reader", "auditor"])
def test_no_role_rewrites_the_road(database, role):
    connection = database.connect(role)
    assert connection.execute("select count(*) from database.migration").fetchone() == (0,)
    connection.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("set transaction read write; delete from database.migration")
