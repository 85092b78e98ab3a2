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

# Formatting and lints, in every set of features that is built.
lint:
    bash .ci/run format lint

# The documentation of all crates, in target/doc.
doc:
    bash .ci/run docs
