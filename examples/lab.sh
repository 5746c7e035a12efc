#!/bin/bash
# From a YAML file to routed SIPp calls: three network namespaces (af_packet never sees what a
# host sends to itself), a DNS zone in Knot, the engine, SIPp at both ends. Removed at the end.
#
# usage: examples/lab.sh [CALLS]        (as root; 100 calls without)
set -euo pipefail

calls=${1:-100}
here=$(cd "$(dirname "$0")" && pwd)
tandem=${TANDEM:-$here/../build/tandem}
scenarios=$here/../tests/e2e/scenarios
edge=lab-$$-edge pbx=lab-$$-pbx carrier=lab-$$-carrier
[[ $calls =~ ^[1-9][0-9]*$ ]] || { echo "lab.sh: $calls: not a number of calls; try: examples/lab.sh 100" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "lab.sh: network namespaces need root; run it with sudo" >&2; exit 1; }
[ -x "$tandem" ] || { echo "lab.sh: $tandem: no binary; run make build first" >&2; exit 1; }
tandem=$(realpath "$tandem")
for tool in ip knotd sipp; do
    command -v $tool >/dev/null || { echo "lab.sh: $tool is not installed; tools/install-deps test brings it" >&2; exit 1; }
done

folder=$(mktemp -d)
cd "$folder"
pids=() # of the programs themselves: `ip netns exec` becomes what it runs
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    for ns in $edge $pbx $carrier; do ip netns del "$ns" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# until_true SECONDS WHAT COMMAND..
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "lab.sh: $what: not in time" >&2; cat "$folder"/*.log >&2; exit 1; }
        sleep 0.1
    done
}
inside() { ip netns exec "$@"; }
say() { printf '\n# %s\n' "$*"; }

say "three hosts on one wire: the edge, a PBX, and a carrier with its DNS server"
for ns in $edge $pbx $carrier; do
    ip netns add "$ns"
    ip -n "$ns" link set lo up
done
ip -n $edge link add br0 type bridge forward_delay 0
ip -n $edge link add wan type veth peer name port0
ip -n $edge link add port1 type veth peer name eth0 netns $pbx
ip -n $edge link add port2 type veth peer name eth0 netns $carrier
for port in port0 port1 port2; do ip -n $edge link set $port master br0 up; done
ip -n $edge link set br0 up
ip -n $edge addr add 192.0.2.10/24 dev wan
ip -n $pbx addr add 192.0.2.50/24 dev eth0
for host in 53 101 102 103; do ip -n $carrier addr add 192.0.2.$host/24 dev eth0; done
ip -n $edge link set wan up
ip -n $pbx link set eth0 up
ip -n $carrier link set eth0 up

cat >carrier.test.zone <<'ZONE'
$ORIGIN carrier.test.
$TTL 10
@         SOA   ns hostmaster 1 3600 900 86400 10
@         NS    ns
ns        A     192.0.2.53
_sip._udp SRV   10 70 5060 pop1
_sip._udp SRV   10 30 5060 pop2
_sip._udp SRV   20 100 5060 standby
pop1      A     192.0.2.101
pop2      A     192.0.2.102
standby   A     192.0.2.103
ZONE
cat >knot.conf <<KNOT
server:
  listen: 192.0.2.53@53
  rundir: $folder
database:
  storage: $folder
log:
  - target: stderr
    any: warning
zone:
  - domain: carrier.test
    file: $folder/carrier.test.zone
KNOT
ip netns exec $carrier knotd -c knot.conf >knot.log 2>&1 & pids+=($!)

say "tandem resolve sip:carrier.test"
until_true 15 "the DNS server" inside $edge "$tandem" resolve --server 192.0.2.53:53 sip:carrier.test
inside $edge "$tandem" resolve --server 192.0.2.53:53 sip:carrier.test

# The scenarios of the tests are templates.
# shellcheck disable=SC2016  # the dollars are the template's
sed -e 's/\$HOLD/200/; s/\$\$/$/g' "$scenarios/uac.xml" >uac.xml
for host in 101 102 103; do
    sed -e "s/\\\$RE_HOST/192[.]0[.]2[.]$host/; s/\\\$PORT/5060/" "$scenarios/uas.xml" >uas$host.xml
    ip netns exec $carrier sipp -sf uas$host.xml -i 192.0.2.$host -p 5060 -nostdin >uas$host.log 2>&1 & pids+=($!)
done
listening() { [ "$(inside $carrier ss -Huln 'sport = :5060' | wc -l)" = 3 ]; }
until_true 15 "SIPp" listening

say "tandem run examples/lab.yaml"
ip netns exec $edge "$tandem" run "$here/lab.yaml" >edge.log 2>&1 & pids+=($!)
ready() { [ "$(inside $edge "$tandem" ctl -s lab.sock show targets | grep -cE ' (up|standby)$')" = 4 ]; }
until_true 15 "the engine" ready
cat edge.log

say "$calls calls from the PBX to 192.0.2.10, INVITE to BYE, 50 a second"
inside $pbx sipp -sf uac.xml -i 192.0.2.50 -p 5060 -nostdin -m "$calls" -r 50 -recv_timeout 10000 \
    -timeout $((calls / 50 + 30)) 192.0.2.10:5060 >uac.log 2>&1 || { tail -n 20 uac.log >&2; exit 1; }
grep -E 'Successful call|Failed call' uac.log | tail -n 2

say "tandem ctl show targets: INVITE, ACK and BYE of each call went to one of them"
inside $edge "$tandem" ctl -s lab.sock show targets
say "tandem ctl show drops"
inside $edge "$tandem" ctl -s lab.sock show drops
