#!/usr/bin/env python3
"""Measures what pgeist promises about speed, each promise against its goal.

  scripts/run_goals.py --list            what there is
  scripts/run_goals.py                   all of it, into bench/README.md: some hours at the default size
  scripts/run_goals.py replay swap       only these; the rows of the others in bench/README.md stay
  scripts/run_goals.py --smoke           tiny tables, a second each: do figures come out?

A private server with durable settings is started. Contenders take turns in one run, so that a slow spell of the machine
hits everyone, and medians are compared. A goal that is missed is told, and is no error; a measure whose work was not done
is one. Whole runs against the blocking ALTER TABLE and pg_repack: scripts/run_bench.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench_server import (README, ROOT, SETTINGS, Failure, Server, add_common_options, client_program, describe_machine,
                          note, program_version, replace_block, require_program)
from goals import (application, bulk, capture, catalog, converge, group, rehearsal, repacking, replay, revert, scale, snapshot,
                   swap, tool, uuid_key, window)
from goals.frame import Context, Finding

MEASURES = {module.NAME: module
            for module in (scale, uuid_key, application, capture, bulk, replay, converge, snapshot, tool, swap, group,
                           catalog, revert, window, rehearsal, repacking)}
BEGIN, END = "<!-- goals: begin (scripts/run_goals.py) -->", "<!-- goals: end -->"


def run_measures(context: Context, names: list[str]) -> tuple[dict[str, list[Finding]], list[str]]:
    """What was found, and the names of those that failed: one that does leaves the others their turn."""
    found: dict[str, list[Finding]] = {}
    failed = []
    for name in names:
        begin = time.monotonic()
        try:
            figures = MEASURES[name].measure(context)
            if figures is None:
                continue  # not to be measured here, as it has told
            if not figures or not all(math.isfinite(one.ratio) and one.ratio >= 0 for one in figures):
                raise Failure(f"no figures: {figures}")
            found[name] = figures
        except Failure as failure:
            note(f"error: {name}: {failure}")
            failed.append(name)
        note(f"{name}: took {time.monotonic() - begin:.0f} s")
    context.server.sql("postgres", "DROP DATABASE IF EXISTS bench WITH (FORCE)")
    return found, failed


def row(finding: Finding, about: dict) -> str:
    verdict = "" if finding.met else "**missed:** "
    rounds = "1 round" if about["rounds"] == 1 else f"{about['rounds']} rounds"
    circumstances = f"{about['rows']:,} rows, {rounds}, PostgreSQL {about['server']}, {about['pgeist']}, {about['date']}"
    return f"| {finding.what} | {finding.goal} | {verdict}{finding.measured} | {finding.how}; {circumstances} |"


def table(findings: list[Finding], about: dict, others: list[str]) -> str:
    """The table in Markdown; `others` are rows that were measured before and stay."""
    lines = [
        f"{about['cores']} cores ({about['cpu']}), {about['memory_gb']} GB; "
        "medians (least – greatest). Rows are those of the table, where nothing else is said. "
        f"Server settings: `{about['settings']}`; {'with' if about['huge_pages'] else 'without'} huge pages.",
        "",
        "| what | goal | measured | how |",
        "|---|---|---|---|",
        *(row(finding, about) for finding in findings),
        *others,
    ]
    return "\n".join(lines) + "\n"


def other_rows(findings: list[Finding]) -> list[str]:
    """The rows of bench/README.md that are of something else."""
    page = README.read_text(encoding="utf-8") if README.exists() else ""
    if BEGIN not in page:
        return []
    block = page.split(BEGIN, 1)[1].split(END, 1)[0]
    rows = [line for line in block.splitlines() if line.startswith("| ") and not line.startswith("| what |")]
    measured = {finding.what for finding in findings}
    return [line for line in rows if line.split(" | ", 1)[0].removeprefix("| ") not in measured]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these measures (--list)")
    add_common_options(parser, rows=1_000_000)
    parser.add_argument("--json", type=Path, help="where to write all figures (default: build/goals.json)")
    parser.add_argument("--smoke", action="store_true",
                        help="2,000 rows, one round, nothing written but the JSON: do figures come out?")
    parser.add_argument("--list", action="store_true", help="name the measures, and end")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in MEASURES]
    if unknown:
        parser.error(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    if options.rows < 1 or options.rounds < 1:
        parser.error("--rows and --rounds must be positive")
    if options.smoke:
        options.rows, options.rounds, options.no_readme = 2_000, 1, True
    options.names = [name for name in MEASURES if not options.names or name in options.names]
    options.json = options.json or ROOT / "build/goals.json"
    return options


def main() -> int:
    options = parse_arguments()
    sys.stdout.reconfigure(encoding="utf-8")
    if options.list:
        for name, module in MEASURES.items():
            print(f"{name:12} {module.__doc__.splitlines()[0]}")
        return 0
    for program in ("psql", "pgbench"):
        if not shutil.which(client_program(program)):
            sys.exit(f"run_goals: {program} is missing; run scripts/setup.sh")
    require_program(options.pgeist)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = SETTINGS.replace("fsync=on", "fsync=off") if options.smoke else SETTINGS
    with Server(options.version, settings, "goals") as server, tempfile.TemporaryDirectory(prefix="pgeist-goals-") as folder:
        context = Context(server, options.pgeist, options.rows, options.rounds, options.smoke, Path(folder))
        about = {"date": datetime.date.today().isoformat(), "rows": options.rows, "rounds": options.rounds,
                 "pgeist": program_version(options.pgeist), **describe_machine(server)}
        found, failed = run_measures(context, options.names)
    report = {"about": about, "failed": failed,
              "findings": {name: [dataclasses.asdict(finding) for finding in findings] for name, findings in found.items()}}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    findings = [finding for several in found.values() for finding in several]
    print(table(findings, about, []))
    if findings and not options.no_readme:
        replace_block(BEGIN, END, table(findings, about, other_rows(findings)))
        note(f"wrote {README.relative_to(ROOT)} and {options.json}")
    if failed:
        note(f"error: not measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
