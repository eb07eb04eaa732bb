#!/usr/bin/env bash
# Measures everything, one after the other: the pure parts (Google Benchmark), whole runs against ALTER TABLE and
# pg_repack (run_bench.py), against REPACK of PostgreSQL 19 (run_repack_bench.py), and each promise against its goal
# (run_goals.py).
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    cat <<'USAGE'
usage: scripts/bench.sh [OPTIONS]

  scripts/bench.sh                  all, into bench/README.md, bench/times.svg and docs/comparison.md: some hours
  scripts/bench.sh --rows 500000    options that they have in common
  scripts/bench.sh --smoke          tiny tables, nothing written but JSON: does everything still run?
USAGE
    exit
fi

micro=build/release/bench/pgeist_micro_bench
if [[ ! -x $micro ]]; then
    echo "bench.sh: there is no $micro; build with: cmake --preset release && cmake --build --preset release" >&2
    exit 1
fi
time=0.5
smoke=()
for option in "$@"; do
    [[ $option != --smoke ]] || { time=0.01; smoke=(--smoke); }
done
"$micro" --benchmark_min_time="$time" --benchmark_out=build/micro.json --benchmark_out_format=json
scripts/run_bench.py "$@"
scripts/run_repack_bench.py "$@"
scripts/run_goals.py "$@"
scripts/run_sync_bench.py "${smoke[@]}"
