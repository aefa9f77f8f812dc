# The reference of `bench tools`: one forward pass a review, greedy generation for a title, in float32.

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

job = json.load(open(sys.argv[1]))
torch.set_num_threads(job["threads"])
tokenizer = AutoTokenizer.from_pretrained(job["base"])


def load(adapter):
    model = AutoModelForCausalLM.from_pretrained(job["base"], torch_dtype=torch.float32)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return model.eval()


def ids(messages):
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]


def rate(texts, work):
    with torch.no_grad():
        work(texts[0])
        started = time.perf_counter()
        for text in texts:
            work(text)
        return len(texts) / (time.perf_counter() - started)


judge = load(job["adapters"]["reviews"])
first = [tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in job["labels"]]


def review(messages):
    logits = judge(ids(messages)).logits[0, -1]
    return logits[first].log_softmax(-1).tolist()


reviews = rate(job["reviews"], review)
del judge
reader = load(job["adapters"]["titles"])


def title(messages):
    asked = ids(messages)
    return reader.generate(
        asked,
        attention_mask=torch.ones_like(asked),
        max_new_tokens=job["longest"],
        do_sample=False,
        pad_token_id=tokenizer.eos_token_id,
    )


titles = rate(job["titles"], title)
print(json.dumps({"reviews": reviews, "titles": titles}))
