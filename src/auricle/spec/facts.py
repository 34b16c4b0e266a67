"""PipelineSpec <-> pipeline.json: the facts of a checkpoint."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from auricle.errors import RepositoryError

FILE_NAME = "pipeline.json"
VERSION = 1

Head = Literal[
    "transducer", "recurrent_transducer", "ctc", "ctc_attention", "cif", "autoregressive", "vad"
]
TokenKind = Literal["bpe", "byte_bpe", "char", "at_bpe", "gpt2_bpe", "delimited"]
Decoding = Literal[
    "greedy_search",
    "modified_beam_search",
    "prefix_beam_search",
    "attention_rescoring",
    "speech_timestamps",
]
# What each head can be decoded by; the first is what a build chooses.
DECODINGS: dict[Head, tuple[Decoding, ...]] = {
    "transducer": ("greedy_search", "modified_beam_search"),
    "recurrent_transducer": ("greedy_search", "modified_beam_search"),
    "ctc": ("greedy_search", "prefix_beam_search"),
    "ctc_attention": ("attention_rescoring", "prefix_beam_search", "greedy_search"),
    "cif": ("greedy_search",),
    "autoregressive": ("greedy_search",),
    "vad": ("speech_timestamps",),
}
# Of each head that has one, the search with a beam: for language models, hotwords and n-best.
BEAM_SEARCHES: dict[Head, Decoding] = {
    "transducer": "modified_beam_search",
    "recurrent_transducer": "modified_beam_search",
    "ctc": "prefix_beam_search",
    "ctc_attention": "attention_rescoring",
}


@dataclass(frozen=True)
class Source:
    """Where a checkpoint came from: a folder or Hugging Face id, and sha256 by file name."""

    location: str
    revision: str | None
    sha256: dict[str, str]


@dataclass(frozen=True)
class Rescorer:
    """A decoder that scores whole hypotheses.

    beam: hypotheses of an utterance that one run takes, no more and no fewer.
    is_bidirectional: whether it takes them reversed, too.
    """

    beam: int
    sos_id: int
    eos_id: int
    is_bidirectional: bool


@dataclass(frozen=True)
class Prompt:
    """Numbers that the encoder takes beside the audio, by name; the first of each is the default.

    lead_frames: output frames before the audio's first, one for each tag of the answer.
    """

    languages: dict[str, int]
    text_norms: dict[str, int]
    lead_frames: int


@dataclass(frozen=True)
class Hotwords:
    """max_tokens: of one hotword.  last_id: the entry that ends every list, <s>.

    runs_alone: whether the graph would choose among the hotwords of all rows by its first row.
    """

    max_tokens: int
    last_id: int
    runs_alone: bool = False


@dataclass(frozen=True)
class Autoregressive:
    """A decoder that writes one token after the other, about a window of audio; ids of tokens.

    window_seconds: of audio that the encoder hears at once; shorter audio is followed by silence.
    max_tokens: of a window, its prompt among them.
    languages: by their codes; empty where the model knows one and is not asked.
    tasks: "transcribe" and "translate"; empty likewise.
    default_language, default_task: what a checkpoint forces, a code and a name; None: the model
        tells the language, and transcribes.
    previous_id: in front of what was said before.  no_timestamps_id: asks for none; the ids behind
        it are times, 20 ms apart, the first is 0.
    suppressed_ids, begin_suppressed_ids: never written, not written first.
    max_initial_timestamp: of a window, in steps of 20 ms.
    """

    window_seconds: float
    max_tokens: int
    start_id: int
    end_id: int
    previous_id: int
    no_speech_id: int
    no_timestamps_id: int
    languages: dict[str, int]
    tasks: dict[str, int]
    suppressed_ids: list[int]
    begin_suppressed_ids: list[int]
    max_initial_timestamp: int = 50
    default_language: str | None = None
    default_task: str | None = None

    @property
    def first_timestamp_id(self) -> int:
        return self.no_timestamps_id + 1


@dataclass(frozen=True)
class Vad:
    """A detector of speech, which has a probability for each window.

    window: samples.  context: samples before them that the network sees, too.  state_size: of its
    LSTM, whose output and cell are the two rows of STATE.
    """

    sample_rate: int
    window: int
    context: int
    state_size: int


@dataclass(frozen=True)
class Streaming:
    """How a streaming encoder takes a stream: window by window, its past packed into one row.

    window: samples of CHUNK, what one run sees.
    hop: samples from one window to the next.
    reflected: samples in front of a stream's first, mirrored from it (Kaldi's snip_edges false).
    silence: zeros in front of these (NeMo's centred frames).
    state_size: floats of STATE; the first STATE of a stream is all zeros.
    num_frames: output frames of one window.
    delay: samples by which these lie behind the window's hop, since the encoder looks ahead.
    max_windows: that one state can take (a table of positions), or None.
    warm_up: windows of these that the next state hears, too, before it takes over.
    """

    window: int
    hop: int
    reflected: int
    state_size: int
    num_frames: int
    delay: int = 0
    max_windows: int | None = None
    warm_up: int = 0
    silence: int = 0


@dataclass(frozen=True)
class PipelineSpec:
    """Facts of a checkpoint.

    seconds_per_frame: seconds of audio per encoder output frame.
    graphs: role ("encoder", "decoder", "joiner", "rescorer", "hotword_embedder",
        "cross_attention", "vad") -> file name in the version folder.
    max_seconds: the longest audio that the graph itself can take (a positional table), or None; of
        a stream, None.
    has_timestamps: whether a head "cif" gives the peaks of its tokens.
    num_end_tokens: tokens of a head "cif" behind the text, </s>.
    streaming: how the encoder takes a stream; None for a model of whole utterances.
    predictor_state: floats that a head "recurrent_transducer" remembers of all tokens; before the
        first one, blank, they are zeros.
    autoregressive: of a head of that name.
    vad: what finds speech in long audio, or is all there is (head "vad"); None if nothing does.
    """

    family: str
    head: Head
    sample_rate: int
    seconds_per_frame: float
    graphs: dict[str, str]
    tokens: str
    token_kind: TokenKind
    blank_id: int
    unk_id: int | None
    context_size: int
    max_seconds: float | None
    source: Source
    has_timestamps: bool = False
    num_end_tokens: int = 0
    rescorer: Rescorer | None = None
    prompt: Prompt | None = None
    hotwords: Hotwords | None = None
    streaming: Streaming | None = None
    predictor_state: int = 0
    autoregressive: Autoregressive | None = None
    vad: Vad | None = None

    def save(self, folder: Path) -> None:
        record = {"version": VERSION, **dataclasses.asdict(self)}
        text = json.dumps(record, indent=2, ensure_ascii=False)
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> PipelineSpec:
    """Read <folder>/pipeline.json; RepositoryError if absent, broken or of another version."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise RepositoryError(f"no {FILE_NAME} in {folder}; write it with `auricle build`")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RepositoryError(f"{path} is not JSON ({error}); run `auricle build` again") from error
    version = record.pop("version", None) if isinstance(record, dict) else None
    if version != VERSION:
        raise RepositoryError(
            f"{path} has version {version!r}, but this Auricle reads {VERSION}; "
            "run `auricle build` again"
        )
    try:
        return PipelineSpec(**record | _parse_parts(record))
    except (KeyError, TypeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is not whole: {error}"
        raise RepositoryError(f"{path} {what}; run `auricle build` again") from error


def _parse_parts(record: dict[str, dict[str, int]]) -> dict[str, object]:
    kinds = {
        "source": Source,
        "rescorer": Rescorer,
        "prompt": Prompt,
        "hotwords": Hotwords,
        "streaming": Streaming,
        "autoregressive": Autoregressive,
        "vad": Vad,
    }
    optional = set(kinds) - {"source"}
    absent = {name for name in optional if record.get(name) is None}
    return {name: kinds[name](**record[name]) for name in kinds.keys() - absent}
