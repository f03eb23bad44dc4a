"""What two runs' machines have in common, in words."""


def label(machine):
    """Return a machine as tables name it: "AMD EPYC, AVX-512"."""
    width = {512: "AVX-512", 256: "AVX2", 128: "SSE2"}.get(machine.get("vector_bits"))
    return ", ".join(filter(None, [machine.get("cpu_model_name", "unknown CPU"), width]))


def differences(old, new):
    """Return what differs between two runs that should not, a line each.

    Parameters
    ----------
    old, new : dict
        As `results.read` returns them.
    """
    lines = []
    for name in sorted(set(old["settings"]) & set(new["settings"])):
        for key in ("dtype", "threads"):
            a, b = old["settings"][name][key], new["settings"][name][key]
            if a != b:
                lines.append(f"{name}: {key} {a} before, {b} now")
    for key, words in (("cpu_model_name", "another processor"), ("governor", "another governor"),
                       ("caches", "other caches"), ("blas", "another BLAS"),
                       ("python", "another Python")):  # fmt: skip
        a, b = old["machine"].get(key), new["machine"].get(key)
        if a != b and key in old["machine"] and key in new["machine"]:
            lines.append(f"{words}: {a} before, {b} now")
    for name in sorted(set(old["contenders"]) & set(new["contenders"])):
        a, b = old["contenders"][name]["versions"], new["contenders"][name]["versions"]
        if a != b:
            lines.append(f"{name}: {a} before, {b} now")
    return lines


def check_widths(old, new, anyway=False):
    """Return a line where the two runs' vectors are of different widths, or None.

    Raises
    ------
    ValueError
        Where they are, and not `anyway`.
    """
    a, b = old["machine"].get("vector_bits"), new["machine"].get("vector_bits")
    if a == b:
        return None
    words = f"vectors of {a} bits before, of {b} now"
    if not anyway:
        raise ValueError(
            f"compare: expected runs of the same vector width, found {words}: the difference would "
            "be the processors' (--any-machine compares them all the same)"
        )
    return f"{words}: what differs may be the processors"
