#!/usr/bin/env python3
"""What the trigger of `pgeist expand` costs the writers, against none and against a naive one.

  scripts/run_sync_bench.py              five interleaved rounds of 30,000 updates of each kind: four minutes
  scripts/run_sync_bench.py --smoke      one round of 500 updates: do figures come out?

A private server, a table with one column of text that has an index, one pgbench client that updates it by key, in the
processor's limits (no fsync). Contenders:

  none      the column has its second name without any trigger: what both versions would write
  naive     the usual plpgsql: IF NEW.name IS DISTINCT FROM OLD.name … ELSIF …, without conflicts or byte-wise values
  pgeist    pgeist expand --rename name=full_name

Each is measured with an update of that column, and with one of another column, which a trigger has nothing to do with.
The result is processor time of the server's session for an update, which a busy machine changes less than the rate, and
its ratio to `none`: medians of the rounds, printed as Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

from bench_server import ROOT, Failure, Server, client_program, note, require_program

SETTINGS = "fsync=off synchronous_commit=off autovacuum=off shared_buffers=512MB max_wal_size=8GB"
TABLE = (
    "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, visits int, filler text)",
    "INSERT INTO users SELECT n, 'name ' || n, 0, repeat('x', 80) FROM generate_series(1, {rows}) AS n",
    "CREATE INDEX users_name ON users (name)",
)
SECOND = (
    "ALTER TABLE users ADD COLUMN full_name text",
    "UPDATE users SET full_name = name",
    "CREATE INDEX users_full_name ON users (full_name)",
)
NAIVE = (
    """CREATE FUNCTION naive() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            NEW.full_name := coalesce(NEW.full_name, NEW.name); NEW.name := coalesce(NEW.name, NEW.full_name);
        ELSIF NEW.name IS DISTINCT FROM OLD.name THEN NEW.full_name := NEW.name;
        ELSIF NEW.full_name IS DISTINCT FROM OLD.full_name THEN NEW.name := NEW.full_name;
        END IF;
        RETURN NEW;
    END $$""",
    "CREATE TRIGGER naive BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION naive()",
)
CONTENDERS = ("none", "naive", "pgeist")
KINDS = ("column in step", "other column")


def statement_of(contender: str, kind: str) -> str:
    if kind == "other column":
        return "UPDATE users SET visits = :value WHERE id = :id;"
    # Without a trigger the application writes both.
    second = ", full_name = 'new ' || :value" if contender == "none" else ""
    return f"UPDATE users SET name = 'new ' || :value{second} WHERE id = :id;"


def prepare(server: Server, name: str, rows: int, program: Path) -> None:
    server.sql("postgres", f"CREATE DATABASE {name}")
    server.sql(name, *(statement.format(rows=rows) for statement in TABLE))
    if name == "pgeist":
        command = [str(program), "expand", "-d", server.uri(name), "--table", "users", "--rename", "name=full_name", "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    else:
        server.sql(name, *SECOND, *(NAIVE if name == "naive" else ()))
    server.sql(name, "VACUUM ANALYZE users", "CHECKPOINT")


def measure(server: Server, name: str, kind: str, rows: int, updates: int) -> float:
    """Microseconds of processor time for an update."""
    server.sql(name, "VACUUM users", "CHECKPOINT")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\set id random(1, {rows})\n\\set value random(1, 1000000)\n{statement_of(name, kind)}\n")
        script.flush()
        command = [client_program("pgbench"), "-n", "-M", "prepared", "-c", "1", "-t", str(updates), "-f", script.name,
                   *server.address(name)[:-2], name]
        before = server.time_of_ended_sessions()
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode != 0:
            raise Failure(f"pgbench on {name}: {result.stdout}")
    return 1e6 * (server.time_of_ended_sessions() - before) / updates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one round of 500 updates")
    parser.add_argument("--version", type=int, default=15, help="of PostgreSQL")
    parser.add_argument("--pgeist", type=Path, default=ROOT / "build/release/pgeist")
    options = parser.parse_args()
    require_program(options.pgeist)
    rows, rounds, updates = (1_000, 1, 500) if options.smoke else (100_000, 5, 30_000)
    with Server(options.version, SETTINGS, "sync") as server:
        for name in CONTENDERS:
            prepare(server, name, rows, options.pgeist)
        figures: dict[tuple[str, str], list[float]] = {(name, kind): [] for kind in KINDS for name in CONTENDERS}
        for turn in range(rounds):
            pairs = list(figures)
            for pair in pairs[turn % len(pairs):] + pairs[:turn % len(pairs)]:
                figures[pair].append(measure(server, *pair, rows, updates))
            note(f"round {turn + 1} of {rounds} is done")
    print("| update of | trigger | processor time of an update (least – greatest) | of none | least of none |")
    print("|---|---|---|---|---|")
    for (name, kind), of in figures.items():
        none = figures["none", kind]
        print(f"| {kind} | {name} | {statistics.median(of):.0f} ({min(of):.0f} – {max(of):.0f}) µs | "
              f"{statistics.median(of) / statistics.median(none):.2f} | {min(of) / min(none):.2f} |")


if __name__ == "__main__":
    main()
