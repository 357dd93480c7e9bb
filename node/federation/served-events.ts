/** Event packages that this node serves. Others are for whoever serves them: a device, or a server that is a user's contact. @see RFC 6665 §4.3 */
export const SERVED_EVENTS: readonly string[] = ["presence", "presence.winfo", "reg"];

/** Value of Allow-Events. @see RFC 6665 §8.2.2 */
export const ALLOW_EVENTS = SERVED_EVENTS.join(", ");
