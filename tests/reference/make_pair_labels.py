"""Writes tests/reference/seq2seq/labels.json and the folders t5_lora and bart_lora beside it: what Evaluate computes with an encoder-decoder.

python tests/reference/make_pair_labels.py    # torch 2, transformers 5, peft; writes the same bytes each time

For the T5 models of tests/reference/encoders and the tiny BART of make_seq2seq_views.py: the log-probability of every token of given labels from the full
logits of one pass a label (decoder input: the start, what the tokenizer puts before a text, the label but for its last token), and what `generate` writes
greedily and with four beams. Two adapters of random numbers as PEFT saves them (SEQ_2_SEQ_LM; one with rsLoRA and patterns), each with the logits that PEFT
computes with it and the labels' log-probabilities again.
"""

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

HERE = Path(__file__).parent
OUT = HERE / "seq2seq"
CASES = {
    "s2s_t5": ("encoders/s2s_t5", ["the report reads well", "people agree on the labels", "a sample of the reader"], ["report", "the reader", "the report", "labels, people", "and"]),
    "s2s_flan": ("encoders/s2s_flan", ["the reader reads", "reproduce the labels of people"], ["people", "people agree", "A", "B"]),
    "bart": ("seq2seq/bart", ["open data for people", "the model reads a fair report"], ["fair report", "fair model", "bias", "the model writes"]),
}
ADAPTERS = {
    "t5_lora": ("s2s_t5", dict(r=3, lora_alpha=7, target_modules=["q", "v", "wo"])),
    "bart_lora": ("bart", dict(r=2, lora_alpha=5, target_modules=["q_proj", "v_proj", "fc1"], use_rslora=True, rank_pattern={"fc1": 4}, alpha_pattern={"fc1": 3})),
}
LENGTH = 10


def load(name):
    folder = HERE / CASES[name][0]
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return model, AutoTokenizer.from_pretrained(folder)


def opening(model, tokenizer):
    plain, whole = tokenizer("a", add_special_tokens=False).input_ids, tokenizer("a").input_ids
    at = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
    return [model.generation_config.decoder_start_token_id] + whole[:at]


@torch.no_grad()
def told(model, tokenizer, texts, labels):
    begin = opening(model, tokenizer)
    rows = []
    for text in texts:
        ids = torch.tensor([tokenizer(text).input_ids])
        found = []
        for label in labels:
            own = tokenizer(label, add_special_tokens=False).input_ids
            decoder = torch.tensor([begin + own[:-1]])
            logprobs = model(input_ids=ids, decoder_input_ids=decoder).logits[0].log_softmax(-1)
            at = len(begin) - 1
            found.append(dict(ids=own, logprobs=[logprobs[at + place, token].item() for place, token in enumerate(own)]))
        said = {}
        for way, beams in dict(greedy=1, beams=4).items():
            written = model.generate(input_ids=ids, max_new_tokens=LENGTH, do_sample=False, num_beams=beams, repetition_penalty=1.0, no_repeat_ngram_size=0, length_penalty=1.0)
            said[way] = tokenizer.decode(written[0], skip_special_tokens=True).strip()
        rows.append(dict(text=text, ids=ids[0].tolist(), labels=found, **said))
    return dict(opening=begin, labels=labels, rows=rows)


def adapter(name):
    case, settings = ADAPTERS[name]
    model, tokenizer = load(case)
    torch.manual_seed(11)
    adapted = get_peft_model(model, LoraConfig(task_type="SEQ_2_SEQ_LM", lora_dropout=0.0, **settings)).eval()
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if "lora_" in key:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    adapted.peft_config["default"].base_model_name_or_path = case
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    # As a person would load it.
    model, _ = load(case)
    again = PeftModel.from_pretrained(model, folder).eval()
    _, texts, labels = CASES[case]
    found = told(again, tokenizer, texts, labels)
    tensors = {}
    with torch.no_grad():
        for row, one in enumerate(found["rows"]):
            decoder = torch.tensor([found["opening"] + one["labels"][0]["ids"]])
            tensors[f"decoder_ids.{row}"] = decoder[0].to(torch.int64)
            tensors[f"logits.{row}"] = again(input_ids=torch.tensor([one["ids"]]), decoder_input_ids=decoder).logits[0].contiguous()
    save_file(tensors, folder / "expected.safetensors")
    return dict(base=case, **found)


def main():
    torch.set_num_threads(1)
    cases = {}
    for name, (_, texts, labels) in CASES.items():
        model, tokenizer = load(name)
        cases[name] = told(model, tokenizer, texts, labels)
    adapters = {name: adapter(name) for name in ADAPTERS}
    (OUT / "labels.json").write_text(json.dumps(dict(length=LENGTH, cases=cases, adapters=adapters), indent=1) + "\n")


main()
