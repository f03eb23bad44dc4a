"""What of several runs is published."""

from publish_bench import current


def test_a_newer_run_replaces_a_bench_of_its_machine_if_it_has_as_many_contenders():
    def document(model, benches):
        return {
            "machine": {"cpu_model_name": model, "vector_bits": 512},
            "benches": {
                name: {"cells": [{"contender": str(k)} for k in range(count)]}
                for name, count in benches.items()
            },
        }

    documents = [
        document("a", {"start": 3}),
        document("b", {"start": 2}),
        document("a", {"step": 5, "start": 3}),
        document("a", {"start": 4, "step": 4}),
        document("b", {"start": 2}),
    ]
    kept = [sorted(each["benches"]) for each in current(documents)]
    assert kept == [["start"], ["start"], ["step"], ["start"]]
    assert sorted(documents[2]["benches"]) == ["start", "step"]
