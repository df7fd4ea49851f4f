"""Training runs of tiny encoders of every family, in the form of tests/reference/encoders/train_*: what
transformers and PEFT compute, by a plain loop in torch. tests/encoders/trained.rs runs them all:

python tests/reference/make_trained.py FOLDER
ENCODER_RUNS=FOLDER cargo test --test encoders trained
"""

import json
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
    yield "train_roberta_many", "roberta", "many", True, 4
    yield "train_mpnet_number", "mpnet", "number", False, 1


def decays(name, model):
    norms = (torch.nn.LayerNorm,)
    module = model.get_submodule(name.rsplit(".", 1)[0])
    return not isinstance(module, norms) and "bias" not in name


def make(run_name, name, kind, full, labels):
    torch.manual_seed(sum(map(ord, run_name)))
    config, prefix, tokenizer_of, targets = family(name)
    head = "ForMaskedLM" if kind == "mlm" else "ForSequenceClassification"
    if labels:
        config.num_labels = labels
    if kind == "many":
        config.problem_type = "multi_label_classification"
    tokenizer = t.AutoTokenizer.from_pretrained(REFERENCE / tokenizer_of)
    config.pad_token_id = tokenizer.pad_token_id
    model = getattr(t, prefix + head)(config)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.15)
    base = OUT / f"model_{run_name}"
    model.save_pretrained(base)
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]:
        if (REFERENCE / tokenizer_of / file).exists():
            shutil.copy(REFERENCE / tokenizer_of / file, base / file)
    model = type(model).from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    folder = OUT / run_name
    folder.mkdir(parents=True, exist_ok=True)
    run = dict(model=base.name, kind="mlm" if kind == "mlm" else "number" if kind == "number" else "cls", batch=4, accum=2 if name == "bert" else 1, steps=6, lr=0.002, sched="linear", warmup=1, wd=0.05, clip=0.7, max_length=64, full=full)
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
        peft = LoraConfig(task_type=TaskType.SEQ_CLS, r=3, lora_alpha=5, target_modules=targets, lora_dropout=0.0)
        model = get_peft_model(model, peft)
        with torch.no_grad():
            for key, value in model.named_parameters():
                if "lora_B" in key:
                    value.normal_(std=0.1)
        model.save_pretrained(folder / "adapter_init")
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
    if full:
        shutil.move(folder / "final" / "model.safetensors", folder / "final.safetensors")
        shutil.rmtree(folder / "final")


for arguments in runs():
    try:
        make(*arguments)
        print("made", arguments[0], flush=True)
    except Exception as error:
        print("BAD", arguments[0], repr(error)[:500], flush=True)
