"""Tiny models of random weights of every family of encoders and encoder-decoders, in several shapes,
for check_encoders.py: what transformers computes on them."""

import json
import tempfile
from pathlib import Path

import numpy
import torch
import transformers as t

torch.manual_seed(5)

SMALL = dict(hidden_size=32, num_attention_heads=4, intermediate_size=48, num_hidden_layers=2)
FOUR = dict(vocab_size=90, max_position_embeddings=80)


def kinds():
    """name: (configuration, class, changes)"""
    mlm, cls = "ForMaskedLM", "ForSequenceClassification"
    all_ = {}

    def add(name, config, model, **how):
        all_[name] = (config, model, how)

    add("bert-relu-deep", t.BertConfig(**SMALL | dict(num_hidden_layers=4, hidden_act="relu"), **FOUR), t.BertForMaskedLM)
    add("bert-tanh-gelu-f16", t.BertConfig(**SMALL, hidden_act="gelu_new", **FOUR), t.BertForMaskedLM, dtype=torch.float16)
    add("bert-untied", t.BertConfig(**SMALL, tie_word_embeddings=False, **FOUR), t.BertForMaskedLM)
    add("bert-body", t.BertConfig(**SMALL, **FOUR), t.BertModel)
    add("bert-old-names", t.BertConfig(**SMALL, **FOUR), t.BertForMaskedLM, old_names=True)
    add("bert-cls-many", t.BertConfig(**SMALL, num_labels=5, problem_type="multi_label_classification", **FOUR), t.BertForSequenceClassification)
    add("distilbert", t.DistilBertConfig(dim=24, n_heads=3, n_layers=3, hidden_dim=40, **FOUR), t.DistilBertForMaskedLM)
    add("distilbert-sinus", t.DistilBertConfig(dim=24, n_heads=3, n_layers=1, hidden_dim=40, sinusoidal_pos_embds=True, **FOUR), t.DistilBertForSequenceClassification)
    add("roberta", t.RobertaConfig(**SMALL, layer_norm_eps=1e-5, type_vocab_size=1, **FOUR), t.RobertaForMaskedLM)
    add("roberta-cls", t.RobertaConfig(**SMALL, layer_norm_eps=1e-5, type_vocab_size=1, num_labels=1, **FOUR), t.RobertaForSequenceClassification, dtype=torch.bfloat16)
    add("roberta-pad0", t.RobertaConfig(**SMALL, layer_norm_eps=1e-5, pad_token_id=0, **FOUR), t.RobertaForMaskedLM)
    add("xlm-roberta", t.XLMRobertaConfig(**SMALL, layer_norm_eps=1e-5, type_vocab_size=1, **FOUR), t.XLMRobertaForMaskedLM)
    add("xlm-roberta-cls", t.XLMRobertaConfig(**SMALL, layer_norm_eps=1e-5, type_vocab_size=1, num_labels=3, **FOUR), t.XLMRobertaForSequenceClassification)
    long = dict(vocab_size=90, max_position_embeddings=330)
    add("mpnet-long", t.MPNetConfig(**SMALL, layer_norm_eps=1e-5, **long), t.MPNetForMaskedLM, length=300)
    add("mpnet-cls", t.MPNetConfig(**SMALL, relative_attention_num_buckets=40, num_labels=2, **FOUR), t.MPNetForSequenceClassification)
    add("albert", t.AlbertConfig(**SMALL, embedding_size=16, **FOUR), t.AlbertForMaskedLM)
    add("albert-groups", t.AlbertConfig(**SMALL | dict(num_hidden_layers=4), embedding_size=32, num_hidden_groups=2, inner_group_num=2, **FOUR), t.AlbertForMaskedLM)
    add("albert-cls", t.AlbertConfig(**SMALL, embedding_size=16, num_labels=3, **FOUR), t.AlbertForSequenceClassification, dtype=torch.bfloat16)
    add("electra", t.ElectraConfig(**SMALL, embedding_size=16, **FOUR), t.ElectraForMaskedLM)
    add("electra-same", t.ElectraConfig(**SMALL, embedding_size=32, **FOUR), t.ElectraForMaskedLM)
    add("electra-cls", t.ElectraConfig(**SMALL, embedding_size=16, num_labels=4, **FOUR), t.ElectraForSequenceClassification)
    modern = dict(vocab_size=90, max_position_embeddings=320, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    add("modernbert", t.ModernBertConfig(**SMALL | dict(num_hidden_layers=4), local_attention=10, **modern), t.ModernBertForMaskedLM, length=200)
    add("modernbert-biases", t.ModernBertConfig(**SMALL, local_attention=6, norm_bias=True, mlp_bias=True, attention_bias=True, classifier_bias=True, **modern), t.ModernBertForMaskedLM)
    add("modernbert-cls-mean", t.ModernBertConfig(**SMALL, classifier_pooling="mean", num_labels=3, **modern), t.ModernBertForSequenceClassification)
    v3 = dict(relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False, max_relative_positions=-1, type_vocab_size=0, layer_norm_eps=1e-7)
    add("deberta-v3", t.DebertaV2Config(**SMALL, **v3, legacy=False, **FOUR), t.DebertaV2ForMaskedLM)
    add("deberta-v3-long", t.DebertaV2Config(**SMALL, **v3 | dict(position_buckets=32), legacy=False, **long), t.DebertaV2ForMaskedLM, length=300)
    add("deberta-legacy", t.DebertaV2Config(**SMALL, **v3, **FOUR), t.DebertaV2ForMaskedLM)
    add("deberta-own-keys", t.DebertaV2Config(**SMALL, **v3 | dict(share_att_key=False, position_buckets=-1, norm_rel_ebd="none", type_vocab_size=2, position_biased_input=True), **FOUR), t.DebertaV2ForMaskedLM)
    add("deberta-c2p", t.DebertaV2Config(**SMALL, **v3 | dict(pos_att_type="c2p"), **FOUR), t.DebertaV2ForMaskedLM)
    add("deberta-plain", t.DebertaV2Config(**SMALL, **FOUR), t.DebertaV2ForMaskedLM)
    add("deberta-cls", t.DebertaV2Config(**SMALL, **v3, num_labels=3, **FOUR), t.DebertaV2ForSequenceClassification, dtype=torch.float16)
    t5 = dict(vocab_size=90, d_model=24, d_ff=40, num_heads=3, d_kv=6, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
    add("t5", t.T5Config(**t5, num_layers=3, num_decoder_layers=2), t.T5ForConditionalGeneration, length=200)
    add("t5-buckets", t.T5Config(**t5, num_layers=1, relative_attention_num_buckets=12, relative_attention_max_distance=20, feed_forward_proj="gated-silu"), t.T5ForConditionalGeneration)
    add("flan", t.T5Config(**t5, num_layers=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False), t.T5ForConditionalGeneration)
    add("flan-old-config", t.T5Config(**t5, num_layers=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False), t.T5ForConditionalGeneration, old_t5=True, dtype=torch.bfloat16)
    add("mt5", t.MT5Config(**t5, num_layers=2, feed_forward_proj="gated-gelu"), t.MT5ForConditionalGeneration)
    bart = dict(vocab_size=90, d_model=24, encoder_ffn_dim=40, decoder_ffn_dim=32, encoder_attention_heads=4, decoder_attention_heads=3, encoder_layers=2, decoder_layers=3, max_position_embeddings=80)
    add("bart", t.BartConfig(**bart), t.BartForConditionalGeneration)
    add("bart-scaled", t.BartConfig(**bart, scale_embedding=True, activation_function="relu"), t.BartForConditionalGeneration, bias=True)
    return all_


def build(name, folder):
    config, kind, how = kinds()[name]
    model = kind(config).eval()
    with torch.no_grad():
        for key, value in list(model.named_parameters()) + list(model.named_buffers()):
            if not value.dtype.is_floating_point or "inv_freq" in key:
                continue
            value.add_(torch.randn_like(value) * (0.3 if value.dim() > 1 else 0.2))
            if key.endswith("final_logits_bias") and not how.get("bias"):
                value.zero_()
    if "dtype" in how:
        model = model.to(how["dtype"])
    model.save_pretrained(folder)
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    if how.get("old_names"):
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        renamed = {key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value for key, value in tensors.items()}
        save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    if how.get("old_t5"):
        config = json.loads((folder / "config.json").read_text())
        for key in ["scale_decoder_outputs", "dense_act_fn", "is_gated_act"]:
            config.pop(key, None)
        config["tie_word_embeddings"] = False
        (folder / "config.json").write_text(json.dumps(config))
    return model, how


def rows_of(model, length):
    config = model.config
    random = numpy.random.default_rng(3)
    pad = config.pad_token_id or 0
    ids = random.integers(5, 90, size=(3, length))
    mask = numpy.ones_like(ids)
    for row, left in [(1, length - 4), (2, 2)]:
        ids[row, left:] = pad
        mask[row, left:] = 0
    return torch.tensor(ids), torch.tensor(mask)


@torch.no_grad()
def compare_made(names, logits, run, Worst):
    if not names or "generated" in names:
        compare_generated(run, Worst)
    for name in [name for name in names if name != "generated"] or kinds():
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            try:
                compare_one(name, folder, logits, Worst)
            except Exception as error:  # the next family may be right
                print("BAD", name, repr(error)[:600], flush=True)


def compare_one(name, folder, logits, Worst):
    model, how = build(name, folder)
    ids, mask = rows_of(model, how.get("length", 12))
    rows = [{"ids": row.tolist(), "attention_mask": seen.tolist()} for row, seen in zip(ids, mask)]
    given = dict(input_ids=ids, attention_mask=mask, output_hidden_states=True, output_attentions=True)
    types = getattr(model.config, "type_vocab_size", 0)
    if types and types > 1 and name.startswith(("bert", "albert", "electra", "deberta")):
        given["token_type_ids"] = torch.tensor(numpy.random.default_rng(1).integers(0, 2, size=ids.shape))
        for row, kinds_ in zip(rows, given["token_type_ids"]):
            row["token_type_ids"] = kinds_.tolist()
    is_pair = model.config.is_encoder_decoder
    if is_pair:
        decoder = torch.tensor(numpy.random.default_rng(2).integers(3, 90, size=(3, 9)))
        decoder[:, 0] = model.config.decoder_start_token_id
        given["decoder_input_ids"] = decoder
        for row, written in zip(rows, decoder):
            row["decoder_ids"] = written.tolist()
    out = model(**given)
    found = logits(folder, rows, *(["--cross-attention"] if is_pair else []))
    worst = Worst()
    seen = mask.numpy().astype(bool)

    def hidden(what, key, layers, cut):
        for layer, states in enumerate(layers):
            for row in range(3):
                ours, theirs = found[f"{key}.{layer}.{row}"], states[row].numpy()
                worst.see(what, ours[seen[row]] if cut else ours, theirs[seen[row]] if cut else theirs)
        assert f"{key}.{len(layers)}.0" not in found, "more layers than transformers has"

    if is_pair:
        hidden("encoder", "encoder.hidden", out.encoder_hidden_states, True)
        hidden("decoder", "decoder.hidden", out.decoder_hidden_states, False)
        for row in range(3):
            worst.see("logits", found[f"logits.{row}"], out.logits[row].numpy())
            worst.see("cross", found[f"cross_attention.{row}"], out.cross_attentions[-1][row].numpy())
    else:
        hidden("hidden", "hidden", out.hidden_states, True)
        for row in range(3):
            if hasattr(out, "logits"):
                ours, theirs = found[f"logits.{row}"], out.logits[row].numpy()
                of_words = ours.ndim == 2
                worst.see("logits", ours[seen[row]] if of_words else ours, theirs[seen[row]] if of_words else theirs)
    worst.show(name)


TEXTS = ["translate: a small house", "Zürich, naïve <extra_id_1> café", "x"]


def byt5():
    config = dict(vocab_size=384, d_model=24, d_ff=40, num_heads=3, d_kv=6, num_layers=2, decoder_start_token_id=0)
    return t.T5Config(**config, feed_forward_proj="gated-gelu", tie_word_embeddings=False), t.T5ForConditionalGeneration


def bart():
    sizes = dict(vocab_size=384, d_model=24, encoder_ffn_dim=40, decoder_ffn_dim=32, encoder_attention_heads=4, decoder_attention_heads=3, encoder_layers=2, decoder_layers=2, max_position_embeddings=120)
    return t.BartConfig(**sizes, pad_token_id=0, bos_token_id=3, eos_token_id=1, decoder_start_token_id=1, forced_eos_token_id=1), t.BartForConditionalGeneration


SEARCHES = [
    {},
    {"length_penalty": 2.0},
    {"length_penalty": -1.0},
    {"length_penalty": 0.0},
    {"early_stopping": True},
    {"early_stopping": "never"},
    {"no_repeat_ngram_size": 2},
    {"repetition_penalty": 1.4},
    {"num_beams": 2},
]


@torch.no_grad()
def compare_generated(run, Worst):
    for name, made in [("byt5", byt5), ("bart", bart)]:
        config, kind = made()
        for seed in range(3):
            with tempfile.TemporaryDirectory() as folder:
                torch.manual_seed(seed)
                model = kind(config).eval()
                for key, value in model.named_parameters():
                    value.add_(torch.randn_like(value) * (0.4 if value.dim() > 1 else 0.2))
                if name == "bart":
                    model.generation_config.forced_bos_token_id = 70 + seed if seed else None
                    model.generation_config.forced_eos_token_id = 1
                model.save_pretrained(folder)
                tokenizer = t.ByT5Tokenizer()
                tokenizer.save_pretrained(folder)
                model = kind.from_pretrained(folder, attn_implementation="eager").eval()
                worst = Worst()
                for text in TEXTS:
                    generated(model, tokenizer, folder, text, run, worst)
                worst.show(f"{name} {seed} generated")


def generated(model, tokenizer, folder, text, run, worst):
    def ask(*more):
        given = ["--model", folder, "--prompt", text, "--max-new-tokens", 14, "--json"]
        return json.loads(run("generate", *given, *more))

    given = tokenizer(text, return_tensors="pt")
    common = dict(max_new_tokens=14, do_sample=False)
    end = tokenizer.eos_token_id

    def cut(ids):
        ids = [int(i) for i in ids[1:]]
        return ids[: ids.index(end)] if end in ids else ids

    answer = ask("--greedy")
    worst.same("ids", answer["prompt_ids"], given["input_ids"][0].tolist())
    worst.same("greedy", answer["ids"], cut(model.generate(**given, **common)[0]))
    for search in SEARCHES:
        how = {"num_beams": 4} | search
        out = model.generate(**given, **common, **how, num_return_sequences=how["num_beams"], return_dict_in_generate=True, output_scores=True)
        flags = []
        for key, value in how.items():
            flags += ["--" + key.replace("_", "-"), str(value).lower()]
        answer = ask(*flags)
        for beam, ids, score in zip(answer["beams"], out.sequences, out.sequences_scores):
            ours = [i for i in beam["ids"] if i != end]
            worst.same(f"beams {search}", ours, [i for i in cut(ids) if i != 0 or i in ours])
            worst.see("scores", [beam["score"]], [float(score)])
