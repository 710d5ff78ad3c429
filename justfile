# Each recipe is one line over cargo: everything works without just.

# What the gate runs: tests, formatting, lints, documentation.
check:
    .ci/run

# All tests.
test *ARGS:
    cargo test --workspace --locked {{ARGS}}

# A virtual cloud on this machine.
testnet *ARGS:
    scripts/testnet.sh {{ARGS}}

# How fast programs run here, and tuples are made (`just bench offline`).
bench WHAT="online" *ARGS:
    cargo run --release --locked -- bench {{WHAT}} {{ARGS}}

# Every check of the generators deleted, one at a time: the test that is there for it must fail.
mutants *ARGS:
    scripts/mutants.py {{ARGS}}

# Whether the time of operations depends on their secrets.
constant-time *ARGS:
    cargo bench -p polyyne-engine --locked --features timing --bench constant_time -- {{ARGS}}

# Dependencies: sources, bans, licences (needs cargo-deny).
deny:
    cargo deny --offline check bans licenses sources

# A fuzz target, bytecode or wire (needs nightly and cargo-fuzz); tests/conformance/Bytecode holds seeds for the first.
fuzz TARGET *ARGS:
    cargo +nightly fuzz run --fuzz-dir fuzz {{TARGET}} {{ARGS}}
