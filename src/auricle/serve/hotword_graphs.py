"""Lists of hotwords as the automata of a search, each compiled once while it is in use."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from auricle.hotword_files import Hotword
from auricle.serve.decode.context_graph import ContextGraph

NUM_GRAPHS = 32  # kept compiled; one of 1000 words has 0.2 MB, the longest list allowed 3 MB
SCORE = 1.5  # of each token, as sherpa-onnx has it


class HotwordGraphs:
    """Whoever asks for the same list gets the same graph, and nobody another one's."""

    def __init__(
        self,
        encode: Callable[[str], tuple[int, ...]],
        score: float = SCORE,
        *,
        is_strict: bool = True,
        num_graphs: int = NUM_GRAPHS,
    ) -> None:
        """score: of each token of a phrase that has none.  is_strict: as ContextGraph has it."""
        self._encode, self._score = encode, score
        self._is_strict, self._num_graphs = is_strict, num_graphs
        self._known: OrderedDict[tuple[Hotword, ...], ContextGraph] = OrderedDict()
        self._lock = Lock()

    def __call__(self, hotwords: tuple[Hotword, ...]) -> ContextGraph | None:
        """None of no hotwords; InvalidRequestError if one of them cannot be spelled."""
        if not hotwords:
            return None
        with self._lock:
            if known := self._known.get(hotwords):
                self._known.move_to_end(hotwords)
                return known
        graph = self._compile(hotwords)  # outside the lock: those with other lists go on
        with self._lock:
            graph = self._known.setdefault(hotwords, graph)
            self._known.move_to_end(hotwords)
            while len(self._known) > self._num_graphs:
                self._known.popitem(last=False)
        return graph

    def _compile(self, hotwords: tuple[Hotword, ...]) -> ContextGraph:
        phrases = [self._encode(hotword.phrase) for hotword in hotwords]
        scores = []
        for hotword, ids in zip(hotwords, phrases, strict=True):
            score = self._score if hotword.score is None else hotword.score
            scores.append(score / len(ids) if hotword.is_whole else score)
        return ContextGraph(phrases, scores, is_strict=self._is_strict)
