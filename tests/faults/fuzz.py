"""Fuzzing of the readers, guided by coverage: bytes that reach new code are kept.

    python -m tests.faults.fuzz idx|image SECONDS FOLDER

needs atheris (pip install atheris), which isn't among the project's dependencies. It begins with
tests/faults/seeds and writes what reaches new code into FOLDER; named tests/faults/seeds/idx or
.../image, that is kept, and tests/faults/test_fuzz.py reads it every time. Bytes that cause any
error but InputError end the run and are written into FOLDER, too.
"""

import sys
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
# Larger inputs find nothing that smaller ones don't.
MAX_BYTES = 512


def read_idx(content: bytes) -> None:
    """Reads bytes as ingest does; anything but InputError is a fault."""
    from tasks.images.arrays import parse_idx, unpack
    from tasks.runner.errors import InputError

    for num_dimensions in (1, 3):
        try:
            array = parse_idx(
                unpack(content, name="file", max_bytes=2**20),
                name="file",
                num_dimensions=num_dimensions,
            )
        except InputError:
            continue
        if array.ndim != num_dimensions or array.dtype != "uint8":
            raise AssertionError(f"{array.shape} {array.dtype}")


def read_image(content: bytes) -> None:
    """Decodes bytes as ingest and predict do; anything but InputError is a fault."""
    from tasks.images.decode import decode_image
    from tasks.images.policy import ImagePolicy
    from tasks.runner.errors import InputError

    for channels in (1, 3):
        try:
            policy = ImagePolicy(
                height=8, width=8, channels=channels, size="fit", background=(0,), white=None
            )
            image = decode_image(content, name="file", policy=policy)
        except InputError:
            continue
        if image.shape != policy.shape or image.dtype != "uint8":
            raise AssertionError(f"{image.shape} {image.dtype}")


READERS = {"idx": read_idx, "image": read_image}


def main() -> None:
    """Fuzzes one reader for some seconds."""
    import atheris  # pyright: ignore[reportMissingImports] - only whoever fuzzes installs it

    name, seconds, folder = sys.argv[1:]
    read = READERS[name]
    with atheris.instrument_imports(include=["tasks", "PIL", "gzip"]):
        read(b"")
    atheris.Setup(
        [
            sys.argv[0],
            folder,
            str(SEEDS / name),
            f"-artifact_prefix={folder}/",
            f"-max_total_time={seconds}",
            f"-max_len={MAX_BYTES}",
            "-seed=1",
            "-reduce_inputs=1",
            "-print_final_stats=1",
        ],
        read,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
