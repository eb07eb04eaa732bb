#!/usr/bin/env python3
"""Compares PostgreSQL 19's REPACK (CONCURRENTLY) with `pgeist run --repack`, side by side, beside writers.

  scripts/run_repack_bench.py            three rounds into docs/comparison.md: under 8 minutes on 2 quiet cores
  scripts/run_repack_bench.py --smoke    a tiny table, one round, nothing written but the JSON: do figures come out?

A private server of version 19 with durable settings and a table `orders` with a primary key and two secondary indexes, a
third of which (rows and index entries) is dead space. Meanwhile pgbench writes at a fixed rate: updates, inserts, deletes
by key. Each contender gets its turn on a fresh copy, in interleaved rounds whose order rotates:

  server          REPACK (CONCURRENTLY) orders
  pgeist          pgeist run --repack, every row compared before the swap
  pgeist-off      the same with --verify off
  alone           nothing beside the writers

Then, once each and on a tenth of the rows: what REPEATABLE READ snapshots taken before and during it see of the table
afterwards, and for how long writes wait when a reader keeps the table from the last lock for some seconds.

It needs build/release/pgeist (cmake --preset release && cmake --build --preset release), psql, pgbench, some 8 GB of disk,
and, for huge pages, root. The result is printed, written as JSON, and put into docs/comparison.md between its markers.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_server import (INDEXES, PSQL, ROOT, SETTINGS, Failure, Process, Server, Session, add_common_options,
                          client_program, describe_machine, note, parse_events, program_version, replace_block,
                          require_program)
from goals.frame import Context, spread
from goals.load import MIX, Figures, Load
from goals.online import Online
from goals.swap import wait_for_request

PAGE = ROOT / "docs/comparison.md"
BEGIN, END = "<!-- repack: begin (scripts/run_repack_bench.py) -->", "<!-- repack: end -->"
TEMPLATE, SMALL_TEMPLATE = "template_bloated", "template_bloated_small"
STATEMENT = "REPACK (CONCURRENTLY) orders"
WRITES = {name: of for name, of in MIX.items() if name != "select"}
# Every third row goes: keys of those that stay have no gaps, so that each write finds its row.
KEY = "CASE WHEN n % 3 = 0 THEN -n / 3 ELSE n - n / 3 END"
CHANGES = {
    "server": None,
    "pgeist": ("--repack", "--drop-old"),
    "pgeist-off": ("--repack", "--drop-old", "--verify", "off"),
    "alone": None,
}
TITLES = {
    "server": "`REPACK (CONCURRENTLY)`",
    "server-timeout": "the same, `lock_timeout = '200ms'`",
    "pgeist": "`pgeist run --repack`",
    "pgeist-off": "`… --verify off`",
    "alone": "the writers alone",
}


class Bench:
    def __init__(self, context: Context, rate: float, held_seconds: float):
        self.context = context
        self.server = context.server
        self.rate = rate
        self.held_seconds = held_seconds
        self.small_rows = context.part(0.1)
        self.failed: list[str] = []

    def attempt(self, what: str, measure: Callable[[], dict]) -> dict | None:
        """One that fails leaves the others their turn: the machine is not quiet every day."""
        try:
            return measure()
        except Failure as failure:
            note(f"error: {what}: {failure}")
            self.failed.append(what)
            return None

    # The table ------------------------------------------------------------------------------------------------------

    def make_templates(self) -> None:
        for template, rows in ((TEMPLATE, self.context.rows), (SMALL_TEMPLATE, self.small_rows)):
            note(f"loading {rows * 3 // 2:,} rows, of which {rows:,} stay")
            self.server.make_template(template, rows * 3 // 2, key=KEY, indexes=INDEXES[:3],
                                      then=("DELETE FROM orders WHERE id <= 0",))

    def fresh(self, template: str) -> str:
        self.server.fresh_copy(template, "bench")
        self.server.sql("bench", f"CREATE SEQUENCE order_ids START {self.context.rows * 2}")
        return "bench"

    def size_mb(self, database: str) -> float:
        return int(self.server.sql(database, "SELECT pg_total_relation_size('orders')")) / 2**20

    def load(self, database: str, rows: int) -> Load:
        return Load(self.context, database, self.rate, rows, WRITES)

    def begin(self, name: str, database: str, *options: str) -> Process:
        """The contender at work."""
        if name.startswith("server"):
            before = ["-c", "SET lock_timeout = '200ms'"] if name == "server-timeout" else []
            return Process([*PSQL, self.server.uri(database), *before, "-c", STATEMENT])
        return Online(self.context, database, *options, change=CHANGES[name])

    # Figures --------------------------------------------------------------------------------------------------------

    def one_round(self, name: str, alone_seconds: float) -> dict:
        database = self.fresh(TEMPLATE)
        before_mb = self.size_mb(database)
        with self.load(database, self.context.rows) as load:
            load.wait_until(load.warm)
            position, begin = self.server.wal_position(), time.time()
            result: dict = {}
            if name == "alone":
                load.wait_until(begin + alone_seconds)
            else:
                with self.begin(name, database) as process:
                    process.finish(expected=(0,))
                if name != "server":
                    result = parse_events(process.output)
            seconds = time.time() - begin
            result["wal_mb"] = (self.server.wal_position() - position) / 2**20
            load.wait_until(begin + seconds)
            load.end()
            result |= {"seconds": seconds, "before_mb": before_mb, "after_mb": self.size_mb(database),
                       "writes": vars(load.figures(begin, seconds))}
        self.check(name, database, result)
        return result

    def check(self, name: str, database: str, result: dict) -> None:
        """A contender that did not do the work has no time to compare."""
        self.context.require(database, "3", "SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass AND indisvalid")
        self.context.require(database, "t", f"SELECT count(*) > {self.context.rows // 2} FROM orders")
        if name != "alone" and result["after_mb"] >= 0.85 * result["before_mb"]:
            raise Failure(f"{name} left {result['after_mb']:.0f} MB of {result['before_mb']:.0f} MB")

    def rounds(self) -> dict[str, list[dict]]:
        results: dict[str, list[dict]] = {name: [] for name in CHANGES}
        for number, name in self.context.turns(list(CHANGES)):
            longest = max((one["seconds"] for other in results for one in results[other]), default=10.0)
            seconds = 1.0 if self.context.smoke else min(longest, 30.0)
            result = self.attempt(f"round {number + 1}, {name}", functools.partial(self.one_round, name, seconds))
            if result is None:
                continue
            results[name].append(result)
            note(f"round {number + 1}: {name:10} {result['seconds']:6.1f} s, slowest write "
                 f"{result['writes']['longest_ms']:5.0f} ms, p99 {result['writes']['p99_ms']:5.1f} ms, "
                 f"{result['wal_mb']:5.0f} MB of WAL")
        return {name: rounds for name, rounds in results.items() if rounds}

    # Snapshots ------------------------------------------------------------------------------------------------------

    def snapshots(self, name: str) -> dict:
        """Rows that REPEATABLE READ transactions begun before and during it see when it has ended, or waits for them."""
        database = self.fresh(SMALL_TEMPLATE)
        rows = int(self.server.sql(database, "SELECT count(*) FROM orders"))
        with (Session(self.server, database) as before, Session(self.server, database) as during,
              Session(self.server, database) as reader):
            self.take_snapshot(before)
            reader.query("BEGIN")
            reader.query("SELECT FROM orders LIMIT 1")  # keeps its last lock from it until the second snapshot is taken
            with self.begin(name, database) as process:
                if name == "server":
                    wait_for_request(self.server, database)
                else:
                    process.wait_for(lambda event: event["event"] == "phase" and event["name"] == "copy", "the copy")
                self.take_snapshot(during)
                reader.query("COMMIT")
                if name == "server":
                    process.finish(expected=(0,))
                else:
                    process.wait_for(lambda event: "old snapshot" in (event.get("detail") or ""), "waiting for old snapshots")
                waits = process.working
                seen = [int(session.query("SELECT count(*) FROM orders")[0][0]) for session in (before, during)]
                for session in (before, during):
                    session.query("COMMIT")
                process.finish(expected=(0,))
        note(f"snapshots: {name}: {seen} of {rows:,} rows{', waited for' if waits else ''}")
        return {"rows": rows, "before": seen[0], "during": seen[1], "waits": waits}

    @staticmethod
    def take_snapshot(session: Session) -> None:
        session.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
        session.query("SELECT count(*) FROM pg_namespace")

    # A lock that is not to be had -----------------------------------------------------------------------------------

    def blocked(self, name: str) -> dict:
        """What writes suffer when a reader keeps the table for some seconds after the last lock was asked for."""
        database = self.fresh(SMALL_TEMPLATE)
        before_mb = self.size_mb(database)
        with Session(self.server, database) as reader, self.load(database, self.small_rows) as load:
            load.wait_until(load.warm)
            reader.query("BEGIN")
            reader.query("SELECT FROM orders LIMIT 1")
            begin = time.time()
            with self.begin(name, database) as process:
                wait_for_request(self.server, database)
                asked = time.time()
                time.sleep(self.held_seconds)  # what is measured: a reader who stays so long
                reader.query("COMMIT")
                committed = time.time()
                code = process.finish(expected=None if name == "server-timeout" else (0,))
            ended = time.time()
            load.wait_until(ended + 0.2)
            load.end()
            figures: Figures = load.figures(asked - 0.5, ended + 0.2 - asked + 0.5)
        done = self.size_mb(database) < 0.85 * before_mb
        note(f"blocked: {name}: slowest write {figures.longest_ms:,.0f} ms, {'done' if done else 'work lost'}, exit code {code}")
        return {"longest_ms": figures.longest_ms, "done": done, "exit_code": code, "until_asked": asked - begin,
                "after_commit": ended - committed}


# Reporting -----------------------------------------------------------------------------------------------------------


def figures_table(results: dict[str, list[dict]]) -> list[str]:
    def cells(key: str, form: str, unit: str, of: str | None = None) -> list[str]:
        found = []
        for rounds in results.values():
            values = [(one[of] if of else one).get(key) for one in rounds]
            found.append("–" if None in values else f"{spread(values, form)} {unit}")
        return found

    lines = ["| | " + " | ".join(TITLES[name] for name in results) + " |", "|---" * (len(results) + 1) + "|"]
    for what, values in {
        "time": cells("seconds", "{:.1f}", "s"),
        "slowest write": cells("longest_ms", "{:,.0f}", "ms", "writes"),
        "p99 of writes": cells("p99_ms", "{:.1f}", "ms", "writes"),
        "WAL meanwhile, the writers' included": cells("wal_mb", "{:,.0f}", "MB"),
        "lock held in the swap, as pgeist says": cells("lock_held_ms", "{:.0f}", "ms"),
        "table and indexes afterwards": cells("after_mb", "{:,.0f}", "MB"),
    }.items():
        lines.append(f"| {what} | " + " | ".join(values) + " |")
    return lines


def behaviour_table(report: dict) -> list[str]:
    snapshots, blocked = report["snapshots"], report["blocked"]
    names = list(blocked)

    def seen(name: str, which: str) -> str:
        one = snapshots.get(name)
        if one is None:
            return "–"
        return f"{one[which]:,} of {one['rows']:,} rows{', it waits for its end' if one['waits'] else ''}"

    def slowest(one: dict | None) -> str:
        return f"{one['longest_ms']:,.0f} ms" if one else "–"

    def outcome(one: dict | None) -> str:
        if one is None:
            return "–"
        return f"done {one['after_commit']:.1f} s after the reader's end" if one["done"] else "failed, all its work lost"

    return [
        "| | " + " | ".join(TITLES[name] for name in names) + " |", "|---" * (len(names) + 1) + "|",
        "| a `REPEATABLE READ` snapshot taken before it sees | " + " | ".join(seen(name, "before") for name in names) + " |",
        "| … taken while it works | " + " | ".join(seen(name, "during") for name in names) + " |",
        f"| slowest write when a reader stays {report['held_seconds']:.0f} s before the last lock | "
        + " | ".join(slowest(blocked[name]) for name in names) + " |",
        "| … and the rebuilding itself | " + " | ".join(outcome(blocked[name]) for name in names) + " |",
    ]


def markdown(report: dict) -> str:
    about = report["about"]
    rounds = "1 round" if about["rounds"] == 1 else f"{about['rounds']} interleaved rounds"
    lines = [
        f"{about['rows']:,} rows and three indexes, a third of it dead space ({about['before_mb']:,.0f} MB in all), "
        f"{about['rate']:,.0f} writes/s; PostgreSQL {about['server']}, {about['pgeist']}; {about['cores']} cores ({about['cpu']}), "
        f"{about['memory_gb']} GB, {'with' if about['huge_pages'] else 'without'} huge pages; medians (least – greatest) of "
        f"{rounds}, {about['date']}. Times of writes are from when they were due, "
        "over the time that each takes: one stall is more of a short one, and weighs more in its p99.",
        "",
        *figures_table(report["results"]),
        "",
        f"Once each, with {about['small_rows']:,} rows:",
        "",
        *behaviour_table(report),
    ]
    return "\n".join(lines) + "\n"


# Program -------------------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(parser, rows=2_000_000)
    parser.set_defaults(version=19)
    parser.add_argument("--rate", type=float, default=400, help="writes per second (default 400)")
    parser.add_argument("--json", type=Path, help="where to write all figures (default: build/repack_bench.json)")
    parser.add_argument("--smoke", action="store_true",
                        help="20,000 rows, one round, nothing written but the JSON: do figures come out?")
    options = parser.parse_args()
    options.version = max(19, options.version)  # with which REPACK came
    options.held_seconds = 5.0
    if options.smoke:
        options.rows, options.rounds, options.rate, options.held_seconds, options.no_readme = 20_000, 1, 100.0, 1.0, True
    options.json = options.json or ROOT / "build/repack_bench.json"
    return options


def have_server(version: int) -> bool:
    return subprocess.run([ROOT / "scripts/pg.sh", "bindir", str(version)], stdout=subprocess.DEVNULL, check=False).returncode == 0


def measure(options: argparse.Namespace) -> dict:
    settings = SETTINGS.replace("fsync=on", "fsync=off") if options.smoke else SETTINGS
    with Server(options.version, settings, "repack") as server, tempfile.TemporaryDirectory(prefix="pgeist-repack-") as folder:
        context = Context(server, options.pgeist, options.rows, options.rounds, options.smoke, Path(folder))
        bench = Bench(context, options.rate, options.held_seconds)
        bench.make_templates()
        about = {"date": datetime.date.today().isoformat(), "rows": options.rows, "small_rows": bench.small_rows,
                 "rounds": options.rounds, "rate": options.rate, "before_mb": bench.size_mb(TEMPLATE),
                 "pgeist": program_version(options.pgeist), **describe_machine(server)}
        report = {
            "about": about,
            "held_seconds": options.held_seconds,
            "results": bench.rounds(),
            "snapshots": {name: bench.attempt(f"snapshots, {name}", functools.partial(bench.snapshots, name))
                          for name in ("server", "pgeist")},
            "blocked": {name: bench.attempt(f"a reader in the way, {name}", functools.partial(bench.blocked, name))
                        for name in ("server", "server-timeout", "pgeist")},
            "failed": bench.failed,
        }
        server.sql("postgres", "DROP DATABASE IF EXISTS bench WITH (FORCE)")
    return report


def main() -> int:
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    for program in ("psql", "pgbench"):
        if not shutil.which(client_program(program)):
            sys.exit(f"run_repack_bench: {program} is missing; run scripts/setup.sh")
    if not have_server(options.version):
        note(f"not measured: PostgreSQL {options.version} cannot be fetched")
        return 0 if options.smoke else 1
    require_program(options.pgeist)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        report = measure(options)
    except Failure as failure:
        note(f"error: {failure}")
        return 1
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = markdown(report)
    print(text)
    if not options.no_readme and report["results"]:
        replace_block(BEGIN, END, text, PAGE)
        note(f"wrote {PAGE.relative_to(ROOT)} and {options.json}")
    if report["failed"]:
        note(f"error: not measured: {', '.join(report['failed'])}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
