#!/usr/bin/env bash
# Runs the examples against a private server, each of them twice: the second run must find its work done.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: scripts/check_examples.sh [--pgeist PROGRAM] [--no-npm]

  --pgeist PROGRAM  default: build/release/pgeist
  --no-npm          leave out the Knex example, which installs Knex from the npm registry
USAGE
}

pgeist=$PWD/build/release/pgeist
npm=true
while [[ $# -gt 0 ]]; do
    case $1 in
        --pgeist) pgeist=$(realpath "${2:?--pgeist needs a program}"); shift ;;
        --no-npm) npm=false ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

instance=examples-$$
work=$(mktemp -d)
finish() {
    scripts/pg.sh stop 15 --instance "$instance" --mode immediate >/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
server=$(scripts/pg.sh start 15 --instance "$instance")
export PGEIST=$pgeist

die() { echo "check_examples.sh: $*" >&2; exit 1; }
sql() { psql -X -q -v ON_ERROR_STOP=1 -At -d "$DATABASE_URL" "$@"; }
type_of() { sql -c "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '$1'::regclass AND attname = '$2'"; }

# The examples are about the copy, which a table of this size would not need.
export PGEIST_METHOD=copy

# new_database NAME: with a table of 50,000 orders.
new_database() {
    export DATABASE_URL=$server
    sql -c "CREATE DATABASE $1"
    DATABASE_URL=${server%/*}/$1
    sql -c "CREATE TABLE public.orders (id int PRIMARY KEY, customer int, note text)" \
        -c "INSERT INTO public.orders SELECT i, i % 100, 'note ' || i FROM generate_series(1, 50000) AS i" -c "ANALYZE"
}
oid_of() { sql -c "SELECT '$1'::regclass::oid"; }

check_config() {
    new_database config
    # Paths of a production host are not here; everything else is read and obeyed.
    sed -E -e "s#^(metrics|log-file|pause-file) = .*/#\1 = $work/#" -e '/^swap-window/d' examples/pgeist.conf >"$work/pgeist.conf"
    "$pgeist" run -d "$DATABASE_URL" --config "$work/pgeist.conf" --table orders --repack --quiet --yes
    [[ -s $work/pgeist.prom && -s $work/pgeist.log ]] || die "pgeist.conf: no metrics or no log"
    local promtool
    promtool=$(command -v promtool || echo build/tools/promtool)
    if [[ -x $promtool ]]; then
        "$promtool" check metrics <"$work/pgeist.prom" || die "pgeist.conf: promtool does not like the metrics"
    elif [[ ${CI:-} == true ]]; then
        die "there is no promtool: scripts/setup.sh installs it"
    fi
    "$pgeist" plan -d "$DATABASE_URL" --config examples/pgeist.conf --table orders --repack >/dev/null 2>"$work/plan" ||
        grep -q "cannot be written" "$work/plan" || die "pgeist.conf: $(cat "$work/plan")"
}

check_deploy() {
    new_database deploy
    examples/deploy/deploy.sh >/dev/null
    [[ $(type_of public.orders customer) == bigint ]] || die "deploy: not changed"
    local oid
    oid=$(oid_of public.orders)
    examples/deploy/deploy.sh >/dev/null
    [[ $(oid_of public.orders) == "$oid" ]] || die "deploy: the second run changed the table again"
    [[ $(sql -c "SELECT count(*) FROM public.deployments") == 2 ]] || die "deploy: the steps after it did not run"
    # Cut off in the middle: the next deployment goes on with it.
    new_database deploy_again
    PGEIST_POSTPONE_SWAP=on examples/deploy/deploy.sh >/dev/null 2>&1 &
    local deployment=$!
    until [[ $("$pgeist" status -d "$DATABASE_URL" --output json) == *waiting_for_swap* ]]; do sleep 0.1; done
    kill -TERM "$(pgrep -P "$deployment")"
    wait "$deployment" && die "deploy: an interruption is not told"
    [[ $(type_of public.orders customer) == integer ]] || die "deploy: interrupted, and yet changed"
    "$pgeist" status -d "$DATABASE_URL" --output json | grep -q '"resumable":true' || die "deploy: nothing to resume"
    sql -c "UPDATE pgeist.jobs SET settings = settings || '{\"postpone_swap\": false}'"
    examples/deploy/deploy.sh >/dev/null
    [[ $(type_of public.orders customer) == bigint ]] || die "deploy: the second run did not go on"
}

check_references() {
    new_database keys
    sql -c "CREATE TABLE public.users (id int PRIMARY KEY, manager int REFERENCES public.users)" \
        -c "CREATE TABLE public.logins (id int PRIMARY KEY, user_id int REFERENCES public.users)" \
        -c "CREATE TABLE public.audit (id int PRIMARY KEY, user_id int)" \
        -c "INSERT INTO public.users SELECT i, i FROM generate_series(1, 1000) i" \
        -c "INSERT INTO public.logins SELECT i, i FROM generate_series(1, 1000) i"
    "$pgeist" run -d "$DATABASE_URL" --config examples/references/users.conf --drop-old --quiet --yes
    local each oid
    for each in "users id" "users manager" "logins user_id" "audit user_id"; do
        [[ $(type_of "public.${each% *}" "${each#* }") == bigint ]] || die "references: $each is not changed"
    done
    oid=$(oid_of public.users)
    "$pgeist" run -d "$DATABASE_URL" --config examples/references/users.conf --drop-old --quiet --yes
    [[ $(oid_of public.users) == "$oid" ]] || die "references: the second run changed the tables again"
}

check_repack() {
    new_database repack
    sql -c "CREATE TABLE public.tight AS SELECT * FROM public.orders" -c "DELETE FROM public.orders WHERE id % 5 <> 0"
    sql -c "VACUUM ANALYZE public.orders"
    sql -c "ANALYZE public.tight"
    export PGEIST_DBNAME=$DATABASE_URL PGEIST_MIN_SIZE=1MB
    local before oid
    before=$(sql -c "SELECT pg_relation_size('public.orders')")
    examples/repack/repack.sh >/dev/null
    (($(sql -c "SELECT pg_relation_size('public.orders')") * 2 < before)) || die "repack: the table is as large as it was"
    oid=$(oid_of public.orders)
    examples/repack/repack.sh >/dev/null
    [[ $(oid_of public.orders) == "$oid" ]] || die "repack: the second run rebuilt the table again"
    ! "$pgeist" status --output json | grep -v '"state":"done"' || die "repack: jobs are left"
    unset PGEIST_DBNAME PGEIST_MIN_SIZE
    if command -v systemd-analyze >/dev/null; then
        sed "s|^ExecStart=.*|ExecStart=$PWD/examples/repack/repack.sh|" examples/repack/pgeist-repack.service >"$work/pgeist-repack.service"
        cp examples/repack/pgeist-repack.timer "$work/"
        systemd-analyze verify "$work/pgeist-repack.timer" 2>"$work/verify" || true
        ! grep -E "pgeist-repack.*(Unknown|Failed|Invalid|ignoring)" "$work/verify" || die "repack: the units are not valid"
    fi
}

check_knex() {
    new_database knex
    cp -r examples/knex "$work/knex"
    (cd "$work/knex" && npm install --silent --no-audit --no-fund >/dev/null)
    migrate() { (cd "$work/knex" && npx --no-install knex "$@"); }
    migrate migrate:latest >"$work/knex.log" 2>&1 || { cat "$work/knex.log"; die "knex: migrate:latest failed"; }
    [[ $(type_of public.orders id) == bigint ]] || die "knex: not changed"
    [[ $(sql -c "SELECT count(*) FROM public.orders") == 50000 ]] || die "knex: rows are missing"
    local oid
    oid=$(oid_of public.orders)
    migrate migrate:latest >/dev/null 2>&1
    # Also when Knex has forgotten that it ran, as after a deployment that was killed before it could note it.
    sql -c "DELETE FROM knex_migrations"
    migrate migrate:latest >"$work/knex.log" 2>&1 || { cat "$work/knex.log"; die "knex: the second run failed"; }
    [[ $(oid_of public.orders) == "$oid" ]] || die "knex: the second run changed the table again"
    migrate migrate:rollback >"$work/knex.log" 2>&1 || { cat "$work/knex.log"; die "knex: migrate:rollback failed"; }
    [[ $(type_of public.orders id) == integer ]] || die "knex: not rolled back"
}

# The same migration in every way: made, made again, taken back, made once more.
changed() { [[ $(type_of public.orders id) == bigint && $(sql -c "SELECT to_regclass('public.orders_customer') IS NOT NULL") == t ]]; }
taken_back() { [[ $(type_of public.orders id) == integer && $(sql -c "SELECT to_regclass('public.orders_customer') IS NULL") == t ]]; }

# up_and_down NAME UP DOWN: commands that make the migration and take it back.
up_and_down() {
    local name=$1 up=$2 down=$3 oid
    $up >"$work/file.log" 2>&1 || { cat "$work/file.log"; die "$name: up failed"; }
    changed || die "$name: not changed"
    oid=$(oid_of public.orders)
    $up >"$work/file.log" 2>&1 || { cat "$work/file.log"; die "$name: the second run failed"; }
    [[ $(oid_of public.orders) == "$oid" ]] || die "$name: the second run changed the table again"
    $down >"$work/file.log" 2>&1 || { cat "$work/file.log"; die "$name: down failed"; }
    taken_back || die "$name: not taken back"
    $up >"$work/file.log" 2>&1 || { cat "$work/file.log"; die "$name: up failed after down"; }
    changed || die "$name: not changed again"
    [[ $(sql -c "SELECT count(*) FROM public.orders") == 50000 ]] || die "$name: rows are missing"
}

check_file() {
    new_database plain_files
    up_and_down "file/migrate.sh" "examples/file/migrate.sh up orders" "examples/file/migrate.sh down orders"
}

check_file_knex() {
    new_database knex_file
    cp -r examples/file "$work/file"
    (cd "$work/file/knex" && npm install --silent --no-audit --no-fund >/dev/null)
    knex_file() { (cd "$work/file/knex" && npx --no-install knex "$@"); }
    # Also when Knex has forgotten that it ran, as after a deployment that was killed before it could note it.
    knex_up() { sql -c "SET client_min_messages = error" -c "DROP TABLE IF EXISTS knex_migrations, knex_migrations_lock" && knex_file migrate:latest; }
    up_and_down "file/knex" knex_up "knex_file migrate:rollback"
}

check_file_alembic() {
    new_database alembic
    local config=$PWD/examples/file/alembic/alembic.ini
    alembic_up() { sql -c "SET client_min_messages = error" -c "DROP TABLE IF EXISTS alembic_version" && alembic -c "$config" upgrade head; }
    up_and_down "file/alembic" alembic_up "alembic -c $config downgrade base"
    new_database alembic_sql
    alembic -c "$config" upgrade head --sql >"$work/alembic.sql" 2>/dev/null
    for _ in 1 2; do
        "$pgeist" run -d "$DATABASE_URL" --yes --file "$work/alembic.sql" >"$work/file.log" 2>&1 ||
            { cat "$work/file.log"; die "file/alembic: its --sql failed"; }
    done
    changed || die "file/alembic: its --sql has not changed the table"
    [[ $(sql -c "SELECT version_num FROM alembic_version") == 0001 ]] || die "file/alembic: no version after --sql"
}

# Two versions of an application side by side on one table, which is expanded, and contracted, beneath them.
check_expand() {
    new_database expand
    local config=$PWD/examples/expand/alembic.ini
    upgrade() { alembic -c "$config" upgrade "$1" >"$work/expand.log" 2>&1 || { cat "$work/expand.log"; die "expand: upgrade $1 failed"; }; }
    columns() { sql -c "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attnum > 0 AND NOT attisdropped"; }
    # more PID…: waits until these have signed up some more customers.
    more() {
        local pid until
        until=$(($(sql -c "SELECT count(*) FROM customers") + 40))
        while (($(sql -c "SELECT count(*) FROM customers") < until)); do
            for pid in "$@"; do kill -0 "$pid" 2>/dev/null || die "expand: a version has ended: $(cat "$work"/shop_v?.log)"; done
            sleep 0.2
        done
    }
    retire() { kill -TERM "$2" && wait "$2" || die "expand: $(cat "$work/shop_v$1.log")"; }
    upgrade 0001
    sql -c "INSERT INTO customers (name) SELECT 'First' || i || ' Last' || i FROM generate_series(1, 2000) AS i"
    /usr/bin/python3 examples/expand/shop_v1.py 2>"$work/shop_v1.log" &
    local first=$!
    more "$first"
    upgrade 0002
    /usr/bin/python3 examples/expand/shop_v2.py 2>"$work/shop_v2.log" &
    local second=$!
    more "$first" "$second"
    sql -c "UPDATE alembic_version SET version_num = '0001'"  # a deployment that was killed before it could note it
    upgrade 0002
    more "$first" "$second"
    [[ $(sql -c "SELECT count(*) FROM customers WHERE name <> first_name || ' ' || last_name") == 0 ]] || die "expand: names do not agree"
    retire 1 "$first"
    for _ in 1 2; do
        upgrade 0003
        [[ $(columns) == "id orders first_name last_name" ]] || die "expand: not contracted: $(columns)"
        more "$second"
        sql -c "UPDATE alembic_version SET version_num = '0002'"
    done
    retire 2 "$second"
}

check_config
check_deploy
check_expand
check_file
check_file_alembic
check_references
check_repack
if $npm; then
    check_knex
    check_file_knex
fi
echo "check_examples.sh: the examples work" >&2
