import type { PidfDocument } from "../../../node/presence/pidf/pidf-document.ts";
import { parsePidf, PIDF_NAMESPACE } from "../../../node/presence/pidf/pidf-document.ts";

/** A document of one tuple with a note. */
export function pidfText(note: string, basic: "open" | "closed" = "open", id = "t"): string {
  return `<presence xmlns="${PIDF_NAMESPACE}" entity="sip:alice@example.com"><tuple id="${id}"><status><basic>${basic}</basic></status><note>${note}</note></tuple></presence>`;
}

export function pidfBytes(note: string, basic: "open" | "closed" = "open", id = "t"): Uint8Array {
  return new TextEncoder().encode(pidfText(note, basic, id));
}

export function pidfDocument(note: string, basic: "open" | "closed" = "open", id = "t"): PidfDocument {
  return parsePidf(pidfBytes(note, basic, id));
}
