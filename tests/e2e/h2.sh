#!/usr/bin/env bash
# HTTP/2 on either side: the four combinations are exact, what is malformed is refused with a reason, floods end.
. "$(dirname "$0")/lib.sh"
BIG=16777216 world_up
cat >"$T/policy.yaml" <<'YAML'
version: 1
timeouts: {request_head: 3s, request_body_idle: 5s}
egress:
  routes:
    - host: h2.test
    - host: strange.test
YAML
mkdir -m 777 "$T/out"
head -c 5000000 /dev/urandom >"$T/up"
cat >"$T/cases.sh" <<CASES
cd $T/out
get() { local n=\$1; shift; curl -sS --max-time 30 -o \$n.body -w '%{http_code} %{http_version}\n' "\$@" >\$n.code 2>\$n.err; }
get h1h2 --http1.1 https://h2.test/big
get h2h2 --http2 https://h2.test/big
get h1h1 --http1.1 https://strange.test/
get mirrored --http2 https://strange.test/
get prior --http2-prior-knowledge http://h2.test/
get upgrade --http2 http://h2.test/
nghttp -n -s https://h2.test/ https://h2.test/big https://h2.test/index.html >nghttp.out 2>&1; echo \$? >nghttp.status
nghttp https://strange.test/ >h2h1.body 2>h2h1.err
nghttp -d $T/up https://strange.test/ >h2h1post.body 2>&1
h2load -n 2000 -c 10 -m 20 https://h2.test/ >h2load.out 2>&1
h2load -n 500 -c 5 -m 20 https://strange.test/ >h2load1.out 2>&1
h2load --h1 -n 400 -c 4 'https://h2.test/?as=h1' >h2load_h1.out 2>&1
node $T/client.mjs >node.out 2>&1
python3 $HERE/h2_raw.py h2.test /big >raw.out 2>&1
python3 $HERE/h2_raw.py strange.test / \
    plain post host_only trailers_ok trailers_pseudo length_more length_less length_none length_twice transfer_encoding \
    cookies path_crlf path_space method_space method_crlf name_colon name_crlf value_crlf value_lf te_trailers host_differs >raw1.out 2>&1
CASES
cat >"$T/client.mjs" <<'JS'
import http2 from "node:http2";
const c = http2.connect("https://h2.test");
const get = (path) => new Promise((done, fail) => {
  const r = c.request({ ":path": path });
  let n = 0, status;
  r.on("response", (h) => (status = h[":status"])).on("data", (d) => (n += d.length)).on("end", () => done(`${status} ${n}`)).on("error", fail).end();
});
const all = await Promise.all(Array.from({ length: 100 }, (_, i) => get(i % 10 ? "/" : "/big")));
console.log([...new Set(all)].sort().join(", "));
c.close();
JS
if ! agent "$T/policy.yaml" bash "$T/cases.sh" >"$T/run.out" 2>&1; then not_ok "egressctl run" "$(cat "$T/run.out")"; exit 1; fi
o=$T/out
code() { [ "$(cat "$o/$1.code")" = "$2" ] || { echo "$1: $(cat "$o/$1.code"), not $2; $(cat "$o/$1.err")"; return 1; }; }
check "HTTP/1 to HTTP/2" code h1h2 "200 1.1"
check "HTTP/1 to HTTP/2, byte for byte" cmp "$o/h1h2.body" "$T/www/big"
check "HTTP/2 to HTTP/2" code h2h2 "200 2"
check "HTTP/2 to HTTP/2, byte for byte" cmp "$o/h2h2.body" "$T/www/big"
check "HTTP/1 to HTTP/1" code h1h1 "200 1.1"
check "the agent is offered what its upstream speaks" code mirrored "200 1.1"
check "HTTP/2 to HTTP/1" test -s "$o/h2h1.body"
check "HTTP/2 without TLS is refused" logged 'e["event"]=="http" and e["reason"]=="malformed" and not e["path"] and e["host"] is None'
check "an upgrade to HTTP/2 is not passed on" code upgrade "200 1.1"
check "several requests of nghttp at once" test "$(cat "$o/nghttp.status")" = 0
check "2000 requests of h2load, 20 at once each" grep -q '2000 succeeded, 0 failed, 0 errored' "$o/h2load.out"
check "500 requests of h2load to HTTP/1" grep -q '500 succeeded, 0 failed, 0 errored' "$o/h2load1.out"
check "400 requests of h2load by HTTP/1" grep -q '400 succeeded, 0 failed, 0 errored' "$o/h2load_h1.out"
of_h1() { [ "$(grep -c "?as=h1 200 .* proto=HTTP/$1" "$T/access.log")" -ge "$2" ] || { echo "HTTP/$1: $(grep -c "?as=h1 .*HTTP/$1" "$T/access.log")"; return 1; }; }
check "who asks on by HTTP/1 begins in a session that is there" of_h1 2.0 10
check "... and gets HTTP/1 connections" of_h1 1.1 100
check "node: 100 streams at once" grep -qx '200 16777216, 200 22' "$o/node.out"

is() { [ "$(sed -n "s/^$2: //p" "$o/$1.out")" = "$3" ] || { echo "$2: $(sed -n "s/^$2: //p" "$o/$1.out"), not $3"; return 1; }; }
starts() { case "$(sed -n "s/^$2: //p" "$o/$1.out")" in "$3"*) ;; *) echo "$2: $(sed -n "s/^$2: //p" "$o/$1.out"), not $3"; return 1 ;; esac; }
for n in plain host_same host_only te_trailers; do check "passes: $n" is raw $n 200; done
check "refused: authority_other" is raw authority_other "403 host_mismatch"
for n in host_differs host_twice no_authority authority_userinfo authority_space authority_empty no_path no_method no_scheme \
    scheme_http scheme_odd path_empty path_relative path_absolute path_crlf path_space path_asterisk method_space method_crlf \
    method_empty connect connect_full protocol_odd protocol_late protocol_get upper_name empty_name name_space name_colon \
    name_crlf value_cr value_crlf value_lf value_nul value_lead_space value_trail_tab pseudo_late pseudo_twice pseudo_unknown \
    pseudo_status connection keep_alive proxy_connection upgrade transfer_encoding te_gzip length_none \
    length_twice length_bad; do
    check "refused: $n" starts raw $n "400 malformed"
done
for n in many_fields big_list; do check "refused: $n" is raw $n "403 limit"; done
for n in rapid_reset ping settings settings_empty priority window continuation continuation_empty hpack_bomb streams unknown \
    empty_data padding closed ignored; do
    check "flood: $n" starts raw flood_$n "GOAWAY ENHANCE_YOUR_CALM"
done
for n in window_zero window_over window_short priority_short data_over data_ended head_ended head_bad length; do
    check "flood: resets that we are made to send: $n" starts raw made_reset_$n "GOAWAY"
done
check "a head that does not end" starts raw slow_head "GOAWAY ENHANCE_YOUR_CALM"
check "a window of nothing" is raw zero_window "0 then 5, other 200, in the end CANCEL"
check "a slow stream beside a fast one" is raw slow_stream "1000 beside 16777216"
for n in not_http2 stream_zero even_stream data_on_idle frame_too_long window_overflow bad_hpack; do
    check "broken framing: $n" starts raw $n "GOAWAY"
done
for n in plain post host_only trailers_ok te_trailers cookies; do check "to HTTP/1, passes: $n" starts raw1 $n 200; done
for n in trailers_pseudo length_more length_less length_none length_twice transfer_encoding path_crlf path_space method_space \
    method_crlf name_colon name_crlf value_crlf value_lf host_differs; do
    check "to HTTP/1, refused: $n" starts raw1 $n "400 malformed"
done
check "no case went wrong" bash -c "! grep EXCEPTION '$o/raw.out' '$o/raw1.out'"
check "the log has the floods" logged 'e["event"]=="http" and e["reason"]=="limit" and e["detail"]=="too many streams were reset"'
check "the log has the window that stayed shut" logged 'e["event"]=="http" and e["reason"]=="limit" and e["detail"] and "took nothing" in e["detail"]'
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
