"""SenseVoiceSmall from FunASR: stacked features, four queries, CTC with four tags before the text.

https://github.com/modelscope/FunASR/blob/main/funasr/models/sense_voice/export_meta.py
"""

from dataclasses import replace

import numpy as np

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
)
from auricle.build.checkpoint.funasr import read_token_list
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.tokens import TokenTable
from auricle.build.checkpoint.yaml_files import read_yaml
from auricle.build.export.adapt import Recipe, SideInput
from auricle.build.export.encoder import build_encoder
from auricle.build.export.heads import NUM_TOP, CtcHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import read_graph
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.families._facts import state_facts
from auricle.build.families._funasr import choose_settings, read_frontend
from auricle.build.upstream.funasr import FunAsr
from auricle.spec import Prompt

# Rows of the embedding behind the queries: funasr/models/sense_voice/model.py, lid_dict and
# textnorm_dict. The first of each is what FunASR's own clients send.
LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
TEXT_NORMS = {"woitn": 15, "withitn": 14}
NUM_QUERIES = 4  # language, event, emotion, text normalisation
BLANK_ID = 0  # sentencepiece's <unk> in its second role


def choose(names: list[str], options: Options) -> list[str]:
    """The graph, its settings, and the tokens: a list, or the sentencepiece model."""
    graph = choose_graph(names, "model*.onnx", options.precision)
    return [graph, *choose_settings(names), choose_file(names, "tokens.json", "*bpe.model")]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    paths = [checkpoint.folder / name for name in names]
    graph = read_graph(paths[0], "sense_voice")
    vocab_size = output_size(graph)
    table = replace(read_token_list(paths[3]), blank_id=BLANK_ID, unk_id=None)
    tokens = table.cut(vocab_size, paths[3].name)
    frontend = read_frontend(read_yaml(paths[2]), paths[1], graph.inputs[0].size)
    prompt = _prompt(tokens)
    language, text_norm = (
        next(iter(known.values())) for known in (prompt.languages, prompt.text_norms)
    )
    sides = (
        SideInput("LANGUAGE", graph.inputs[2], np.array([language], np.int32)),
        SideInput("TEXT_NORM", graph.inputs[3], np.array([text_norm], np.int32)),
    )
    head = CtcHead(min(NUM_TOP, vocab_size), BLANK_ID, is_normalized=False)
    waveforms = load_waveforms(options.parity_audio, frontend.sample_rate)
    recipe = Recipe(frontend, head, sides)
    reduced = at_precision(graph, options.arithmetic, heard_by(graph, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    source = checkpoint.source(names)
    facts = state_facts("sense_voice", "ctc", ("encoder",), served, tokens, source)
    return Built(
        spec=replace(facts, prompt=prompt),
        graphs={"encoder": served.model},
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(served.seen, tokens.describe(), *served.report),
    )


def _prompt(tokens: TokenTable) -> Prompt:
    """Only languages that the model can name."""
    languages = {
        name: number
        for name, number in LANGUAGES.items()
        if name == "auto" or f"<|{name}|>" in tokens.symbols
    }
    return Prompt(languages, TEXT_NORMS, NUM_QUERIES)


FAMILY = Family(
    source=HuggingFace("yuekai/model_repo_sense_voice_small"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 30.0), batch=(1, 8, 16)),
    exporter=FunAsr(HuggingFace("FunAudioLLM/SenseVoiceSmall")),
)
