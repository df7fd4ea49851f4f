"""The numbers in tests/encoders/changed.rs: what transformers 5.23 computes of folders that lie here, with a setting or a
tensor changed as that test changes it.

    python make_changed.py
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
import transformers as t
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent


def changed(name, settings, tensors=lambda all: all):
    folder = Path(tempfile.mkdtemp())
    for file in (HERE / name).iterdir():
        if file.is_file():
            shutil.copy(file, folder / file.name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    all = tensors(load_file(folder / "model.safetensors"))
    save_file({key: value.contiguous() for key, value in all.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def show(what, kind, folder, **given):
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(**{key: torch.tensor([ids]) for key, ids in given.items()}).logits.flatten()
    print(what, [round(value, 6) for value in logits[:4].tolist()])


IDS = [5, 17, 40, 22, 1]
row = json.loads((HERE / "encoders/cls_bert_nli/expected.json").read_text())["rows"][0]
assert row["pair"] is not None and max(row["token_type_ids"]) == 1
show("bert", t.BertForSequenceClassification, changed("encoders/cls_bert_nli", {}), input_ids=row["input_ids"])
deberta = changed("encoders/trained/model_train_deberta_lora", {"pos_att_type": []})
show("deberta", t.DebertaV2ForSequenceClassification, deberta, input_ids=IDS)
written = dict(input_ids=IDS, decoder_input_ids=[0, 7])
show("t5", t.T5ForConditionalGeneration, changed("encoders/s2s_t5", {"dense_act_fn": "gelu_new"}), **written)


def halved(all):
    return all | {"model.encoder.embed_tokens.weight": all["model.shared.weight"] * 0.5}


short = dict(input_ids=[3, 9, 11, 2], decoder_input_ids=[2, 7])
show("bart", t.BartForConditionalGeneration, changed("seq2seq/bart", {}, halved), **short)


# Of a reward model all whose weights learn: TRL 1.16, three steps on rows that tests/engine/rewards.rs has as well.
from datasets import Dataset
from trl import RewardConfig, RewardTrainer

ROWS = [
    {"prompt": "we fail:", "chosen": " with data", "rejected": " do so careful!"},
    {"prompt": "code:", "chosen": " reader data people", "rejected": " on!"},
    {"prompt": "the paper", "chosen": " may find more", "rejected": " than fair"},
    {"prompt": "human", "chosen": " models of bias", "rejected": " and chance in it"},
]


class InOrder(RewardTrainer):
    def _get_train_sampler(self, *_):
        return torch.utils.data.SequentialSampler(self.train_dataset)


folder = HERE / "encoders/cls_llama_reward"
model = t.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
settings = dict(per_device_train_batch_size=2, max_steps=3, learning_rate=1e-2, lr_scheduler_type="constant", max_grad_norm=1.0, max_length=64)
arguments = RewardConfig(output_dir=tempfile.mkdtemp(), report_to="none", save_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True, logging_steps=1, **settings)
trainer = InOrder(model=model, args=arguments, processing_class=t.AutoTokenizer.from_pretrained(folder), train_dataset=Dataset.from_list(ROWS))
trainer.train()
print("reward", [round(float(value), 6) for value in model.score.weight.flatten()[:4]], [round(float(value), 6) for value in model.model.norm.weight[:2]])
