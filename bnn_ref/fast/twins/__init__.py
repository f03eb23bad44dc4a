"""The compiled twins of layers that are no `DenseFlipout`, a file each; see `bnn_ref.fast.twin`."""
