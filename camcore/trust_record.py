"""The part of a photo's record that says how far to trust its maps."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from camcore.explainer import Explainer
from camcore.methods.method_table import MethodName
from camcore.metrics.caution import token_caution
from camcore.metrics.method_notes import method_notes
from camcore.records import PhotoRecord
from camcore.results import Explanation, ForwardPass


class TrustRecord(TypedDict, total=False):
    """The sanity of the maps, why they deserve less trust than others, if they do, and what methods cannot tell."""

    sanity: Mapping[MethodName, float | None]
    caution: str
    method_notes: list[str]


def trust_record(
    explainer: Explainer, forward_pass: ForwardPass, explanations: Sequence[Explanation], *, is_requested: bool = False
) -> TrustRecord:
    """Return the sanity of explanations of one class, if it is requested or the model works on tokens.

    In the second case there is also a `caution`, which states both; see `camcore.metrics.caution`. There are
    `method_notes` if `camcore.metrics.method_notes` has any.
    """
    has_tokens = explainer.manifest.layer.has_tokens
    notes = method_notes(explanations, linear_head=explainer.manifest.layer.linear_head)
    record: TrustRecord = {"method_notes": notes} if notes else {}
    if not (is_requested or has_tokens):
        return record
    methods = [explanation.method for explanation in explanations]
    class_idx, contrast = explanations[0].class_idx, explanations[0].contrast_class
    contrast_idx = None if contrast is None else contrast.class_idx
    sanity = explainer.sanity(forward_pass, class_idx, methods, contrast_idx=contrast_idx)
    return {**record, "sanity": sanity, **({"caution": token_caution(methods, sanity)} if has_tokens else {})}


def cautions(record: TrustRecord | PhotoRecord) -> str:
    """Return all that a record says about how far to trust the maps; "" if it says nothing."""
    return " ".join(filter(None, (record.get("caution"), *record.get("method_notes", ()))))
