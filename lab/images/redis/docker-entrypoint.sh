#!/bin/sh
# Starts redis-server as the user redis. As in the official image: arguments alone, or a configuration file alone, mean
# redis-server; and protected mode is off unless it is asked for, because a container's only door is its published port.
set -eu

case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis {} +
    exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
  fi
  asked=
  for argument in "$@"; do
    case "$argument" in
      --protected-mode*) asked=1 ;;
      *.conf) if grep -qiE '^[[:space:]]*protected-mode' "$argument" 2>/dev/null; then asked=1; fi ;;
    esac
  done
  if [ -z "$asked" ]; then set -- "$@" --protected-mode no; fi
  # Data of a database is nobody else's to read.
  if [ "$(umask)" = 0022 ]; then umask 0077; fi
fi

exec "$@"
