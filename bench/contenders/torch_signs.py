"""Signs for PyTorch from random words through a table: eight of them for each byte."""

import torch
from torch.nn import functional as F

BITS = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
TABLES = {dtype: (1 - 2 * BITS).to(dtype) for dtype in (torch.float32, torch.float64)}  # (256, 8)


def signs(rows, columns, like):
    """Return -1 or +1 (rows, columns), of a tensor's dtype."""
    count = rows * columns
    words = torch.randint(-(2**63), 2**63 - 1, (-(-count // 64),), dtype=torch.int64)
    flat = F.embedding(words.view(torch.uint8).int(), TABLES[like.dtype]).view(-1)
    return flat[:count].view(rows, columns)
