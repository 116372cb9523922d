"""One run of one library, in that library's environment:  python -m peers.learner diffusers --minutes 6 --at 1 3 6 --seed 0 --folder runs/...

It writes a row to FOLDER/points.jsonl at each of the minutes in --at, judged while the clock stands still, and the state
of the run beside it: a run that was killed goes on from the last of them, unless its settings or its judge have changed, which
FOLDER/head.json says.
"""

import argparse
import importlib
import json
import tomllib
from dataclasses import asdict
from pathlib import Path

import torch

from diffusion_lib.hardware import fastest_dtype, keep_freed_memory
from diffusion_lib.judging import prompts
from rows import made_on

from . import OURS, ROOT, SETTINGS, declare_missing_operators, module_of
from .common import PARTS, Desk, Pupil, agrees
from .judge import Judge, Judging, cost

AGREEMENT = 0.02                                             # libraries count time in whole steps, ours is between two of them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=SETTINGS)
    parser.add_argument("--choice")
    parser.add_argument("--minutes", type=float, required=True, help="CPU minutes that the whole run takes")
    parser.add_argument("--at", type=float, nargs="+", required=True, help="CPU minutes at which it is judged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--judging", type=json.loads, default={})
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    choices = SETTINGS[options.library]["choices"]
    settings = choices[options.choice or next(iter(choices))]
    rules = Judging(**options.judging)
    begin(options.folder, settings, rules)
    if options.library != OURS:
        declare_missing_operators()
    library = importlib.import_module(f".{module_of(options.library)}", __package__)     # before the clock runs
    judge, desk = Judge(rules), Desk(options.folder)
    desk.watch.watch_optimizers()
    keep_freed_memory()
    pupil = library.Taught(settings, options.seed, options.minutes, desk)
    restore(pupil, options.folder / "state.pt")
    with desk.watch.paused():
        head = {"settings": settings, **cost(pupil.averaged()), "dtype": str(fastest_dtype(torch.device("cpu"))).removeprefix("torch."),
                "torch": torch.__version__, **made_on(), "frechet_floor": judge.floor(), "judging": asdict(judge.rules)}
    print(json.dumps({"head": head}), flush=True)
    learn(pupil, judge, desk, options)


def begin(folder: Path, settings: dict, rules: Judging) -> None:
    """Write down what the run in a folder is made with, or refuse to go on where it was begun otherwise."""
    file, now = folder / "head.json", {f"settings: {name}": value for name, value in settings.items()}
    if "recipe" in settings:                                 # what it says counts too
        recipe = tomllib.loads((ROOT / "recipes" / f"{settings['recipe']}.toml").read_text(encoding="utf-8"))
        now |= {f"recipe: [{section}] {key}": value for section, content in recipe.items() for key, value in content.items()}
    now |= {f"judging: {name}": value for name, value in asdict(rules).items()}
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else now             # older runs have no such file
    for name in now | before:
        if now.get(name) != before.get(name):
            raise SystemExit(f"{folder} holds a run with {name} = {before.get(name)}, but now it is {now.get(name)}: "
                             "put that back, or move the folder away to begin anew")
    file.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


def learn(pupil: Pupil, judge: Judge, desk: Desk, options: argparse.Namespace) -> None:
    """The run, from where it stands to its end."""
    written = options.folder / "points.jsonl"
    done = {json.loads(line)["minute"] for line in written.read_text().splitlines()} if written.is_file() else set()
    losses: list[torch.Tensor] = []
    for minute in options.at:
        if minute in done:
            continue
        while desk.watch() < 60 * minute and desk.watch() < 60 * options.minutes:
            try:
                losses.append(pupil.lesson(desk.watch() / 60 / options.minutes))
            except StopIteration:                            # ours knows by itself when its time is over
                break
        with desk.watch.paused() as seconds:
            row = point(pupil, judge, desk, losses, minute)
            if minute == options.minutes and pupil.sampler:
                row["own"] = own_sampler(pupil, judge)
            keep(pupil, desk, seconds, options.folder / "state.pt")
            with written.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps({"point": row}), flush=True)
        losses.clear()


def point(pupil: Pupil, judge: Judge, desk: Desk, losses: list, minute: float) -> dict:
    """What is known of the run at this minute. loss: the library's own, mean of the steps since the last point."""
    spent, model = desk.watch(), pupil.averaged()
    if (difference := agrees(pupil, model)) > AGREEMENT:
        raise SystemExit(f"{pupil.__module__} guesses otherwise than its network does when it is asked as ours are: by {difference:.2%}")
    parts = {name: desk.watch.parts[name] / spent for name in PARTS}
    loss = float(torch.stack([one.float() for one in losses]).mean()) if losses else None
    return {"minute": minute, "steps": pupil.steps, "pictures": pupil.pictures, "loss": loss, **judge.looks_at(model),
            "parts": parts | {"network": 1 - sum(parts.values())}}


@torch.no_grad()
def own_sampler(pupil: Pupil, judge: Judge) -> dict:
    torch.manual_seed(judge.rules.seed)
    asked = prompts(judge.rules.own, judge.rules.seed)
    return {"sampler": pupil.sampler, "seen": judge.found(pupil.draws(pupil.averaged(), asked), asked), "n": judge.rules.own}


# To go on after an interruption --------------------------------------------------------------------------------------

def keep(pupil: Pupil, desk: Desk, seconds: float, file: Path) -> None:
    """Write the state of a run that has learned for so many seconds: the watch itself says more, as the judge has just worked."""
    state = {"steps": pupil.steps, "seconds": seconds, "parts": desk.watch.parts, "luck": torch.get_rng_state(),
             "things": {name: thing.state_dict() for name, thing in pupil.keeps().items()}}
    torch.save(state, file.with_suffix(".new"))
    file.with_suffix(".new").replace(file)


def restore(pupil: Pupil, file: Path) -> None:
    if not file.is_file():
        return
    state = torch.load(file, weights_only=False)
    pupil.desk.watch.parts.update(state["parts"])
    if not pupil.keeps():                                    # ours has gone on by itself
        return
    for name, thing in pupil.keeps().items():
        thing.load_state_dict(state["things"][name])
    pupil.steps = state["steps"]
    pupil.desk.watch.set(state["seconds"])
    torch.set_rng_state(state["luck"])


if __name__ == "__main__":
    main()
