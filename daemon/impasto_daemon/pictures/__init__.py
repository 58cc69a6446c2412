"""Picture files to Pictures and back, for the command line. Knows Pillow and files; no torch, no sockets, no jobs.

Whatever a file holds, what leaves `load` is sRGB, RGB or RGBA, of 8 or 16 bits a sample, turned the way its EXIF says.
Whatever is wrong with a file becomes an `ImpastoError` whose sentence names the file and says what to do.
"""

from .reading import load, load_mask
from .samples import to_image, to_sixteen
from .writing import WRITE, check_destination, save

__all__ = ["WRITE", "check_destination", "load", "load_mask", "save", "to_image", "to_sixteen"]
