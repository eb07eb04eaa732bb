#!/usr/bin/env bash
# Checks that the C++ sources are formatted as .clang-format says; --fix rewrites them.
set -euo pipefail
cd "$(dirname "$0")/.."

action=(--dry-run -Werror)
if [[ ${1:-} == --fix ]]; then
    action=(-i)
    shift
fi
if [[ $# -gt 0 ]]; then
    files=("$@")
else
    folders=()
    for folder in src include tests bench; do
        [[ -d $folder ]] && folders+=("$folder")
    done
    mapfile -t files < <(find "${folders[@]}" -type f \( -name '*.cpp' -o -name '*.hpp' \) | sort)
fi
[[ ${#files[@]} -gt 0 ]] || exit 0

# Other versions of clang-format lay some constructs out differently. Prefer the one the files are written for.
tool=clang-format
command -v clang-format-14 >/dev/null && tool=clang-format-14
if ! "$tool" "${action[@]}" --style=file "${files[@]}"; then
    echo "check_format.sh: run scripts/check_format.sh --fix" >&2
    exit 1
fi
echo "check_format.sh: ${#files[@]} files" >&2
