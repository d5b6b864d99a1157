"""What we depend on is explained, locked and hashed."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = [
    re.match(r"[a-z0-9-]+", line)[0] for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
]
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("name", DIRECT)
def test_every_direct_dependency_has_its_reason_and_its_place_in_the_lock(name):
    reasons = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
    assert re.search(rf"^\| `{name}`", reasons, re.MULTILINE), "give it a line in docs/decisions/0002-dependencies.md"
    assert re.search(rf"^{name}==", LOCK, re.MULTILINE), "run `make lock`"


def test_a_reason_whose_dependency_has_gone_goes_too():
    reasons = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
    assert sorted(re.findall(r"^\| `([a-z0-9-]+)`", reasons, re.MULTILINE)) == sorted(DIRECT)


def test_every_locked_package_has_hashes_and_no_address():
    blocks = re.split(r"^(?=[a-z0-9].*==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > len(DIRECT)
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in LOCK
