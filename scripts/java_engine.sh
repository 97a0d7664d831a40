# Sourced by the scripts that fetch engines written in Java; each sets `name`, `version` and `home`.

# Says what is missing and succeeds: the tests that need the engine skip.
missing() {
    echo "engines: no $name: $1"
    exit 0
}

# `find_java NUMBER HOME…` prints the home of a Java of that number or later: the first of the homes
# given that is one, else the newest where Linux keeps them.
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

# `fetch GROUP ARTIFACT TYPE SHA256 SIZE` empties `home` and puts the archive there, as `archive`,
# which goes when the script ends.
fetch() {
    command -v mvn >/dev/null || missing "it comes by Maven (on Debian: apt-get install maven)"
    echo "engines: fetching $name $version ($5; Maven keeps it in its own cache)"
    rm -rf "$home"
    mkdir -p "$home"
    archive=$home/$2-$version.$3
    trap 'rm -f "$archive"' EXIT
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        "-Dartifact=$1:$2:$version:$3" "-DoutputDirectory=$home" \
        >"$home/log" 2>&1 || missing "Maven could not fetch it (see $home/log)"
    sha256sum --quiet --check <<<"$4  $archive" || missing "its archive is not the one pinned here"
}
