/**
 * Whether a user could not be reached for now, so that a message may be held: nowhere, no device that answers, no majority, no link.
 * 504 is none of them: who was asked and did not answer may have delivered it.
 */
export function isForNow(status: number): boolean {
  return status === 480 || status === 503;
}

/**
 * What says nothing of the message: the device asks for credentials that nobody has, knows no such user (as one that has just been started anew, and not registered yet),
 * takes no messages, or is busy. @see RFC 3261 §21.4
 */
const OF_DEVICES: ReadonlySet<number> = new Set([401, 404, 405, 407, 410, 486, 600, 604]);

/**
 * Whether the devices refuse a message for what they are, or do at the moment, and not for what it says: one that is held waits for
 * another device, or for the same at another time.
 */
export function isOfDevices(status: number): boolean {
  // 3xx: they send it elsewhere, which is for a sender who waits for the answer.
  return OF_DEVICES.has(status) || (status >= 300 && status < 400) || (status >= 500 && status < 600);
}
