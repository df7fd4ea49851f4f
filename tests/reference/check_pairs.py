"""Whether other programs read the pairs that `tuning-fork annotate pairs` writes.

    python check_pairs.py TUNING_FORK SCRATCH_FOLDER

TUNING_FORK: the program. Needs label-studio-sdk, argilla and pandas; with trl, torch and transformers it
also trains one step of DPO, KTO and SFT on a model without weights. Not part of the tests that run always: it needs
pip. Prints a line for each program, and fails where one reads something else than was said.
"""

import json
import math
import random
import subprocess
import sys
from pathlib import Path

program, scratch = sys.argv[1], Path(sys.argv[2])
scratch.mkdir(parents=True, exist_ok=True)
rng = random.Random(7)
VERDICTS = ["left", "right", "tie", "both_bad", "skip"]
records = []
for number in range(40):
    answer = lambda side: {"text": f"{side} answer {number}, \"quoted\" – ä", "seed": number, "stop": "given", "token_count": 0}
    records.append({
        "version": 1, "id": f"v{number}", "created_at": "2026-11-28T18:00:00.000Z",
        "prompt": [{"role": "user", "content": f"question {number}?"}], "rendered_prompt": "",
        "left": answer("left"), "right": answer("right"), "left_lane": number % 2,
        "verdict": VERDICTS[number % 5] if number < 5 else rng.choice(VERDICTS), "seconds_taken": 2.5, "model": None, "adapter": None,
        "sampling": None, "max_new_tokens": 0, "program": "tuning-fork",
        "left_model": "base" if number % 2 else "dpo", "right_model": "dpo" if number % 2 else "base",
    })
project = scratch / "project"
project.mkdir(exist_ok=True)
(project / "pairs.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def export(form, name):
    out = scratch / name
    subprocess.run([program, "annotate", "pairs", str(project), "--as", form, "--out", str(out)], check=True)
    return out


def count(*verdicts):
    return sum(record["verdict"] in verdicts for record in records)


decided = [record for record in records if record["verdict"] in ("left", "right")]

# Label Studio's own converter, with the configuration of its template for pairs.
from label_studio_sdk.converter import Converter

config = """<View><Text name="prompt" value="$prompt"/><Text name="answer1" value="$answer1"/>
<Text name="answer2" value="$answer2"/><Pairwise name="comparison" toName="answer1,answer2"/>
<Choices name="undecided" toName="prompt"><Choice value="tie"/><Choice value="both bad"/></Choices></View>"""
tasks = export("label-studio", "label-studio.json")
converted = scratch / "converted"
Converter(config, str(scratch)).convert_to_json_min(str(tasks), str(converted), is_dir=False)
rows = json.loads(next(converted.glob("*.json")).read_text())
chosen = {row["prompt"]: row.get("comparison") for row in rows}
for record in decided:
    said = chosen[record["prompt"][0]["content"]]
    said = said[0] if isinstance(said, list) else said  # since label-studio-sdk 2
    said = said.get("selected") if isinstance(said, dict) else said
    assert said == record["verdict"], (record, said)
print(f"label-studio-sdk: {len(rows)} tasks, {len(decided)} comparisons as they were given")

# Argilla's reader of records.
from argilla.records import Record

read = [Record.from_dict(row) for row in json.loads(export("argilla", "argilla.json").read_text())]
names = {"left": "answer_a", "right": "answer_b", "tie": "tie", "both_bad": "both_bad"}
by_id = {record["id"]: record for record in records}
assert len(read) == len(records) - count("skip")
for record in read:
    [response] = list(record.responses)
    assert response.question_name == "preference"
    assert response.value == names[by_id[record.id]["verdict"]]
    assert record.fields["answer_a"] == by_id[record.id]["left"]["text"]
print(f"argilla: {len(read)} records")

# Alpaca, as LLaMA-Factory finds it: by the stanza beside it.
import pandas

alpaca = export("alpaca", "alpaca.json")
stanza = json.loads((scratch / "dataset_info.json").read_text())["alpaca"]
frame = pandas.read_json(scratch / stanza["file_name"])
columns = stanza["columns"]
assert stanza["ranking"] and set(columns.values()) == set(frame.columns)
for record, (_, row) in zip(decided, frame.iterrows(), strict=True):
    better = record[record["verdict"]]["text"]
    assert row[columns["chosen"]] == better and row[columns["prompt"]] == record["prompt"][0]["content"]
print(f"pandas: {len(frame)} Alpaca pairs, named in dataset_info.json")

potato = pandas.read_json(export("potato", "potato.jsonl"), lines=True)
assert len(potato) == len(records) - count("skip") and all(len(pair) == 2 for pair in potato["responses"])
print(f"potato: {len(potato)} instances")

comparator = json.loads(export("llm-comparator", "llm-comparator.json").read_text())
assert [model["name"] for model in comparator["models"]] == ["base", "dpo"]
for example in comparator["examples"]:
    assert {"input_text", "tags", "output_text_a", "output_text_b", "score", "individual_rater_scores"} <= set(example)
    assert -1.5 <= example["score"] <= 1.5
print(f"llm-comparator: {len(comparator['examples'])} examples")

frame = pandas.read_csv(export("csv", "pairs.csv"))
assert list(frame["verdict"]) == [record["verdict"] for record in records]
assert list(frame["left"]) == [record["left"]["text"] for record in records]
assert frame["seconds"].dtype == float and frame["flagged"].dtype == bool
assert pandas.to_datetime(frame["created_at"]).notna().all()
print(f"pandas: {len(frame)} verdicts with their types")

pairs, plain, unpaired, better = (
    export(form, f"{form}.jsonl") for form in ("trl", "trl-plain", "trl-unpaired", "sft")
)
try:
    import torch
    from datasets import load_dataset
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer
except ImportError as missing:
    print(f"trl: not tried ({missing})")
    sys.exit()
from tokenizers import Tokenizer, models, pre_tokenizers

torch.manual_seed(0)
data = load_dataset("json", data_files=str(pairs), split="train")
words = sorted({word for row in data for side in ("prompt", "chosen", "rejected") for message in row[side] for word in message["content"].split()})
vocabulary = {word: at for at, word in enumerate(["<pad>", "<eos>", "<unk>", "user", "assistant", *words])}
tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
tokenizer.chat_template = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, pad_token_id=0, eos_token_id=1, bos_token_id=1))
common = dict(max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True, save_strategy="no", bf16=False)
# TRL loads the reference model again by its name: the model has to lie somewhere.
model.save_pretrained(scratch / "model")
tokenizer.save_pretrained(scratch / "model")


def one_step(trainer_of, config_of, file):
    """How many rows TRL reads of a file of ours, and the loss of one step on it."""
    data = load_dataset("json", data_files=str(file), split="train")
    settings = config_of(output_dir=str(scratch / "run"), **common)
    trainer = trainer_of(model=str(scratch / "model"), args=settings, train_dataset=data, processing_class=tokenizer)
    return len(data), trainer.train().training_loss


for file in (pairs, plain):
    rows, loss = one_step(DPOTrainer, DPOConfig, file)
    assert rows == len(decided)
    assert abs(loss - 0.6931) < 1e-3, loss  # ln 2 before anything was learned
    print(f"trl: one step of DPO on {rows} pairs of {file.name}, loss {loss:.4f}")
rows, loss = one_step(KTOTrainer, KTOConfig, unpaired)
print(f"trl: one step of KTO on {rows} answers, loss {loss:.4f}")
assert abs(loss - 0.5) < 1e-3, loss  # 1 - sigmoid(0)
rows, loss = one_step(SFTTrainer, SFTConfig, better)
print(f"trl: one step of SFT on {rows} answers, loss {loss:.4f}")
assert rows == len(decided)
assert abs(loss - math.log(len(vocabulary))) < 0.1, loss  # a model without weights guesses
