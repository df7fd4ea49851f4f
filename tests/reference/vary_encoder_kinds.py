"""What vary_encoders.py varies: shapes and options of each family, and how their files may be spelled."""

import json

import torch
from safetensors.torch import load_file, save_file

TF = [True, False]
ACTS = ["gelu", "relu", "silu", "gelu_new", "gelu_pytorch_tanh", "tanh", "quick_gelu", "gelu_fast", "relu2", "swish", "gelu_python"]


def opt(r, d, key, values, p=0.5):
    if r.random() < p:
        d[key] = r.choice(values)


def sizes(r, even=False):
    heads = r.choice([1, 2, 3, 4])
    dim = r.choice([4, 6, 8, 10] if even else [3, 4, 6, 8, 10])
    return dict(hidden_size=heads * dim, num_attention_heads=heads, intermediate_size=r.choice([17, 24, 40]), num_hidden_layers=r.choice([1, 2, 3, 4]))


def usual(r, even=False):
    d = sizes(r, even) | dict(vocab_size=r.choice([90, 97]), max_position_embeddings=r.choice([20, 40, 80]))
    opt(r, d, "hidden_act", ACTS)
    opt(r, d, "layer_norm_eps", [1e-12, 1e-5, 1e-3])
    opt(r, d, "type_vocab_size", [1, 2, 3])
    opt(r, d, "tie_word_embeddings", [False], 0.25)
    opt(r, d, "classifier_dropout", [0.3, None], 0.2)
    return d


def bert(r):
    d = usual(r)
    opt(r, d, "pad_token_id", [0, 3], 0.2)
    opt(r, d, "is_decoder", [True], 0.05)
    opt(r, d, "add_cross_attention", [False], 0.1)
    return d, "Bert"


def roberta(r, prefix="Roberta"):
    d = usual(r)
    opt(r, d, "pad_token_id", [0, 1, 3], 0.3)
    opt(r, d, "is_decoder", [True], 0.05)
    return d, prefix


def distilbert(r):
    own = sizes(r)
    d = dict(dim=own["hidden_size"], n_heads=own["num_attention_heads"], hidden_dim=own["intermediate_size"], n_layers=own["num_hidden_layers"], vocab_size=r.choice([90, 97]), max_position_embeddings=r.choice([20, 40, 80]))
    opt(r, d, "activation", ACTS)
    opt(r, d, "sinusoidal_pos_embds", TF, 0.3)
    opt(r, d, "tie_word_embeddings", [False], 0.25)
    return d, "DistilBert"


def mpnet(r):
    d = usual(r)
    d.pop("type_vocab_size", None)
    opt(r, d, "relative_attention_num_buckets", [32, 40, 64])
    opt(r, d, "pad_token_id", [0, 1], 0.1)
    return d, "MPNet"


def albert(r):
    d = usual(r)
    d["embedding_size"] = r.choice([6, 16, d["hidden_size"]])
    opt(r, d, "num_hidden_groups", [n for n in (1, 2, 3, 4) if n <= d["num_hidden_layers"]])
    opt(r, d, "inner_group_num", [1, 2, 3])
    return d, "Albert"


def electra(r):
    d = usual(r)
    d["embedding_size"] = r.choice([6, 16, d["hidden_size"]])
    opt(r, d, "summary_type", ["first", "last", "mean"], 0.2)
    opt(r, d, "summary_activation", ["gelu", "tanh"], 0.2)
    return d, "Electra"


def modernbert(r):
    d = sizes(r, even=True) | dict(vocab_size=r.choice([90, 97]), max_position_embeddings=r.choice([40, 80]), pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3)
    opt(r, d, "hidden_activation", ACTS)
    opt(r, d, "norm_eps", [1e-5, 1e-3])
    for key in ("norm_bias", "mlp_bias", "attention_bias", "classifier_bias", "decoder_bias"):
        opt(r, d, key, TF)
    opt(r, d, "classifier_pooling", ["cls", "mean"])
    opt(r, d, "classifier_activation", ACTS)
    opt(r, d, "local_attention", [2, 4, 5, 7, 10])
    opt(r, d, "global_attn_every_n_layers", [1, 2, 3])
    opt(r, d, "sparse_prediction", TF, 0.1)
    opt(r, d, "tie_word_embeddings", [False], 0.2)
    if r.random() < 0.3:
        d["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(d["num_hidden_layers"])]
    rope = r.random()
    if rope < 0.3:
        d["rope_parameters"] = {kind: {"rope_type": "default", "rope_theta": r.choice([100.0, 5000.0])} for kind in ("full_attention", "sliding_attention")}
        if r.random() < 0.1:
            d["rope_parameters"]["full_attention"] |= {"rope_type": "linear", "factor": 2.0}
    elif rope < 0.5:
        d |= dict(global_rope_theta=r.choice([300.0, 160000.0]), local_rope_theta=r.choice([50.0, 10000.0]))
    elif rope < 0.53:
        d["rope_scaling"] = {"rope_type": "linear", "factor": 2.0}
    return d, "ModernBert"


def deberta(r):
    d = usual(r)
    d.pop("type_vocab_size", None)
    opt(r, d, "type_vocab_size", [0, 2], 0.4)
    opt(r, d, "relative_attention", TF, 0.8)
    opt(r, d, "position_biased_input", TF)
    opt(r, d, "pos_att_type", ["p2c|c2p", "c2p", "p2c", ["c2p", "p2c"], ["p2c"], "C2P | p2c", [], ["c2p"]], 0.8)
    opt(r, d, "max_relative_positions", [-1, 4, 12, 100])
    opt(r, d, "position_buckets", [-1, 4, 6, 8, 16])
    opt(r, d, "norm_rel_ebd", ["none", "layer_norm", "layer_norm|x", "Layer_Norm"])
    opt(r, d, "share_att_key", TF)
    opt(r, d, "legacy", TF)
    opt(r, d, "embedding_size", [6, 16], 0.15)
    opt(r, d, "attention_head_size", [5, 8], 0.15)
    opt(r, d, "pooler_hidden_act", ["gelu", "tanh", "relu"])
    opt(r, d, "pooler_hidden_size", [d["hidden_size"]], 0.3)
    opt(r, d, "conv_kernel_size", [0, 3], 0.06)
    return d, "DebertaV2"


def nomic(r):
    d = usual(r, even=True)
    opt(r, d, "head_dim", [4, 6, 8], 0.2)
    if r.random() < 0.3:
        d["rope_parameters"] = {"rope_type": r.choice(["default"] * 8 + ["linear"]), "rope_theta": r.choice([100.0, 10000.0]), "factor": 2.0}
    return d, "NomicBert"


def t5(r, prefix="T5"):
    d = dict(vocab_size=384, d_model=r.choice([12, 20, 24]), d_ff=r.choice([17, 40]), num_heads=r.choice([1, 2, 3, 4]), d_kv=r.choice([3, 6, 8]), num_layers=r.choice([1, 2, 3]), pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
    opt(r, d, "num_decoder_layers", [1, 2, 3])
    opt(r, d, "feed_forward_proj", ["relu", "gated-gelu", "gated-silu", "gelu", "gated-relu", "gelu_new", "gated-gelu_new", "gated-swish", "tanh"], 0.8)
    opt(r, d, "relative_attention_num_buckets", [4, 8, 12, 32, 64])
    opt(r, d, "relative_attention_max_distance", [10, 20, 128])
    opt(r, d, "layer_norm_epsilon", [1e-6, 1e-3])
    opt(r, d, "tie_word_embeddings", TF)
    opt(r, d, "decoder_start_token_id", [0, 2, 5], 0.2)
    opt(r, d, "scale_decoder_outputs", TF, 0.15)
    opt(r, d, "dense_act_fn", ["relu", "gelu_new"], 0.1)
    return d, prefix


def mt5(r):
    return t5(r, "MT5")


def bart(r):
    heads = r.choice([(1, 2), (2, 4), (3, 3), (4, 2)])
    d = dict(vocab_size=384, d_model=24, encoder_attention_heads=heads[0], decoder_attention_heads=heads[1], encoder_ffn_dim=r.choice([17, 40]), decoder_ffn_dim=r.choice([17, 40]), encoder_layers=r.choice([1, 2, 3]), decoder_layers=r.choice([1, 2, 3]), max_position_embeddings=r.choice([20, 40, 80]), pad_token_id=0, bos_token_id=3, eos_token_id=1, decoder_start_token_id=1, forced_eos_token_id=1)
    opt(r, d, "activation_function", ACTS)
    opt(r, d, "scale_embedding", TF)
    opt(r, d, "tie_word_embeddings", [False], 0.2)
    opt(r, d, "decoder_start_token_id", [1, 3], 0.3)
    opt(r, d, "forced_bos_token_id", [3, 70], 0.3)
    opt(r, d, "normalize_before", TF, 0.1)
    opt(r, d, "add_final_layer_norm", TF, 0.1)
    opt(r, d, "static_position_embeddings", TF, 0.05)
    return d, "Bart"


def like_bart(prefix):
    def settings(r):
        d, _ = bart(r)
        for key in ("normalize_before", "add_final_layer_norm", "static_position_embeddings"):
            d.pop(key, None)
        return d, prefix

    return settings


def marian(r):
    d, prefix = like_bart("Marian")(r)
    if r.random() < 0.3:
        # The halves have words of their own.
        d |= dict(share_encoder_decoder_embeddings=False, decoder_vocab_size=r.choice([384, 300]))
    return d, prefix


def big_bird(r):
    d = usual(r)
    opt(r, d, "rescale_embeddings", TF)
    opt(r, d, "use_bias", [False], 0.05)
    d["attention_type"] = r.choice(["original_full", "original_full", "block_sparse"])
    d |= dict(block_size=r.choice([16, 64]), num_random_blocks=r.choice([1, 3]))
    return d, "BigBird"


FAMILIES = {
    "bert": bert,
    "distilbert": distilbert,
    "roberta": roberta,
    "xlm-roberta": lambda r: roberta(r, "XLMRoberta"),
    "camembert": lambda r: roberta(r, "Camembert"),
    "mpnet": mpnet,
    "albert": albert,
    "electra": electra,
    "modernbert": modernbert,
    "deberta-v2": deberta,
    "nomic_bert": nomic,
    "t5": t5,
    "mt5": mt5,
    "bart": bart,
    "mbart": like_bart("MBart"),
    "m2m_100": like_bart("M2M100"),
    "pegasus": like_bart("Pegasus"),
    "big_bird": big_bird,
    "marian": marian,
}
PAIRS = ["t5", "mt5", "bart", "mbart", "m2m_100", "pegasus", "marian"]

WEIGHTS = {"Model": 2, "ForMaskedLM": 5, "ForSequenceClassification": 7, "ForTokenClassification": 1, "ForQuestionAnswering": 1}
HEADS = {
    family: WEIGHTS
    | {
        "bert": {"ForPreTraining": 2, "ForMultipleChoice": 1, "ForNextSentencePrediction": 1},
        "albert": {"ForPreTraining": 2, "ForMultipleChoice": 1},
        "electra": {"ForPreTraining": 1, "ForMultipleChoice": 1},
        "modernbert": {"ForMultipleChoice": 1},
    }.get(family, {"ForMultipleChoice": 1} if family != "nomic_bert" else {})
    for family in FAMILIES
}
HEADS["nomic_bert"] = {name: weight for name, weight in WEIGHTS.items() if name != "ForQuestionAnswering"}
HEADS["t5"] = {"ForConditionalGeneration": 9, "EncoderModel": 2, "Model": 1, "ForSequenceClassification": 1}
HEADS["mt5"] = HEADS["t5"]
HEADS["bart"] = HEADS["mbart"] = {"ForConditionalGeneration": 9, "Model": 1, "ForSequenceClassification": 1}
HEADS["marian"] = {"MTModel": 9, "Model": 1}
HEADS["m2m_100"] = HEADS["pegasus"] = {"ForConditionalGeneration": 9, "Model": 1}


@torch.no_grad()
def enliven(model):
    """Weights far from those that a model begins with: what is left out shows."""
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.dtype.is_floating_point and "inv_freq" not in name and "final_logits_bias" not in name:
            value.add_(torch.randn_like(value) * (0.3 if value.dim() > 1 else 0.2))


OLD_NAMES = [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")]


def spelled(folder, r, family, prefix):
    """Other names of tensors and settings in which the same model is found. What was changed, in words."""
    notes = []
    path = folder / "config.json"
    config = json.loads(path.read_text())
    model = folder / "model.safetensors"
    tensors = load_file(model) if model.exists() else None
    before = None if tensors is None else dict(tensors)
    body = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta", "distilbert": "distilbert", "mpnet": "mpnet", "albert": "albert", "electra": "electra", "deberta-v2": "deberta", "modernbert": "model", "bart": "model", "mbart": "model", "m2m_100": "model", "pegasus": "model", "marian": "model", "big_bird": "bert"}.get(family)
    if tensors and r.random() < 0.15 and family in ("bert", "roberta", "electra", "mpnet"):
        notes.append("gamma")
        for new, old in OLD_NAMES:
            tensors = {name.replace(new, old): value for name, value in tensors.items()}
    if tensors and r.random() < 0.2 and family in ("bert", "albert", "roberta", "xlm-roberta", "distilbert", "electra"):
        # What older files hold beside: twins of what is tied.
        notes.append("twins")
        twin = {
            "cls.predictions.bias": "cls.predictions.decoder.bias",
            "bert.embeddings.word_embeddings.weight": "cls.predictions.decoder.weight",
            "lm_head.bias": "lm_head.decoder.bias",
            "roberta.embeddings.word_embeddings.weight": "lm_head.decoder.weight",
            "predictions.bias": "predictions.decoder.bias",
            "albert.embeddings.word_embeddings.weight": "predictions.decoder.weight",
            "distilbert.embeddings.word_embeddings.weight": "vocab_projector.weight",
            "electra.embeddings.word_embeddings.weight": "generator_lm_head.weight",
        }
        is_words = any("predictions" in name or "lm_head" in name or "vocab_transform" in name for name in tensors)
        for name, other in twin.items():
            if name in tensors and other not in tensors and is_words:
                tensors[other] = tensors[name].clone()
        if body:
            tensors[f"{body}.embeddings.position_ids"] = torch.arange(config.get("max_position_embeddings", 20)).unsqueeze(0)
    if tensors and body and r.random() < 0.1 and not any(name.startswith(f"{body}.") for name in tensors):
        notes.append("prefix")
        tensors = {f"{body}.{name}": value for name, value in tensors.items()}
    if family in ("t5", "mt5") and r.random() < 0.4:
        # As older versions write it.
        notes.append("old")
        for key in ("scale_decoder_outputs", "dense_act_fn", "is_gated_act"):
            config.pop(key, None)
        config["tie_word_embeddings"] = r.choice(TF)
        if r.random() < 0.2:
            config.pop("tie_word_embeddings")
    if tensors and family in ("t5", "mt5") and r.random() < 0.3 and "shared.weight" in tensors:
        notes.append("embed_tokens")
        for half in ("encoder", "decoder"):
            tensors[f"{half}.embed_tokens.weight"] = tensors["shared.weight"].clone()
        if r.random() < 0.3:
            del tensors["shared.weight"]
    if r.random() < 0.15:
        notes.append("minimal")
        keep = set(config) - {"dtype", "transformers_version", "initializer_range", "use_cache", "hidden_dropout_prob"}
        config = {key: value for key, value in config.items() if key in keep}
        if config.get("tie_word_embeddings") is True and family not in ("t5", "mt5"):
            config.pop("tie_word_embeddings")
    if family == "modernbert" and r.random() < 0.3 and "rope_parameters" in config:
        every = config.get("global_attn_every_n_layers")
        plain = all(one.get("rope_type") == "default" for one in config["rope_parameters"].values())
        if plain:
            notes.append("oldrope")
            rope = config.pop("rope_parameters")
            config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
            config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
            if every and r.random() < 0.5:
                config.pop("layer_types", None)
    path.write_text(json.dumps(config))
    if tensors is not None and (notes or before != tensors):
        save_file({name: value.contiguous() for name, value in tensors.items()}, model, metadata={"format": "pt"})
    return notes
