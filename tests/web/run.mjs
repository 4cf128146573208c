// Runs an exported model of one style with onnxruntime-web, as a browser would without a GPU.
//     node run.mjs MODEL IN OUT HEIGHT WIDTH     IN and OUT: float32, (3, height, width)
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const [model, input, output, height, width] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
const photo = new Float32Array(new Uint8Array(readFileSync(input)).buffer);
const { picture } = await session.run({ photo: new ort.Tensor("float32", photo, [1, 3, Number(height), Number(width)]) });
writeFileSync(output, new Uint8Array(picture.data.buffer, picture.data.byteOffset, picture.data.byteLength));
