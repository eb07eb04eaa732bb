#!/usr/bin/env bash
# pgeist's main job, from nothing to a checked result: a private PostgreSQL, a table of a million rows with a foreign
# key on it, a write load that never pauses, and a change of its primary key from int to bigint under that load.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: scripts/demo.sh [OPTIONS]

  --scale N     pgbench scale: N * 100,000 rows (default 10)
  --clients N   connections that write (default 8)
  --rate N      transactions a second of all of them; 0: as many as they can (default 500)
  --version N   PostgreSQL version: 14 to 19 (default 15)
  --no-setup    do not look for missing packages
  --no-build    take build/release/pgeist as it is
USAGE
}

scale=10 clients=8 rate=500 version=15 setup=true build=true
while [[ $# -gt 0 ]]; do
    case $1 in
        --scale) scale=${2:?}; shift ;;
        --clients) clients=${2:?}; shift ;;
        --rate) rate=${2:?}; shift ;;
        --version) version=${2:?}; shift ;;
        --no-setup) setup=false ;;
        --no-build) build=false ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

instance=demo-$$
work=$(mktemp -d)
load_pid=
failures=0

clean_up() {
    [[ -z $load_pid ]] || kill "$load_pid" 2>/dev/null || true
    scripts/pg.sh stop "$version" --instance "$instance" --mode immediate || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[[ -t 1 ]] || say() { printf '\n%s\n' "$*"; }

sql() { psql -X -q -v ON_ERROR_STOP=1 -At "$database" "$@"; }

# expect TEXT GOT WANTED
expect() {
    if [[ $2 == "$3" ]]; then
        printf '  ok      %-58s %s\n' "$1" "$2"
    else
        printf '  FAILED  %-58s %s, expected %s\n' "$1" "${2:-nothing}" "$3"
        failures=$((failures + 1))
    fi
}

column_type="SELECT format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = 'public.pgbench_accounts'::regclass AND attname = 'aid'"
# Names of everything on the table that applications and migrations refer to.
attachments="SELECT string_agg(name, ' ' ORDER BY name) FROM (
    SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'public.pgbench_accounts'::regclass
    UNION ALL
    SELECT conname FROM pg_constraint
    WHERE 'public.pgbench_accounts'::regclass IN (conrelid, confrelid) AND convalidated) AS all_names"

if $setup; then
    scripts/setup.sh
fi
if $build; then
    say "Building"
    cmake --preset release >/dev/null
    cmake --build --preset release --target pgeist -j "${PGEIST_JOBS:-$(nproc)}"
fi
pgeist=${PGEIST_BIN:-$PWD/build/release/pgeist}
[[ -x $pgeist ]] || { echo "demo.sh: there is no $pgeist" >&2; exit 1; }

say "Starting a private PostgreSQL $version"
server=$(scripts/pg.sh start "$version" --instance "$instance")
# The change needs no superuser: the owner of the table, with the right to create a schema, is enough.
psql -X -q "$server" -c 'CREATE ROLE shop LOGIN' -c 'CREATE DATABASE shop OWNER shop'
psql -X -q "${server%/postgres}/shop" -c 'ALTER SCHEMA public OWNER TO shop'
database=${server/postgres@/shop@}
database=${database%/postgres}/shop

say "Loading pgbench tables, $((scale * 100000)) accounts"
pgbench -i -q -s "$scale" --foreign-keys "$database" 2>&1 | tail -n 1
sql -c 'CREATE INDEX accounts_by_branch ON pgbench_accounts (bid, abalance)' \
    -c 'CREATE INDEX accounts_overdrawn ON pgbench_accounts (abalance) WHERE abalance < 0' \
    -c "COMMENT ON TABLE pgbench_accounts IS 'every account of the bank'"
type_before=$(sql -c "$column_type")
attachments_before=$(sql -c "$attachments")
rows_before=$(sql -c 'SELECT count(*) FROM pgbench_accounts')

say "Starting the write load: pgbench TPC-B, $clients clients, $([[ $rate -gt 0 ]] && echo "$rate transactions/s" || echo "no limit")"
limit=()
[[ $rate -eq 0 ]] || limit=(--rate "$rate")
(cd "$work" && exec pgbench -n -c "$clients" -j 2 -T 86400 --log --aggregate-interval 1 ${limit[@]+"${limit[@]}"} \
    "$database" >"$work/pgbench.out" 2>"$work/pgbench.err") &
load_pid=$!
sleep 3
started=$(sql -c 'SELECT clock_timestamp()')

change=(run -d "$database" --table pgbench_accounts --alter "ALTER COLUMN aid TYPE bigint" --method copy)  # of any size
say "pgeist run -d URI --table pgbench_accounts --alter \"ALTER COLUMN aid TYPE bigint\""
status=0
"$pgeist" "${change[@]}" --yes 2>&1 | tee "$work/pgeist.out" || status=$?

# The load goes on for a while on the new table. SIGALRM is what ends a timed pgbench run: it finishes its
# transactions and prints its summary.
sleep 3
load_alive=no
kill -0 "$load_pid" 2>/dev/null && load_alive=yes
kill -ALRM "$load_pid" 2>/dev/null || true
load_status=0
wait "$load_pid" || load_status=$?
load_pid=

say "Checking"
job_schema=$(sql -c "SELECT nspname FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid
    WHERE nspname ~ '^pgeist_[0-9]+\$' AND relname = 'pgbench_accounts' AND relkind = 'r'")
expect "exit code of pgeist" "$status" 0
expect "pgbench ran all the time" "$load_alive" yes
expect "exit code of pgbench" "$load_status" 0
expect "failed transactions" "$(sed -n 's/^number of failed transactions: \([0-9]*\).*/\1/p' "$work/pgbench.out")" 0
expect "error messages of pgbench" "$(grep -ciE 'error|aborted' "$work/pgbench.err" || true)" 0
expect "type of aid, before: $type_before, now" "$(sql -c "$column_type")" bigint
expect "rows" "$(sql -c 'SELECT count(*) FROM pgbench_accounts')" "$rows_before"
expect "indexes and constraints as before, all valid" \
    "$([[ $(sql -c "$attachments") == "$attachments_before" ]] && echo yes || echo no)" yes
expect "comment on the table" "$(sql -c "SELECT obj_description('pgbench_accounts'::regclass)")" "every account of the bank"
expect "TPC-B: the four sums are equal" "$(sql -c "SELECT count(DISTINCT total) FROM (
    SELECT sum(abalance) FROM pgbench_accounts UNION ALL SELECT sum(tbalance) FROM pgbench_tellers
    UNION ALL SELECT sum(bbalance) FROM pgbench_branches UNION ALL SELECT sum(delta) FROM pgbench_history) AS sums(total)")" 1
# Stronger than the sums: every account started at 0 and every change of it has a row in the history.
expect "accounts whose balance is not the sum of their history" "$(sql -c "SELECT count(*) FROM pgbench_accounts AS a
    LEFT JOIN (SELECT aid, sum(delta) AS total FROM pgbench_history GROUP BY aid) AS h ON h.aid = a.aid
    WHERE a.abalance <> coalesce(h.total, 0)")" 0
if [[ -n $job_schema ]]; then
    # The old table stopped at the swap. It may differ only where the load has been since.
    expect "rows unlike the old table's that no write explains" "$(sql -c "SELECT count(*)
        FROM pgbench_accounts AS new FULL JOIN $job_schema.pgbench_accounts AS old ON new.aid = old.aid
        WHERE (new.aid, new.bid, new.abalance, new.filler) IS DISTINCT FROM (old.aid, old.bid, old.abalance, old.filler)
        AND NOT EXISTS (SELECT FROM pgbench_history AS h WHERE h.aid = new.aid AND h.mtime >= timestamptz '$started')")" 0
else
    expect "old table kept in the job's schema" "" "pgeist_<job>.pgbench_accounts"
fi

if [[ -n $job_schema ]]; then
    "$pgeist" cleanup -d "$database" "${job_schema#pgeist_}" --yes >"$work/cleanup.out" 2>&1 || {
        cat "$work/cleanup.out"
        failures=$((failures + 1))
    }
fi
expect "schemas of jobs after pgeist cleanup" "$(sql -c "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^pgeist_'")" 0
expect "triggers left on the table" "$(sql -c "SELECT count(*) FROM pg_trigger
    WHERE tgrelid = 'pgbench_accounts'::regclass AND NOT tgisinternal")" 0

say "What the application saw"
sed -n -E 's/^(number of transactions actually processed|latency average|tps).*/  &/p' "$work/pgbench.out"
# Aggregated log: interval, transactions, sum, sum of squares, minimum and maximum of the latency in microseconds, ...
cat "$work"/pgbench_log.* | awk '{ if ($6 > slowest) slowest = $6 } END { printf "  slowest transaction = %.0f ms\n", slowest / 1000 }'
grep -iE 'lock.*held|held.*lock' "$work/pgeist.out" | tail -n 1 | sed 's/^ */  pgeist: /' || true

if [[ $failures -gt 0 ]]; then
    say "$failures checks FAILED"
    tail -n 20 "$work/pgbench.err"
    echo "The server's log ends with:"
    tail -n 20 "$(scripts/pg.sh logfile "$version" --instance "$instance")"
    exit 1
fi
say "All checks passed"
