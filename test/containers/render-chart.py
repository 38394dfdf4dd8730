"""Usage: render-chart.py CHART, a list of values as JSON on stdin. Prints for each {"manifests", "lint"}, or {"refused"}; with Helm's own Go SDK."""
import json
import sys

import helm_python
import yaml


def render(values):
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
        return {"manifests": manifests, "lint": helm_python.lint(sys.argv[1], values, strict=True)}
    except helm_python.HelmError as error:
        return {"refused": str(error)}


print(json.dumps([render(values) for values in json.load(sys.stdin)]))
