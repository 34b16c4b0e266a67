"""Write audio as JSON for NVIDIA's perf_analyzer: docs/benchmarks.md, "perf_analyzer".

usage: python scripts/generate_perf_input.py --audio_file AUDIO... [--streaming] [--output-dir DIR]
"""

import argparse
import sys
from pathlib import Path

from auricle.client import perf_input
from auricle.client.bench import workload
from auricle.client.manifests import find_audio, read_wav_scp
from auricle.errors import AuricleError


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--audio_file", "--audio-file", nargs="+", required=True, metavar="AUDIO",
        help="files, folders, globs, or one wav.scp (*.scp)")  # fmt: skip
    add("--streaming", action="store_true", help="write streams, cut into chunks")
    add("--chunk-ms", type=int, default=640, help="of audio in each request of a stream")
    add("--sample_rate", "--sample-rate", type=int, default=16000, help="the model's, in Hz")
    add("--output-dir", type=Path, default=Path(), help="where the JSON goes")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> Path:
    manifests = [Path(each) for each in options.audio_file if each.endswith(".scp")]
    audio = [each for each in options.audio_file if not each.endswith(".scp")]
    utterances = [one for path in manifests for one in read_wav_scp(path)] + find_audio(audio)
    waveforms = workload.read(utterances, options.sample_rate).values()
    if not options.streaming:
        return perf_input.save_offline(waveforms, options.output_dir)
    chunk = max(1, options.chunk_ms * options.sample_rate // 1000)
    return perf_input.save_streams(waveforms, chunk, options.output_dir)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"wrote {run(parse())}\n")
    except AuricleError as error:
        sys.exit(f"error: {error}")
