"""The command `python -m demo`: its options, without a page."""

import pytest

from demo.__main__ import main


def test_main_names_the_missing_package_of_mcp(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("demo.__main__.find_spec", lambda _name: None)
    assert main(["--mcp"]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert "gradio[mcp]" in message


@pytest.mark.parametrize("deadline", ["0", "-3", "inf", "nan", "soon"])
def test_main_refuses_a_deadline_that_is_not_above_zero(deadline: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--deadline", deadline])
    assert ended.value.code == 2
    assert "--deadline" in capsys.readouterr().err
