import { readFileSync } from "node:fs";

// Compiled, this file is dist/node/runtime/version.js.
const packageFile = new URL("../../../package.json", import.meta.url);

/** Release of Aorta, as in package.json. */
export const version: string = (JSON.parse(readFileSync(packageFile, "utf8")) as { version: string }).version;

/** `aorta/<release>`: what servers and clients are told that this is. */
export const software = `aorta/${version}`;
