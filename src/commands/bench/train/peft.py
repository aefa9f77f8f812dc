"""One epoch of LoRA with PEFT: the reference of `shopclerk bench train`.

Takes its settings as a JSON object, prints its figures as one. Tokens are counted without padding.
"""

import json
import sys
import time

settings = json.loads(sys.argv[1])

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.set_num_threads(settings["threads"])
torch.manual_seed(settings["seed"])
base = AutoModelForCausalLM.from_pretrained(settings["base"], dtype=torch.float32)
lora = LoraConfig(
    r=settings["rank"],
    lora_alpha=settings["alpha"],
    lora_dropout=0.0,
    target_modules=settings["targets"],
    task_type="CAUSAL_LM",
)
model = get_peft_model(base, lora)
model.train()
learnt = [p for p in model.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(learnt, lr=settings["lr"], weight_decay=0.0)



def labels_of(row, targets):
    return torch.where(torch.tensor(targets), torch.tensor(row), torch.tensor(-100))


@torch.no_grad()
def held_out_loss():
    """Mean over the learnt tokens of all rows that are not trained on, row by row."""
    model.eval()
    total, count = 0.0, 0
    for ((row, targets),) in held_out:
        labels = labels_of(row, targets)
        # The first token is said by nobody.
        learnt = int((labels[1:] != -100).sum())
        total += model(input_ids=torch.tensor([row]), labels=labels[None]).loss.item() * learnt
        count += learnt
    model.train()
    return total / count if count else None


batches = [json.loads(line) for line in open(settings["batches"])]
held_out = [json.loads(line) for line in open(settings["held_out"])]
before = held_out_loss()
tokens, losses = 0, []
started = time.perf_counter()
for batch in batches:
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    seen = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), -100)
    for n, (row, targets) in enumerate(batch):
        ids[n, : len(row)] = torch.tensor(row)
        seen[n, : len(row)] = 1
        labels[n, : len(row)] = labels_of(row, targets)
        tokens += len(row)
    # The mean over the learnt tokens of the batch.
    loss = model(input_ids=ids, attention_mask=seen, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learnt, settings["clip"])
    optimiser.step()
    optimiser.zero_grad()
    losses.append(loss.item())
seconds = time.perf_counter() - started
after = held_out_loss()

status = open("/proc/self/status").read()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]
print(json.dumps({
    "tokens_per_second": tokens / seconds,
    "peak_mib": int(peak) / 1024,
    "loss": sum(losses) / len(losses),
    "held_out": [before, after] if held_out else None,
}))
