"""Numba's compiler with the passes that kernels need, and a memory for what it looks up.

Most of a cold start is spent in Numba's own Python code. About half of its passes are for what no
kernel has: closures, `with`, unrolled tuples, expressions of whole arrays. And it looks up what a
sum of two int64 is for each sum anew, among all that can be summed: arrays, strings, dates.
"""

from functools import cache

from numba.core import types
from numba.core.compiler import CompilerBase, DefaultPassBuilder

__all__ = ["KernelCompiler"]

# By their names: what a version of Numba has not is not there to be left out.
UNUSED = {
    "DeadBranchPrune",  # branches on arguments that are None, ...
    "RewriteSemanticConstants",  # ... or on an array's dimensions
    "DumpParforDiagnostics",  # loops that Numba makes parallel
    "FindLiterallyCalls",  # literally(), ...
    "LiteralUnroll",  # ... literal_unroll() ...
    "LiteralPropagationSubPipelinePass",  # ... and what they make of constants
    "InlineClosureLikes",  # closures
    "MakeFunctionToJitFunction",
    "InlineInlinables",  # functions that are inlined before they are typed
    "InlineOverloads",
    "NopythonRewrites",  # expressions of whole arrays
    "NoPythonSupportedFeatureValidation",  # better messages for what is not supported
    "RewriteDynamicRaises",  # exceptions
    "WithLifting",  # with
}


class _Remembering:
    """Numba's typing context, which looks up a call's signature once for arguments of some types.

    Parameters
    ----------
    context : Numba's typing context
        Answers everything else, and what was not asked before.
    """

    def __init__(self, context):
        self._context, self._signatures = context, {}

    def __getattr__(self, name):
        return getattr(self._context, name)

    def resolve_function_type(self, function, args, kws):
        """Return the signature of a call of a function's type, or of an operator.

        Jitted functions remember by themselves what they were compiled for.
        """
        if kws or isinstance(function, types.Dispatcher):
            return self._context.resolve_function_type(function, args, kws)
        call = function, tuple(args)
        if call not in self._signatures:
            found = self._context.resolve_function_type(function, args, kws)
            if found is None:
                return None
            self._signatures[call] = found
        return self._signatures[call]


_remembering = cache(_Remembering)  # one memory for all kernels


class KernelCompiler(CompilerBase):
    """Numba's compiler without the passes that are `UNUSED`."""

    def __init__(self, typingctx, *more):
        super().__init__(typingctx, *more)
        self.state.typingctx = _remembering(typingctx)

    def define_pipelines(self):
        """Return the passes."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [(each, why) for each, why in passes.passes if each.__name__ not in UNUSED]
        passes.finalize()
        return [passes]
