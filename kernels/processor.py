"""Everything that depends on the processor: its vectors, the tile that fits them, the cuts of work.

None of it changes a result: every entry of a product is one chain whatever the tile, and the cuts
here end no sum. Those that do (a stretch of weights whose KL is added up, of rows whose nll is,
of a product's depth) stand where the sum does, and are the same everywhere.
"""

import os
from typing import NamedTuple

from llvmlite import binding


class Processor(NamedTuple):
    """What kernels need to know of a processor.

    Attributes
    ----------
    vector_bytes : int
    vector_registers : int
    """

    vector_bytes: int
    vector_registers: int


def describe(triple, features):
    """Return the `Processor` that LLVM describes.

    Parameters
    ----------
    triple : str
        LLVM's, such as "x86_64-unknown-linux-gnu".
    features : str
        LLVM's, such as "+avx,-avx512f,+sse2".
    """
    features = features.split(",")
    if not triple.startswith(("x86", "i386", "i686")):
        return Processor(16, 32)
    if "+avx512f" in features:
        return Processor(64, 32)
    return Processor(32 if {"+avx", "+avx2"} & set(features) else 16, 16)


# where Numba leaves AVX out, whatever the processor says: `numba.core.config`, `avx_default`
WITHOUT_AVX = {"corei7-avx", "core-avx-i", "sandybridge", "ivybridge", "nocona"}


# what says where and by whom code is run, and nothing of the code
SILENT = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER"}


def settings():
    """Return the environment variables that tell Numba how to compile, by name."""
    names = (name for name in sorted(os.environ) if name.startswith("NUMBA_"))
    return {name: os.environ[name] for name in names if name not in SILENT}


def compiled_for():
    """Return (triple, name, features), LLVM's, of the processor that Numba compiles for.

    Numba is asked where something is set that it looks at; else it would ask LLVM, as is done here:
    importing Numba takes longer than all else that a process does before its first step.
    """
    name = binding.get_host_cpu_name()
    if settings() or os.path.isfile(".numba_config.yaml") or name in WITHOUT_AVX:
        from numba.core.registry import cpu_target

        return cpu_target.target_context.codegen().magic_tuple()
    try:
        features = binding.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot tell on this system
        features = ""
    return binding.get_process_triple(), name, features


TRIPLE, NAME, FEATURES = compiled_for()  # part of the name of what is kept on disk
VECTOR_BYTES, VECTOR_REGISTERS = describe(TRIPLE, FEATURES)

# a tile of a product: its sums stay in registers, beside the vectors that feed them
TILE_VECTORS = 2
TILE_ROWS = 8 if VECTOR_REGISTERS == 32 else 6
# rows that a product needs for its first tile to keep B's columns for the others, which costs it
# time; and rows of B that it asks for ahead, a hundred cycles or so
KEEPING_ROWS, FETCH_AHEAD = (64, 8) if VECTOR_BYTES == 64 else (24, 24)
PANEL = 32  # columns that are whole tiles, whatever the vectors and the dtype

# what one task takes: whole tiles, so that none computes rows that are not there
WIDE = 256  # outputs of a wide layer, whose weights are read once, by all rows
FORWARD_ROWS, FORWARD_ROWS_WIDE = (32, 128) if TILE_ROWS == 8 else (36, 132)
FORWARD_COLUMNS = 128
BACKWARD_ROWS, BACKWARD_ROWS_WIDE = 32, 128  # the columns of its tiles, for it is transposed
BACKWARD_COLUMNS = 128 if TILE_ROWS == 8 else 132
UPDATE_WEIGHTS = 6144  # the most of a narrow layer, so that Adam finds them in the cache
UPDATE_ROWS, UPDATE_ROWS_MOST = 24, 136 if TILE_ROWS == 8 else 132  # at least, at most
# whole rows, as far as that goes: what Adam reads from memory lies together, a tenth of a step
UPDATE_COLUMNS = 4096
# of a wide layer where a batch has more rows than LONG: all is read from afar, and the larger what
# a task takes, the less often; but no larger than leaves that many tasks for the threads
LONG, ENOUGH_TASKS = 256, 16
LARGE = (256, 512) if TILE_ROWS == 8 else (258, 516)
PREDICT_ROWS = 64 if TILE_ROWS == 8 else 66
ADAM_WEIGHTS = 8192
