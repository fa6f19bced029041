"""The exports of tools/export.py in the runtimes that take them, for `tools/bench.py infer`.

Contents: RUNTIMES, work. Each runs on as many threads as OMP_NUM_THREADS says, and in float32: OpenVINO would take
bfloat16 by itself where the processor has it.
"""

import os
import tempfile
from pathlib import Path

import numpy as np


def onnx_runtime(graph, folder):
    """Return a function that computes the ONNX file in ONNX Runtime."""
    import onnxruntime

    from paddle_ugatit.deploy.onnx_file import write_onnx

    write_onnx(folder / "a.onnx", graph)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = _threads()
    session = onnxruntime.InferenceSession(str(folder / "a.onnx"), settings, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


def openvino(graph, folder):
    """Return a function that computes the ONNX file in OpenVINO."""
    import openvino

    from paddle_ugatit.deploy.onnx_file import write_onnx

    write_onnx(folder / "a.onnx", graph)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": _threads()}
    model = openvino.Core().compile_model(str(folder / "a.onnx"), "CPU", settings)
    return lambda inputs: model(inputs)


def program(graph, folder, one_dnn=False):
    """Return a function that computes the files of Paddle's inference format in paddle.inference."""
    from paddle_ugatit.deploy.program import Predictor, write_program

    write_program(folder, graph)
    return Predictor(folder, [value.name for value in graph.outputs], one_dnn, _threads()).run


def program_with_one_dnn(graph, folder):
    """Return the same with oneDNN."""
    return program(graph, folder, one_dnn=True)


RUNTIMES = {
    "export-onnx": onnx_runtime,
    "export-openvino": openvino,
    "export-paddle": program,
    "export-onednn": program_with_one_dnn,
}


def work(options, kind, generator_options):
    """Return a function that translates one batch with our export in the runtime `kind`."""
    import paddle_ugatit
    from paddle_ugatit.deploy.ugatit import build_generator_graph

    network = paddle_ugatit.ResnetGenerator(3, 3, **generator_options)
    network.eval()
    shape = (options["batch_size"], options["img_ch"], options["img_size"], options["img_size"])
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        compute = RUNTIMES[kind](build_generator_graph(network), Path(folder))
        compute({"image": image})
    return lambda: compute({"image": image})


def _threads():
    return int(os.environ.get("OMP_NUM_THREADS", "1"))
