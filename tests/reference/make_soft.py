"""Soft prompts as PEFT saves them, and what PEFT computes with them.

Usage: python make_soft.py [NAME...]     (without names: all of CASES; writes `soft/NAME/`)

Needs torch, transformers 5 and PEFT. Each folder has `adapter/` (PEFT's two files) and expected.safetensors:
`ids` (1, 12), `logits` of the last three of them, `greedy`: what the model then says token by token through
PEFT's own `generate`, and `attention` of layer 1 before the text's own 12 tokens, where a case asks for it.
`tests/engine/soft_prompts.rs` holds ours against them.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from peft import PeftModel, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent

CASES = {
    "prompt_gpt2": dict(model="models/gpt2", config=PromptTuningConfig(num_virtual_tokens=4)),
    "prompt_gemma3": dict(model="models/gemma3", config=PromptTuningConfig(num_virtual_tokens=3)),
    "prompt_neox": dict(model="families/gpt_neox", config=PromptTuningConfig(num_virtual_tokens=2)),
    "ptuning_llama": dict(model="models/llama", config=PromptEncoderConfig(num_virtual_tokens=5, encoder_hidden_size=16)),
    "prefix_gpt2": dict(model="models/gpt2", config=PrefixTuningConfig(num_virtual_tokens=5)),
    "prefix_qwen3": dict(model="models/qwen3", config=PrefixTuningConfig(num_virtual_tokens=3), attention=True),
    "prefix_gemma2": dict(model="models/gemma2", config=PrefixTuningConfig(num_virtual_tokens=7)),
    "prefix_mistral": dict(model="models/mistral", config=PrefixTuningConfig(num_virtual_tokens=6)),
    "projected_llama": dict(
        model="models/llama", config=PrefixTuningConfig(num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=8)
    ),
    "prompt_llama": dict(model="models/llama", config=PromptTuningConfig(num_virtual_tokens=3), attention=True),
}  # fmt: skip


def fresh(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def make(name, case):
    folder = HERE / "soft" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    base = HERE / case["model"]
    torch.manual_seed(len(name))
    config = case["config"]
    config.task_type = "CAUSAL_LM"
    made = get_peft_model(fresh(base), config)
    made.save_pretrained(folder / "adapter")
    (folder / "adapter/README.md").unlink(missing_ok=True)
    path = folder / "adapter/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": base.name}, indent=2) + "\n")
    model = PeftModel.from_pretrained(fresh(base), folder / "adapter").eval()
    ids = torch.randint(3, model.config.get_text_config().vocab_size, (1, 12))
    mask = torch.ones_like(ids)
    tokens = config.num_virtual_tokens
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask, output_attentions=bool(case.get("attention")))
        said = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=6, do_sample=False, eos_token_id=-1)
    expected = {"ids": ids, "logits": found.logits[0, -3:].contiguous(), "greedy": said[0, 12:].contiguous()}
    if case.get("attention"):
        # Without the virtual tokens, which are before the text.
        expected["attention"] = found.attentions[1][0, :, -12:, tokens:].contiguous()
    save_file(expected, folder / "expected.safetensors")
    for file in folder.rglob("*.*"):
        file.chmod(0o644)
    print(name, said[0, 12:].tolist(), flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])
