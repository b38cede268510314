#!/usr/bin/env bash
# plain_nat.sh TOPOLOGY FOLDER TALKER CONNECTIONS: clients ask a server through a router with a plain NAT rule, while dumpcap captures as
# people do. Started in user, network, mount and PID namespaces of its own; all that it makes goes with it.
#   FOLDER/*.pcap   captures                FOLDER/said.txt    what clients and servers saw (natlens_talker)
#   FOLDER/ct.txt   what conntrack told
set -eu
topology=$1 out=$2 talker=$3 count=$4
mount -t tmpfs none /run
mkdir /run/netns

host() {
    ip netns add "$1"
    ip -n "$1" link set lo up
}
wire() { # wire HOST INTERFACE HOST INTERFACE
    ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
    ip -n "$1" link set "$2" up
    ip -n "$3" link set "$4" up
}
bridge() { # bridge HOST NAME PORT...
    local at=$1 name=$2
    shift 2
    ip -n "$at" link add "$name" type bridge
    ip -n "$at" link set "$name" up
    for port in "$@"; do ip -n "$at" link set "$port" master "$name"; done
}
address() { # address HOST INTERFACE ADDRESS [GATEWAY]
    ip -n "$1" addr add "$3" dev "$2"
    [ -z "${4:-}" ] || ip -n "$1" route add default via "$4"
}

for name in a b server router switch; do host $name; done
server=10.9.0.11 gateway=10.9.0.1 points=()
case $topology in
bridge) # the router is the clients' switch as well
    wire a eth0 router a0; wire b eth0 router b0; wire server eth0 router s0
    bridge router br0 a0 b0
    address router br0 192.0.2.1/24; address router s0 10.9.0.1/24
    points=(router:any:LINUX_SLL router:any:LINUX_SLL2) ;;
hairpin) # the server is behind the same switch
    server=192.0.2.21 gateway=192.0.2.1
    wire a eth0 router a0; wire b eth0 router b0; wire server eth0 router s0
    bridge router br0 a0 b0 s0
    address router br0 192.0.2.1/24
    points=(router:any:LINUX_SLL router:any:LINUX_SLL2 router:a0:EN10MB router:b0:EN10MB router:s0:EN10MB) ;;
one-arm) # the router has one interface, and the switch sees everything twice
    wire a eth0 switch a0; wire b eth0 switch b0; wire server eth0 switch s0; wire router eth0 switch r0
    bridge switch br0 a0 b0 s0 r0
    address router eth0 192.0.2.1/24; address router eth0 10.9.0.1/24
    points=(router:eth0:EN10MB switch:any:LINUX_SLL2) ;;
two-arms)
    wire a eth0 switch a0; wire b eth0 switch b0; wire router eth0 switch r0; wire server eth0 router eth1
    bridge switch br0 a0 b0 r0
    address router eth0 192.0.2.1/24; address router eth1 10.9.0.1/24
    points=(router:eth0:EN10MB router:eth1:EN10MB) ;;
esac
address a eth0 192.0.2.11/24 192.0.2.1
address b eth0 192.0.2.12/24 192.0.2.1
address server eth0 $server/24 $gateway
# Few ports for both clients, so that they clash behind the router.
for name in a b; do ip netns exec $name sysctl -qw net.ipv4.ip_local_port_range="40000 $((40063 + count))"; done
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0
ip netns exec router nft -f - <<END
table ip plain {
  chain before { type nat hook prerouting priority dstnat;
    ip daddr 192.0.2.1 meta l4proto { tcp, udp } th dport 80 dnat to $server:9090
    ip daddr 192.0.2.1 udp dport 81 dnat to $server:9
  }
  chain after { type nat hook postrouting priority srcnat;
    ip daddr $server udp dport 9090 masquerade random
    ip daddr $server masquerade
  }
}
END

captures=()
for point in "${points[@]}"; do
    IFS=: read -r at interface type <<<"$point"
    name=$at-$interface
    [ "$type" != LINUX_SLL ] || name=$at-any1
    ip netns exec "$at" dumpcap -q -P -i "$interface" -y "$type" -B 16 -f ip -w "$out/$name.pcap" 2>"$out/$name.log" &
    captures+=($!)
done
ip netns exec router conntrack -E -e NEW >"$out/ct.txt" 2>"$out/ct.err" &
captures+=($!)
# tcpdump gives up root, which the root of a user namespace cannot; dumpcap keeps it.
until_there() { # until_there FILE TEXT
    for ((i = 0; i < 200; ++i)); do
        ! grep -qs "$2" "$1" || return 0
        sleep 0.05
    done
}
for point in "${points[@]}"; do
    IFS=: read -r at interface type <<<"$point"
    [ "$type" != LINUX_SLL ] || interface=any1
    until_there "$out/$at-$interface.log" File:
done
mkfifo "$out/end"
ip netns exec server "$talker" serve 9090 <"$out/end" >"$out/ready" &
served=$!
exec 9>"$out/end"
until_there "$out/ready" ready
asked=()
for name in a b; do
    for protocol in tcp udp; do
        ip netns exec $name "$talker" ask $protocol 192.0.2.1:80 $([ $protocol = tcp ] && echo $count || echo $((count / 4))) 2 $((RANDOM)) >"$out/said-$name-$protocol" &
        asked+=($!)
    done
done
wait "${asked[@]}"
cat "$out"/said-* >"$out/said.txt"

# A datagram that nobody listens to, and a socket that speaks again after the router has forgotten it.
ip netns exec a bash -c 'exec 3<>/dev/udp/192.0.2.1/81; echo nobody listens >&3; read -r -t 0.2 <&3' 2>/dev/null || true
exec 8> >(ip netns exec b bash -c 'exec 3<>/dev/udp/192.0.2.1/80; while read -r; do echo 10 >&3; read -r -t 1 <&3; done')
for _ in 1 2; do
    echo >&8
    sleep 0.2
    ip netns exec router conntrack -D -p udp >"$out/forgotten.txt" 2>&1 || true
done
exec 8>&-
sleep 0.2
exec 9>&-
kill "${captures[@]}"
wait $served "${captures[@]}" 2>/dev/null || true
