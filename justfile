# Chores of the project. `just --list` shows them.

# The whole system in one process, with data in memory.
dev *ARGS:
    cargo run --release --bin prism -- dev {{ARGS}}

# Every test.
test:
    cargo test --workspace

# What decides whether a change lands.
ci:
    bash .ci/run

# Formats the code.
fmt:
    cargo fmt --all

# The project beside what else one could take: everything, or `just bench proxy|memstore|python|growth|report`.
bench *ARGS:
    cargo build --release --workspace --bins
    cargo run --release -p prism-bench --bin prism-bench -- {{ARGS}}

# Installs the Python client into the active environment.
wheel:
    pip install ./bindings/python

# Checks a plugin against the contract.
conformance ADDRESS *ARGS:
    cargo run --release --bin prism -- conformance {{ADDRESS}} {{ARGS}}

# The demo against a running gateway.
demo ADDRESS="localhost:8980":
    cargo run --release -p prism-examples --bin demo -- {{ADDRESS}}
