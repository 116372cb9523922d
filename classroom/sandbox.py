"""A place for code that nobody has read: no network, no files but the ones it needs, no time and memory but a little.

bubblewrap (`bwrap`) builds it out of Linux namespaces: a file system of read-only folders with one small scratch
folder, a process tree of its own, a network without any other machine, and a user without rights. As root the user
becomes a number that nobody has, inside a chroot, in which the kernel allows no further namespaces. Where bubblewrap
is missing or not permitted there is no sandbox, and `why_not` says so; nothing quietly runs without it.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSIDE = Path(__file__).resolve().parent / "sandboxed"
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
SCRATCH = 64 * 2**20                                         # bytes that may be written, all files together

# Tried inside the sandbox before every grading: what succeeds there and must not. Prints a list of names.
PROBE = """
import ctypes, json, os, socket, sys
bad = []
def attempt(what, action):
    try:
        action()
        bad.append(what)
    except (OSError, ValueError):
        pass
def other_machine():
    s = socket.socket(); s.settimeout(1); s.connect(("1.1.1.1", 53))
def same_network():
    if os.readlink("/proc/self/ns/net") != sys.argv[3]: raise OSError
def variables():
    if not open("/proc/1/environ", "rb").read(): raise OSError
def new_namespace():
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000): raise OSError
attempt("reach another machine", other_machine)
attempt("use this machine's network", same_network)
attempt("read the grader's environment", variables)
for path in json.loads(sys.argv[1]):
    attempt(f"see {path}", lambda: os.stat(path))
attempt("signal the grader", lambda: os.kill(int(sys.argv[2]), 0))
for folder in ("/", "/usr", "/dev", "/dev/shm", "/library", "/grader", sys.prefix):
    attempt(f"write into {folder}", lambda: open(os.path.join(folder, "probe"), "w"))
attempt("write more than the scratch folder holds", lambda: os.posix_fallocate(os.open("big", os.O_CREAT | os.O_RDWR), 0, 2**27))
attempt("be root", lambda: os.setuid(0))
attempt("make a namespace of its own", new_namespace)
print(json.dumps(bad))
"""


@dataclass(frozen=True)
class Limits:
    """What one exercise may use. seconds: on the clock, checks included. processor: seconds of it, for each process.

    memory: bytes. tasks: are processes counted?
    """

    seconds: int = 60
    processor: int = 60
    memory: int = 2 * 2**30
    tasks: bool = True


def command(python: Path, program: list[str], user: int = 0) -> list[str]:
    """How `program` (arguments of `python`) is started inside the sandbox. user: as root, who it becomes."""
    root = os.geteuid() == 0
    base = "/jail" if root else ""
    words = [shutil.which("bwrap") or "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts",
             "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    words += [] if root else ["--unshare-user", "--disable-userns"]
    words += ["--ro-bind", "/usr", "/usr", *_system("")] if root else []
    folders = _folders_of(python)
    above = {parent for folder in (*folders, Path("/library/diffusion_lib")) for parent in folder.parents}
    words += ["--perms", "0755", "--dir", base] if base else []       # as root, bwrap would make folders for root only
    words += ["--perms", "1777", "--size", str(SCRATCH), "--tmpfs", f"{base}/tmp"]     # first: what is bound may lie below /tmp
    for parent in sorted(above - {Path("/"), Path("/tmp")}):
        words += ["--perms", "0755", "--dir", f"{base}{parent}"]
    words += ["--ro-bind", "/usr", f"{base}/usr", *_system(base), "--proc", f"{base}/proc", "--dev", f"{base}/dev"]
    for folder in folders:
        words += ["--ro-bind", str(folder), f"{base}{folder}"]
    for folder, place in ((ROOT / "diffusion_lib", "library/diffusion_lib"), (INSIDE, "grader"),
                          (INSIDE / "checks", "library/diffusion_lib/checks")):
        words += ["--ro-bind", str(folder), f"{base}/{place}"]
    for installed in python.parent.parent.glob("lib/python*/site-packages/diffusion_lib"):
        words += ["--tmpfs", f"{base}{installed}", "--remount-ro", f"{base}{installed}"]
    words += ["--remount-ro", f"{base}/dev"]
    for name, value in _environment(python, "/tmp", "/library").items():
        words += ["--setenv", name, value]
    if not root:
        return [*words, "--remount-ro", "/", "--chdir", "/tmp", "--", str(python), *program]
    rights = [word for name in ("SYS_CHROOT", "SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}")]
    enter = [shutil.which("chroot") or "/usr/sbin/chroot", "/jail", "setpriv", f"--reuid={user}", f"--regid={user}",
             "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
             "sh", "-c", 'cd /tmp && exec "$0" "$@"']
    return [*words, *rights, "--remount-ro", "/", "--", *enter, str(python), *program]


def _system(base: str) -> list[str]:
    """The folders beside /usr that programs expect, and what the loader of shared libraries reads."""
    words = []
    for folder in SYSTEM:
        if os.path.islink(folder):
            words += ["--symlink", os.readlink(folder), base + folder]
        elif os.path.isdir(folder):
            words += ["--ro-bind", folder, base + folder]
    for path in ("/etc/ld.so.cache", "/etc/alternatives"):
        words += ["--ro-bind-try", path, base + path]
    return words


def _folders_of(python: Path) -> list[Path]:
    """What has to be visible for this Python to run: its environment, and the installation it was made from."""
    ask = [python, "-c", "import sys; print(sys.prefix); print(sys.base_prefix)"]
    told = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.splitlines()
    folders = {Path(line) for line in told} | {Path(line).resolve() for line in told}
    return sorted(folder for folder in folders if folder != Path("/usr") and Path("/usr") not in folder.parents)


def _environment(python: Path, home: str, library: str) -> dict[str, str]:
    """All that the sandbox's environment holds."""
    ours = "/grader" if library == "/library" else str(INSIDE)
    return {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": home, "TMPDIR": home, "MPLCONFIGDIR": home, "USER": "student",
            "LANG": "C.UTF-8", "PYTHONPATH": f"{library}:{ours}", "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg",
            "DIFFUSION_FAST": "1", "OMP_NUM_THREADS": "1"}


def a_user() -> int:
    """A user number that nobody has, and that no other grading uses at the same time."""
    return 2_000_000 + os.getpid() % 1_000_000


def why_not(python: Path, private: tuple[Path, ...] = ()) -> str:
    """Why there is no sandbox on this machine, in one line; "" where everything that it has to prevent was tried and prevented.

    private: what must not be visible inside, besides the notebooks of the book and what lies in the home folder.
    """
    if not sys.platform.startswith("linux"):
        return "the sandbox needs Linux (bubblewrap); this is another system"
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed (on Debian or Ubuntu: apt-get install bubblewrap)"
    seen, home = _folders_of(python), Path.home()
    secret = [*private, ROOT / "notebooks", ROOT / "Makefile", Path("/etc/passwd"), *(home.iterdir() if home.is_dir() else ())]
    unseen = [str(path) for path in secret
              if not any(path in (folder, *folder.parents) or folder in path.parents for folder in seen)]
    ours = [json.dumps(unseen), str(os.getpid()), os.readlink("/proc/self/ns/net")]
    run = subprocess.run(command(python, ["-c", PROBE, *ours], a_user()), capture_output=True, text=True, timeout=300, env={})
    if run.returncode:
        return f"bubblewrap cannot build it here ({run.stderr.strip().splitlines()[-1] if run.stderr.strip() else 'no message'})"
    bad = json.loads(run.stdout)
    return f"inside it one can still {', and '.join(bad)}" if bad else ""


def start(python: Path, limits: Limits, unsafe: str = "") -> subprocess.Popen:
    """The worker, waiting for its first exercise. unsafe: a folder to run it in with no sandbox."""
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")} | {"bufsize": 0, "start_new_session": True}
    if not unsafe:                                           # without ours, or bwrap's own process would show it inside
        return subprocess.Popen(command(python, ["/grader/worker.py", json.dumps(asdict(limits))], a_user()), env={}, **pipes)
    words = [str(python), str(INSIDE / "worker.py"), json.dumps(asdict(limits) | {"tasks": False})]
    return subprocess.Popen(words, cwd=unsafe, env=_environment(python, unsafe, str(ROOT)), **pipes)


def memory_of(pid: int) -> int:
    """Bytes that a process and all its descendants hold, read from /proc; 0 where there is none."""
    total, waiting = 0, [pid]
    while waiting:
        folder = Path("/proc", str(waiting.pop()))
        try:
            total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for children in folder.glob("task/*/children"):
                waiting += [int(child) for child in children.read_text().split()]
        except (OSError, IndexError, ValueError):
            continue
    return total
