#!/bin/sh
# The names of the services that differ from a commit, one a line: sh .ci/changed-services.sh COMMIT
# All of them where that commit is not known, as in a new branch, or where what tests them has changed as well.
set -eu
base=${1:-}

services() {
  for answers in services/*/.copier-answers.yml; do
    [ -e "$answers" ] && basename "$(dirname "$answers")"
  done | sort -u
}

if ! git rev-parse --quiet --verify "${base:-none}^{commit}" >/dev/null; then
  services
  exit
fi
changed=$(git diff --name-only --no-renames "$base...HEAD") # a file that moved has left its service
if printf '%s\n' "$changed" | grep -Eq '^(\.ci/changed-services\.sh|\.github/workflows/services\.yml|\.gitlab-ci\.yml)$'; then
  services
  exit
fi
# git puts a name with unusual characters in quotes
services | while read -r name; do
  printf '%s\n' "$changed" | grep -Eq "^\"?(services/$name/|compose/$name\.(yml|override\.yml|env)\$)" && printf '%s\n' "$name"
done || true
