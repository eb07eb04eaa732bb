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
not best values. The result is printed, written as JSON, and put into bench/README.md between its markers.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "bench" / "README.md"
BEGIN, END = "<!-- results: begin (scripts/run_bench.py) -->", "<!-- results: end -->"

# Durable, and sized for the machine it was written on (24 GB). Checkpoints come between measurements, by hand: one that
# starts inside a measurement would be charged to whoever is running. min_wal_size keeps the segments written before: who
# comes first would otherwise pay for creating them.
SETTINGS = (
    "fsync=on synchronous_commit=on full_page_writes=on wal_level=replica shared_buffers=2GB maintenance_work_mem=512MB "
    "max_wal_size=32GB min_wal_size=4GB checkpoint_timeout=1h work_mem=64MB"
)

TABLE = """
CREATE TABLE orders (
    id int NOT NULL,
    customer_id int NOT NULL,
    status text NOT NULL,
    amount numeric(12,2) NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz,
    details jsonb NOT NULL,
    note text
);
INSERT INTO orders
SELECT n, (n * 7919::bigint % 500000)::int, (ARRAY['new', 'paid', 'packed', 'sent', 'closed'])[1 + n % 5],
       (n % 100000) / 7.0, timestamptz '2020-01-01 00:00+00' + n * interval '20 seconds',
       CASE WHEN n % 3 = 0 THEN timestamptz '2024-01-01 00:00+00' + n * interval '3 seconds' END,
       jsonb_build_object('sku', 'SKU-' || n % 9973, 'quantity', n % 12, 'gift', n % 17 = 0),
       CASE WHEN n % 4 = 0 THEN 'leave at the door, order ' || md5(n::text) END
FROM generate_series(1, {rows}) AS n;
"""
INDEXES = [
    "ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (id)",
    "CREATE INDEX {table}_customer ON {table} (customer_id)",
    "CREATE INDEX {table}_created ON {table} (created_at)",
    "CREATE INDEX {table}_open ON {table} (status, updated_at)",
]
COLUMNS = "customer_id, status, amount, created_at, updated_at, details, note"
ALTER = "ALTER COLUMN id TYPE bigint"


class Failure(Exception):
    pass


# Server --------------------------------------------------------------------------------------------------------------


class Server:
    """A private server that goes away with this program."""

    def __init__(self, version: int):
        self.version = version
        self.instance = f"bench-{os.getpid()}"

    def script(self, command: str, *more: str) -> str:
        result = subprocess.run(
            [ROOT / "scripts/pg.sh", command, str(self.version), "--instance", self.instance, *more],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "PGEIST_PG_SETTINGS": SETTINGS},
        )
        return result.stdout.strip()

    def __enter__(self) -> Server:
        self.base_uri = self.script("start").removesuffix("/postgres")
        self.bindir = Path(self.script("bindir"))
        return self

    def __exit__(self, *_: object) -> None:
        self.script("stop", "--mode", "immediate")

    def uri(self, database: str) -> str:
        return f"{self.base_uri}/{database}"

    def sql(self, database: str, *statements: str) -> str:
        command = ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", self.uri(database)]
        for statement in statements:
            command += ["-c", statement]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            raise Failure(f"{statements}: {result.stderr.strip()}")
        return result.stdout.strip()

    def fresh_copy(self, template: str, database: str) -> None:
        # File copies keep the very same layout, statistics and visibility map for everyone.
        strategy = "STRATEGY file_copy" if self.version >= 15 else ""
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database} TEMPLATE {template} {strategy}")
        self.sql(database, "SELECT count(details) FROM orders", "CHECKPOINT")


# Measuring -----------------------------------------------------------------------------------------------------------


class Measured:
    """One command: its time, its own processor time, its peak memory, what it printed."""

    def __init__(self, command: list[str]):
        self.peak_rss_kb = 0
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watcher = threading.Thread(target=self._watch, args=(process.pid,), daemon=True)
        watcher.start()
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
        reader.start()
        self.output = process.stdout.read()
        reader.join()
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        if process.returncode != 0:
            raise Failure(f"{command[0]} exited with {process.returncode}\n{self.output[-2000:]}\n{''.join(errors)[-2000:]}")

    def _watch(self, pid: int) -> None:
        """VmHWM only grows. rusage's ru_maxrss will not do: it counts the image before exec, which is Python's."""
        while True:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
            if not lines:
                return
            self.peak_rss_kb = max(self.peak_rss_kb, int(lines[0].split()[1]))
            time.sleep(0.05)


def parse_events(output: str) -> dict:
    """Lock time and phase durations from pgeist's JSON lines."""
    result: dict = {"phases": {}}
    begun: tuple[str, float] | None = None
    for line in output.splitlines():
        event = json.loads(line)
        at = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        if event["event"] in ("phase", "result"):
            if begun:
                name, since = begun
                result["phases"][name] = result["phases"].get(name, 0.0) + at - since
            begun = (event["name"], at) if event["event"] == "phase" else None
        elif event["event"] == "swap":
            result["lock_held_ms"] = event["lock_held_ms"]
            result["attempts"] = event["attempts"]
        elif event["event"] == "verify":
            result["verified_rows"] = event["rows"]
    return result


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
        self.server.sql("postgres", "CREATE DATABASE template_orders")
        self.server.sql("template_orders", TABLE.format(rows=self.options.rows))
        self.server.sql("template_orders", *(index.format(table="orders") for index in INDEXES))
        if "repack" in self.contenders:
            self.server.sql("template_orders", "CREATE EXTENSION pg_repack")
        self.server.sql("template_orders", "VACUUM (FREEZE, ANALYZE) orders", "CHECKPOINT")

    def describe(self) -> dict:
        size = self.server.sql(
            "template_orders", "SELECT pg_table_size('orders')", "SELECT pg_indexes_size('orders')", "SHOW server_version"
        ).splitlines()
        return {
            "rows": self.options.rows,
            "table_mb": round(int(size[0]) / 2**20),
            "indexes_mb": round(int(size[1]) / 2**20),
            "server": size[2].split()[0],
            "settings": SETTINGS,
            "cores": os.cpu_count(),
            "cpu": cpu_model(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "kernel": platform.release().split("-")[0],
            "pgeist": program_version(self.options.pgeist) if self.uses_pgeist() else None,
        }

    def uses_pgeist(self) -> bool:
        return any(name.startswith("pgeist") for name in self.contenders)

    def run_alter(self, database: str) -> dict:
        measured = Measured(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.server.uri(database),
                             "-c", f"ALTER TABLE orders {ALTER}"])
        # The statement holds ACCESS EXCLUSIVE from its first moment to its last.
        return {"seconds": measured.seconds, "lock_held_ms": measured.seconds * 1000}

    def run_pgeist(self, database: str, *change: str) -> dict:
        measured = Measured([str(self.options.pgeist), "run", "-d", self.server.uri(database), "--table", "orders", *change,
                             "--drop-old", "--yes", "--output", "json", *self.options.pgeist_options])
        return {
            "seconds": measured.seconds,
            "cpu_seconds": measured.cpu_seconds,
            "cpu_percent": 100 * measured.cpu_seconds / measured.seconds,
            "peak_rss_mb": measured.peak_rss_kb / 1024,
            **parse_events(measured.output),
        }

    def run_repack(self, database: str) -> dict:
        # pg_repack takes no URI.
        address = urllib.parse.urlsplit(self.server.base_uri)
        measured = Measured([str(self.repack), "-j", "2", "-t", "orders", "-h", str(address.hostname),
                             "-p", str(address.port), "-U", str(address.username), "-d", database])
        return {"seconds": measured.seconds, "cpu_seconds": measured.cpu_seconds, "peak_rss_mb": measured.peak_rss_kb / 1024}

    def run_floor(self, database: str) -> dict:
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.server.uri(database),
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
                result = self.contenders[name]("bench")
                self.check(name, "bench")
                results[name].append(result)
                note(f"round {number + 1}: {name:14} {result['seconds']:7.2f} s")
        self.server.sql("postgres", "DROP DATABASE IF EXISTS bench")
        return results


# Reporting -----------------------------------------------------------------------------------------------------------


def note(text: str) -> None:
    print(f"run_bench: {text}", file=sys.stderr, flush=True)


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def program_version(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


def medians(rounds: list[dict]) -> dict:
    keys = [key for key in rounds[0] if isinstance(rounds[0][key], (int, float))]
    result = {key: statistics.median(run[key] for run in rounds) for key in keys if all(key in run for run in rounds)}
    result["fastest"] = min(run["seconds"] for run in rounds)
    result["slowest"] = max(run["seconds"] for run in rounds)
    names = list(dict.fromkeys(name for run in rounds for name in run.get("phases", {})))
    if names:
        result["phases"] = {name: statistics.median(run["phases"].get(name, 0.0) for run in rounds) for name in names}
    return result


def ratio(summary: dict, one: str, other: str) -> float | None:
    if one in summary and other in summary:
        return summary[one]["seconds"] / summary[other]["seconds"]
    return None


def markdown(report: dict) -> str:
    about, summary = report["about"], report["summary"]
    titles = {
        "alter": "`ALTER TABLE … TYPE bigint` (blocking)",
        "pgeist": "`pgeist run`, all rows verified",
        "pgeist-off": "`pgeist run --verify off`",
        "repack": "`pg_repack -j 2`",
        "pgeist-repack": "`pgeist run --repack --verify off`",
        "floor": "`CREATE TABLE AS` + indexes + `ANALYZE`",
    }

    def cell(values: dict, key: str, form: str) -> str:
        return form.format(values[key]) if key in values else "–"

    lines = [
        f"{about['rows']:,} rows, {about['table_mb']} MB and {about['indexes_mb']} MB of indexes; PostgreSQL {about['server']}; "
        f"{about['cores']} cores ({about['cpu']}), {about['memory_gb']} GB; medians of {report['rounds']} interleaved rounds, "
        f"{report['date']}.",
        "",
        f"Server settings: `{about['settings']}`.",
        "",
        "| | time (fastest – slowest) | × blocking ALTER | × floor | table locked for | client peak memory | client CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, values in summary.items():
        to_alter, to_floor = ratio(summary, name, "alter"), ratio(summary, name, "floor")
        lines.append(
            f"| {titles[name]} | {values['seconds']:.1f} s ({values['fastest']:.1f} – {values['slowest']:.1f}) "
            f"| {'–' if to_alter is None else f'{to_alter:.2f}'} | {'–' if to_floor is None else f'{to_floor:.2f}'} "
            f"| {cell(values, 'lock_held_ms', '{:,.0f} ms')} | {cell(values, 'peak_rss_mb', '{:.0f} MB')} "
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


def update_readme(text: str) -> None:
    block = f"{BEGIN}\n{text}{END}"
    if README.exists():
        page = README.read_text(encoding="utf-8")
        if BEGIN in page and END in page:
            page = page[: page.index(BEGIN)] + block + page[page.index(END) + len(END) :]
        else:
            page = page.rstrip("\n") + "\n\n" + block + "\n"
    else:
        page = f"# Benchmarks\n\n{block}\n"
    README.write_text(page, encoding="utf-8")


# Program -------------------------------------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--version", type=int, default=15, choices=range(14, 19), help="PostgreSQL version (default 15)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these contenders")
    parser.add_argument("--pgeist", type=Path, default=ROOT / "build/release/pgeist", help="program to measure")
    parser.add_argument("--pgeist-options", nargs="+", default=[], metavar="OPTION",
                        help="further options for pgeist run; last on the command line, as --pgeist-options=--workers=4 …")
    parser.add_argument("--json", type=Path, help="where to write the result (default: build/bench.json)")
    parser.add_argument("--no-readme", action="store_true", help="leave bench/README.md as it is")
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
    if not shutil.which("psql"):
        sys.exit("run_bench: psql is missing; run scripts/setup.sh")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Server(options.version) as server:
            bench = Bench(options, server)
            if bench.uses_pgeist() and not os.access(options.pgeist, os.X_OK):
                sys.exit(f"run_bench: there is no {options.pgeist}; build with: cmake --preset release && cmake --build --preset release")
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
    options.json.write_text(json.dumps(report, indent=2) + "\n")
    text = markdown(report)
    print(text)
    if not options.no_readme:
        update_readme(text)
        note(f"wrote {README.relative_to(ROOT)} and {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
