"""Why hotwords find names or not: what a CTC graph of icefall's makes of names that were said.

    python -m benchmarks.hotword_evidence assets/icefall-ctc /tmp/names/names --json evidence.json

Of each utterance with one name: how many nats the sentence as it was said is behind the best path,
for each token of the name, which is about the score that a hotword would need; whether the name's
tokens are among the 20 best of any frame, which is all that the served graph gives; and, were the
place of the name known, whether the graph prefers it to the 23 others, and to any known word.
"""

import json as json_format
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import sentencepiece
import typer
from numpy.typing import NDArray

from auricle.client.bench import workload
from auricle.client.manifests import read_text, read_wav_scp
from training.features import EXTRACTORS, SAMPLE_RATE_HZ
from training.names import NAMES
from training.words import VOCABULARY

Floats = NDArray[np.float64]
BLANK = 0
NUM_TOP = 20  # as auricle.build.export.heads has it


@dataclass(frozen=True)
class Evidence:
    """missing: nats a token of the name.  in_reach: of its tokens, among the NUM_TOP of a frame."""

    id: str
    name: str
    tokens: int
    missing: float
    in_reach: int
    is_best_name: bool
    is_best_word: bool


def log_probability(log_probs: Floats, tokens: Sequence[int]) -> float:
    """Of all alignments; log_probs [T, V]."""
    labels = np.full(2 * len(tokens) + 1, BLANK)
    labels[1::2] = tokens
    skips = np.zeros(len(labels), np.bool_)
    skips[2:] = (labels[2:] != BLANK) & (labels[2:] != labels[:-2])
    scores = np.full(len(labels), -np.inf)
    scores[:2] = log_probs[0, labels[:2]]
    for frame in log_probs[1:]:
        moved = scores.copy()
        moved[1:] = np.logaddexp(moved[1:], scores[:-1])
        jumped = np.logaddexp(moved[2:], scores[:-2])
        moved[2:] = np.where(skips[2:], jumped, moved[2:])
        scores = moved + frame[labels]
    return float(np.logaddexp.reduce(scores[-2:]))


def best_path(log_probs: Floats) -> list[int]:
    path = log_probs.argmax(axis=1)
    changed = np.flatnonzero(np.diff(path, prepend=-1))
    return [int(token) for token in path[changed] if token != BLANK]


@dataclass(frozen=True)
class Judge:
    """A graph's log-probabilities of sentences."""

    session: onnxruntime.InferenceSession
    pieces: sentencepiece.SentencePieceProcessor

    def hear(self, waveform: NDArray[np.float32]) -> Floats:
        features = EXTRACTORS["icefall"](waveform)[None].astype(np.float32)
        lens = np.array([features.shape[1]], np.int64)
        x, x_lens = (port.name for port in self.session.get_inputs())
        found = self.session.run(None, {x: features, x_lens: lens})[0][0]
        return np.asarray(found, np.float64)

    def weigh(self, name: str, text: str, log_probs: Floats) -> Evidence | None:
        """None of an utterance with two names."""
        words = text.split()
        said = [place for place, word in enumerate(words) if word in NAMES]
        if len(said) != 1:
            return None
        asked = words[said[0]]
        forms = {
            word: " ".join([*words[: said[0]], word, *words[said[0] + 1 :]])
            for word in (*NAMES, *VOCABULARY)
        }
        scores = {
            word: log_probability(log_probs, self.pieces.encode(form))
            for word, form in forms.items()
        }
        tokens = self.pieces.encode(asked)
        reach = np.argsort(-log_probs, axis=1)[:, :NUM_TOP]
        return Evidence(
            id=name,
            name=asked,
            tokens=len(tokens),
            missing=(log_probability(log_probs, best_path(log_probs)) - scores[asked])
            / len(tokens),
            in_reach=sum(token in reach for token in tokens),
            is_best_name=scores[asked] == max(scores[word] for word in NAMES),
            is_best_word=scores[asked] == max(scores.values()),
        )


def weigh_all(judge: Judge, folder: Path) -> Iterator[Evidence]:
    waveforms = workload.read(read_wav_scp(folder / "wav.scp"), SAMPLE_RATE_HZ)
    for name, text in read_text(folder / "text").items():
        if found := judge.weigh(name, text, judge.hear(waveforms[name])):
            yield found


def report(found: Sequence[Evidence]) -> Iterator[str]:
    def share(claims: Iterable[bool]) -> str:
        return f"{100 * np.mean(list(claims)):.1f} %"

    missing = np.percentile([each.missing for each in found], [10, 50, 90])
    yield f"utterances                      {len(found)}"
    yield "nats a token missing, p10/50/90 " + " ".join(f"{value:.1f}" for value in missing)
    total = sum(each.in_reach for each in found) / sum(each.tokens for each in found)
    yield f"tokens among the {NUM_TOP}             {100 * total:.1f} %"
    yield f"names all of them               {share(e.in_reach == e.tokens for e in found)}"
    yield f"best of the {len(NAMES)} names            {share(e.is_best_name for e in found)}"
    yield f"better than any known word      {share(e.is_best_word for e in found)}"


def main(
    model: Annotated[Path, typer.Argument(help="icefall's CTC: model.onnx and bpe.model.")],
    audio: Annotated[Path, typer.Argument(help="The names of training.names.")],
    json: Annotated[Path | None, typer.Option(help="Where to write every utterance.")] = None,
) -> None:
    judge = Judge(
        onnxruntime.InferenceSession(str(model / "model.onnx")),
        sentencepiece.SentencePieceProcessor(model_file=str(model / "bpe.model")),
    )
    found = list(weigh_all(judge, audio))
    typer.echo("\n".join(report(found)))
    if json:
        lines = ",\n".join(json_format.dumps(asdict(each)) for each in found)
        json.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
