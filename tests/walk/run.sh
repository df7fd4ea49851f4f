#!/usr/bin/env bash
# The walk-through: the real binary, in a real window under Xvfb, driven with mouse and keyboard.
# Leaves a screenshot of each step in walk-screenshots/ (or $TUNING_FORK_SCREENSHOTS).
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp 3>"$scratch/display" 2>/dev/null &
xvfb=$!
trap 'kill "$xvfb" 2>/dev/null || true; rm -rf "$scratch"' EXIT
for _ in $(seq 100); do [ -s "$scratch/display" ] && break; sleep 0.1; done
DISPLAY=":$(cat "$scratch/display")"
export DISPLAY
# One after the other: they share the mouse.
cargo test --locked --test walk -- --ignored --nocapture --test-threads 1
