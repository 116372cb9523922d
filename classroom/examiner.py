"""Asks a student's answers about themselves, and lets the book's own checks judge what they say.

The checks run here, where no student's code runs. What they are given is a stand-in: calling it sends the question
into the sandbox and brings plain values back. So a student's code can print what it likes, replace `Verdict`, define
`__eq__`, or end its process: the only way to pass a check is to send it the right numbers.

    python -m classroom.examiner JOBS.json RESULTS.json      # by grade.py, in the environment that has torch
"""

import builtins
import contextlib
import io
import json
import os
import pickle
import re
import signal
import sys
import tempfile
import time
import types
from dataclasses import replace
from pathlib import Path

from . import sandbox
from .sandboxed import wire

ONLY_HERE = ("__main__", "diffusion_lib.checks")             # modules whose functions cannot be found inside the sandbox
WORDS = 600                                                  # characters of a message that are kept
BUILTIN_ERRORS = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, Exception)}
NO_WORDS = re.compile(r"[^\n\t\x20-\x7e\xa0-\ufdff\ufe00-\uffef\U00010000-\U0010ffff]"          # control characters
                      r"|[\u200b-\u200f\u202a-\u202e\u2060-\u2069]")                   # what hides or turns text round


class Stopped(BaseException):
    """The answer used up its time or memory, ended its process, or talked nonsense. To a check it is no ordinary error."""


class StandIn:
    """A student's function: calling it asks the sandbox."""

    def __init__(self, cell, token: int, name: str):
        self.__dict__.update(cell=cell, token=token, name=name)

    def __call__(self, *arguments, **keywords):
        return self.cell.ask(self.token, arguments, keywords)

    def __repr__(self) -> str:
        return f"<function {self.name}>"


StandIn.__name__ = "function"                                # as the checks name it in their words


class Inward(pickle.Pickler):
    """Pickles what goes into the sandbox. Functions are not sent: ours stay here and are asked for, theirs go back as tokens."""

    def __init__(self, file, cell):
        super().__init__(file)
        self.cell = cell

    def persistent_id(self, value):
        if isinstance(value, StandIn):
            return "yours", value.token
        if isinstance(value, (types.FunctionType, types.MethodType)) and str(value.__module__).startswith(ONLY_HERE):
            self.cell.ours.append(value)
            return "ours", len(self.cell.ours) - 1
        return None


class Cell:
    """One sandbox for one submission. After anything irregular it is thrown away, and the next exercise gets a new one."""

    def __init__(self, python: Path, limits: sandbox.Limits, safe: bool):
        self.python, self.limits, self.process, self.ours = python, limits, None, []
        self.folder = None if safe else tempfile.TemporaryDirectory()

    def open(self) -> None:
        if self.process is None:
            self.process = sandbox.start(self.python, self.limits, self.folder.name if self.folder else "")
            try:
                if self.hear() != {"ready": True}:
                    raise Stopped("the sandbox did not start")
            except Stopped:
                words = self.process.stderr.read().decode(errors="replace")[-WORDS:]
                raise SystemExit(f"The sandbox did not start: {words}") from None

    def close(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # and with bubblewrap all that it started dies
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                pipe.close()
            self.process = None

    def say(self, **message) -> None:
        file = io.BytesIO()
        Inward(file, self).dump(message)
        try:
            wire.send(self.process.stdin.fileno(), file.getvalue())
        except OSError:
            raise Stopped("its process ended") from None

    def hear(self) -> dict:
        try:
            message = wire.parse(wire.receive(self.process.stdout.fileno()))
        except EOFError:
            raise Stopped("it ended the whole sandbox") from None
        except wire.Garbage as error:
            raise Stopped(f"it wrote into the grader's pipe ({error})") from None
        if "ended" in message:
            raise Stopped(self.ending(message["ended"]))
        return message

    def ending(self, status) -> str:
        """Why the process of an exercise ended, from its exit status."""
        if status in (-signal.SIGXCPU, -signal.SIGKILL):
            return "it used more processor time or memory than there is"
        return f"it ended its own process (exit status {status})" if type(status) is int else "it wrote into the grader's pipe"

    def value(self, data):
        try:
            return wire.decode(data, lambda token, name: StandIn(self, token, name))
        except wire.Garbage as error:
            raise Stopped(f"it wrote into the grader's pipe ({error})") from None

    def ask(self, token: int, arguments, keywords):
        """The answer of one of the student's functions, with whatever it changed in the tensors it was given."""
        self.say(call=token, arguments=arguments, keywords=keywords)
        message = self.hear()
        while "ask" in message:
            message = self.reply(message)
        if "error" in message:
            kind = BUILTIN_ERRORS.get(str(message["error"])) or type(str(message["error"])[:80], (Exception,), {})
            raise _made(kind, str(message.get("words")))
        for place, data in message.get("changed", []):
            arguments[place].copy_(self.value(data))
        return self.value(message.get("value"))

    def reply(self, message: dict) -> dict:
        """Answers a question about one of our functions that the student's was given."""
        try:
            value = self.ours[message["ask"]](*self.value(message["arguments"]), **self.value(message["keywords"]))
        except Exception as error:
            self.say(error=f"{type(error).__name__}: {error}")
        else:
            self.say(value=value)
        return self.hear()


def _made(kind: type, words: str) -> Exception:
    try:
        return kind(words)
    except TypeError:                                        # some errors want more than words
        return RuntimeError(words)


class Watch:
    """Stops whatever runs inside it when its time is up or its memory is used: raises Stopped."""

    def __init__(self, cell: Cell):
        self.cell = cell

    def __enter__(self):
        self.end = time.monotonic() + self.cell.limits.seconds
        self.before = signal.signal(signal.SIGALRM, self.look)
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)

    def look(self, *_):
        if time.monotonic() > self.end:
            raise Stopped(f"it took longer than {self.cell.limits.seconds} seconds")
        if self.cell.process and sandbox.memory_of(self.cell.process.pid) > 2 * self.cell.limits.memory:
            raise Stopped("its processes together used too much memory")

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def examine(exercise: dict, cell: Cell) -> dict:
    """What each check of one exercise found, and what was printed. exercise: an entry of `jobs.job`."""
    found = {"checks": {}, "printed": "", "errors": [], "stopped": ""}
    try:
        cell.open()
        cell.ours = []
        with Watch(cell), contextlib.redirect_stdout(io.StringIO()):
            cell.say(pieces=exercise["pieces"], names=exercise["names"])
            told = cell.hear()
            os.environ["NBGRADER_EXECUTION"] = "autograde"   # a verdict that is no pass raises
            found["printed"] = clean(told.get("printed", ""))
            found["errors"] = [clean(words) for _, words in told.get("errors", [])]
            answers = {str(name): cell.value(data) for name, data in told.get("names", {}).items()}
            for check in exercise["checks"]:
                found["checks"][check["name"]] = judged(check, answers, found["errors"])
            cell.say(done=True)
            try:
                cell.hear()
            except Stopped as end:                           # this is how every exercise ends, if all of the sandbox is still there
                if "exit status" not in str(end):
                    cell.close()
        if any(check.get("hidden") for check in exercise["checks"]):
            cell.close()                                     # or what it asked could be kept for the next exercise to print
    except (Stopped, AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as stopped:
        cell.close()
        found["stopped"] = clean(str(stopped) if isinstance(stopped, Stopped) else f"it wrote into the grader's pipe ({stopped})")
    for check in exercise["checks"]:
        found["checks"].setdefault(check["name"], {"passed": False, "words": f"Stopped: {found['stopped']}."})
    return found


def judged(check: dict, answers: dict, errors: list[str]) -> dict:
    """What one check says. Its code and all that it needs of the chapter run here; `answers` are values and stand-ins."""
    absent = [name for name in check["answers"] if name not in answers]
    if absent:
        why = f" It stopped with {errors[-1]}" if errors else ""
        return {"passed": False, "words": f"There is no {' and no '.join(absent)} after the cell has run.{why}"}
    space = {"__name__": "__main__"} | {name: answers[name] for name in check["answers"]}
    try:
        exec(compile(check["before"], "<chapter>", "exec"), space)
        exec(compile(check["code"], f"<{check['name']}>", "exec"), space)
    except AssertionError as error:                          # CheckFailed among them: the verdict in words
        return {"passed": False, "words": clean(str(error)) or "The test does not hold."}
    except Exception as error:
        return {"passed": False, "words": clean(f"The check could not deal with this answer ({type(error).__name__}: {error}).")}
    return {"passed": True, "words": "Right."}


def clean(text) -> str:
    """Words that came out of the sandbox, without control characters and not too long."""
    text = str(text)[: 10 * WORDS].encode("utf-8", "replace").decode("utf-8")
    return NO_WORDS.sub(" ", text)[:WORDS].strip()


def main(jobs: Path, results: Path) -> None:
    task = json.loads(jobs.read_text(encoding="utf-8"))
    limits, done = sandbox.Limits(**task["limits"]), {}
    for name, exercises in task["jobs"].items():
        patient = replace(limits, seconds=max(60, limits.seconds), processor=60) if name.startswith("own/") else limits
        cell = Cell(Path(sys.executable), patient, task["safe"])
        done[name] = {exercise["name"]: examine(exercise, cell) for exercise in exercises}
        cell.close()
        print(f"   {task['labels'].get(name, name)}", flush=True)
    results.write_text(json.dumps(done), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
