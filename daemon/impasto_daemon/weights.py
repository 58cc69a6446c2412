"""A network's weights: where they are, fetching, checking and loading them. Files in, tensors out.

They are looked for in this order: a path that was given; our cache; torch hub's cache; torchvision's download into
our cache, with resume and checksum. The address is torchvision's own and stands nowhere in this project. Knows
nothing of jobs or recipes; what needs torch or torchvision imports them when called.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import filelock
import platformdirs
from impasto_protocol.errors import Code, ImpastoError

from .engine.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from torch import Tensor

MEBIBYTE = CHUNK = 1 << 20
CONNECT_SECONDS = 8.0
"""Silence of the network after which it counts as absent."""

DEFAULT = "vgg19"
"""The network that is meant where none is named."""


@dataclass(frozen=True)
class Known:
    """Weights that we know how to get: torchvision's address, the start of the file's SHA-256 (from its name), and its
    size in MiB, to three decimals (0: not known)."""

    network: str
    url: str
    mebibytes: float = 0.0

    @property
    def file(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    @property
    def sha256_prefix(self) -> str:
        match = re.search(r"-([0-9a-f]{8,64})\.", self.file)
        return match.group(1) if match else ""


@dataclass(frozen=True)
class Progress:
    """Bytes of a download that are here, of how many (0 where the server does not say)."""

    done: int
    total: int


@dataclass(frozen=True)
class Listing:
    """A row of `impasto weights`: what it is, where it is or would be put, its size in bytes (0: not here).

    present: a file of the right size is here (nobody has read it); damaged: one of another size is; partial: bytes
    of a download that was broken off.
    """

    network: str
    path: Path
    size: int
    sha256_prefix: str
    present: bool
    damaged: bool
    partial: int


def known() -> dict[str, Known]:
    """The weights each network can be had with, by network. Needs torchvision (raises MISSING_WEIGHTS without)."""
    try:
        from torchvision.models import VGG16_Weights, VGG19_Weights
    except ImportError:
        raise ImpastoError(
            Code.MISSING_WEIGHTS,
            "torchvision is not installed here. Type: pip install '.[daemon]' in Impasto's folder",
        ) from None
    published = {"vgg19": VGG19_Weights.IMAGENET1K_V1, "vgg16": VGG16_Weights.IMAGENET1K_V1}
    return {name: Known(name, each.url, float(each.meta.get("_file_size", 0.0))) for name, each in published.items()}


def fetch_command(network: str) -> str:
    """What to type to have its weights."""
    return "impasto weights fetch" if network == DEFAULT else f"impasto weights fetch {network}"


def cache_folder() -> Path:
    """Where downloads are kept, in the user's cache."""
    return Path(platformdirs.user_cache_dir("impasto")) / "weights"


def places(item: Known) -> tuple[Path, ...]:
    """Where its file may already lie: our cache, then torch hub's."""
    import torch.hub

    return cache_folder() / item.file, Path(torch.hub.get_dir()) / "checkpoints" / item.file


def find(item: Known) -> Path | None:
    """Its file, if it is on this machine, one of the right size before others; nobody has read it."""
    here = [path for path in places(item) if path.is_file()]
    return next((path for path in here if has_its_size(item, path)), here[0] if here else None)


def find_sound(item: Known) -> Path | None:
    """Its file, if it is on this machine, whole and unspoilt. Reads it all."""
    return next((path for path in places(item) if is_sound(item, path)), None)


def is_sound(item: Known, path: Path) -> bool:
    """Whether this is a file with the item's size and checksum."""
    try:
        return has_its_size(item, path) and sha256(path).startswith(item.sha256_prefix)
    except OSError:
        return False


def has_its_size(item: Known, path: Path) -> bool:
    """Whether this is a file of the item's size (any size will do where that is not known)."""
    try:
        size = path.stat().st_size / MEBIBYTE
    except OSError:
        return False
    return path.is_file() and (not item.mebibytes or abs(size - item.mebibytes) <= 1e-3)


def listing() -> list[Listing]:
    """Every known set of weights, for people."""
    rows = []
    for item in known().values():
        here = find(item)
        path = here or cache_folder() / item.file
        present = has_its_size(item, path)
        rows.append(
            Listing(
                network=item.network,
                path=path,
                size=_size(path),
                sha256_prefix=item.sha256_prefix,
                present=present,
                damaged=here is not None and not present,
                partial=_size(_partial(path)),
            )
        )
    return rows


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Fetching.


def fetch(item: Known, folder: Path | None = None) -> Generator[Progress, None, Path]:
    """Download into `folder` (our cache), going on where an earlier attempt stopped; return the path.

    Yields after each megabyte, and about once a second while another process is fetching the same file. Closing
    the generator keeps what has come so far. The file gets its name only when it is whole and its checksum is
    right; a damaged file that has the name is set aside as `….bad`. Raises ImpastoError: MISSING_WEIGHTS (no network,
    refused, no room on the disk), BAD_WEIGHTS (checksum).
    """
    folder = folder or cache_folder()
    path = folder / item.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(path) + ".lock")
        while True:
            try:
                lock.acquire(timeout=1.0)
                break
            except filelock.Timeout:
                yield Progress(_size(_partial(path)), 0)
        try:
            if not is_sound(item, path):
                if path.exists():
                    path.replace(path.with_name(path.name + ".bad"))
                yield from _download(item, path)
        finally:
            lock.release()
    except (OSError, http.client.HTTPException) as reason:
        raise _cannot_fetch(item, path, reason) from reason
    return path


def _download(item: Known, path: Path) -> Generator[Progress, None, None]:
    part = _partial(path)
    for attempt in ("resumed", "afresh"):
        yield from _transfer(item.url, part)
        if sha256(part).startswith(item.sha256_prefix):
            part.replace(path)
            return
        part.unlink()
        if attempt == "afresh":
            break
    raise ImpastoError(
        Code.BAD_WEIGHTS,
        f"{item.file} arrived damaged twice: its SHA-256 does not begin with {item.sha256_prefix}. "
        "Something between here and the server changes the file; try another network.",
        file=item.file,
    )


def _transfer(url: str, part: Path) -> Generator[Progress, None, None]:
    """Bring `part` to the file's full length. Raises OSError."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError as answer:
        with answer:
            if answer.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # nothing is missing, or what is here is not this file: the checksum tells
        raise
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            have = 0
        length = int(response.headers.get("Content-Length") or 0)
        total = have + length if length else 0
        with part.open("ab" if have else "wb") as file:
            yield from _copy(response, file, have, total)


def _copy(
    response: http.client.HTTPResponse, file: IO[bytes], have: int, total: int
) -> Generator[Progress, None, None]:
    yield Progress(have, total)
    while chunk := response.read(CHUNK):
        file.write(chunk)
        have += len(chunk)
        yield Progress(have, total)
    if have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _cannot_fetch(item: Known, path: Path, reason: OSError | http.client.HTTPException) -> ImpastoError:
    """The sentence for what stopped a download. What has come so far stays, except on a full disk."""
    if getattr(reason, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        _partial(path).unlink(missing_ok=True)
        return ImpastoError(
            Code.MISSING_WEIGHTS,
            f"The disk is full: there is no room for {item.file} in {path.parent}. Make room (about 600 MB), or set "
            "XDG_CACHE_HOME to a folder on another disk.",
            file=str(path),
        )
    if isinstance(reason, urllib.error.HTTPError):
        why = f"the server answered {reason.code} {reason.reason}"
    elif isinstance(reason, urllib.error.URLError):
        why = f"the server cannot be reached: {reason.reason}"
    else:
        why = str(reason)
    kept = " (what has come so far is kept)" if _size(_partial(path)) else ""
    return ImpastoError(
        Code.MISSING_WEIGHTS,
        f"Check the network, then try again{kept}: {item.file} could not be fetched ({why}). Without a network: "
        "--weights FILE, or the recipe wavelets.",
        file=str(path),
    )


# Loading.


def check_weights_path(path: Path) -> Path:
    """The absolute path of a weights file that can be opened; needs no torch. Raises ImpastoError(BAD_WEIGHTS)."""
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise _bad_weights(f"there is no weights file {path}: check the path") from None
    except IsADirectoryError:
        raise _bad_weights(f"{path} is a folder: name the weights file inside it") from None
    except OSError as error:
        raise _bad_weights(f"the weights file {path} cannot be read: {error.strerror}") from None
    if empty:
        raise _bad_weights(f"the weights file {path} is empty: copy it again")
    return path.absolute()


def _bad_weights(sentence: str) -> ImpastoError:
    return ImpastoError(Code.BAD_WEIGHTS, sentence)


def load(path: Path, network: str = DEFAULT, given: bool = True) -> dict[str, Tensor]:
    """The convolutions (`features.N.weight`, `features.N.bias`) of a state dict with torchvision's names.

    The file may hold any leading part of the network; all else in it (the classifier, layers after a gap) is left on
    the disk. given: by the user, and not found in a cache, which decides what an error advises. Raises
    ImpastoError(BAD_WEIGHTS) naming the file for whatever is wrong with it.
    """
    try:
        return _convolutions(path, network)
    except _Unusable as reason:
        why = str(reason)
        raise (_cannot_use(path, why, network) if given else damaged(path, why, network)) from reason


class _Unusable(Exception):
    """Why a file cannot be used as weights."""


def _convolutions(path: Path, network: str) -> dict[str, Tensor]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError:
        raise _Unusable("there is no such file") from None
    except PermissionError:
        raise _Unusable("it may not be read by this user") from None
    except IsADirectoryError:
        raise _Unusable("it is a folder") from None
    except Exception as reason:  # torch.load raises about everything on bytes that are not its own
        found = _load_unmapped(path, reason)
    if not isinstance(found, Mapping):
        raise _Unusable("it holds no state dict")
    return {name: value.detach().to(torch.float32, copy=True) for name, value in _leading(found, network).items()}


def _load_unmapped(path: Path, reason: Exception) -> object:
    """Files in torch's old format cannot be mapped; anything else is no weights file."""
    import torch

    if "mmap" not in str(reason):
        raise _Unusable("it is damaged, or no PyTorch state dict") from reason
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as again:
        raise _Unusable("it is damaged, or no PyTorch state dict") from again


def _leading(state: Mapping[object, object], network: str) -> dict[str, Tensor]:
    """The network's convolutions from the first one on to the first that is not there: finite and of their shapes."""
    import torch

    title = network.upper()
    leading: dict[str, Tensor] = {}
    _refuse_another(state, network)
    for each in ARCHITECTURES[network].convolutions:
        of = f"features.{each.number}"
        shapes = {f"{of}.weight": (each.outputs, each.inputs, 3, 3), f"{of}.bias": (each.outputs,)}
        if not shapes.keys() <= state.keys():
            break
        for name, shape in shapes.items():
            value = state[name]
            if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape or not value.is_floating_point():
                raise _Unusable(f"{of} is not that of {title}")
            if not bool(value.isfinite().all()):
                raise _Unusable(f"{of} holds values that are no numbers")
            leading[name] = value
    if not leading:
        raise _Unusable(f"it does not hold features.0.weight and features.0.bias of torchvision's {title}")
    return leading


def _refuse_another(state: Mapping[object, object], network: str) -> None:
    """The first blocks of VGG16 and VGG19 have the same names and shapes; those that only one has tell them apart."""
    own = {f"features.{each.number}.weight" for each in ARCHITECTURES[network].convolutions}
    for name in state:
        if isinstance(name, str) and re.fullmatch(r"features\.\d+\.weight", name) and name not in own:
            raise _Unusable(f"it is another network's: {network.upper()} has no {name}")


def _cannot_use(path: Path, why: str, network: str) -> ImpastoError:
    return ImpastoError(
        Code.BAD_WEIGHTS,
        f"{path} cannot be used as weights: {why}. Give a state dict of {network.upper()} with torchvision's names, or "
        "leave --weights out.",
        file=str(path),
    )


def damaged(path: Path, why: str, network: str = DEFAULT) -> ImpastoError:
    """The sentence for a file in a cache: nobody named it, and it can be had again."""
    return ImpastoError(
        Code.BAD_WEIGHTS, f"{path} is damaged: {why}. `{fetch_command(network)}` repairs it.", file=str(path)
    )
