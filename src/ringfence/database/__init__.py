"""Where Ringfence keeps things: one PostgreSQL, six roles, and a road of migrations.

The nouns
  home        the folder of an installation; embedded PostgreSQL lives in home/postgres, secrets in home/keys
  server      a PostgreSQL that answers: the embedded one of a home, or yours (a URL)
  role        who is connected: owner (migrates, owns everything), core, gateway, notary, reader, auditor
  migration   one numbered file of `migrations/`, applied once, in order: the road
  schema.sql  what a package's tables look like today: the destination; a test proves that road and destination meet

The way in::

    with open_server(home, url=None, report=print_progress) as server:   # ringfence.database.server
        prepare(server)                                                  # roles, database, migrations; idempotent
        with server.connect("core") as connection:
            connection.execute(QUERIES.open_book, {"book": 1})

Nothing here knows what the tables mean. Constraints and grants belong to the packages; a constraint's name becomes the
package's refusal by `ringfence.database.refusals.register`.

This module imports nothing, so that the supervisor of the embedded server, which runs apart, starts quickly.
"""

from typing import Literal, get_args

PACKAGES = (
    "ledger",
    "evidence",
    "authority",
    "incident",
    "risk",
    "vault",
    "diligence",
    "banking",
    "custody",
    "escrow",
    "reconciliation",
    "safeguarding",
    "liabilities",
)
"""The packages that own tables, in the order in which their schemas are made (each may refer to those before it)."""

RoleName = Literal["owner", "core", "gateway", "notary", "reader", "auditor"]
ROLES: tuple[RoleName, ...] = get_args(RoleName)
