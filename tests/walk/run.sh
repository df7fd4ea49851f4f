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
# Our own crate as a release has it, the dependencies as the tests have them: those are optimised
# already, and compiling all of them once more would take CI a quarter of an hour.
CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo build --locked --features inspection
# A copy: the tests build the same program with their own settings.
cp "${CARGO_TARGET_DIR:-$PWD/target}/debug/tuning-fork" "$scratch/tuning-fork"
export TUNING_FORK_WALK="$scratch/tuning-fork"
cargo test --locked --test walk -- --nocapture
