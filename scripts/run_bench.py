#!/usr/bin/env python3
"""Compares pgeist with what PostgreSQL and pg_repack do to the same table.

A private server with durable settings, a table `orders` with a primary key and three secondary indexes, and rounds in
which every contender gets its turn on a fresh copy of the same database:

  alter           ALTER TABLE ... ALTER COLUMN id TYPE bigint: blocks every reader and writer while it works
  pgeist          pgeist run of the same change, everything verified
  pgeist-off      the same with --verify off
  repack          pg_repack -j 2 (when it is installed): same table without bloat
  pgeist-repack   pgeist run --repack --verify off
  floor           CREATE TABLE AS, the same indexes, ANALYZE: the least anyone has to do

Rounds are interleaved and their order rotates, so that a slow spell of the machine hits everyone. Medians are compared,
not best values. The result is printed, written as JSON, put into bench/README.md between its markers, and drawn as
bench/times.svg.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import signal
import statistics
import sys
from pathlib import Path

from bench_chart import Bar, write_chart
from bench_server import (ALTER, COLUMNS, INDEXES, PSQL, README, ROOT, Failure, Measured, Server, add_common_options,
                          describe_machine, note, parse_events, program_version, replace_block, require_program)

CHART = ROOT / "bench/times.svg"
BEGIN, END = "<!-- results: begin (scripts/run_bench.py) -->", "<!-- results: end -->"


class Bench:
    def __init__(self, options: argparse.Namespace, server: Server):
        self.options = options
        self.server = server
        self.repack = server.bindir / "pg_repack"
        self.contenders = {
            "alter": self.run_alter,
            "pgeist": lambda database: self.run_pgeist(database, "--alter", ALTER, "--verify", "full"),
            "pgeist-off": lambda database: self.run_pgeist(database, "--alter", ALTER, "--verify", "off"),
            "repack": self.run_repack,
            "pgeist-repack": lambda database: self.run_pgeist(database, "--repack", "--verify", "off"),
            "floor": self.run_floor,
        }
        if options.only:
            self.contenders = {name: run for name, run in self.contenders.items() if name in options.only}
        if "repack" in self.contenders and not self.repack.exists():
            note("pg_repack is not installed for this server (scripts/setup.sh --bench): left out")
            del self.contenders["repack"]

    def make_template(self) -> None:
        self.server.make_template("template_orders", self.options.rows,
                                  extensions=("pg_repack",) if "repack" in self.contenders else ())

    def describe(self) -> dict:
        size = self.server.sql(
            "template_orders", "SELECT pg_table_size('orders')", "SELECT pg_indexes_size('orders')").splitlines()
        return {
            "rows": self.options.rows,
            "table_mb": round(int(size[0]) / 2**20),
            "indexes_mb": round(int(size[1]) / 2**20),
            **describe_machine(self.server),
            "pgeist": program_version(self.options.pgeist) if self.uses_pgeist() else None,
        }

    def uses_pgeist(self) -> bool:
        return any(name.startswith("pgeist") for name in self.contenders)

    def run_alter(self, database: str) -> dict:
        measured = Measured([*PSQL, self.server.uri(database),
                             "-c", f"ALTER TABLE orders {ALTER}"])
        # The statement holds ACCESS EXCLUSIVE from its first moment to its last.
        return {"seconds": measured.seconds, "lock_held_ms": measured.seconds * 1000}

    def run_pgeist(self, database: str, *change: str) -> dict:
        measured = Measured([str(self.options.pgeist), "run", "-d", self.server.uri(database), "--table", "orders", "--method", "copy", *change,
                             "--drop-old", "--yes", "--output", "json", *self.options.pgeist_options])
        return {
            "seconds": measured.seconds,
            "cpu_seconds": measured.cpu_seconds,
            "cpu_percent": 100 * measured.cpu_seconds / measured.seconds,
            "peak_rss_mb": measured.peak_rss_kb / 1024,
            **parse_events(measured.output),
        }

    def run_repack(self, database: str) -> dict:
        measured = Measured([str(self.repack), "-j", "2", "-t", "orders", *self.server.address(database)])
        return {"seconds": measured.seconds, "cpu_seconds": measured.cpu_seconds, "peak_rss_mb": measured.peak_rss_kb / 1024}

    def run_floor(self, database: str) -> dict:
        command = [*PSQL, self.server.uri(database),
                   "-c", f"CREATE TABLE floor AS SELECT id::bigint, {COLUMNS} FROM orders"]
        for index in INDEXES:
            command += ["-c", index.format(table="floor")]
        return {"seconds": Measured([*command, "-c", "ANALYZE floor"]).seconds}

    def check(self, contender: str, database: str) -> None:
        """A contender that did not do the work has no time to compare."""
        table = "floor" if contender == "floor" else "orders"
        found = self.server.sql(
            database,
            f"SELECT count(*), sum(id), count(DISTINCT status) FROM {table}",
            f"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = 'id'",
            f"SELECT count(*) FROM pg_index WHERE indrelid = '{table}'::regclass AND indisvalid",
        ).splitlines()
        rows = self.options.rows
        kind = "integer" if contender in ("repack", "pgeist-repack") else "bigint"
        wanted = [f"{rows}|{rows * (rows + 1) // 2}|5", kind, "4"]
        if found != wanted:
            raise Failure(f"{contender} left {found} and not {wanted}")

    def run(self) -> dict[str, list[dict]]:
        results: dict[str, list[dict]] = {name: [] for name in self.contenders}
        names = list(self.contenders)
        for number in range(self.options.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                self.server.fresh_copy("template_orders", "bench")
                position = self.server.wal_position()
                result = self.contenders[name]("bench")
                result["wal_mb"] = (self.server.wal_position() - position) / 2**20
                self.check(name, "bench")
                results[name].append(result)
                note(f"round {number + 1}: {name:14} {result['seconds']:7.2f} s  {result['wal_mb']:6.0f} MB of WAL")
        self.server.sql("postgres", "DROP DATABASE IF EXISTS bench")
        return results


# Reporting -----------------------------------------------------------------------------------------------------------


def medians(rounds: list[dict]) -> dict:
    keys = [key for key in rounds[0] if isinstance(rounds[0][key], (int, float))]
    result = {key: statistics.median(run[key] for run in rounds) for key in keys if all(key in run for run in rounds)}
    result["fastest"] = min(run["seconds"] for run in rounds)
    result["slowest"] = max(run["seconds"] for run in rounds)
    names = list(dict.fromkeys(name for run in rounds for name in run.get("phases", {})))
    if names:
        result["phases"] = {name: statistics.median(run["phases"].get(name, 0.0) for run in rounds) for name in names}
    return result


def ratio(summary: dict, one: str, other: str, what: str = "seconds") -> float | None:
    if one in summary and other in summary:
        return summary[one][what] / summary[other][what]
    return None


TITLES = {
    "alter": "`ALTER TABLE … TYPE bigint` (blocking)",
    "pgeist": "`pgeist run`, all rows verified",
    "pgeist-off": "`pgeist run --verify off`",
    "repack": "`pg_repack -j 2`",
    "pgeist-repack": "`pgeist run --repack --verify off`",
    "floor": "`CREATE TABLE AS` + indexes + `ANALYZE`",
}


def markdown(report: dict) -> str:
    about, summary = report["about"], report["summary"]

    def cell(values: dict, key: str, form: str) -> str:
        return form.format(values[key]) if key in values else "–"

    lines = [
        f"{about['rows']:,} rows, {about['table_mb']} MB and {about['indexes_mb']} MB of indexes; PostgreSQL {about['server']}; "
        f"{about['cores']} cores ({about['cpu']}), {about['memory_gb']} GB; medians of {report['rounds']} interleaved rounds, "
        f"{report['date']}.",
        "",
        f"Server settings: `{about['settings']}`; {'with' if about['huge_pages'] else 'without'} huge pages.",
        "",
        "| | time (fastest – slowest) | × blocking ALTER | × floor | table locked for | WAL written (× blocking ALTER) "
        "| client peak memory | client CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, values in summary.items():
        to_alter, to_floor = ratio(summary, name, "alter"), ratio(summary, name, "floor")
        wal = ratio(summary, name, "alter", "wal_mb")
        lines.append(
            f"| {TITLES[name]} | {values['seconds']:.1f} s ({values['fastest']:.1f} – {values['slowest']:.1f}) "
            f"| {'–' if to_alter is None else f'{to_alter:.2f}'} | {'–' if to_floor is None else f'{to_floor:.2f}'} "
            f"| {cell(values, 'lock_held_ms', '{:,.0f} ms')} "
            f"| {values['wal_mb']:,.0f} MB ({'–' if wal is None else f'{wal:.2f}'}) "
            f"| {cell(values, 'peak_rss_mb', '{:.0f} MB')} "
            f"| {cell(values, 'cpu_percent', '{:.1f} %')} |"
        )
    to_repack = ratio(summary, "pgeist-repack", "repack")
    if to_repack is not None:
        lines += ["", f"`pgeist run --repack` takes {to_repack:.2f} times as long as `pg_repack`."]
    phases = summary.get("pgeist", {}).get("phases")
    if phases:
        lines += ["", "Phases of `pgeist run`, all rows verified: "
                  + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items()) + "."]
    return "\n".join(lines) + "\n"


def draw(report: dict, path: Path) -> None:
    """How long each took, and for how much of it the table could not be used. pg_repack does not tell its locks."""
    bars = []
    for name, values in report["summary"].items():
        if name == "floor":
            continue  # changes no table
        text = f"{values['seconds']:.1f} s"
        if name == "alter":
            text += ", all of it locked"
        elif "lock_held_ms" in values:
            text += f", locked {values['lock_held_ms']:.0f} ms"
        bars.append(Bar(TITLES[name].replace("`", ""), values["seconds"], values.get("lock_held_ms", 0) / 1000, text))
    if bars:
        write_chart(path, f"A table of {report['about']['rows']:,} rows and 4 indexes", ("in use", "locked"), bars)


# Program -------------------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(parser, rows=5_000_000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contenders")
    parser.add_argument("--pgeist-options", nargs="+", default=[], metavar="OPTION",
                        help="further options for pgeist run; last on the command line, as --pgeist-options=--workers=4 …")
    parser.add_argument("--json", type=Path, help="where to write the result (default: build/bench.json)")
    parser.add_argument("--smoke", action="store_true",
                        help="20,000 rows, one round, nothing written but the JSON: does everything still run?")
    options = parser.parse_args()
    if options.smoke:
        options.rows, options.rounds, options.no_readme = 20_000, 1, True
    options.json = options.json or ROOT / "build/bench.json"
    return options


def main() -> int:
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    if not shutil.which(PSQL[0]):
        sys.exit("run_bench: psql is missing; run scripts/setup.sh")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Server(options.version) as server:
            bench = Bench(options, server)
            if bench.uses_pgeist():
                require_program(options.pgeist)
            note(f"loading {options.rows:,} rows")
            bench.make_template()
            about = bench.describe()
            results = bench.run()
    except Failure as failure:
        note(f"error: {failure}")
        return 1
    report = {
        "date": datetime.date.today().isoformat(),
        "rounds": options.rounds,
        "about": about,
        "summary": {name: medians(rounds) for name, rounds in results.items()},
        "results": results,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = markdown(report)
    print(text)
    if not options.no_readme:
        replace_block(BEGIN, END, text)
        draw(report, CHART)
        note(f"wrote {README.relative_to(ROOT)} and {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
