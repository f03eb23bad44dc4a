"""The compiled twins of layers that are no `DenseFlipout`, a file each; see `bnn_ref.fast.twin`."""

from . import conv_flipout, dense, pool, residual  # noqa: F401, they register themselves
