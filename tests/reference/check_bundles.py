"""Bundles, read by TRL's, accelerate's, DeepSpeed's and the Hub's own parsers, and run.

    python tests/reference/check_bundles.py target/release/tuning-fork           # every preset and objective is parsed
    python tests/reference/check_bundles.py target/release/tuning-fork --run     # and each objective runs

Needs TRL 1.16.0 with accelerate 1.15.0, transformers 5.23.0, peft 0.21.2, PyYAML. With --run every
objective trains the tiny model of sample_data for a few steps in two processes on the CPU (gloo), and
its results are taken back: held-out numbers computed here agree with the log within 2e-3.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "sample_data" / "tiny_model"
PRESETS = ["cpu", "one-gpu", "several-gpus", "zero2", "zero3", "fsdp2", "machines", "llama2-13b"]
DPO_LOSSES = [
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot",
    "aot_unpaired", "apo_zero", "apo_down", "discopop", "sigmoid_norm", "sft",
]
REWARDS = """
[[rewards]]
rule = "length"
target = 20.0
[[rewards]]
rule = "regex"
pattern = "[aeiou]"
weight = 0.5
[[rewards]]
rule = "exact_match"
column = "answer"
contains = true
[[rewards]]
rule = "json"
"""
# name: (objective, keys of the run file before its tables, tables)
CASES = {
    "sft": ("sft", "", ""),
    "sft_packing": ("sft", "packing = true\n", ""),
    "sft_mix": ("sft", 'mix = [{ data = "more.jsonl", share = 0.2 }]\n', ""),
    "sft_full": ("sft", 'method = "full"\n', ""),
    "dpo": ("dpo", "", ""),
    "dpo_full": ("dpo", 'method = "full"\n', ""),
    "dpo_bias": ("dpo", 'method = "bias"\n', ""),
    "dpo_many": ("dpo", 'loss_type = ["sigmoid", "bco_pair", "sft"]\nloss_weights = [0.8, 0.2, 1.0]\n', ""),
    "dpo_js": ("dpo", 'f_divergence_type = "js_divergence"\n', ""),
    "dpo_ld_wpo": ("dpo", "ld_alpha = 0.5\nuse_weighting = true\n", ""),
    "dpo_dora": ("dpo", "", "use_dora = true\n"),
    "sft_pissa": ("sft", "", 'init_lora_weights = "pissa"\n'),
    "dpo_patterns": ("dpo", "", "layers_to_transform = [0]\nrank_pattern = { q_proj = 2 }\n"),
    "dpo_best": ("dpo", "load_best_model_at_end = true\nearly_stopping_patience = 3\n", ""),
    "kto": ("kto", "", ""),
    "orpo": ("orpo", "", ""),
    "cpo": ("cpo", "", ""),
    "cpo_simpo": ("cpo", 'loss_type = "simpo"\ncpo_alpha = 0.0\n', ""),
    "reward": ("reward", "center_rewards_coefficient = 0.01\n", ""),
    "grpo": ("grpo", "", ""),
    "rloo": ("rloo", "", ""),
}
for loss in DPO_LOSSES[1:]:
    smooth = "label_smoothing = 0.01\n" if loss in ("exo_pair", "robust") else ""
    CASES[f"dpo_{loss}"] = ("dpo", f'loss_type = ["{loss}"]\n{smooth}', "")


def run_file(folder, name):
    objective, keys, lora = CASES[name]
    policy = objective in ("grpo", "rloo")
    data = "prompts.jsonl" if policy else "pairs.jsonl"
    text = f'''model = "{MODEL}"
objective = "{objective}"
data = "{data}"
per_device_train_batch_size = 4
max_steps = 4
learning_rate = 1e-3
warmup_steps = 1
max_length = 512
held_out_share = 0.25
eval_steps = 2
save_steps = 2
seed = 7
{keys}'''
    if policy:
        text += "[policy]\nnum_generations = 4\nmax_completion_length = 16\n"
    text += f"[lora]\nr = 4\nlora_alpha = 8\ntarget_modules = [\"q_proj\", \"v_proj\"]\n{lora}"
    text += REWARDS if policy else ""
    rows = (ROOT / "sample_data" / "pairs.jsonl").read_text().splitlines()[:16]
    (folder / "pairs.jsonl").write_text("\n".join(rows) + "\n")
    more = (ROOT / "sample_data" / "pairs.jsonl").read_text().splitlines()[16:28]
    (folder / "more.jsonl").write_text("\n".join(more) + "\n")
    prompts = [{"prompt": json.loads(row)["prompt"], "answer": "Yes"} for row in rows]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    (folder / "RUN.toml").write_text(text)
    return folder / "RUN.toml"


def bundle(program, folder, name, *arguments):
    out = folder / "bundle"
    command = [program, "bundle", str(run_file(folder, name)), "--out", str(out), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{name} {arguments}: {done.stderr}")
    return out, json.loads(done.stdout)


def parse(out, objective):
    """TRL's parser, accelerate's, DeepSpeed's."""
    import yaml
    from accelerate.commands.config.config_args import load_config_from_file
    from trl import ModelConfig, ScriptArguments, TrlParser

    sys.path.insert(0, str(out))
    import importlib

    import train

    train = importlib.reload(train)
    sys.path.pop(0)
    _, config_class = train.trainer_of(objective)
    parser = TrlParser((ScriptArguments, config_class, ModelConfig))
    keys = yaml.safe_load((out / "config.yaml").read_text())
    # Whether there are GPUs is asked when the settings are made, and there is none here.
    sys.argv = ["train.py", "--config", str(out / "config.yaml")]
    if not keys["use_cpu"]:
        sys.argv += ["--use_cpu", "true", "--bf16", "false"]
    written = yaml.safe_load((out / "accelerate.yaml").read_text())
    if objective in ("grpo", "rloo"):
        # TRL counts the answers of all processes, and here there is one.
        for key in ("per_device_train_batch_size", "per_device_eval_batch_size"):
            sys.argv += [f"--{key}", str(keys[key] * written["num_processes"])]
    _, args, model = parser.parse_args_and_config(fail_with_unknown_args=True)
    for key, value in keys.items():
        found = getattr(args, key, getattr(model, key, value))
        found = getattr(found, "value", found)
        if key in ("use_cpu", "bf16", "report_to", "lora_target_modules", "output_dir") or key.startswith("per_device"):
            continue
        if isinstance(value, list) and isinstance(found, str):
            found = [found]
        if isinstance(found, tuple):
            found = list(found)
        # TRL makes the one from the other.
        if key == "steps_per_generation" and value is None:
            continue
        assert found == value, f"{key}: {value!r} was written, {found!r} is read"
    accelerate = load_config_from_file(str(out / "accelerate.yaml"))
    assert accelerate.num_processes == written["num_processes"]
    if (out / "deepspeed.json").is_file():
        from accelerate.utils.deepspeed import HfDeepSpeedConfig

        stage = HfDeepSpeedConfig(str(out / "deepspeed.json"))
        assert stage.is_zero3() == (stage.get_value("zero_optimization.stage") == 3)
    if written["distributed_type"] == "FSDP":
        from accelerate.commands.launch import launch_command_parser

        known = vars(launch_command_parser().parse_args(["train.py"]))
        for key in written["fsdp_config"]:
            assert key in known, f"{key} is no setting of FSDP"
    subprocess.run(["sh", "-n", out / "run.sh"], check=True)
    subprocess.run(["bash", "-n", out / "slurm.sbatch"], check=True)


def run(program, out, name, folder):
    """Two processes, and the results taken back."""
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(["sh", "run.sh"], cwd=out, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        return f"died: {done.stderr.strip().splitlines()[-1:]}"
    taken = [program, "import-run", str(out), "--out", str(folder / "run"), "--json"]
    back = subprocess.run(taken, capture_output=True, text=True)
    if back.returncode != 0:
        return f"not taken back: {back.stderr.strip()}"
    found = json.loads(back.stdout)
    compared = len(found["held_out"])
    return f"{found['steps_done']} steps, {compared} held-out numbers, largest difference {found['largest_difference']}"


def check_hub_header(program, folder):
    from huggingface_hub.cli._uv_script_header import parse_uv_script_header

    out, _ = bundle(program, folder, "dpo", "--for", "hf-jobs", "--preset", "one-gpu")
    header = parse_uv_script_header((out / "job.py").read_text())
    print("hf-jobs:", header)
    compile((out / "job.py").read_text(), "job.py", "exec")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program")
    arguments.add_argument("--run", action="store_true")
    arguments.add_argument("--only", nargs="*")
    given = arguments.parse_args()
    program = str(Path(given.program).resolve())
    parsed = 0
    names = [name for name in CASES if not given.only or name in given.only]
    for name in names:
        presets = PRESETS if name in ("sft", "dpo", "kto", "orpo", "cpo", "reward", "grpo", "rloo") else ["zero2"]
        for preset in presets:
            with tempfile.TemporaryDirectory() as folder:
                out, _ = bundle(program, Path(folder), name, "--preset", preset)
                parse(out, CASES[name][0])
                parsed += 1
    print(f"{parsed} bundles are read as they were written")
    with tempfile.TemporaryDirectory() as folder:
        check_hub_header(program, Path(folder))
    if given.run:
        # The tiny model has no biases that could learn.
        for name in (name for name in names if name != "dpo_bias"):
            with tempfile.TemporaryDirectory() as folder:
                out, _ = bundle(program, Path(folder), name, "--preset", "cpu")
                print(f"{name:<20}{run(program, out, name, Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
