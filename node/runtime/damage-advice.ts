/**
 * What to do about data that cannot be trusted. Of a domain that went on meanwhile no server may come back from a backup: it has forgotten what it
 * promised since, and a user could have two owners.
 */
export const DAMAGE_ADVICE =
  "Nothing was changed. Where other servers of the domain went on: take this one out of the roster, move its data folder away, and let it join " +
  "anew with an invite. A backup is for a domain that has no other server";
