#!/usr/bin/env bash
# Rebuilds the most bloated tables of a database, or their indexes where that suffices, one after another. For a timer:
# see pgeist-repack.timer and crontab. What is cut off by the end of its time is continued by the next night.
#
# Settings, from the environment (PGEIST_… are options of pgeist itself):
#   PGEIST_DBNAME     the database, as psql takes it
#   PGEIST_MIN_BLOAT  only what has at least this estimated bloat in percent (default 40)
#   PGEIST_MIN_SIZE   only what is at least as large (default 1GB)
#   PGEIST_WINDOW     times of day at which work is done, local time (default: any)
#   REPACK_TABLES     at most so many tables a night (default 3)
set -euo pipefail

: "${PGEIST_DBNAME:?the database}"
export PGEIST_DBNAME PGEIST_MIN_BLOAT=${PGEIST_MIN_BLOAT:-40} PGEIST_MIN_SIZE=${PGEIST_MIN_SIZE:-1GB}

exec "${PGEIST:-pgeist}" repack-candidates --run "${REPACK_TABLES:-3}"
