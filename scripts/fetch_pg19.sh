#!/usr/bin/env bash
# Fetches the server programs of PostgreSQL 19 for scripts/pg.sh, until a stable Debian or the npm package that the
# other versions come from has them: then this file goes.
#
# Debian's experimental has PostgreSQL 19, linked with a C library newer than Debian 12's. That library comes along,
# with all others the server needs, and its programs are told to use them: nothing on the machine changes, and no
# variable is needed to run them. (LD_LIBRARY_PATH would reach the shell that the server starts for its commands.)
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/fetch_pg19.sh FOLDER

Makes FOLDER, an absolute path that does not exist, with the programs in FOLDER/usr/lib/postgresql/19/bin. Exit 1 when
they cannot be had. The packages come from where the machine's own apt gets Debian's. Needs patchelf, no root.
USAGE
}

note() { printf 'fetch_pg19.sh: %s\n' "$*" >&2; }
die() { printf 'fetch_pg19.sh: error: %s\n' "$*" >&2; exit 1; }

# The address of Debian's packages, from apt's configuration.
debian_mirror() {
    # shellcheck source=/dev/null
    apt-get indextargets --no-release-info --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' "Created-By: Packages" |
        awk -v release="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" \
            '($1 == release || $1 == "stable") && $2 == "main" { print $3; exit }'
}

# An apt with lists of its own: the machine's stays as it is.
own_apt() { "$1" "${apt_options[@]}" "${@:2}"; }

prepare_apt() {
    local mirror
    mirror=$(debian_mirror)
    [[ -n $mirror ]] || die "apt knows no source of Debian's packages"
    mkdir -p "$temp"/{lists,cache/archives}/partial "$temp/packages"
    cat >"$temp/debian.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: sid experimental
Components: main
Architectures: $(dpkg --print-architecture)
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Targets: Packages
Languages: none
SOURCES
    : >"$temp/status"
    apt_options=(
        -q -o "Dir::Etc::sourcelist=$temp/debian.sources" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State=$temp" -o "Dir::State::lists=$temp/lists" -o "Dir::State::status=$temp/status"
        -o "Dir::Cache=$temp/cache" -o APT::Default-Release=sid -o APT::Sandbox::User=root -o Acquire::Retries=3
    )
    own_apt apt-get update >&2
}

# What the packages need that is a library, and what these need: the rest (Perl, init scripts) runs no server.
with_libraries() { # PACKAGE...
    local -a known=() next=("$@")
    while [[ ${#next[@]} -gt 0 ]]; do
        known+=("${next[@]}")
        mapfile -t next < <(own_apt apt-cache depends "${next[@]}" |
            sed -nE 's/^ +\|?(Pre)?Depends: ((lib|zlib)[^ :]*).*/\2/p' | sort -u |
            grep -vxF -f <(printf '%s\n' "${known[@]}"))
    done
    printf '%s\n' "${known[@]}"
}

unpack() {
    local package
    local -a wanted
    mapfile -t wanted < <(with_libraries postgresql-19 postgresql-client-19)
    (cd "$temp/packages" && own_apt apt-get download "${wanted[@]}" >&2) ||
        die "Debian's packages of PostgreSQL 19 could not be fetched"
    mkdir "$temp/root"
    for package in "$temp"/packages/*.deb; do
        dpkg-deb -x "$package" "$temp/root"
    done
    rm -rf "$temp/root"/{etc,var,usr/share/{doc,man,locale,doc-base,lintian,bug}}
    chmod -R a+rX,u+w "$temp/root"
}

# The programs get the loader and the libraries of `folder`, where they will be.
bind_to_libraries() {
    local libraries=$folder/usr/lib/$triplet programs=$temp/root/usr/lib/postgresql/19/bin loader program lost
    loader=$(find "$temp/root/usr/lib/$triplet" -maxdepth 1 -name 'ld-linux-*' -printf '%f\n' -quit)
    [[ -n $loader ]] || die "libc6 has no loader in usr/lib/$triplet"
    for program in "$programs"/*; do
        [[ $(head -c 4 "$program") == $'\x7fELF' ]] || continue
        # RPATH, not RUNPATH: it holds for what the libraries load too.
        patchelf --set-interpreter "$libraries/$loader" --force-rpath \
            --set-rpath "$libraries:$folder/usr/lib/postgresql/19/lib" "$program"
    done
    lost=$("$temp/root/usr/lib/$triplet/$loader" --library-path "$temp/root/usr/lib/$triplet" --list "$programs/postgres" |
        grep -F 'not found' || true)
    [[ -z $lost ]] || die "PostgreSQL 19 of Debian needs what its packages did not bring: $lost"
}

[[ $# -eq 1 && $1 == /* ]] || { usage >&2; exit 2; }
folder=$1
[[ ! -e $folder ]] || die "$folder exists"
for tool in apt-get dpkg-deb patchelf; do
    command -v "$tool" >/dev/null || die "$tool is needed; run scripts/setup.sh"
done
case $(uname -m) in
    x86_64 | aarch64) triplet=$(uname -m)-linux-gnu ;;
    *) die "not made for $(uname -m)" ;;
esac
temp=$(mktemp -d "$(dirname "$folder")/fetch.XXXXXX")
trap 'rm -rf "$temp"' EXIT
note "fetching PostgreSQL 19 from Debian experimental"
prepare_apt
unpack
bind_to_libraries
mv "$temp/root" "$folder"
