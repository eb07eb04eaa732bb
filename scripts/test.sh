#!/usr/bin/env bash
# Sets up, builds and runs everything that can be checked: sources, unit tests, then integration and end-to-end tests
# against private PostgreSQL servers of several versions.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: scripts/test.sh [OPTIONS]

  --versions "15 18"  PostgreSQL versions to test against (default: 14 18 19, and 15 where one version is enough)
  --all-versions      14 15 16 17 18 19, all tests on each, and the slow source checks; otherwise only those in which the
                      server's version counts (labels "…-server") run on each, those of what the program does by itself
                      ("e2e-program") on one: 15, or the first of --versions; all others are dealt out among the versions
  --label LABEL       only these tests: unit, integration or e2e; may be repeated
  --filter REGEX      only tests with a name that matches
  --quick             PostgreSQL 15 alone, release build alone, no demo, no benchmark
  --no-setup          do not look for missing packages

All steps run even if one fails; the last line counts them all. Where PostgreSQL 19 cannot be fetched, its tests are
named as not run. Results as JUnit XML are in build/test-results/.
Jobs: PGEIST_JOBS (default: number of cores). With CI=true a server that cannot be started is a failure.
USAGE
}

versions="14 18 19"
program_version=15  # Debian's own
everywhere=false
labels=()
filter=
quick=false
setup=true
while [[ $# -gt 0 ]]; do
    case $1 in
        --versions)
            versions=${2:?--versions needs a list}
            [[ " $versions " == *" 15 "* ]] || program_version=${versions%% *}
            shift
            ;;
        --all-versions) versions="14 15 16 17 18 19"; everywhere=true ;;
        --label) labels+=("${2:?--label needs a name}"); shift ;;
        --filter) filter=${2:?--filter needs an expression}; shift ;;
        --quick) quick=true ;;
        --no-setup) setup=false ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
$quick && versions=15 program_version=15
everything=false
if [[ ${#labels[@]} -eq 0 ]]; then
    labels=(unit integration e2e)
    [[ -n $filter ]] || everything=true
fi
for label in "${labels[@]}"; do
    [[ $label =~ ^(unit|integration|e2e)$ ]] || { usage >&2; exit 2; }
done

jobs=${PGEIST_JOBS:-$(nproc)}
results=$PWD/build/test-results
instance=suite-$$
started=()
outcomes=()
failures=()  # what each failed step said, repeated at the end: the start of a long log is often cut off
mkdir -p "$results"
rm -f "$results"/*.xml

export PGEIST_REQUIRE_SERVER=1
export UBSAN_OPTIONS=print_stacktrace=1
export PGEIST_BIN=$PWD/build/release/pgeist

# Hundreds of databases are made and dropped: in memory, where there is enough of it, that takes a third less time.
in_memory=
if [[ -z ${PGEIST_PG_DIR:-} && $(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1) -gt 6000000 ]]; then
    in_memory=/dev/shm/pgeist-$$
    export PGEIST_PG_DIR=$in_memory
fi

# On a virtual machine a page fault costs some 10 µs, and compilers, servers and their sessions live on fresh memory: with
# huge pages a build takes three quarters of the time. They are the machine's setting: as root, in CI, until the end.
transparent=/sys/kernel/mm/transparent_hugepage
pages_before=()
use_huge_pages() {
    local setting chosen
    for setting in enabled shmem_enabled; do
        chosen=$(grep -o '\[[a-z_]*\]' "$transparent/$setting" 2>/dev/null) || continue
        [[ -w $transparent/$setting && ${CI:-} == true ]] || continue
        pages_before+=("$setting ${chosen//[\[\]]/}")
        echo always >"$transparent/$setting"
    done
}
restore_pages() {
    local each
    for each in ${pages_before[@]+"${pages_before[@]}"}; do
        echo "${each#* }" >"$transparent/${each% *}"
    done
}

stop_servers() {
    local version
    for version in ${started[@]+"${started[@]}"}; do
        scripts/pg.sh stop "$version" --instance "$instance" --mode immediate || true
    done
    [[ -z $in_memory ]] || rm -rf "$in_memory"
}
trap 'stop_servers; restore_pages' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What a step's failed tests printed, 40 lines of each; or its last lines, where it has no tests.
what_failed() { # LOG
    awk -v most=40 '
        function tell(  i) {
            if (kept == 0) return
            print title
            for (i = kept > most ? kept - most + 1 : 1; i <= kept; i++) print lines[i]
            kept = 0; told = 1
        }
        / Test +#[0-9]+: / || /^ +Start +[0-9]+: / || /tests passed, / {
            tell()
            inside = /\*\*\*(Failed|Timeout|Exception|Not Run)/
            title = $0
            next
        }
        inside { lines[++kept] = $0 }
        END { tell(); exit !told }' "$1" || tail -n 25 "$1"
}

# step NAME COMMAND...: runs it, times it, remembers whether it failed, goes on.
step() {
    local name=$1 begin=$SECONDS verdict=ok
    shift
    printf '\n=== %s\n' "$name"
    "$@" > >(tee "$results/step.log") 2>&1 || verdict=FAILED
    if [[ $verdict == FAILED ]]; then
        sleep 1  # tee may still be writing
        failures+=("--- $name" "$(what_failed "$results/step.log")")
    fi
    outcomes+=("$(printf '%-6s %5ds  %s' "$verdict" $((SECONDS - begin)) "$name")")
    [[ $verdict == ok ]]
}

# A step that has no test report of its own counts as one test.
counted_step() {
    local failures=0
    step "$@" || failures=1
    printf '<testsuite tests="1" failures="%d" skipped="0"/>\n' "$failures" >"$results/step-${#outcomes[@]}.xml"
}

build() { # PRESET TARGET...
    local preset=$1
    shift
    # The preset's own build folder may be left from another checkout or compiler: cmake says so, and then it goes.
    cmake --preset "$preset" >"build/configure-$preset.log" 2>&1 ||
        { cat "build/configure-$preset.log"; return 1; }
    cmake --build --preset "$preset" -j "$jobs" --target "$@"
}

run_ctest() { # PRESET LABELS REPORT [CTEST-OPTION...]
    local -a more=(--no-tests=error "${@:4}")
    local at_once=$jobs
    [[ $2 != ^e2e* ]] || at_once=$((2 * jobs))  # they wait for the server more than they compute
    [[ -z $filter ]] || more=(-R "$filter" --no-tests=ignore "${@:4}")
    ctest --test-dir "build/$1" -L "$2" -j "$at_once" --output-on-failure --timeout 600 \
        --output-junit "$results/$3.xml" "${more[@]}"
}

# The unit tests in one process: starting each with sanitizers would take twenty times as long as the test.
run_units() { # PRESET
    [[ -z $filter ]] || { run_ctest "$1" '^unit' unit; return; }
    timeout 600 "build/$1/tests/unit/pgeist_unit_tests" --gtest_brief=1 --gtest_output="xml:$results/unit.xml"
}

# The tests of a ring that are this version's: all; or those for each server, and its share of those that are dealt out.
ring_on_server() { # PRESET RING TITLE VERSION
    local preset=$1 ring=$2 title="$3, PostgreSQL $4" version=$4
    if $everywhere; then
        step "$title" run_ctest "$preset" "^$ring" "$ring-$version" || true
        return
    fi
    local kinds=
    [[ " $versions " != *" $version "* ]] || kinds=server
    [[ $ring != e2e || $version != "$program_version" ]] || kinds+=${kinds:+|}program
    [[ -z $kinds ]] || step "$title" run_ctest "$preset" "^$ring-($kinds)$" "$ring-$version" || true
    local place=0 each
    for each in "${servers[@]}"; do
        place=$((place + 1))
        [[ $each != "$version" ]] || break
    done
    local -a share=()
    [[ ${#servers[@]} -eq 1 || -n $filter ]] || share=(-I "$place,,${#servers[@]}")
    step "$title, its share" run_ctest "$preset" "^$ring$" "$ring-$version-share" "${share[@]}" || true
}

wants() { [[ " ${labels[*]} " == *" $1 "* ]]; }

source_checks() {
    local script
    for script in scripts/*.sh .ci/run; do
        bash -n "$script"
    done
    counted_step "format" scripts/check_format.sh
    counted_step "coroutine lint, self-test" scripts/lint_coroutines.py --self-test
    counted_step "coroutine lint" scripts/lint_coroutines.py
    ! $everywhere || counted_step "headers compile alone" scripts/check_self_contained.sh
}

# Sets `dsn` to the server's address; 1 when it cannot be had.
start_server() { # VERSION
    dsn=$(scripts/pg.sh start "$1" --instance "$instance") || return 1
    started+=("$1")
}

# Loads a report with every kind of chart as a reader would, and looks that it runs and fetches nothing.
report_in_a_browser() {
    if ! command -v chromium >/dev/null; then
        echo "there is no chromium: scripts/setup.sh installs it"
        [[ ${CI:-} != true ]]
        return
    fi
    local uri
    uri=$(scripts/pg.sh start 15 --instance "$instance") || return 1
    started+=(15)
    psql -X -q -d "$uri" -c "CREATE TABLE public.reported AS SELECT i AS id, 'note ' || i AS note FROM generate_series(1, 100000) AS i" \
        -c "ALTER TABLE public.reported ADD PRIMARY KEY (id)" || return 1
    build/release/pgeist run -d "$uri" --table reported --alter "ALTER COLUMN id TYPE bigint" --method copy --max-rate 50000 --quiet \
        --report "$results/report.html" || return 1
    scripts/check_report.py --self-test && scripts/check_report.py "$results/report.html"
}

server_tests() { # VERSION
    local version=$1
    if [[ $version == 19 ]] && ! scripts/pg.sh bindir 19 >/dev/null; then
        outcomes+=("NOT RUN       tests on PostgreSQL 19: its server cannot be fetched")
        return 0
    fi
    if ! step "start PostgreSQL $version" start_server "$version"; then
        if [[ ${CI:-} != true ]]; then
            outcomes[-1]="SKIPPED       PostgreSQL $version: no server to be had"
        fi
        return 0
    fi
    export PGEIST_TEST_DSN=$dsn
    if wants integration && [[ -n $test_preset ]]; then
        ring_on_server "$test_preset" integration "integration tests" "$version"
    fi
    if wants e2e && $have_release; then
        ring_on_server release e2e "end-to-end tests" "$version"
    fi
    unset PGEIST_TEST_DSN
    scripts/pg.sh stop "$version" --instance "$instance" --mode immediate
    started=()
}

summary() {
    python3 - "$results" "${outcomes[@]}" <<'PYTHON'
import pathlib, sys, xml.etree.ElementTree as xml
passed = failed = skipped = 0
for report in pathlib.Path(sys.argv[1]).glob("*.xml"):
    suite = xml.parse(report).getroot()
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "skipped", "disabled")}
    for case in suite.iter("testcase"):
        if case.find("skipped") is not None:
            print("skipped:", report.stem, case.get("name"))
    failed += count["failures"]
    skipped += count["skipped"] + count["disabled"]
    passed += count["tests"] - count["failures"] - count["skipped"] - count["disabled"]
# A step that failed before it could report, such as a build, counts too.
failed = max(failed, sum(outcome.startswith("FAILED") for outcome in sys.argv[2:]))
print("\n=== summary", *sys.argv[2:], sep="\n")
print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
PYTHON
}

use_huge_pages
if $setup; then
    scripts/setup.sh
fi
if $everything; then
    source_checks
fi

# Unit and integration tests run with sanitizers, end-to-end tests with what users get.
test_preset=asan
$quick && test_preset=release
have_release=false
released=(pgeist pgeist_e2e_test pgeist_e2e_revert_test pgeist_micro_bench)
$quick && released=(all)
if { wants e2e || $quick; } && step "build release" build release "${released[@]}"; then
    have_release=true
fi
if $quick; then
    $have_release || test_preset=
elif wants unit || wants integration; then
    step "build $test_preset" build "$test_preset" pgeist_unit_tests pgeist_integration_tests \
        pgeist_probe_tests pgeist_way_back_tests || test_preset=
fi

if wants unit && [[ -n $test_preset ]]; then
    step "unit tests" run_units "$test_preset" || true
fi
if wants integration || wants e2e; then
    mapfile -t servers < <(printf '%s\n' $versions "$program_version" | sort -un)
    for version in "${servers[@]}"; do
        server_tests "$version"
    done
fi
if $everything && $have_release; then
    counted_step "document check, self-test" scripts/check_docs.py --self-test
    counted_step "documents agree with the program" scripts/check_docs.py
    counted_step "examples" scripts/check_examples.sh
    counted_step "lint's formats and CI examples" scripts/check_lint_output.sh
    counted_step "a report in a browser" report_in_a_browser
fi
if $everything && ! $quick && $have_release; then
    counted_step "demo" scripts/demo.sh --no-setup --no-build --scale 2
    counted_step "benchmarks, smoke run" scripts/bench.sh --smoke
fi

[[ ${#failures[@]} -eq 0 ]] || printf '%s\n' "" "=== failures" "${failures[@]}"
summary
for outcome in "${outcomes[@]}"; do
    [[ $outcome != FAILED* ]] || exit 1
done
