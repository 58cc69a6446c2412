"""Watching what torch does beneath some code: which tensors it holds, and when it reads their values."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero"}
"""Operators that hand values of a tensor to the host, which has to wait for the device to have them."""


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """held, most: bytes of the tensors that operators were called with or returned and that still live, now and at
    most. reads: how often the host read a value."""

    def __init__(self, monkeypatch: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held, self.most, self.reads = 0, 0, 0
        self._known: set[int] = set()
        plain = Tensor.tolist

        def tolist(tensor: Tensor) -> Any:  # on a CPU it takes no operator
            self.reads += 1
            return plain(tensor)

        monkeypatch.setattr(Tensor, "tolist", tolist)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.reads += func._schema.name in READS
        for each in tree_leaves((args, kwargs, found)):
            if isinstance(each, Tensor):
                self._meet(each.untyped_storage())
        self.most = max(self.most, self.held)
        return found

    def _meet(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        if name not in self._known:
            self._known.add(name)
            self.held += size
            weakref.finalize(storage, self._part, name, size)

    def _part(self, name: int, size: int) -> None:
        self._known.discard(name)
        self.held -= size
