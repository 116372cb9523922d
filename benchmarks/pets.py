"""How many PartyPets are drawn in a second, on the cores at hand.

    python benchmarks/pets.py
"""

import time

import torch

from diffusion_lib.data.pets import PartyPets


def pictures_per_second(pets: PartyPets, batch: int, seconds: float = 3.0) -> float:
    """Draw batches for a while and count."""
    pets.batch(range(batch))                                 # warm up
    drawn, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        pets.batch(range(drawn, drawn + batch))
        drawn += batch
    return drawn / spent


if __name__ == "__main__":
    print(f"{'threads':>7} {'kind':>9} {'size':>5} {'batch':>6} {'pictures / s':>13}")
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        for scene, size, batch in ((False, 32, 64), (False, 32, 256), (False, 64, 128), (True, 64, 128)):
            rate = pictures_per_second(PartyPets(size, scene=scene), batch)
            print(f"{threads:>7} {'scene' if scene else 'portrait':>9} {size:>5} {batch:>6} {rate:>13,.0f}")
