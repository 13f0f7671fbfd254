"""Generated data sets."""

SYNTHETIC = "synthetic"
"""What is typed after `prepare` for synthetic data; see `synthetic.py`."""

SYNTHETIC_COMMAND = f"rearec-bench prepare {SYNTHETIC} --users 1e6 --items 1e5"
