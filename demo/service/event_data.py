"""What the page's own events carry, read when Gradio creates it: a request with anything else is refused.

Gradio creates the class that a listener's parameter is annotated with.
"""

from math import isfinite
from typing import Any

import gradio as gr


class PointData(gr.SelectData):
    """The pixel of a picture that was selected, `x` from the left and `y` from the top."""

    def __init__(self, target: Any, data: Any):
        super().__init__(target, data)
        self.x, self.y = map(float, self.index)
        if not (isfinite(self.x) and isfinite(self.y)):
            raise ValueError("a pixel has finite coordinates")


class ColumnData(gr.EventData):
    """The name of the column by which a table is to be sorted."""

    def __init__(self, target: Any, data: Any):
        super().__init__(target, data)
        self.column = str(data["column"])


class RowData(gr.EventData):
    """The number of the row that is to be opened."""

    def __init__(self, target: Any, data: Any):
        super().__init__(target, data)
        self.row = int(data["row"])


class AddressData(gr.EventData):
    """What a browser's Back and Forward return to: the query of the address, and the entry of its history."""

    def __init__(self, target: Any, data: Any):
        super().__init__(target, data)
        self.query, self.entry = str(data["query"]), str(data["entry"])
