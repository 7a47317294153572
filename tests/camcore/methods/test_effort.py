"""Efforts: how names and numbers are read, and when a rule stops Score-CAM."""

import pytest

from camcore.errors import EffortError
from camcore.methods.effort import MIN_FORWARDS, StoppingRule, read_effort, to_rule


def test_efforts() -> None:
    fast = to_rule("fast")
    assert fast is not None
    assert fast.target_fidelity == 0.997
    assert to_rule("exact") is None
    assert to_rule(50) == StoppingRule(limit=50)


@pytest.mark.parametrize("effort", [0, -1, True, 1.5, "slow", "", None, "7"])
def test_anything_else_is_refused(effort: object) -> None:
    with pytest.raises(EffortError, match="choose fast, exact, or a number of forwards, 1 or more"):
        to_rule(effort)  # type: ignore[arg-type]


def test_efforts_are_read_from_text() -> None:
    assert [read_effort(text) for text in ("fast", "exact", "64")] == ["fast", "exact", 64]
    for text in ("0", "-3", "1.5", "³", "FAST", ""):
        with pytest.raises(EffortError):
            read_effort(text)


def test_a_rule_ends_at_its_limit_or_at_an_estimate_from_enough_forwards() -> None:
    rule = StoppingRule(limit=100, target_fidelity=0.99)
    assert not rule.ends(MIN_FORWARDS - 1, 0.999)
    assert rule.ends(MIN_FORWARDS, 0.99)
    assert not rule.ends(99, 0.98)
    assert not rule.ends(99, None)
    assert rule.ends(100, None)
    assert not StoppingRule(limit=100).ends(99, 1.0)


def test_a_rule_runs_every_channel_if_its_limit_allows_and_there_is_no_target() -> None:
    assert StoppingRule(limit=10).runs_every_channel(10)
    assert not StoppingRule(limit=9).runs_every_channel(10)
    assert not StoppingRule(limit=10, target_fidelity=0.99).runs_every_channel(10)
