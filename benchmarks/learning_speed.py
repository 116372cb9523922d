"""Which library learns fastest? The same pictures, wishes, processor minutes, parameters and judge for all.

    python benchmarks/learning_speed.py --search             # which of its settings suits each library best; once, first
    python benchmarks/learning_speed.py                      # 30 CPU minutes each, 3 seeds; goes on where it was interrupted
    python benchmarks/learning_speed.py --minutes 6 --only ours
    python benchmarks/learning_speed.py --table              # only prints what has been measured so far

README.md says what was given to whom, and why. Chapter 12 shows the record, diffusion_lib/records/learning_speed.json.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers import OURS, SETTINGS, module_of  # noqa: E402
from peers.standings import QUALITIES, WITHIN, chosen, counted, goals, lengths, runs_of, together  # noqa: E402
from rows import alone, spread, write  # noqa: E402
from scripts.quiet import Meanwhile, refuse_when_busy  # noqa: E402

ENVIRONMENTS, RUNS = ROOT / "benchmarks" / ".peers", ROOT / "runs"
RECORD = ROOT / "diffusion_lib" / "records" / "learning_speed.json"
TORCH = "torch==2.13.0"
MOMENTS = (1, 2, 3, 4, 6, 10, 15, 20, 25, 30, 40, 50, 60)  # CPU minutes at which a run is judged, and at its end
ALIKE = 0.10                                                 # parameters may differ by this share
SEARCH = {"seed": 100, "judging": {"pictures": 32, "own": 8}}


# The environments ----------------------------------------------------------------------------------------------------

def python_of(library: str) -> Path:
    """The interpreter in which a library is installed; ours is this one."""
    return Path(sys.executable) if library == OURS else ENVIRONMENTS / module_of(library) / "bin" / "python"


def install(library: str) -> None:
    """Make a library's environment, once. torch is borrowed from this one: the same for all."""
    folder, done = ENVIRONMENTS / module_of(library), ENVIRONMENTS / module_of(library) / "installed"
    if library == OURS or done.is_file():
        return
    print(f"== {library} into {folder.relative_to(ROOT)} (once)", flush=True)
    venv.create(folder, with_pip=True)
    borrowed, site = ENVIRONMENTS / "torch", Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    borrowed.mkdir(exist_ok=True)
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if item.name.startswith(("torch-", "nvidia", "triton")) or item.name in ("torch", "torchgen", "functorch"):
            if not (borrowed / item.name).exists():
                (borrowed / item.name).symlink_to(item)
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    (folder / "constraints.txt").write_text(f"{TORCH}\n")    # without it pip fetches another torch, with gigabytes of CUDA
    pip = [python_of(library), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "torchvision==0.28.0"], check=True)
    subprocess.run([*pip, "--constraint", folder / "constraints.txt", *SETTINGS[library]["requirements"],
                    "numpy", "pillow", "safetensors", "tqdm"], check=True)
    done.touch()


# Runs ----------------------------------------------------------------------------------------------------------------

def moments(minutes: float) -> list[float]:
    """When a run of so many minutes is judged."""
    return [moment for moment in MOMENTS if moment < minutes] + [minutes]


def lines(library: str, choice: str, minutes: float, seed: int, at: list[float], judging: dict, runs: Path) -> Iterator[dict]:
    """What the learner of one run says, while it runs. runs: where it keeps its state."""
    folder = runs / f"{module_of(library)}-{''.join(filter(str.isalpha, choice))}-{minutes:g}-{seed}"
    command = [python_of(library), "-m", "peers.learner", library, "--choice", choice, "--minutes", str(minutes), "--seed", str(seed),
               "--at", *map(str, at), "--folder", folder, "--judging", json.dumps(judging)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)
    if process.returncode:
        raise SystemExit(f"{library} stopped with {process.returncode}; why, stands above. "
                         "After an interruption the same command goes on")
    for line in (folder / "points.jsonl").read_text(encoding="utf-8").splitlines():
        yield {"point": json.loads(line)}                    # those of an interrupted run too


def run(library: str, choice: str, minutes: float, seed: int, judging: dict, record: Path) -> None:
    """One run; each of its points is in the record as soon as it is judged, and at its end how busy the machine was besides."""
    row = {"library": library, "choice": choice, "minutes": minutes, "seed": seed,
           "settings": SETTINGS[library]["choices"][choice], "points": []}
    for one in read(record)["runs"]:
        if key_of(one) == key_of(row):
            check_alike(row | {"judging": one.get("judging", {}) | judging}, [one])
            if len(one["points"]) == len(moments(minutes)):
                return
    meanwhile = Meanwhile()
    for said in lines(library, choice, minutes, seed, moments(minutes), judging, RUNS / record.stem):
        row |= said.get("head", {})
        row["points"] = with_point(row["points"], said["point"]) if "point" in said else row["points"]
        check_alike(row, read(record)["runs"])
        change(record, lambda whole: {**whole, "runs": with_run(whole["runs"], row)})
        if "point" in said:
            print(f"{library:<28}seed {seed}  {one_line(said['point'])}", flush=True)
    row["others"] = round(meanwhile.others(), 2)             # processors, on average; where it was interrupted, since then
    change(record, lambda whole: {**whole, "runs": with_run(whole["runs"], row)})


def search(libraries: list[str], minutes: float, record: Path) -> None:
    """Try every choice of every library for a few minutes, with a seed of its own."""
    for library in libraries:
        for choice in SETTINGS[library]["choices"]:
            row = {"library": library, "choice": choice, "minutes": minutes}
            if any(row.items() <= one.items() for one in read(record)["search"]):
                continue
            said = lines(library, choice, minutes, SEARCH["seed"], [minutes], SEARCH["judging"], RUNS / f"{record.stem}_search")
            last = [one["point"] for one in said if "point" in one][-1]
            row |= {key: last[key] for key in ("pictures", "loss", "guess", "seen")}
            change(record, lambda whole: {**whole, "search": [*whole["search"], row]})
            print(json.dumps(row), flush=True)


# The record ----------------------------------------------------------------------------------------------------------

def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"search": [], "runs": []}


def key_of(row: dict) -> tuple:
    return list(SETTINGS).index(row["library"]), row["choice"], row["minutes"], row["seed"]


def with_run(runs: list[dict], row: dict) -> list[dict]:
    """The runs with this one among them, in the place of an earlier state of it; points that it lacks are kept."""
    before = next((one for one in runs if key_of(one) == key_of(row)), {"points": []})
    points = row["points"]
    for point in before["points"]:
        points = points if any(one["minute"] == point["minute"] for one in points) else with_point(points, point)
    return sorted([one for one in runs if key_of(one) != key_of(row)] + [{**row, "points": points}], key=key_of)


def with_point(points: list[dict], point: dict) -> list[dict]:
    """The points with this one, in order of time."""
    return sorted([one for one in points if one["minute"] != point["minute"]] + [point], key=lambda one: one["minute"])


def check_alike(row: dict, runs: list[dict]) -> None:
    """Raises ValueError unless a run may be compared with ours (parameters, judge, number type) and is the one of its name."""
    for one in runs:
        for name in ("settings", "judging") if key_of(one) == key_of(row) else ():
            if name in row and row[name] != one.get(name, row[name]):
                raise ValueError(f"{name} of {row['library']}, {row['choice']}, are {row[name]}, but the record's run of that "
                                 f"name had {one[name]}: take it out of the record, or give another --record")
        theirs, own = (one, row) if row["library"] == OURS else (row, one)
        if own["library"] != OURS or not ("parameters" in theirs and "parameters" in own):
            continue
        if abs(theirs["parameters"] / own["parameters"] - 1) > ALIKE:
            raise ValueError(f"{theirs['library']} has {theirs['parameters']:,} parameters, but ours has {own['parameters']:,}: "
                             f"more than {ALIKE:.0%} apart")
        for name in ("judging", "dtype"):
            if theirs[name] != own[name]:
                raise ValueError(f"{name} of {theirs['library']} is {theirs[name]}, but that of ours is {own[name]}")


def change(path: Path, how) -> None:
    """Change the record, whoever else is writing."""
    with alone():
        write(path, as_text(how(read(path))))


def as_text(record: dict) -> str:
    """JSON with a line for each run's head and for each point."""
    def of(row: dict) -> str:
        head = json.dumps({name: value for name, value in row.items() if name != "points"})
        return head[:-1] + ', "points": [' + ",".join(f"\n   {json.dumps(point)}" for point in row["points"]) + "]}"

    tried = ",\n".join(f"  {json.dumps(row)}" for row in record["search"])
    runs = ",\n".join(f"  {of(row)}" for row in record["runs"])
    return f'{{"made by": "benchmarks/learning_speed.py",\n "search": [\n{tried}\n ],\n "runs": [\n{runs}\n ]}}\n'


# What it says --------------------------------------------------------------------------------------------------------

def one_line(point: dict) -> str:
    return (f"minute {point['minute']:g}: {point['pictures']:,} pictures, seen {point['seen']:.1%}, held out {point['held_out']:.1%}, "
            f"Fréchet {point['frechet']:.2f}, guess {point['guess']:.4f}")


def table(record: dict) -> str:
    """A line for each library and length: the end of its runs, mean and spread over seeds; where the time went; the goal."""
    out = [f"{'library':<28}{'settings':<22}{'minutes':>8}{'seeds':>6}{'pictures':>10}{'M param.':>9}{'MFLOP':>7}{'seen':>15}{'held out':>15}"
           f"{'Fréchet':>15}{'own sampler':>12}  time for: data, network, optimizer, averaging"]
    runs = counted(record)
    for library in SETTINGS:
        for minutes in lengths(runs, library):
            own = [one for one in runs_of(runs, library, minutes) if one["points"]]
            out += [line_of(own)] if own else []
    out += [f"not counted, as other settings were chosen: {one['library']}, {one['choice']}, {one['minutes']:g} min, "
            f"seed {one['seed']}" for one in record["runs"] if one not in runs]
    if record["search"]:
        out += ["", "tried:"] + [f"  {row['library']}, {row['choice']}, {row['minutes']:g} min: guess {row['guess']:.4f}" for row in record["search"]]
    for found in goals(record):
        after = "not yet" if found["ours after"] is None else f"after {found['ours after']:g}"
        out.append(f"{found['quality']}: the best other library, {found['best']}, has {found['value']:.3f} after {found['minutes']:g} minutes; "
                   f"ours {after} (goal: {found['minutes'] / WITHIN:g}; {'met' if found['met'] else 'not met'})")
    return "\n".join(out)


def line_of(own: list[dict]) -> str:
    """What the table says of one library's runs of one length."""
    one, last = own[0], together(own)
    if not last:
        return f"{one['library']:<28}{one['choice']:<22}{one['minutes']:>8g}{len(own):>6}  (no minute that all seeds have reached)"
    values = [spread([point[quality] for point in last], digits) for quality, digits in zip(QUALITIES, (3, 3, 2))]
    sampled = [point["own"]["seen"] for point in last if "own" in point]
    parts = ", ".join(f"{fmean(point['parts'][name] for point in last):.0%}" for name in ("data", "network", "optimizer", "averaging"))
    return (f"{one['library']:<28}{one['choice']:<22}{one['minutes']:>8g}{len(own):>6}{fmean(point['pictures'] for point in last):>10,.0f}"
            f"{one['parameters'] / 1e6:>9.2f}{one['flops'] / 1e6:>7.0f}" + "".join(f"{value:>15}" for value in values) +
            f"{f'{fmean(sampled):.3f}' if sampled else '-':>12}  {parts}{'' if last[0]['minute'] == one['minutes'] else ' (so far)'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help="CPU minutes of a run (default: 30; 3 with --search)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="LIBRARY")
    parser.add_argument("--search", action="store_true", help="try every choice of settings for --minutes")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--judging", type=json.loads, default={}, help='other rules for the judge, such as {"pictures": 8}; into a --record of their own')
    parser.add_argument("--table", action="store_true", help="print the record and stop")
    parser.add_argument("--anyway", action="store_true", help="although other programs are running")
    options = parser.parse_args()
    minutes = options.minutes or (3.0 if options.search else 30.0)
    if not options.table:
        for library in options.only:
            install(library)
        refuse_when_busy(options.anyway)
        if options.search:
            search([library for library in options.only if library != OURS], minutes, options.record)
        else:
            for seed in options.seeds:                       # seeds outside, so that an interrupted bench has all libraries
                for library in options.only:
                    run(library, chosen(library, read(options.record)["search"]), minutes, seed,
                        options.judging, options.record)
    print(table(read(options.record)))


if __name__ == "__main__":
    main()
