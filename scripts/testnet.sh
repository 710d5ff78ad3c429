#!/usr/bin/env bash
# A virtual cloud on this machine: builds vcp and runs `vcp testnet` with the given arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec cargo run --release --locked -- testnet "$@"
