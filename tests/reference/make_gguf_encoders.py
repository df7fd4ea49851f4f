"""Writes tests/reference/gguf_encoders: GGUF files of the tiny encoders and T5 models of tests/reference/encoders, as llama.cpp's converter writes them.

python tests/reference/make_gguf_encoders.py    # the gguf package, numpy; writes the same bytes each time

Tensor names are those of the package's own table (`gguf.get_tensor_name_map`), metadata those of llama.cpp's conversion/bert.py and t5.py: the pooler and
the heads of encoders are left out, RoBERTa's positions lose their first two rows, words of WordPiece begin with a bar. The weights stay in f32, but for
`bert_f16.gguf` and `t5_q8_0.gguf`.
"""

import json
from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).parent
OUT = HERE / "gguf_encoders"
BAR = "\u2581"


def load_file(path):
    """As f32, from f32 or bf16."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        part = data[8 + size + begin : 8 + size + end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(part, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            assert entry["dtype"] == "F32", key
            values = np.frombuffer(part, np.float32)
        tensors[key] = values.reshape(entry["shape"])
    return tensors


def config(name):
    return json.loads((HERE / "encoders" / name / "config.json").read_text())


def tokenizer(name):
    return json.loads((HERE / "encoders" / name / "tokenizer.json").read_text())


def special(writer, name, tokens):
    told = json.loads((HERE / "encoders" / name / "tokenizer_config.json").read_text())
    ids = {token: at for at, token in enumerate(tokens)}
    for kind, add in dict(bos=writer.add_bos_token_id, eos=writer.add_eos_token_id, unk=writer.add_unk_token_id, sep=writer.add_sep_token_id, pad=writer.add_pad_token_id, mask=writer.add_mask_token_id).items():
        token = told.get(f"{kind}_token")
        token = token["content"] if isinstance(token, dict) else token
        if token in ids:
            add(ids[token])
    token = told.get("cls_token")
    token = token["content"] if isinstance(token, dict) else token
    if token in ids:
        writer.add_uint32("tokenizer.ggml.cls_token_id", ids[token])


def control(name):
    return {added["id"] for added in tokenizer(name)["added_tokens"] if added["special"]}


def write_bert(file, name, pooling, f16=False):
    told, body = config(name), load_file(HERE / "encoders" / name / "model.safetensors")
    distilled = told["model_type"] == "distilbert"
    roberta = told["model_type"] == "roberta"
    layers = told["n_layers"] if distilled else told["num_hidden_layers"]
    writer = gguf.GGUFWriter(OUT / file, "bert")
    offset = told["pad_token_id"] + 1 if roberta else 0
    writer.add_name(name)
    writer.add_block_count(layers)
    writer.add_context_length(told["max_position_embeddings"] - offset)
    writer.add_embedding_length(told["dim"] if distilled else told["hidden_size"])
    writer.add_feed_forward_length(told["hidden_dim"] if distilled else told["intermediate_size"])
    writer.add_head_count(told["n_heads"] if distilled else told["num_attention_heads"])
    writer.add_layer_norm_eps(1e-12 if distilled else told["layer_norm_eps"])
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    writer.add_token_type_count(told.get("type_vocab_size", 1))
    model = tokenizer(name)["model"]
    specials = control(name)
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    types = [gguf.TokenType.CONTROL if at in specials else gguf.TokenType.NORMAL for at in range(len(tokens))]
    if roberta:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("roberta-bpe")
        writer.add_token_list(tokens)
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
    else:
        writer.add_tokenizer_model("bert")
        writer.add_tokenizer_pre("default")
        barred = [token if kind == gguf.TokenType.CONTROL else token[2:] if token.startswith("##") else BAR + token for token, kind in zip(tokens, types)]
        writer.add_token_list(barred)
    writer.add_token_types(types)
    special(writer, name, tokens)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    for key in sorted(body):
        own = key.removeprefix("bert.").removeprefix("distilbert.").removeprefix("roberta.").replace(".gamma", ".weight").replace(".beta", ".bias")
        if own.startswith(("cls.", "pooler.", "lm_head.", "vocab_", "embeddings.position_ids")):
            continue
        values = body[key].astype(np.float32)
        if own == "embeddings.position_embeddings.weight":
            values = values[offset:]
        to = names.get_name(own, try_suffixes=(".weight", ".bias"))
        assert to, own
        half = f16 and values.ndim == 2 and "embeddings" not in own
        writer.add_tensor(to, values.astype(np.float16) if half else np.ascontiguousarray(values))
    finish(writer)


def write_t5(file, name, half=False, quantised=False):
    told, body = config(name), load_file(HERE / "encoders" / name / "model.safetensors")
    arch = "t5encoder" if half else "t5"
    writer = gguf.GGUFWriter(OUT / file, arch)
    writer.add_name(name)
    writer.add_context_length(told.get("n_positions", 512))
    writer.add_embedding_length(told["d_model"])
    writer.add_feed_forward_length(told["d_ff"])
    writer.add_block_count(told["num_layers"])
    if not half:
        writer.add_decoder_block_count(told["num_decoder_layers"])
        writer.add_decoder_start_token_id(told["decoder_start_token_id"])
    writer.add_head_count(told["num_heads"])
    writer.add_key_length(told["d_kv"])
    writer.add_value_length(told["d_kv"])
    writer.add_layer_norm_eps(told["layer_norm_epsilon"])
    writer.add_relative_attn_buckets_count(told["relative_attention_num_buckets"])
    writer.add_layer_norm_rms_eps(told["layer_norm_epsilon"])
    model = tokenizer(name)["model"]
    specials = control(name)
    tokens = [token for token, _ in model["vocab"]]
    kinds = [gguf.TokenType.UNKNOWN if at == model["unk_id"] else gguf.TokenType.CONTROL if at in specials else gguf.TokenType.NORMAL for at in range(len(tokens))]
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([score for _, score in model["vocab"]])
    writer.add_token_types(kinds)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    special(writer, name, tokens)
    writer.add_add_eos_token(True)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER if half else gguf.MODEL_ARCH.T5, max(told["num_layers"], told["num_decoder_layers"]))
    shared = False
    for key in sorted(body):
        own = key
        if own in ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
            if shared:
                continue
            own, shared = "shared.weight", True
        if half and own.startswith(("decoder.", "lm_head.")):
            continue
        to = names.get_name(own, try_suffixes=(".weight", ".bias"))
        assert to, own
        values = np.ascontiguousarray(body[key].astype(np.float32))
        if quantised and values.ndim == 2 and values.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(to, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(to, values)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    OUT.mkdir(exist_ok=True)
    write_bert("bert.gguf", "mlm_bert", gguf.PoolingType.CLS)
    write_bert("bert_f16.gguf", "mlm_bert", None, f16=True)
    write_bert("distilbert.gguf", "mlm_distilbert", gguf.PoolingType.MEAN)
    write_bert("roberta.gguf", "mlm_roberta", gguf.PoolingType.MEAN)
    write_t5("t5.gguf", "s2s_t5")
    write_t5("t5_q8_0.gguf", "s2s_t5", quantised=True)
    write_t5("flan.gguf", "s2s_flan")
    write_t5("t5encoder.gguf", "s2s_t5", half=True)


main()
