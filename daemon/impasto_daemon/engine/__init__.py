"""The engine: pictures in as tensors, a painting out as a tensor. Pure torch.

It knows nothing of jobs, sockets, files or weights' whereabouts, prints nothing and keeps no state between calls.
Importing this package, or `recipes`, does not import torch; the other modules do.
"""
