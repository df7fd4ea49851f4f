#!/usr/bin/env bash
# The tests of the kernels under AddressSanitizer: no read or write outside a slice's memory.
#
#   tests/kernels/sanitized.sh [FILTER]
#
# Only this folder's code is built with it, in a crate of its own, with the dependencies that the
# kernels have. The sanitizer is part of the compiler, but
# asking a stable one for it takes RUSTC_BOOTSTRAP. TUNING_FORK_LEVEL chooses the instructions, as in
# emulated.sh; without it, those of this processor.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# What Cargo.toml says of a dependency, without its reason.
dependency() { grep -E "^$1 = " Cargo.toml | sed 's/ #.*//'; }

cat > "$folder/Cargo.toml" <<EOF
[package]
name = "kernels"
version = "0.0.0"
edition = "2024"

[lib]
path = "lib.rs"

[workspace]

[dependencies]
$(for name in bytemuck candle-core gemm half memmap2 rand_chacha rayon tempfile thiserror; do dependency "$name"; done)

[profile.dev]
opt-level = 1
EOF
cat > "$folder/lib.rs" <<EOF
#![allow(dead_code, unused_imports)]
pub mod llm {
    #[path = "$root/src/llm/kernels/mod.rs"]
    pub mod kernels;
}
EOF
cp Cargo.lock "$folder"

export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address"
# What is mapped of a file ends with its page, and the threads of a pool end with the program.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=0}"
# With a target named, build scripts and macros are not built with the sanitizer.
target=$(rustc -vV | sed -n 's/^host: //p')
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitized" \
    cargo test --manifest-path "$folder/Cargo.toml" --target "$target" --lib -- "$@"
