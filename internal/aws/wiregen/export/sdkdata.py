#!/usr/bin/env python3
"""Exports the wire model of a service from botocore's data instead of the npm package.

For a machine that has the AWS CLI or boto3 and no registry; the file written is the same
as that of export.mjs, but enums have botocore's order. botocore knows the bounds of
numbers and strings, too: with --constraints their rows for constraints.tsv are printed
(those of requests), which is then kept by hand.

    python3 sdkdata.py elbv2 2015-12-01 MODEL_DIR [--constraints]

Writes MODEL_DIR/SERVICE.json and MODEL_DIR/SERVICE-operations.txt.
"""
import json
import sys

import botocore
from botocore.loaders import Loader

WIDTHS = {"integer": "integer", "long": "long", "float": "float", "double": "double",
          "boolean": "boolean", "timestamp": "timestamp", "blob": "blob", "string": "string"}


def main():
    service, version, directory = sys.argv[1:4]
    data = Loader().load_service_model(service, "service-2", version)
    shapes = data["shapes"]
    with open(f"{directory}/actions.tsv", encoding="utf-8") as f:
        wanted = sorted(line.rstrip("\n").split("\t")[1] for line in f if line.startswith(service + "\t"))

    used, enums = {}, {}

    def target(name):
        shape = shapes[name]
        kind = shape["type"]
        out = {}
        if kind == "structure":
            out = {"type": "structure", "shape": name}
            structure(name)
        elif kind == "list":
            element = target(shape["member"]["shape"])
            out = {"type": "list", "list": element}
            if shape["member"].get("locationName"):
                element["xml"] = shape["member"]["locationName"]
        elif kind == "map":
            out = {"type": "map", "list": target(shape["value"]["shape"])}
        else:
            out = {"type": WIDTHS[kind]}
            if "enum" in shape:
                out["enum"] = name
                enums[name] = shape["enum"]
        if shape.get("sensitive"):
            out["sensitive"] = True
        return out

    def structure(name):
        if name in used:
            return
        used[name] = members = {}
        required = shapes[name].get("required", [])
        every = shapes[name]["members"]
        for member in [m for m in every if m in required] + [m for m in every if m not in required]:
            out = target(every[member]["shape"])
            if every[member].get("locationName"):
                out["xml"] = every[member]["locationName"]
            if every[member].get("idempotencyToken"):
                out["token"] = True
            if member in required:
                out["required"] = True
            members[member] = out

    operations = {}
    for name in wanted:
        operation = data["operations"][name]
        operations[name] = {}
        for side in ("input", "output"):
            if side in operation:
                operations[name][side] = operation[side]["shape"]
                structure(operation[side]["shape"])
    errors = {name: {"code": s["error"]["code"], "status": s["error"]["httpStatusCode"]}
              for name, s in sorted(shapes.items()) if s.get("exception") and "error" in s}

    model = {"source": f"botocore {botocore.__version__}", "service": service, "protocol": data["metadata"]["protocol"],
             "version": version, "xmlns": data["metadata"]["xmlNamespace"],
             "signing": data["metadata"].get("signingName", data["metadata"]["endpointPrefix"]), "operations": operations, "errors": errors,
             "shapes": dict(sorted(used.items())), "enums": dict(sorted(enums.items()))}
    if model["signing"] == service:
        del model["signing"]
    write(f"{directory}/{service}", model, data["operations"])
    if "--constraints" in sys.argv:
        constraints(service, shapes, operations)


def flat(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def write(path, model, names):
    sections = []
    for key, value in model.items():
        if isinstance(value, str):
            sections.append(f'  "{key}": {flat(value)}')
            continue
        lines = []
        for name, leaf in value.items():
            if key == "shapes":
                body = ",\n".join(f'      "{m}": {flat(v)}' for m, v in leaf.items())
                text = '{"members": {\n' + body + "\n    }}" if body else '{"members": {}}'
            else:
                text = flat(leaf)
            lines.append(f'    "{name}": {text}')
        sections.append(f'  "{key}": {{\n' + ",\n".join(lines) + "\n  }")
    with open(path + ".json", "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(sections) + "\n}\n")
    with open(path + "-operations.txt", "w", encoding="utf-8") as f:
        f.write("\n".join(sorted(names)) + "\n")


def constraints(service, shapes, operations):
    """Bounds of the members that requests can have, one row each."""
    seen = set()

    def walk(name):
        shape = shapes[name]
        if name in seen:
            return
        seen.add(name)
        if shape["type"] == "list":
            walk(shape["member"]["shape"])
        for member, ref in shape.get("members", {}).items() if shape["type"] == "structure" else ():
            leaf = shapes[ref["shape"]]
            if leaf["type"] == "list":
                leaf = shapes[leaf["member"]["shape"]]
            words = []
            if leaf["type"] == "integer":
                words = [f"{k}={leaf[k]}" for k in ("min", "max") if k in leaf]
            elif leaf["type"] == "string" and "enum" not in leaf:
                if "max" in leaf:
                    words.append(f"len={leaf.get('min', 0)}-{leaf['max']}")
                if "pattern" in leaf:
                    words.append("pattern=" + leaf["pattern"].removeprefix("^").removesuffix("$"))
            if words:
                print(f"{service}\t{name}.{member}\t{' '.join(words)}")
            walk(ref["shape"])

    for operation in sorted(operations):
        if "input" in operations[operation]:
            walk(operations[operation]["input"])


main()
