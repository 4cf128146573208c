// onnxruntime-web: which build of it, and the bank's models in it.

import { asFloats, toHalf } from "./half.js";

// On WebGPU onnxruntime-web 1.30 gives wrong results for a convolution whose kernel is an input, so filters are applied
// on the processor: an eighth of the work.
const ON_GPU = ["encoder", "decoder"];

/** Where the models run: WebGPU, or the processor by WebAssembly; in float16 on GPUs that have it, if asked for. */
async function chosenEngine(about, wanted) {
  const processor = { provider: "wasm", precision: "float32" in about.precisions ? "float32" : "float16" };
  if (wanted === "wasm") return processor;
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return processor;
  const single = "float32" in about.precisions;
  const halves = adapter.features.has("shader-f16") && "float16" in about.precisions && (wanted === "float16" || !single);
  if (!halves && !single) return processor;
  return { provider: "webgpu", precision: halves ? "float16" : "float32" };
}

/** The bank's models, ready to run; on the processor where the GPU turns out not to be able to. */
export async function startRuntime(about, base, wanted, say) {
  const engine = await chosenEngine(about, wanted);
  try {
    return await begun(engine, about, base, say);
  } catch (error) {
    if (engine.provider !== "webgpu") throw error;
    return begun(await chosenEngine(about, "wasm"), about, base, say);
  }
}

async function begun(engine, about, base, say) {
  say("Loading the engine…");
  const ort = await import(new URL(about.runtime[engine.provider], base));
  ort.env.wasm.wasmPaths = String(new URL(about.runtime.folder, base));
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  const { models, scale } = about.precisions[engine.precision];
  const sessions = new Map();
  let last = Promise.resolve(); // WebGPU makes one session at a time
  const half = engine.precision === "float16";

  function session(name) {
    if (!sessions.has(name)) {
      last = last.catch(() => {}).then(() => create(name));
      sessions.set(name, last);
    }
    return sessions.get(name);
  }

  async function create(name) {
    say(`Loading the ${name}…`);
    const model = await fetched(new URL(models[name], base));
    return ort.InferenceSession.create(new Uint8Array(model), { executionProviders: [ON_GPU.includes(name) ? engine.provider : "wasm"], logSeverityLevel: 3 });
  }

  /** Numbers as an input of the models' own precision. */
  function tensor(floats, shape) {
    if (!half) return new ort.Tensor("float32", floats, shape);
    const bits = toHalf(floats);
    const data = globalThis.Float16Array ? new Float16Array(bits.buffer) : bits;
    return new ort.Tensor("float16", data, shape);
  }

  for (const name of ["encoder", "apply", "decoder"]) await session(name);
  return {
    engine, scale, tensor,
    threads: ort.env.wasm.numThreads,
    photo: (floats, shape) => new ort.Tensor("float32", floats, shape),
    whole: (numbers) => new ort.Tensor("int32", Int32Array.from(numbers), [numbers.length]),
    /** Runs a model; its only output as { data: Float32Array, dims }. */
    async run(name, inputs) {
      const made = await (await session(name)).run(inputs);
      const [output] = Object.values(made);
      const data = asFloats(await output.getData());
      return { data, dims: output.dims };
    },
  };
}

export async function fetched(url) {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new Error(`The file ${url.pathname.split("/").pop()} of this page cannot be loaded.`);
  return response.arrayBuffer();
}
