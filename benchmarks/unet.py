"""What the U-Net costs, and how fast it answers and learns on the machine at hand.

    python benchmarks/unet.py

Times are the best of several runs: on a shared machine that is the clean figure.
"""

import time

import torch
from torch import nn

from diffusion_lib.averaging import EMA
from diffusion_lib.conditioning import AttributeConditioner
from diffusion_lib.data.pets import SIZES
from diffusion_lib.hardware import fastest_dtype, keep_freed_memory
from diffusion_lib.networks.layers import count_flops, count_parameters
from diffusion_lib.networks.unet import UNet, UNetConfig
from training_tricks import narrow_norms

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SECONDS = 5.0                                                # for each row
CONFIGS = {                                                  # the shipped shape first, then what it was chosen over
    "shipped": UNetConfig(),
    "pets32-quick": UNetConfig(stem=8, widths=(48, 96)),
    "2 + 2 blocks": UNetConfig(blocks=(2, 2)),
    "attention in all 8x8 blocks": UNetConfig(attention=(False, True)),
    "no 2x2 fold": UNetConfig(stem=32, patch=1, widths=(32, 64, 128), blocks=(1, 1, 3), attention=(False,) * 3),
}


def network(config: UNetConfig, channels_last: bool = True) -> UNet:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return UNet(config, AttributeConditioner(SIZES, 256)).to(DEVICE, memory_format=layout)


def inputs(batch: int):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 3, 32, 32, generator=generator).to(DEVICE)
    return x, torch.linspace(-8, 8, batch, device=DEVICE), torch.zeros(batch, len(SIZES), dtype=torch.long, device=DEVICE)


def best_seconds(run) -> float:
    """The shortest of the runs that fit into SECONDS, after two to warm up."""
    times, until = [], None
    for index in range(10**6):
        start = time.perf_counter()
        run()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        end = time.perf_counter()
        if index == 1:
            until = end + SECONDS
        if index > 1:
            times.append(end - start)
            if end > until:
                return min(times)


def forward_seconds(config: UNetConfig, batch: int) -> float:
    model, arguments = network(config).eval(), inputs(batch)
    with torch.inference_mode():
        return best_seconds(lambda: model(*arguments))


def training_rate(config: UNetConfig, batch: int, dtype: torch.dtype, channels_last: bool = True, compiled: bool = False,
                  narrow: bool = False) -> float:
    """Pictures a second through forward, backward, clipping, AdamW and EMA; data come from memory. narrow: norms in `dtype` too."""
    model = network(config, channels_last)
    if narrow:
        narrow_norms(model)
    optimizer, ema, arguments = torch.optim.AdamW(model.parameters(), 1e-3, fused=True), EMA(model, 0.999), inputs(batch)
    if compiled:
        model.compile()

    def step():
        with torch.autocast(DEVICE.type, dtype, enabled=dtype != torch.float32):
            answer = model(*arguments)
        (answer.float() - arguments[0]).square().mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(model)

    return batch / best_seconds(step)


def sizes_and_forward() -> None:
    batches = (1, 2, 16, 64)
    print(f"{'network':<30}{'M parameters':>13}{'GFLOP':>8}" + "".join(f"{f'ms, B={batch}':>12}" for batch in batches))
    for name, config in CONFIGS.items():
        times = "".join(f"{1e3 * forward_seconds(config, batch):>12.1f}" for batch in batches)
        print(f"{name:<30}{count_parameters(network(config)) / 1e6:>13.2f}{count_flops(network(config), (3, 32, 32)) / 1e9:>8.3f}{times}", flush=True)


def training() -> None:
    fast = fastest_dtype(DEVICE)
    print(f"{'training, batch 64':<50}{'pictures / s':>13}")
    for name, config in CONFIGS.items():
        print(f"{f'{name}, {fast}':<50}{training_rate(config, 64, fast):>13.0f}", flush=True)
    shipped = CONFIGS["shipped"]
    for name, rate in {
        "float32": lambda: training_rate(shipped, 64, torch.float32),
        f"{fast}, not channels-last": lambda: training_rate(shipped, 64, fast, channels_last=False),
        f"{fast}, batch 256": lambda: training_rate(shipped, 256, fast),
        f"{fast}, torch.compile": lambda: training_rate(shipped, 64, fast, compiled=True),
    }.items():
        print(f"{f'shipped, {name}':<50}{rate():>13.0f}", flush=True)
    for name in ("shipped", "pets32-quick"):
        print(f"{f'{name}, {fast}, norms in it too':<50}{training_rate(CONFIGS[name], 64, fast, narrow=True):>13.0f}", flush=True)


if __name__ == "__main__":
    print(f"{DEVICE}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    keep_freed_memory()
    sizes_and_forward()
    print()
    training()
