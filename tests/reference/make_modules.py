"""Writes tests/reference/encoder/modules and tests/reference/encoder/both_ways: folders of
sentence-transformers with more than a network and one pooling, and the vectors that torch computes
of them, for src/encoder.

python tests/reference/make_modules.py    # torch 2, transformers 5; writes the same bytes each time

modules: a BERT in a folder of its own (0_Transformer, with its length under an older name), two poolings
beside each other, Dense with tanh and what came in added, LayerNorm, Dropout, Dense without a bias,
Normalize. both_ways: a Gemma 3 that sees in both directions, as EmbeddingGemma is, with two Dense.
"""

import json
import shutil
from pathlib import Path

import torch
from make_encoders import TEXTS, tokenizer
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, Gemma3TextConfig, Gemma3TextModel

FOLDER = Path(__file__).parent / "encoder"
WIDTH = 16


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def random(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def dense(folder, inputs, outputs, activation, bias, residual):
    """Writes a module, and returns what it does."""
    linear = torch.nn.Linear(inputs, outputs, bias=bias)
    settings = {
        "in_features": inputs,
        "out_features": outputs,
        "bias": bias,
        "activation_function": "torch.nn.modules." + activation,
    }
    if residual:
        settings["use_residual"] = True
    put(folder / "config.json", settings)
    tensors = {"linear." + name: value.detach().clone() for name, value in linear.named_parameters()}
    added = torch.nn.Linear(inputs, outputs, bias=False) if residual and inputs != outputs else None
    if added is not None:
        tensors["residual.weight"] = added.weight.detach().clone()
    save_file(tensors, folder / "model.safetensors")
    after = torch.tanh if activation.endswith("Tanh") else (lambda x: x)

    def run(x):
        out = after(linear(x))
        return out + (added(x) if added is not None else x) if residual else out

    return run


def modules(folder, kinds, network):
    put(
        folder / "modules.json",
        [
            {
                "idx": index,
                "name": str(index),
                "path": network if index == 0 else f"{index}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, kind in enumerate(kinds)
        ],
    )


def vectors(folder, model, words, most, pool, after):
    words.no_padding()
    words.enable_truncation(most)
    found = []
    for text in TEXTS:
        ids = torch.tensor([words.encode(text).ids])
        with torch.no_grad():
            vector = pool(model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0])
            for step in after:
                vector = step(vector)
        found.append({"text": text, "tokens": ids.shape[1], "vector": vector.tolist()})
    (folder / "vectors.json").write_text(json.dumps(found, indent=1) + "\n")


def normalize(x):
    return torch.nn.functional.normalize(x, dim=0)


def write_modules():
    folder = FOLDER / "modules"
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(11)
    words = tokenizer()
    config = BertConfig(
        vocab_size=words.get_vocab_size(), hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=20, max_position_embeddings=24,
    )
    model = random(BertModel(config))
    inner = folder / "0_Transformer"
    model.save_pretrained(inner)
    words.save(str(inner / "tokenizer.json"))
    put(inner / "tokenizer_config.json", {"model_max_length": 6, "tokenizer_class": "TokenizersBackend"})
    put(inner / "sentence_roberta_config.json", {"max_seq_length": 12, "do_lower_case": False})
    modes = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}
    put(folder / "1_Pooling" / "config.json", modes | {"pooling_mode_max_tokens": False})
    first = dense(folder / "2_Dense", 2 * WIDTH, 12, "activation.Tanh", True, True)
    norm = torch.nn.LayerNorm(12)
    norm = random(norm)
    put(folder / "3_LayerNorm" / "config.json", {"dimension": 12})
    save_file({"norm." + key: value.detach().clone() for key, value in norm.named_parameters()}, folder / "3_LayerNorm" / "model.safetensors")
    put(folder / "4_Dropout" / "config.json", {"dropout": 0.3})
    last = dense(folder / "5_Dense", 12, 10, "linear.Identity", False, False)
    modules(folder, ["Transformer", "Pooling", "Dense", "LayerNorm", "Dropout", "Dense", "Normalize"], "0_Transformer")

    def pool(hidden):  # switches: cls before mean, whatever the order in the file
        return torch.cat([hidden[0], hidden.mean(dim=0)])

    vectors(folder, model, words, 12, pool, [first, norm, last, normalize])


def write_both_ways():
    folder = FOLDER / "both_ways"
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(12)
    words = tokenizer()
    config = Gemma3TextConfig(
        vocab_size=words.get_vocab_size(), hidden_size=WIDTH, intermediate_size=20, num_hidden_layers=3,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=10, sliding_window=6,
        max_position_embeddings=64, use_bidirectional_attention=True, pad_token_id=0, bos_token_id=2, eos_token_id=3,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    config._attn_implementation = "eager"
    model = random(Gemma3TextModel(config))
    model.save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    put(folder / "tokenizer_config.json", {"tokenizer_class": "TokenizersBackend"})
    put(folder / "sentence_bert_config.json", {"max_seq_length": 30, "do_lower_case": False})
    put(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})
    first = dense(folder / "2_Dense", WIDTH, 24, "linear.Identity", False, False)
    second = dense(folder / "3_Dense", 24, WIDTH, "linear.Identity", False, False)
    modules(folder, ["Transformer", "Pooling", "Dense", "Dense", "Normalize"], "")
    vectors(folder, model, words, 30, lambda hidden: hidden.mean(dim=0), [first, second, normalize])


if __name__ == "__main__":
    write_modules()
    write_both_ways()
