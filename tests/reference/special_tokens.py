"""Random folders of tokenizers, and the special tokens that AutoTokenizer finds in them.

    python special_tokens.py make OUT.jsonl [--count 400] [--seed 3]
    python special_tokens.py sample OUT.jsonl SAMPLE.jsonl [--count 60]

A line holds the files of a folder and `special_tokens_map`, which is what a chat template sees of
them. The test `special_tokens_are_those_of_autotokenizer` reads the sample, and
`every_folder_has_the_special_tokens_of_autotokenizer` whatever `make` wrote. The model of every
`tokenizer.json` is the same, and is left out of the sample.

Left out: classes that need a vocabulary of SentencePiece, models that are not run here.
"""

import argparse
import json
import logging
import os
import random
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = "1"
import transformers  # noqa: E402

logging.disable(logging.ERROR)
R = random.Random()


def tokenizer_json(byte_level, padding):
    vocab = {token: i for i, token in enumerate(["<unk>", "<s>", "</s>", "a", "b", "Ġ", "▁", "<|endoftext|>", "<x>", "<y>"])}
    byte = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}
    step = byte if byte_level else meta
    return {
        "version": "1.0", "truncation": None,
        "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 2, "pad_type_id": 0, "pad_token": "</s>"} if padding else None,
        "added_tokens": [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for token, i in vocab.items() if token.startswith("<")],
        "normalizer": None, "pre_tokenizer": R.choice([step, {"type": "Sequence", "pretokenizers": [step]}]), "post_processor": None, "decoder": step,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": []},
    }


MODELS = [None, "gpt2", "qwen2", "qwen3", "llama", "mistral", "gemma2", "gemma3_text", "olmo2", "phi3", "smollm3"]
CLASSES = [None, None, "PreTrainedTokenizerFast", "TokenizersBackend", "GPT2Tokenizer", "GPT2TokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast", "Qwen2Tokenizer", "Qwen2TokenizerFast",
           "GPTNeoXTokenizerFast", "CohereTokenizerFast", "CodeLlamaTokenizer", "NoSuchTokenizer"]
NAMES = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token", "image_token", "boi_token"]


def token(plain_map=False):
    text = R.choice(["<x>", "<y>", "</s>", "<|endoftext|>"])
    kind = R.random()
    if kind < 0.6:
        return text
    if kind < 0.7:
        return None
    flags = {"content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    return flags if plain_map else {"__type": "AddedToken", **flags}


def files():
    config = {}
    for name in NAMES:
        if R.random() < 0.25:
            value = token()
            if value is not None or name in NAMES[:7]:
                config[name] = value
    if R.random() < 0.6 and (name := R.choice(CLASSES)):
        config["tokenizer_class"] = name
    if R.random() < 0.2:
        config["extra_special_tokens"] = R.choice([{"image_token": "<x>", "audio_token": "<y>"}, ["<x>"], {}])
    if R.random() < 0.2:
        config["additional_special_tokens"] = ["<y>"]
    if R.random() < 0.3:
        config["added_tokens_decoder"] = {"8": {"content": "<x>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}}
    made = {"tokenizer.json": tokenizer_json(R.random() < 0.5, R.random() < 0.2)}
    if R.random() < 0.9:
        made["tokenizer_config.json"] = config
    if R.random() < 0.4:
        made["special_tokens_map.json"] = {name: token(True) for name in NAMES if R.random() < 0.3}
    if (model := R.choice(MODELS)) is not None:
        made["config.json"] = {"model_type": model}
        if R.random() < 0.1:
            made["config.json"]["tokenizer_class"] = R.choice([c for c in CLASSES if c])
    return made


def make(path, count, seed):
    R.seed(seed)
    failed = 0
    with open(path, "w") as out:
        written = 0
        while written < count:
            made = files()
            with tempfile.TemporaryDirectory() as folder:
                for name, content in made.items():
                    with open(os.path.join(folder, name), "w") as file:
                        json.dump(content, file)
                try:
                    found = transformers.AutoTokenizer.from_pretrained(folder).special_tokens_map
                except Exception as error:
                    failed += 1
                    if failed < 12:
                        print(type(error).__name__, str(error)[:120].replace("\n", " "), made.get("config.json"), made.get("tokenizer_config.json", {}).get("tokenizer_class"))
                    continue
            out.write(json.dumps({"files": made, "special_tokens_map": found}, ensure_ascii=False) + "\n")
            written += 1
    print(f"{written} folders, {failed} that transformers cannot open")


def sample(path, out, count):
    rows = [json.loads(line) for line in open(path)]
    R.seed(1)
    with open(out, "w") as file:
        for row in R.sample(rows, count):
            whole = row["files"]["tokenizer.json"]
            row["files"]["tokenizer.json"] = {name: whole[name] for name in ("padding", "pre_tokenizer", "decoder")}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["make", "sample"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    if asked.do == "make":
        make(asked.paths[0], asked.count, asked.seed)
    else:
        sample(asked.paths[0], asked.paths[1], asked.count)
