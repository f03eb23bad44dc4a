"""What the machine itself can do now: multiply-adds, bandwidth, and a word's way between cores.

Measured in a process of its own, a thread pinned to each processor, all let go by a barrier; a
figure is the best of three windows of 20 ms. Shorter windows, or threads that wander, catch a
processor at half its rate.
"""

import ctypes
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

ACCUMULATORS = 12  # chains of dependent multiply-adds: latency 4, two units, registers to spare
WINDOW, WINDOWS = 0.020, 3
LEAST_BYTES = 16 << 10  # of a thread's copy: below, the call costs more than the bytes


def fma_source(width, scalar="float"):
    """Return LLVM assembly of `float run(long turns, float x)`: ACCUMULATORS fmas each turn."""
    vector = f"<{width} x {scalar}>"
    fma = f"@llvm.fma.v{width}f{32 if scalar == 'float' else 64}"
    k = range(ACCUMULATORS)
    return "\n".join(
        [
            f"declare {vector} {fma}({vector}, {vector}, {vector})",
            f"define {scalar} @run(i64 %turns, {scalar} %x) {{",
            "entry:",
            f"  %one = insertelement {vector} undef, {scalar} %x, i32 0",
            f"  %v = shufflevector {vector} %one, {vector} undef, <{width} x i32> zeroinitializer",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [0, %entry], [%next, %loop]",
            *[f"  %a{j} = phi {vector} [%v, %entry], [%b{j}, %loop]" for j in k],
            *[
                f"  %b{j} = call {vector} {fma}({vector} %a{j}, {vector} %v, {vector} %v)"
                for j in k
            ],
            "  %next = add i64 %i, 1",
            "  %more = icmp slt i64 %next, %turns",
            "  br i1 %more, label %loop, label %end",
            "end:",
            f"  %s0 = fadd {vector} %b0, zeroinitializer",
            *[f"  %s{j} = fadd {vector} %s{j - 1}, %b{j}" for j in k[1:]],
            f"  %r = extractelement {vector} %s{ACCUMULATORS - 1}, i32 0",
            f"  ret {scalar} %r",
            "}",
        ]
    )


class PinnedThreads:
    """A thread on each of the first processors that this process may use, let go by a barrier.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads):
        self.threads = threads
        self.barrier = threading.Barrier(threads)
        cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
        places = iter(cpus[:threads])
        lock = threading.Lock()

        def pin():
            with lock:
                cpu = next(places, None)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})  # of the calling thread alone

        self.pool = ThreadPoolExecutor(threads, initializer=pin)

    def window(self, work, turns):
        """Return the seconds from the first thread's start of ``work(thread, turns)`` to the end
        of the last.

        Parameters
        ----------
        work : function(int, int)
            Lets go of the interpreter's lock.
        turns : int
        """

        def one(thread):
            self.barrier.wait()
            start = time.perf_counter()
            work(thread, turns)
            return start, time.perf_counter()

        starts, ends = zip(*self.pool.map(one, range(self.threads)), strict=True)
        return max(ends) - min(starts)

    def best_rate(self, work):
        """Return the most turns a second that one thread did, the best of `WINDOWS` windows."""
        turns = 16
        while (elapsed := self.window(work, turns)) < WINDOW / 8:
            turns *= 4
        turns = max(1, int(turns * WINDOW / elapsed))
        return turns / min(self.window(work, turns) for _ in range(WINDOWS))


class Assembly:
    """Functions of LLVM assembly, compiled for this machine with its widest vectors."""

    def __init__(self):
        import llvmlite.binding as llvm

        if tuple(int(part) for part in llvm.llvm_version_info) < (20,):
            llvm.initialize()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.llvm, self.kept = llvm, []

    def function(self, source, kind):
        """Return the function `run` of a source as a ctypes function of that kind."""
        llvm = self.llvm
        features = llvm.get_host_cpu_features().flatten() + ",-prefer-256-bit"
        module = llvm.parse_assembly(source)
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features, opt=3
        )
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        self.kept.append((engine, module))
        return kind(engine.get_function_address("run"))


class FmaPeak:
    """Multiply-adds a second on all threads, at the best of three vector widths."""

    def __init__(self, pinned, dtype="float32"):
        scalar, number = {
            "float32": ("float", ctypes.c_float),
            "float64": ("double", ctypes.c_double),
        }[dtype]
        kind = ctypes.CFUNCTYPE(number, ctypes.c_int64, number)
        self.pinned, self.assembly = pinned, Assembly()
        widths = [bits // (8 * ctypes.sizeof(number)) for bits in (128, 256, 512)]
        self.calls = {
            width: self.assembly.function(fma_source(width, scalar), kind) for width in widths
        }
        self.width = max(self.calls, key=self.rate)

    def rate(self, width):
        """Return the FLOP/s of one width on all threads: 2 a multiply-add."""
        call = self.calls[width]
        turns = self.pinned.best_rate(lambda thread, turns: call(turns, 0.0))
        return 2 * width * ACCUMULATORS * turns * self.pinned.threads

    def measure(self):
        """Return the FLOP/s of the best width."""
        return self.rate(self.width)


def copy_loop():
    """Return a function (turns, source, target) that copies again and again, compiled if it can."""
    try:
        import numba
    except ImportError:
        return copy_plainly
    if numba.config.DISABLE_JIT:
        return copy_plainly

    @numba.njit(nogil=True, error_model="numpy")
    def copy(turns, source, target):
        for turn in range(turns):
            for i in range(source.size):
                target[i] = source[i] + turn  # the turn keeps copies from being left out

    return copy


def copy_plainly(turns, source, target):
    """Copy again and again, a call of NumPy each: slower where an array is short."""
    for _ in range(turns):
        np.copyto(target, source)


class Bandwidth:
    """Bytes a second that a copy reads and writes on all threads, for a given working set.

    What is walked through again and again stays in the cache that holds it: the rate is that of
    the level where the bytes live.
    """

    def __init__(self, pinned):
        self.pinned, self.copy = pinned, copy_loop()
        small = np.zeros(8, np.float32)
        self.copy(1, small, small.copy())

    def measure(self, working_set):
        """Return the bytes a second, read and written, for a working set of that many bytes."""
        share = max(LEAST_BYTES, int(working_set) // self.pinned.threads) // 2
        source = [np.ones(share // 4, np.float32) for _ in range(self.pinned.threads)]
        target = [np.empty_like(array) for array in source]
        turns = self.pinned.best_rate(lambda t, turns: self.copy(turns, source[t], target[t]))
        return 2 * source[0].nbytes * self.pinned.threads * turns


PASS_ON = """
define void @run(i64 %turns, i64* %word, i64 %mine, i64 %threads) {
entry:
  br label %turn
turn:
  %i = phi i64 [0, %entry], [%next, %mine_now]
  %round = mul i64 %i, %threads
  %wanted = add i64 %round, %mine
  br label %look
look:
  %found = load atomic i64, i64* %word seq_cst, align 8
  %here = icmp eq i64 %found, %wanted
  br i1 %here, label %mine_now, label %look
mine_now:
  %passed = add i64 %wanted, 1
  store atomic i64 %passed, i64* %word seq_cst, align 8
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %turns
  br i1 %more, label %turn, label %end
end:
  ret void
}
"""
HOPS = 8_000  # of a window, some hundred microseconds to a millisecond


class Hop:
    """How long a word takes from one core to another: it is passed round all threads.

    Cores that share a cache are some 30 ns apart, others some 100 to 200; a host may move a virtual
    machine's from the one to the other within seconds, and with them every time on two threads.
    """

    def __init__(self, pinned):
        self.pinned, self.assembly = pinned, Assembly()
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64, ctypes.c_void_p] + [ctypes.c_int64] * 2)
        self.pass_on = self.assembly.function(PASS_ON, kind)

    def measure(self):
        """Return the seconds of one way, the mean of the best of `WINDOWS`; None on one thread."""
        threads = self.pinned.threads
        if threads < 2:
            return None
        turns = HOPS // threads
        return min(self._window(turns) for _ in range(WINDOWS)) / (turns * threads)

    def _window(self, turns):
        """Return the seconds in which a word goes round that many times."""
        word = np.zeros(32, np.int64)  # whole cache lines for the one in the middle
        place = word[16:].ctypes.data

        def work(thread, turns):
            self.pass_on(turns, place, thread, self.pinned.threads)

        return self.pinned.window(work, turns)
