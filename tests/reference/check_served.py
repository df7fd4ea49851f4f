"""Asks our server (`tuning-fork serve`) with the clients that people have.

The `openai` client streams a chat and asks for completions, log-probabilities, vectors and labels;
lm-evaluation-harness (`lm-eval` 0.4.13, `local-completions`) computes log-likelihoods and a task of
multiple choice through the server, and the same with transformers itself (`hf`), and the two are
compared.

    pip install openai "lm-eval[api]==0.4.13" accelerate     # beside torch and transformers
    python tests/reference/check_served.py BINARY MODEL [MODEL...] [--tolerance 1e-6] [--rows 40]

BINARY is `tuning-fork`; each MODEL is a transformers folder. Exit status 1: something differs.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SENTENCES = [
    "The cat sat on the mat and looked at the rain.",
    "A student asked why the model had changed its mind.",
    "Nobody in the village remembered the name of the bridge.",
    "When the train was late again, people began to talk.",
    "She counted the votes twice and wrote the number down.",
    "Bread, cheese and apples were all that was left.",
    "The committee will publish its report in the spring.",
    "It is cheaper to repair the old engine than to buy one.",
    "Two words can mean the same and still be used otherwise.",
    "Après la pluie, le beau temps: tout le monde le sait.",
    "Über den Dächern der Stadt war es still.",
    "3 + 4 = 7, and 7 - 4 = 3.",
]


class Server:
    def __init__(self, binary, model):
        command = [binary, "serve", "--model", model, "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        opened = json.loads(line)
        assert opened["event"] == "opened", opened
        self.address, self.names = opened["address"], opened["models"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def ask_with_openai(server):
    from openai import BadRequestError, NotFoundError, OpenAI

    client = OpenAI(base_url=server.address, api_key="none is needed", max_retries=0)
    name = client.models.list().data[0].id
    assert name == server.names[0], name
    messages = [{"role": "user", "content": "Say hello."}]
    settings = dict(model=name, seed=7, max_tokens=12)
    said = client.completions.create(prompt="Once", logprobs=2, echo=True, **settings)
    choice = said.choices[0]
    assert choice.text.startswith("Once") and choice.logprobs.token_logprobs[0] is None
    assert len(choice.logprobs.tokens) == said.usage.total_tokens
    pieces = client.completions.create(prompt="Once", stream=True, **settings)
    assert "Once" + "".join(piece.choices[0].text for piece in pieces) == choice.text
    vectors = client.embeddings.create(model=name, input=["one", "two"])
    plain = client.embeddings.create(model=name, input=["one", "two"], encoding_format="float")
    for packed, one in zip(vectors.data, plain.data, strict=True):
        largest = max(abs(a - b) for a, b in zip(packed.embedding, one.embedding, strict=True))
        assert largest < 1e-6, largest
    try:
        client.completions.create(model="another", prompt="a")
        raise AssertionError("another model was answered")
    except NotFoundError as error:
        assert error.code == "model_not_found", error
    try:
        client.completions.create(model=name, prompt="a", n=1000)
        raise AssertionError("a thousand choices were answered")
    except BadRequestError as error:
        assert error.param == "n", error
    try:
        whole = client.chat.completions.create(messages=messages, **settings)
    except BadRequestError as error:
        assert "no chat template" in str(error), error
        return "completions, vectors; the model has no chat template"
    again = client.chat.completions.create(
        messages=messages, stream=True, stream_options={"include_usage": True}, logprobs=True,
        top_logprobs=2, **settings,
    )
    text, counted, usage = "", 0, None
    for piece in again:
        usage = piece.usage or usage
        for choice in piece.choices:
            text += choice.delta.content or ""
            counted += len(choice.logprobs.content) if choice.logprobs else 0
    assert text == whole.choices[0].message.content, (text, whole)
    assert usage == whole.usage and 0 < counted <= 12, (usage, counted)
    return f"streamed {counted} tokens of a chat; completions, vectors"


def requests(rows):
    """Contexts with their continuations, made from whole sentences."""
    from lm_eval.api.instance import Instance

    draw = random.Random(1)
    made = []
    for index in range(rows):
        before = " ".join(draw.sample(SENTENCES, draw.randint(1, 3)))
        last = draw.choice(SENTENCES)
        cut = draw.randint(2, len(last.split()) - 1)
        words = last.split()
        context = f"{before} {' '.join(words[:cut])}"
        answer = " " + " ".join(words[cut:])
        made.append(Instance("loglikelihood", {}, (context, answer), index))
    return made


def task(folder, rows):
    """A task of multiple choice on our own rows, as lm-eval's own tasks are written."""
    draw = random.Random(2)
    lines = []
    for _ in range(rows):
        options = draw.sample(SENTENCES, 4)
        right = draw.randrange(4)
        words = options[right].split()
        rest = [" ".join(option.split()[3:]) for option in options]
        lines.append({"begin": " ".join(words[:3]), "rest": rest, "right": right})
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return {
        "task": "which_end",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{begin}}",
        "doc_to_choice": "{{rest}}",
        "doc_to_target": "{{right}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }


def compare(server, model, rows, tolerance):
    import torch
    from lm_eval import simple_evaluate
    from lm_eval.api.registry import get_model
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    theirs = get_model("hf")(pretrained=model, device="cpu", dtype="float32", batch_size=1)
    ours = get_model("local-completions")(
        model=server.names[0], base_url=f"{server.address}/completions", tokenizer=model,
        tokenizer_backend="huggingface", batch_size=4, max_length=theirs.max_length,
        num_concurrent=1, max_retries=1,
    )
    wanted = requests(rows)
    expected, found = theirs.loglikelihood(wanted), ours.loglikelihood(wanted)
    # transformers in 64 bits says which part of the difference is whose: a sum of -170 in 32 bits is
    # itself only known to 1.5e-5.
    exact = get_model("hf")(pretrained=model, device="cpu", dtype="float64", batch_size=1)
    exact = exact.loglikelihood(wanted)
    worst, worst_token, ours_off, theirs_off = 0.0, 0.0, 0.0, 0.0
    for index, instance in enumerate(wanted):
        (one, is_greedy), (other, is_greedy_too) = expected[index], found[index]
        worst = max(worst, abs(one - other))
        count = len(theirs.tok_encode(instance.args[1]))
        worst_token = max(worst_token, abs(one - other) / max(count, 1))
        ours_off = max(ours_off, abs(other - exact[index][0]))
        theirs_off = max(theirs_off, abs(one - exact[index][0]))
        assert is_greedy == is_greedy_too, instance.args
    with tempfile.TemporaryDirectory() as folder:
        config = task(Path(folder), rows)
        settings = dict(
            tasks=[config], task_manager=TaskManager(), bootstrap_iters=0, limit=rows
        )
        scores = []
        for lm in (theirs, ours):
            results = simple_evaluate(model=lm, **settings)["results"]["which_end"]
            scores.append([results["acc,none"], results["acc_norm,none"]])
    print(
        f"  {len(wanted)} log-likelihoods: largest difference {worst:.3g} "
        f"({worst_token:.3g} a token); from 64 bits: served {ours_off:.3g}, transformers "
        f"{theirs_off:.3g}; acc, acc_norm: transformers {scores[0]}, served {scores[1]}"
    )
    assert worst_token <= tolerance, f"{worst_token} a token is more than {tolerance}"
    assert scores[0] == scores[1], scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="of a token")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--without-harness", action="store_true")
    args = parser.parse_args()
    failed = 0
    for model in args.models:
        print(model)
        try:
            with Server(args.binary, model) as server:
                print("  openai client:", ask_with_openai(server))
                if not args.without_harness:
                    compare(server, model, args.rows, args.tolerance)
        except AssertionError as error:
            failed += 1
            print("  FAILED:", error)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
