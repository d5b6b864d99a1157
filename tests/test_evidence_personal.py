"""What a stranger is handed says nobody's name: no value that is personal, and no hash that could be guessed, is in any
byte of an export.
"""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from console_world import console_world
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.vault.fields import FIELDS, Shape, normalised

EVENTS = (Path(__file__).parents[1] / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
# Columns beside the journal that hold what people are called, or say in their own words.
BESIDE = (
    ("custody.customer", "name"),
    ("authority.person", "display_name"),
    ("banking.entry", "counterparty_name"),
    ("banking.entry", "remittance"),
    ("banking.advice", "counterparty_name"),
    ("banking.advice", "remittance"),
    ("banking.account", "holder"),
    ("banking.account", "identification"),
    ("diligence.party", "name"),
    ("escrow.fact", "reason"),
    ("reconciliation.discrepancy", "accepted_reason"),
)


@pytest.fixture(scope="module")
def handed_over(module_database, tmp_path_factory):
    """The bytes of an export of a platform on which something has happened, and everything personal beside it."""
    home = tmp_path_factory.mktemp("personal")
    with console_world(module_database, home) as console:
        world = console.world
        world.turn()
        folder = home / "export"
        export(folder, world.gateway.evidence, read_verifier(world.gateway.evidence))
        content = b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
        vault, values = world.desk.vault, set()
        with module_database.connect("owner") as owner:
            for place, key in owner.execute("SELECT place, row_key FROM vault.field").fetchall():
                if FIELDS[place].shape is not Shape.PAYMENT:
                    values.add(vault.open(FIELDS[place], key))
            for table, column in BESIDE:
                values |= {row[0] for row in owner.execute(f"SELECT {column} FROM {table}").fetchall() if row[0]}
        # What we say to the bank is an order's id, which is nobody's name.
        yield content, {each for each in values if len(each) > 3 and not re.fullmatch(r"[0-9a-f]{32}", each)}


def spellings(value):
    """As it stands, without spaces and hyphens, in small letters; and as JSON escapes it."""
    found = {value, normalised(Shape.ACCOUNT, value), value.lower().replace(" ", ""), value.strip()}
    return {each.encode() for each in found} | {each.encode("ascii", "backslashreplace") for each in found}


def test_no_personal_value_is_in_any_byte_of_an_export(handed_over):
    content, values = handed_over
    assert len(values) > 12
    lettered = {value for value in values if not value.islower()}  # a login may be somebody's name in small letters
    for value in lettered:
        for spelling in spellings(value) - {value.lower().encode()}:
            assert spelling not in content, f"{value!r} is in the export"


def test_no_bare_hash_of_a_personal_value_is_in_an_export(handed_over):
    """Whoever has the export could try every account number of a bank, and the names of a telephone book."""
    content, values = handed_over
    for value in values:
        for spelling in spellings(value):
            for name in ("sha256", "sha512", "blake2b"):
                digest = hashlib.new(name, spelling).digest()
                for form in (digest, digest[:16], digest.hex().encode(), base64.b64encode(digest)):
                    assert form not in content, f"a bare {name} of {value!r} is in the export"
                assert digest.hex()[:32].encode() not in content


def test_every_hash_in_an_event_says_what_keeps_it_from_being_guessed():
    """A list in events.md names each field that is a hash; a new one must say why it gives nothing away."""
    events, _, listed = EVENTS.partition("## What the hashes give away")
    named = set(re.findall(r"\b([a-z_]*sha256|fingerprint|[a-z_]+_digest|entry_key|challenge)\b", events))
    missing = [name for name in sorted(named) if f"`{name}`" not in listed]
    assert not missing, f"docs/reference/events.md does not say what keeps {missing} from being guessed"
