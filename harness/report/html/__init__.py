"""The report as one HTML file: what it holds (`content.py`), its figures (`charts.py`), the page (`page.py`)."""
