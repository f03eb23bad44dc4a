"""The floor: what the machine itself can do, measured in the same run.

- products: the step's matrix products alone, through BLAS, driven round by round as a contender;
- fma: fused multiply-adds on registers, the peak of the cores;
- bandwidth: bytes read and written by a copy of arrays too large for the cores' own caches.

A step's floor is the time of its products plus the time to move Adam's bytes. It draws no noise.
"""

import ctypes
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .contenders import base

ACCUMULATORS = 12  # chains of dependent multiply-adds: latency 4, two units, registers to spare
COPY_BYTES = 64 << 20


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


class FmaPeak:
    """Multiply-adds a second on all threads, the best of three vector widths."""

    def __init__(self, threads, dtype="float32"):
        import llvmlite.binding as llvm

        if tuple(int(part) for part in llvm.llvm_version_info) < (20,):
            llvm.initialize()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
        scalar, number = {
            "float32": ("float", ctypes.c_float),
            "float64": ("double", ctypes.c_double),
        }[dtype]
        self.threads, self.kept, self.calls = threads, [], {}
        for bits in (128, 256, 512):
            width = bits // (8 * ctypes.sizeof(number))
            module = llvm.parse_assembly(fma_source(width, scalar))
            machine = target.create_target_machine(
                cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
            )
            engine = llvm.create_mcjit_compiler(module, machine)
            engine.finalize_object()
            address = engine.get_function_address("run")
            self.kept.append((engine, module))
            self.calls[width] = ctypes.CFUNCTYPE(number, ctypes.c_int64, number)(address)

    def rate(self, width, turns):
        """Return FLOP/s of one width on all threads: 2 a multiply-add."""
        call = self.calls[width]
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda _: call(1000, 0.0), range(self.threads)))
            start = time.perf_counter()
            list(pool.map(lambda _: call(turns, 0.0), range(self.threads)))
            elapsed = time.perf_counter() - start
        return 2 * width * ACCUMULATORS * turns * self.threads / elapsed

    def measure(self):
        """Return the best rate, each width running for some five milliseconds."""
        turns = 1_000_000
        return max(self.rate(width, turns) for width in self.calls)


class Bandwidth:
    """Bytes a second that a copy reads and writes, on all threads."""

    def __init__(self, threads):
        self.source = [np.ones(COPY_BYTES // threads // 8) for _ in range(threads)]
        self.target = [np.empty_like(one) for one in self.source]

    def measure(self):
        """Return the best of three copies."""
        best = 0.0
        with ThreadPoolExecutor(len(self.source)) as pool:
            for _ in range(3):
                start = time.perf_counter()
                list(pool.map(np.copyto, self.target, self.source))
                best = max(best, 2 * COPY_BYTES / (time.perf_counter() - start))
        return best


class Contender(base.Contender):
    """The products of a step through BLAS, under whichever of one or all threads is faster."""

    kinds = ()

    @staticmethod
    def shapes(workload):
        """Return (rows, inner, columns) of the products."""
        return workload.forward_products + workload.update_products

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        os.environ.setdefault("OPENBLAS_NUM_THREADS", str(threads))
        self.fma, self.copy = FmaPeak(threads, dtype), Bandwidth(threads)

    def open(self, problem):
        from threadpoolctl import ThreadpoolController

        self.problem, self.batches = problem, list(problem.batches)
        rng = np.random.default_rng(0)
        self.products = [
            (
                rng.random((m, k)).astype(self.dtype),
                rng.random((k, n)).astype(self.dtype),
                np.empty((m, n), self.dtype),
            )
            for m, k, n in self.shapes(problem.workload)
        ]
        self.limit = ThreadpoolController().limit
        self.blas_threads = self.threads
        if self.threads > 1:
            times = {}
            for threads in (self.threads, 1):
                self.blas_threads = threads
                self.run(3)
                times[threads] = min(self._timed() for _ in range(5))
            self.blas_threads = min(times, key=times.get)

    def _timed(self):
        start = time.perf_counter()
        self.run(3)
        return time.perf_counter() - start

    def reset(self, learning_rate):
        return

    def run(self, steps):
        with self.limit(limits=self.blas_threads, user_api="blas"):
            for _ in range(steps):
                for a, b, out in self.products:
                    np.matmul(a, b, out=out)
        return []

    def parameters(self):
        return {}

    def predict(self, x, draws, kind):
        raise ValueError("floor: predicts nothing")

    def yardstick(self):
        return {"fma": self.fma.measure(), "bandwidth": self.copy.measure()}


class Propagate(Contender):
    """The products of the forward pass and of the gradients by inputs."""

    @staticmethod
    def shapes(workload):
        return workload.forward_products


class Update(Contender):
    """The products of the gradients by weights."""

    @staticmethod
    def shapes(workload):
        return workload.update_products
