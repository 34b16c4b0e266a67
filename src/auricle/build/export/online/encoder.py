"""An online Paraformer's two graphs -> the encoder that is served, checked on a stream of audio."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auricle.build.export.built_encoder import Encoder
from auricle.build.export.heads import largest_difference
from auricle.build.export.online.adapt import adapt_online
from auricle.build.export.online.original import Original, Said
from auricle.build.export.online.published import AROUND, NEW, Published
from auricle.build.export.parity import worst
from auricle.build.export.reference import Waveform, reference_features
from auricle.build.export.session import Array, Session
from auricle.build.export.streaming import Layout
from auricle.build.export.streaming_parity import (
    NUM_CHUNKS,
    StreamingParity,
    batch_differences,
    run_adapted,
    take_stream,
)
from auricle.errors import ParityError


def build_online_encoder(published: Published, waveforms: list[Waveform]) -> Encoder:
    """ParityError if the one graph does not reproduce the two on a stream of the audio."""
    published.check()
    layout = measure_layout(published)
    model = adapt_online(published, layout)
    stream = take_stream(layout, waveforms)
    inputs, outputs = run_adapted(layout, Session(model), stream)
    parity = _Parity(published, layout)
    checked = StreamingParity(
        parity.check(stream, outputs),
        worst(batch_differences(Session(model), inputs, outputs)),
        (layout.window + (NUM_CHUNKS - 1) * layout.hop) / published.frontend.sample_rate,
    )
    checked.judge(published.precision)
    sample_rate = published.frontend.sample_rate
    seconds_per_frame = round(layout.hop / sample_rate / NEW, 6)
    return Encoder(
        model,
        sample_rate,
        seconds_per_frame,
        None,
        "\n".join(published.describe()),
        (
            layout.describe(sample_rate),
            *checked.report(),
            f"frames    {seconds_per_frame * 1000:g} ms each; positions begin anew after "
            f"{published.positions * seconds_per_frame:g} s, and nothing else does",
        ),
        layout,
    )


def measure_layout(published: Published) -> Layout:
    """A window of new frames only; the others are carried as features."""
    lfr, fbank = published.lfr, published.frontend.fbank
    stack = lfr.shift * fbank.frame_shift
    return Layout(
        window=fbank.num_samples(published.num_frames),
        hop=NEW * stack,
        reflected=lfr.left * fbank.frame_shift,
        state_size=sum(slot.size for slot in published.slots),
        num_frames=NEW,
        delay=AROUND * stack,
    )


@dataclass(frozen=True)
class _Parity:
    published: Published
    layout: Layout

    def check(self, stream: Waveform, outputs: list[dict[str, Array]]) -> float:
        """The largest difference of all windows; ParityError where other tokens fire.

        In less than float32, where the least difference of features may become one of weights,
        that of the running sum of weights, in tokens.
        """
        stacked = reference_features(stream, self.published.frontend)[: NEW * NUM_CHUNKS]
        said = list(Original(self.published).run(stacked))
        if self.published.precision != "fp32":
            return worst(self._sums_apart(outputs, said))
        _compare_frames(outputs, said)
        return worst(
            difference
            for found, expected in zip(outputs, said, strict=True)
            for difference in self._differences(found, expected)
        )

    def _sums_apart(self, outputs: list[dict[str, Array]], said: list[Said]) -> Iterator[float]:
        apart = 0
        for found, expected in zip(outputs, said, strict=True):
            apart += int(found["NUM_TOKENS"][0]) - len(expected.fired)
            yield abs(apart + float(self._state(found, 1, 2)[0]) - expected.weight)

    def _differences(self, found: dict[str, Array], expected: Said) -> Iterator[float]:
        num_tokens = len(expected.fired)
        ids = found["TOKEN_IDS"][0, :num_tokens].astype(np.int64)
        log_probs = found["TOKEN_LOG_PROBS"][0, :num_tokens]
        of_ids: Array = expected.log_probs[np.arange(num_tokens), ids]
        yield largest_difference(log_probs, of_ids)
        yield largest_difference(log_probs, expected.log_probs.max(axis=1))
        open_token: Array = np.array([expected.weight, *expected.total], np.float32)
        yield largest_difference(self._state(found, 1, 3), open_token)
        for number, cache in enumerate(expected.caches, start=4):
            expected_row: Array = cache.reshape(-1)
            yield largest_difference(self._state(found, number, number + 1), expected_row)

    def _state(self, found: dict[str, Array], first: int, end: int) -> Array:
        """Some slots of NEW_STATE."""
        sizes = [slot.size for slot in self.published.slots]
        state: Array = found["NEW_STATE"][0, sum(sizes[:first]) : sum(sizes[:end])]
        return state


def _compare_frames(outputs: list[dict[str, Array]], said: list[Said]) -> None:
    """ParityError unless every token fires at the same frame; none is dated before the audio."""
    for number, (found, expected) in enumerate(zip(outputs, said, strict=True)):
        num_tokens, frames = found["NUM_TOKENS"][0], found["TOKEN_FRAMES"][0]
        fired = [max(frame, 0 if number else AROUND) for frame in expected.fired]
        if frames[:num_tokens].tolist() != fired:
            raise ParityError(
                f"the packed graph fires at frames {frames[:num_tokens].tolist()} of a window, the "
                f"original at {fired}; nothing was written; please report this checkpoint"
            )
