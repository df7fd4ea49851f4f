"""Random variations of every family of encoders, encoder-decoders and classifiers: tiny models in other shapes,
with other options, heads, spellings and kinds of numbers, compared at once with what transformers and
sentence-transformers compute of each.

Usage: TUNING_FORK=BINARY python vary_encoders.py OUT COUNT [+SEED] [FAMILY...]    (without names: every family)

Needs torch, transformers 5 and, for `embed`, sentence-transformers. A line for each case: `same`, `refused` with
the words, or `DIFFERENT` with what is, whose folder OUT/FAMILY_SEED stays. Nothing of it is committed: a difference
that is found becomes a test beside the code. Runs of training: vary_trained.py.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import numpy
import torch
import transformers as t
from safetensors.torch import load_file, save_file
from transformers.utils import logging
from vary_encoder_kinds import FAMILIES, HEADS, PAIRS, enliven, spelled
from vary_encoder_texts import SENTENCES, byte_tokenizer, tokenizer_for

logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.filterwarnings("ignore")
torch.set_num_threads(1)

BINARY = os.environ.get("TUNING_FORK", "tuning-fork")
TOLERANCE = 2e-4


class Refused(Exception):
    """The program said why it does not do it."""


class Different(Exception):
    """Other numbers, or an end that is no answer."""


class Skipped(Exception):
    """transformers itself does not compute it."""


def ours(*arguments):
    try:
        done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise Different(f"{arguments[0]} hangs") from None
    if done.returncode == 1 and "panicked" not in done.stderr:
        raise Refused(done.stderr.strip().replace("\n", " ")[-300:])
    if done.returncode:
        raise Different(f"{arguments[0]} ended with {done.returncode}: {done.stderr[-600:]}")
    return done.stdout, done.stderr


def tensors_of(folder, rows, *more):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = folder / "ours.safetensors"
    _, said = ours("logits", "--model", folder, "--input", folder / "rows.jsonl", "--output", out, *more)
    found = {name: value.numpy() for name, value in load_file(out).items()}
    out.unlink()
    return found, said


class Worst:
    def __init__(self):
        self.values, self.wrong = {}, []

    def see(self, what, one, other):
        one, other = numpy.asarray(one, dtype=numpy.float64), numpy.asarray(other, dtype=numpy.float64)
        if one.shape != other.shape:
            self.wrong.append(f"{what}: shape {one.shape}, theirs {other.shape}")
            return
        if not other.size:
            return
        # Where values are large, by the largest: wild weights make large numbers.
        off = float(numpy.abs(one - other).max() / max(1.0, numpy.abs(other).max()))
        if not off <= TOLERANCE:
            self.wrong.append(f"{what}: off by {off:.2e}")
        self.values[what.split(" ")[0]] = max(self.values.get(what.split(" ")[0], 0.0), off)

    def same(self, what, one, other):
        self.values.setdefault(what.split(" ")[0], 0.0)
        if one != other:
            self.wrong.append(f"{what}: {one}, theirs {other}")

    def close(self):
        if self.wrong:
            raise Different("; ".join(self.wrong[:4])[:1500])
        return " ".join(f"{what}={off:.0e}" for what, off in self.values.items())


def rows_for(r, config, longest, kinds):
    """Rows of ids as `logits` reads them: whole, padded on either side, with holes, as long as may be, of one token."""
    vocabulary, padding = config.vocab_size, config.pad_token_id
    padding = 0 if padding is None else padding
    rows = []
    lengths = [r.randint(3, 14), r.randint(4, 14), r.randint(5, 14), 1]
    if r.random() < 0.4:
        lengths.append(min(longest, 70))
    for number, length in enumerate(lengths):
        length = min(length, longest)
        ids = [r.randrange(vocabulary) for _ in range(length)]
        mask = [1] * length
        if number == 1 and length > 3:
            for at in range(r.randint(1, length - 2)):
                place = -1 - at if r.random() < 0.7 else at
                ids[place], mask[place] = padding, 0
            if not any(mask) or hasattr(config, "pos_att_type"):
                mask[0] = 1  # what DeBERTa makes of a first token that is padding is nobody's
        if number == 2 and r.random() < 0.5:
            mask[r.randrange(1, length)] = 0
        row = {"ids": ids, "attention_mask": mask}
        if kinds > 1 and r.random() < 0.8:
            row["token_type_ids"] = [r.randrange(kinds) for _ in ids]
        rows.append(row)
    return rows


EAGER = dict(experts_implementation="eager")


def reloaded(kind, folder, **more):
    model, info = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **more)
    missing = [key for key in info["missing_keys"] if "pooler" not in key]
    return model.eval(), sorted(missing), sorted(info["missing_keys"])


def make(folder, r, family, seed):
    """A folder of a model, in some spelling. The model as transformers reads it, its head, what it lacks."""
    torch.manual_seed(seed)
    settings, prefix = FAMILIES[family](r)
    heads = HEADS[family]
    head = r.choices(list(heads), weights=[heads[name] for name in heads])[0]
    config = getattr(t, prefix + "Config")(**settings)
    if head.startswith("ForSequenceClassification"):
        labels = r.choice([1, 1, 2, 2, 3, 5])
        config.num_labels = labels
        if r.random() < 0.5:
            kinds = ["multi_label_classification", "regression", *["single_label_classification"] * (labels > 1)]
            config.problem_type = r.choice(kinds)
        if r.random() < 0.4:
            config.id2label = {at: r.choice(["good", "bad", "Straße", "a b"]) + str(at) for at in range(labels)}
            config.label2id = {name: at for at, name in config.id2label.items()}
    kind = getattr(t, prefix + head)
    model = kind(config).eval()
    enliven(model)
    dtype = r.choice([torch.float32, torch.float32, torch.float16, torch.bfloat16])
    sharded = {"max_shard_size": "20KB"} if r.random() < 0.15 else {}
    model.to(dtype).save_pretrained(folder, **sharded)
    notes = spelled(folder, r, family, prefix)
    model, missing, all_missing = reloaded(kind, folder)
    return model, head, missing, f"{prefix}{head} {str(dtype)[6:]} {' '.join(notes)}", all_missing


def compare_encoder(folder, r, family, seed):
    model, head, missing, about, all_missing = make(folder, r, family, seed)
    config = model.config
    tokenizer = tokenizer_for(folder, r, family, config)
    longest = config.max_position_embeddings - (config.pad_token_id + 1 if family in ("roberta", "xlm-roberta", "camembert") else 2 if family == "mpnet" else 0)
    has_kinds = getattr(config, "type_vocab_size", 0) or 0
    rows = rows_for(r, config, longest, has_kinds if family != "modernbert" else 0)
    found, said = tensors_of(folder, rows)
    worst = Worst()
    word_head = head in ("ForMaskedLM", "ForPreTraining") and family != "electra" or head == "ForMaskedLM"
    for number, row in enumerate(rows):
        given = {"input_ids": torch.tensor([row["ids"]]), "attention_mask": torch.tensor([row["attention_mask"]])}
        if "token_type_ids" in row:
            given["token_type_ids"] = torch.tensor([row["token_type_ids"]])
        seen = numpy.array(row["attention_mask"], dtype=bool)
        with torch.no_grad():
            body = model.base_model(**given, output_hidden_states=True)
            out = None if head == "Model" or head == "ForMultipleChoice" else model(**given)
        for layer, states in enumerate(body.hidden_states):
            worst.see(f"hidden {layer} row {number}", found[f"hidden.{layer}.{number}"][seen], states[0].numpy()[seen])
        worst.same("layers", f"hidden.{len(body.hidden_states)}.0" in found, False)
        logits = found.get(f"logits.{number}")
        if word_head and not missing:
            theirs = (out.logits if "logits" in out else out.prediction_logits)[0].numpy()
            if logits is None:
                worst.wrong.append(f"no logits of words: {said}")
            else:
                worst.see(f"logits row {number}", logits[seen], theirs[seen])
        elif head == "ForSequenceClassification" and not all_missing:
            if logits is None:
                worst.wrong.append(f"no logits of labels: {said}")
            else:
                worst.see(f"labels row {number}", logits, out.logits[0].numpy())
        elif logits is not None:
            worst.wrong.append(f"logits of shape {logits.shape} of a model with {head}, {missing}")
    if head == "ForSequenceClassification" and not all_missing:
        compare_classify(folder, r, model, tokenizer, worst)
    elif head not in ("ForSequenceClassification", "ForMaskedLM", "ForPreTraining"):
        refuses(worst, "classify", "--model", folder, "--text", "a cat")
    if word_head and not missing:
        compare_fill(folder, r, model, tokenizer, worst)
    elif head == "ForSequenceClassification":
        refuses(worst, "fill", "--model", folder, "--text", f"a {tokenizer.mask_token}")
    return f"{about}: {worst.close()}"


def refuses(worst, *arguments):
    try:
        out, _ = ours(*arguments)
        worst.wrong.append(f"{arguments[0]} is not refused: {out[:200]}")
    except Refused:
        worst.values["refuses"] = 0.0


def given_to(tokenizer, model, text, second=None):
    longest = getattr(model.config, "max_position_embeddings", None) or 10**6
    if model.config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        longest -= 2 if model.config.model_type == "mpnet" else model.config.pad_token_id + 1
    if model.config.model_type == "deberta-v2" and not model.config.position_biased_input:
        longest = 10**6
    longest = min(longest, tokenizer.model_max_length)
    return tokenizer(text, second, return_tensors="pt", truncation=True, max_length=min(longest, 10**6))


def probabilities(config, scores):
    kind = config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")
    return scores if kind == "regression" else scores.sigmoid() if kind.startswith("multi") else scores.softmax(-1)


def compare_classify(folder, r, model, tokenizer, worst):
    texts = [(r.choice(SENTENCES), r.choice(SENTENCES) if r.random() < 0.6 else None) for _ in range(3)]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": a} | ({"text_pair": b} if b is not None else {})) + "\n" for a, b in texts))
    out, _ = ours("classify", "--model", folder, "--input", folder / "texts.jsonl", "--json")
    for (text, second), line in zip(texts, map(json.loads, out.splitlines()), strict=True):
        given = given_to(tokenizer, model, text, second)
        if line["tokens"] > getattr(model.config, "max_position_embeddings", 10**6):
            continue
        with torch.no_grad():
            scores = model(**given).logits[0]
        found = line.get("probabilities", line["scores"])
        worst.same("tokens", line["tokens"], given["input_ids"].shape[1])
        worst.same("names", list(found), [model.config.id2label[at] for at in range(model.config.num_labels)])
        worst.see("probabilities", list(found.values()), probabilities(model.config, scores).numpy())


def compare_fill(folder, r, model, tokenizer, worst):
    text = f"a {tokenizer.mask_token} sat on the {tokenizer.mask_token}"
    given = given_to(tokenizer, model, text)
    with torch.no_grad():
        out = model(**given)
    logs = (out.logits if "logits" in out else out.prediction_logits)[0].log_softmax(-1)
    places = (given["input_ids"][0] == tokenizer.mask_token_id).nonzero()[:, 0].tolist()
    answer = json.loads(ours("fill", "--model", folder, "--text", text, "--json")[0])
    worst.same("places", [mask["position"] for mask in answer["masks"]], places)
    for mask, place in zip(answer["masks"], places):
        top = logs[place].topk(10)
        worst.see("fill", [guess["logprob"] for guess in mask["top"]], top.values.numpy())
        worst.see("fill-ids", [logs[place][guess["id"]].item() for guess in mask["top"]], top.values.numpy())


def compare_pair(folder, r, family, seed):
    torch.manual_seed(seed)
    settings, prefix = FAMILIES[family](r)
    heads = HEADS[family]
    head = r.choices(list(heads), weights=[heads[name] for name in heads])[0]
    config = getattr(t, prefix + "Config")(**settings)
    model = getattr(t, prefix + head)(config).eval()
    enliven(model)
    if hasattr(model, "final_logits_bias") and head in ("ForConditionalGeneration", "MTModel") and r.random() < 0.5:
        model.final_logits_bias.normal_(std=0.3)
    dtype = r.choice([torch.float32, torch.float32, torch.float16, torch.bfloat16])
    model.to(dtype).save_pretrained(folder)
    notes = spelled(folder, r, family, prefix)
    asked = generation(folder, r, family, config)
    about = f"{prefix}{head} {str(dtype)[6:]} {' '.join(notes)}"
    half = head == "EncoderModel"
    kind = getattr(t, prefix + ("EncoderModel" if half else "MTModel" if family == "marian" else "ForConditionalGeneration"))
    model, missing, _ = reloaded(kind, folder)
    if missing:
        raise Skipped(f"{head}: {missing[:3]}")
    if not half and getattr(config, "num_decoder_layers", 0) > getattr(config, "num_layers", 9):
        model.generation_config.use_cache = False  # transformers' own fails
    tokenizer = byte_tokenizer(folder)
    longest = 40 if family in ("t5", "mt5") else config.max_position_embeddings
    rows = rows_for(r, config, longest, 0)
    writes = getattr(config, "decoder_vocab_size", None) or config.vocab_size
    for row in rows:
        row["ids"] = [id % 259 for id in row["ids"]]
        if not half:
            row["decoder_ids"] = [model.generation_config.decoder_start_token_id or 0] + [r.randrange(writes) for _ in range(r.randint(0, min(12, longest - 1)))]
    found, _ = tensors_of(folder, rows, *([] if half else ["--cross-attention"]))
    worst = Worst()
    for number, row in enumerate(rows):
        given = {"input_ids": torch.tensor([row["ids"]]), "attention_mask": torch.tensor([row["attention_mask"]])}
        seen = numpy.array(row["attention_mask"], dtype=bool)
        if not half:
            given["decoder_input_ids"] = torch.tensor([row["decoder_ids"]])
        with torch.no_grad():
            out = model(**given, output_hidden_states=True, **({} if half else {"output_attentions": True}))
        if half:
            for layer, states in enumerate(out.hidden_states):
                worst.see(f"hidden {layer}", found[f"hidden.{layer}.{number}"][seen], states[0].numpy()[seen])
            continue
        for layer, states in enumerate(out.encoder_hidden_states):
            worst.see(f"encoder {layer} row {number}", found[f"encoder.hidden.{layer}.{number}"][seen], states[0].numpy()[seen])
        for layer, states in enumerate(out.decoder_hidden_states):
            worst.see(f"decoder {layer} row {number}", found[f"decoder.hidden.{layer}.{number}"], states[0].numpy())
        worst.see(f"logits row {number}", found[f"logits.{number}"], out.logits[0].numpy())
        worst.see(f"cross row {number}", found[f"cross_attention.{number}"], out.cross_attentions[-1][0].numpy())
    if not half:
        compare_generated(folder, r, model, tokenizer, worst, asked)
    else:
        refuses(worst, "generate", "--model", folder, "--prompt", "a cat", "--greedy", "--max-new-tokens", 3)
    if "SequenceClassification" in head:
        refuses(worst, "classify", "--model", folder, "--text", "a cat")
    return f"{about}: {worst.close()}"


def generation(folder, r, family, config):
    """Settings of generation beside the model, or in its configuration, or none: what they ask for beyond tokens that are forced."""
    path = folder / "generation_config.json"
    is_there = path.exists()
    own = json.loads(path.read_text()) if is_there else {}
    if r.random() < 0.3:
        own["eos_token_id"] = r.choice([1, [1, 70], [1, 71, 72]])
    if family not in ("t5", "mt5") or r.random() < 0.2:
        own["forced_bos_token_id"] = r.choice([None, 70, 80])
        own["forced_eos_token_id"] = r.choice([None, 1])
    asked = {}
    for key, values in dict(num_beams=[2, 4], no_repeat_ngram_size=[2, 3], min_length=[6], min_new_tokens=[4], length_penalty=[2.0, 0.5], repetition_penalty=[1.5], suppress_tokens=[list(range(60, 130))], begin_suppress_tokens=[list(range(200))], bad_words_ids=[[[80], [81, 82], [1], [0]]], encoder_no_repeat_ngram_size=[2], exponential_decay_length_penalty=[[2, 3.0]], max_length=[6], early_stopping=[True], num_beam_groups=[1], renormalize_logits=[True], remove_invalid_values=[True], encoder_repetition_penalty=[2.0], sequence_bias=[[[[90], 5.0]]]).items():
        if r.random() < 0.07:
            asked[key] = r.choice(values)
    own |= asked
    where = r.random()
    if where < 0.15 or not is_there:
        # Files from before there was one: the configuration has it.
        path.unlink(missing_ok=True)
        config_path = folder / "config.json"
        json_ = json.loads(config_path.read_text())
        config_path.write_text(json.dumps(json_ | {key: value for key, value in own.items() if key != "transformers_version"}))
    else:
        path.write_text(json.dumps(own))
    return asked


NEUTRAL = dict(num_beams=1, do_sample=False, no_repeat_ngram_size=0, min_length=0, min_new_tokens=None, length_penalty=1.0, repetition_penalty=1.0, suppress_tokens=None, begin_suppress_tokens=None, encoder_no_repeat_ngram_size=0, exponential_decay_length_penalty=None, max_length=None, early_stopping=False, encoder_repetition_penalty=1.0, sequence_bias=None, remove_invalid_values=False)  # bad_words_ids and renormalize_logits count whoever asks


def compare_generated(folder, r, model, tokenizer, worst, asked):
    text = r.choice(["translate: a small house", "Zürich, naïve <extra_id_1> café", "x"])
    given = tokenizer(text, return_tensors="pt")
    length = r.randint(2, 14)
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit:
        length = min(length, limit - 1)
        given = tokenizer(text, return_tensors="pt", truncation=True, max_length=limit)
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]

    def cut(ids):
        ids = [int(id) for id in ids[1:]]
        at = next((at for at, id in enumerate(ids) if id in ends), len(ids))
        return ids[:at]

    def ask(*more):
        out, said = ours("generate", "--model", folder, "--prompt", text, "--max-new-tokens", length, "--json", *more)
        return json.loads(out), said

    penalties = {}
    if r.random() < 0.4:
        penalties["repetition_penalty"] = r.choice([1.3, 0.8])
    if r.random() < 0.4:
        penalties["no_repeat_ngram_size"] = r.choice([1, 2, 3])
    flags = [word for key, value in penalties.items() for word in ("--" + key.replace("_", "-"), value)]
    common = NEUTRAL | penalties | dict(max_new_tokens=length)
    answer, _ = ask("--greedy", *flags)
    with torch.no_grad():
        theirs = cut(model.generate(**given, **common)[0])
        plain = model.generate(**given, max_new_tokens=length)[0] if asked else None
        bare = cut(model.generate(**given, **NEUTRAL | dict(max_new_tokens=length))[0])
    worst.same("ids", answer["prompt_ids"], given["input_ids"][0].tolist())
    worst.same(f"greedy {penalties}", answer["ids"], theirs)
    if plain is not None and cut(plain) != bare and not any(key in ask("--greedy")[1] for key in asked):
        worst.wrong.append(f"generate says nothing of {asked}")
    how = {"num_beams": r.choice([2, 3, 4, 5])}
    if r.random() < 0.6:
        how["length_penalty"] = r.choice([2.0, -1.0, 0.0, 0.5])
    if r.random() < 0.5:
        how["early_stopping"] = r.choice([True, "never"])
    flags += [word for key, value in how.items() for word in ("--" + key.replace("_", "-") + "=" + str(value).lower(),)]
    answer, _ = ask(*flags)
    with torch.no_grad():
        out = model.generate(**given, **common | how, num_return_sequences=how["num_beams"], return_dict_in_generate=True, output_scores=True)
    worst.same("beams", len(answer["beams"]), how["num_beams"])
    for beam, ids, score in zip(answer["beams"], out.sequences, out.sequences_scores):
        found = beam["ids"]
        at = next((at for at, id in enumerate(found) if id in ends), len(found))
        worst.same(f"beam {penalties} {how} {length}", found[:at], cut(ids))
        worst.see("score", [beam["score"]], [float(score)])


def compare_decoder(folder, r, family, seed):
    """A decoder with a score head."""
    import vary_families

    torch.manual_seed(seed)
    name = r.choice([name for name in vary_families.FAMILIES if name not in ("falcon_h1",)])
    settings = vary_families.FAMILIES[name](r)
    config = t.CONFIG_MAPPING[name](**settings)
    labels = r.choice([1, 1, 2, 3])
    config.num_labels = labels
    config.pad_token_id = r.choice([None, 0, 2, 5])
    if r.random() < 0.4:
        config.problem_type = r.choice([*["single_label_classification"] * (labels > 1), "multi_label_classification", "regression"])
    head = r.choices([t.AutoModelForSequenceClassification, t.AutoModelForTokenClassification], weights=[8, 1])[0]
    try:
        model = head.from_config(config, attn_implementation="eager", **EAGER).eval()
    except ValueError as error:
        raise Skipped(f"{name}: {str(error)[:60]}") from None
    vary_families.enliven(model)
    dtype = r.choice([torch.float32, torch.bfloat16])
    model.to(dtype).save_pretrained(folder)
    model, _, missing = reloaded(head, folder, **EAGER)
    if missing:
        raise Skipped(f"{name}: {missing[:3]}")
    about = f"{type(model).__name__} pad {config.pad_token_id}"
    tokenizer = tokenizer_for(folder, r, "decoder", config)
    is_score = head is t.AutoModelForSequenceClassification
    if not is_score:
        worst = Worst()
        refuses(worst, "classify", "--model", folder, "--text", "a cat")
        return f"{about}: {worst.close()}"
    rows = []
    for number in range(4):
        ids = [r.randrange(6, 200) for _ in range(r.randint(2, 12))]
        mask = [1] * len(ids)
        padding = config.pad_token_id
        if padding is not None and number == 1:
            ids, mask = ids + [padding] * 3, mask + [0] * 3
        if padding is not None and number == 2:
            ids, mask = ids + [padding], mask + [1]
        if padding is not None and number == 3:
            ids[0] = padding
        rows.append({"ids": ids, "attention_mask": mask})
    found, _ = tensors_of(folder, rows)
    worst = Worst()
    for number, row in enumerate(rows):
        with torch.no_grad():
            out = model(input_ids=torch.tensor([row["ids"]]), attention_mask=torch.tensor([row["attention_mask"]]))
        worst.see(f"labels row {number}", found[f"logits.{number}"], out.logits[0].numpy())
    compare_classify(folder, r, model, tokenizer, worst)
    return f"{about}: {worst.close()}"


def compare_sentences(folder, r, family, seed):
    """Vectors by sentence-transformers' files."""
    from sentence_transformers import SentenceTransformer
    from vary_encoder_texts import sentence_folder

    of = r.choice(["t5", "qwen3", "bert", "distilbert", "roberta", "mpnet", "albert", "electra", "modernbert", "deberta-v2", "nomic_bert", "xlm-roberta"])
    torch.manual_seed(seed)
    if of == "qwen3":
        settings, prefix = dict(hidden_size=24, num_attention_heads=3, num_key_value_heads=1, head_dim=8, intermediate_size=30, num_hidden_layers=2, vocab_size=97), "Qwen3"
    else:
        settings, prefix = FAMILIES[of](r)
    config = getattr(t, prefix + "Config")(**settings)
    kind = getattr(t, prefix + ("EncoderModel" if of == "t5" else "Model"))
    model = kind(config).eval()
    enliven(model)
    inside, about = sentence_folder(folder, r, config)
    model.save_pretrained(inside)
    tokenizer_for(inside, r, "decoder" if of in ("t5", "qwen3") else of, config)
    theirs = SentenceTransformer(str(folder), device="cpu", model_kwargs=dict(attn_implementation="eager"))
    texts = [r.choice(SENTENCES) for _ in range(4)]
    flags, more = [], {}
    if r.random() < 0.3:
        flags, more = ["--prefix", "query: "], {"prompt": "query: "}
    if r.random() < 0.2:
        flags += ["--normalize", "true"]
        more["normalize_embeddings"] = True
    expected = theirs.encode(texts, batch_size=1, **more)
    out, _ = ours("embed", folder, *flags, *[word for text in texts for word in ("--text", text)])
    worst = Worst()
    for line, vector in zip(out.splitlines(), expected, strict=True):
        worst.see("vector", json.loads(line)["vector"], vector)
    return f"{prefix} {about} {more}: {worst.close()}"


def compare_bodies(folder, r, family, seed):
    """Decoders without a head whose vectors count, and rerankers by the logits of "yes" and "no"."""
    import make_bodies

    made = make_bodies.one(r, seed, lambda name: folder / name)
    worst = Worst()
    if "reranker" in made.name:
        rows = json.loads((made / "scores.json").read_text())
        pairs = folder / "pairs.jsonl"
        pairs.write_text("".join(json.dumps(dict(zip(("text", "text_pair"), row["pair"]))) + "\n" for row in rows))
        out, _ = ours("classify", "--model", made, "--input", pairs, "--json")
        for row, line in zip(rows, map(json.loads, out.splitlines()), strict=True):
            worst.see("score", list(line["scores"].values()), [row["score"]])
            worst.see("probability", list(line.get("probabilities", line["scores"]).values()), [row["probability"]])
        return f"{made.name}: {worst.close()}"
    rows = json.loads((made / "vectors.json").read_text())
    for prompt in dict.fromkeys(row["prompt"] for row in rows):
        own = [row for row in rows if row["prompt"] == prompt]
        texts = [word for row in own for word in ("--text", row["text"])]
        out, _ = ours("embed", made, *([] if prompt is None else ["--prefix", prompt]), *texts)
        for row, line in zip(own, map(json.loads, out.splitlines()), strict=True):
            worst.see(f"vector of {row['text']!r} after {prompt!r}", line["vector"], row["vector"])
    return f"{made.name}: {worst.close()}"


def comparison(family):
    if family == "bodies":
        return compare_bodies
    if family == "decoder":
        return compare_decoder
    if family == "sentences":
        return compare_sentences
    return compare_pair if family in PAIRS else compare_encoder


def main():
    out, count, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    first = int(names.pop(0)[1:]) if names and names[0].startswith("+") else 0
    out.mkdir(parents=True, exist_ok=True)
    families = [*FAMILIES, "decoder", "sentences", "bodies"]
    tally = {}
    for family in families:
        if names and family not in names:
            continue
        for number in range(count):
            seed = first + 1000 * (1 + families.index(family)) + number
            folder = out / f"{family}_{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            kept = False
            try:
                verdict, words = "same", comparison(family)(folder, random.Random(seed), family, seed)
            except Refused as error:
                verdict, words = "refused", str(error)
            except Different as error:
                verdict, words, kept = "DIFFERENT", str(error), True
            except Skipped as error:
                verdict, words = "skipped", str(error)
            except Exception as error:  # transformers refuses such a model too
                at = traceback.extract_tb(error.__traceback__)[-1]
                verdict, words, kept = "UNKNOWN", f"{type(error).__name__} {str(error)[:300]} at {Path(at.filename).name}:{at.lineno}", True
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)
            tally[verdict] = tally.get(verdict, 0) + 1
            print(verdict, f"{family}_{seed}", words, flush=True)
    print(tally)


if __name__ == "__main__":
    main()
