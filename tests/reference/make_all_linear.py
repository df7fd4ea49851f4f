"""What PEFT's `all-linear` means in each family.

    python make_all_linear.py families/all_linear.json

Needs torch, transformers and peft; PEFT 0.21.2 made what is kept: of each model in `families/` the modules
that get LoRA, and the parameters (of experts and routers) that get it by way of `target_parameters`.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.layer import ParamWrapper
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.simplefilter("ignore")
torch.set_num_threads(1)

found = {}
for folder in sorted(Path(__file__).parent.glob("families/*/config.json")):
    family = folder.parent.name
    try:
        model = AutoModelForCausalLM.from_pretrained(folder.parent, dtype=torch.float32)
        peft = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    except Exception as problem:
        print(f"{family}: {type(problem).__name__}: {str(problem)[:200]}")
        continue
    modules, parameters = [], []
    for name, module in peft.named_modules():
        if isinstance(module, ParamWrapper):
            place = name.removeprefix("base_model.model.").replace(".base_layer", "")
            parameters.append(f"{place}.{module.parameter_name}")
        elif hasattr(module, "lora_A"):
            modules.append(name.removeprefix("base_model.model."))
    found[family] = {"modules": sorted(modules), "parameters": sorted(parameters)}
Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")
