#!/usr/bin/env bash
# Builds the image of deploy/compose without Docker and its registry, and runs a check in it.
# Needs root, buildah and debootstrap. The base is Debian's Python instead of python:3.12-slim.
set -euo pipefail
cd "$(dirname "$0")/../.."
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates bookworm "$base"
rm "$base"/usr/lib/python3*/EXTERNALLY-MANAGED
ln -s python3 "$base/usr/bin/python"
# The authorities of this machine, whose network may have a proxy.
cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
container=$(buildah from scratch)
buildah add --quiet "$container" "$base" /
buildah commit --quiet "$container" localhost/python
buildah build --from localhost/python --tag localhost/realtime-demo -f deploy/compose/Dockerfile .
container=$(buildah from localhost/realtime-demo)
buildah run "$container" -- env SECRET_KEY=x DATABASE_PATH=/data/db.sqlite3 python manage.py check
