"""What transformers' logits processors leave of a distribution, step by step, in two orders.

Writes text/pipeline.json. The order "transformers" is that of `_get_logits_processor`; the order
"llama_cpp" runs the same processors as llama.cpp's default chain orders its samplers, with the
penalty over the last 64 tokens. Needs torch and transformers; takes seconds.
"""

import json
import math
import pathlib

import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

HERE = pathlib.Path(__file__).parent
ORDERS = {
    "transformers": ["temperature", "top_k", "top_p", "min_p", "typical_p"],
    "llama_cpp": ["top_k", "typical_p", "top_p", "min_p", "temperature"],
}
OFF = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}
SETTINGS = [
    {},
    {"temperature": 0.7, "top_k": 12, "top_p": 0.9, "repetition_penalty": 1.3},
    {"temperature": 1.8, "top_p": 0.8, "min_p": 0.05},
    {"temperature": 0.5, "typical_p": 0.7, "top_p": 0.95},
    {"temperature": 2.0, "top_k": 30, "top_p": 0.6, "min_p": 0.2, "typical_p": 0.9},
    {"repetition_penalty": 1.7, "no_repeat_ngram_size": 2, "top_k": 20},
    {"temperature": 0.3, "min_p": 0.02, "repetition_penalty": 0.8},
]
VOCABULARY = 48


def warper(step, value):
    return {
        "temperature": lambda: TemperatureLogitsWarper(value),
        "top_k": lambda: TopKLogitsWarper(value),
        "top_p": lambda: TopPLogitsWarper(value),
        "min_p": lambda: MinPLogitsWarper(value),
        "typical_p": lambda: TypicalLogitsWarper(value),
    }[step]()


def described(step, scores, before):
    probs = torch.softmax(scores.double(), -1)[0]
    alive = scores[0] > -math.inf
    entropy = -(probs[alive] * probs[alive].log2()).sum().item()
    return {
        "step": step,
        "count": int(alive.sum()),
        "mass": before[alive].sum().item(),
        "entropy": entropy,
        "probs": [round(p, 9) for p in probs.tolist()],
    }


def main():
    torch.manual_seed(17)
    cases = []
    for order, steps in ORDERS.items():
        for settings in SETTINGS:
            params = {**OFF, **settings}
            scores = torch.randn(1, VOCABULARY) * 2.5
            logits = scores[0].tolist()
            # Longer than llama.cpp's window, so that its first tokens are outside it.
            history = torch.randint(0, VOCABULARY, (90,)).tolist()
            history[:10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
            ids = torch.tensor([history])
            before = torch.softmax(scores.double(), -1)[0]
            left = [described("model", scores, before)]
            if params["repetition_penalty"] != 1.0 or params["no_repeat_ngram_size"]:
                window = ids if order == "transformers" else ids[:, -64:]
                if params["repetition_penalty"] != 1.0:
                    penalty = RepetitionPenaltyLogitsProcessor(params["repetition_penalty"])
                    scores = penalty(window, scores)
                if params["no_repeat_ngram_size"]:
                    ban = NoRepeatNGramLogitsProcessor(params["no_repeat_ngram_size"])
                    scores = ban(ids, scores)
                left.append(described("penalties", scores, before))
            for step in steps:
                if params[step] != OFF[step]:
                    scores = warper(step, params[step])(ids, scores)
                    left.append(described(step, scores, before))
            params["order"] = order
            cases.append({"params": params, "history": history, "logits": logits, "left": left})
    path = HERE / "text" / "pipeline.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
