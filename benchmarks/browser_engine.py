"""How fast is the engine of the page, and how fast would onnxruntime-web be in its place? Measured in Chromium, as a page runs it.

    python benchmarks/browser_engine.py                      # both shipped models, beside onnxruntime-web
    python benchmarks/browser_engine.py pets32-text --rounds 5
    python benchmarks/browser_engine.py --table              # what was measured

All run the same weights and the same walk (engine.js), in Workers, on one page each, in turn; only what answers differs.
Into `.peers` come, once, onnxruntime-web (npm) and what torch needs to write ONNX (pip); the project depends on neither.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import diffusion_lib as dl  # noqa: E402
from onnx_export import rows_of  # noqa: E402
from rows import write  # noqa: E402
from diffusion_lib import engine, zoo  # noqa: E402
from diffusion_lib.figures._base import lean  # noqa: E402
from diffusion_lib.hardware import processor_name  # noqa: E402
from diffusion_lib.networks.layers import count_flops  # noqa: E402
from scripts.chromium import chromium  # noqa: E402
from scripts.quiet import refuse_when_busy  # noqa: E402
from scripts.serve import serving  # noqa: E402

STEPS, SAID = 20, "a happy orange striped cat wearing a top hat on a blue background"
RECORD = ROOT / "diffusion_lib" / "records" / "browser_engine.json"
PEERS = ROOT / "benchmarks" / ".peers"
WEB, NPM = "1.30.0", PEERS / "onnxruntime-web"
EXPORTER = ("onnx==1.23.2", "onnxscript==0.7.2", "onnx-ir==1.1.0", "ml-dtypes==0.6.0", "protobuf==7.36.2")
RUNNERS = {"ours, one worker": 1, "ours, two workers": 2, "onnxruntime-web, one thread": 0}     # 0: not our engine

# Answers a pair of questions at a time; everything comes as bytes, as for our engine.
ONNX_WORKER = """
import * as ort from './ort.wasm.bundle.min.mjs';
let session, rows;
onmessage = async ({ data: { start, x, logSnr } }) => {
  if (start) {
    Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: start.wasm });
    session = await ort.InferenceSession.create(new Uint8Array(start.content), { executionProviders: ['wasm'] });
    rows = new ort.Tensor('int64', BigInt64Array.from(start.rows.flat(), BigInt), [2, start.rows[0].length]);
    return postMessage(null);
  }
  const numbers = (values, shape) => new ort.Tensor('float32', values, shape);
  const { y } = await session.run({ x: numbers(x, [2, 3, 32, 32]), log_snr: numbers([logSnr, logSnr], [2]), rows });
  postMessage(y.data);
};"""

ROUND = """async ({ said, steps, workers, rows }) => {
  const m = await import('./engine.js'), file = m.unpack(await m.fetchBytes('model.bin'));
  const names = workers ? ['unet.wasm', 'model.bin'] : ['ort-wasm-simd-threaded.wasm', 'model.onnx'];
  const [wasm, content] = await Promise.all(names.map((name) => m.fetchBytes(name)));

  function onnx() {
    const worker = new Worker('onnx_worker.js', { type: 'module' });
    const reply = () => new Promise((resolve, reject) => Object.assign(worker, { onmessage: ({ data }) => resolve(data), onerror: reject }));
    const ready = reply();
    worker.postMessage({ start: { wasm, content, rows } });
    let first = null;
    const ask = async (x, logSnr) => {                       // both questions of a step in one batch
      if (!first) return new Promise((resolve) => { first = resolve; });
      const answer = reply(), twice = new Float32Array(6144), tell = first;
      first = null;
      twice.set(x); twice.set(x, 3072);
      worker.postMessage({ x: twice, logSnr });
      const y = await answer;
      tell(y.slice(0, 3072));
      return y.slice(3072);
    };
    return { ready, ask, close: () => worker.terminate() };
  }

  const since = (before) => performance.now() - before;
  let still = 0, before = performance.now(), on = true;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { still = Math.max(still, since(before)); before = performance.now(); if (on) channel.port2.postMessage(0); };

  const result = {}, began = performance.now();
  const network = workers ? m.hireWorkers(wasm, m.unpack(content), workers) : onnx();
  await network.ready;
  for await (const { k } of m.walk(network.ask, file, { said, steps })) if (k === 0) result.first = since(began);
  result.picture = since(began);
  before = performance.now(); channel.port2.postMessage(0);
  const walked = performance.now();
  for await (const { x } of m.walk(network.ask, file, { said, steps })) result.x = x;
  result.walk = since(walked);
  on = false;
  result.still = still;
  network.close();
  return { ...result, x: Array.from(result.x) };
}"""
COLUMNS = {"first": "bytes to first step", "picture": "bytes to first picture", "walk": f"{STEPS} guided steps", "still": "page stood still"}


def install() -> None:
    """The other side, once."""
    if not (NPM / "node_modules").is_dir():
        NPM.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", NPM, f"onnxruntime-web@{WEB}"], check=True)
    if not (PEERS / "onnx").is_dir():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", PEERS / "onnx", *EXPORTER], check=True)


def lay_files(folder: Path, name: str) -> dict[str, int]:
    """Everything that the pages of one model fetch. Returns the bytes that a reader would wait for, engines in gzip."""
    (folder / "index.html").write_text("<!doctype html><title>Benchmark</title>")
    shared = (ROOT / "diffusion_lib/figures/js/_shared.js").read_text(encoding="utf-8")
    (folder / "engine.js").write_text(lean(f"{shared}\n{engine.module_source()}"), encoding="utf-8")
    (folder / "unet.wasm").write_bytes(engine.wasm())
    (folder / "model.bin").write_bytes(packed := engine.pack(zoo.load(name)))
    (folder / "onnx_worker.js").write_text(ONNX_WORKER)
    for file in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        shutil.copy(NPM / "node_modules" / "onnxruntime-web" / "dist" / file, folder)
    subprocess.run([sys.executable, ROOT / "benchmarks" / "onnx_export.py", name, SAID, folder / "model.onnx"], check=True, capture_output=True,
                   env={**os.environ, "PYTHONPATH": str(PEERS / "onnx")})
    wire = lambda *files: sum(len(gzip.compress((folder / file).read_bytes(), 9)) for file in files)  # noqa: E731
    return {"engine": wire("unet.wasm") + len(gzip.compress(lean(engine.module_source()).encode(), 9)), "weights": len(packed),
            "onnxruntime-web": wire("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"), "onnx weights": (folder / "model.onnx").stat().st_size}


def measure(browser, address: str, folder: Path, name: str, rounds: int) -> dict:
    """One model: its bytes, and a list of times (ms) for each runner. browser: of playwright. address: where `folder` is served."""
    network = zoo.load(name).network
    size = lay_files(folder, name)
    said = SAID if isinstance(network.conditioner, dl.TextConditioner) else dl.pets.parse_caption(SAID).tolist()
    rows = rows_of(network.conditioner, SAID)
    taken, pictures = {runner: [] for runner in RUNNERS}, {}
    for _ in range(rounds):
        for runner, workers in RUNNERS.items():
            page = browser.new_page()
            page.goto(address)
            found = page.evaluate(ROUND, {"said": said, "steps": STEPS, "workers": workers, "rows": rows.tolist()})
            pictures[runner] = found.pop("x")
            taken[runner].append({key: round(value, 1) for key, value in found.items()})
            page.close()
    ours, theirs = pictures["ours, one worker"], pictures["onnxruntime-web, one thread"]
    gflop = count_flops(network, (network.config.channels, 32, 32)) / 1e9
    return {"bytes": size, "gflop": round(gflop, 3), "apart": max(abs(a - b) for a, b in zip(ours, theirs, strict=True)), "times": taken}


def table(record: dict) -> None:
    """Prints what was measured. record: as `main` writes it."""
    print(f"{record['processor']}, {record['cores']} cores, others kept {record['others']:.1f} busy; Chromium {record['chromium']}, "
          f"onnxruntime-web {record['onnxruntime-web']}")
    for name, found in record["models"].items():
        size = found["bytes"]
        print(f"\n{name}: {found['gflop']:.2f} GFLOP an answer without a wish; both draw the same picture to {found['apart']:.1e}")
        print(f"  engine {size['engine']:,} bytes gzip and weights {size['weights']:,}; "
              f"onnxruntime-web {size['onnxruntime-web']:,} and {size['onnx weights']:,}")
        rounds = len(next(iter(found["times"].values())))
        print(f"  {f'least / median of {rounds} rounds, ms':32}" + "".join(f"{what:>24}" for what in COLUMNS.values()))
        for runner, rounds in found["times"].items():
            cells = [sorted(row[key] for row in rounds) for key in COLUMNS]
            print(f"  {runner:32}" + "".join(f"{f'{times[0]:.0f} / {median(times):.0f}':>24}" for times in cells))
        walks = {runner: median(row["walk"] for row in rounds) for runner, rounds in found["times"].items()}
        theirs = walks.pop("onnxruntime-web, one thread")
        print("  " + "; ".join(f"{runner} is {theirs / own:.2f} times as fast" for runner, own in walks.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["pets32-text", "pets32"], help="of the zoo")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--table", action="store_true", help="print what was measured, and measure nothing")
    parser.add_argument("--anyway", action="store_true", help="measure although other programs keep the machine busy")
    options = parser.parse_args()
    if options.table:
        return table(json.loads(options.record.read_text()))
    install()
    others = refuse_when_busy(options.anyway)
    with tempfile.TemporaryDirectory() as folder, serving(folder) as address, chromium() as browser:
        record = {"processor": processor_name(), "cores": os.cpu_count(), "others": round(others, 2), "chromium": browser.version, "onnxruntime-web": WEB,
                  "steps": STEPS, "models": {}}
        for name in options.models:
            record["models"][name] = measure(browser, address, Path(folder), name, options.rounds)
    options.record.parent.mkdir(parents=True, exist_ok=True)
    write(options.record, json.dumps(record, indent=1) + "\n")
    table(record)


if __name__ == "__main__":
    main()
