"""When a photo was taken, as files write it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

# In order of precedence; the names are in lower case.
DATE_COLUMNS = ("datetime", "date_time", "datetimeoriginal", "date_captured", "timestamp", "eventstart", "event_start",
                "captured_at", "date")  # fmt: skip
_TIME = (
    r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?\s*(?P<half>[AaPp][Mm])?"
    r"\s*(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
)
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})([-:/.])(?P<month>\d\d?)\2(?P<day>\d\d?)(?:T|,?\s+){_TIME}")
_YEAR_LAST = re.compile(rf"(?P<first>\d\d?)([-/.])(?P<second_number>\d\d?)\2(?P<year>\d{{4}})(?:T|,?\s+){_TIME}")


def to_local_time(text: Any) -> str:
    """Return the local time that a text names, as YYYY-MM-DDTHH:MM:SS; "" if it names none, or not clearly.

    Accepted are ISO 8601 and Exif's YYYY:MM:DD, and day and month before the year if only one of them can be the month.
    A date needs a time; a time zone is left out.
    """
    stripped = text.strip() if isinstance(text, str) else ""
    match = _YEAR_FIRST.fullmatch(stripped) or _YEAR_LAST.fullmatch(stripped)
    if match is None:
        return ""
    parts = match.groupdict()
    month, day = (parts["month"], parts["day"]) if "month" in parts else _month_and_day(parts)
    hour = int(parts["hour"])
    if parts["half"]:
        if not 1 <= hour <= 12:
            return ""
        hour = hour % 12 + (12 if parts["half"].lower() == "pm" else 0)
    try:
        moment = datetime(
            int(parts["year"]), int(month), int(day), hour, int(parts["minute"]), int(parts["second"] or 0)
        )
    except ValueError:
        return ""
    return moment.isoformat()


def _month_and_day(parts: Mapping[str, str]) -> tuple[int, int]:
    """Return month and day; (0, 0) if both numbers may be the month."""
    first, second = int(parts["first"]), int(parts["second_number"])
    if first == second or second > 12:
        return first, second
    return (second, first) if first > 12 else (0, 0)


def moment_of(row: Mapping[str, str]) -> str:
    """Return when the photo of a row was taken, by the first of the columns that says so clearly; "" if none does."""
    for column in DATE_COLUMNS:
        text = row.get(column)
        if text and (moment := to_local_time(text) or to_local_time(f"{text} {row.get('time', '')}")):
            return moment
    return ""
