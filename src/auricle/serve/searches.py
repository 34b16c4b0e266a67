"""How each head's outputs become hypotheses: one search for every head and decoding."""

import dataclasses
from collections.abc import Callable, Sequence

from auricle.serve.decode import (
    alignment,
    cif,
    ctc,
    modified_beam,
    prefix_beam,
    recurrent,
    recurrent_beam,
    rescoring,
    transducer,
)
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.options import BeamOptions
from auricle.serve.runner import Runner, Tensors
from auricle.serve.scorers import Scorers
from auricle.spec import Choices, Decoding, Head, PipelineSpec, check_fit

# The encoder's outputs and what is asked of each row, by all of them a beam as wide, to each row's
# hypotheses, best first: as many as the search knows, at least one.
Search = Callable[[Tensors, Sequence[BeamOptions]], list[list[Hypothesis]]]
# Those that know more hypotheses than the best.
BEAM_DECODINGS = frozenset(("modified_beam_search", "prefix_beam_search", "attention_rescoring"))
PREDICTOR_OUTPUTS = ("log_probs", "jumps", "new_state", "jump_log_probs")  # jumps: TDT's
END_ID = 2  # </s> of every Paraformer, as funasr_onnx/paraformer_bin.py has it


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a search is made of."""

    spec: PipelineSpec
    choices: Choices
    runner: Runner
    scorers: Scorers


def create_searches(parts: Parts) -> dict[Decoding, Search]:
    """Every search of the model's head; RepositoryError if choices ask for what it has not."""
    spec = parts.spec
    check_fit(spec, parts.choices)
    return {
        decoding: create(parts)
        for (head, decoding), create in SEARCHES.items()
        if head == spec.head
    }


def create_networks(runner: Runner) -> tuple[transducer.Decoder, transducer.Joiner]:
    """A transducer's decoder, each context computed once, and its joiner."""

    def decoder(y: transducer.Ints) -> transducer.Floats:
        return runner.run("decoder", [{"y": y}])[0]["decoder_out"]  # type: ignore[return-value]

    def joiner(encoder_out: transducer.Floats, decoder_out: transducer.Floats) -> transducer.Floats:
        inputs = {"encoder_out": encoder_out, "decoder_out": decoder_out}
        return runner.run("joiner", [inputs])[0]["logit"]  # type: ignore[return-value]

    return transducer.ContextCache(decoder), joiner


def create_predictor(
    spec: PipelineSpec, choices: Choices, runner: Runner
) -> tuple[recurrent.Network, recurrent.Options]:
    """A transducer's decoder that remembers all tokens, with its joint network."""

    def network(
        encoder_out: recurrent.Floats, y: recurrent.Ints, states: recurrent.Floats
    ) -> recurrent.Scores:
        inputs: Tensors = {"encoder_out": encoder_out, "y": y, "state": states}
        outputs = runner.run("predictor", [inputs])[0]
        said = (outputs.get(name) for name in PREDICTOR_OUTPUTS)
        return recurrent.Scores(*said)  # type: ignore[arg-type]

    options = recurrent.Options(spec.blank_id, spec.predictor_state, choices.lookahead)
    return network, options


def _alone(hypotheses: list[Hypothesis]) -> list[list[Hypothesis]]:
    """Of a search that knows the best only."""
    return [[hypothesis] for hypothesis in hypotheses]


def _recurrent_search(parts: Parts) -> Search:
    network, options = create_predictor(parts.spec, parts.choices, parts.runner)

    def search(outputs: Tensors, _asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return _alone(recurrent.greedy_search(encoder_out, lens, network, options))  # type: ignore[arg-type]

    return search


def _recurrent_beam_search(parts: Parts) -> Search:
    network, options = create_predictor(parts.spec, parts.choices, parts.runner)

    def search(outputs: Tensors, asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        return recurrent_beam.search(
            outputs["ENCODER_OUT"],  # type: ignore[arg-type]
            outputs["OUT_LENS"],  # type: ignore[arg-type]
            network,
            options,
            asked[0].width,
            parts.scorers.create(asked),
            asked[0].blank_penalty,
        )

    return search


def transducer_options(spec: PipelineSpec, choices: Choices) -> transducer.Options:
    return transducer.Options(spec.context_size, spec.blank_id, spec.unk_id, choices.lookahead)


def _transducer_search(parts: Parts) -> Search:
    options = transducer_options(parts.spec, parts.choices)
    networks = create_networks(parts.runner)

    def search(outputs: Tensors, _asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return _alone(transducer.greedy_search(encoder_out, lens, *networks, options))  # type: ignore[arg-type]

    return search


def _modified_beam_search(parts: Parts) -> Search:
    options = transducer_options(parts.spec, parts.choices)
    networks = create_networks(parts.runner)

    def search(outputs: Tensors, asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        return modified_beam.search(
            outputs["ENCODER_OUT"],  # type: ignore[arg-type]
            outputs["OUT_LENS"],  # type: ignore[arg-type]
            *networks,
            options,
            asked[0].width,
            parts.scorers.create(asked),
            asked[0].blank_penalty,
        )

    return search


def _ctc_search(parts: Parts) -> Search:
    def search(outputs: Tensors, _asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        lens, blank_id = outputs["OUT_LENS"], parts.spec.blank_id
        return _alone(ctc.greedy_search(ids, log_probs, lens, blank_id))  # type: ignore[arg-type]

    return search


def _prefix_beam_search(parts: Parts) -> Search:
    def search(outputs: Tensors, asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        emissions = _emissions(outputs, parts.spec.blank_id)
        return _dated(_search_prefixes(emissions, asked, parts.scorers), emissions)

    return search


def _search_prefixes(
    emissions: ctc.Emissions, asked: Sequence[BeamOptions], scorers: Scorers
) -> list[list[Hypothesis]]:
    """Utterances with scorers apart from those without: the search prunes them otherwise."""
    found: dict[int, list[Hypothesis]] = {}
    for is_scored in (False, True):
        rows = [row for row, each in enumerate(asked) if each.is_scored == is_scored]
        if rows:
            scorer = scorers.create([asked[row] for row in rows])
            nbests = prefix_beam.search(emissions.take(rows), asked[rows[0]].width, scorer)
            found |= zip(rows, nbests, strict=True)
    return [found[row] for row in range(len(asked))]


def _attention_rescoring(parts: Parts) -> Search:
    spec = parts.spec
    assert spec.rescorer, "a model with head ctc_attention has a rescorer"
    options = rescoring.Options(**dataclasses.asdict(spec.rescorer))

    def score(inputs: rescoring.Inputs) -> rescoring.Floats:
        return parts.runner.run("rescorer", [inputs])[0]["scores"]  # type: ignore[return-value]

    def search(outputs: Tensors, asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        emissions = _emissions(outputs, spec.blank_id)
        nbests = _search_prefixes(emissions, asked, parts.scorers)
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return _dated(rescoring.rescore(nbests, encoder_out, lens, score, options), emissions)  # type: ignore[arg-type]

    return search


def _dated(nbests: list[list[Hypothesis]], emissions: ctc.Emissions) -> list[list[Hypothesis]]:
    """The best of each with its times; of the others only the text is told."""
    best = alignment.align([nbest[0] for nbest in nbests], emissions)
    return [[first, *nbest[1:]] for first, nbest in zip(best, nbests, strict=True)]


def _emissions(outputs: Tensors, blank_id: int) -> ctc.Emissions:
    return ctc.Emissions(
        outputs["TOPK_IDS"],  # type: ignore[arg-type]
        outputs["TOPK_LOG_PROBS"],  # type: ignore[arg-type]
        outputs["BLANK_LOG_PROBS"],  # type: ignore[arg-type]
        outputs["OUT_LENS"],  # type: ignore[arg-type]
        blank_id,
    )


def _cif_search(parts: Parts) -> Search:
    spec = parts.spec
    options = cif.Options(spec.num_end_tokens, (spec.blank_id, END_ID))

    def search(outputs: Tensors, _asked: Sequence[BeamOptions]) -> list[list[Hypothesis]]:
        names = ("TOKEN_IDS", "TOKEN_LOG_PROBS", "NUM_TOKENS")
        tokens = cif.Tokens(*(outputs[name] for name in names))  # type: ignore[arg-type]
        peaks = None
        if spec.has_timestamps:
            peaks = cif.Peaks(outputs["CIF_PEAKS"], outputs["OUT_LENS"])  # type: ignore[arg-type]
        return _alone(cif.greedy_search(tokens, peaks, options))

    return search


Create = Callable[[Parts], Search]
SEARCHES: dict[tuple[Head, Decoding], Create] = {
    ("transducer", "greedy_search"): _transducer_search,
    ("transducer", "modified_beam_search"): _modified_beam_search,
    ("recurrent_transducer", "greedy_search"): _recurrent_search,
    ("recurrent_transducer", "modified_beam_search"): _recurrent_beam_search,
    ("ctc", "greedy_search"): _ctc_search,
    ("ctc", "prefix_beam_search"): _prefix_beam_search,
    ("ctc_attention", "greedy_search"): _ctc_search,
    ("ctc_attention", "prefix_beam_search"): _prefix_beam_search,
    ("ctc_attention", "attention_rescoring"): _attention_rescoring,
    ("cif", "greedy_search"): _cif_search,
}
