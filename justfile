# Recipes for developers. `just` alone lists them.

_default:
    @just --list

# Ingest the pilot run into ./artifact-store-data: the README's first command.
run *options:
    cargo run --release --bin artifact-ingest -- guide-board fixtures/guide-board/cmis-pilot {{ options }}

# Serve ./artifact-store-data on http://127.0.0.1:8080.
serve *options:
    cargo run --release --bin artifact-server -- serve {{ options }}

# All tests: no server, no network, no other install. The README's second command.
test:
    cargo test --workspace

# The tests that need PostgreSQL or Ceph, on throwaway ones; needs `just setup-engines` once.
test-engines *filters:
    .ci/test-engines {{ filters }}

# Install PostgreSQL and Ceph for test-engines (Debian, as root).
setup-engines:
    .ci/setup-engines

# What CI checks before the tests: format, lints and documentation, warnings denied.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

# Everything that CI does.
ci:
    bash .ci/run

# Accept what changed in the snapshots after looking at the difference.
bless:
    INSTA_UPDATE=always cargo test --workspace
    git diff --stat -- '*.snap'

# Speed and memory of an embedded ingest beside cp, sync and openssl in the same run; needs 8 GiB of disk.
bench *options:
    cargo bench --package artifact-ingest --bench ingest -- {{ options }}

# What a decision over retention costs, and a list of candidates among 100,000 packages.
bench-retention *options:
    cargo bench --package artifact-store --bench retention -- {{ options }}

# The gateway beside nginx and dufs; needs `just setup-bench` once.
bench-gateway *options:
    cargo build --release --bin artifact-server --bin artifact-ingest
    cargo bench --package artifact-ingest --bench gateway -- {{ options }}

# The gateway on PostgreSQL and on Ceph beside SQLite and `aws s3 sync`; needs `just setup-engines`.
bench-engines *options:
    cargo build --release --bin artifact-server --bin artifact-ingest
    cargo bench --package artifact-ingest --bench engines -- {{ options }}

# Install what the gateway is measured against (Debian; the AWS command line from PyPI).
setup-bench:
    apt-get install --yes --no-install-recommends nginx-light wrk
    cargo install --locked dufs
    pip install awscli

# Hold the running gateway against its own description, with so many examples for each operation.
conformance examples="100":
    .ci/conformance {{ examples }}

# The documentation of the crates; the crate pages are the map.
doc:
    cargo doc --workspace --no-deps --open

# The embedding example.
example folder="./artifact-store-data":
    cargo run --package artifact-store --example embed -- {{ folder }}
