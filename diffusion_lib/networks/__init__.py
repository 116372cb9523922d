"""Networks: PyTorch modules (x, log_snr, cond) -> y. They know no schedule and no sampler."""

