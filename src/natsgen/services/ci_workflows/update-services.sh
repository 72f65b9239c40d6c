#!/bin/sh
# One pull request for each service that a newer template changes, or merge request: sh .ci/update-services.sh github|gitlab
# Each has a branch of its own; where that branch exists, it was opened before. The exit code is 1 if a service needs a person,
# because it conflicts or its update failed; the others are opened all the same.
set -eu
server=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
base=$(git rev-parse HEAD)
code=0

open_github() { # BRANCH TITLE FILE
  git push --quiet origin "$1" || return 1
  gh pr create --head "$1" --title "$2" --body-file "$3" || {
    git push --quiet --delete origin "$1" # so that the next run tries again
    return 1
  }
}

open_gitlab() {
  git push --quiet -o merge_request.create -o "merge_request.title=$2" origin "$1"
}

natsgen update --all --dry-run --json > "$scratch/plan.json" || code=$?
python3 -c '
import json, sys
plan = json.load(sys.stdin)
if "error" in plan:
    sys.exit(plan["error"]["message"])
for service in plan["services"]:
    if service["status"] == "updated":
        print(service["name"], service["to"])
    elif service["status"] != "current":
        print(service["name"] + ": " + service["status"], file=sys.stderr)
' < "$scratch/plan.json" > "$scratch/updates"

while read -r service version; do
  branch="natsgen/$service-$version"
  if git ls-remote --exit-code origin "refs/heads/$branch" > /dev/null; then
    continue
  fi
  git switch --quiet --force-create "$branch" "$base"
  if natsgen update "$service" --to "$version" > "$scratch/said"; then
    git add --all services compose
    git commit --quiet --message "$service: template $version"
    "open_$server" "$branch" "$service: template $version" "$scratch/said" || code=1
  else
    code=1
  fi
done < "$scratch/updates"
git switch --quiet --detach "$base"
exit "$code"
