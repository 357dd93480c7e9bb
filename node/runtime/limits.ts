/**
 * Every bound of a node in one place, each with its reason and with what happens when it is reached.
 * A part adds its own group here, never a number of its own elsewhere.
 */
export const limits = {
  mesh: {
    /** One frame between two servers. A larger one is a protocol error: the link is closed. */
    frameBytes: 1024 * 1024,
  },
} as const;
