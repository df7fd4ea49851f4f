"""Which settings TRL 1.16.0 knows: writes src/elsewhere/files/trl_keys.json.

    python tests/reference/make_bundle_keys.py
"""

import dataclasses
import json
from pathlib import Path

import trl
from trl.experimental.cpo import CPOConfig
from trl.experimental.orpo import ORPOConfig

OUT = Path(__file__).resolve().parents[2] / "src" / "elsewhere" / "files" / "trl_keys.json"
TRAINERS = {
    "sft": trl.SFTConfig,
    "dpo": trl.DPOConfig,
    "kto": trl.KTOConfig,
    "orpo": ORPOConfig,
    "cpo": CPOConfig,
    "reward": trl.RewardConfig,
    "grpo": trl.GRPOConfig,
    "rloo": trl.RLOOConfig,
}


def main():
    names = {key: {field.name for field in dataclasses.fields(kind)} for key, kind in TRAINERS.items()}
    every = set.intersection(*names.values())
    for kind in (trl.ModelConfig, trl.ScriptArguments):
        every |= {field.name for field in dataclasses.fields(kind)}
    known = {"trl": trl.__version__, "every": sorted(every)}
    known.update({key: sorted(own - every) for key, own in names.items()})
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in known.items()]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
