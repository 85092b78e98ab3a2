# Short names for what one does often. Each recipe is one plain command; nothing here is needed to build dpex.

# The whole way from two mails to a downloaded file, on this machine, in a temporary home.
demo *ARGS:
    cargo run --locked --package dpex-cli -- demo {{ARGS}}

# The command of the README.
test:
    bash .ci/run tests

# Everything that must hold before a change is taken.
ci:
    bash .ci/run

# What each cryptography backend costs, in one table.
bench-crypto *ARGS:
    cargo bench --locked --package dpex-tests --bench suites --features crypto-awslc,crypto-openssl -- {{ARGS}}

# Whether the time of a failed comparison tells where it failed.
bench-timing:
    cargo bench --locked --package dpex-tests --bench timing --features crypto-awslc,crypto-openssl

# dpex beside scp and rsync, in turn, in one run: many small files, or one big file over loopback.
race-small *ARGS: _release
    cargo run --release --locked --package dpex-bench -- small {{ARGS}}

race-big *ARGS: _release
    cargo run --release --locked --package dpex-bench -- big {{ARGS}}

# The same between two network namespaces, and over an emulated link: `just race-far --emulator PROGRAM`. Both need root.
race-veth *ARGS: _release
    cargo run --release --locked --package dpex-bench -- veth {{ARGS}}

race-far *ARGS: _release
    cargo run --release --locked --package dpex-bench -- far {{ARGS}}

# What many people at once cost the server, and what dpex and a TCP flow leave each other on one link.
race-crowd *ARGS: _release
    cargo run --release --locked --package dpex-bench -- crowd {{ARGS}}

race-beside *ARGS: _release
    cargo run --release --locked --package dpex-bench -- beside {{ARGS}}

# This tree beside another commit of it, and nobody else: what got slower is seen in the ratios.
race-base BASE *ARGS: _release
    git worktree add --force --detach target/base {{BASE}}
    cd target/base && cargo build --release --locked --package dpex-cli --features crypto-awslc,crypto-openssl --target-dir ../base-build
    git worktree remove --force target/base
    cargo run --release --locked --package dpex-bench -- --rivals none --dpex this=target/release/dpex --dpex base=target/base-build/release/dpex {{ARGS}}

_release:
    cargo build --release --locked --package dpex-cli --features crypto-awslc,crypto-openssl

# Formatting and lints, in every set of features that is built.
lint:
    bash .ci/run format lint

# The documentation of all crates, in target/doc.
doc:
    bash .ci/run docs
