"""What a measure is given, and what it returns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench_server import Failure, Server, note


Name = TypeVar("Name")
Result = TypeVar("Result")


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

    def turns(self, names: Iterable[Name]) -> Iterator[tuple[int, Name]]:
        """Round and contender: everyone in every round, another one first each time."""
        contenders = list(names)
        for number in range(self.rounds):
            turn = number % len(contenders)
            for name in contenders[turn:] + contenders[:turn]:
                yield number, name

    def in_turn(self, names: Iterable[Name], work: Callable[[int, Name], Result]) -> dict[Name, list[Result]]:
        """What `work`, given round and contender, has returned in all rounds, by contender."""
        seen: dict[Name, list[Result]] = {name: [] for name in names}
        for number, name in self.turns(seen):
            seen[name].append(work(number, name))
        return seen

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


def compared(what: str, took: dict[str, list[float]], over: str, under: str, limit: float, unit: str, form: str,
             how: str) -> Finding:
    """How many times as long, or as much, one contender took as another, by the medians; at most `limit` is the goal."""
    ratio = median(took[over]) / median(took[under])
    return Finding(what, f"≤ {limit}", ratio, ratio <= limit,
                   f"{ratio:.2f}: {spread(took[over], form)} against {spread(took[under], form)} {unit}", how, took)


def spread(values: list[float], form: str = "{:,.0f}") -> str:
    """A median with the least and the greatest value."""
    return f"{form.format(median(values))} ({form.format(min(values))} – {form.format(max(values))})"
