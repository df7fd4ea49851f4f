"""Losses of GRPO under settings that `policy/policy.json` does not have: `policy/losses.json`.

TRL 1.16.0's own `GRPOTrainer._compute_loss` is called on made-up log-probabilities and entropies, which are leaves, so
that the slopes by every token come with it. Run with TRL 1.16.0 and torch 2.15.0.
"""

import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
from trl import GRPOTrainer

HERE = Path(__file__).parent
torch.manual_seed(11)
ROWS, TOKENS = 6, 5


class Accelerator:
    num_processes = 1
    sync_gradients = True

    def gather(self, x):
        return x

    def reduce(self, x, reduction="sum"):
        return x

    def pad_across_processes(self, x, dim=0, pad_index=0):
        return x


def draw():
    lengths = [5, 3, 4, 1, 2, 5]
    mask = torch.tensor([[float(t < n) for t in range(TOKENS)] for n in lengths])
    new = -torch.rand(ROWS, TOKENS) * 3 - 0.05
    return dict(
        lengths=lengths,
        mask=mask,
        new=new,
        old=new + 0.4 * torch.randn(ROWS, TOKENS),
        ref=new + 0.3 * torch.randn(ROWS, TOKENS),
        entropies=torch.rand(ROWS, TOKENS) * 2,
        advantages=torch.tensor([1.2, -0.7, 0.0, 0.4, -1.5, 0.6]),
    )


CASES = [
    {"loss_type": "luspo"},
    {"loss_type": "luspo", "importance_sampling_level": "sequence", "beta": 0.1},
    {"loss_type": "cispo", "epsilon_high": 1.5},
    {"loss_type": "cispo", "epsilon_high": 1.1, "importance_sampling_level": "sequence"},
    {"loss_type": "sapo"},
    {"loss_type": "sapo", "sapo_temperature_pos": 0.8, "sapo_temperature_neg": 1.3, "beta": 0.2},
    {"loss_type": "dapo", "top_entropy_quantile": 0.4},
    {"loss_type": "grpo", "top_entropy_quantile": 0.7, "beta": 0.1, "entropy_coef": 0.05},
    {"loss_type": "bnpo", "entropy_coef": -0.1},
    {"loss_type": "dr_grpo", "delta": 1.25, "importance_sampling_level": "sequence", "beta": 0.3},
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "beta": 0.3, "use_bias_correction_kl": False},
    {"loss_type": "dapo", "truncated": [0, 4], "beta": 0.1},
    {"loss_type": "grpo", "truncated": [1, 2], "beta": 0.1, "entropy_coef": 0.02},
    {"loss_type": "bnpo", "truncated": [0, 1, 2, 3, 4, 5], "top_entropy_quantile": 0.5},
    {"loss_type": "dapo", "importance_sampling_level": "sequence", "truncated": [3], "epsilon": 0.05},
]


def run(data, case):
    mask = data["mask"].clone()
    for row in case.get("truncated", []):
        mask[row] = 0.0
    new = data["new"].clone().requires_grad_()
    entropies = data["entropies"].clone().requires_grad_()
    trainer = GRPOTrainer.__new__(GRPOTrainer)
    epsilon = case.get("epsilon", 0.2)
    args = SimpleNamespace(
        delta=case.get("delta"),
        use_bias_correction_kl=case.get("use_bias_correction_kl", True),
        sapo_temperature_pos=case.get("sapo_temperature_pos", 1.0),
        sapo_temperature_neg=case.get("sapo_temperature_neg", 1.05),
        steps_per_generation=1,
    )
    for key, value in dict(
        args=args,
        accelerator=Accelerator(),
        model=SimpleNamespace(training=True),
        aux_loss_enabled=False,
        top_entropy_quantile=case.get("top_entropy_quantile", 1.0),
        off_policy_mask_threshold=None,
        importance_sampling_level=case.get("importance_sampling_level", "token"),
        beta=case.get("beta", 0.0),
        loss_type=case["loss_type"],
        epsilon_low=epsilon,
        epsilon_high=case.get("epsilon_high", epsilon),
        use_vllm=False,
        max_completion_length=7,
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled="entropy_coef" in case,
        entropy_coef=case.get("entropy_coef", 0.0),
        use_adaptive_entropy=False,
        _metrics={"train": defaultdict(list)},
    ).items():
        setattr(trainer, key, value)
    trainer._get_per_token_logps_and_entropies = lambda *a, **k: (new, entropies, None)
    ids = torch.zeros(ROWS, TOKENS, dtype=torch.long)
    inputs = dict(
        prompt_ids=ids,
        prompt_mask=ids,
        completion_ids=ids,
        completion_mask=mask,
        advantages=data["advantages"],
        old_per_token_logps=data["old"],
        ref_per_token_logps=data["ref"],
        num_items_in_batch=mask.sum(),
    )
    loss = trainer._compute_loss(None, inputs)
    grads = torch.autograd.grad(loss, [new, entropies], allow_unused=True)
    zero = lambda grad: torch.zeros(ROWS, TOKENS) if grad is None else grad
    cut = lambda x: [row[:n] for row, n in zip(zero(x).tolist(), data["lengths"])]
    metrics = {key: value[0] for key, value in trainer._metrics["train"].items() if key not in ("policy_loss", "entropy_coef")}
    metrics = {key: value for key, value in metrics.items() if value == value}
    return dict(settings=case, loss=loss.item(), by_logps=cut(grads[0]), by_entropies=cut(grads[1]), metrics=metrics)


data = draw()
cut = lambda name: [row[:n] for row, n in zip(data[name].tolist(), data["lengths"])]
found = dict(
    max_completion_length=7,
    logps=cut("new"),
    old=cut("old"),
    reference=cut("ref"),
    entropies=cut("entropies"),
    advantages=data["advantages"].tolist(),
    cases=[run(data, case) for case in CASES],
)
(HERE / "policy" / "losses.json").write_text(json.dumps(found) + "\n")
for case in found["cases"]:
    print(case["settings"], round(case["loss"], 6), case["metrics"])
