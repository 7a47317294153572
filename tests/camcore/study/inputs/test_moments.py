"""When a photo was taken, in the ways in which files write it."""

import pytest

from camcore.study.inputs.moments import moment_of, to_local_time


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-06T07:08:09", "2024-05-06T07:08:09"),
        ("2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09"),
        ("2024-05-06T07:08:09+02:00", "2024-05-06T07:08:09"),
        ("2024-05-06T07:08:09-0730", "2024-05-06T07:08:09"),
        (" 2024:05:06 07:08:09 ", "2024-05-06T07:08:09"),
        ("2024-05-06 07:08", "2024-05-06T07:08:00"),
        ("2024/5/6 7:08:09 PM", "2024-05-06T19:08:09"),
        ("31/12/2024 12:05 am", "2024-12-31T00:05:00"),
        ("12/31/2024 23:59", "2024-12-31T23:59:00"),
        ("5/5/2024 10:00", "2024-05-05T10:00:00"),
        ("05/06/2024 10:00", ""),
        ("2024-05-06", ""),
        ("0000:00:00 00:00:00", ""),
        ("2024-02-30 10:00", ""),
        ("2024-05-06 25:00", ""),
        ("2024-05-06 13:00 PM", ""),
        ("yesterday", ""),
        ("", ""),
        (20240506, ""),
        (None, ""),
    ],
)
def test_the_moment_that_a_text_names(text: object, moment: str) -> None:
    assert to_local_time(text) == moment


def test_the_first_clear_column_counts_and_a_date_takes_the_time_beside_it() -> None:
    assert moment_of({"datetime": "05/06/2024 10:00", "timestamp": "2024-05-06T10:00:00"}) == "2024-05-06T10:00:00"
    assert moment_of({"date": "2024-05-06", "time": "10:00:01"}) == "2024-05-06T10:00:01"
    assert moment_of({"date": "2024-05-06"}) == moment_of({}) == ""
