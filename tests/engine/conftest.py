"""The engine's tests run on one thread: their pictures are small, and several test processes may share the cores."""

import torch

torch.set_num_threads(1)
