#!/usr/bin/env bash
# The walk-through: the real binary, in a real window under Xvfb, driven with mouse and keyboard.
# Leaves a screenshot of each step in walk-screenshots/ (or $TUNING_FORK_SCREENSHOTS).
set -euo pipefail
cd "$(dirname "$0")/../.."
displayfile=$(mktemp)
Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp 3>"$displayfile" 2>/dev/null &
xvfb=$!
trap 'kill "$xvfb" 2>/dev/null || true; rm -f "$displayfile"' EXIT
for _ in $(seq 100); do [ -s "$displayfile" ] && break; sleep 0.1; done
DISPLAY=":$(cat "$displayfile")"
export DISPLAY
cargo build --release --locked --features inspection
TUNING_FORK_WALK="${CARGO_TARGET_DIR:-$PWD/target}/release/tuning-fork"
export TUNING_FORK_WALK
cargo test --locked --test walk -- --nocapture
