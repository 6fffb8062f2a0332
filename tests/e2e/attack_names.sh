#!/usr/bin/env bash
# Names that do not agree: SNI, Host, DNS, certificates and addresses; ClientHellos that can be read in two ways.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
printf '%s\n' "mixed A 10.77.0.1" "mixed A $ORIGIN" "cnamed CNAME metadata" "nulled A 0.0.0.0" "looped A 127.0.0.2" >>"$T/test.zone"
attack_world
echo names >"$T/www/names"
export API_TOKEN="tok-$(openssl rand -hex 12)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: open.test
    - host: "*.wild.test"
    - host: auth.test
      auth: {scheme: Bearer, token_ref: API_TOKEN}
    - host: mixed.test
    - host: cnamed.test
    - host: private.test
    - host: metadata.test
    - host: nulled.test
    - host: looped.test
YAML
attack "$T/policy.yaml" python3 "$HERE/attack_names.py" $ORIGIN $RECORDER $FORBIDDEN
check "nothing left" nothing_left
check "nothing for forbidden names or addresses reached an origin" bash -c "! grep -E 'forbidden|evil|^[0-9.]+ |early-data' '$T/access.log'"
check "no forbidden name was asked" bash -c "! grep -E 'forbidden|evil|internal|[^.]x\.origin' '$T/dns.log'"
check "no private address was dialled" bash -c "! tcpdump -n -r '$T/left.pcap' 'tcp and dst net 10.77.0.0/24' 2>/dev/null | grep ."
check "no forbidden name in the clear" no_octets forbidden.test
check "the log has the disagreement" logged 'e["reason"]=="host_mismatch"'
check "the log has the missing name" logged 'e["reason"]=="no_sni"'
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
exit $FAILED
