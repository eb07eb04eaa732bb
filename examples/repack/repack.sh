#!/usr/bin/env bash
# Rebuilds the most bloated tables of a database, one after another. For a timer: see pgeist-repack.timer and crontab.
# A run that is cut off by the end of its time is continued by the next one.
#
# Settings, from the environment (PGEIST_… are options of pgeist itself):
#   PGEIST_DBNAME     the database, as psql takes it
#   PGEIST_MIN_BLOAT  only tables with at least this estimated bloat in percent (default 40)
#   PGEIST_MIN_SIZE   only tables at least as large (default 1GB)
#   REPACK_TABLES     at most so many tables a run (default 3)
set -euo pipefail

: "${PGEIST_DBNAME:?the database}"
export PGEIST_DBNAME PGEIST_MIN_BLOAT=${PGEIST_MIN_BLOAT:-40} PGEIST_MIN_SIZE=${PGEIST_MIN_SIZE:-1GB} PGEIST_YES=on
pgeist=${PGEIST:-pgeist}

# Only names that stand in the JSON of pgeist itself are read with sed: a job's number and state.
field() { sed -n "s/.*\"$1\":\"\\{0,1\\}\\([a-z_0-9]*\\).*/\\1/p"; }

# finish JOB: the old table is dropped by --drop-old; what is left is the job's record.
finish() { "$pgeist" cleanup --quiet "$1"; }

# What an earlier night has begun comes first. Only repacks: other jobs are their owners' business.
"$pgeist" status --output json | { grep '"resumable":true' || true; } | { grep ': REPACK","strategy"' || true; } |
    field job | while read -r job; do
        "$pgeist" resume "$job" && finish "$job"
    done

mapfile -t tables < <("$pgeist" repack-candidates --quiet | head -n "${REPACK_TABLES:-3}")
for table in ${tables[@]+"${tables[@]}"}; do
    code=0
    "$pgeist" run --table "$table" --repack --drop-old || code=$?
    case $code in
        0) job=$("$pgeist" status --output json | tail -n 1 | field job) && finish "$job" ;;
        3 | 8) continue ;;  # cannot be repacked, or somebody is at it: the next one
        *) exit "$code" ;;  # interrupted: the next night goes on with it
    esac
done
