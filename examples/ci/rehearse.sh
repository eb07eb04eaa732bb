#!/usr/bin/env bash
# Rehearses one change on a database that was restored from production's shape, and says whether it may be made.
#   rehearse.sh DATABASE_URL TABLE CLAUSES [production-plan.json]
# Writes rehearsal.md, for a comment in the pull request. Exit code 1: a limit is passed, or the change fails.
#
# The last argument is what this printed in production, once, with a role that may read the table:
#   pgeist plan -d PRODUCTION --table TABLE --method copy --alter CLAUSES --output json > production-plan.json
set -euo pipefail

database=$1 table=$2 clauses=$3 plan=${4:-}
scale=()
[[ -n $plan ]] && scale=(--scale-to "$plan")

exec pgeist rehearse -d "$database" --table "$table" --alter "$clauses" --locks take "${scale[@]}" \
    --fail-if "lock > 100ms" --fail-if "time > 6h" --fail-if "space > 500GB" \
    --markdown rehearsal.md --report rehearsal.html --progress plain
