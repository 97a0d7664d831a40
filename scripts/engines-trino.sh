#!/usr/bin/env bash
# Puts a Trino server under .engines/trino: the coordinator, and the plugins that the tests use.
# 476 is the last version whose server archive is on Maven Central. It needs Java 24 or later.
# Where something is missing it says so and succeeds: the tests that need Trino skip.
set -euo pipefail
cd "$(dirname "$0")/.."

name=Trino
version=476
sha256=cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f
java_at_least=24
home=.engines/trino

source scripts/java_engine.sh
java=$(find_java "$java_at_least" "${TRINO_JAVA_HOME:-}" "${JAVA_HOME:-}")
[[ -n $java ]] || missing "it needs Java $java_at_least or later (set TRINO_JAVA_HOME)"
if [[ ! -e $home/.version-$version ]]; then
    fetch io.trino trino-server tar.gz "$sha256" "0.8 GB"
    inside=trino-server-$version
    tar xzf "$archive" -C "$home" --strip-components=1 --no-same-owner \
        "$inside"/{NOTICE,lib,plugin/{tpch,memory,password-authenticators}}
    touch "$home/.version-$version"
fi
ln -sfn "$java" "$home/java"
