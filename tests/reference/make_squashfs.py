#!/usr/bin/env python3
"""A small squashfs image as assets/packaging/appimage.sh makes a large one, for the tests of what
reads it: assets/packaging/appimage/squashfs.rs.

  make_squashfs.py      writes tests/reference/squashfs/small.squashfs

Needs mksquashfs (Debian: squashfs-tools). Its blocks have 4096 bytes, so that a small file has several.
"""

import subprocess
import tempfile
from pathlib import Path

OUT = Path(__file__).parent / "squashfs"


def noise(count):
    """Bytes that do not get smaller."""
    state, bytes_ = 1, bytearray()
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        bytes_.append(state >> 16 & 0xFF)
    return bytes(bytes_)


def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "AppDir"
        program = root / "usr/bin/program"
        program.parent.mkdir(parents=True)
        # A block as it is, a block of zeros, a block that was packed, and a rest in a fragment.
        program.write_bytes(noise(4096) + bytes(4096) + b"0123456789abcdef" * 256 + b"the end")
        program.chmod(0o755)
        # More names than a block of them holds.
        many = root / "usr/share/many"
        many.mkdir(parents=True)
        for number in range(600):
            (many / f"file-{number:03}").write_text(f"{number}\n")
        (root / "usr/share/nothing").mkdir()
        (root / "empty").write_bytes(b"")
        (root / "AppRun").symlink_to("usr/bin/program")
        image = OUT / "small.squashfs"
        image.unlink(missing_ok=True)
        command = ["mksquashfs", root, image, "-noappend", "-quiet", "-no-progress", "-comp", "gzip"]
        command += ["-b", "4096", "-all-root", "-mkfs-time", "0", "-all-time", "0", "-no-xattrs", "-processors", "1"]
        subprocess.run(command, check=True, capture_output=True)
        print(f"{image.stat().st_size} bytes")


main()
