#!/usr/bin/env bash
# Installs what building and testing need and is missing, from Debian 12's own packages.
#
# As root, or through sudo; a machine that has everything is left alone and needs neither.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/setup.sh [--bench] [--check]

  --bench   also what scripts/run_bench.py and run_goals.py compare with (pg_repack) and count with (valgrind)
  --check   install nothing; list what is missing and exit 1 if there is anything
USAGE
}

# The compiler is checked as g++: build-essential brings make and the C library's headers with it.
packages=(
    build-essential g++ cmake ninja-build pkg-config ccache git ca-certificates
    libpq-dev libboost1.81-dev libboost-program-options1.81-dev libboost-json1.81-dev libfmt-dev libpg-query-dev
    libgtest-dev libgmock-dev libbenchmark-dev
    postgresql-15 postgresql-client-15
    clang-format clang-tidy python3 procps
    patchelf  # lets PostgreSQL 19 run on Debian 12
    tmux      # the live view, as a terminal shows it
    chromium  # loads the report
    alembic python3-psycopg2  # an example
    postgresql-15-pglogical  # writes into a table that is being changed
)
bench_packages=(postgresql-15-repack time valgrind)

check_only=false
for argument in "$@"; do
    case $argument in
        --bench) packages+=("${bench_packages[@]}") ;;
        --check) check_only=true ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup.sh: this is not Debian; see 'Building' in README.md for what must be there" >&2
    exit 0
fi

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
# Only promtool is wanted of Debian's package prometheus, which would also run a monitoring server on port 9090 from now
# on: it is taken out of the package.
promtool=build/tools/promtool
cd "$(dirname "$0")/.."
command -v promtool >/dev/null || [[ -x $promtool ]] || missing+=("promtool (from prometheus)")
# Node.js may come from elsewhere than Debian, with its own npm; installing Debian's npm would then fail.
command -v npm >/dev/null || missing+=(npm)

[[ ${#missing[@]} -gt 0 ]] || exit 0
echo "setup.sh: missing: ${missing[*]}" >&2
if $check_only; then
    exit 1
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

# Debian's server package creates and starts a cluster on port 5432 when it is installed. Nobody asked for one: the
# tests start their own servers. Where the package is already there, its clusters are left as they are.
no_cluster=/etc/postgresql-common/createcluster.d/00-pgeist-setup.conf
remove_no_cluster() { "${as_root[@]}" rm -f "$no_cluster"; }
if ! is_installed postgresql-15; then
    trap remove_no_cluster EXIT
    "${as_root[@]}" mkdir -p "$(dirname "$no_cluster")"
    echo "create_main_cluster = false" | "${as_root[@]}" tee "$no_cluster" >/dev/null
fi

install_promtool() {
    local folder
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -q prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool)
    mkdir -p "$(dirname "$promtool")"
    mv "$folder/usr/bin/promtool" "$promtool"
    rm -rf "$folder"
}

to_install=()
for package in "${missing[@]}"; do
    [[ $package == promtool* ]] || to_install+=("$package")
done
export DEBIAN_FRONTEND=noninteractive
{
    "${as_root[@]}" apt-get update -q
    if [[ ${#to_install[@]} -gt 0 ]]; then
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${to_install[@]}"
    fi
    [[ ${#to_install[@]} -eq ${#missing[@]} ]] || install_promtool
} >&2
