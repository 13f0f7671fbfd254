"""The report as one HTML file: what it holds (`content.py`), its charts (`charts.py`), the page (`page.py`)."""
