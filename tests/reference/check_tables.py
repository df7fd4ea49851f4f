"""The files that `tuning-fork report DIR --table FILE` writes, read by pandas, pyarrow and openpyxl.

    tuning-fork evaluate sample_data/evaluate/articles.toml --out articles    # or any other task
    for ending in csv jsonl parquet xlsx; do tuning-fork report articles --table table.$ending; done
    python tests/reference/check_tables.py table            # pip install pandas pyarrow openpyxl

All of them have the same columns and rows; numbers are numbers, and what is missing is missing.
"""
import importlib.metadata
import json
import math
import sys

import openpyxl
import pandas
import pyarrow.parquet
from openpyxl.utils.escape import unescape

path = sys.argv[1]
lines = [json.loads(line) for line in open(f"{path}.jsonl", encoding="utf-8")]
names = list(lines[0])
assert all(list(line) == names for line in lines), "a line has other keys"

table = pyarrow.parquet.read_table(f"{path}.parquet")
assert table.column_names == names, table.column_names
for name in names:
    kinds = {type(line[name]) for line in lines if line[name] is not None}
    found, kind = table[name].to_pylist(), str(table.schema.field(name).type)
    expected = {frozenset([int]): "int64", frozenset([float]): "double", frozenset([int, float]): "double", frozenset([bool]): "bool"}
    wanted = expected.get(frozenset(kinds), "string")
    assert kind == wanted, (name, kind, wanted)
    for line, value in zip(lines, found):
        if line[name] is None:
            assert value is None, (name, value)
        elif kind == "string":
            assert isinstance(line[name], (list, dict)) or str(line[name]) == value, (name, line[name], value)
        else:
            assert value == line[name], (name, line[name], value)

frame = pandas.read_parquet(f"{path}.parquet")
assert list(frame.columns) == names and len(frame) == len(lines)

sheet = openpyxl.load_workbook(f"{path}.xlsx").active
rows = list(sheet.iter_rows(values_only=True))
assert list(rows[0]) == names, rows[0]
assert len(rows) == len(lines) + 1
for row, at in zip(rows[1:], range(len(lines))):
    for name, value in zip(names, row):
        found = table[name][at].as_py()
        if found in (None, ""):
            assert value is None, (name, value)
        elif isinstance(found, (int, float)) and not isinstance(found, bool):
            assert isinstance(value, (int, float)) and math.isclose(value, found, rel_tol=1e-15), (name, value, found)
        else:
            # A control character is written as `_x0008_`, which Excel shows as it was and openpyxl leaves so.
            assert (unescape(value) if isinstance(value, str) else value) == found, (name, value, found)

csv = pandas.read_csv(f"{path}.csv", keep_default_na=False, dtype=str)
assert len(csv) == len(lines) and len(csv.columns) == len(names)
versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pandas", "pyarrow", "openpyxl"))
print(f"{len(lines)} rows and {len(names)} columns are the same in four formats ({versions})")
