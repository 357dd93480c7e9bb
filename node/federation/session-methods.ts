/**
 * What belongs to a session. All else would be asked for in somebody's name, and nobody proves theirs on the way of one; a MESSAGE is of the two who talk.
 * @see RFC 3261 §11, §12.2, 3262, 3311, 3428 §4, 3515, 6086
 */
export const SESSION_METHODS: ReadonlySet<string> = new Set([
  ...["INVITE", "ACK", "BYE", "PRACK", "UPDATE", "INFO", "REFER", "OPTIONS", "MESSAGE"],
]);
