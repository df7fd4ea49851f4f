"""What "Look inside" must show of the committed models, as transformers computes it (eager attention,
float32), in a few kilobytes each.

Usage: python make_views.py [NAME...]     (without names: every model of models/ and families/)

Needs torch and transformers 5. Of the first row of a model's `input_ids` (T tokens) views/NAME.safetensors
has:
  attention.LAYER (heads, rows, T)   of the rows 1, T/2 and T-1; a layer that has a state instead has none
  lens.ids, lens.logprobs (layers + 1, T, 3)   each hidden state through the model's own final norm and
            head, with whatever the model does to its scores; the last one is the model's own
  surprisal (T - 1), entropy (T)   bits; entropy of the prediction after each token
  leave_one_out (T - 1)   log p(last token | those before) less the same without token t
and of both rows:
  next (5)   what comes after row 0 (p) and row 1 (q): KL(p‖q), KL(q‖p), total variation, whether both
            find the same token likeliest, the share of p's ten likeliest that are among q's
compare.safetensors: llama (p) and qwen2 (q), which have one vocabulary, on llama's first row: the same five
for each position, (T, 5), and logprobs (2, T - 1). `tests/engine/views.rs` compares them.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Mistral4ForCausalLM
from transformers.utils import logging

HERE = Path(__file__).parent
LN_2 = torch.log(torch.tensor(2.0)).item()
TOP = 3


def load(folder):
    from_class = Mistral4ForCausalLM if '"mistral4"' in (folder / "config.json").read_text() else AutoModelForCausalLM
    eager = dict(attn_implementation="eager", experts_implementation="eager")
    try:
        return from_class.from_pretrained(folder, dtype=torch.float32, **eager).eval()
    except (TypeError, ValueError):
        return from_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def decoder(model):
    return model.get_decoder() if hasattr(model, "get_decoder") else model.base_model


def last_step(model, ids):
    """The decoder's last module, a norm or a matrix, found by what it gives."""
    base, seen, handles = decoder(model), [], []
    for module in base.modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(lambda module, args, out: seen.append((module, out))))
    with torch.no_grad():
        final = base(input_ids=ids).last_hidden_state
    for handle in handles:
        handle.remove()
    same = [module for module, out in seen if torch.is_tensor(out) and out.shape == final.shape and torch.equal(out, final)]
    return base, same[-1]


def scores_of(model, base, ids, hidden):
    """What the model says where its decoder gives `hidden`."""
    forward = base.forward

    def replaced(*args, **settings):
        out = forward(*args, **settings)
        out["last_hidden_state"] = hidden
        return out

    base.forward = replaced
    try:
        return model(input_ids=ids).logits
    finally:
        base.forward = forward


def attention(model, out):
    """(heads, T, T) of each layer that has attention."""
    given = [weights for weights in out.attentions if weights is not None]
    kinds = getattr(decoder(model).config, "layer_types", None)
    layers = list(range(len(out.hidden_states) - 1))
    if len(given) != len(layers):
        layers = [layer for layer, kind in zip(layers, kinds) if "attention" in kind and "linear" not in kind]
    assert len(given) == len(layers), (len(given), layers)
    return {layer: weights[0] for layer, weights in zip(layers, given)}


def apart(p, q):
    """Of log-probabilities (..., V)."""
    kl = lambda p, q: (p.exp() * (p - q)).sum(-1)
    best = [set(row.tolist()) for row in p.topk(10, -1).indices.reshape(-1, 10)]
    others = [set(row.tolist()) for row in q.topk(10, -1).indices.reshape(-1, 10)]
    shared = torch.tensor([len(one & other) / 10 for one, other in zip(best, others)]).reshape(p.shape[:-1])
    variation = (p.exp() - q.exp()).abs().sum(-1) / 2
    return torch.stack([kl(p, q), kl(q, p), variation, (p.argmax(-1) == q.argmax(-1)).float(), shared], -1)


def views(folder):
    model = load(folder)
    rows = load_file(folder / "expected.safetensors")["input_ids"].long()
    ids = rows[:1]
    count = ids.shape[1]
    with torch.no_grad():
        out = model(input_ids=ids, output_attentions=True, output_hidden_states=True)
        logprobs = torch.log_softmax(out.logits, -1)
        found = {}
        for layer, weights in attention(model, out).items():
            found[f"attention.{layer}"] = weights[:, [1, count // 2, count - 1]]
        base, last = last_step(model, ids)
        lens = [torch.log_softmax(scores_of(model, base, ids, last(h)), -1)[0].topk(TOP, -1) for h in out.hidden_states[:-1]]
        lens.append(logprobs[0].topk(TOP, -1))
        found["lens.ids"] = torch.stack([row.indices for row in lens]).int()
        found["lens.logprobs"] = torch.stack([row.values for row in lens])
        found["surprisal"] = -logprobs[0, torch.arange(count - 1), ids[0, 1:]] / LN_2
        found["entropy"] = -(logprobs[0].exp() * logprobs[0]).sum(-1) / LN_2
        target = ids[0, -1]
        without = torch.stack([
            torch.log_softmax(model(input_ids=torch.cat([ids[0, :at], ids[0, at + 1:-1]])[None]).logits, -1)[0, -1, target]
            for at in range(count - 1)
        ])
        found["leave_one_out"] = logprobs[0, -2, target] - without
        other = torch.log_softmax(model(input_ids=rows[1:2]).logits, -1)[0, -1]
        found["next"] = apart(logprobs[0, -1], other)
    return {name: tensor.contiguous() for name, tensor in found.items()}


def compare(one, other):
    ids = load_file(one / "expected.safetensors")["input_ids"][:1].long()
    with torch.no_grad():
        p, q = (torch.log_softmax(load(folder)(input_ids=ids).logits, -1)[0] for folder in (one, other))
    given = torch.stack([row[torch.arange(ids.shape[1] - 1), ids[0, 1:]] for row in (p, q)])
    return dict(apart=apart(p, q).contiguous(), logprobs=given.contiguous())


def main():
    logging.disable_progress_bar()
    names = sys.argv[1:]
    (HERE / "views").mkdir(exist_ok=True)
    folders = [folder for parent in ("models", "families") for folder in sorted((HERE / parent).iterdir())]
    for folder in folders:
        if "tower" in folder.name or "nested" in folder.name:  # decoders of models for pictures, as gemma3
            continue
        if (folder / "expected.safetensors").exists() and (folder.name in names or not names):
            found = views(folder)
            save_file(found, HERE / "views" / f"{folder.name}.safetensors")
            print(folder.name, len([name for name in found if name.startswith("attention")]), "layers with attention", flush=True)
    if "compare" in names or not names:
        save_file(compare(HERE / "models/llama", HERE / "models/qwen2"), HERE / "views/compare.safetensors")


if __name__ == "__main__":
    main()
