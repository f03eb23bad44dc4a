"""The compiled twins of layers that are no `DenseFlipout`, a file each; see `bnn_ref.fast.twin`."""

from . import (  # noqa: F401, they register themselves
    batch_norm,
    conv,
    conv_flipout,
    dense,
    elementwise,
    layer_norm,
    pool,
    residual,
)
