/**
 * Every bound of a node in one place, each with its reason and with what happens when it is reached.
 * A part adds its own group here, never a number of its own elsewhere.
 */
export const limits = {
  mesh: {
    /** One frame between two servers. A larger one is a protocol error: the link is closed. */
    frameBytes: 1024 * 1024,
  },
  storage: {
    /** The database of a node: 4 GiB hold millions of contacts. A write beyond fails with `DISK_FULL`. */
    databaseBytes: 4 * 1024 ** 3,
    /** One setting; the largest is the signed roster of at most 2 MiB. A larger one is a programmer's error. */
    settingBytes: 4 * 1024 * 1024,
    /** How long a write waits for a backup tool that holds the database before it fails. The node stands still meanwhile: below the 2 s after which peers miss it. */
    busyMs: 500,
  },
} as const;
