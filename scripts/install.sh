# shellcheck shell=bash
# Installs what is missing, and says in one sentence what it could not install and how to get it. Sourced, never run.
# Tools from registries go to the cache folder, outside the clone, so that the second run installs nothing.

# A quiet command whose output is shown only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Two clones may install at the same time: the second one waits, then finds everything there.
with_cache_lock() {
    mkdir -p "$CACHE"
    (
        flock 9
        "$@"
    ) 9>"$CACHE/lock"
}

## Debian

package_is_missing() { ! dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# install_debian PACKAGE…: one apt-get update, and only when a package is missing.
install_debian() {
    [ -n "$*" ] || return 0
    have apt-get || fail "needs the programs of these Debian packages: $*; this is no Debian, install them by the means of this system"
    is_root || fail "needs the Debian packages $*; run as root: apt-get install $*"
    say "installing from Debian: $*"
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update || fail "cannot reach Debian's packages for $*; make \`apt-get update\` work, then run this again"
    quietly apt-get install -y --no-install-recommends "$@" ||
        fail "cannot install the Debian packages $*; \`apt-get install $*\` says why"
}

# Prints the package unless its command is there already, from whatever source.
package_for() { have "$1" || echo "$2"; }

postgres_folder() {
    local server
    server=$(command -v postgres) || server=$(find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$server" ] && dirname "$server"
}

postgres_package() { [ -n "$(postgres_folder)" ] || echo postgresql; }

font_package() { ! package_is_missing fonts-noto-cjk || echo fonts-noto-cjk; }

## Engines

install_kafka_jars() {
    local folder=$CACHE/kafka-$KAFKA_VERSION
    [ -d "$folder" ] && return
    say "fetching Kafka $KAFKA_VERSION through Maven"
    rm -rf "$folder.new"
    quietly mvn -q -B -f "$ROOT/scripts/kafka/pom.xml" \
        -Dkafka.version="$KAFKA_VERSION" -Dlog4j.version="$LOG4J_VERSION" \
        "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy-dependencies" \
        -DoutputDirectory="$folder.new" -DincludeScope=runtime ||
        fail "cannot fetch Kafka $KAFKA_VERSION; Maven must reach Maven Central or a mirror named in its settings.xml"
    mv "$folder.new" "$folder"
}

build_toxiproxy() {
    local folder=$CACHE/toxiproxy-$TOXIPROXY_VERSION
    [ -x "$folder/bin/toxiproxy-server" ] && return
    say "building toxiproxy $TOXIPROXY_VERSION with Go"
    rm -rf "$folder.new"
    mkdir -p "$folder/bin"
    GOBIN="$folder.new" GOFLAGS=-modcacherw quietly go install "github.com/Shopify/toxiproxy/v2/cmd/server@v$TOXIPROXY_VERSION" ||
        fail "cannot build toxiproxy $TOXIPROXY_VERSION, which needs Go 1.23 or newer (https://go.dev/dl) and the Go module proxy; \`go install github.com/Shopify/toxiproxy/v2/cmd/server@v$TOXIPROXY_VERSION\` says why"
    mv "$folder.new/server" "$folder/bin/toxiproxy-server"
    rm -rf "$folder.new"
}

# A proxy that is slow, swallows, or resets on demand.
install_toxiproxy() {
    install_debian "$(have go || [ -x "$CACHE/toxiproxy-$TOXIPROXY_VERSION/bin/toxiproxy-server" ] || echo golang-go)"
    with_cache_lock build_toxiproxy
    PATH=$CACHE/toxiproxy-$TOXIPROXY_VERSION/bin:$PATH
}

# install_engines NAME…
install_engines() {
    local missing=() engine
    for engine in "$@"; do
        case $engine in
            postgres) mapfile -t -O "${#missing[@]}" missing < <(postgres_package; package_for psql postgresql-client) ;;
            redis) mapfile -t -O "${#missing[@]}" missing < <(package_for redis-server redis-server; package_for redis-cli redis-tools) ;;
            kafka) mapfile -t -O "${#missing[@]}" missing < <(package_for java default-jre-headless; package_for mvn maven; package_for kcat kcat) ;;
        esac
    done
    install_debian "${missing[@]}"
    case " $* " in *' kafka '*) with_cache_lock install_kafka_jars ;; esac
}

## Building and checking Rust

find_cargo() {
    have cargo || PATH=$HOME/.cargo/bin:$PATH
    have cargo || fail "needs a Rust toolchain; get one with rustup (https://rustup.rs), it reads rust-toolchain.toml"
}

install_compilers() {
    local missing
    mapfile -t missing < <(package_for cc gcc; package_for c++ g++; package_for make make)
    install_debian "${missing[@]}"
}

build_cargo_deny() {
    local folder=$CACHE/cargo-deny-$CARGO_DENY_VERSION
    [ -x "$folder/bin/cargo-deny" ] && return
    say "building cargo-deny $CARGO_DENY_VERSION (some minutes, once)"
    # Its own release profile optimises for a tool that runs all day; it runs for seconds here, so build it fast.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
        quietly cargo install --locked --root "$folder" "cargo-deny@$CARGO_DENY_VERSION" ||
        fail "cannot build cargo-deny $CARGO_DENY_VERSION; \`cargo install --locked cargo-deny@$CARGO_DENY_VERSION\` says why"
}

install_cargo_deny() {
    with_cache_lock build_cargo_deny
    PATH=$CACHE/cargo-deny-$CARGO_DENY_VERSION/bin:$PATH
}

## Browser stories

node_is_recent() { have node && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$NODE_OLDEST" ]; }

# Debian 12 has Node.js 18, which the browser driver refuses; npm carries newer ones as packages.
fetch_node() {
    local folder=$CACHE/node-$NODE_VERSION arch
    [ -x "$folder/bin/node" ] && return
    case $(uname -m) in
        x86_64) arch=x64 ;;
        aarch64) arch=arm64 ;;
        *) fail "needs Node.js $NODE_OLDEST or newer, and npm has none for $(uname -m); install it from https://nodejs.org" ;;
    esac
    say "fetching Node.js $NODE_VERSION from npm"
    rm -rf "$folder.new"
    quietly npm install --prefix "$folder.new" --no-save --no-audit --no-fund "node-linux-$arch@$NODE_VERSION" ||
        fail "cannot fetch Node.js $NODE_VERSION; npm must reach the npm registry, or install Node.js $NODE_OLDEST or newer yourself"
    mv "$folder.new/node_modules/node-linux-$arch" "$folder"
    rm -rf "$folder.new"
}

install_node() {
    local missing
    mapfile -t missing < <(package_for node nodejs; package_for npm npm)
    install_debian "${missing[@]}"
    node_is_recent && return
    with_cache_lock fetch_node
    PATH=$CACHE/node-$NODE_VERSION/bin:$PATH
}

install_node_packages() {
    cmp -s "$ROOT/browser/package-lock.json" "$ROOT/browser/node_modules/.installed" && return
    say "installing the npm packages of browser/"
    quietly npm ci --prefix "$ROOT/browser" --no-audit --no-fund ||
        fail "cannot install the npm packages of browser/; \`npm ci --prefix browser\` says why"
    cp "$ROOT/browser/package-lock.json" "$ROOT/browser/node_modules/.installed"
}

install_browser() {
    local missing
    mapfile -t missing < <(package_for chromium chromium; font_package)
    install_debian "${missing[@]}"
    install_node
    install_node_packages
}
