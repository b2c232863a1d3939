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
    cmp -s "$ROOT/tests/browser/package-lock.json" "$ROOT/tests/browser/node_modules/.installed" && return
    say "installing the npm packages of tests/browser/"
    quietly npm ci --prefix "$ROOT/tests/browser" --no-audit --no-fund ||
        fail "cannot install the npm packages of tests/browser/; \`npm ci --prefix tests/browser\` says why"
    cp "$ROOT/tests/browser/package-lock.json" "$ROOT/tests/browser/node_modules/.installed"
}

install_browser() {
    local missing
    mapfile -t missing < <(package_for chromium chromium; font_package)
    install_debian "${missing[@]}"
    install_node
    install_node_packages
}

## The description of the API

venv_package() { python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv; }

# A virtual environment names its own folder, so it is made in place; the mark says that it is whole.
fetch_schemathesis() {
    local folder=$CACHE/schemathesis-$SCHEMATHESIS_VERSION
    [ -e "$folder/.installed" ] && return
    say "installing Schemathesis $SCHEMATHESIS_VERSION from PyPI"
    rm -rf "$folder"
    quietly python3 -m venv "$folder" || fail "cannot make a virtual environment; \`python3 -m venv $folder\` says why"
    quietly "$folder/bin/pip" install --disable-pip-version-check "schemathesis==$SCHEMATHESIS_VERSION" ||
        fail "cannot install Schemathesis $SCHEMATHESIS_VERSION; pip must reach PyPI"
    touch "$folder/.installed"
}

install_schemathesis() {
    install_debian "$(venv_package)"
    with_cache_lock fetch_schemathesis
    PATH=$PATH:$CACHE/schemathesis-$SCHEMATHESIS_VERSION/bin
}

## Load tests and the compose file

go_is_recent() { have go && [ "$(printf '%s\n' "$GO_OLDEST" "$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')" | sort -V | head -n 1)" = "$GO_OLDEST" ]; }

# Debian 12 has Go 1.19, which is too old for k6; the Go module proxy carries newer ones as a module.
fetch_go() {
    local folder=$CACHE/go-$GO_VERSION modules arch
    [ -x "$folder/bin/go" ] && return
    case $(uname -m) in
        x86_64) arch=amd64 ;;
        aarch64) arch=arm64 ;;
        *) fail "needs Go $GO_OLDEST or newer, and there is none to fetch for $(uname -m); install it from https://go.dev" ;;
    esac
    say "fetching Go $GO_VERSION through the Go module proxy"
    modules=$(mktemp -d)
    GOMODCACHE=$modules quietly go mod download "golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$arch" ||
        fail "cannot fetch Go $GO_VERSION; go must reach a Go module proxy, or install Go $GO_OLDEST or newer yourself"
    # Modules are read-only and carry no programs.
    chmod -R u+w "$modules"
    rm -rf "$folder"
    mv "$modules/golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$arch" "$folder.new"
    rm -rf "$modules"
    find "$folder.new/bin" "$folder.new/pkg/tool" -type f -exec chmod +x {} +
    mv "$folder.new" "$folder"
}

install_go() {
    install_debian "$(package_for go golang-go)"
    go_is_recent && return
    with_cache_lock fetch_go
    PATH=$CACHE/go-$GO_VERSION/bin:$PATH
}

# build_go_program FOLDER NAME MODULE: the program of a module, under a name of its own.
build_go_program() {
    local folder=$CACHE/$1 name=$2 module=$3 built
    [ -x "$folder/$name" ] && return
    say "building ${module##*github.com/} (some minutes, once)"
    rm -rf "$folder.new"
    GOBIN=$folder.new GOTOOLCHAIN=local GOFLAGS=-buildvcs=false quietly go install "$module" ||
        fail "cannot build $module; \`go install $module\` says why"
    built=$(find "$folder.new" -type f)
    [ "$built" = "$folder.new/$name" ] || mv "$built" "$folder.new/$name"
    rm -rf "$folder"
    mv "$folder.new" "$folder"
}

# install_go_program FOLDER NAME MODULE: needs Go only for what is not there yet.
install_go_program() {
    if [ ! -x "$CACHE/$1/$2" ]; then
        install_go
        with_cache_lock build_go_program "$@"
    fi
    PATH=$CACHE/$1:$PATH
}

install_k6() { install_go_program "k6-$K6_VERSION" k6 "go.k6.io/k6@v$K6_VERSION"; }

# Prints what a compose file means, without a container engine; its module calls the program cmd.
install_compose_check() {
    install_go_program "compose-go-$COMPOSE_GO_VERSION" compose-check "github.com/compose-spec/compose-go/v2/cmd@v$COMPOSE_GO_VERSION"
}

# nginx stands before the roles of the compose file, Caddy before one small server.
install_nginx() { install_debian "$(package_for nginx nginx-light)"; }

install_caddy() { install_debian "$(package_for caddy caddy)"; }
