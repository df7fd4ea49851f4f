"""Tokenizer folders as they lie about, and what transformers' AutoTokenizer makes of them.

    python make_tokenizer_folders.py OUT [COUNT] [SEED]

writes COUNT (200) folders below OUT, saved by transformers' own `save_pretrained` and then changed
as people change them: tokens moved from tokenizer.json to another file, files left out, flags
turned, classes renamed. OUT/expected.jsonl has a line a folder: 50 texts with their ids, ids with
their texts, and the special tokens by name; `error` where AutoTokenizer refuses the folder.
Compare with

    TUNING_FORK_TOKENIZER_FOLDERS=OUT cargo test --lib every_folder_is_read_as_autotokenizer \\
        -- --ignored --nocapture

    python make_tokenizer_folders.py --few OUT FILE

puts a few small folders of each kind, with some of their texts, into one file: that is
text/tokenizer_folders.json, which the tests read.
"""

import json
import os
import random
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece
import torch
from tokenizers import (
    AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
    trainers,
)
from tokenizer_texts import CORPUS, PIECES
from transformers import AutoTokenizer, PreTrainedTokenizerFast, logging
from transformers.generation.stopping_criteria import StopStringCriteria
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

logging.set_verbosity_error()

NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(kind, specials):
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    split = pre_tokenizers.ByteLevel(add_prefix_space=kind == "prefix", use_regex=kind != "llama3")
    if kind == "llama3":
        rule = pre_tokenizers.Split(Regex(GPT4), behavior="isolated")
        split = pre_tokenizers.Sequence([rule, split])
    tokenizer.pre_tokenizer = split
    if kind == "nfc":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    if kind == "llama3" and specials:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{specials[0]} $A", pair=f"{specials[0]} $A {specials[0]} $B",
            special_tokens=[(specials[0], 0)],
        )
    return tokenizer


def word_piece(specials):
    tokenizer = Tokenizer(models.WordPiece(unk_token=specials[1]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=specials, show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def spm(path, kind, bytes_too, specials):
    corpus = path.with_suffix(".txt")
    corpus.write_text("\n".join(line.replace("\n", " ") for line in CORPUS * 4), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(path), vocab_size=560 if bytes_too else 300,
        model_type=kind, byte_fallback=bytes_too, character_coverage=0.98, num_threads=1,
        hard_vocab_limit=False, user_defined_symbols=specials, minloglevel=2,
        normalization_rule_name="identity" if kind == "bpe" else "nmt_nfkc",
    )
    corpus.unlink()
    return path.with_suffix(".model")


def spm_json(model_path):
    """A Llama-like tokenizer.json of a SentencePiece BPE model."""
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    parts = SentencePieceExtractor(str(model_path)).extract(models.BPE)
    tokenizer = Tokenizer(models.BPE(
        vocab=parts["vocab"], merges=parts["merges"], unk_token="<unk>", fuse_unk=True,
        byte_fallback=True,
    ))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0),
    ])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def random_token(rng, index):
    words = ["<|turn|>", "<|user|>", "<tool>", "[INST]", "village", "Once up", "<image>", "<x>", "été", "é"]
    return f"{rng.choice(words)}" if rng.random() < 0.6 else f"<|new_{index}|>"


def random_added(rng, index, special=None):
    return AddedToken(
        random_token(rng, index), single_word=rng.random() < 0.15, lstrip=rng.random() < 0.25,
        rstrip=rng.random() < 0.25, normalized=rng.random() < 0.4,
        special=rng.random() < 0.5 if special is None else special,
    )


def as_dict(token, with_type=False):
    state = dict(content=token.content, single_word=token.single_word, lstrip=token.lstrip,
                 rstrip=token.rstrip, normalized=token.normalized, special=token.special)
    return {"__type": "AddedToken", **state} if with_type else state


def make(folder, rng):
    """One folder. Returns what was done, in words."""
    done = []
    base = rng.choice(["gpt2", "gpt2", "llama3", "nfc", "prefix", "wordpiece", "spm_bpe", "spm_bpe",
                       "spm_unigram"])
    done.append(base)
    model_file = None
    if base == "wordpiece":
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        backend = word_piece(specials)
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        classes = ["BertTokenizer", "PreTrainedTokenizerFast", "DistilBertTokenizer"]
        types = ["bert", "distilbert", "nomic_bert", None]
        named = dict(unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
                     mask_token="[MASK]")
    elif base == "spm_bpe":
        model_file = spm(folder.parent / f"{folder.name}_spm", "bpe", True, ["<|turn|>"])
        backend = spm_json(model_file)
        classes = ["LlamaTokenizer", "PreTrainedTokenizerFast", "GemmaTokenizer", "CodeLlamaTokenizer",
                   "LlamaTokenizerFast"]
        types = ["llama", "mistral", "gemma2", "phi3", None]
        named = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    elif base == "spm_unigram":
        model_file = spm(folder.parent / f"{folder.name}_spm", "unigram", False, [])
        backend = None
        classes = ["XLMRobertaTokenizer", "T5Tokenizer"]
        types = ["xlm-roberta", "t5", None]
        named = {}
    else:
        specials = rng.choice([["<|endoftext|>"], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                               ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]])
        backend = byte_level(base, specials)
        classes = ["GPT2Tokenizer", "Qwen2Tokenizer", "PreTrainedTokenizerFast", "GPTNeoXTokenizer",
                   "RobertaTokenizer", "LlamaTokenizerFast", "CohereTokenizer", "Qwen3_5Tokenizer"]
        types = ["gpt2", "qwen2", "qwen3", "llama", "olmo2", "phi3", "smollm3", "cohere", "roberta",
                 "gpt_neox", None]
        named = rng.choice([{}, dict(eos_token=specials[0]),
                            dict(bos_token=specials[0], eos_token=specials[-1]),
                            dict(eos_token=specials[-1], pad_token=specials[0])])
    declared, model_type = rng.choice(classes), rng.choice(types)
    done += [declared, str(model_type)]

    kwargs = dict(named)
    if rng.random() < 0.25:
        kwargs["add_prefix_space"] = rng.random() < 0.5
    if rng.random() < 0.2:
        kwargs["split_special_tokens"] = rng.random() < 0.7
    if rng.random() < 0.3:
        kwargs["clean_up_tokenization_spaces"] = rng.random() < 0.7
    if rng.random() < 0.3:
        kwargs["additional_special_tokens"] = [random_token(rng, 90 + i) for i in range(rng.randint(0, 3))]
    if rng.random() < 0.3:
        name = rng.choice(NAMES)
        kwargs[name] = random_added(rng, 80, True)
    if declared == "LlamaTokenizer" and rng.random() < 0.4:
        kwargs["legacy"] = rng.random() < 0.5
    folder.mkdir(parents=True)
    config = {"model_type": model_type} if model_type else {}
    if backend is None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": declared}))
        name = "spiece.model" if declared == "T5Tokenizer" else "sentencepiece.bpe.model"
        shutil.copy(model_file, folder / name)
        (folder / "config.json").write_text(json.dumps({"model_type": "t5" if "T5" in declared else "xlm-roberta"}))
        saved = AutoTokenizer.from_pretrained(str(folder))
    else:
        cls = tokenizer_class_from_name(declared)
        if cls.__name__ == "TokenizersBackend" or rng.random() < 0.3:
            cls = PreTrainedTokenizerFast
        state = json.loads(backend.to_str())
        parts = {}
        if cls is PreTrainedTokenizerFast:
            parts = {"tokenizer_object": backend}
        else:
            parts["vocab"] = state["model"]["vocab"]
            if state["model"].get("merges") is not None:
                parts["merges"] = [tuple(pair) for pair in state["model"]["merges"]]
        saved = cls(**parts, **kwargs)
    if rng.random() < 0.5:
        saved.add_tokens([random_added(rng, i) for i in range(rng.randint(1, 4))])
    saved.save_pretrained(str(folder))
    if model_file and backend is not None:
        shutil.copy(model_file, folder / "tokenizer.model")
    if model_file:
        model_file.unlink()
        model_file.with_suffix(".vocab").unlink()

    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = declared
    state = json.loads((folder / "tokenizer.json").read_text())
    mutate(folder, rng, settings, state, config, done)
    (folder / "config.json").write_text(json.dumps(config))
    return done


def mutate(folder, rng, settings, state, config, done):
    def chance(p):
        return rng.random() < p

    if chance(0.35):
        # Tokens stand in another file than tokenizer.json.
        beyond = [t for t in state["added_tokens"] if t["id"] >= len(state["model"]["vocab"])]
        if beyond:
            where = rng.choice(["decoder", "added_tokens", "special", "additional"])
            done.append(f"moved to {where}")
            state["added_tokens"] = [t for t in state["added_tokens"] if t not in beyond]
            if where == "decoder":
                settings["added_tokens_decoder"] = {
                    str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in beyond}
            elif where == "added_tokens":
                settings.pop("added_tokens_decoder", None)
                (folder / "added_tokens.json").write_text(
                    json.dumps({t["content"]: t["id"] for t in beyond}))
            elif where == "special":
                settings.pop("added_tokens_decoder", None)
                for token in beyond:
                    flags = {k: v for k, v in token.items() if k not in ("id", "special")}
                    settings_name = rng.choice(NAMES)
                    path = folder / "special_tokens_map.json"
                    known = json.loads(path.read_text()) if path.exists() else {}
                    known[settings_name] = flags if chance(0.6) else token["content"]
                    path.write_text(json.dumps(known))
            else:
                settings["additional_special_tokens"] = [t["content"] for t in beyond]
                if chance(0.5):
                    settings.pop("extra_special_tokens", None)
    if chance(0.2):
        settings.pop("added_tokens_decoder", None)
        done.append("no decoder")
    if chance(0.25) and state["added_tokens"]:
        token = rng.choice(state["added_tokens"])
        flag = rng.choice(["lstrip", "rstrip", "normalized", "special", "single_word"])
        token[flag] = not token[flag]
        done.append(f"turned {flag}")
    if chance(0.2) and settings.get("added_tokens_decoder"):
        key = rng.choice(list(settings["added_tokens_decoder"]))
        token = settings["added_tokens_decoder"][key]
        flag = rng.choice(["lstrip", "rstrip", "normalized", "special"])
        token[flag] = not token.get(flag, False)
        if chance(0.3):
            token.pop(rng.choice(["normalized", "lstrip"]), None)
        done.append(f"decoder's {flag}")
    if chance(0.15):
        settings["extra_special_tokens"] = {"image_token": "<image>", "boi_token": "<boi>"}
        done.append("extra dict")
    if chance(0.15):
        settings["audio_token"] = "<audio>"
    if chance(0.15):
        settings[rng.choice(NAMES)] = as_dict(random_added(rng, 70, True), with_type=True)
        done.append("typed")
    if chance(0.1):
        settings[rng.choice(NAMES)] = None
        done.append("null")
    if chance(0.15):
        settings.pop("tokenizer_class")
        done.append("no class")
    elif chance(0.2):
        settings["tokenizer_class"] = settings["tokenizer_class"].removesuffix("Fast") + "Fast"
    elif chance(0.08):
        settings["tokenizer_class"] = "MyOwnTokenizer"
    if chance(0.2):
        settings["add_bos_token"] = chance(0.6)
        settings["add_eos_token"] = chance(0.5)
        done.append("add bos/eos")
    if chance(0.12):
        state["post_processor"] = None
        done.append("no post_processor")
    if chance(0.08):
        state["padding"] = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
                            "pad_id": 0, "pad_type_id": 0, "pad_token": "<padding>"}
        done.append("padding")
    if chance(0.08):
        state["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
        done.append("truncation")
    model = state["model"]
    is_ids = isinstance(model["vocab"], dict)
    if chance(0.2) and is_ids and model.get("merges") is not None and model["type"] == "BPE":
        done.append("slow vocab.json")
        (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=chance(0.5)))
        lines = ["#version: 0.2"] + [" ".join(pair) for pair in model["merges"]]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        state = None
    elif chance(0.25) and is_ids and model["type"] == "WordPiece":
        done.append("slow vocab.txt")
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
        state = None
    elif chance(0.35) and (list(folder.glob("*.model"))):
        done.append("slow .model")
        state = None
    if state is None:
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=chance(0.5)))
    if chance(0.08):
        done.append("no config")
        (folder / "tokenizer_config.json").unlink()
    else:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if chance(0.08):
        config.clear()


def random_text(rng, own):
    count = rng.randint(0, 12)
    parts = []
    for _ in range(count):
        parts.append(rng.choice(own) if own and rng.random() < 0.35 else rng.choice(PIECES))
        if rng.random() < 0.4:
            parts.append(" ")
    return "".join(parts)


def random_stop(tokenizer, size, rng):
    """Tokens and stop strings, and after how many tokens transformers' `stop_strings` ends them."""
    ids = [rng.randrange(size) for _ in range(40)]
    strings = []
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(3, 36)
        text = tokenizer.decode(ids[at:at + rng.randint(1, 3)])
        begin = rng.randrange(len(text)) if text else 0
        strings.append(text[begin:begin + rng.randint(1, 8)])
    strings = [text for text in strings if text and "\ufffd" not in text]
    if not strings:
        return None
    try:
        criteria = StopStringCriteria(tokenizer, strings)
    except ValueError:  # no token can be a part of it
        return None
    if criteria._stop_string_matching_mode is None:
        return None
    for count in range(6, len(ids) + 1):
        if criteria(torch.tensor([ids[:count]]), None)[0]:
            break
    else:
        count = None
    return {"prompt": ids[:5], "ids": ids[5:], "strings": strings,
            "count": None if count is None else count - 5}


def ask(folder, rng):
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    backend = tokenizer.backend_tokenizer
    # T5's class has a hundred tokens without any file.
    if sum(not token.startswith("<extra_id_") for token in tokenizer.get_vocab()) < 20:
        raise ValueError("no file with tokens was found, and none was asked for")
    # CodeLlama turns a text with it into two, and its tokenizer into another one.
    own = [token.content for token in backend.get_added_tokens_decoder().values()
           if token.content != "<FILL_ME>"]
    texts = []
    for _ in range(50):
        text = random_text(rng, own)
        ids = tokenizer(text)["input_ids"]
        plain = tokenizer(text, add_special_tokens=False)["input_ids"]
        texts.append({
            "text": text, "ids": ids, "plain": plain, "decoded": tokenizer.decode(plain),
            "skipped": tokenizer.decode(ids, skip_special_tokens=True),
        })
    size = max(tokenizer.get_vocab().values()) + 1
    decodes = []
    for _ in range(10):
        ids = [rng.randrange(size) for _ in range(rng.randint(1, 12))]
        decodes.append({"ids": ids, "text": tokenizer.decode(ids),
                        "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    stops = [row for _ in range(6) if (row := random_stop(tokenizer, size, rng))]
    names = {name: str(token) for name, token in tokenizer._special_tokens_map.items() if token is not None}
    return {"class": type(tokenizer).__name__, "texts": texts, "decodes": decodes, "stops": stops, "names": names,
            "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}


def few(out, path):
    """Folders under 14 KB of as many kinds as there are, in one file."""
    rows = [json.loads(line) for line in (out / "expected.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "error" not in row and sum(
        file.stat().st_size for file in (out / row["folder"]).iterdir()) < 14_000]
    chosen, seen = [], set()

    def new(row):
        return ({row["class"], row["done"][0]} | set(row["done"][3:])) - seen

    while rows and new(row := max(rows, key=lambda row: len(new(row)))):
        rows.remove(row)
        seen |= new(row)
        files = sorted((out / row["folder"]).iterdir())

        def content(file):
            if file.suffix in (".model", ".spm"):
                return {"hex": file.read_bytes().hex()}
            text = file.read_text(encoding="utf-8")
            return json.loads(text) if file.suffix == ".json" else text

        row["files"] = {file.name: content(file) for file in files}
        row["texts"] = [t for t in row["texts"] if len(t["text"]) > 3][:5]
        row["decodes"] = row["decodes"][:2]
        row.pop("stops")
        chosen.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
    path.write_text("[\n" + ",\n".join(chosen) + "\n]\n", encoding="utf-8")
    print(len(chosen), "folders,", path.stat().st_size, "bytes")


def main():
    if sys.argv[1] == "--few":
        return few(Path(sys.argv[2]), Path(sys.argv[3]))
    out = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    out.mkdir(parents=True, exist_ok=True)
    good, index = 0, 0
    with open(out / "expected.jsonl", "w", encoding="utf-8") as lines:
        while good < count:
            rng = random.Random(seed * 100_000 + index)
            folder = out / f"{index:04}"
            index += 1
            try:
                done = make(folder, rng)
            except Exception as problem:  # transformers cannot even save it
                shutil.rmtree(folder, ignore_errors=True)
                print("not made:", repr(problem)[:150], file=sys.stderr)
                continue
            row = {"folder": folder.name, "done": done}
            try:
                row |= ask(folder, rng)
                good += 1
            except Exception as problem:
                row["error"] = repr(problem)[:300]
            lines.write(json.dumps(row, ensure_ascii=True) + "\n")
    print(f"{index} folders, {good} of them read")


if __name__ == "__main__":
    main()
