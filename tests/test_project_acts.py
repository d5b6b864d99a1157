"""Every act of the policy is demanded somewhere: an operation proposes it, one carries it out, and a page lists it."""

import ast
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringfence.authority import people, policies, rule_packs, signing
from ringfence.authority.passkeys import keys
from ringfence.authority.policy import default_toml, read_toml
from ringfence.authority.providers import registration
from ringfence.authority.standing import acts
from ringfence.custody import corrections, periods, placing
from ringfence.custody.payees import register
from ringfence.custody.personal import erasure
from ringfence.diligence import deciding
from ringfence.escrow import agreements, releasing
from ringfence.incident import brake
from ringfence.modules import MODULES

LIST = Path(__file__).parents[1] / "docs" / "reference" / "acts.md"
ACTS = tuple(read_toml(default_toml()).acts)
OPERATIONS: dict[str, Callable[..., Any]] = {
    "payout": placing.place_withdrawal,
    "hold_release": placing.place_withdrawal,
    "fee_sweep": placing.place_fee_sweep,
    "new_payee": register.propose,
    "allocation": placing.propose_allocation,
    "correction": corrections.propose,
    "funding": placing.announce_funding,
    "escrow_agreement": agreements.propose,
    "escrow_release": releasing.release,
    "limit_change": acts.propose_limits,
    "period_close": periods.propose_closing,
    "guard_change": acts.propose_guard,
    "monitor_change": acts.set_monitor,
    "rule_pack": rule_packs.propose,
    "policy_change": policies.propose_policy,
    "brake_release": brake.propose_release,
    "person_change": people.propose_person,
    "key_enrolment": keys.propose_key,
    "program_key": signing.propose_admission,
    "provider_change": registration.propose_provider,
    "identity_binding": registration.propose_binding,
    "customer_verification": deciding.propose_verification,
    "customer_erasure": erasure.propose_erasure,
}
LISTED = re.compile(r"^\| `(\w+)` \| (?:`(\w+) (/\S+)`|–) \|", re.MULTILINE)


def words(operation: Callable[..., Any]) -> set[str]:
    """The acts that the operation's module may mean: its own words, and the words that its names stand for."""
    module = sys.modules[operation.__module__]
    tree = ast.parse(inspect.getsource(module))
    own = {each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    used = [module, *(value for value in vars(module).values() if inspect.ismodule(value))]
    values = [value for each in used for name, value in vars(each).items() if name.isupper()]
    return own | {value for value in values if isinstance(value, str)}


@pytest.mark.parametrize("act", ACTS)
def test_an_operation_proposes_the_act(act):
    assert act in OPERATIONS, f"no operation proposes {act}: build one, or take the act out of authority/policy.toml"
    operation = OPERATIONS[act]
    assert act in words(operation), f"{operation.__module__}.{operation.__name__} does not know {act}"


def test_no_operation_proposes_an_act_that_the_policy_does_not_have():
    assert set(OPERATIONS) == set(ACTS)


def test_something_carries_each_act_out():
    assert {act for module in MODULES for act in module.carries_out} == set(ACTS)


def test_each_act_is_listed_with_the_address_that_proposes_it():
    """Binding an account of an identity provider begins in a browser that comes back from there, and has none."""
    routers = [router for module in MODULES for router in (module.router, module.entrance) if router]
    addresses = {(method, route.path) for router in routers for route in router.routes for method in route.methods}
    listed = {act: (method, path) for act, method, path in LISTED.findall(LIST.read_text(encoding="utf-8"))}
    assert set(listed) == set(ACTS)
    assert {act for act, (method, _) in listed.items() if not method} == {"identity_binding"}
    for act, asked in listed.items():
        assert asked in addresses or act == "identity_binding", f"{act}: {asked} is no address"
