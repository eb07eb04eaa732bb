#!/usr/bin/env python3
"""Checks the documents against the program: links, exit codes, and every option and command that they name.

    scripts/check_docs.py [--pgeist PROGRAM]      default: build/release/pgeist; without it only links and exit codes
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["plan", "run", "status", "resume", "pause", "continue", "swap", "cancel", "set", "verify", "revert", "cleanup",
            "repack-candidates", "lint", "backfill", "expand", "contract", "rehearse"]
# Options of other programs that the documents mention.
FOREIGN = {"--build", "--preset", "--install", "--test-dir", "--output-on-failure", "--fix", "--quick", "--changed",
           "--fake", "--create-only", "--applied"}


def documents() -> list[Path]:
    return sorted(page for pattern in ("*.md", "[a-z]*/*.md", "tests/*/*.md") for page in ROOT.glob(pattern))


def broken_links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [f"{page.relative_to(ROOT)}: link to {target}, which is not there"
            for target in targets if "://" not in target and not (page.parent / target).exists()]


def missing_files(page: Path) -> list[str]:
    """Files and folders that the picture of the house names as there, by their place in src/ or include/pgeist/."""
    problems = []
    text = page.read_text(encoding="utf-8").split("\n## What comes")[0]
    for name in re.findall(r"`([\w*]+(?:/[\w*]+)*(?:\.(?:hpp|cpp|sql|cmake)|/))`", text):
        if not any(any(folder.glob(name.rstrip("/"))) for folder in (ROOT, ROOT / "src", ROOT / "include/pgeist")):
            problems.append(f"{page.relative_to(ROOT)}: {name} is not there")
    return problems


def exit_codes() -> list[str]:
    header = (ROOT / "include/pgeist/core/exit_code.hpp").read_text(encoding="utf-8")
    defined = set(re.findall(r"^\s*\w+ = (\d+),", header, re.MULTILINE))
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Exit codes\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| (\d+) \|", section, re.MULTILINE))
    return [f"README.md: exit code {code} is in one of README and exit_code.hpp only" for code in sorted(defined ^ documented)]


def help_text(program: Path, *command: str) -> str | None:
    result = subprocess.run([program, *command, "--help"], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


def unknown_names(program: Path) -> list[str]:
    overview = help_text(program)
    if overview is None:
        return [f"{program} --help fails"]
    helps = {command: help_text(program, command) for command in COMMANDS}
    text = overview + "".join(each for each in helps.values() if each)
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    problems = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
            # Lines about the scripts, cmake and so on speak of other programs.
            if re.search(r"scripts/|\.ci/|^\s*(cmake|ctest)", line):
                continue
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line):
                if option not in known | FOREIGN:
                    problems.append(f"{page.relative_to(ROOT)}:{number}: no command has an option {option}")
            for command in re.findall(r"\bpgeist ([a-z]+)\b(?=[^a-z]*[-`])", line):
                if command in COMMANDS and helps[command] is None:
                    problems.append(f"{page.relative_to(ROOT)}:{number}: there is no command {command}")
    return problems


def option_names(text: str) -> set[str]:
    """The options that a help text lists: those at the beginning of a line, not those that others mention, nor those that are to come."""
    entries = re.findall(r"^ +(?:-\w, )?(--[a-z][a-z-]*)(.*?)(?=^ +(?:-\w, )?--|^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name for name, words in entries if "not available in this version" not in " ".join(words.split())}


def differences(what: str, here: set[str], in_what: str, there: set[str]) -> list[str]:
    return ([f"{what} has {name}, {in_what} has not" for name in sorted(here - there)] +
            [f"{in_what} has {name}, {what} has not" for name in sorted(there - here)])


def options_of_help_and_page(helps: dict[str, str], page: str) -> list[str]:
    """Every option of a --help is in docs/options.md, and the other way round; likewise what `pgeist set` can change."""
    listed = set().union(*(option_names(text) for text in helps.values()))
    rows = {name: cell.strip() for name, cell in re.findall(r"^\| `(?:-\w, )?(--[a-z][a-z-]*).*?` \|.*?\|(.*?)\|", page, re.MULTILINE)}
    problems = differences("--help", listed, "docs/options.md", set(rows))
    told = re.search(r"What can be set: (.*?)\. Only to off: (.*?)\.\n", helps["set"], re.DOTALL)
    if told is None:
        return problems + ["pgeist set --help does not say what can be set"]
    for words, cell in zip(told.groups(), ("yes", "off")):
        names = {"--" + name for name in re.split(r",\s+", words)}
        problems += differences("pgeist set --help", names, f"docs/options.md, \"{cell}\",", {name for name, given in rows.items() if given == cell})
    return problems


def undocumented(program: Path) -> list[str]:
    helps = {command: text for command in COMMANDS if (text := help_text(program, command)) is not None}
    return options_of_help_and_page(helps, (ROOT / "docs/options.md").read_text(encoding="utf-8"))


def self_test() -> int:
    """Mistakes of both kinds must be found."""
    helps = {"run": "  --workers N  how many, see --nice\n  -d, --dbname X\n  --later  it (not available in\n      this version)\n", "set": "What can be set: workers. Only to off: query.\n"}
    page = "| `--workers N` | 2 | yes | . |\n| `-d, --dbname X` |  |  | . |\n| `--query SQL` | off | off | . |\n"
    cases = [(helps | {"run": helps["run"] + "  --query SQL\n"}, page, 0),
             (helps, page, 1),
             (helps | {"run": helps["run"] + "  --query SQL\n  --nice R\n"}, page, 1),
             (helps | {"run": helps["run"] + "  --query SQL\n", "set": "What can be set: workers, query. Only to off: x.\n"}, page, 3),
             (helps | {"run": helps["run"] + "  --query SQL\n", "set": "nothing"}, page, 1)]
    wrong = [at for at, (help_texts, text, count) in enumerate(cases) if len(options_of_help_and_page(help_texts, text)) != count]
    print(f"check_docs: self-test, {len(wrong)} of {len(cases)} cases wrong: {wrong}", file=sys.stderr)
    return 1 if wrong else 0


def outdated_references(program: Path) -> list[str]:
    problems = []
    for what, page in (("markdown", "docs/options.md"), ("lint", "docs/lint.md"), ("methods", "docs/methods.md")):
        printed = subprocess.run([program, "--print", what], capture_output=True, text=True, check=True).stdout
        if not (ROOT / page).exists() or (ROOT / page).read_text(encoding="utf-8") != printed:
            problems.append(f"{page} is not what the program prints: {program} --print {what} > {page}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgeist", type=Path, default=ROOT / "build/release/pgeist")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    program = options.pgeist
    problems = [problem for page in documents() for problem in broken_links(page)] + exit_codes()
    problems += missing_files(ROOT / "docs/architecture.md")
    if os.access(program, os.X_OK):
        problems += unknown_names(program) + undocumented(program) + outdated_references(program)
    else:
        print(f"check_docs: there is no {program}: options and commands not checked", file=sys.stderr)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"check_docs: {len(problems)} findings", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
