#!/usr/bin/env bash
# Puts Keycloak under .engines/keycloak, an identity provider: built once for a store in memory and
# without what the tests do not use, so that it starts in the shortest time. It needs Java 21 or later.
# Where something is missing it says so and succeeds: the tests that need Keycloak skip.
set -euo pipefail
cd "$(dirname "$0")/.."

name=Keycloak
version=26.5.6
sha256=490189d9dff05272432d51f71a069462eeca97f2920a694d539a1e6c26a5a347
java_at_least=21
home=.engines/keycloak
without=account,account-api,admin,ciba,device-flow,docker,impersonation,kerberos,organization,par,passkeys

source scripts/java_engine.sh
java=$(find_java "$java_at_least" "${KEYCLOAK_JAVA_HOME:-}" "${JAVA_HOME:-}")
[[ -n $java ]] || missing "it needs Java $java_at_least or later (set KEYCLOAK_JAVA_HOME)"
if [[ ! -e $home/.version-$version ]]; then
    fetch org.keycloak keycloak-quarkus-dist zip "$sha256" "0.2 GB"
    python3 -m zipfile -e "$archive" "$home"
    mv "$home/keycloak-$version"/* "$home"
    rmdir "$home/keycloak-$version"
    JAVA_HOME=$java bash "$home/bin/kc.sh" build --db=dev-mem "--features-disabled=$without" \
        >>"$home/log" 2>&1 || missing "it could not be built (see $home/log)"
    touch "$home/.version-$version"
fi
ln -sfn "$java" "$home/java"
