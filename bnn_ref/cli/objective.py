"""`bnn-ref explain objective`: what a person's own loss is, from what they know of it."""

from ..errors import expected
from .reading import numbers


def add_arguments(parser):
    """Add the topic's arguments."""
    group = parser.add_argument_group("objective", "what your loss is made of")
    add = group.add_argument
    add("--examples", type=int, metavar="N", help="training rows")
    add("--batch", type=int, metavar="B", help="rows of a batch")
    add("--weights", metavar="P[,P...]", help="weights with a posterior, in all or layer by layer")
    add("--kl", default="sum", metavar="sum|mean|layer_means",
        help="what the library's KL is over weights (default sum)")  # fmt: skip
    add("--kl-factor", type=float, metavar="X", help="what it is multiplied by (default 1/N)")
    add("--added", type=float, default=0.0, metavar="X",
        help="a second factor on the KL, added by the framework itself (default 0)")  # fmt: skip
    add("--loss", default="nll", help="nll (default), mse, squared_error, half_mse or "
        "half_squared_error")  # fmt: skip
    add("--reduction", default="mean", help="of the loss over the batch: mean (default) or sum")
    add("--outputs", type=int, default=1, metavar="O", help="output dimensions (default 1)")
    add("--residual", type=float, metavar="X", help="root mean square of the residuals")


def run(args):
    """Print what the objective is; return 0 where the KL counts once, divided by N, else 1."""
    from ..verification.objective.describing import explain_objective

    for name in ("examples", "batch", "weights"):
        if getattr(args, name) is None:
            raise expected("explain objective", f"--{name}", "none")
    weights = numbers(args.weights, int, "--weights")
    objective = explain_objective(
        args.examples, args.batch, weights, kl=args.kl, kl_factor=args.kl_factor, added=args.added,
        loss=args.loss, reduction=args.reduction, outputs=args.outputs, residual=args.residual,
    )  # fmt: skip
    print(objective)
    return int(objective.key != "right")
