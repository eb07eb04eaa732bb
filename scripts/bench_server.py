"""Private servers, the table that is changed on them, and the measuring of commands: what all benchmarks share."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from huge_pages import HugePages

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "bench" / "README.md"

# Durable, and sized for the machine it was written on (24 GB). Checkpoints come between measurements, by hand: one that
# starts inside a measurement would be charged to whoever is running. min_wal_size keeps the segments written before: who
# comes first would otherwise pay for creating them.
SETTINGS = (
    "fsync=on synchronous_commit=on full_page_writes=on wal_level=replica shared_buffers=2GB maintenance_work_mem=512MB "
    "max_wal_size=32GB min_wal_size=4GB checkpoint_timeout=1h work_mem=64MB"
)

TABLE = """
CREATE TABLE orders (
    id {key_type} NOT NULL,
    customer_id int NOT NULL,
    status text NOT NULL,
    amount numeric(12,2) NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz,
    details jsonb NOT NULL,
    note text
);
INSERT INTO orders
SELECT {key}, (n * 7919::bigint % 500000)::int, (ARRAY['new', 'paid', 'packed', 'sent', 'closed'])[1 + n % 5],
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
    """A contender that did not do its work, or a server that did not do its own."""


def note(text: str) -> None:
    print(f"{Path(sys.argv[0]).stem}: {text}", file=sys.stderr, flush=True)


def client_program(name: str) -> str:
    """Debian's /usr/bin/psql is a script that looks for clusters first, for longer than many a statement takes."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return str(installed[-1]) if installed else name


PSQL = [client_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]


# Server --------------------------------------------------------------------------------------------------------------


class Server:
    """A private server that goes away with this program. Failure when a statement fails."""

    def __init__(self, version: int, settings: str = SETTINGS, name: str = "bench"):
        self.version = version
        self.settings = settings
        self.instance = f"{name}-{os.getpid()}"
        self.base_uri = ""
        self.bindir = Path()
        self.huge_pages = False
        self._pages = HugePages(settings)

    def script(self, command: str, *more: str) -> str:
        result = subprocess.run(
            [ROOT / "scripts/pg.sh", command, str(self.version), "--instance", self.instance, *more],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "PGEIST_PG_SETTINGS": f"{self.settings} huge_pages=try"},
        )
        return result.stdout.strip()

    def __enter__(self) -> Server:
        self._pages.reserve()
        try:
            self.base_uri = self.script("start").removesuffix("/postgres")
            self.bindir = Path(self.script("bindir"))
        except BaseException:
            self._pages.release()
            raise
        self.huge_pages = self._pages.obtained()
        if not self.huge_pages:
            note("the server has no huge pages (only root can reserve them): times are about page faults, too")
        return self

    def __exit__(self, *_: object) -> None:
        self.script("stop", "--mode", "immediate")
        self._pages.release()

    def time_of_ended_sessions(self) -> float:
        """Processor time of the server's processes that have ended, in seconds: a busy machine changes it less than a rate."""
        postmaster = self.sql("postgres", "SELECT pg_read_file('postmaster.pid')").splitlines()[0]
        time.sleep(0.3)  # the last one is counted when the postmaster has taken note of its end
        fields = Path(f"/proc/{postmaster}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[Path]:
        """Its data, with nobody at work on them. It is started again afterwards."""
        data = Path(self.sql("postgres", "SHOW data_directory"))
        self.script("stop", "--keep")
        try:
            yield data
        finally:
            self.base_uri = self.script("start").removesuffix("/postgres")

    def uri(self, database: str) -> str:
        return f"{self.base_uri}/{database}"

    def address(self, database: str) -> list[str]:
        """For programs that take no URI."""
        parts = urllib.parse.urlsplit(self.base_uri)
        return ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username), "-d", database]

    def sql(self, database: str, *statements: str) -> str:
        """Each statement in a transaction of its own, all in one session. What they return, a row a line."""
        command = [*PSQL, "-At", self.uri(database)]
        for statement in statements:
            command += ["-c", statement]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            raise Failure(f"{statements}: {result.stderr.strip()}")
        return result.stdout.strip()

    def make_template(self, database: str, rows: int, key_type: str = "int", key: str = "n",
                      extensions: tuple[str, ...] = (), indexes: list[str] | None = None, then: tuple[str, ...] = ()) -> None:
        """A database with nothing but the table orders and its four indexes (or `indexes`), all hint bits set."""
        self.sql("postgres", f"CREATE DATABASE {database}")
        self.sql(database, TABLE.format(rows=rows, key_type=key_type, key=key),
                 *(index.format(table="orders") for index in indexes or INDEXES),
                 *(f"CREATE EXTENSION {name}" for name in extensions),
                 *then,
                 "VACUUM (FREEZE, ANALYZE) orders", "CHECKPOINT")

    def fresh_copy(self, template: str, database: str) -> None:
        # File copies keep the very same layout, statistics and visibility map for everyone.
        strategy = "STRATEGY file_copy" if self.version >= 15 else ""
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)",
                 f"CREATE DATABASE {database} TEMPLATE {template} {strategy}")
        self.sql(database, "SELECT count(details) FROM orders", "CHECKPOINT")

    def wal_position(self) -> int:
        """Bytes of WAL written since the server was made, by anyone."""
        return int(self.sql("postgres", "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"))


class Session:
    """A session that stays open between statements: psql at the other end of a pipe. Failure when a statement fails."""

    def __init__(self, server: Server, database: str):
        self._process = subprocess.Popen([*PSQL, "-At", server.uri(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def query(self, statement: str) -> list[list[str]]:
        """Rows of columns, as text; null is empty."""
        try:
            self._process.stdin.write(f"{statement};\n\\echo end of rows\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{statement}: the session has ended") from None
        rows: list[list[str]] = []
        for line in self._process.stdout:
            if line == "end of rows\n":
                return rows
            rows.append(line.rstrip("\n").split("|"))
        raise Failure(f"{statement}: {rows}")


# Measuring -----------------------------------------------------------------------------------------------------------


class Process:
    """One command at work: what it prints, line by line, its time, its own processor time, its peak memory.

    Used as a context, it does not outlive it.
    """

    def __init__(self, command: list[str], on_line: Callable[[str], None] | None = None,
                 environment: dict[str, str] | None = None):
        self.command = command
        self.lines: list[str] = []
        self.errors = ""
        self.peak_rss_kb = 0
        self.seconds = self.cpu_seconds = 0.0
        self.returncode: int | None = None
        self._on_line = on_line
        self._begin = time.monotonic()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         text=True, env={**os.environ, **(environment or {})})
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._read_errors, self._watch)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.returncode is None:
            self.signal(signal.SIGKILL)
            self.finish()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def working(self) -> bool:
        return self._threads[0].is_alive()

    def signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self._process.pid, number)

    def finish(self, expected: tuple[int, ...] | None = None) -> int:
        """Waits for its end. Failure when it exits with anything but `expected`; None takes what comes."""
        if self.returncode is None:
            for thread in self._threads[:2]:
                thread.join()
            _, status, usage = os.wait4(self._process.pid, 0)
            self.seconds = time.monotonic() - self._begin
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
            self._process.returncode = self.returncode = os.waitstatus_to_exitcode(status)
        if expected is not None and self.returncode not in expected:
            raise Failure(f"{self.command[0]} exited with {self.returncode}\n{self.output[-2000:]}\n{self.errors[-2000:]}")
        return self.returncode

    def _read(self) -> None:
        for line in self._process.stdout:
            self.lines.append(line)
            if self._on_line:
                self._on_line(line)

    def _read_errors(self) -> None:
        self.errors = self._process.stderr.read()

    def _watch(self) -> None:
        """VmHWM only grows. rusage's ru_maxrss will not do: it counts the image before exec, which is Python's."""
        while True:
            try:
                status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
            except (FileNotFoundError, ProcessLookupError):
                return
            lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
            if not lines:
                return
            self.peak_rss_kb = max(self.peak_rss_kb, int(lines[0].split()[1]))
            time.sleep(0.05)


class Measured(Process):
    """One command, from its beginning to its end. Failure when it fails."""

    def __init__(self, command: list[str]):
        super().__init__(command)
        self.finish(expected=(0,))


def moment(event: dict) -> float:
    """Seconds since the epoch at which pgeist says that something happened."""
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def parse_events(output: str) -> dict:
    """Lock time and phase durations, in seconds, from pgeist's JSON lines."""
    result: dict = {"phases": {}}
    begun: tuple[str, float] | None = None
    for line in output.splitlines():
        event = json.loads(line)
        at = moment(event)
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


# Reporting -----------------------------------------------------------------------------------------------------------


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def program_version(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


def describe_machine(server: Server) -> dict:
    return {
        "server": server.sql("postgres", "SHOW server_version").split()[0],
        "settings": server.settings,
        "huge_pages": server.huge_pages,
        "cores": os.cpu_count(),
        "cpu": cpu_model(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": platform.release().split("-", maxsplit=1)[0],
    }


def require_program(program: Path) -> None:
    """Ends the benchmark when there is nothing to measure."""
    if not os.access(program, os.X_OK):
        sys.exit(f"{Path(sys.argv[0]).stem}: there is no {program}; build with: "
                 "cmake --preset release && cmake --build --preset release")


def add_common_options(parser: argparse.ArgumentParser, rows: int) -> None:
    parser.add_argument("--rows", type=int, default=rows, help=f"rows of the table (default {rows:,})")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; medians count (default 3)")
    parser.add_argument("--version", type=int, default=15, choices=range(14, 20), help="PostgreSQL version (default 15)")
    parser.add_argument("--pgeist", type=Path, default=ROOT / "build/release/pgeist", help="program to measure")
    parser.add_argument("--no-readme", action="store_true", help="leave bench/README.md as it is")


def replace_block(begin: str, end: str, text: str, path: Path = README) -> None:
    """Puts `text` between two markers of a page (bench/README.md), which are added when they are not there."""
    block = f"{begin}\n{text}{end}"
    page = path.read_text(encoding="utf-8") if path.exists() else "# Benchmarks\n"
    if begin in page and end in page[page.index(begin):]:
        start = page.index(begin)
        page = page[:start] + block + page[page.index(end, start) + len(end):]
    else:
        page = page.rstrip("\n") + f"\n\n{block}\n"
    path.write_text(page, encoding="utf-8")
