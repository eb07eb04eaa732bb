#!/usr/bin/env bash
# Runs clang-tidy with .clang-tidy over the sources: all, those given, or with --changed REVISION those that differ
# from a revision. Slow (20 s a file): for a change under review and for the nightly run, not for every test.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/${PGEIST_PRESET:-release}
[[ -f $build/compile_commands.json ]] || cmake --preset "${PGEIST_PRESET:-release}" >/dev/null

case ${1:-} in
    --changed) mapfile -t files < <(git diff --name-only --diff-filter=d "${2:-HEAD}" -- 'src/*.cpp') ;;
    '') mapfile -t files < <(find src -name '*.cpp' | sort) ;;
    *) files=("$@") ;;
esac
[[ ${#files[@]} -gt 0 ]] || exit 0

tool=clang-tidy
command -v clang-tidy-14 >/dev/null && tool=clang-tidy-14
# GCC's own warning switches mean nothing to Clang.
printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P "${PGEIST_JOBS:-$(nproc)}" "$tool" -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option
