/**
 * The engine computes on this machine what the pool serves: sentence vectors and zero-shot labels. It turns the packaged English sentence
 * encoder into ONNX once, runs it in a thread of its own, and knows nothing of jobs, prices or HTTP.
 */
export { checkTexts, createEmbedder, type Embed, type Embedded, type Embedder } from "./embedder.ts";
export { EMBEDDING_DIMENSIONS } from "./use-lite.ts";
export { type Classified, type Classify, createClassifier, type Label } from "./zero-shot.ts";
