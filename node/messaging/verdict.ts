/**
 * Whether a user could not be reached for now, so that a message may be held: nowhere, no device that answers, no majority, no link.
 * 504 is none of them: who was asked and did not answer may have delivered it.
 */
export function isForNow(status: number): boolean {
  return status === 480 || status === 503;
}

/**
 * What is not said of the message alone: the device asks for credentials that nobody has, knows no such user (as one that has just been started anew, and not registered yet),
 * takes no messages, none of that type or length, or is busy. @see RFC 3261 §21.4
 */
const OF_DEVICES: ReadonlySet<number> = new Set([401, 404, 405, 407, 410, 413, 415, 486, 488, 600, 604, 606]);

/**
 * Whether the devices refuse a message for what they are, or do at the moment: one that is held waits for
 * another device, or for the same at another time. A desk phone that knows no text would throw away what the mobile is to get.
 */
export function isOfDevices(status: number): boolean {
  // 3xx: they send it elsewhere, which is for a sender who waits for the answer.
  return OF_DEVICES.has(status) || (status >= 300 && status < 400) || (status >= 500 && status < 600);
}
