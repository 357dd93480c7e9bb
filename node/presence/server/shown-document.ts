import { createHash } from "node:crypto";
import { PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";
import type { Shown } from "../subscription/notifier-dialog.ts";
import type { Content } from "./subject.ts";

/** A presence document to show. */
export interface ShownDocument extends Shown {
  readonly body: Uint8Array;
}

const entityTags = new WeakMap<ShownDocument, string>();

/** Names the document by what it says, so that the tag is the same on every server and after a restart. Computed once. @see RFC 5839 §5.1 */
export function entityTagOf(shown: ShownDocument): string {
  let tag = entityTags.get(shown);
  if (tag === undefined) {
    tag = createHash("sha256").update(shown.body).digest("base64url").slice(0, 22);
    entityTags.set(shown, tag);
  }
  return tag;
}

/** The document as the body of a NOTIFY. */
export function documentContent({ body }: ShownDocument): Content {
  return { contentType: PIDF_CONTENT_TYPE, body };
}
