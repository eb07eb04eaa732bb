#!/usr/bin/env python3
"""How long `pgeist lint` takes for 1,000 statements, without a connection and with one.

    scripts/run_lint_bench.py [--pgeist PROGRAM] [--server URI] [--statements N] [--rounds N] [--write]

Makes a database of its own with 200 tables (or --server's, whose role must be allowed to), and files of 100 statements
each. Told are medians; --write puts them into bench/README.md.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
TABLES = 200
KINDS = [
    "ALTER TABLE app.t{n} ADD COLUMN d{i} timestamptz NOT NULL DEFAULT now(), ADD COLUMN e{i} text;",
    "CREATE INDEX CONCURRENTLY t{n}_a{i} ON app.t{n} (a, lower(b)) WHERE c > 1;",
    "ALTER TABLE app.t{n} ADD CONSTRAINT f{i} FOREIGN KEY (a) REFERENCES app.t0 (id) NOT VALID;",
    "UPDATE app.t{n} SET a = a + 1 WHERE b IN ('x', 'y') AND c BETWEEN 1 AND 2;",
    "ALTER TABLE app.t{n} ALTER COLUMN b TYPE varchar({w});",
    "ALTER TABLE app.t{n} ALTER COLUMN a SET NOT NULL;",
    "CREATE TABLE app.n{i} (id int PRIMARY KEY, t_id int REFERENCES app.t{n});",
    "ALTER TABLE app.t{n} ADD CONSTRAINT k{i} CHECK (a > {i}) NOT VALID;",
    "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_class) THEN ALTER TABLE app.t{n} ADD COLUMN g{i} int; END IF; END $$;",
    "COMMENT ON COLUMN app.t{n}.a IS 'number {i}';",
]


def run(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def write_files(folder, statements):
    lines = [KINDS[i % len(KINDS)].format(n=i * 7 % TABLES, i=i, w=20 + i) for i in range(statements)]
    for at in range(0, statements, 100):
        (folder / f"V{at // 100 + 1}.sql").write_text("\n".join(lines[at:at + 100]) + "\n")


def measure(command, rounds):
    times = []
    for _ in range(rounds):
        begin = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        times.append(time.monotonic() - begin)
        if done.returncode not in (0, 1):
            sys.exit(f"run_lint_bench.py: exit code {done.returncode} of {' '.join(command)}")
    return statistics.median(times), done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgeist", default=str(root / "build/release/pgeist"))
    parser.add_argument("--server")
    parser.add_argument("--statements", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()

    instance = f"lint-bench-{time.time_ns() % 100000}"
    pg = str(root / "scripts/pg.sh")
    server = options.server or run(pg, "start", "15", "--instance", instance)
    try:
        run("psql", "-X", "-q", "-d", server, "-c", "DROP DATABASE IF EXISTS pgeist_lint_bench", "-c",
            "CREATE DATABASE pgeist_lint_bench")
        database = server.rsplit("/", 1)[0] + "/pgeist_lint_bench"
        tables = "; ".join(
            f"CREATE TABLE app.t{n} (id int PRIMARY KEY, a int, b varchar(10), c numeric(10,2), CHECK (c > 0)); "
            f"CREATE INDEX ON app.t{n} (b); INSERT INTO app.t{n} SELECT i, i, 'b', i FROM generate_series(1, 1000) AS i"
            for n in range(TABLES))
        run("psql", "-X", "-q", "-d", database, "-c", "CREATE SCHEMA app", "-c", tables, "-c", "ANALYZE")
        with tempfile.TemporaryDirectory() as folder:
            write_files(pathlib.Path(folder), options.statements)
            lint = [options.pgeist, "lint", "--output", "json", folder]
            without, _ = measure(lint, options.rounds)
            connected, told = measure([*lint, "-d", database], options.rounds)
        tried = told.count('"evidence":"tried"')
        if tried < options.statements // 4:
            sys.exit(f"run_lint_bench.py: only {tried} findings are tried")
        run("psql", "-X", "-q", "-d", server, "-c", "DROP DATABASE pgeist_lint_bench")
    finally:
        if not options.server:
            run(pg, "stop", "15", "--instance", instance, "--mode", "immediate")
    text = (f"{options.statements:,} statements in {options.statements // 100} files, {TABLES} tables: "
            f"{without:.2f} s without a connection, {connected:.1f} s with one (medians of {options.rounds}).")
    print(text)
    if options.write:
        page = root / "bench/README.md"
        begin, end = "<!-- lint: begin (scripts/run_lint_bench.py --write) -->\n", "<!-- lint: end -->"
        before, rest = page.read_text().split(begin)
        page.write_text(before + begin + text + "\n" + end + rest.split(end, 1)[1])


if __name__ == "__main__":
    main()
