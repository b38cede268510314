# fish completion for natlens
function __natlens_scenarios
    natlens lab list 2>/dev/null | string match -r '^[^ :]+ .*' | string replace -r ' +' \t
end
function __natlens_in
    set -l words (commandline -opc)
    test "$words[2..]" = "$argv"; and return 0
    string match -q -- "$argv *" "$words[2..]"
end

complete -c natlens -f
complete -c natlens -l help -d 'help'
complete -c natlens -n __fish_use_subcommand -l version -d 'version'
complete -c natlens -n __fish_use_subcommand -a lab -d 'a cluster in network namespaces'
complete -c natlens -n __fish_use_subcommand -a replay -d 'recorded captures'
complete -c natlens -n __fish_use_subcommand -a render -d 'draw recorded captures'
complete -c natlens -n __fish_use_subcommand -a explain -d 'what a node does to a packet'
complete -c natlens -n __fish_use_subcommand -a rules -d 'the rules of a node'
complete -c natlens -n __fish_use_subcommand -a doctor -d 'what this machine allows'

set -l before_lab_command '__fish_seen_subcommand_from lab; and not __fish_seen_subcommand_from list run up exec'
complete -c natlens -n $before_lab_command -a list -d 'scenarios'
complete -c natlens -n $before_lab_command -a run -d 'play a scenario'
complete -c natlens -n $before_lab_command -a up -d 'build and stay'
complete -c natlens -n $before_lab_command -a exec -d 'run a program inside'

for command in run up
    complete -c natlens -n "__natlens_in lab $command" -a '(__natlens_scenarios)'
    complete -c natlens -n "__natlens_in lab $command" -x -l datapath -a 'nftables iptables engine' -d 'what carries the plan out'
    complete -c natlens -n "__natlens_in lab $command" -l simulated -d 'no kernel, virtual time'
    complete -c natlens -n "__natlens_in lab $command" -x -l profile -a 'picture document today' -d 'answer of a failed check'
    complete -c natlens -n "__natlens_in lab $command" -x -l seed -d 'seed of random choices'
end
complete -c natlens -n '__natlens_in lab up' -r -F -l ready-file -d 'written when ready'
complete -c natlens -n '__natlens_in lab exec' -x -l lab -d 'process id of the lab'
complete -c natlens -n '__natlens_in lab exec' -a 'client lb node1 node2 node3'

for place in 'lab run' 'lab up' replay
    complete -c natlens -n "__natlens_in $place" -l json -d 'one path per line'
    complete -c natlens -n "__natlens_in $place" -x -l diagram -a 'document unicode' -d 'the picture only'
    complete -c natlens -n "__natlens_in $place" -r -F -l record -d 'write everything captured'
    complete -c natlens -n "__natlens_in $place" -r -F -l cluster -d 'Kubernetes List, or rules of a node'
    complete -c natlens -n "__natlens_in $place" -r -F -l proxy-config -d 'KubeProxyConfiguration'
    complete -c natlens -n "__natlens_in $place" -x -l filter -d 'pcap filter'
    complete -c natlens -n "__natlens_in $place" -l quiet -d 'results and errors only'
end
complete -c natlens -n '__natlens_in replay' -F
for place in 'lab run' replay
    complete -c natlens -n "__natlens_in $place" -r -F -l report -d 'Markdown for an issue tracker'
end
for place in replay render
    complete -c natlens -n "__natlens_in $place" -x -l point -d 'what a file shows: FILE=node/interface'
    complete -c natlens -n "__natlens_in $place" -x -l clock -a 'auto none' -d 'correct clocks that differ'
end
complete -c natlens -n '__natlens_in replay' -l follow -d 'wait for more at the ends of the files'
complete -c natlens -n '__natlens_in replay' -l anonymize -d 'record without addresses and payload'
complete -c natlens -n '__natlens_in replay' -x -l anonymize-key -d 'same text, same addresses'
complete -c natlens -n '__natlens_in render' -F
complete -c natlens -n '__natlens_in render' -x -l format -a 'document unicode svg json' -d 'what to write'
complete -c natlens -n '__natlens_in render' -r -F -s o -l output -d 'write to a file'
complete -c natlens -n '__natlens_in render' -x -l theme -a 'light dark high-contrast' -d 'colours of svg'
complete -c natlens -n '__natlens_in render' -r -F -l cluster -d 'Kubernetes List, or rules of a node'
complete -c natlens -n '__natlens_in render' -x -l filter -d 'pcap filter'

for command in explain rules
    complete -c natlens -n "__natlens_in $command" -r -F -l cluster -d 'Kubernetes List, or rules of a node'
    complete -c natlens -n "__natlens_in $command" -r -F -l proxy-config -d 'KubeProxyConfiguration'
    complete -c natlens -n "__natlens_in $command" -x -l node -d 'name of the node'
    complete -c natlens -n "__natlens_in $command" -x -l profile -a 'document today' -d 'kube-proxy 1.5 or of today'
    complete -c natlens -n "__natlens_in $command" -x -l node-address -d 'a further address of the node'
    complete -c natlens -n "__natlens_in $command" -l quiet -d 'results and errors only'
end
complete -c natlens -n '__natlens_in explain' -x -l from -d 'where the packet comes from'
complete -c natlens -n '__natlens_in explain' -x -l to -d 'where it is sent'
complete -c natlens -n '__natlens_in explain' -x -l protocol -a 'tcp udp sctp' -d 'default: tcp'
complete -c natlens -n '__natlens_in explain' -x -l mode -a 'iptables nftables' -d 'mode of kube-proxy'
complete -c natlens -n '__natlens_in explain' -x -l input-interface -d 'interface it comes in by'
complete -c natlens -n '__natlens_in explain' -l json -d 'one JSON object'
complete -c natlens -n '__natlens_in rules' -x -l format -a 'nftables iptables plan' -d 'what to print'
complete -c natlens -n '__natlens_in rules' -x -l family -a 'ipv4 ipv6' -d 'address family'
