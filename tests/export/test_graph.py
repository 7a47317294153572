"""The graph of a model: traced by torch.fx, else by torch.export, else refused with the line at fault."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from export.errors import ExportError
from export.graph import dominators, output_node
from export.traced import ClassifierGraph
from export.tracing import ShapeRecorder, _symbolic_graph, trace_graph

SIZE = 16
X = torch.zeros(2, 3, SIZE, SIZE)


class Network(nn.Module):
    """The parts of which the networks of these tests consist; `forward` is theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 5)

    def classify(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.pool(x).flatten(1))
        return scores


class Skipping(Network):
    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        inner = functional.relu(self.second(x))
        return self.classify(functional.relu(x + inner))


class BatchSize(Network):
    def forward(self, x: Tensor) -> Tensor:
        count = x.size(0)
        return self.fc(self.pool(functional.relu(self.first(x))).view(count, -1))  # type: ignore[no-any-return]


class BatchOfShape(Network):
    def forward(self, x: Tensor) -> Tensor:
        count, _, _, _ = x.shape
        return self.fc(self.pool(functional.relu(self.first(x))).reshape(count, 4))  # type: ignore[no-any-return]


class AsksTheShape(Network):
    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.first(x))
        if x.shape[2] > 4:
            x = functional.relu(self.second(x))
        return self.classify(x)


class HasAnOption(Network):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = functional.relu(self.first(x))
        return self.classify(x if mask is None else x * mask)


class AsksTheValues(Network):
    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if x.sum() > 0:
            x = self.second(x)
        return self.classify(x)


class TakesTwo(Network):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.classify(self.first(x) + y)


class OfAnotherSize(Network):
    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.first(x).flatten(1))
        return scores


class ReturnsTwo(Network):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first(x)
        return self.classify(x), x


class ReturnsNames(Network):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.classify(self.first(x))}


class ReturnsMaps(Network):
    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.first(x)
        return maps


class ReturnsOneAxis(Network):
    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.first(x))[:, 0]


class ReturnsNothing(Network):
    def forward(self, x: Tensor) -> None:
        self.first(x)


class MixesPhotos(Network):
    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.first(x)).flatten()[None]


def cuts_of(model: nn.Module) -> list[str]:
    return [cut.name for cut in ClassifierGraph(model.eval(), (SIZE, SIZE)).cuts]


def line_of(network: type[nn.Module], code: str) -> str:
    """Return the file and the number of the line with this code, as messages name them."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"class {network.__name__}("))
    number = next(number for number in range(start, len(lines)) if code in lines[number])
    return f" in {__file__}, line {number + 1}"


def refusal(network: type[nn.Module]) -> str:
    with pytest.raises(ExportError) as caught:
        ClassifierGraph(network().eval(), (SIZE, SIZE))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_dominators_are_where_no_connection_passes() -> None:
    module = trace_graph(Skipping().eval(), X)
    names = [node.name for node in dominators(module.graph, output_node(module.graph))]
    assert names == ["x", "first", "add", "relu_1", "pool", "flatten", "fc"]


def test_shapes_are_those_of_the_traced_input() -> None:
    shapes = {
        node.name: node.meta["shape"] for node in trace_graph(Skipping().eval(), X).graph.nodes if node.op != "output"
    }
    assert shapes == {
        "x": (2, 3, 16, 16), "first": (2, 4, 8, 8), "second": (2, 4, 8, 8), "relu": (2, 4, 8, 8),
        "add": (2, 4, 8, 8), "relu_1": (2, 4, 8, 8), "pool": (2, 4, 1, 1), "flatten": (2, 4), "fc": (2, 5),
    }  # fmt: skip


@pytest.mark.parametrize("network", [BatchSize, BatchOfShape])
def test_the_number_of_photos_is_no_connection(network: type[Network]) -> None:
    torch.manual_seed(0)
    model = network().eval()
    graph = ClassifierGraph(model, (SIZE, SIZE))
    assert [cut.name for cut in graph.cuts] == ["first", "relu"]
    x = torch.randn(5, 3, SIZE, SIZE)  # of another number than was traced
    for cut in graph.cuts:
        split = graph.split([cut])
        with torch.no_grad():
            assert torch.equal(split.head(split.features(x)), model(x))


@pytest.mark.parametrize(
    ("network", "layers"), [(AsksTheShape, ["first", "relu", "second", "relu_1"]), (HasAnOption, ["first", "relu"])]
)
def test_where_fx_fails_torch_export_is_taken(
    network: type[Network], layers: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = network().eval()
    with pytest.raises(Exception, match=r"control flow|unsupported operand"):  # the reason why this network is tested
        ShapeRecorder(_symbolic_graph(model, X)).run(X)
    graph = ClassifierGraph(model, (SIZE, SIZE))
    assert [cut.name for cut in graph.cuts] == layers
    x = torch.randn(5, 3, SIZE, SIZE)
    for cut in graph.cuts:
        split = graph.split([cut])
        with torch.no_grad():
            torch.testing.assert_close(split.head(split.features(x)), model(x))
    assert capfd.readouterr() == ("", "")


def test_where_both_fail_the_line_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert refusal(AsksTheValues) == (
        "the model cannot be traced, neither by torch.fx nor by torch.export (GuardOnDataDependentSymNode"
        f"{line_of(AsksTheValues, 'if x.sum() > 0')}): "
        "write this line so that it does not depend on the values of the input"
    )
    assert capfd.readouterr() == ("", "")


def test_torch_prints_nothing_in_a_process_of_its_own() -> None:
    code = (
        "import torch; from tests.export.test_graph import *\n"
        "try: ClassifierGraph(AsksTheValues().eval(), (SIZE, SIZE))\n"
        "except ExportError: print('refused')\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (TakesTwo, "the model fails on an input of 16 × 16 pixels with TypeError (TakesTwo.forward() missing 1"),
        (OfAnotherSize, "the model fails on an input of 16 × 16 pixels with RuntimeError (addmm: mat1 and mat2 shapes"),
        (OfAnotherSize, line_of(OfAnotherSize, "self.fc(self.first")),
        (OfAnotherSize, ": mend the model, or choose another input with --size or --input-layout"),
        (ReturnsTwo, "the model returns a tuple: let it return one tensor of scores, (N, K) for K classes"),
        (ReturnsNames, "the model returns a dict: let it return one tensor of scores"),
        (ReturnsNothing, "the model returns no tensor: let it return one tensor of scores"),
        (ReturnsMaps, "the model returns a tensor of shape (2, 4, 8, 8) for 2 photos: let it return one row of scores"),
        (ReturnsOneAxis, "the model returns a tensor of shape (2,) for 2 photos"),
        (MixesPhotos, "the model returns a tensor of shape (1, 10) for 2 photos"),
    ],
)
def test_a_model_that_is_no_classifier_is_refused_in_one_sentence(network: type[Network], says: str) -> None:
    assert says in refusal(network)


def test_a_list_of_one_tensor_is_that_tensor() -> None:
    class Listed(Network):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [self.classify(functional.relu(self.first(x)))]

    assert cuts_of(Listed()) == ["first", "relu"]


class Windows(Network):
    """Attends within windows, each a row of its own, as Swin does; their number is not the number of photos."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).permute(0, 2, 3, 1)
        batch, height, width, channels = x.shape
        windows = x.reshape(batch, 2, height // 2, 2, width // 2, channels).permute(0, 1, 3, 2, 4, 5)
        windows = windows.reshape(-1, height * width // 4, channels)
        rows, places, channels = windows.shape
        windows = (windows @ windows.transpose(1, 2)).reshape(rows, places, places).softmax(dim=2) @ windows
        windows = windows.reshape(rows, -1).reshape(-1, 2, 2, height // 2, width // 2, channels)
        x = windows.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, channels)
        return self.classify(self.second(x.permute(0, 3, 1, 2)))


@pytest.mark.parametrize("photos", [1, 2, 3])
def test_the_number_of_windows_is_not_that_of_photos(photos: int) -> None:
    torch.manual_seed(0)
    model, x = Windows().eval(), torch.randn(photos, 3, SIZE, SIZE)
    graph = ClassifierGraph(model, (SIZE, SIZE))
    split = graph.split([graph.default])
    with torch.no_grad():
        torch.testing.assert_close(split.head(split.features(x)), model(x))
