/**
 * Whether a user could not be reached for now, so that a message may be held: nowhere, no device that answers, no majority, no link.
 * 504 is none of them: who was asked and did not answer may have delivered it.
 */
export function isForNow(status: number): boolean {
  return status === 480 || status === 503;
}

/**
 * Whether the devices refuse a message for what they are, or do at the moment, and not for what it says: one that is held waits for
 * another device, or for the same at another time.
 */
export function isOfDevices(status: number): boolean {
  return status === 405 || status === 486 || (status >= 500 && status < 600);
}
