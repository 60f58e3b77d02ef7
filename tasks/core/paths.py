"""Where the stages' outputs lie. dvc.yaml lists the same paths; tests/test_wiring.py compares."""

from pathlib import Path

RAW = Path("data/raw")
PREPARED = Path("data/prepared")
TRAINING = Path("data/prepared/training.npy")
VALIDATION_SPLIT = Path("data/prepared/validation.npy")
CANDIDATE = Path("models/candidate")
KERAS_MODEL = Path("models/candidate/model.keras")
EXPORTED_MODEL = Path("models/candidate/classifier.tflite")
MODEL_CARD = Path("models/candidate/card.json")
MODEL_SUMMARY = Path("models/candidate/summary.txt")
VALIDATION = Path("reports/validation.json")
VALIDATION_PAGE = Path("reports/validation.html")
SUSPICIOUS_LABELS = Path("reports/suspicious_labels.csv")
HISTORY = Path("reports/history.csv")
METRICS = Path("reports/metrics.json")
PREDICTIONS = Path("reports/predictions.parquet")
CONFUSION = Path("reports/confusion.csv")
CALIBRATION = Path("reports/calibration.csv")
BASELINE = Path("reports/baseline.json")
REPORT_PAGE = Path("reports/report.html")
REPORT_TEXT = Path("reports/report.md")
