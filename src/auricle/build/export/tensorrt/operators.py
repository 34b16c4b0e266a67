"""Which ONNX operators TensorRT's parser imports: of which types, and since which release.

The table is docs/operators.md of onnx/onnx-tensorrt as of release 10.15, and what later releases
say that they added (github.com/NVIDIA/TensorRT/releases: DFT in 11.2, opset 25 in 11.5). When an
operator came is docs/Changelog.md of the same project.
"""

from onnx import TensorProto

Version = tuple[int, int]  # of TensorRT, major and minor

OPERATORS_MD = "onnx-tensorrt docs/operators.md at 10.15"
CHANGELOG_MD = "onnx-tensorrt docs/Changelog.md"
FIRST: Version = (10, 0)  # older ones are not described here

FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16})
NUMBERS = FLOATS | {TensorProto.INT32, TensorProto.INT64}
ANY = NUMBERS | {TensorProto.BOOL}
BOOLS = frozenset({TensorProto.BOOL})
QUANTIZED = frozenset(
    {
        TensorProto.INT8,
        TensorProto.INT4,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.FLOAT4E2M1,
    }
)

_BY_TYPES: dict[frozenset[int], str] = {
    FLOATS: """Acos Acosh Asin Asinh Atan Atanh Attention AveragePool BatchNormalization
        BlackmanWindow Ceil Celu Clip Conv ConvTranspose Cos Cosh CumSum DFT DeformConv Dropout
        Einsum Elu Erf Exp Floor GRU Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool
        GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax
        ImageScaler InstanceNormalization IsInf LRN LSTM LayerNormalization LeakyRelu Log
        LogSoftmax LpNormalization LpPool MatMul MaxPool MeanVarianceNormalization Mish
        NonMaxSuppression NonZero PRelu ParametricSoftplus QuantizeLinear RMSNormalization RNN
        RandomNormal RandomNormalLike RandomUniform RandomUniformLike Reciprocal Resize RoiAlign
        RotaryEmbedding Round STFT ScaledTanh Scan Selu Sigmoid Sin Sinh Softmax Softplus
        Softsign Sqrt Swish Tan Tanh ThresholdedRelu Upsample""",
    NUMBERS: """Abs Add ArgMax ArgMin DepthToSpace Div Equal Greater GreaterOrEqual IsNaN Less
        LessOrEqual Max Mean Min Mod Mul Neg Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum
        ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
        Scatter ScatterElements ScatterND Shrink Sign SpaceToDepth Sub Sum TensorScatter TopK""",
    ANY: """Cast CastLike Concat Constant ConstantOfShape Expand EyeLike Flatten Gather
        GatherElements GatherND Identity If Loop OneHot Reshape ReverseSequence Shape Size Slice
        Split Squeeze Tile Transpose Trilu Unsqueeze Where""",
    BOOLS: "And Not Or Xor",
    QUANTIZED: "DequantizeLinear",
}
TYPES = {name: types for types, names in _BY_TYPES.items() for name in names.split()}

SINCE: dict[str, Version] = {
    "DeformConv": (10, 1),
    "BlackmanWindow": (10, 4),
    "HammingWindow": (10, 4),
    "HannWindow": (10, 4),
    "STFT": (10, 5),
    "Attention": (10, 14),
    "RotaryEmbedding": (10, 15),
    "RMSNormalization": (10, 15),
    "TensorScatter": (10, 15),
    "DFT": (11, 2),  # github.com/NVIDIA/TensorRT/releases/tag/v11.2
    "Swish": (11, 2),  # not in the list of 10.15, and in that of 11.2
}

MIN_OPSET = 9
# From each release on. 11.5: its release page. 10.15: operators.md. 10.9: the changelog's "opset 21
# GroupNorm". Before, none was stated where we looked, and 20 is the cautious guess. NVIDIA's ONNX
# Opset Guide has 25 for all of 11, which the release page of 11.5 contradicts.
_MAX_OPSETS: tuple[tuple[Version, int], ...] = (
    ((11, 5), 25),
    ((10, 15), 24),
    ((10, 9), 21),
    ((10, 0), 20),
)
# Inferred from the ONNX that the parser is built with: 1.17 in 10.6, 1.18 in 10.11 (changelog),
# 1.22 in 11.5 (release page). Only warned of: the parser is not known to refuse a version.
_IR_VERSIONS: tuple[tuple[Version, int], ...] = (
    ((11, 5), 13),
    ((10, 11), 11),
    ((10, 0), 10),
)

INT8 = (
    "give TensorRT the fp32 or fp16 graph and keep int8 for ONNX Runtime; int8 on TensorRT is "
    "calibrated QuantizeLinear and DequantizeLinear"
)
LISTS = "export without lists and optionals: concatenate or gather instead"
TEXT = "keep text out of the graph"
_ON_LISTS = """SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
    SequenceLength SequenceMap SplitToSequence ConcatFromSequence Optional OptionalGetElement
    OptionalHasElement"""
ADVICE: dict[str, str] = {
    "DynamicQuantizeLinear": INT8,
    "MatMulInteger": INT8,
    "ConvInteger": INT8,
    "QLinearConv": INT8,
    "QLinearMatMul": INT8,
    "DFT": "multiply by a constant matrix of cosines and sines, as `auricle build` does",
    "STFT": "multiply by a constant matrix of cosines and sines, as `auricle build` does",
    "MelWeightMatrix": "run `auricle sanitize`, which makes a constant of it",
    "Compress": "gather with NonZero, or mask instead of dropping",
    "Unique": "take it out of the graph",
    **dict.fromkeys(("StringNormalizer", "StringConcat", "StringSplit", "RegexFullMatch"), TEXT),
    **dict.fromkeys(_ON_LISTS.split(), LISTS),
}


def max_opset(version: Version) -> int:
    return next(opset for since, opset in _MAX_OPSETS if version >= since)


def max_ir_version(version: Version) -> int:
    return next(ir_version for since, ir_version in _IR_VERSIONS if version >= since)
