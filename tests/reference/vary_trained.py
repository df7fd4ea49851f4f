"""Random runs of training of encoders, encoder-decoders and reward models, with transformers' Trainer, TRL's RewardTrainer and
PEFT, and ours beside them: the loss and the norm of the gradient of each step, and every final weight.

Usage: TUNING_FORK=BINARY python vary_trained.py OUT COUNT [+SEED] [classify|regress|mlm|sft|reward ...]

Needs torch, transformers 5, PEFT and TRL; OMP_NUM_THREADS=1. Rows are in their order and nothing is dropped, as dice are
not the same. A line for each run, as vary_encoders.py has it: OUT/OBJECTIVE_SEED stays where something is different.
"""

import copy
import json
import os
import random
import shutil
import sys
import traceback
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRL_EXPERIMENTAL_SILENCE="1")

import torch
import transformers as t
import datasets
from datasets import Dataset
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import load_file
from trl import RewardConfig, RewardTrainer
from vary_encoder_kinds import FAMILIES, enliven
from vary_encoder_texts import tokenizer_for
from vary_encoders import Different, Refused, Skipped, Worst, given_to, ours, probabilities

HERE = Path(__file__).parent
datasets.disable_progress_bars()
WORDS = "the paper says that science and people may find more open data than fair reports do in human models of bias and chance".split()
DROPOUTS = ["hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "seq_classif_dropout", "classifier_dropout", "classifier_dropout_prob", "pooler_dropout", "dropout_rate", "activation_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "embedding_dropout", "mlp_dropout", "residual_dropout", "hidden_dropout"]
TARGETS = {
    "bert": ["query", "key", "value", "dense"], "roberta": ["query", "key", "value", "dense"], "xlm-roberta": ["query", "key", "value", "dense"], "camembert": ["query", "value"],
    "distilbert": ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"], "mpnet": ["q", "k", "v", "o", "dense"], "albert": ["query", "key", "value", "ffn"], "electra": ["query", "value", "dense"],
    "modernbert": ["Wqkv", "Wo", "Wi"], "deberta-v2": ["query_proj", "key_proj", "value_proj", "dense"], "t5": ["q", "k", "v", "o", "wi_0", "wo"], "mt5": ["q", "k", "v", "o", "wo"], "bart": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
}  # fmt: skip
GROUPED = dict(hidden_size=32, num_attention_heads=4, intermediate_size=48, num_hidden_layers=2, num_key_value_heads=2, vocab_size=320)
DECODERS = {
    "llama": lambda: t.LlamaConfig(**GROUPED),
    "qwen2": lambda: t.Qwen2Config(**GROUPED),
    "qwen3": lambda: t.Qwen3Config(**GROUPED, head_dim=8),
    "mistral": lambda: t.MistralConfig(**GROUPED, sliding_window=8),
    "gemma2": lambda: t.Gemma2Config(**GROUPED, head_dim=8, query_pre_attn_scalar=8, sliding_window=8),
    "gpt2": lambda: t.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=128, vocab_size=320),
    "gpt_neox": lambda: t.GPTNeoXConfig(**{key: value for key, value in GROUPED.items() if key != "num_key_value_heads"}),
    "smollm3": lambda: t.SmolLM3Config(**GROUPED, pad_token_id=2),
    "stablelm": lambda: t.StableLmConfig(**GROUPED),
}
DECODER_TARGETS = {"gpt2": ["c_attn", "c_proj", "c_fc"], "gpt_neox": ["query_key_value", "dense"]}


def settings_of(r, objective):
    """Under the names that transformers and our run files share."""
    s = dict(per_device_train_batch_size=r.choice([1, 2, 3, 5]), gradient_accumulation_steps=r.choice([1, 1, 2, 3]), max_steps=r.choice([4, 5, 7]), learning_rate=r.choice([1e-3, 3e-3, 2e-4]), warmup_steps=r.choice([0, 0, 1, 2, 0.3]), weight_decay=r.choice([0.0, 0.01, 0.2]), adam_beta1=r.choice([0.9, 0.8]), adam_beta2=r.choice([0.999, 0.95]), adam_epsilon=r.choice([1e-8, 1e-6, 1e-4]), max_grad_norm=r.choice([0.0, 0.3, 1.0, 100.0]))
    kind, more = r.choice([("linear", {}), ("linear", {}), ("cosine", {}), ("constant", {}), ("constant_with_warmup", {}), ("polynomial", {"power": 2.0}), ("inverse_sqrt", {}), ("cosine_with_restarts", {"num_cycles": 2}), ("cosine_with_min_lr", {"min_lr_rate": 0.1})])
    s |= dict(lr_scheduler_type=kind, lr_scheduler_kwargs=more)
    if r.random() < 0.25:
        del s["max_steps"]
        s["num_train_epochs"] = r.choice([1.0, 2.0, 1.5])
    return s


def words(r, most):
    return " ".join(r.choice(WORDS) for _ in range(1 + r.randrange(most)))


def quiet(config):
    for key in DROPOUTS:
        if hasattr(config, key):
            setattr(config, key, 0.0)
    return config


def lora_of(r, targets, task):
    more = {}
    if r.random() < 0.2:
        more["use_rslora"] = True
    if r.random() < 0.15:
        more["bias"] = r.choice(["all", "lora_only"])
    if r.random() < 0.03:
        more["use_dora"] = True
    if r.random() < 0.2:
        more["layers_to_transform"] = [0]
    if r.random() < 0.15:
        more["rank_pattern"] = {targets[0]: 2}
    return LoraConfig(task_type=task, r=r.choice([1, 3, 4]), lora_alpha=r.choice([2, 5, 8]), target_modules=r.sample(targets, min(len(targets), r.choice([1, 2, 3]))), lora_dropout=0.0, **more)


class Recorded:
    """A trainer that takes rows in their order and says the loss of each step as it is."""

    def _get_train_sampler(self, *_):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def prepared(self):
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False
        self.losses, self.norms, self.largest, self.first = [], [], {}, {}
        self.add_callback(Watch(self))
        return self

    def training_step(self, model, inputs, num_items_in_batch=None):
        loss = super().training_step(model, inputs, None)
        self.losses.append((self.state.global_step, float(loss)))
        return loss


class Watch(t.TrainerCallback):
    def __init__(self, trainer):
        self.trainer = trainer

    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        model = self.trainer.accelerator.unwrap_model(model)
        for name, value in model.named_parameters():
            if value.grad is not None:
                seen = value.grad.abs()
                old = self.trainer.largest.get(name)
                self.trainer.largest[name] = seen.clone() if old is None else torch.minimum(old, seen)

    def on_log(self, args, state, control, logs=None, **_):
        if "grad_norm" in logs:
            self.trainer.norms.append(float(logs["grad_norm"]))


def recorded(kind):
    return type("Recorded" + kind.__name__, (Recorded, kind), {})


def arguments(kind, folder, s, **more):
    return kind(output_dir=str(folder / "theirs"), report_to="none", save_strategy="no", logging_steps=1, use_cpu=True, disable_tqdm=True, dataloader_num_workers=0, remove_unused_columns=False, optim="adamw_torch", seed=1, **s, **more)


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def run_ours(folder, model, objective, s, extra, lora):
    lines = dict(model=model, objective=objective, data=folder / "data.jsonl", shuffle=False, disable_dropout=False, save_steps=0, held_out_share=0.0, eval_steps=0, sample_steps=0) | s | extra
    lines = {key: value for key, value in lines.items() if value != {}}
    text = "".join(f"{key} = {toml(value)}\n" for key, value in lines.items())
    if lora is not None:
        shown = dict(r=lora.r, lora_alpha=float(lora.lora_alpha), lora_dropout=0.0, target_modules=sorted(lora.target_modules))
        for key in ("use_rslora", "use_dora", "layers_to_transform", "rank_pattern"):
            if getattr(lora, key):
                shown[key] = getattr(lora, key)
        if lora.bias != "none":
            shown["bias"] = lora.bias
        text += "[lora]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in shown.items())
    (folder / "run.toml").write_text(text)
    shutil.rmtree(folder / "run", ignore_errors=True)
    ours("train", folder / "run.toml", "--out", folder / "run", "--json")
    steps = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    return [step for step in steps if "learning_rate" in step]


def compare(folder, trainer, steps, is_adapter, worst):
    by_step = {}
    for step, loss in trainer.losses:
        by_step.setdefault(step, []).append(loss)
    losses = [sum(by_step[step]) for step in sorted(by_step)]
    worst.same("steps", len(steps), len(losses))
    for number, (found, loss) in enumerate(zip(steps, losses)):
        worst.see(f"loss step {number}", [found["loss"]], [loss])
    for number, (found, norm) in enumerate(zip(steps, trainer.norms)):
        off = abs(found["grad_norm"] - norm) / max(norm, 1e-6)
        worst.values["norm"] = max(worst.values.get("norm", 0.0), off)
        if off > 2e-3:
            worst.wrong.append(f"norm step {number}: {found['grad_norm']} theirs {norm}")
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    for number, (found, rate) in enumerate(zip(steps, rates)):
        worst.see(f"rate step {number}", [found["learning_rate"] * 1e3], [rate * 1e3])
    trainer.model.save_pretrained(folder / "final")
    file = "adapter_model.safetensors" if is_adapter else "model.safetensors"
    whole = folder / "run" / "model" / file
    theirs, found = load_file(folder / "final" / file), load_file(whole if whole.exists() else folder / "run" / file)
    # What stands in a file and is never used need not be kept.
    used = {name.replace(".default", "").replace("modules_to_save.", "") for name in trainer.largest}
    lacking = {name for name in set(theirs) - set(found) if is_adapter or name in used or not used}
    worst.same("tensors", sorted(lacking | set(found) - set(theirs)), [])
    smallest = {name.replace(".default", "").replace("modules_to_save.", ""): value for name, value in trainer.largest.items()}
    for name in sorted(set(found) & set(theirs)):
        one, other = found[name].float(), theirs[name].float()
        if one.shape != other.shape:
            worst.wrong.append(f"{name}: {list(one.shape)}, theirs {list(other.shape)}")
            continue
        # What has hardly a gradient is moved by rounding alone, which Adam turns into whole steps.
        gradient = smallest.get(name)
        if gradient is not None and gradient.shape == one.shape:
            one = torch.where(gradient < 2e-6, other, one)
        worst.see(f"weight {name}", one.numpy(), other.numpy())


def begun(folder, r, model, task, targets, rank=None):
    """An adapter that has been trained already: its matrices are not 0."""
    config = lora_of(r, targets, task)
    model = get_peft_model(model, config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    model.save_pretrained(folder / "adapter_init")
    return model, config


def base_of(folder, r, family, seed, **labels):
    torch.manual_seed(seed)
    for _ in range(9):
        settings, prefix = FAMILIES[family](r)
        if not settings.get("is_decoder") and not settings.get("conv_kernel_size") and "attention_head_size" not in settings:
            break
    config = quiet(getattr(t, prefix + "Config")(**settings))
    for key, value in labels.items():
        setattr(config, key, value)
    return config, prefix


def texts_run(folder, r, objective, seed):
    """classify and regress."""
    is_decoder = r.random() < 0.3
    count = 1 if objective == "regress" else r.choice([2, 3, 4])
    if objective == "regress" and r.random() < 0.2:
        count = 2
    kind = "regression" if objective == "regress" else r.choice(["single", "single", "multi", "soft"])
    method = r.choice(["full", "lora", "head"])
    if is_decoder:
        family = r.choice(list(DECODERS))
        torch.manual_seed(seed)
        config = quiet(DECODERS[family]())
        source = HERE / "encoders" / "cls_llama"
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(source / file, folder / file)
        tokenizer = t.AutoTokenizer.from_pretrained(folder)
        config.pad_token_id = tokenizer.pad_token_id
        config.num_labels = count
        kind_of = t.AutoModelForSequenceClassification
        model = kind_of.from_config(config)
        targets = DECODER_TARGETS.get(family, ["q_proj", "k_proj", "v_proj", "o_proj"])
        if method != "lora" and family in ():
            method = "lora"
    else:
        family = r.choice([name for name in TARGETS if name not in ("t5", "mt5", "bart")])
        config, prefix = base_of(folder, r, family, seed)
        config.num_labels = count
        kind_of = getattr(t, prefix + "ForSequenceClassification")
        model = kind_of(config)
        tokenizer = tokenizer_for(folder, r, family, config)
        targets = TARGETS[family]
    if r.random() < 0.5:
        names = r.sample(["good", "bad", "Straße", "a b"], count)
        model.config.id2label = dict(enumerate(names))
        model.config.label2id = {name: at for at, name in enumerate(names)}
    model.config.problem_type = {"single": "single_label_classification", "soft": "single_label_classification", "multi": "multi_label_classification", "regression": "regression"}[kind]
    enliven(model)
    model.to(r.choice([torch.float32] * 3 + [torch.bfloat16])).save_pretrained(folder)
    model = kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    s = settings_of(r, objective)
    longest = getattr(config, "max_position_embeddings", None) or 128
    if family in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        longest -= 2 if family == "mpnet" else config.pad_token_id + 1
    max_length = r.choice([8, 12, longest])
    max_length = min(max_length, longest, tokenizer.model_max_length)
    is_pairs = r.random() < 0.3 and not is_decoder
    rows = []
    for _ in range(r.choice([7, 11, 14])):
        row = {"text": words(r, 12)}
        if is_pairs:
            row["text_pair"] = words(r, 8)
        if kind == "single":
            row["label"] = r.randrange(count)
        elif kind == "multi":
            row["label"] = [float(r.randrange(2)) for _ in range(count)]
        elif kind == "soft":
            shares = [r.randrange(1, 5) for _ in range(count)]
            row["label"] = [share / sum(shares) for share in shares]
        else:
            row["label"] = r.randrange(200) / 100 - 1 if count == 1 else [r.randrange(200) / 100 - 1 for _ in range(count)]
        rows.append(row)
    # As people write them: names in place of numbers.
    by_name = kind == "single" and r.random() < 0.4
    shown = [row | {"label": model.config.id2label[row["label"]]} for row in rows] if by_name else rows
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in shown))
    extra = dict(method=method, max_length=max_length)
    weights = None
    if kind in ("single", "multi") and r.random() < 0.4:
        weights = torch.tensor([r.choice([0.5, 1.0, 2.0, 3.5]) for _ in range(count)])
        extra["class_weights"] = {model.config.id2label[at]: float(value) for at, value in enumerate(weights)}
    elif kind == "single" and r.random() < 0.3 and len({row["label"] for row in rows}) == count:
        seen = torch.bincount(torch.tensor([row["label"] for row in rows]), minlength=count)
        weights = len(rows) / (count * seen.float())
        extra["class_weights"] = "balanced"
    if kind == "soft":
        extra["problem_type"] = "single_label_classification"
        extra["soft_labels"] = True
    if kind == "multi":
        extra["problem_type"] = "multi_label_classification"
    lora = None
    if method == "lora":
        model, lora = begun(folder, r, model, TaskType.SEQ_CLS, targets)
        model = PeftModel.from_pretrained(kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager"), folder / "adapter_init", is_trainable=True)
        extra["adapter"] = folder / "adapter_init"
    elif method == "head":
        for name, value in model.named_parameters():
            value.requires_grad = any(part in name for part in ("classifier", "pooler", "score")) or name.startswith("head.")

    def collate(batch):
        given = tokenizer([row["text"] for row in batch], [row["text_pair"] for row in batch] if is_pairs else None, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
        label = torch.tensor([row["label"] for row in batch])
        return dict(given) | {"labels": label}

    def loss_of(outputs, labels, num_items_in_batch=None):
        scores = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
        if kind == "multi":
            return torch.nn.functional.binary_cross_entropy_with_logits(scores, labels, pos_weight=weights)
        return torch.nn.functional.cross_entropy(scores, labels, weight=weights)

    more = {"compute_loss_func": loss_of} if weights is not None or kind == "soft" else {}
    trainer = recorded(t.Trainer)(model=model, args=arguments(t.TrainingArguments, folder, s), train_dataset=Dataset.from_list(rows), data_collator=collate, **more).prepared()
    about = f"{type(model).__name__ if lora is None else 'PEFT ' + family} {kind} {count} {method} {weights is not None} {lora.to_dict() if False else ''}"
    trainer.train()
    steps = run_ours(folder, folder, objective, s, extra, lora)
    worst = Worst()
    compare(folder, trainer, steps, lora is not None, worst)
    compare_classified(folder, trainer.model.eval(), tokenizer, rows, lora, worst)
    return f"{about}: {worst.close()}"


def compare_classified(folder, model, tokenizer, rows, lora, worst):
    """What the run has saved, as `classify` reads it, and what transformers has in memory."""
    where = ["--model", folder, "--adapter", folder / "run"] if lora is not None else ["--model", folder / "run"]
    out, _ = ours("classify", *where, "--input", folder / "data.jsonl", "--json")
    inner = model.get_base_model() if lora is not None else model
    for row, line in zip(rows, map(json.loads, out.splitlines()), strict=True):
        given = given_to(tokenizer, inner, row["text"], row.get("text_pair"))
        with torch.no_grad():
            scores = model(**given).logits[0]
        found = line.get("probabilities", line["scores"])
        worst.same("tokens", line["tokens"], given["input_ids"].shape[1])
        worst.same("names", list(found), list(inner.config.id2label.values()))
        worst.see("probabilities", list(found.values()), probabilities(inner.config, scores).numpy())


def mlm_run(folder, r, objective, seed):
    family = r.choice([name for name in TARGETS if name not in ("t5", "mt5", "bart")])
    config, prefix = base_of(folder, r, family, seed)
    kind_of = getattr(t, prefix + "ForMaskedLM")
    if family == "deberta-v2":
        config.legacy = True
    model = kind_of(config)
    enliven(model)
    model.to(r.choice([torch.float32] * 3 + [torch.bfloat16])).save_pretrained(folder)
    model = kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    tokenizer = tokenizer_for(folder, r, family, config)
    s = settings_of(r, objective)
    method = r.choice(["full", "full", "lora"])
    rows = []
    for _ in range(r.choice([7, 11])):
        ids = tokenizer(words(r, 3))["input_ids"][: min(16, config.max_position_embeddings - 5, tokenizer.model_max_length)]
        labels = [id if r.random() < 0.3 or at == 1 else -100 for at, id in enumerate(ids)]
        rows.append({"input_ids": [tokenizer.mask_token_id if label >= 0 and r.random() < 0.8 else id for id, label in zip(ids, labels)], "labels": labels})
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lora, extra = None, dict(method=method, max_length=64)
    if method == "lora":
        model, lora = begun(folder, r, model, None, TARGETS[family])
        model = PeftModel.from_pretrained(kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager"), folder / "adapter_init", is_trainable=True)
        extra["adapter"] = folder / "adapter_init"

    def collate(batch):
        given = tokenizer.pad({"input_ids": [row["input_ids"] for row in batch]}, return_tensors="pt")
        width = given["input_ids"].shape[1]
        return dict(given) | {"labels": torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in batch])}

    trainer = recorded(t.Trainer)(model=model, args=arguments(t.TrainingArguments, folder, s), train_dataset=Dataset.from_list(rows), data_collator=collate).prepared()
    trainer.train()
    steps = run_ours(folder, folder, objective, s, extra, lora)
    worst = Worst()
    compare(folder, trainer, steps, lora is not None, worst)
    return f"{family} {method} tied {config.tie_word_embeddings}: {worst.close()}"


def sft_run(folder, r, objective, seed):
    family = r.choice(["t5", "t5", "mt5", "bart"])
    config, prefix = base_of(folder, r, family, seed)
    kind_of = getattr(t, prefix + "ForConditionalGeneration")
    model = kind_of(config)
    enliven(model)
    model.to(r.choice([torch.float32] * 3 + [torch.bfloat16])).save_pretrained(folder)
    model = kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    tokenizer = t.ByT5Tokenizer()
    tokenizer.save_pretrained(folder)
    s = settings_of(r, objective)
    method = r.choice(["full", "lora"])
    max_length = r.choice([10, 18, 64])
    limit = min(max_length, config.max_position_embeddings) if family == "bart" else max_length
    rows = [{"input": words(r, 5), "target": words(r, 3)} for _ in range(r.choice([7, 11]))]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    extra = dict(method=method, max_length=max_length, columns={"prompt": "input", "completion": "target"})
    lora = None
    if method == "lora":
        model, lora = begun(folder, r, model, TaskType.SEQ_2_SEQ_LM, [name for name in TARGETS[family] if any(key.endswith("." + name) for key, _ in model.named_modules())])
        model = PeftModel.from_pretrained(kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager"), folder / "adapter_init", is_trainable=True)
        extra["adapter"] = folder / "adapter_init"

    def collate(batch):
        given = tokenizer([row["input"] for row in batch], padding=True, truncation=True, max_length=limit, return_tensors="pt")
        target = tokenizer([row["target"] for row in batch], padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return dict(given) | {"labels": target["input_ids"].masked_fill(target["attention_mask"] == 0, -100)}

    trainer = recorded(t.Seq2SeqTrainer)(model=model, args=arguments(t.Seq2SeqTrainingArguments, folder, s), train_dataset=Dataset.from_list(rows), data_collator=collate).prepared()
    trainer.train()
    steps = run_ours(folder, folder, objective, s, extra, lora)
    worst = Worst()
    compare(folder, trainer, steps, lora is not None, worst)
    return f"{prefix} {method}: {worst.close()}"


def reward_run(folder, r, objective, seed):
    family = r.choice(list(DECODERS))
    torch.manual_seed(seed)
    config = quiet(DECODERS[family]())
    source = HERE / "encoders" / r.choice(["cls_llama", "cls_llama_reward"])
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (source / file).exists():
            shutil.copy(source / file, folder / file)
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    config.pad_token_id = tokenizer.pad_token_id
    config.num_labels = 1
    kind_of = t.AutoModelForSequenceClassification
    model = kind_of.from_config(config)
    enliven(model)
    method = r.choice(["full", "lora", "lora"])
    model.to(r.choice([torch.float32] * 3 + [torch.bfloat16])).save_pretrained(folder)
    model = kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    s = settings_of(r, objective)
    shape = r.choice(["plain", "chat", "implicit", "system"])
    has_margin = r.random() < 0.5
    rows = []
    for _ in range(r.choice([6, 9])):
        prompt, one, two = words(r, 4), " " + words(r, 5), " " + words(r, 5)
        if shape == "plain":
            row = dict(prompt=prompt, chosen=one, rejected=two)
        elif shape == "implicit":
            row = dict(chosen=[{"role": "user", "content": prompt}, {"role": "assistant", "content": one}], rejected=[{"role": "user", "content": prompt}, {"role": "assistant", "content": two}])
        else:
            asked = [{"role": "user", "content": prompt}]
            if shape == "system":
                asked = [{"role": "system", "content": "be fair"}] + asked
            row = dict(prompt=asked, chosen=[{"role": "assistant", "content": one}], rejected=[{"role": "assistant", "content": two}])
        if has_margin:
            row["margin"] = r.randrange(100) / 50
        rows.append(row)
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    extra = dict(method=method, max_length=r.choice([256, 256, 40]))
    center = r.choice([None, 0.05, 0.5])
    if center is not None:
        extra["center_rewards_coefficient"] = center
    lora = None
    if method == "lora":
        targets = DECODER_TARGETS.get(family, ["q_proj", "k_proj", "v_proj", "o_proj"])
        model, lora = begun(folder, r, model, TaskType.SEQ_CLS, targets)
        model = PeftModel.from_pretrained(kind_of.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager"), folder / "adapter_init", is_trainable=True)
        extra["adapter"] = folder / "adapter_init"
    args = arguments(RewardConfig, folder, s | dict(max_length=extra["max_length"], center_rewards_coefficient=center, gradient_checkpointing=False, bf16=False))
    args.remove_unused_columns = True
    trainer = recorded(RewardTrainer)(model=model, args=args, processing_class=tokenizer, train_dataset=Dataset.from_list(rows)).prepared()
    trainer.train()
    steps = run_ours(folder, folder, objective, s, extra, lora)
    worst = Worst()
    compare(folder, trainer, steps, lora is not None, worst)
    return f"{family} {shape} {method} margin {has_margin} center {center}: {worst.close()}"


RUNS = {"classify": texts_run, "regress": texts_run, "mlm": mlm_run, "sft": sft_run, "reward": reward_run}


def main():
    out, count, names = Path(sys.argv[1]).absolute(), int(sys.argv[2]), sys.argv[3:]
    first = int(names.pop(0)[1:]) if names and names[0].startswith("+") else 0
    tally = {}
    for objective, run in RUNS.items():
        if names and objective not in names:
            continue
        for number in range(count):
            seed = first + 1000 * (1 + list(RUNS).index(objective)) + number
            folder = out / f"{objective}_{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            t.set_seed(seed)
            kept = False
            try:
                verdict, said = "same", run(folder, random.Random(seed), objective, seed)
            except Refused as error:
                verdict, said, kept = "refused", str(error), True
            except Different as error:
                verdict, said, kept = "DIFFERENT", str(error), True
            except Skipped as error:
                verdict, said = "skipped", str(error)
            except Exception as error:  # transformers refuses such a run too
                at = traceback.extract_tb(error.__traceback__)[-1]
                verdict, said, kept = "UNKNOWN", f"{type(error).__name__} {str(error)[:300]} at {Path(at.filename).name}:{at.lineno}", True
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)
            tally[verdict] = tally.get(verdict, 0) + 1
            print(verdict, f"{objective}_{seed}", said, flush=True)
    print(tally)


if __name__ == "__main__":
    main()
