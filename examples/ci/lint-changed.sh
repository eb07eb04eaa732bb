#!/usr/bin/env bash
# Lints the migrations that are new or changed since BASE. Where there are none it writes nothing and succeeds.
#
#   lint-changed.sh BASE [OPTION of pgeist lint]…
#
# MIGRATIONS: their folder (default: migrations). PGEIST: the program (default: pgeist).
# With PGEIST_DBNAME set to the URI of a database (a replica of production will do) the sizes of its tables count.
set -euo pipefail

base=${1:?usage: lint-changed.sh BASE [OPTION]…}
shift
mapfile -d '' -t changed < <(git diff -z --name-only --diff-filter=d "$base...HEAD" -- ":(glob)${MIGRATIONS:-migrations}/**/*.sql")
if [[ ${#changed[@]} -eq 0 ]]; then
    echo "no migration has changed since $base" >&2
    exit 0
fi
exec "${PGEIST:-pgeist}" lint "$@" "${changed[@]}"
