"""Hold any implementation of a Flipout network against hand-derived gradients.

- `check_implementation`: a person's own code asked every question, in one call (`docs/verify.md`).
- `check_file`, `check_vector`: a frozen step (`docs/vectors.md`) against the truth, and the known
  mistake that explains a disagreement.
- `record`: one real call of a person's own TFP or Bayesian-Torch layers, as such a frozen step.
- `assert_agrees`: the same comparison as an assertion for other people's tests.
- `export_parameters`, `import_parameters`: parameters to and from TFP, Bayesian-Torch, Blitz and
  Edward2.
- `complex_step`, `central_difference`, `random_direction`, `check_gradients`, `assert_gradients`:
  derivatives of a person's own loss function by numbers.
- `check_layer`: a black box that draws its own noise, tested for what kind of noise it is.
- `check_convolution`: the same for a convolution, and what its places share; `check_two_calls`: a
  layer that overwrites its own draw.
- `check_kl`: a library's KL, by its numbers: what it sums or averages, and whether it is one.
- `explain_objective`, `check_objective`: what a training loss is: the KL's weight, the temperature.
- `verify`: every installed framework, live.

Each is imported from its file when first asked for; frameworks only when they are named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names, for a type checker
    from .converters import export_parameters as export_parameters
    from .converters import import_parameters as import_parameters
    from .gradients.numeric import assert_gradients as assert_gradients
    from .gradients.numeric import central_difference as central_difference
    from .gradients.numeric import check_gradients as check_gradients
    from .gradients.numeric import complex_step as complex_step
    from .gradients.numeric import random_direction as random_direction
    from .implementations.checking import ImplementationReport as ImplementationReport
    from .implementations.checking import assert_answer as assert_answer
    from .implementations.checking import check_implementation as check_implementation
    from .live import verify as verify
    from .noise.convolution import check_convolution as check_convolution
    from .noise.kl import check_kl as check_kl
    from .noise.moments import check_layer as check_layer
    from .noise.two_calls import check_two_calls as check_two_calls
    from .objective.describing import explain_objective as explain_objective
    from .objective.probing import check_objective as check_objective
    from .recording.hook import LayerHook as LayerHook
    from .recording.recording import record as record
    from .vectors.assertions import assert_agrees as assert_agrees
    from .vectors.checking import Check as Check
    from .vectors.checking import check_file as check_file
    from .vectors.checking import check_vector as check_vector
    from .vectors.comparison import Comparison as Comparison
    from .vectors.comparison import compare as compare
    from .vectors.diagnosis import Explanation as Explanation
    from .vectors.diagnosis import diagnose as diagnose
    from .vectors.mistakes import MISTAKES as MISTAKES
    from .vectors.questions import new_question as new_question
    from .vectors.random_questions import random_question as random_question

_HOMES = {
    "ImplementationReport": "implementations.checking",
    "assert_answer": "implementations.checking",
    "check_implementation": "implementations.checking",
    "random_question": "vectors.random_questions",
    "Check": "vectors.checking",
    "check_file": "vectors.checking",
    "check_vector": "vectors.checking",
    "Comparison": "vectors.comparison",
    "compare": "vectors.comparison",
    "Explanation": "vectors.diagnosis",
    "diagnose": "vectors.diagnosis",
    "MISTAKES": "vectors.mistakes",
    "assert_agrees": "vectors.assertions",
    "LayerHook": "recording.hook",
    "record": "recording.recording",
    "export_parameters": "converters",
    "import_parameters": "converters",
    "new_question": "vectors.questions",
    "assert_gradients": "gradients.numeric",
    "central_difference": "gradients.numeric",
    "check_gradients": "gradients.numeric",
    "complex_step": "gradients.numeric",
    "random_direction": "gradients.numeric",
    "check_objective": "objective.probing",
    "explain_objective": "objective.describing",
    "check_convolution": "noise.convolution",
    "check_kl": "noise.kl",
    "check_two_calls": "noise.two_calls",
    "check_layer": "noise.moments",
    "verify": "live",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
