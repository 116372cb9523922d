"""Photographs and drawings of other people, or your own, through the same door as PartyPets.

Each set is a map-style Dataset of pictures (C, H, W), float32 in [-1, 1], those of the known sets with their class.
"""

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from .download import Source, fetch

FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
FASHION_MNIST = {                                            # split: (pictures, labels)
    "train": (Source(FASHION + "train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
              Source(FASHION + "train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe")),
    "test": (Source(FASHION + "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
             Source(FASHION + "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310")),
}
FASHION_CLASSES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "ankle boot")

CIFAR_10 = Source("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")
CIFAR_FILES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
CIFAR_CLASSES = ("aeroplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "lorry")


class LabelledImages(Dataset):
    """Pictures that fit into memory, each with the number of its class.

    pictures: (N, C, H, W) uint8. labels: (N,) integers in [0, len(classes)). classes: their names.
    An item is (picture (C, H, W) float32 in [-1, 1], label () int64).
    """

    def __init__(self, pictures: Tensor, labels: Tensor, classes: Sequence[str]):
        if len(pictures) != len(labels):
            raise ValueError(f"there are {len(pictures)} pictures and {len(labels)} labels, but each picture needs one")
        self.pictures, self.labels, self.classes = pictures, labels.long(), tuple(classes)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.pictures[index] / 127.5 - 1, self.labels[index]


def fashion_mnist(split: str = "train", folder: Path | None = None) -> LabelledImages:
    """70,000 pieces of clothing, grey on black, as (1, 32, 32): 60,000 to train on and 10,000 to test.

    The original 28x28 pixels get a black frame of two, so that sizes can be halved. split: "train" or "test". folder:
    where the files (30 MB) are kept; by default in the user's cache. Raises ValueError for another split, DownloadError.
    Reference: Xiao, Rasul and Vollgraf 2017 (MIT licence).
    """
    _check_split(split, FASHION_MNIST)
    pictures, labels = (torch.from_numpy(read_idx(fetch(source, folder))) for source in FASHION_MNIST[split])
    return LabelledImages(torch.nn.functional.pad(pictures[:, None], (2, 2, 2, 2)), labels, FASHION_CLASSES)


def cifar_10(split: str = "train", folder: Path | None = None) -> LabelledImages:
    """60,000 small photographs of ten kinds of things, as (3, 32, 32): 50,000 to train on and 10,000 to test.

    split, folder: as in `fashion_mnist`; the file has 170 MB. Raises as there. Reference: Krizhevsky 2009.
    """
    _check_split(split, CIFAR_FILES)
    rows = []
    with tarfile.open(fetch(CIFAR_10, folder)) as archive:   # read inside the archive: nothing is unpacked to the disk
        members = {Path(member.name).name: member for member in archive.getmembers()}
        for name in tqdm(CIFAR_FILES[split], desc="CIFAR-10", unit="file"):
            rows.append(np.frombuffer(archive.extractfile(members[name]).read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32))
    rows = torch.from_numpy(np.concatenate(rows))            # (N, 3073): the label, then the picture
    return LabelledImages(rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0], CIFAR_CLASSES)


def read_idx(path: Path) -> np.ndarray:
    """The array in a gzipped IDX file of bytes (the format of MNIST). Raises ValueError for any other content."""
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no IDX file of bytes: {error}") from error
    axes = int.from_bytes(content[3:4]) if content[:3] == b"\0\0\x08" else 0   # two zeros, the code for bytes, the number of axes
    shape = tuple(int.from_bytes(content[4 + 4 * k:8 + 4 * k], "big") for k in range(axes))
    if not axes or len(content) != 4 + 4 * axes + np.prod(shape):
        raise ValueError(f"{path} is no IDX file of bytes")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


class PictureFolder(Dataset):
    """Your own pictures: every picture file in a folder and the folders inside it, cut square and made small.

    folder: where they lie. size: width and height of the result in pixels, at least 1. A picture is turned the way the
    camera was held (EXIF), its middle square is cut out, and transparent parts become white; of 16 bits of grey 8 are kept.
    An item is the picture (3, size, size), float32 in [-1, 1]; the order is that of the sorted file names.
    Raises ValueError where there is no such folder or no picture in it, and, when it is read, for a broken file and for pixels
    that are floats or 32-bit integers: they do not say what is white.
    """

    def __init__(self, folder: Path | str, size: int = 32):
        self.folder, self.size = Path(folder), int(size)
        if self.size < 1:
            raise ValueError(f"size is {size}, but a picture needs at least 1 pixel")
        if not self.folder.is_dir():
            raise ValueError(f"folder is {str(folder)!r}, but there is no such folder")
        readable = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
        self.files = sorted(path for path in self.folder.rglob("*")
                            if path.suffix.lower() in readable and path.is_file() and not path.name.startswith("."))
        if not self.files:
            raise ValueError(f"folder is {str(folder)!r}, but there is no picture in it (such as .jpg, .png or .webp)")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        try:
            with Image.open(self.files[index]) as file:
                picture = _in_bytes(ImageOps.exif_transpose(file)).convert("RGBA")
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{self.files[index]} cannot be read as a picture: {error}") from error
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((self.size, self.size), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1) / 127.5 - 1


def _in_bytes(picture: Image.Image) -> Image.Image:
    """The same picture with a byte a channel: Pillow would cut off what lies above 255. Raises ValueError where nobody says what is white."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))         # 65535 = 255 * 257
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are {'floats' if picture.mode == 'F' else '32-bit integers'}, but they have to be bytes, or 16 bits of grey")
    return picture


def _check_split(split: str, known) -> None:
    if split not in known:
        raise ValueError(f"split is {split!r}, but it has to be one of: {', '.join(known)}")
