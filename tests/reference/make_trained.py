"""Training runs of tiny encoders, decoders and encoder-decoders of every family, in the form of tests/reference/encoders/train_*: what
transformers and PEFT compute, by a plain loop in torch. tests/encoders/trained.rs runs them all:

python tests/reference/make_trained.py FOLDER [RUN ...]
ENCODER_RUNS=FOLDER cargo test --test encoders trained
"""

import json
import re
import shutil
import sys
from pathlib import Path

import torch
import transformers as t
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import save_file

REFERENCE = Path(__file__).parent / "encoders"
OUT = Path(sys.argv[1])
SMALL = dict(hidden_size=32, num_attention_heads=4, intermediate_size=48, num_hidden_layers=2)
NONE = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
V3 = dict(relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False, max_relative_positions=-1, type_vocab_size=0, layer_norm_eps=1e-7)
WORDS = "the paper says that science and people may find more open data than fair reports do in human models of bias and chance".split()
BERT = "cls_bert_nli"


LLAMA = "cls_llama"
WIDE = SMALL | dict(vocab_size=320)
GROUPED = WIDE | dict(num_key_value_heads=2)
QUIET = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)


def tidy(folder):
    """Leaves out of an adapter what is PEFT's own text, and where the model lies on this machine."""
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = Path(config["base_model_name_or_path"]).name
    path.write_text(json.dumps(config, indent=2))


def decoder(name):
    """The same of decoders, which get a score head."""
    return {
        "llama": (t.LlamaConfig(**GROUPED), "Llama", ["q_proj", "v_proj"]),
        "mistral": (t.MistralConfig(**GROUPED, sliding_window=8), "Mistral", ["k_proj", "down_proj"]),
        "mixtral": (t.MixtralConfig(**GROUPED, num_local_experts=4), "Mixtral", ["q_proj", "v_proj"]),
        "qwen2": (t.Qwen2Config(**GROUPED), "Qwen2", ["q_proj", "o_proj"]),
        "qwen3": (t.Qwen3Config(**GROUPED, head_dim=8), "Qwen3", ["q_proj", "v_proj"]),
        "gemma2": (t.Gemma2Config(**GROUPED, head_dim=8, query_pre_attn_scalar=8, sliding_window=8), "Gemma2", ["q_proj", "v_proj"]),
        "gemma3": (t.Gemma3TextConfig(**GROUPED, head_dim=8, query_pre_attn_scalar=8, sliding_window=8), "Gemma3Text", ["q_proj", "up_proj"]),
        "gpt2": (t.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=320, **QUIET), "GPT2", ["c_attn"]),
        "gpt_neox": (t.GPTNeoXConfig(**WIDE, attention_dropout=0.0, hidden_dropout=0.0), "GPTNeoX", ["query_key_value"]),
        "opt": (t.OPTConfig(hidden_size=32, num_attention_heads=4, ffn_dim=48, num_hidden_layers=2, vocab_size=320, word_embed_proj_dim=32, dropout=0.0, max_position_embeddings=64), "OPT", ["q_proj", "v_proj"]),
        "phi3": (t.Phi3Config(**GROUPED, resid_pdrop=0.0, pad_token_id=2), "Phi3", ["qkv_proj"]),
        "olmo2": (t.Olmo2Config(**GROUPED), "Olmo2", ["q_proj", "v_proj"]),
        "stablelm": (t.StableLmConfig(**GROUPED), "StableLm", ["q_proj", "v_proj"]),
        "starcoder2": (t.Starcoder2Config(**GROUPED, residual_dropout=0.0, embedding_dropout=0.0), "Starcoder2", ["q_proj", "v_proj"]),
        "smollm3": (t.SmolLM3Config(**GROUPED, pad_token_id=2), "SmolLM3", ["q_proj", "v_proj"]),
    }.get(name)


T5 = dict(d_model=32, d_kv=8, d_ff=48, num_heads=4, num_layers=2, num_decoder_layers=3, dropout_rate=0.0)
BART = dict(d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=40, dropout=0.0, vocab_size=400, max_position_embeddings=64, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)
ENDS = dict(pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)


def pair(name):
    """The same of encoder-decoders."""
    return {
        "t5": (t.T5Config(**T5, **ENDS, vocab_size=300), "T5", "s2s_t5", ["q", "v"]),
        "flan": (t.T5Config(**T5, **ENDS, vocab_size=300, feed_forward_proj="gated-gelu", tie_word_embeddings=False), "T5", "s2s_flan", ["k", "wi_0", "wo"]),
        "mt5": (t.MT5Config(**T5, **ENDS, vocab_size=300), "MT5", "s2s_flan", ["q", "v"]),
        "byt5": (t.T5Config(**T5, **ENDS, vocab_size=384, feed_forward_proj="gated-gelu", tie_word_embeddings=False), "T5", None, ["q", "v", "o"]),
        "bart": (t.BartConfig(**BART, scale_embedding=True), "Bart", "cls_roberta_multilabel", ["q_proj", "v_proj"]),
    }.get(name)


def family(name):
    """Configuration, the family's class, whose tokenizer, the layers that LoRA changes."""
    return {
        "bert": (t.BertConfig(**SMALL, **NONE, vocab_size=300), "Bert", BERT, ["query", "value"]),
        "bert-deep": (t.BertConfig(**SMALL | dict(num_hidden_layers=4, hidden_act="relu"), **NONE, vocab_size=300), "Bert", BERT, ["key", "dense"]),
        "distilbert": (t.DistilBertConfig(dim=24, n_heads=3, n_layers=2, hidden_dim=40, dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0, vocab_size=300), "DistilBert", BERT, ["q_lin", "lin1"]),
        "roberta": (t.RobertaConfig(**SMALL, **NONE, layer_norm_eps=1e-5, vocab_size=400, type_vocab_size=1), "Roberta", "cls_roberta_multilabel", ["query", "dense"]),
        "xlm-roberta": (t.XLMRobertaConfig(**SMALL, **NONE, layer_norm_eps=1e-5, vocab_size=400, type_vocab_size=1), "XLMRoberta", "cls_roberta_multilabel", ["query", "value"]),
        "mpnet": (t.MPNetConfig(**SMALL, **NONE, layer_norm_eps=1e-5, vocab_size=400), "MPNet", "cls_mpnet_regression", ["q", "o"]),
        "albert": (t.AlbertConfig(**SMALL, **NONE, classifier_dropout_prob=0.0, embedding_size=16, vocab_size=300), "Albert", BERT, ["query", "ffn"]),
        "albert-groups": (t.AlbertConfig(**SMALL | dict(num_hidden_layers=4), **NONE, classifier_dropout_prob=0.0, embedding_size=32, num_hidden_groups=2, inner_group_num=2, vocab_size=300), "Albert", BERT, ["value"]),
        "electra": (t.ElectraConfig(**SMALL, **NONE, embedding_size=16, vocab_size=300), "Electra", BERT, ["query", "value"]),
        "modernbert": (t.ModernBertConfig(**SMALL | dict(num_hidden_layers=4), local_attention=6, vocab_size=400, pad_token_id=0), "ModernBert", "mlm_modernbert", ["Wqkv", "Wo"]),
        "modernbert-mean": (t.ModernBertConfig(**SMALL, local_attention=6, norm_bias=True, mlp_bias=True, attention_bias=True, classifier_bias=True, classifier_pooling="mean", vocab_size=400, pad_token_id=0), "ModernBert", "mlm_modernbert", ["Wi"]),
        "deberta": (t.DebertaV2Config(**SMALL, **NONE, **V3, pooler_dropout=0.0, legacy=False, vocab_size=300), "DebertaV2", BERT, ["query_proj", "value_proj"]),
        "deberta-own": (t.DebertaV2Config(**SMALL, **NONE, **V3 | dict(share_att_key=False, position_buckets=-1, norm_rel_ebd="none", type_vocab_size=2, position_biased_input=True), pooler_dropout=0.0, legacy=False, vocab_size=300), "DebertaV2", BERT, ["pos_key_proj", "key_proj"]),
    }[name]


def runs():
    names = ["bert", "bert-deep", "distilbert", "roberta", "xlm-roberta", "mpnet", "albert", "albert-groups", "electra", "modernbert", "modernbert-mean", "deberta", "deberta-own"]
    for name in names:
        yield f"train_{name}_full", name, "cls", True, 3
        yield f"train_{name}_lora", name, "cls", False, 2
    for name in ["roberta", "albert", "electra", "modernbert", "deberta", "mpnet", "distilbert"]:
        yield f"train_{name}_mlm", name, "mlm", True, 0
    for name in ["llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "gpt_neox", "opt", "phi3", "olmo2", "stablelm", "starcoder2", "smollm3"]:
        yield f"train_{name}_lora", name, "cls", False, 3
        if name != "mixtral":  # experts stand still here
            yield f"train_{name}_full", name, "cls", True, 2
    for name in ["t5", "flan", "mt5", "byt5", "bart"]:
        yield f"train_{name}_lora", name, "seq2seq", False, 0
        yield f"train_{name}_full", name, "seq2seq", True, 0
    yield "train_qwen3_head", "qwen3", "cls", True, 3
    yield "train_llama_many", "llama", "many", False, 4
    yield "train_llama_number", "llama", "number", True, 1
    yield "train_gemma3_number", "gemma3", "number", False, 1
    yield "train_roberta_many", "roberta", "many", True, 4
    yield "train_mpnet_number", "mpnet", "number", False, 1


def decays(name, model):
    """Trainer.get_decay_parameter_names"""
    module = model.get_submodule(name.rsplit(".", 1)[0])
    forbidden = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    return not isinstance(module, torch.nn.LayerNorm) and not any(re.search(pattern, name.lower()) for pattern in forbidden)


def make(run_name, name, kind, full, labels):
    torch.manual_seed(sum(map(ord, run_name)))
    decoding = decoder(name)
    if kind == "seq2seq":
        config, prefix, tokenizer_of, targets = pair(name)
    elif decoding:
        config, prefix, targets = decoding
        tokenizer_of = LLAMA
    else:
        config, prefix, tokenizer_of, targets = family(name)
    head = "ForMaskedLM" if kind == "mlm" else "ForConditionalGeneration" if kind == "seq2seq" else "ForSequenceClassification"
    if labels:
        config.num_labels = labels
    if kind == "many":
        config.problem_type = "multi_label_classification"
    tokenizer = t.AutoTokenizer.from_pretrained(REFERENCE / tokenizer_of) if tokenizer_of else t.ByT5Tokenizer()
    config.pad_token_id = tokenizer.pad_token_id
    model = getattr(t, prefix + head)(config)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.15)
    base = OUT / f"model_{run_name}"
    if decoding and not full:
        # LoRA begins with a model that writes; the head is new, and lies in adapter_init.
        writer = t.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for value in writer.parameters():
                value.add_(torch.randn_like(value) * 0.15)
        writer.save_pretrained(base)
    else:
        model.save_pretrained(base)
    if not tokenizer_of:
        (base / "tokenizer_config.json").write_text(json.dumps(dict(tokenizer_class="ByT5Tokenizer", extra_ids=125)))
    for file in [] if not tokenizer_of else ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]:
        if (REFERENCE / tokenizer_of / file).exists():
            shutil.copy(REFERENCE / tokenizer_of / file, base / file)
    model = type(model).from_pretrained(base, dtype=torch.float32, attn_implementation="eager", **(dict(num_labels=labels) if labels else {}))
    folder = OUT / run_name
    folder.mkdir(parents=True, exist_ok=True)
    run = dict(model=base.name, kind=kind if kind in ["mlm", "seq2seq"] else "number" if kind == "number" else "cls", batch=4, accum=2 if name == "bert" else 1, steps=6, lr=0.002, sched="linear", warmup=1, wd=0.05, clip=0.7, max_length=256 if name == "byt5" else 64, full=full, method="head" if run_name.endswith("_head") else "full" if full else "lora")
    generator = torch.Generator().manual_seed(3)
    draw = lambda n: int(torch.randint(n, (1,), generator=generator))
    rows = []
    for _ in range(14):
        row = {"text": " ".join(WORDS[draw(len(WORDS))] for _ in range(2 + draw(14)))}
        if kind == "mlm":
            ids = tokenizer(row["text"])["input_ids"]
            hidden = [ids[at] if 0 < at < len(ids) - 1 and draw(3) == 0 or at == 1 else -100 for at in range(len(ids))]
            shown = [tokenizer.mask_token_id if label >= 0 else id for id, label in zip(ids, hidden)]
            row |= {"input_ids": shown, "labels": hidden}
        elif kind == "seq2seq":
            row = {"input": row["text"], "target": " ".join(WORDS[draw(len(WORDS))] for _ in range(1 + draw(6)))}
        elif kind == "many":
            row["label"] = [float(draw(2)) for _ in range(labels)]
        elif kind == "number":
            row["label"] = draw(100) / 50 - 1
        else:
            row["label"] = draw(labels)
        rows.append(row)
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.json").write_text(json.dumps(run))
    if not full:
        task = TaskType.SEQ_2_SEQ_LM if kind == "seq2seq" else TaskType.SEQ_CLS
        peft = LoraConfig(task_type=task, r=3, lora_alpha=5, target_modules=targets, lora_dropout=0.0)
        model = get_peft_model(model, peft)
        with torch.no_grad():
            for key, value in model.named_parameters():
                if "lora_B" in key:
                    value.normal_(std=0.1)
        model.save_pretrained(folder / "adapter_init")
        tidy(folder / "adapter_init")
    if run["method"] == "head":
        for key, value in model.named_parameters():
            value.requires_grad = key == "score.weight"
    model.train()
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    groups = [
        dict(params=[value for key, value in trained.items() if decays(key, model)], weight_decay=run["wd"]),
        dict(params=[value for key, value in trained.items() if not decays(key, model)], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=run["lr"])
    log, at = [], 0
    batches = [rows[first : first + run["batch"]] for first in range(0, len(rows), run["batch"])]
    for step in range(run["steps"]):
        rate = run["lr"] * (step / run["warmup"] if step < run["warmup"] else (run["steps"] - step) / (run["steps"] - run["warmup"]))
        for group in groups:
            group["lr"] = rate
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = rate
        optimizer.zero_grad()
        total = 0.0
        # The last step of an epoch may have fewer batches.
        chunk = batches[at : at + run["accum"]]
        at = (at + len(chunk)) % len(batches)
        for batch in chunk:
            if kind == "mlm":
                given = tokenizer.pad({"input_ids": [row["input_ids"] for row in batch]}, return_tensors="pt")
                width = given["input_ids"].shape[1]
                target = torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in batch])
            elif kind == "seq2seq":
                given = tokenizer([row["input"] for row in batch], padding=True, return_tensors="pt")
                target = tokenizer(text_target=[row["target"] for row in batch], padding=True, return_tensors="pt")
                target = target["input_ids"].masked_fill(target["attention_mask"] == 0, -100)
            else:
                given = tokenizer([row["text"] for row in batch], padding=True, return_tensors="pt")
                target = torch.tensor([row["label"] for row in batch])
            given = {key: value for key, value in given.items() if key in ["input_ids", "attention_mask"]}
            loss = model(**given, labels=target).loss / len(chunk)
            loss.backward()
            total += loss.item()
        if step == 0:
            plain = lambda key: key.replace(".default", "").replace(".modules_to_save", "")
            save_file({plain(key): value.grad.clone() for key, value in trained.items()}, folder / "grads.safetensors")
        norm = torch.nn.utils.clip_grad_norm_(list(trained.values()), run["clip"]).item()
        optimizer.step()
        log.append(dict(step=step + 1, loss=total, grad_norm=norm, learning_rate=rate))
    (folder / "log.json").write_text(json.dumps(log))
    model.save_pretrained(folder / "final" if full else folder / "adapter_final")
    if not full:
        tidy(folder / "adapter_final")
    if full:
        shutil.move(folder / "final" / "model.safetensors", folder / "final.safetensors")
        shutil.rmtree(folder / "final")


only = sys.argv[2:]
for arguments in runs():
    if only and arguments[0] not in only:
        continue
    try:
        make(*arguments)
        print("made", arguments[0], flush=True)
    except Exception as error:
        print("BAD", arguments[0], repr(error)[:500], flush=True)
