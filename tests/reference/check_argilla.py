"""Opens what we export for Argilla with the `argilla` package, as far as it goes without a server.

    pip install argilla requests
    python tests/reference/check_argilla.py target/debug/tuning-fork

A study of texts and one of pairs are coded and exported. The package builds a dataset's settings, its records and the
responses of every user from our files, and each response is an answer that its question takes. Then the records are
written by the package, and we read them back. Seconds; stops at the first that differs.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import types
import uuid
from unittest.mock import MagicMock

import argilla as rg

# A setting asks for a client when it is made, and for a server only when it is sent to one.
rg.Argilla._default_client = MagicMock()

program = str(pathlib.Path(sys.argv[1]).resolve())
folder = pathlib.Path(tempfile.mkdtemp())
random.seed(5)

CODEBOOK = """
name = "Everything"
guideline_version = "1"
guideline = "Read it."
[[variables]]
name = "tone"
question = "Which tone?"
classes = [{ label = "good", definition = "It praises." }, { label = "bad" }]
[[variables]]
name = "topics"
kind = "choices"
classes = [{ label = "war" }, { label = "money" }, { label = "health" }]
[[variables]]
name = "grade"
kind = "scale"
low = 1.0
high = 5.0
[[variables]]
name = "slope"
kind = "scale"
low = -2.0
high = 2.0
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
    done = subprocess.run([program, "annotate", *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_lines(name, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")


def takes(question, value, fields):
    """What Argilla's server asks of a response."""
    settings = question.serialize()["settings"]
    options = [option["value"] for option in settings.get("options", [])]
    kind = settings["type"]
    if kind == "label_selection":
        return value in options
    if kind == "multi_label_selection":
        return isinstance(value, list) and all(label in options for label in value)
    if kind == "rating":
        return isinstance(value, int) and value in options
    if kind == "span":
        text = fields[settings["field"]]
        inside = all(0 <= part["start"] < part["end"] <= len(text) for part in value)
        return inside and all(part["label"] in options for part in value)
    return kind == "text" and isinstance(value, str)


def opened(records, settings):
    """The records as the package has them, checked."""
    dataset = types.SimpleNamespace(settings=settings)
    built = [rg.Record.from_dict(record) for record in records]
    count = 0
    for record in built:
        record.dataset = dataset
        assert set(record.fields) == {field.name for field in settings.fields}
        for response in record.responses:
            question = settings.questions[response.question_name]
            assert question is not None, response.question_name
            assert takes(question, response.value, record.fields), (response.question_name, response.value)
            uuid.UUID(str(response.user_id))
            count += 1
        # What would be sent to a server.
        model = record.api_model().model_dump()
        json.dumps(model, default=str)
    return built, count


# Texts
items = [f"i{number}" for number in range(1, 13)]
write_lines("table.jsonl", [{"id": item, "text": f"Item 😀 {item}: naïve “quotes”.", "year": 2020} for item in items])
(folder / "book.toml").write_text(CODEBOOK, encoding="utf-8")
run("new", "study", "--table", "table.jsonl", "--text", "text", "--id", "id", "--codebook", "book.toml")
maybe = lambda value: value if random.random() < 0.8 else {"dont_know": True}
codes = []
for coder in ["Ada", "Ben, 2"]:
    for item in items:
        values = {
            "tone": maybe(random.choice(["good", "bad"])),
            "topics": maybe([label for label in ["war", "money", "health"] if random.random() < 0.5]),
            "grade": maybe(str(random.randint(1, 5))),
            "slope": maybe(str(random.randint(-2, 2))),
            "count": random.choice([0, 2, 3.5]),
            "note": maybe("two\nlines"),
            "claims": maybe([{"start": 5, "end": 6, "label": "claim"}]),
        }
        codes.append({"coder": coder, "item": item, "values": values, "seconds": 2.5,
                      "at": "2026-11-28T18:00:00.000Z"})
write_lines("codes.jsonl", codes)
run("import", "study", "codes.jsonl")
run("export", "study", "--as", "argilla", "--out", "argilla.json")
settings = rg.Settings.from_json(folder / "argilla.settings.json")
settings.validate()
records = json.loads((folder / "argilla.json").read_text(encoding="utf-8"))
built, count = opened(records, settings)
known = sum(not isinstance(value, dict) for line in codes for value in line["values"].values())
assert (len(built), count) == (len(items), known), (len(built), count, known)
print(f"argilla {rg.__version__} builds {len(built)} records with {count} responses of texts")

# As the package writes them, back into a study of the same.
(folder / "theirs.json").write_text(json.dumps([record.to_dict() for record in built], default=str), encoding="utf-8")
run("new", "again", "--table", "table.jsonl", "--text", "text", "--id", "id", "--codebook", "book.toml")
run("import", "again", "theirs.json")
for study in ["study", "again"]:
    run("export", study, "--as", "long", "--out", f"{study}.csv")
own, theirs = (json.loads(run("agreement", study, "--json")) for study in ["study", "again"])
assert [coder["coder"] for coder in own["coders"]] == [coder["coder"] for coder in theirs["coders"]]
for one, other in zip(own["variables"], theirs["variables"]):
    assert (one["alpha"], one["dont_know"]) == (other["alpha"], other["dont_know"]), one["variable"]
print("what it writes is read as the same codes of the same coders, “don't know” among them")

# Pairs
pairs = [{"id": f"p{number}", "prompt": f"What is {number}?", "answer_a": f"It is {number}.",
          "answer_b": "Nobody knows.", "model_a": "small", "model_b": "large"} for number in range(1, 7)]
write_lines("pairs.jsonl", pairs)
run("new", "helpful", "--pairs", "pairs.jsonl", "--id", "id")
labels = ["first", "second", "tie", "both bad", "first", "second"]
(folder / "ada.csv").write_text("id,better\n" + "".join(f"p{number},{label}\n" for number, label in
                                                        zip(range(1, 7), labels)), encoding="utf-8")
run("import", "helpful", "ada.csv", "--coder", "Ada")
run("pairs", "helpful", "--as", "argilla", "--out", "argilla-pairs.json")
settings = rg.Settings(
    fields=[rg.TextField(name=name) for name in ["prompt", "answer_a", "answer_b"]],
    questions=[rg.LabelQuestion(name="preference", labels=["answer_a", "answer_b", "tie", "both_bad"])],
    allow_extra_metadata=True,
)
records = json.loads((folder / "argilla-pairs.json").read_text(encoding="utf-8"))
built, count = opened(records, settings)
assert (len(built), count) == (6, 6)
print(f"and {count} verdicts on pairs")
