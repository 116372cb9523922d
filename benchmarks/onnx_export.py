"""Writes a shipped model as ONNX, for `browser_engine.py`, which runs this with the packages of `.peers/onnx` on the path.

    PYTHONPATH=benchmarks/.peers/onnx .venv/bin/python benchmarks/onnx_export.py pets32-text "a cat" FILE

Both questions of guidance in one batch: row 0 has the wish, row 1 has none. All sizes are fixed, which the other side may
make use of; the weights are float32, with the values of the shipped float16.
"""

import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import diffusion_lib as dl  # noqa: E402
from diffusion_lib import zoo  # noqa: E402


def rows_of(conditioner, said: str) -> torch.Tensor:
    """The wish and no wish, as the conditioner takes them: (2, L) words or (2, A) attributes."""
    if isinstance(conditioner, dl.TextConditioner):
        return conditioner.vocabulary.encode([said, ""])[:, :len(conditioner.vocabulary.read(said).words)]
    wish = dl.pets.parse_caption(said)
    return torch.stack([wish, torch.full_like(wish, dl.conditioning.UNSAID)])


class Network(torch.nn.Module):
    """(x, log_snr, rows) -> y, without the questions about values that a graph cannot ask."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        network.conditioner._checked = lambda cond, batch: cond

    def forward(self, x, log_snr, rows):
        return self.network(x, log_snr, rows)


def main(name: str, said: str, file: str) -> None:
    network = zoo.load(name).network
    rows, config = rows_of(network.conditioner, said), network.config
    example = (torch.randn(2, config.channels, 32, 32), torch.zeros(2), rows)
    with torch.no_grad():
        torch.onnx.export(Network(network).eval(), example, file, input_names=["x", "log_snr", "rows"], output_names=["y"], opset_version=18,
                          dynamo=True, external_data=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
