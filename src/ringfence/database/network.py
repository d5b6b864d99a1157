"""A PostgreSQL that is reached over a network is who it says, and nobody reads along: TLS with `sslmode=verify-full`.

libpq encrypts if the server offers it and verifies nothing unless it is told to (its default `prefer`), so whoever
stands in between is believed. A connection over a Unix socket or to an address of this machine passes nobody and needs
none. An installation that has another protection, such as a tunnel, says so: RINGFENCE_DATABASE_WITHOUT_TLS is the
reason, which each process logs when it starts.

>>> require_tls({"host": "/run/postgresql"}), require_tls({"host": "127.0.0.1"})
(None, None)
>>> require_tls({"host": "db.example", "sslmode": "require"})
Traceback (most recent call last):
    ...
ringfence.refusal.Refused: database_needs_tls: ...
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from ringfence.database import refusals

VERIFIED = "verify-full"


def require_tls(parameters: Mapping[str, Any], reason: str | None = None) -> None:
    """`database_needs_tls` unless libpq's parameters, with what the environment adds (PGHOST and others), lead to this
    machine or to a server that is verified; or there is a reason why not.
    """
    if reason or is_of_this_machine(parameters) or parameters.get("sslmode") == VERIFIED:
        return
    raise refusals.DATABASE_NEEDS_TLS(
        host=_said(parameters, "host") or _said(parameters, "hostaddr") or _said(parameters, "service"),
        sslmode=parameters.get("sslmode") or "(none)",
    )


def is_of_this_machine(parameters: Mapping[str, Any]) -> bool:
    """Whether no host that libpq may try is across a network. What a service file says is not looked at."""
    addresses, hosts = _said(parameters, "hostaddr"), _said(parameters, "host")
    if _said(parameters, "service"):
        return False
    return all(_is_here(each.strip()) for each in (addresses or hosts).split(","))


def _is_here(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _said(parameters: Mapping[str, Any], name: str) -> str:
    """What libpq takes: the parameter, or what the environment has instead."""
    from psycopg import pq

    if name in parameters:
        return str(parameters[name] or "")
    found = [each.val for each in pq.Conninfo.get_defaults() if each.keyword == name.encode()]
    return (found[0] or b"").decode(errors="replace") if found else ""
