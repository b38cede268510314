#!/usr/bin/env python3
"""Makes flows.json and selection.json from a table of kube-proxy's decisions.

    convert.py TABLE.json

TABLE.json holds `scenarios` (kube-proxy's own unit tests as data: node, configuration, objects, flows with the expected
result) and `endpointSelection` (cases of endpoint selection). What is written here is the same facts in the words of natlens:
one flow a line, as arrays [name, protocol, source, destination, verdict, [endpoints], masquerade].
"""
import json
import pathlib
import sys

VERDICTS = {"DNAT": "forwarded", "DROP": "dropped", "REJECT": "rejected", "ACCEPT": "not-a-service", "NONE": "not-a-service"}


def destination(flow):
    ip = flow["destIP"]
    return f"[{ip}]:{flow['destPort']}" if ":" in ip else f"{ip}:{flow['destPort']}"


def words(text):
    """kube-proxy prints lists as "[a b]"; a bare word is a list of one."""
    return (text or "").strip("[]").split()


def node_object(node):
    return {"kind": "Node", "apiVersion": "v1",
            "metadata": {"name": node["name"], "labels": node["topologyLabels"] or {}},
            "status": {"addresses": [{"type": "InternalIP", "address": node["primaryIP"]}]}}


def config_of(config):
    detector = config["localDetector"]
    return {"clusterCIDR": detector.get("cidr", ""), "masqueradeAll": config["masqueradeAll"],
            "nodePortAddresses": words(config["nodePortAddresses"]["cidrs"]),
            "localhostNodePorts": config.get("localhostNodePorts", True),
            "serviceCIDRs": words(config.get("serviceCIDRs"))}


def flow_row(flow):
    expect = flow["expect"]
    return [flow["name"], flow["protocol"], flow["sourceIP"], destination(flow), VERDICTS[expect["kind"]],
            expect.get("endpoints") or [], flow["masq"]]


def dump_rows(rows, indent):
    pad = " " * indent
    return "[\n" + ",\n".join(pad + " " + json.dumps(row) for row in rows) + "\n" + pad + "]"


def scenario_text(scenario):
    items = [node_object(scenario["node"])] + scenario["services"] + (scenario["endpointSlices"] or [])
    head = {"id": scenario["id"], "mode": scenario["backend"], "family": scenario["ipFamily"], "node": scenario["node"]["name"],
            "localAddresses": scenario["node"]["localIPs"], "config": config_of(scenario["config"])}
    text = json.dumps(head)[:-1]
    return (text + ',\n  "items": ' + dump_rows(items, 2) + ',\n  "flows": '
            + dump_rows([flow_row(flow) for flow in scenario["flows"]], 2) + "}")


def selection_case(case):
    def endpoint(e):
        row = {"address": e["endpoint"]}
        for key, name in (("isLocal", "local"), ("ready", "ready"), ("serving", "serving"), ("terminating", "terminating")):
            if e[key]:
                row[name] = True
        for key in ("zoneHints", "nodeHints"):
            if e[key]:
                row[key] = e[key]
        return row
    service = case["service"]
    expected = case["expected"]
    return {"id": case["source"].split("TestCategorizeEndpoints/", 1)[-1], "node": case["nodeName"],
            "zone": (case["nodeLabels"] or {}).get("topology.kubernetes.io/zone", ""),
            "nodeHints": case["preferSameTrafficDistribution"],
            "usesCluster": service["usesClusterEndpoints"], "usesLocal": service["usesLocalEndpoints"],
            "endpoints": [endpoint(e) for e in case["endpoints"] or []],
            "cluster": expected["clusterEndpoints"] or [], "local": expected["localEndpoints"] or [],
            "reachable": expected["allEndpoints"] or [], "hasAny": expected["hasAnyEndpoints"]}


def main():
    here = pathlib.Path(__file__).parent
    table = json.loads(pathlib.Path(sys.argv[1]).read_text())
    scenarios = ",\n".join(scenario_text(s) for s in table["scenarios"])
    (here / "flows.json").write_text("[\n" + scenarios + "\n]\n")
    cases = [selection_case(c) for c in table["endpointSelection"]]
    (here / "selection.json").write_text(dump_rows(cases, 0) + "\n")


main()
