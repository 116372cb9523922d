"""Makes a recorded training run small enough to travel with the library (diffusion_lib/records/training_runs.py).

    python scripts/pack_record.py runs/pets32_two_cores       # the folder of a run; writes diffusion_lib/records/pets32_two_cores.*
    python scripts/pack_record.py runs/scenes64_text_two_cores --minutes 2 10 30        # large pictures: fewer of them
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from diffusion_lib.records.training_runs import FOLDER, KEPT, pack_run  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--minutes", type=int, nargs="+", default=KEPT, help="whose strips are kept, besides the last one")
    options = parser.parse_args()
    for folder in options.folders:
        own = folder / "recipe.toml"
        name = json.loads((folder / "record.json").read_text(encoding="utf-8"))["recipe"]
        recipe = own if own.is_file() else ROOT / "recipes" / f"{name}.toml"
        file = FOLDER / f"{folder.name}.json"
        pack_run(folder, recipe.read_text(encoding="utf-8"), file, tuple(options.minutes))
        print(f"{file.relative_to(ROOT)}: {(file.stat().st_size + file.with_suffix('.webp').stat().st_size) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
