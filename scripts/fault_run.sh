#!/usr/bin/env bash
# The fault suite's long mode: hundreds of runs that are killed, cut off and crashed under a write load, each compared
# with an oracle. Prints a table: fault, times injected, outcome.
#
#   scripts/fault_run.sh [ROUNDS] [VERSION]     default: 200 rounds on PostgreSQL 15; PGEIST_SEED repeats a run
#
# Needs the dev build (cmake --preset dev && cmake --build --preset dev).
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-200}
version=${2:-15}
uri=$(scripts/pg.sh start "$version" --instance faults)
trap 'scripts/pg.sh stop "$version" --instance faults' EXIT
PGEIST_TEST_DSN=$uri PGEIST_REQUIRE_SERVER=1 PGEIST_FAULT_ROUNDS=$rounds \
    build/dev/tests/e2e/pgeist_e2e_test --gtest_filter='faults.*'
