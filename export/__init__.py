"""Export of an image classifier to TorchScript and ONNX, with a check that both equal the original model."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.pipeline import export_model

__all__ = ["export_model"]


def __getattr__(name: str) -> Any:
    """Import `export_model` when it is first used, so that importing the package loads no runtime."""
    if name != "export_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from export.pipeline import export_model

    return export_model
