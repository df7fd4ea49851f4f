"""Tokenizers, texts and the files of sentence-transformers for vary_encoders.py."""

import json

import torch
import transformers as t
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

LETTERS = "abcdefghijklmnopqrstuvwxyz.,!?"
WORDS = ["cat", "sat", "on", "the", "mat", "##s", "query", ":"]
SENTENCES = ["A cat sat on the mat.", "the mat sat", "Zürich, naïve café!", "x", "cat " * 30, "query the cats", "on, the mat? on the cat!", "mats  cats"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def tokenizer_for(folder, r, family, config):
    """One that fits the family; decoders get one without special tokens around."""
    is_roberta = family in ("roberta", "xlm-roberta", "camembert", "mpnet")
    special = ROBERTA if is_roberta else BERT
    words = special + WORDS + list(LETTERS) + ["##" + letter for letter in LETTERS]
    unknown = special[3] if is_roberta else special[1]
    made = Tokenizer(models.WordPiece({word: at for at, word in enumerate(words)}, unk_token=unknown))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if is_roberta:
        made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
        names = dict(cls_token="<s>", sep_token="</s>", bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")
    else:
        if family != "decoder":
            made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        names = dict(cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]")
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    if is_roberta or family in ("distilbert", "modernbert", "decoder") or r.random() < 0.15:
        inputs.remove("token_type_ids")
    if family in ("bert", "albert", "electra", "deberta-v2", "nomic_bert", "big_bird") and (getattr(config, "type_vocab_size", 0) or 0) < 2 and "token_type_ids" in inputs:
        inputs.remove("token_type_ids")
    more = {"model_max_length": r.choice([7, 16])} if family != "decoder" and r.random() < 0.2 else {}
    found = t.PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=inputs, **names, **more)
    found.save_pretrained(folder)
    return t.AutoTokenizer.from_pretrained(folder)


def byte_tokenizer(folder):
    t.ByT5Tokenizer().save_pretrained(folder)
    return t.ByT5Tokenizer()


def sentence_folder(folder, r, config):
    """modules.json and what it names, in old and new spellings. Where the network goes, and words about it."""
    kinds = "sentence_transformers.models"
    inside = folder / "0_Transformer" if r.random() < 0.15 else folder
    inside.mkdir(exist_ok=True)
    modules = [dict(idx=0, name="0", path="" if inside == folder else "0_Transformer", type=f"{kinds}.Transformer")]
    width = config.hidden_size
    modes = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "lasttoken": "lasttoken", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "weightedmean": "weightedmean_tokens"}
    chosen = r.sample(list(modes), r.choice([1, 1, 1, 2]))
    pooling = {"word_embedding_dimension": width}
    if r.random() < 0.3:
        pooling = {"embedding_dimension": width, "pooling_mode": chosen[0] if len(chosen) == 1 else chosen}
    else:
        pooling |= {f"pooling_mode_{switch}": name in chosen for name, switch in modes.items()}
    if r.random() < 0.4:
        pooling["include_prompt"] = r.choice([True, False])
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    modules.append(dict(idx=1, name="1", path="1_Pooling", type=f"{kinds}.Pooling"))
    about, size = [str(chosen), str(pooling.get("include_prompt"))], width * len(chosen)
    for kind in r.sample(["Dense", "LayerNorm", "Normalize", "Dropout"], r.choice([0, 0, 1, 2])):
        place = folder / f"{len(modules)}_{kind}"
        place.mkdir()
        modules.append(dict(idx=len(modules), name=str(len(modules)), path=place.name, type=f"{kinds}.{kind}"))
        about.append(kind)
        if kind == "Dense":
            wide = r.choice([5, size])
            act = r.choice(["Tanh", "Identity", "ReLU", "GELU", "Sigmoid", "SiLU", "ELU"])
            settings = dict(in_features=size, out_features=wide, bias=r.random() < 0.7)
            module = {"Identity": "torch.nn.modules.linear.Identity"}.get(act, f"torch.nn.modules.activation.{act}")
            if r.random() < 0.8:
                settings["activation_function"] = module
            tensors = {"linear.weight": torch.randn(wide, size)}
            if settings["bias"]:
                tensors["linear.bias"] = torch.randn(wide)
            (place / "config.json").write_text(json.dumps(settings))
            save_file(tensors, place / "model.safetensors")
            size = wide
        elif kind == "LayerNorm":
            (place / "config.json").write_text(json.dumps(dict(dimension=size)))
            save_file({"norm.weight": torch.randn(size), "norm.bias": torch.randn(size)}, place / "model.safetensors")
        elif kind == "Dropout":
            (place / "config.json").write_text(json.dumps(dict(dropout=0.3)))
    (folder / "modules.json").write_text(json.dumps(modules))
    if r.random() < 0.6:
        cut = {"max_seq_length": r.choice([4, 9, 16, None]), "do_lower_case": r.random() < 0.3}
        (inside / "sentence_bert_config.json").write_text(json.dumps(cut))
        about.append(str(cut))
    if r.random() < 0.4:
        prompts = {"query": "query: ", "document": "", "other": "the "}
        named = {"prompts": prompts, "default_prompt_name": r.choice([None, "query", "document", "other"])}
        if r.random() < 0.2:
            named["similarity_fn_name"] = "dot"
        (folder / "config_sentence_transformers.json").write_text(json.dumps(named))
        about.append(str(named["default_prompt_name"]))
    return inside, " ".join(about)
