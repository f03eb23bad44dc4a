"""`bnn-ref vectors`: make questions, answer them with a framework, copy the published suite."""

from pathlib import Path

from .reading import numbers


def add_arguments(parser):
    """Add the three commands and their arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    new = commands.add_parser("new", help="write a question: network, batch and noise from a seed")
    new.add_argument("--layers", required=True, metavar="I,O,...",
                     help="inputs, then each layer's outputs: 784,128,10")  # fmt: skip
    new.add_argument("--activation", default="relu", help="of the hidden layers (default relu)")
    new.add_argument("--output-activation", default="linear", help="of the last layer")
    new.add_argument("--bias", default="normal",
                     help="none, deterministic, normal (default) or normal_flipped")  # fmt: skip
    new.add_argument("--likelihood", default="categorical",
                     help="categorical (default), bernoulli or normal")  # fmt: skip
    new.add_argument("--scale", type=float, default=1.0,
                     help="standard deviation of a normal likelihood (default 1)")  # fmt: skip
    new.add_argument("--batch", type=int, default=32, help="rows (default 32)")
    new.add_argument("--dtype", default="float64", choices=("float64", "float32"),
                     help="float64 (default) or float32")  # fmt: skip
    new.add_argument("--seed", type=int, default=1)
    new.add_argument("--kl-weight", type=float, default=0.01, help="default 0.01")
    new.add_argument("--prior", metavar="LOC,SCALE",
                     help="mean and standard deviation of every prior (default: another for "
                     "each layer and for the biases)")  # fmt: skip
    new.add_argument("--scale-shift", type=float, metavar="C",
                     help="c in sigma = c + softplus(rho) (default: the dtype's eps)")  # fmt: skip
    new.add_argument("-o", "--output", required=True, metavar="FILE")

    answer = commands.add_parser("answer", help="answer a question with a framework")
    answer.add_argument("file", metavar="FILE")
    answer.add_argument("-o", "--output", required=True, metavar="FILE")
    answer.add_argument("--with", dest="framework", required=True, metavar="NAME",
                        help="numpy, numba, jax, torch, tfp or bayesian-torch")  # fmt: skip

    suite = commands.add_parser("suite", help="copy the published vectors to a folder")
    suite.add_argument("folder", metavar="DIR")
    suite.add_argument("--json", action="store_true",
                       help="the questions that a reader must answer, as JSON")  # fmt: skip

    convert = commands.add_parser("convert", help="write a vector as JSON, or one in JSON as npz")
    convert.add_argument("file", metavar="FILE")
    convert.add_argument("-o", "--output", required=True, metavar="FILE.json|FILE.npz")


def run(args):
    """Run one of the commands and return the exit code."""
    return {"new": _new, "answer": _answer, "suite": _suite,
            "convert": _convert}[args.action](args)  # fmt: skip


def _new(args):
    from ..likelihoods import likelihood_from_json
    from ..verification.vectors.json_files import write_any
    from ..verification.vectors.questions import new_question

    likelihood = {"type": args.likelihood}
    if args.likelihood == "normal":
        likelihood["scale"] = args.scale
    vector = new_question(
        numbers(args.layers, int, "--layers"), activation=args.activation,
        output_activation=args.output_activation, bias=args.bias,
        likelihood=likelihood_from_json(likelihood), rows=args.batch, dtype=args.dtype,
        seed=args.seed, kl_weight=args.kl_weight,
        priors=numbers(args.prior, float, "--prior") if args.prior else None,
        scale_shift=args.scale_shift,
    )  # fmt: skip
    write_any(args.output, vector)
    print(f"{args.output}: a question, {args.layers}, {args.batch} rows, {args.dtype}")
    return 0


def _answer(args):
    from ..verification.frameworks import load
    from ..verification.vectors.json_files import read_any, write_any

    vector = read_any(args.file)
    framework = load(args.framework)
    answered = vector.answer(framework.answer(vector), framework.source())
    write_any(args.output, answered)
    print(f"{args.output}: answered by {framework.source()}")
    return 0


def _suite(args):
    from ..storage.wholefile import whole_file
    from ..verification.vectors.suite import files

    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if args.json:
        return _json_suite(folder)
    counts = {}
    for path in files():
        with whole_file(folder / path.name) as copy:
            copy.write(path.read_bytes())
        verdict = path.name.split("-")[0]
        counts[verdict] = counts.get(verdict, 0) + 1
    told = ", ".join(f"{count} that must {verdict}" for verdict, count in counts.items())
    print(f"{folder}: {told.replace('must refuse', 'must be refused')}")
    return 0


def _json_suite(folder):
    from ..verification.implementations.checking import suite_questions
    from ..verification.vectors.json_files import write_any

    asked = suite_questions()
    for key, question in asked:
        write_any(folder / f"{key}.json", question, key)
    print(f"{folder}: {len(asked)} questions as JSON")
    return 0


def _convert(args):
    from ..verification.vectors.json_files import read_any, write_any

    write_any(args.output, read_any(args.file))
    print(f"{args.output}: written")
    return 0
