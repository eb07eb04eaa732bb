#!/usr/bin/env bash
# A step of a deployment: what is quick goes through psql, what rewrites a large table through pgeist. Safe to run
# twice, and after a run that was cut off: pgeist knows what is done.
#
#   DATABASE_URL=postgresql://deploy@db/shop deploy.sh
#
# Passwords: PGPASSFILE or PGPASSWORD, as for psql.
set -euo pipefail

: "${DATABASE_URL:?the database, as psql takes it}"
pgeist=${PGEIST:-pgeist}

sql() { psql -X -q -v ON_ERROR_STOP=1 -At -d "$DATABASE_URL" "$@"; }

# unfinished TABLE: the job that an interrupted deployment has left for this table, if there is one.
unfinished() {
    [[ $(sql -c "SELECT to_regclass('pgeist.status') IS NOT NULL") == t ]] || return 0
    sql -v table="$1" <<'SQL'
SELECT job FROM pgeist.status WHERE "table" = :'table' AND state IN ('interrupted', 'failed') ORDER BY job DESC LIMIT 1
SQL
}

# change_online TABLE CLAUSES [OPTIONS...]
change_online() {
    local table=$1 clauses=$2 job code=0
    shift 2
    job=$(unfinished "$table")
    if [[ -n $job ]]; then
        "$pgeist" resume -d "$DATABASE_URL" "$job" || code=$?
    else
        "$pgeist" run -d "$DATABASE_URL" --yes --table "$table" --alter "$clauses" "$@" || code=$?
    fi
    case $code in
        0) ;;
        3) echo "deploy: refused by a check, nothing was changed" >&2 ;;
        4 | 6 | 9) echo "deploy: not finished; run the deployment again, it goes on where it stopped" >&2 ;;
        7) echo "deploy: ask the database what became of the swap: $pgeist status" >&2 ;;
        8) echo "deploy: somebody else is changing $table" >&2 ;;
        *) echo "deploy: failed, $table is as it was" >&2 ;;
    esac
    return "$code"
}

sql -c "SET client_min_messages = warning" -c "CREATE TABLE IF NOT EXISTS public.deployments (at timestamptz DEFAULT now())"
change_online public.orders "ALTER COLUMN customer TYPE bigint" --max-lag 10s --lock-timeout 100ms
sql -c "INSERT INTO public.deployments DEFAULT VALUES"
