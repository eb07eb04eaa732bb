#!/usr/bin/env python3
"""Loads a report (`pgeist run --report`) in headless Chromium: no script error, no request to anywhere, and the page shows what it should.

    scripts/check_report.py REPORT.html [--screenshots FOLDER]
    scripts/check_report.py --self-test      pages with mistakes must be found

Exit code 0: fine; 1: not; 77: there is no Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Where the browser itself calls home, whatever it shows. No page of ours could have a use for them.
ITS_OWN = {"accounts.google.com", "clients2.google.com", "update.googleapis.com", "optimizationguide-pa.googleapis.com"}
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-default-apps", "--disable-sync", "--hide-scrollbars", "--timeout=10000"]


def browser() -> str | None:
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def requests_outside(log: Path) -> list[str]:
    """URLs that the page asked for, but for files, data and the browser's own pages."""
    found = set()
    for event in json.loads(log.read_text(encoding="utf-8")).get("events", []):
        url = event.get("params", {}).get("url", "") if isinstance(event.get("params"), dict) else ""
        if isinstance(url, str) and url.startswith(("http:", "https:", "ws:", "wss:")) and urlsplit(url).hostname not in ITS_OWN:
            found.add(url)
    return sorted(found)


def problems_of(page: Path, program: str, wanted: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "net.json"
        result = subprocess.run([program, *QUIET, f"--user-data-dir={folder}/profile", f"--log-net-log={log}", "--enable-logging=stderr",
                                 "--dump-dom", page.resolve().as_uri()], capture_output=True, text=True, timeout=120)
        problems = [f"the browser ended with {result.returncode}"] if result.returncode != 0 else []
        problems += ["console: " + line.strip() for line in result.stderr.splitlines() if "CONSOLE" in line]
        problems += ["request: " + url for url in requests_outside(log)]
    problems += [f"the page does not show {text}" for text in wanted if text not in result.stdout]
    return problems


def screenshots(page: Path, program: str, folder: Path) -> None:
    for name, more in (("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"])):
        subprocess.run([program, *QUIET, *more, "--window-size=1060,1900", f"--screenshot={folder / name}.png", page.resolve().as_uri()],
                       capture_output=True, check=True, timeout=120)
    subprocess.run([program, *QUIET, f"--print-to-pdf={folder / 'print'}.pdf", page.resolve().as_uri()], capture_output=True, check=True,
                   timeout=120)


def self_test(program: str) -> int:
    cases = {"<script>nothing_of_this_name()</script>": "console",
             "<img src='http://127.0.0.1:9/x.png'>": "request",
             "<p>no chart</p>": "the page does not show"}
    missed = 0
    for body, kind in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            page.write_text(f"<!DOCTYPE html><title>t</title>{body}", encoding="utf-8")
            if not any(problem.startswith(kind) for problem in problems_of(page, program, ["<svg"])):
                print(f"check_report: not found: {body}", file=sys.stderr)
                missed += 1
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, nargs="?")
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    program = browser()
    if program is None:
        print("check_report: there is no Chromium", file=sys.stderr)
        return 77
    if options.self_test:
        return self_test(program)
    if options.report is None:
        parser.error("which report?")
    problems = problems_of(options.report, program, ["<svg", "Phases and locks", "Over time", "Definition"])
    if options.screenshots:
        screenshots(options.report, program, options.screenshots)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"check_report: {len(problems)} findings", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
