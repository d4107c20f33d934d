#!/usr/bin/env bash
# Sets up .venv on first use, then trains: ./scripts/train.sh [overrides of `embloom train`]
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
if [ ! -f "$venv/.embloom-ready" ] || ! grep -q '\[dev\]' "$venv/.embloom-ready"; then
  setup ""
else
  setup "[dev]"
fi
exec "$venv/bin/embloom" train "$@"
