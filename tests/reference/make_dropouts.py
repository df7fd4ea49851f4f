"""Which shares of `config.json` drop parts of a decoder while transformers trains it, and which of them TRL's
`disable_dropout` turns off: that sets p = 0 of `torch.nn.Dropout` modules, and leaves what a class keeps as a number.

Usage: python make_dropouts.py OUT.json

Needs torch, transformers 5 and trl. For each family of `make_families.py` and `make_models.py`, and for each key of
its configuration class that names a share, a tiny model with a large share there is run twice while it trains.
OUT.json: {model_type: {key: {"usual": share by itself, "kept": "module" or "number"}}}; keys that nothing
reads are left out. `src/train/run/differences.rs` is held to it.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from make_families import CASES, SIZES
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM
from transformers.models.phimoe import modeling_phimoe
from transformers.utils import logging
from trl.trainer.utils import disable_dropout_in_model

EARLIER = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "olmo2", "smollm3", "gpt2"]
WORDS = ("dropout", "pdrop", "layerdrop", "jitter_noise")
NOT_OF_DECODERS = ("classifier", "summary")
SHARE = 0.6


def is_share(key):
    key = str(key)
    return any(word in key for word in WORDS) and not any(word in key for word in NOT_OF_DECODERS)


def shares(family):
    """Keys with what they are by themselves; `outer.inner` for one that lies in another configuration."""
    config = CONFIG_MAPPING[family]()
    found = {}
    for key, value in config.to_dict().items():
        if is_share(key) and isinstance(value, (int, float)):
            found[key] = float(value)
        if isinstance(value, dict):
            # Not MPT's `attn_pdrop`, which has to be a whole number.
            found.update({f"{key}.{inner}": share for inner, share in value.items() if is_share(inner) and isinstance(share, float)})
    return found


def cases(family):
    """The settings of every case of a family, without shares."""
    all_of_it = [settings for name, settings in CASES.values() if name == family] or [{}]
    return [{**SIZES, **{key: value for key, value in own.items() if not is_share(key)}} for own in all_of_it]


def with_share(settings, key, share):
    settings = dict(settings)
    outer, _, inner = key.rpartition(".")
    if outer:
        settings[outer] = {**(settings.get(outer) or {}), inner: share}
    else:
        settings[key] = share
    return settings


def differs(model):
    """Whether a model that trains says other things of the same text."""
    ids = torch.arange(3, 15)[None]
    with torch.no_grad():
        seen = [model(input_ids=ids).logits for _ in range(4)]
    return any(not torch.equal(seen[0], other) for other in seen[1:])


def build(family, settings):
    config = CONFIG_MAPPING[family](**settings)
    new = Mistral4ForCausalLM._from_config if family == "mistral4" else AutoModelForCausalLM.from_config
    torch.manual_seed(7)
    return new(config, dtype=torch.float32, experts_implementation="eager").train()


def kept(family, key, others):
    """How the class keeps a share in any of its cases; `None`: nothing reads it."""
    found = {kept_in(family, settings, key, others) for settings in cases(family)}
    return next((how for how in ("number", "module") if how in found), None)


def kept_in(family, settings, key, others):
    for other in others:
        settings = with_share(settings, other, 0.0)
    assert not differs(build(family, settings)), f"{family} is not the same twice with every share at 0"
    model = build(family, with_share(settings, key, SHARE))
    if not differs(model):
        return None
    disable_dropout_in_model(model)
    return "number" if differs(model) else "module"


def main():
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # It draws its experts at random while it trains, whatever is set.
    choose = modeling_phimoe.sparsemixer
    modeling_phimoe.sparsemixer = lambda scores, jitter_eps, training, top_k=2: choose(scores, jitter_eps, False, top_k)
    families = sorted({*EARLIER, *(family for family, _ in CASES.values())})
    found = {}
    for family in families:
        usual = shares(family)
        rows = {key: (share, kept(family, key, usual)) for key, share in usual.items()}
        found[family] = {key: dict(usual=share, kept=how) for key, (share, how) in rows.items() if how}
        print(family, {key: how for key, (_, how) in rows.items()}, flush=True)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
