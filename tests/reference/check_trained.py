"""Loads what the runs of tests/encoders/trained.rs have saved in transformers and PEFT, and compares the
probabilities with those of our classifier, and greedy answers with ours:

ENCODER_RUNS=FOLDER ENCODER_KEPT=KEPT cargo test --test encoders trained
python tests/reference/check_trained.py KEPT
"""

import json
import sys
from pathlib import Path

import torch
import transformers as t
from peft import PeftModel

worst = 0.0
for folder in sorted(Path(sys.argv[1]).iterdir()):
    ours = json.loads((folder / "ours.json").read_text())
    is_adapter = (folder / "adapter_config.json").exists()
    base = ours["model"] if is_adapter else folder
    if "written" in ours:
        model = t.AutoModelForSeq2SeqLM.from_pretrained(base, dtype=torch.float32)
        if is_adapter:
            model = PeftModel.from_pretrained(model, folder)
        tokenizer = t.AutoTokenizer.from_pretrained(ours["model"])
        wrong = 0
        for text, written in zip(ours["texts"], ours["written"]):
            given = tokenizer(text, return_tensors="pt")
            found = model.generate(**given, max_new_tokens=12, do_sample=False, use_cache=False)[0].tolist()[1:]
            wrong += written != found[: len(written)]
        print("ok " if not wrong else "BAD", folder.name, wrong, "answers differ", flush=True)
        continue
    labels = len(ours["probabilities"][0])
    model = t.AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels, dtype=torch.float32)
    if is_adapter:
        model = PeftModel.from_pretrained(model, folder)
    tokenizer = t.AutoTokenizer.from_pretrained(ours["model"])
    model.eval()
    off = 0.0
    for (text, second), expected in zip(ours["texts"], ours["probabilities"]):
        given = tokenizer(text, second, return_tensors="pt", truncation=True)
        given = {key: value for key, value in given.items() if key != "token_type_ids" or "bert_nli" in str(ours["model"])}
        with torch.no_grad():
            scores = model(**given).logits[0]
        kind = json.loads(((folder / ("labels.json" if (folder / "labels.json").exists() else "score_head.json")) if is_adapter else (folder / "config.json")).read_text())["problem_type"]
        found = scores if kind == "regression" else scores.sigmoid() if kind.startswith("multi") else scores.softmax(-1)
        off = max(off, (found - torch.tensor(expected)).abs().max().item())
    worst = max(worst, off)
    print("ok " if off < 1e-4 else "BAD", folder.name, f"{off:.1e}", flush=True)
print("worst", worst)
