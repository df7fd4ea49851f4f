"""Reads what `tuning-fork annotate export` writes with the programs that it is written for.

    pip install label-studio-sdk pandas krippendorff frictionless pyrefiqda scikit-learn
    python tests/reference/check_study_exports.py target/debug/tuning-fork

Label Studio's own converter, pandas, the models of the REFI-QDA schema, Frictionless, and the package
krippendorff. Seconds; prints a line for each, and stops at the first that differs.
"""

import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile

program = str(pathlib.Path(sys.argv[1]).resolve())
folder = pathlib.Path(tempfile.mkdtemp())
os.chdir(folder)  # pyrefiqda unpacks into the current folder
random.seed(7)

CODEBOOK = """
name = "Everything"
guideline_version = "1"
guideline = "Read it."
[[variables]]
name = "tone"
question = "Which tone?"
classes = [{ label = "good", definition = "It praises." }, { label = "bad <&>" }, { label = "neither" }]
[[variables]]
name = "topics"
kind = "choices"
classes = [{ label = "war; peace" }, { label = "money" }, { label = "health" }]
[[variables]]
name = "grade"
kind = "scale"
low = 1.0
high = 5.0
[[variables]]
name = "count"
kind = "number"
must_decide = true
[[variables]]
name = "note"
kind = "text"
optional = true
[[variables]]
name = "claims"
kind = "spans"
classes = [{ label = "claim" }, { label = "proof" }]
"""


def run(*arguments):
    done = subprocess.run([program, "annotate", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(number):
    return f"Item 😀 {number}: naïve “quotes”, commas, and\na second line <b>."


items = [f"i{number}" for number in range(1, 31)]
with open(folder / "table.jsonl", "w", encoding="utf-8") as file:
    for number, item in enumerate(items):
        row = {"id": item, "text": text_of(number), "year": 2000 + number}
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
(folder / "book.toml").write_text(CODEBOOK, encoding="utf-8")
study = str(folder / "study")
run("new", study, "--table", str(folder / "table.jsonl"), "--text", "text", "--id", "id",
    "--codebook", str(folder / "book.toml"), "--sample", "20", "--seed", "3")
drawn = [json.loads(line) for line in open(folder / "study" / "items.jsonl", encoding="utf-8")]

said = {}
with open(folder / "codes.jsonl", "w", encoding="utf-8") as file:
    for coder in ["Ada", "Ben, 2", "Eve"]:
        for item in drawn:
            if random.random() < 0.1:
                continue
            values = {
                "tone": random.choice(["good", "bad <&>", "neither", {"dont_know": True}]),
                "topics": [l for l in ["war; peace", "money", "health"] if random.random() < 0.5],
                "grade": str(random.randint(1, 5)),
                "count": random.choice([0, 1, 2, 3.5, -4]),
                "note": random.choice(["a note", "two\nlines", "ünïcode 😀"]),
                "claims": [{"start": 5, "end": 6, "label": "claim"},
                           {"start": 7, "end": 9, "label": "proof"}],
            }
            said[coder, item["id"]] = values
            line = {"coder": coder, "item": item["id"], "values": values, "seconds": 2.5,
                    "at": "2026-11-28T18:00:00.000Z"}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
run("import", study, str(folder / "codes.jsonl"))


def export(form, name):
    run("export", study, "--as", form, "--out", str(folder / name))
    return folder / name


# pandas
import pandas

long = pandas.read_csv(export("long", "long.csv"))
assert len(long) == 6 * len(said)
assert long["inclusion_probability"].dtype == float
assert (long["inclusion_probability"] - 20 / 30).abs().max() < 1e-12
assert long["seconds"].dtype == float and long["pass"].dtype.kind == "i"
assert long["flagged"].dtype == bool and pandas.to_datetime(long["at"]).notna().all()
counts = pandas.to_numeric(long[long["variable"] == "count"]["value"])
for row, value in zip(long[long["variable"] == "count"].itertuples(), counts):
    assert value == said[row.coder, row.item]["count"]
wide = pandas.read_csv(export("wide", "wide.csv"), index_col="item")
assert wide["count.Ben, 2"].dtype == float and len(wide) == 20
lines = pandas.read_json(export("jsonl", "lines.jsonl"), lines=True)
assert len(lines) == len(said)
print("pandas", pandas.__version__, "reads the three tables with their types")

# Frictionless
from frictionless import Package, system

with system.use_context(trusted=True):
    for name in ["long", "wide"]:
        report = Package(str(folder / f"{name}.datapackage.json")).validate()
        assert report.valid, report.flatten(["type", "note"])
print("frictionless finds both data packages valid")

# Label Studio
from label_studio_sdk.converter import Converter
from label_studio_sdk._extensions.label_studio_tools.core.label_config import parse_config

tasks = export("label-studio", "tasks.json")
config = (folder / "tasks.config.xml").read_text(encoding="utf-8")
parsed = parse_config(config)
assert parsed["tone"]["labels"][:3] == ["good", "bad <&>", "neither"], parsed["tone"]
source = folder / "source"
source.mkdir()
(source / "tasks.json").write_bytes(tasks.read_bytes())
Converter(config, project_dir=str(folder)).convert_to_json_min(str(source), str(folder / "min"))
theirs = json.load(open(folder / "min" / "result.json", encoding="utf-8"))
assert len(theirs) == len(said)
for row in theirs:
    # Their name of a coder is a number here; ours stands beside it.
    candidates = [v for (c, i), v in said.items() if i == row["item"]]
    text = next(item["text"] for item in drawn if item["id"] == row["item"])
    for place in row["claims"]:
        units = text.encode("utf-16-le")
        cut = units[2 * place["start"]:2 * place["end"]].decode("utf-16-le")
        assert cut == place["text"], (cut, place)
        assert cut == ("😀" if place["labels"] == ["claim"] else text[7:9])
    tones = ["(don't know)" if isinstance(v["tone"], dict) else v["tone"] for v in candidates]
    assert row["tone"] in tones, row
ours = json.load(open(export("label-studio-min", "ours.json"), encoding="utf-8"))
for a, b in zip(ours, theirs):
    # Theirs has no entry for a question without an answer, and no name beside the coder's number.
    a = {key: value for key, value in a.items() if key != "created_username" and value != []}
    b = {key: value for key, value in b.items() if value != []}
    assert a == b, (a, b)
(folder / "back").mkdir()
(folder / "back" / "theirs.json").write_text(json.dumps(theirs), encoding="utf-8")
copy = str(folder / "copy")
run("export", study, "--as", "package", "--out", str(folder / "p.coding.jsonl"))
run("import", copy, str(folder / "p.coding.jsonl"))
run("import", copy, str(folder / "back" / "theirs.json"))
again = [json.loads(line) for line in run("agreement", copy, "--json").splitlines()][0]
ours = [json.loads(line) for line in run("agreement", study, "--json").splitlines()][0]
for a, b in zip(again["variables"], ours["variables"]):
    assert a["alpha"]["value"] == b["alpha"]["value"], (a["variable"], a["alpha"], b["alpha"])
print("label-studio-sdk converts our tasks, and we read what it writes as the same codes")

# Krippendorff
import krippendorff
import numpy

coders = ["Ada", "Ben, 2", "Eve"]


def table(value):
    rows = [[value(said.get((coder, item["id"]))) for item in drawn] for coder in coders]
    return numpy.array(rows, dtype=float)


nan = float("nan")
tones = {"good": 0, "bad <&>": 1, "neither": 2}
for name, level, value in [
    ("tone", "nominal", lambda v: nan if v is None or isinstance(v["tone"], dict) else tones[v["tone"]]),
    ("grade", "ordinal", lambda v: nan if v is None else int(v["grade"])),
    ("count", "interval", lambda v: nan if v is None else v["count"]),
]:
    expected = krippendorff.alpha(reliability_data=table(value), level_of_measurement=level)
    found = next(v for v in ours["variables"] if v["variable"] == name)
    assert found["scale"] == level
    assert math.isclose(found["alpha"]["value"], expected, abs_tol=1e-9), (name, found["alpha"], expected)
print("krippendorff has the same alphas")

# REFI-QDA
qdpx = export("qdpx", "codes.qdpx")
from pyrefiqda import RefiProject

RefiProject.load(str(qdpx))
with zipfile.ZipFile(qdpx) as archive:
    names = archive.namelist()
    assert len([name for name in names if name.startswith("sources/")]) == 20
    import xml.etree.ElementTree as tree

    space = "{urn:QDA-XML:project:1.0}"
    root = tree.fromstring(archive.read("project.qde"))
    for source in root.iter(space + "TextSource"):
        path = source.get("plainTextPath").replace("internal://", "sources/")
        text = archive.read(path).decode("utf-8")
        for selection in source.iter(space + "PlainTextSelection"):
            start, end = int(selection.get("startPosition")), int(selection.get("endPosition"))
            assert text[start:end] == ("😀" if selection.get("name") == "claim" else text[7:9])
    defined = {code.get("guid") for code in root.iter(space + "Code")}
    used = {code.get("targetGUID") for code in root.iter(space + "CodeRef")}
    assert used <= defined
print("pyrefiqda reads the project, and every place and code is where it should be")
