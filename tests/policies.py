"""Policies for tests that are about something else than signatures: approvals are given in a session, and no passkey is
needed. What the policy of a new book asks for is in `test_authority_founding`.
"""

from ringfence.authority.policy import Policy, default_toml, read_toml


def unsigned_toml() -> str:
    """The policy of a new book, but no approval has to be signed."""
    return default_toml().replace(", signed = true", "")


def unsigned_policy() -> Policy:
    return read_toml(unsigned_toml())
