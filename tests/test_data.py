"""Point sets of unit scale, and picture files: fetched, checked, refused, cut and turned as promised."""

import dataclasses
import gzip
import hashlib
import io
import math
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib.data import download, images, toys
from diffusion_lib.data.download import DownloadError, Source, cache_folder, fetch
from diffusion_lib.data.images import LabelledImages, PictureFolder, cifar_10, fashion_mnist, read_idx
from exact import max_error

# Toys ----------------------------------------------------------------------------------------------------------------

SETS = {"two moons": toys.two_moons, "spiral": toys.spiral, "eight gaussians": toys.eight_gaussians, "checkerboard": toys.checkerboard}


@pytest.mark.parametrize("draw", SETS.values(), ids=SETS.keys())
def test_point_sets_have_mean_0_and_variance_1(draw):
    points = draw(100_000, generator=dl.CounterGenerator(7))
    assert points.shape == (100_000, 2) and points.dtype == torch.float32
    assert points.mean(0).abs().max() < 0.02                 # standard errors: 0.003 and 0.005
    assert abs(points.var(0).mean() - 1) < 0.02


@pytest.mark.parametrize("draw", SETS.values(), ids=SETS.keys())
def test_point_sets_follow_their_generator(draw):
    assert max_error(draw(50, generator=dl.CounterGenerator(7)), draw(50, generator=dl.CounterGenerator(7))) == 0
    assert max_error(draw(50, generator=dl.CounterGenerator(7)), draw(50, generator=dl.CounterGenerator(8))) > 0.1


def test_two_moons_lie_on_two_half_circles():
    points = toys.two_moons(2_000, noise=0.0, generator=dl.CounterGenerator(1)) * math.sqrt((3 / 4 + 9 / 16 - 1 / math.pi) / 2)
    x, y = (points + torch.tensor([0.5, 0.25])).T
    upper, lower = torch.hypot(x, y) - 1, torch.hypot(x - 1, y - 0.5) - 1
    on_upper, on_lower = (upper.abs() < 1e-5) & (y > -1e-5), (lower.abs() < 1e-5) & (y < 0.5 + 1e-5)
    assert (on_upper | on_lower).all() and 800 < on_upper.sum() < 1200


def test_spiral_has_its_turns_and_arms():
    points = toys.spiral(4_000, turns=2.0, noise=0.0, generator=dl.CounterGenerator(1))
    radius, angle = torch.hypot(*points.T), torch.atan2(points[:, 1], points[:, 0])
    off = (angle - math.pi * 2.0 * radius) / math.pi         # in half circles: whole on one of the two arms
    assert (off - off.round()).abs().max() < 1e-4 and radius.max() <= 2
    first = off.round() % 2 == 0
    assert 1800 < first.sum() < 2200


def test_eight_gaussians_are_eight():
    points, means = toys.eight_gaussians(8_000, noise=0.1, generator=dl.CounterGenerator(1)), toys.eight_means(0.1)
    distance, nearest = torch.cdist(points, means).min(1)
    assert nearest.bincount(minlength=8).min() > 880         # 1000 +- 30
    assert abs(distance.square().mean() / 2 - 0.01) < 0.001


def test_checkerboard_stays_on_its_squares():
    points = toys.checkerboard(4_000, generator=dl.CounterGenerator(1))
    squares = (points / math.sqrt(3) * 2 + 2).floor()
    assert ((squares.sum(1) % 2) == 0).all() and squares.min() == 0 and squares.max() == 3
    assert len(squares.unique(dim=0)) == 8


@pytest.mark.parametrize("wrong, says", [(lambda: toys.two_moons(5, noise=1.0), "noise is 1"), (lambda: toys.eight_means(-0.1), "noise is -0.1"),
                                         (lambda: toys.spiral(5, turns=0), "turns is 0")])
def test_impossible_sets_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


# A server that can be told to misbehave ------------------------------------------------------------------------------

class Server:
    """Serves `files` (path -> bytes); `troubles` are acted out first, one a request: an HTTP status, "half" or "wrong"."""

    def __init__(self):
        self.files, self.troubles, self.requests = {}, [], 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request):
        self.requests += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if isinstance(trouble, int) or request.path not in self.files:
            return request.send_error(trouble or 404)
        content = self.files[request.path]
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write({"half": content[:len(content) // 2], "wrong": b"?" * len(content), None: content}[trouble])

    def source(self, name, content):
        self.files[f"/{name}"] = content
        return Source(f"http://127.0.0.1:{self.server.server_port}/{name}", hashlib.md5(content).hexdigest())


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0, 0.0))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_file_is_fetched_once(server, tmp_path):
    source = server.source("a.bin", b"abc" * 1000)
    assert fetch(source, tmp_path).read_bytes() == b"abc" * 1000
    assert fetch(source, tmp_path) == tmp_path / "a.bin" and server.requests == 1


def test_damaged_local_file_is_fetched_again(server, tmp_path):
    source = server.source("a.bin", b"abc" * 1000)
    (tmp_path / "a.bin").write_bytes(b"abd" * 1000)
    assert fetch(source, tmp_path).read_bytes() == b"abc" * 1000


@pytest.mark.parametrize("troubles", [[503], ["half"], ["wrong"], [429, "half", 500]], ids=str)
def test_flaky_server_is_asked_again(server, tmp_path, troubles):
    source = server.source("a.bin", b"abc" * 1000)
    server.troubles = list(troubles)
    assert fetch(source, tmp_path).read_bytes() == b"abc" * 1000
    assert server.requests == len(troubles) + 1 and [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_wrong_checksum_is_refused_and_nothing_is_left(server, tmp_path):
    source = dataclasses.replace(server.source("a.bin", b"abc"), md5="0" * 32)
    with pytest.raises(DownloadError, match=r"http://.*/a.bin could not be downloaded in 4 attempts: 3 bytes came with MD5 9001509"):
        fetch(source, tmp_path)
    assert server.requests == 4 and list(tmp_path.iterdir()) == []


def test_missing_file_is_not_asked_for_again(server, tmp_path):
    source = dataclasses.replace(server.source("a.bin", b"abc"))
    del server.files["/a.bin"]
    with pytest.raises(DownloadError, match="a.bin could not be downloaded: the server says 404 Not Found"):
        fetch(source, tmp_path)
    assert server.requests == 1


def test_unreachable_server_is_named(server, tmp_path):
    source = server.source("a.bin", b"abc")
    server.server.server_close()
    with pytest.raises(DownloadError, match="a.bin could not be downloaded in 4 attempts: .*refused"):
        fetch(source, tmp_path)


def test_downloads_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "diffusion_lib"


# Known sets, in miniature --------------------------------------------------------------------------------------------

def idx(array):
    return gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes())


def test_fashion_mnist(server, tmp_path, monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    labels = np.array([0, 9, 3, 3, 1], dtype=np.uint8)
    sources = server.source("images.gz", idx(pictures)), server.source("labels.gz", idx(labels))
    monkeypatch.setattr(images, "FASHION_MNIST", {"test": sources})
    clothes = fashion_mnist("test", tmp_path)
    assert len(clothes) == 5 and clothes[1][1] == 9 and clothes.classes[9] == "ankle boot"
    assert max_error(clothes[2][0][0, 2:30, 2:30], torch.from_numpy(pictures[2]) / 127.5 - 1) < 1e-6
    frame = clothes[2][0].clone()
    frame[0, 2:30, 2:30] = -1
    assert frame.shape == (1, 32, 32) and (frame == -1).all()


def test_cifar_10(server, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    archive, rows = io.BytesIO(), {}
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"):
            rows[name] = np.concatenate([rng.integers(0, 10, (2, 1), dtype=np.uint8), rng.integers(0, 256, (2, 3072), dtype=np.uint8)], 1)
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = rows[name].size
            tar.addfile(info, io.BytesIO(rows[name].tobytes()))
    monkeypatch.setattr(images, "CIFAR_10", server.source("cifar.tar.gz", archive.getvalue()))
    train, test = cifar_10("train", tmp_path), cifar_10("test", tmp_path)
    assert len(train) == 10 and len(test) == 2 and server.requests == 1
    row = rows["data_batch_4.bin"][1]                        # picture 7
    assert train[7][1] == row[0]
    assert max_error(train[7][0], torch.from_numpy(row[1:].reshape(3, 32, 32)) / 127.5 - 1) < 1e-6
    assert [path.name for path in tmp_path.iterdir()] == ["cifar.tar.gz"]


def test_unknown_splits_are_refused():
    for known_set in (fashion_mnist, cifar_10):
        with pytest.raises(ValueError, match="split is 'valid', but it has to be one of: train, test"):
            known_set("valid")


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01\0\0\0\x05abc", b"\0\0\x0d\x01\0\0\0\x01a"], ids=["empty", "short", "floats"])
def test_other_files_are_no_idx(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match="a.gz is no IDX file of bytes"):
        read_idx(tmp_path / "a.gz")


@pytest.mark.parametrize("content", [b"no archive at all", gzip.compress(bytes(range(256)))[:60], gzip.compress(b"\0\0\x08"),
                                     gzip.compress(b"a")[:10] + b"\xff" * 20], ids=["text", "cut off", "header", "damaged"])
def test_what_is_no_archive_is_no_idx_either(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(ValueError, match="a.gz is no IDX file of bytes"):
        read_idx(tmp_path / "a.gz")


def test_pictures_and_labels_go_together():
    with pytest.raises(ValueError, match="2 pictures and 3 labels"):
        LabelledImages(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3), ("a",))


# A folder of your own ------------------------------------------------------------------------------------------------

def colour(tensor, y, x):
    return tuple(round(float(value + 1) * 127.5) for value in tensor[:, y, x])


def test_folder_is_cut_square_in_the_middle(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (200, 100, 50)                          # the middle square; what lies beside it is black
    Image.fromarray(wide).save(tmp_path / "wide.png")
    picture, = PictureFolder(tmp_path, 8)
    assert picture.shape == (3, 8, 8) and picture.dtype == torch.float32
    assert max_error(picture, torch.tensor([200.0, 100.0, 50.0])[:, None, None].expand(3, 8, 8) / 127.5 - 1) < 1e-6


def test_folder_is_turned_as_the_camera_was_held(tmp_path):
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8] = 255                                        # white above
    exif = Image.Exif()
    exif[0x0112] = 6                                         # "turn me by 90 degrees clockwise": stored lying on its side
    Image.fromarray(np.rot90(upright, 1)).save(tmp_path / "turned.png", exif=exif)
    picture, = PictureFolder(tmp_path, 16)
    assert colour(picture, 2, 8) == (255, 255, 255) and colour(picture, 13, 8) == (0, 0, 0)


def test_folder_takes_all_kinds_and_folders_inside(tmp_path):
    (tmp_path / "b").mkdir()
    Image.new("L", (9, 9), 40).save(tmp_path / "b" / "grey.JPG", format="JPEG")
    Image.new("RGBA", (9, 9), (255, 0, 0, 0)).save(tmp_path / "a.png")             # transparent: white
    Image.new("P", (9, 9), 0).save(tmp_path / "c.gif")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "receipt.pdf").write_bytes(b"%PDF-1.4")      # which Pillow can write, but not read
    (tmp_path / "holiday.png").mkdir()
    (tmp_path / "._a.png").write_bytes(b"what some systems leave behind")
    folder = PictureFolder(str(tmp_path), 4)
    assert [file.name for file in folder.files] == ["a.png", "grey.JPG", "c.gif"]
    assert colour(folder[0], 1, 1) == (255, 255, 255) and all(abs(value - 40) < 3 for value in colour(folder[1], 1, 1))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_of_sixteen_bits_of_grey_eight_are_kept(tmp_path, name):
    grey = np.array([[0, 257, 40 * 257], [128 * 257, 200 * 257 + 100, 65535], [300, 0, 0]], np.uint16)
    Image.fromarray(grey).save(tmp_path / name)
    picture, = PictureFolder(tmp_path, 3)
    assert max_error(picture, torch.from_numpy((grey / 257).round()).float().expand(3, 3, 3) / 127.5 - 1) < 1e-6


@pytest.mark.parametrize("kind, says", [(np.float32, "floats"), (np.int32, "32-bit integers")])
def test_pixels_without_a_white_are_refused(tmp_path, kind, says):
    Image.fromarray(np.full((4, 4), 0.5, np.float64).astype(kind)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=f"a.tif cannot be read as a picture: its pixels are {says}"):
        PictureFolder(tmp_path, 4)[0]


def test_folders_without_pictures_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no picture in it"):
        PictureFolder(tmp_path)
    with pytest.raises(ValueError, match="nowhere', but there is no such folder"):
        PictureFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="size is 0"):
        PictureFolder(tmp_path, 0)


def test_broken_pictures_are_named(tmp_path):
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for name, content in (("b.png", whole[:60]), ("c.jpg", b"no picture at all")):
        (tmp_path / name).write_bytes(content)
    folder = PictureFolder(tmp_path, 4)
    assert colour(folder[0], 0, 0) == (255, 0, 0)
    for index, name in ((1, "b.png"), (2, "c.jpg")):
        with pytest.raises(ValueError, match=f"{name} cannot be read as a picture"):
            folder[index]
