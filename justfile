# Chores of the project. `just --list` shows them.

# The whole system in one process, with data in memory.
dev *ARGS:
    cargo run --release --bin prism -- dev {{ARGS}}

# The system of deploy/compose.yaml, in containers; returns once all of it takes calls. Needs Docker only.
up *ARGS:
    @bash deploy/stack up {{ARGS}}

# Stops and removes what `up` started; `just down --volumes` the namespaces, too.
down *ARGS:
    @bash deploy/stack down {{ARGS}}

# The tests of Rust and of the Python client, as any user; `just ci` has those of the admin's API, the console and the containers, too.
test:
    cargo test --workspace

# Measures line coverage by crate, including child processes; `--files` lists the files below 80 %, with the lines that no test runs.
coverage *ARGS:
    bash tests/coverage/run {{ARGS}}

# What decides whether a change lands.
ci:
    bash .ci/run

# Formats the code.
fmt:
    cargo fmt --all

# The binary of a release beside what else one could take: everything, or `just bench proxy|tls|memstore|redis|python|growth|report`.
bench *ARGS:
    bash bench/run {{ARGS}}

# Builds the Python client's manylinux wheel into target/wheels/, installs it into a fresh environment and runs the demo with it.
wheel:
    bash deploy/wheel

# Stripped binaries, the wheel, a bill of materials and checksums, in target/artifacts/.
release:
    bash deploy/release

# Checks a plugin against the contract.
conformance ADDRESS *ARGS:
    cargo run --release --bin prism -- conformance {{ADDRESS}} {{ARGS}}

# The demo against a running gateway.
demo ADDRESS="localhost:8980":
    cargo run --release -p prism-examples --bin demo -- {{ADDRESS}}

# The crash suite of the diskstore, longer: ten times as many kills, and thousands of the states that a power loss could leave.
crash KILLS="3000" STATES="4000":
    PRISM_CRASH_KILLS={{KILLS}} PRISM_CRASH_STATES={{STATES}} PRISM_CRASH_DAMAGES=60 cargo test -p prism-diskstore --test crash
