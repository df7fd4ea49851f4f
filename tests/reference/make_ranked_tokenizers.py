"""Folders whose tokenizer is Mistral's tekken.json or a file of tiktoken, and what AutoTokenizer makes of them.

    python make_ranked_tokenizers.py OUT FILE

writes folders below OUT with OUT/expected.jsonl, as make_tokenizer_folders.py does (50 texts a folder), and some
of each into FILE: that is text/tokenizer_ranked.json. Needs tiktoken (0.14), and mistral-common must not be
there: with it transformers takes another tokenizer, which is no AutoTokenizer of its own.
"""

import base64
import json
import random
import sys
from pathlib import Path

from make_tokenizer_folders import ask, few
from tokenizer_texts import CORPUS
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.utils import is_mistral_common_available

TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}"
    r"\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = {char: byte for byte, char in bytes_to_unicode().items()}


def ranked(size):
    """Bytes, and what is merged of them most often, in the order of their ranks."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    return [bytes(BYTES[char] for char in token) for token, _ in tokens]


def tekken(tokens, declared, padding=0, config=None):
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    rows = [{"rank": rank, "token_bytes": base64.b64encode(token).decode()} for rank, token in enumerate(tokens)]
    settings = {"pattern": TEKKEN, "default_vocab_size": len(tokens) + declared - padding, "version": "v7",
                "default_num_special_tokens": declared, **(config or {})}
    return {"config": {key: value for key, value in settings.items() if value is not None}, "vocab": rows,
            "special_tokens": [{"rank": rank, "token_str": token, "is_control": True}
                               for rank, token in enumerate(special)]}


def tiktoken(tokens):
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))


def main():
    assert not is_mistral_common_available()
    out = Path(sys.argv[1])
    tokens = ranked(330)
    size = len(tokens)
    marks = {"bos_token": "<s>", "eos_token": "</s>"}
    added = {str(size + place): {"content": name, "special": True, "lstrip": False, "rstrip": False,
                                 "single_word": False, "normalized": False}
             for place, name in [(1, "[BOS]"), (4, "[EOS]"), (6, "<|turn|>")]}
    kimi = {"bos_token": "[BOS]", "eos_token": "[EOS]", "tokenizer_class": "PreTrainedTokenizerFast",
            "added_tokens_decoder": added}
    folders = [
        ("tekken", "mistral", None, {"tekken.json": tekken(tokens, 8)}),
        ("tekken_padded", "mistral3", {**marks, "tokenizer_class": "LlamaTokenizer"},
         {"tekken.json": tekken(tokens, 6, padding=9)}),
        ("tekken_begin", "ministral3", {**marks, "add_bos_token": True, "tokenizer_class": "TokenizersBackend"},
         {"tekken.json": tekken(tokens, 5)}),
        ("tekken_no_sizes", "mistral", marks,
         {"tekken.json": tekken(tokens, 5, config={"default_vocab_size": None, "default_num_special_tokens": None})}),
        ("tekken_llama", "llama", {**marks, "tokenizer_class": "LlamaTokenizer"}, {"tekken.json": tekken(tokens, 7)}),
        ("tiktoken", "kimi_linear", None, {"tiktoken.model": tiktoken(tokens)}),
        ("tiktoken_added", "kimi_linear", kimi, {"tiktoken.model": tiktoken(tokens)}),
        ("tiktoken_both", "olmo2", {**kimi, "extra_special_tokens": ["<x>", "[EOS]"]},
         {"tiktoken.model": tiktoken(tokens)}),
        ("tiktoken_llama", "llama", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin|>",
                                     "extra_special_tokens": ["<|begin|>", "<|end|>"]},
         {"tokenizer.model": tiktoken(tokens)}),
        ("tiktoken_qwen", "qwen2", {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>"},
         {"tokenizer.model": tiktoken(tokens)}),
    ]
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "expected.jsonl", "w", encoding="utf-8") as lines:
        for number, (name, model_type, settings, files) in enumerate(folders):
            folder = out / name
            folder.mkdir(exist_ok=True)
            (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
            if settings is not None:
                (folder / "tokenizer_config.json").write_text(json.dumps(settings))
            for file, content in files.items():
                text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
                (folder / file).write_text(text)
            row = {"folder": name, "done": [name, model_type, "", name]}
            row |= ask(folder, random.Random(number))
            lines.write(json.dumps(row, ensure_ascii=True) + "\n")
    few(out, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
