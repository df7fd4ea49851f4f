"""What "Fill the mask" must show of committed models, as transformers computes it (float32):
masks.json, for tests/encoders/masks.rs.

Usage: python make_masks.py

Needs torch and transformers 5. For each masked model of encoders/: words that are hidden (by their
characters; every token of them becomes the mask, all at once), what is guessed there over the whole
vocabulary, and pseudo-log-likelihoods (each token masked by itself, Salazar et al. 2020). For decoders of
models/: the same words from what stands before them, and a mask that was typed, at which the model reads
on with its own first guess.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

HERE = Path(__file__).parent
MASKED = ["mlm_bert", "mlm_distilbert", "mlm_roberta", "mlm_mpnet", "mlm_modernbert"]
DECODERS = ["llama", "gpt2", "qwen3"]
TOP = 5

# A text, the words that are hidden in it, and a text that differs in a word.
TEXTS = [
    (
        "the first reader said that the authors share data, and people agree.",
        ["reader", "share", "people"],
        "the first reader said that the authors hide data, and people agree.",
    ),
    ("open data was the best answer", ["best"], "open data was the worst answer here"),
]
TYPED = "the first [MASK] said that people agree"


def guessed(row, own):
    logs = torch.log_softmax(row.double(), -1)
    top = torch.topk(logs, TOP)
    found = dict(
        entropy=-(logs.exp() * logs).sum().item() / torch.log(torch.tensor(2.0, dtype=torch.float64)).item(),
        top_ids=top.indices.tolist(),
        top_logprobs=top.values.tolist(),
    )
    if own is not None:
        found |= dict(own=own, logprob=logs[own].item(), rank=1 + int((row > row[own]).sum()))
    return found


def places(tokenizer, text, words):
    """The ids of a text, and for each word its characters and the tokens that reach into it."""
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    found = []
    for word in words:
        start = text.index(word)
        end = start + len(word)
        inside = [
            at
            for at, (left, right) in enumerate(encoded["offset_mapping"])
            if left < end and start < right and not encoded["special_tokens_mask"][at]
        ]
        found.append(([start, end], inside))
    return encoded["input_ids"], found


@torch.no_grad()
def scores(model, ids):
    return model(input_ids=torch.tensor([ids])).logits[0]


def likelihood(model, tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    special = set(tokenizer.all_special_ids)
    logprobs = []
    for at, own in enumerate(ids):
        if own in special:
            logprobs.append(None)
            continue
        hidden = ids[:at] + [tokenizer.mask_token_id] + ids[at + 1 :]
        logprobs.append(torch.log_softmax(scores(model, hidden)[at].double(), -1)[own].item())
    return dict(text=text, ids=ids, logprobs=logprobs, sum=sum(it for it in logprobs if it is not None))


def of_masked(name):
    folder = HERE / "encoders" / name
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    rows = []
    for text, words, other in TEXTS:
        ids, found = places(tokenizer, text, words)
        hidden = list(ids)
        for _, tokens in found:
            for at in tokens:
                hidden[at] = tokenizer.mask_token_id
        logits = scores(model, hidden)
        words = [
            dict(characters=characters, tokens=[dict(position=at) | guessed(logits[at], ids[at]) for at in tokens])
            for characters, tokens in found
        ]
        fits = [likelihood(model, tokenizer, it) for it in (text, other)]
        rows.append(dict(text=text, ids=hidden, words=words, fits=fits))
    return rows


def of_decoder(name):
    folder = HERE / "models" / name
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    rows = []
    for text, words, _ in TEXTS:
        ids, found = places(tokenizer, text, words)
        logits = scores(model, ids)
        words = [
            dict(characters=characters, tokens=[dict(position=at) | guessed(logits[at - 1], ids[at]) for at in tokens])
            for characters, tokens in found
        ]
        rows.append(dict(text=text, ids=ids, words=words))
    before, after = TYPED.split(" [MASK]")
    row = scores(model, tokenizer(before)["input_ids"])[-1]
    special = set(tokenizer.all_special_ids)
    best = next(id for id in torch.argsort(row, descending=True).tolist() if id not in special)
    read = before + tokenizer.decode([best]) + after
    rows.append(dict(text=TYPED, ids=tokenizer(read)["input_ids"], typed=guessed(row, None)))
    return rows


if __name__ == "__main__":
    told = dict(
        masked={name: of_masked(name) for name in MASKED},
        decoders={name: of_decoder(name) for name in DECODERS},
    )
    # Six digits are more than a test compares, and keep the file small.
    shorter = json.loads(json.dumps(told), parse_float=lambda number: round(float(number), 6))
    (HERE / "masks.json").write_text(json.dumps(shorter, indent=None, separators=(",", ":")) + "\n")
