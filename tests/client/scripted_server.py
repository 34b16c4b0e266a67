"""A KServe v2 gRPC server that misbehaves on request: `scripted_server.py PORT STEP...`.

Each inference takes the next step: ok, busy, invalid, lost (the process dies), slow (answers after
a second); after the last one all are ok. The transcript tells what the request held, as JSON. The
requests of a stream do so, too.

Settings among the steps: say=TEXT is the transcript instead, model=NAME a second model that takes
audio, nomodel leaves none.
"""

import asyncio
import json
import os
import sys

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import serialize_byte_tensor

RATE = "asr_sample_rate"
AUDIO = ["WAV", "WAV_LENS"]


WORD = {"text": "one", "start": 0.1, "end": 0.2, "confidence": 0.9}
RESULT = {
    "model": "demo",
    "text": "one",
    "language": "en",
    "tags": {"emotion": "HAPPY"},
    "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": "one", "words": [WORD]}],
}


class Service(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, steps: list[str]) -> None:
        self._models = {"demo__encoder": AUDIO, "other": ["X"]}
        if "nomodel" not in steps:
            self._models["demo"] = AUDIO
        for step in steps:
            if step.startswith("model="):
                self._models[step.removeprefix("model=")] = AUDIO
        self._say = next((step[4:] for step in steps if step.startswith("say=")), None)
        self._steps = [step for step in steps if "=" not in step and step != "nomodel"]

    async def ServerLive(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        return service_pb2.ServerLiveResponse(live=True)

    async def ModelReady(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=request.name in self._models)

    async def RepositoryIndex(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        index = service_pb2.RepositoryIndexResponse()
        for name in self._models:
            index.models.add(name=name, version="1", state="READY")
        index.models.add(name="broken", version="1", state="UNAVAILABLE")
        return index

    async def ModelMetadata(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        metadata = service_pb2.ModelMetadataResponse(name=request.name)
        for name in self._models[request.name]:
            metadata.inputs.add(name=name)
        return metadata

    async def ModelStreamInfer(self, requests, context):  # type: ignore[no-untyped-def]  # noqa: N802
        async for request in requests:
            step = self._steps.pop(0) if self._steps else "ok"
            if step == "lost":
                os._exit(9)
            if step == "slow":
                await asyncio.sleep(1)
            if step == "invalid":
                yield service_pb2.ModelStreamInferResponse(error_message="WAV holds NaN")
                continue
            done = answer(request, self._say)  # type: ignore[no-untyped-call]
            yield service_pb2.ModelStreamInferResponse(infer_response=done)

    async def ModelInfer(self, request, context):  # type: ignore[no-untyped-def]  # noqa: N802
        step = self._steps.pop(0) if self._steps else "ok"
        if step == "busy":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
        if step == "invalid":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "WAV holds NaN at sample 3")
        if step == "lost":
            os._exit(9)
        if step == "slow":
            await asyncio.sleep(1)
        return answer(request, self._say)  # type: ignore[no-untyped-call]


def answer(request, say):  # type: ignore[no-untyped-def]
    tensors = {tensor.name: tensor for tensor in request.inputs}
    raw = dict(zip(tensors, request.raw_input_contents, strict=True))
    seen = {
        "model": request.model_name,
        "lens": np.frombuffer(raw["WAV_LENS"], np.int32).tolist(),
        "shape": list(tensors["WAV"].shape),
        "rate": request.parameters[RATE].int64_param,
        "outputs": [output.name for output in request.outputs],
        "parameters": {
            name: getattr(value, value.WhichOneof("parameter_choice"))
            for name, value in request.parameters.items()
            if name != RATE
        },
    }
    told = dict(RESULT)
    if "sequence_id" in seen["parameters"] and not seen["parameters"]["sequence_end"]:
        told["segments"] = []
    texts = {
        "TRANSCRIPTS": say or json.dumps(seen),
        "RESULT": json.dumps(told),
    }
    response = service_pb2.ModelInferResponse(model_name=request.model_name)
    rows = tensors["WAV"].shape[0]
    for name in seen["outputs"]:
        values = np.array([[texts[name].encode()]] * rows, np.object_)
        response.outputs.add(name=name, datatype="BYTES", shape=[rows, 1])
        response.raw_output_contents.append(serialize_byte_tensor(values).item())
    return response


async def main(port: str, steps: list[str]) -> None:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(steps), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
