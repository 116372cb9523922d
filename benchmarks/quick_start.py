"""How fast is a model trained from nothing that obeys its prompts? The quick recipe from several seeds, timed and judged.

    python benchmarks/quick_start.py                         # three runs of some 7 minutes each, and as many of judging
    python benchmarks/quick_start.py --seeds 7               # one; what is in the record is not run again

On two CPU cores, one process each, with nothing else running. The runs stay in runs/, and one that was interrupted goes on;
chapter 12 and the README show the record, diffusion_lib/records/pets32_quick_judged.json.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from diffusion_lib import zoo  # noqa: E402
from diffusion_lib.checkpoints import load_checkpoint, read_about  # noqa: E402
from diffusion_lib.judging import Protocol, judge  # noqa: E402
from rows import alone, write  # noqa: E402
from scripts.quiet import refuse_when_busy  # noqa: E402

RECIPE, RECORD = ROOT / "recipes" / "pets32-quick.toml", ROOT / "diffusion_lib" / "records" / "pets32_quick_judged.json"
PROCESSES = 2
PROTOCOL = Protocol(n=500, sweep=())


def train(seed: int, anyway: bool, runs: Path = ROOT / "runs") -> tuple[Path, float | None]:
    """The recipe with that seed, run in a folder of its own, gone on with there, or found finished.

    Returns the finished model, and how many processors others kept busy when it was begun or resumed; None where it was found.
    """
    folder = runs / f"pets32-quick-{seed}"
    recipe, model = folder.with_suffix(".toml"), folder / f"{folder.name}.safetensors"
    text = re.sub(r"(?m)^seed = \d+", f"seed = {seed}", RECIPE.read_text(encoding="utf-8"))
    if model.is_file():
        if tomllib.loads(read_about(model)["recipe"]) != tomllib.loads(text):
            raise SystemExit(f"{model} was made by another recipe than {RECIPE} is now: move its folder away to measure this one")
        return model, None
    others = refuse_when_busy(anyway)
    runs.mkdir(exist_ok=True)
    recipe.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(PROCESSES),
               "-m", "diffusion_lib", "train", str(recipe), "--out", str(folder)]
    command += ["--resume"] * (folder / "checkpoint.safetensors").is_file()
    subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    return model, round(others, 2)


def measure(seed: int, anyway: bool) -> dict:
    """One row: how long it took, how busy others were, and how often what was asked was found."""
    file, others = train(seed, anyway)
    about, results = read_about(file), judge(load_checkpoint(file), zoo.load("pets32-classifier"), PROTOCOL)
    return {"seed": seed, **{name: about[name] for name in ("minutes", "pictures", "hardware", "date")}, "others": others,
            "found": {split: results["accuracy"][split]["all"] for split in ("seen", "held_out")},
            "standard_error": {split: results["standard_error"][split]["all"] for split in ("seen", "held_out")}}


def measured() -> list[dict]:
    """The rows so far."""
    return json.loads(RECORD.read_text(encoding="utf-8"))["runs"] if RECORD.is_file() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--anyway", action="store_true", help="although other programs are running")
    options = parser.parse_args()
    for seed in options.seeds:
        if not any(run["seed"] == seed for run in measured()):
            row = measure(seed, options.anyway)
            head = {"made by": "benchmarks/quick_start.py", "recipe": RECIPE.stem, "n": PROTOCOL.n, "guidance": PROTOCOL.guidance, "steps": PROTOCOL.steps}
            with alone():
                runs = sorted([*measured(), row], key=lambda run: run["seed"])
                write(RECORD, json.dumps(head | {"runs": runs}, indent=1) + "\n")
    for run in measured():
        print(f"seed {run['seed']}: {run['minutes']:.1f} minutes, {run['pictures']:,} pictures; everything right in "
              f"{run['found']['seen']:.1%} ± {run['standard_error']['seen']:.1%} (seen), {run['found']['held_out']:.1%} ± {run['standard_error']['held_out']:.1%} (held out)")


if __name__ == "__main__":
    main()
