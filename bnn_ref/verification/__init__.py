"""Hold any implementation of a Flipout network against hand-derived gradients.

- `check_file`, `check_vector`: a frozen step (`spec/vectors.md`) against the truth, and the known
  mistake that explains a disagreement.
- `record`: one real call of a person's own TFP or Bayesian-Torch layers, as such a frozen step.
- `assert_agrees`: the same comparison as an assertion for other people's tests.
- `export_parameters`, `import_parameters`: parameters to and from TFP, Bayesian-Torch, Blitz and
  Edward2.
- `complex_step`, `central_difference`, `random_direction`, `check_gradients`: derivatives of a
  person's own loss function by numbers.
- `check_layer`: a black box that draws its own noise, tested for what kind of noise it is.
- `verify`: every installed framework, live.

Each is imported from its file when first asked for; frameworks only when they are named.
"""

import importlib

_HOMES = {
    "Check": "checking",
    "check_file": "checking",
    "check_vector": "checking",
    "Comparison": "comparison",
    "compare": "comparison",
    "Explanation": "diagnosis",
    "diagnose": "diagnosis",
    "MISTAKES": "mistakes",
    "assert_agrees": "assertions",
    "record": "recording",
    "export_parameters": "converters",
    "import_parameters": "converters",
    "new_question": "questions",
    "central_difference": "numeric",
    "check_gradients": "numeric",
    "complex_step": "numeric",
    "random_direction": "numeric",
    "check_layer": "moments",
    "verify": "live",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__():
    return __all__
