#!/bin/sh
# Builds the example in a folder: ./build.sh FOLDER. Only commands, and files that are the owner's; see README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
natsgen=${NATSGEN:-natsgen}
mkdir -p "$1" && cd "$1"

$natsgen new worker billing --subject orders.order.created --workspace . --no-input
cp -R "$here/owner/." .
sed -i.old 's/^volumes:$/volumes:\n  billing-data:/' compose/infrastructure.yml && rm compose/infrastructure.yml.old
uv add --quiet --frozen --project services/billing "httpx>=0.28"
$natsgen lock billing
