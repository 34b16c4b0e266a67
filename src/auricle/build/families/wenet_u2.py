"""U2 and U2++ from WeNet, as export_onnx_gpu.py writes them: fbank of int16 samples, CTC, rescorer.

https://github.com/wenet-e2e/wenet/blob/main/wenet/bin/export_onnx_gpu.py
"""

from dataclasses import replace

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
)
from auricle.build.checkpoint.tokens import read_tokens
from auricle.build.checkpoint.yaml_files import Value, number, read_yaml
from auricle.build.export import wenet_streaming
from auricle.build.export.adapt import Recipe
from auricle.build.export.encoder import build_encoder
from auricle.build.export.heads import NUM_TOP, CtcHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.rescorer import adapt_rescorer, check_rescorer, read_facts
from auricle.build.export.roles import is_streaming, read_graph
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.families._facts import state_facts
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.build.upstream.wenet import WeNet
from auricle.spec import Rescorer

LOG_PROBS = 2  # encoder_out, encoder_out_lens, ctc_log_probs, beam_log_probs, beam_log_probs_idx
SCALE = 32768  # WeNet's samples are those of a 16-bit file
SOS_EOS = "<sos/eos>"  # the last token where none is called so, as in older recipes


def choose(names: list[str], options: Options) -> list[str]:
    """Encoder and decoder, the tokens, and the settings of training; the CMVN is in the encoder."""
    graphs = [choose_graph(names, f"{role}*.onnx", options.precision)
              for role in ("encoder", "decoder")]  # fmt: skip
    return [*graphs, choose_file(names, "units.txt", "words.txt", "lang_char.txt"),
            choose_file(names, "train.yaml")]  # fmt: skip


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    paths = [checkpoint.folder / name for name in names]
    encoder = read_graph(paths[0], "wenet_encoder", "wenet_streaming_encoder")
    decoder = read_graph(paths[1], "wenet_decoder")
    log_probs = LOG_PROBS
    if is_streaming(encoder):
        encoder, log_probs = wenet_streaming.with_log_probs(encoder), wenet_streaming.LOG_PROBS
    vocab_size = output_size(encoder, log_probs)
    tokens = read_tokens(paths[2]).cut(vocab_size, paths[2].name)
    frontend = read_frontend(read_yaml(paths[3]))
    waveforms = load_waveforms(options.parity_audio, frontend.sample_rate)
    head = CtcHead(
        min(NUM_TOP, vocab_size), tokens.blank_id, log_probs=log_probs, gives_encoder_out=True
    )
    recipe = Recipe(frontend, head)
    reduced = at_precision(encoder, options.arithmetic, heard_by(encoder, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    if not options.calibration and options.precision != "bf16":
        # what else is made runs what it makes of, and the rescorer hears no audio
        decoder = at_precision(decoder, options.arithmetic)
    rescorer = adapt_rescorer(decoder)
    check = check_rescorer(decoder, rescorer, vocab_size)
    built = {"encoder": served.model, "rescorer": rescorer}
    source = checkpoint.source(names)
    facts = state_facts("wenet_u2", "ctc_attention", built, served, tokens, source)
    sos_eos = tokens.find(SOS_EOS, default=vocab_size - 1)
    asked = read_facts(decoder)
    return Built(
        spec=replace(
            facts, rescorer=Rescorer(asked.beam, sos_eos, sos_eos, asked.is_bidirectional)
        ),
        graphs=built,
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(served.seen, decoder.describe(), tokens.describe(), *served.report, check),
    )


def read_frontend(settings: dict[str, Value]) -> Frontend:
    """Kaldi's filterbank as torchaudio computes it for WeNet, from train.yaml."""
    return Frontend(
        FbankOptions(
            sample_rate=number(settings, "dataset_conf.resample_conf.resample_rate", 16000),
            num_mel_bins=number(settings, "dataset_conf.fbank_conf.num_mel_bins", 80),
            frame_length_ms=number(settings, "dataset_conf.fbank_conf.frame_length", 25),
            frame_shift_ms=number(settings, "dataset_conf.fbank_conf.frame_shift", 10),
            high_freq=0,
            scale=SCALE,
            snip_edges=True,
            pad_value=0,
        )
    )


FAMILY = Family(
    source=None,
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 60.0), batch=(1, 8, 64)),
    exporter=WeNet(),
)
