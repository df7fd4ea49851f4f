"""What transformers says of answers after prompts: the sum of the log-probabilities of an answer's
tokens, from the full logits of prompt and answer together, each alone and without a cache.

    python tests/reference/make_labels.py        # torch, transformers; writes text/labels.json
"""
import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODELS = ["models/llama", "models/gpt2", "models/gemma3", "models/tiny_phi3_longrope",
          "families/qwen3_next", "families/olmoe"]


def score(model, prompt, answer):
    ids = torch.tensor([prompt + answer])
    with torch.no_grad():
        logprobs = model(ids, use_cache=False).logits[0].double().log_softmax(-1)
    at = len(prompt) - 1
    return sum(logprobs[at + place, token].item() for place, token in enumerate(answer))


def main():
    torch.set_num_threads(1)
    out = []
    for name in MODELS:
        model = AutoModelForCausalLM.from_pretrained(HERE / name, dtype=torch.float32,
                                                     experts_implementation="eager" if "families" in name else None).eval()
        rng = random.Random(name)
        vocabulary = model.config.get_text_config().vocab_size
        ids = lambda count: [rng.randrange(3, vocabulary) for _ in range(count)]
        beginning = ids(9)
        rows = []
        for row in range(4):
            text = ids(rng.randrange(1, 14))
            begun = ids(2)
            # One answer is the beginning of another, two share their first tokens.
            answers = [begun, begun + ids(2), begun[:1] + ids(3), ids(1), ids(4)]
            prompts = [beginning + text + ids(rng.randrange(1, 5)) for _ in range(1 + row % 3)]
            if row == 3:  # one that does not begin as the others do
                prompts = [ids(6)]
            sums = [[score(model, prompt, answer) for answer in answers] for prompt in prompts]
            rows.append({"prompts": prompts, "answers": answers, "sums": sums})
        out.append({"model": name, "shared": beginning, "rows": rows})
    lines = ",\n".join(json.dumps(one) for one in out)
    (HERE / "text" / "labels.json").write_text(f"[\n{lines}\n]\n")


main()
