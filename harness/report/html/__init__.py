"""The report as one HTML file: its content (`content.py`), charts (`chart.py`, `charts.py`), page (`page.py`)."""
