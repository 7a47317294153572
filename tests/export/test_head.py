"""What the scores of a model mean, and when its head is global average pooling and one linear layer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from camcore import Explainer
from camcore.model.layer import Layer
from camcore.model.manifest import Preprocessing, read_manifest
from camcore.model.torchscript import TracedModel
from export import export_model
from export.errors import ExportError, LabelsError
from export.graph import final_activation
from export.head import choose_head, classifier_name, is_linear_head
from export.parity import OriginalModel
from export.trace import to_torchscript
from export.traced import ClassifierGraph
from tests.conftest import split_at, untrained

pytestmark = pytest.mark.slow

STEPS = Preprocessing(32, (32, 32), "bilinear", (0.5,) * 3, (0.5,) * 3)
POOL = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
X = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


class Functional(nn.Module):
    """A classifier that ends in a function of `torch.nn.functional` or a method."""

    def __init__(self, ending: Callable[[Tensor], Tensor]):
        super().__init__()
        self.scores, self._ending = classifier(*POOL, nn.Linear(6, 4)), ending

    def forward(self, x: Tensor) -> Tensor:
        return self._ending(self.scores(x))


def classifier(*head: nn.Module) -> nn.Sequential:
    """A network of one convolution and this head, with weights from 0.5 to 1.5 standard deviations."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(3, 6, 5, stride=4), nn.ReLU(), *head)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model.eval()


def exported(model: nn.Module, folder: Path, **options: object) -> Explainer:
    return Explainer.load(export_model(model, folder / "out", preprocessing=STEPS, int8=False, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "activation"),
    [
        (classifier(*POOL, nn.Linear(6, 4)), ""),
        (classifier(*POOL, nn.Linear(6, 4), nn.Softmax(dim=1)), "softmax"),
        (classifier(*POOL, nn.Linear(6, 4), nn.Softmax(dim=-1)), "softmax"),
        (classifier(*POOL, nn.Linear(6, 4), nn.LogSoftmax(dim=1)), "log_softmax"),
        (classifier(*POOL, nn.Linear(6, 4), nn.Sigmoid()), "sigmoid"),
        (Functional(lambda x: functional.softmax(x, dim=1)), "softmax"),
        (Functional(lambda x: functional.log_softmax(x, dim=1)), "log_softmax"),
        (Functional(lambda x: x.softmax(1)), "softmax"),
        (Functional(lambda x: x.sigmoid()), "sigmoid"),
        (Functional(torch.sigmoid), "sigmoid"),
        (Functional(torch.tanh), ""),
    ],
)
def test_a_final_activation_is_taken_off_and_parity_is_kept(model: nn.Module, activation: str) -> None:
    graph = ClassifierGraph(model.eval(), (32, 32))
    assert graph.activation == activation
    form = choose_head(graph.activation, graph.classes, multi_label=False)
    assert form.head == ("multi-label" if activation == "sigmoid" else "softmax")
    split = graph.split([graph.default], form.ending)
    logits = OriginalModel(model, split, form.restore).forward(X.numpy())[0]  # raises if the two differ
    whole = model(X).detach().numpy()
    applied = {"softmax": np.exp(logits) / np.exp(logits).sum(1, keepdims=True), "sigmoid": 1 / (1 + np.exp(-logits))}
    applied["log_softmax"] = np.log(applied["softmax"])
    np.testing.assert_allclose(applied.get(activation, logits), whole, atol=1e-5)


def test_final_activation_names_the_scores_before_it() -> None:
    graph = ClassifierGraph(classifier(*POOL, nn.Linear(6, 4), nn.Softmax(dim=1)), (32, 32))
    (output,) = next(node for node in graph.module.graph.nodes if node.op == "output").args
    assert final_activation(output, graph.module)[0] is graph.scores  # type: ignore[arg-type]
    assert graph.module.get_submodule(str(graph.scores.target)).__class__ is nn.Linear


@pytest.mark.parametrize("ending", [[], [nn.Sigmoid()]], ids=["logit", "sigmoid"])
@pytest.mark.parametrize(
    ("labels", "names"),
    [(None, ("class 0", "class 1")), (["wren"], ("not wren", "wren")), (["empty", "bird"], ("empty", "bird"))],
)
def test_one_logit_becomes_two_classes(
    ending: list[nn.Module], labels: list[str] | None, names: tuple[str, ...], tmp_path: Path
) -> None:
    model = classifier(*POOL, nn.Linear(6, 1), *ending)
    explainer = exported(model, tmp_path, labels=labels)
    assert (explainer.manifest.head, explainer.manifest.labels) == ("one logit", names)
    assert explainer.manifest.layer.linear_head
    logits, activations = explainer._model.forward(X.numpy())
    logit = model[:5](X).detach().numpy()
    np.testing.assert_allclose(logits, np.concatenate([-logit / 2, logit / 2], axis=1), atol=1e-5)
    first, second = (explainer._model.gradients(activations[0], {class_idx: 1}) for class_idx in (0, 1))
    np.testing.assert_allclose(first, -second, atol=1e-7)


def test_one_logit_has_no_third_class(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"names 3 classes, but the model has 2 \(absent and present\)"):
        exported(classifier(*POOL, nn.Linear(6, 1)), tmp_path, labels=["a", "b", "c"])
    assert not list(tmp_path.iterdir())


def test_multi_label_is_said_or_seen(tmp_path: Path) -> None:
    said = exported(classifier(*POOL, nn.Linear(6, 4)), tmp_path / "said", multi_label=True)
    seen = exported(classifier(*POOL, nn.Linear(6, 4), nn.Sigmoid()), tmp_path / "seen")
    for explainer in (said, seen):
        assert explainer.manifest.head == "multi-label"
        assert explainer.manifest.multi_label
    np.testing.assert_array_equal(said._model.forward(X.numpy())[0], seen._model.forward(X.numpy())[0])


@pytest.mark.parametrize("kind", [nn.Softmax, nn.LogSoftmax])
def test_a_softmax_that_contradicts_is_refused(kind: type[nn.Module], tmp_path: Path) -> None:
    one = classifier(*POOL, nn.Linear(6, 1), kind(dim=1))
    with pytest.raises(ExportError, match="a softmax over one output, which is always 1: replace it by a sigmoid"):
        exported(one, tmp_path)
    four = classifier(*POOL, nn.Linear(6, 4), kind(dim=1))
    with pytest.raises(
        ExportError, match="ends in a softmax, so that one class excludes the others: leave out --multi"
    ):
        exported(four, tmp_path, multi_label=True)
    assert not list(tmp_path.iterdir())


HEADS: dict[str, tuple[tuple[nn.Module, ...], bool]] = {
    "pool, linear": ((*POOL, nn.Linear(6, 4)), True),
    "no bias": ((*POOL, nn.Linear(6, 4, bias=False)), True),
    "one class": ((*POOL, nn.Linear(6, 1)), True),
    "dropout": ((nn.Dropout2d(), *POOL, nn.Dropout(), nn.Linear(6, 4), nn.Identity()), True),
    "1 x 1 convolution": ((nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.Flatten()), True),
    "1 x 1 convolution before the pooling": ((nn.Conv2d(6, 4, 1), *POOL), True),
    "softmax": ((*POOL, nn.Linear(6, 4), nn.Softmax(dim=1)), True),
    "batch normalisation": ((*POOL, nn.BatchNorm1d(6), nn.Linear(6, 4)), False),
    "layer normalisation": ((*POOL, nn.LayerNorm(6), nn.Linear(6, 4)), False),
    "layer normalisation without weights": ((*POOL, nn.LayerNorm(6, elementwise_affine=False), nn.Linear(6, 4)), False),
    "two linear layers": ((*POOL, nn.Linear(6, 6), nn.Linear(6, 4)), False),
    "two linear layers and a ReLU": ((*POOL, nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 4)), False),
    "another activation": ((*POOL, nn.Hardswish(), nn.Linear(6, 4)), False),
    "maximum": ((nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 4)), False),
    "no pooling": ((nn.Flatten(), nn.Linear(6 * 49, 4)), False),
    "3 x 3 convolution": ((nn.Conv2d(6, 4, 3), *POOL), False),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_linear_head_is_pooling_and_one_linear_layer(name: str) -> None:
    head, linear = HEADS[name]
    graph = ClassifierGraph(classifier(*head), (32, 32))
    cut = graph.find("1")
    assert is_linear_head(graph.split([cut]), 0, cut.layer) == linear


def test_an_earlier_layer_has_no_linear_head() -> None:
    graph = ClassifierGraph(classifier(*POOL, nn.Linear(6, 4)), (32, 32))
    split = graph.split([graph.find("1"), graph.find("0")])
    layer = graph.cuts[0].layer
    assert [is_linear_head(split, number, layer) for number in (0, 1)] == [True, False], "a ReLU follows layer 0"


@pytest.mark.parametrize(
    ("name", "linear"), [("resnet18", True), ("shufflenet_v2_x0_5", True), ("mobilenet_v3_small", False),
                         ("convnext_tiny", False), ("squeezenet1_1", False)],
)  # fmt: skip
def test_the_heads_of_torchvisions_models(name: str, linear: bool) -> None:
    split = split_at(untrained(name, num_classes=5), size=64)
    _, channels, height, width = split.features(torch.zeros(1, 3, 64, 64)).shape
    assert is_linear_head(split, 0, Layer("", channels, (height, width), False)) == linear


@pytest.mark.parametrize(
    ("head", "shape"),
    [
        ((*POOL, nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)), (4, 5)),
        ((nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.Flatten()), (4, 6, 1, 1)),
        ((*POOL, nn.Linear(6, 1)), (1, 6)),
    ],
)
def test_the_classifier_is_the_matrix_that_makes_the_scores(
    head: tuple[nn.Module, ...], shape: tuple[int, ...], tmp_path: Path
) -> None:
    graph = ClassifierGraph(classifier(*head), (32, 32))
    form = choose_head(graph.activation, graph.classes, multi_label=False)
    split = graph.split([graph.find("1")], form.ending)
    name, path = classifier_name(split), tmp_path / "model.ts.pt"
    assert name
    assert split.get_parameter(name).shape == shape
    to_torchscript(split, (32, 32), path)
    traced = TracedModel(path, classifier=name)
    _, activations = traced.forward(X[:1].numpy())
    learnt = traced.gradients(activations[0], {0: 1})
    first, again, second = (next(traced.randomised_gradients(activations[0], {0: 1}, [seed])) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    for other in (second, learnt):
        assert np.abs(first - other).max() > 0
    np.testing.assert_array_equal(traced.gradients(activations[0], {0: 1}), learnt)


def test_the_classifier_is_in_the_manifest(tmp_path: Path) -> None:
    export_model(classifier(*POOL, nn.Linear(6, 4)), tmp_path / "out", preprocessing=STEPS, int8=False)
    manifest = read_manifest(tmp_path / "out")
    assert manifest.classifier == "segments.1.4.weight"
