"""Makes tests/fixtures/metrics.json: the scores of scikit-learn for answers of a seeded generator.

    python3 -m venv venv && venv/bin/pip install scikit-learn==1.7.2 && venv/bin/python tests/metrics_reference.py
"""

import json
import pathlib
import random

from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

LABELS = [0, 1, 2]
draw = random.Random(20261124)
truth = draw.choices(LABELS, weights=[6, 3, 1], k=200)
# Label 3 is an answer that cannot be parsed.
said = [t if draw.random() < 0.6 else draw.choice([0, 1, 2, 3]) for t in truth]

precision, recall, f1, _ = precision_recall_fscore_support(truth, said, labels=LABELS, zero_division=0)
scores = {
    "accuracy": accuracy_score(truth, said),
    "macro_f1": f1_score(truth, said, labels=LABELS, average="macro", zero_division=0),
    "weighted_f1": f1_score(truth, said, labels=LABELS, average="weighted", zero_division=0),
}
for label in LABELS:
    scores[f"precision_{label}"] = precision[label]
    scores[f"recall_{label}"] = recall[label]
    scores[f"f1_{label}"] = f1[label]
place = pathlib.Path(__file__).parent / "fixtures" / "metrics.json"
place.write_text(json.dumps({"truth": truth, "said": said, **scores}) + "\n")
