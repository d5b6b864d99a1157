"""The shape of the project: who may import whom, how long a module may be, what never stands in a file.

Each failure says what to do about it. The allowed directions are drawn in ARCHITECTURE.md.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.database import PACKAGES

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ringfence"
MODULES = sorted(SOURCE.rglob("*.py"))
VERIFIER = sorted((ROOT / "verifier").glob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
TESTS = sorted((ROOT / "tests").glob("*.py"))
LINES_MAX = 600

# Each may import those before it, and none of those after.
ORDER = (
    "refusal",
    "money",
    "settings",
    "keys",
    "database",
    "ledger",
    "core",
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
    "takeover",
)
# What a domain's edge may import besides: its pages and routes the web, its verbs what every verb shares.
EDGES = {
    "pages.py": {"web"},
    "routes.py": {"web"},
    "verbs.py": {"command", "core", "installation"},
}
# What stands beside the order, and what it may import.
BESIDE = {
    "web": {"refusal", "money", "core"},
    "console": {"refusal", "core", "ledger", "web", "__init__"},
    "command": {"refusal", "settings", "database"},
}
# The main program: it reads settings, opens what a process holds, and puts the domains together.
WIRING = {"__main__", "processes", "benches", "serve", "installation", "modules", "rounds", "demo"}
# Who may import the wiring's parts, besides the verbs' `installation`.
WIRED_BY = {
    "__main__": set(),
    "console": {"serve"},
    "demo": {"__main__"},
    "processes": {"__main__"},
    "benches": {"__main__"},
    "serve": {"processes", "demo"},
    "modules": {"serve"},
    "rounds": {"serve", "demo"},
}
# The tree and its files are a library of their own: a stranger's verifier could be held against them.
LOG_ITSELF = ("tree.py", "tiles.py", "note.py", "checkpoint.py")

VAGUE = {
    "base", "common", "data", "handle", "handler", "handlers", "helper", "helpers", "info", "manage", "manager",
    "misc", "process", "service", "services", "stuff", "util", "utils",
}  # fmt: skip
VAGUE_ALLOWED = {
    "base_weight": "a weight before the count of names is known, as likeness.py explains",
    "_common": "the names that every template knows, as visit.py says where it is used",
}

# Exact money is integers. Where a float may stand all the same, and why.
FLOATS_ALLOWED = {
    "ledger/bench/__init__.py": "seconds of a benchmark",
    "ledger/bench/figures.py": "seconds and rates of a benchmark",
    "ledger/bench/ground.py": "seconds of a benchmark",
    "ledger/bench/growth.py": "seconds and rates of a benchmark",
    "ledger/bench/batches.py": "rates of a benchmark",
    "ledger/bench/load.py": "seconds of a benchmark",
    "ledger/bench/over_http.py": "seconds and rates of a benchmark",
    "ledger/bench/reading.py": "seconds of a benchmark",
    "ledger/bench/singles.py": "seconds and rates of a benchmark",
    "ledger/entries.py": "seconds that entries are behind",
    "ledger/reading.py": "seconds that a reader waits",
    "ledger/routes.py": "seconds that entries are behind",
    "banking/gateway.py": "seconds of sleep",
    "safeguarding/pages.py": "days as places on the axis of a chart",
    "takeover/proof.py": "seconds that a takeover took",
}
MONEY_PATHS = (
    "money.py", "ledger", "custody", "banking", "reconciliation", "safeguarding", "takeover", "authority", "incident",
)  # fmt: skip


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def package_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else file.stem


def imports_of(file: Path) -> Iterator[tuple[str, int]]:
    """The dotted names that a file imports, whether at its head or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{place(file)}:{node.lineno} imports relatively: write the whole name"
            if node.module == "ringfence":
                yield from ((f"ringfence.{name.name}", node.lineno) for name in node.names)
            else:
                yield node.module or "", node.lineno
        elif isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)


def ours(file: Path) -> Iterator[tuple[str, int]]:
    """The packages of ringfence, other than its own, that a file imports."""
    for name, line in imports_of(file):
        parts = name.split(".")
        if parts[0] == "ringfence":
            found = parts[1] if len(parts) > 1 and parts[1] != "__version__" else "__init__"
            if found != package_of(file):
                yield found, line


def allowed(file: Path) -> set[str]:
    package = package_of(file)
    if package in BESIDE:
        return BESIDE[package]
    if package in ORDER:
        return {*ORDER[: ORDER.index(package)], *EDGES.get(file.name, ())}
    return {*ORDER, *BESIDE, *WIRING, "__init__"}


@pytest.mark.parametrize("file", MODULES, ids=place)
def test_imports_go_in_the_allowed_direction(file):
    package = package_of(file)
    assert package in {*ORDER, *BESIDE, *WIRING, "__init__"}, (
        f"{package} is new: give it its place in ORDER here, in ARCHITECTURE.md and, if it owns tables, in PACKAGES"
    )
    wrong = [f"line {line}: {name}" for name, line in ours(file) if name not in allowed(file)]
    assert not wrong, (
        f"{place(file)} imports against the direction ({', '.join(wrong)}): move what both need into the earlier of"
        " the two packages, or hand it over as an argument from the wiring"
    )


@pytest.mark.parametrize("file", MODULES, ids=place)
def test_the_wiring_is_imported_by_the_wiring_alone(file):
    for name, line in ours(file):
        if name in WIRED_BY:
            assert package_of(file) in WIRED_BY[name], (
                f"{place(file)}:{line} imports {name}: nobody may but {sorted(WIRED_BY[name])}; take it as an argument"
            )


def test_a_domain_speaks_to_the_web_at_its_edge_only():
    wrong = [
        f"{place(file)}:{line}"
        for file in MODULES
        if package_of(file) in ORDER and file.name not in ("pages.py", "routes.py")
        for name, line in ours(file)
        if name == "web"
    ]
    assert not wrong, f"{wrong}: what belongs to HTTP goes into routes.py or pages.py of the domain"


def test_the_ledger_knows_no_domain():
    known = {"refusal", "money", "database", "core", "web", "command", "installation"}
    wrong = [
        f"{place(file)}:{line} {name}"
        for file in (SOURCE / "ledger").glob("*.py")
        for name, line in ours(file)
        if name not in known
    ]
    assert not wrong, f"{wrong}: the ledger moves money for whoever asks; the asker's rules stay with the asker"


@pytest.mark.parametrize("name", LOG_ITSELF)
def test_the_log_itself_knows_nothing_of_the_book(name):
    for imported, line in imports_of(SOURCE / "evidence" / name):
        if imported.startswith("ringfence"):
            own = imported.removeprefix("ringfence.evidence.") + ".py"
            assert imported == "ringfence.refusal" or own in LOG_ITSELF, (
                f"evidence/{name}:{line} imports {imported}: the tree, its files, notes and checkpoints are those of"
                " any log; give them bytes"
            )


@pytest.mark.parametrize("file", VERIFIER, ids=place)
def test_the_verifier_imports_nothing_of_ours(file):
    known = {each.stem for each in VERIFIER}
    for name, line in imports_of(file):
        top = name.split(".")[0]
        standard = top in sys.stdlib_module_names
        assert standard or top in known | {"cryptography"}, (
            f"{place(file)}:{line} imports {top}: a stranger's program shares no code with ours; write it again"
        )


def test_nobody_imports_the_verifier():
    wrong = [place(file) for file in MODULES for name, _ in imports_of(file) if name.split(".")[0] == "verifier"]
    assert not wrong, f"{wrong}: run it as a program of its own, as a stranger would"


def test_the_packages_that_own_tables_stand_in_the_order_of_imports():
    assert [name for name in ORDER if name in PACKAGES] == list(PACKAGES), (
        "a table may refer to those of earlier packages, as code may import them: keep PACKAGES and ORDER alike"
    )


@pytest.mark.parametrize("file", [*MODULES, *VERIFIER, *SCRIPTS], ids=place)
def test_a_module_is_short_and_says_what_it_is(file):
    text = file.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= LINES_MAX, f"{place(file)} has {lines} lines: find the second noun in it and give it a module"
    assert ast.get_docstring(ast.parse(text)), f"{place(file)} has no docstring: say what it is for and what holds"


@pytest.mark.parametrize("file", [*MODULES, *VERIFIER, *SCRIPTS], ids=place)
def test_no_name_is_vague(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = [(file.stem, 1), (file.parent.name, 1)]
    names += [
        (node.name, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    for name, line in names:
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}
        assert not words & VAGUE or name in VAGUE_ALLOWED, (
            f"{place(file)}:{line} {name}: {sorted(words & VAGUE)} says nothing; name the noun or the deed"
        )


@pytest.mark.parametrize("file", [*MODULES, *SCRIPTS], ids=place)
def test_no_sql_is_put_together_from_pieces(file):
    """Text with values in it is how an injection begins; identifiers go through psycopg.sql."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr in {"execute", "executemany", "copy", "executescript"}:
            first = node.args[0]
            in_pieces = isinstance(first, ast.JoinedStr | ast.BinOp) or (
                isinstance(first, ast.Call)
                and isinstance(first.func, ast.Attribute)
                and first.func.attr == "format"
                and isinstance(first.func.value, ast.Constant)
            )
            assert not in_pieces, (
                f"{place(file)}:{node.lineno} puts SQL together: name the query in sql/queries.sql, give it parameters"
            )


def floats_in(file: Path) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "float"
    ]


def test_no_amount_is_ever_a_float():
    files = [file for name in MONEY_PATHS for file in (SOURCE / name).rglob("*.py")] + [SOURCE / "money.py"]
    assert len(files) > 50
    for file in files:
        name = file.relative_to(SOURCE).as_posix()
        found = floats_in(file)
        assert not found or name in FLOATS_ALLOWED, (
            f"{name}:{found}: amounts are integers of minor units; parse with money.parse_minor. What is no amount"
            " (seconds, a ratio for people) goes into FLOATS_ALLOWED with its reason"
        )


def test_every_exception_to_a_rule_is_still_needed():
    assert [name for name in FLOATS_ALLOWED if not floats_in(SOURCE / name)] == []
    text = "\n".join(file.read_text(encoding="utf-8") for file in MODULES)
    assert [name for name in VAGUE_ALLOWED if f"def {name}(" not in text] == []


@pytest.mark.parametrize("file", TESTS, ids=place)
def test_no_test_hides_another_of_its_name(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = Counter(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    twice = [name for name, times in names.items() if times > 1]
    assert not twice, f"{place(file)} defines {twice} twice: only the last one runs; give each its own sentence"


def tracked() -> list[Path]:
    """The text files of the repository, as far as git knows them; of a copy without git, those that are there."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
        files = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        kept = ("src", "tests", "docs", "verifier", "scripts")
        files = [*ROOT.glob("*.*"), *(file for name in kept for file in (ROOT / name).rglob("*"))]
    unread = {".pyc", ".png", ".ico", ".woff2", ".gz"}
    return [file for file in files if file.is_file() and file.suffix not in unread]


def lines_with(pattern: str, *, but: set[str] = frozenset()) -> list[str]:
    wanted = re.compile(pattern)
    return [
        f"{place(file)}:{number}"
        for file in tracked()
        if place(file) not in but
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if wanted.search(line)
    ]


def test_nothing_is_left_for_later():
    words = ("TO" + "DO", "FIX" + "ME", "HA" + "CK")
    found = lines_with(rf"\b({'|'.join(words)})\b")
    assert not found, f"{found}: do it, refuse it by name, or write an issue; a note in the code is none of these"


def test_no_file_names_a_machine():
    """A path of somebody's disk or a package registry's host says where we were, and is wrong everywhere else."""
    paths = r"(?<![\w.$-])/(work|root|home/[a-z]+|Users/[A-Za-z]+)/"
    hosts = r"pypi\.|pythonhosted|(?<!no-emit-)index-url|artifactory|[a-z]\.local\b|registry\.[a-z]"
    found = lines_with(f"{paths}|{hosts}", but={place(Path(__file__))})
    assert not found, f"{found}: use a path relative to the project or a setting; leave registries to pip's own"


def test_nothing_in_the_database_is_everybodys(database):
    """PostgreSQL lets PUBLIC execute every new function; each of ours takes that back beside its definition."""
    query = (
        b"SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,"
        b" aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        b" WHERE a.grantee = 0 AND n.nspname = ANY (%(schemas)s)"
        b" UNION ALL SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n"
        b" ON n.oid = c.relnamespace, aclexplode(c.relacl) a WHERE a.grantee = 0 AND n.nspname = ANY (%(schemas)s)"
        b" UNION ALL SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a"
        b" WHERE a.grantee = 0 AND n.nspname = ANY (%(schemas)s) ORDER BY 1"
    )
    found = database.connect("owner").execute(query, {"schemas": [*PACKAGES, "database"]}).fetchall()
    assert not found, (
        f"{[name for (name,) in found]}: REVOKE ALL ON FUNCTION ... FROM PUBLIC in the package's schema.sql (and in a"
        " migration), then GRANT to the roles that need it"
    )


def test_every_function_that_runs_with_its_owners_rights_has_a_fixed_search_path(database):
    query = (
        b"SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        b" WHERE p.prosecdef AND n.nspname = ANY (%(schemas)s)"
        b" AND NOT coalesce(p.proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp']"
        b" ORDER BY 1"
    )
    found = database.connect("owner").execute(query, {"schemas": [*PACKAGES, "database"]}).fetchall()
    assert not found, (
        f"{[name for (name,) in found]}: add SET search_path = pg_catalog, and ledger.fix_search_paths last"
    )


def test_no_process_may_edit_the_journal(database):
    query = (
        b"SELECT r.rolname || ' ' || p.verb FROM pg_roles r, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) p (verb)"
        b" WHERE r.rolname LIKE 'ringfence\\_%' AND r.rolname NOT IN ('ringfence_owner', 'ringfence_superuser')"
        b" AND NOT r.rolsuper AND has_table_privilege(r.rolname, 'ledger.journal', p.verb)"
    )
    found = database.connect("owner").execute(query).fetchall()
    assert not found, f"{[name for (name,) in found]}: the journal is append only; take the grant back"
