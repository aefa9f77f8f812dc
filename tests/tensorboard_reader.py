"""Reads the event files of a run with TensorBoard's own reader and compares them with metrics.jsonl.

Usage: tensorboard_reader.py RUN_DIR
"""

import json
import math
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = Path(sys.argv[1])
logs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
events.Reload()

fields = {"loss/train": "loss", "loss/dev": "dev_loss", "train/lr": "lr", "train/grad_norm": "grad_norm"}
for tag, field in fields.items():
    expected = {log["step"]: log[field] for log in logs if log.get(field) is not None and (field != "lr" or log["step"])}
    found = {event.step: event.value for event in events.Scalars(tag)}
    assert len(found) == len(events.Scalars(tag)), f"{tag}: a step was read twice"
    assert found.keys() == expected.keys(), f"{tag}: steps {sorted(found)} instead of {sorted(expected)}"
    for step, value in expected.items():
        assert math.isclose(found[step], value, rel_tol=1e-6), f"{tag}: step {step}: {found[step]} instead of {value}"
print(f"{len(logs)} lines, {len(events.Tags()['scalars'])} tags, all equal")
