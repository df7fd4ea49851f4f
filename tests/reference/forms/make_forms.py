"""Rows of every form of training data, and what TRL's trainers make of them.

Usage: python make_forms.py OUT [SEED [FILES]]     (defaults: 16 and 84 files, 300 rows or more)

Needs torch, transformers 5, TRL 1 and datasets. OUT gets a line a file of rows: its rows, the
template and settings, and what TRL's own `SFTTrainer` and `DPOTrainer` prepare from it once
`datasets.load_dataset("json")` has read it: `ids` and the place where the labels begin (`start`), of
every row that TRL keeps, by its number. Forms that TRL does not read are mapped here first, by the
rules of whoever writes them. Where TRL fails, `error` is what it says.

`forms.jsonl` beside this script is OUT of the default seed. `tests/engine/forms.rs` holds our rows to
it; another file is compared with
TUNING_FORK_FORMS=OUT cargo test --test engine generated_forms -- --ignored
"""

import copy
import json
import random
import sys
import tempfile
from pathlib import Path

import datasets
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

HERE = Path(__file__).parent
MODEL = HERE.parent / "models" / "llama"
WORDS = "tone fork answer question better worse pair clear plain stone river grün naïve Maß 12 3.5 (see) list; end! why? 你好 🙂 word".split()

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Tools, calls, reasoning, names, parts and a keyword argument: all that a row can have.
WHOLE = (
    "{%- if tools %}{{ '<|im_start|>tools\n' }}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{{ '<|im_end|>\n' }}{% endif %}"
    "{%- for m in messages %}{{ '<|im_start|>' + m.role }}{% if m.name is defined and m.name %}{{ ' ' + m.name }}{% endif %}{{ '\n' }}"
    "{%- if m.reasoning_content is defined and m.reasoning_content and enable_thinking is not false %}{{ '<why>' + m.reasoning_content + '</why>' }}{% endif %}"
    "{%- if m.content is string %}{{ m.content }}{% elif m.content %}{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}{{ '<' + part.type + '>' }}{% endif %}{% endfor %}{% endif %}"
    "{%- if m.tool_calls %}{% for call in m.tool_calls %}{{ '<call>' + call.function.name + ' ' }}{{ call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}{{ '</call>' }}{% endfor %}{% endif %}"
    "{{- '<|im_end|>\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and not enable_thinking %}{{ '<why></why>' }}{% endif %}{% endif %}"
)
# The prompt alone ends otherwise than the prompt with its answer.
DIFFERS = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ ' ' + m['content'] + '<|im_end|>' }}{% else %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: think' }}{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "whole": WHOLE, "differs": DIFFERS}


def user(words, **more):
    return {"role": "user", "content": words, **more}


def assistant(words, **more):
    return {"role": "assistant", "content": words, **more}


def system(words):
    return {"role": "system", "content": words}


class Rows:
    """Makes rows. Each method is a form: (trainer, template, a row, the row as TRL reads it or None)."""

    def __init__(self, rng):
        self.rng = rng

    def words(self, low=1, high=7):
        return " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randint(low, high)))

    def maybe(self, chance=0.5):
        return self.rng.random() < chance

    def dialogue(self, turns=None):
        messages = [system(self.words())] if self.maybe() else []
        for _ in range(turns or self.rng.randint(1, 3)):
            messages += [user(self.words()), assistant(self.words())]
        return messages

    def prompt(self):
        return self.dialogue()[:-1]

    # What TRL reads as it is

    def text(self):
        row = {"text": self.words(1, 12) + ("<|im_end|>" if self.maybe(0.2) else "")}
        return "sft", "chatml", row, row

    def messages(self):
        row = {"messages": self.dialogue()}
        return "sft", "chatml", row, row

    def completion_text(self):
        row = {"prompt": self.words() + self.rng.choice([":", " ", ""]), "completion": self.rng.choice([" ", ""]) + self.words()}
        return "sft", "chatml", row, row

    def completion_chat(self):
        row = {"prompt": self.prompt(), "completion": [assistant(self.words())]}
        return "sft", self.rng.choice(["chatml", "differs"]), row, row

    def labelled(self):
        row = {"prompt": self.words() + ":", "completion": " " + self.words(), "label": self.maybe()}
        return "sft", "chatml", row, row

    def pair_text(self):
        row = {"prompt": self.words() + ":", "chosen": " " + self.words(), "rejected": " " + self.words()}
        return "dpo", "chatml", row, row

    def pair_chat(self):
        row = {"prompt": self.prompt(), "chosen": [assistant(self.words())], "rejected": [assistant(self.words())]}
        return "dpo", self.rng.choice(["chatml", "differs"]), row, row

    def implicit_text(self):
        start = self.words() + ": "
        row = {"chosen": start + self.words() + " a", "rejected": start + self.words() + " b"}
        return "dpo", "chatml", row, row

    def implicit_chat(self):
        start = self.prompt()
        row = {"chosen": start + [assistant(self.words() + " a")], "rejected": start + [assistant(self.words() + " b")]}
        return "dpo", "chatml", row, row

    def hh(self):
        start = f"\n\nHuman: {self.words()}\n\nAssistant: {self.words()}\n\nHuman: {self.words()}\n\nAssistant:"
        row = {"chosen": f"{start} {self.words()} a", "rejected": f"{start} {self.words()} b"}
        return "dpo", "chatml", row, row

    # With all that a message can have

    def function(self):
        return {"type": "function", "function": {"name": self.rng.choice(["look", "add"]), "description": self.words(), "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}}}

    def call(self):
        arguments = self.rng.choice([{"word": self.words()}, {"n": self.rng.randint(0, 99), "exact": self.maybe(), "share": 0.25}, json.dumps({"word": self.words()})])
        return {"type": "function", "function": {"name": "look", "arguments": arguments}}

    def answer(self):
        kind = self.rng.choice(["plain", "call", "null", "reason", "thinking", "parts"])
        words = self.words()
        if kind == "call":
            return assistant(self.rng.choice(["", words]), tool_calls=[self.call() for _ in range(self.rng.randint(1, 2))])
        if kind == "null":
            return assistant(None, tool_calls=[self.call()])
        if kind == "reason":
            return assistant(words, reasoning_content=self.words())
        if kind == "thinking":
            return assistant(words, thinking=self.words())
        if kind == "parts":
            return assistant([{"type": "text", "text": words}, {"type": "text", "text": self.words()}])
        return assistant(words)

    def question(self):
        words = self.words()
        if self.maybe(0.3):
            return user([{"type": "text", "text": words}, {"type": "text", "text": " " + self.words()}])
        if self.maybe(0.3):
            return user(words, name="Ada")
        return user(words)

    def whole_dialogue(self):
        messages = []
        for _ in range(self.rng.randint(1, 2)):
            messages += [self.question(), self.answer()]
            if messages[-1].get("tool_calls"):
                messages += [{"role": "tool", "name": "look", "content": self.words()}, assistant(self.words())]
        return messages

    def beside(self, row):
        if self.maybe(0.4):
            functions = [self.function() for _ in range(self.rng.randint(1, 2))]
            row["tools"] = functions if self.maybe() else json.dumps(functions)
        return row

    def whole_messages(self):
        row = self.beside({"messages": self.whole_dialogue()})
        return "sft", "whole", row, row

    def whole_completion(self):
        row = self.beside({"prompt": self.whole_dialogue() + [self.question()], "completion": [self.answer()]})
        row["chat_template_kwargs"] = {"enable_thinking": self.maybe()}
        return "sft", "whole", row, row

    def whole_pair(self):
        row = self.beside({"prompt": [self.question()], "chosen": [self.answer()], "rejected": [self.answer()]})
        return "dpo", "whole", row, row

    def whole_implicit(self):
        start = [self.question()]
        row = {"chosen": start + [assistant(self.words(), reasoning_content="a")], "rejected": start + [assistant(self.words(), reasoning_content="b")]}
        return "dpo", "whole", row, row

    def parts_unread(self):
        row = {"messages": [user([{"type": "text", "text": self.words()}]), assistant(self.words())]}
        return "sft", "chatml", row, row

    # What others write

    def alpaca(self):
        row = {"instruction": self.words(), "input": self.rng.choice(["", self.words()]), "output": self.words()}
        messages = []
        if self.maybe(0.4):
            row["system"] = self.words()
            messages.append(system(row["system"]))
        if self.maybe(0.4):
            row["history"] = [[self.words(), self.words()]]
            messages += [user(row["history"][0][0]), assistant(row["history"][0][1])]
        asked = row["instruction"] + ("\n" + row["input"] if row["input"] else "")
        return "sft", "chatml", row, {"prompt": messages + [user(asked)], "completion": [assistant(row["output"])]}

    def alpaca_pair(self):
        row = {"instruction": self.words(), "input": self.words(), "chosen": self.words(), "rejected": self.words()}
        return "dpo", "chatml", row, self.pair(row["instruction"] + "\n" + row["input"], row["chosen"], row["rejected"])

    def pair(self, question, chosen, rejected, before=()):
        return {"prompt": list(before) + [user(question)], "chosen": [assistant(chosen)], "rejected": [assistant(rejected)]}

    def sharegpt(self):
        turns = self.dialogue()
        names = {"user": "human", "assistant": "gpt", "system": "system"}
        said = [{"from": names[m["role"]], "value": m["content"]} for m in turns]
        row = {"conversations": said}
        if turns[0]["role"] == "system" and self.maybe():
            row = {"conversations": said[1:], "system": said[0]["value"]}
        return "sft", "chatml", row, {"messages": turns}

    def sharegpt_pair(self):
        question, chosen, rejected = self.words(), self.words(), self.words()
        row = {"conversations": [{"from": "human", "value": question}], "chosen": {"from": "gpt", "value": chosen}, "rejected": {"from": "gpt", "value": rejected}}
        return "dpo", "chatml", row, self.pair(question, chosen, rejected)

    def ultrafeedback(self):
        question, answers = self.words(), [self.words() for _ in range(4)]
        scores = self.rng.sample(range(1, 10), 4)
        row = {"instruction": question, "completions": [{"response": a, "overall_score": s} for a, s in zip(answers, scores)]}
        order = sorted(range(4), key=lambda i: scores[i])
        return "dpo", "chatml", row, self.pair(question, answers[order[-1]], answers[order[0]])

    def ultrafeedback_binarized(self):
        question, chosen, rejected = self.words(), self.words() + " a", self.words() + " b"
        row = {"prompt": question, "chosen": [user(question), assistant(chosen)], "rejected": [user(question), assistant(rejected)], "score_chosen": 4.0}
        return "dpo", "chatml", row, self.pair(question, chosen, rejected)

    def intel(self):
        row = {"system": self.rng.choice(["", self.words()]), "question": self.words(), "chosen": self.words(), "rejected": self.words()}
        before = [system(row["system"])] if row["system"] else []
        return "dpo", "chatml", row, self.pair(row["question"], row["chosen"], row["rejected"], before)

    def argilla_columns(self):
        row = {"instruction": self.words(), "chosen_response": self.words(), "rejected_response": self.words()}
        return "dpo", "chatml", row, self.pair(row["instruction"], row["chosen_response"], row["rejected_response"])

    def h2o(self):
        row = {"instruction": self.words(), "output": self.words(), "rejected_answer": self.words()}
        return "dpo", "chatml", row, self.pair(row["instruction"], row["output"], row["rejected_answer"])

    def autotrain(self):
        row = {"prompt": self.words(), "text": self.words(), "rejected_text": self.words()}
        return "dpo", "chatml", row, self.pair(row["prompt"], row["text"], row["rejected_text"])

    def orca(self):
        row = {"system_prompt": self.words(), "question": self.words(), "response": self.words()}
        return "sft", "chatml", row, {"prompt": [system(row["system_prompt"]), user(row["question"])], "completion": [assistant(row["response"])]}

    def label_studio(self):
        question, answers = self.words(), [self.words(), self.words()]
        better = self.rng.choice([0, 1])
        result = [{"type": "pairwise", "value": {"selected": ["left", "right"][better]}}]
        row = {"id": 1, "data": {"prompt": question, "answer1": answers[0], "answer2": answers[1]}, "annotations": [{"id": 1, "result": result, "was_cancelled": False}]}
        return "dpo", "chatml", row, self.pair(question, answers[better], answers[1 - better])

    def argilla(self):
        question, answers = self.words(), [self.words(), self.words()]
        better = self.rng.choice([0, 1])
        ranks = [{"value": f"response-{i + 1}", "rank": 1 if i == better else 2} for i in (0, 1)]
        row = {"id": "x", "fields": {"prompt": question, "response-1": answers[0], "response-2": answers[1]}, "responses": {"better": [{"value": ranks, "user_id": "u"}]}, "metadata": {}}
        return "dpo", "chatml", row, self.pair(question, answers[better], answers[1 - better])

    def potato(self):
        question, answers = self.words(), [self.words(), self.words()]
        better = self.rng.choice([0, 1])
        row = {"id": "x", "prompt": question, "responses": answers, "preference": {"selection": "AB"[better]}}
        return "dpo", "chatml", row, self.pair(question, answers[better], answers[1 - better])


FORMS = [name for name in vars(Rows) if not name.startswith("__") and name not in ("words", "maybe", "dialogue", "prompt", "function", "call", "answer", "question", "whole_dialogue", "beside", "pair")]


def prepared(trainer, template, rows, settings, folder):
    """What TRL's trainer keeps of the rows: their numbers, ids and where the labels begin."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.chat_template = TEMPLATES[template]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    data = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(folder / "cache"))
    data = data.add_column("number", list(range(len(rows))))
    trainer_class, config_class = {"sft": (SFTTrainer, SFTConfig), "dpo": (DPOTrainer, DPOConfig)}[trainer]
    args = config_class(output_dir=str(folder / "out"), report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True, **settings)
    model = AutoModelForCausalLM.from_pretrained(MODEL)
    data = trainer_class(model=model, args=args, train_dataset=data, processing_class=tokenizer).train_dataset
    result = []
    for row in data:
        if trainer == "sft":
            start = next(place for place, label in enumerate(row["labels"]) if label != -100)
            assert row["labels"][start:] == row["input_ids"][start:]
            result.append({"row": row["number"], "ids": row["input_ids"], "start": start})
        else:
            start, length = len(row["prompt_ids"]), settings["max_length"]
            chosen, rejected = ((row["prompt_ids"] + row[key])[:length] for key in ("chosen_ids", "rejected_ids"))
            result.append({"row": row["number"], "ids": chosen, "rejected": rejected, "start": start})
    return result


def main(out, seed=16, files=84):
    datasets.disable_progress_bars()
    logging.set_verbosity_error()
    rng = random.Random(int(seed))
    maker = Rows(rng)
    with open(out, "w", encoding="utf-8") as lines:
        for number in range(int(files)):
            form = FORMS[number % len(FORMS)]
            made = []
            wanted = rng.randint(3, 5)
            while len(made) < wanted:
                one = getattr(maker, form)()
                if not made or one[:2] == made[0][:2]:
                    made.append(one)
            trainer, template = made[0][:2]
            rows, mapped = [one[2] for one in made], [one[3] for one in made]
            settings = {"max_length": rng.choice([512, 512, 96, 40])}
            if trainer == "sft" and rng.random() < 0.2:
                settings["completion_only_loss"] = False
            case = {"form": form, "trainer": trainer, "template": template, "settings": settings, "rows": rows}
            with tempfile.TemporaryDirectory() as folder:
                try:
                    case["result"] = prepared(trainer, template, copy.deepcopy(mapped), settings, Path(folder))
                except Exception as error:
                    case["error"] = f"{type(error).__name__}: {error}"[:200]
            lines.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
