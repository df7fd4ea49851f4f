"""Label probabilities of `tuning-fork evaluate`, from texts to numbers, against transformers.

    python check_labels.py PROGRAM MODELS [MODEL ...]        MODELS: a folder with tiny models

Labels that begin alike, with spaces, of other scripts; texts too; several orders; with and without a chat
template. transformers renders the prompt, splits it, and computes full logits for each label by itself.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LABELS = [
    ["agree", "agree a lot", "agree a little", "disagree"],
    ["very good", "very bad", "very", "good  enough"],
    ["größer", "größte", "Größe", "naïve"],
    ["好", "好的", "不好", "日本語 テキスト"],
    ["а", "аб", "Привет мир"],
    ["😀", "😀👍🏽", "🇩🇪"],
    ["A", "B", "AB", "BA"],
    ["1", "10", "100", "-1.5"],
    ["e\u0301te\u0301", "\u00e9t\u00e9"],
    ["yes.", "yes!", "“yes”", "yes, but (not) {always}"],
    ["हिन्दी", "العربية", "עברית"],
]
TEXTS = ["A short text.", "Größe 好 😀", "  spaces  around\n\nand lines  ", "x" * 40, "{braces} and “quotes”"]
PROMPT = "Text: {text}\n\nOptions:\n{options}\n\nAnswer with one of them."


def tasks(folder, texts):
    rows = [{"id": i, "text": text} for i, text in enumerate(texts)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    for number, labels in enumerate(LABELS):
        classes = "".join(f"\n[[classes]]\nlabel = {json.dumps(label, ensure_ascii=False)}\ndefinition = \"It fits.\"\n" for label in labels)
        (folder / f"book{number}.toml").write_text(f'name = "n"\ninstruction = "Say it."\n{classes}', encoding="utf-8")
        (folder / f"task{number}.toml").write_text(
            f'data = "rows.jsonl"\nid = "id"\norders = 2\nprompt = {json.dumps(PROMPT)}\n[code]\ntext = "text"\ncodebook = "book{number}.toml"\n', encoding="utf-8")


def rendered(tokenizer, content):
    if tokenizer.chat_template:
        return tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True), "", False
    return f"{content}\n\nAnswer:", " ", True


def expected(model, tokenizer, text, labels):
    """The sum of each label's log-probabilities, with the labels in the order of the codebook."""
    options = "\n".join(f"- {label}" for label in labels)
    prompt, lead, special = rendered(tokenizer, PROMPT.replace("{text}", text).replace("{options}", options).lstrip("\n"))
    encode = lambda words: tokenizer(words, add_special_tokens=special).input_ids
    begun = encode(prompt)
    found = []
    for label in labels:
        whole = encode(f"{prompt}{lead}{label}")
        answer = whole[len(begun):] if whole[: len(begun)] == begun else tokenizer(f"{lead}{label}", add_special_tokens=False).input_ids
        ids = torch.tensor([begun + answer])
        with torch.no_grad():
            logprobs = model(ids, use_cache=False).logits[0].double().log_softmax(-1)
        found.append(sum(logprobs[len(begun) - 1 + i, token].item() for i, token in enumerate(answer)))
    return found


def main():
    program, models = sys.argv[1], pathlib.Path(sys.argv[2])
    names = sys.argv[3:] or sorted(path.name for path in models.iterdir() if (path / "config.json").is_file())
    worst = 0.0
    for name in names:
        for has_chat in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                own = folder / "model"
                shutil.copytree(models / name, own, copy_function=shutil.copyfile)
                os.chmod(own, 0o755)
                if not has_chat:
                    (own / "chat_template.jinja").unlink(missing_ok=True)
                    config = own / "tokenizer_config.json"
                    told = json.loads(config.read_text()) if config.is_file() else {}
                    told.pop("chat_template", None)
                    config.write_text(json.dumps(told))
                tasks(folder, random.Random(name).sample(TEXTS, 3))
                model = AutoModelForCausalLM.from_pretrained(own, dtype=torch.float32, attn_implementation="eager").eval()
                tokenizer = AutoTokenizer.from_pretrained(own)
                rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
                refused = 0
                for number, labels in enumerate(LABELS):
                    out = folder / f"out{number}"
                    subprocess.run([program, "evaluate", str(folder / f"task{number}.toml"), "--model", str(own), "--out", str(out)],
                                   check=True, capture_output=True, text=True)
                    for row, line in zip(rows, (out / "results.jsonl").read_text(encoding="utf-8").splitlines()):
                        got = json.loads(line)
                        if "problem" in got:
                            refused += 1
                            print(name, labels, got["problem"])
                            continue
                        for label, right, ours in zip(labels, expected(model, tokenizer, row["text"], labels), got["logprobs"]):
                            off = abs(right - ours)
                            worst = max(worst, off)
                            if off > 1e-4:
                                print(f"{name} chat={has_chat} {label!r} after {row['text'][:20]!r}: {ours}, not {right}")
                print(f"{name}, {'with' if has_chat else 'without'} a chat template: {len(LABELS) * len(rows)} rows, {refused} refused, worst {worst:.2e}", flush=True)


if __name__ == "__main__":
    main()
