"""How each head's outputs become hypotheses: one search for every head and decoding."""

from collections.abc import Callable

from auricle.errors import RepositoryError
from auricle.serve.decode import ctc, transducer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.runner import Runner, Tensors
from auricle.spec import DECODINGS, Choices, Decoding, Head, PipelineSpec

Search = Callable[[Tensors], list[Hypothesis]]  # the encoder's outputs to hypotheses


def create_searches(spec: PipelineSpec, choices: Choices, runner: Runner) -> dict[Decoding, Search]:
    """Every search of the model's head; RepositoryError if choices ask for what it has not."""
    _check(spec, choices)
    return {
        decoding: create(spec, choices, runner)
        for (head, decoding), create in SEARCHES.items()
        if head == spec.head
    }


def _check(spec: PipelineSpec, choices: Choices) -> None:
    known = DECODINGS[spec.head]
    if choices.decoding not in known:
        raise RepositoryError(
            f"parameter decoding of config.pbtxt is {choices.decoding!r}, but a {spec.family} "
            f"model with head {spec.head} knows {', '.join(known)}"
        )
    if spec.rescorer and choices.beam > spec.rescorer.beam:
        raise RepositoryError(
            f"parameter beam of config.pbtxt is {choices.beam}, but the model's rescorer takes "
            f"{spec.rescorer.beam} hypotheses at most"
        )


def _transducer_search(spec: PipelineSpec, choices: Choices, runner: Runner) -> Search:
    options = transducer.Options(spec.context_size, spec.blank_id, spec.unk_id, choices.lookahead)

    def decoder(y: transducer.Ints) -> transducer.Floats:
        return runner.run("decoder", [{"y": y}])[0]["decoder_out"]  # type: ignore[return-value]

    def joiner(encoder_out: transducer.Floats, decoder_out: transducer.Floats) -> transducer.Floats:
        inputs = {"encoder_out": encoder_out, "decoder_out": decoder_out}
        return runner.run("joiner", [inputs])[0]["logit"]  # type: ignore[return-value]

    cached = transducer.ContextCache(decoder)

    def search(outputs: Tensors) -> list[Hypothesis]:
        encoder_out, lens = outputs["ENCODER_OUT"], outputs["OUT_LENS"]
        return transducer.greedy_search(encoder_out, lens, cached, joiner, options)  # type: ignore[arg-type]

    return search


def _ctc_search(spec: PipelineSpec, _choices: Choices, _runner: Runner) -> Search:
    def search(outputs: Tensors) -> list[Hypothesis]:
        ids, log_probs = outputs["TOPK_IDS"][..., 0], outputs["TOPK_LOG_PROBS"][..., 0]
        return ctc.greedy_search(ids, log_probs, outputs["OUT_LENS"], spec.blank_id)  # type: ignore[arg-type]

    return search


Create = Callable[[PipelineSpec, Choices, Runner], Search]
SEARCHES: dict[tuple[Head, Decoding], Create] = {
    ("transducer", "greedy_search"): _transducer_search,
    ("ctc", "greedy_search"): _ctc_search,
    ("ctc_attention", "greedy_search"): _ctc_search,
}
