"""The census: what is kept under which keys, and whether a retired key is still used by anything."""

from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row, dict_row

from ringfence.database.connection import Connection
from ringfence.vault.queries import QUERIES


@dataclass(frozen=True)
class Line:
    """Field keys of one algorithm and state under one wrapping key, and how many fields use them."""

    wrapping_id: str
    provider: str
    wrap: str
    wrapping_state: str
    algorithm: str | None
    state: str | None
    keys: int
    fields: int

    @property
    def uses_a_retired_key(self) -> int:
        """Fields that a key of this line still keeps, although one of the two has left or is leaving; of destroyed
        ones the ciphertexts stay, and nothing opens them.
        """
        if self.state in ("retired", "leaving"):
            return self.fields
        return self.fields if self.wrapping_state != "active" and self.state == "active" else 0

    @property
    def keys_left_behind(self) -> int:
        """Field keys that can still be opened and whose wrapping key has left or is leaving."""
        return self.keys if self.wrapping_state != "active" and self.state in ("active", "leaving") else 0


@dataclass(frozen=True)
class Census:
    lines: tuple[Line, ...]
    rotations: tuple[dict[str, Any], ...]

    @property
    def left(self) -> int:
        """Fields and field keys that a key which has left, or is leaving, still holds."""
        return sum(max(each.uses_a_retired_key, each.keys_left_behind) for each in self.lines)

    def as_json(self) -> dict[str, Any]:
        return {
            "keys": [asdict(each) for each in self.lines],
            "rotations": [
                {"rotation": str(each["rotation_id"]), "keys": each["keys"], "began_at": each["began_at"].isoformat()}
                for each in self.rotations
            ],
            "fields": sum(each.fields for each in self.lines),
            "left_under_retired_keys": self.left,
        }


def census(connection: Connection, book: int) -> Census:
    """Counts every field and key of a book."""
    with connection.cursor(row_factory=class_row(Line)) as cursor:
        lines = cursor.execute(QUERIES.census, {"book": book}).fetchall()
    with connection.cursor(row_factory=dict_row) as cursor:
        rotations = cursor.execute(QUERIES.open_rotations, {"book": book}).fetchall()
    return Census(tuple(lines), tuple(rotations))
