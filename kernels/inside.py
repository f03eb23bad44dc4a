"""How functions that compiled code alone calls are compiled: as little as their callers need.

A caller links their optimised code into its own, and an entry's machine code holds all of it.
Numba makes machine code of each by itself as well, with what it calls, and a version for each
constant that stands in a call; that nobody runs, and it took a third of a cold start.

Numba also optimises each in full before it is linked, and again in every caller up to the entry.
Here only a loop is, a kernel that calls nothing but inlined functions: loops not vectorised before
they are among others made a step 2 % slower. The rest is optimised where it ends up, in an entry.
"""

from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import AnnotateTypes

from .compiler import KernelCompiler

__all__ = ["LinkedCompiler", "take_no_literals"]


class _Linked(JITCodeLibrary):
    """Code to link into callers'; no machine code is made of it.

    Parameters
    ----------
    codegen, name
        As for any library of Numba's.
    inlined : bool
        Of a function that is always inlined.
    """

    def __init__(self, codegen, name, inlined):
        super().__init__(codegen, name)
        self.inlined = inlined

    @property
    def codegen(self):
        """This library itself, which is asked to tell machine code its environment."""
        return self

    def set_env(self, name, environment):
        """Do nothing: without machine code there is nothing to tell."""

    def get_pointer_to_function(self, name):
        """Return 0, Numba's sign for a function that is not there, once the code is linked."""
        self._ensure_finalized()
        return 0

    def _optimize_final_module(self):
        called = [library for library in self._linking_libraries if isinstance(library, _Linked)]
        if not self.inlined and all(library.inlined for library in called):
            super()._optimize_final_module()

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=False, analysis_only=True)
class _ChooseLibrary(AnalysisPass):
    """Have a function lowered into `_Linked`; a pass of Numba's."""

    _name = "choose_library"

    def __init__(self):
        AnalysisPass.__init__(self)

    def run_pass(self, state):
        """Set the library, as the lowering that follows does where there is none."""
        state.library = _Linked(state.targetctx.codegen(), state.func_id.func_qualname,
                                bool(state.flags.forceinline))  # fmt: skip
        state.library.enable_object_caching()
        return False


class LinkedCompiler(KernelCompiler):
    """The compiler of kernels, without machine code at its end."""

    def define_pipelines(self):
        """Return the passes of kernels, and one more before the last."""
        (passes,) = super().define_pipelines()
        passes.add_pass_after(_ChooseLibrary, AnnotateTypes)
        passes.finalize()
        return [passes]


def take_no_literals(dispatcher):
    """Have a jitted function compiled once for all constants of a type; return it."""
    template = dispatcher.get_call_template

    def get_call_template(args, kws):
        args = tuple(types.unliteral(kind) for kind in args)
        return template(args, {name: types.unliteral(kind) for name, kind in kws.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher
