#!/usr/bin/env bash
# Sets up .venv on first use, then runs lint, types and tests: ./scripts/test.sh [arguments of pytest]
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup "[dev]"
cd "$root"
"$venv/bin/ruff" check
"$venv/bin/ruff" format --check
"$venv/bin/mypy"
exec "$venv/bin/python" -m pytest "$@"
