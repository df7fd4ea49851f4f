"""Folders of sentence-transformers that are cut in ways of their own, and what it makes of texts with them: the same bytes
each time.

    python make_word_tables.py

encoder/word_table: vectors of words without a network (StaticEmbedding, as model2vec makes them), made
one unit long. encoder/cut_left: a BERT whose texts lose their beginning (truncation_side), whose prompts have no part
in a vector, and of whose vectors the first values are kept (truncate_dim). Needs sentence-transformers 6.2, torch 2.
"""

import json
import random
import shutil
from pathlib import Path

import torch
import transformers as t
from make_bodies import put, shaken
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from vary_encoder_texts import tokenizer_for

HERE = Path(__file__).parent / "encoder"
TEXTS = ["A cat sat on the mat.", "Zürich, naïve café!", "", "the cat sat on the mat, and the mat sat on the cat", "x"]


def written(folder, prompts):
    read = SentenceTransformer(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"})
    rows = []
    for prompt in [None, *prompts]:
        named = {} if prompt is None else {"prompt": prompt}
        for text in TEXTS:
            features = read.preprocess([text], prompt=prompt)
            rows.append({"text": text, "prompt": prompt, "tokens": features["input_ids"].shape[-1],
                         "vector": [float(value) for value in read.encode([text], **named)[0]]})
    put(folder / "vectors.json", rows)


def word_table():
    folder = HERE / "word_table"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer_for(folder, random.Random(1), "bert", t.BertConfig(vocab_size=97))
    for name in ("tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)
    words = json.loads((folder / "tokenizer.json").read_text())
    words["truncation"] = {"direction": "Right", "max_length": 12, "strategy": "LongestFirst", "stride": 0}
    put(folder / "tokenizer.json", words)
    torch.manual_seed(5)
    save_file({"embeddings": torch.randn(97, 12)}, folder / "model.safetensors")
    base = "sentence_transformers.models."
    put(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": ".", "type": base + "StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": base + "Normalize"},
    ])
    put(folder / "config.json", {"model_type": "model2vec", "architectures": ["StaticModel"], "normalize": True})
    written(folder, ["query: "])


def cut_left():
    folder = HERE / "cut_left"
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(6)
    config = t.BertConfig(vocab_size=97, hidden_size=24, num_attention_heads=3, intermediate_size=40, num_hidden_layers=2,
                          max_position_embeddings=40)
    shaken(t.BertModel(config)).save_pretrained(folder)
    tokenizer_for(folder, random.Random(1), "bert", config)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    put(folder / "tokenizer_config.json", settings | {"truncation_side": "left"})
    base = "sentence_transformers.models."
    put(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": base + "Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": base + "Pooling"},
    ])
    put(folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 24, "pooling_mode_mean_tokens": True, "include_prompt": False})
    put(folder / "sentence_bert_config.json", {"max_seq_length": 9, "do_lower_case": False})
    put(folder / "config_sentence_transformers.json", {"prompts": {}, "default_prompt_name": None, "truncate_dim": 8})
    written(folder, ["the cat: "])


if __name__ == "__main__":
    word_table()
    cut_left()
