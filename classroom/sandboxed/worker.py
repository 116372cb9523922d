"""Runs inside the sandbox: a student's code, one exercise after the other, each in a process of its own.

Nothing that this file does is trusted by anybody: the student's code can change all of it. It answers questions about
the student's names and functions, in plain values (`wire.py`). The checks and the verdicts are on the other side of
the pipe.
"""

import contextlib
import io
import json
import os
import pickle
import resource
import sys

import torch
import wire

FILE_SIZE, FILES, TASKS = 32 * 2**20, 256, 12


class Capped(io.StringIO):
    """Takes what is printed, up to 4,000 characters."""

    def write(self, text: str) -> int:
        if self.tell() < 4_000:
            super().write(text[: 4_000 - self.tell()])
        return len(text)


class Inward(pickle.Unpickler):
    """Reads the examiner's messages. Its functions stay where they are; what comes in is a stand-in that asks for an answer."""

    def __init__(self, file, talk):
        super().__init__(file)
        self.talk = talk

    def persistent_load(self, token):
        kind, number = token
        if kind == "yours":
            return self.talk.functions[number]
        return lambda *arguments, **keywords: self.talk.ask(number, arguments, keywords)


class Talk:
    """One exercise: what the examiner says and what is answered."""

    def __init__(self, inward: int, outward: int):
        self.inward, self.outward, self.functions = inward, outward, []

    def hear(self) -> dict:
        return Inward(io.BytesIO(wire.receive(self.inward)), self).load()

    def say(self, **message) -> None:
        wire.send(self.outward, json.dumps(message).encode())

    def ask(self, number, arguments, keywords):
        """The answer of one of the examiner's own functions."""
        given, named = wire.encode(list(arguments), self.functions), wire.encode(keywords, self.functions)
        self.say(ask=number, arguments=given, keywords=named)
        answer = self.hear()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def run(self, pieces: list[tuple[str, str]], names: list[str]) -> dict:
        """Runs pieces of code (who wrote it, text) in one namespace and hands out the values of `names`."""
        space, errors = {"__name__": "__main__"}, []
        for who, text in pieces:
            try:
                exec(compile(text, f"<{who}>", "exec"), space)
            except BaseException as error:                   # SystemExit too: the answer may stand above the line that stopped
                errors.append((who, f"{type(error).__name__}: {error}"[:300]))
        return {"errors": errors, "names": {name: self.shown(space[name]) for name in names if name in space}}

    def shown(self, value) -> dict:
        """The value as it is sent; one that cannot even be described is only named."""
        try:
            return wire.encode(value, self.functions)
        except BaseException as error:
            return {"opaque": "object", "text": f"an object that stops with {type(error).__name__} when it is looked at"}

    def call(self, number, arguments, keywords) -> dict:
        """Calls one of the student's functions, and says which of the tensors it was given it has changed."""
        before = {i: value.clone() for i, value in enumerate(arguments) if isinstance(value, torch.Tensor)}
        try:
            value = wire.encode(self.functions[number](*arguments, **keywords), self.functions)
        except BaseException as error:
            return {"error": type(error).__name__, "words": str(error)[:300]}
        changed = [[i, wire.encode(arguments[i], [])] for i, old in before.items() if not torch.equal(old, arguments[i])]
        return {"value": value, "changed": changed}

    def hold(self, limits: dict) -> None:
        """One exercise, from its code to the last question about it."""
        if os.path.exists("/proc/self/statm"):
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            _at_most(resource.RLIMIT_AS, used + limits["memory"])
        _at_most(resource.RLIMIT_CPU, limits["processor"])
        printed = Capped()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            message = self.hear()
            answer = self.run(message["pieces"], message["names"])
            self.say(**answer, printed=printed.getvalue())
            while True:
                message = self.hear()
                if message.get("done"):
                    return
                self.say(**self.call(message["call"], message["arguments"], message["keywords"]))


def _at_most(what: int, limit: int) -> None:
    with contextlib.suppress(ValueError, OSError):           # macOS knows some of these limits and does not keep them
        resource.setrlimit(what, (limit, limit))


def main() -> None:
    limits = json.loads(sys.argv[1])
    inward, outward, nowhere = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDWR)
    for file in (0, 1, 2):
        os.dup2(nowhere, file)
    torch.set_num_threads(1)
    import diffusion_lib                                     # here, once, and not in every exercise
    diffusion_lib.LinearBetaSchedule
    for what, limit in ((resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, FILES)):
        _at_most(what, limit)
    if limits["tasks"]:
        _at_most(resource.RLIMIT_NPROC, TASKS)
    wire.send(outward, b'{"ready": true}')
    while True:
        child = os.fork()
        if child == 0:
            try:
                Talk(inward, outward).hold(limits)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        wire.send(outward, json.dumps({"ended": os.waitstatus_to_exitcode(status)}).encode())


if __name__ == "__main__":
    main()
