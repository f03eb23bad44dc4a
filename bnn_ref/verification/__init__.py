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
- `check_kl`: a library's KL, by its numbers: what it sums or averages, and whether it is one.
- `explain_objective`, `check_objective`: what a training loss is: the KL's weight, the temperature.
- `verify`: every installed framework, live.

Each is imported from its file when first asked for; frameworks only when they are named.
"""

import importlib

_HOMES = {
    "ImplementationReport": "implementations.checking",
    "assert_answer": "implementations.checking",
    "check_implementation": "implementations.checking",
    "random_question": "vectors.questions",
    "Check": "vectors.checking",
    "check_file": "vectors.checking",
    "check_vector": "vectors.checking",
    "Comparison": "vectors.comparison",
    "compare": "vectors.comparison",
    "Explanation": "vectors.diagnosis",
    "diagnose": "vectors.diagnosis",
    "MISTAKES": "vectors.mistakes",
    "assert_agrees": "vectors.assertions",
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
    "check_kl": "noise.kl",
    "check_layer": "noise.moments",
    "verify": "live",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__():
    return __all__
