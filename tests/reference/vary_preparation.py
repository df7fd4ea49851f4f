"""Random rows, chat templates with `{% generation %}` tags in odd places, and settings; and what TRL's trainers prepare.

Some cases have a template of a known model, which TRL replaces by its own variant with tags.

Usage: python vary_preparation.py OUT [COUNT [SEED]]     (defaults: 200 cases, seed 16)

OUT/templates.json has every template, OUT/prepared.json a list of cases as `preparation/prepared.json` has them: trainer,
model (a folder of `models`), template, args, rows; and `result` (the dataset that the trainer has prepared) or `error`.
`preparation/` beside this script is from the project's reference, not from here. Ours is compared with
TUNING_FORK_PREPARED=OUT cargo test --test engine generated_rows -- --ignored
Needs torch, transformers 5, TRL 1 and datasets.
"""

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import datasets
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

logging.set_verbosity_error()
logging.disable_progress_bar()
datasets.disable_progress_bars()

HERE = Path(__file__).parent
# Templates of which TRL has a variant with tags, and ours (`src/train/rows/training_templates.json`).
TEMPLATES = Path(trl.__file__).parent / "chat_templates"
KNOWN = [known["name"] for known in json.loads((HERE / "../../src/train/rows/training_templates.json").read_text())]
MODELS = ["llama", "gpt2", "gemma3", "qwen3", "mistral", "phi3"]
WORDS = "tone fork answer question better worse pair clear plain stone river grün naïve Maß 12 3.5 (see) list; end! why? 你好 🙂 word \n".split(" ")


class Draw:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def chance(self, share):
        return self.rng.random() < share

    def words(self, low=1, high=9):
        return self.rng.choice(["", "", " ", "\n"]) * self.chance(0.3) + " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randint(low, high))) + " " * self.chance(0.1)

    def template(self, eos):
        """A template: where the tags begin and end, what trims around them, and what they stand in, is drawn."""
        rng = self.rng
        opens, shuts = rng.choice(["{%", "{%-"]), rng.choice(["%}", "-%}"])
        begin, end = f"{opens} generation {shuts}", f"{rng.choice(['{%', '{%-'])} endgeneration {rng.choice(['%}', '-%}'])}"
        content = rng.choice(["{{ m['content'] }}", "{{ m.content | trim }}", "{% for w in m.content.split() %}{{ w }} {% endfor %}"])
        head = rng.choice(["<|im_start|>assistant\n", "assistant: ", "\nA:", "[A] ", ""])
        stop = rng.choice([eos, eos + "\n", "", "\n\n"])
        inside, outside = rng.choice([(stop, ""), (stop, ""), ("", stop), (stop[: len(eos)], stop[len(eos) :])])
        space = rng.choice(["", "", "\n", "\n    "])
        kind = rng.choice(["plain", "plain", "plain", "head_too", "macro", "filter", "set", "last_only", "none", "two"])
        turn = f"{head}{space}{begin}{space}{content}{inside}{space}{end}{outside}"
        before = ""
        if kind == "head_too":
            turn = f"{begin}{head}{content}{inside}{end}{outside}"
        elif kind == "macro":
            before = "{% macro say(m) %}" + f"{begin}{content}{inside}{end}" + "{% endmacro %}"
            turn = head + "{{ say(m) }}" + outside
        elif kind == "filter":
            turn = head + "{% filter upper %}" + f"{begin}{content}{end}" + "{% endfilter %}" + stop
        elif kind == "set":
            turn = "{% set said %}" + f"{begin}{content}{inside}{end}" + "{% endset %}" + head + "{{ said }}" + outside
        elif kind == "last_only":
            turn = head + "{% if loop.last %}" + f"{begin}{content}{inside}{end}" + "{% else %}" + content + inside + "{% endif %}" + outside
        elif kind == "none":
            turn = head + content + stop
        elif kind == "two":
            turn = f"{head}{begin}<think></think>{end}\n{begin}{content}{inside}{end}{outside}"
        other = rng.choice(["<|im_start|>{{ m.role }}\n{{ m.content }}" + eos + "\n", "{{ m.role }}: {{ m.content }}\n", "[{{ m.role | upper }}] {{ m.content | trim }}\n"])
        return (
            before + rng.choice(["", "{{ bos_token or '' }}", "Dialogue\n"])
            + "{% for m in messages %}{% if m['role'] == 'assistant' %}" + turn + "{% else %}" + other + "{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}" + head + "{% endif %}"
        )  # fmt: skip

    def dialogue(self):
        messages = [{"role": "system", "content": self.words()}] if self.chance(0.3) else []
        for _ in range(self.rng.randint(1, 4)):
            messages.append({"role": "user", "content": self.words()})
            messages.append({"role": "assistant", "content": self.words(0 if self.chance(0.05) else 1)})
        return messages if self.chance(0.8) else messages + [{"role": "user", "content": self.words()}]

    def case(self, name):
        rng = self.rng
        trainer = rng.choice(["SFTTrainer"] * 5 + ["DPOTrainer"])
        args = {}
        if self.chance(0.6):
            args["max_length"] = rng.choice([4, 9, 16, 24, 40, 64, 96])
        if self.chance(0.35):
            args["truncation_mode"] = rng.choice(["keep_end", "keep_end", "keep_start"])
        count = rng.randint(1, 6)
        if trainer == "DPOTrainer":
            answer = lambda: [{"role": "assistant", "content": self.words()}]
            if self.chance(0.5):
                rows = [{"prompt": self.words() + ":", "chosen": " " + self.words(), "rejected": " " + self.words()} for _ in range(count)]
            else:
                rows = [{"prompt": [{"role": "user", "content": self.words()}], "chosen": answer(), "rejected": answer()} for _ in range(count)]
            return {"name": name, "trainer": trainer, "args": args, "rows": rows}
        kind = rng.choice(["messages", "messages", "completion", "completion", "text", "completion_text"])
        if kind == "messages":
            rows = [{"messages": self.dialogue()} for _ in range(count)]
        elif kind == "completion":
            rows = []
            for _ in range(count):
                whole = [{"role": "user", "content": self.words()}] if self.chance(0.5) else self.dialogue()
                if whole[-1]["role"] == "assistant":
                    whole.append({"role": "user", "content": self.words()})
                rows.append({"prompt": whole, "completion": [{"role": "assistant", "content": self.words()}]})
        elif kind == "text":
            rows = [{"text": self.words(1, 20)} for _ in range(count)]
        else:
            rows = [{"prompt": self.words() + rng.choice([":", " ", ""]), "completion": rng.choice([" ", ""]) + self.words(0 if self.chance(0.1) else 1)} for _ in range(count)]
        if kind in ("messages", "completion"):
            args["assistant_only_loss"] = self.chance(0.75)
        elif self.chance(0.05):
            args["assistant_only_loss"] = True
        if "completion" in kind and self.chance(0.4):
            args["completion_only_loss"] = self.chance(0.5)
        if self.chance(0.35):
            args["packing"] = True
            args.setdefault("max_length", rng.choice([16, 24, 40, 64]))
            args["packing_strategy"] = rng.choice(["bfd", "bfd_split", "wrapped"])
        return {"name": name, "trainer": trainer, "args": args, "rows": rows}


def prepared(case, template):
    folder = HERE / "models" / case["model"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    sft = case["trainer"] == "SFTTrainer"
    with tempfile.TemporaryDirectory() as out:
        args = {"output_dir": out, "report_to": [], "use_cpu": True, "bf16": False, "max_length": 512} | case["args"]
        config = (SFTConfig if sft else DPOConfig)(**args)
        trainer = (SFTTrainer if sft else DPOTrainer)(model, args=config, train_dataset=Dataset.from_list(case["rows"]), processing_class=tokenizer)
        keys = ["input_ids", "labels", "seq_lengths"] if sft else ["prompt_ids", "chosen_ids", "rejected_ids"]
        return [{key: row[key] for key in keys if key in row} for row in trainer.train_dataset]


def main():
    out, count, seed = Path(sys.argv[1]), int((sys.argv + [200])[2]), int((sys.argv + [200, 16])[3])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    templates, cases = {}, []
    for number in range(count):
        draw = Draw(seed * 100_000 + number)
        case = draw.case(f"case {number}")
        case["model"] = draw.rng.choice(MODELS)
        if case["args"].get("packing") and case["args"]["packing_strategy"] != "wrapped" and case["model"] == "gpt2":
            case["model"] = "llama"  # rows of GPT-2 see each other: ours refuses
        tokenizer = AutoTokenizer.from_pretrained(HERE / "models" / case["model"])
        case["template"] = f"template {number}"
        templates[case["template"]] = draw.template(tokenizer.eos_token)
        if case["args"].get("assistant_only_loss") and draw.chance(0.3):
            templates[case["template"]] = (TEMPLATES / f"{draw.rng.choice(KNOWN)}.jinja").read_text()
            for row in case["rows"]:
                for message in row.get("messages", []):
                    if message["role"] == "assistant" and draw.chance(0.3):
                        message["reasoning_content"] = draw.words()
        try:
            case["result"] = prepared(case, templates[case["template"]])
        except Exception as err:  # what TRL says against the rows
            case["error"] = f"{type(err).__name__}: {err}"[:300]
        cases.append(case)
    (out / "templates.json").write_text(json.dumps(templates, indent=1))
    (out / "prepared.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    print(len(cases), "cases,", sum("error" in case for case in cases), "refused by TRL")


if __name__ == "__main__":
    main()
