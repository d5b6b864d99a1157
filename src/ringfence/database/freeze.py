"""For developers: does the road lead to the destination, and what is missing?

    python -m ringfence.database.freeze            every difference between the road and each package's schema.sql
    python -m ringfence.database.freeze PACKAGE    the differences of one package; if the road has nothing of it yet,
                                                   its schema.sql becomes the next migration

A package that the road knows already is changed by a migration written by hand (an ALTER), and this command then says
whether it was the right one. It works on an embedded PostgreSQL of its own, in a temporary folder. It ends with 0 when
road and destination agree, with 1 otherwise.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from ringfence.database import PACKAGES, catalogue, migrate, roles
from ringfence.database.server import Server, open_server
from ringfence.refusal import Refused


def catalogues(server: Server) -> tuple[catalogue.Catalogue, catalogue.Catalogue]:
    """What the road makes of an empty database, and what the destination makes of another."""
    found: list[catalogue.Catalogue] = []
    for name, build in (("road", migrate.upgrade), ("destination", migrate.build_destination)):
        roles.create_database(server, name)
        with server.connect("owner", name) as owner:
            build(owner)
            found.append(catalogue.read(owner))
    return found[0], found[1]


def compare(road: catalogue.Catalogue, destination: catalogue.Catalogue, package: str | None = None) -> list[str]:
    """What is not the same, a paragraph each; a package that the road knows nothing of is one line."""
    told = []
    for schema in [package] if package else ["", "database", *PACKAGES]:
        left, right = ({key: text for key, text in side.items() if key[0] == schema} for side in (road, destination))
        if right and not left:
            told.append(f"{schema} is not on the road yet: python -m ringfence.database.freeze {schema}")
        else:
            told += catalogue.difference(left, right, "road", "destination")
    strangers = {schema for schema, _, _ in (*road, *destination)} - {"", "database", *PACKAGES}
    return told + [f"schema {schema} belongs to no package" for schema in sorted(strangers)]


def write_migration(package: str, folder: Path) -> Path:
    """The package's schema.sql and schema_*.sql, one after the other, as the next migration of the folder."""
    number = len(migrate.migrations(folder)) + 1
    file = folder / f"{number:04d}_{package}.sql"
    schema = "".join(each.read_text(encoding="utf-8") for each in migrate.schema_files(package))
    file.write_text(schema, encoding="utf-8")
    return file


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m ringfence.database.freeze", description=__doc__)
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("package", nargs="?", choices=PACKAGES, metavar="PACKAGE", help=", ".join(PACKAGES))
    package: str | None = arguments.parse_args().package
    with tempfile.TemporaryDirectory(prefix="ringfence-") as folder:
        try:
            with open_server(Path(folder), settings={"fsync": "off"}) as server:
                roles.create_roles(server)
                road, destination = catalogues(server)
        except Refused as refused:
            sys.stderr.write(f"{refused}\n")
            return 1
    if package and not any(schema == package for schema, _, _ in road):
        if not any(schema == package for schema, _, _ in destination):
            sys.stderr.write(f"{package} has no sql/schema.sql\n")
            return 1
        file = write_migration(package, Path(__file__).parent / "migrations")
        sys.stdout.write(f"{package}: wrote {file}\n")
        return 0
    told = compare(road, destination, package)
    sys.stdout.write("".join(f"{line}\n" for line in told) or "road and destination agree\n")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
