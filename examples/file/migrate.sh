#!/usr/bin/env bash
# Plain files: NAME.up.sql makes a change, NAME.down.sql takes it back. No table of versions is needed: pgeist knows which
# files it has run in this database.
#
#     DATABASE_URL=postgresql://… migrate.sh up|down NAME
set -euo pipefail
cd "$(dirname "$0")"
pgeist=${PGEIST:-pgeist}

direction=${1:?up or down}
name=${2:?name of the migration}
case $direction in
    up) other=down ;;
    down) other=up ;;
    *) echo "migrate.sh: up or down, not $direction" >&2; exit 2 ;;
esac

# --resume: a run that was cut off is gone on with. --undoes: after `down` the migration can be made again.
"$pgeist" run -d "$DATABASE_URL" --yes --resume --file "$name.$direction.sql" --undoes "$name.$other.sql"
