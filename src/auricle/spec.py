"""The two records of a served model, where the building and the serving wing meet, on disk.

PipelineSpec <-> pipeline.json: facts of the checkpoint; the builder writes it, nobody edits it.
Choices <-> the parameters of config.pbtxt: how to serve it; operators edit them.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from auricle.errors import RepositoryError

FILE_NAME = "pipeline.json"
VERSION = 1

# The environment variable by which `auricle serve` asks for a request log: 0, 1, or text.
LOG_REQUESTS = "AURICLE_LOG_REQUESTS"

Head = Literal[
    "transducer", "recurrent_transducer", "ctc", "ctc_attention", "cif", "autoregressive", "vad"
]
TokenKind = Literal["bpe", "byte_bpe", "char", "at_bpe", "gpt2_bpe", "delimited"]
RunnerName = Literal["onnxruntime", "bls"]
Decoding = Literal[
    "greedy_search", "prefix_beam_search", "attention_rescoring", "speech_timestamps"
]
Endpointing = Literal["off", "on"]

CHOSEN_BY_NAME: dict[str, tuple[str, ...]] = {
    "runner": get_args(RunnerName),
    "decoding": get_args(Decoding),
    "endpoint": get_args(Endpointing),
}

MAY_BE_ZERO = (
    "max_padding", "vad_min_speech_duration_ms", "vad_min_silence_duration_ms", "vad_speech_pad_ms",
)  # fmt: skip

# What each head can be decoded by; the first is what a build chooses.
DECODINGS: dict[Head, tuple[Decoding, ...]] = {
    "transducer": ("greedy_search",),
    "recurrent_transducer": ("greedy_search",),
    "ctc": ("greedy_search", "prefix_beam_search"),
    "ctc_attention": ("attention_rescoring", "prefix_beam_search", "greedy_search"),
    "cif": ("greedy_search",),
    "autoregressive": ("greedy_search",),
    "vad": ("speech_timestamps",),
}

RESERVED = "__"  # between a model's name and the name of a model behind it


def encoder_of(model: str) -> str:
    """The name of the encoder that Triton itself runs for a model, with runner bls."""
    return f"{model}{RESERVED}encoder"


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


@dataclass(frozen=True)
class Choices:
    """How to serve a model, as parameters of its config.pbtxt.

    runner: "onnxruntime" in this process, or "bls": the encoder is Triton's own model
        `<model>__encoder`.
    threads: intra-op threads of each in-process session.
    max_sub_batch: rows in one run of the encoder.
    max_padding: padded share of a sub-batch's samples, 0 to 1.
    max_batch_seconds: rows x longest row of a sub-batch, in seconds of audio.
    lookahead: frames that one joiner call scores for each utterance.
    max_audio_seconds: longer requests are refused.
    endpoint: whether the segments of a stream end by themselves, if it does not say itself.
    endpoint_rule1, 2, 3: seconds of silence though nothing was said, of silence behind speech, and
        of a segment at all, by which it ends.
    max_vad_seconds: of audio that is cut at silences; longer requests are refused.
    vad_workers: threads that hear the pieces of one long request.
    vad_threshold, vad_min_speech_duration_ms, vad_min_silence_duration_ms, vad_speech_pad_ms: what
        speech is, by the names of silero-vad, if a request does not say itself.
    """

    runner: RunnerName = "onnxruntime"
    threads: int = 1
    max_sub_batch: int = 1
    max_padding: float = 0.2
    max_batch_seconds: float = 120.0
    lookahead: int = 4
    decoding: Decoding = "greedy_search"
    beam: int = 10
    max_audio_seconds: float = 60.0
    endpoint: Endpointing = "off"
    endpoint_rule1: float = 2.4
    endpoint_rule2: float = 1.2
    endpoint_rule3: float = 20.0
    max_vad_seconds: float = 3600.0
    vad_workers: int = 1
    vad_threshold: float = 0.5
    vad_min_speech_duration_ms: float = 250.0
    vad_min_silence_duration_ms: float = 100.0
    vad_speech_pad_ms: float = 30.0

    def __post_init__(self) -> None:
        for name, known in CHOSEN_BY_NAME.items():
            if getattr(self, name) not in known:
                raise RepositoryError(
                    f"parameter {name} is {getattr(self, name)!r}; known: {', '.join(known)}"
                )
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            is_bound = name not in CHOSEN_BY_NAME and name not in MAY_BE_ZERO
            if is_bound and not 0 < value < math.inf:  # NaN would bound nothing
                raise RepositoryError(f"parameter {name} is {value}, but must be a number above 0")
        for name in ("max_padding", "vad_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise RepositoryError(f"parameter {name} is {getattr(self, name)}, not in 0..1")
        for name in MAY_BE_ZERO:
            if not 0 <= getattr(self, name) < math.inf:
                raise RepositoryError(
                    f"parameter {name} is {getattr(self, name)}, but must be a number of 0 or more"
                )

    def to_parameters(self) -> dict[str, str]:
        return {name: str(value) for name, value in dataclasses.asdict(self).items()}


def check_fit(facts: PipelineSpec, choices: Choices) -> None:
    """RepositoryError if the choices ask for what the model has not."""
    known = DECODINGS[facts.head]
    if choices.decoding not in known:
        raise RepositoryError(
            f"parameter decoding is {choices.decoding!r}, but this "
            f"{facts.family.replace('_', '-')} model knows {', '.join(known)}"
        )
    if facts.rescorer and choices.beam > facts.rescorer.beam:
        raise RepositoryError(
            f"parameter beam is {choices.beam}, but the model's rescorer takes "
            f"{facts.rescorer.beam} hypotheses; choose 1 to {facts.rescorer.beam}"
        )


def parse_choices(parameters: dict[str, str]) -> Choices:
    """The values of config.pbtxt's parameters; absent ones take the default, unknown ones fail."""
    defaults: dict[str, str | int | float] = dataclasses.asdict(Choices())
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        raise RepositoryError(
            f"config.pbtxt has unknown parameters {unknown}; known: {', '.join(defaults)}"
        )
    values = {name: _parse(name, text, defaults[name]) for name, text in parameters.items()}
    return Choices(**values)  # type: ignore[arg-type]  # the types are those of the defaults


def _parse(name: str, text: str, default: str | int | float) -> str | int | float:
    try:
        return type(default)(text)
    except ValueError as error:
        wanted = type(default).__name__
        raise RepositoryError(
            f"parameter {name} of config.pbtxt is {text!r}, expected {wanted}"
        ) from error
