# The clients of the trust-store matrix: each fetches from https://$HOST once, verified, and shows what it got.
# Sourced by matrix.sh for the list; run by the agent as "bash clients.bash NAME HOST". $T is the test's folder.
#
#     NAME | what the table calls it | how it learns of the CA | command that prints its version
CLIENTS='
curl|curl (OpenSSL)|system bundle, `CURL_CA_BUNDLE`|curl --version
pycurl|libcurl (GnuTLS), by pycurl|system bundle|/usr/bin/python3 -c "import pycurl; print(pycurl.version)"
wget|wget (GnuTLS)|system bundle, `SYSTEM_WGETRC`|wget --version
openssl|openssl s_client|system bundle, `SSL_CERT_FILE`|openssl version
gnutls|gnutls-cli|system bundle|gnutls-cli --version
git|git (GnuTLS)|system bundle, `GIT_SSL_CAINFO`|git --version
urllib|Python urllib, ssl|system bundle, `SSL_CERT_FILE`|/usr/bin/python3 --version
requests|Python requests, as Debian has it|system bundle, `REQUESTS_CA_BUNDLE`|/usr/bin/python3 -c "import requests; print(requests.__version__)"
requests-certifi|Python requests with a certifi of its own|certifi'"'"'s file, `REQUESTS_CA_BUNDLE`|/usr/bin/python3 -c "import requests; print(requests.__version__)"
certifi|Python urllib3 that is given certifi.where()|certifi'"'"'s file|/usr/bin/python3 -c "import urllib3; print(urllib3.__version__)"
pip|pip, as Debian has it|system bundle, `PIP_CERT`|/usr/bin/python3 -m pip --version
pip-certifi|pip with its vendored certifi|certifi'"'"'s file, `PIP_CERT`|/usr/bin/python3 -m pip --version
node|Node.js fetch, bundled roots|`NODE_EXTRA_CA_CERTS`|node --version
npm|npm, bundled roots|`NODE_EXTRA_CA_CERTS`|npm --version
java-jks|Java, cacerts as JKS|cacerts, `JAVA_TOOL_OPTIONS`|java -version
java-p12|Java, cacerts as PKCS #12|cacerts, `JAVA_TOOL_OPTIONS`|java -version
go|go (module proxy)|system bundle, `SSL_CERT_FILE`|go version
cargo|cargo (sparse registry)|system bundle, `CARGO_HTTP_CAINFO`|/usr/bin/cargo --version
ruby|Ruby net/http|system bundle, `SSL_CERT_FILE`|ruby --version
gem|RubyGems|system bundle, `SSL_CERT_FILE`|gem --version
php-stream|PHP streams|system bundle, `SSL_CERT_FILE`|php --version
php-curl|PHP curl (GnuTLS)|system bundle, `PHP_INI_SCAN_DIR`|php --version
lwp|Perl LWP, IO::Socket::SSL|system bundle, `PERL_LWP_SSL_CA_FILE`|perl -MLWP -e "print LWP->VERSION"
http-tiny|Perl HTTP::Tiny|system bundle, `SSL_CERT_FILE`|perl -MHTTP::Tiny -e "print HTTP::Tiny->VERSION"
'

# Too big for every run: tried by `matrix.sh --more`, as far as they are there.
MORE='
chromium|Chromium, headless|policy in `/etc/chromium`|chromium --version
firefox|Firefox, headless|policy in `/etc/firefox`|firefox-esr --version
deno|Deno fetch|`DENO_CERT`, `DENO_TLS_CA_STORE`|deno --version
bun|Bun fetch|`NODE_EXTRA_CA_CERTS`|bun --version
'

# What a success shows, and nothing else does.
TOKEN='hello from the origin'

# What the machine at hand may have set for its own network.
export npm_config_globalconfig=/dev/null PIP_CONFIG_FILE=/dev/null GIT_CONFIG_NOSYSTEM=1

page() { printf 'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1"; }
site() { export PYTHONPATH=$T/venv/lib/python3/site-packages; }

# fetch CLIENT HOST
fetch() {
    local h=$2
    case $1 in
    curl) curl -sS "https://$h/" ;;
    pycurl) /usr/bin/python3 -c 'import pycurl, sys; c = pycurl.Curl(); c.setopt(c.URL, sys.argv[1]); c.perform()' "https://$h/" ;;
    wget) wget -q -O- "https://$h/" ;;
    openssl) page "$h" | openssl s_client -quiet -verify_return_error -connect "$h:443" -servername "$h" ;;
    gnutls) # reads until the server closes; an end of its input would make it leave before
        mkfifo "$HOME/in" && exec 3<>"$HOME/in" && page "$h" >&3 && gnutls-cli --logfile=/dev/stderr "$h" <&3
        ;;
    git) git ls-remote "https://$h/repo.git" | grep -q refs/heads/main && echo "$TOKEN" ;;
    urllib) /usr/bin/python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())' "https://$h/" ;;
    requests) /usr/bin/python3 -c 'import sys, requests; print(requests.get(sys.argv[1]).text)' "https://$h/" ;;
    requests-certifi) site && fetch requests "$h" ;;
    certifi)
        site
        /usr/bin/python3 -c 'import certifi, sys, urllib3
print(urllib3.PoolManager(ca_certs=certifi.where(), cert_reqs="REQUIRED").request("GET", sys.argv[1]).data.decode())' "https://$h/"
        ;;
    pip)
        /usr/bin/python3 -m pip download -q --no-deps --no-cache-dir --disable-pip-version-check --retries 0 \
            --index-url "https://$h/simple/" -d "$HOME/pip" thing && unzip_hello "$HOME"/pip/thing-1.0-py3-none-any.whl
        ;;
    pip-certifi) site && fetch pip "$h" ;;
    node) node --use-bundled-ca -e 'fetch(process.argv[1]).then(r => r.text()).then(console.log)' "https://$h/" ;;
    npm)
        (cd "$HOME" && NODE_OPTIONS=--use-bundled-ca npm view thing description --registry "https://$h/npm/" --cache "$HOME/npm" \
            --no-update-notifier --fetch-retries 0)
        ;;
    java-jks) java -cp "$T/java" Fetch "https://$h/" ;;
    java-p12) "$T/jdk-p12/bin/java" -cp "$T/java" Fetch "https://$h/" ;;
    go)
        (cd "$HOME" && GOPROXY=https://$h/go GOSUMDB=off GO111MODULE=on GOFLAGS=-modcacherw \
            go list -m -versions world.test/thing | grep -qx 'world.test/thing v1.0.0' && echo "$TOKEN")
        ;;
    cargo)
        mkdir -p "$HOME/project/.cargo" "$HOME/project/src" && cd "$HOME/project" && : >src/lib.rs
        printf '[package]\nname = "p"\nversion = "0.1.0"\n[dependencies]\nthing = {version = "1", registry = "world"}\n' >Cargo.toml
        printf '[registries.world]\nindex = "sparse+https://%s/cargo/%s/"\n[net]\nretry = 0\n' "$h" "$h" >.cargo/config.toml
        CARGO_HOME=$HOME/cargo RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_SPARSE_REGISTRY=true /usr/bin/cargo fetch -q &&
            cat "$HOME"/cargo/registry/src/*/thing-1.0.0/src/lib.rs
        ;;
    ruby) ruby -rnet/http -e 'puts Net::HTTP.get(URI(ARGV[0]))' "https://$h/" ;;
    gem) (cd "$HOME" && gem list --remote --clear-sources --source "https://$h/gems/" thing | grep -q '^thing (1.0)' && echo "$TOKEN") ;;
    php-stream) php -r 'echo file_get_contents($argv[1]);' "https://$h/" ;;
    php-curl) php -r '$c = curl_init($argv[1]); if (!curl_exec($c)) { echo curl_error($c); exit(1); }' "https://$h/" ;;
    lwp) perl -MLWP::UserAgent -e '$r = LWP::UserAgent->new->get($ARGV[0]); print $r->is_success ? $r->content : die $r->status_line' "https://$h/" ;;
    http-tiny) perl -MHTTP::Tiny -e '$r = HTTP::Tiny->new(verify_SSL => 1)->get($ARGV[0]); $r->{success} or die $r->{content}; print $r->{content}' "https://$h/" ;;
    chromium) chromium --headless --no-sandbox --disable-gpu --user-data-dir="$HOME/chromium" --dump-dom "https://$h/" ;;
    firefox) /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/firefox.py" "https://$h/" ;;
    deno) DENO_DIR=$HOME/deno deno eval --no-lock 'console.log(await (await fetch(Deno.args[0])).text())' "https://$h/" ;;
    bun) bun -e 'console.log(await (await fetch(process.argv[1])).text())' "https://$h/" ;;
    *) echo "no such client" >&2 && return 2 ;;
    esac
}

unzip_hello() { /usr/bin/python3 -c 'import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read("thing.txt").decode())' "$1"; }

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    fetch "$@"
fi
