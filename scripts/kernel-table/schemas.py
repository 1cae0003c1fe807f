"""Writes schemas.json: the operators of the ONNX standard, from the Python package onnx (pip install onnx), for probe.js."""
import json
import pathlib

from onnx import defs


def kind(value):
    return str(value).split(".")[-1]


schemas = {}
for schema in defs.get_all_schemas_with_history():
    if schema.domain != "" or schema.deprecated:
        continue
    schemas.setdefault(schema.name, []).append(
        {
            "since": schema.since_version,
            "inputs": [[value.type_str, kind(value.option)] for value in schema.inputs],
            "outputs": [[value.type_str, kind(value.option)] for value in schema.outputs],
            "types": {c.type_param_str: list(c.allowed_type_strs) for c in schema.type_constraints},
            "attributes": {name: kind(a.type) for name, a in schema.attributes.items() if a.required},
        }
    )
lines = [
    f"{json.dumps(name)}: {json.dumps(sorted(versions, key=lambda v: v['since']))}" for name, versions in sorted(schemas.items())
]
pathlib.Path(__file__).with_name("schemas.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
