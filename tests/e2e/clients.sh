#!/usr/bin/env bash
# Real clients, unmodified, without a proxy variable: an allowed fetch is exact, a forbidden one fails fast.
. "$(dirname "$0")/lib.sh"
BIG=8388608 world_up
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      ports: [80, 443, 9451]
    - host: strange.test
    - host: git.test
      git: {fetch: true}
YAML
want=$(sha256sum <"$T/www/big" | cut -c1-64)
mkdir -m 777 "$T/out"
cat >"$T/fetch.py" <<'PY'
import sys, urllib.request, hashlib
print(hashlib.sha256(urllib.request.urlopen(sys.argv[1], timeout=20).read()).hexdigest())
PY
cat >"$T/fetch.mjs" <<'JS'
import { createHash } from "node:crypto";
const r = await fetch(process.argv[2]);
if (!r.ok) { console.error(r.status, await r.text()); process.exit(1); }
console.log(createHash("sha256").update(new Uint8Array(await r.arrayBuffer())).digest("hex"));
JS
cat >"$T/Fetch.java" <<'JAVA'
import java.net.URI;
import java.net.http.*;
import java.security.MessageDigest;
import java.util.HexFormat;

public class Fetch {
    public static void main(String[] a) throws Exception {
        HttpResponse<byte[]> r = HttpClient.newHttpClient().send(
            HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofByteArray());
        if (r.statusCode() != 200) {
            System.err.println(r.statusCode() + " " + new String(r.body()));
            System.exit(1);
        }
        System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(r.body())));
    }
}
JAVA
# Trailers both ways and hints, by node's own server and client.
cat >"$T/trailers.mjs" <<'JS'
import https from "node:https";
import { readFileSync } from "node:fs";
const [what, ...args] = process.argv.slice(2);
if (what === "serve") {
  https.createServer({ cert: readFileSync(args[1]), key: readFileSync(args[2]) }, (q, r) => {
    let n = 0;
    q.on("data", (d) => (n += d.length)).on("end", () => {
      r.writeEarlyHints?.({ link: "</s.css>; rel=preload" });
      r.writeHead(200, { trailer: "x-sum", "x-te": q.headers.te ?? "" });
      r.write(`got ${n}`);
      r.addTrailers({ "x-sum": `${q.trailers["x-sum"] ?? "none"} back` });
      r.end();
    });
  }).listen(9451, args[0], () => console.log("listening"));
} else {
  let hints = 0;
  const q = https.request({ host: "origin.test", port: 9451, method: "POST", headers: { te: "trailers", trailer: "x-sum", "transfer-encoding": "chunked" } }, (r) => {
    let b = "";
    r.on("data", (d) => (b += d)).on("end", () => console.log(b, r.headers["x-te"], r.trailers["x-sum"], hints));
  });
  q.on("information", (i) => (hints += i.statusCode === 103));
  q.write("abc");
  setTimeout(() => { q.write("defg"); q.addTrailers({ "x-sum": "there and" }); q.end(); }, 200);
}
JS
in_net node "$T/trailers.mjs" serve "$ORIGIN" "$T/pki/origin.pem" "$T/pki/leaf.key" >"$T/trailers.out" 2>&1 &
eventually 10 grep -q listening "$T/trailers.out" || { cat "$T/trailers.out" >&2; exit 1; }
cat >"$T/Upload.java" <<'JAVA'
import java.io.*;
import java.net.URI;
import java.net.http.*;

public class Upload {
    public static void main(String[] a) throws Exception {
        var body = HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(new byte[3_000_000]));
        var r = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).POST(body).expectContinue(a.length > 1).build(),
            HttpResponse.BodyHandlers.ofByteArray());
        System.out.println(r.statusCode() + " " + r.body().length);
    }
}
JAVA
cat >"$T/upload.py" <<'PY'
import http.client, ssl, sys
c = http.client.HTTPSConnection("strange.test", context=ssl.create_default_context(), timeout=30)
c.request("POST", "/echo", body=(b"x" * 100000 for _ in range(30)), headers={"Transfer-Encoding": "chunked"}, encode_chunked=True)
print(len(c.getresponse().read()))
PY
v32k=$(printf '%32768s' '' | tr ' ' v) q15k=$(printf '%15000s' '' | tr ' ' q)
cat >"$T/cases.sh" <<CASES
cd $T/out; export HOME=$T/out
run() { local n=\$1 from=\${EPOCHREALTIME/./}; shift; timeout 60 "\$@" >\$n.out 2>\$n.err </dev/null; echo \$? >\$n.status; echo \$(((\${EPOCHREALTIME/./} - from) / 1000)) >\$n.ms; }
sum() { sha256sum | cut -c1-64; }
for host in origin forbidden; do
    url=https://\$host.test/big
    run curl-\$host   bash -o pipefail -c "curl -sSf --http1.1 \$url | sha256sum | cut -c1-64"
    run wget-\$host   bash -o pipefail -c "wget -q -O- \$url | sha256sum | cut -c1-64"
    run node-\$host   node $T/fetch.mjs \$url
    run python-\$host python3 $T/fetch.py \$url
    run java-\$host   java $T/Fetch.java \$url
done
run openssl-origin    bash -c 'printf "GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n" | openssl s_client -quiet -verify_return_error -connect origin.test:443 -servername origin.test'
run openssl-forbidden bash -c 'printf "GET / HTTP/1.1\r\nHost: forbidden.test\r\nConnection: close\r\n\r\n" | openssl s_client -quiet -verify_return_error -connect forbidden.test:443 -servername forbidden.test'
run clone   git clone -q https://git.test/git/repo.git clone
run fetch   git -C clone fetch -q
run push    bash -c 'cd clone && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m two && git push -q origin main'
run cloneforbidden git clone -q https://forbidden.test/git/repo.git nothing
for p in head chunked close short cutchunk garbage rst early sse slow cltesmuggle bighead switch; do run odd-\$p curl -sS --max-time 10 https://strange.test/\$p; done
run echo    bash -c 'head -c 3000000 /dev/zero | curl -sS -T - https://strange.test/echo | wc -c'
run trailers node $T/trailers.mjs
run javaup  java $T/Upload.java https://strange.test/echo
run javaexp java $T/Upload.java https://strange.test/head expect
run pyup    python3 $T/upload.py
run cookie  curl -sS -o /dev/null -w '%{http_code}' -H 'Cookie: c=$v32k' https://strange.test/head
run cookieh2 nghttp -H 'cookie: c=$v32k' https://strange.test/head
run longurl curl -sS -o /dev/null -w '%{http_code}' 'https://strange.test/head?$q15k'
run expect  bash -c 'head -c 100000 /dev/zero | curl -sS -H "Expect: 100-continue" --data-binary @- https://strange.test/head'
CASES
if ! agent "$T/policy.yaml" bash "$T/cases.sh" >"$T/run.out" 2>&1; then not_ok "egressctl run" "$(cat "$T/run.out")"; exit 1; fi
o=$T/out
exact() { [ "$(cat "$o/$1.out")" = "$want" ] || { cat "$o/$1.err" "$o/$1.out"; return 1; }; }
# no slower than the client's own start, which an allowed fetch has too
fails_fast() {
    local base=0
    [ -f "$o/${1%forbidden}origin.ms" ] && base=$(cat "$o/${1%forbidden}origin.ms")
    [ "$(cat "$o/$1.status")" != 0 ] && [ "$(cat "$o/$1.ms")" -lt $((base + 4000)) ] || { cat "$o/$1.ms" "$o/$1.status" "$o/$1.err"; return 1; }
}
succeeds() { [ "$(cat "$o/$1.status")" = 0 ] || { cat "$o/$1.err"; return 1; }; }
for c in curl wget node python java; do
    check "$c: 8 MiB, byte for byte" exact $c-origin
    check "$c: a forbidden host fails fast" fails_fast $c-forbidden
done
check "openssl s_client: a verified page" grep -q 'hello from the origin' "$o/openssl-origin.out"
check "openssl s_client: a forbidden host says why" grep -q '"reason":"no_route"' "$o/openssl-forbidden.out"
check "git clone" succeeds clone
check "git fetch" succeeds fetch
check "git push is refused" fails_fast push
check "git: a forbidden host fails fast" fails_fast cloneforbidden
for p in chunked close early sse slow; do check "odd origin: $p" succeeds odd-$p; done
check "a slow body is whole" grep -qx 0123456789 "$o/odd-slow.out"
for p in short cutchunk rst garbage cltesmuggle bighead switch; do
    check "odd origin: $p does not look whole" bash -c "[ \"\$(cat '$o/odd-$p.status')\" != 0 ] || grep -q egress_denied '$o/odd-$p.out'"
done
check "an upload without a length, echoed" grep -qx 3000000 "$o/echo.out"
check "trailers both ways, and hints" grep -qx 'got 7 trailers there and back [01]' "$o/trailers.out"
check "java: an upload without a length" grep -qx '200 3000000' "$o/javaup.out"
check "java: an upload that expects a 100" grep -q '^200 ' "$o/javaexp.out"
check "python: an upload without a length" grep -qx 3000000 "$o/pyup.out"
check "cookies of 32 KiB" grep -qx 200 "$o/cookie.out"
check "cookies of 32 KiB, HTTP/2" bash -c "tr -cd v <'$o/cookieh2.out' | wc -c | awk '{exit \$1 < 32768}'"
check "an address of 15 KB" grep -qx 200 "$o/longurl.out"
check "100-continue" grep -q 'body: 100000' "$o/expect.out"
check "the origin gets no hop-by-hop or proxy field" bash -c "! grep -qiE 'via:|x-forwarded|proxy' '$o/odd-head.out'"
exit $FAILED
