"""Whisper's served graphs against the published ones on real audio, before anything is written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from auricle.build.export.graph import Graph, Port
from auricle.build.export.heads import largest_difference
from auricle.build.export.parity import Strays, say_difference, worst
from auricle.build.export.reference import Waveform
from auricle.build.export.served import batch_of
from auricle.build.export.session import Array, Session, of_type
from auricle.build.export.whisper.decoder import Served, find_pasts
from auricle.build.export.whisper.encoder import size_of
from auricle.build.export.whisper.published import IDS, OFFSET, Decoder, Optimum, Sherpa
from auricle.build.export.whisper.reference import whisper_features
from auricle.build.frontend.whisper_mel import WhisperMel

NUM_PROMPT, NUM_STEPS = 4, 6  # tokens that are fed together, and one by one
SAMPLE_RATE = 16000

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Models:
    """The same network twice: as published, and as it will be served."""

    encoder: Graph
    decoder: Decoder
    mel: WhisperMel
    served_encoder: onnx.ModelProto
    served: Served


def check_parity(models: Models, waveforms: list[Waveform]) -> tuple[str, ...]:
    """Lines of a report; ParityError where something strays beyond its precision.

    The published decoder hears what the published encoder makes of the reference's features.
    """
    audio = Session(models.encoder.model).run(_features(models, waveforms))
    session = Session(models.served_encoder)
    found = [session.run(batch_of([waveform]))["ENCODER_OUT"] for waveform in waveforms]
    expected = _as_served(models.encoder, audio)
    encoder = worst(
        largest_difference(row, expected[place : place + 1]) for place, row in enumerate(found)
    )
    batch = worst(_batch_differences(session, waveforms[0]))
    del session
    tokens = _tokens(models.decoder, len(waveforms))
    published = list(_published_logits(models.decoder, audio, tokens))
    served = list(_served_logits(models.served, expected, tokens))
    decoder = worst(map(largest_difference, served, published))
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE
    report = (
        f"parity    encoder to the original on features by an FFT in float64, {seconds:.1f} s of "
        f"audio: {say_difference(encoder)}",
        f"parity    decoder to the original over {NUM_PROMPT + NUM_STEPS} tokens, the first "
        f"{NUM_PROMPT} at once there, one by one here: {say_difference(decoder)}",
        f"batching  a batch of unequal lengths to its rows alone: {say_difference(batch)}",
    )
    strays = Strays([encoder], batch)
    strays.judge("the served encoder strays", models.encoder.precision, report)
    strays = Strays([decoder])
    strays.judge("the served decoder strays", models.decoder.step.precision, report)
    return report


def _features(models: Models, waveforms: list[Waveform]) -> dict[str, Array]:
    (port,) = models.encoder.inputs
    features = np.stack([whisper_features(waveform, models.mel) for waveform in waveforms])
    return {port.name: of_type(port, features)}


def _as_served(encoder: Graph, audio: Mapping[str, Array]) -> Array:
    """ENCODER_OUT of what the published encoder gives."""
    parts = [audio[port.name].astype(np.float32) for port in encoder.outputs]
    if parts[0].ndim == 3:
        return parts[0]
    stacked = np.concatenate(parts).transpose(1, 2, 0, 3)
    return stacked.reshape(*stacked.shape[:2], -1)


def _batch_differences(encoder: Session, waveform: Waveform) -> Iterator[float]:
    rows = [waveform, waveform[: len(waveform) // 3], waveform[:60]]
    batch = encoder.run(batch_of(rows))["ENCODER_OUT"]
    for row, single in zip(batch, rows, strict=True):
        yield largest_difference(row[None], encoder.run(batch_of([single]))["ENCODER_OUT"])


def _tokens(decoder: Decoder, num_rows: int) -> Ids:
    """Any tokens will do."""
    size = decoder.step.outputs[0].size
    shape = num_rows, NUM_PROMPT + NUM_STEPS
    return np.random.default_rng(0).integers(0, size, shape)


def _served_logits(served: Served, encoder_out: Array, tokens: Ids) -> Iterator[Array]:
    """Float32 [N, V] behind each token."""
    caches = Session(served.cross_attention).run({"ENCODER_OUT": encoder_out})
    step = Session(served.decoder)
    for column in tokens.T:
        found = step.run({"TOKENS": column.astype(np.int32), **caches})
        yield found.pop("LOGITS")
        caches |= {name.removeprefix("NEW_"): values for name, values in found.items()}


def _published_logits(decoder: Decoder, audio: Mapping[str, Array], tokens: Ids) -> Iterator[Array]:
    """Float32 [N, V] behind each token."""
    run = (
        _sherpa_logits(decoder, audio, tokens)
        if isinstance(decoder, Sherpa)
        else (_optimum_logits(decoder, audio, tokens))
    )
    for logits in run:
        for place in range(logits.shape[1]):
            yield logits[:, place].astype(np.float32)


def _optimum_logits(decoder: Optimum, audio: Mapping[str, Array], tokens: Ids) -> Iterator[Array]:
    """[N, U, V] behind the prompt's tokens, then [N, 1, V] behind each one more."""
    (hidden,) = audio.values()
    first, step = decoder.first, decoder.step
    given = Session(first.model).run(
        {
            decoder.tokens.name: of_type(decoder.tokens, tokens[:, :NUM_PROMPT]),
            decoder.hidden.name: of_type(decoder.hidden, hidden),
            **_places(first, range(NUM_PROMPT)),
        }
    )
    yield given[first.outputs[0].name]
    caches = {name: given[made] for name, made in decoder.made.items()}
    caches |= {name: given[made] for name, made in decoder.first_pasts.items()}
    session = Session(step.model)
    ids = next(port for port in step.inputs if port.form == IDS)
    for number, column in enumerate(tokens[:, NUM_PROMPT:].T, start=NUM_PROMPT):
        inputs = {ids.name: of_type(ids, column[:, None]), **_places(step, [number])}
        found = session.run(inputs | caches)
        yield found[step.outputs[0].name]
        caches |= {name: found[made] for name, made in decoder.pasts.items()}


def _places(graph: Graph, numbers: Iterable[int]) -> dict[str, Array]:
    """cache_position, where a graph takes it."""
    ports = [port for port in graph.inputs if port.form == OFFSET]
    return {port.name: of_type(port, np.array(list(numbers))) for port in ports}


def _sherpa_logits(decoder: Sherpa, audio: Mapping[str, Array], tokens: Ids) -> Iterator[Array]:
    """With caches for all tokens that there may be, as sherpa-onnx has them."""
    ports, step = decoder.step.inputs, decoder.step
    session = Session(step.model)
    pasts = find_pasts(decoder)
    caches: dict[str, Array] = {
        past.port.name: of_type(
            past.port, np.zeros((size_of(past.port, 0), len(tokens), *_sizes(past.port)))
        )
        for past in pasts
    }
    cross = {
        port.name: of_type(port, values)
        for port, values in zip(ports[3:5], audio.values(), strict=True)
    }
    parts = [tokens[:, :NUM_PROMPT], *np.split(tokens[:, NUM_PROMPT:], NUM_STEPS, axis=1)]
    offset = 0
    for part in parts:
        place = {ports[5].name: of_type(ports[5], np.array([offset]))}
        found = session.run({ports[0].name: of_type(ports[0], part), **caches, **cross, **place})
        yield found[step.outputs[0].name]
        caches = {past.port.name: found[past.made] for past in pasts}
        offset += part.shape[1]


def _sizes(port: Port) -> tuple[int, int]:
    return size_of(port, 2), port.size
