"""A bundle of the tiny model with what TRL 1.16.0 left of it: writes tests/reference/bundle/.

    python tests/reference/make_bundle_results.py target/release/tuning-fork

Two processes on the CPU (gloo), DPO with LoRA, four steps. Kept are the files that taking results back
reads: no optimizer, no tokenizer, no scripts.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "reference" / "bundle"
RUN = """model = "sample_data/tiny_model"
objective = "dpo"
data = "pairs.jsonl"
per_device_train_batch_size = 4
max_steps = 4
learning_rate = 5e-3
max_length = 256
held_out_share = 0.25
eval_steps = 2
save_steps = 2
seed = 7
beta = 0.5
[lora]
r = 4
lora_alpha = 8
target_modules = ["q_proj", "v_proj"]
"""
KEPT = [
    "manifest.json", "run.toml", "config.yaml", "data/train.jsonl", "data/test.jsonl", "out/adapter_config.json",
    "out/adapter_model.safetensors", "out/metrics.jsonl", "out/trained.json", "out/trainer_state.json",
    "out/checkpoint-4/trainer_state.json",
]


def main():
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rows = (ROOT / "sample_data" / "pairs.jsonl").read_text().splitlines()[:8]
        (folder / "pairs.jsonl").write_text("\n".join(rows) + "\n")
        (folder / "RUN.toml").write_text(RUN)
        (folder / "sample_data").symlink_to(ROOT / "sample_data")
        bundle = folder / "bundle"
        command = [program, "bundle", "RUN.toml", "--out", "bundle", "--preset", "cpu"]
        subprocess.run([*command, "--base", "sample_data/tiny_model"], cwd=folder, check=True)
        (bundle / "sample_data").symlink_to(ROOT / "sample_data")
        environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        subprocess.run(["sh", "run.sh"], cwd=bundle, env=environment, check=True)
        shutil.rmtree(OUT, ignore_errors=True)
        for name in KEPT:
            (OUT / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / name, OUT / name)
        # Where it was made is nobody's business.
        text = (OUT / "run.toml").read_text().replace(str(folder) + "/", "").replace(str(ROOT) + "/", "")
        (OUT / "run.toml").write_text(text)


if __name__ == "__main__":
    main()
