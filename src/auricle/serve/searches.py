"""How each head's outputs become hypotheses: one search for every head and decoding."""

import dataclasses
from collections.abc import Callable

from auricle.serve.decode import (
    alignment,
    cif,
    ctc,
    prefix_beam,
    recurrent,
    rescoring,
    transducer,
)
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.runner import Runner, Tensors
from auricle.spec import Choices, Decoding, Head, PipelineSpec, check_fit

Search = Callable[[Tensors], list[Hypothesis]]  # the encoder's outputs to hypotheses
END_ID = 2  # </s> of every Paraformer, as funasr_onnx/paraformer_bin.py has it


def create_searches(spec: PipelineSpec, choices: Choices, runner: Runner) -> dict[Decoding, Search]:
    """Every search of the model's head; RepositoryError if choices ask for what it has not."""
    check_fit(spec, choices)
    return {
        decoding: create(spec, choices, runner)
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
        jumps = outputs.get("jumps")  # TDT's
        return recurrent.Scores(outputs["log_probs"], jumps, outputs["new_state"])  # type: ignore[arg-type]

    options = recurrent.Options(spec.blank_id, spec.predictor_state, choices.lookahead)
    return network, options


def _recurrent_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> Search:
    network, options = create_predictor(spec, choices, runner)

    def search(outputs: Tensors) -> list[Hypothesis]:
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return recurrent.greedy_search(encoder_out, lens, network, options)  # type: ignore[arg-type]

    return search


def _transducer_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> Search:
    options = transducer.Options(spec.context_size, spec.blank_id, spec.unk_id, choices.lookahead)
    networks = create_networks(runner)

    def search(outputs: Tensors) -> list[Hypothesis]:
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return transducer.greedy_search(encoder_out, lens, *networks, options)  # type: ignore[arg-type]

    return search


def _ctc_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> Search:
    def search(outputs: Tensors) -> list[Hypothesis]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        return ctc.greedy_search(ids, log_probs, outputs["OUT_LENS"], spec.blank_id)  # type: ignore[arg-type]

    return search


def _prefix_beam_search(spec: PipelineSpec, choices: Choices, _runner: Runner) -> Search:
    def search(outputs: Tensors) -> list[Hypothesis]:
        emissions = _emissions(outputs, spec.blank_id)
        nbests = prefix_beam.search(emissions, choices.beam)
        return alignment.align([nbest[0] for nbest in nbests], emissions)

    return search


def _attention_rescoring(spec: PipelineSpec, choices: Choices, runner: Runner) -> Search:
    assert spec.rescorer, "a model with head ctc_attention has a rescorer"
    options = rescoring.Options(**dataclasses.asdict(spec.rescorer))

    def score(inputs: rescoring.Inputs) -> rescoring.Floats:
        return runner.run("rescorer", [inputs])[0]["scores"]  # type: ignore[return-value]

    def search(outputs: Tensors) -> list[Hypothesis]:
        emissions = _emissions(outputs, spec.blank_id)
        nbests = prefix_beam.search(emissions, choices.beam)
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        chosen = rescoring.rescore(nbests, encoder_out, lens, score, options)  # type: ignore[arg-type]
        return alignment.align(chosen, emissions)

    return search


def _emissions(outputs: Tensors, blank_id: int) -> ctc.Emissions:
    return ctc.Emissions(
        outputs["TOPK_IDS"],  # type: ignore[arg-type]
        outputs["TOPK_LOG_PROBS"],  # type: ignore[arg-type]
        outputs["BLANK_LOG_PROBS"],  # type: ignore[arg-type]
        outputs["OUT_LENS"],  # type: ignore[arg-type]
        blank_id,
    )


def _cif_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> Search:
    options = cif.Options(spec.num_end_tokens, (spec.blank_id, END_ID))

    def search(outputs: Tensors) -> list[Hypothesis]:
        names = ("TOKEN_IDS", "TOKEN_LOG_PROBS", "NUM_TOKENS")
        tokens = cif.Tokens(*(outputs[name] for name in names))  # type: ignore[arg-type]
        peaks = None
        if spec.has_timestamps:
            peaks = cif.Peaks(outputs["CIF_PEAKS"], outputs["OUT_LENS"])  # type: ignore[arg-type]
        return cif.greedy_search(tokens, peaks, options)

    return search


Create = Callable[[PipelineSpec, Choices, Runner], Search]
SEARCHES: dict[tuple[Head, Decoding], Create] = {
    ("transducer", "greedy_search"): _transducer_search,
    ("recurrent_transducer", "greedy_search"): _recurrent_search,
    ("ctc", "greedy_search"): _ctc_search,
    ("ctc", "prefix_beam_search"): _prefix_beam_search,
    ("ctc_attention", "greedy_search"): _ctc_search,
    ("ctc_attention", "prefix_beam_search"): _prefix_beam_search,
    ("ctc_attention", "attention_rescoring"): _attention_rescoring,
    ("cif", "greedy_search"): _cif_search,
}
