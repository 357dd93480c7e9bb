/**
 * Whether a user could not be reached for now, so that a message may be held: nowhere, no device that answers, no majority, no link.
 * 504 is none of them: who was asked and did not answer may have delivered it.
 */
export function isForNow(status: number): boolean {
  return status === 480 || status === 503;
}
