"""What a measure is given, and what it returns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench_server import Failure, Server, note


@dataclass
class Finding:
    """One row of the table: `ratio` is what the goal speaks of, `measured` the same for people, with what it comes from."""

    what: str
    goal: str
    ratio: float
    met: bool
    measured: str
    how: str
    figures: dict = field(default_factory=dict)


@dataclass
class Context:
    """A server, and how much to do there."""

    server: Server
    pgeist: Path
    rows: int
    rounds: int
    smoke: bool
    folder: Path  # for files that are gone afterwards
    known: dict = field(default_factory=dict)  # what one measure found out and another needs, too

    def part(self, share: float) -> int:
        """So many times the rows of the table, and enough to have something to do."""
        return max(200, int(self.rows * share))

    def seconds(self, full: int) -> int:
        return 1 if self.smoke else full

    def fresh(self, rows: int | None = None, key_type: str = "int", key: str = "n") -> str:
        """A database of its own with table orders; the one before is gone."""
        rows = rows or self.rows
        template = f"template_{key_type}_{rows}"
        if template not in self.known:
            note(f"loading {rows:,} rows")
            self.server.make_template(template, rows, key_type, key)
            self.known[template] = True
        self.server.fresh_copy(template, "bench")
        return "bench"

    def keep(self, database: str, template: str) -> None:
        """Makes a database the template of fresh copies to come."""
        self.server.sql("postgres", f"DROP DATABASE IF EXISTS {template}", f"ALTER DATABASE {database} RENAME TO {template}")

    def turns(self, names: list[str]) -> Iterator[tuple[int, str]]:
        """Round and contender: everyone in every round, another one first each time."""
        for number in range(self.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                yield number, name

    def require(self, database: str, wanted: str, *statements: str) -> None:
        """Failure when the statements do not return `wanted`: work that was not done has no time to compare."""
        found = self.server.sql(database, *statements)
        if found != wanted:
            raise Failure(f"found {found!r} and not {wanted!r} with {statements}")

    def require_key_type(self, database: str, wanted: str) -> None:
        """That the table was changed, and has all its indexes."""
        self.require(database, f"{wanted}\n4",
                     "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
                     "WHERE attrelid = 'orders'::regclass AND attname = 'id'",
                     "SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass AND indisvalid")


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float], form: str = "{:,.0f}") -> str:
    """A median with the least and the greatest value."""
    return f"{form.format(median(values))} ({form.format(min(values))} – {form.format(max(values))})"
