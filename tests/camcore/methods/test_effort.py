"""What an effort means."""

import pytest

from camcore.errors import EffortError
from camcore.methods.effort import BELIEVED, Rule, read_effort, to_rule


def test_efforts() -> None:
    fast = to_rule("fast")
    assert fast is not None
    assert fast.enough == 0.998
    assert to_rule("exact") is None
    assert to_rule(50) == Rule(limit=50)


@pytest.mark.parametrize("effort", [0, -1, True, 1.5, "slow", "", None, "7"])
def test_anything_else_is_refused(effort: object) -> None:
    with pytest.raises(EffortError, match="choose fast, exact, or a number of forwards, 1 or more"):
        to_rule(effort)  # type: ignore[arg-type]


def test_efforts_are_read_from_words() -> None:
    assert [read_effort(text) for text in ("fast", "exact", "64")] == ["fast", "exact", 64]
    for text in ("0", "-3", "1.5", "³", "FAST", ""):
        with pytest.raises(EffortError):
            read_effort(text)


def test_a_rule_ends_at_its_limit_or_at_an_estimate_that_is_believed() -> None:
    rule = Rule(limit=100, enough=0.99)
    assert not rule.ends(BELIEVED - 1, 0.999)
    assert rule.ends(BELIEVED, 0.99)
    assert not rule.ends(99, 0.98)
    assert not rule.ends(99, None)
    assert rule.ends(100, None)
    assert not Rule(limit=100).ends(99, 1.0)


def test_a_rule_leaves_none_out_if_nothing_ends_it_before() -> None:
    assert Rule(limit=10).leaves_none_out(10)
    assert not Rule(limit=9).leaves_none_out(10)
    assert not Rule(limit=10, enough=0.99).leaves_none_out(10)
