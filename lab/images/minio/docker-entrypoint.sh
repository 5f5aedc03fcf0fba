#!/bin/sh
# `server /data` and `minio server /data` mean the same, as in the official image. MINIO_ROOT_USER_FILE and
# MINIO_ROOT_PASSWORD_FILE are read by minio itself.
set -eu
if [ "${1:-}" != minio ]; then
  case "${1:-}" in
    sh | bash | mc | */*) exec "$@" ;;
  esac
  set -- minio "$@"
fi
exec "$@"
