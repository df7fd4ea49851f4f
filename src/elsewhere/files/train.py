"""Trains as config.yaml says. Written by Tuning Fork; needs TRL and PEFT and nothing else of ours.

    accelerate launch --config_file accelerate.yaml train.py --config config.yaml

config.yaml has the settings under TRL's names, extras.json what TRL has no key for, and
manifest.json says what the run is made of. Results are in the output folder: the adapter or the
model, the checkpoints, metrics.jsonl (a line for each row of the log) and trained.json.
"""

import hashlib
import json
import os
import platform
import time
from pathlib import Path

from transformers import EarlyStoppingCallback, TrainerCallback
from trl import ModelConfig, ScriptArguments, TrlParser, get_peft_config, get_quantization_config

HERE = Path(__file__).resolve().parent


def trainer_of(objective):
    """The trainer of an objective and the class of its settings."""
    import trl

    if objective == "cpo":
        from trl.experimental.cpo import CPOConfig, CPOTrainer

        return CPOTrainer, CPOConfig
    if objective == "orpo":
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        return ORPOTrainer, ORPOConfig
    names = {"sft": "SFT", "dpo": "DPO", "kto": "KTO", "reward": "Reward", "grpo": "GRPO", "rloo": "RLOO"}
    return getattr(trl, names[objective] + "Trainer"), getattr(trl, names[objective] + "Config")


class Lines(TrainerCallback):
    """Appends each row of the log to metrics.jsonl, so that a run can be followed."""

    def __init__(self, max_kl):
        self.max_kl = max_kl
        self.started = time.time()
        self.last = (0, self.started)

    def write(self, args, row):
        folder = Path(args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def on_train_begin(self, args, state, control, **kwargs):
        self.last = (state.global_step, time.time())
        if state.is_world_process_zero:
            self.write(args, {"planned_steps": state.max_steps})

    def on_log(self, args, state, control, logs=None, **kwargs):
        logs = logs or {}
        if self.max_kl is not None and logs.get("kl", 0.0) > self.max_kl:
            control.should_training_stop = True
        if not state.is_world_process_zero:
            return
        row = {"step": state.global_step, "epoch": state.epoch}
        row.update({key: value for key, value in logs.items() if isinstance(value, (int, float))})
        step, since = self.last
        if state.global_step > step and "loss" in logs:
            row["step_secs"] = (time.time() - since) / (state.global_step - step)
            self.last = (state.global_step, time.time())
        self.write(args, row)

    def on_evaluate(self, args, state, control, **kwargs):
        self.last = (self.last[0], time.time())


def sha256_of(path):
    """The hash of a file. The Hub's cache names files by it."""
    name = Path(os.path.realpath(path)).name
    if len(name) == 64 and all(letter in "0123456789abcdef" for letter in name):
        return name
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 24):
            digest.update(piece)
    return digest.hexdigest()


def weights_files(folder):
    """The files that transformers loads: the one, or the shards that the index names. Not others beside them."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / name for name in sorted(set(names))]
    return sorted(folder.glob("*.safetensors"))


def weights_hash(name, revision):
    """The hash of a model's weights: of its file, or of its shards' hashes by name."""
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        wanted = ["*.safetensors", "model.safetensors.index.json"]
        # Mistral's repositories have the same weights twice.
        twice = ["consolidated*"]
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=twice))
    hashes = [sha256_of(path) for path in weights_files(folder)]
    if len(hashes) < 2:
        return hashes[0] if hashes else None
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def same_base(manifest, model_args):
    """Stops where the base model is not the one that the bundle was made for."""
    found = weights_hash(model_args.model_name_or_path, model_args.model_revision)
    expected = manifest["base"].get("sha256")
    if expected and found and expected != found:
        raise SystemExit(
            f"{model_args.model_name_or_path} has other weights than the model that this bundle was made "
            f"for: sha256 {found} here, {expected} expected. Name the right model in config.yaml"
        )
    return found


def trained_model(extras, model_args, init):
    """The model, where not a whole one or a new adapter learns. None: TRL loads it."""
    if extras.get("adapter") is None and not extras.get("biases_only"):
        return None
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_args.model_name_or_path, **init)
    if extras.get("adapter") is not None:
        from peft import PeftModel

        return PeftModel.from_pretrained(model, HERE / extras["adapter"], is_trainable=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.endswith("bias")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SystemExit("Nothing of this model would learn: the run trains its biases, and it has none.")
    return model


def main():
    extras = json.loads((HERE / "extras.json").read_text(encoding="utf-8"))
    manifest = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    objective = extras["objective"]
    trainer_class, config_class = trainer_of(objective)
    parser = TrlParser((ScriptArguments, config_class, ModelConfig))
    script, args, model_args = parser.parse_args_and_config(fail_with_unknown_args=True)
    is_first = int(os.environ.get("RANK", "0")) == 0
    base_sha256 = same_base(manifest, model_args) if is_first else None

    from datasets import load_dataset
    from transformers import AutoTokenizer

    files = {"train": str(HERE / "data" / "train.jsonl")}
    if (HERE / "data" / "test.jsonl").is_file():
        files["test"] = str(HERE / "data" / "test.jsonl")
    dataset = load_dataset("json", data_files=files)

    tokenizer = AutoTokenizer.from_pretrained(
        model_args.model_name_or_path, revision=model_args.model_revision, trust_remote_code=args.trust_remote_code
    )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if objective in ("grpo", "rloo"):
        tokenizer.padding_side = "left"

    init = {
        "revision": model_args.model_revision,
        "trust_remote_code": args.trust_remote_code,
        "attn_implementation": model_args.attn_implementation,
        "dtype": model_args.dtype,
    }
    model = trained_model(extras, model_args, init)
    if model is None:
        model = model_args.model_name_or_path
        if objective in ("cpo", "orpo"):
            init["device_map"] = None
        args.model_init_kwargs = {**init, **(args.model_init_kwargs or {})}
    else:
        args.model_init_kwargs = None

    peft_config = None if extras.get("adapter") is not None else get_peft_config(model_args)
    if peft_config is not None:
        for key, value in (extras.get("lora") or {}).items():
            setattr(peft_config, key, value)

    callbacks = [Lines(extras.get("max_kl"))]
    if extras.get("early_stopping") is not None:
        callbacks.append(EarlyStoppingCallback(**extras["early_stopping"]))
    # Also where no step is evaluated: the end is.
    evaluated = dataset["test"] if "test" in dataset else None
    more = {}
    if objective in ("grpo", "rloo"):
        from rewards import functions

        more["reward_funcs"] = functions(extras["rewards"])
    elif objective not in ("cpo", "orpo"):
        more["quantization_config"] = get_quantization_config(model_args)
    trainer = trainer_class(
        model=model,
        args=args,
        train_dataset=dataset["train"],
        eval_dataset=evaluated,
        processing_class=tokenizer,
        peft_config=peft_config,
        callbacks=callbacks,
        **more,
    )
    started = time.time()
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint)
    rows = [row for row in trainer.state.log_history if "eval_loss" in row]
    is_evaluated = args.load_best_model_at_end or (rows and rows[-1]["step"] == trainer.state.global_step)
    if evaluated is not None and not is_evaluated:
        trainer.evaluate()
    trainer.save_model(args.output_dir)
    trainer.save_state()
    if trainer.accelerator.is_main_process:
        write_record(trainer, args, base_sha256, time.time() - started)


def write_record(trainer, args, base_sha256, secs):
    """What was trained where, for the methods section."""
    import accelerate
    import peft
    import torch
    import transformers
    import trl

    has_gpu = torch.cuda.is_available()
    best = getattr(trainer.state, "best_global_step", None)
    record = {
        "base_sha256": base_sha256,
        "seconds": round(secs, 1),
        "steps": trainer.state.global_step,
        "weights_of_step": best if args.load_best_model_at_end and best else trainer.state.global_step,
        "processes": trainer.accelerator.num_processes,
        "per_device_eval_batch_size": args.per_device_eval_batch_size,
        "device": torch.cuda.get_device_name(0) if has_gpu else platform.processor() or platform.machine(),
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if has_gpu else None,
        "dtype": "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
            "peft": peft.__version__,
            "accelerate": accelerate.__version__,
        },
    }
    text = json.dumps(record, indent=2) + "\n"
    (Path(args.output_dir) / "trained.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
