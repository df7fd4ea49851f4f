"""Writes tests/reference/encoder: tiny BERTs of random weights with the vectors that transformers
computes, pooled as sentence-transformers does, for src/encoder.

python tests/reference/make_encoders.py    # torch 2, transformers 5; writes the same bytes each time
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

FOLDER = Path(__file__).parent / "encoder"

TEXTS = [
    "A cat sat on the mat.",
    "a Cat sat",
    "Zürich, naïve café!",
    "",
    "cat " * 40,
]

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "sat", "on", "the", "mat", "##s"]
LETTERS = "abcdefghijklmnopqrstuvwxyz.,!?"


def tokenizer() -> Tokenizer:
    words = WORDS + list(LETTERS) + ["##" + letter for letter in LETTERS]
    found = Tokenizer(
        models.WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]")
    )
    found.normalizer = normalizers.BertNormalizer(lowercase=True)
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    # As all-MiniLM-L6-v2 has it: settings that whoever reads the file must not take for its own.
    found.enable_truncation(8)
    found.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    return found


def write(name: str, pooling: dict | None, normalize: bool, most: int, **settings) -> None:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    words = tokenizer()
    config = BertConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=24,
        **settings,
    )
    model = BertModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    if pooling is not None:
        (folder / "1_Pooling").mkdir(exist_ok=True)
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling, indent=2) + "\n")
        kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalize
        modules = [
            {
                "idx": index,
                "name": str(index),
                "path": "" if index == 0 else f"{index}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, kind in enumerate(kinds)
        ]
        (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
        about = {"max_seq_length": most, "do_lower_case": False}
        (folder / "sentence_bert_config.json").write_text(json.dumps(about, indent=2) + "\n")

    words.no_padding()
    words.enable_truncation(most)
    cls = pooling is not None and pooling.get("pooling_mode_cls_token", False)
    vectors = []
    for text in TEXTS:
        ids = torch.tensor([words.encode(text).ids])
        with torch.no_grad():
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        vector = hidden[0] if cls else hidden.mean(dim=0)
        if normalize:
            vector = torch.nn.functional.normalize(vector, dim=0)
        vectors.append({"text": text, "tokens": ids.shape[1], "vector": vector.tolist()})
    (folder / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")


def main() -> None:
    mean = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    cls = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True}
    write("mean", mean, normalize=True, most=12)
    write("cls", cls, normalize=False, most=20, hidden_act="gelu_new")
    # A BERT that nobody made into a sentence encoder.
    write("plain", None, normalize=False, most=24, type_vocab_size=1)


if __name__ == "__main__":
    main()
