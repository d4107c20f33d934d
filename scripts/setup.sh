#!/usr/bin/env bash
# Makes .venv with the exact versions of constraints.txt, once; the next calls cost nothing. Sourced by train.sh
# and test.sh. The stamp is written last, so an interrupted set-up is done again by the next call.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"

fail() {
  echo "error: $1" >&2
  exit 2
}

setup() {
  local stamp wanted python
  stamp="$venv/.embloom-ready"
  wanted="$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum) $1"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    return
  fi
  python="${PYTHON:-python3}"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "embloom needs Python 3.11 or newer: set PYTHON=/path/to/python3.11"
  # Two calls at once: the second waits for the first and then finds the stamp.
  exec 9>"$root/.venv.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exec 9>&-
    return
  fi
  echo "setting up $venv (once, a few minutes; most of it is PyTorch)"
  rm -f "$stamp"
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    "$python" -m venv "$venv" || fail "could not make $venv: is the venv module of Python installed?"
  fi
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint "$root/constraints.txt" --editable "$root$1" ||
    fail "the installation failed, see above; run the command again to go on with it"
  echo "$wanted" >"$stamp"
  exec 9>&-
}
