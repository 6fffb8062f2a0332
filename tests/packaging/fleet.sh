#!/usr/bin/env bash
# docs/fleet.md: real audit lines of two sandboxes through the shippers' parsers, as far as they can be tried without the shippers,
# into a real PostgreSQL, and an auditor's questions to it.
. "$(dirname "$0")/../e2e/lib.sh"
F=$TOP/examples/fleet
PG=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
[ -n "$PG" ] && command -v ruby >/dev/null || { skip fleet "needs postgresql and ruby"; exit 0; }
BIG=1048576 world_up
down() {
    [ -d "$T/pg" ] && runuser -u postgres -- "$PG/pg_ctl" -D "$T/pg" -m immediate stop >/dev/null 2>&1
    world_down
}
trap down EXIT
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: sealed.test
      tls: splice
YAML
cat >"$T/agent.sh" <<'SH'
curl -sS -o /dev/null https://origin.test/big
curl -sS -o /dev/null https://origin.test/index.html
curl -sS https://sealed.test/ -k -o /dev/null
curl -sS https://forbidden.test/upload -d x
curl -sS -d "key=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" -X PUT https://origin.test/put/x
bash -c 'exec 3<>/dev/udp/93.184.216.10/9999; echo out >&3; sleep 0.2; echo out >&3' 2>/dev/null
exit 0
SH
for name in red blue; do
    ctl run --backend netns --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS --state-dir "$T/logs/$name" -- \
        bash "$T/agent.sh" >"$T/$name.out" 2>&1 || not_ok "egressctl run ($name)" "$(cat "$T/$name.out")"
done

# -- the shippers' parsers --
parses() { # every line is an object, with the time where and how parsers.conf says
    python3 - "$F/parsers.conf" "$F/fluent-bit.conf" "$T"/logs/*/audit.jsonl <<'PY'
import datetime, json, sys
parser = dict(l.split(None, 1) for l in open(sys.argv[1]).read().splitlines() if l.startswith("    "))
parser = {k: v.strip() for k, v in parser.items()}
assert parser["Format"] == "json" and f"Parser            {parser['Name']}\n" in open(sys.argv[2]).read()
form = parser["Time_Format"].replace("%L", "%f")
n = 0
for name in sys.argv[3:]:
    for line in open(name, encoding="utf-8"):
        assert line.endswith("\n") and len(line) < 1 << 20
        datetime.datetime.strptime(json.loads(line)[parser["Time_Key"]], form)
        n += 1
assert n > 50, n
PY
}
refers() { # each transform and sink of vector.yaml takes what is there
    ruby -ryaml -e 'v = YAML.load_file(ARGV[0]); names = v["sources"].keys + v["transforms"].keys
        (v["transforms"].values + v["sinks"].values).each { |s| (s["inputs"] - names).empty? or abort "no #{s["inputs"]}" }
        v["transforms"].values[0]["source"].include?("parse_json!(.message)") or abort "no parse_json"' "$F/vector.yaml"
}
check "Fluent Bit's parser fits every line" parses
check "Vector's parts refer to each other" refers

# -- PostgreSQL --
database() {
    mkdir "$T/pg" "$T/socket" && chown postgres "$T/pg" "$T/socket" &&
        runuser -u postgres -- "$PG/initdb" -D "$T/pg" -A trust -E UTF8 --locale C.UTF-8 -N &&
        runuser -u postgres -- "$PG/pg_ctl" -D "$T/pg" -w -t 60 -l "$T/pg/log" -o "-k $T/socket -c listen_addresses= -c fsync=off" start
}
# sql QUERY   rows, fields by "|"
sql() { runuser -u postgres -- psql -h "$T/socket" -v ON_ERROR_STOP=1 -XqAt -c "$1"; }
ship() { runuser -u postgres -- psql -h "$T/socket" -U egress_shipper -d postgres -v ON_ERROR_STOP=1 -Xqt -c "$1"; }
# what Fluent Bit's pgsql output writes: tag, time, the record
inbox() { # SANDBOX...
    python3 - "$T/logs" "$@" <<'PY' >"$T/inbox.csv"
import csv, json, sys
out = csv.writer(sys.stdout)
for sandbox in sys.argv[2:]:
    path = f"{sys.argv[1]}/{sandbox}/audit.jsonl"
    for line in open(path, encoding="utf-8", newline="\n"):
        out.writerow(["egress.raw", "2026-01-01 00:00:00", json.dumps({"machine": "node1", "file": path, "line": line.rstrip("\n")})])
PY
    chmod 644 "$T/inbox.csv"
    ship "create table if not exists inbox (tag varchar, time timestamp without time zone, data jsonb)" && ship "\\copy inbox from '$T/inbox.csv' csv"
}
schema() { runuser -u postgres -- psql -h "$T/socket" -v ON_ERROR_STOP=1 -Xq -f - <"$F/schema.sql" && sql 'select egress.make_partitions()'; }
asks() { # QUERY PATTERN   its rows have it
    local out
    out=$(sql "$1") && grep -qE -- "$2" <<<"$out" || { echo "$1: $out"; return 1; }
}
check "a database" database || { cat "$T/pg/log" 2>/dev/null; exit 1; }
check "the schema loads" schema
check "the inbox takes both logs" inbox red blue
lines=$(cat "$T"/logs/*/audit.jsonl | wc -l)
check "every line is there, none in the default partition or unread" asks \
    'select (select count(*) from egress.line), (select count(*) from egress.line_other), (select count(*) from egress.unreadable)' "^$lines\\|0\\|0\$"
add_only() { local q; for q in 'select * from egress.line' 'delete from egress.line' 'drop table egress_inbox.inbox' 'select * from inbox'; do ship "$q" && { echo "$q"; return 1; }; done; return 0; }
check "a shipper can add lines and nothing else" add_only
check "who reached what: an opened host, by its requests" asks "select * from egress.reached where sandbox = 'red'" '^red\|origin.test\|GET\|.*\|2\|[0-9]+\|1048[0-9]{3}'
check "... a sealed one, by its octets" asks "select * from egress.reached where sandbox = 'blue'" '^blue\|sealed.test\|splice\|.*\|1\|[1-9]'
check "what was refused: a host" asks 'select * from egress.refused' '^red\|no_route\|http\|forbidden.test\|1'
check "... a packet" asks 'select * from egress.refused' "^blue\\|no_route\\|flow\\|$ORIGIN:9999\\|[12]"
check "secrets found, and in which request" asks 'select detector, direction, place, method, path from egress.findings' '^token_patterns:github_token\|outbound\|body\|PUT\|/put/x'
follows() { # a lookup, its connection opened, its request, its last byte
    local id rows
    id=$(sql "select dns_id from egress.line where event = 'http' and path = '/big' limit 1")
    rows=$(sql "select event, what, received from egress.follow('$id')")
    grep -qE '^dns\|A+ origin.test -> .*93.184.216.10' <<<"$rows" && grep -qE '^flow open\|origin.test 93.184.216.10:443' <<<"$rows" &&
        grep -qE '^http\|GET origin.test/big 200\|1048576' <<<"$rows" && grep -qE '^flow closed\|origin.test.*\|10[0-9]{5}' <<<"$rows" || { echo "$id: $rows"; return 1; }
}
check "from a lookup to the last byte" follows
check "whole chains have no gaps" asks 'select count(*) from egress.gaps' '^0$'
silent() { sql "$(sed -n '/^    select machine, sandbox, w, max(ts)/,/;$/p' "$TOP/docs/fleet.md")"; }
check "the page's query for writers that fell silent" silent
check "nothing is still open" asks 'select count(*) from egress.still_open' '^0$'
check "the same lines again change nothing" inbox red
check "... at all" asks 'select count(*) from egress.line' "^$lines\$"
# a line that is gone, one that was changed, one put beside another
sql "create table kept as select * from egress.line"
one="(select min(w) from egress.line where w like 'resolver%')"
sql "delete from egress.line where w = $one and seq = 3"
check "a missing line shows" asks 'select what from egress.gaps' '^1 lines before it are missing'
sql "truncate egress.line; insert into egress.line select * from kept"
sql "with c as (delete from egress.line where w = $one and seq = 2 returning *) select egress.add(machine, sandbox, replace(line::text, '\"cached\":', '\"cached\" :')) from c" >/dev/null
check "a changed line shows" asks 'select what from egress.gaps' '^the line before it was changed'
sql "truncate egress.line; insert into egress.line select * from kept"
sql "select egress.add(machine, sandbox, replace(line::text, '\"cached\":', '\"cached\" :')) from egress.line where w = $one and seq = 2" >/dev/null
check "a second line with one number shows" asks 'select what from egress.gaps' '^two lines with one number'
sql "insert into egress_inbox.inbox values ('t', now(), '{\"machine\":\"m\",\"file\":\"/x/odd/audit.jsonl\",\"line\":\"no line\"}')"
check "what is no line is kept aside" asks 'select machine, sandbox, text from egress.unreadable' '^m\|odd\|no line'
nul() { sql "select egress.try_add('m', 's', replace(line::text, '\"host\":\"', '\"host\":\"\\u0000')) from egress.line where host is not null limit 1" && asks "select count(*) from egress.line where host like U&'\\FFFD%'" '^1$'; }
check "a NUL in a name keeps no line out" nul
[ -n "${SIZES:-}" ] && sql "select event, what, sent, received from egress.follow((select dns_id from kept where path = '/big' limit 1))" && sql "select event || coalesce(' ' || (line ->> 'state'), ''), count(*), round(avg(length(line::text) + 1)) from kept group by 1 order by 1"
exit $FAILED
