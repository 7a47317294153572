"""Why the maps of a transformer's tokens deserve less trust, with the sanity check of the same maps beside it."""

from collections.abc import Iterable, Mapping

from camcore.methods.method_table import METHODS, MethodName

TOKENS = (
    "Like a vision transformer, this model works on tokens, which exchange information between places of the photo. "
    "Heat may lie beside what it used: trust these maps less than those of a convolutional network."
)
_SANITY = "How alike the maps stay with random numbers in its last layer (1: the same, 0: no relation)"
NOT_MEASURED = "not measured"


def token_caution(
    methods: Iterable[MethodName], sanity: Mapping[MethodName, float | None], photos: int | None = None
) -> str:
    """Return why maps of tokens deserve less trust, and how far those of the methods pass the sanity check.

    `sanity` is what `camcore.metrics.sanity` returns, or its means over a number of `photos`. A method without a value,
    such as Score-CAM, was not measured. See `Layer.has_tokens` for the models that this is about.
    """
    values = {METHODS[method].title: sanity.get(method) for method in methods}
    if all(value is None for value in values.values()):
        return f"{TOKENS} {_SANITY}: {NOT_MEASURED}."
    figures = ", ".join(
        f"{title} {NOT_MEASURED if value is None else f'{value:z.2f}'.replace('-', '−')}"
        for title, value in values.items()
    )
    means = "" if photos is None else f", mean of {photos:,} photo{'' if photos == 1 else 's'}"
    return f"{TOKENS} {_SANITY}{means}: {figures}."
