"""A process that imports a framework once, for every test that has Python run in it.

Importing one raises warnings that are none of ours, takes seconds, and TensorFlow must be imported
with Keras 2 asked for.
"""

import json
import os
import subprocess
import sys

# Runs a program a line; says whether it ended well, and what it printed, errors last.
LOOP = """
import contextlib, io, json, sys, traceback
channel = sys.stdout
for line in sys.stdin:
    code, sys.argv = json.loads(line)
    printed, errors, well = io.StringIO(), io.StringIO(), False
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        try:
            exec(code, {"__name__": "__main__"})
            well = True
        except BaseException:
            traceback.print_exc()
    print(json.dumps([well, printed.getvalue() + errors.getvalue()]), file=channel, flush=True)
"""
SETTINGS = {"OMP_NUM_THREADS": "1", "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
SHARED = {"bayesian-torch": "torch"}


class Frameworks:
    """The processes, each started when it is first asked."""

    def __init__(self, path):
        self.path, self.processes = str(path), {}

    def run(self, name, code, *words):
        """Return what code printed in the framework's process; it finds words in `sys.argv`."""
        name = SHARED.get(name, name)
        if name not in self.processes:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", LOOP], stdin=subprocess.PIPE, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=os.environ | SETTINGS | {"PYTHONPATH": self.path},
            )  # fmt: skip
        process = self.processes[name]
        print(json.dumps([code, ["-c", *map(str, words)]]), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        assert answer, f"the process of {name} ended with {process.wait()}"
        well, printed = json.loads(answer)
        assert well, printed[-3000:]
        return printed

    def close(self):
        """End the processes, which wait for a line."""
        for process in self.processes.values():
            with process:
                process.stdin.close()
