#!/usr/bin/env bash
# Checks that every header compiles on its own, with nothing included before it.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t headers < <(if [[ $# -gt 0 ]]; then printf '%s\n' "$@"; else find include -name '*.hpp' | sort; fi)
[[ ${#headers[@]} -gt 0 ]] || exit 0

read -ra flags < <(pkg-config --cflags libpq fmt)
# shellcheck disable=SC2317  # called through xargs
check_one() {
    local header=$1
    shift
    printf '#include "%s"\n' "${header#include/}" |
        "${CXX:-g++}" -std=c++20 -fsyntax-only -Wall -Wextra -Iinclude "$@" -x c++ - ||
        { echo "check_self_contained.sh: $header does not compile on its own" >&2; return 1; }
}
export -f check_one

status=0
printf '%s\0' "${headers[@]}" |
    xargs -0 -P "${PGEIST_JOBS:-$(nproc)}" -I{} bash -c 'check_one "$@"' check_one {} "${flags[@]}" || status=1
[[ $status -eq 0 ]] && echo "check_self_contained.sh: ${#headers[@]} headers" >&2
exit $status
