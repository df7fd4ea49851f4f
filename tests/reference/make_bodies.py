"""Decoders that make vectors and rerankers, as they lie on the Hub, and what sentence-transformers makes of texts
with them.

    python make_bodies.py               # writes encoder/body_*, encoder/reranker_*: the same bytes each time
    python make_bodies.py OUT COUNT SEED

The first are the folders of `vectors_and_scores_are_those_of_sentence_transformers`; the second writes COUNT random
ones below OUT for the ignored test beside it. A body is saved from `AutoModel`: no head, names without `model.`,
while config.json may still promise a head. Needs sentence-transformers 6.2, transformers 5.23, torch 2.
"""

import json
import random
import shutil
import sys
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tokenizer_texts import CORPUS
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

HERE = Path(__file__).parent / "encoder"
TEXTS = ["A cat sat on the mat.", "Zürich, naïve café!", "", "  two  spaces ", "open data 日本 😀 is free", "word " * 30]
PAIRS = [["what is open data?", "Data that anybody may use."], ["cat", "a dog"], ["", "empty"], ["long", "word " * 40]]
PLAIN = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}</>{% endfor %}"
PARTS = (
    "{% for message in messages %}<{{ message['role'] }}>{% for part in message['content'] %}{% if part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}</>{% endfor %}"
)
JUDGE = (
    "<system>{{ messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first | default('Judge.') }}</>"
    "<query>{{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}</>"
    "<document>{{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}</><answer>"
)
FAMILIES = ["qwen2", "qwen3", "mistral", "llama", "gemma2", "phi3", "olmo2", "smollm3", "gpt_neox", "stablelm", "starcoder2"]


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tokenizer(frame, template=None, side="right"):
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    found.train_from_iterator(CORPUS, trainer)
    found.add_tokens(["yes", "no"])
    if frame:
        found.post_processor = processors.TemplateProcessing(
            single=frame, pair=f"{frame} $B", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=found, pad_token="<pad>", eos_token="</s>", bos_token="<s>", padding_side=side
    )
    made.chat_template = template
    return made


def shaken(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model.eval()


def config(family, vocabulary, **more):
    own = dict(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False, pad_token_id=0, bos_token_id=1,
        eos_token_id=2,
    )
    if family in ("qwen3", "gemma2"):
        own |= dict(head_dim=8)
    if family == "phi3":
        own |= dict(original_max_position_embeddings=64)
    return CONFIG_MAPPING[family](**(own | more))


def modules(folder, kinds):
    put(folder / "modules.json", [
        {"idx": at, "name": str(at), "path": "" if at == 0 else f"{at}_{kind.rsplit('.', 1)[-1]}", "type": kind}
        for at, kind in enumerate(kinds)
    ])


def body(folder, family, seed, words, *, pooling, cut=None, message=None, promise=None, prompts=None, default=None,
         normalize=True, included=None, prefix=False, **more):
    """Writes a folder of vectors."""
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    settings = config(family, len(words), **more)
    model = shaken(AutoModelForCausalLM.from_config(settings) if prefix else AutoModel.from_config(settings))
    model = model.to(torch.float32)
    model.save_pretrained(folder)
    if prefix:  # named as the whole model's, and without its head
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        tensors.pop("lm_head.weight", None)
        tensors.pop("embed_out.weight", None)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    words.save_pretrained(folder)
    told = json.loads((folder / "config.json").read_text())
    told |= {"tie_word_embeddings": False}
    told |= {"architectures": [promise]} if promise else {}
    put(folder / "config.json", told)
    (folder / "generation_config.json").unlink(missing_ok=True)
    base = "sentence_transformers.models."
    modules(folder, [base + "Transformer", base + "Pooling"] + [base + "Normalize"] * normalize)
    put(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": settings.hidden_size, f"pooling_mode_{pooling}": True,
        **({} if included is None else {"include_prompt": included}),
    })
    own = {"max_seq_length": cut, "do_lower_case": False} if cut else {"do_lower_case": False}
    if message:
        forward = {"method": "forward", "method_output_name": "last_hidden_state"}
        own |= {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
                "modality_config": {"text": forward, "message": {**forward, "format": message}}}
    put(folder / "sentence_bert_config.json", own)
    if prompts or default:
        put(folder / "config_sentence_transformers.json", {"prompts": prompts or {}, "default_prompt_name": default})
    read = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    rows = []
    for prompt in [None, *(prompts or {}).values()]:
        named = {"prompt": prompt} if prompt is not None else {}
        for text in TEXTS:
            features = read.preprocess([text], prompt=prompt if prompt is not None else (prompts or {}).get(default))
            if features["input_ids"].shape[1] == 0:
                continue  # torch fails
            vector = read.encode([text], **named)[0]
            rows.append({"text": text, "prompt": prompt, "tokens": features["input_ids"].shape[1],
                         "vector": [float(value) for value in vector]})
        batch = read.encode([row["text"] for row in rows if row["prompt"] == prompt], **named)
        own = [row["vector"] for row in rows if row["prompt"] == prompt]
        assert abs(torch.tensor(batch) - torch.tensor(own)).max() < 2e-5, folder  # padding changes nothing
    (folder / "vectors.json").write_text(json.dumps(rows, ensure_ascii=True) + "\n")


def reranker(folder, family, seed, words, *, no=True, message="flat", prompts=None, default=None, cut=None,
             activation=None, **more):
    """Writes a folder that scores pairs by the logits of "yes" and "no"."""
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    model = shaken(AutoModelForCausalLM.from_config(config(family, len(words), **more)))
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    modules(folder, ["sentence_transformers.base.modules.transformer.Transformer",
                     "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"])
    ids = {"true_token_id": words.convert_tokens_to_ids("yes"), "module_input_name": "causal_logits"}
    put(folder / "1_LogitScore" / "config.json", ids | ({"false_token_id": words.convert_tokens_to_ids("no")} if no else {}))
    forward = {"method": "forward", "method_output_name": "logits"}
    ways = {"text": forward} | ({"message": {**forward, "format": message}} if message else {})
    put(folder / "sentence_bert_config.json", {
        "transformer_task": "text-generation", "module_output_name": "causal_logits", "modality_config": ways,
        **({"max_seq_length": cut} if cut else {}),
    })
    put(folder / "config_sentence_transformers.json", {
        "prompts": prompts or {}, "default_prompt_name": default, "model_type": "CrossEncoder",
        **({"activation_fn": f"torch.nn.modules.{activation}"} if activation else {}),
    })
    read = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    scores = [float(read.predict([pair], activation_fn=torch.nn.Identity())[0]) for pair in PAIRS]
    shares = [float(read.predict([pair])[0]) for pair in PAIRS]
    (folder / "scores.json").write_text(json.dumps([
        {"pair": pair, "score": score, "probability": share} for pair, score, share in zip(PAIRS, scores, shares)
    ]) + "\n")


def committed():
    query = {"query": "Instruct: find a text that answers\nQuery:", "document": ""}
    left = tokenizer("$A </s>", template=PLAIN, side="left")
    body(HERE / "body_qwen3", "qwen3", 21, left, pooling="lasttoken", cut=24, promise="Qwen3ForCausalLM", prompts=query)
    both = tokenizer("<s> $A </s>")
    body(HERE / "body_mistral", "mistral", 22, both, pooling="lasttoken", sliding_window=6)
    body(HERE / "body_is_causal", "qwen2", 23, left, pooling="mean_tokens", prefix=True, is_causal=False,
         use_sliding_window=True, sliding_window=5, max_window_layers=1, included=False, prompts={"query": "query: "})
    body(HERE / "body_message", "llama", 24, tokenizer(None, template=PARTS), pooling="lasttoken", cut=20,
         message="structured", prompts={"query": "Find it."}, default="query", normalize=False)
    judge = tokenizer(None, template=JUDGE, side="left")
    reranker(HERE / "reranker_qwen3", "qwen3", 25, judge, prompts={"web": "Is it an answer?"}, default="web", cut=48,
             tie_word_embeddings=True)
    reranker(HERE / "reranker_one", "llama", 26, both, no=False, message=None, activation="linear.Identity")


def one(rng, at, folder):
    """A random one: FOLDER(words) says where it goes. Where it went."""
    family = rng.choice(FAMILIES)
    frame = rng.choice(["$A </s>", "<s> $A", "<s> $A </s>", None])
    message = rng.choice([None, None, "flat", "structured"])
    template = {"flat": PLAIN, "structured": PARTS}.get(message, rng.choice([None, PLAIN]))
    side = rng.choice(["left", "right"])
    if rng.random() < 0.3:
        judged = rng.choice(["flat", None])
        words = tokenizer(frame, template=JUDGE, side="left")
        prompts = rng.choice([None, {"a": "Is it so?"}])
        made = folder(f"reranker_{family}")
        reranker(made, family, at, words, no=rng.random() < 0.7, message=judged,
                 prompts=prompts, default="a" if prompts and rng.random() < 0.5 else None,
                 cut=rng.choice([None, 40]), activation=rng.choice([None, "linear.Identity", "activation.Sigmoid"]),
                 tie_word_embeddings=family not in ("gpt_neox",) and rng.random() < 0.5)
        return made
    more = {}
    if family in ("qwen2", "qwen3", "llama", "mistral") and rng.random() < 0.4:
        more["is_causal"] = False
    if family == "mistral":
        more["sliding_window"] = rng.choice([None, 4])
    prompts = rng.choice([None, {"query": "query: ", "document": ""}, {"query": "Instruct: x\nQuery:"}])
    words = tokenizer(frame, template=template, side=side)
    made = folder(f"body_{family}")
    body(made, family, at, words,
         pooling=rng.choice(["lasttoken", "lasttoken", "mean_tokens", "cls_token", "max_tokens", "weightedmean_tokens"]),
         cut=rng.choice([None, 16, 24]), message=message, prompts=prompts,
         default="query" if prompts and rng.random() < 0.3 else None, normalize=rng.random() < 0.6,
         included=rng.choice([None, None, True, False]), prefix=rng.random() < 0.5,
         promise=rng.choice([None, "XForCausalLM"]), **more)
    return made


def varied(out, count, seed):
    for at in range(count):
        one(random.Random(seed * 100_000 + at), at, lambda name: out / f"{at:04}_{name}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        varied(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    else:
        committed()
