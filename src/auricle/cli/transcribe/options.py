"""The options of auricle transcribe: ours, and the spellings of other clients."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Protocol(str, Enum):
    grpc = "grpc"
    http = "http"

    @property
    def port(self) -> int:
        return {"grpc": 8001, "http": 8000}[self.value]


def _refuse(sentence: str) -> Callable[[object], object]:
    """For flags that other clients have and this one does not serve: refused, never ignored."""

    def callback(value: object) -> object:
        if value:
            raise typer.BadParameter(sentence)
        return value

    return callback


def _host_and_port(url: str | None) -> str | None:
    if url and "://" in url:
        raise typer.BadParameter(f"give host:port, not {url!r}; --protocol chooses grpc or http")
    return url


# What to transcribe. The second spellings are those of Triton-ASR-Client and WeNet's client.py.
Audio = Annotated[list[str] | None, typer.Argument(help="Files, folders, globs, - for stdin.")]
AudioPath = Annotated[
    list[str] | None, typer.Option("--audio-path", "--audio-file", "--audio_file", hidden=True)
]
WavScp = Annotated[Path | None, typer.Option("--wavscp", help="Kaldi's wav.scp: id, path.")]
Trans = Annotated[Path | None, typer.Option("--trans", help="Kaldi's text: id, transcript.")]
ManifestDir = Annotated[
    Path | None, typer.Option("--manifest-dir", help="A folder with wav.scp and trans.txt or text.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", "--data_dir", help="Where relative paths start.")
]
AllowPipes = Annotated[
    bool, typer.Option("--allow-pipes", help="Run the shell commands that wav.scp holds.")
]
# Where it is sent.
Url = Annotated[
    str | None,
    typer.Option("--url", "-u", envvar="AURICLE_URL", callback=_host_and_port, help="host:port."),
]
ServerAddr = Annotated[str, typer.Option("--server-addr", help="Host, where no --url is given.")]
ServerPort = Annotated[
    int | None, typer.Option("--server-port", show_default="8001, for http 8000")
]
ProtocolOption = Annotated[Protocol, typer.Option("--protocol", help="KServe v2 over either.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model-name", "--model_name", envvar="AURICLE_MODEL", show_default="the only one there"
    ),
]
SampleRate = Annotated[
    int,
    typer.Option(
        "--sample-rate", "--sample_rate", min=1, help="The model's, Hz; we resample to it."
    ),
]
NumTasks = Annotated[int, typer.Option("--num-tasks", min=1, help="Requests in flight.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Utterances in a request.")]
# What comes back.
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Not to stdout but here.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="An object a line: text, words, latency, model, error.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Keep what --output holds, do the rest.")]
ComputeCer = Annotated[
    bool | None,
    typer.Option(
        "--compute-cer/--compute-wer",
        help="Count characters (beside Chinese, Japanese and Korean, Latin words stay whole).",
        show_default="characters for those languages",
    ),
]
Normalize = Annotated[
    bool, typer.Option("--normalize", help="Score also in lower case without punctuation.")
]
MaxWer = Annotated[
    float | None,
    typer.Option("--max-wer", help="Percent; above it (normalized, if asked) the exit code is 1."),
]
LogDir = Annotated[
    Path | None, typer.Option("--log-dir", help="For icefall's recogs-*.txt and errs-*.txt.")
]
LogInterval = Annotated[
    int, typer.Option("--log-interval", min=0, help="Off a terminal, a line each so many.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every retry.")]
# Known from other clients, for what this one does not do.
STREAMS = _refuse(
    "auricle stream sends streams, and takes this flag; auricle transcribe sends whole files"
)
DATASETS = _refuse("data sets and cuts are not read; write a wav.scp and give it with --wavscp")
PROMPTS = _refuse("no served model takes a prompt yet")
STATISTICS = _refuse("the server's own times are measured by auricle bench")
Streaming = Annotated[
    bool, typer.Option("--streaming", "--simulate-streaming", hidden=True, callback=STREAMS)
]
Chunks = Annotated[
    str | None,
    typer.Option(
        "--chunk-size", "--chunk_size", "--context", "--encoder-right-context",
        "--encoder_right_context", "--subsampling", "--frame-length-ms", "--frame_length_ms",
        "--frame-shift-ms", "--frame_shift_ms", hidden=True, callback=STREAMS,
    ),
]  # fmt: skip
Dataset = Annotated[
    str | None,
    typer.Option(
        "--huggingface-dataset", "--huggingface_dataset", "--dataset-name", "--subset-name",
        "--split-name", "--manifest-filename", hidden=True, callback=DATASETS,
    ),
]  # fmt: skip
Prompt = Annotated[str | None, typer.Option("--text-prompt", hidden=True, callback=PROMPTS)]
Statistics = Annotated[
    str | None, typer.Option("--stats-file", "--stats_file", hidden=True, callback=STATISTICS)
]
