"""Tokenizer folders whose words are SentencePiece's (DeBERTa-v3, ALBERT, CamemBERT, BigBird, mBART, NLLB, Pegasus), and what
transformers' AutoTokenizer makes of them.

    python make_encoder_tokenizers.py OUT [COUNT] [SEED] [FIRST]
    python make_encoder_tokenizers.py --few OUT FILE

as make_tokenizer_folders.py, which see: the first writes COUNT (60) folders, of the kinds from FIRST (0) on, and OUT/expected.jsonl for the
ignored test every_folder_is_read_as_autotokenizer, the second puts a few of them into one file, which is
text/tokenizer_encoders.json. A folder has SentencePiece's file alone, or a tokenizer.json as transformers
5 or transformers 4 wrote it, whose own normalizer the class does not ask.
"""

import io
import json
import random
import shutil
import sys
from pathlib import Path

import sentencepiece
from make_tokenizer_folders import ask, few
from tokenizer_texts import CORPUS
from transformers import AutoTokenizer

KINDS = {
    "DebertaV2Tokenizer": (
        "deberta-v2", "spm.model",
        dict(pad_id=0, pad_piece="[PAD]", bos_id=1, bos_piece="[CLS]", eos_id=2, eos_piece="[SEP]", unk_id=3,
             unk_piece="[UNK]"),
    ),
    "AlbertTokenizer": (
        "albert", "spiece.model",
        dict(pad_id=0, pad_piece="<pad>", unk_id=1, bos_id=2, bos_piece="[CLS]", eos_id=3, eos_piece="[SEP]",
             user_defined_symbols=["[MASK]"]),
    ),
    "CamembertTokenizer": ("camembert", "sentencepiece.bpe.model", {}),
    "MBartTokenizer": ("mbart", "sentencepiece.bpe.model", {}),
    "MBart50Tokenizer": ("mbart", "sentencepiece.bpe.model", {}),
    "NllbTokenizer": ("m2m_100", "sentencepiece.bpe.model", {}),
    "BigBirdTokenizer": (
        "big_bird", "spiece.model",
        dict(pad_id=0, pad_piece="<pad>", eos_id=1, eos_piece="</s>", bos_id=2, bos_piece="<s>", unk_id=3, unk_piece="<unk>",
             user_defined_symbols=["[CLS]", "[SEP]", "[MASK]"]),
    ),
    "PegasusTokenizer": (
        "pegasus", "spiece.model", dict(pad_id=0, pad_piece="<pad>", eos_id=1, eos_piece="</s>", unk_id=2, bos_id=-1)
    ),
}


def make(folder, rng, kinds):
    declared = rng.choice(kinds)
    family, name, symbols = KINDS[declared]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(rng.sample(CORPUS, 6) * 3), model_writer=out, model_type=rng.choice(["unigram", "bpe"]) if declared == "NllbTokenizer" else "unigram",
        vocab_size=rng.choice([120, 160]), hard_vocab_limit=False, minloglevel=2,
        byte_fallback=False, normalization_rule_name=rng.choice(["nmt_nfkc", "identity", "nfkc_cf"]), **symbols,
    )
    folder.mkdir(parents=True)
    (folder / name).write_bytes(out.getvalue())
    settings, done = {}, [family, declared, "own"]
    for key, chance in [("do_lower_case", 0.5), ("split_by_punct", 0.3), ("keep_accents", 0.4), ("add_prefix_space", 0.3)]:
        if rng.random() < chance:
            settings[key] = rng.random() < 0.5
            done.append(f"{key} {settings[key]}")
    languages = {"MBartTokenizer": ["en_XX", "ro_RO"], "MBart50Tokenizer": ["de_DE", "sl_SI"],
                 "NllbTokenizer": ["fra_Latn", "zul_Latn", "xx_None"]}.get(declared)
    if languages:
        for key, value, chance in [("src_lang", rng.choice(languages), 0.6), ("tgt_lang", rng.choice(languages), 0.3),
                                   ("legacy_behaviour", True, 0.3), ("additional_special_tokens", ["<x>", languages[0]], 0.2),
                                   ("mask_token", "<mask>", 0.4)]:
            if rng.random() < chance:
                settings[key] = value
                done.append(f"{key} {value}")
        if declared == "NllbTokenizer" and rng.random() < 0.5:
            settings["additional_special_tokens"] = ["eng_Latn", "fra_Latn", "zul_Latn"]
    if declared == "PegasusTokenizer":
        for key, value in [("mask_token", "<mask_2>"), ("mask_token_sent", "<mask_1>"), ("offset", 20)]:
            if rng.random() < 0.5:
                settings[key] = value
                done.append(f"{key} {value}")
    if rng.random() < 0.7 or declared in ("MBart50Tokenizer", "NllbTokenizer"):
        settings["tokenizer_class"] = declared + rng.choice(["", "Fast"])
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if rng.random() < 0.5:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
        done.append("tokenizer.json")
        if rng.random() < 0.6:  # transformers 4 converted it with a normalizer of its own
            path = folder / "tokenizer.json"
            state = json.loads(path.read_text())
            state["normalizer"] = {"type": "Sequence", "normalizers": [
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ]}
            path.write_text(json.dumps(state))
            done.append("old normalizer")
        if rng.random() < 0.7:
            (folder / name).unlink()
    return done


def main():
    if sys.argv[1] == "--few":
        return few(Path(sys.argv[2]), Path(sys.argv[3]))
    out = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    kinds = list(KINDS)[int(sys.argv[4]) if len(sys.argv) > 4 else 0:]
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "expected.jsonl", "w", encoding="utf-8") as lines:
        for index in range(count):
            rng = random.Random(seed * 100_000 + index)
            folder = out / f"{index:04}"
            shutil.rmtree(folder, ignore_errors=True)
            row = {"folder": folder.name, "done": make(folder, rng, kinds)}
            try:
                row |= ask(folder, rng)
            except Exception as problem:
                row["error"] = repr(problem)[:300]
            lines.write(json.dumps(row, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
