import onnxProto from "onnx-proto";

const { onnx } = onnxProto;

/** Element types of the ONNX standard, by their numbers in its protobuf schema. */
export const ELEMENT = { float: 1, int8: 3, int64: 7 } as const;

type Attribute = number | readonly number[];

/**
 * Writes an ONNX model node by node. Values are named by the builder; `node` returns the name of what it computes, so that a
 * graph reads like the formula it stands for.
 */
export class OnnxGraph {
  readonly #nodes: object[] = [];
  readonly #constants: object[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs: object[] = [];
  #next = 0;

  /** Declares a model input; a text in `dims` is an axis of any size. */
  input(name: string, element: number, dims: readonly (number | string)[]): string {
    this.#inputs.push(valueInfo(name, element, dims));
    return name;
  }

  output(name: string, value: string, dims: readonly (number | string)[]): void {
    this.#nodes.push({ opType: "Identity", domain: "", input: [value], output: [name], attribute: [] });
    this.#outputs.push(valueInfo(name, ELEMENT.float, dims));
  }

  float(dims: readonly number[], values: Float32Array | readonly number[]): string {
    return this.#constant(dims, ELEMENT.float, Float32Array.from(values));
  }

  int8(dims: readonly number[], values: Int8Array): string {
    return this.#constant(dims, ELEMENT.int8, values);
  }

  /** A vector of whole numbers. */
  int64(values: readonly number[]): string {
    return this.#constant([values.length], ELEMENT.int64, BigInt64Array.from(values, BigInt));
  }

  /** One operator with one result. Whole-numbered attributes become integers, others floats: none of ours is a whole-numbered float. */
  node(opType: string, input: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, domain = ""): string {
    const [name] = this.#push(opType, input, attributes, domain, 1);
    return name as string;
  }

  /** Splits the last axis into parts of the given widths. */
  split(input: string, widths: readonly number[]): string[] {
    return this.#push("Split", [input, this.int64(widths)], { axis: -1 }, "", widths.length);
  }

  /** The finished model as protobuf bytes: ONNX opset 17 with the `com.microsoft` operators of ONNX Runtime. */
  encode(name: string): Uint8Array {
    const model = onnx.ModelProto.fromObject({
      irVersion: 8,
      producerName: "slowboat",
      opsetImport: [
        { domain: "", version: 17 },
        { domain: "com.microsoft", version: 1 },
      ],
      graph: { name, node: this.#nodes, initializer: this.#constants, input: this.#inputs, output: this.#outputs },
    });
    return onnx.ModelProto.encode(model).finish();
  }

  #push(opType: string, input: readonly string[], attributes: Readonly<Record<string, Attribute>>, domain: string, results: number): string[] {
    const output = Array.from({ length: results }, () => `v${this.#next++}`);
    this.#nodes.push({
      opType,
      domain,
      input: [...input],
      output,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    return output;
  }

  #constant(dims: readonly number[], dataType: number, values: Float32Array | Int8Array | BigInt64Array): string {
    const name = `c${this.#next++}`;
    this.#constants.push({ name, dims: [...dims], dataType, rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });
    return name;
  }
}

function attribute(name: string, value: Attribute): object {
  if (typeof value !== "number") return { name, type: 7, ints: [...value] };
  return Number.isInteger(value) ? { name, type: 2, i: value } : { name, type: 1, f: value };
}

function valueInfo(name: string, elemType: number, dims: readonly (number | string)[]): object {
  const dim = dims.map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
