"""How fast is a model trained from nothing that obeys its prompts? The quick recipe from several seeds, timed and judged.

    python benchmarks/quick_start.py                         # three runs of some 7 minutes each, and as many of judging
    python benchmarks/quick_start.py --seeds 7               # one; what is in the record is not run again

On two CPU cores, one process each, with nothing else running. The runs stay in runs/; chapter 12 and the README show the
record, diffusion_lib/records/pets32_quick_judged.json.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from diffusion_lib import zoo
from diffusion_lib.checkpoints import load_checkpoint, read_about
from diffusion_lib.judging import Protocol, judge

ROOT = Path(__file__).resolve().parents[1]
RECIPE, RECORD = ROOT / "recipes" / "pets32-quick.toml", ROOT / "diffusion_lib" / "records" / "pets32_quick_judged.json"
PROCESSES = 2
PROTOCOL = Protocol(n=500, sweep=())


def train(seed: int) -> Path:
    """The recipe with that seed, run in a folder of its own (or found there, if it has run); the finished model."""
    folder = ROOT / "runs" / f"pets32-quick-{seed}"
    recipe, model = folder.with_suffix(".toml"), folder / f"{folder.name}.safetensors"
    if not model.is_file():
        folder.parent.mkdir(exist_ok=True)
        recipe.write_text(re.sub(r"(?m)^seed = \d+", f"seed = {seed}", RECIPE.read_text(encoding="utf-8")), encoding="utf-8")
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(PROCESSES), "-m", "diffusion_lib", "train", str(recipe), "--out", str(folder)]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    return model


def measure(seed: int) -> dict:
    """One row: how long it took, and how often what was asked was found."""
    file = train(seed)
    about, results = read_about(file), judge(load_checkpoint(file), zoo.load("pets32-classifier"), PROTOCOL)
    return {"seed": seed, **{name: about[name] for name in ("minutes", "pictures", "hardware")},
            "found": {split: results["accuracy"][split]["all"] for split in ("seen", "held_out")},
            "standard_error": {split: results["standard_error"][split]["all"] for split in ("seen", "held_out")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    for seed in parser.parse_args().seeds:
        runs = json.loads(RECORD.read_text(encoding="utf-8"))["runs"] if RECORD.is_file() else []
        if not any(run["seed"] == seed for run in runs):
            runs = sorted([*runs, measure(seed)], key=lambda run: run["seed"])
            head = {"made by": "benchmarks/quick_start.py", "recipe": RECIPE.stem, "n": PROTOCOL.n, "guidance": PROTOCOL.guidance, "steps": PROTOCOL.steps}
            RECORD.write_text(json.dumps(head | {"runs": runs}, indent=1) + "\n", encoding="utf-8")
    for run in json.loads(RECORD.read_text(encoding="utf-8"))["runs"]:
        print(f"seed {run['seed']}: {run['minutes']:.1f} minutes, {run['pictures']:,} pictures; everything right in "
              f"{run['found']['seen']:.1%} ± {run['standard_error']['seen']:.1%} (seen), {run['found']['held_out']:.1%} ± {run['standard_error']['held_out']:.1%} (held out)")


if __name__ == "__main__":
    main()
