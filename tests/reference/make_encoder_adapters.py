"""Adapters of PEFT over the encoders, classifiers and encoder-decoders that lie here, and what PEFT computes with them.

    python make_encoder_adapters.py

Writes encoder_adapters/NAME (adapter_config.json, adapter_model.safetensors), and encoder_adapters/expected.json: for
each the model, the ids, and the logits, of which those over a vocabulary are cut to a few. Seeds are fixed.
"""

import json
import shutil
from pathlib import Path

import peft
import torch
import transformers as t
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
OUT = HERE / "encoder_adapters"
KINDS = {"cls": t.AutoModelForSequenceClassification, "mlm": t.AutoModelForMaskedLM, "s2s": t.AutoModelForSeq2SeqLM, "bod": t.AutoModel}
TASKS = {"cls": "SEQ_CLS", "mlm": None, "s2s": "SEQ_2_SEQ_LM", "bod": "FEATURE_EXTRACTION"}
IDS, WRITTEN, KEPT = [5, 17, 40, 22, 9, 31], [0, 7, 12], 6

LORA, IA3, LOHA, LOKR, VERA = peft.LoraConfig, peft.IA3Config, peft.LoHaConfig, peft.LoKrConfig, peft.VeraConfig
CASES = {
    "dora_bert": ("cls_bert_nli", LORA, dict(r=2, target_modules=["query", "dense"], use_dora=True, rank_pattern={"query": 3})),
    "bias_all_roberta": ("cls_roberta_multilabel", LORA, dict(r=2, target_modules=["value"], bias="all")),
    "lora_bias_distilbert": ("cls_distilbert", LORA, dict(r=2, target_modules=["q_lin", "lin1"], lora_bias=True, bias="lora_only")),
    "tokens_mpnet": ("cls_mpnet_regression", LORA, dict(r=1, target_modules=["q"], trainable_token_indices=[5, 9, 40])),
    "table_bert": ("cls_bert_nli", LORA, dict(r=2, target_modules=["word_embeddings", "value"])),
    "olora_mpnet": ("cls_mpnet_regression", LORA, dict(r=2, target_modules=["v", "o"], init_lora_weights="olora")),
    "ia3_distilbert": ("cls_distilbert", IA3, dict(target_modules=["k_lin", "lin2"], feedforward_modules=["lin2"])),
    "lokr_roberta": ("cls_roberta_multilabel", LOKR, dict(r=2, target_modules=["key", "query"])),
    "fused_modernbert": ("mlm_modernbert", LORA, dict(r=2, target_modules=["Wqkv", "Wi"], use_rslora=True)),
    "body_bert": ("body of mlm_bert", LORA, dict(r=2, target_modules="all-linear", use_dora=True)),
    "pissa_dora_t5": ("s2s_t5", LORA, dict(r=2, target_modules=["q", "wo"], use_dora=True, init_lora_weights="pissa")),
    "ia3_flan": ("s2s_flan", IA3, dict(target_modules=["v", "wi_1"], feedforward_modules=["wi_1"])),
    "loha_t5": ("s2s_t5", LOHA, dict(r=2, target_modules=["v"])),
    "vera_flan": ("s2s_flan", VERA, dict(r=3, target_modules=["q"], d_initial=0.2)),
    "head_t5": ("s2s_t5", LORA, dict(r=1, target_modules=["k"], modules_to_save=["lm_head"])),
}


def base(name):
    short = name.removeprefix("body of ")
    kind = KINDS[name[:3]]
    return kind.from_pretrained(HERE / "encoders" / short, dtype=torch.float32, attn_implementation="eager").eval()


def compute(model, name):
    given = dict(input_ids=torch.tensor([IDS]))
    if name.startswith("s2s"):
        given["decoder_input_ids"] = torch.tensor([WRITTEN])
    with torch.no_grad():
        out = model(**given)
    if name.startswith("body"):
        return out.last_hidden_state[0, :, :KEPT]
    return out.logits[0] if name.startswith("cls") else out.logits[0, :, :KEPT]


expected = {}
shutil.rmtree(OUT, ignore_errors=True)
for seed, (case, (name, kind, settings)) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    model = peft.get_peft_model(base(name), kind(**settings, task_type=TASKS[name[:3]]))
    with torch.no_grad():
        for path, value in model.named_parameters():
            if value.requires_grad:
                size = 0.3 if "lora" not in path else 0.02 if settings.get("init_lora_weights") else 0.15
                noise = torch.randn(value.shape)
                value.add_(0.2 * noise * value if "magnitude" in path else size * noise)
    model.save_pretrained(OUT / case)
    (OUT / case / "README.md").unlink(missing_ok=True)
    path = OUT / case / "adapter_model.safetensors"
    save_file({key: value.contiguous() for key, value in load_file(path).items()}, path)
    told = OUT / case / "adapter_config.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"base_model_name_or_path": None}, indent=1, sort_keys=True))
    found = compute(peft.PeftModel.from_pretrained(base(name), OUT / case).eval(), name)
    off = (found - compute(base(name), name)).abs().max()
    assert off > 0.02, (case, off)
    rounded = [[round(x, 5) for x in row] for row in found.reshape(-1, found.shape[-1]).tolist()]
    expected[case] = {"model": name.removeprefix("body of "), "ids": IDS, "written": WRITTEN, "is_body": name.startswith("body"), "values": rounded}
    print(case, f"changes {off:.3f}, {path.stat().st_size} bytes")
(OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
