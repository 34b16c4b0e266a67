"""Write the held-out lists and, with the synthesisers installed, their audio.

The lists are fixed before any training and nothing in them is chosen by a result.
"""

import argparse
from pathlib import Path

from training.synthesize import write_wavs
from training.utterances import (
    development_list,
    held_out_list,
    mandarin_held_out_list,
    read_list,
    seen_voices_list,
    shipped,
    write_list,
)

HERE = Path(__file__).parent
HELD_OUT = HERE / "heldout.tsv"
SEEN_VOICES = HERE / "heldout_seen_voices.tsv"
MANDARIN = HERE / "heldout_mandarin.tsv"
SHIPPED = HERE.parent / "client" / "test_wavs"
SHIPPED_MANDARIN = HERE.parent / "client" / "test_wavs_mandarin"
NUM_SHIPPED_MANDARIN = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", action="store_true", help="write the three .tsv lists")
    parser.add_argument("--shipped", action="store_true", help="write client/test_wavs*")
    parser.add_argument(
        "--audio", type=Path, help="write the audio of the lists here, and of a development list"
    )
    args = parser.parse_args()
    if args.lists:
        write_list(HELD_OUT, held_out_list())
        write_list(SEEN_VOICES, seen_voices_list())
        write_list(MANDARIN, mandarin_held_out_list())
    if args.shipped:
        write_wavs(SHIPPED, shipped(read_list(HELD_OUT)))
        write_wavs(SHIPPED_MANDARIN, shipped(read_list(MANDARIN), NUM_SHIPPED_MANDARIN))
    if args.audio is not None:
        write_wavs(args.audio / HELD_OUT.stem, read_list(HELD_OUT))
        write_wavs(args.audio / SEEN_VOICES.stem, read_list(SEEN_VOICES))
        write_wavs(args.audio / MANDARIN.stem, read_list(MANDARIN))
        write_wavs(args.audio / "development", development_list())


if __name__ == "__main__":
    main()
