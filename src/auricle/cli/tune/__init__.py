"""auricle tune: a corpus through a grid of request parameters, its errors and speed at each."""

import typer

from auricle.cli import Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.transcribe import options as shared
from auricle.cli.transcribe import steps
from auricle.cli.tune import options, search


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    grid: options.GridOption,
    wavscp: shared.WavScp = None,
    trans: shared.Trans = None,
    manifest_dir: shared.ManifestDir = None,
    data_dir: shared.DataDir = None,
    allow_pipes: shared.AllowPipes = False,
    url: shared.Url = None,
    protocol: shared.ProtocolOption = shared.Protocol.grpc,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: shared.ModelName = None,
    sample_rate: shared.SampleRate = 16000,
    parameter: Parameters = None,
    concurrency: options.Concurrency = 16,
    compute_cer: shared.ComputeCer = None,
    normalize: shared.Normalize = False,
    json: options.Json = None,
    plot: options.Plot = None,
) -> None:
    """Score a corpus with every combination of request parameters; the best comes first."""
    from auricle.client import Credentials
    from auricle.client.tune.experiment import Plan

    wanted = search.Wanted(json, plot)
    wanted.check()
    fixed = split_parameters(parameter)
    settings = search.make_settings(grid, fixed)
    wavscp, trans = steps.find_lists(manifest_dir, wavscp, trans)
    named = steps.Named([], wavscp, data_dir, allow_pipes)
    waveforms, references = search.read_corpus(named, trans, sample_rate)
    plan = Plan(waveforms, references, settings, fixed, concurrency, compute_cer, normalize)
    credentials = Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key)
    server = steps.Server(url, "localhost", None, protocol, sample_rate, credentials)
    raise typer.Exit(search.carry_out(search.Search(server, model_name, plan), wanted))
