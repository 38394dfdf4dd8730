"""Usage: render-chart.py CHART, values as JSON on stdin. Prints {"manifests", "lint"}, or {"refused"}, as JSON; with Helm's own Go SDK."""
import json
import sys

import helm_python
import yaml

values = json.load(sys.stdin)
try:
    with helm_python.Chart.load(sys.argv[1]) as chart:
        chart.validate_schema(chart.merge_values(values))
        texts = chart.render(values, name="demo", namespace="bots")
    manifests = [
        document
        for name, text in sorted(texts.items())
        if name.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document is not None
    ]
    print(json.dumps({"manifests": manifests, "lint": helm_python.lint(sys.argv[1], values, strict=True)}))
except helm_python.HelmError as error:
    print(json.dumps({"refused": str(error)}))
