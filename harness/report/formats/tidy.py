"""Tables as tidy records: one row a value, unrounded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from ..table import Table


def render_csv(tables: Sequence[Table]) -> str:
    """All records of tables of one kind; for several tables, the first column is the suite."""
    head = ("suite",) if len(tables) > 1 else ()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*head, *tables[0].fields])
    for table in tables:
        for record in table.records:
            suite = (table.title,) if head else ()
            writer.writerow([*suite, *("" if record[name] is None else record[name] for name in table.fields)])
    return out.getvalue()


def render_json(tables: Sequence[Table]) -> str:
    """Records and protocol of each table."""
    contents = [
        {"title": table.title, "table": table.name, "records": table.records, "protocol": table.protocol}
        for table in tables
    ]
    return json.dumps({"tables": contents}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
