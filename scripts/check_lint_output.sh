#!/usr/bin/env bash
# Checks what `pgeist lint` writes for other programs, and the examples of CI jobs that call it: SARIF by TypeScript
# against npm's @types/sarif, GitHub's annotations and GitLab's report field by field, the jobs' scripts in a repository
# with a changed migration.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: scripts/check_lint_output.sh [--pgeist PROGRAM] [--no-npm]

  --pgeist PROGRAM  default: build/release/pgeist
  --no-npm          leave out SARIF and the jobs' YAML, whose checks install TypeScript, @types/sarif and yaml from the
                    npm registry
USAGE
}

pgeist=$PWD/build/release/pgeist
npm=true
while [[ $# -gt 0 ]]; do
    case $1 in
        --pgeist) pgeist=$(realpath "${2:?--pgeist needs a program}"); shift ;;
        --no-npm) npm=false ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { echo "check_lint_output.sh: $*" >&2; exit 1; }
lint() { "$pgeist" lint --fail-on never "$@" || [[ $? -eq 2 ]]; }  # 2: one of the files cannot be parsed

printf -- '-- pgeist-ignore ban-drop-table: 100%% sure, it is gone\nDROP TABLE old;\nALTRE TABLE x;\n' >"$work/a, b:c%.sql"
inputs=(tests/lint/dangerous tests/lint/harmless "$work/a, b:c%.sql")

lint --output github "${inputs[@]}" >"$work/github"
scripts/check_lint_output.py github "$work/github"
lint --output gitlab "${inputs[@]}" >"$work/gitlab"
scripts/check_lint_output.py gitlab "$work/gitlab"

# The jobs' script, in a repository whose branch changes one migration and drops another.
repository=$work/repository
git init -q -b main "$repository"
(
    cd "$repository"
    git config user.email nobody@example.org
    git config user.name nobody
    mkdir -p migrations/2026
    echo "CREATE TABLE t (id int PRIMARY KEY, n int);" >"migrations/1 make.sql"
    echo "SELECT 1;" >migrations/2_gone.sql
    git add . && git commit -qm made
    git checkout -qb change
    git rm -q migrations/2_gone.sql
    echo "ALTER TABLE t ALTER n TYPE bigint;" >migrations/2026/3_type.sql
    git add . && git commit -qm changed
)
changed() { (cd "$repository" && PGEIST=$pgeist "$OLDPWD/examples/ci/lint-changed.sh" "$@"); }
code=0
changed main --output json >"$work/changed" || code=$?
[[ $code -eq 1 ]] || die "lint-changed.sh: exit code $code"
grep -q '"file":"migrations/2026/3_type.sql"' "$work/changed" || die "lint-changed.sh: the changed file is not linted"
! grep -q 'make.sql' "$work/changed" || die "lint-changed.sh: a file that has not changed is linted"
grep -q '"files":1,' "$work/changed" || die "lint-changed.sh: not one file"
[[ -z $(changed HEAD 2>/dev/null) ]] || die "lint-changed.sh: nothing has changed, and yet something is written"

if $npm; then
    cp scripts/lint_output/sarif.ts "$work/"
    cat >"$work/tsconfig.json" <<'JSON'
{"compilerOptions": {"strict": true, "module": "commonjs", "target": "es2022", "resolveJsonModule": true,
 "esModuleInterop": true, "types": ["sarif", "node"], "outDir": "out"}, "files": ["sarif.ts"]}
JSON
    echo '{"name": "check", "version": "1.0.0", "private": true}' >"$work/package.json"
    (cd "$work" && npm install --silent --no-audit --no-fund typescript@5 @types/sarif@2 @types/node@20 yaml@2 >/dev/null)
    for file in examples/ci/*.yml; do
        (cd "$work" && node -e 'console.log(JSON.stringify(require("yaml").parse(require("fs").readFileSync(0, "utf8"))))') \
            <"$file" >"$work/$(basename "$file" .yml).json"
    done
    scripts/check_lint_output.py ci "$work/github-workflow.json" "$work/gitlab-job.json"
    lint --output sarif "${inputs[@]}" >"$work/log.json"
    (cd "$work" && npx --no-install tsc -p . && node out/sarif.js)
fi
echo "check_lint_output.sh: all formats are as documented" >&2
