"""Python PEFT loads the adapters that the trainer wrote, and gives its logits.

Usage: peft_parity.py CASES.json, a list of {"name", "base", "adapter", "ids", "logits", "tolerance"}: folders of a model and of an
adapter (or null), and the trainer's logits after the last token. Needs torch, transformers and peft.
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def logits(case):
    model = AutoModelForCausalLM.from_pretrained(case["base"], dtype=torch.float32)
    if case["adapter"]:
        model = PeftModel.from_pretrained(model, case["adapter"])
        moved = [n for n, p in model.named_parameters() if "lora_B" in n and p.abs().max() > 0]
        assert moved, "no lora_B was loaded: the names do not match"
    with torch.no_grad():
        return model.eval()(torch.tensor([case["ids"]])).logits[0, -1]


def main():
    failed = 0
    for case in json.load(open(sys.argv[1])):
        ours = torch.tensor(case["logits"])
        theirs = logits(case)
        apart = (ours - theirs).abs().max().item()
        right = apart <= case["tolerance"] and ours.argmax() == theirs.argmax()
        failed += not right
        print(f"{case['name']}: {'same' if right else 'DIFFERENT'}, at most {apart:.2e} apart")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
