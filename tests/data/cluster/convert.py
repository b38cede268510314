#!/usr/bin/env python3
"""Makes the files of this folder from a cluster state and the rule sets that kube-proxy wrote for it.

    convert.py FOLDER

FOLDER holds cluster.json (a List), nftables-NODE-v4.txt and -v6.txt (`nft list table`), iptables-NODE-v4.txt and -v6.txt
(`iptables-save`). Only what is compared is kept: chains with their rules, sets with their elements, in a normal form.
"""
import json
import pathlib
import re
import sys

PRIORITIES = {"dstnat - 10": "-110", "dstnat": "-100", "srcnat": "100", "filter": "0"}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text):
    return sum(int(n) * UNITS[u] for n, u in re.findall(r"(\d+)([smhd])", text))


def nft_line(line):
    line = re.sub(r"priority ([^;]+);", lambda m: f"priority {PRIORITIES.get(m[1], m[1])};", line)
    line = re.sub(r"^timeout (\S+)$", lambda m: f"timeout {seconds(m[1])}s", line)
    return line


def nftables(text):
    """{"chain services": [rule, ...], "set cluster-ips": [property, ..., [element, ...]]}"""
    blocks, current = {}, None
    for line in re.sub(r",\n\s+", ", ", text).splitlines():
        opened = re.match(r"\t(chain|set|map) (\S+) \{", line)
        if opened:
            current = blocks.setdefault(" ".join(opened.groups()), [])
        elif line.startswith("\t}"):
            current = None
        elif current is not None:
            line = line.strip()
            elements = re.match(r"elements = \{ (.*) \}$", line)
            if elements:
                current.append(sorted(elements[1].split(", ")))
            elif not line.startswith("size "):
                current.append(nft_line(line))
    return blocks


def iptables(text):
    """{"nat KUBE-SERVICES": [rule, ...]}: kube-proxy's chains, and the jumps of the built-in ones."""
    chains, table = {}, None
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":KUBE"):
            chains.setdefault(f"{table} {line[1:].split()[0]}", [])
        elif line.startswith("-A "):
            _, chain, rule = line.split(" ", 2)
            chains.setdefault(f"{table} {chain}", []).append(rule)
    return chains


def write(path, blocks):
    rows = [json.dumps(key) + ": " + json.dumps(value) for key, value in sorted(blocks.items())]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def main():
    source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    items = json.loads((source / "cluster.json").read_text())["items"]
    # The API server's own Service was there as well; it had no endpoints.
    items.append({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "kubernetes", "namespace": "default"},
                  "spec": {"clusterIP": "172.30.0.1", "ports": [{"name": "https", "port": 443, "protocol": "TCP"}]}})
    rows = ",\n".join(json.dumps(item) for item in items)
    (here / "cluster.json").write_text('{"kind": "List", "apiVersion": "v1", "items": [\n' + rows + "\n]}\n")
    for path in sorted(source.glob("*.txt")):
        read = nftables if path.name.startswith("nftables") else iptables
        write(here / (path.stem + ".json"), read(path.read_text()))


main()
