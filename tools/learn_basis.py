"""Learn the basis of the codec from corpora.

The shipped basis: SERKIT_CORPORA=/folder python tools/learn_basis.py ravdess nemo tess
"""

from __future__ import annotations

import argparse
from pathlib import Path

from serkit.codec.basis_file import basis_bytes
from serkit.files import write_atomically
from serkit.training.codec_basis import learn_basis
from serkit.training.codec_blocks import corpus_blocks

SHIPPED = Path(__file__).parents[1] / "src" / "serkit" / "codec" / "basis.safetensors"


def main() -> None:
    """Learn a basis and write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", nargs="+", help="corpora to learn from")
    parser.add_argument("-o", "--out", type=Path, default=SHIPPED, help="file to write")
    arguments = parser.parse_args()
    basis = learn_basis(corpus_blocks(arguments.corpora))
    content = basis_bytes(basis)
    write_atomically(arguments.out, content)
    print(f"{arguments.out}: {len(content)} bytes, hash {basis.digest.hex()}")


if __name__ == "__main__":
    main()
