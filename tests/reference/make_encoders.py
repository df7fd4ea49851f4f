"""Writes tests/reference/encoder: tiny BERTs of random weights with the vectors that transformers
computes, pooled as sentence-transformers does, for src/encoder.

python tests/reference/make_encoders.py    # torch 2, transformers 5; writes the same bytes each time
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, NomicBertConfig, NomicBertForMaskedLM, NomicBertModel

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


def write(name: str, pooling: dict | None, normalize: bool, most: int, kind=(BertConfig, BertModel), **settings) -> None:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    words = tokenizer()
    config = kind[0](
        vocab_size=words.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=24,
        **settings,
    )
    model = kind[1](config).eval()
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


def as_published(name: str, source: str) -> None:
    """The same nomic-bert as its makers' files have it: other names of tensors and of settings, prompts beside."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors = NomicBertModel.from_pretrained(FOLDER / source).state_dict()
    names = {
        "self_attn.o_proj": "attn.out_proj", "mlp.up_proj": "mlp.fc11", "mlp.gate_proj": "mlp.fc12",
        "mlp.down_proj": "mlp.fc2", "post_attention_layernorm": "norm1", "post_mlp_layernorm": "norm2",
        "embeddings.LayerNorm": "emb_ln", "layers.": "encoder.layers.",
    }  # fmt: skip
    published = {}
    for key, value in tensors.items():
        if "k_proj" in key or "v_proj" in key:
            continue
        if "q_proj" in key:
            value = torch.cat([tensors[key.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")])
            key = key.replace("self_attn.q_proj", "attn.Wqkv")
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        published[key] = value.contiguous()
    save_file(published, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = NomicBertConfig.from_pretrained(FOLDER / source)
    settings = {
        "architectures": ["NomicBertModel"], "model_type": "nomic_bert", "vocab_size": config.vocab_size,
        "n_embd": config.hidden_size, "n_layer": config.num_hidden_layers, "n_head": config.num_attention_heads,
        "n_inner": config.intermediate_size, "n_positions": 8192, "max_trained_positions": 2048,
        "activation_function": "swiglu", "layer_norm_epsilon": config.layer_norm_eps, "prenorm": False,
        "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "causal": False,
        "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False,
        "type_vocab_size": config.type_vocab_size, "use_rms_norm": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    beside(name, source)
    prompts = {"prompts": {"query": "search_query: ", "document": "search_document: "}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts, indent=2) + "\n")


def beside(name: str, source: str) -> None:
    for file in ("tokenizer.json", "modules.json", "sentence_bert_config.json", "vectors.json", "1_Pooling/config.json"):
        (FOLDER / name / file).parent.mkdir(exist_ok=True)
        (FOLDER / name / file).write_bytes((FOLDER / source / file).read_bytes())


def as_class(name: str, source: str) -> None:
    """The same with the names of transformers' class, which its own `save_pretrained` turns into the published ones."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors = NomicBertModel.from_pretrained(FOLDER / source).state_dict()
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    (folder / "config.json").write_bytes((FOLDER / source / "config.json").read_bytes())
    beside(name, source)


def masked(name: str) -> None:
    """A nomic-bert that guesses masked words: the norm of its head has a name that no other family's has."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    config = NomicBertConfig(vocab_size=24, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12)
    model = NomicBertForMaskedLM(config).eval()
    ids = [2, 9, 4, 12, 3]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        logits = model(torch.tensor([ids])).logits[0]
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "scores.json").write_text(json.dumps({"ids": ids, "scores": logits.flatten().tolist()}) + "\n")


def main() -> None:
    mean = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    cls = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True}
    write("mean", mean, normalize=True, most=12)
    write("cls", cls, normalize=False, most=20, hidden_act="gelu_new")
    # A BERT that nobody made into a sentence encoder.
    write("plain", None, normalize=False, most=24, type_vocab_size=1)
    write("nomic", mean, normalize=True, most=24, kind=(NomicBertConfig, NomicBertModel))
    as_published("nomic_published", "nomic")
    as_class("nomic_class", "nomic")
    masked("nomic_masked")


if __name__ == "__main__":
    main()
