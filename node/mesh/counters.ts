/** What the mesh counts, by name in {@link Counters}. */
export const meshCounter = {
  /** Connections of peers that are neither servers nor observers, refused or cut off. */
  strangersRefused: "mesh.strangers_refused",
  /** Connections closed before anybody said whose they are: too many of one host. */
  handshakesRefused: "mesh.handshakes_refused",
  /** Streams refused because the peer may not speak the protocol. */
  streamsRefused: "mesh.streams_refused",
  joinsAccepted: "mesh.joins_accepted",
  joinsRefused: "mesh.joins_refused",
  linksUp: "mesh.links_up",
  linksDown: "mesh.links_down",
  /** Links closed because nothing was heard. */
  linksSilent: "mesh.links_silent",
  /** Links whose HELLO or READY did not come in time. */
  greetingsLate: "mesh.greetings_late",
  versionsIncompatible: "mesh.versions_incompatible",
  /** Links closed for a frame that broke a rule. */
  framesMalformed: "mesh.frames_malformed",
  framesOversized: "mesh.frames_oversized",
  /** Messages not sent because the queue to the peer was full. */
  sendsRefused: "mesh.sends_refused",
  /** Messages not sent because they were larger than a frame may be. */
  sendsOversized: "mesh.sends_oversized",
  /** Links refused because the peer's data is older than what it was seen with: it was put back from a backup. */
  oldData: "mesh.old_data",
  dialsFailed: "mesh.dials_failed",
  rostersAccepted: "mesh.rosters_accepted",
  /** Rosters refused: not signed by the domain's key, or malformed. */
  rostersRefused: "mesh.rosters_refused",
  /** Questions about the roster that were refused, or ended without an answer. */
  rosterQuestionsRefused: "mesh.roster_questions_refused",
  /** Servers found to have a different roster of our version and revision: a steward was restored from an old copy, or runs twice. */
  rosterConflicts: "mesh.roster_conflicts",
  /** kad-dht PUT_VALUEs, which are checked and never stored. */
  kadPutsIgnored: "mesh.kad_puts_ignored",
} as const;
