#!/usr/bin/env python3
"""Compares what `pgeist lint` writes for GitHub and GitLab with their documented formats, field by field.

    check_lint_output.py github FILE
    check_lint_output.py gitlab FILE
    check_lint_output.py ci FILE...     CI jobs, as JSON: that they have what such a file must have

GitHub: https://docs.github.com/actions/reference/workflow-commands-for-github-actions (error, warning, notice: file,
line, endLine, col, endColumn, title; data escapes %, CR and LF, properties also : and ,).
GitLab: https://docs.gitlab.com/ci/testing/code_quality (description, check_name, fingerprint, severity, location.path,
location.lines.begin or location.positions.begin.line; paths relative and without ./).
"""
import json
import pathlib
import re
import sys


def die(message):
    sys.exit(f"check_lint_output.py: {message}")


def check_github(text):
    command = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")
    known = {"file", "line", "endLine", "col", "endColumn", "title"}
    count = 0
    for line in text.split("\n")[:-1]:
        found = command.fullmatch(line)
        if not found:
            die(f"no workflow command: {line}")
        fields = {}
        for part in found[2].split(","):
            name, equals, value = part.partition("=")
            if not equals or name not in known or name in fields:
                die(f"property {part!r} in {line}")
            fields[name] = value
        for name in ("file", "title"):
            if not fields.get(name):
                die(f"{name} is missing in {line}")
        for name in ("line", "endLine", "col"):
            if name in fields and not re.fullmatch(r"[1-9]\d*", fields[name]):
                die(f"{name} is no number in {line}")
        if int(fields.get("endLine", fields["line"])) < int(fields["line"]):
            die(f"it ends before it begins: {line}")
        for text_of in (*fields.values(), found[3]):
            if re.search(r"%(?!25|0D|0A|3A|2C)", text_of):
                die(f"a % that is not escaped: {line}")
        if not found[3]:
            die(f"no message: {line}")
        count += 1
    if text and not text.endswith("\n"):
        die("the last line does not end")
    print(f"{count} annotations are as GitHub documents them")


def check_gitlab(text):
    issues = json.loads(text)
    if not isinstance(issues, list):
        die("no array")
    severities = {"info", "minor", "major", "critical", "blocker"}
    prints = set()
    for each in issues:
        if set(each) != {"description", "check_name", "fingerprint", "severity", "location"}:
            die(f"fields {sorted(each)}")
        for name in ("description", "check_name", "fingerprint"):
            if not isinstance(each[name], str) or not each[name]:
                die(f"{name} of {each}")
        if each["severity"] not in severities:
            die(f"severity {each['severity']}")
        location = each["location"]
        if set(location) != {"path", "lines"} or set(location["lines"]) != {"begin"}:
            die(f"location {location}")
        if location["path"].startswith(("./", "/")) and not location["path"].startswith("/tmp"):
            die(f"path {location['path']}")
        if not isinstance(location["lines"]["begin"], int) or location["lines"]["begin"] < 1:
            die(f"line of {each}")
        if each["fingerprint"] in prints:
            die(f"two issues have one fingerprint: {each}")
        prints.add(each["fingerprint"])
    print(f"{len(issues)} issues are as GitLab documents them")


def check_ci(paths):
    for path in paths:
        document = json.loads(pathlib.Path(path).read_text())
        if "jobs" in document:  # GitHub
            if not {"name", "on", "jobs", "permissions"} <= set(document):
                die(f"{path}: {sorted(map(str, document))}")
            for job in document["jobs"].values():
                if not job.get("runs-on") or not all(("run" in step) != ("uses" in step) for step in job["steps"]):
                    die(f"{path}: steps")
        else:
            for name, job in document.items():
                unknown = set(job) - {"stage", "image", "rules", "variables", "script", "artifacts"}
                if unknown or not all(isinstance(line, str) for line in job["script"]):
                    die(f"{path}: {name}: {unknown}")
                if "codequality" not in job["artifacts"]["reports"]:
                    die(f"{path}: no report")
        print(f"{path} is as its CI reads it")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("github", "gitlab", "ci"):
        sys.exit(__doc__)
    if sys.argv[1] == "ci":
        check_ci(sys.argv[2:])
    else:
        text = pathlib.Path(sys.argv[2]).read_text()
        check_github(text) if sys.argv[1] == "github" else check_gitlab(text)


if __name__ == "__main__":
    main()
