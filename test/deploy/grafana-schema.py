"""Reads a dashboard as Grafana's own schema does, and prints what the schema does not know: nothing for a good one."""
import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def compare(given, known, path):
    if isinstance(given, dict):
        for name, value in given.items():
            if not isinstance(known, dict) or name not in known:
                print(f"{path}/{name}")
            else:
                compare(value, known[name], f"{path}/{name}")
    elif isinstance(given, list):
        if not isinstance(known, list) or len(known) != len(given):
            print(path)
        else:
            for place, (value, other) in enumerate(zip(given, known)):
                compare(value, other, f"{path}[{place}]")
    elif given != known:
        print(path)


register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    dashboard = json.load(file)
compare(dashboard, json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder)), "")
