"""Tokenizer folders of Marian (opus-mt) and M2M100: SentencePiece's models beside a vocab.json with other numbers, and what
transformers' AutoTokenizer makes of them.

    python make_numbered.py OUT [COUNT] [SEED]
    python make_numbered.py --few OUT FILE

as make_tokenizer_folders.py, which see: the first writes COUNT (60) folders and OUT/expected.jsonl for the ignored test
every_folder_is_read_as_autotokenizer, the second puts a few of them into one file, which is
text/tokenizer_numbered.json.
"""

import io
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import sentencepiece
from make_tokenizer_folders import few, random_text
from tokenizer_texts import CORPUS
from transformers import AutoTokenizer

# Rules of a table that is small: what stands left of the tab becomes what stands right of it.
RULES = "".join(
    " ".join(f"{ord(letter):X}" for letter in one) + "\t" + " ".join(f"{ord(letter):X}" for letter in other) + "\n"
    for one, other in [("\t", " "), ("\n", " "), ("\u00a0", " "), ("ﬁ", "fi"), ("Ａ", "A"), ("Ｂ", "B"), ("…", "..."), ("e\u0301", "é"),
                       ("\u200b", ""), ("，", ", "), ("“", '"'), ("”", '"'), ("İ", "i\u0307")]
)
CODES = [">>fra<<", ">>deu<<", ">>por_BR<<"]


def words(rng, corpus, **more):
    out, size = io.BytesIO(), rng.choice([110, 130, 150]) + (256 if more.get("byte_fallback") else 0)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 3), model_writer=out, vocab_size=size, hard_vocab_limit=False,
        minloglevel=2, num_threads=1, **more,
    )
    return out.getvalue()


def pieces(model):
    found = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [found.id_to_piece(at) for at in range(found.get_piece_size())]


def varied(rng):
    more = dict(model_type=rng.choice(["unigram", "unigram", "bpe"]),
                normalization_rule_name=rng.choice(["nmt_nfkc", "nmt_nfkc", "identity", "nfkc_cf"]))
    if rng.random() < 0.4:
        table = Path(tempfile.gettempdir()) / "rules.tsv"
        table.write_text(RULES, encoding="utf-8")
        more |= dict(normalization_rule_name="identity", normalization_rule_tsv=str(table))
    if rng.random() < 0.15:
        more["byte_fallback"] = True
    if rng.random() < 0.15:
        more["user_defined_symbols"] = ["the", "@@", "世界"]
    if rng.random() < 0.1:
        more["remove_extra_whitespaces"] = False
    if rng.random() < 0.1:
        more["add_dummy_prefix"] = False
    if rng.random() < 0.07:
        more["treat_whitespace_as_suffix"] = True
    return more


def told(key, value):
    return key if key == "normalization_rule_tsv" else f"{key} {value}"


def marian(folder, rng):
    done = ["marian", "MarianTokenizer", "own"]
    both = [varied(rng), varied(rng)]
    models = [words(rng, rng.sample(CORPUS, 6), **more) for more in both]
    done += [told(key, value) for key, value in both[0].items()]
    for name, model in zip(["source.spm", "target.spm"], models):
        (folder / name).write_bytes(model)
    special = ["</s>", "<unk>"]

    def numbers(tokens):
        tokens = [token for token in dict.fromkeys(tokens) if token not in special and token not in ("<s>", "<pad>")]
        rng.shuffle(tokens)
        return {token: at for at, token in enumerate(special + tokens + ["<pad>"])}

    codes = CODES if rng.random() < 0.4 else []
    settings = {}
    if rng.random() < 0.2:
        settings["additional_special_tokens"] = ["<x>", "@"]
        done.append("additional_special_tokens")
    if rng.random() < 0.2:
        settings["separate_vocabs"] = True
        done.append("separate_vocabs")
        vocab = numbers(codes + pieces(models[0]))
        (folder / "target_vocab.json").write_text(json.dumps(numbers(pieces(models[1]))))
    else:
        vocab = numbers(codes + pieces(models[0]) + pieces(models[1]))
        for token in rng.sample(list(vocab), 4):  # a vocabulary may lack what a model has
            # With holes in it transformers numbers further tokens as others are numbered already.
            if token not in ("</s>", "<unk>", "<pad>", *codes) and "additional_special_tokens" not in settings:
                vocab.pop(token)
    if codes:
        done.append("codes")
    (folder / "vocab.json").write_text(json.dumps(vocab))
    for key, value, chance in [("source_lang", "en", 0.5), ("target_lang", "de", 0.5), ("model_max_length", 512, 0.4),
                               ("clean_up_tokenization_spaces", True, 0.2)]:
        if rng.random() < chance:
            settings[key] = value
            done.append(key)
    return done, settings


def m2m100(folder, rng):
    done = ["m2m_100", "M2M100Tokenizer", "own"]
    more = varied(rng)
    model = words(rng, rng.sample(CORPUS, 6), **more)
    done += [told(key, value) for key, value in more.items()]
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    rest = [piece for piece in pieces(model) if piece not in ("<s>", "<pad>", "</s>", "<unk>")]
    rng.shuffle(rest)
    vocab = {token: at for at, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *rest[: len(rest) - 3]])}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    settings = {}
    if rng.random() < 0.2:
        settings["language_codes"] = "wmt21"
        done.append("wmt21")
    codes = ["en", "ha", "is", "ja", "cs", "ru", "zh", "de"] if settings else None
    for key, value, chance in [("src_lang", rng.choice(["de", "zh", "en"]), 0.6), ("tgt_lang", "ru", 0.3)]:
        if rng.random() < chance:
            settings[key] = value
            done.append(key)
    if rng.random() < 0.6:
        from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

        settings["additional_special_tokens"] = [f"__{code}__" for code in codes or FAIRSEQ_LANGUAGE_CODES["m2m100"]]
        done.append("languages are special")
    return done, settings


def make(folder, rng):
    folder.mkdir(parents=True)
    done, settings = rng.choice([marian, marian, m2m100])(folder, rng)
    if rng.random() < 0.6:
        settings["tokenizer_class"] = done[1]
    (folder / "config.json").write_text(json.dumps({"model_type": done[0]}))
    if settings or rng.random() < 0.8:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if rng.random() < 0.3:
        AutoTokenizer.from_pretrained(str(folder)).save_pretrained(str(folder))
        done.append("saved again")
    return done


def ask(folder, rng):
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    own = list(tokenizer.get_added_vocab()) + CODES + ["__de__"]
    texts = []
    for number in range(50):
        text = random_text(rng, own)
        if number % 8 == 0:
            text = rng.choice(CODES) + rng.choice(["", " "]) + text
        ids = tokenizer(text)["input_ids"]
        plain = tokenizer(text, add_special_tokens=False)["input_ids"]
        texts.append({"text": text, "ids": ids, "plain": plain, "decoded": tokenizer.decode(plain),
                      "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    known = getattr(tokenizer, "target_encoder", None) or tokenizer.encoder
    known = list(known.values())
    decodes = []
    for _ in range(10):
        ids = [rng.choice(known) for _ in range(rng.randint(1, 12))]
        decodes.append({"ids": ids, "text": tokenizer.decode(ids), "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    names = {name: str(token) for name, token in tokenizer._special_tokens_map.items() if token is not None}
    return {"class": type(tokenizer).__name__, "texts": texts, "decodes": decodes, "stops": [], "names": names,
            "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}


def main():
    if sys.argv[1] == "--few":
        return few(Path(sys.argv[2]), Path(sys.argv[3]))
    out = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "expected.jsonl", "w", encoding="utf-8") as lines:
        for index in range(count):
            rng = random.Random(seed * 100_000 + index)
            folder = out / f"{index:04}"
            shutil.rmtree(folder, ignore_errors=True)
            row = {"folder": folder.name, "done": make(folder, rng)}
            try:
                row |= ask(folder, rng)
            except Exception as problem:
                row["error"] = repr(problem)[:300]
            lines.write(json.dumps(row, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
