#!/usr/bin/env bash
# The tests of the kernels under AddressSanitizer: no read or write outside a slice's memory.
#
#   tests/kernels/sanitized.sh [FILTER]
#
# Only their crate is built with it. The sanitizer is part of the compiler, but asking a stable one for
# it takes RUSTC_BOOTSTRAP. TUNING_FORK_LEVEL chooses the instructions, as in
# emulated.sh; without it, those of this processor.
set -euo pipefail
cd "$(dirname "$0")/../.."

export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address"
# What is mapped of a file ends with its page, and the threads of a pool end with the program.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"
# With a target named, build scripts and macros are not built with the sanitizer.
target=$(rustc -vV | sed -n 's/^host: //p')
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitized" \
    cargo test --locked -p tuning-fork-kernels --target "$target" --lib -- "$@"
