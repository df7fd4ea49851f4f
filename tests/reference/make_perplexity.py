"""What transformers says of whole texts: the log-probability of every token, in windows as its documentation of
perplexity reads them, after what stands before a text, and after a message in a chat template.

    python tests/reference/make_perplexity.py    # torch, transformers, numpy, scipy; writes text/perplexity.json

A token is scored in the first window that reaches it, each window from its own full logits without a cache. What stands
before a text are the tokens that it and the whole have in common. Of encoder-decoders the encoder reads what stands before,
and the decoder goes over the text. `report`: numpy and scipy over the texts of each model.
"""
import json
from pathlib import Path

import numpy
import torch
from scipy import stats
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

HERE = Path(__file__).parent
MODELS = ["models/llama", "models/gpt2", "models/gemma3"]
PAIRS = {"seq2seq/bart": ["open data for people", "the model reads a fair report"]}
LONG = "The old tower has a library. Nobody knows who built it, but the books are still there, dry and in good order. " * 3
TEXTS = ["Twelve people came.", "In 2024 there were 30 papers; half of them shared data.", LONG.strip(), "Ja, natürlich: „größer“ – 数据 🙂"]
BEFORE = ["Who came?", "", "Tell me about the tower.", "Noch eine Frage:"]


@torch.no_grad()
def logprobs(model, ids, first, window, stride):
    found, begin, scored = [], 0, first
    while True:
        end = min(begin + window, len(ids))
        if end > scored:
            logits = model(torch.tensor([ids[begin:end]]), use_cache=False).logits[0].double().log_softmax(-1)
            found += [logits[at - 1 - begin, ids[at]].item() for at in range(scored, end)]
            scored = end
        if end == len(ids):
            return found
        begin += stride


def common(one, other):
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def case(model, tokenizer, window, stride, way):
    rows = []
    for before, text in zip(BEFORE, TEXTS):
        if way == "chat":
            if not before:
                continue
            begin = tokenizer.apply_chat_template([dict(role="user", content=before)], add_generation_prompt=True, tokenize=False)
            prompt, ids = (tokenizer(words, add_special_tokens=False).input_ids for words in (begin, begin + text))
        else:
            # The template `{before} {text}`.
            begin = f"{before} " if way == "before" else ""
            prompt, ids = (tokenizer(words).input_ids for words in (begin, begin + text))
        start = common(prompt, ids)
        first = max(start, 1)
        found = logprobs(model, ids, first, window, stride)
        # A first token that has no probability is not counted.
        scored = text if first == start else tokenizer.decode(ids, skip_special_tokens=True)[len(tokenizer.decode(ids[:1], skip_special_tokens=True)):]
        rows.append(dict(before=before, text=text, start=start, tokens=len(found), logprob=sum(found), bytes=len(scored.encode())))
    return dict(way=way, window=window, stride=stride, rows=rows, report=report(rows))


def ratio(above, below, to=lambda value: value):
    above, below = numpy.array(above, float), numpy.array(below, float)
    value, count = above.sum() / below.sum(), len(above)
    se = numpy.sqrt(((above - value * below) ** 2).sum() / (count - 1) / count) / below.mean()
    half = stats.t.ppf(0.975, count - 1) * se
    return [float(to(end)) for end in (value, value - half, value + half)]


def report(rows):
    surprise, tokens = [-row["logprob"] for row in rows], [row["tokens"] for row in rows]
    bits = [value / numpy.log(2) for value in surprise]
    return dict(by_token=ratio(surprise, tokens, numpy.exp),
                by_text=ratio([s / t for s, t in zip(surprise, tokens)], [1] * len(rows), numpy.exp),
                bits_per_byte=ratio(bits, [row["bytes"] for row in rows]))


@torch.no_grad()
def pair(folder, texts):
    model = AutoModelForSeq2SeqLM.from_pretrained(HERE / folder, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(HERE / folder)
    plain, whole = tokenizer("a", add_special_tokens=False).input_ids, tokenizer("a").input_ids
    at = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
    begin = [model.generation_config.decoder_start_token_id] + whole[:at]
    rows = []
    for before, text in zip(texts, texts[1:] + texts[:1]):
        ids, own = tokenizer(before).input_ids, tokenizer(text, add_special_tokens=False).input_ids
        logits = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([begin + own[:-1]])).logits[0].double().log_softmax(-1)
        found = [logits[len(begin) - 1 + place, token].item() for place, token in enumerate(own)]
        rows.append(dict(before=before, text=text, start=len(ids), tokens=len(own), logprob=sum(found), bytes=len(text.encode())))
    return dict(model=folder, rows=rows)


def main():
    torch.set_num_threads(1)
    out = []
    for name in MODELS:
        model = AutoModelForCausalLM.from_pretrained(HERE / name, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(HERE / name)
        cases = [case(model, tokenizer, *settings) for settings in [(512, 256, "plain"), (32, 16, "plain"), (48, 7, "before"), (512, 256, "chat")]]
        out.append(dict(model=name, cases=cases))
    found = dict(decoders=out, pairs=[pair(name, texts) for name, texts in PAIRS.items()])
    (HERE / "text" / "perplexity.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


main()
