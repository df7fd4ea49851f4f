"""Tokenizers that split by regular expressions of every sort, and what Python's `tokenizers` makes of texts.

    python make_split_rules.py OUT [COUNT] [SEED]

Python reads a rule with Oniguruma, ours with another engine (`llm/text/oniguruma.rs` says it in its words). Writes COUNT (300)
folders below OUT and OUT/expected.jsonl, as `make_tokenizer_folders.py` does; compare in the same way:

    TUNING_FORK_TOKENIZER_FOLDERS=OUT cargo test --lib every_folder_is_read_as_autotokenizer -- --ignored --nocapture

Left out, as ours refuses them by name: `\\X`, `\\y`, `\\Y`, `\\G`, blocks (`\\p{InGreek}`). Two kinds still differ, some of a thousand of these
rules and none that a model is known to have: `(?i:ss)`, which is `ß` for Oniguruma, and loops around what may be empty.
"""

import json
import random
import shutil
import sys
from pathlib import Path

from tokenizer_texts import CORPUS, PIECES
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

MORE = ["\u200d", "\u200c", "a\u200db", "क्\u200dष", "می\u200cخواهم", "_", "a_b", "\u2028", "\x0b", "\x85", "ſ", "K", "ß", "SS", "ﬁ", "ŉ", "İ", "ı", "ǅ",
        "\u034f", "\u0301", "①", "²", "Ⅷ", "٣", "𝟘", "‿", "€", "$", "+", "^", "|", "<|im|>", "(", ")", "[", "]", "{", "}", "\\", "^a", "end$",
        "\u00ad", "\ufe0f", "👩\u200d🔬", "한", "漢字", "ひらカタ", "\n", "\r", "\n\n", " \n ", "a\nb", "ⓐ", "ª", "º", "ʰ", "😀", "\u0600", "\u1680",
        "\u180e", "\u202f", "\u3000", "1a", "a1", "__init__", "don't", "DON'T", "x'ſ"]  # fmt: skip
ATOMS = [r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\b", r"\B", ".", r"\p{L}", r"\p{N}", r"\p{P}", r"\p{S}", r"\p{M}", r"\p{Lu}", r"\p{Ll}", r"\p{Z}",
         r"\P{L}", r"\p{Han}", r"\p{Latin}", r"\p{Alphabetic}", r"\p{Cf}", r"\p{C}", r"\p{Emoji}", r"[^\s\p{L}\p{N}]", r"[\w]", r"[^\w\s]", "[a-z]",
         r"[\w']", r"[\p{L}\p{M}]", r"[^\W\d_]", "[[:alpha:]]", "[[:punct:]]", "[[:space:]]", "[[:alnum:]]", "[[:^digit:]]", "[[:word:]]", "[[:print:]]",
         r"\p{Alnum}", r"\p{^L}", r"\p{Word}", r"\p{Punct}", r"\h", r"\R", r"\<", r"\>", "^", "$", r"\A", r"\Z", r"\z", "'s", "a", r"\n", r"\x20",
         r"\u0020", r"\x{e9}", "k", r"[\p{L}&&[^a-z]]", r"[\w&&\D]", "[+--z]", r"[\s--]", "[!-/:-@]", "[]a]", "[^]a]", r"[a\]b]", r"[\-_]", "[&~]",
         r"\_", r"\/", "#", " ", r"\N", r"\O", r"\cA", r"\101", r"\pL"]  # fmt: skip
OFTEN = ["", "", "", "", "+", "+", "*", "?", "{1,3}", "{2}", "{,2}", "{1,}", "+?", "*?", "++", "*+", "?+", "{1,2}+", "??", "{1,3}?", "{2}?"]
REAL = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r"\s?\p{L}+", r"\s+$", r"[一-龥぀-ゟ゠-ヿ]+", r"(?:\r?\n)+(?!\r?\n)", r"\w+|[^\w\s]", r"\b\w+\b",
    r"\d{1,3}(?=(?:\d{3})*\b)", r"<\|.*?\|>", r"\<\|\w+\|\>", r"\n| {2,}", r"^ +", r"(?>[^\r\n\p{L}\p{N}]?\p{L}++)|\p{N}++", r"(?i)\bsay\b",
]  # fmt: skip


def piece(rng):
    return rng.choice(PIECES + 2 * MORE)


def atom(rng, depth):
    chance = rng.random()
    if depth and chance < 0.3:
        around = rng.choice(["(", "(", "(?:", "(?:", "(?i:", "(?>", "(?m:", "(?x:"])
        return around + pattern(rng, depth - 1) + ")"
    if depth and chance < 0.34:
        return rng.choice(["(?=", "(?!", "(?<=", "(?<!"]) + rng.choice(ATOMS) + ")"
    return rng.choice(ATOMS)


def pattern(rng, depth=2):
    branch = lambda: "".join(atom(rng, depth) + rng.choice(OFTEN) for _ in range(rng.randint(1, 3)))
    return "|".join(branch() for _ in range(rng.randint(1, 3)))


def rule(rng):
    while True:
        try:
            found = rng.choice(REAL) if rng.random() < 0.2 else pattern(rng)
            return found, Regex(found)
        except Exception:  # Oniguruma refuses it
            continue


def trained():
    """Merges of all sorts of pieces, so that ids show where a text was split."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    rng = random.Random(5)
    texts = [piece(rng) + piece(rng) for _ in range(3000)] + CORPUS
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=6000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return json.loads(tokenizer.to_str())["model"]


def make(rng, model):
    tokenizer = Tokenizer(models.BPE())
    words, regex = rule(rng)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer, tokenizer.decoder = byte_level, decoders.ByteLevel()
    if rng.random() < 0.7:
        behavior = rng.choice(["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"])
        split = pre_tokenizers.Split(regex, behavior, rng.random() < 0.25)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    else:
        tokenizer.normalizer = normalizers.Replace(regex, rng.choice(["", "_", " ", "▁"]))
    return words, json.loads(tokenizer.to_str()) | {"model": model}


def main():
    out = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    model = trained()
    with open(out / "expected.jsonl", "w", encoding="utf-8") as lines:
        for number in range(count):
            rng = random.Random(f"{seed}-{number}")
            words, file = make(rng, model)
            folder = out / f"{number:04}"
            folder.mkdir()
            (folder / "tokenizer.json").write_text(json.dumps(file))
            (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
            tokenizer = Tokenizer.from_str(json.dumps(file))
            texts = []
            for _ in range(40):
                text = "".join(piece(rng) for _ in range(rng.randint(0, 8)))
                try:
                    ids = tokenizer.encode(text).ids
                except BaseException:  # Oniguruma gives up on some loops, and the bindings panic
                    continue
                decoded = tokenizer.decode(ids)
                texts.append({"text": text, "ids": ids, "plain": ids, "decoded": decoded, "skipped": decoded})
            row = {"folder": folder.name, "class": "PreTrainedTokenizerFast", "done": [words], "texts": texts, "decodes": [], "names": {}, "bos": None, "eos": None}
            lines.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
