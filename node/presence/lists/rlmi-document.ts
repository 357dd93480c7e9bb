import { escapeAttribute } from "../pidf/serialize-xml.ts";

/** @see RFC 4662 §5.3 */
export const RLMI_CONTENT_TYPE = "application/rlmi+xml";

/** One resource of a list. */
export interface RlmiResource {
  readonly uri: string;
  /** Absent while nothing is known of it. */
  readonly instance?: {
    /** Names the state's source; the same from document to document. */
    readonly id: string;
    readonly state: "pending" | "active";
    /** The part of the message that holds the state; absent when it is in none. */
    readonly cid?: string;
  };
}

/** What a NOTIFY for a list says of its resources. */
export interface RlmiDocument {
  readonly uri: string;
  /** 0 first, then one more each time. */
  readonly version: number;
  /** All resources of the list are in it. */
  readonly full: boolean;
  readonly resources: readonly RlmiResource[];
}

/** @see RFC 4662 §5 */
export function serializeRlmi({ uri, version, full, resources }: RlmiDocument): string {
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="${escapeAttribute(uri)}" version="${version}" fullState="${full}">` +
    resources.map(resourceElement).join("") +
    `</list>`
  );
}

function resourceElement({ uri, instance }: RlmiResource): string {
  const start = `<resource uri="${escapeAttribute(uri)}"`;
  if (instance === undefined) return `${start}/>`;
  const { id, state, cid } = instance;
  const part = cid === undefined ? "" : ` cid="${escapeAttribute(cid)}"`;
  return `${start}><instance id="${escapeAttribute(id)}" state="${state}"${part}/></resource>`;
}
