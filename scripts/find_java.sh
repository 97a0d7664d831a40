# Sourced by the scripts that fetch engines: `find_java NUMBER HOME…` prints the home of a Java of that
# number or later: the first of the homes given that is one, else the newest where Linux keeps them.
find_java() {
    local at_least=$1 candidate number
    shift
    for candidate in "$@" $(compgen -G '/usr/lib/jvm/*' | sort -rV); do
        number=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$candidate/release" 2>/dev/null || true)
        if [[ -x $candidate/bin/java && ${number:-0} -ge $at_least ]]; then
            readlink -f "$candidate"
            return
        fi
    done
}
