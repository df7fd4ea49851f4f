"""Texts in many scripts, as mistral-common's Tekkenizer and OpenAI's tiktoken encode them with vocabularies that are
made here.

    python make_ranked_texts.py FILE               # text/ranked_texts.json: the same bytes each time
    python make_ranked_texts.py OUT COUNT SEED     # COUNT vocabularies of 200 texts, for the ignored test beside it

A row holds a file (`tekken.json`, or `tiktoken.model` as base64 and ranks, split by cl100k's pattern), texts with
their ids without special tokens, and ids with their texts. mistral-common 1.13, tiktoken 0.14.
"""

import base64
import json
import random
import sys
import tempfile
from pathlib import Path

import tiktoken
from make_ranked_tokenizers import BYTES, TEKKEN
from mistral_common.tokens.tokenizers.tekken import SpecialTokenPolicy, Tekkenizer
from tokenizer_texts import CORPUS, PIECES
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic, Devanagari, Bengali, Tamil, Thai, Lao, Tibetan, Georgian, Hangul Jamo,
# Ethiopic, Cherokee, Khmer, Mongolian, punctuation, arrows, Hiragana, Katakana, Han, Hangul, full width, Gothic, emoji
SCRIPTS = [
    (0x20, 0x7E), (0xA1, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x587), (0x591, 0x5F4), (0x600, 0x6FF),
    (0x900, 0x97F), (0x980, 0x9FE), (0xB82, 0xBFA), (0xE01, 0xE5B), (0xE81, 0xEDF), (0xF00, 0xFDA), (0x10A0, 0x10FF),
    (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x13FD), (0x1780, 0x17F9), (0x1800, 0x18AA), (0x2000, 0x206F),
    (0x2190, 0x21FF), (0x3041, 0x309F), (0x30A0, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF01, 0xFFEE),
    (0x10330, 0x1034A), (0x1F300, 0x1F64F),
]
SPACES = [" ", " ", " ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", ""]


def text(rng):
    parts = []
    for _ in range(rng.randint(1, 9)):
        kind = rng.random()
        if kind < 0.55:
            low, high = rng.choice(SCRIPTS)
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))))
        elif kind < 0.75:
            parts.append(rng.choice(CORPUS)[rng.randint(0, 20):][: rng.randint(1, 30)])
        elif kind < 0.85:
            parts.append(str(rng.randint(0, 10 ** rng.randint(1, 12))))
        else:
            parts.append(rng.choice([piece for piece in PIECES if not piece.startswith(("<", "["))]))
        parts.append(rng.choice(SPACES))
    return "".join(parts)


def tokens_of(rng, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS * 2 + [text(rng) for _ in range(size)], trainer)
    ranked = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    longer = [token for token, _ in ranked if len(token) > 1]
    return [bytes([byte]) for byte in range(256)] + [bytes(BYTES[char] for char in token) for token in longer]


def made(rng, size, count):
    tokens = tokens_of(rng, size)
    row = {"texts": [], "decodes": []}
    if rng.random() < 0.6:
        named = rng.random() < 0.6
        special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
        declared = rng.randint(5, 30) if named else 20 + rng.randint(0, 9)
        held = rng.randint(0, 9)
        file = {
            "config": {"pattern": TEKKEN, "num_vocab_tokens": len(tokens), "default_vocab_size": len(tokens) + declared - held,
                       "default_num_special_tokens": declared, "version": "v7" if named else rng.choice(["v3", "v7"])},
            "vocab": [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
                      for rank, token in enumerate(tokens)],
            "special_tokens": [{"rank": rank, "token_str": token, "is_control": True}
                               for rank, token in enumerate(special)] if named else None,
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tekken.json"
            path.write_text(json.dumps(file))
            read = Tekkenizer.from_file(path)
        row["tekken.json"] = file
        first, last = declared, read.n_words
        encode = lambda words: read.encode(words, bos=False, eos=False)
        decode = lambda ids: read.decode(ids, special_token_policy=SpecialTokenPolicy.IGNORE)
    else:
        read = tiktoken.Encoding("own", pat_str=CL100K, mergeable_ranks={t: r for r, t in enumerate(tokens)}, special_tokens={})
        row["tiktoken.model"] = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))
        first, last = 0, len(tokens)
        encode, decode = read.encode_ordinary, read.decode
    for _ in range(count):
        words = text(rng)
        row["texts"].append([words, encode(words)])
    for _ in range(count // 4):
        ids = [rng.randrange(first, last) for _ in range(rng.randint(1, 12))]
        row["decodes"].append([ids, decode(ids)])
    return row


def main():
    if len(sys.argv) == 2:
        rows = [made(random.Random(seed), 300, 30) for seed in (1, 2, 3, 8)]
        Path(sys.argv[1]).write_text(json.dumps(rows, ensure_ascii=True, separators=(",", ":")) + "\n")
        return
    out, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with open(out, "w") as file:
        rows = []
        for at in range(count):
            rng = random.Random(seed * 100_000 + at)
            rows.append(made(rng, rng.choice([300, 500, 900]), 200))
        json.dump(rows, file)


if __name__ == "__main__":
    main()
