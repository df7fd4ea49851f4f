"""What transformers and PEFT say with the reward models of the traces: `traces/reward_*/scores.json`.

Run with transformers 5.23.0, PEFT 0.21.2 and torch 2.15.0. The texts are given as they stand to the
tokenizer, one at a time, in float32.
"""

import json
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

HERE = Path(__file__).parent
TEXTS = [
    "The answer is short.",
    "reports by results in the may.<|im_end|>",
    "words authors in study: choice step authors that and in choice",
]

for trace in ["reward_center", "reward_margin"]:
    folder = HERE / "traces" / trace
    base = HERE / "models" / json.loads((folder / "run.json").read_text())["model"]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=1, dtype=torch.float32, attn_implementation="eager"
    )
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    model = PeftModel.from_pretrained(model, folder / "adapter_final").eval()
    with torch.no_grad():
        scores = [model(**tokenizer(text, return_tensors="pt")).logits.item() for text in TEXTS]
    rows = [{"text": text, "score": score} for text, score in zip(TEXTS, scores)]
    (folder / "scores.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(trace, scores)
