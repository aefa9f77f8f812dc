"""An adapter that Python PEFT makes, and the logits that it gives: what `adapters::peft` serves and compares.

Usage: peft_reference.py MODEL_DIR INTO. Writes INTO/adapter (a PEFT folder) and INTO/logits.json. Nothing is trained: the
numbers are random, from a fixed seed, and large enough to move every logit. Needs torch, transformers and peft.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ASKED = "<|im_start|>user\nWhere is my parcel?<|im_end|>\n<|im_start|>assistant\n"


def after(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].tolist()


def main():
    folder, into = Path(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(20261125)
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(ASKED, add_special_tokens=False).ids
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    plain = after(base, ids)
    model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=LINEAR, task_type="CAUSAL_LM")).eval()
    for name, matrix in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(matrix, std=0.02)
    into.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(into / "adapter")
    (into / "logits.json").write_text(json.dumps({"ids": ids, "base": plain, "logits": after(model, ids)}))
    print(f"{into}: an adapter and the logits after {len(ids)} tokens")


if __name__ == "__main__":
    main()
